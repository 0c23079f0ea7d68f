"""The textbook picture of units and links."""

import re
import xml.etree.ElementTree as ET
from html import unescape

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.dot_program import picture
from tinygrad_pool.drawing.edges import LOCAL
from tinygrad_pool.drawing.fonts import width
from tinygrad_pool.errors import DataError, OptionError, ShapeError
from tinygrad_pool.pooling_as_weights.derivation import example, network


def links(graph) -> list[str]:
    lines = [line.strip() for line in graph.source.splitlines() if "->" in line]
    return [line for line in lines if "invis" not in line]


def circles(graph) -> list[str]:
    return [line.strip() for line in graph.source.splitlines() if "shape=circle" in line]


def test_f1_links_carry_no_weights():
    graph = tg.draw_units(example().pooled, depth=1)
    assert links(graph) == ["u0 -> u3", "u1 -> u3", "u2 -> u3"]
    assert [
        name in circle for name, circle in zip(["z₁", "z₂", "z₃"], circles(graph), strict=False)
    ]
    assert "z₁⁽²⁾" in circles(graph)[3]


def test_f2_shows_weights_the_bias_unit_and_inputs_outside_the_receptive_field():
    net = example()
    graph = tg.draw_units(net.units[1], inputs=net.inputs)
    assert [line.split("=")[1].strip(' "') for line in links(graph)] == ["w₂₀", "w₂₂", "w₂₃"]
    assert links(graph)[0].startswith("bias0 -> u5")
    faint = ["dashed" in circle for circle in circles(graph)]
    assert faint == [False, True, False, False, True, True, False]  # x0, x1 … x5, z2
    assert "x₀ = 1" in circles(graph)[0]


def test_f4_is_f1_with_weights_zero_and_one():
    f1 = tg.draw_units(example().pooled, depth=1)
    f4 = tg.draw_units(example().pooled, depth=1, zero_one=True)
    assert circles(f4) == circles(f1)
    assert ['label=" 1"' in line for line in links(f4)] == [False, True, False]
    assert ["dashed" in line for line in links(f4)] == [True, False, True]


def test_units_show_delta_only_after_a_backward_pass():
    net = network([1.0], [{0: 0.0, 1: 2.0}, {0: 0.0, 1: 1.0}], activation=tg.relu)
    assert "δ" not in tg.draw_units(net.pooled).source
    net.pooled.backward(gradient=-3.0)
    graph = tg.draw_units(net.pooled)
    lines = [re.findall("(∂E/∂z|relu′\\(a\\)|δ) = (−?\\d)", circle) for circle in circles(graph)]
    assert lines == [
        [],  # x₀ = 1
        [("δ", "−6")],
        [("∂E/∂z", "−3"), ("relu′(a)", "1"), ("δ", "−3")],
        [("∂E/∂z", "0"), ("relu′(a)", "1"), ("δ", "0")],
        [("δ", "−3")],
    ]
    rims = [re.findall('" color="(#\\w+)".*(peripheries=2)', circle) for circle in circles(graph)]
    double = [(theme.NEGATIVE, "peripheries=2")]
    assert rims == [[], double, double, [], double]
    assert "double rim: below 0" in graph.source
    assert "thick rim" not in graph.source
    assert "δ = ∂E/∂a = ∂E/∂z · σ′(a)\\nwithout a sum: δ = ∂E/∂z" in graph.source


def test_a_unit_of_0_has_its_link():
    assert links(tg.draw_units(tg.maximum(Value(0.0), Value(-1.0)))) == ["u0 -> u2", "u1 -> u2"]


def test_four_plain_values_show_delta_and_a_rim():
    pooled = tg.maximum(*map(Value, (0.3, 1.2, 0.7, -0.4)))
    pooled.backward()
    graph = tg.draw_units(pooled, zero_one=True)
    assert [re.findall("δ = (\\d)", circle) for circle in circles(graph)] == [
        ["0"], ["1"], ["0"], ["0"], ["1"],
    ]  # fmt: skip
    assert ["penwidth=4" in circle for circle in circles(graph)] == [
        False, True, False, False, True,
    ]  # fmt: skip


def test_gradients_from_links_that_are_not_drawn_are_shown_as_others():
    z = [Value(x, label=f"z{i}") for i, x in enumerate((1.0, 5.0, 2.0))]
    first, second = tg.maximum(*z[:2]), tg.maximum(*z[1:])
    (first * 3.0 + second * 4.0).backward()
    graph = tg.draw_units(first)
    assert "z₁ = 5\\n+ others: 4\\nδ = 7" in graph.source
    assert "others: from links that are not drawn" in graph.source
    assert "others" not in tg.draw_units(first, second).source


def test_a_dark_picture():
    light, dark = (tg.draw_units(example().pooled, theme=t).source for t in theme.THEMES)
    assert theme.LEAF in light
    assert [c for c in re.findall("#\\w{6}", dark) if c in theme.DARK] == []
    with pytest.raises(OptionError, match="theme must be one of"):
        tg.draw_units(Value(1.0), theme="neon")


def test_layers_are_stacked_and_units_of_a_layer_side_by_side():
    net = example()
    svg = ET.fromstring(picture(tg.draw_units(net.pooled, direction="BT").source, "svg"))
    ns = "{http://www.w3.org/2000/svg}"
    heights = {
        g.get("id"): g.find(f"{ns}ellipse").get("cy")
        for g in svg.iter(f"{ns}g")
        if g.get("class") == "node"
    }
    assert len(set(heights.values())) == 3
    assert heights["u0"] == heights["u4"] == heights["bias0"]
    assert heights["u5"] == heights["u7"]


def test_unlabelled_weights_show_their_number_and_a_constant_bias_of_zero_no_link():
    x = Value(1.0, label="x1")
    graph = tg.draw_units(tg.weighted_sum([0.5], [x]).tanh())
    assert links(graph) == ['u0 -> u1 [label=" 0.5 "]']


def test_any_other_operation_is_a_unit_with_its_sign():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    graph = tg.draw_units(a * b)
    assert len(links(graph)) == 2
    assert "×" in circles(graph)[2]


def test_local_derivatives_on_links_are_explained_where_there_are_any():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    assert LOCAL not in tg.draw_units(a * b).source
    for E in (a * b, tg.maximum(a, b)):
        E.backward()
        assert (LOCAL in tg.draw_units(E).source) == (E.op == "mul")


def test_texts_fit_in_their_circles_and_a_long_name_is_wrapped():
    name = "encoder.layer3.attention.output.weight"
    longest = Value(2.0, label=name), Value(3.0, label="x")
    z = tg.weighted_sum([0.5, 2.0], longest, 0.25).tanh()
    (z * longest[0]).backward()
    svg = picture(tg.draw_units(z).source, "svg").decode()
    radius = max(float(r) for r in re.findall(r'rx="([\d.]+)"', svg))
    assert radius < 80
    assert all(part in svg for part in ("encoder.layer3.", "attention.outpu", "t.weight"))
    for group in re.findall(r'<g id="u\d"[^>]*>.*?</g>', svg, re.DOTALL):
        y, r = map(float, re.search(r'cy="(\S+)" rx="(\S+)"', group).groups())
        for up, size, line in re.findall(r'y="(\S+)" [^>]*size="([\d.]+)"[^>]*>([^<]*)<', group):
            corner = abs(float(up) - float(size) / 3 - y) + float(size) / 3
            assert np.hypot(width(unescape(line), float(size)) / 2, corner) < r, line


def test_two_outputs_share_the_units_below_them():
    a = Value(2.0, label="a")
    graph = tg.draw_units(a.exp(), a.tanh())
    assert links(graph) == ["u0 -> u1", "u0 -> u2"]


def test_outputs_are_required_and_inputs_are_values():
    with pytest.raises(
        OptionError, match=r"draw_units: needs the units to draw, as in draw_units\("
    ):
        tg.draw_units()
    with pytest.raises(DataError, match="draw_units: needs a Value, got int"):
        tg.draw_units(Value(1.0) * 2.0, inputs=[3])


def test_arrays_are_refused():
    with pytest.raises(DataError, match="draw_units: needs a Value, got int"):
        tg.draw_units(3)
    with pytest.raises(
        ShapeError, match=r"draw_units: needs a number, got the leaf of shape \(2,\)"
    ):
        tg.draw_units(Value([1.0, 2.0]).sum())
    with pytest.raises(ShapeError, match=r"needs a number, got the add node of shape \(2,\)"):
        tg.draw_units(Value([1.0, 2.0]) * np.ones(2) + 1.0)


def test_with_many_links_weights_are_drawn_and_not_written():
    w = [Value(x, label=f"w{i}") for i, x in enumerate([0.0, -2.0, 0.5] * 9)]
    a = tg.weighted_sum(w, [Value(1.0) for _ in w])
    source = tg.draw_units(a).source
    assert "w1" not in source
    assert "links show weights: blue above 0, orange and double below, dashed 0" in source
    assert source.count('"#9a9a9a" penwidth=0.50 style=dashed') == 9
    assert source.count('"#B84A00:invis:#B84A00" penwidth=3.00]') == 9
    dark = tg.draw_units(a, theme="dark").source
    assert dark.count(f'"{theme.DARK[theme.NEGATIVE]}:invis:{theme.DARK[theme.NEGATIVE]}"') == 9
    assert source.count('"#0072B2" penwidth=1.75') == 9


def test_a_sum_of_constants_is_above_its_bias():
    graph = tg.draw_units(tg.weighted_sum([2.0], [3.0], Value(0.5, label="b")).relu())
    assert links(graph) == ['bias0 -> u0 [label=" b = 0.5 "]']
    assert "x₀ = 1" in circles(graph)[0]


def test_constants_are_shown_before_and_after_a_pass():
    a = Value(2.0, label="a")
    pooled = tg.maximum(a * 3.0, tg.weighted_sum([a, 0.5], [1.5, a], 2.0), 0.25, a)
    for _ in range(2):
        shown = " ".join(circles(tg.draw_units(pooled)))
        assert r"\nmax with 0.25" in shown
        assert r"\n× with 3" in shown
        assert r"\nconstants add 3" in shown
        pooled.backward()


def test_few_layers_of_many_units_are_stacked():
    pooled = tg.maximum(*map(Value, (0.3, 1.2, 0.7, -0.4)))
    assert tg.draw_units(pooled).graph_attr["rankdir"] == "BT"
    assert tg.draw_units(pooled, direction="LR").graph_attr["rankdir"] == "LR"
    assert tg.draw_units((pooled * 2.0).exp().tanh(), depth=2).graph_attr["rankdir"] == "LR"


def test_a_unit_used_twice_has_no_others_in_a_half_done_pass():
    z = tg.Value(2.0, label="x") * 3.0
    E = z * 5.0 + z.exp()
    with tg.record(E) as recording:
        recording.seek(2)
        assert z.has_grad
        assert "others" not in tg.draw_units(E).source
    E.backward()
    assert "others" not in tg.draw_units(E).source


def test_nan_along_drawn_links_is_not_from_others():
    x = tg.Value(0.0, label="x")
    with np.errstate(all="ignore"):
        E = x * np.inf * 0.0 + x
        E.backward()
    source = tg.draw_units(E).source
    assert "δ = nan" in source
    assert "others" not in source


def test_gradients_of_earlier_passes_are_shown_as_others():
    x = tg.Value(2.0, label="x")
    E = x * x
    E.backward()
    E.backward()
    source = tg.draw_units(E).source
    assert "+ others: 4" in source
    assert "others: from links that are not drawn, or earlier passes" in source


def test_an_operation_with_constants_that_are_arrays_is_drawn_without_them():
    x = tg.Value(0.5, label="x")
    source = tg.draw_units(np.interp(x, [0.0, 1.0], [0.0, 2.0])).source
    assert "interp" in source
    assert "interp with" not in source


def test_variables_name_units_and_weights():
    x1, w12, rest = Value(2.0), Value(3.0), [Value(1.0, label="v")]
    z1 = tg.weighted_sum([w12], [x1], rest[0]).relu()
    graph = tg.draw_units(z1, names=locals())
    assert [re.search(r'label="([^"]*)', line)[1] for line in circles(graph)[1:]] == [
        "x₁ = 2",
        "z₁ = 7",
    ]
    assert "w₁₂ = 3" in graph.source
    assert "v = 1" in graph.source
    x1.data = 5.0
    assert "x1 was set since" in tg.draw_units(z1, names={"x1": x1}).source


def test_the_legend_of_weights_is_written_only_where_weights_are_drawn():
    x = tg.Value(np.arange(16.0).reshape(4, 4))
    E = tg.explode(tg.max_pool2d(x, 2, stride=1).sum())
    units = [v for v in E.parents if isinstance(v, Value)]
    legend = "links show weights"
    assert legend not in tg.draw_units(*units, zero_one=True).source  # 36 links, each with 0 or 1
    assert legend in tg.draw_units(E, zero_one=True).source
