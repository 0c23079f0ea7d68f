"""In any network, every zero gradient has a cause, every cause is true, and entries add up."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from programs import Operation, programs

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.formatting import number

LOSING = [  # losing gradients in every way
    *("{0}.relu() + 0.0 * {1}", "tg.maximum({0}, {1})", "tg.minimum({0}, {1}, 0.25)"),
    *("{0} * {1}", "{0} - {1}", "{0}.clip(-1.0, 1.0)", "np.where({0}.data > 0, {0}, {1})"),
    *("{0} ** 2", "abs({0})", "tg.weighted_sum([{0}, {1}], [{1}, 2.0], {0})"),
]
networks = programs(("tied",), tuple(map(Operation, LOSING)), ((),), dtypes=("f8",), most=9)


@pytest.mark.long
@settings(max_examples=300)
@given(networks)
def test_entries_add_up_and_zeros_have_true_reasons(program):
    loss = program.root
    passed = tg.record(loss, names=program.made)
    for node in passed.nodes:
        why = passed.why(node)
        if node is loss:
            continue
        if why.grad is None:
            assert why.causes == ["no node that uses it sends it a gradient"]
            assert node not in passed.gradients
            continue
        sent = [entry.contribution for entry in why.entries]
        assert math.isclose(math.fsum(sent), why.grad, rel_tol=1e-12, abs_tol=1e-12)
        assert why.grad == passed.gradients[node]
        for entry in why.entries:
            assert entry.contribution == entry.upstream * entry.local
            assert bool(entry.reason) == (entry.contribution == 0)
            assert entry.contribution or is_true_of(passed, node, entry)
        if why.grad:
            assert all(by_degrees(passed, cause) for cause in why.causes), why.causes
        else:
            assert why.causes
            for cause in why.causes:
                assert is_true(passed, node, cause), cause
        kinds.update(map(kind_of, why.causes if not why.grad else ()))


kinds: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def all_kinds():
    """Require causes of each kind, so that each check below was used; new seeds may miss one."""
    yield
    if kinds.total() > 300 and settings.default.derandomize:  # unless a test failed early
        assert {"relu", "lost", "tie", "factor", "chosen", "clipped", "slope", "cancel"} <= {*kinds}


@given(st.lists(st.sampled_from([0.01, 0.5, 1.0, 3.0, 40.0]), min_size=3, max_size=12))
def test_explanations_of_vanishing_and_exploding_gradients_are_true(factors):
    x = Value(1.0, label="x")
    h = x
    for i, factor in enumerate(factors):
        h = h * Value(factor, label=f"w{i}")
    passed = tg.record(h)
    causes = passed.why("x").causes
    assert all(by_degrees(passed, cause) for cause in causes), causes
    size = math.prod(factors[1:])
    if not math.isclose(max(size, 1 / size), 1000):
        assert bool(causes) == (max(size, 1 / size) > 1000)


def kind_of(cause):
    """Return the kind of a cause."""
    words = ("relu", "tie", "lost", "factor", "chosen", "clipped", "local derivative", "cancel")
    found = next((word for word in words if word in cause), cause)
    return "slope" if found == "local derivative" else found


def by_degrees(passed, cause):
    """Check that a gradient shrank or grew by the stated factor."""
    said = re.match(r"\|grad\| (shrinks|grows) from (\S+) at (\S+) to (\S+) at (\S+), ", cause)
    value = {passed.call(v): v for v in passed.nodes}
    top, end = (float(np.abs(passed.gradients[value[said[k]]])) for k in (3, 5))
    told = (f"{top:.2g}", f"{end:.2g}") == (said[2], said[4])
    return (
        told and (max(top, end) >= 1000 * min(top, end)) and (end < top) == (said[1] == "shrinks")
    )


def is_true_of(passed, node, entry):
    """Check the reason of an entry that is 0: its upstream gradient or local derivative is 0."""
    if entry.reason == "the upstream gradient is 0":
        return entry.upstream == 0 and passed.gradients[entry.node] == 0
    return entry.local == 0 and holds(passed, node, entry.node, entry.reason)


def is_true(passed, node, cause):
    """Check a cause by the data and the contributions."""
    value = {passed.call(v): v for v in passed.nodes}
    if cause == "the contributions cancel":
        return cancels(passed, node)
    if met := re.fullmatch(r"the contributions to (\S+) cancel", cause):
        return cancels(passed, value[met[1]])
    if re.fullmatch(r"… and \d+ more", cause):
        return len(passed.why(node).causes) == 9  # eight causes, and this line
    said = re.fullmatch(r"(\S+) gets nothing from (\S+): (.*)", cause)
    return holds(passed, value[said[1]], value[said[2]], said[3])


def cancels(passed, node):
    """Return whether the contributions to a node are not 0 but add up to 0."""
    sent = [
        c
        for step in passed.steps
        for p, c in zip(step.node.parents, step.contributions, strict=True)
        if p is node and c is not None
    ]
    return any(sent) and passed.gradients[node] == 0


def holds(passed, below, above, reason):  # one branch for each kind of reason
    """Check, by the data alone, why one node sends nothing to another."""
    value = {passed.call(v): v for v in passed.nodes}
    if match := re.fullmatch(r"the relu is off, as its input is (.*)", reason):
        return above.op == "relu" and below.data <= 0 and number(below.data) == match[1]
    if lost := re.fullmatch(r"it lost to (.*?)(?:, by (\S+)| in a tie)", reason):
        best = 0.25 if lost[1] == "a constant" else value[lost[1]].data
        behind = (below.data - best) if above.op == "minimum" else (best - below.data)
        fair = behind >= 0 and above.data == best and (lost[2] is None) == (behind == 0)
        return fair and lost[2] in (None, number(behind))
    if reason == "the other factor is 0":
        half = len(above.parents) // 2  # operands of a product; weights, then inputs, then a bias
        pairs = zip(above.parents, above.parents[half:], strict=False)
        others = [q if p is below else p for p, q in [*pairs][:half] if below in (p, q)]
        assert above.op in ("mul", "weighted_sum")
        return any((p.data if isinstance(p, Value) else p) == 0 for p in others)
    if reason == "it was not chosen":
        condition, *branches = above.parents
        return above.op == "where" and branches[bool(condition)] is below
    if reason.startswith("it is clipped"):
        return above.op == "clip" and abs(below.data) > 1
    flat = rf"the local derivative of {above.op} is 0 at {re.escape(number(below.data))}"
    return re.fullmatch(flat, reason) is not None and below.data == 0
