"""The fast form of convolution against the readable one."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

import tinygrad_pool as tg
from tinygrad_pool.rules import blocks
from tinygrad_pool.rules.blocks import cut_of
from tinygrad_pool.rules.convolution import conv_by_unfolding
from tinygrad_pool.rules.fast_convolution import fast_conv
from tinygrad_pool.rules.windows import windows_of

inf, nan = np.inf, np.nan
GRID = {
    # lead, channels, space, filters, kernel, options
    "one axis": ((3,), 4, (9,), 2, (3,), {"padding": 1}),
    "one axis, many filters": ((3,), 1, (9,), 6, (2,), {}),
    "two axes": ((3,), 4, (7, 6), 3, (3, 2), {"padding": ((1, 0), (0, 2))}),
    "two axes, many filters": ((2,), 1, (5, 6), 8, (3, 3), {"padding": 1}),
    "three axes": ((2, 2), 3, (4, 5, 3), 2, (2, 3, 2), {"padding": (1, 0, 1)}),
    "no batch": ((), 2, (6, 5), 2, (3, 3), {}),
    "stride": ((2,), 3, (8, 7), 2, (3, 3), {"stride": 2, "padding": 1}),
    "stride along the second axis": ((2,), 3, (8, 7), 2, (3, 3), {"stride": (1, 3)}),
    "gaps": ((2,), 2, (9, 9), 2, (2, 2), {"stride": 4}),
    "dilation": ((2,), 3, (9, 8), 2, (3, 2), {"dilation": (3, 2), "padding": 2}),
    "groups": ((2,), 6, (6, 5), 4, (3, 3), {"groups": 2}),
    "depthwise": ((2,), 4, (6, 6), 8, (3, 3), {"groups": 4, "padding": 1}),
    "one cell": ((2,), 3, (4, 5), 2, (1, 1), {}),
    "whole image": ((5,), 2, (4, 4), 3, (4, 4), {}),
    "padding alone": ((2,), 1, (2, 3), 2, (1, 1), {"padding": 3}),
    "no images": ((0,), 2, (4, 4), 3, (2, 2), {}),
    "no channels": ((2,), 0, (4, 4), 3, (2, 2), {}),
    "no filters": ((2,), 2, (4, 4), 0, (2, 2), {}),
}
every_grid = pytest.mark.parametrize("grid", GRID.values(), ids=GRID)
LAYOUTS = {
    "Fortran": np.asfortranarray,
    "reversed": lambda v: np.flip(np.flip(v).copy()),
    "channels last": lambda v: np.moveaxis(np.moveaxis(v, 1, -1).copy(), -1, 1),
    "every second": lambda v: np.repeat(v, 2, axis=-1)[..., ::2],
    "big-endian": lambda v: v.astype(v.dtype.newbyteorder(">")),
    "repeated": lambda v: np.broadcast_to(v[:1], v.shape),
}


def operands(grid, dtype=float, seed=0):
    lead, channels, space, filters, kernel, options = grid
    rng, groups = np.random.default_rng(seed), options.get("groups", 1)
    shapes = [(*lead, channels, *space), (filters, channels // groups, *kernel), (filters,)]
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def options_of(kernel, groups=1, stride=1, padding=0, dilation=1):
    ndim = len(kernel)
    windows = windows_of(f"conv{ndim}d", ndim, kernel, stride, padding, dilation)
    return {"windows": windows, "groups": groups}


def gradient_of(y, seed=1):
    return np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype)


def assert_same(xs, options, wants=(True, True, True), g=None, **tolerances):
    """Compare results and contributions of both forms; return those of the fast one."""
    y, backward = fast_conv(*xs, **options, wants=wants)
    expected, readable_backward = conv_by_unfolding(*xs, **options, wants=wants)
    g = gradient_of(y) if g is None else g
    both = zip((y, *backward(g)), (expected, *readable_backward(g)), strict=True)
    tolerances = {"rtol": 1e-12, "atol": 1e-12} | tolerances
    for a, b in both:
        assert (a is None) == (b is None)
        if b is not None:
            np.testing.assert_allclose(a, b, **tolerances, strict=True)
    return y, backward(g)


@pytest.fixture(params=[(1, 1), (100, 1), (1000, 10), (2**19, 2**9)], ids=str)
def any_blocks(request, monkeypatch):
    """Cut into blocks of one window, into blocks of several windows, and not at all."""
    for name, number in zip(("NUMBERS", "WINDOWS"), request.param, strict=True):
        monkeypatch.setattr(blocks, name, number)


@pytest.mark.long
@every_grid
def test_the_fast_form_equals_the_readable_one(grid, any_blocks):
    options = options_of(grid[4], **grid[5])
    x, w, b = operands(grid)
    assert_same((x, w, b), options)
    assert_same((x, w), options, wants=(True, True))


def test_when_rows_of_the_kernel_are_left_out_of_the_columns():
    by_rows = {
        name: len(cut_of(*operands(grid)[:2], **options_of(grid[4], **grid[5])).shifts) > 1
        for name, grid in GRID.items()
    }
    assert [by_rows[name] for name in ("one axis", "two axes", "three axes")] == [True] * 3
    assert [by_rows[name] for name in ("stride", "whole image", "one cell")] == [False] * 3
    assert by_rows["two axes, many filters"] is False
    assert by_rows["dilation"] is True


@pytest.mark.parametrize("wants", list(product([True, False], repeat=3)), ids=str)
def test_unwanted_contributions_are_none(wants):
    grid = GRID["two axes"]
    _, contributions = assert_same(operands(grid), options_of(grid[4], **grid[5]), wants)
    assert [c is None for c in contributions[:2]] == [not wanted for wanted in wants[:2]]


@pytest.mark.long
@given(st.data())
def test_any_convolution_equals_the_readable_one(data):
    draw = data.draw
    ndim, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    few, side = st.integers(1, 3), st.integers(0, 2)

    def each(numbers):
        return draw(st.tuples(*[numbers] * ndim))

    grid = (
        tuple(draw(st.lists(st.integers(0, 3), max_size=2))),
        groups * draw(few),
        each(st.integers(1, 6)),
        groups * draw(few),
        each(few),
        {
            "groups": groups,
            "stride": each(few),
            "padding": each(st.tuples(side, side)),
            "dilation": each(few),
        },
    )
    options = options_of(grid[4], **grid[5])
    sizes = zip(grid[2], options["windows"].extent, options["windows"].padding, strict=True)
    assume(all(n + p + q >= extent for n, extent, (p, q) in sizes))
    sizes = draw(st.sampled_from([(1, 1), (60, 1), (500, 20)]))
    with pytest.MonkeyPatch.context() as patch:
        for name, number in zip(("NUMBERS", "WINDOWS"), sizes, strict=True):
            patch.setattr(blocks, name, number)
        assert_same(operands(grid), options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["two axes", "stride", "depthwise"])
def test_any_memory_layout_gives_the_same_result(name, layout):
    grid = GRID[name]
    x, w, b = operands(grid)
    arrange = LAYOUTS[layout]
    options = options_of(grid[4], **grid[5])
    y, _ = assert_same((arrange(x), arrange(w), arrange(b[:, None])[:, 0]), options)
    assert_same((x, w, b), options, g=arrange(gradient_of(y)))
    assert y.dtype.isnative


def test_operands_are_not_written_to():
    grid = GRID["two axes"]
    xs = operands(grid)
    before = [v.copy() for v in xs]
    for v in xs:
        v.flags.writeable = False
    assert_same(xs, options_of(grid[4], **grid[5]))
    for v, old in zip(xs, before, strict=True):
        np.testing.assert_array_equal(v, old)


@pytest.mark.long
@pytest.mark.parametrize("special", [inf, -inf, nan])
@pytest.mark.parametrize("operand", ["x", "w", "b", "g"])
@pytest.mark.parametrize("name", ["two axes", "three axes", "dilation", "stride", "one axis"])
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_infinities_and_nans_do_not_spread_to_other_windows(name, operand, special, any_blocks):
    """A row of cells outside a row of the kernel must not contribute 0 · ∞."""
    grid = GRID[name]
    x, w, b = operands(grid)
    options = options_of(grid[4], **grid[5])
    y, _ = fast_conv(x, w, b, **options, wants=(True, True, True))
    g = gradient_of(y)
    place = {"x": x, "w": w, "b": b, "g": g}[operand]
    for corner in (0, -1):
        old, place.flat[corner] = place.flat[corner], special
        assert_same((x, w, b), options, g=g)
        place.flat[corner] = old


@pytest.mark.parametrize("size", [1e18, 1e19, 3e38])
@pytest.mark.filterwarnings("error")
def test_nothing_overflows_where_there_is_no_window(size):
    x, w = np.full((2, 1, 9, 1), size, np.float32), np.full((1, 1, 3, 1), 3e38 / size, np.float32)
    x[1] *= -1
    w[:, :, 1] *= -1  # the cells between both images would add up
    y, backward = fast_conv(x, w, **options_of((3, 1)), wants=(True, False))
    assert np.isfinite(y).all()
    assert np.isfinite(backward(y / np.float32(1e38))[0]).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@every_grid
def test_the_dtype_is_kept(grid, dtype):
    xs = operands(grid, dtype)
    y, backward = fast_conv(*xs, **options_of(grid[4], **grid[5]), wants=(True, True, True))
    assert [v.dtype for v in (y, *backward(gradient_of(y)))] == [dtype] * 4


def test_dtypes_mix_as_in_numpy():
    grid = GRID["two axes"]
    x, w, b = operands(grid)
    for kinds in product([np.float16, np.float32, np.float64], repeat=3):
        xs = [v.astype(kind) for v, kind in zip((x, w, b), kinds, strict=True)]
        y, _ = fast_conv(*xs, **options_of(grid[4], **grid[5]), wants=(True, True, True))
        assert y.dtype == np.result_type(*kinds)


def half(form, x, w, *b):
    """Convolve along one axis in float16, and backpropagate ones."""
    xs = [np.asarray(v, np.float16) for v in (x, w, *b)]
    y, backward = form(*xs, **options_of(np.shape(w)[2:]), wants=(True,) * len(xs))
    return y, *backward(np.ones_like(y))


@pytest.mark.long
def test_float16_is_summed_in_float32(any_blocks):
    # From 2048 on, float16 cannot represent a sum that is larger by 1.
    _, _, to_w, to_b = half(fast_conv, np.ones((2, 1, 3600)), np.ones((1, 1, 1)), np.zeros(1))
    assert (to_w.item(), to_b.item()) == (7200.0, 7200.0)
    y, to_x, _ = half(fast_conv, np.ones((1, 1, 9)), [[[2048.0, 1.0, 1.0]]])
    assert y.tolist() == [[[2050.0] * 7]]
    assert to_x[0, 0].tolist() == [2048.0, 2049.0 - 1, *[2050.0] * 5, 2.0, 1.0]
    y, *_ = half(fast_conv, np.full((1, 4096, 1), 0.25), np.ones((2, 4096, 1)))
    assert y.tolist() == [[[1024.0], [1024.0]]]
    _, to_x, _ = half(fast_conv, np.ones((1, 1, 1)), np.ones((4096, 1, 1)))
    assert to_x.item() == 4096.0


@pytest.mark.parametrize("name", ["two axes", "stride", "dilation", "depthwise"])
def test_float32_is_as_accurate_as_one_matrix_product(name):
    lead, channels, space, filters, kernel, options_of_grid = GRID[name]
    grid = (lead, channels * 8, [n * 8 for n in space], filters * 8, kernel, options_of_grid)
    options = options_of(kernel, **options_of_grid)
    exact, single = operands(grid), operands(grid, np.float32)
    wanted = {"wants": (True, True, True)}
    errors = []
    y, backward = conv_by_unfolding(*exact, **options, **wanted)
    g = gradient_of(y)
    truth = (y, *backward(g))
    for form in (fast_conv, conv_by_unfolding):
        y, backward = form(*single, **options, **wanted)
        got = (y, *backward(g.astype(np.float32)))
        errors.append([np.abs(a - b).max() / b.std() for a, b in zip(got, truth, strict=True)])
    ours, plain = errors
    assert all(a <= 4 * b + 1e-6 for a, b in zip(ours, plain, strict=True))
    assert max(ours) < 1e-4


def test_a_large_bias_gradient_is_summed_pairwise():
    g = np.full((64, 1, 256, 64), 0.1, np.float32)
    x, w, b = (np.zeros(shape, np.float32) for shape in (g.shape, (1, 1, 1, 1), (1,)))
    _, backward = fast_conv(x, w, b, **options_of((1, 1)), wants=(False, False, True))
    assert backward(g)[2].item() == pytest.approx(g.size * float(np.float32(0.1)), rel=1e-6)


def peak(function):
    """Return the peak number of bytes that a call allocates, and its result."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = function()
        return tracemalloc.get_traced_memory()[1] - before, result
    finally:
        tracemalloc.stop()


@pytest.mark.long
@pytest.mark.parametrize(
    ("shape", "filters", "kernel", "options_of_grid"),
    [
        ((16, 8, 96, 96), 8, (5, 5), {"padding": 2}),
        ((1, 8, 400, 400), 8, (5, 5), {"padding": 2}),
        ((1, 8, 1, 400, 400), 8, (1, 5, 5), {"padding": (0, 2, 2)}),
        ((1, 8, 200000), 8, (25,), {"padding": 12}),
        ((16, 8, 96, 96), 8, (5, 5), {"padding": 2, "groups": 8}),
        ((64, 8, 96, 96), 8, (5, 5), {"padding": 2, "stride": 2}),
    ],
)
def test_the_unfolded_windows_are_never_in_memory_at_once(shape, filters, kernel, options_of_grid):
    grid = (shape[:1], shape[1], shape[2:], filters, kernel, options_of_grid)
    x, w, b = operands(grid, np.float32)
    options = options_of(kernel, **options_of_grid)
    held, (y, backward) = peak(lambda: fast_conv(x, w, b, **options, wants=(True, True, True)))
    workspace = 5 * 2**20  # bytes: NUMBERS, and a little more
    assert held < y.nbytes + workspace
    g = gradient_of(y)
    held, _ = peak(lambda: backward(g))
    assert held < x.nbytes + workspace
    assert x.nbytes * np.prod(kernel) / 4 > 2 * (x.nbytes + workspace)


def test_no_memory_is_kept_between_calls():
    x, w, b = operands(((8,), 16, (32, 32), 16, (3, 3), {}), np.float32)

    def step():
        y, backward = fast_conv(x, w, b, **options_of((3, 3)), wants=(True, True, True))
        backward(y)

    step()
    tracemalloc.start()
    step()
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left < 20_000


def test_threads_do_not_interfere():
    grids = [GRID[name] for name in ("two axes", "stride", "depthwise", "three axes")] * 8

    def gradients(grid):
        xs = [tg.Value(v) for v in operands(grid)]
        conv = (tg.conv1d, tg.conv2d, tg.conv3d)[len(grid[4]) - 1]
        y = conv(*xs, **grid[5])
        return [y.data, *tg.grad(y, xs, gradient_of(y.data))]

    alone = [gradients(grid) for grid in grids]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(gradients, grids))
    for expected, actual in zip(alone, together, strict=True):
        for a, b in zip(actual, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_new_contribution_becomes_the_leafs_gradient_without_a_copy():
    x, w = tg.Value(np.ones((1, 1, 4, 4))), tg.Value(np.ones((1, 1, 2, 2)))
    y = tg.conv2d(x, w)
    y.backward(np.ones(y.shape))
    before = x.grad.copy(), w.grad.copy()
    x.grad += 1.0
    w.grad += 1.0
    y.backward(np.ones(y.shape))
    np.testing.assert_array_equal(x.grad, 2 * before[0] + 1.0)
    np.testing.assert_array_equal(w.grad, 2 * before[1] + 1.0)
