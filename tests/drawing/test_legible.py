"""A graph in a requested size is legible from the back row, or folded with a note."""

import random
import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.cli.demo import DigitsNet
from tinygrad_pool.drawing import legible
from tinygrad_pool.errors import OptionError

LEAST = 16


def scalars(*sizes):
    random.seed(1)
    inputs = [Value(0.5 * i, label=f"x{i}") for i in range(3)]
    return (nn.MLP(3, sizes)(inputs) - 1.0) ** 2


def linear(count):
    return nn.Sequential(
        *(layer for _ in range(count) for layer in (nn.Linear(3, 3, rng=0), nn.Tanh()))
    )


def layers(count):
    return nn.mse_loss(linear(count)(np.ones((2, 3))), np.zeros((2, 3)))


def recurrent(turns, scope=""):
    draw = np.random.default_rng(0).normal
    h, b = Value(np.zeros(3), label="h"), Value(np.zeros(3), label="b")
    w, u = Value(draw(size=(3, 3)), label="W"), Value(draw(size=(3, 2)), label="U")
    for i in range(turns):
        with tg.scope(scope or f"turn{i}"):
            h = (w @ h + u @ Value(draw(size=2), label=f"x{i}") + b).tanh()
    return (h * h).sum()


def loop(turns):
    E, b, x = Value(0.5, label="E"), Value(0.9, label="b"), Value(0.1, label="x")
    for _ in range(turns):
        E = (E * b + x).tanh()
    return E


def convolutions():
    net = nn.Sequential(
        *(nn.Conv2d(1, 2, 3, rng=0), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(2, 2, 2, rng=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten()),
        nn.Linear(8, 3, rng=2),
    )
    return nn.cross_entropy(net(np.random.default_rng(0).normal(size=(2, 1, 8, 8))), [0, 1])


def digits():
    (images, labels), _ = tg.datasets.digits()
    return nn.cross_entropy(DigitsNet(seed=0)(images[:1]), labels[:1])


GRAPHS = {
    "MLP 3-4-4-1": lambda: scalars(4, 4, 1),
    "MLP 3-8-8-1": lambda: scalars(8, 8, 1),
    "MLP 3-16-16-1": lambda: scalars(16, 16, 1),
    "two Linear": lambda: layers(2),
    "three Linear": lambda: layers(3),
    "four Linear": lambda: layers(4),
    "eight Linear": lambda: layers(8),
    "RNN of 3 turns": lambda: recurrent(3),
    "RNN of 5 turns": lambda: recurrent(5),
    "RNN of 8 turns": lambda: recurrent(8),
    "RNN of 8 turns in one scope": lambda: recurrent(8, "cell"),
    "loop of 30 turns": lambda: loop(30),
    "convolutions with norms": convolutions,
    "digits": digits,
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def sized(value, **options):
    """Draw a Value to an SVG; return its text, and how large letters are on a slide."""
    svg = tg.render(value, "graph.svg", **options).read_text("utf-8")
    own = map(float, re.findall(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', svg)[0])
    letters = min(map(float, re.findall(r'font-size="([\d.]+)"', svg)))
    return svg, letters * min(side / length for side, length in zip((1920, 1080), own, strict=True))


@pytest.mark.long
@pytest.mark.parametrize("name", GRAPHS)
def test_text_has_16_pixels_on_a_slide_and_folding_is_noted(name):
    loss = GRAPHS[name]()
    loss.backward()
    svg, letters = sized(loss, width=1920, height=1080)
    assert letters >= LEAST
    full, its_letters = sized(loss, width=1920, height=1080, detail="full")
    boxes = len(re.findall(r'id="n\d+" class="node"', full))
    if "folded into" in svg:
        assert its_letters < LEAST
        assert f"{boxes:,} nodes folded into" in svg
        assert "detail=&#39;full&#39; draws all nodes" in svg
    else:
        assert len(re.findall(r'id="n\d+" class="node"', svg)) == boxes


def test_as_much_as_is_legible_is_drawn():
    loss = scalars(4, 4, 1)
    loss.backward()
    svg, _ = sized(loss, width=1920, height=1080)
    assert svg.count("layers.0/neurons.") == 4  # and not one box for each layer
    assert "folded" not in sized(layers(2), width=1920, height=1080)[0]


def test_a_graph_is_turned_before_it_is_folded(monkeypatch):
    loss = linear(3)(Value(np.ones((2, 3)), label="x")).sum()
    loss.backward()
    assert tg.draw(loss).graph_attr["rankdir"] == "LR"
    across, down = (sized(loss, detail="full", direction=way)[1] for way in ("LR", "TB"))
    assert across < down  # or else this shows nothing
    monkeypatch.setattr(legible, "LEAST", (across + down) / 2)
    svg, letters = sized(loss, height=1080)
    assert letters == down
    assert "folded" not in svg
    svg, letters = sized(loss, height=1080, direction="LR")
    assert "folded" in svg


def test_only_a_size_without_a_detail_makes_it_legible():
    loss = scalars(4, 4, 1)
    assert "folded" not in sized(loss)[0]
    assert "folded" in sized(loss, width=640)[0]
    assert "folded" in sized(loss, height=360)[0]
    assert "folded" not in sized(loss, width=640, detail="ops")[0]
    assert "by layers" in sized(loss, width=640, detail="layers")[0]
    assert "folded" not in sized(loss, width=640, depth=2)[0]
    assert "folded" not in tg.render(loss, "graph.dot", width=640).read_text("utf-8")
    drawn = tg.draw(loss)
    tg.render(drawn, "graph.svg", width=640)
    assert "folded" not in drawn.source


def test_options_reach_the_folded_picture_and_wrong_ones_are_refused():
    loss = scalars(4, 4, 1)
    svg, _ = sized(loss, width=1920, theme="dark", direction="TB", title="a network")
    assert "folded" in svg
    assert "a network" in svg
    assert "#1b1d21" in svg
    with pytest.raises(OptionError, match="draw: direction"):
        tg.render(loss, "graph.svg", width=1920, direction="up")


def test_a_graph_that_cannot_be_folded_is_as_large_as_possible():
    wide = tg.maximum(*(Value(float(i), label=f"unit number {i}") for i in range(60)))
    wide.backward()
    svg, letters = sized(wide, width=1920, height=1080, depth=1)
    assert "leaf ×60" in svg
    assert letters >= LEAST
