"""NumPy functions that only move, repeat, drop or zero-fill cells, by running them on indices.

`np.tile` of a Value numbers its cells 1, 2, 3, …, calls `np.tile` on these numbers, and indexes the
Value with the result, where 0 stands for a new cell of 0.0. So each function has the parameters of
NumPy's, and the links of indexing: one cell per unit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from tinygrad_pool.errors import OptionError, ShapeError, UnsupportedError
from tinygrad_pool.rules.arguments import Axis, axes_of
from tinygrad_pool.rules.composition import composes, constant, dtype_of, numpy_function, operand
from tinygrad_pool.rules.powers import floats
from tinygrad_pool.rules.primitive import is_value, observation
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements
from tinygrad_pool.rules.shaping import scatter

MOVED: dict[int | None, str] = {
    0: """
array_split copy delete diag diagflat diagonal dsplit fft.fftshift fft.ifftshift hsplit
lib.stride_tricks.sliding_window_view ravel repeat resize roll rot90 split take take_along_axis tile
tril triu unstack vsplit
""",
    1: "choose compress extract",
    None: "atleast_1d atleast_2d atleast_3d block meshgrid",
}
"""Functions by the position of the operand whose cells they move; None means all operands."""

REORDERED = "matrix_transpose moveaxis rollaxis swapaxes linalg.matrix_transpose"
"""Functions that reorder axes."""

COMPUTED = ("empty", "linear_ramp", "maximum", "mean", "median", "minimum")
"""Modes of np.pad that compute new numbers."""


def move_cells(name: str, place: int | None, *operands: Any, **options: Any) -> Any:
    """Let NumPy move the numbers of the cells, then pick the cells with these numbers.

    >>> move_cells("roll", 0, np.array([1.0, 2.0, 4.0]), 1)
    array([4., 1., 2.])
    """
    function: Any = numpy_function(name)
    if place is None:
        at, flat = _number_cells(list(operands))
        return pick_cells(flat, function(*at, **options))
    bound = inspect.signature(function).bind(*operands, **options)
    if bound.arguments.get("out") is not None:
        raise OptionError(f"np.{name}: no option 'out' on Values; results are new Values")
    for i, (parameter, x) in enumerate(bound.arguments.items()):
        if i != place:
            constant(f"np.{name}: {parameter}", x)
    rest = [x for i, x in enumerate(bound.args) if i != place]
    at, flat = _number_cells(bound.args[place])
    rest.insert(place, at)
    return pick_cells(flat, function(*rest, **bound.kwargs), at)


def _number_cells(x: Any) -> tuple[Any, Array]:
    """Assign numbers to the cells of an operand or of nested lists; join several operands."""
    leaves: list[Array] = []
    numbers, _ = _number_from(1, x, leaves)
    if len(leaves) == 1:
        return numbers, leaves[0]
    return numbers, np.concatenate([np.reshape(leaf, -1) for leaf in leaves])


def _number_from(start: int, x: Any, leaves: list[Array]) -> tuple[Any, int]:
    """Assign numbers from `start`, append operands to `leaves`; return the next number, too."""
    if isinstance(x, list | tuple):
        parts = []
        for part in x:
            numbers, start = _number_from(start, part, leaves)
            parts.append(numbers)
        return type(x)(parts), start
    leaves.append(operand(x))
    end = start + np.size(leaves[-1])
    return np.arange(start, end).reshape(np.shape(leaves[-1])), end


def pick_cells(x: Array, at: Any, numbers: Any = None, fill: Any = 0.0) -> Any:
    """Pick cells by their numbers, where 0 means a new cell, from `fill`; for lists, a list.

    All cells in order are a view of x, unless NumPy has copied `numbers`. If every row of x moves
    in the same way, the index has one row, too, and fits any number of rows.

    >>> pick_cells(np.array([5.0, 7.0]), np.array([2, 0]))
    array([7., 0.])
    """
    if isinstance(at, list | tuple):
        return type(at)([pick_cells(x, part, numbers) for part in at])
    flat, shape = np.reshape(at, -1), np.shape(x)
    own = np.arange(1, np.size(x) + 1)
    copied = np.ndim(x) and type(numbers) is np.ndarray and not np.may_share_memory(at, numbers)
    if not copied and np.array_equal(flat, own):
        return np.reshape(x, np.shape(at))
    full = bool(flat.all())  # there are no new cells
    in_place = not full and at.shape == shape and np.array_equal(flat, np.where(flat > 0, own, 0))
    fill = np.broadcast_to(np.asarray(fill, dtype_of(x)), np.shape(at))
    if _moves_rows(shape, at):
        at, fill = at[0], fill[0]
        rows = np.reshape(x, (len(x), -1)) if len(shape) > 2 else x
        y = x if in_place else rows[:, np.maximum(at - 1, 0)]
    elif in_place or full:
        y = x if in_place else np.reshape(x, -1)[at - 1]
    else:
        y = np.concatenate([np.zeros(1, dtype_of(x)), np.reshape(x, -1)])[at]
        full = not fill.any()
    return y if full else np.where(at > 0, y, fill)


def _moves_rows(shape: tuple[int, ...], at: Array) -> bool:
    """Return whether each row of cells is picked from the same row, and all in the same way."""
    if len(shape) < 2 or at.shape[:1] != shape[:1] or not at.size * prod(shape):
        return False
    step = np.where(at[0] > 0, prod(shape[1:]), 0)  # 0 is a new cell, in every row
    return bool((at[1:] == at[:-1] + step).all())


def reorder_axes(name: str, x: Array, *more: Any, **options: Any) -> Array:
    """Let NumPy reorder the axes of an empty array whose lengths number them, then transpose x.

    >>> reorder_axes("swapaxes", np.ones((2, 3)), 0, 1).shape
    (3, 2)
    """
    function: Any = numpy_function(name)
    x = operand(x)
    return np.transpose(x, function(np.empty(range(np.ndim(x))), *more, **options).shape)


def _composes(function: Callable[..., Any], name: str, *more: Any) -> None:
    @composes(name)
    def move(*operands: Any, **options: Any) -> Any:
        return function(name, *more, *operands, **options)


for _place, _names in MOVED.items():
    for _name in _names.split():
        _composes(move_cells, _name, _place)
for _name in REORDERED.split():
    _composes(reorder_axes, _name)


@composes("flip")
def flip(m: Array, axis: Axis = None) -> Array:
    """Reverse the order along axes."""
    axes = axes_of(np.shape(m), axis, "np.flip")
    return operand(m)[tuple(slice(None, None, -1 if i in axes else 1) for i in range(np.ndim(m)))]


@composes("fliplr")
def fliplr(m: Array) -> Array:
    """Reverse the order along axis 1."""
    return flip(m, 1)


@composes("flipud")
def flipud(m: Array) -> Array:
    """Reverse the order along axis 0."""
    return flip(m, 0)


@composes("linalg.diagonal")
def diagonal(x: Array, offset: int = 0) -> Array:
    """Take the diagonals of the last two axes."""
    return np.diagonal(x, offset, -2, -1)


@composes("pad")
def pad(array: Array, pad_width: Any, mode: Any = "constant", **options: Any) -> Array:
    """Add cells at the ends of axes: copies of other cells, or constants."""
    if callable(mode) or mode in COMPUTED or options.get("reflect_type", "even") != "even":
        raise UnsupportedError(
            "np.pad on Values copies cells or adds constants: mode 'constant', 'edge', 'reflect', "
            f"'symmetric' or 'wrap', with reflect_type='even', not {mode!r:.80}; "
            "np.concatenate([...]) joins any computed cells"
        )
    constants = options.pop("constant_values", 0)
    constant("np.pad: pad_width", pad_width)
    constant("np.pad: constant_values", constants)
    numbers, x = _number_cells(array)
    at = np.pad(numbers, pad_width, mode, **options)
    fill: Any = 0.0
    if np.any(constants):
        fill = np.pad(np.zeros(numbers.shape, dtype_of(x)), pad_width, constant_values=constants)
    return pick_cells(x, at, fill=fill)


@composes("insert")
def insert(arr: Array, obj: Any, values: Array, axis: int | None = None) -> Array:
    """Insert cells before the given places."""
    constant("np.insert: obj", obj)
    arr, values = floats(arr), operand(values)
    if dtype_of(values) != dtype_of(arr):
        values = (values if is_value(values) else np.asarray(values)).astype(dtype_of(arr))
    (at, new), row = _number_cells([arr, values])
    return pick_cells(row, np.insert(at, obj, new, axis))


@composes("append")
def append(arr: Array, values: Array, axis: int | None = None) -> Array:
    """Join two along an axis; None flattens both."""
    arr, values = operand(arr), operand(values)
    if axis is None:
        return np.concatenate([np.reshape(arr, -1), np.reshape(values, -1)])
    return np.concatenate([arr, values], axis=axis)


@composes("vstack")
def vstack(tup: Sequence[Array]) -> Array:
    """Join along axis 0; an operand with one axis counts as a row."""
    return np.concatenate([np.atleast_2d(operand(x)) for x in tup], axis=0)


@composes("hstack")
def hstack(tup: Sequence[Array]) -> Array:
    """Join along axis 1, or along axis 0 if it is the only one."""
    parts = [np.atleast_1d(operand(x)) for x in tup]
    return np.concatenate(parts, axis=min(1, np.ndim(parts[0]) - 1))


@composes("dstack")
def dstack(tup: Sequence[Array]) -> Array:
    """Join along axis 2."""
    return np.concatenate([np.atleast_3d(operand(x)) for x in tup], axis=2)


@composes("column_stack")
def column_stack(tup: Sequence[Array]) -> Array:
    """Join along axis 1; an operand with one axis counts as a column."""
    columns = [np.reshape(x, (-1, 1)) if np.ndim(x) < 2 else x for x in map(operand, tup)]
    return np.concatenate(columns, axis=1)


@composes("broadcast_arrays")
def broadcast_arrays(*args: Array) -> tuple[Array, ...]:
    """Broadcast each to the shape of all."""
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple([np.broadcast_to(operand(x), shape) for x in args])


@composes("select")
def select(condlist: Sequence[Any], choicelist: Sequence[Array], default: Array = 0.0) -> Array:
    """Choose elementwise by the first condition that holds."""
    if len(condlist) != len(choicelist) or not condlist:
        raise OptionError(
            f"np.select: needs as many choices as conditions, got {len(choicelist)} "
            f"and {len(condlist)}"
        )
    pairs = list(zip(condlist, choicelist, strict=True))
    return reduce(lambda y, pair: np.where(pair[0], pair[1], y), reversed(pairs), default)


@implements(np.trim_zeros)
def trim_zeros(x: Array, trim: str = "fb") -> tuple[Array, Backward]:
    """Drop zeros at the front ("f"), the back ("b") or both ends of a vector.

    y = x[i:j]            ∂E/∂x[i:j] = g

    Dropped zeros get no gradient. Raises ShapeError unless x has one axis; OptionError.

    >>> y, backward = trim_zeros(np.array([0.0, 2.0, 0.0]))
    >>> y, backward(np.array([5.0]))
    (array([2.]), (array([0., 5., 0.]),))
    """
    middle, shape = _middle(x, trim), np.shape(x)

    def trim_zeros_backward(g: Array) -> Contributions:
        to_x = scatter(g, key=middle, shape=shape)
        return (to_x,)

    return x[middle], trim_zeros_backward


@observation
def _middle(x: Array, trim: Any) -> slice:
    """Return the slice of a vector without the zeros at its ends."""
    if np.ndim(x) != 1:
        raise ShapeError(f"np.trim_zeros: needs one axis on Values, got shape {np.shape(x)}")
    if not isinstance(trim, str) or set(trim.lower()) - set("fb"):
        raise OptionError(f"np.trim_zeros: trim must be 'f', 'b' or 'fb', got {trim!r:.80}")
    (places,) = np.nonzero(x)
    if not len(places):
        return slice(0)
    first = int(places[0]) if "f" in trim.lower() else 0
    end = int(places[-1]) + 1 if "b" in trim.lower() else np.size(x)
    return slice(first, end)
