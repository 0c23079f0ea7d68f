"""Measure what stepping costs: recording, tracing lines, watching a training run, and pages.

    python benchmarks/stepping.py [--quick]

The graph is the 2–16–16–1 network of micrograd's demo on 100 points, a node for each product and
sum: 65,000. Recording is compared with building the graph and the pass itself, and building under
`traced()` with building, in turn, in one process, by its CPU time, the garbage collector on. What
counts are the medians of the ratios. A page is timed by the clock, Graphviz included. Watching is
compared with the rest of a training step: of that network with a node for each unit, and of a small
convolutional net.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import tinygrad_pool as tg
from tinygrad_pool.engine.backward import topological_order

SIZES = (2, 16, 16, 1)


def network(points: int) -> Callable[[], tg.Value]:
    """Return a function that builds the loss over some random points, one node per operation."""
    draw = random.Random(0)
    layers = [
        [([tg.Value(draw.uniform(-1, 1)) for _ in range(n)], tg.Value(0.0)) for _ in range(m)]
        for n, m in pairwise(SIZES)
    ]
    inputs = [[draw.uniform(-1, 1), draw.uniform(-1, 1)] for _ in range(points)]

    def score(x: list[Any]) -> Any:
        for layer in layers:
            x = [sum((w * v for w, v in zip(ws, x, strict=True)), b) for ws, b in layer]
            x = [a.relu() for a in x] if layer is not layers[-1] else x
        return x[0]

    def loss() -> tg.Value:
        margins = [(1 + -score(x)).relu() for x in inputs]
        return sum(margins) * (1.0 / points)

    return loss


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Time one call."""
    start = clock()
    work()
    return clock() - start


def ratios(build: Callable[[], tg.Value], repeats: int) -> tuple[float, float]:
    """Compare record with build and backward, and a traced build with a plain one."""
    recorded, traced = [], []
    for _ in range(repeats):
        plain = seconds(build)
        loss = build()
        passed = seconds(loss.backward)
        recorded.append(seconds(lambda loss=loss: tg.record(loss)) / (plain + passed))
        del loss
        with tg.traced():
            traced.append(seconds(build) / plain)
    return median(recorded), median(traced)


def moons(points: int) -> tuple[tg.nn.Module, Callable[[], tg.Value]]:
    """Return micrograd's demo, with a node for each unit, and a function that builds its loss."""
    net = tg.nn.MLP(2, [16, 16, 1])
    xs, labels = tg.datasets.moons(points, noise=0.1, seed=1337)
    pairs = [(list(map(float, x)), float(t)) for x, t in zip(xs, labels, strict=True)]
    return net, lambda: sum((1 + -t * net(x)).relu() for x, t in pairs) * (1.0 / points)


def conv_net(images: int) -> tuple[tg.nn.Module, Callable[[], tg.Value]]:
    """Return the convolutional net of networks.py, and a function that builds its loss."""
    rng, single = np.random.default_rng(0), {"dtype": np.float32}
    net = tg.nn.Sequential(
        *(tg.nn.Conv2d(1, 8, 3, padding=1, **single), tg.nn.ReLU(), tg.nn.MaxPool2d(2)),
        *(tg.nn.Conv2d(8, 16, 3, padding=1, **single), tg.nn.ReLU(), tg.nn.MaxPool2d(2)),
        *(tg.nn.Flatten(), tg.nn.Linear(784, 10, **single)),
    )
    x = rng.standard_normal((images, 1, 28, 28), np.float32)
    labels = rng.integers(0, 10, images)
    return net, lambda: tg.nn.cross_entropy(net(x), labels)


def watched(net: tg.nn.Module, build: Callable[[], tg.Value], steps: int) -> float:
    """Compare watching a step of training with the rest of the step."""
    run, optimizer = tg.watch(net), tg.optim.SGD(net.parameters(), lr=0.01)
    spent = [0.0, 0.0]

    def passes() -> tg.Value:
        optimizer.zero_grad()
        loss = build()
        loss.backward()
        return loss

    for i in range(steps + 1):
        start = time.process_time()
        loss = passes()
        between = time.process_time()
        run.step(loss)
        after = time.process_time()
        optimizer.step()
        if i:  # the first step is recorded
            spent[0] += after - between
            spent[1] += between - start + time.process_time() - after
    return spent[0] / spent[1]


def main() -> None:
    """Print the ratios, and how long pages take."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="see that it runs, in a few seconds")
    quick = parser.parse_args().quick
    build = network(2 if quick else 100)
    tg.record(build())  # what is loaded on first use, is
    recorded, traced = ratios(build, 1 if quick else 15)
    print(f"{len(topological_order(build())):,} nodes")
    print(f"record             {recorded:5.2f} × build + backward")
    print(f"build, traced()    {traced:5.2f} × build")
    for name, (net, loss) in {
        "moons, by units": moons(4 if quick else 100),
        "conv net": conv_net(2 if quick else 64),
    }.items():
        share = watched(net, loss, 2 if quick else 100)
        print(f"watch {name:15s} {100 * share:5.1f} % of a step")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pass.html"
        for points in (1, 2) if quick else (1, 100):
            passed = tg.record(network(points)())
            taken = seconds(lambda passed=passed: passed.to_html(file), time.perf_counter)
            size = file.stat().st_size / 1000
            print(f"page of {len(passed.nodes):6,} nodes {taken:5.1f} s, {size:,.0f} KB")


if __name__ == "__main__":
    main()
