"""One backward pass at a time: threads wait for each other, and a paused pass gives way."""

import sys
import threading
from itertools import pairwise

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.turns import HALF_DONE
from tinygrad_pool.errors import GraphError


def cube():
    """Return w = 3 and w³, whose gradient is 27."""
    w = Value(3.0, label="w")
    E = (w * w) * w
    E.label = "E"
    return w, E


def paused(E, steps=1):
    """Begin a pass and run some steps."""
    walk = tg.backward_steps(E)
    for _ in range(steps):
        next(walk)
    return walk


def in_threads(work, n=4):
    """Run a function in several threads, and return the errors it raised."""
    errors = []

    def guarded():
        try:
            work()
        except Exception as error:  # noqa: BLE001  # the test shows any
            errors.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


class TestThreads:
    @pytest.fixture(autouse=True)
    def taking_turns_often(self):
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(interval)

    def graph(self):
        w = h = Value(np.eye(60), label="w")
        for _ in range(30):
            h = tg.tanh(h @ w * 0.9)
        return w, h.sum()

    def test_one_graph_gives_the_right_gradients_in_several_threads(self):
        w, E = self.graph()
        (right,) = tg.grad(E, w)
        gradients = []

        def work():
            for _ in range(5):
                gradients.append(tg.record(E).gradients[w])
                gradients.extend(tg.grad(E, w))

        assert in_threads(work) == []
        assert len(gradients) == 40
        assert all(np.array_equal(g, right) for g in gradients)
        assert not w.has_grad

    def test_passes_in_several_threads_accumulate_in_a_shared_leaf(self):
        w, E = self.graph()
        (right,) = tg.grad(E, w)
        assert in_threads(lambda: [E.backward() for _ in range(5)]) == []
        assert np.allclose(w.grad, 20 * right)

    def test_separate_graphs_in_threads_give_the_gradients_of_one(self):
        gradients = []

        def work():
            w, E = self.graph()
            E.backward()
            gradients.append(w.grad)

        assert in_threads(work) == []
        assert all(np.array_equal(a, b) for a, b in pairwise(gradients))


class TestPaused:
    def test_the_next_pass_is_right_and_the_paused_one_cannot_continue(self):
        w, E = cube()
        walk = paused(E)
        assert w.grad == 9.0
        loss = E * 2.0
        loss.label = "loss"
        loss.backward()
        assert w.grad == 54.0
        with pytest.raises(
            GraphError,
            match="the pass from the mul node 'E' cannot go on: while it was paused, one from the "
            "mul node 'loss' began in the same graph",
        ):
            next(walk)
        assert w.grad == 54.0

    def test_sharing_one_leaf_is_enough_even_before_the_first_step(self):
        w, E = cube()
        walk = paused(E)
        (w * 5.0).backward()
        assert w.grad == 5.0
        with pytest.raises(GraphError, match="cannot go on"):
            next(walk)
        walk = paused(E, steps=0)
        E.backward()
        with pytest.raises(GraphError, match="cannot go on"):
            next(walk)
        assert w.grad == 32.0

    def test_the_old_pass_cannot_interrupt_a_newer_one(self):
        w, E = cube()
        old, new = paused(E), tg.backward_steps(E)
        assert [step.node for step in new] == [E, E.parents[0]]
        with pytest.raises(GraphError, match="cannot go on"):
            next(old)
        assert w.grad == 27.0

    def test_passes_in_separate_graphs_do_not_interfere(self):
        w, E = cube()
        walk = paused(E)
        cube()[1].backward()
        assert len(list(walk)) == 1
        assert w.grad == 27.0

    def test_grad_and_record_do_not_disturb_a_paused_pass(self, tmp_path):
        w, E = cube()
        w.grad = 100.0
        walk = paused(E)
        assert tg.grad(E, w) == (27.0,)
        assert tg.record(E).gradients[w] == 27.0
        tg.diagnose(E)
        tg.frames(E, tmp_path / "slides")
        assert w.grad == 109.0
        assert len(list(walk)) == 1
        assert w.grad == 127.0

    def test_an_abandoned_pass_undoes_what_it_added(self):
        w, E = cube()
        w.grad = 1.0
        for _ in tg.backward_steps(E):
            break
        assert w.grad == 1.0
        assert not any(E in half.nodes for half in HALF_DONE)
        E.backward()
        assert w.grad == 28.0

    def test_a_gradient_set_during_a_pause_is_kept(self):
        w, E = cube()
        w.grad = 1.0
        walk = paused(E)
        w.zero_grad()
        del walk
        assert not w.has_grad

    def test_data_changed_in_place_during_a_pause_is_an_error(self):
        x = Value([1.0, 2.0], label="x")
        walk = paused((x * x).sum())
        x.data -= 0.5
        with pytest.raises(GraphError, match="leaf 'x' changed in place after the mul node"):
            next(walk)
        assert not x.has_grad

    def test_an_update_of_a_leaf_whose_gradient_is_complete_is_right(self):
        w, v = Value([1.0, 2.0], label="w"), Value([3.0, 4.0], label="v")
        for step in tg.backward_steps(((w * 2.0) * v).sum()):
            if v in step.node.parents:
                v.data -= v.grad
        assert (v.data.tolist(), v.grad.tolist(), w.grad.tolist()) == ([1, 0], [2, 4], [6, 8])

    def test_a_pass_is_done_after_its_last_step(self):
        w, E = cube()
        walk = paused(E, steps=2)
        E.backward()
        assert w.grad == 54.0
        assert list(walk) == []
        del walk
        assert w.grad == 54.0

    def test_a_branch_without_a_gradient_has_no_step(self):
        w, v = Value(3.0), Value(2.0)
        off = v * 4.0

        def first(x, y):
            return x + y, lambda g: (g, None)

        walk = paused(tg.lift(first)(w * 2.0, off), steps=2)
        del walk
        assert (w.grad, v.has_grad) == (2.0, False)

    def test_a_pass_ends_if_the_remaining_gradients_are_reset(self):
        w, E = cube()
        walk = paused(E)
        E.parents[0].zero_grad()
        assert list(walk) == []
        assert w.grad == 9.0

    def test_a_step_that_fails_restores_the_leaves(self):
        def broken(x):
            def broken_backward(g):
                raise ZeroDivisionError("on purpose")

            return x * 2, broken_backward

        w = Value([3.0])
        walk = paused((tg.lift(broken)(w) * w).sum(), steps=2)
        assert w.grad.tolist() == [6.0]
        with pytest.raises(ZeroDivisionError):
            next(walk)
        assert not w.has_grad

    def test_a_closure_may_run_a_pass_to_the_same_leaves(self):
        w = Value(3.0, label="w")

        def again(x):
            def again_backward(g):
                (Value(float(x)) * w).backward(g)  # as in gradient checkpointing
                return (g * w.data,)

            return x * w.data, again_backward

        x = Value(2.0)
        E = tg.lift(again)(x * w)
        assert [step.node.op for step in tg.backward_steps(E)] == ["again", "mul"]
        assert (x.grad, w.grad) == (9.0, 12.0)


def test_a_pass_after_its_last_step_is_not_paused():
    w, E = cube()
    walk = paused(E)
    assert any(E in half.nodes for half in HALF_DONE)
    next(walk)
    assert not any(E in half.nodes for half in HALF_DONE)
    E.backward()
    assert next(walk, None) is None
    assert w.grad == 54.0
