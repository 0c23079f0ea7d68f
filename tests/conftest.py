"""What several test files share."""

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
    """Import another library: skip where it is missing, unless CI promised to install it."""

    def load(name):
        if "CI" in os.environ:
            return importlib.import_module(name)
        return pytest.importorskip(name)

    return load


@pytest.fixture
def node_js():
    """Run a program in Node, and read what it prints: skip without Node, unless in CI."""
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
    """Open Chromium: skip where it is missing, unless CI promised to install it."""
    playwright = peer("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("there is no Chromium here")
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu"]  # a container may have neither
        yield driver.chromium.launch(executable_path=program, args=arguments)


@pytest.fixture
def browser(chromium):
    """Lend Chromium to one test, and close what it opened."""
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
    """Compare likewise the gradients of f's gradients, by the operands and by what arrives.

    The differences are of gradients that carry no graph: those are fast, and tested elsewhere.
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
        for _ in range(3):  # it is linear in g: a direction at random tells all elements
            d = rng.standard_normal(g.shape)
            assert np.sum(to_g * d) == pytest.approx(plain_slope(d, arrays), rel=1e-9, abs=1e-9)

    return check


@pytest.fixture
def count_calls():
    """Count the calls that a function makes: its work, which no slow machine makes longer."""

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
    """Slide windows over a plane: how many on each axis, and the places that each one looks at.

    Windows and places are in row-major order; a place may lie outside of the plane.
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
    """Cut a plane into so many windows: the places that each one looks at, in row-major order."""

    def cut(space, output_size):
        axes = [
            [list(range(o * n // m, math.ceil((o + 1) * n / m))) for o in range(m)]
            for n, m in zip(space, output_size, strict=True)
        ]
        return output_size, [list(product(*looks)) for looks in product(*axes)]

    return cut


@pytest.fixture
def max_pool_by_hand(windows_by_hand):
    """Max-pool one plane by loops: the result, the gradient, and each window's first winner."""

    def pool(x, g, ties, *options):
        y, to_x, winners = [], np.zeros_like(x), []
        count, windows = windows_by_hand(x.shape, *options)
        for g_k, places in zip(g.flat, windows, strict=True):
            units = [p for p in places if all(0 <= i < n for i, n in zip(p, x.shape, strict=True))]
            nans = [p for p in units if np.isnan(x[p])]
            won = nans or [p for p in units if x[p] == max(x[q] for q in units)]
            won = {"first": won[:1], "last": won[-1:], "even": won}[ties]
            for p in won:
                to_x[p] += g_k / len(won)
            y.append(x[won[0]])
            winners.append(np.ravel_multi_index(won[0], x.shape))
        return np.reshape(y, count), to_x, np.reshape(winners, count)

    return pool


def _slide_along(n, k, s, sides, d, ceil_mode):
    seen, start, end = [], -sides[0], n + sides[1]
    while start + d * (k - 1) < end:
        seen.append([start + i * d for i in range(k)])
        start += s
    unreached = start - s + d * (k - 1) + 1 < end
    if ceil_mode and unreached and start < n:
        seen.append([start + i * d for i in range(k)])
    return seen


def _compare_slopes(gradients, functional, arrays, step=1e-6, rtol=1e-5, atol=1e-7):
    for i, (x, g) in enumerate(zip(arrays, gradients, strict=True)):
        assert np.shape(g) == np.shape(x)
        expected = _differences(functional, arrays, i, step)
        np.testing.assert_allclose(g, expected, rtol, atol, err_msg=f"operand {i}")


def _differences(f, arrays, i, step):
    """Take (f(x + h) − f(x − h)) / 2h for every element x of operand i."""
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
    """Build a network of convolutions, pools, maxima and selections, from a seed.

    Returns its last Value and its leaves. The numbers are drawn at random, or are small integers,
    with many ties, or some of them are infinite or NaN.
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
    """Draw an array whose numbers are of one kind."""
    x = rng.integers(-1, 3, shape).astype(float) if kind != "random" else rng.normal(size=shape)
    odd = {"infinite": (np.inf, -np.inf), "nan": (np.nan, -np.inf)}.get(kind)
    return x if odd is None else np.where(rng.random(shape) < 0.2, rng.choice(odd, shape), x)


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
    """Compare with a constant, a number of its own and a row that is broadcast."""
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
