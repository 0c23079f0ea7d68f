"""How names and operations are written in a picture."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.nodes import sign
from tinygrad_pool.formatting import plain

LABELS = [
    *(r"\Gamma", r"\Nu", r"\Eta", r"\Theta", r"\Lambda", r"\H", r"\n\l\r", r"$\Gamma$"),
    *(r"C:\New\Graph", "end\\", r"\\", r"\"", "&alpha;", "&#65;", "a&b", "&amp;", "<i>x</i>"),
    *("<>", "<!--", "]]>", '"q"', "$x^2$", "a; b", "{a|b}", "100 %"),
]


def pictures_of(label, folder):
    """Draw every kind of picture of a graph with a label for its nodes, scope and title."""
    x = Value(2.0, label=label)
    with tg.scope(label.replace("/", "|")):
        y = tg.maximum(x * 3.0, x)
    y.label = label
    for detail in ("full", "ops", "layers"):
        yield detail, tg.render(tg.draw(y, detail=detail, title=label), folder / "picture.svg")
    yield "units", tg.render(tg.draw_units(y), folder / "units.svg")
    yield "beside", tg.render(tg.compare_weight_layer(y).draw(), folder / "beside.svg")
    yield "page", tg.record(y).to_html(folder / "page.html")
    yield "slide", tg.frames(y, folder)[-1]


@pytest.mark.long
@pytest.mark.parametrize("label", LABELS)
def test_labels_are_shown_literally_in_every_picture(label, tmp_path):
    for kind, path in pictures_of(label, tmp_path):
        (svg,) = re.findall(r"<svg.*</svg>", path.read_text("utf-8"), re.DOTALL)
        words = [t.text or "" for t in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
        words = [word.strip().removesuffix(" = 2").removesuffix(" = 6") for word in words]
        named = [word for word in words if word in (label, label.replace("/", "|"))]
        assert len(named) >= {"full": 4, "ops": 4, "page": 2, "slide": 2}.get(kind, 1), (
            kind,
            words,
        )


@pytest.mark.parametrize("label", ["$x$", r"$\frac$", "$", "a_$b", "x" * 1000])
def test_a_plot_shows_labels_as_text_and_not_as_formulas(label):
    figure = tg.draw_windows(tg.max_pool2d(Value(np.eye(2), label=label), 2))
    figure.canvas.draw()
    title = figure.axes[0].title
    assert title.get_text() == f"{plain(label)}, 2 × 2"
    assert not title.get_parse_math()


def test_operations_have_signs():
    x = Value(2.0)
    assert [sign(v) for v in (x + x, x * x, x.sigmoid(), x.relu(), x)] == [
        "+",
        "×",
        "σ",
        "relu",
        "",
    ]
    assert sign(tg.max_pool2d(np.ones((4, 4)), (2, 3))) == "max pool2d 2×3"
