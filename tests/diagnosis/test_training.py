"""Mistakes in training loops: gradients left, stale graphs, parameters that became nodes."""

import contextlib
import random

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import GraphError
from tinygrad_pool.recording.trace import Trace


def find(loss, **options):
    return tg.diagnose(loss, **options).findings


def pass_of(w):
    return (w * 2.0 - 6.0) ** 2


class TestGradientsLeft:
    def test_forgotten_zero_grad_is_named_with_both_numbers(self):
        w = tg.Value(1.0, label="w")
        for _ in range(4):
            E = pass_of(w)
            E.backward()
            w.data = w.data - 0.01 * w.grad
        (finding,) = find(pass_of(w))
        assert (finding.kind, finding.severity, finding.name) == (
            "gradient left",
            "suspicious",
            "w",
        )
        assert finding.says == (
            "gradients of earlier passes remain in 1 parameter: they left −51.81 in w.grad, and "
            "this pass makes it −56.49"
        )
        assert "zero_grad()" in finding.why

    def test_parameters_that_only_some_zero_grad_reaches(self):
        v, w = tg.Value(1.0, label="v"), tg.Value(1.0, label="w")
        for _ in range(2):
            v.zero_grad()
            pass_of(v * w).backward()
        (finding,) = find(pass_of(v * w))
        assert finding.name == "v, w"
        v.zero_grad()
        (finding,) = find(pass_of(v * w))
        assert finding.name == "w"
        asks = ". None remain in others: is w among the parameters of the optimizer?"
        assert finding.why.endswith(f"accumulate on purpose{asks}")

    def test_the_loss_of_the_last_pass_has_the_finding_too(self):
        w = tg.Value(1.0, label="w")
        for _ in range(2):
            E = pass_of(w)
            E.backward()
        assert [f.kind for f in find(E)] == ["gradient left"]

    def test_gradients_of_its_own_pass_are_not_reported(self):
        w = tg.Value(np.ones(2), label="w")
        E = pass_of(w).sum()
        E.backward()
        assert find(E) == []
        assert find(E, parameters=[]) == []

    def test_gradients_of_inputs_are_not_reported(self):
        w, x = tg.Value(np.ones((2, 2)), label="w"), tg.Value(np.ones((3, 2)), label="x")
        (x * 3.0).sum().backward()
        assert find((x @ w).sum()) == []

    def test_a_parameter_without_a_gradient_now_is_not_reported(self):
        w, u = tg.Value(1.0, label="w"), tg.Value(2.0, label="u")
        u.grad = 3.0
        kinds = [f.kind for f in find(w * 2.0, parameters=[w, u])]
        assert kinds == ["not reached"]

    def test_gradients_left_are_computed_once(self, monkeypatch):
        asked, left = [], Trace.left.fget
        monkeypatch.setattr(Trace, "left", property(lambda p: asked.append(p) or left(p)))
        w = [tg.Value(1.0, label=f"w{i}") for i in range(20)]
        find(pass_of(sum(w)))
        assert len(asked) == 1


class TestDataSetSince:
    def test_a_state_kept_over_an_update(self):
        w, h = tg.Value(np.ones((2, 2)), label="w"), tg.Value(np.ones((1, 2)), label="h")
        h = (h @ w).tanh()
        w.data = w.data * 0.5
        E = (h @ w).sum()
        E.backward()
        (finding,) = [f for f in find(E) if f.kind == "stale graph"]
        assert str(finding) == "suspicious: w: its data was set while sum#5 was computed from it"
        assert finding.why == (
            "matmul#2 was computed with the old data, matmul#4 with the new. A state kept from one "
            "step to the next needs detach()"
        )
        assert all(f.kind != "stale graph" for f in find((h.detach() @ w).sum()))

    def test_after_an_update_in_place_the_error_says_what_to_do(self):
        w, h = tg.Value(np.ones((2, 2)), label="w"), tg.Value(np.ones((1, 2)), label="h")
        h = (h @ w).tanh()
        w.data *= 0.5
        with pytest.raises(GraphError, match="; run the forward pass again"):
            h.sum().backward()
        with pytest.raises(
            GraphError, match="kept between steps, such as a hidden state, or run the for"
        ):
            (h @ w).sum().backward()

    def test_a_change_between_forward_and_backward(self):
        w = tg.Value(2.0, label="w")
        E = w * w
        E.label = "E"
        w.data = 5.0
        (finding,) = find(E)
        assert (finding.kind, finding.name) == ("stale graph", "w")
        assert finding.says == "its data was set after E was computed from it"
        assert "Run the forward pass again" in finding.why

    def test_an_ordinary_update_is_a_limit_and_not_a_finding(self):
        w = tg.Value(2.0, label="w")
        E = w * w
        E.backward()
        w.data = w.data - 0.1 * w.grad
        diagnosis = tg.diagnose(E)
        assert diagnosis.findings == []
        assert diagnosis.limits[-1] == "ties, and the new data of w (run the forward pass again)"

    def test_an_array_set_before_backward(self):
        net = tg.nn.Linear(2, 3, rng=0)
        loss = net(np.ones((4, 2))).sum()
        net.weight.data = net.weight.data * 2.0
        kinds = [f.kind for f in find(loss, parameters=net)]
        assert kinds == ["stale graph"]


class TestMadeAnew:
    def test_an_updated_number_among_the_parameters_is_reported(self):
        w = tg.Value(1.0, label="w")
        for _ in range(2):
            pass_of(w).backward()
            w = w - 0.1 * w.grad
        (finding,) = find(pass_of(w), parameters=[w])
        assert finding.says == "no longer a leaf: it was computed from w"
        assert finding.nodes == (w,)

    @pytest.mark.parametrize("traced", [True, False])
    @pytest.mark.parametrize("start", [1.0, np.array([1.0, 2.0])])
    def test_an_update_that_makes_a_node_is_reported(self, traced, start):
        with tg.traced() if traced else contextlib.nullcontext():
            w = tg.Value(start, label="w")
            for _ in range(3):
                pass_of(w).sum().backward()
                w -= 0.01 * w.grad
            loss = pass_of(w).sum()
        finding = find(loss, names={"w": w})[0]
        assert (finding.kind, finding.name, finding.nodes) == ("made anew", "w", (w,))
        assert finding.says == "no longer a leaf: it was computed from w"
        assert finding.why.endswith(". Update its data instead: w.data -= lr * w.grad")
        assert ("test_training.py:" in finding.why) == traced

    @pytest.mark.parametrize(
        "update", ["w = w - 0.1 * w.grad", "ws[0] -= 0.1 * ws[0].grad", "o.w += -0.1 * o.w.grad"]
    )
    def test_updates_written_in_other_ways_are_reported(self, tmp_path, update):
        import runpy

        path = tmp_path / "net.py"
        path.write_text(
            "import types, tinygrad_pool as tg\n"
            "w = tg.Value(2.0, label='w')\nws = [w]\no = types.SimpleNamespace(w=w)\n"
            f"(w * w).backward()\n{update}\nE = (w * w) + ws[0] * o.w\n"
        )
        with tg.traced():
            made = runpy.run_path(str(path))
        (finding,) = (f for f in find(made["E"], names=made) if f.kind == "made anew")
        assert f"at net.py:6: {update}" in finding.why

    def test_other_differences_are_not_reported(self):
        with tg.traced():
            w = tg.Value(2.0, label="w")
            (w * w).backward()
            d = w - 3.0
            E = d * d
        assert all(f.kind != "made anew" for f in find(E, names={"d": d, "w": w}))
        x = tg.Value([1.0, 2.0], label="x")
        (x * x).sum().backward()
        d = x - np.array([1.0, 1.0])
        F = (d * d).sum()
        assert all(f.kind != "made anew" for f in find(F, names={"d": d}))
        assert all(f.kind != "made anew" for f in find((x - np.zeros(2)).sum() + (3.0 - x[0])))

    @pytest.mark.parametrize("model", [lambda w: w, lambda w: np.eye(3) @ w])
    def test_the_error_of_a_fit_that_starts_at_0_is_not_reported(self, model):
        """Its gradient is a multiple of the target."""
        w = tg.Value(np.zeros(3), label="w")
        E = ((model(w) - np.array([1.0, 2.0, 5.0])) ** 2).mean()
        E.backward()
        assert find(E) == []


def test_sound_loops_have_no_findings():
    random.seed(0)
    net = tg.nn.MLP(2, [4, 1])
    for order in ("zero first", "zero last"):
        for _ in range(3):
            loss = sum((net([0.1 * i, 0.5]) - 0.2) ** 2 for i in range(8)) * 0.1
            if order == "zero first":
                net.zero_grad()
            loss.backward()
            for p in net.parameters():
                p.data -= 0.05 * p.grad
            if order == "zero last":
                net.zero_grad()
        kinds = {finding.kind for finding in tg.diagnose(loss, parameters=net).findings}
        assert not kinds & {"gradient left", "stale graph", "made anew"}
