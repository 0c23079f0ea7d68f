"""Compare networks of numbers with micrograd, and small arrays with torch, in both passes.

The network is that of micrograd's demo: two moons, 2-16-16-1, one node per operation. It is timed
in two ways. "Back to back", each implementation has its own process, and the garbage collector runs
when it likes, as in training; micrograd then pays for the cycles of its previous step. "Collected
between", both take turns in one process, and collecting garbage between steps is not timed.

    pip install -e '.[peers]' && python benchmarks/scalar.py
"""

import argparse
import gc
import random
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import micrograd.engine
import numpy as np

import tinygrad_pool as tg

SIDES: dict[str, type[Any]] = {"tinygrad_pool": tg.Value, "micrograd": micrograd.engine.Value}
Step = Callable[[], Any]


def network(number: type[Any], points: int, units: bool = False) -> Step:
    """Return a function that builds the loss of a 2-16-16-1 network.

    Each operation is one node. With `units`, each unit's weighted sum is one node.
    """
    rng = random.Random(0)
    sizes = [2, 16, 16, 1]
    layers = [
        [([number(rng.uniform(-1, 1)) for _ in range(n)], number(0.0)) for _ in range(m)]
        for n, m in pairwise(sizes)
    ]
    inputs = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(points)]

    def unit(ws: list[Any], x: list[Any], b: Any) -> Any:
        if units:
            return tg.weighted_sum(ws, x, b)
        return sum((w * xi for w, xi in zip(ws, x, strict=True)), b)

    def score(x: list[Any]) -> Any:
        for layer in layers:
            x = [unit(ws, x, b) for ws, b in layer]
            x = [a.relu() for a in x] if layer is not layers[-1] else x
        return x[0]

    def loss() -> Any:
        margins = [(1 + -score(x)).relu() for x in inputs]
        return sum(margins) * (1.0 / len(margins))

    return loss


def backward(loss: Step) -> Step:
    """Return a function that builds a loss and runs its backward pass."""
    return lambda: loss().backward()


def seconds(step: Step) -> float:
    """Return the CPU time of one step."""
    start = time.process_time()
    step()
    return time.process_time() - start


def medians(steps: list[Step], repeats: int) -> list[float]:
    """Time several steps in turn, collecting garbage between them; return the median of each."""
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(repeats):
        for step, taken in zip(steps, times, strict=True):
            gc.collect()
            taken.append(seconds(step))
    return [statistics.median(taken) for taken in times]


def chain(number: type[Any], length: int) -> None:
    """Build a chain of additions and run its backward pass."""
    x, y = number(1.0), number(0.5)
    for _ in range(length):
        x = x + y
    x.backward()


def time_alone(side: str, case: str, size: int, repeats: int) -> list[float]:
    """Time a step in a fresh process; return the median in seconds and the peak memory in MiB."""
    command = [sys.executable, __file__, "--alone", side, case, str(size), str(repeats)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(word) for word in ran.stdout.split()]


def run_alone(side: str, case: str, size: int, repeats: int) -> None:
    """Time a step in this process, which `time_alone` started, and print the results."""
    number = SIDES[side]
    step: Step = lambda: chain(number, size)  # noqa: E731  # replaced below
    if case != "chain":
        step = backward(network(number, size, units=case == "units"))
    sys.setrecursionlimit(10 * size + 10_000)  # micrograd's backward recurses
    threading.stack_size(2**30)
    times: list[float] = []
    thread = threading.Thread(target=lambda: times.extend(seconds(step) for _ in range(repeats)))
    thread.start()
    thread.join()
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    print(statistics.median(times), peak)


def operations() -> dict[str, Callable[[Any], Any]]:
    """Return operations on one number and on constants, by name."""
    b, c, *more = (tg.Value(i / 10) for i in range(1, 8))
    return {
        "add": lambda x: x + b,
        "maximum of 2": lambda x: tg.maximum(x, b),
        "maximum of 3": lambda x: tg.maximum(x, b, c),
        "maximum of 8": lambda x: tg.maximum(x, b, c, *more),
        "relu": lambda x: x.relu(),
        "tanh": lambda x: x.tanh(),
        "sigmoid": lambda x: x.sigmoid(),
        "clip": lambda x: x.clip(-1.0, 1.0),
        "exp": lambda x: x.exp(),
    }


def chained(operation: Callable[[Any], Any], length: int) -> Step:
    """Return a step that applies an operation to its own result again and again, in both passes.

    A result of 100 or more is added to the loss, and the chain begins anew.
    """

    def step() -> None:
        first = x = loss = tg.Value(0.5)
        for _ in range(length):
            x = operation(x)
            if abs(x.data) >= 100:
                loss, x = loss + x, first
        (loss + x).backward()

    return step


def small_arrays(length: int) -> tuple[Step, Step]:
    """Return our step and torch's: sums, products and maxima of (4, 4) arrays."""
    import torch  # not above, where it would count in the memory of the fresh processes

    rng = np.random.default_rng(0)
    spreads = ((0.1, 1.0), (0.01, 1.0), (0.01, 0.0))
    arrays = [(rng.standard_normal((4, 4)) * s + m).astype(np.float32) for s, m in spreads]
    torch.set_num_threads(1)
    g = np.ones((4, 4), np.float32)

    def run(leaves: list[Any], maximum: Callable[[Any, Any], Any], g: Any) -> Any:
        x, w, b = leaves
        for _ in range(length // 3):
            x = maximum((x + b) * w, b)
        x.backward(g)
        return leaves[0].grad

    def ours() -> Any:
        return run([tg.Value(a) for a in arrays], tg.maximum, g)

    def theirs() -> Any:
        leaves = [torch.from_numpy(a).requires_grad_() for a in arrays]
        return run(leaves, torch.maximum, torch.from_numpy(g)).numpy()

    if not np.array_equal(ours(), theirs()):
        sys.exit("the gradients of small arrays differ")
    return ours, theirs


def main() -> None:
    """Print a row for each figure, as a ratio, which other machines can reproduce."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run?")
    parser.add_argument("--alone", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        side, case, *numbers = options.alone
        run_alone(side, case, *map(int, numbers))
        return
    quick = options.quick
    points, repeats, length = (5, 2, 1_000) if quick else (100, 9, 1_000_000)

    ours, theirs = (backward(network(number, points)) for number in SIDES.values())
    units = backward(network(tg.Value, points, units=True))
    mine, other, by_units = medians([ours, theirs, units], repeats)
    sides_alone = [time_alone(side, "moons", points, repeats) for side in SIDES]
    units_alone = time_alone("tinygrad_pool", "units", points, repeats)
    print(f"moons, back to back          {sides_alone[1][0] / sides_alone[0][0]:6.2f} × micrograd")
    print(f"  by weighted_sum            {sides_alone[1][0] / units_alone[0]:6.2f} × micrograd")
    print(f"moons, collected between     {other / mine:6.2f} × micrograd")
    print(f"  by weighted_sum            {other / by_units:6.2f} × micrograd")
    chains = [time_alone(side, "chain", length, 1) for side in SIDES]
    name = f"chain of {length:,}"
    print(f"{name:28s} {chains[1][0] / chains[0][0]:6.2f} × micrograd")
    print(f"{'  peak memory':28s} {chains[0][1] / chains[1][1]:6.2f} of micrograd's")

    steps = {name: chained(operation, 1_000) for name, operation in operations().items()}
    times = dict(zip(steps, medians([*steps.values()], 3 if quick else 25), strict=True))
    for name, taken in times.items():
        print(f"{name:28s} {taken / times['add']:6.2f} × an addition")

    if not find_spec("torch"):
        return
    mine, other = medians([*small_arrays(99 if quick else 999)], 3 if quick else 25)
    print(f"{'999 operations on (4, 4)':28s} {other / mine:6.2f} × torch")


if __name__ == "__main__":
    main()
