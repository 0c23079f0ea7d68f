"""The fast form of max pooling against the readable one, to the last bit of every gradient."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_pool as tg
from tinygrad_pool.errors import ShapeError
from tinygrad_pool.rules import fast_pooling
from tinygrad_pool.rules.fast_pooling import fast_max_pool, fits
from tinygrad_pool.rules.pooling import check_pool, max_pool, max_pool_by_links
from tinygrad_pool.rules.windows import windows_of

nan, inf = np.nan, np.inf
DTYPES = [np.float16, np.float32, np.float64]
KINDS = {
    "random": lambda rng, shape: rng.standard_normal(shape),
    "tied": lambda rng, shape: rng.integers(-1, 2, shape),
    "constant": lambda rng, shape: np.full(shape, -7.0),
    "NaN": lambda rng, shape: rng.choice([nan, 1.0, 2.0], shape),
    "rare NaN": lambda rng, shape: rng.choice([nan, 1.0, 2.0], shape, p=[0.05, 0.5, 0.45]),
    "−∞": lambda rng, shape: rng.choice([-inf, -3.0], shape, p=[0.8, 0.2]),
    "nothing but −∞": lambda rng, shape: np.full(shape, -inf),
    "∞": lambda rng, shape: rng.choice([inf, -inf, 0.0], shape),
    "all of them": lambda rng, shape: rng.choice([inf, -inf, nan, 0.0, 5.0], shape),
}
GRADIENTS = [-inf, inf, nan, -0.0, 0.0, 0.1, -0.3, 1e-4, 7.0]
LAYOUTS = {
    "contiguous": lambda x: x,
    "reversed": lambda x: np.flip(np.flip(x).copy()),
    "transposed": lambda x: x.T.copy().T,
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
}
WINDOWS = {
    "apart": ((4, 6), {"kernel_size": 2}),
    "overlapping": ((5, 4), {"kernel_size": (3, 2), "stride": 1}),
    "gaps": ((7, 5), {"kernel_size": 2, "stride": 3}),
    "padded": ((5, 5), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "padded unevenly": ((4, 5), {"kernel_size": 3, "stride": 1, "padding": ((2, 0), (0, 1))}),
    "padded by more than half": ((3, 3), {"kernel_size": 3, "stride": 2, "padding": (2, 1)}),
    "first looks at padding alone": ((3,), {"kernel_size": 2, "stride": 5, "padding": 1}),
    "dilated": ((6, 6), {"kernel_size": 2, "stride": 1, "dilation": (2, 3)}),
    "dilated past a short axis": ((2,), {"kernel_size": 2, "padding": (2,), "dilation": 3}),
    "ceil": ((5, 6), {"kernel_size": 2, "stride": (2, 3), "ceil_mode": True}),
    "ceil, padded": ((6, 5), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    "one axis": ((9,), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "three axes": ((3, 4, 5), {"kernel_size": 2, "stride": (1, 2, 1), "padding": (0, 1, 1)}),
    "whole plane": ((3, 4), {"kernel_size": (3, 4)}),
    "one cell": ((3, 4), {"kernel_size": 1}),
    "a byte's worth": ((16, 17), {"kernel_size": 16, "stride": 1}),
}
every_window = pytest.mark.parametrize(("space", "options"), WINDOWS.values(), ids=WINDOWS)
both_ties = pytest.mark.parametrize("ties", ["first", "last"])


def read(space, options):
    return windows_of(f"max_pool{len(space)}d", len(space), **options)


def assert_twins(x, g_of, windows, ties):
    y, backward = fast_max_pool(x, windows, ties)
    expected, readable_backward = max_pool_by_links(x, windows, ties)
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(y, expected)
    g = g_of(y)
    (to_x,), (readable_to_x,) = backward(g), readable_backward(g)
    assert (to_x.dtype, to_x.shape) == (readable_to_x.dtype, readable_to_x.shape)
    np.testing.assert_array_equal(to_x, readable_to_x)
    np.testing.assert_array_equal(np.signbit(to_x), np.signbit(readable_to_x))


@both_ties
@pytest.mark.parametrize("kind", KINDS)
@every_window
def test_the_fast_form_is_the_readable_one(space, options, kind, ties):
    rng = np.random.default_rng(0)
    for dtype, lead in product(DTYPES, [(), (2, 3)]):
        x = KINDS[kind](rng, (*lead, *space)).astype(dtype)
        assert_twins(
            x, lambda y: rng.standard_normal(y.shape).astype(y.dtype), read(space, options), ties
        )


@st.composite
def pools(draw):
    ndim = draw(st.integers(1, 3))
    small = st.integers(1, 7 if ndim < 3 else 5)
    kernel = [draw(st.integers(1, 4)) for _ in range(ndim)]
    options = {
        "kernel_size": kernel,
        "stride": [draw(st.integers(1, 5)) for _ in range(ndim)],
        "padding": [tuple(draw(st.integers(0, k - 1)) for _ in "pq") for k in kernel],
        "dilation": [draw(st.integers(1, 3)) for _ in range(ndim)],
        "ceil_mode": draw(st.booleans()),
    }
    lead = draw(st.lists(st.integers(0, 3), max_size=2))
    return (*lead, *(draw(small) for _ in range(ndim))), read(kernel, options)


@given(
    pools(),
    st.sampled_from([*KINDS]),
    st.sampled_from(DTYPES),
    st.sampled_from(["first", "last"]),
    st.tuples(*[st.sampled_from([*LAYOUTS])] * 2),
    st.integers(0, 99),
)
def test_the_fast_form_is_the_readable_one_for_any_pool(pool, kind, dtype, ties, layouts, seed):
    shape, windows = pool
    try:
        check_pool(shape, windows)
    except ShapeError:
        assume(False)
    rng = np.random.default_rng(seed)
    of_x, of_g = (LAYOUTS[layout] for layout in layouts)

    def g_of(y):
        return of_g(rng.choice(GRADIENTS, y.shape).astype(dtype))

    with np.errstate(invalid="ignore"):  # ∞ − ∞, in both forms
        assert_twins(of_x(KINDS[kind](rng, shape).astype(dtype)), g_of, windows, ties)


@both_ties
@every_window
def test_blocks_make_no_difference(space, options, ties, monkeypatch):
    monkeypatch.setattr(fast_pooling, "CELLS", 2 * np.prod(space) + 1)
    monkeypatch.setattr(fast_pooling, "UNITS", 3)
    rng = np.random.default_rng(0)
    x = KINDS["rare NaN"](rng, (5, *space))
    assert_twins(x, lambda y: rng.standard_normal(y.shape), read(space, options), ties)


@both_ties
def test_a_gradient_broadcast_from_one_number_is_sent_back_whole(ties):
    x = np.random.default_rng(0).integers(0, 3, (2, 7, 7)).astype(float)
    windows = windows_of("max_pool2d", 2, 3, stride=2, padding=1)
    assert_twins(x, lambda y: np.broadcast_to(0.1, y.shape), windows, ties)


def test_winners_of_overlapping_windows_add_up_in_row_major_order():
    g = np.array([1e16, 1.0, -1e16])
    _, backward = fast_max_pool(np.array([0, 0, 5.0, 0, 0]), windows_of("", 1, 3, 1), "first")
    assert backward(g)[0].tolist() == [0, 0, 0.0, 0, 0]
    assert backward(g[[0, 2, 1]])[0].tolist() == [0, 0, 1.0, 0, 0]


def test_no_infinity_or_nan_leaks_to_a_loser():
    x = np.array([[1.0, 2.0, 4.0, 3.0]])
    _, backward = fast_max_pool(x, windows_of("max_pool1d", 1, 2), "first")
    np.testing.assert_array_equal(backward(np.array([[inf, nan]]))[0], [[0.0, inf, nan, 0.0]])


def test_a_closure_makes_a_new_array_each_time_and_keeps_only_offsets():
    x = np.random.default_rng(0).standard_normal((4, 32, 32))
    y, backward = fast_max_pool(x, windows_of("max_pool2d", 2, 2), "first")
    g = np.ones_like(y)
    (to_x,), (again,) = backward(g), backward(g)
    to_x[:] = 9.0
    assert again.sum() == g.sum() == y.size
    kept = [cell.cell_contents for cell in backward.__closure__]
    arrays = [a for a in kept if isinstance(a, np.ndarray)]
    assert [(a.dtype, a.size) for a in arrays] == [(np.uint8, y.size)]


@pytest.mark.parametrize(
    ("x", "kernel", "ties", "fast"),
    [
        (np.zeros(300, np.float16), 256, "last", True),
        (np.zeros(300), 257, "first", False),
        (np.zeros(300), 2, "even", False),
        (np.zeros(300), 2, ["first"], False),
        (np.zeros(300, int), 2, "first", False),
        (tg.Value(np.zeros(300)), 2, "first", False),
        (0.0, 2, "first", False),
    ],
)
def test_what_is_fast_is_an_array_of_floats_and_one_winner_a_small_window(x, kernel, ties, fast):
    assert fits(x, windows_of("max_pool1d", 1, kernel), ties) is fast


def test_max_pool_takes_the_fast_form_where_it_fits():
    x = np.arange(300.0)
    for kernel, ties, module in [
        (256, "first", "fast_pooling"),
        (257, "first", "pooling"),
        (2, "even", "pooling"),
    ]:
        windows = windows_of("max_pool1d", 1, kernel, stride=1)
        y, backward = max_pool(x, windows=windows, ties=ties)
        assert backward.__name__ == "max_pool_backward"
        assert backward.__module__ == f"tinygrad_pool.rules.{module}"
        assert y.tolist() == x[kernel - 1 :].tolist()
        assert backward(np.ones_like(y))[0].tolist() == [0.0] * (kernel - 1) + [1.0] * len(y)
