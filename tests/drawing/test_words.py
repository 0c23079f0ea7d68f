"""What a picture is, in words."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from graphviz import Digraph

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.plots import kink, loss_curve
from tinygrad_pool.drawing.rendering import contents
from tinygrad_pool.drawing.words import caption_of, graph_in_words, set_note, with_caption
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.recording.player import stage

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def loss():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    E = a * b + a * 1.5
    E.label = "E"
    E.backward()
    return E


def words(svg):
    """Read title and description as a screen reader does, by the image's aria-labelledby."""
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    title, desc = root[:2]
    assert (title.tag, desc.tag) == (f"{SVG}title", f"{SVG}desc")
    assert root.get("aria-labelledby").split() == [title.get("id"), desc.get("id")]
    return title.text, desc.text


def test_an_svg_starts_with_its_title_and_description(loss):
    assert words(contents(tg.draw(loss), "svg")) == (
        "Computation graph of E",
        "5 nodes: 2 leaves, 2 mul, 1 add. E has the data 9 and the gradient 1.",
    )


def test_a_given_title_is_used(loss):
    assert words(contents(tg.draw(loss, title="A <first>\nlook"), "svg"))[0] == "A <first> look"


def test_a_value_without_label_and_gradient():
    y = Value(-2.0).exp()
    title, text = graph_in_words(y, topological_order(y))
    assert title == "Computation graph of the exp node"
    assert text.endswith(". The result has the data 0.1353; its gradient is not computed.")


@pytest.mark.parametrize(
    ("data", "output"),
    [
        (np.array([[1.0, -2.0], [3.0, 4.0]]), "1, −2, 3, 4 (shape 2 × 2)"),
        (np.arange(64.0).reshape(8, 8), "0 … 63 (shape 8 × 8)"),
        (np.zeros((0, 3)), "empty (shape 0 × 3)"),
    ],
)
def test_an_array_is_described_by_its_numbers_or_their_range(data, output):
    x = Value(data, label="x")
    assert f"x has the data {output};" in graph_in_words(x, [x]).text


def test_many_kinds_of_operations_are_counted():
    x = Value(0.5)
    y = (((x + x) * x - x) / x).exp().log().sqrt().tanh().sigmoid().relu()
    y = (-y).abs().sum().reshape(1, 1)
    assert ", 1 relu, 1 neg, 3 other kinds. " in graph_in_words(y, topological_order(y)).text


def test_a_digraph_without_a_comment_is_counted():
    graph = Digraph("roads", body=["a -> b", "b -> c"])
    assert words(contents(graph, "svg")) == ("roads", "3 nodes and 2 edges.")
    assert caption_of(Digraph(comment="one\x00line"), "") == ("one line", "0 nodes and 0 edges.")
    assert caption_of(Digraph(), "").title == "Graph"


def test_a_long_title_is_cut():
    title = caption_of(Digraph(comment="x" * 10_000_000), "").title
    assert len(title) == 400
    assert title.endswith("x…")


def test_other_pictures_have_captions():
    drawn = tg.draw_units(tg.maximum(Value(1.0), Value(2.0)), title="F2")
    assert caption_of(drawn, "") == ("F2", "3 units in 2 layers, with data and weights.")
    loss = tg.max_pool1d(Value([1.0, 3.0, 2.0, 0.0]), 2).sum()
    title, text = caption_of(tg.compare_weight_layer(loss).draw(), "")
    assert title == "max pool1d 2 beside a layer of weights"
    assert text.startswith("1 unit over 2 cells, as it is: links without weights; the same as")


def test_a_plot_is_described_by_its_axes():
    assert words(contents(kink(), "svg")) == (
        "Plot of max(x₁, x₂), ∂ max / ∂x₁",
        "max(x₁, x₂), ∂ max / ∂x₁ against x₁   (x₂ = 1 held fixed).",
    )
    figure = loss_curve([2.0, 1.0])
    figure.suptitle("Learning")
    assert caption_of(figure, "") == ("Learning", "training loss against epoch.")


def test_a_pooled_grid_is_described_by_its_titles_and_legend():
    title, text = caption_of(tg.draw_windows(tg.max_pool1d(tg.Value([1.0, 2.0], label="x"), 2)), "")
    assert title == "Plot of x, 1 × 2; max_pool1d, 1 × 1"
    assert text.startswith(f"{title}: a box is a window; ")


def test_a_plot_without_names():
    from matplotlib.figure import Figure

    assert caption_of(Figure(), "") == ("Plot", "Plot.")


def test_two_pictures_on_a_page_have_different_ids():
    one, two = (
        with_caption(f'<svg width="{w}"></svg>', caption_of(Digraph("g"), "")) for w in (1, 2)
    )
    assert one.split('id="')[1][:14] != two.split('id="')[1][:14]


def test_the_dot_text_contains_the_caption(loss, tmp_path):
    path = tg.render(loss, tmp_path / "graph.dot")
    assert path.read_text("utf-8").startswith("// Computation graph of E\t5 nodes: ")


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
    (note,) = set_note(leaves)
    assert note == f"{subject} set since the forward pass: the results are old; run it again"
