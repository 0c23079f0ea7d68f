"""Small gradients in which nothing vanished, and others in which something did."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value


@pytest.mark.parametrize("off", [0.0, 1e-9])
def test_a_bias_at_its_minimum_has_not_vanished(off):
    w, b = Value(0.5, label="w"), Value(off, label="b")
    E = ((np.array([-1.0, 1.0]) * w + b - np.array([-2.0, 2.0])) ** 2).mean()
    E.backward()
    run = tg.watch([w, b])
    assert run.step(E) is None
    assert run.notes[0].startswith("the contributions to b cancel")
    b.data = 1.0
    E = (w * 1.0 + b) ** 2
    E.backward()
    run.step(E)
    assert not any("cancel" in note for note in run.notes)  # it has a gradient later


@pytest.mark.parametrize(
    "loss", [lambda y: ((y - 2.0) ** 2).mean(), lambda y: (0.5 - y).relu().mean()]
)
def test_the_gradients_of_a_fit_that_converged_have_not_vanished(loss):
    w, b = Value(0.2, label="w"), Value(0.0, label="b")
    run = tg.watch([w, b])
    for _ in range(200):
        w.zero_grad(), b.zero_grad()
        E = loss(np.array([1.0, -1.0, 0.5]) * w + b)
        E.backward()
        assert run.step(E) is None
        w.data, b.data = w.data - 0.3 * w.grad, b.data - 0.3 * b.grad
    assert run.history["gradient"][-1].max() < 1e-8
    assert run.notes == []


@pytest.mark.parametrize("kill", [lambda w, v: (w * 0.0 - 1.0, v), lambda w, v: (w, v * 1e-12)])
def test_gradients_that_vanish_on_their_way_are_an_event_also_late(kill):
    w, v = Value(0.4, label="w"), Value(0.3, label="v")
    run = tg.watch([w, v])
    for step in range(3):
        w.zero_grad(), v.zero_grad()
        E = ((w * 1.0).relu() * v - 1.0) ** 2
        E.backward()
        run.step(E)
        if step == 1:
            w.data, v.data = kill(w.data, v.data)
    assert (run.events[0].step, run.events[0].kind, run.events[0].name) == (2, "vanished", "w")
