"""Measure what stepping costs: recording a pass of 65,000 nodes, and a page of 1,000.

Recording is compared with the plain pass, turn by turn, in the same run.
"""

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import tinygrad_pool as tg
from tinygrad_pool.graph import ancestors

TURNS = 7


def network(units: int, inputs: int) -> tg.Value:
    """Build the squared error of a scalar network over some random inputs."""
    draw = random.Random(0)
    net = tg.nn.MLP(2, [units, units, 1])
    points = ([draw.uniform(-1, 1), draw.uniform(-1, 1)] for _ in range(inputs))
    return sum(((net(point) - 1.0) ** 2 for point in points), start=tg.Value(0.0))


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print the times."""
    loss = network(16, 950)
    passes, recordings = [], []
    for _ in range(TURNS):
        passes.append(seconds(loss.backward))
        recordings.append(seconds(lambda: tg.record(loss)))
    plain, recorded = median(passes), median(recordings)
    print(f"{len(ancestors(loss)):,} nodes: backward {plain:.2f} s, record {recorded:.2f} s")
    print(f"recording costs {recorded - plain:.2f} s more, {recorded / plain:.1f} times the pass")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pass.html"
        for some in (loss, network(8, 20)):
            passed = tg.record(some)
            taken = seconds(lambda passed=passed: passed.to_html(file))
            size = file.stat().st_size / 1000
            print(f"a page of {len(passed.nodes):,} nodes: {taken:.1f} s, {size:,.0f} KB")


if __name__ == "__main__":
    main()
