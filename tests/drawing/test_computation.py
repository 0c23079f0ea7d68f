"""The computation graph as DOT text."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.dot_program import picture
from tinygrad_pool.errors import DataError, OptionError

SVG = "{http://www.w3.org/2000/svg}"


def edges(graph) -> list[str]:
    return [line.split("[")[0].strip() for line in graph.source.splitlines() if "->" in line]


def boxes(graph) -> list[str]:
    return [line for line in graph.source.splitlines() if "<TABLE" in line]


def test_a_node_used_twice_has_two_edges():
    a = Value(2.0, label="a")
    assert edges(tg.draw(a * a)) == ["n0 -> n1", "n0 -> n1"]


def test_edges_are_in_the_order_of_the_operands():
    a, b = Value(1.0), Value(2.0)
    assert edges(tg.draw(b - a)) == ["n1 -> n2", "n0 -> n2"]


def test_a_box_shows_label_sign_data_and_gradient():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    E = a * b
    E.label = "E"
    assert all("–" in box for box in boxes(tg.draw(E)))
    E.backward()
    of_a, of_b, of_E = boxes(tg.draw(E))
    assert "<B>a</B>" in of_a
    assert ">2</FONT>" in of_a
    assert ">3</FONT>" in of_a
    assert "<B>b</B>" in of_b
    assert "<B>×</B>&nbsp; <B>E</B>" in of_E
    assert not any("–" in box for box in (of_a, of_b, of_E))


def test_the_root_has_a_thick_frame():
    a = Value(2.0)
    first, last = boxes(tg.draw(a.exp()))
    assert 'BORDER="1"' in first
    assert 'BORDER="3"' in last


def test_constants_have_separate_boxes():
    graph = tg.draw(2 * Value(3.0) + np.ones(2))
    assert edges(graph) == ["n1c0 -> n1", "n0 -> n1", "n1 -> n2", "n2c1 -> n2"]


def test_a_large_array_shows_its_shape_once_and_the_range_of_data_and_gradient():
    x = Value(np.arange(10.0).reshape(2, 5))
    E = (x * np.ones((2, 5))).sum()
    E.backward()
    of_x, of_constant, *_ = boxes(tg.draw(E))
    assert of_x.count("2 × 5") == 1
    assert ">0 ... 9</FONT>" in of_x
    assert ">all 1</FONT>" in of_x
    assert "2 × 5<BR/>all 1" in of_constant + boxes(tg.draw(E))[2]


def test_losers_of_a_max_are_dashed_and_the_winner_is_solid():
    z = [Value(x) for x in (0.2, 0.9, 0.5)]
    lines = [line for line in tg.draw(tg.maximum(*z)).source.splitlines() if "->" in line]
    assert ["dashed" in line for line in lines] == [True, False, True]
    assert [f'label=" {w}"' in line for line, w in zip(lines, "010", strict=True)] == [True] * 3


def test_an_even_tie_shows_its_shares():
    lines = tg.draw(tg.maximum(Value(1.0), Value(1.0), ties="even")).source
    assert lines.count('label=" 0.5"') == 2


def test_a_max_of_arrays_has_plain_edges():
    assert "dashed" not in tg.draw(tg.maximum(Value([1.0, 2.0]), 0.0)).source


def test_scopes_are_nested_frames_with_the_leaves_they_use():
    x, w = Value(1.0, label="x"), Value(2.0, label="w")
    with tg.scope("net"):
        with tg.scope("layer1"):
            a = (w * x).relu()
        with tg.scope("layer2"):
            y = x + a
    source = tg.draw(y * 1.0).source
    order = ["label=net", "<B>x</B>", "label=layer2", "label=layer1", "<B>w</B>"]
    found = [source.index(text) for text in order]
    assert found == sorted(found)  # inside a frame the last comes first, and is drawn below
    assert source.count("subgraph") == 3


def test_a_detached_value_is_drawn_without_its_graph():
    y = Value(2.0).exp().detach() * 3.0
    assert edges(tg.draw(y)) == ["n0 -> n1", "n1c1 -> n1"]
    assert "<B>detach</B>" in tg.draw(y).source


@pytest.mark.covered
@pytest.mark.parametrize(
    "label",
    ["<b>&\"'\\n", "a\nb", pytest.param("x" * 1_000_000, id="long"), "最大", "\x00", "]]>", "\\"],
)
def test_no_label_breaks_a_picture(label):
    with tg.scope(label):
        y = Value(2.0, label=label).exp()
    svg = picture(tg.draw(y, title=label).source, "svg")
    assert len(ET.fromstring(svg).findall(f".//{SVG}g[@class='node']")) == 2


def test_svg_has_the_nodes_edges_and_frames_of_the_graph():
    with tg.scope("inner"):
        y = Value(2.0) * 3.0
    root = ET.fromstring(picture(tg.draw(y + 1.0).source, "svg"))
    count = {kind: len(root.findall(f".//{SVG}g[@class='{kind}']")) for kind in ("node", "edge")}
    assert count == {"node": 5, "edge": 4}
    assert {g.get("id") for g in root.iter(f"{SVG}g")} >= {"n0", "n1", "n2", "n1c1", "n2c1"}


PROGRAM = """
import numpy as np, tinygrad_pool as tg
w = tg.Value(np.arange(4.0).reshape(1, 1, 2, 2), label="w")
with tg.scope("conv"):
    y = tg.max_pool2d(tg.conv2d(np.ones((1, 1, 5, 5)), w).tanh(), 2)
loss = (y * y).sum()
loss.backward()
print(tg.draw(loss).source)
"""


def test_equal_programs_give_equal_text():
    first, second = (
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second
    assert b"max pool2d" in first


def test_direction_and_title_are_written_into_the_graph():
    source = tg.draw(Value(1.0), direction="TB", title="one <leaf>").source
    assert "rankdir=TB" in source
    assert "one <leaf>" in source


def test_only_values_can_be_drawn():
    with pytest.raises(DataError, match="draw: needs a Value, got float"):
        tg.draw(2.0)
    with pytest.raises(OptionError, match=r"draw: direction must be one of .*, got 'up'"):
        tg.draw(Value(1.0), direction="up")


# -- options


def small():
    a, b = Value(2.0, label="a"), Value(-3.0)
    return a, b, tg.maximum(a * b, a) ** 2


def test_show_selects_the_rows_of_a_box():
    a, _, E = small()
    shown = boxes(tg.draw(E, show="grad"))
    assert [("data" in box, "grad" in box) for box in shown] == [
        *[(False, True)] * 4, (False, False), (False, True),
    ]  # fmt: skip
    shown = boxes(tg.draw(Value([1.0, 2.0]), show=("shape", "dtype")))
    assert "2 &nbsp;float64" in shown[0]
    assert ">leaf<" in boxes(tg.draw(Value(1.0), show=()))[0]
    assert ">a</B>" in boxes(tg.draw(a, show=()))[0]


def test_heat_maps_are_drawn_of_arrays_with_two_axes():
    x = Value(np.arange(36.0).reshape(6, 6) - 18)
    y = (x * np.eye(6)).sum()
    y.backward()
    source = tg.draw(y).source
    assert source.count("FIXEDSIZE") > 36 * 4
    assert "#b84a00" in source
    assert "FIXEDSIZE" not in tg.draw(y, show="data,grad").source


def test_edges_show_local_derivatives():
    _, _, E = small()
    lines = [line for line in tg.draw(E, show="data,local").source.splitlines() if "->" in line]
    found = [re.findall(r"× (\S+)", line) for line in lines]
    assert found == [["−3"], ["2"], ["0"], ["1"], ["4"], []]
    assert "×" not in tg.draw(Value([1.0]) * 2.0, show="local").source.split("n0 -> n1")[1]


def test_edges_show_contributions_with_a_scale():
    _, _, E = small()
    assert "arrows:" not in tg.draw(E, show="contribution").source
    E.backward()
    source = tg.draw(E, show="contribution", title="square").source
    assert r"arrows: gradients sent back; the widest is 4\nblue above 0, orange and" in source
    assert source.count('penwidth="5.00"') + source.count("penwidth=5.00") == 2
    (x,) = (Value([3.0, -5.0]),)
    y = (x * x).sum()
    y.backward()
    assert 'label=" −5 "' in tg.draw(y, show="contribution").source
    nothing = Value(2.0) * 0.0
    nothing.backward()
    assert 'label=" 0 "' in tg.draw(nothing, show="contribution").source


def test_boxes_are_filled_by_the_size_of_their_gradient():
    x = Value(0.0, label="x")
    y = (x * 1e-3).sigmoid()
    assert "shaded by" not in tg.draw(y, show="grad,magnitude").source
    y.backward()
    source = tg.draw(y, show="grad,magnitude").source
    assert "shaded by |grad|, from 0.00025 (faint) to 1" in source
    assert "#f4f4f4" in source
    assert "#b2b2b2" in source


def fill_of(graph, name):
    """Read the colour of the title row that holds a name."""
    (row,) = re.findall(rf'BGCOLOR="(#\w+)"[^>]*><FONT[^>]*>(?:<B>)?{name}<', graph.source)
    return row


def test_a_weight_of_a_product_is_not_an_input():
    x, w, b = Value(2.0, label="x"), Value(3.0, label="w"), Value(1.0, label="b")
    graph = tg.draw(x * w + b)
    kinds = [theme.LEAF, theme.WEIGHT, theme.WEIGHT]
    assert [fill_of(graph, name) for name in "xwb"] == kinds
    w1, x1 = Value(3.0), Value(2.0)
    named = tg.draw(x1 * w1 + x1, names={"w1": w1, "x1": x1})  # added, and an input all the same
    assert [fill_of(named, name) for name in ("x1", "w1")] == kinds[:2]
    assert [fill_of(tg.draw(Value(2.0, label="wave") * x), name) for name in ("wave",)] == kinds[:1]


def test_a_nameless_bias_of_scalars_looks_like_the_weights_beside_it():
    w, b = [Value(2.0), Value(3.0)], Value(0.5)
    source = tg.draw((w[0] * 1.5 + w[1] * 2.5 + b).tanh()).source
    assert source.count(theme.LEAF) == 3
    assert theme.WEIGHT not in source
    assert (
        theme.WEIGHT
        in tg.draw((np.ones((2, 2)) @ Value(np.eye(2)) + Value([1.0, 2.0])).sum()).source
    )


def test_recurrent_weights_are_drawn_before_the_inputs():
    h, x = Value([0.0, 1.0], label="h"), Value([2.0, 3.0], label="x0")
    w, u = Value(np.eye(2), label="W"), Value(np.eye(2), label="U")
    graph = tg.draw((w @ h + u @ x).tanh().sum())
    kinds = [theme.WEIGHT, theme.LEAF, theme.WEIGHT, theme.LEAF]
    assert [fill_of(graph, name) for name in ("W", "h", "U", "x0")] == kinds
    plain = tg.draw((Value([1.0, 2.0], label="a") @ Value(np.eye(2), label="b")).sum())
    assert [fill_of(plain, name) for name in "ab"] == [theme.LEAF, theme.WEIGHT]
    graph = tg.draw((w @ np.ones(2) + Value(1.0, label="bias").reshape(1)).sum())
    assert fill_of(graph, "bias") == theme.WEIGHT


def places(graph, axis):
    """List the boxes from the top, or the left, of a picture on, by their id."""
    svg = ET.fromstring(picture(graph.source, "svg"))
    ns = "{http://www.w3.org/2000/svg}"
    boxes = [g for g in svg.iter(f"{ns}g") if g.get("class") == "node"]
    top = {g.get("id"): min(float(t.get(axis)) for t in g.iter(f"{ns}text")) for g in boxes}
    return sorted(top, key=top.get)


@pytest.mark.parametrize("scope", [nullcontext, lambda: tg.scope("neuron")], ids=["bare", "framed"])
@pytest.mark.parametrize("label", ["", "x"])
@pytest.mark.parametrize(("direction", "axis"), [("LR", "y"), ("TB", "x")])
def test_operands_are_in_order_from_the_top_or_the_left(scope, label, direction, axis):
    with scope():
        w = [Value(0.5, label=label and f"w{i}") for i in (1, 2)]
        x = [Value(2.0, label=label and "x1"), 3.0]
        a = tg.weighted_sum(w, x, Value(1.0))
    leaves = [name for name in places(tg.draw(a, direction=direction), axis) if name != "n4"]
    assert leaves == ["n0", "n1", "n2", "n4c3", "n3"]  # w1, w2, x1, a constant, b


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("show", ["data", "data,grad,contribution"])
@pytest.mark.parametrize(("direction", "axis"), [("LR", "y"), ("TB", "x")])
def test_units_below_a_maximum_are_in_order(shared, show, direction, axis):
    x = [Value(i) if shared else i for i in (1.0, 2.0, 3.0)]
    z = [tg.weighted_sum([Value(0.1 * i) for _ in x], x).relu() for i in range(3 + shared)]
    top = tg.maximum(*z) - 1.0
    top.backward()
    recording = tg.record(top)
    units = [f"n{recording.numbers[v]}" for v in z]
    drawn = places(tg.draw(top, show=show, direction=direction), axis)
    assert [name for name in drawn if name in units] == units


def test_a_leaf_without_a_name_has_a_full_box():
    graph = tg.draw(tg.weighted_sum([Value(0.5)], [Value(2.0)]))
    assert [fill_of(graph, kind) for kind in ("weight", "leaf")] == [theme.WEIGHT, theme.LEAF]


def test_variables_give_names_and_values_can_be_highlighted():
    _, b, E = small()
    source = tg.draw(E, names={"E": E, "b": b, "n": 3}, highlight=[b]).source
    assert "<B>b</B>" in source
    assert source.count("#FFE08A") == 1
    assert tg.draw(E, highlight=b).source.count("#FFE08A") == 1
    E.backward()
    assert tg.draw(E, highlight=b, show="grad,magnitude").source.count("#FFE08A") == 1


def test_depth_limits_the_graph():
    _, _, E = small()
    graph = tg.draw(E, depth=1)
    assert edges(graph) == ["n0c0 -> n0", "n0c1 -> n0", "n0 -> n1", "n1c1 -> n1"]
    assert graph.source.count("label=…") + graph.source.count('label="…"') == 2


@pytest.mark.parametrize("detail", ["scopes", "layers", "forms", "turns"])
def test_depth_limits_a_folded_graph(detail):
    _, _, E = small()
    graph = tg.draw(E, depth=1, detail=detail)
    assert edges(graph) == ["g0 -> g1"]
    assert "2 nodes folded into 2 boxes by" in graph.source


def test_a_dark_page_has_dark_colours():
    _, _, E = small()
    dark, light = tg.draw(E, theme="dark").source, tg.draw(E).source
    assert "#1b1d21" in dark
    assert "#ffffff" not in dark
    assert light.count("#222222") == dark.count("#eeeeee")


@pytest.mark.covered
def test_detail_folds_with_a_note():
    y = Value(np.ones(3), label="x")
    for i in range(400):
        with tg.scope(f"layer{i % 40}"):
            y = (y * 1.5).tanh()
    assert "nodes folded into" in tg.draw(y[0]).source
    assert "data" not in tg.draw(y[0], detail="ops").source.split("subgraph")[1]
    for _ in range(2):
        y = tg.concatenate([y, y])
    folded = tg.draw(y, detail="layers", highlight=y)
    assert "802 nodes folded into" in folded.source or "803 nodes folded into" in folded.source
    deep = y
    for _ in range(500):
        deep = deep * 0.9
    assert "detail='full' draws all nodes" in tg.draw(deep).source
    many = Value(1.0)
    for i in range(800):
        with tg.scope(f"s{i}"):
            many = many * 2.0 + 1.0
    assert "1,601 nodes folded into" in tg.draw(many).source


def test_layers_are_drawn_however_many_there_are():
    y = Value(1.0)
    for i in range(310):
        with tg.scope(f"s{i}"):
            y = y * 2.0
    source = tg.draw(y, detail="layers").source
    assert "311 nodes folded into 311 boxes by layers;" in source
    assert all(f"<B>s{i}</B>" in source for i in range(310))


def test_weights_inputs_and_cut_off_values_differ_in_a_folded_graph():
    w, b = Value(np.ones((2, 1, 3)), label="weight"), Value(np.ones(2), label="bias")
    x = Value(np.ones((1, 1, 8)), label="x")
    with tg.scope("conv"):
        z = tg.conv1d(x, w, b)
    cut = Value(1.0).exp().detach()
    E = (z.relu() * cut).sum() + tg.maximum(*[Value(float(i)) for i in range(6)])
    E.backward()
    source = tg.draw(E, detail="layers").source
    for text in ("<B>conv</B>", "8 weights", "<B>x</B>", "cut off", "leaf ×6", "1 × 2 × 6"):
        assert text in source, text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"show": ("data", "grads")},
            "draw: each word of show must be one of 'data', 'grad', .*, got 'grads'",
        ),
        ({"detail": "some"}, "draw: detail must be one of"),
        ({"depth": -1}, "draw: depth must be an integer of at least 0, got -1"),
        ({"theme": "blue"}, "theme must be one of 'light', 'dark', got 'blue'"),
    ],
)
def test_an_option_out_of_its_range_is_named(options, message):
    with pytest.raises(OptionError, match=message):
        tg.draw(Value(1.0), **options)
    with pytest.raises(DataError, match="highlight: needs a Value, got int"):
        tg.draw(Value(1.0), highlight=[3])


def test_an_overview_separates_weights_and_inputs():
    w, x = ([Value(1.0) for _ in range(5)] for _ in "wx")
    weights, inputs, _ = boxes(tg.draw(tg.weighted_sum(w, x), detail="layers"))
    assert "#E4F2E1" in weights
    assert "<B>weight ×5</B>" in weights
    assert "#FFF7DC" in inputs
    assert "<B>leaf ×5</B>" in inputs


@pytest.mark.parametrize(
    ("grads", "cells"),
    [
        ([-2.0, 0.0, 3.0], [("#B84A00", "−2"), ("#5a5a5a", "..."), ("#0072B2", "3")]),
        ([np.nan, 1.0, 1.0], []),
    ],
)
def test_a_folded_box_shows_its_gradients_in_the_colour_of_their_signs(grads, cells):
    x = Value([1.0, 2.0, 3.0], label="x")
    v = (x * 1.0).sum()
    v.backward()
    x.grad = np.array(grads)
    source = next(s for s in tg.draw(v, detail="layers").source.splitlines() if "<B>x" in s)
    found = re.findall(r'<TD ALIGN="RIGHT"><FONT COLOR="(#\w+)">([^<]*)<', source)
    assert found == cells
    assert ("1 ... 1, 1 nan" in source) == (not cells)


# -- the order in which modules are entered

PACKAGE = Path(tg.__file__).parent


def place_of(frame):
    """Return the folder of a function, and its module if that is in drawing."""
    path = Path(frame.f_code.co_filename).with_suffix("")
    parts = path.relative_to(PACKAGE).parts if path.is_relative_to(PACKAGE) else ("",)
    return parts[0], parts[-1] if parts[0] == "drawing" else parts[0]


def road(f):
    """List the modules of the functions that drawing calls, in order; a call site counts once."""
    entered, seen = [], set()

    def look(frame, event, _):
        by = frame.f_back
        (room, place), site = place_of(frame), (by.f_code, by.f_lasti, frame.f_code)
        called = event == "call" and "." not in frame.f_code.co_qualname  # not a method
        if called and room and "drawing" in (room, place_of(by)[0]) and site not in seen:
            seen.add(site)
            entered.append(place)

    sys.setprofile(look)
    try:
        f()
    finally:
        sys.setprofile(None)
    return [place for place, _ in groupby(entered)]


def test_facts_are_computed_before_boxes_are_written():
    x, w, b = Value(2.0, label="x"), Value(3.0, label="w"), Value(1.0, label="b")
    z = (w * x + b).relu()
    z.backward()
    tg.draw(z)  # import everything first
    assert road(lambda: tg.draw(z)) == [
        *("computation", "engine", "rules", "variables", "words", "engine", "formatting"),
        *("layout", "formatting", "wrapping", "derivatives", "edges"),
        *("theme", "dot_program", "nodes", "rules", "boxes", "formatting", "theme", "boxes"),
        "theme",
    ]
