"""Of any network: every zero gradient has a reason, every reason is true, entries add up."""

import math
import re

import pytest
from hypothesis import given, settings
from programs import Operation, programs

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.formatting import number

LOSING = [  # gradients, in every way
    *("{0}.relu() + 0.0 * {1}", "tg.maximum({0}, {1})", "tg.minimum({0}, {1}, 0.25)"),
    *("{0} * {1}", "{0} - {1}", "{0}.clip(-1.0, 1.0)", "np.where({0}.data > 0, {0}, {1})"),
    *("{0} ** 2", "abs({0})", "tg.weighted_sum([{0}, {1}], [{1}, 2.0], {0})"),
]
networks = programs(("tied",), tuple(map(Operation, LOSING)), ((),), dtypes=("f8",), most=9)


@pytest.mark.slow
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
            assert why.causes
            continue
        sent = [entry.contribution for entry in why.entries]
        assert math.isclose(math.fsum(sent), why.grad, rel_tol=1e-12, abs_tol=1e-12)
        assert why.grad == passed.gradients[node]
        for entry in why.entries:
            assert entry.contribution == entry.upstream * entry.local
            assert bool(entry.reason) == (entry.contribution == 0)
        if why.grad:
            assert all(cause.startswith("|grad| ") for cause in why.causes)  # by degrees
        else:
            assert why.causes
            for cause in why.causes:
                assert is_true(passed, cause), cause


def is_true(passed, cause):  # noqa: PLR0911  # a kind of reason each
    """Check a cause by the data alone."""
    value = {passed.call(node): node for node in passed.nodes}
    if cause == "the contributions cancel" or cause.startswith(("what reaches", "… and ")):
        return True  # the entries, which add up to 0, show it; the others are counted
    if cause == "the pass began with the gradient 0":
        return False
    said = re.fullmatch(r"(\S+) gets nothing from (\S+): (.*)", cause)
    below, above, reason = value[said[1]], value[said[2]], said[3]
    if match := re.fullmatch(r"the relu is off: its input is (.*)", reason):
        return above.op == "relu" and below.data <= 0 and number(below.data) == match[1]
    lost = re.fullmatch(r"it lost to (.*), by (\S+?)( \(a tie, which it does not win\))?", reason)
    if lost:
        best = 0.25 if lost[1] == "a constant" else value[lost[1]].data
        behind = (below.data - best) if above.op == "minimum" else (best - below.data)
        fair = behind >= 0 and above.data == best and bool(lost[3]) == (behind == 0)
        return fair and number(behind) == lost[2]
    if reason == "the other factor is 0":
        return any((p.data if isinstance(p, Value) else p) == 0 for p in above.parents)
    if reason == "it was not chosen":
        condition, *branches = above.parents
        return above.op == "where" and branches[bool(condition)] is below
    if reason.startswith("it is clipped"):
        return above.op == "clip" and abs(below.data) > 1
    return reason.startswith("the local derivative of") and (below.data == 0 or above.op == "power")
