"""Array graphs split into scalars."""

import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import DataError, GraphError, ShapeError, UnsupportedError
from tinygrad_pool.pooling_as_weights.weight_layers import as_weight_layer

RNG = np.random.default_rng(0)


def called(label, *shape):
    return Value(RNG.standard_normal(shape), label=label)


def gathered(top, leaf):
    """Assemble the gradient of an array from those of its units, found by label."""
    gradient = np.zeros(leaf.shape)
    for unit in topological_order(top):
        if match := re.fullmatch(re.escape(leaf.label) + r"\[([\d, ]+)\]", unit.label):
            gradient[tuple(map(int, match[1].split(", ")))] += unit.grad
    return gradient


def check(y, *leaves):
    """Compare a graph with its scalars: the result, and the gradient of every leaf."""
    loss = (y * np.arange(1.0, y.size + 1).reshape(y.shape)).sum() if y.shape else y
    loss.backward()
    top = tg.explode(loss)
    assert all(not v.shape for v in topological_order(top))
    assert top.data == pytest.approx(float(loss.data), rel=1e-12)
    top.backward()
    for leaf in leaves:
        np.testing.assert_allclose(gathered(top, leaf), leaf.grad, rtol=1e-9, atol=1e-12)
    return top


def tied(label="x"):
    """Return an image whose windows all have ties."""
    return Value(np.array([[1.0, 1, 0, 2], [1, 0, 2, 2], [3, 3, 3, 3], [0, 3, 0, 3]]), label=label)


@pytest.mark.parametrize(
    ("groups", "options"),
    [(1, {}), (2, {}), (1, {"padding": 1, "stride": 2}), (2, {"dilation": 2, "padding": 1})],
)
def test_a_convolution_with_bias_and_groups(groups, options):
    x, w, b = called("x", 1, 2, 4, 4), called("w", 2, 2 // groups, 2, 2), called("b", 2)
    top = check(tg.conv2d(x, w, b, groups=groups, **options), x, w, b)
    assert {v.op for v in topological_order(top)} <= {"", "mul", "weighted_sum"}


def test_a_convolution_without_bias_along_one_axis():
    x, w = called("x", 2, 1, 5), called("w", 3, 1, 2)
    check(tg.conv1d(x, w), x, w)


@pytest.mark.parametrize("ties", ["first", "last", "even"])
@pytest.mark.parametrize(
    ("kernel", "options"), [(2, {}), (3, {"stride": 1, "padding": 1}), (2, {"dilation": 2})]
)
def test_max_pooling_with_ties(kernel, options, ties):
    x = tied()
    top = check(tg.max_pool2d(x, kernel, ties=ties, **options), x)
    assert {v.op for v in topological_order(top)} == {"", "mul", "maximum", "weighted_sum"}


@pytest.mark.parametrize("ties", ["first", "last", "even"])
def test_a_tie_goes_to_the_cell_that_the_array_chose(ties):
    x = tied()
    top = check(tg.max_pool2d(x, 2, ties=ties)[0, 0], x)
    won = {"first": [1, 0, 0], "last": [0, 0, 1], "even": [1 / 3, 1 / 3, 1 / 3]}[ties]
    assert [p.grad for p in top.parents] == [won[0], won[1], won[2], 0]


POOLS = {
    "average": lambda x: tg.avg_pool2d(x, 2),
    "average over padding": lambda x: tg.avg_pool2d(x, 3, 2, 1),
    "average without padding": lambda x: tg.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "average with a divisor": lambda x: tg.avg_pool2d(x, 2, divisor_override=3),
    "norm": lambda x: tg.lp_pool2d(x, 2.0, 2),
    "norm of 3": lambda x: tg.lp_pool2d(x, 3.0, 2, 1),
    "adaptive max": lambda x: tg.adaptive_max_pool2d(x, (3, 2)),
    "adaptive average": lambda x: tg.adaptive_avg_pool2d(x, (3, 2)),
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_every_pool(pool):
    x = called("x", 1, 4, 4)
    check(pool(x), x)


def test_a_norm_of_zeros_has_no_slope():
    x = Value([[0.0, 0.0, 3.0, 4.0]], label="x")
    top = check(tg.lp_pool1d(x * 1.0, 2.0, 2), x)
    assert top.data == 10  # 1 * 0 + 2 * 5


def test_unpooling_puts_units_back_and_zeros_between_them():
    x = called("x", 1, 1, 4, 4)
    y, indices = tg.max_pool2d(x, 2, return_indices=True)
    up = tg.max_unpool2d(y * y, indices, 2)
    assert (up.data == 0).sum() == 12
    check(up, x)


@pytest.mark.parametrize(
    ("left", "right"), [((2, 3), (3, 2)), ((3,), (3,)), ((2, 3), (3,)), ((2, 2, 3), (3, 2))]
)
def test_a_product_of_matrices(left, right):
    x, w = called("x", *left), called("w", *right)
    top = check(x @ w, x, w)
    assert {v.op for v in topological_order(top)} <= {"", "mul", "weighted_sum"}


@pytest.mark.parametrize("f", [tg.softmax, tg.log_softmax, tg.logsumexp])
@pytest.mark.parametrize("axis", [0, 1, -1, (0, 1), (1, 0), None, ()])
def test_the_softmax_family(f, axis):
    x = called("x", 2, 3)
    check(f(x, axis=axis), x)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("scores", [[-np.inf, -np.inf], [np.inf, 1.0], [-np.inf, 1.0]])
def test_a_logarithm_of_infinities_is_that_of_the_array(scores):
    y = tg.functional.logsumexp(Value(scores))
    np.testing.assert_equal(tg.explode(y).data, float(y.data))


def test_a_softmax_of_large_numbers_stays_finite():
    x = Value([1000.0, 999.0, -1000.0], label="x")
    top = check(tg.softmax(x)[0], x)
    assert top.data == pytest.approx(1 / (1 + np.exp(-1)))


def test_cross_entropy():
    z = called("z", 2, 3)
    check(nn.cross_entropy(z, np.array([2, 0])), z)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
@pytest.mark.parametrize("axis", [None, 0, (0, 2), -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_over_axes(name, axis, keepdims):
    x = called("x", 2, 2, 3)
    check(getattr(Value, name)(x, axis=axis, keepdims=keepdims), x)


ELEMENTWISE = {
    "broadcast sum": lambda x, y: x + y[0],
    "broadcast product": lambda x, y: x * y[:, :1],
    "difference and quotient": lambda x, y: (x - 2.0) / (y * y + 1.0),
    "maximum with a constant": lambda x, y: tg.maximum(x, y, 0.1),
    "minimum": lambda x, y: tg.minimum(x, y, ties="even"),
    "where": lambda x, y: tg.where(np.array([True, False, True]), x, y),
    "clip": lambda x, y: tg.clip(x, -0.5, 0.5),
    "clip to arrays": lambda x, y: tg.clip(x, np.full((2, 1), -0.5), [0.25, 0.5, 9.0]),
    "clip on one side": lambda x, y: tg.clip(x, None, [[0.0], [0.1]]) * tg.clip(y, 0.1, None),
    "functions": lambda x, y: tg.exp(x) + tg.tanh(y) * tg.sigmoid(x) + tg.relu(y),
    "powers": lambda x, y: tg.sqrt(tg.square(x)) + tg.abs(y) ** 1.5,
    "weighted sum": lambda x, y: tg.weighted_sum([x, y], [y, 2.0], 1.0),
    "concatenate": lambda x, y: tg.concatenate([x, y, np.ones((1, 3))]) ** 2,
    "stack": lambda x, y: tg.stack([x, y], axis=1) ** 2,
    "index": lambda x, y: x[:, [0, 0, 2]] * y[::-1],
    "transpose": lambda x, y: x.T @ y,
    "reshape": lambda x, y: x.reshape(3, 2) @ y,
    "broadcast_to": lambda x, y: tg.broadcast_to(x, (2, 2, 3)) * y,
    "twice": lambda x, y: x * x + x,
}


@pytest.mark.parametrize("f", ELEMENTWISE.values(), ids=ELEMENTWISE)
def test_elementwise_rules_become_scalars(f):
    x, y = called("x", 2, 3), called("y", 2, 3)
    check(f(x, y), x, y)


def test_operations_that_only_move_numbers_disappear():
    x = called("x", 2, 3)
    top = tg.explode(x.T.reshape(6)[3])
    assert (top.label, top.op, top.data) == ("x[1, 1]", "", x.data[1, 1])


def test_a_cast_to_single_precision_disappears():
    x = Value([0.5, 1.5], label="x")
    top = check((x.astype(np.float32) * np.float32(2.0)).sum(), x)
    assert top.data == 4.0


def test_a_layer_of_weights_looks_only_where_it_has_weights():
    x = Value([[1.0, 5.0, 2.0, 3.0]], label="x")
    loss = (tg.max_pool1d(x * 1.0, 2) ** 2).sum()
    weighted = as_weight_layer(loss)
    top = check(weighted, x)
    assert top.data == 25 + 9
    sums = [v for v in topological_order(top) if v.op == "weighted_sum" and v is not top]
    assert [len(v.parents) for v in sums] == [3, 3]  # a weight of 1, the winner, and the bias


def test_a_layer_without_weights_is_zero():
    from tinygrad_pool.rules.sparse_weights import Weights, weight_layer

    none = Weights(np.zeros(0, int), np.zeros(0, int), np.zeros(0), (2,), (2,))
    x = Value([1.0, 2.0], label="x")
    y = tg.lift(weight_layer)(x, weights=(none,))
    assert tg.explode(y[0]).data == 0


def test_constants_remain_constants():
    x = Value([1.0, 2.0], label="x")
    top = tg.explode((x * np.array([3.0, 4.0]))[1])
    assert top.op == "mul"
    assert top.parents[1] == 4.0
    assert tg.explode(tg.concatenate([x, np.array([7.0])])[2]).data == 7


@pytest.mark.parametrize("f", [tg.functional.erfc, lambda x: x**-1])
def test_a_rule_computes_with_the_whole_number_that_was_inserted(f):
    x = Value([1.0, 2.0], label="x")
    check(f(np.insert(x, 1, 2)), x)


def test_a_unit_used_twice_is_one_unit():
    x = Value([3.0], label="x")
    top = tg.explode((x * x).sum())
    (unit,) = [v for v in topological_order(top) if not v.parents]
    top.backward()
    assert (unit.label, unit.grad) == ("x[0]", 6.0)


def test_scalar_graphs_are_unchanged():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    with tg.scope("unit"):
        c = tg.maximum(a * b, a).tanh()
    c.label = "c"
    top = tg.explode(c)
    before, after = topological_order(c), topological_order(top)
    assert [(v.op, v.label, v.data, v.about.scope) for v in after] == [
        (v.op, v.label, v.data, v.about.scope) for v in before
    ]
    assert not set(before) & set(after)


def double(x):
    return 2 * x, lambda g: (2 * g,)


def step(x):
    return float(x > 0), lambda g: (0 * g,)


def gate(x, y):
    return float(y), lambda g: (None, g)


@pytest.mark.parametrize(
    ("own", "result"),
    [
        (lambda a: tg.lift(double)(a) * 3, 24),
        (lambda a: tg.lift(step)(a) * 3, 3),
        (lambda a: tg.lift(gate)(a, a) * 3, 12),
    ],
)
def test_a_users_rule_is_kept_on_numbers(own, result):
    a = Value(4.0, label="a")
    loss = own(a)
    loss.backward()
    top = tg.explode(loss)
    top.backward()
    (unit,) = [v for v in topological_order(top) if v.label == "a"]
    assert top.data == result
    assert unit.grad == a.grad


def tops(top):
    return [v.op for v in topological_order(top) if v.op]


def test_a_unit_of_a_sorted_array_is_the_unit_moved_there():
    x = Value([3.0, 1.0, 2.0, 1.0], label="x")
    check(np.sort(x), x)
    assert tg.explode(np.sort(x)[2]).label == "x[2]"
    assert tops(tg.explode(np.sort(x)[3] * 2.0)) == ["mul"]
    x.zero_grad()
    check(np.partition(x, 2), x)
    x = called("x", 3, 4)
    check(np.sort(x, axis=0), x)
    x = Value([0.0, 2.0, 0.0, 3.0, 0.0], label="x")
    check(np.trim_zeros(x), x)


def test_a_quantile_is_a_share_of_the_units_that_it_lies_between():
    x = Value([4.0, 1.0, 3.0, 2.0, 9.0], label="x")
    assert tg.explode(np.median(x) * 2.0).parents[0].parents[1].label == "x[2]"
    top = check(np.quantile(x, 0.3), x)
    assert [p for p in top.parents if not isinstance(p, Value)][:2] == pytest.approx([0.2, 0.8])
    x = called("x", 3, 4)
    check(np.percentile(x, [10, 50], axis=1, method="midpoint"), x)
    gone = Value([np.nan, 1.0, 5.0], label="x")
    assert tg.explode(np.nanmedian(gone)).data == 3.0


def test_interp_and_unwrap_are_split_into_units():
    x, xp, fp = called("x", 5), Value([-1.0, 0.0, 2.0], label="v"), called("w", 3)
    check(np.interp(x, xp, fp), x, xp, fp)
    x = Value([0.0, 3.0, 6.0, -2.0], label="x")
    check(np.unwrap(x, period=4.0), x)


def test_an_inverse_is_refused():
    x = Value(np.eye(2), label="x")
    with pytest.raises(UnsupportedError, match="explode: the inv node has no scalar form") as error:
        tg.explode(np.linalg.inv(x).sum())
    assert str(error.value).endswith("; ask record(loss).why(v), which needs none")


def test_a_users_rule_is_refused_on_arrays():
    x = Value([1.0, 2.0], label="x")
    with pytest.raises(UnsupportedError, match="explode: the double node has no scalar form"):
        tg.explode(tg.lift(double)(x).sum())
    with pytest.raises(
        UnsupportedError, match="derive: the double node has no scalar form"
    ) as error:
        tg.derive(tg.lift(double)(x).sum(), x, 0)
    assert str(error.value).endswith(
        '; if the rule acts on each element alone, declare it: with_traits("elementwise")(rule)'
    )


def test_too_many_units_are_refused_with_the_count():
    x = Value(np.ones((50, 50)), label="x")
    with pytest.raises(
        ShapeError, match=r"more than limit=2,000 of the 2,501 units in its graph; take one unit"
    ):
        tg.explode(x.sum())
    assert tg.explode(x.sum(), limit=2501).data == 2500
    assert tg.explode(x[0].sum()).data == 50


def test_a_huge_graph_is_refused_before_its_links_are_listed():
    x = Value(np.ones((300, 300)))
    product = (x @ x).sum()  # 27 million links
    with pytest.raises(ShapeError, match="of the 180,001 units in its graph"):
        tg.explode(product)


@pytest.mark.parametrize(
    ("give", "error", "message"),
    [
        (lambda x: 2.0, DataError, "explode: needs a Value, got float"),
        (lambda x: x, ShapeError, r"needs a number, got the leaf 'x' of shape \(2,\); reduce it"),
        (lambda x: x * 2.0, ShapeError, r"got the mul node of shape \(2,\)"),
    ],
)
def test_unsupported_arguments_are_named(give, error, message):
    with pytest.raises(error, match=message):
        tg.explode(give(Value([1.0, 2.0], label="x")))


def test_changed_data_is_refused():
    x = Value([1.0, 2.0], label="x")
    y = x.sum()
    x.data = [3.0, 4.0]
    with pytest.raises(GraphError, match=r"^explode: the data of the leaf 'x' changed"):
        tg.explode(y)


def test_units_keep_their_scope_and_index():
    x, w = called("x", 1, 1, 3, 3), called("w", 1, 1, 2, 2)
    with tg.scope("conv"):
        z = tg.conv2d(x, w)
    z.label = "z"
    top = tg.explode(tg.max_pool2d(z, 2)[0, 0, 0, 0])
    assert [p.label for p in top.parents] == [f"z[0, 0, {i}, {j}]" for i in (0, 1) for j in (0, 1)]
    assert {p.about.scope for p in top.parents} == {"conv"}


def test_a_net_on_a_small_image_can_be_drawn_as_the_textbook_does():
    x, w, b = called("x", 1, 1, 4, 4), called("w", 1, 1, 3, 3), called("b", 1)
    loss = (tg.max_pool2d(tg.conv2d(x, w, b).sigmoid(), 2) ** 2).sum()
    top = check(loss, x, w, b)
    source = tg.draw_units(top).source
    assert source.count("shape=circle") == 4 + 1 + 1 + 1 + 1  # z, max, square, sum, bias
    assert source.count("id=field_") == 4  # x, once a z
    assert "δ = " in source


def test_under_no_grad_units_are_recorded_all_the_same():
    x = Value([1.0, 3.0], label="x")
    y = (x * x).sum()
    with tg.no_grad():
        assert tg.explode(y).op == "weighted_sum"
        assert str(tg.derive(y, x, 1)).endswith("= 6")
