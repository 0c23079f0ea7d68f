"""A recorded pass: every position is what backward would have left there."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import tinygrad_pool as tg
from tinygrad_pool.errors import DataError, GraphError, OptionError, ShapeError


def network():
    """Return a small network with a value used twice, a maximum, a dead relu and an array."""
    a, b = tg.Value(2.0, label="a"), tg.Value(-3.0, label="b")
    x = tg.Value([1.0, 5.0, 2.0], label="x")
    c = a * b
    d = tg.maximum(c.relu(), a, b)
    return [a, b, x], d * d + (x * a).max() * b


def grads(nodes):
    return [None if n._grad is None else np.array(n._grad).tolist() for n in nodes]


def test_recording_changes_nothing_until_it_is_moved():
    _, E = network()
    passed = tg.record(E)
    assert grads(passed.nodes) == [None] * len(passed.nodes)
    assert (passed.position, passed.step) == (0, None)
    assert repr(passed) == f"Recording({len(passed)} steps, at 0)"


def test_the_last_position_is_what_backward_leaves_bit_for_bit():
    leaves, E = network()
    E.backward()
    expected = grads(leaves)
    for leaf in leaves:
        leaf.zero_grad()
    passed = tg.record(E)
    passed.seek(len(passed))
    assert grads(leaves) == expected


def test_every_position_is_what_stepping_leaves_there():
    _, E = network()
    passed = tg.record(E)
    nodes = passed.nodes
    states = [grads(nodes)]
    for step, _ in zip(tg.backward_steps(E), range(len(passed)), strict=True):
        states.append(grads(nodes))
        assert step.node is passed.steps[len(states) - 2].node
    for leaf in nodes:
        leaf._grad = None
    passed = tg.record(E)
    for position in (3, 1, len(passed), 0, 5, 2):
        passed.seek(position)
        assert grads(nodes) == states[position]


def test_position_0_has_the_gradients_of_before():
    _, E = network()
    E.backward()
    before = grads(tg.record(E).nodes)
    with tg.record(E) as passed:
        passed.seek(len(passed))
        assert grads(passed.nodes) != before
    assert grads(passed.nodes) == before


def test_a_step_forward_and_back():
    _, E = network()
    passed = tg.record(E)
    first = passed.next()
    assert first.node is E
    assert passed.changed()[0].node is E
    assert passed.back() is first
    assert (passed.position, passed.back(), passed.changed()) == (0, None, [])
    passed.seek(len(passed))
    assert passed.next() is None
    assert [s.node for s in passed] == [s.node for s in passed.steps]


def test_a_pass_that_breaks_leaves_everything_as_it_was():
    def broken(x):
        def broken_backward(g):
            raise ZeroDivisionError("on purpose")

        return x * 2, broken_backward

    x = tg.Value([1.0])
    E = (tg.lift(broken)(x) * 3.0).sum()
    with pytest.raises(ZeroDivisionError):
        tg.record(E)
    assert (x.has_grad, E.has_grad) == (False, False)


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        (lambda: tg.record(3.0), DataError, "record: needs a Value, got float"),
        (lambda: tg.record(tg.Value([1.0, 2.0])), ShapeError, "pass gradient="),
        (lambda: tg.record(tg.Value(1.0).exp().detach()), GraphError, "detached"),
        (lambda: tg.record(network()[1]).seek(99), OptionError, r"seek: position must be in 0 … "),
        (lambda: tg.record(network()[1]).seek(-1), OptionError, "got -1"),
        (lambda: tg.record(network()[1]).find("q"), OptionError, "no node is called 'q'; there is"),
        (lambda: tg.record(network()[1]).find("mul"), OptionError, "'mul' is the name of 4 nodes:"),
    ],
)
def test_what_cannot_be_is_named(start, error, message):
    with pytest.raises(error, match=message):
        start()


def test_nodes_are_found_by_label_variable_number_and_operation():
    (a, _, x), E = network()
    nothing = tg.Value(1.0)
    passed = tg.record(E, names={"loss": E, "nothing": nothing, "number": 3})
    assert passed.find("a") is a
    assert passed.find("loss") is E
    assert passed.find("max").op == "max"
    assert passed.find(x) is x
    third = passed.nodes[3]
    assert passed.find(f"{third.op}#3") is third
    assert passed.known()[:3] == ["a", "b", "x"]


class Walk(RuleBasedStateMachine):
    """Whatever the way, a position has the gradients that going there directly gives."""

    @initialize()
    def start(self):
        _, E = network()
        self.passed = tg.record(E)
        self.states = []
        for position in range(len(self.passed) + 1):
            self.passed.seek(position)
            self.states.append(grads(self.passed.nodes))
        self.passed.seek(0)
        self.position = 0

    @rule()
    def node(self):
        self.passed.next()
        self.position = min(len(self.passed), self.position + 1)

    @rule()
    def back(self):
        self.passed.back()
        self.position = max(0, self.position - 1)

    @rule(data=st.data())
    def goto(self, data):
        self.position = data.draw(st.integers(0, len(self.passed)))
        self.passed.seek(self.position)

    @invariant()
    def the_gradients_are_those_of_the_position(self):
        if hasattr(self, "states"):
            assert self.passed.position == self.position
            assert grads(self.passed.nodes) == self.states[self.position]


TestWalk = Walk.TestCase
TestWalk.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, derandomize=True
)
