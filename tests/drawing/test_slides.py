"""A backward pass as slides: nothing moves, nothing is lost, nothing stays behind."""

import sys
import xml.etree.ElementTree as ET
from importlib import import_module

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.theme import DARK, NEGATIVE, PAPER, POSITIVE
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import DataError, OptionError, OutputError, ShapeError, ToolError
from tinygrad_pool.formatting import number
from tinygrad_pool.pooling_as_weights import derivation

SVG = "{http://www.w3.org/2000/svg}"


def example():
    """(a b + c) tanh, with a used twice and one detached part."""
    a, b, c = (Value(x, label=n) for x, n in ((2.0, "a"), (-3.0, "b"), (10.0, "c")))
    return (a * b + c) * a + b.exp().detach()


def pooled():
    return (derivation.example().pooled - 1.0) ** 2


def array():
    x = Value(np.arange(9.0).reshape(3, 3), label="x")
    with tg.scope("pool"):
        y = tg.max_pool2d(x * 1000.0, 2, 1)
    return (y * y).mean()


def mixed():
    """Build gradients of both signs, for an array that is written and one that is too large."""
    x = Value([[1.0, 2.0], [3.0, 4.0]], label="x")
    row = Value(np.linspace(-1.0, 1.0, 7), label="row")
    return (x * [[-1.0, 2.0], [3.0, -4.0]]).sum() + (row * row).sum()


def alone():
    return Value(2.0, label="a") * 2.0


GRAPHS = pytest.mark.parametrize("graph", [example, pooled, array, mixed, alone])


def slides(paths):
    return [ET.fromstring(path.read_bytes()) for path in paths]


def nodes(slide):
    return {g.get("id"): g for g in slide.iter(f"{SVG}g") if g.get("class") == "node"}


def words(group):
    return [text.text for text in group.iter(f"{SVG}text")]


def shown_grad(group):
    texts = words(group)
    return texts[texts.index("grad") + 1]


@pytest.mark.covered
@GRAPHS
def test_all_frames_have_the_same_size_16_to_9(graph, tmp_path):
    sizes = {
        tuple(slide.get(key) for key in ("width", "height", "viewBox"))
        for slide in slides(tg.frames(graph(), tmp_path / "s"))
    }
    assert sizes == {("1280pt", "720pt", "0.00 0.00 1280.00 720.00")}


def corners(slide):
    """Find the outer frame of every box."""
    found = {}
    for name, group in nodes(slide).items():
        drawn = [p.get("points").split() for p in group.iter(f"{SVG}polygon")]
        points = np.array([[*map(float, p.split(","))] for polygon in drawn for p in polygon])
        if points.size:
            found[name] = [*points.min(0), *points.max(0)]
    return found


@pytest.mark.long
@GRAPHS
@pytest.mark.parametrize("direction", ["LR", "BT"])
def test_no_box_moves_from_frame_to_frame(graph, direction, tmp_path):
    first, *rest = map(corners, slides(tg.frames(graph(), tmp_path / "s", direction=direction)))
    for other in rest:
        assert other.keys() == first.keys()
        for name, place in first.items():
            assert other[name] == pytest.approx(place, abs=1), name


@pytest.mark.covered
@GRAPHS
def test_the_first_frame_has_no_gradient_and_the_last_one_those_of_backward(graph, tmp_path):
    v = graph()
    for node in topological_order(v):
        node.zero_grad()
    first, *_, last = slides(tg.frames(v, tmp_path / "s"))
    assert {shown_grad(g) for g in nodes(first).values() if "grad" in words(g)} == {"–"}
    v.backward()
    numbered = {f"n{i}": node for i, node in enumerate(topological_order(v))}
    for name, node in numbered.items():
        if not node.shape:
            given = number(node.grad) if node.has_grad else "–"
            assert shown_grad(nodes(last)[name]) == given


def test_each_step_has_a_frame_with_a_caption(tmp_path):
    v = example()
    steps = [step.node for step in tg.backward_steps(v)]
    paths = tg.frames(v, tmp_path / "s")
    assert [p.name for p in paths] == [f"frame_{i}.svg" for i in range(len(steps) + 1)]
    assert [words(nodes(slide)["caption"])[0] for slide in slides(paths)] == [
        "before the backward pass; dotted: not sent yet",
        "1 of 4: + gets 1",
        "2 of 4: × gets 1",
        "3 of 4: + gets 2",
        "4 of 4: × gets 2",
    ]


def test_gradients_accumulate_from_frame_to_frame(tmp_path):
    """a is used twice: it has 4 first, and 4 + 2 · (−3) in the end."""
    shown = [shown_grad(nodes(s)["n0"]) for s in slides(tg.frames(example(), tmp_path / "s"))]
    assert shown == ["–", "–", "4", "4", "−2"]


def test_contributions_point_to_their_operand_and_zeros_are_dashed(tmp_path):
    a, b = Value(1.0, label="a"), Value(3.0, label="b")
    v = tg.maximum(a, b) * 2.0
    last = slides(tg.frames(v, tmp_path / "s"))[-1]
    edges = {g.get("id"): g for g in last.iter(f"{SVG}g") if g.get("class") == "edge"}
    right = {name: corners(last)[name][2] for name in ("n0", "n1")}
    for name, end in (("n2e0", "n0"), ("n2e1", "n1")):
        tips = np.array(
            [
                [*map(float, p.split(","))]
                for p in edges[name].find(f"{SVG}polygon").get("points").split()
            ]
        )
        assert tips[:, 0].min() == pytest.approx(right[end], abs=8)
    lost, won = (edges[name].find(f"{SVG}path") for name in ("n2e0", "n2e1"))
    assert lost.get("stroke-dasharray")
    assert lost.get("stroke-width") is None
    assert won.get("stroke-dasharray") is None
    assert (won.get("stroke"), won.get("stroke-width")) == (POSITIVE.lower(), "4")


def test_negative_contributions_are_double_lines_as_the_legend_says(tmp_path):
    v = Value(1.0, label="a") * -3.0
    first, last = slides(tg.frames(v, tmp_path / "s"))
    (edge,) = (g for g in last.iter(f"{SVG}g") if g.get("id") == "n1e0")
    lines = [(path.get("stroke"), path.get("stroke-width")) for path in edge.iter(f"{SVG}path")]
    assert [line for line in lines if line[0] != "none"] == [(NEGATIVE.lower(), "2")] * 2
    assert edge.find(f"{SVG}polygon").get("fill") == NEGATIVE.lower()
    texts = [text.text for text in first.iter(f"{SVG}text")]
    assert texts[:2] == [
        "before the backward pass; dotted: not sent yet",
        "arrows: blue above 0, orange and double below, dashed 0",
    ]


def test_file_names_sort_in_order(tmp_path):
    v = Value(1.0)
    for _ in range(12):
        v = v + 1.0
    paths = tg.frames(v, tmp_path / "s")
    assert [p.name for p in paths] == [f"frame_{i:02}.svg" for i in range(13)]
    assert sorted((tmp_path / "s").iterdir()) == paths


def test_an_array_takes_a_gradient(tmp_path):
    x = Value([1.0, 2.0], label="x")
    last = slides(tg.frames(x * 3.0, tmp_path / "s", gradient=[1.0, 10.0]))[-1]
    assert "3  30" in " ".join(words(nodes(last)["n0"])).replace("\xa0", " ")
    with pytest.raises(ShapeError, match="has shape"):
        tg.frames(x * 3.0, tmp_path / "t")
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_names_and_labels_are_in_the_boxes(tmp_path):
    p, q = Value(1.0), Value(2.0, label="own")
    first = slides(tg.frames(p * q, tmp_path / "s", names={"p": p, "q": q}))[0]
    assert [words(nodes(first)[n])[0] for n in ("n0", "n1")] == ["p", "own"]


@pytest.mark.parametrize(
    "label", ["<b>&\"'\\n", "]]>", "a\nb", "\\G\\N", "x" * 1000, "最大", "\x00"]
)
def test_hostile_labels(label, tmp_path):
    with tg.scope(label.replace("/", "")):
        v = Value(2.0, label=label).exp()
    v.label = label
    paths = tg.frames(v, tmp_path / "s")
    assert len(slides(paths)) == 2
    if label == "\\G\\N":
        assert words(nodes(slides(paths)[1])["caption"]) == ["1 of 1: \\G\\N (exp) gets 1"]


def test_themes_differ_and_the_background_is_transparent(tmp_path):
    light, dark = (
        tg.frames(alone(), tmp_path / name, theme=name)[0].read_text(encoding="utf-8")
        for name in ("light", "dark")
    )
    assert DARK[PAPER] in dark
    assert DARK[PAPER] not in light
    assert not [svg for svg in (light, dark) if "<polygon" in svg[: svg.index('class="node"')]]


def test_a_png_is_1920_by_1080(tmp_path, peer):
    image = peer("PIL.Image")
    paths = tg.frames(alone(), tmp_path / "s", format="png")
    assert len(paths) == 2
    for path in paths:
        with image.open(path) as opened:
            assert opened.size == (1920, 1080)
            assert opened.convert("RGBA").getpixel((0, 0))[3] == 0


@pytest.mark.slow
def test_a_gif_has_one_picture_per_step(tmp_path, peer):
    image = peer("PIL.Image")
    (path,) = tg.frames(example(), tmp_path / "s", format="gif")
    with image.open(path) as moving:
        assert (path.name, moving.n_frames) == ("backward.gif", 5)
        assert moving.size == (1920, 1080)


def test_a_gif_without_pillow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ToolError, match=r"a GIF needs Pillow: pip install 'tinygrad_pool\[plot\]'"):
        tg.frames(alone(), tmp_path / "s", format="gif")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.covered
@GRAPHS
def test_no_gradient_changes(graph, tmp_path):
    v = graph()
    for i, node in enumerate(topological_order(v)):
        if i % 2:
            node.grad = 7.0
    before = [node._grad for node in topological_order(v)]
    tg.frames(v, tmp_path / "s")
    assert all(node._grad is g for node, g in zip(topological_order(v), before, strict=True))


def test_a_pass_that_fails_changes_no_gradient_and_leaves_no_file(tmp_path):
    def broken(x):
        return 2 * x, lambda g: 1 / 0

    a = Value(2.0, label="a")
    v = tg.lift(broken)(a) * 3.0
    a.grad = v.grad = 5.0
    with pytest.raises(ZeroDivisionError):
        tg.frames(v, tmp_path / "s")
    assert (a.grad, v.grad) == (5, 5)
    assert not v.parents[0].has_grad
    assert list(tmp_path.iterdir()) == []


def test_a_layout_that_fails_leaves_no_file(tmp_path, monkeypatch):
    def fail(*_):
        raise ToolError("no Graphviz here")

    monkeypatch.setattr(import_module("tinygrad_pool.drawing.slides"), "picture", fail)
    with pytest.raises(ToolError, match="no Graphviz"):
        tg.frames(alone(), tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("give", "options", "error", "message"),
    [
        (lambda: 2.0, {}, DataError, "frames: needs a Value, got float"),
        (
            alone,
            {"format": "mp4"},
            OptionError,
            "format must be one of 'svg', 'png', 'pdf', 'gif', got 'm",
        ),
        (alone, {"theme": "neon"}, OptionError, "theme must be one of 'light', 'dark', got 'neon'"),
        (alone, {"direction": "up"}, OptionError, "direction must be one of"),
    ],
)
def test_invalid_arguments_are_refused_before_a_layout(
    give, options, error, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(import_module("tinygrad_pool.drawing.slides"), "picture", None)
    with pytest.raises(error, match=message):
        tg.frames(give(), tmp_path / "s", **options)
    assert list(tmp_path.iterdir()) == []


def test_too_many_nodes_are_refused_with_their_count(tmp_path):
    v = Value(1.0)
    for _ in range(1000):
        v = v + 1.0
    with pytest.raises(
        OptionError,
        match=r"1,001 nodes are too many for slides, at most 100 fit; a page plays any number: ",
    ):
        tg.frames(v, tmp_path / "s")
    tg.record(v).to_html(tmp_path / "pass.html")


def test_an_unwritable_folder_is_reported_before_drawing(tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("tinygrad_pool.drawing.slides"), "picture", None)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="file: is a file, not a folder to write into"):
        tg.frames(alone(), tmp_path / "file")
    with pytest.raises(OutputError, match=r"the folder .*absent does not exist"):
        tg.frames(alone(), tmp_path / "absent" / "s")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_leaf_has_no_step(tmp_path):
    (path,) = tg.frames(Value(1.0, label="a"), tmp_path / "s")
    assert path.name == "frame_0.svg"


def test_a_caption_writes_an_array_row_by_row(tmp_path):
    x = Value([[1.0, 20.0], [300.0, 4.0]], label="x")
    slide = slides(tg.frames((x * x).sum(), tmp_path / "s"))[2]
    assert words(nodes(slide)["caption"]) == ["2 of 2: × gets 1 1; 1 1"]
    wide = slides(tg.frames(x * 1.0, tmp_path / "t", gradient=[[1.0, 20.0], [300.0, 4.0]]))[1]
    assert words(nodes(wide)["caption"]) == ["1 of 1: × gets 1 20; 300 4"]
