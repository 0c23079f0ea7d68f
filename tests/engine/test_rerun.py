"""Running a graph again on new nodes, optionally with changed data."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.context import About
from tinygrad_pool.engine.rerun import replaced, rerun, run_forward
from tinygrad_pool.errors import (
    AxisError,
    DataError,
    GraphError,
    OptionError,
    ShapeError,
    SubscriptError,
    TieError,
)

KINDS = ("random", "tied", "infinite", "nan")


def assert_same(a, b):
    assert type(a) is type(b)
    assert np.asarray(a).dtype == np.asarray(b).dtype
    np.testing.assert_array_equal(a, b)


def gradients(y, nodes):
    g = np.random.default_rng(7).standard_normal(y.shape)
    with np.errstate(all="ignore"):
        return tg.grad(y, nodes, gradient=g)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ties", ["first", "last", "even"])
def test_without_a_change_all_numbers_and_gradients_are_the_same(random_net, kind, ties):
    for seed in range(15):
        with np.errstate(all="ignore"):
            y, _ = random_net(seed, kind, ties=ties)
            twins = rerun(y, {})
        assert list(twins) == topological_order(y)
        for old, new, g, h in zip(
            twins,
            twins.values(),
            gradients(y, twins),
            gradients(twins[y], twins.values()),
            strict=True,
        ):
            assert_same(old.data, new.data)
            assert_same(g, h)


class Other(Value):
    """A leaf whose data differs from its argument."""

    __slots__ = ()

    def __init__(self, data):
        super().__init__(data)
        self.data = 1 - 2 * self.data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_changed_leaves_give_what_a_new_network_computes(random_net, monkeypatch, kind, dtype):
    for seed in range(15):
        with np.errstate(all="ignore"):
            y, leaves = random_net(seed, kind, dtype)
            with monkeypatch.context() as patch:
                patch.setattr(tg, "Value", Other)
                z, others = random_net(seed, kind, dtype)
            pairs = [p for p in zip(leaves, others, strict=True) if p[0] in topological_order(y)]
            twins = rerun(y, {leaf: other.data for leaf, other in pairs})
        assert_same(twins[y].data, z.data)
        of_twins = gradients(twins[y], [twins[leaf] for leaf, _ in pairs])
        for g, h in zip(of_twins, gradients(z, [other for _, other in pairs]), strict=True):
            assert_same(g, h)


numbers = st.floats(-3, 3)


@settings(max_examples=100)
@given(old=st.lists(numbers, min_size=6, max_size=6), new=st.lists(numbers, min_size=6, max_size=6))
def test_changed_scalars_give_what_a_new_network_computes(old, new):
    def build(numbers):
        x1, x2, w1, w2, w3, b = leaves = [tg.Value(n) for n in numbers]
        units = tg.relu(w1 * x1 + b), tg.tanh(tg.weighted_sum([w2, w3], [x1, x2])), w3 * w3
        return leaves, (tg.maximum(*units) - x2) ** 2

    leaves, E = build(old)
    by_hand, F = build(new)
    F.backward()
    twins = rerun(E, dict(zip(leaves, new, strict=True)))
    twins[E].backward()
    assert twins[E].data == F.data
    assert [twins[leaf].grad for leaf in leaves] == [leaf.grad for leaf in by_hand]
    assert [leaf.data for leaf in leaves] == old


@settings(max_examples=60)
@given(
    x=st.lists(numbers, min_size=3, max_size=3),
    to=st.lists(numbers, min_size=3, max_size=3),
)
def test_gradients_through_a_moved_node_equal_finite_differences(x, to):
    def build(x):
        v = tg.Value(x)
        y = tg.tanh(v) * v
        return v, y, ((y * [1.0, 2.0, 3.0]).sum() + y.exp().sum()) * y.mean()

    v, y, E = build(x)
    moved = rerun(E, {y: to})
    np.testing.assert_array_equal(moved[y].data, to)
    (g,) = tg.grad(moved[E], moved[v])
    h = 1e-6

    def at(v):
        return rerun(moved[E], {moved_v: v})[moved[E]].data

    moved_v = moved[v]
    slopes = [(at(x + h * row) - at(x - h * row)) / (2 * h) for row in np.eye(3)]
    np.testing.assert_allclose(g, slopes, rtol=1e-5, atol=1e-6)


@settings(max_examples=300)
@given(old=st.floats(-1e300, 1e300), new=st.floats(allow_nan=False))
def test_a_moved_node_has_the_new_number_to_the_last_bit(old, new):
    y = tg.Value(old) * 1.0
    moved = rerun(y, {y: new})[y]
    assert moved.data == new
    assert type(moved.data) is float
    moved.backward()


def test_a_loser_raised_above_the_winner_gets_the_whole_gradient():
    w1, w3, x = tg.Value(-1.0), tg.Value(2.5), tg.Value(1.0)
    z1, z3 = tg.tanh(w1 * x), w3 * x
    E = tg.maximum(z1, z3) * 3.0
    twins = rerun(E, {z1: 5.0})
    twins[E].backward()
    assert (twins[z1].data, twins[z1].grad, twins[z3].grad) == (5.0, 3.0, 0.0)
    assert twins[w1].grad == pytest.approx(3 * (1 - np.tanh(-1.0) ** 2))
    assert twins[z1].op == "nudge"
    assert twins[z1].parents[0].data == z1.data


def test_moving_one_element_leaves_the_others_to_the_rule():
    x = tg.Value([[1.0, 2.0], [3.0, 4.0]])
    y = x * 2.0
    twins = rerun(y, {x: {(0, 1): 5.0}, y: {(1, 0): -1.0, (1, -1): 0.5}})
    assert twins[x].data.tolist() == [[1.0, 5.0], [3.0, 4.0]]
    assert twins[y].data.tolist() == [[2.0, 10.0], [-1.0, 0.5]]
    twins[y].backward(np.ones((2, 2)))
    assert twins[x].grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_a_single_number_fills_an_array_and_an_empty_index_sets_a_number():
    x = tg.Value(np.float32([1, 2]))
    y = x * 2.0
    twins = rerun(y, {y: 3})
    assert_same(twins[y].data, np.float32([3, 3]))
    a = tg.Value(1.0)
    assert rerun(a * 2.0, {a: {(): 3.0}})[a].data == 3.0


def test_a_node_that_is_not_moved_gets_no_constant():
    x = tg.Value([1.0, np.nan])
    y = x * 2.0
    assert rerun(y, {y: [2.0, np.nan]})[y].op == "mul"
    inf = tg.Value([np.inf, -np.inf, -0.0, 1.0])
    y = inf * 1.0
    moved = rerun(y, {y: {3: 4.0}})[y].data
    assert moved.tolist() == [np.inf, -np.inf, 0.0, 4.0]
    assert np.signbit(moved[2])


def test_a_moved_node_can_be_moved_again_and_back():
    x = tg.Value(2.0)
    y = x * 3.0
    y.label = "y"
    once = rerun(y, {y: 5.0})
    follows = rerun(once[y], {once[x]: 3.0})
    assert follows[once[y]].data == 8.0
    twice = rerun(once[y], {once[y]: 7.0})
    assert (twice[once[y]].data, twice[once[y]].parents[0].op) == (7.0, "mul")
    back = rerun(once[y], {once[y]: 6.0})
    assert (back[once[y]].op, back[once[y]].label) == ("mul", "y")


def test_names_and_scopes_are_kept_and_a_moved_node_keeps_its_name():
    x = tg.Value(2.0, label="x")
    with tg.traced(), tg.scope("top"):
        y = x.exp()
    y.label = "y"
    about = y.about
    twins = rerun(y, {y: 1.0})
    assert twins[x].about == About("x")
    assert twins[y].about == about == y.about
    assert twins[y].parents[0].about == about._replace(label="")


def test_names_scopes_and_lines_are_kept_without_a_change():
    x = tg.Value(2.0, label="x")
    with tg.traced(), tg.scope("top"):
        y = x.exp()
        y.label = "y"
        E = y * x
    assert E.about.scope == "top"
    assert E.about.line
    for changes in ({}, {x: 3.0}):
        twins = rerun(E, changes)
        assert {node: twin.about for node, twin in twins.items()} == {
            node: node.about for node in (x, y, E)
        }


def test_the_old_graph_and_its_gradients_are_unchanged():
    x = tg.Value([1.0, 5.0, 2.0])
    E = x.max() * 2.0
    E.backward()
    before = x.grad.copy()
    twins = rerun(E, {x: {0: 9.0}})
    twins[E].backward()
    assert x.data.tolist() == [1.0, 5.0, 2.0]
    assert x.grad.tolist() == before.tolist() == [0.0, 2.0, 0.0]
    assert twins[x].grad.tolist() == [2.0, 0.0, 0.0]
    assert not np.shares_memory(x.data, rerun(E, {})[x].data)


def test_the_current_data_of_leaves_is_used():
    a = tg.Value([2.0])
    E = a * a
    a.data = [3.0]
    assert rerun(E, {})[E].data.tolist() == [9.0]


def test_a_node_that_was_cut_off_is_a_leaf_in_both_graphs():
    x = tg.Value(2.0)
    cut = (x * 3.0).detach()
    y = cut * x
    twins = rerun(y, {x: 10.0})
    assert (twins[y].data, twins[cut].op, twins[cut].parents) == (60.0, "detach", ())
    assert rerun(y, {cut: 1.0})[y].data == 2.0


def test_a_graph_is_recorded_even_under_no_grad():
    x = tg.Value(2.0)
    y = x.exp()
    with tg.no_grad():
        twin = rerun(y, {})[y]
    assert len(twin.parents) == 1


def test_options_are_kept_and_wants_is_computed_again():
    x = tg.Value([[1.0, 5.0], [7.0, 2.0]])
    y = (np.array([[1.0, 2.0]]) @ x).max(axis=1, keepdims=True, ties="error")
    twins = rerun(y, {x: {(1, 0): 0.0}})
    assert twins[y].shape == (1, 1)
    assert [n.options for n in twins.values()] == [n.options for n in twins]
    with pytest.raises(TieError, match="share the maximum 9"):
        rerun(y, {x: {(1, 0): 4.0}})


def test_a_users_rule_does_not_change_numpys_functions():
    def exp(x):
        def exp_backward(g):
            return (7.0 * g,)

        return x * 7.0, exp_backward

    x = tg.Value(1.0)
    y = tg.lift(exp)(x)
    assert rerun(y, {x: 2.0})[y].data == 14.0
    assert np.exp(x).data == pytest.approx(np.e)


a = tg.Value([1.0, 2.0], label="a")
E = (a * 2.0).log()
E.label = "E"


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: rerun(3.0, {}), DataError, "rerun: needs a Value, got float"),
        (
            lambda: rerun(E, {tg.Value(1.0, label="b"): 2.0}),
            OptionError,
            "rerun: the log node 'E' does not depend on the leaf 'b'",
        ),
        (lambda: rerun(E, {"a": 2.0}), OptionError, "does not depend on 'a'"),
        (
            lambda: rerun(E, {a: [1.0, 2.0, 3.0]}),
            ShapeError,
            r"data of the leaf 'a': needs shape \(2,\), got \(3,\)",
        ),
        (lambda: rerun(E, {E: "x"}), DataError, "data of the log node 'E': needs "),
        (
            lambda: rerun(E, {a: {2: 1.0}}),
            SubscriptError,
            r"data of the leaf 'a': there is no element 2 in shape \(2,\)",
        ),
        (lambda: rerun(E, {E: {(0, 1): 1.0}}), SubscriptError, r"no element \(0, 1\)"),
        (lambda: rerun(E, {E: {1.5: 1.0}}), AxisError, "'E': an index must be an integer, got 1.5"),
        (lambda: rerun(E, {E: {0: [1.0, 2.0]}}), ShapeError, r"'E': needs shape \(\), got \(2,\)"),
    ],
)
def test_impossible_changes_are_named(run, error, message):
    with pytest.raises(error, match=message):
        run()


def test_a_node_that_is_not_finite_cannot_be_moved():
    x = tg.Value([0.0, 1.0])
    with np.errstate(all="ignore"):
        y = x.log()
        with pytest.raises(
            GraphError, match="rerun: the log node is not finite, so adding a constant"
        ):
            rerun(y, {y: 1.0})
        assert rerun(y, {y: {1: 5.0}})[y].data.tolist() == [-np.inf, 5.0]


def test_a_chain_of_ten_thousand_nodes_is_run_again():
    x = tg.Value(1.0)
    y = x
    for _ in range(10_000):
        y = y + 1.0
    assert rerun(y, {x: 5.0})[y].data == 10_005.0


def test_run_forward_maps_each_node_once_with_its_mapped_operands():
    x = tg.Value(1.0)
    y = x
    for _ in range(60):
        y = y + y
    calls = []
    paths = run_forward(y, lambda node, operands: calls.append(node) or sum(operands) or 1)
    assert (paths[y], len(calls)) == (2**60, 61)
    assert calls == topological_order(y)


@pytest.mark.parametrize("x", [1.0, np.float64(1.0), np.ones(2)])
def test_a_result_of_plain_numbers_is_to_be_computed_from_values(x):
    way = r"; it has a graph if it is computed from Values, as in f\(tg\.Value\(x\)\)$"
    with pytest.raises(DataError, match=rf"^draw: needs a Value, got {type(x).__name__}{way}"):
        tg.draw(x)


def test_what_belongs_to_pytorch_is_told_the_way_here():
    tensor = type("Tensor", (), {"__module__": "torch"})()
    way = (
        r"^draw: needs a Value, got Tensor; tg.from_torch\(module, \*inputs\) brings a network here"
    )
    with pytest.raises(DataError, match=way):
        tg.draw(tensor)
    with pytest.raises(DataError, match=r"got ReLU; pass what it returns, such as net\(x\)$"):
        tg.draw(tg.nn.ReLU())


def test_replaced_nodes_keep_their_names_and_the_graph_its_leaves():
    x = tg.Value([1.0, -2.0], label="x")
    with tg.scope("layer"):
        z = x.relu()
    z.label = "z"
    E = (z * x).sum()
    twins = replaced(E, {z: lambda v: v.abs()})
    assert twins[x] is x
    assert (twins[z].op, twins[z].label, twins[z].about.scope) == ("abs", "z", "layer")
    assert (twins[E].op, twins[E].data, E.data) == ("sum", -3.0, 1.0)
    assert z.op == "relu"
