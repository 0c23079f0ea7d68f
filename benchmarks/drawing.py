"""Time drawing a graph, to DOT text and to SVG, and compare it with torchviz.

    python benchmarks/drawing.py

The networks are an MLP on 100 points with one node per product and sum (64,705 nodes), a chain of
1,000,000 products, 60 doublings a = a + a, and the digits network. If torchviz is installed (pip
install torchviz), it draws the same network in PyTorch, as text only, since dot cannot lay out such
a graph. Each is timed once, because it takes seconds.
"""

import argparse
import random
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import tinygrad_pool as tg
from tinygrad_pool.cli.demo import DigitsNet
from tinygrad_pool.drawing.rendering import contents
from tinygrad_pool.engine.backward import topological_order

SIZES = (2, 16, 16, 1)


def mlp(leaf: Callable[[float], Any], tanh: Callable[[Any], Any]) -> Any:
    """Compute the loss of an MLP on 100 points by single products and sums."""
    random.seed(0)
    layers = [
        [[leaf(random.uniform(-1, 1)) for _ in range(n)] for _ in range(m)]
        for n, m in pairwise(SIZES)
    ]
    losses = []
    for _ in range(100):
        x: list[Any] = [random.uniform(-1, 1) for _ in range(2)]
        for layer in layers:
            x = [tanh(sum(w * v for w, v in zip(row, x, strict=True))) for row in layer]
        losses.append((1.0 - x[0]) ** 2)
    return sum(losses)


def chain(leaf: Callable[[float], Any], length: int) -> Any:
    """Multiply a number `length` times."""
    y = leaf(1.0)
    for _ in range(length):
        y = y * 0.9999
    return y


def doublings(leaf: Callable[[float], Any]) -> Any:
    """Double a number 60 times by adding it to itself."""
    a = leaf(1.0)
    for _ in range(60):
        a = a + a
    return a


def digits() -> Any:
    """Compute the loss of the digits network on one image."""
    (images, labels), _ = tg.datasets.digits()
    return tg.nn.cross_entropy(DigitsNet(seed=0)(images[:1]), labels[:1])


def seconds(f: Callable[[], Any]) -> tuple[float, Any]:
    """Return the time of one call, and its result."""
    start = time.perf_counter()
    result = f()
    return time.perf_counter() - start, result


def peer(length: int) -> dict[str, Callable[[], Any]]:
    """Return functions that draw with torchviz, by name; none if it is not installed."""
    if not (find_spec("torch") and find_spec("torchviz")):
        print("torchviz is not installed: pip install torchviz")
        return {}
    import torch
    import torchviz

    def leaf(x: float) -> Any:
        return torch.tensor(x, requires_grad=True)

    graphs = {
        "MLP on 100 points": lambda: mlp(leaf, torch.tanh),
        f"chain of {length:,}": lambda: chain(leaf, length),
        "60 doublings": lambda: doublings(leaf),
    }
    return {name: lambda f=f: torchviz.make_dot(f()) for name, f in graphs.items()}


def main() -> None:
    """Draw each graph, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short chain: does it run?")
    length = 1_000 if parser.parse_args().quick else 1_000_000
    ours = {
        "MLP on 100 points": lambda: mlp(tg.Value, tg.tanh),
        f"chain of {length:,}": lambda: chain(tg.Value, length),
        "60 doublings": lambda: doublings(tg.Value),
        "digits network": digits,
    }
    theirs = peer(length)
    print(f"{'':20}{'nodes':>10}{'text':>9}{'and SVG':>9}{'torchviz':>14}")
    for name, build in ours.items():
        value = build()
        text, graph = seconds(lambda value=value: tg.draw(value))
        svg, _ = seconds(lambda graph=graph: contents(graph, "svg"))
        peer_time = "–"
        if name in theirs:
            try:
                peer_time = f"{seconds(theirs[name])[0]:.2f} s"
            except RecursionError:
                peer_time = "RecursionError"
        count = len(topological_order(value))
        print(f"{name:20}{count:>10,}{text:>7.2f} s{text + svg:>7.2f} s{peer_time:>14}")


if __name__ == "__main__":
    main()
