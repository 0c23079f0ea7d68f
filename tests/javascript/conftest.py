"""Random graphs of numbers, and programs that compute passes in JavaScript."""

import json

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.javascript import constants_of, program_of, runtime

PRINTING = """
const text = (x) => (x === undefined ? null : [x].flat().map(String));
const printed = (program) => {
  const { values, grads, steps } = compute(program, program.nodes.map((node) => node.data));
  const n = program.order[0] + 1; // constants follow
  const sent = steps.map(({ node, sent }) => sent.filter((_, k) => program.nodes[node].of[k] < n)
    .map((c) => (c === null ? null : text(c))));
  return { values: values.slice(0, n).map(text), grads: grads.slice(0, n).map(text), sent };
};
"""

UNARY = [
    *(tg.relu, tg.tanh, tg.sigmoid, tg.abs, tg.exp, tg.sin, tg.cos, tg.functional.square),
    *(lambda v: v**2, lambda v: v**3, lambda v: v**-1, lambda v: v.clip(-1.0, 1.0), lambda v: -v),
    *(lambda v: tg.sqrt(tg.abs(v) + 0.5), lambda v: tg.log(v * v + 1.0), lambda v: 2.0 / (v + 5.0)),
    *(tg.functional.expm1, lambda v: tg.functional.log1p(v * v), lambda v: v**0.5, lambda v: v**0),
]
EXACT = [tg.relu, tg.abs, tg.functional.square, lambda v: v.clip(-1.0, 1.0), lambda v: -v]
EXACT += [lambda v: tg.sqrt(tg.abs(v) + 0.5), lambda v: v**2, lambda v: 2.0 / (v + 5.0)]
BINARY = [
    *(lambda v, w: v + w, lambda v, w: v - w, lambda v, w: v * w, lambda v, w: v / w),
    *(tg.maximum, tg.minimum, lambda v, w: tg.maximum(v, w, 0.5, ties="even")),
    *(lambda v, w: tg.maximum(v, w, ties="last"), lambda v, w: tg.minimum(v, w, v, ties="even")),
    *(lambda v, w: tg.weighted_sum([v, w], [w, 0.5], v), lambda v, w: tg.where(v, v, w)),
]


@pytest.fixture
def scalar_graph():
    """Return a function of a seed: a random graph of numbers, and whether its results are exact."""

    def build(seed):
        rng = np.random.default_rng(seed)
        exact = bool(seed % 2)
        draw = rng.integers(-2, 3, 4).astype(float) if seed % 3 else rng.normal(size=4)
        nodes = [Value(float(x), label=name) for x, name in zip(draw, "abcd", strict=True)]
        for _ in range(rng.integers(4, 14)):
            one, other = (nodes[i] for i in rng.integers(0, len(nodes), 2))
            if rng.random() < 0.4:
                some = EXACT if exact else UNARY
                nodes.append(some[rng.integers(len(some))](one))
            else:
                nodes.append(BINARY[rng.integers(len(BINARY))](one, other))
        return sum(nodes[4:]), exact

    return build


@pytest.fixture
def programs():
    """Return a function that writes a program for several recordings, with other numbers."""

    def write(recordings, others):
        parts, graphs = [], []
        for passed, other in zip(recordings, others, strict=True):
            nodes = passed.nodes
            data = {node: passed.data_of(node) for node in nodes}
            program = program_of(nodes, passed.steps, data, {n: passed.call(n) for n in nodes})
            assert not program.refused, program.refused
            parts.append(f"[{', '.join(program.functions)}]")
            graphs.append(program.graph)
            numbers = [n.data for n in other.nodes]
            numbers += [node.parents[i] for n in other.nodes for node, i in constants_of(n)]
            for x, one in zip(numbers, program.graph["nodes"], strict=False):
                if "data" in one:
                    one["data"] = [str(float(x)) for x in np.ravel(x)]
        listed = ",\n".join(parts)
        data = json.dumps(graphs).replace("inf", "Infinity").replace("nan", "NaN")
        return (
            f"let functions;\n{runtime()}{PRINTING}\nconst all = [{listed}];\n"
            f"const results = {data}.map((one, i) => {{\n"
            "  functions = all[i];\n  return printed(loaded(one));\n});\n"
        )

    return write


@pytest.fixture
def compare():
    """Return a function that compares printed results with a recording."""

    def read(text):
        return np.array([float(x.replace("Infinity", "inf")) for x in text])

    def check(passed, printed, exact, near=1e-14, what=""):
        def same(text, expected, of):
            expected = np.ravel(np.asarray(expected, float))
            scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
            far = 0.0 if exact else near
            message = f"{what}: {of}"
            np.testing.assert_allclose(read(text), expected, far, far * scale, err_msg=message)

        with np.errstate(all="ignore"):
            for node, text in zip(passed.nodes, printed["values"], strict=True):
                same(text, node.data, f"data of {passed.call(node)}")
            for node, text in zip(passed.nodes, printed["grads"], strict=True):
                assert (text is None) == (node not in passed.gradients)
                if text is not None:
                    same(text, passed.gradients[node], f"gradient of {passed.call(node)}")
            for step, sent in zip(passed.steps, printed["sent"], strict=True):
                expected = [
                    c
                    for p, c in zip(step.node.parents, step.contributions, strict=True)
                    if isinstance(p, Value)
                ]
                for c, text in zip(expected, sent, strict=True):
                    assert (text is None) == (c is None)
                    if text is not None:
                        same(text, c, f"contribution of {passed.call(step.node)}")

    return check
