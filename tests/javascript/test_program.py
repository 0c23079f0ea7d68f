"""Both passes of a graph in JavaScript give the same numbers as in Python."""

import json

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.javascript import program_of, runtime

GRAPHS = 100
"""How many graphs of numbers are compared, and how many of arrays."""


def is_exact(y):
    """Return whether small integers give exact results: no norm, and no even ties."""
    nodes = topological_order(y)
    return all("lp_pool" not in n.op and n.options.get("ties") != "even" for n in nodes)


@pytest.fixture
def small_net(random_net):
    """Return a function that builds a small random network."""

    def build(seed, kind, ties):
        sizes = (random_net(k, kind, ties=ties)[0] for k in range(seed, seed + 100_000, 1_000))
        return next(y for y in sizes if sum(n.size for n in topological_order(y)) < 1_500)

    return build


@pytest.fixture
def recordings(scalar_graph, small_net):
    """Record passes over random graphs, each with whether its numbers are exact."""

    def record(n, first=0):
        found = []
        with np.errstate(all="ignore"):
            for seed in range(first, first + n):
                loss, exact = scalar_graph(seed)
                found.append((tg.record(loss), exact))
                kind = ("random", "tied", "infinite", "nan")[seed % 4]
                ties = ("first", "last", "even")[seed % 3]
                y = small_net(seed, kind, ties)
                g = np.random.default_rng(seed).integers(-3, 4, y.shape).astype(float)
                found.append((tg.record(y, g), kind == "tied" and is_exact(y)))
        return found

    return record


def with_other_numbers(passed, seed):
    """Replay a pass with permuted numbers in its leaves."""
    rng = np.random.default_rng(seed)
    for leaf in (node for node in passed.nodes if node.is_leaf):
        passed.set(leaf, rng.permutation(np.ravel(leaf.data) + 1.0).reshape(leaf.shape))
    with np.errstate(all="ignore"):
        return passed.replay()


def test_a_few_graphs_give_the_recorded_numbers(recordings, programs, compare, node_js):
    found = recordings(8)
    passes = [passed for passed, _ in found]
    results = node_js(f"{programs(passes, passes)}console.log(JSON.stringify(results));")
    for (passed, exact), one in zip(found, results, strict=True):
        compare(passed, one, exact)


@pytest.mark.long
@pytest.mark.peer
@pytest.mark.browser
def test_200_random_graphs_with_other_numbers_are_equal_in_chromium_and_python(
    recordings, programs, compare, browser
):
    page = browser.new_page()
    count = 0
    for first in range(0, GRAPHS, 20):
        found = recordings(20, first)
        passes = [passed for passed, _ in found]
        others = [with_other_numbers(passed, first + i) for i, passed in enumerate(passes)]
        page.set_content("<!DOCTYPE html><title>graphs</title>")
        results = page.evaluate(f"() => {{ {programs(passes, others)} return results; }}")
        for other, (_, exact), one in zip(others, found, results, strict=True):
            compare(other, one, exact)
            count += exact
    assert count > GRAPHS / 2


def program(loss, gradient=None):
    passed = tg.record(loss, gradient)
    data = {node: passed.data_of(node) for node in passed.nodes}
    return program_of(passed.nodes, passed.steps, data, {n: passed.call(n) for n in data})


def test_nodes_of_one_kind_share_a_function_and_equal_constants_are_listed_once():
    x = Value(0.3, label="x")
    for i in range(20):
        x = (x * (0.1 + i)).tanh().clip(-0.3, 0.7)
    written = program(x + 0.1)
    assert len(written.functions) == 4
    assert written.graph["constants"].count(0.7) == 1


def test_the_functions_can_be_read():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    assert program(tg.maximum(a, b) * 0.3).functions == [
        "([x0, x1], k) => { const t0 = seen(x0 >= x1); const t2 = !!(t0 || (Number.isNaN(x0))); "
        "return [max(x0, x1), (g) => { return [(t2 ? g : 0), ((!t2) ? g : 0)]; }]; }",
        "([x0, x1], k) => { return [(x0 * x1), (g) => { return [(g * x1), (g * x0)]; }]; }",
    ]


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (lambda: Value(np.ones(5000)).sum(), "the graph has more than 4,000 numbers"),
        (lambda: Value(np.float16(1.0), label="h") * 2.0, "h has dtype float16"),
        (
            lambda: tg.conv2d(Value(np.ones((1, 40, 40))), np.ones((1, 1, 5, 5))).sum(),
            "it needs more than 16,000 constants",
        ),
    ],
)
def test_a_graph_that_is_refused_has_a_reason(loss, reason):
    assert reason in program(loss()).refused


def test_a_rule_that_is_not_pure_or_returns_a_mask_is_refused():
    draws = iter(range(100))

    def drawn(x):
        return x * next(draws), lambda g: (g,)

    def other_shape(x):
        wide = not isinstance(x, float)
        return (x * np.ones(2) if wide else x), lambda g: (g,)

    def mask(x):
        return (x > 0) if not isinstance(x, float) else float(x > 0), lambda g: (g,)

    x = Value(2.0, label="x")
    for rule, reason in [
        (drawn, "the rule of drawn#1 cannot be written in JavaScript: it gives different numbers"),
        (other_shape, r"its shape is \(2,\) when it runs again"),
        (mask, "its result is a mask, not a number"),
    ]:
        with pytest.raises(AssertionError, match=reason):
            assert program(tg.lift(rule)(x)).refused == ""


def test_a_rule_may_return_constants_and_none(programs, compare, node_js):
    def flat(x, w):
        return x * 0.0 + np.ones(2) * 3.0, lambda g: (0.0 * np.ones(2), None)

    def same(x):
        return np.ones(2), lambda g: (np.float64(3.0) * np.ones(2),)

    def number(x):
        return 7.0, lambda g: (0.5,)

    x, w = Value([1.0, 2.0]), Value(3.0)
    passes = [
        tg.record(loss, np.ones(loss.shape) if loss.shape else None)
        for loss in (tg.lift(flat)(x, w), tg.lift(same)(x), tg.lift(number)(w), w * 2.0)
    ]
    passes.append(tg.record(tg.lift(flat)(x, w * 2.0).sum()))
    results = node_js(f"{programs(passes, passes)}console.log(JSON.stringify(results));")
    for passed, one in zip(passes, results, strict=True):
        compare(passed, one, exact=True)


def test_infinities_nan_and_negative_zero_are_passed(programs, compare, node_js):
    x = Value([np.inf, -np.inf, np.nan, -0.0])
    with np.errstate(all="ignore"):
        loss = (x * [np.inf, -0.0, 1.0, np.nan]) + -0.0
        passes = [tg.record(loss, [np.inf, np.nan, -np.inf, -0.0])]
    results = node_js(f"{programs(passes, passes)}console.log(JSON.stringify(results));")
    compare(passes[0], results[0], exact=True)


def test_a_tie_with_ties_error_raises_in_javascript(programs, node_js):
    passed = tg.record(tg.maximum(Value(1.0), Value(2.0), ties="error"))
    other = tg.record(tg.maximum(Value(2.0), Value(2.0)))
    text = programs([passed], [other])
    assert node_js(f"try {{ {text} }} catch (e) {{ console.log(JSON.stringify(e.message)); }}") == (
        'two share a maximum, and ties="error" allows one winner'
    )


def test_changed_data_is_named_as_the_reason():
    w, x = Value(2.0, label="w"), Value(3.0, label="x")
    loss = w * x
    w.data = 5.0
    assert program(loss).refused == "the data of w was set after the pass was recorded"


W = Value(np.array([[1.0, -2.0], [0.5, 3.0]]), label="W")


@pytest.mark.parametrize(
    ("f", "old", "new"),
    [
        (lambda c: Value(2.0) * c + c * Value(-1.0), 2.0, -0.5),
        (lambda c: (Value(2.0) - c) ** 2 / c, 1, 5.5),
        (lambda c: Value(2.0) ** c + Value(0.0) ** c, 2, 3.0),
        (lambda c: Value(2.0) ** c, 2, 0.0),
        (lambda c: c ** Value(2.0), 2, 3.0),
        (lambda c: tg.maximum(Value(2.0), c, 0.5) * 3.0, 1.0, 4.0),
        (lambda c: tg.minimum(Value(2.0), c, ties="even"), 2.5, 2.0),
        (lambda c: tg.where(np.array(True), Value(1.0), c) * tg.where(False, W, c).sum(), 2.0, 3.0),
        (lambda c: tg.weighted_sum([Value(2.0), Value(1.0)], [c, 0.5], 3.0), 1.0, 7.0),
        (lambda c: Value(np.float32(0.1)) * c * c + 0.3, 3.0, 0.7),
        (lambda c: Value(np.float32(0.1)) * c, np.float64(3.0), np.float64(0.7)),
        (lambda c: (c @ W).relu().sum(), np.array([[1.0, 2.0]]), np.array([[-3.0, 0.1]])),
        (lambda c: ((W - c) ** 2).sum(), np.array([1, 2]), np.array([5.0, -2.0])),
    ],
)
def test_a_constant_may_have_another_number(f, old, new, programs, compare, node_js):
    passed, other = tg.record(f(old)), tg.record(f(new))
    (one,) = node_js(f"{programs([passed], [other])}console.log(JSON.stringify(results));")
    compare(other, one, exact=False)


def test_the_gradient_of_a_constant_is_that_of_a_leaf(node_js):
    (constant,) = program(((W @ np.ones(2)).relu()).sum()).graph["nodes"][-1:]
    assert constant == {"shape": [2], "data": [1, 1]}
    written = program((Value([1.0, 4.0]) * [2.0, 3.0]).sum())
    text = f"const functions = [{', '.join(written.functions)}];\n{runtime()}"
    text += f"const program = loaded({json.dumps(written.graph)});\n"
    text += "const { grads } = compute(program, program.nodes.map((node) => node.data));\n"
    assert node_js(f"{text}console.log(JSON.stringify(grads.at(-1)));") == [1, 4]


def test_masks_indices_and_large_arrays_stay_constants():
    x = Value(np.arange(6.0), label="x")
    kept = [
        tg.where(x.data > 1, x, x).sum(),
        tg.max_unpool1d(x[:2], np.array([1, 3]), 2).sum(),
        (x * np.ones(6)).sum(),
    ]
    for loss in kept:
        assert program(loss).inputs == []
        assert not program(loss).refused


def test_a_rule_that_needs_a_plain_constant_is_traced_with_it():
    def shifted(x, n):
        return (x * 2.0 if n > 1 else x), lambda g: (g * 2.0 if n > 1 else g, None)

    written = program(tg.lift(shifted)(Value(3.0), 2.0) * 5.0)
    assert [node.op for node, _ in written.inputs] == ["mul"]
