"""NumPy's functions in JavaScript: each operation gives the same numbers as in Python."""

import itertools
import json
import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, functional
from tinygrad_pool.javascript import program_of, runtime
from tinygrad_pool.javascript.meanings import ELEMENTWISE
from tinygrad_pool.javascript.tracing import NotTraced, Tape, Traced

x = Value(np.arange(12.0).reshape(3, 4) % 5 - 1.5, label="x")
plane = Value(np.array([[3.0, 1, 2, 0], [4, 5, 1, 1], [0, 2, 6, 7], [1, 1, 2, 8]]), label="plane")
row = Value([0.5, -1.0, 2.0, 0.0], label="row")
s = Value(1.5, label="s")

OPERATIONS = {
    "broadcast": lambda: x * row + s,
    "a number by an array": lambda: s * Value([[2.0]]) + x,
    "a constant array": lambda: x * [[1.0], [2.0], [3.0]] + np.float64(2.0),
    "sum": lambda: x.sum(axis=0),
    "sum of several axes": lambda: Value(np.linspace(0, 1, 120).reshape(4, 5, 6)).sum(axis=(0, 2)),
    "sum of many": lambda: Value(np.sin(np.arange(300.0))).sum(),
    "sum of a number": lambda: s.sum() + s.max(),
    "sum, kept": lambda: x - x.sum(axis=1, keepdims=True),
    "mean": lambda: x.mean(axis=1) * x.mean(),
    "max": lambda: x.max(axis=1) - x.min(axis=0)[:3],
    "max, kept": lambda: x - x.max(axis=1, keepdims=True),
    "even max": lambda: plane.max(axis=1, ties="even"),
    "last max": lambda: plane.max(ties="last"),
    "softmax": lambda: tg.softmax(x) * row,
    "log softmax": lambda: tg.log_softmax(x, axis=0),
    "logsumexp": lambda: functional.logsumexp(x, axis=1),
    "matmul": lambda: x @ row,
    "matmul of many": lambda: (
        Value(np.sin(np.arange(24.0)).reshape(2, 3, 4)) @ Value(np.ones((4, 2)))
    ),
    "constant matmul": lambda: np.ones((2, 3)) @ x,
    "reshape, transpose": lambda: x.T.reshape(2, 6)[::-1, [0, 0, 3]],
    "one element": lambda: x[1, 2] * x[0, 0],
    "stack": lambda: tg.stack([s, s * 2.0, Value(4.0)]),
    "concatenate": lambda: tg.concatenate([x, plane[:3]], axis=1),
    "squeeze, expand": lambda: np.squeeze(np.expand_dims(x, 0)),
    "where": lambda: tg.where(x, x * 2.0, row),
    "where of a mask": lambda: tg.where(np.arange(4) > 1, x, -1.0),
    "clip": lambda: x.clip(-1.0, 2.0).abs(),
    "power": lambda: tg.abs(x) ** s + x**2 + x**3.0,
    "power of a constant": lambda: 2.0**x,
    "maximum": lambda: tg.maximum(x, row, 0.0) + tg.minimum(x, 1.0),
    "even maximum": lambda: tg.maximum(x, row, np.ones(4), ties="even"),
    "maximum of numbers": lambda: tg.maximum(s, 1.5, Value(1.0), ties="last"),
    "max pool": lambda: tg.max_pool2d(plane, 3, stride=1, padding=1),
    "even pool": lambda: tg.max_pool2d(plane, 2, ties="even") * 2.0,
    "pool, error": lambda: tg.max_pool1d(row, 2, ties="error"),
    "adaptive pool": lambda: functional.adaptive_max_pool2d(plane, 3),
    "average": lambda: tg.avg_pool2d(plane, 3, stride=2, padding=1, count_include_pad=False),
    "norm": lambda: functional.lp_pool2d(plane, 2.0, 2),
    "convolution": lambda: tg.conv2d(
        plane.reshape(1, 4, 4), Value(np.ones((2, 1, 2, 2))), Value([1.0, 2.0])
    ),
    "unpooling": lambda: tg.max_unpool2d(*functional.max_pool2d(plane, 2, return_indices=True), 2),
    "weights": lambda: tg.as_weight_layer(tg.max_pool2d(plane, 2)) * 3.0,
    "explode": lambda: tg.explode(tg.max_pool2d(plane, 2).sum()),
    "single": lambda: (Value(np.float32([0.1, 0.2, 0.3])) * 0.7).tanh().sum() / np.float32(3.0),
    "single to double": lambda: Value(np.float32(0.1)).astype(np.float64) * s,
    "double to single": lambda: x.astype(np.float32) * np.float32(0.1),
    "a single at a bound": lambda: Value(np.float32([0.1, 0.3])).clip(-1.0, 0.1),
    "single running sums": lambda: np.cumsum(Value(np.float32([0.1, 0.2, 0.3])), axis=0),
    "single sums": lambda: Value(np.linspace(0, 1, 40, dtype=np.float32)).mean(),
    "sigmoid": lambda: x.sigmoid() * functional.expm1(x) + functional.log1p(x * x),
    "running sums": lambda: np.cumsum(x, axis=0) * np.cumsum(x, axis=-1),
    "product": lambda: np.prod(plane, axis=1) + np.cumprod(row, axis=0) + np.fmod(s, 0.4),
    "power of two": lambda: np.exp2(x),
    "detach": lambda: x * x.detach(),
}


def test_each_operation_gives_the_numbers_of_python(programs, compare, node_js):
    with np.errstate(all="ignore"):
        outcomes = [make() for make in OPERATIONS.values()]
    passes = [tg.record(y, np.ones(y.shape) if y.shape else 1.0) for y in outcomes]
    results = node_js(f"{programs(passes, passes)}console.log(JSON.stringify(results));")
    for name, passed, one in zip(OPERATIONS, passes, results, strict=True):
        single = passed.nodes[-1].dtype == np.float32
        compare(passed, one, exact=False, near=1e-6 if single else 1e-14, what=name)


def test_a_user_rule_is_traced_if_it_uses_numpy_only(programs, compare, node_js):
    def swish(v):
        share = 1 / (1 + np.exp(-v))
        return v * share, lambda g: (g * share * (1 + v * (1 - share)),)

    def weighted(v):
        return v * [1.0, 2.0] + (0.5, 0.25), lambda g: (np.where(v > 0, g * [1.0, 2.0], [3, 4]),)

    passes = [tg.record(tg.lift(swish)(v).sum()) for v in (s, x)]
    passes.append(tg.record(tg.lift(weighted)(Value([0.5, -1.0])).sum()))
    results = node_js(f"{programs(passes, passes)}console.log(JSON.stringify(results));")
    for passed, one in zip(passes, results, strict=True):
        compare(passed, one, exact=False)


def refused(rule, v=None):
    loss = tg.lift(rule)(s if v is None else v)
    passed = tg.record(loss, np.ones(loss.shape))
    data = {node: node.data for node in passed.nodes}
    return program_of(passed.nodes, passed.steps, data, {n: passed.call(n) for n in data}).refused


def by_value(v):
    y = v * 2 if v > 1 else v
    return y, lambda g: (g * 2,)


def by_float(v):
    return v * float(np.reshape(v, -1)[0]), lambda g: (g,)


def sorting(v):
    return np.sort(v), lambda g: (g,)


def reducing(v):
    return np.add.reduce(v), lambda g: (g * np.ones(4),)


def with_options(v):
    return np.exp(v, where=True), lambda g: (g * np.exp(v),)


def without_a_bound(v):
    return np.clip(v, None, 0.5), lambda g: (g * (v < 0.5),)


def summing_doubles(v):
    return np.sum(v, dtype=np.float64), lambda g: (g * np.ones(4),)


def masks_alone(v):
    return v + np.asarray(v > 0), lambda g: (g,)


@pytest.mark.parametrize(
    ("rule", "v", "reason"),
    [
        (by_value, None, "it branches on a number"),
        (by_float, None, "it converts to a plain number or array"),
        (sorting, row, "it calls sort"),
        (reducing, row, "it calls add.reduce"),
        (with_options, row, "it calls exp with where="),
        (without_a_bound, row, "it calls clip with None"),
        (summing_doubles, row, "it calls sum with dtype="),
        (masks_alone, row, "it gives different numbers when it runs again"),
    ],
)
def test_a_refusal_has_the_reason(rule, v, reason):
    assert re.search(reason, refused(rule, v))


def test_each_elementwise_function_is_equal_in_javascript(node_js):
    tape, expected = Tape(), []
    numbers = (0.25, 0.0, -0.0, 1.0, -1.0, 2.5, -3.0, np.inf, -np.inf, np.nan)
    with np.errstate(all="ignore"):
        for f in ELEMENTWISE:
            if f in (np.where, np.invert, np.bitwise_or, np.bitwise_and):  # of masks
                continue
            # NaN is false in JavaScript
            some = numbers[:-1] if "logical" in f.__name__ else numbers
            for xs in itertools.product(some, repeat=getattr(f, "nin", 2)):
                operands = [0.5, *xs] if f is np.clip else xs
                f(*[Traced(tape, tape.constant(x), x) for x in operands])
                expected.append(float(f(*operands)))
    constants = json.dumps([str(x) for x in tape.constants]).replace("inf", "Infinity")
    lines = "".join(f"const {name} = {text};\n" for name, text in tape.lines.items())
    listed = ", ".join(f"String(Number({name}))" for name in tape.lines)
    printed = node_js(
        f"{runtime()}const k = {constants}.map(Number);\n{lines}"
        f"console.log(JSON.stringify([{listed}]));"
    )
    results = [float(x.replace("Infinity", "inf")) for x in printed]
    np.testing.assert_allclose(results, expected, 1e-15)


def test_complex_numbers_are_refused():
    with pytest.raises(NotTraced, match="it computes numbers of dtype complex128"):
        np.add(Traced(Tape(), "x", 1.0), 1j)
