"""How numbers, names and operations are written in a picture."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.boxes import lines, text
from tinygrad_pool.drawing.labels import set_note, sign
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import numbers, plain
from tinygrad_pool.recording.player import stage


def test_text_is_escaped_for_html():
    assert text('<b>&"') == "&lt;b&gt;&amp;&quot;"
    assert text(r"\N") == r"\\N"


def test_lines_of_numbers_are_marked_up_for_html():
    rows = lines(numbers(np.array([[1.0, -20.0], [300.0, 4.0]]))).split("<BR/>")
    assert rows == ["\u2007\u20071&nbsp; −20", "300&nbsp; \u2007\u20074"]


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


@pytest.mark.parametrize(
    "ask",
    [
        tg.draw,
        tg.tree,
        tg.record,
        tg.diagnose,
        tg.unroll,
        lambda v, names: tg.derive(v, v.parents[0], names=names),
    ],
)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (3, r"names must be a dict, such as locals\(\), got 3"),
        (["x"], r"names must be a dict, such as locals\(\), got \['x'\]"),
        (dict(enumerate("xy")), r"names must have text as keys, as in locals\(\), got 0"),
    ],
)
def test_names_are_a_dict_with_text_as_keys(ask, names, message):
    with pytest.raises(OptionError, match=f"^{message}"):
        ask(Value(1.0) * Value(2.0), names=names)


def test_a_note_names_leaves_that_were_set_since_the_forward_pass(tmp_path, monkeypatch):
    w, x, V = Value(2.0), Value(3.0, label="x"), Value([1.0], label="V")
    z = w * x + V.sum()
    a, unit = z.tanh(), tg.weighted_sum([w], [x]).tanh()

    def folded_page():
        with monkeypatch.context() as patch:
            patch.setattr(stage, "UNFOLDED", 1)
            return tg.record(a, names={"w": w})._repr_html_()

    def slides():
        files = tg.frames(a, tmp_path / "slides", names={"w": w})
        return "".join(re.findall("<text.*>(.*)</text>", files[0].read_text("utf-8")))

    looks = {
        "tree": lambda: str(tg.tree(a, names={"w": w})),
        "draw": lambda: tg.draw(a, names={"w": w}).source,
        "folded": lambda: tg.draw(a, detail="forms", names={"w": w}).source,
        "page": lambda: tg.record(a, names={"w": w})._repr_html_(),
        "folded page": folded_page,
        "slides": slides,
        "units": lambda: tg.draw_units(unit).source,
    }
    assert not [look for look in looks if "set since" in looks[look]()]
    w.data = 5.0
    note = "w was set since the forward pass: the results are old; run it again"
    with_note = [look for look in looks if note in looks[look]().replace("\N{NO-BREAK SPACE}", " ")]
    assert with_note == [*looks][:-1]
    assert "1 leaf was set since" in looks["units"]()
    V.data[0] = 4.0  # in the array that was handed out
    assert "w, V were set since" in looks["tree"]()


@pytest.mark.parametrize(
    ("labels", "subject"),
    [
        ([""], "1 leaf was"),
        ([""] * 41, "41 leaves were"),
        (["u", "v"], "u, v were"),
        (["", "u", ""], "u and 2 other leaves were"),
        (["u", "v", "w", "x"], "u, v, w and 1 other leaf were"),
    ],
)
def test_leaves_that_were_set_are_named_or_counted(labels, subject):
    leaves = [tg.Value(1.0, label=label) for label in labels]
    nodes = topological_order(sum(leaves))
    for leaf in leaves:
        leaf.data = 2.0
    (note,) = set_note(nodes)
    assert note == f"{subject} set since the forward pass: the results are old; run it again"
