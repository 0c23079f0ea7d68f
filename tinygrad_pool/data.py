"""What a Value holds: a Python float, or an array of a floating dtype. Nothing else gets in."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import DataError, OptionError, ShapeError, TinygradPoolError
from tinygrad_pool.rules.axes import Shape

Data: TypeAlias = float | NDArray[np.floating[Any]]


def real(given: Any, what: str) -> Data:
    """Read numbers into data of their own: a Python number becomes a float, the rest an array.

    Integers and bools become float64; floating dtypes stay. Raises DataError for complex numbers,
    strings, ragged lists and objects.

    >>> real(2, "Value")
    2.0
    >>> real([1, 2], "Value")
    array([1., 2.])
    """
    array = numeric(given, what)
    if isinstance(array, float | int):
        return float(array)
    own: Data = array.astype(np.float64 if array.dtype.kind in "biu" else array.dtype)
    return own


def numeric(given: Any, what: str) -> Any:
    """Read a constant: a Python number, or an array of real numbers of any dtype, integers too.

    Raises DataError, which names `what`, for anything else.
    """
    if type(given) in (float, int, bool):
        return _finite_or_float(given, what)
    try:
        array = np.asarray(given)
    except TinygradPoolError:
        raise DataError(
            f"{what}: needs numbers, got Values in a {type(given).__name__}; "
            "np.stack([...]) makes one Value of several, v.data is the numbers of one"
        ) from None
    except (ValueError, TypeError) as error:
        raise DataError(f"{what}: needs numbers in a regular shape, got {given!r:.80}") from error
    if array.dtype.kind not in "fbiu":
        raise DataError(f"{what}: needs real numbers, got {array.dtype} in {given!r:.80}")
    return array


def floating(dtype: Any, what: str) -> np.dtype[Any]:
    """Read a floating dtype. Raises OptionError, which names `what`, for any other.

    >>> floating("float32", "digits: dtype")
    dtype('float32')
    """
    try:
        read: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        read = np.dtype(object)
    if read.kind != "f":
        raise OptionError(f"{what} must be a floating one, got {dtype!r}")
    return read


def settle(y: Any, data: list[Any], what: str) -> Data:
    """Bring the result of a rule into the form that a Value holds.

    Python numbers alone make a Python float; anything with an array makes an array, 0-d if need be.
    Raises DataError if the result is not made of real numbers.
    """
    if not any(isinstance(d, np.ndarray) for d in data):
        y = real(y, what)
        return float(y) if np.shape(y) == () else y
    array = np.asarray(y)
    return array if array.dtype.kind == "f" else real(array, what)


def like(old: Data, given: Any, what: str) -> Data:
    """Read numbers of the shape and dtype of `old`; one number fills any shape.

    Raises DataError, and ShapeError if the shape is another.

    >>> like(np.zeros(2), 1, "grad")
    array([1., 1.])
    """
    new = real(given, what)
    if np.shape(new) not in ((), np.shape(old)):
        raise ShapeError(f"{what}: needs shape {np.shape(old)}, got {np.shape(new)}")
    if isinstance(old, float):
        return float(new)
    return np.full(old.shape, new, old.dtype)


def kind_of(data: Data) -> Any:
    """Return the dtype of an array, and `float` itself for a Python float."""
    return float if isinstance(data, float) else data.dtype


def alike(a: Data, b: Data) -> bool:
    """Tell whether both are Python floats, or arrays of one dtype."""
    if isinstance(a, float) or isinstance(b, float):
        return type(a) is type(b)
    return a.dtype == b.dtype


def zeros(old: Data) -> Data:
    """Make read-only zeros of the shape and dtype of `old`."""
    return 0.0 if isinstance(old, float) else np.broadcast_to(old.dtype.type(0), old.shape)


def unbroadcast_axes(shape: Shape, wide: Shape) -> Shape | None:
    """List the axes of `wide` along which `shape` was repeated; None if it does not fit.

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


def _finite_or_float(given: float | int, what: str) -> float | int:
    try:
        float(given)
    except OverflowError:
        raise DataError(
            f"{what}: an integer of {int(given).bit_length()} bits is too large for a float"
        ) from None
    return given


def fits_together(data: list[Any]) -> bool:
    """Tell whether shapes broadcast.

    >>> fits_together([np.ones(2), 1.0]), fits_together([np.ones(2), np.ones(3)])
    (True, False)
    """
    try:
        np.broadcast_shapes(*map(np.shape, data))
    except ValueError:
        return False
    return True


def misfit(name: str, data: list[Any]) -> ShapeError:
    """Say that shapes do not broadcast."""
    shapes = " and ".join(str(np.shape(d)) for d in data)
    return ShapeError(f"{name}: shapes {shapes} do not broadcast")


def apart(a: Data, b: Data) -> NDArray[np.float64]:
    """Find by how much numbers differ, elementwise: NaN is equal to NaN, and infinitely far else.

    >>> apart(np.array([1.0, np.nan, np.nan]), np.array([3.0, np.nan, 1.0]))
    array([ 2.,  0., inf])
    """
    a, b = np.asarray(a), np.asarray(b)
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        differences = np.abs(a.astype(float) - b.astype(float))
    return np.where(equal, 0.0, np.nan_to_num(differences, nan=np.inf, posinf=np.inf))
