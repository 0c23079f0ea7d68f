"""A Step keeps what it was."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value


def to_the_end_of_a_recording(E):
    passed = tg.record(E)
    passed.seek(len(passed))
    return passed.steps


@pytest.mark.parametrize("f", [lambda x, c: x * c, lambda x, c: x @ c, lambda x, c: x + c])
@pytest.mark.parametrize("run", [lambda E: [*tg.backward_steps(E)], to_the_end_of_a_recording])
def test_writing_to_a_leafs_gradient_does_not_change_the_step(f, run):
    x, c = Value(np.ones((2, 2))), np.array([[3.0, 4.0], [5.0, 6.0]])
    E = f(x, c).sum()
    *_, last = kept = run(E)
    sent = [np.copy(step.contributions[0]) for step in kept]
    assert last.contributions[0].tolist() == x.grad.tolist()
    x.grad += 100.0
    x.grad[...] *= 2.0
    for step, before in zip(kept, sent, strict=True):
        np.testing.assert_array_equal(step.contributions[0], before)
