"""The exact DOT text of small graphs; TINYGRAD_POOL_GOLDEN=write writes the files."""

import os
from pathlib import Path

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.pooling_as_weights import derivation

GOLDEN = Path(__file__).parent / "golden"


def after_backward(E):
    E.backward()
    return E


def scoped():
    with tg.scope("net"), tg.scope("unit"):
        return after_backward((Value(2.0, label="w") * Value(3.0, label="x")).sigmoid())


def convolved():
    x = Value(np.arange(16.0).reshape(1, 4, 4), label="x")
    w = Value(np.ones((1, 1, 2, 2)), label="w")
    return after_backward(tg.max_pool2d(tg.conv2d(x, w), 2, 1).sum())


PICTURES = {
    "leaf": lambda: tg.draw(Value(2.0, label="a")),
    "square": lambda: tg.draw(after_backward((lambda a: a * a)(Value(3.0, label="a")))),  # noqa: PLC3002
    "constant": lambda: tg.draw(2.0 * Value(3.0) + 1.0),
    "maximum": lambda: tg.draw(after_backward(tg.maximum(Value(1.0), Value(2.0, label="b"), 0.5))),
    "even": lambda: tg.draw(tg.maximum(Value(1.0), Value(1.0), ties="even"), direction="TB"),
    "scopes": lambda: tg.draw(scoped(), title="scopes"),
    "arrays": lambda: tg.draw(convolved()),
    "local": lambda: tg.draw(scoped(), show="data,local"),
    "contribution": lambda: tg.draw(scoped(), show="grad,contribution", theme="dark"),
    "layers": lambda: tg.draw(nn.Linear(2, 2, rng=0)(Value([[1.0, 2.0]])).sum(), detail="layers"),
    "depth": lambda: tg.draw(scoped(), depth=1, detail="ops"),
    "F4": derivation.figures(derivation.example())["F4"],
    "side_by_side": lambda: tg.compare_weight_layer(convolved()).draw(),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_text_of_small_graphs(name):
    drawn = PICTURES[name]().source
    file = GOLDEN / f"{name}.dot"
    if os.environ.get("TINYGRAD_POOL_GOLDEN") == "write":
        file.write_text(drawn, encoding="utf-8")
    assert drawn == file.read_text(encoding="utf-8")
