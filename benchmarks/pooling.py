"""Time max pooling, forward and backward, beside torch on one thread, and weigh what both allocate.

Both run in one process, in turn, on the same float32 arrays, and have to agree on every gradient;
what counts is the ratio of the medians, torch's to ours. Memory is how far the peak resident set of
a fresh process grows in the first step after a small one: everything but the input and what arrives
at the result, which are there before.

    pip install -e '.[peers]' && python benchmarks/pooling.py
"""

import argparse
import gc
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import tinygrad_pool as tg

WINDOWS = {"k2s2": (2, 2, 0), "k3s2p1": (3, 2, 1), "k3s1p1": (3, 1, 1)}
SHAPES = [(8, 16, 64, 64), (32, 64, 56, 56)]
SMALL = (1, 1, 8, 8)
MIB = 2**20

Step = Callable[[], Any]
Window = tuple[int, int, int]


def ours(x: Any, g: Any, window: Window) -> Step:
    """Return a function that pools x and returns its gradient."""
    leaf = tg.Value(x)

    def step() -> Any:
        leaf.grad = None
        y = tg.max_pool2d(leaf, *window)
        y.backward(g)
        return leaf.grad

    return step


def theirs(x: Any, g: Any, window: Window) -> Step:
    """Return the same of torch."""
    torch.set_num_threads(1)
    leaf = torch.tensor(x, requires_grad=True)
    arriving = torch.from_numpy(g)

    def step() -> Any:
        leaf.grad = None
        y = torch.nn.functional.max_pool2d(leaf, *window)
        y.backward(arriving)
        return leaf.grad.numpy()

    return step


SIDES = {"tinygrad_pool": ours, "torch": theirs}


def prepare(side: str, shape: tuple[int, ...], window: Window) -> Step:
    """Make the arrays, the same for both sides."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape, np.float32)
    out = tg.max_pool2d(np.zeros((1, 1, *shape[2:])), *window).shape[2:]
    return SIDES[side](x, rng.standard_normal((*shape[:2], *out), np.float32), window)


def milliseconds(shape: tuple[int, ...], window: Window, repeats: int) -> list[float]:
    """Time both sides in turn; return the medians, ours first."""
    steps = [prepare(side, shape, window) for side in SIDES]
    gradients = [step() for step in steps]
    if not np.array_equal(*gradients):
        sys.exit(f"the gradients differ at {shape}, {window}")
    del gradients
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(repeats):
        for step, taken in zip(steps, times, strict=True):
            gc.collect()
            start = time.perf_counter()
            step()
            taken.append((time.perf_counter() - start) * 1e3)
    return [statistics.median(taken) for taken in times]


def peak() -> int:
    """Return the most bytes that this process ever held in memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def growth(side: str, shape: tuple[int, ...], window: Window) -> float:
    """Measure by how many MiB one step raises the peak of this process.

    Imports may have held more than is held now, so memory is filled up to the old peak before.
    """
    prepare(side, SMALL, window)()
    step = prepare(side, shape, window)
    before, ballast = peak(), [np.ones(1)]
    while peak() == before:
        ballast.append(np.ones(2**13))
    before = peak()
    step()
    return (peak() - before) / MIB


def growth_in_a_fresh_process(side: str, case: str) -> float:
    """Run `growth` in a process of its own."""
    command = [sys.executable, __file__, "--growth", side, case]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print a row for each window and shape."""
    cases = {
        f"{name} {'×'.join(map(str, shape))}": (shape, window)
        for shape in SHAPES
        for name, window in WINDOWS.items()
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="once: does it run?")
    parser.add_argument("--growth", nargs=2, metavar=("SIDE", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.growth:
        side, case = options.growth
        print(growth(side, *cases[case]))
        return
    if options.quick:
        options.repeats, cases = 1, dict([*cases.items()][:1])
    print(f"{'':22s} {'ours':>9s} {'torch':>9s} {'ratio':>7s} {'ours':>10s} {'torch':>10s}")
    for case, (shape, window) in cases.items():
        mine, other = milliseconds(shape, window, options.repeats)
        sizes = [growth_in_a_fresh_process(side, case) for side in SIDES]
        print(
            f"{case:22s} {mine:6.2f} ms {other:6.2f} ms {other / mine:5.2f} × "
            f"{sizes[0]:6.1f} MiB {sizes[1]:6.1f} MiB"
        )


if __name__ == "__main__":
    main()
