"""Pools with random options give the right result, or our error that names the pool."""

import math
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_pool as tg
from tinygrad_pool.errors import TinygradPoolError

ODD = [
    *(-1, 0, 2**31, 10**30, 1.5, 2.0, math.nan, math.inf, None, True, "2", b"2", 2j),
    *([], (), {}, set(), np.int8(2), np.float64(2), np.array(2), np.array([1, 2]), object),
    *((2, None), ((1, 1), "ab"), [[2]], np.nan * np.ones(2)),
]
odd = st.sampled_from(ODD)


@cache  # hypothesis takes longer to set up a strategy than to draw from it
def option(ndim, least=0):
    number = st.integers(least, 4)
    each = st.lists(number, min_size=ndim, max_size=ndim)
    return st.one_of(number, number, number, each, each, each.map(tuple), odd)


@cache
def padding(ndim):
    side = st.one_of(st.integers(0, 3), st.tuples(st.integers(0, 3), st.integers(0, 3)))
    return st.one_of(option(ndim), st.lists(side, min_size=ndim, max_size=ndim))


NAMES = [
    f"{family}{ndim}d"
    for family in ("max_pool", "avg_pool", "lp_pool", "adaptive_max_pool", "adaptive_avg_pool")
    for ndim in (1, 2, 3)
]


LEADS = st.lists(st.integers(0, 2), max_size=2)
NORMS = st.one_of(st.sampled_from([1, 2, 2.5, 3]), st.just(4), odd)
OWN_DIVISORS = st.one_of(st.none(), st.none(), st.sampled_from([1, 3, 0.5]), odd)
FLAGS = st.one_of(st.booleans(), st.booleans(), st.booleans(), odd)
WAYS = st.sampled_from(["first", "last", "even", "error"])
TIES = st.one_of(WAYS, WAYS, WAYS, odd)


@cache
def space(ndim):
    return st.lists(st.integers(1, 7), min_size=ndim, max_size=ndim)


@cache
def window_options(ndim):
    return {
        "stride": st.one_of(st.none(), option(ndim, least=1)),
        "padding": padding(ndim),
        "dilation": option(ndim, least=1),
        "ceil_mode": FLAGS,
    }


@st.composite
def calls(draw):
    name = draw(st.sampled_from(NAMES))
    ndim = int(name[-2])
    lead = draw(LEADS)
    plane = [0] * (ndim - 1) if draw(st.integers(0, 30)) == 0 else draw(space(ndim))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    x = rng.integers(-3, 4, (*lead, *plane)).astype(draw(st.sampled_from("efd")))
    if name.startswith("adaptive"):
        options = {"output_size": draw(option(ndim))}
    else:
        options = {"kernel_size": draw(option(ndim, least=1))}
        more = window_options(ndim)
        options |= {k: draw(v) for k, v in more.items() if draw(st.booleans())}
    if name.startswith("lp"):
        options["norm_type"] = draw(NORMS)
    if name.startswith("avg"):
        options["count_include_pad"] = draw(FLAGS)
        options["divisor_override"] = draw(OWN_DIVISORS)
    if "max" in name:
        options["ties"] = draw(TIES)
    return name, x, options


def cells(name, shape, options):
    """List the cells of every window of one plane by loops, and the divisor of each average."""
    ndim = int(name[-2])
    space = shape[len(shape) - ndim :]
    if name.startswith("adaptive"):
        sizes = each(options["output_size"], ndim)
        sizes = [n if m is None else int(m) for m, n in zip(sizes, space, strict=True)]
        looks = [
            [list(range(o * n // m, -(-(o + 1) * n // m))) for o in range(m)]
            for n, m in zip(space, sizes, strict=True)
        ]
        windows = [list(product(*look)) for look in product(*looks)]
        return windows, [len(window) for window in windows], [len(look) for look in looks]
    kernel = each(options["kernel_size"], ndim)
    stride = options.get("stride")
    strides = kernel if stride is None else each(stride, ndim)
    sides = [p if np.ndim(p) else (p, p) for p in each(options.get("padding", 0), ndim)]
    dilation = each(options.get("dilation", 1), ndim)
    looks = [
        along(n, int(k), int(s), tuple(map(int, p)), int(d), options.get("ceil_mode", False))
        for n, k, s, p, d in zip(space, kernel, strides, sides, dilation, strict=True)
    ]
    windows, counts = [], []
    for look in product(*looks):
        inside = [[0 <= i < n for i in at] for at, n in zip(look, space, strict=True)]
        padded = [
            sum(-p <= i < n + q for i in at)
            for at, n, (p, q) in zip(look, space, sides, strict=True)
        ]
        seen = [
            [i for i, ok in zip(at, oks, strict=True) if ok]
            for at, oks in zip(look, inside, strict=True)
        ]
        windows.append(list(product(*seen)))
        counts.append(
            math.prod(padded)
            if options.get("count_include_pad", True)
            else math.prod(map(len, seen))
        )
    return windows, counts, [len(look) for look in looks]


def each(given, ndim):
    return list(given) if isinstance(given, list | tuple) else [given] * ndim


def along(n, k, s, sides, d, ceil_mode):
    p, q = sides
    room = n + p + q - d * (k - 1) - 1
    count = (-(-room // s) if ceil_mode else room // s) + 1
    if ceil_mode and (count - 1) * s >= n + p:
        count -= 1
    return [[o * s - p + i * d for i in range(k)] for o in range(count)]


def by_loops(name, x, options):
    windows, counts, out = cells(name, x.shape, options)
    ndim = len(out)
    lead = x.shape[: x.ndim - ndim]
    y = np.zeros((*lead, len(windows)))
    for plane in np.ndindex(lead):
        for k, (window, count) in enumerate(zip(windows, counts, strict=True)):
            units = [float(x[(*plane, *at)]) for at in window]
            if "max" in name:
                y[(*plane, k)] = max(units)
            elif "avg" in name:
                own = options.get("divisor_override")
                y[(*plane, k)] = sum(units) / float(count if own is None else own)
            else:
                p, top = float(options["norm_type"]), max(map(abs, units)) or 1.0
                y[(*plane, k)] = top * sum((abs(u) / top) ** p for u in units) ** (1 / p)
    return y.reshape(*lead, *out)


@pytest.fixture(scope="module")
def seen():
    """Count results and errors: a fuzz test that only meets one of them shows nothing."""
    ends = {"answers": 0, "errors": 0}
    yield ends
    assert min(ends.values()) > 300


@pytest.mark.long
@settings(max_examples=2000)
@given(call=calls())
def test_random_options_give_the_right_result_or_an_error_that_names_the_pool(call, seen):
    name, x, options = call
    v = tg.Value(x)
    try:
        y = getattr(tg, name)(v, **options)
    except TinygradPoolError as error:
        assert str(error).startswith(f"{name}: ")  # noqa: PT017  # an error is one of the outcomes
        seen["errors"] += 1
        return
    expected = by_loops(name, x, options)
    np.testing.assert_allclose(y.data, expected, rtol=2e-3 if x.dtype == "e" else 1e-5, atol=1e-7)
    assert y.dtype == x.dtype
    y.backward(np.ones(y.shape))
    assert v.grad.shape == x.shape
    assert np.isfinite(v.grad).all()
    seen["answers"] += 1


@pytest.mark.long
@settings(max_examples=500)
@given(st.data())
def test_random_indices_unpool_as_loops_do_or_raise_an_error_that_names_the_pool(data):
    ndim = data.draw(st.integers(1, 3))
    shape = tuple(data.draw(st.lists(st.integers(0, 3), min_size=ndim, max_size=ndim + 1)))
    x = np.arange(1.0, 1 + math.prod(shape)).reshape(shape)
    indices = np.random.default_rng(data.draw(st.integers(0, 9))).integers(-1, 30, shape)
    indices = data.draw(st.sampled_from([indices, np.abs(indices) % 2, indices[..., :1], 2.5, "a"]))
    options = {"kernel_size": data.draw(option(ndim, least=1))}
    more = {
        "stride": option(ndim, least=1),
        "padding": padding(ndim),
        "output_size": st.one_of(odd, st.lists(st.integers(0, 9), max_size=ndim + 1)),
    }
    options |= {k: data.draw(v) for k, v in more.items() if data.draw(st.booleans())}
    v, name = tg.Value(x), f"max_unpool{ndim}d"
    try:
        y = getattr(tg, name)(v, indices, **options)
    except TinygradPoolError as error:
        assert str(error).startswith(f"{name}: ")  # noqa: PT017  # an error is one of the outcomes
        return
    expected = np.zeros(y.shape)
    for plane in np.ndindex(y.shape[: y.ndim - ndim]):
        expected[plane].flat[indices[plane].ravel()] = x[plane].ravel()
    np.testing.assert_array_equal(y.data, expected)
