"""The data of a Value: a number or an array of a floating dtype, and nothing else.

A Python number is stored as a Python float. Other data without axes, such as the result of a full
reduction, is a NumPy scalar of its dtype. Both are immutable, so they can be shared.
"""

from collections.abc import MutableSequence, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import DataError, ShapeError, TinygradPoolError
from tinygrad_pool.rules.arguments import Shape, is_real
from tinygrad_pool.rules.primitive import FIXED, PYTHON, is_value

LARGE = 2**63
"""Integers from here on do not fit in NumPy's int64."""

Data: TypeAlias = float | np.floating[Any] | NDArray[np.floating[Any]]


def to_data(x: Any, what: str) -> Data:
    """Convert numbers to the data of a Value: a Python float, a NumPy scalar, or a new array.

    Integers and bools become float64; floating dtypes are kept, in native byte order. Raises
    DataError for complex numbers, strings, ragged lists and objects.

    >>> to_data(2, "Value"), to_data([1, 2], "Value")
    (2.0, array([1., 2.]))
    """
    read = to_constant(x, what)
    if type(read) in PYTHON:
        return float(read)
    own: Data = read.astype(read.dtype.type if read.dtype.kind == "f" else np.float64)
    return own


def to_constant(x: Any, what: str) -> Any:
    """Convert a constant to a Python number, a NumPy scalar, or an array of any real dtype.

    Integers and bools are kept; fractions and decimals become floats. Raises DataError, which names
    `what`, for anything else, and for an array with masked elements.
    """
    if type(x) in PYTHON:
        return _number(x, what)
    try:
        array = np.asarray(x)
    except TinygradPoolError:
        several = isinstance(x, Sequence)
        got = f"Values in a {type(x).__name__}" if several else "a Value"
        raise DataError(
            f"{what}: needs numbers, got {got}; "
            "np.stack([...]) combines several Values into one, and v.data has the numbers of one"
        ) from None
    except (ValueError, TypeError, RuntimeError) as error:
        if hasattr(x, "__array__"):  # such as a tensor of PyTorch, whose error has the way out
            raise DataError(f"{what}: needs numbers, got a {type(x).__name__}: {error}") from error
        raise DataError(f"{what}: needs numbers in a regular shape, got {x!r:.80}") from error
    _reject_masked(x, what)
    if array.dtype.kind == "O" and all(map(is_real, array.flat)):
        try:
            array = array.astype(np.float64)
        except (OverflowError, ValueError) as error:  # a signaling NaN is a ValueError
            raise DataError(f"{what}: {error} in {x!r:.80}") from None
        return array if array.ndim else float(array)
    if array.dtype.kind not in "fbiu":
        raise DataError(f"{what}: needs real numbers, got {array.dtype} in {x!r:.80}")
    return array if array.ndim else array[()]


def copied(x: Any) -> Any:
    """Return a copy of an array, and a number unchanged."""
    return np.array(x) if isinstance(x, np.ndarray) else x


def read_only_copy(x: Any) -> Any:
    """Return a read-only copy of an array, also of arrays in a sequence, a dict or a slice.

    Tensors of PyTorch and columns of pandas become arrays. Raises DataError for masked elements.

    >>> key = np.array([0, 1])
    >>> kept = read_only_copy((key, None))
    >>> key[:] = 5
    >>> kept
    (array([0, 1]), None)
    """
    if type(x) in FIXED:
        return x
    if type(x) is slice:
        return slice(*map(read_only_copy, (x.start, x.stop, x.step)))
    if type(x) is tuple:
        return tuple(map(read_only_copy, x))
    if isinstance(x, MutableSequence):
        return [*map(read_only_copy, x)]
    if type(x) is dict:
        return {key: read_only_copy(value) for key, value in x.items()}
    if isinstance(x, np.ndarray | memoryview) or _is_like_an_array(x):
        _reject_masked(x, "an index or an option")
        x = np.array(np.asarray(x))  # twice, since not every class copies when asked to
        x.flags.writeable = False
    return x


def to_result(y: Any, data: Sequence[Any], what: str) -> Data:
    """Convert the result of a rule to the data of a Value.

    If all operands are Python numbers, a number becomes a Python float. Otherwise the result is an
    array, or a NumPy scalar without axes. Raises DataError if it does not consist of real numbers.
    """
    if PYTHON.issuperset(map(type, data)):
        y = to_data(y, what)
        return y if np.ndim(y) else float(y)
    array = np.asarray(y)
    if array.dtype.kind != "f" or isinstance(y, np.ma.MaskedArray):
        return to_data(y, what)
    return array if array.ndim else array[()]


def cast_like(old: Data, x: Any, what: str) -> Data:
    """Convert numbers to the dtype of `old`; a single number is repeated to fill its shape.

    Raises DataError if they are not numbers, ShapeError if their shape differs.

    >>> cast_like(np.zeros(2), 1, "grad")
    array([1., 1.])
    """
    new = to_data(x, what)
    if np.shape(new) not in ((), np.shape(old)):
        raise ShapeError(f"{what}: needs shape {np.shape(old)}, got {np.shape(new)}")
    if isinstance(old, np.ndarray):
        return np.full(old.shape, new, old.dtype)
    return type(old)(new)


def dtype_of(data: Data) -> Any:
    """Return the dtype of NumPy data, and `float` itself for a Python float."""
    return float if type(data) is float else data.dtype  # type: ignore[union-attr]  # NumPy data


def same_dtype(a: Data, b: Data) -> bool:
    """Return whether both are Python floats, or NumPy data of one dtype."""
    if type(a) is float or type(b) is float:
        return type(a) is type(b)
    same: bool = dtype_of(a) == dtype_of(b)
    return same


def zeros(old: Data) -> Data:
    """Return zeros of the shape and dtype of `old`; an array is read-only."""
    if isinstance(old, np.ndarray):
        return np.broadcast_to(old.dtype.type(0), old.shape)
    return type(old)(0)


def unbroadcast_axes(shape: Shape, wide: Shape) -> Shape | None:
    """List the axes along which `shape` was repeated to broadcast to `wide`; None if it cannot.

    >>> unbroadcast_axes((3, 1), (2, 3, 4))
    (0, 2)
    """
    lead = len(wide) - len(shape)
    if lead < 0:
        return None
    pairs = list(zip(shape, wide[lead:], strict=True))
    if any(n not in (1, m) for n, m in pairs):
        return None
    return (*range(lead), *(lead + i for i, (n, m) in enumerate(pairs) if n != m))


def _reject_masked(x: object, what: str) -> None:
    if type(x) is not np.ndarray and isinstance(x, np.ndarray) and np.any(getattr(x, "mask", ())):
        raise DataError(f"{what}: masked elements have no number; fill them first: x.filled(0.0)")


def _is_like_an_array(x: object) -> bool:
    """Return whether x is an array of another library, such as a tensor of PyTorch."""
    plain = isinstance(x, np.generic | type) or is_value(x)
    return hasattr(x, "__array__") and hasattr(x, "dtype") and not plain


def _number(x: float | int, what: str) -> float | int:
    """Return a Python number; an integer too large for NumPy's int64 as a float."""
    try:
        if not -LARGE < float(x) < LARGE:
            return float(x)
    except OverflowError:
        raise DataError(
            f"{what}: an integer of {int(x).bit_length()} bits is too large for a float"
        ) from None
    return x


def fits_together(data: Sequence[Any]) -> bool:
    """Return whether shapes broadcast."""
    try:
        np.broadcast_shapes(*map(np.shape, data))
    except ValueError:
        return False
    return True


def broadcast_error(name: str, data: Sequence[Any]) -> ShapeError:
    """Return the error for shapes that do not broadcast."""
    shapes = " and ".join(str(np.shape(d)) for d in data)
    return ShapeError(f"{name}: shapes {shapes} do not broadcast")


def same_bits(a: Any, b: Any) -> bool:
    """Return whether numbers are equal to the last bit, including the signs of zeros; NaN is NaN.

    Comparing bytes would fail: a long double has padding.

    >>> same_bits(0.0, 0.0), same_bits(0.0, -0.0)
    (True, False)
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or not np.array_equal(a, b, equal_nan=True):
        return False
    return bool(np.all((np.signbit(a) == np.signbit(b)) | np.isnan(a)))


def abs_difference(a: Data, b: Data) -> NDArray[np.float64]:
    """Compute |a − b| elementwise: 0 for two NaNs, inf for a NaN and a number.

    >>> abs_difference(np.array([1.0, np.nan, np.nan]), np.array([3.0, np.nan, 1.0]))
    array([ 2.,  0., inf])
    """
    a, b = np.asarray(a), np.asarray(b)
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        differences = np.abs(a.astype(float) - b.astype(float))
    return np.where(equal, 0.0, np.nan_to_num(differences, nan=np.inf, posinf=np.inf))
