"""Of any network: every zero gradient has a reason, every reason is true, entries add up."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.formatting import number

NUMBERS = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])


@st.composite
def networks(draw):
    """Build a network of scalars from operations that lose gradients in every way."""
    values = [Value(draw(NUMBERS), label=f"x{i}") for i in range(draw(st.integers(2, 4)))]
    for i in range(draw(st.integers(2, 9))):
        some = st.sampled_from(values[-6:])
        make = draw(
            st.sampled_from(
                [
                    lambda v, w: v.relu() + 0.0 * w,
                    tg.maximum,
                    lambda v, w: tg.minimum(v, w, 0.25),
                    lambda v, w: v * w,
                    lambda v, w: v - w,
                    lambda v, w: v.clip(-1.0, 1.0),
                    lambda v, w: tg.where(v.data > 0, v, w),
                    lambda v, w: v**2,
                    lambda v, w: v.abs(),
                    lambda v, w: tg.weighted_sum([v, w], [w, 2.0], v),
                ]
            )
        )
        y = make(draw(some), draw(some))
        y.label = y.label or f"v{i}"
        values.append(y)
    return values[-1]


@pytest.mark.slow
@settings(max_examples=300)
@given(networks())
def test_entries_add_up_and_zeros_have_true_reasons(loss):
    passed = tg.record(loss)
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
            assert why.causes == []
        else:
            assert why.causes
            for cause in why.causes:
                assert is_true(passed, cause), cause


def is_true(passed, cause):  # noqa: PLR0911  # a kind of reason each
    """Check a cause by the data alone."""
    value = {passed.call(node): node for node in passed.nodes}
    if cause == "the contributions cancel" or cause.startswith("what reaches"):
        return True  # the entries, which add up to 0, show it
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


ARRAYS = [
    lambda v, w: v.relu() + w,
    lambda v, w: v * w[0],
    lambda v, w: v @ w.T @ v,
    tg.maximum,
    lambda v, w: tg.max_pool2d(v, 2, stride=1, padding=1)[:3, :3] + w,
    lambda v, w: tg.avg_pool2d(v, 2, stride=1, padding=1)[1:, 1:] * w,
    lambda v, w: tg.concatenate([v[:1], w[1:]]),
    lambda v, w: v[[0, 0, 2]] - w,
    lambda v, w: v.max(axis=0, keepdims=True) * w,
    lambda v, w: tg.softmax(v, axis=1) * w,
    lambda v, w: v.clip(-1.0, 1.0) + w.sum(axis=1, keepdims=True),
    lambda v, w: tg.where(v.data > 0, v, w).T,
]


@settings(max_examples=60)
@given(st.data())
def test_so_it_is_for_elements_of_arrays(data):
    def array(label):
        numbers = data.draw(st.lists(NUMBERS, min_size=9, max_size=9))
        return Value([numbers[:3], numbers[3:6], numbers[6:]], label=label)

    values = [array("x"), array("w")]
    for _ in range(data.draw(st.integers(1, 4))):
        some = st.sampled_from(values)
        values.append(data.draw(st.sampled_from(ARRAYS))(data.draw(some), data.draw(some)))
    passed = tg.record(values[-1].sum())
    for node in data.draw(st.lists(st.sampled_from(passed.nodes), min_size=1, max_size=4)):
        index = tuple(data.draw(st.integers(0, n - 1)) for n in node.shape)
        why = passed.why(node, index or None)
        if node is passed.loss or why.grad is None:
            continue
        assert why.grad == np.asarray(passed.gradients[node])[index]
        sent = [entry.contribution for entry in why.entries]
        scale = 1e-9 * (1.0 + max(map(abs, sent), default=0.0))
        assert math.isclose(math.fsum(sent), why.grad, rel_tol=1e-9, abs_tol=scale)
        if why.grad:
            assert why.causes == []
        elif not any(sent):
            assert why.causes
            assert all(
                re.search("gets nothing from|cancel|takes no part|^… and \\d+ more", c)
                for c in why.causes
            ), why.causes
