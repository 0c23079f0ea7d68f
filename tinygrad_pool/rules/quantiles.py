"""Medians, quantiles and percentiles, by the order of the numbers."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import ShapeError
from tinygrad_pool.rules.accumulations import rows_of
from tinygrad_pool.rules.arguments import Axis, axes_of, flag, kept
from tinygrad_pool.rules.composition import composes, constant, dtype_of
from tinygrad_pool.rules.masks import keep
from tinygrad_pool.rules.powers import double, floats
from tinygrad_pool.rules.primitive import observation, primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements
from tinygrad_pool.rules.shaping import scatter
from tinygrad_pool.rules.sorting import order_of

CHOOSING = {"lower", "higher", "nearest", "inverted_cdf", "closest_observation"}
"""The methods whose quantile is a number of the row, in its dtype."""


@composes("median")
def median(a: Array, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Compute the median: the middle number, or the mean of the two middle ones."""
    return _quantile(np.quantile, a, 0.5, axis, keepdims)


@composes("nanmedian")
def nanmedian(a: Array, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Compute the median of the numbers that are not NaN."""
    return _quantile(np.nanquantile, a, 0.5, axis, keepdims)


def _takes_quantiles(function: Callable[..., Any]) -> None:
    @composes(function.__name__)
    def quantiles(
        a: Array, q: Any, axis: Axis = None, *, method: str = "linear", keepdims: bool = False
    ) -> Array:
        """Compute quantiles: q is a constant, a number in [0, 1] or an array of them.

        For percentiles, q is in [0, 100]. Functions with names in nan… ignore NaN.
        """
        return _quantile(function, a, q, axis, keepdims, method)


for _function in (np.quantile, np.nanquantile, np.percentile, np.nanpercentile):
    _takes_quantiles(_function)


def _quantile(
    function: Any, a: Array, q: Any, axis: Axis, keepdims: bool, method: str = "linear"
) -> Array:
    constant("quantile: q", q)
    a = floats(a)
    shape, axes = np.shape(a), axes_of(np.shape(a), axis, "quantile")
    rows = rows_of(a, axes)
    if not np.shape(rows)[-1]:
        raise ShapeError(f"quantile: nothing to choose from over axes {axes} of shape {shape}")
    y = row_quantiles(rows, q=q, of=function.__name__, method=method)
    if flag(keepdims, "quantile: keepdims"):
        y = np.reshape(y, (*np.shape(q), *kept(shape, axes)))
    return y


@primitive
def row_quantiles(x: Array, *, q: Any, of: str, method: str) -> Array:
    """Compute quantiles of rows as the NumPy function with the name `of`.

    >>> float(row_quantiles(np.array([3.0, 1.0]), q=25, of="percentile", method="linear"))
    1.5
    """
    return _interpolate(x, *_between(x, of, q, method))


def _interpolate(x: Array, low: Any, high: Any, share: Any) -> Array:
    row = np.reshape(x, -1)
    y = row[low] if share.dtype == dtype_of(x) else double(row[low])
    if share.any():
        other = row[high] if share.all() else np.where(share > 0, row[high], 0.0)  # not 0 * inf
        y = y * (1 - share) + other * share
    return y


@implements(row_quantiles)
def quantile(x: Array, *, q: Any, of: str, method: str) -> tuple[Array, Backward]:
    """Differentiate row_quantiles: the two cells that a quantile lies between share the gradient.

    y = (1 − t) x_i + t x_j            ∂E/∂x_i = (1 − t) g,  ∂E/∂x_j = t g

    >>> y, backward = quantile(np.array([3.0, 1.0]), q=0.25, of="quantile", method="linear")
    >>> float(y), backward(4.0)
    (1.5, (array([1., 3.]),))
    """
    low, high, share = _between(x, of, q, method)
    shape, size = np.shape(x), (np.size(x),)

    def quantile_backward(g: Array) -> Contributions:
        to_row = scatter(g * (1 - share), key=low, shape=size)
        if share.any():
            to_row = to_row + scatter(keep(g, share > 0) * share, key=high, shape=size)
        to_x = np.reshape(to_row, shape)
        return (to_x,)

    return _interpolate(x, low, high, share), quantile_backward


@observation
def _between(
    rows: NDArray[Any], of: str, q: Any, method: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Find the two cells that each quantile lies between, and how far it is from the first.

    NumPy computes the quantile of the places 0, 1, 2, …: 1.25 lies between the places 1 and 2. NaN
    is sorted last; if a row contains NaN, its last cell is the result.
    """
    *lead, n = rows.shape
    order = order_of(rows, -1)
    is_nan = np.isnan(np.take_along_axis(rows, order, axis=-1))
    places = getattr(np, of)(np.where(is_nan, np.nan, np.arange(n)), q, axis=-1, method=method)
    places = np.where(np.isnan(places), n - 1, places)
    cells = order + np.arange(prod(lead)).reshape(*lead, 1) * n
    cells = np.broadcast_to(cells, (*places.shape, n))
    low, high = (
        np.take_along_axis(cells, ends(places)[..., None].astype(int), axis=-1)[..., 0]
        for ends in (np.floor, np.ceil)
    )
    mixes = np.ndim(q) and method not in CHOOSING
    kind = np.result_type(rows, np.asarray(q)) if mixes else rows.dtype
    return low, high, (places - np.floor(places)).astype(kind)
