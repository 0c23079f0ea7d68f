"""What several test files share."""

import importlib
import math
import os
import shutil
from itertools import product

import numpy as np
import pytest

import tinygrad_pool as tg


@pytest.fixture
def peer():
    """Import another library: skip where it is missing, unless CI promised to install it."""

    def load(name):
        if "CI" in os.environ:
            return importlib.import_module(name)
        return pytest.importorskip(name)

    return load


@pytest.fixture
def browser(peer):
    """Open Chromium: skip where it is missing, unless CI promised to install it."""
    playwright = peer("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("there is no Chromium here")
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu"]  # a container may have neither
        yield driver.chromium.launch(executable_path=program, args=arguments)


@pytest.fixture
def check_gradient():
    """Compare the gradients of <r, f(*arrays)>, r at random, with central differences."""

    def check(f, *arrays, step=1e-6, rtol=1e-5, atol=1e-7):
        r = np.random.default_rng(1).standard_normal(f(*map(tg.Value, arrays)).shape)

        def functional(*arrays):
            return float(np.sum(r * f(*map(tg.Value, arrays)).data))

        xs = [tg.Value(a) for a in arrays]
        gradients = tg.grad(f(*xs), xs, gradient=r)
        for i, (x, g) in enumerate(zip(xs, gradients, strict=True)):
            assert np.shape(g) == x.shape
            expected = _differences(functional, arrays, i, step)
            np.testing.assert_allclose(g, expected, rtol, atol, err_msg=f"operand {i}")

    return check


@pytest.fixture
def check_second_derivative(check_gradient):
    """Compare likewise the gradients of f's gradients, by the operands and by what arrives."""

    def check(f, *arrays, **tolerances):
        rng = np.random.default_rng(2)
        weights = [rng.standard_normal(np.shape(a)) for a in arrays]
        g = rng.standard_normal(f(*map(tg.Value, arrays)).shape)

        def slopes(g, *xs):
            parts = tg.grad(f(*xs), xs, gradient=g, create_graph=True)
            return sum((w * part).sum() for w, part in zip(weights, parts, strict=True))

        check_gradient(slopes, g, *arrays, **tolerances)

    return check


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
