"""A window in both networks, without and with 0/1 weights."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.dot_program import picture
from tinygrad_pool.errors import OptionError

inf, nan = np.inf, np.nan


def drawn(y, gradient=None, **chosen):
    g = np.ones(y.shape) if gradient is None else gradient
    return tg.compare_weight_layer(y, gradient=g).draw(**chosen)


def circles(graph, panel):
    """Map the name of each circle of a panel to its lines, in order."""
    found = re.findall(rf'(p{panel}\w+) \[label="(.*?)" color', graph.source)
    return {name[2:]: text.split(r"\n") for name, text in found}


def links(graph, panel):
    """List cell, unit, numbers and style of each link, in order."""
    pattern = rf"p{panel}(\w+) -> p{panel}(\w+) \[label=<(.*)> (color.*)\]"
    return [
        (cell, unit, re.findall(r"&nbsp;([^<&↓]+)<", label), style)
        for cell, unit, label, style in re.findall(pattern, graph.source)
    ]


@pytest.fixture
def overlapping():
    """Return two windows that share their winner, and one that does not."""
    y = tg.max_pool1d(Value([1.0, 5.0, 2.0, 0.5], label="z"), 2, 1)
    return drawn(y, [3.0, -4.0, 7.0])


def test_the_windows_of_a_winner_are_drawn_with_their_cells_in_order(overlapping):
    assert list(circles(overlapping, 0).items()) == [
        ("c0", ["z[0] = 1", "∂E/∂z = 0"]),
        ("c1", ["z[1] = 5", "∂E/∂z = −1"]),
        ("c2", ["z[2] = 2", "+ others: 7", "∂E/∂z = 7"]),
        ("u0", ["y[0] = 5", "max pool1d 2", "δ = 3"]),
        ("u1", ["y[1] = 5", "max pool1d 2", "δ = −4"]),
    ]
    with_weights = circles(overlapping, 1)
    assert list(with_weights) == list(circles(overlapping, 0))
    assert with_weights["u0"] == ["y[0] = 5", "Σ P z", "δ = 3"]
    assert "others: from links that are not drawn" in overlapping.source


def test_a_maximum_of_numbers_has_its_name():
    y = tg.maximum(Value(1.0, label="a"), Value(2.0, label="b"))
    y.label = "z1(2)"
    assert circles(drawn(y), 0)["u0"] == ["z₁⁽²⁾ = 2", "max", "δ = 1"]


def test_it_may_be_dark():
    y = tg.max_pool1d(Value([1.0, 5.0, 2.0]), 2)
    assert theme.DARK[theme.PAPER] in drawn(y, theme="dark").source
    assert theme.PAPER not in drawn(y, theme="dark").source
    with pytest.raises(OptionError, match="theme must be one of 'light', 'dark', got 'neon'"):
        drawn(y, theme="neon")


def test_links_on_the_left_have_no_weight_but_a_gradient(overlapping):
    assert [(a, b, on) for a, b, on, _ in links(overlapping, 0)] == [
        ("c0", "u0", ["0"]),
        ("c1", "u0", ["3"]),
        ("c1", "u1", ["−4"]),
        ("c2", "u1", ["0"]),
    ]
    assert ["dashed" in style for *_, style in links(overlapping, 0)] == [True, False, False, True]


def test_links_on_the_right_are_solid_with_1_or_dashed_with_0(overlapping):
    assert [(a, b, on) for a, b, on, _ in links(overlapping, 1)] == [
        ("c0", "u0", ["0", "0"]),
        ("c1", "u0", ["1", "3"]),
        ("c1", "u1", ["1", "−4"]),
        ("c2", "u1", ["0", "0"]),
    ]
    styles = [style for *_, style in links(overlapping, 1)]
    assert ["dashed" in style for style in styles] == [True, False, False, True]
    assert ["penwidth=2.6" in style for style in styles] == [False, True, True, False]


def test_the_default_window_has_most_wins_and_then_the_largest_gradient():
    y = tg.max_pool1d(Value([1.0, 2.0, 5.0, 3.0, 4.0, 0.0]), 2)
    assert circles(drawn(y, [1.0, 2.0, -3.0]), 0)["u2"][0] == "y[2] = 4"
    assert list(circles(drawn(y, [nan, 2.0, 1.0]), 0)) == ["c0", "c1", "u1"]
    assert list(circles(drawn(y, [1.0, 2.0, 3.0], unit=0), 0)) == ["c0", "c1", "u0"]


def test_by_default_a_pool_is_drawn_and_a_relu_on_request_or_alone():
    z = Value([-1.0, 2.0], label="a").relu()
    y = tg.max_pool1d(z, 2)
    assert circles(drawn(y), 0)["u0"][1] == "max pool1d 2"
    graph = drawn(y, node=z, unit=0)
    assert circles(graph, 0) == circles(drawn(z, [0.0, 1.0], unit=0), 0)
    assert circles(graph, 0)["c0"] == ["constant = 0"]
    assert circles(graph, 0)["c1"] == ["a[0] = −1", "∂E/∂z = 0"]
    assert [on for *_, on, _ in links(graph, 1)] == [["1", "0"], ["0", "0"], ["0", "0"], ["1", "1"]]


def test_an_average_is_drawn_on_request_or_alone():
    x = Value([1.0, 5.0, 2.0])
    average = tg.avg_pool1d(x, 2, 1)
    alone = drawn(average, [10.0, 20.0])
    assert [on for *_, on, _ in links(alone, 1)] == [["0.5", "5"]] * 2 + [["0.5", "10"]] * 2
    assert circles(alone, 0)["c1"][-1] == "∂E/∂z = 15"
    assert "the same as a layer of weights, y = P z" in alone.source
    found = tg.compare_weight_layer(x.relu().max() + average.sum())
    assert circles(found.draw(), 0)["u0"][1] == "max"
    assert circles(found.draw(average), 0)["u0"][1] == "avg pool1d 2"


def test_a_graph_of_numbers_has_names_and_no_places():
    z1, z2 = Value(0.5, label="z1"), Value(0.25, label="z2")
    graph = drawn(tg.maximum(z1, z2 * 3.0, 0.1, z1.exp() * 0.0))
    assert list(circles(graph, 0).values()) == [
        ["z₁ = 0.5", "∂E/∂z = 0"],
        ["× = 0.75", "∂E/∂z = 1"],
        ["constant = 0.1"],
        ["× = 0", "∂E/∂z = 0"],
        ["0.75", "max", "δ = 1"],
    ]
    assert circles(drawn(tg.maximum(Value(1.0), 0.0)), 0)["c0"][0] == "z = 1"


def test_shares_of_a_tie_are_their_weights():
    y = tg.max_pool1d(Value([2.0, 2.0, 2.0, 1.0]), 4, ties="even")
    assert [on for *_, on, _ in links(drawn(y, [6.0]), 1)] == [["0.333", "2"]] * 3 + [["0", "0"]]


def test_only_0_1_weights_are_called_so(overlapping):
    tied = tg.max_pool1d(Value([1.0, 1.0]), 2, ties="even")
    assert "the same as a layer of weights, y = P z" in drawn(tied, [1.0]).source
    assert "the same as a layer of 0/1 weights, y = P z" in overlapping.source


def test_infinities_and_nan_are_drawn():
    x = Value([inf, -inf, nan, 1.0])
    assert [lines[0] for lines in circles(drawn(tg.max_pool1d(x, 4)), 0).values()] == [
        *("z[0] = inf", "z[1] = −inf", "z[2] = nan", "z[3] = 1", "y[0] = nan")
    ]
    loser = links(drawn(tg.max_pool1d(x, 4), [inf]), 1)[0]
    assert loser[2] == ["0", "0"]


def test_a_window_where_the_winner_loses_is_shown_too():
    y = tg.max_pool1d(Value([1.0, 3.0, 5.0, 0.0]), 2, 1)
    assert list(circles(drawn(y, unit=0), 0)) == ["c0", "c1", "c2", "u0", "u1"]


def test_with_several_operands_only_the_winners_windows_are_drawn():
    y = tg.maximum(Value([5.0, 6.0], label="a"), Value([[1.0], [2.0]], label="b"))
    found = circles(drawn(y, unit=0), 0)
    assert [lines[0] for lines in found.values()] == [
        *("a[0] = 5", "b[0, 0] = 1", "b[1, 0] = 2", "y[0, 0] = 5", "y[1, 0] = 5")
    ]
    assert list(found)[3:] == ["u0", "u2"]


def test_few_windows_are_drawn_and_a_large_one_alone():
    peak = Value([[0.0] * 7, [0.0, 0.0, 1.0, 9.0, 2.0, 0.0, 0.0], [0.0] * 7])
    few = circles(drawn(tg.max_pool2d(peak, (1, 5), 1)), 0)
    assert [name for name in few if name[0] == "u"] == ["u3", "u4", "u5"]
    large = circles(drawn(tg.max_pool2d(peak, (3, 5), 1)), 0)
    assert [name for name in large if name[0] == "u"] == ["u0"]


def test_narrow_panels_are_side_by_side_and_wide_ones_stacked():
    narrow = drawn(tg.max_pool1d(Value(np.arange(6.0)), 6)).source
    wide = drawn(tg.max_pool1d(Value(np.arange(7.0)), 7)).source
    assert "p0c5 -> gap" in narrow
    assert "gap" not in wide
    assert "title1 -> p0c0" in wide


@pytest.mark.parametrize("label", ["<script>", 'a"b', "back\\slash", "{|}", "two\nlines", "ü"])
def test_any_label_may_be_drawn(label):
    x = Value([1.0, 3.0], label=label)
    graph = drawn(tg.max_pool1d(x, 2))
    shown = label.replace("\n", " ")[:8]
    svg = ET.fromstring(picture(graph.source, "svg"))
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count(f"{shown}[0] = 1") == 2


def test_the_picture_has_cells_in_a_row_units_above_and_every_link(overlapping):
    svg = ET.fromstring(picture(overlapping.source, "svg"))
    ns = "{http://www.w3.org/2000/svg}"
    at = {
        g.get("id"): g.find(f"{ns}ellipse").attrib
        for g in svg.iter(f"{ns}g")
        if g.get("class") == "node" and g.find(f"{ns}ellipse") is not None
    }
    x = {name: float(place["cx"]) for name, place in at.items()}
    y = {name: float(place["cy"]) for name, place in at.items()}
    cells = [f"p{panel}c{k}" for panel in (0, 1) for k in range(3)]
    assert sorted(cells, key=x.get) == cells
    assert len({y[name] for name in cells}) == 1
    assert y["p0u0"] == y["p0u1"] < y["p0c0"]
    assert sum(g.get("class") == "edge" for g in svg.iter(f"{ns}g")) == 8


def test_equal_graphs_have_equal_text():
    makes = (drawn(tg.max_pool1d(Value([1.0, 5.0, 2.0]), 2, 1)) for _ in range(2))
    assert len({graph.source for graph in makes}) == 1


@pytest.mark.long
def test_a_large_layer_is_no_more_work_than_a_small_one(count_calls):
    def layer(n):
        return Value(np.random.default_rng(0).standard_normal(n)).relu()

    large = layer(300_000)
    assert len(circles(drawn(large), 0)) < 10
    assert count_calls(drawn, large) < 1.1 * count_calls(drawn, layer(100))


def test_a_narrow_picture_has_one_window_above_its_twin():
    graph = drawn(tg.max_pool1d(Value([1.0, 5.0, 2.0, 0.5], label="z"), 2, 1), narrow=True)
    assert len(circles(graph, 0)) == len(circles(graph, 1)) == 3
    svg = ET.fromstring(picture(graph.source, "svg"))
    wide, high = (float(side) for side in svg.get("viewBox").split()[2:])
    assert 390 / wide * 14 > 11
    assert high > wide


def test_spacers_between_panels_are_invisible(overlapping):
    assert re.search(r"^\s*gap \[style=invis", overlapping.source, re.M)
