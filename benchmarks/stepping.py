"""Measure the cost of stepping: recording, tracing, watching a run, pages, an editor's session.

    python benchmarks/stepping.py [--quick]

The graph is the 2–16–16–1 network of micrograd's demo on 100 points, one node per product and sum:
65,000 nodes. Recording is compared with building the graph and going backward, and building under
`traced()` with plain building. They take turns in one process, with the garbage collector on. The
figures are median ratios of CPU times. Watching is compared with the rest of a training step, for
that network with one node per unit, for a small convolutional net, and for a perceptron, 784–128–10
on 128 images. Writing a page is timed by the clock, including Graphviz.

An editor's session is timed by the clock, as its client sees it. `tinygrad-pool dap` runs in its
own process with a script that builds 47,000 nodes. The time of the script alone is listed with that
of the start. After each step, the client requests everything that an editor shows.
"""

import argparse
import json
import random
import subprocess
import sys
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
    """Return the time of one call."""
    start = clock()
    work()
    return clock() - start


def ratios(build: Callable[[], tg.Value], repeats: int) -> list[float]:
    """Return the cost of record, of traced() and of traced(frames=True), as ratios."""
    recorded, traced, framed = [], [], []
    for _ in range(repeats):
        plain = seconds(build)
        loss = build()
        passed = seconds(loss.backward)
        recorded.append(seconds(lambda loss=loss: tg.record(loss)) / (plain + passed))
        del loss
        with tg.traced():
            traced.append(seconds(build) / plain)
        with tg.traced(frames=True):
            framed.append(seconds(build) / plain)
    return [median(found) for found in (recorded, traced, framed)]


class Editor:
    """A minimal client of the debug adapter protocol."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tinygrad_pool", "dap"]
        self.adapter = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.sent = 0

    def ask(self, command: str, *, until: str = "", **arguments: Any) -> Any:
        """Send a request and return the answer; with `until`, also wait for that event."""
        self.sent += 1
        request = {"seq": self.sent, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(request).encode()
        self.adapter.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.adapter.stdin.flush()
        answer: Any = None
        while answer is None or until:
            message = self._read()
            if message.get("request_seq") == self.sent:
                answer = message.get("body")
            elif message.get("event") == until:
                until = ""
        return answer

    def _read(self) -> Any:
        length = int(self.adapter.stdout.readline().split(b":")[1])
        self.adapter.stdout.readline()
        return json.loads(self.adapter.stdout.read(length))

    def step(self, command: str) -> None:
        """Take a step, and request what an editor shows: frames, scopes and open variables."""
        self.ask(command, until="stopped", threadId=1)
        frames = self.ask("stackTrace", threadId=1, levels=20)["stackFrames"]
        for scope in self.ask("scopes", frameId=frames[0]["id"])["scopes"]:
            if not scope["expensive"]:
                self.ask("variables", variablesReference=scope["variablesReference"])


def session(script: Path, points: int, steps: int) -> tuple[float, float, float, float]:
    """Time a session: the script alone, the start, the median step and the longest step."""
    here = Path(__file__).parent
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(here)!r})\n"
        f"from stepping import network\nloss = network({points})()\n"
    )
    command = [sys.executable, str(script)]
    alone = seconds(lambda: subprocess.run(command, check=True), time.perf_counter)
    begun = time.perf_counter()
    editor = Editor()
    editor.ask("initialize", adapterID="backward")
    editor.ask("launch", until="initialized", program=str(script))
    editor.ask("configurationDone", until="stopped")
    started = time.perf_counter() - begun
    taken = [
        seconds(lambda c=command: editor.step(c), time.perf_counter)
        for command in ["next"] * steps + ["stepBack"] * steps
    ]
    editor.ask("disconnect")
    editor.adapter.communicate()
    return alone, started, median(taken), max(taken)


def moons(points: int) -> tuple[tg.nn.Module, Callable[[], tg.Value]]:
    """Return micrograd's demo, with one node per unit, and a function that builds its loss."""
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


def perceptron(images: int) -> tuple[tg.nn.Module, Callable[[], tg.Value]]:
    """Return a net of two linear layers, and a function that builds its loss."""
    rng = np.random.default_rng(0)
    net = tg.nn.Sequential(tg.nn.Linear(784, 128), tg.nn.ReLU(), tg.nn.Linear(128, 10))
    x, labels = rng.standard_normal((images, 784)), rng.integers(0, 10, images)
    return net, lambda: tg.nn.cross_entropy(net(x), labels)


def watched(net: tg.nn.Module, build: Callable[[], tg.Value], steps: int) -> float:
    """Return the cost of watching a training step, as a fraction of the rest of the step."""
    run, optimizer = tg.watch(net), tg.optim.SGD(net.parameters(), lr=0.01)
    watching, rest = [], []

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
            watching.append(after - between)
            rest.append(between - start + time.process_time() - after)
    return median(watching) / median(rest)


def main() -> None:
    """Print the ratios, and the times of sessions and pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run?")
    quick = parser.parse_args().quick
    build = network(2 if quick else 100)
    tg.record(build())  # loads what is loaded on first use
    recorded, traced, framed = ratios(build, 1 if quick else 15)
    print(f"{len(topological_order(build())):,} nodes")
    print(f"record             {recorded:5.2f} × build + backward")
    print(f"build, traced()    {traced:5.2f} × build")
    print(f"build, with frames {framed:5.2f} × build")
    for name, (net, loss) in {
        "moons, by units": moons(4 if quick else 100),
        "conv net": conv_net(2 if quick else 64),
        "perceptron": perceptron(2 if quick else 128),
    }.items():
        share = watched(net, loss, 2 if quick else 100)
        print(f"watch {name:15s} {100 * share:5.1f} % of a step")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "net.py"
        sizes = (2, 10) if quick else (72, 100)
        runs = [session(script, *sizes) for _ in range(1 if quick else 5)]
        alone, started, step, longest = map(median, zip(*runs, strict=True))
        print(f"an editor's start  {started:5.2f} s, of which the script takes {alone:.2f} s alone")
        print(f"an editor's step   {1000 * step:5.1f} ms, at most {1000 * longest:.1f} ms")
        file = Path(folder) / "pass.html"
        for points in (1, 2) if quick else (1, 100):
            passed = tg.record(network(points)())
            taken = seconds(lambda passed=passed: passed.to_html(file), time.perf_counter)
            size = file.stat().st_size / 1000
            print(f"page of {len(passed.nodes):6,} nodes {taken:5.1f} s, {size:,.0f} KB")


if __name__ == "__main__":
    main()
