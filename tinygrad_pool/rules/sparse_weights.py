"""Sparse weights: any node, pooling too, as a linear layer at its current value.

    y = W x            ∂E/∂x = Wᵀ g

Each link is one weight from a cell of x to a unit of y. For max pooling, W is the P of the
derivation, with a single 1 in each row, at the winner.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import ShapeError, ToolError
from tinygrad_pool.formatting import Table, counted, number
from tinygrad_pool.rules.arguments import Shape, flag
from tinygrad_pool.rules.primitive import primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LISTED = 20
"""How many links a notebook lists."""
LONGEST = 16
"""The most units or cells of a layer that is printed as a matrix."""


@dataclass(slots=True, eq=False, repr=False)
class Weights:
    """Sparse weights from the cells of x to the units of y, one entry per link, in row-major order.

    `unit` and `cell` are flat indices into y and x, `weight` holds the weights. Links
    of weight 0 are kept, since pictures draw them, and contribute 0, also for an infinite cell.

    >>> W = Weights(np.array([0, 0]), np.array([0, 2]), np.array([0.0, 1.0]), (1,), (3,))
    >>> W @ np.array([5.0, 6.0, 7.0]), W.dense()
    (array([7.]), array([[0., 0., 1.]]))
    """

    unit: NDArray[np.int64]
    cell: NDArray[np.int64]
    weight: NDArray[Any]
    y_shape: Shape
    x_shape: Shape

    __array_ufunc__ = None  # x @ W is not a product here, W.T @ x is

    @property
    def shape(self) -> tuple[int, int]:
        """Units of y by cells of x."""
        return prod(self.y_shape), prod(self.x_shape)

    @property
    def T(self) -> Weights:  # noqa: N802  # as NumPy writes it
        """The links in the same order and the opposite direction, as gradients pass them."""
        return Weights(self.cell, self.unit, self.weight, self.x_shape, self.y_shape)

    def __matmul__(self, x: Array) -> Any:
        """Multiply an array of x's shape, a flat array, or a matrix with flat arrays as columns.

        A link of weight 1 copies. A unit adds up its links in order; without links it is 0. W2 @ W1
        is the one layer equal to W1 and then W2, without links of weight 0.

        >>> W1 = Weights(np.array([0, 1]), np.array([2, 0]), np.array([1.0, 1.0]), (2,), (3,))
        >>> W2 = Weights(np.array([0]), np.array([1]), np.array([5.0]), (1,), (2,))
        >>> (W2 @ W1).links()
        [(0, 0, 5.0)]
        """
        if isinstance(x, Weights):
            return self._after(x)
        if isinstance(x, list | tuple):
            x = np.asarray(x)
        units, cells = self.shape
        shape = np.shape(x)
        if shape == self.x_shape:
            return weigh(x, weights=(self,))
        if shape == (cells,):
            return np.reshape(self @ np.reshape(x, self.x_shape), (units,))
        if len(shape) == 2 and shape[0] == cells:
            return np.stack([self @ column for column in np.transpose(x)], axis=1)
        raise ShapeError(
            f"weights: {units} × {cells} weights need an operand of shape {self.x_shape}, "
            f"({cells},) or ({cells}, n), got {shape}"
        )

    def _after(self, first: Weights) -> Weights:
        """Join each link with the links of `first` to its cell; add those with the same ends."""
        (units, cells), (n, m) = self.shape, first.shape
        if cells != n:
            raise ShapeError(
                f"weights: {units} × {cells} weights need weights of {counted(cells, 'unit')} "
                f"before them, got {n} × {m} weights"
            )
        second, first = self.carrying(), first.carrying()
        order = np.argsort(first.unit, kind="stable")
        start = np.searchsorted(first.unit, second.cell, sorter=order)
        several = np.searchsorted(first.unit, second.cell, "right", sorter=order) - start
        after = np.repeat(np.arange(len(several)), several)
        skipped = np.cumsum(several) - several - start
        before = order[np.arange(len(after)) - np.repeat(skipped, several)]
        places = second.unit[after] * m + first.cell[before]
        place, at = np.unique(places, return_inverse=True)
        weight = np.zeros(place.shape, np.result_type(second.weight, first.weight))
        np.add.at(weight, at, second.weight[after] * first.weight[before])
        unit, cell = np.divmod(place, max(m, 1))
        return Weights(unit, cell, weight, self.y_shape, first.x_shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.dense(), dtype)

    def dense(self) -> NDArray[Any]:
        """Write out the whole matrix, (units, cells)."""
        W = np.zeros(self.shape, self.weight.dtype)
        np.add.at(W, (self.unit, self.cell), self.weight)
        return W

    def links(self, zeros: bool = False) -> list[tuple[int, int, float]]:
        """List (unit, cell, weight) of every link, with `zeros` also those of weight 0.

        >>> W = Weights(np.array([0, 0]), np.array([0, 2]), np.array([0.0, 1.0]), (1,), (3,))
        >>> W.links(), len(W.links(zeros=True))
        ([(0, 2, 1.0)], 2)
        """
        kept = self if flag(zeros, "links: zeros") else self.carrying()
        columns = (kept.unit.tolist(), kept.cell.tolist(), kept.weight.tolist())
        return list(zip(*columns, strict=True))

    def column_sums(self) -> NDArray[Any]:
        """Sum the weights of each cell, in x's shape: for max pooling, the windows that it won."""
        sums: NDArray[Any] = self.T @ np.ones(self.y_shape, self.weight.dtype)
        return sums

    def wins(self) -> NDArray[np.intp]:
        """Count the links of each flat cell whose weight is not 0: for a maximum, its wins."""
        cell = self.carrying().cell.astype(np.intp, copy=False)  # intp has 32 bits in WebAssembly
        return np.bincount(cell, minlength=self.shape[1])

    def to_scipy(self) -> csr_array:
        """Convert the links whose weight is not 0 to a scipy.sparse.csr_array (extra [sparse]).

        Raises ToolError without SciPy.
        """
        try:
            from scipy.sparse import csr_array
        except ImportError:
            raise ToolError(
                "to_scipy: needs SciPy: pip install 'tinygrad_pool[sparse]'; "
                "links() and dense() work without it"
            ) from None
        kept = self.carrying()
        return csr_array((kept.weight, (kept.unit, kept.cell)), shape=self.shape)

    def __repr__(self) -> str:
        units, cells = self.shape
        ones, zeros = (int((self.weight == w).sum()) for w in (1, 0))
        others = len(self.weight) - ones - zeros
        counts = [(ones, "weight 1"), (zeros, "weight 0"), (others, "other weights")]
        listed = ", ".join(f"{n} of {weight}" for n, weight in counts if n) or "none"
        return f"Weights({counted(units, 'unit')} × {counted(cells, 'cell')}, links: {listed})"

    def __str__(self) -> str:
        """Show a small layer as a matrix: a dot is a link of weight 0, a gap is no link.

        >>> W = Weights(np.array([0, 0, 1]), np.array([0, 1, 2]), np.array([0, 1, 1]), (2,), (3,))
        >>> print(W)
        Weights(2 units × 3 cells, links: 2 of weight 1, 1 of weight 0)
         · 1
             1
        """
        return "\n".join([repr(self), *(self._matrix() if max(self.shape) <= LONGEST else ())])

    def _matrix(self) -> list[str]:
        """Write the matrix of a small layer line by line."""
        rows = [[""] * self.shape[1] for _ in range(self.shape[0])]
        for unit, cell, weight in zip(self.unit, self.cell, self.weight, strict=True):
            rows[unit][cell] = number(weight, digits=3) if weight else "·"
        wide = 1 + max((len(text) for row in rows for text in row), default=0)
        return ["".join(text.rjust(wide) for text in row).rstrip() for row in rows]

    def _repr_html_(self) -> str:
        if max(self.shape) <= LONGEST:
            shown = re.sub(r"(?m)(?<= )1(?= |$)", "<b>1</b>", escape("\n".join(self._matrix())))
            return f"<p>{escape(repr(self))}</p><pre>{shown}</pre>"
        columns = {name: getattr(self, name) for name in ("unit", "cell", "weight")}
        rows = [*zip(*(column[:LISTED].tolist() for column in columns.values()), strict=True)]
        return Table(repr(self), [*columns], rows).with_count(len(self.weight)).html()

    def diagonal(self) -> Weights:
        """Return the weights as a diagonal matrix, for an operand of the result's shape."""
        return Weights(self.unit, self.unit, self.weight, self.y_shape, self.y_shape)

    def carrying(self) -> Weights:
        """Return the links whose weight is not 0."""
        kept = self.weight != 0
        return Weights(
            self.unit[kept], self.cell[kept], self.weight[kept], self.y_shape, self.x_shape
        )


@primitive
def weigh(*xs: Array, weights: tuple[Weights, ...]) -> Array:
    """Compute Σ_i W_i x_i, where each operand broadcasts to its layer.

    Float16 is summed in float32.

    >>> W = Weights(np.array([0, 1]), np.array([1, 1]), np.ones(2), (3,), (2,))
    >>> weigh(np.array([5.0, np.inf]), weights=(W,))
    array([inf, inf,  0.])
    """
    dtype = np.result_type(*xs)
    y = np.zeros(prod(weights[0].y_shape), np.float32 if dtype == np.float16 else dtype)
    for x, W in zip(xs, weights, strict=True):
        carrying = W.carrying()
        cells = np.broadcast_to(x, W.x_shape).reshape(-1)[carrying.cell].astype(y.dtype)
        np.add.at(y, carrying.unit, carrying.weight.astype(y.dtype) * cells)
    return y.astype(dtype, copy=False).reshape(weights[0].y_shape)


@implements(weigh)
def weight_layer(*xs: Array, weights: tuple[Weights, ...]) -> tuple[Array, Backward]:
    """Multiply each operand by fixed sparse weights, and add.

    y = Σ_i W_i x_i            ∂E/∂x_i = W_iᵀ g

    The weights are constants: their own derivative is 0 wherever it exists.

    >>> W = Weights(np.array([0]), np.array([1]), np.ones(1), (1,), (2,))
    >>> y, backward = weight_layer(np.array([5.0, 7.0]), weights=(W,))
    >>> y, backward(np.array([3.0]))
    (array([7.]), (array([0., 3.]),))
    """

    def weight_layer_backward(g: Array) -> Contributions:
        to_xs = tuple(weigh(g, weights=(W.T,)) for W in weights)
        return to_xs

    return weigh(*xs, weights=weights), weight_layer_backward
