"""Compare calling an unrolled scalar network with building it in micrograd and going backward.

Both take turns in one process, with the garbage collector on. The figure is the ratio of CPU times.
micrograd's cycles are collected between turns, which is not timed; five calls run back to back.
Unrolling and compiling happen once, and are listed separately.

    pip install -e '.[peers]' && python benchmarks/unrolling.py
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import micrograd.engine
from scalar import network

import tinygrad_pool as tg


def seconds(work: Callable[[], Any]) -> float:
    """Return the CPU time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="a small network, twice")
    options = parser.parse_args()
    if options.quick:
        options.points, options.repeats = 4, 2
    loss = network(tg.Value, options.points)()
    theirs = network(micrograd.engine.Value, options.points)
    start = time.process_time()
    unrolled = tg.unroll(loss)
    written = time.process_time()
    unrolled()
    compiled = time.process_time()
    times: dict[str, list[float]] = {"called": [], "micrograd": []}
    for _ in range(options.repeats):
        gc.collect()
        times["micrograd"].append(seconds(lambda: theirs().backward()))
        gc.collect()
        times["called"] += [seconds(unrolled) for _ in range(5)]
    medians = {name: statistics.median(t) for name, t in times.items()}
    print(repr(unrolled))
    for name, t in (("unroll", written - start), ("first call", compiled - written)):
        print(f"{name:14s} {t * 1e3:8.1f} ms")
    for name, median in medians.items():
        print(f"{name:14s} {median * 1e3:8.2f} ms")
    print(f"{'speed-up':14s} {medians['micrograd'] / medians['called']:8.0f} ×")


if __name__ == "__main__":
    main()
