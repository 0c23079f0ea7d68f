"""Compare pools with torch's on one thread: time of both passes, and memory.

Both sides take turns in one process, on the same float32 arrays, and must agree on every gradient.
A round is several steps of each (`--steps`), because a single step finds the processor's caches
full of the other side's arrays. The sides alternate in who begins. The figure is the median over
rounds of the ratio of CPU times, torch's to ours: above 1 we are faster.

Memory is the growth of the peak resident set of a fresh process in its first step after a small
one. It includes everything except the input and the upstream gradient, which exist before.

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
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

import tinygrad_pool as tg

Shape = tuple[int, ...]
Step = Callable[[], Any]

WINDOWS = {"k2s2": (2, 2, 0), "k3s2p1": (3, 2, 1), "k3s1p1": (3, 1, 1)}
USUAL, LARGE, SMALL, TINY = (8, 16, 64, 64), (32, 64, 56, 56), (2, 3, 8, 16), (1, 1, 8, 8)
MIB = 2**20


class Case(NamedTuple):
    """A pool, by the name and options that both sides share, and the shape of its input."""

    pool: str
    options: tuple[Any, ...]
    shape: Shape = USUAL

    def of(self, side: Any) -> Callable[[Any], Any]:
        """Return the pool of one side."""
        return lambda x: getattr(side, self.pool)(x, *self.options)


CASES = {
    **{f"maximum {name}": Case("max_pool2d", window) for name, window in WINDOWS.items()},
    **{f"average {name}": Case("avg_pool2d", window) for name, window in WINDOWS.items()},
    "global maximum": Case("adaptive_max_pool2d", (1,)),
    "global average": Case("adaptive_avg_pool2d", (1,)),
    "maximum k64": Case("max_pool2d", (64,)),
    "average k64": Case("avg_pool2d", (64,)),
    "adaptive maximum 8×8": Case("adaptive_max_pool2d", (8,)),
    "adaptive average 8×8": Case("adaptive_avg_pool2d", (8,)),
    "adaptive maximum 7×7": Case("adaptive_max_pool2d", (7,)),
    "adaptive average 7×7": Case("adaptive_avg_pool2d", (7,)),
    **{f"norm p={p} k2s2": Case("lp_pool2d", (p, 2)) for p in (1, 2, 2.5)},
    "maximum k2s2, small": Case("max_pool2d", (2,), SMALL),
    "maximum k3s1p1, small": Case("max_pool2d", (3, 1, 1), SMALL),
    "average k2s2, small": Case("avg_pool2d", (2,), SMALL),
    "average k3s1p1, small": Case("avg_pool2d", (3, 1, 1), SMALL),
    "global maximum, small": Case("adaptive_max_pool2d", (1,), SMALL),
    "global average, small": Case("adaptive_avg_pool2d", (1,), SMALL),
    "adaptive maximum 3×3, small": Case("adaptive_max_pool2d", (3,), SMALL),
    "adaptive average 3×3, small": Case("adaptive_avg_pool2d", (3,), SMALL),
    "norm p=2 k2s2, small": Case("lp_pool2d", (2, 2), SMALL),
    **{f"maximum {name}, large": Case("max_pool2d", w, LARGE) for name, w in WINDOWS.items()},
    **{f"average {name}, large": Case("avg_pool2d", w, LARGE) for name, w in WINDOWS.items()},
}


def ours(case: Case, x: Any, g: Any) -> Step:
    """Return a function that pools x and returns its gradient."""
    pool, leaf = case.of(tg), tg.Value(x)

    def step() -> Any:
        leaf.grad = None
        pool(leaf).backward(g)
        return leaf.grad

    return step


def theirs(case: Case, x: Any, g: Any) -> Step:
    """Return the same for torch."""
    torch.set_num_threads(1)
    pool, leaf = case.of(functional), torch.tensor(x, requires_grad=True)
    arriving = torch.from_numpy(g)

    def step() -> Any:
        leaf.grad = None
        pool(leaf).backward(arriving)
        return leaf.grad.numpy()

    return step


SIDES = {"tinygrad_pool": ours, "torch": theirs}


def prepare(side: str, case: Case) -> Step:
    """Make the step of one side; both get the same arrays, positive for torch's odd norms."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(case.shape, np.float32)
    x = np.abs(x) if case.pool == "lp_pool2d" else x
    out = case.of(tg)(np.zeros((1, 1, *case.shape[2:]))).shape[2:]
    return SIDES[side](case, x, rng.standard_normal((*case.shape[:2], *out), np.float32))


def milliseconds(case: Case, rounds: int, count: int) -> list[tuple[float, ...]]:
    """Time both sides in turn, `count` steps or more; return a pair per round, ours first."""
    steps = [prepare(side, case) for side in SIDES]
    mine, other = (step() for step in steps)
    if not np.allclose(mine, other, rtol=1e-5, atol=1e-6):
        sys.exit(f"the gradients differ in {case}")
    del mine, other
    times, repeats = [], max(count, 50_000 // int(np.prod(case.shape)))
    for i in range(rounds):
        gc.collect()
        pair = [0.0, 0.0]
        for side in (0, 1) if i % 2 else (1, 0):
            start = time.process_time()
            for _ in range(repeats):
                steps[side]()
            pair[side] = (time.process_time() - start) * 1e3 / repeats
        times.append(tuple(pair))
    return times


def peak() -> int:
    """Return the peak memory of this process in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def growth(side: str, case: Case) -> float:
    """Return by how many MiB one step raises the peak memory of this process.

    Imports may have used more memory than is in use now, so memory is first filled up to that peak.
    """
    if max(case.options, default=0) <= TINY[-1]:
        prepare(side, case._replace(shape=TINY))()
    step = prepare(side, case)
    before, ballast = peak(), [np.ones(1)]
    while peak() == before:
        ballast.append(np.ones(2**13))
    before = peak()
    step()
    return (peak() - before) / MIB


def growth_in_a_fresh_process(side: str, name: str) -> float:
    """Run `growth` in a fresh process."""
    command = [sys.executable, __file__, "--growth", side, name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_ratios(
    cases: dict[str, Case], rounds: int, steps: int, memory: Callable[..., float]
) -> None:
    """Print a row for each case."""
    print(f"{'':28s} {'ours':>9s} {'torch':>9s} {'ratio':>7s} {'ours':>10s} {'torch':>10s}")
    for name, case in cases.items():
        times = milliseconds(case, rounds, steps)
        mine, other = (statistics.median(taken) for taken in zip(*times, strict=True))
        ratio = statistics.median(b / a for a, b in times)
        row = f"{name:28s} {mine:6.3f} ms {other:6.3f} ms {ratio:5.2f} ×"
        sizes = [] if case.shape == SMALL else [memory(side, name) for side in SIDES]
        print(row + "".join(f" {size:6.1f} MiB" for size in sizes), flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("begins", nargs="*", help="only cases whose names begin with one of these")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--steps", type=int, default=5, help="minimal steps per round")
    parser.add_argument("--quick", action="store_true", help="once: does it run?")
    parser.add_argument("--growth", nargs=2, metavar=("SIDE", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.growth:
        side, name = options.growth
        print(growth(side, CASES[name]))
        return
    begins = tuple(options.begins or [""])
    cases = {name: case for name, case in CASES.items() if name.startswith(begins)}
    if options.quick:
        here = [name for name in cases if cases[name].shape == USUAL][:1]
        few = {name: c for name, c in cases.items() if c.shape == SMALL or name in here}
        print_ratios(few, 1, 1, lambda side, name: growth(side, CASES[name]))
        return
    print_ratios(cases, options.rounds, options.steps, growth_in_a_fresh_process)


if __name__ == "__main__":
    main()
