"""Time a scalar network, build and backward, beside micrograd: the moons network of its demo.

Both run in one process, in turn, with the garbage collector on; what counts is the ratio.

    pip install -e '.[peers]' && python benchmarks/scalar.py
"""

import argparse
import gc
import random
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import micrograd.engine

import tinygrad_pool as tg


def network(number: type[Any], points: int) -> Callable[[], Any]:
    """Return a function that builds the loss of a 2–16–16–1 network, one node per operation."""
    rng = random.Random(0)
    sizes = [2, 16, 16, 1]
    layers = [
        [([number(rng.uniform(-1, 1)) for _ in range(n)], number(0.0)) for _ in range(m)]
        for n, m in pairwise(sizes)
    ]
    inputs = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(points)]

    def score(x: list[Any]) -> Any:
        for layer in layers:
            x = [sum((w * xi for w, xi in zip(ws, x, strict=True)), b) for ws, b in layer]
            x = [a.relu() for a in x] if layer is not layers[-1] else x
        return x[0]

    def loss() -> Any:
        margins = [(1 + -score(x)).relu() for x in inputs]
        return sum(margins) * (1.0 / len(margins))

    return loss


def seconds(loss: Callable[[], Any]) -> float:
    """Time one build and one backward pass."""
    start = time.perf_counter()
    loss().backward()
    return time.perf_counter() - start


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    ours = network(tg.Value, options.points)
    theirs = network(micrograd.engine.Value, options.points)
    times: dict[str, list[float]] = {"tinygrad_pool": [], "micrograd": []}
    for _ in range(options.repeats):
        for name, loss in (("tinygrad_pool", ours), ("micrograd", theirs)):
            gc.collect()
            times[name].append(seconds(loss))
    medians = {name: statistics.median(t) for name, t in times.items()}
    for name, median in medians.items():
        print(f"{name:14s} {median * 1e3:8.1f} ms")
    print(f"{'speed-up':14s} {medians['micrograd'] / medians['tinygrad_pool']:8.2f} ×")


if __name__ == "__main__":
    main()
