"""The text of a dozen pictures, kept: a change of any is seen, and is to be looked at.

REGENERATE=1 pytest tests/drawing/test_golden.py writes them anew.
"""

import hashlib
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, derivation
from tinygrad_pool.drawing.dot_program import picture

GOLDEN = Path(__file__).parent / "golden"
SVG = "{http://www.w3.org/2000/svg}"


def chain():
    x = Value(0.5, label="x")
    y = tg.exp(tg.sin(x * 2.0))
    y.label = "y"
    y.backward()
    return tg.draw(y, show=("data", "grad", "local"))


def square():
    a = Value(3.0, label="a")
    return tg.draw(a * a)


def winner():
    z = tg.maximum(*(Value(x, label=f"z{i}") for i, x in enumerate((0.2, 0.9, 0.5), 1)))
    z.backward()
    return tg.draw(z, direction="BT", title="max")


def tie():
    return tg.draw(tg.maximum(Value(1.0), Value(1.0), 0.0, ties="even"))


def neuron():
    x, w, b = (Value(v, label=n) for v, n in ((2.0, "x"), (-1.5, "w"), (0.5, "b")))
    with tg.scope("neuron"):
        z = tg.weighted_sum([w], [x], b).tanh()
    z.backward()
    return tg.draw(z, show=("data", "grad", "contribution"), highlight=x)


def network():
    loss = (derivation.example().pooled - 1.0) ** 2
    loss.backward()
    return tg.draw(loss, depth=3)


def pool():
    x = Value(np.arange(16.0).reshape(4, 4) % 7 - 3, label="x")
    loss = (tg.max_pool2d(x, 2) ** 2).sum()
    loss.backward()
    return tg.draw(loss, show=("data", "grad", "shape", "dtype", "heat"))


def convolution():
    x = Value(np.eye(5).reshape(1, 1, 5, 5), label="x")
    w = Value(np.array([[1.0, -1.0], [0.5, 0.0]]).reshape(1, 1, 2, 2), label="w")
    with tg.scope("net"):
        with tg.scope("conv"):
            y = tg.conv2d(x, w, np.array([0.1]))
        y = tg.relu(y)
    return tg.draw(y.mean(), theme="dark")


def names():
    a, b = Value(1.0), Value([1.0, 2.0])
    return tg.draw((a * b).sum(), names={"a": a, "b": b}, show=("data",))


def cut():
    y = Value(2.0, label="y").exp().detach() * 3.0
    return tg.draw(y, direction="TB")


def layers():
    w, x = Value(np.ones((3, 3)), label="w"), Value(np.ones((2, 3)), label="x")
    for name in ("first", "second"):
        with tg.scope(name):
            x = tg.relu(x @ w)
    loss = x.sum()
    loss.backward()
    return tg.draw(loss, detail="layers")


def folded():
    v = Value(1.0, label="v")
    for _ in range(1000):
        v = v + 1.0
    return tg.draw(v)


def ops():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    return tg.draw((a * b + a).tanh(), detail="ops")


def hostile():
    with tg.scope('<b>&"\\n/]]>'):
        y = Value(1.0, label="<b>&\"'\\n").exp()
    y.label = "最大\x00\n"
    return tg.draw(y, title="</title>\"\\'\n--><!--")


# each with the nodes, edges and frames of its picture
GRAPHS = {
    chain: (5, 4, 0),
    square: (2, 2, 0),
    winner: (4, 3, 0),
    tie: (4, 3, 0),
    neuron: (5, 4, 1),
    network: (11, 10, 0),
    pool: (5, 4, 0),
    convolution: (6, 5, 2),
    names: (4, 3, 0),
    cut: (3, 2, 0),
    layers: (4, 3, 0),
    folded: (2, 1, 0),
    ops: (5, 5, 0),
    hostile: (2, 1, 2),
}
EACH = pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.__name__)


@EACH
def test_the_text_is_the_one_that_was_looked_at(graph):
    path = GOLDEN / f"{graph.__name__}.dot"
    source = graph().source
    if "REGENERATE" in os.environ:
        path.write_text(source, encoding="utf-8", newline="\n")
    assert source == path.read_text(encoding="utf-8")


def test_there_is_no_other_golden_text():
    assert {path.stem for path in GOLDEN.iterdir()} == {graph.__name__ for graph in GRAPHS}


@EACH
def test_the_picture_has_the_nodes_edges_and_frames_of_the_text(graph):
    source = graph().source
    root = ET.fromstring(picture(source, "svg"))
    parts = {
        kind: [g.get("id") for g in root.iter(f"{SVG}g") if g.get("class") == kind]
        for kind in ("node", "edge", "cluster")
    }
    assert tuple(map(len, parts.values())) == GRAPHS[graph]
    written = re.findall(r"\bid=(\w+)", source)
    assert sorted(parts["node"] + parts["edge"]) == sorted(set(written)) == sorted(written)


def digest():
    return hashlib.sha256("".join(graph().source for graph in GRAPHS).encode()).hexdigest()


def test_another_process_writes_the_same():
    code = f"import runpy; print(runpy.run_path({str(Path(__file__))!r})['digest']())"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=environment, text=True
    )
    assert ran.stdout.strip() == digest()
