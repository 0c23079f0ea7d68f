"""Measure the time per node and per element in graphs and arrays of many sizes, and plot it.

The time is the CPU time of both passes. A level line means that cost grows linearly. A chain of
scalars has 10³ to 10⁶ nodes. Pools and a convolution run on one image of 10⁴ to 10⁸ elements (the
convolution, whose result has four channels, up to 10⁷).

    pip install -e '.[plot]' && python benchmarks/linearity.py docs/measured/linearity.svg
"""

import argparse
import gc
import resource
from collections.abc import Callable

import numpy as np

import tinygrad_pool as tg

Curve = dict[int, float]


def nanoseconds(step: Callable[[], None], size: int) -> float:
    """Return the time per node or element: the best of several, user time only."""
    spent = []
    for _ in range(5 if size <= 10**6 else 2):
        start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        for _ in range(repeats := max(1, 10**5 // size)):
            step()
        spent.append((resource.getrusage(resource.RUSAGE_SELF).ru_utime - start) / repeats)
    return min(spent) / size * 1e9


def chain(n: int) -> Callable[[], None]:
    """Return a step that builds a chain of n scalar nodes, goes backward and frees it."""
    w, b = tg.Value(0.999999), tg.Value(1e-6)

    def step() -> None:
        y = tg.Value(1.0)
        for _ in range(n // 2):
            y = y * w + b
        y.backward()

    return step


def image(operation: Callable[[tg.Value], tg.Value]) -> Callable[[int], Callable[[], None]]:
    """Return a function that makes the step of an operation on a square image of n elements."""

    def of(n: int) -> Callable[[], None]:
        side = round(n**0.5)
        x = tg.Value(np.random.default_rng(0).standard_normal((1, 1, side, side), np.float32))
        g = np.ones(operation(x).shape, np.float32)

        def step() -> None:
            operation(x).backward(g)
            x.zero_grad()

        return step

    return of


def measure(make: Callable[[int], Callable[[], None]], sizes: list[int]) -> Curve:
    """Time a step for each size."""
    curve = {}
    for n in sizes:
        gc.collect()
        curve[n] = nanoseconds(make(n), n)
    return curve


def curves(largest: int) -> tuple[dict[str, Curve], dict[str, Curve]]:
    """Measure the cost of a node and of an element."""
    kernels = tg.Value(np.random.default_rng(1).standard_normal((4, 1, 3, 3), np.float32))
    images = {
        "maximum k2s2": lambda x: tg.max_pool2d(x, 2),
        "maximum k3s1p1": lambda x: tg.max_pool2d(x, 3, 1, 1),
        "average k2s2": lambda x: tg.avg_pool2d(x, 2),
        "average k3s1p1": lambda x: tg.avg_pool2d(x, 3, 1, 1),
        "global maximum": lambda x: tg.adaptive_max_pool2d(x, 1),
        "adaptive average 8×8": lambda x: tg.adaptive_avg_pool2d(x, 8),
        "convolution 3×3, 1 → 4": lambda x: tg.conv2d(x, kernels, padding=1),
    }
    sizes = [10**e for e in range(4, largest + 1)]
    nodes = {"chain of scalars": measure(chain, [10**e for e in range(3, min(largest, 6) + 1)])}
    most = {"convolution 3×3, 1 → 4": 10**7}
    elements = {
        name: measure(image(operation), [n for n in sizes if n <= most.get(name, n)])
        for name, operation in images.items()
    }
    return nodes, elements


def draw(parts: dict[str, dict[str, Curve]], path: str) -> None:
    """Plot the curves side by side with logarithmic axes, and write them to a file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), layout="constrained")
    for axes, (item, lines) in zip(figure.subplots(1, 2), parts.items(), strict=True):
        for name, curve in lines.items():
            axes.loglog([*curve], [*curve.values()], marker="o", label=name)
        low, high = axes.get_ylim()
        axes.set_ylim(low / 3, high * 3)
        axes.set(xlabel=f"{item}s", ylabel=f"ns for each {item}")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    tg.render(figure, path)


def main() -> None:
    """Print the figures, and plot them if a file is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", nargs="?", help="file for the plot")
    parser.add_argument("--quick", action="store_true", help="small sizes only: does it run?")
    options = parser.parse_args()
    nodes, elements = curves(5 if options.quick else 8)
    for item, lines in (("node", nodes), ("element", elements)):
        for name, curve in lines.items():
            costs = "".join(f"  {n:.0e}: {cost:,.1f}" for n, cost in curve.items())
            print(f"{name:24s} ns of CPU for each {item}:{costs}")
    if options.picture:
        draw({"node": nodes, "element": elements}, options.picture)


if __name__ == "__main__":
    main()
