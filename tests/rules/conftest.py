"""A table of every rule: the NumPy that computes the same, and operands of many shapes."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.rules import (
    arithmetic,
    elementwise,
    linear,
    masks,
    pooling,
    reductions,
    shaping,
    unfolding,
    unpooling,
)
from tinygrad_pool.rules.weights import Weights, weight_layer
from tinygrad_pool.rules.windows import adaptive_windows_of, windows_of

FLOAT = None  # the shape of a Python float, beside () for an array without axes
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
    ((5, 5), 2, 3, 0, 1, False),  # cells between windows that no window sees
    ((3, 4, 5), (1, 2, 3), 1, (0, 1, 1), 1, False),
    ((3, 3, 4), 2, 2, 1, 1, True),
    ((2, 2), (1, 1), 1, 1, 1, False),  # windows in the padding alone
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
    """One rule, the NumPy that computes the same, and operands in a range."""

    rule: object
    reference: object
    operands: list
    options: dict = {}  # noqa: RUF012  # never changed
    constants: tuple = ()

    def run(self, *xs):
        return lifted(self.rule)(*self.constants, *xs, **self.options)


lifted = cache(tg.lift)


def cases(rule, reference, shapes, low=-2.0, high=2.0, constants=(), **options):
    for some in shapes:
        operands = [
            rng.uniform(low, high) if s is FLOAT else rng.uniform(low, high, s) for s in some
        ]
        operands = [np.array(x) if s == () else x for x, s in zip(operands, some, strict=True)]
        listed = ",".join("float" if s is FLOAT else str(s) for s in some)
        given = ",".join(options)
        yield pytest.param(
            Case(rule, reference, operands, options, constants),
            id=f"{rule.__name__}[{listed}]{given}",
        )


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


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
        linear.conv,
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
    """Run a test once for every `case`, or for every `sloped_case`: one that has a gradient."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", TABLE)
    if "sloped_case" in metafunc.fixturenames:
        sloped = [p for p in TABLE if p.values[0].rule is not shaping.detach]
        metafunc.parametrize("sloped_case", sloped)


@pytest.fixture
def tabled_rules():
    """List the rules that the table holds."""
    return {p.values[0].rule for p in TABLE}


@pytest.fixture(params=[*PLANES, *ADAPTIVE], ids=str)
def plane(request):
    """Windows of many kinds, and a plane that they look at."""
    space, *options = request.param
    if len(options) == 1:
        return adaptive_windows_of("pool", len(space), *options, space), space
    return windows_of("pool", len(space), *options), space
