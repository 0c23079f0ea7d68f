"""Edges: winners and losers, local derivatives, and contributions."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.derivatives.slopes import slopes_of
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.edges import (
    carrying,
    edge_styles,
    largest_in,
    legend,
    link_style,
    sent_by,
    shares_of,
)
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import RuleError
from tinygrad_pool.formatting import number


def styles_of(node, show):
    """Style the edges into one node before any pass."""
    return edge_styles([node], show, {})[node]


def test_contributions_are_what_a_node_sends_to_each_operand():
    a, b = Value(2.0), Value(-3.0)
    E = a * b + 1.0
    assert largest_in(sent_by(topological_order(E))) == {}
    E.backward()
    product = E.parents[0]
    sent = largest_in(sent_by(topological_order(E)))
    assert sent[product] == [-3, 2]
    assert sent[E] == [1, None]


def test_arrays_are_drawn_by_their_largest_element_with_its_sign():
    x = Value([1.0, -5.0, 2.0])
    loss = (x * x).sum()
    loss.backward()
    assert largest_in(sent_by(topological_order(loss)))[loss.parents[0]] == [-5, -5]


def test_width_shows_size_and_colour_shows_sign():
    styles = [carrying(c, 4.0) for c in (4.0, -2.0, 0.0)]
    assert [s["penwidth"] for s in styles] == ["5.00", "1.45", "0.80"]  # and 1.45 once more
    double = f"invis:{theme.NEGATIVE}:invis:{theme.NEGATIVE}:invis"
    assert [s["color"] for s in styles] == [theme.POSITIVE, double, theme.FAINT]
    assert [s["fontcolor"] for s in styles] == [theme.POSITIVE, theme.NEGATIVE, theme.SOFT]
    assert [s["label"] for s in styles] == [" 4 ", " −2 ", " 0 "]
    assert [s.get("style") for s in styles] == [None, None, "dashed"]
    assert {s["dir"] for s in styles} == {"back"}


@pytest.mark.parametrize(("c", "width"), [(np.inf, "5.00"), (1.0, "5.00"), (0.0, "0.80")])
def test_widths_are_valid_at_any_scale(c, width):
    assert carrying(c, 1.0)["penwidth"] == width
    assert carrying(0.0, 0.0)["penwidth"] == "0.80"


def test_an_edge_without_a_contribution_has_no_style():
    assert carrying(None, 1.0) == {}


@pytest.mark.parametrize("data", [0.0, [0.0, 1.0]])
def test_a_nan_is_drawn_as_sent(data):
    v = Value(data)
    with np.errstate(all="ignore"):
        E = (v * Value(np.inf)).sum()
        E.backward(0.0)
    nodes = topological_order(E)
    back, _ = edge_styles(nodes, set(), largest_in(sent_by(nodes)))[E.parents[0]]
    assert (back["dir"], back["label"].strip(), back["penwidth"]) == ("back", "nan", "5.00")
    assert back["color"] == back["fontcolor"] == theme.NOT_A_NUMBER


def test_an_arrow_has_as_many_digits_as_the_gradient_in_the_box():
    """1.98 beside a gradient of 1.985 would be another number."""
    x = Value(0.99264)
    y = x**2
    y.backward()
    assert carrying(y.grad * 2 * x.data, 2.0)["label"].strip() == number(x.grad) == "1.985"
    assert legend({y: (x.grad, None)})[0].endswith("the widest is 1.985")


def test_the_legend_shows_the_scale():
    a = Value(2.0)
    E = a * -7.5
    E.backward()
    sent = largest_in(sent_by(topological_order(E)))
    first, second = legend(sent)
    assert first == "arrows: gradients sent back; the widest is 7.5"
    assert second == "blue above 0, orange and double below, dashed 0"
    x = Value([1.0, -2.0])
    loss = (x * 3.0).sum()
    loss.backward()
    _, signs = legend(largest_in(sent_by(topological_order(loss))))
    assert signs == second + "; for arrays, the largest element"
    assert legend({}) == legend({E: [None]}) == []


def test_the_legend_explains_arrows_of_nan_and_infinity():
    E = Value(2.0) * -7.5
    widest, signs = legend({E: [0.5, -np.inf]})
    assert widest == "arrows: gradients sent back; the widest are 0.5 or more"
    assert signs == "blue above 0, orange and double below, dashed 0"
    assert legend({E: [np.nan, None]}) == ["arrows: gradients sent back", signs + ", purple NaN"]
    assert legend({E: [0.5, np.nan]})[1].endswith(", purple NaN")


def test_edges_of_numbers_show_local_derivatives():
    a, b = Value(2.0), Value(-3.0)
    assert [s["label"] for s in styles_of(a * b, {"local"})] == [" × −3 ", " × 2 "]
    assert styles_of(a * b, {"data"}) == [{}, {}]
    assert [s.get("label") for s in styles_of(a * 5.0, {"local"})] == [" × 5 ", None]


def test_contributions_are_below_local_derivatives():
    a = Value(2.0)
    E = (a * 3.0) * 5.0
    E.backward()
    inner = E.parents[0]
    sent = largest_in(sent_by([inner, E]))
    style, _ = edge_styles([inner], {"local", "contribution"}, sent)[inner]
    assert style["label"] == r" × 3 \n 15 "
    assert (style["fontcolor"], style["dir"]) == (theme.POSITIVE, "back")
    m = tg.maximum(a, 1.0)
    m.backward()
    winner, loser = edge_styles([m], {"local", "contribution"}, largest_in(sent_by([m])))[m]
    assert (winner["label"], loser["label"]) == (r" × 1 \n 1 ", " 0")


def test_a_winner_is_solid_and_a_loser_dashed():
    z = tg.maximum(Value(1.0), Value(3.0), 2.0)
    assert shares_of(z) == [0, 1, 0]
    assert [s.get("style") for s in styles_of(z, ())] == ["dashed", None, "dashed"]
    assert link_style(0.5)["label"] == " 0.5"
    assert shares_of(Value(1.0).exp()) is None


def test_a_share_is_the_local_derivative_on_its_edge():
    z = tg.maximum(Value(3.0), Value(3.0), Value(1.0), ties="even")
    styles = styles_of(z, {"local"})
    assert [s["label"] for s in styles] == [" × 0.5 ", " × 0.5 ", " × 0 "]
    assert [s.get("style") for s in styles] == [None, None, "dashed"]
    assert [s["penwidth"] for s in styles[:2]] == ["2.4", "2.4"]


def test_a_loser_is_dashed_with_contributions():
    a, b = Value(1.0), Value(3.0)
    z = tg.maximum(a, b)
    z.backward()
    loser, winner = edge_styles([z], {"contribution"}, largest_in(sent_by([z])))[z]
    assert (loser["style"], loser["label"]) == ("dashed", " 0 ")
    assert (winner["label"], winner["color"]) == (" 1 ", theme.POSITIVE)


def test_contributions_of_a_broadcast_operand_are_summed():
    b = Value(1.0)
    loss = (b + np.zeros((10, 3))).sum()
    loss.backward()
    assert largest_in(sent_by(topological_order(loss)))[loss.parents[0]][0] == 30 == b.grad


@pytest.mark.parametrize("f", [tg.log, lambda x: tg.log1p(x - 1.0), lambda x: x**0.5])
def test_a_slope_at_a_division_by_zero_is_infinite(f):
    with np.errstate(all="ignore"):
        y = f(Value(0.0))
        y.backward()
    assert slopes_of(y)[0] == np.inf
    source = tg.draw(y, show=("contribution",)).source
    assert 'label=" inf "' in source
    assert "penwidth=5.00" in source


def test_a_closure_with_a_wrong_number_of_contributions_is_reported():
    def own(x):
        return 2 * x, lambda g: (g, g)

    with pytest.raises(RuleError, match="own: its closure must return a tuple of 1 contribution,"):
        tg.draw(tg.lift(own)(Value(1.0)), show=("local",))


def test_contributions_that_a_half_done_pass_has_not_sent_are_not_drawn():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    product = a * b
    E = product**2
    half = tg.backward_steps(E)
    next(half)
    assert largest_in(sent_by(topological_order(E))).keys() == {E}
    half.close()
    with tg.record(E) as recording:
        recording.seek(1)
        assert largest_in(sent_by(topological_order(E))).keys() == {E}
        recording.seek(2)
        assert largest_in(sent_by(topological_order(E))).keys() == {product, E}
    E.backward()
    assert largest_in(sent_by(topological_order(E)))[product] == [36.0, 24.0]


def test_a_note_names_gradients_that_are_not_the_sum_of_their_arrows():
    a, b, c = Value([1.0, 2.0], label="a"), Value(3.0), Value(np.inf, label="c")
    E = (a * a).sum() * b + c * 0.0

    def note():
        source = tg.draw(E, show="grad,contribution", names={"b": b}).source
        return [line for line in source.splitlines() if "earlier passes" in line]

    assert note() == []
    E.backward()
    assert note() == []
    E.backward()
    (line,) = note()
    assert "grad of a, b also includes earlier passes or nodes" in line
    for v in (a, b):
        v.zero_grad()
    assert note() == []
    inner = E.parents[0]
    (inner * a).sum().backward()
    assert "grad of a, the mul node also includes" in note()[0]
    assert tg.draw(E, show="grad,contribution", depth=1).source.count("grad of") == 1
    assert tg.draw(E, show="grad").source.count("earlier passes") == 0


def test_the_legend_explains_local_derivatives():
    a = Value(2.0, label="a")
    E = a * 3.0
    line = "×: the local derivative"
    assert line in tg.draw(E, show="local").source
    assert line in tg.draw(E, show="local,contribution").source
    E.backward()
    assert line in tg.draw(E, show="local,contribution").source
    assert line not in tg.draw(E, show="contribution").source
    assert line not in tg.draw(E).source
    assert line not in tg.draw(Value([1.0, 2.0]) @ np.ones((2, 2)), show="local").source
