"""Random programs: stepping equals running, all ways to run agree, and every instrument works."""

import io
import math
import re
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings, strategies as st
from numpy_coverage import PAGE, there_is
from programs import (
    ALL,
    ANSWERED,
    CHOICES,
    ODD,
    OF_NUMPY,
    SMOOTH,
    Operations,
    Program,
    assert_most_showed_something,
    deviations,
    named_in,
    programs,
    tally,
)

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.debugger.shell import Shell
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.data import same_dtype
from tinygrad_pool.engine.rerun import rerun
from tinygrad_pool.errors import ShapeError, TinygradPoolError, UnsupportedError
from tinygrad_pool.rules.traits import TRAITS

pytestmark = OF_NUMPY

EXACT = Operations(operation for operation in ALL if not re.search("avg|ties", operation.ours))
STEADY = Operations(
    operation
    for operation in SMOOTH
    if operation not in ANSWERED and not re.search("> 0|unpool|argsort|trim_zeros", operation.ours)
)  # without constants or shapes that depend on the data
DOUBLE = ("f8",)
PLAIN = Operations(
    operation
    for operation in SMOOTH
    if not re.search("astype|inv|det|solve|cholesky|eig|svd|erf|gelu", operation.ours)
)  # without rounding to lower precision, for finite differences of long doubles


UNITS = Operations(
    operation
    for operation in PLAIN
    if not re.search(
        "interp|median|quantile|percentile|partition|sort|unwrap|trim_zeros", operation.ours
    )
)  # those that `explode` supports


tame = programs(("tame",), PLAIN, dtypes=DOUBLE)


def assert_same(actual, expected):
    """Compare lists to the last bit: types, shapes, numbers and the signs of zeros."""
    for a, b in zip(actual, expected, strict=True):
        assert type(a) is type(b)
        assert (np.asarray(a).dtype, np.shape(a)) == (np.asarray(b).dtype, np.shape(b))
        np.testing.assert_array_equal(a, b)
        signs = [np.signbit(x) & ~np.isnan(x) for x in (a, b)]
        np.testing.assert_array_equal(*signs)


def run_backward(program):
    """Run backward, and return the gradients of all nodes."""
    nodes = topological_order(program.root)
    for node in nodes:
        node.zero_grad()
    with np.errstate(all="ignore"):
        program.root.backward(program.gradient)
    return [node.grad for node in nodes]


@pytest.mark.slow
@given(programs())
@settings(max_examples=40)
def test_stepping_is_running_bit_for_bit(program):
    with program.written_down("stepping"):
        nodes, gradients = topological_order(program.root), run_backward(program)
        for v, g in zip(nodes, gradients, strict=True):
            assert same_dtype(v.data, g)
            assert np.shape(v.data) == np.shape(g)
            v.zero_grad()
        with np.errstate(all="ignore"):
            for step in tg.backward_steps(program.root, program.gradient):
                for p, c in zip(step.node.parents, step.contributions, strict=True):
                    assert c is None or (same_dtype(c, p.data) and np.shape(c) == p.shape)
            assert_same([v.grad for v in nodes], gradients)
            assert_same(tg.grad(program.root, nodes, program.gradient), gradients)
            recording = tg.record(program.root, program.gradient)
        if not tally("stepping", not program.root.is_leaf, 0.5):
            return
        for v in nodes:
            v.zero_grad()
        recording.seek(len(recording))
        assert_same([v.grad for v in nodes], gradients)
        assert_same(
            [recording.gradients[v] for v in recording.gradients],
            [v.grad for v in recording.gradients],
        )


@pytest.mark.long
@given(program=tame)
@settings(max_examples=60)
def test_gradients_with_create_graph_are_the_same(program):
    with program.written_down("graphs"), np.errstate(all="ignore"):
        y, xs, g = program.root, program.inputs, program.gradient
        plain, slopes = tg.grad(y, xs, g), tg.grad(y, xs, g, create_graph=True)
        for a, s, most in zip(plain, slopes, deviations(y, g, xs, 2.0**-53)[1:], strict=True):
            assert same_dtype(a, s.data)
            if tally("with a graph", np.isfinite(most)):
                np.testing.assert_allclose(s.data, a, 0, most)


@pytest.mark.slow
@given(programs())
@settings(max_examples=40)
def test_running_a_graph_again_is_the_same_bit_for_bit(program):
    with program.written_down("again"), np.errstate(all="ignore"):
        nodes, gradients = topological_order(program.root), run_backward(program)
        twins = rerun(program.root, {})
        assert_same([v.data for v in twins.values()], [v.data for v in twins])
        assert_same(tg.grad(twins[program.root], twins.values(), program.gradient), gradients)
        replayed = tg.record(program.root, program.gradient).replay()
        assert_same([replayed.loss.data], [program.root.data])
        unrolled = tg.unroll(program.root, program.gradient)
        outcome = unrolled()
        assert_same([outcome.loss], [program.root.data])
        assert list(unrolled.leaves.values()) == [v for v in nodes if v.is_leaf]
        assert_same(outcome.gradients.values(), [v.grad for v in unrolled.leaves.values()])


@pytest.mark.long
@given(programs(operations=STEADY), st.data())
@settings(max_examples=150)
def test_the_unrolled_program_computes_the_same_from_other_numbers(program, data):
    odd_numbers = st.lists(st.sampled_from([*map(float, ODD), -0.3, 1e308, 5e-324]), min_size=9)
    with program.written_down("unrolled"), np.errstate(all="ignore"):
        unrolled = tg.unroll(program.root, program.gradient)
        inputs = {*program.inputs} & {*unrolled.leaves.values()}
        numbers = {
            v: np.resize(data.draw(odd_numbers), v.shape).astype(v.dtype)
            for v in program.inputs
            if v in inputs
        }
        leaves = [
            Value(float(numbers[v]) if type(v.data) is float else numbers[v]) if v in numbers else v
            for v in program.inputs
        ]
        try:
            y = program.again(leaves)
            slopes = tg.grad(y, leaves, program.gradient)
        except TinygradPoolError:  # a tie that is an error, or a matrix without an inverse
            tally("unrolled", False)
            return
        tally("unrolled", True)
        outcome = unrolled(numbers)
        expected = dict(zip(program.inputs, slopes, strict=True))
        assert_same([outcome.loss], [y.data])
        got = zip(outcome.gradients.values(), unrolled.leaves.values(), strict=True)
        for g, leaf in got:
            if leaf in expected:
                assert_same([g], [expected[leaf]])


@pytest.mark.long
@given(programs(operations=EXACT))
@settings(max_examples=150)
def test_weight_layers_are_the_same_but_for_the_sign_of_zeros(program):
    with program.written_down("weights"), np.errstate(all="ignore"):
        twin = tg.as_weight_layer(program.root)
        zeros = [x[x == 0] for x in (np.asarray(v.data) for v in topological_order(program.root))]
        if not tally("weights", not any(map(np.any, map(np.signbit, zeros))), 0.5):
            return  # 1 / x and arctan2 make a difference of the sign of a zero
        expected = run_backward(program)
        assert_same([twin.data + 0.0], [program.root.data + 0.0])
        leaves = topological_order(program.root)
        slopes = zip(tg.grad(twin, leaves, program.gradient), expected, leaves, strict=True)
        for slope, g, leaf in slopes:
            if leaf.is_leaf:
                assert_same([slope + 0.0], [g + 0.0])


@pytest.fixture(scope="module")
def no_truth():
    """Fail where this package takes the truth of a Value, which is 0 or not, for its presence."""
    package = str(Path(tg.__file__).parent)
    truth = Value.__bool__

    def asked(v):
        place = sys._getframe(1).f_code.co_filename
        assert not place.startswith(package), f"{place} asks a Value for its truth"
        return truth(v)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Value, "__bool__", asked)
        yield


@pytest.mark.long
@given(programs())
@settings(max_examples=100)
@pytest.mark.usefixtures("no_truth")
def test_every_instrument_shows_something(program):
    with program.written_down("looking"):
        with np.errstate(all="ignore"):
            recording = tg.record(program.root, program.gradient, names=program.made)
            assert str(tg.diagnose(program.root, program.gradient))
        recording.seek(len(recording) // 2)
        assert tg.draw(program.root, show=("data", "grad", "heat", "local")).source
        assert tg.draw(program.root, detail="full", names=program.made).source
        assert str(tg.tree(program.root, names=program.made))
        assert tg.draw(recording.loss).source
        for node in recording.nodes:
            assert recording.find(f"{node.op or 'leaf'}#{recording.numbers[node]}") is node
            assert str(recording.why(node))
            assert_adds_up(recording, node)


LOOKING = "where up down show why paths gains contrib jac check list steps info"


@pytest.mark.long
@given(programs())
@settings(max_examples=60)
@pytest.mark.usefixtures("no_truth")
def test_every_debugger_command_answers_at_every_step(program):
    """A bug would print a line such as "jac: ValueError: …"; our errors have no such prefix."""
    with program.written_down("prompt"), np.errstate(all="ignore"):
        shell = Shell(tg.record(program.root, program.gradient), stdout=io.StringIO())
        for step in range(1, min(len(shell.recording), 6) + 1):
            for command in (f"goto {step}", *LOOKING.split()):
                shell.onecmd(command)
        output = shell.stdout.getvalue()
        assert not re.findall(r"^\w+: \w+(?:Error|Warning|Exception)\b.*", output, re.MULTILINE)


@pytest.mark.long
@given(programs())
@settings(max_examples=60)
@pytest.mark.usefixtures("no_truth")
def test_units_are_drawn_or_rejected_with_our_error(program):
    with program.written_down("units"), np.errstate(all="ignore"):
        for draw in (tg.draw_units, tg.draw_windows, tg.receptive_field):
            with suppress(TinygradPoolError):
                assert draw(program.root)
        with suppress(TinygradPoolError):
            apart = tg.explode(program.root.sum(), 200)
            apart.backward()
            assert tg.draw_units(apart)


def assert_adds_up(recording, node):
    """Check that the entries of why sum to the gradient, up to one rounding error per entry."""
    why = recording.why(node)
    if node is recording.loss or why.grad is None:
        return
    assert why.grad != 0 or why.causes
    sent = [entry.contribution for entry in why.entries]
    # Entries are Python floats, but a float16 node sends float16 to a float64 operand.
    dtypes = [float, *(v.dtype for v in topological_order(recording.loss))]
    limits = max(map(np.finfo, dtypes), key=lambda info: info.eps)
    if (
        not np.all(np.isfinite([why.grad, *sent]))
        or max(map(abs, sent), default=0) > float(limits.max) / 99
    ):
        return
    roundings = (len(sent) + 8) * (float(limits.eps) * math.fsum(map(abs, sent)) + limits.tiny)
    assert abs(math.fsum(sent) - why.grad) <= roundings


@pytest.fixture(scope="module", autouse=True)
def require_that_most_checks_show_something():
    yield
    assert_most_showed_something()


def is_well_conditioned(what, deviation, scale):
    """Return whether the allowed deviation is small enough for a comparison to mean something."""
    return tally(what, deviation < 1e-3 * (1 + scale), 1 / 3)


@pytest.mark.long
@given(program=programs(("tame",), UNITS, dtypes=DOUBLE))
@settings(max_examples=60)
def test_exploded_units_have_the_gradients_of_the_arrays(program):
    leaves = [Value(v.data, label=f"x{i}") for i, v in enumerate(program.inputs)]
    with program.written_down("exploding"), np.errstate(all="ignore"):
        loss = (program.again(leaves) * np.asarray(program.gradient)).sum()
        expected = tg.grad(loss, leaves)
        try:
            top = tg.explode(loss, 5000)
        except (ShapeError, UnsupportedError) as error:
            if isinstance(error, ShapeError) and "more than limit=5,000" not in str(error):
                raise
            tally("has units", False, 0.5)
            return
        tally("has units", True, 0.5)
        units = [v for v in topological_order(top) if v.is_leaf]
        gradients = dict(zip((v.label for v in units), tg.grad(top, units), strict=True))
        to_loss, *to_leaves = deviations(loss, 1.0, leaves, 2.0**-53)
        if is_well_conditioned("exploded", to_loss, abs(loss.data)):
            assert abs(top.data - loss.data) <= to_loss
        for leaf, g, most in zip(leaves, expected, to_leaves, strict=True):
            if not tally("gradients of units", np.isfinite(most)):
                continue
            for place in np.ndindex(leaf.shape):
                name = f"{leaf.label}{list(place)}" if place else leaf.label
                assert abs(gradients.get(name, 0.0) - np.asarray(g)[place]) <= most, name


STEP = np.longdouble(2.0**-20)


def along(program, second, direction):
    """Return a function of h: the result of the program, or its slopes, h along a direction."""
    rng = np.random.default_rng(6)
    weights = [rng.standard_normal(v.shape) for v in program.inputs]

    def f(h):
        xs = [
            Value(v.data + h * d.astype(np.longdouble))
            for v, d in zip(program.inputs, direction, strict=True)
        ]
        y = program.again(xs)
        total = (y * np.asarray(program.gradient)).sum()
        if not second:
            return total, xs
        slopes = tg.grad(total, xs, create_graph=True)
        parts = [(s * w).sum() for s, w in zip(slopes, weights, strict=True)]
        return sum(parts), xs

    return f


@pytest.mark.long
@pytest.mark.parametrize("second", [False, True], ids=["first", "second"])
@given(program=tame)
@settings(max_examples=40)
def test_gradients_are_slopes(program, second):
    rng = np.random.default_rng(7)
    direction = [rng.standard_normal(v.shape) for v in program.inputs]
    with program.written_down("slopes"), np.errstate(all="ignore"):
        f = along(program, second, direction)
        total, xs = f(np.longdouble(0))
        gradients = tg.grad(total, xs)
        slope = sum(np.sum(g * d) for g, d in zip(gradients, direction, strict=True))
        at = {h: f(h * STEP)[0].data for h in (-1, -0.5, 0.5, 1)}
        whole, half = (at[1] - at[-1]) / (2 * STEP), (at[0.5] - at[-0.5]) / STEP
        left, right = (total.data - at[-1]) / STEP, (at[1] - total.data) / STEP
        to_total, *to_xs = deviations(total, 1.0, xs, 2.0**-50)
        noise = sum(most * np.abs(d).sum() for most, d in zip(to_xs, direction, strict=True))
        # the relative error of a total is 2⁻⁶⁴, of a slope 2⁻⁴⁴ after division; to_total is 2⁻⁴⁰
        most = float(2 * abs(left - right) + 2 * abs(whole - half) + noise + to_total)
        if is_well_conditioned(f"slopes {second}", most, abs(slope)):
            assert abs(half - slope) <= most


@pytest.mark.long
def test_programs_use_every_rule_and_every_numpy_function():
    """A new rule needs a line in programs.py, so that all of these tests run with it."""
    rules = set()
    for operation in ALL:
        for ndim in operation.ndim[:6]:
            rules |= rules_of(operation, ndim)
    others = {rule for rule in TRAITS if rule and rule not in rules}
    ours = {rule.__name__ for rule in others if rule.__module__.startswith("tinygrad_pool")}
    assert ours == {"nudge", "weight_layer", "detach"}  # of replay, as_weight_layer and no_grad
    listed = re.findall(r"^\| `([\w.]+)` \| `", PAGE.read_text("utf-8"), re.M)  # not rejected
    drawn = {name for operation in ALL for name in named_in(operation)}
    assert len(listed) > 200
    assert {name for name in listed if there_is(name)} - drawn == set()


def has_ties(program):
    return any(x.size > 1 and np.unique(x.data).size < x.size for x in program.inputs)


KINDS = {
    **{
        f"of {dtype}": lambda program, dtype=dtype: any(x.dtype == dtype for x in program.inputs)
        for dtype in (np.float16, np.float32, np.float64, np.longdouble)
    },
    **{
        f"with {text}": lambda program, text=text: text in str(program)
        for text in (
            "'>",
            "asfortranarray",
            "[..., ::-1])",
            "broadcast_to(np.",
            "inf",
            "nan",
            "-0.0",
        )
    },
    "of a Python number": lambda program: any(type(x.data) is float for x in program.inputs),
    "of NaN": lambda program: any(np.isnan(x.data).any() for x in program.inputs),
    "of infinity": lambda program: any(np.isinf(x.data).any() for x in program.inputs),
    "of no numbers": lambda program: any(x.size == 0 for x in program.inputs),
    "of ties": has_ties,
    "of two nodes at most": lambda program: len(topological_order(program.root)) <= 2,
    "of 25 nodes and more": lambda program: len(topological_order(program.root)) >= 25,
}


@pytest.mark.long
def test_programs_are_of_every_kind():
    counted = Counter()

    @settings(max_examples=400, phases=[Phase.generate])
    @given(programs())
    def count(program):
        counted.update(kind for kind, holds in KINDS.items() if holds(program))

    count()
    assert {kind: counted[kind] for kind in KINDS if counted[kind] < 5} == {}


def rules_of(operation, ndim):
    """List the rules of an operation and of its gradient, for arrays with `ndim` axes."""
    program = Program()
    for _ in range(2):
        shape = (2, 2, 3, 3, 3)[:ndim]
        program.add(f"tg.Value(np.random.default_rng(1).standard_normal({shape}))")
        program.leaves.append(program.name)
    drawn = {name: texts[0] for name, texts in CHOICES.items()}
    try:
        y = program.add(operation.ours.format("v0", "v1", **drawn))
    except TinygradPoolError:
        return set()
    if not y.parents:
        return set()
    with np.errstate(all="ignore"):
        slopes = tg.grad((y * y).sum(), program.inputs, create_graph=True)
        made = sum((s * s).sum() for s in slopes)
    return {node.rule for node in topological_order(made)}
