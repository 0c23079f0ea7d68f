"""Fixtures shared by several test files."""

import importlib
import json
import math
import os
import shutil
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

import tinygrad_pool as tg


@pytest.fixture(scope="session")
def peer():
    """Import another library; without it, skip the test, or fail in CI, which installs it."""

    def load(name):
        if "CI" in os.environ:
            return importlib.import_module(name)
        return pytest.importorskip(name)

    return load


@pytest.fixture
def node_js():
    """Run a program in Node and parse its output; without Node, skip the test, or fail in CI."""
    node = shutil.which("node")
    if node is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("there is no Node here")

    def run(program):
        done = subprocess.run([node], input=program, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="class")
def chromium(peer):
    """Open Chromium; without it, skip the test, or fail in CI, which installs it."""
    playwright = peer("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("there is no Chromium here")
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu"]  # containers may lack both
        yield driver.chromium.launch(executable_path=program, args=arguments)


@pytest.fixture
def browser(chromium):
    """Provide Chromium to one test, and close the contexts it opened."""
    yield chromium
    for context in chromium.contexts:
        context.close()


@pytest.fixture
def check_gradient():
    """Compare the gradients of <r, f(*arrays)>, r at random, with central differences."""

    def check(f, *arrays, **tolerances):
        r = np.random.default_rng(1).standard_normal(f(*map(tg.Value, arrays)).shape)

        def functional(*arrays):
            return float(np.sum(r * f(*map(tg.Value, arrays)).data))

        xs = [tg.Value(a) for a in arrays]
        _compare_slopes(tg.grad(f(*xs), xs, gradient=r), functional, arrays, **tolerances)

    return check


@pytest.fixture
def check_second_derivative():
    """Compare second derivatives of f, by its operands and by g, with central differences.

    The differences are those of first derivatives without a graph, which are tested elsewhere.
    """

    def check(f, *arrays, **tolerances):
        rng = np.random.default_rng(2)
        weights = [rng.standard_normal(np.shape(a)) for a in arrays]

        def slope(g, xs, create_graph):
            parts = tg.grad(f(*xs), xs, gradient=g, create_graph=create_graph)
            return sum((w * part).sum() for w, part in zip(weights, parts, strict=True))

        def plain_slope(g, arrays):
            return float(slope(g, [tg.Value(a) for a in arrays], create_graph=False))

        xs = [tg.Value(a) for a in arrays]
        g = tg.Value(rng.standard_normal(f(*xs).shape))
        to_g, *to_xs = tg.grad(slope(g, xs, create_graph=True), [g, *xs])
        _compare_slopes(to_xs, lambda *arrays: plain_slope(g.data, arrays), arrays, **tolerances)
        for _ in range(3):  # it is linear in g, so random directions test all elements
            d = rng.standard_normal(g.shape)
            assert np.sum(to_g * d) == pytest.approx(plain_slope(d, arrays), rel=1e-9, abs=1e-9)

    return check


@pytest.fixture
def count_calls():
    """Count the calls that a function makes: a measure of its work that no slow machine changes."""

    def count(f, *arguments):
        calls = 0

        def note(frame, event, _):
            nonlocal calls
            calls += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            f(*arguments)
        finally:
            sys.setprofile(before)
        return calls

    return count


@pytest.fixture
def windows_by_hand():
    """Slide windows over a plane: return their number on each axis, and the cells of each window.

    Windows and cells are in row-major order; a cell may lie outside the plane.
    """

    def slide(space, kernel, stride, padding, dilation, ceil_mode=False):
        axes = [
            _slide_along(*axis, ceil_mode)
            for axis in zip(space, kernel, stride, padding, dilation, strict=True)
        ]
        return tuple(map(len, axes)), [list(product(*looks)) for looks in product(*axes)]

    return slide


@pytest.fixture
def adaptive_windows_by_hand():
    """Cut a plane into `output_size` windows: return the cells of each, in row-major order."""

    def cut(space, output_size):
        axes = [
            [list(range(o * n // m, math.ceil((o + 1) * n / m))) for o in range(m)]
            for n, m in zip(space, output_size, strict=True)
        ]
        return output_size, [list(product(*looks)) for looks in product(*axes)]

    return cut


@pytest.fixture
def max_pool_by_hand(windows_by_hand):
    """Max-pool one plane by loops: return the result, the gradient and the first winners."""

    def pool(x, g, ties, *options):
        y, to_x, winners = [], np.zeros_like(x), []
        count, windows = windows_by_hand(x.shape, *options)
        for g_k, places in zip(g.flat, windows, strict=True):
            units = [p for p in places if all(0 <= i < n for i, n in zip(p, x.shape, strict=True))]
            nans = [p for p in units if np.isnan(x[p])]
            tied = nans or [p for p in units if x[p] == max(x[q] for q in units)]
            paid = {"first": tied[:1], "last": tied[-1:], "even": tied}[ties]
            for p in paid:
                to_x[p] += g_k / len(paid)
            y.append(x[paid[0]])
            winners.append(np.ravel_multi_index(paid[0], x.shape))
        return np.reshape(y, count), to_x, np.reshape(winners, count)

    return pool


def _slide_along(n, k, s, sides, d, ceil_mode):
    windows, start, end = [], -sides[0], n + sides[1]
    while start + d * (k - 1) < end:
        windows.append([start + i * d for i in range(k)])
        start += s
    unreached = start - s + d * (k - 1) + 1 < end
    if ceil_mode and unreached and start < n:
        windows.append([start + i * d for i in range(k)])
    return windows


def _compare_slopes(gradients, functional, arrays, step=1e-6, rtol=1e-5, atol=1e-7):
    for i, (x, g) in enumerate(zip(arrays, gradients, strict=True)):
        assert np.shape(g) == np.shape(x)
        expected = _differences(functional, arrays, i, step)
        np.testing.assert_allclose(g, expected, rtol, atol, err_msg=f"operand {i}")


def _differences(f, arrays, i, step):
    """Compute (f(x + h) − f(x − h)) / 2h for every element x of operand i."""
    slopes = np.zeros(np.shape(arrays[i]))
    for place in np.ndindex(slopes.shape):
        h = np.zeros(slopes.shape)
        h[place] = step
        up, down = (
            f(
                *arrays[:i],
                float(x) if isinstance(arrays[i], float) else np.array(x),
                *arrays[i + 1 :],
            )
            for x in (arrays[i] + h, arrays[i] - h)
        )
        slopes[place] = (up - down) / (2 * step)
    return slopes


@pytest.fixture
def random_net():
    """Build a random network of convolutions, pools, maxima and selections from a seed.

    Returns its last Value and its leaves. Depending on `numbers`, the data are random, small
    integers with many ties, or partly infinite or NaN.
    """

    def build(seed, numbers="random", dtype=np.float64, choices=CHOICES, steps=4, ties="first"):
        rng = np.random.default_rng(seed)
        ndim = int(rng.integers(1, 4))
        shape = (
            *rng.integers(1, 3, rng.integers(1, 3)),
            *rng.integers(4, 9 - 2 * (ndim - 1), ndim),
        )
        leaves = [tg.Value(_numbers(rng, shape, numbers).astype(dtype))]
        v = leaves[0] * 1.0
        for name in rng.choice(choices, steps):
            v = _STEPS[name](rng, v, ndim, ties, leaves)
        return v, leaves

    return build


def _numbers(rng, shape, kind):
    """Draw an array of one kind of numbers."""
    x = rng.integers(-1, 3, shape).astype(float) if kind != "random" else rng.normal(size=shape)
    special = {"infinite": (np.inf, -np.inf), "nan": (np.nan, -np.inf)}.get(kind)
    if special is None:
        return x
    return np.where(rng.random(shape) < 0.2, rng.choice(special, shape), x)


def _convolve(rng, v, ndim, _, leaves):
    if v.ndim <= ndim or min(v.shape[-ndim:]) < 2:
        return v
    conv = (tg.conv1d, tg.conv2d, tg.conv3d)[ndim - 1]
    w = tg.Value(rng.integers(-1, 2, (2, v.shape[-ndim - 1], *[2] * ndim)).astype(v.dtype))
    leaves.append(w)
    return conv(v, w, padding=int(rng.integers(2)))


def _pool(rng, v, ndim, ties, _):
    pool = (tg.max_pool1d, tg.max_pool2d, tg.max_pool3d)[ndim - 1]
    kernel = [int(rng.integers(1, min(n, 3) + 1)) for n in v.shape[-ndim:]]
    dilation = [int(rng.integers(1, 3)) if (k - 1) * 2 < n else 1 for k, n in _along(kernel, v)]
    padding = [tuple(map(int, rng.integers(0, (k + 1) // 2, 2))) for k in kernel]
    stride = [int(s) for s in rng.integers(1, 3, ndim)]
    ceil_mode = bool(rng.integers(2))
    return pool(v, kernel, stride, padding, dilation, ceil_mode, ties=ties)


def _average(rng, v, ndim, *_):
    pool = (tg.avg_pool1d, tg.avg_pool2d, tg.avg_pool3d)[ndim - 1]
    kernel = [min(n, 3) for n in v.shape[-ndim:]]
    padding = [k // 2 for k in kernel]
    return pool(v, kernel, 2, padding, True, bool(rng.integers(2)))


def _adapt(rng, v, ndim, ties, _):
    pool = (tg.adaptive_max_pool1d, tg.adaptive_max_pool2d, tg.adaptive_max_pool3d)[ndim - 1]
    return pool(v, [int(rng.integers(1, n + 2)) for n in v.shape[-ndim:]], ties=ties)


def _adapt_average(rng, v, ndim, *_):
    pool = (tg.adaptive_avg_pool1d, tg.adaptive_avg_pool2d, tg.adaptive_avg_pool3d)[ndim - 1]
    return pool(v, [int(rng.integers(1, n + 2)) for n in v.shape[-ndim:]])


def _norm(rng, v, ndim, *_):
    pool = (tg.lp_pool1d, tg.lp_pool2d, tg.lp_pool3d)[ndim - 1]
    return pool(v, 3.0, [min(n, 2) for n in v.shape[-ndim:]])


def _along(kernel, v):
    return zip(kernel, v.shape[-len(kernel) :], strict=True)


def _oppose(rng, v, _, ties, leaves):
    """Take the maximum or minimum of v and some of: itself, constants, a number and a row."""
    choose = (tg.maximum, tg.minimum)[rng.integers(2)]
    row = tg.Value(rng.integers(0, 2, v.shape[-1:]).astype(v.dtype))
    number = tg.Value(1.0)
    leaves += [row, number]
    rivals = [row, number, 0.5, rng.integers(0, 2, v.shape).astype(v.dtype), v]
    chosen = [v, *(rivals[i] for i in rng.permutation(5)[: rng.integers(6)])]
    return choose(*(chosen[i] for i in rng.permutation(len(chosen))), ties=ties)


def _reduce(rng, v, ndim, ties, _):
    reduce = (tg.Value.max, tg.Value.min)[rng.integers(2)]
    return v * 2.0 - reduce(v, axis=int(rng.integers(v.ndim)), keepdims=True, ties=ties)


def _select(rng, v, *_):
    along = [slice(None), slice(None, None, -1), np.array([0, 0, *range(v.shape[-1])])]
    return v[..., along[rng.integers(3)]]


def _multiply(rng, v, _, __, leaves):
    w = tg.Value(rng.integers(-1, 2, (v.shape[-1], 4)).astype(v.dtype))
    leaves.append(w)
    return v @ w


_STEPS = {
    "conv": _convolve,
    "pool": _pool,
    "adaptive": _adapt,
    "oppose": _oppose,
    "reduce": _reduce,
    "select": _select,
    "matmul": _multiply,
    "relu": lambda rng, v, *_: v.relu(),
    "twice": lambda rng, v, *_: tg.concatenate([v, v], axis=-1) + 1.0,
    "average": _average,
    "adaptive average": _adapt_average,
    "norm": _norm,
}
CHOICES = [name for name in _STEPS if "average" not in name]
AVERAGES = ["conv", "pool", "relu", "average", "adaptive average"]
