import re
from itertools import product

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.rules.linear import conv, matmul, weighted_sum
from tinygrad_pool.rules.windows import windows_of

GRID = {
    # lead, channels, space, filters, kernel, options
    "plain": ((2,), 3, (4, 5), 2, (2, 3), {}),
    "one image": ((), 1, (3, 3), 1, (2, 2), {}),
    "two leading axes": ((2, 2), 1, (3, 3), 2, (2, 2), {}),
    "stride, padding": ((1,), 2, (5, 4), 3, (3, 2), {"stride": (2, 1), "padding": (1, 2)}),
    "uneven padding": ((1,), 1, (4, 3), 2, (2, 2), {"padding": ((2, 0), (0, 1))}),
    "padding wider than kernel": ((1,), 1, (2, 3), 2, (1, 1), {"padding": 2}),
    "dilation": ((1,), 2, (5, 6), 2, (2, 3), {"dilation": (3, 2)}),
    "gaps": ((1,), 1, (6, 6), 1, (2, 2), {"stride": 4}),
    "groups": ((2,), 4, (3, 3), 6, (2, 2), {"groups": 2}),
    "depthwise": ((1,), 3, (4, 4), 3, (3, 3), {"groups": 3, "padding": 1}),
    "one axis": ((2,), 2, (6,), 2, (3,), {"padding": 1}),
    "three axes": ((1,), 2, (3, 4, 3), 2, (2, 3, 1), {"stride": (1, 2, 1), "padding": (0, 1, 0)}),
    "empty batch": ((0,), 2, (4, 4), 3, (2, 2), {}),
    "no channels": ((2,), 0, (3, 3), 2, (2, 2), {}),
    "no filters": ((2,), 2, (3, 3), 0, (2, 2), {}),
}
every_grid = pytest.mark.parametrize("grid", GRID.values(), ids=GRID)


def operands(lead, channels, space, filters, kernel, options):
    shapes = (*lead, channels, *space), (filters, channels // options.get("groups", 1), *kernel)
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in (*shapes, (filters,))]


def read(kernel, groups=1, stride=1, padding=0, dilation=1):
    ndim = len(kernel)
    windows = windows_of(f"conv{ndim}d", ndim, kernel, stride, padding, dilation)
    return {"windows": windows, "groups": groups}


@every_grid
def test_a_convolution_is_what_loops_compute(grid, windows_by_hand):
    x, w, b = operands(*grid)
    options = read(grid[4], **grid[5])
    y, closure = conv(x, w, b, **options)
    g = np.random.default_rng(1).standard_normal(y.shape)
    count, places = windows_by_hand(grid[2], *options["windows"][1:])
    assert y.shape == (*grid[0], grid[3], *count)

    expected, to_x, to_w = np.zeros(y.shape), np.zeros(x.shape), np.zeros(w.shape)
    for n, f in np.ndindex(int(np.prod(grid[0])), grid[3]):
        lead = np.unravel_index(n, grid[0]) if grid[0] else ()
        group = f // (grid[3] // options["groups"])
        for o, window in zip(np.ndindex(count), places, strict=True):
            expected[(*lead, f, *o)] = b[f]
            taps = zip(np.ndindex(grid[4]), window, strict=True)
            for c, (i, at) in product(range(w.shape[1]), taps):
                if not all(0 <= a < size for a, size in zip(at, grid[2], strict=True)):
                    continue
                cell = (*lead, group * w.shape[1] + c, *at)
                expected[(*lead, f, *o)] += w[(f, c, *i)] * x[cell]
                to_w[(f, c, *i)] += g[(*lead, f, *o)] * x[cell]
                to_x[cell] += g[(*lead, f, *o)] * w[(f, c, *i)]
    to_b = np.moveaxis(g, len(grid[0]), 0).reshape(grid[3], -1 if g.size else 0).sum(axis=1)
    np.testing.assert_allclose(y, expected, atol=1e-12)
    for actual, expected in zip(closure(g), (to_x, to_w, to_b), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-12, strict=True)


@pytest.mark.slow
@every_grid
def test_a_convolution_has_slopes_to_the_second_order(
    grid, check_gradient, check_second_derivative
):
    options = read(grid[4], **grid[5])

    def f(*xs):
        return tg.lift(conv)(*xs, **options)

    check_gradient(f, *operands(*grid))
    check_second_derivative(f, *operands(*grid), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (tg.matmul, [(2, 3), (3, 2)]),
        (tg.conv2d, [(1, 3, 3), (2, 1, 2, 2), (2,)]),
        (lambda x, n: x**n, [(2,), (2,)]),
    ],
)
def test_beside_constants_a_value_gets_the_same_gradient(f, shapes):
    arrays = [np.random.default_rng(0).uniform(1, 2, shape) for shape in shapes]
    xs = [tg.Value(a) for a in arrays]
    gradients = tg.grad(f(*xs).sum(), xs)
    for i, to_x in enumerate(gradients):
        alone = f(*arrays[:i], xs[i], *arrays[i + 1 :]).sum()
        np.testing.assert_array_equal(tg.grad(alone, xs[i])[0], to_x)


def test_nobody_is_sent_what_nobody_wants():
    x, w, b = operands(*GRID["plain"])
    options = read((2, 3))
    y, closure = conv(x, w, b, **options, wants=(False, True, True))
    assert closure(y)[0] is None
    y, closure = conv(x, w, **options, wants=(True, False))
    assert [c is None for c in closure(y)] == [False, True]
    y, closure = matmul(np.ones((2, 2)), np.ones(2), wants=(False, False))
    assert closure(y) == (None, None)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_convolution_keeps_its_dtype(dtype):
    x, w, b = (v.astype(dtype) for v in operands(*GRID["groups"]))
    y, closure = conv(x, w, b, **read((2, 2), groups=2))
    assert [v.dtype for v in (y, *closure(y))] == [dtype] * 4


@pytest.mark.parametrize(
    ("x", "w", "b", "groups", "error", "message"),
    [
        ((3, 3), (1, 1, 2, 2), None, 1, ShapeError, "needs an input (..., channels, *space), got"),
        (
            (2, 3, 3),
            (1, 1, 2, 2),
            None,
            1,
            ShapeError,
            "a weight of shape (1, 1, 2, 2) with groups=1 needs 1 channels, got 2 in",
        ),
        ((4, 3, 3), (2, 1, 2, 2), None, 2, ShapeError, "groups=2 needs 2 channels, got 4"),
        ((3, 3, 3), (2, 1, 2, 2), None, 2, OptionError, "groups=2 must divide 3 input channels"),
        (
            (2, 3, 3),
            (3, 1, 2, 2),
            None,
            2,
            OptionError,
            "groups=2 must divide 2 input channels and 3 filters",
        ),
        (
            (1, 3, 3),
            (2, 1, 2, 2),
            (3,),
            1,
            ShapeError,
            "bias of 2 filters needs shape (2,), got (3,)",
        ),
        (
            (1, 3, 3),
            (2, 1, 2, 2),
            (2, 1),
            1,
            ShapeError,
            "bias of 2 filters needs shape (2,), got (2, 1)",
        ),
        (
            (1, 3, 1),
            (1, 1, 2, 2),
            None,
            1,
            ShapeError,
            "is longer than an axis of 1 with padding 0 + 0",
        ),
        ((1, 3, 3), (1, 1, 2, 2), None, 0, OptionError, "groups must be at least 1, got 0"),
        ((1, 3, 3), (1, 1, 2, 2), None, 1.0, OptionError, "groups must be whole numbers, got 1.0"),
        (
            (1, 3, 3),
            (1, 1, 2, 2),
            None,
            np.nan,
            OptionError,
            "groups must be whole numbers, got nan",
        ),
        ((1, 3, 3), (1, 1, 2, 2), None, "1", OptionError, "groups must be whole numbers, got '1'"),
    ],
)
def test_what_does_not_fit_a_convolution_is_named(x, w, b, groups, error, message):
    biases = [] if b is None else [np.ones(b)]
    with pytest.raises(error, match=rf"^conv2d: .*{re.escape(message)}"):
        conv(np.ones(x), np.ones(w), *biases, **read((2, 2), groups=groups))


@pytest.mark.parametrize(
    ("x", "w", "message"),
    [
        (
            (2, 3),
            (2, 3),
            r"shapes \(2, 3\) and \(2, 3\) do not match: rows have 3 elements, columns 2",
        ),
        ((3,), (2,), r"shapes \(3,\) and \(2,\) do not match: rows have 3 elements, columns 2"),
        (
            (3,),
            (3, 2, 2),
            r"shapes \(3,\) and \(3, 2, 2\) do not match: rows have 3 elements, .* 2",
        ),
        ((), (2, 2), r"needs arrays, got shapes \(\) and \(2, 2\); use \* to scale"),
        ((2,), (), r"needs arrays, got shapes \(2,\) and \(\)"),
        ((2, 3, 4), (5, 4, 6), r"shapes \(2, 3, 4\) and \(5, 4, 6\) do not broadcast"),
    ],
)
def test_matrices_that_do_not_fit_are_named(x, w, message):
    with pytest.raises(ShapeError, match=f"matmul: {message}"):
        tg.Value(np.ones(x)) @ tg.Value(np.ones(w))


def test_a_vector_is_sent_a_vector():
    x, w = tg.Value([1.0, 2.0]), tg.Value([[3.0, 4.0], [5.0, 6.0]])
    steps = list(tg.backward_steps((x @ w @ x).sum()))
    assert [
        [np.shape(c) for c in step.contributions] for step in steps if step.node.op == "matmul"
    ] == [
        [(2,), (2,)],
        [(2,), (2, 2)],
    ]
    np.testing.assert_array_equal(x.grad, (w.data + w.data.T) @ x.data)
    np.testing.assert_array_equal(w.grad, np.outer(x.data, x.data))


@pytest.mark.parametrize(
    ("x", "w"), [((3, 1), (1,)), ((1,), (1, 3)), ((1,), (1,)), ((2, 3, 1), (1,)), ((1, 1), (1,))]
)
def test_a_vector_of_length_1_is_a_vector(x, w, check_gradient, check_second_derivative):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(x), rng.standard_normal(w)
    np.testing.assert_array_equal(matmul(x, w)[0], np.matmul(x, w), strict=True)
    check_gradient(tg.matmul, x, w)
    check_second_derivative(tg.matmul, x, w)


def test_a_product_in_half_precision_is_summed_in_single():
    x, w = np.ones((2, 4096), np.float16), np.ones((4096, 2), np.float16)
    y, closure = matmul(x, w)
    assert (y == 4096).all()  # not 2048, where 1 more is lost
    _, closure = matmul(w, x[:, :1])
    assert closure(np.ones((4096, 1), np.float16))[1].tolist() == [[4096.0], [4096.0]]


def test_what_a_product_sends_to_a_leaf_is_the_leafs_own():
    x, w = tg.Value(np.ones((2, 3))), tg.Value(np.ones((3, 2)))
    y = x @ w
    y.backward(np.ones((2, 2)))
    before = x.grad.copy(), w.grad.copy()
    x.grad += 1.0
    w.grad += 1.0
    y.backward(np.ones((2, 2)))
    np.testing.assert_array_equal(x.grad, 2 * before[0] + 1.0)
    np.testing.assert_array_equal(w.grad, 2 * before[1] + 1.0)


def test_a_unit_needs_as_many_weights_as_inputs():
    with pytest.raises(
        ShapeError, match="weighted_sum: needs n weights, n inputs and a bias, got 2"
    ):
        weighted_sum(1.0, 2.0)
    with pytest.raises(ShapeError, match=r"weighted_sum: needs .* got 0"):
        weighted_sum()


def test_a_unit_without_inputs_is_its_bias():
    a, closure = weighted_sum(3.0)
    assert (a, closure(2.0)) == (3.0, (2.0,))
