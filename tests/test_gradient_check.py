"""The gradient check passes right rules, also at kinks, and fails wrong ones."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import DataError, GradientError, GraphError
from tinygrad_pool.gradient_check import gradcheck
from tinygrad_pool.rules.traits import TRAITS, Traits

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((2, 3)), RNG.standard_normal((2, 3))
IMAGE, FILTERS = RNG.standard_normal((1, 2, 5, 5)), RNG.standard_normal((2, 2, 3, 3))


@pytest.mark.long
@pytest.mark.parametrize(
    ("f", "inputs"),
    [
        (lambda x, w: (x * w + x / (w * w + 1)).sum(), (A, B)),
        (lambda x, w: x @ w.T, (A, B)),
        (lambda x: tg.softmax(x).max(axis=1), (A,)),
        (lambda x: np.concatenate([x, x * x])[[0, 0, 2]], (A,)),
        (lambda x, w: tg.max_pool2d(tg.conv2d(x, w, padding=1), 3, stride=1), (IMAGE, FILTERS)),
        (lambda x: tg.avg_pool2d(tg.relu(x), 2, padding=1, ceil_mode=True), (IMAGE,)),
        (lambda x, y: tg.maximum(x, y, 0.5).exp(), (1.0, 2.0)),
        (lambda x: tg.weighted_sum([2.0, 3.0], [x[0], x[1]]), ([1.0, 4.0],)),
    ],
)
def test_right_rules_pass(f, inputs):
    assert gradcheck(f, *inputs)
    assert gradcheck(f, list(map(np.array, inputs)))


@pytest.mark.parametrize(
    ("f", "at"),
    [
        (tg.relu, [0.0, 1.0, -1.0]),
        (tg.abs, [0.0]),
        (lambda x: x.clip(0, 1), [0.0, 1.0, 2.0]),
        (lambda x: x.max(ties="first"), [2.0, 2.0, 1.0]),
        (lambda x: x.max(ties="last"), [2.0, 2.0, 1.0]),
        (lambda x: x.max(ties="even"), [2.0, 2.0, 2.0]),
        (lambda x: x.min(), [2.0, 2.0]),
        (lambda x: tg.max_pool2d(x.reshape(3, 3), 2, stride=1), np.ones(9)),
        (tg.sqrt, [0.0, 4.0]),
    ],
)
def test_at_a_kink_any_gradient_between_the_slopes_passes(f, at):
    assert gradcheck(f, np.array(at))


@pytest.mark.parametrize(
    "f",
    [tg.softsign, tg.selu, lambda x: x * abs(x), lambda x: abs(x) ** 1.5, lambda x: x**3],
)
@pytest.mark.parametrize("at", [[0.0], [0.0, 2.0, -1.0]])
def test_a_bend_on_one_side_is_not_an_error(f, at):
    assert gradcheck(f, np.array(at))
    assert gradcheck(lambda x: (f(x) * np.arange(1.0, 1 + len(at))).sum(), np.array(at))
    assert tg.record(f(Value(at)).sum()).check().holds


@pytest.mark.parametrize(
    ("f", "slope", "at"),
    [
        (np.exp, lambda x: 1.001 * np.exp(x), 100.0),
        (lambda x: x**10, lambda x: 10.001 * x**9, 1.0),
        (np.floor, lambda x: -1.0, 2.0),
        (lambda x: np.maximum(x - 1, 0), lambda x: 2.0, 1.000005),
    ],
)
def test_a_bend_does_not_hide_a_wrong_slope(f, slope, at):
    rule = one_operand("bent", f, lambda g, x: g * slope(x))
    with pytest.raises(GradientError, match=r"bent: to_x"):
        gradcheck(rule, np.array([at]))
    assert not tg.record(rule(Value([at])).sum()).check().holds


def wrong(name, result, *contributions):
    """Lift a rule whose contributions are wrong."""

    def rule(x, w):
        return result(x, w), lambda g: tuple(c(g, x, w) for c in contributions)

    rule.__name__ = name
    return tg.lift(rule)


def one_operand(name, result, contribution):
    def rule(x):
        return result(x), lambda g: (contribution(g, x),)

    rule.__name__ = name
    return tg.lift(rule)


def pooled(x, offset=0, overlap=True):
    """Max-pool windows of two along a row, with a wrong scatter."""

    def closure(g):
        to_x = np.zeros_like(x)
        for k in range(len(x) - 1):
            cell = min(k + int(np.argmax(x[k : k + 2])) + offset, len(x) - 1)
            to_x[cell] = g[k] + (to_x[cell] if overlap else 0.0)
        return (to_x,)

    return np.maximum(x[:-1], x[1:]), closure


def off_by_one(x):
    return pooled(x, offset=1)


def lost_overlap(x):
    return pooled(x, overlap=False)


ROW, COLUMN = np.array([1.0, 5.0, 2.0, 4.0]), np.array([[1.0], [2.0]])
BROKEN = {
    "swapped operands": (
        wrong("mul", lambda x, w: x * w, lambda g, x, w: g * x, lambda g, x, w: g * w),
        (A, B),
        r"mul: to_x\[0, 0\] is .* in total, but the slope is",
    ),
    "a lost sign": (
        wrong("sub", lambda x, w: x - w, lambda g, x, w: g, lambda g, x, w: g),
        (A, B),
        r"sub: to_w\[0, 0\]",
    ),
    "a lost factor": (
        one_operand("square", lambda x: x * x, lambda g, x: g * x),
        (A,),
        r"square: to_x\[0, 0\]",
    ),
    "a forgotten g": (
        one_operand("mean", np.mean, lambda g, x: np.full_like(x, 1 / x.size)),
        (A,),
        r"mean: to_x\[0, 0\], for upstream gradients from 0\.5 to 1\.5, is 0\.1",
    ),
    "a softmax without its row": (
        one_operand(
            "softmax",
            lambda x: np.exp(x) / np.exp(x).sum(),
            lambda g, x: 0 * g * np.exp(x),
        ),
        (ROW,),
        r"softmax: to_x\[0\], for upstream gradients from 0\.5 to 1\.5, is 0 in total",
    ),
    "a missing un-broadcast": (
        wrong("add", lambda x, w: x + w, lambda g, x, w: g, lambda g, x, w: g[:, :1]),
        (A, COLUMN),
        r"add: to_w\[0, 0\] .* operand 1 has shape \(2, 1\)",
    ),
    "= for +=": (
        one_operand(
            "twice", lambda x: x[[0, 0, 1, 2]], lambda g, x: np.array([g[1], g[2], g[3], 0.0])
        ),
        (ROW,),
        r"twice: to_x\[0\]",
    ),
    "all ties paid in full": (
        one_operand("max", np.max, lambda g, x: np.where(x == np.max(x), g, 0.0)),
        ([2.0, 2.0, 1.0],),
        r"max: to_x from element \[\] is 2 in total",
    ),
    "an off-by-one window": (tg.lift(off_by_one), (ROW,), r"off_by_one: to_x\[1\]"),
    "a lost overlap": (tg.lift(lost_overlap), (ROW,), r"lost_overlap: to_x\[1\]"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_caught_and_named(name):
    operation, inputs, message = BROKEN[name]
    with pytest.raises(GradientError, match=message):
        gradcheck(lambda *xs: operation(*xs).exp(), *inputs)


def test_a_contribution_among_many_is_named_by_its_index():
    def total(*xs):
        return sum(xs), lambda g: (g, 2 * g)

    with pytest.raises(GradientError, match=r"total: to_xs\[1\] is 2"):
        gradcheck(tg.lift(total), 1.0, 2.0)


def test_a_cut_graph_is_found_although_every_node_is_right():
    with pytest.raises(GradientError, match=r"input 0\[0\] is 3, .* 5\.99999 .* the graph is cut"):
        gradcheck(lambda x: x * x.detach(), [3.0])
    with pytest.raises(GradientError, match=r"gradient of input 0 is 0, .* the graph is cut"):
        gradcheck(lambda x: x.detach(), 3.0)


def test_derivatives_can_be_checked():
    def f(x):
        return (x**3).sum()

    x, w = np.array([1.0, -2.0]), np.array([0.5, 1.5])
    assert tg.gradcheck(tg.grad(f), x)
    assert tg.gradcheck(lambda x, w: tg.jvp(tg.grad(f), (x,), (w,))[1], x, w)
    tripled = one_operand("tripled", lambda x: x * 1.0, lambda g, x: 3.0 * g)
    with pytest.raises(
        GradientError, match=r"^tripled: to_x\[0\] is 3 in total, but the slope is 1 from"
    ):
        tg.gradcheck(tg.grad(lambda x: (tripled(x) ** 2).sum()), x)


def test_a_random_function_is_reported_as_such():
    x, rng = np.arange(1.0, 21.0), np.random.default_rng(0)
    for _ in range(20):
        with pytest.raises(GradientError, match=r"gradcheck: f is .* called again with the same"):
            gradcheck(lambda v: (tg.dropout(v, rng=rng) ** 2).sum(), x)
    assert gradcheck(lambda v: (tg.dropout(v, rng=1) ** 2).sum(), x)
    assert gradcheck(lambda v: v * np.nan, x)


def test_f_may_return_an_input_itself():
    assert gradcheck(lambda v: v, [2.0, 3.0])
    assert gradcheck(lambda a, b: b, 1.0, [2.0, 3.0])


def test_inputs_are_unchanged():
    x = Value([1.0, 2.0])
    x.grad = [7.0, 7.0]
    assert gradcheck(lambda v: v * v, x)
    assert np.array_equal(x.grad, [7.0, 7.0])


def test_f_must_return_a_value():
    with pytest.raises(DataError, match="gradcheck: f must return a Value, got float"):
        gradcheck(lambda x: x.item(), 3.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: gradcheck(Value(1.0), 2.0),
            r"gradcheck: needs a function .* got Value\(data=1.0\)",
        ),
        (lambda: gradcheck(np.exp, "text"), "gradcheck: input 0: needs real numbers, got <U4"),
        (
            lambda: gradcheck(np.add, 1.0, [[1.0], [1.0, 2.0]]),
            "gradcheck: input 1: needs numbers in a",
        ),
        (lambda: gradcheck(np.exp, 1j), "gradcheck: input 0: needs real numbers, got complex128"),
    ],
)
def test_other_arguments_are_named(call, message):
    with pytest.raises(DataError, match=message):
        call()


class TestScale:
    """Steps and tolerances scale with the numbers."""

    @pytest.mark.long
    @pytest.mark.parametrize(
        ("f", "inputs"),
        [
            (lambda v: v**2, [1e6]),
            (lambda v: (v**2).sum(), [np.linspace(1, 1000, 1000)]),
            (np.sin, [1e6]),
            (lambda v: v**3 - v, [1e5]),
            (lambda v: v * 1e-12, [3.0]),
            (lambda v: (1e-9 * v**2).sum(), [[1.0, 2.0]]),
            (lambda v, w: (v - w) ** 2, [1e8, 1e8 + 1]),
            (np.log, [1e-3]),
            (lambda v: tg.logsumexp(v * 1e3), [[1.0, 1.001]]),
            (np.max, [[1e7, 1e7 - 1, 3.0]]),
            (np.var, [1e8 + A]),
            (lambda v: tg.nn.cross_entropy(v, [0, 1]), [50 * A]),
            (lambda v: tg.log_softmax(v * 1e3), [A]),
            (lambda v: tg.nn.cross_entropy(v, [0]), [np.array([[50.0, -50.0, 0.0]])]),
            (lambda r: 8.99e9 * 1.6e-19**2 / r**2, [5.3e-11]),
            (lambda x: 1 / (x**5 * (np.exp(0.0144 / (x * 5800)) - 1)), [5e-7]),
            (lambda v: (1 / v).sum(), [[1e-100, 1.0, 1e100]]),
            (lambda x: 1 / x, [1e-200]),
            (np.cbrt, [1e-200]),
            (np.cbrt, [0.0]),
            (lambda v: np.linalg.eigh(v).eigenvectors, [np.eye(2)]),
            (lambda v: (v.astype(np.float32) ** 2).sum(), [A]),
            (lambda v: (v.astype(np.float16) * 2.0).exp(), [A]),
        ],
    )
    def test_right_rules_pass_at_any_scale(self, f, inputs):
        assert tg.gradcheck(f, *inputs)

    def test_a_loss_of_house_prices(self):
        area, price = np.array([50.0, 80.0, 120.0]), np.array([2e5, 3e5, 4.1e5])
        assert tg.gradcheck(lambda w, b: ((w * area + b - price) ** 2).mean(), 3000.0, 1e4)

    @pytest.mark.parametrize("scale", [1e-300, 1e-9, 1e-5, 1.0, 1e9, 1e300])
    def test_a_wrong_slope_where_a_rule_is_flat_is_found_at_any_scale(self, scale):
        def rectified(x):
            return np.where(x > 0, x, 0.0), lambda g: (np.where(x > 0, g, 0.1 * g),)

        with pytest.raises(GradientError, match="the slope is 0 from the left and 0 to the right"):
            tg.gradcheck(tg.lift(rectified), scale * np.array([1.0, -1.0]))

    @pytest.mark.parametrize("scale", [1e-100, 1e-9, 1e-3, 1.0, 1e3, 1e6, 1e9, 1e30, 1e100])
    @pytest.mark.parametrize("factor", [0.0, 0.5, -1.0, 1.001])
    def test_a_wrong_rule_is_found_at_any_scale(self, scale, factor):
        def square(x):
            return x * x, lambda g: (2.0 * factor * g * x,)

        with pytest.raises(GradientError, match="square: to_x"):
            tg.gradcheck(tg.lift(square), 3.0 * scale)
        with pytest.raises(GradientError, match="square: to_x"):
            tg.gradcheck(lambda v: tg.lift(square)(v).sum() * 1e-6, [scale, 2.0 * scale])

    def test_a_wrong_rule_is_found_among_large_numbers_and_in_float32(self):
        def square(x):
            def square_backward(g):
                to_x = 2.0 * g * x
                to_x[-1] *= 1.01
                return (to_x,)

            return x * x, square_backward

        large, larger, single = [1e6, 3e5, 1e-3], [1e9, 1e30, 1.0], [1.0, 2.0, 500.0]
        for x, dtype in ((large, np.float64), (larger, np.float64), (single, np.float32)):
            with pytest.raises(GradientError, match="square: to_x"):
                tg.gradcheck(lambda v, to=dtype: tg.lift(square)(v.astype(to)).sum(), x)


def running(x):
    def running_backward(g):
        return (np.flip(np.cumsum(np.flip(g))),)

    return np.cumsum(x), running_backward


def total(x, axis=None, keepdims=False):
    def total_backward(g):
        return (np.broadcast_to(g, x.shape) * 1.0,)

    return np.sum(x, axis=axis, keepdims=keepdims), total_backward


@pytest.mark.parametrize(
    ("rule", "sparsity", "holds"),
    [
        (running, "", True),
        (running, "elementwise", False),
        (running, "reduction", False),
        (running, "selection", False),
        (total, "reduction", True),
        (total, "elementwise", False),
    ],
)
def test_traits_that_do_not_hold_are_found(monkeypatch, rule, sparsity, holds):
    monkeypatch.setitem(TRAITS, rule, Traits(sparsity))
    f = tg.lift(rule)
    if holds:
        assert gradcheck(f, [1.0, 2.0, 4.0])
    else:
        with pytest.raises(
            GradientError, match=f"its trait '{sparsity}' does not hold for operand 0"
        ):
            gradcheck(f, [1.0, 2.0, 4.0])


def test_a_closure_that_writes_into_its_gradient_is_named():
    def doubled(x):
        def doubled_backward(g):
            g *= 2
            return (g,)

        return x * 2, doubled_backward

    with pytest.raises(GraphError, match="doubled: its closure wrote into g, which other nodes"):
        gradcheck(lambda x: (tg.lift(doubled)(x) * 3.0).sum(), [1.0, 2.0])
    with tg.checked():
        y = (tg.lift(doubled)(tg.Value([1.0, 2.0])) * 3.0).sum()
    with pytest.raises(GraphError, match="it must return new arrays"):
        y.backward()
