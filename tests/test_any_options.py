"""Pools and convolutions with any options compute what loops compute, or raise our error."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_pool as tg
from tinygrad_pool.errors import TinygradPoolError

nan, inf = np.nan, np.inf
JUNK = [0, -1, 1.5, nan, inf, "2", True, (1,), (1, 2, 3), None, 1j]
SPOILERS = {"padding": ["same", ((0, 1), (1, -1)), ((0,), 1)]}


@st.composite
def window_options(draw):
    """Draw options that may fit, and sometimes spoil one of them."""
    side, some = st.sampled_from([0, 0, 1, 2]), st.integers(1, 3)
    either = some | st.tuples(some, some)
    drawn = {
        "kernel_size": draw(either),
        "stride": draw(either),
        "padding": draw(side | st.tuples(side, side) | st.tuples(*[st.tuples(side, side)] * 2)),
        "dilation": draw(st.sampled_from([1, 1, 2, (2, 1)])),
    }
    if draw(st.integers(0, 4)) == 0:
        name = draw(st.sampled_from(list(drawn)))
        drawn[name] = draw(st.sampled_from([*JUNK, *SPOILERS.get(name, [9])]))
    return drawn


length = st.sampled_from([3, 4, 5, 6, 7, 1, 0])
fuzz = settings(max_examples=300)


def pair(option):
    return option if isinstance(option, tuple) else (option, option)


def read(space, kernel_size, stride, padding, dilation, ceil_mode=False):
    """Read options for two axes as pairs of integers; None if they are anything else."""
    kernel, dilation = pair(kernel_size), pair(dilation)
    stride, sides = pair(stride), tuple(map(pair, pair(padding)))
    if any(len(option) != 2 for option in (kernel, stride, dilation, sides, *sides)):
        return None
    numbers = [*kernel, *stride, *dilation, *(n for side in sides for n in side)]
    if any(type(n) is not int or n < 0 for n in numbers) or 0 in (*kernel, *stride, *dilation):
        return None
    axes = zip(extents(kernel, dilation), space, sides, stride, strict=True)
    if any(e > n + sum(side) + ceil_mode * (s - 1) for e, n, side, s in axes):
        return None
    return kernel, stride, sides, dilation


def sides_of(kernel_size, stride, padding, dilation):
    """Read the padding of a convolution: "same" keeps the lengths of the axes, with stride 1."""
    if padding != "same" or pair(stride) != (1, 1):
        return padding
    return tuple(((n - 1) // 2, n // 2) for n in extents(pair(kernel_size), pair(dilation)))


def extents(kernel, dilation):
    return [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]


@pytest.mark.long
@fuzz
@given(
    shape=st.tuples(st.sampled_from([1, 2, 0]), length, length),
    options=window_options(),
    ceil_mode=st.booleans(),
    ties=st.sampled_from(["first", "last", "even"]),
    seed=st.integers(0, 99),
)
def test_pools_compute_what_loops_compute_or_raise_our_error(
    shape, options, ceil_mode, ties, seed, windows_by_hand, max_pool_by_hand
):
    space = shape[1:]
    if options["stride"] is None:
        options["stride"] = options["kernel_size"]
    parsed = read(space, **options, ceil_mode=ceil_mode)
    if parsed:
        kernel, _, sides, dilation = parsed
        count, windows = windows_by_hand(space, *parsed, ceil_mode)
        units = [
            [p for p in places if all(0 <= i < n for i, n in zip(p, space, strict=True))]
            for places in windows
        ]
        parsed = parsed if units and all(units) else None
        fits = zip(sides, extents(kernel, dilation), strict=True)
        parsed = parsed if all(max(side) < extent for side, extent in fits) else None
    rng = np.random.default_rng(seed)
    x = tg.Value(rng.integers(-2, 3, shape).astype(float))
    if not parsed:
        for pool in (tg.max_pool2d, tg.avg_pool2d):
            with pytest.raises(TinygradPoolError, match="2d: "):
                pool(x, **options, ceil_mode=ceil_mode)
        return

    options["ceil_mode"] = ceil_mode
    y, winners = tg.max_pool2d(x, **options, ties=ties, return_indices=True)
    means = tg.avg_pool2d(x, **options, count_include_pad=False)
    assert y.shape == means.shape == winners.shape == (shape[0], *count)
    g = rng.integers(-9, 9, y.shape) * 6.0
    (to_x,) = tg.grad(y, x, gradient=g)
    for n in range(shape[0]):
        plane = x.data[n]
        tops, to_plane, first = max_pool_by_hand(plane, g[n], ties, *parsed, ceil_mode)
        np.testing.assert_array_equal(y.data[n], tops)
        np.testing.assert_allclose(to_x[n], to_plane, rtol=1e-12)
        np.testing.assert_array_equal(winners[n], first)
        expected = [np.mean([plane[p] for p in places]) for places in units]
        np.testing.assert_allclose(means.data[n].ravel(), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.long
@fuzz
@given(
    shape=st.tuples(
        st.sampled_from([1, 2, 1, 2, 0]), st.sampled_from([2, 4, 2, 4, 1, 0]), length, length
    ),
    filters=st.sampled_from([2, 4, 2, 4, 1, 0]),
    options=window_options(),
    groups=st.sampled_from([*[1, 2] * 8, 4, 0, -1, 2.0, nan, "2", None]),
    seed=st.integers(0, 99),
)
def test_convolutions_compute_what_loops_compute_or_raise_our_error(
    shape, filters, options, groups, seed, windows_by_hand
):
    divides = type(groups) is int and groups > 0 and shape[1] % groups == filters % groups == 0
    channels = shape[1] // groups if divides else 1
    spelled = options["padding"]
    parsed = read(shape[2:], **{**options, "padding": sides_of(**options)})
    kernel = parsed[0] if parsed else (2, 1)
    options["padding"] = sides_of(**{**options, "kernel_size": kernel})
    options.pop("kernel_size")
    rng = np.random.default_rng(seed)
    x = tg.Value(rng.integers(-2, 3, shape).astype(float))
    w = tg.Value(rng.integers(-2, 3, (filters, channels, *kernel)).astype(float))
    if not (read(shape[2:], kernel, **options) and divides):
        with pytest.raises(TinygradPoolError, match="conv2d: "):
            tg.conv2d(x, w, **{**options, "padding": spelled}, groups=groups)
        return

    y = tg.conv2d(x, w, **{**options, "padding": spelled}, groups=groups)
    count, windows = windows_by_hand(shape[2:], *read(shape[2:], kernel, **options))
    assert y.shape == (shape[0], filters, *count)
    sides = [pair(side) for side in pair(options["padding"])]
    padded = np.pad(x.data, ((0, 0), (0, 0), *sides))
    for f, (o, places) in product(range(filters), enumerate(windows)):
        group = f // (filters // groups)
        rows, columns = np.transpose(places) + [[side[0]] for side in sides]
        seen = padded[:, group * channels : (group + 1) * channels, rows, columns]
        expected = (seen * w.data[f].reshape(channels, len(places))).sum(axis=(1, 2))
        np.testing.assert_array_equal(
            y.data.reshape(shape[0], filters, len(windows))[:, f, o], expected
        )

    g = rng.integers(-9, 9, y.shape).astype(float)
    to_x, to_w = tg.grad(y, [x, w], gradient=g)
    assert (g * y.data).sum() == (to_x * x.data).sum() == (to_w * w.data).sum()
