"""A table of every rule: a NumPy reference, and operands of many shapes."""

import math
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st

import tinygrad_pool as tg
from tinygrad_pool.rules import (
    accumulations,
    activations,
    arithmetic,
    comparisons,
    contractions,
    convolution,
    decompositions,
    elementwise,
    entropies,
    fast_pooling,
    inverses,
    linear,
    masks,
    moves,
    pooling,
    powers,
    quantiles,
    range_sums,
    reductions,
    sequences,
    shaping,
    sorting,
    tiles,
    trigonometry,
    unfolding,
    unpooling,
    window_matrices,
)
from tinygrad_pool.rules.pool_checks import check_pool
from tinygrad_pool.rules.sparse_weights import Weights, weight_layer
from tinygrad_pool.rules.windows import adaptive_windows_of, windows_of

FLOAT = None  # the shape of a Python float; () is an array without axes
ONE = [(FLOAT,), ((),), ((3,),), ((2, 3),), ((0, 3),)]
TWO = [
    (FLOAT, FLOAT),
    (FLOAT, (2, 3)),
    ((), (2,)),
    ((2, 1), (3,)),
    ((2, 3), (2, 3)),
    ((0, 1), (3,)),
]
THREE = [(FLOAT, FLOAT, FLOAT), ((2, 1), (3,), ()), ((0, 3), (1, 3), FLOAT)]
ARRAYS = [((4,),), ((2, 3, 4),)]
RECTANGLES = [((1, 1),), ((2, 3, 3),), ((2, 3),), ((2, 4, 2),), ((3, 0),), ((0, 2, 3),)]

MASK = np.array([True, False, True])
PAIRS = windows_of("conv1d", 1, 2, stride=1)
QUADS = windows_of("max_pool2d", 2, 2)

PLANES = [
    # space, kernel, stride, padding, dilation, ceil_mode
    ((5,), 3, 2, 1, 1, False),
    ((7,), 2, 1, ((0, 2),), 3, False),
    ((4, 5), 2, None, 0, 1, False),
    ((5, 4), (3, 2), (2, 1), (1, 0), 1, True),
    ((6, 5), 2, (1, 3), ((0, 1), (1, 0)), (2, 1), False),
    ((5, 5), 2, 3, 0, 1, False),  # with cells that no window sees
    ((3, 4, 5), (1, 2, 3), 1, (0, 1, 1), 1, False),
    ((3, 3, 4), 2, 2, 1, 1, True),
    ((2, 2), (1, 1), 1, 1, 1, False),  # windows in the padding only
]
ADAPTIVE = [
    # space, output_size
    ((5,), 2),
    ((5,), (3,)),
    ((3,), 7),  # more windows than cells
    ((4, 6), (2, 3)),
    ((5, 7), (3, None)),
    ((3, 4, 5), (2, 1, 3)),
]

rng = np.random.default_rng(0)


class Case(NamedTuple):
    """One rule, its NumPy reference, and operands in a range."""

    name: str
    rule: object
    reference: object
    operands: list
    options: dict = {}  # noqa: RUF012  # never changed
    constants: tuple = ()

    def run(self, *xs):
        return lifted(self.rule)(*self.constants, *xs, **self.options)


lifted = cache(tg.lift)


def cases(rule, reference, shapes, low=-2.0, high=2.0, constants=(), **options):
    for row in shapes:
        operands = [
            rng.uniform(low, high) if s is FLOAT else rng.uniform(low, high, s) for s in row
        ]
        operands = [np.array(x) if s == () else x for x, s in zip(operands, row, strict=True)]
        listed = ",".join("float" if s is FLOAT else str(s) for s in row)
        name = f"{rule.__name__}[{listed}]{','.join(options)}"
        yield Case(name, rule, reference, operands, options, constants)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


erf = np.vectorize(math.erf, otypes=[float])

TABLE = [
    *cases(arithmetic.add, np.add, TWO),
    *cases(arithmetic.sub, np.subtract, TWO),
    *cases(arithmetic.mul, np.multiply, TWO),
    *cases(arithmetic.div, np.divide, TWO, low=0.5),
    *cases(arithmetic.power, np.power, TWO, low=0.5),
    *cases(arithmetic.neg, np.negative, ONE),
    *cases(arithmetic.nudge, lambda x, w, v: x - w + v, THREE),
    *cases(elementwise.exp, np.exp, ONE),
    *cases(elementwise.expm1, np.expm1, ONE),
    *cases(elementwise.log, np.log, ONE, low=0.5),
    *cases(elementwise.log1p, np.log1p, ONE, low=-0.5),
    *cases(elementwise.sqrt, np.sqrt, ONE, low=0.5),
    *cases(elementwise.square, np.square, ONE),
    *cases(elementwise.sin, np.sin, ONE),
    *cases(elementwise.cos, np.cos, ONE),
    *cases(elementwise.tanh, np.tanh, ONE),
    *cases(elementwise.sigmoid, lambda x: 1 / (1 + np.exp(-x)), ONE),
    *cases(elementwise.relu, lambda x: x * (x > 0), ONE),
    *cases(elementwise.abs, np.abs, ONE),
    *cases(elementwise.clip, lambda x: np.clip(x, -0.7, 0.6), ONE, min=-0.7, max=0.6),
    *cases(elementwise.clip, lambda x: np.maximum(x, -0.7), ONE, min=-0.7),
    *cases(activations.leaky_relu, lambda x, s: np.where(x > 0, x, x * s), TWO),
    *cases(activations.elu, lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)), ONE, alpha=0.5),
    *cases(activations.softplus, lambda x: np.log1p(np.exp(x)), ONE),
    *cases(activations.softplus, lambda x: np.log1p(np.exp(3 * x)) / 3, ONE, beta=3.0),
    *cases(activations.erf, erf, ONE),
    *cases(activations.erfc, lambda x: 1 - erf(x), ONE),
    *cases(activations.gelu, lambda x: x * (1 + erf(x / 2**0.5)) / 2, ONE),
    *cases(
        activations.gelu,
        lambda x: x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2,
        ONE,
        approximate="tanh",
    ),
    *cases(
        entropies.binary_cross_entropy,
        lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p),
        TWO,
        low=0.1,
        high=0.9,
    ),
    *cases(masks.keep_rule, lambda x: np.where(MASK, x, 0.0), [((3,),), ((2, 3),)], mask=MASK),
    *cases(
        elementwise.where,
        lambda x, w: np.where(MASK, x, w),
        [*TWO[:2], *TWO[3:]],
        constants=(MASK,),
    ),
    *cases(linear.weighted_sum, lambda v, w, x, y, b: v * x + w * y + b, [(FLOAT,) * 5, ((),) * 5]),
    *cases(linear.weighted_sum, lambda w, x, b: w * x + b, THREE),
    *cases(
        linear.matmul,
        np.matmul,
        [
            ((3,), (3,)),
            ((3,), (3, 2)),
            ((2, 3), (3,)),
            ((2, 3), (3, 4)),
            ((3,), (2, 3, 4)),
            ((2, 4, 3), (3,)),
            ((2, 1, 2, 3), (3, 3, 2)),
            ((2, 3), (4, 3, 1)),
            ((0, 3), (3, 2)),
            ((2, 0), (0, 3)),
            ((0,), (0,)),
        ],
    ),
    *cases(
        convolution.conv,
        lambda x, w, b: np.stack([np.correlate(x[0], v[0]) for v in w]) + b[:, None],
        [((1, 5), (2, 1, 2), (2,))],
        windows=PAIRS,
    ),
    *cases(
        pooling.lp_pool,
        lambda x: np.cbrt(np.sum(np.abs(x).reshape(-1, 2, 2, 2, 2) ** 3, axis=(-3, -1))).reshape(
            *x.shape[:-2], 2, 2
        ),
        [((4, 4),), ((2, 4, 4),), ((0, 3, 4, 4),)],
        windows=QUADS,
        norm_type=3,
    ),
    *cases(
        weight_layer,
        lambda x, w: np.array([x[1] + 3 * x[0], w[()], 0.0]),
        [((2,), ())],
        weights=(
            Weights(
                np.array([0, 0, 2]), np.array([1, 0, 0]), np.array([1.0, 3.0, 0.0]), (3,), (2,)
            ),
            Weights(np.array([1]), np.array([0]), np.array([1.0]), (3,), ()),
        ),
    ),
    *cases(
        unpooling.max_unpool,
        lambda x: np.array([x[0], 0.0, 0.0, x[1]]),
        [((2,),)],
        windows=windows_of("max_unpool1d", 1, 2),
        indices=np.array([0, 3]),
    ),
    *cases(
        pooling.max_pool,
        lambda x: np.max(x.reshape(*x.shape[:-2], 2, 2, 2, 2), axis=(-3, -1)),
        [((4, 4),), ((2, 4, 4),), ((0, 3, 4, 4),)],
        windows=QUADS,
    ),
    *cases(
        pooling.avg_pool,
        lambda x: np.mean(x.reshape(*x.shape[:-2], 2, 2, 2, 2), axis=(-3, -1)),
        [((4, 4),), ((2, 4, 4),), ((0, 3, 4, 4),)],
        windows=QUADS,
    ),
    *cases(trigonometry.tan, np.tan, ONE, low=-1.2, high=1.2),
    *cases(trigonometry.arcsin, np.arcsin, ONE, low=-0.8, high=0.8),
    *cases(trigonometry.arccos, np.arccos, ONE, low=-0.8, high=0.8),
    *cases(trigonometry.arctan, np.arctan, ONE),
    *cases(trigonometry.sinh, np.sinh, ONE),
    *cases(trigonometry.cosh, np.cosh, ONE),
    *cases(trigonometry.arcsinh, np.arcsinh, ONE),
    *cases(trigonometry.arccosh, np.arccosh, ONE, low=1.2),
    *cases(trigonometry.arctanh, np.arctanh, ONE, low=-0.8, high=0.8),
    *cases(trigonometry.arctan2, np.arctan2, TWO, low=0.5),
    *cases(trigonometry.sinc, np.sinc, ONE),
    *cases(powers.exp2, np.exp2, ONE),
    *cases(powers.log2, np.log2, ONE, low=0.5),
    *cases(powers.log10, np.log10, ONE, low=0.5),
    *cases(powers.cbrt, np.cbrt, ONE, low=0.5),
    *cases(powers.hypot, np.hypot, TWO, low=0.5),
    *cases(powers.logaddexp, np.logaddexp, TWO),
    *cases(powers.logaddexp2, np.logaddexp2, TWO),
    *cases(powers.remainder, np.remainder, TWO, low=0.5),
    *cases(powers.fmod, np.fmod, TWO, low=0.5),
    *cases(comparisons.copysign, np.copysign, TWO),
    *cases(comparisons.fmax, np.fmax, TWO),
    *cases(comparisons.fmin, np.fmin, TWO),
    *cases(comparisons.nan_to_num, np.nan_to_num, ONE),
    *cases(comparisons.ask, lambda x: 1.0 * (x > 0), ONE, constants=(0.0,), test="less"),
    *cases(sorting.sort, np.sort, [*ONE[2:], *ARRAYS]),
    *cases(sorting.sort, lambda x: np.sort(x, 0), ARRAYS, axis=0),
    *cases(moves.trim_zeros, lambda x: x, ONE[2:3]),
    *cases(
        quantiles.quantile,
        lambda x: np.quantile(x, 0.3, axis=-1),
        ARRAYS,
        q=0.3,
        of="quantile",
        method="linear",
    ),
    *cases(sequences.unwrap, np.unwrap, ARRAYS),
    *cases(
        sequences.interp,
        lambda x, v, w: w[0] + (x - v[0]) * (w[1] - w[0]) / (v[1] - v[0]),
        [(FLOAT, (2,), (2,)), ((2, 3), (2,), (2,))],
    ),
    *cases(accumulations.prod, np.prod, [*ONE, *ARRAYS]),
    *cases(accumulations.prod, lambda x: np.prod(x, axis=(0, -1)), ARRAYS[1:], axis=(0, -1)),
    *cases(accumulations.cumsum, np.cumsum, [*ONE, *ARRAYS]),
    *cases(accumulations.cumsum, lambda x: np.cumsum(x, -2), ARRAYS[1:], axis=-2),
    *cases(accumulations.cumprod, np.cumprod, [*ONE, *ARRAYS]),
    *cases(accumulations.cumprod, lambda x: np.cumprod(x, 0), ARRAYS, axis=0),
    *cases(accumulations.var, np.var, [*ONE[:4], *ARRAYS]),
    *cases(accumulations.var, lambda x: np.var(x, -1, ddof=1), ARRAYS, axis=-1, ddof=1),
    *cases(accumulations.vector_norm, np.linalg.vector_norm, [*ONE[1:], *ARRAYS]),
    *cases(
        accumulations.vector_norm,
        lambda x: np.linalg.vector_norm(x, axis=-1, ord=3),
        ARRAYS,
        axis=-1,
        ord=3,
    ),
    *cases(
        contractions.einsum,
        lambda *x: np.einsum("ij,jk->ik", *x),
        [((2, 3), (3, 2)), ((0, 3), (3, 1))],
        subscripts="ij,jk->ik",
    ),
    *cases(
        contractions.einsum,
        lambda *x: np.einsum("ij,kj,k->i", *x),
        [((2, 3), (2, 3), (2,))],
        subscripts="ij,kj,k->i",
    ),
    *cases(inverses.inv, np.linalg.inv, [((1, 1),), ((2, 3, 3),)]),
    *cases(inverses.det, np.linalg.det, [((1, 1),), ((2, 3, 3),)]),
    *cases(inverses.sign_of_det, lambda x: np.linalg.slogdet(x)[0], [((1, 1),)]),
    *cases(inverses.logabsdet, lambda x: np.linalg.slogdet(x)[1], [((1, 1),), ((2, 3, 3),)]),
    *cases(inverses.solve, np.linalg.solve, [((2, 2), (2, 3)), ((2, 3, 3), (2, 3, 1))]),
    *cases(inverses.cholesky, np.linalg.cholesky, [((1, 1),)], low=0.5),
    *cases(decompositions.eigvalsh, np.linalg.eigvalsh, [((1, 1),), ((2, 3, 3),), ((0, 0),)]),
    *cases(
        decompositions.eigvalsh,
        lambda x: np.linalg.eigvalsh(x, "U"),
        [((3, 3),), ((0, 2, 2),)],
        UPLO="U",
    ),
    *cases(
        decompositions.eigenvectors,
        lambda x: np.linalg.eigh(x).eigenvectors,
        [((1, 1),), ((2, 3, 3),), ((0, 0),)],
    ),
    *cases(
        decompositions.eigenvectors,
        lambda x: np.linalg.eigh(x, "U").eigenvectors,
        [((3, 3),), ((0, 2, 2),)],
        UPLO="U",
    ),
    *cases(decompositions.svdvals, np.linalg.svdvals, RECTANGLES),
    *cases(
        decompositions.singular_vectors,
        lambda x: np.concatenate([np.linalg.svd(x, False).U, np.linalg.svd(x, False).Vh.mT], -2),
        RECTANGLES,
    ),
    *cases(decompositions.pinv, np.linalg.pinv, RECTANGLES),
    *cases(reductions.sum, np.sum, [*ONE, *ARRAYS]),
    *cases(reductions.sum, lambda x: np.sum(x, axis=-1), ARRAYS, axis=-1),
    *cases(reductions.sum, lambda x: np.sum(x, axis=0), [((0, 3),)], axis=0),
    *cases(reductions.mean, np.mean, [*ONE[:4], *ARRAYS]),
    *cases(
        reductions.mean,
        lambda x: x.mean((0, 2), keepdims=True),
        ARRAYS[1:],
        axis=(0, 2),
        keepdims=True,
    ),
    *cases(reductions.max, np.max, [*ONE[:4], *ARRAYS]),
    *cases(reductions.max, lambda x: np.max(x, axis=-1), [*ARRAYS, ((0, 3),)], axis=-1),
    *cases(
        reductions.max,
        lambda x: x.max((0, 2), keepdims=True),
        ARRAYS[1:],
        axis=(2, 0),
        keepdims=True,
    ),
    *cases(reductions.min, np.min, [*ONE[:4], *ARRAYS]),
    *cases(reductions.min, lambda x: np.min(x, axis=1), [*ARRAYS[1:], ((0, 3),)], axis=1),
    *cases(reductions.maximum, np.maximum, TWO),
    *cases(reductions.maximum, lambda x, w, v: np.maximum(np.maximum(x, w), v), THREE),
    *cases(reductions.maximum, lambda x: x, ONE),
    *cases(reductions.minimum, np.minimum, TWO),
    *cases(reductions.minimum, lambda x, w, v: np.minimum(np.minimum(x, w), v), THREE),
    *cases(reductions.logsumexp, lambda x: np.log(np.sum(np.exp(x))), [*ONE[:4], *ARRAYS]),
    *cases(
        reductions.logsumexp,
        lambda x: np.log(np.sum(np.exp(x), axis=1, keepdims=True)),
        [*ARRAYS[1:], ((0, 3),)],
        axis=1,
        keepdims=True,
    ),
    *cases(reductions.softmax, softmax, [*ONE[2:], *ARRAYS]),
    *cases(reductions.log_softmax, lambda x: np.log(softmax(x)), [*ONE[2:], *ARRAYS]),
    *cases(shaping.reshape, lambda x: x.reshape(3, 2), [((2, 3),), ((6,),)], shape=(3, -1)),
    *cases(shaping.reshape, lambda x: np.reshape(x, 1), ONE[:2], shape=1),
    *cases(shaping.reshape, lambda x: x.reshape(3, 0), ONE[4:], shape=(3, 0)),
    *cases(shaping.transpose, np.transpose, [*ONE, *ARRAYS]),
    *cases(shaping.transpose, lambda x: x.transpose(2, 0, 1), ARRAYS[1:], axes=(2, 0, -2)),
    *cases(shaping.expand_dims, lambda x: np.expand_dims(x, -1), ONE, axis=-1),
    *cases(shaping.expand_dims, lambda x: np.expand_dims(x, (0, 2)), ONE[2:], axis=(0, 2)),
    *cases(shaping.squeeze, np.squeeze, [*ONE, ((1, 2, 1),)]),
    *cases(shaping.squeeze, lambda x: np.squeeze(x, 0), [((1, 2, 1),)], axis=0),
    *cases(shaping.broadcast_to, lambda x: np.broadcast_to(x, (2, 2, 3)), ONE[:4], shape=(2, 2, 3)),
    *cases(
        shaping.concatenate, lambda *x: np.concatenate(x), [((2,), (3,), (0,)), ((1, 2), (2, 2))]
    ),
    *cases(
        shaping.concatenate,
        lambda *x: np.concatenate(x, 1),
        [((2, 1), (2, 2)), ((0, 1), (0, 2))],
        axis=-1,
    ),
    *cases(
        shaping.stack,
        lambda *x: np.stack(x),
        [(FLOAT, FLOAT), ((), ()), ((2,), (2,)), ((0, 2),)],
    ),
    *cases(shaping.stack, lambda *x: np.stack(x, -1), [((2, 3), (2, 3))], axis=-1),
    *cases(shaping.getitem, lambda x: x[1], [((3,),), ((2, 3),)], key=1),
    *cases(
        shaping.getitem,
        lambda x: x[..., ::-2],
        [*ARRAYS, ((0, 3),)],
        key=(..., slice(None, None, -2)),
    ),
    *cases(shaping.getitem, lambda x: x[[1, 0, 1]], ARRAYS[1:], key=[1, 0, 1]),
    *cases(shaping.getitem, lambda x: x[MASK], [((3,),), ((3, 2),)], key=MASK),
    *cases(
        shaping.scatter_rule,
        lambda g: np.array([g[0] + g[2], 0, g[1]]),
        ONE[2:3],
        key=[0, 2, 0],
        shape=(3,),
    ),
    *cases(
        shaping.scatter_rule,
        lambda g: np.array([[0, 0], [g[0], g[1]]]),
        [((2,),)],
        key=1,
        shape=(2, 2),
    ),
    *cases(shaping.astype, lambda x: x, ONE),
    *cases(shaping.astype, lambda x: x, ONE, dtype=float),
    *cases(shaping.cast_rule, lambda x: x, ONE[:2], dtype=float),
    *cases(shaping.cast_rule, lambda x: x, ONE[1:], dtype=np.dtype(float)),
    *cases(shaping.detach, lambda x: x, ONE),
    *cases(
        unfolding.unfold_rule,
        lambda x: np.stack([x[..., :-1], x[..., 1:]], -1),
        ARRAYS,
        windows=PAIRS,
    ),
    *cases(
        unfolding.fold_rule,
        lambda g: (
            np.pad(g[..., 0], [(0, 0)] * (g.ndim - 2) + [(0, 1)])
            + np.pad(g[..., 1], [(0, 0)] * (g.ndim - 2) + [(1, 0)])
        ),
        [((3, 2),)],
        windows=PAIRS,
        shape=(4,),
    ),
]


def pytest_generate_tests(metafunc):
    """Pass `case` the cases of one rule at a time, and `sloped_case` those with a gradient."""
    for name in {"case", "sloped_case"} & {*metafunc.fixturenames}:
        of_rules = {
            case.rule: [] for case in TABLE if name == "case" or case.rule is not shaping.detach
        }
        for case in TABLE:
            of_rules.get(case.rule, []).append(case)
        metafunc.parametrize(name, of_rules.values(), ids=[rule.__name__ for rule in of_rules])


@pytest.fixture
def tabled_rules():
    """Return the rules in the table."""
    return {case.rule for case in TABLE}


@pytest.fixture(params=[*PLANES, *ADAPTIVE], ids=str)
def plane(request):
    """Return windows of many kinds, and the plane that they look at."""
    space, *options = request.param
    if len(options) == 1:
        return adaptive_windows_of("pool", len(space), *options, space), space
    return windows_of("pool", len(space), *options), space


# -- random pools, for comparing the fast forms with the readable ones

nan, inf = np.nan, np.inf
KINDS = {
    "random": lambda rng, shape: rng.standard_normal(shape),
    "tied": lambda rng, shape: rng.integers(-1, 2, shape),
    "constant": lambda rng, shape: np.full(shape, -7.0),
    "zeros": lambda rng, shape: rng.choice([0.0, -0.0], shape),
    "NaN": lambda rng, shape: rng.choice([nan, 1.0, 2.0], shape),
    "rare NaN": lambda rng, shape: rng.choice([nan, 1.0, 2.0], shape, p=[0.05, 0.5, 0.45]),
    "−∞": lambda rng, shape: rng.choice([-inf, -3.0], shape, p=[0.8, 0.2]),
    "nothing but −∞": lambda rng, shape: np.full(shape, -inf),
    "∞": lambda rng, shape: rng.choice([inf, -inf, 0.0], shape),
    "all of them": lambda rng, shape: rng.choice([inf, -inf, nan, 0.0, -0.0, 5.0], shape),
}
FINITE = ["random", "tied", "constant", "zeros"]
DTYPES = [np.float16, np.float32, np.float64, np.longdouble, ">f4"]
GRADIENTS = [-inf, inf, nan, -0.0, 0.0, 0.1, -0.3, 1e-4, 7.0]
LAYOUTS = {
    "contiguous": lambda x: x,
    "reversed": lambda x: np.flip(np.flip(x).copy()),
    "Fortran": np.asfortranarray,
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "read-only": lambda x: np.broadcast_to(x, x.shape),
}


@st.composite
def pools(draw, adaptive=True):
    """Draw the shape of an array, and windows over its last axes."""
    ndim = draw(st.integers(1, 3))
    space = [draw(st.integers(1, (24, 9, 5)[ndim - 1])) for _ in range(ndim)]
    shape = (*draw(st.lists(st.integers(0, 3), max_size=2)), *space)
    if adaptive and draw(st.integers(0, 3)) == 0:
        sizes = [draw(st.integers(1, 7)) for _ in range(ndim)]
        return shape, adaptive_windows_of(f"pool{ndim}d", ndim, sizes, shape)
    kernel = [draw(st.one_of(st.integers(1, 4), st.integers(1, n + 2))) for n in space]
    each = st.lists(st.integers(1, 4), min_size=ndim, max_size=ndim)
    options = {
        "stride": draw(st.one_of(st.none(), each)),
        "padding": [tuple(draw(st.integers(0, min(3, k - 1))) for _ in "pq") for k in kernel],
        "dilation": draw(st.one_of(st.just(1), each)),
        "ceil_mode": draw(st.booleans()),
    }
    return shape, windows_of(f"pool{ndim}d", ndim, kernel, **options)


@st.composite
def cases_of_pools(draw, adaptive=True, kinds=tuple(KINDS), gradients=tuple(GRADIENTS)):
    """Draw an array, windows over it, and a function that makes a gradient for the result."""
    shape, windows = draw(pools(adaptive).filter(is_sound))
    rng, dtype = np.random.default_rng(draw(st.integers(0, 99))), draw(st.sampled_from(DTYPES))
    layouts = [LAYOUTS[draw(st.sampled_from([*LAYOUTS]))] for _ in "xg"]
    x = layouts[0](KINDS[draw(st.sampled_from(kinds))](rng, shape).astype(dtype))
    return x, windows, lambda y: layouts[1](rng.choice(gradients, y.shape).astype(dtype))


def is_sound(pool):
    """Return whether every window contains a unit."""
    try:
        check_pool(*pool)
    except tg.errors.TinygradPoolError:
        return False
    return True


@contextmanager
def sized(cells, few):
    """Cut arrays into tiles of `cells` cells; use lists for up to `few` cells."""
    caches = (
        *(tiles._few_tiles, tiles.tiled, fast_pooling._tiling, fast_pooling._few_lists),
        *(range_sums._ranges, window_matrices.matrices_of),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "UNITS", 2)
        for module in (tiles, fast_pooling, range_sums):
            patch.setattr(module, "CELLS", cells)
        for module in (fast_pooling, range_sums):
            patch.setattr(module, "FEW", few)
        patch.setattr(window_matrices, "NUMBERS", few)
        for function in caches:
            function.cache_clear()
        yield
    for function in caches:
        function.cache_clear()


sizes = st.tuples(st.sampled_from([1, 7, 60, 2**17]), st.sampled_from([0, 0, 2**13]))


def assert_same(actual, expected):
    """Compare to the last bit: equal numbers, signs of zeros too, dtype and shape.

    The sign of a NaN, such as that of ∞ − ∞, is not compared.
    """
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(actual, expected)
    signs = [np.signbit(x) & ~np.isnan(x) for x in (actual, expected)]
    np.testing.assert_array_equal(*signs)


@pytest.fixture(scope="session")
def at_random():
    """Return the strategies and helpers for tests of random pools."""
    return Random()


class Random:
    """Strategies and helpers for tests of random pools."""

    cases = staticmethod(cases_of_pools)
    finite = FINITE
    sizes = sizes
    sized = staticmethod(sized)
    assert_same = staticmethod(assert_same)
