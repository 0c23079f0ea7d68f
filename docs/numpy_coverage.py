"""Run NumPy's functions on Values, and list in reference/numpy.md which of them work.

`python docs/numpy_coverage.py` rewrites the page.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import TinygradPoolError

PAGE = Path(__file__).parent / "reference" / "numpy.md"
RNG = np.random.default_rng(0)
ARRAYS = {
    "s": np.array(0.7),
    "u": RNG.normal(size=4),
    "w": RNG.normal(size=4),
    "a": RNG.normal(size=(2, 3)),
    "b": RNG.normal(size=(2, 3)),
    "t": RNG.normal(size=(2, 3, 2)),
    "m": RNG.normal(size=(3, 3)) + 3 * np.eye(3),
    "p": RNG.uniform(1.1, 2.0, (2, 3)),
    "r": RNG.uniform(-0.9, 0.9, (2, 3)),
    "x": np.array([0.2, 1.7, 2.9]),
}
"""The operands of the calls below, by their letters; x is between 0 and 3."""

N = np.where(np.arange(6.0).reshape(2, 3) == 1, np.nan, 1.0)
OTHERS = {
    "np": np,
    "tg": tg,
    "N": N,
    "K": np.array([2, 0]),
    "M": ARRAYS["a"] > 0,
    "Z": 1 - np.eye(2, 3),
}
"""Constants in the calls: N has one NaN among 1s, Z has one 0 in each row, M is a mask."""

ELEMENTWISE = """
absolute:a deg2rad:a degrees:a rad2deg:a radians:a exp:a exp2:a expm1:a log:p log10:p log1p:p
log2:p sqrt:p cbrt:a square:a reciprocal:p negative:a positive:a fabs:a sin:a cos:a tan:a arcsin:r
arccos:r arctan:a sinh:a cosh:a tanh:a arcsinh:a arccosh:p arctanh:r sinc:a conjugate:a real:a
floor:a ceil:a rint:a trunc:a sign:a isnan:a isinf:a isfinite:a signbit:a logical_not:a round:a
"""
PAIRS = """
add subtract multiply divide maximum minimum fmax fmin hypot logaddexp logaddexp2 arctan2 remainder
fmod divmod floor_divide less less_equal greater greater_equal equal not_equal logical_and
logical_or logical_xor heaviside isclose
"""
REDUCTIONS = """
sum prod mean var std max min amax amin ptp median average nansum nanprod nanmean nanvar nanstd
nanmax nanmin nanmedian all any argmax argmin nanargmax nanargmin count_nonzero
"""
WITHOUT_SEVERAL_AXES = {"argmax", "argmin", "nanargmax", "nanargmin"}
CALLS = {
    "power": ["p ** s", "np.power(p, a)", "np.power(p, [1, 2, 3])"],
    "float_power": ["np.float_power(p, a)", "np.float_power(p, 2)"],
    "copysign": ["np.copysign(a, b)", "np.copysign(s, -2.0)"],
    "modf": ["np.modf(a)"],
    "ldexp": ["np.ldexp(a, [1, 2, 3])"],
    "clip": ["np.clip(a, -0.5, 0.5)", "np.clip(u, None, 0.0)"],
    "where": ["np.where(M, a, b)", "np.where(M, a, 0.0)", "np.where(M, s, b)"],
    "select": ["np.select([M, ~M], [a, b])", "np.select([M], [a * b], 7.0)"],
    "choose": ["np.choose([0, 1, 0], [a, b])"],
    "nan_to_num": [
        "np.nan_to_num(np.where(N == 1, a, np.nan))",
        "np.nan_to_num(np.where(N == 1, a, np.inf), posinf=3.0)",
    ],
    "cumsum": ["np.cumsum(u)", "np.cumsum(t)", "np.cumsum(t, axis=-2)", "np.cumsum(s)"],
    "cumprod": ["np.cumprod(u)", "np.cumprod(t, axis=1)", "np.cumprod(Z * a, axis=-1)"],
    "nancumsum": ["np.nancumsum(np.where(N == 1, a, np.nan), axis=1)", "np.nancumsum(a)"],
    "nancumprod": ["np.nancumprod(np.where(N == 1, a, np.nan), axis=1)", "np.nancumprod(a)"],
    "cumulative_sum": [
        "np.cumulative_sum(a, axis=1)",
        "np.cumulative_sum(u, include_initial=True)",
    ],
    "cumulative_prod": ["np.cumulative_prod(a, axis=0)"],
    "quantile": [
        "np.quantile(a, 0.3)",
        "np.quantile(t, [0.1, 0.5, 1.0], axis=-2)",
        "np.quantile(t, 0.9, axis=(0, -1), keepdims=True)",
        "np.quantile(u, 0.4, method='nearest')",
        "np.quantile(u, 0.4, method='hazen')",
    ],
    "percentile": ["np.percentile(a, 30)", "np.percentile(a, [10, 60], axis=0)"],
    "nanquantile": [
        "np.nanquantile(np.where(N == 1, a, np.nan), 0.3)",
        "np.nanquantile(np.where(N == 1, a, np.nan), 0.3, axis=1)",
    ],
    "nanpercentile": ["np.nanpercentile(np.where(N == 1, a, np.nan), [20, 70], axis=-1)"],
    "diff": [
        "np.diff(u)",
        "np.diff(t, 2, axis=1)",
        "np.diff(a, axis=0, prepend=s)",
        "np.diff(u, append=w)",
    ],
    "ediff1d": ["np.ediff1d(a)", "np.ediff1d(u, to_end=s, to_begin=w)"],
    "gradient": [
        "np.gradient(u)",
        "np.gradient(t, axis=1)",
        "np.gradient(m, 0.5, 2.0)",
        "np.gradient(m, axis=-1, edge_order=2)",
    ],
    "trapezoid": [
        "np.trapezoid(u)",
        "np.trapezoid(t, axis=1, dx=0.5)",
        "np.trapezoid(a, x, axis=-1)",
        "np.trapezoid(a, b)",
    ],
    "interp": ["np.interp(x, [0, 1, 3], x)", "np.interp([0.1, 5.0, -2.0], x, x * x, left=9.0)"],
    "convolve": [
        "np.convolve(u, x)",
        "np.convolve(x, u, 'same')",
        "np.convolve(u, x[:2], mode='valid')",
    ],
    "correlate": [
        "np.correlate(u, x)",
        "np.correlate(x, u, 'full')",
        "np.correlate(u, x[:2], 'same')",
    ],
    "linspace": ["np.linspace(s, 2.0, 5)", "np.linspace(a, x, 4, endpoint=False, axis=-1)"],
    "vander": ["np.vander(u)", "np.vander(x, 3, increasing=True)"],
    "polyval": ["np.polyval(u, a)", "np.polyval([2, 0, 1], s)"],
    "cov": ["np.cov(m)", "np.cov(a, b, rowvar=False, ddof=0)", "np.cov(u)", "np.cov(u, w)"],
    "corrcoef": ["np.corrcoef(m)", "np.corrcoef(u, w)"],
    "dot": ["np.dot(u, w)", "np.dot(a, m)", "np.dot(s, a)", "np.dot(m, t)", "np.dot(t, u[:2])"],
    "vdot": ["np.vdot(u, w)", "np.vdot(a, b)", "np.vdot(s, s)"],
    "inner": ["np.inner(u, w)", "np.inner(a, b)", "np.inner(t, t)", "np.inner(s, a)"],
    "outer": ["np.outer(u, w)", "np.outer(a, u)", "np.outer(s, u)"],
    "add.outer": ["np.add.outer(a, u)", "np.divide.outer(s, p)"],
    "add.reduce": ["np.add.reduce(a)", "np.maximum.reduce(t, axis=1, keepdims=True)"],
    "add.accumulate": ["np.add.accumulate(a)", "np.multiply.accumulate(t, axis=1)"],
    "matmul": ["a @ m", "np.matmul(x, m)", "np.matmul(t, a)", "np.matmul(u, w)"],
    "vecdot": ["np.vecdot(a, b)", "np.vecdot(t, s * t, axis=1)"],
    "tensordot": ["np.tensordot(a, b)", "np.tensordot(t, a, ([1], [-1]))", "np.tensordot(u, w, 0)"],
    "einsum": [
        "np.einsum('ij,jk->ik', a, m)",
        "np.einsum('ij,ij', a, b)",
        "np.einsum('ii', m)",
        "np.einsum('ii->i', m)",
        "np.einsum('ij->j', a)",
        "np.einsum('ijk,jl,im->klm', t, m, m[:2])",
        "np.einsum('...j,...j->...', a, b)",
        "np.einsum('i,j->ji', u, w)",
        "np.einsum('b', u)",
        "np.einsum('ij,kj->ki', a, x.reshape(1, 3))",
    ],
    "kron": ["np.kron(a, m)", "np.kron(u, w)", "np.kron(u, a)", "np.kron(s, t)"],
    "cross": ["np.cross(a, b)", "np.cross(x, m, axis=-1)", "np.cross(m, x, axisa=0, axisc=0)"],
    "trace": ["np.trace(m)", "np.trace(t)", "np.trace(m, offset=1)", "np.trace(t, axis1=-1)"],
    "linalg.norm": [
        "np.linalg.norm(a)",
        "np.linalg.norm(u, 3)",
        "np.linalg.norm(t, axis=-1, keepdims=True)",
        "np.linalg.norm(a, np.inf, axis=1)",
        "np.linalg.norm(a, 1)",
        "np.linalg.norm(t, np.inf, axis=(2, 0))",
        "np.linalg.norm(m, 'fro')",
        "np.linalg.norm(u, -np.inf)",
        "np.linalg.norm(a, 2)",
        "np.linalg.norm(t, -2, axis=(2, 0), keepdims=True)",
        "np.linalg.norm(t, 'nuc', axis=(1, 2))",
    ],
    "linalg.inv": ["np.linalg.inv(m)", "np.linalg.inv(np.stack([m, m.T]))"],
    "linalg.det": ["np.linalg.det(m)", "np.linalg.det(np.stack([m, m @ m]))"],
    "linalg.slogdet": ["np.linalg.slogdet(m)"],
    "linalg.solve": ["np.linalg.solve(m, x)", "np.linalg.solve(m, a.T)"],
    "linalg.cholesky": ["np.linalg.cholesky(m @ m.T)"],
    "linalg.eigvalsh": ["np.linalg.eigvalsh(m)", "np.linalg.eigvalsh(t[:, :2], 'U')"],
    "linalg.eigh": ["np.linalg.eigh(m)", "np.linalg.eigh(np.stack([m, m.T]), UPLO='U')"],
    "linalg.svdvals": ["np.linalg.svdvals(a)", "np.linalg.svdvals(t)"],
    "linalg.svd": [
        "np.linalg.svd(a, full_matrices=False)",
        "np.linalg.svd(t, False)",
        "np.linalg.svd(m)",
        "np.linalg.svd(a, compute_uv=False)",
    ],
    "linalg.pinv": ["np.linalg.pinv(a)", "np.linalg.pinv(t, 1e-9)", "np.linalg.pinv(m)"],
    "linalg.matrix_power": [f"np.linalg.matrix_power(m, {n})" for n in (3, 0, -2)],
    "linalg.vector_norm": ["np.linalg.vector_norm(t, axis=(0, 1))", "np.linalg.vector_norm(a)"],
    "linalg.matrix_norm": ["np.linalg.matrix_norm(t)", "np.linalg.matrix_norm(p, ord=2)"],
    "linalg.outer": ["np.linalg.outer(u, w)"],
    "linalg.trace": ["np.linalg.trace(t)"],
    "linalg.diagonal": ["np.linalg.diagonal(t, offset=-1)"],
    "matvec": ["np.matvec(m, x)"],
    "vecmat": ["np.vecmat(x, m)"],
    "fft.fftshift": ["np.fft.fftshift(a)", "np.fft.fftshift(t, axes=1)"],
    "lib.stride_tricks.sliding_window_view": [
        f"np.lib.stride_tricks.sliding_window_view({window})"
        for window in ("a, 2, axis=-1", "t[..., 0], (2, 2)", "u, 3")
    ],
    "astype": ["np.astype(a, np.float64)"],
    "linalg.multi_dot": ["np.linalg.multi_dot([a, m, x])"],
    "reshape": ["np.reshape(a, (3, -1))", "np.reshape(s, (1, 1))"],
    "ravel": ["np.ravel(t)", "np.ravel(a, order='F')", "np.ravel(s)"],
    "transpose": ["np.transpose(t)", "np.transpose(t, (1, -1, 0))"],
    "matrix_transpose": ["np.matrix_transpose(t)"],
    "swapaxes": ["np.swapaxes(t, 0, -1)"],
    "moveaxis": ["np.moveaxis(t, 0, -1)", "np.moveaxis(t, [0, 1], [-1, -2])"],
    "rollaxis": ["np.rollaxis(t, 2)", "np.rollaxis(t, -1, 1)"],
    "expand_dims": ["np.expand_dims(a, (0, -1))"],
    "squeeze": ["np.squeeze(a[:1])", "np.squeeze(a[:, :1], axis=-1)"],
    "broadcast_to": ["np.broadcast_to(a, (2, 2, 3))"],
    "broadcast_arrays": ["np.broadcast_arrays(a, x, s)"],
    "atleast_1d": ["np.atleast_1d(s)", "np.atleast_1d(s, a)"],
    "atleast_2d": ["np.atleast_2d(u)"],
    "atleast_3d": ["np.atleast_3d(u)", "np.atleast_3d(a)"],
    "concatenate": ["np.concatenate([a, b], axis=-1)", "np.concatenate([a, m])"],
    "stack": ["np.stack([a, b], axis=-1)"],
    "hstack": ["np.hstack([a, b])", "np.hstack([u, s, w])"],
    "vstack": ["np.vstack([a, m])", "np.vstack([u, w])"],
    "dstack": ["np.dstack([a, b])", "np.dstack([u, w])"],
    "column_stack": ["np.column_stack([u, w])", "np.column_stack([a, b])"],
    "block": ["np.block([[a, b], [1.0, np.zeros((1, 5))]])", "np.block([u, s])"],
    "append": ["np.append(a, s)", "np.append(a, m, axis=0)"],
    "insert": ["np.insert(a, 1, s, axis=1)", "np.insert(u, [0, 2], 9)", "np.insert(a, 2, x, 0)"],
    "delete": ["np.delete(a, 1)", "np.delete(t, [0, 2], axis=-2)"],
    "resize": ["np.resize(a, (3, 4))"],
    "split": ["np.split(u, 2)", "np.split(a, [1], axis=-1)"],
    "array_split": ["np.array_split(u, 3)"],
    "hsplit": ["np.hsplit(a, 3)"],
    "vsplit": ["np.vsplit(a, 2)"],
    "dsplit": ["np.dsplit(t, 2)"],
    "unstack": ["np.unstack(t, axis=1)"],
    "tile": ["np.tile(a, 2)", "np.tile(u, (2, 2))", "np.tile(s, 3)"],
    "repeat": ["np.repeat(a, 2)", "np.repeat(a, [1, 2, 0], axis=-1)"],
    "flip": ["np.flip(t)", "np.flip(t, (0, -1))", "np.flip(s)"],
    "fliplr": ["np.fliplr(a)"],
    "flipud": ["np.flipud(a)"],
    "roll": ["np.roll(a, 2)", "np.roll(t, (1, -1), axis=(0, -1))"],
    "rot90": ["np.rot90(a)", "np.rot90(t, -1, (0, 2))"],
    "pad": [
        "np.pad(u, 2)",
        "np.pad(a, ((1, 0), (2, 1)), constant_values=7.0)",
        "np.pad(a, 1, 'edge')",
        "np.pad(m, 2, mode='reflect')",
        "np.pad(a, 2, 'symmetric')",
        "np.pad(a, 4, 'wrap')",
    ],
    "take": [
        "np.take(a, [0, 5, 0])",
        "np.take(t, K, axis=-2)",
        "np.take(u, 9, mode='wrap')",
        "np.take(u, [[0, 1], [2, 3]])",
    ],
    "take_along_axis": ["np.take_along_axis(a, np.array([[2, 0], [1, 1]]), axis=1)"],
    "compress": ["np.compress([True, False, True], a, axis=1)"],
    "extract": ["np.extract(M, a)"],
    "diag": ["np.diag(m)", "np.diag(u, -1)", "np.diag(a, 1)"],
    "diagflat": ["np.diagflat(a)"],
    "diagonal": ["np.diagonal(m)", "np.diagonal(t, 1, axis1=-1, axis2=1)"],
    "tril": ["np.tril(m)", "np.tril(t, -1)"],
    "triu": ["np.triu(m)", "np.triu(a, 1)"],
    "meshgrid": ["np.meshgrid(u, x)", "np.meshgrid(u, x, indexing='ij')"],
    "copy": ["np.copy(a)"],
    "sort": ["np.sort(a)", "np.sort(t, axis=1)", "np.sort(a, axis=None)"],
    "partition": ["np.partition(u, 1)[1]"],
    "trim_zeros": ["np.trim_zeros(np.pad(u, 2))", "np.trim_zeros(np.pad(u, 1), 'f')"],
    "unwrap": ["np.unwrap(u)", "np.unwrap(9 * a, axis=0)"],
    "argsort": ["np.argsort(a)", "np.argsort(t, axis=1)"],
    "nonzero": ["np.nonzero(a)"],
    "flatnonzero": ["np.flatnonzero(a)"],
    "argwhere": ["np.argwhere(a)"],
    "searchsorted": ["np.searchsorted(x, 1.0)"],
    "unique": ["np.unique(a)"],
    "isin": ["np.isin(a, [1.0])"],
    "allclose": ["np.allclose(a, b)"],
    "array_equal": ["np.array_equal(a, a)"],
    "zeros_like": ["np.zeros_like(a)"],
    "ones_like": ["np.ones_like(a)"],
    "full_like": ["np.full_like(a, 3.0)"],
    "empty_like": ["np.empty_like(a).shape"],
    "shape": ["np.shape(a)"],
    "ndim": ["np.ndim(a)"],
    "size": ["np.size(a)"],
    "histogram": ["np.histogram(a)"],
    "linalg.qr": ["np.linalg.qr(m)"],
    "linalg.lstsq": ["np.linalg.lstsq(m, x)"],
    "fft.fft": ["np.fft.fft(u)"],
    "piecewise": ["np.piecewise(u, [u > 0], [1.0, 0.0])"],
    "apply_along_axis": ["np.apply_along_axis(np.sum, 0, a)"],
    "put": ["np.put(u, 0, 1.0)"],
    "copyto": ["np.copyto(u, w)"],
    "fill_diagonal": ["np.fill_diagonal(m, 0.0)"],
}
"""The calls of each function, with 0 to 3 axes where it accepts them."""
MORE = {
    "average": ["np.average(a, axis=-1, weights=x)", "np.average(a, weights=p, returned=True)"],
    "var": ["np.var(t, axis=(0, -1), ddof=1)"],
    "std": ["np.std(t, axis=1, ddof=1.5)"],
    "prod": ["np.prod(Z * a, axis=1)"],
    **{
        f"nan{name}": [f"np.nan{name}(np.where(N == 1, a, np.nan), axis=1)"]
        for name in ["sum", "prod", "mean", "max", "min"]
    },
    "nanvar": ["np.nanvar(np.where(N == 1, a, np.nan), axis=1, ddof=1)"],
    "nanstd": ["np.nanstd(np.where(N == 1, a, np.nan))"],
    "nanmedian": ["np.nanmedian(np.where(N == 1, a, np.nan), axis=-1, keepdims=True)"],
    "fmax": ["np.fmax(np.where(N == 1, a, np.nan), b)"],
    "fmin": ["np.fmin(a, np.where(N == 1, b, np.nan))"],
    "remainder": ["a % 0.3", "2.0 % p"],
    "divmod": ["divmod(a, 0.3)"],
    "floor_divide": ["a // 0.3"],
}
"""Further calls of functions that are in the lists above."""


def calls() -> dict[str, list[str]]:
    """List the calls of each function by its name."""
    found = {}
    for word in ELEMENTWISE.split():
        name, x = word.split(":")
        found[name] = [f"np.{name}({x})", f"np.{name}({x}[0])", f"np.{name}({x}[0, 0])"]
    for name in PAIRS.split():
        found[name] = [f"np.{name}({of})" for of in ("a, b", "p, x", "s, 0.5", "2.0, p")]
    for name in REDUCTIONS.split():
        axes = ["axis=1", "axis=-1, keepdims=True"]
        axes += [] if name in WITHOUT_SEVERAL_AXES else ["axis=(0, -1)"]
        found[name] = [f"np.{name}({x})" for x in ("s", "u", "t", *(f"t, {way}" for way in axes))]
    found |= CALLS
    return {name: [*ways, *MORE.get(name, [])] for name, ways in found.items() if there_is(name)}


def there_is(name: str) -> bool:
    """Return whether this NumPy has a function; unstack and cumulative_sum are new in 2.1."""
    owner: Any = np
    for part in name.split("."):
        owner = getattr(owner, part, None)
    return owner is not None


def evaluated(call: str, operands: dict[str, Any]) -> Any:
    """Evaluate a call on arrays or on Values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(call, OTHERS | operands)


def operands_in(call: str) -> list[str]:
    """List the letters of the operands in a call."""
    return [name for name in compile(call, "", "eval").co_names if name in ARRAYS]


def parts(result: Any) -> list[Any]:
    """List the arrays and Values in a result."""
    if isinstance(result, tuple | list):
        return [part for one in result for part in parts(one)]
    return [result]


def joined(result: Any) -> Value:
    """Flatten all Values in a result, and join them in one row."""
    rows = [np.reshape(part, -1) for part in parts(result) if isinstance(part, Value)]
    row: Value = np.concatenate(rows)
    return row


def tried(call: str, slopes: bool = True) -> str | TinygradPoolError:
    """Evaluate a call on Values; return "works", "answered", or the error that refused it.

    Raises AssertionError if numbers differ from NumPy's, or slopes from finite differences.
    """
    letters = operands_in(call)
    expected = parts(evaluated(call, {name: x.copy() for name, x in ARRAYS.items()}))
    try:
        result = evaluated(call, {name: Value(ARRAYS[name], label=name) for name in letters})
    except TinygradPoolError as error:
        return error
    got = parts(result)
    assert len(got) == len(expected), call
    for one, other in zip(got, expected, strict=True):
        numbers = one.data if isinstance(one, Value) else one
        assert np.shape(numbers) == np.shape(other), (call, np.shape(numbers), np.shape(other))
        np.testing.assert_allclose(numbers, other, 1e-12, 1e-13, err_msg=call)
    if not any(isinstance(one, Value) for one in got):
        return "answered"
    if not slopes:
        return "works"

    def f(*values: Value) -> Value:
        return joined(evaluated(call, dict(zip(letters, values, strict=True))))

    assert tg.gradcheck(f, *(ARRAYS[name] for name in letters))
    return "works"


def table() -> dict[str, str | TinygradPoolError]:
    """Return the outcome of each function: "works", "answered", or an error."""
    found = {}
    for name, ways in sorted(calls().items()):
        results = [tried(call) for call in ways]
        kinds = {result if isinstance(result, str) else "refused" for result in results}
        assert len(kinds) == 1, (name, results)
        found[name] = results[0]
    return found


HEAD = """# NumPy on Values

Call one of NumPy's functions on a Value, and one of three things happens.

- It *works*: the result is a Value, with correct first and second derivatives.
- It is *answered* from the data with plain numbers, because its slopes are 0, or because it asks a
  question that has no slope, such as a comparison.
- It is *refused*, and the error says what to do.

`python docs/numpy_coverage.py` runs each function below, and compares its numbers with NumPy's and
its slopes with finite differences. It writes this page, and a test runs it again.

All functions are also `tg.<name>`, those of `np.linalg` without `linalg`. A Value has the methods
of arrays.

A function that only moves, repeats, drops or zero-fills cells makes one node, an index. Most others
are composed of rules, and make several nodes. When a graph runs again with other numbers, whatever
depends on the data, such as the order in a median, is determined again. Plain numbers that were
answered remain as they were. This includes those that come with a Value: the whole part of
`np.modf`, and the quotient of `np.divmod`.
"""


def page() -> str:
    """Return the page."""
    found = table()
    counts = [sum(result == kind for result in found.values()) for kind in ("works", "answered")]
    refused = {n: str(r) for n, r in found.items() if not isinstance(r, str)}
    rows = [
        HEAD,
        f"Of {len(found)} functions, {counts[0]} work, {counts[1]} are answered from the data, and "
        f"{len(refused)} are refused.\n",
    ]
    for title, kind in (("Works", "works"), ("Answered from the data", "answered")):
        rows += [f"## {title}\n", "| function | for example |", "| --- | --- |"]
        rows += [f"| `{name}` | `{calls()[name][0]}` |" for name, r in found.items() if r == kind]
        rows.append("")
    rows += ["## Refused\n", "| function | error |", "| --- | --- |"]
    rows += [f"| `{name}` | {message} |" for name, message in refused.items()]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
