"""Parameters that no gradient reaches, and where the graph was cut."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_pool as tg


def find(loss, **options):
    return [(f.kind, f.severity, f.name) for f in tg.diagnose(loss, **options).findings]


@given(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
@settings(max_examples=60)
def test_exactly_the_parameters_without_a_gradient_are_reported(used, detached):
    w = [tg.Value(2.0 + i, label=f"w{i}") for i in range(6)]
    loss = tg.Value(1.0, label="x") * 1.0
    for i in used:
        loss = loss * (w[i].detach() if i in detached else w[i])
    findings = tg.diagnose(loss, parameters=w).findings
    unreached = {v.label for f in findings if f.kind == "not reached" for v in f.nodes}
    loss.backward()
    assert unreached == {v.label for v in w if not v.has_grad}
    assert unreached == {f"w{i}" for i in range(6) if i not in used or i in detached}


def test_a_closure_that_returns_none_is_named():
    def deaf(x):
        def deaf_backward(g):
            return (None,)

        return x * 2, deaf_backward

    a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    (finding,) = tg.diagnose(tg.lift(deaf)(a * 3.0) + b, parameters=[a, b]).findings
    assert (finding.kind, finding.severity, finding.name) == ("not reached", "no gradient", "a")
    assert finding.why == (
        "the closure of deaf#3 returns None for an operand: return its gradient instead"
    )


class TestCutOff:
    def test_a_detached_value_is_severe_if_a_parameter_is_missing(self):
        w, b = tg.Value(2.0, label="w"), tg.Value(1.0, label="b")
        loss = (w * 3.0).detach() * b
        assert find(loss, parameters=[w, b]) == [
            ("not reached", "no gradient", "w"),
            ("cut off", "no gradient", "detach#1"),
        ]
        unused, cut = tg.diagnose(loss, parameters=[w, b]).findings
        assert unused.why.endswith(
            "it is unused, was cut off where detach#1 was detached, or was turned into plain "
            "numbers, as by v.data"
        )
        assert "That is fine" not in cut.why

    def test_a_parameter_that_was_computed_without_a_graph_learns(self):
        with tg.no_grad():
            w = tg.Value(np.eye(2)) - 0.1  # such as an update, w = w - step
        b = (tg.Value([1.0, 2.0]) * 2.0).detach()
        assert find(((w @ [1.0, 2.0] + b) ** 2).sum(), parameters=[w, b]) == []

    def test_a_detached_value_may_be_intended_if_none_is_missing(self):
        w = tg.Value(2.0, label="w")
        loss = (w * 3.0).detach() * w
        assert find(loss, parameters=w) == [("cut off", "suspicious", "detach#1")]
        assert find(loss) == [("cut off", "no gradient", "detach#1")]  # parameters are not known
        fine = "That is fine for a target, a constant or the state of an earlier step. "
        assert fine in tg.diagnose(loss).findings[0].why

    def test_results_under_no_grad_may_be_inputs(self):
        w = tg.Value(2.0, label="w")
        with tg.no_grad():
            x = [tg.Value(3.0) * k for k in (1.0, 2.0)]
        (finding,) = tg.diagnose(w * x[0] + w * x[1]).findings
        assert (finding.severity, finding.name) == ("suspicious", "mul#1, mul#2")
        assert finding.says == "2 Values were computed under no_grad, then used in mul"
        assert "That is fine for a target or a constant. " in finding.why

    def test_the_user_is_named_where_its_layer_is_called_by_a_parameter(self):
        w = tg.Value(np.ones((3, 3)), label="w")
        with tg.no_grad():
            x = tg.Value(np.ones((2, 3))) * 2.0
        for used, names in ((x @ w, "matmul#2"), (x @ w + (x * 2.0) @ w, "mul#3, matmul#2")):
            (finding,) = tg.diagnose(used.sum(), parameters=w).findings
            assert finding.says == f"it was computed under no_grad, then used in {names}"

    def test_an_ordinary_graph_is_not_cut(self):
        assert find(tg.Value(2.0, label="w") * 3.0) == []

    def test_the_line_is_quoted(self):
        with tg.traced():
            loss = tg.Value(2.0, label="w").detach() * tg.Value(1.0, label="b")
        assert ": loss = tg.Value(2.0" in tg.diagnose(loss).findings[0].why


class TestNoGraph:
    @pytest.mark.parametrize(
        ("make", "how"),
        [
            (lambda w: w, "it is a leaf: it was not computed from other Values"),
            (lambda w: (w * 2.0).detach(), "it was detached"),
        ],
    )
    def test_a_loss_that_was_not_computed(self, make, how):
        diagnosis = tg.diagnose(make(tg.Value(1.0, label="w")))
        (finding,) = diagnosis.findings
        assert (finding.kind, finding.severity, finding.says) == ("no graph", "no gradient", how)
        assert diagnosis.layers == []
        assert "has no operands, so nothing flows back" in str(diagnosis)

    def test_a_loss_computed_under_no_grad(self):
        with tg.no_grad():
            loss = tg.Value(1.0, label="w") * 2.0
        assert tg.diagnose(loss).findings[0].says == "it was computed under no_grad"

    def test_a_loss_of_constants(self):
        (finding,) = tg.diagnose(tg.exp(2.0)).findings
        assert finding.says == "it does not depend on any leaf Value, so there is nothing to learn"
        cut = tg.diagnose(tg.Value(np.ones(2)).detach().sum()).findings
        assert [f.kind for f in cut] == ["cut off", "no graph"]


@pytest.mark.parametrize(
    ("take", "says"),
    [
        (lambda h: h[:, :2], "an index never takes 2 of 4 units (2, 3)"),
        (
            lambda h: h[np.arange(6), np.zeros(6, int)],
            "an index never takes 3 of 4 units (1, 2, 3)",
        ),
        (lambda h: h[:, :2] + h[:, 1:3], "an index never takes 1 of 4 units (3)"),
        (lambda h: h[:, :2] + h[:, 2:], None),
        (lambda h: h[np.arange(6), [0, 1, 2, 0, 1, 2]], None),
        (lambda h: h[:, :2].sum() + h.sum(), None),
        (lambda h: h[0], None),
        (lambda h: np.linalg.norm(h.reshape(3, 2, 4), 2, axis=(1, 2)), None),
        (lambda h: np.sort(h, axis=1)[:, 2:], None),
        (lambda h: np.cumsum(h, axis=1)[:, -1], None),
        (lambda h: sum(np.split(h, 2, axis=1)), None),
        (lambda h: sum(np.split(h.reshape(2, 3, 4) * 1.0, 2, axis=-1)), None),
        (lambda h: np.split(h, 2, axis=1)[0], "an index never takes 2 of 4 units (2, 3)"),
        (lambda h: h.reshape(3, 2, 4)[:, :, 2:], "an index never takes 2 of 4 units (0, 1)"),
        (lambda h: h.reshape(3, 8)[:, :4] + h.reshape(3, 8)[:, 4:], None),
        (lambda h: np.split(h, 2, axis=1)[0].sum() + h.reshape(3, 8).sum(), None),
    ],
)
def test_units_that_no_index_takes_are_reported(take, says):
    w, v = tg.Value(np.ones((3, 4)), label="w"), tg.Value(3.0, label="v")
    h = np.ones((6, 3)) @ w
    h.label = "h"
    findings = tg.diagnose((take(h) * v).sum(), parameters=[w, v]).findings
    reported = [f for f in findings if f.kind == "never taken"]
    assert [f.says for f in reported] == [says] * (says is not None)
    assert all(
        f.name == "h" and " them out: they get no gradient. Check" in f.why for f in reported
    )
    assert all((" leave them" in f.why) == ("1 of 4" in f.says) for f in reported)


def test_an_index_by_labels_in_a_loss_is_not_reported():
    w = tg.Value(np.ones((3, 4)), label="w")
    loss = tg.nn.cross_entropy(np.ones((6, 3)) @ w, [1] * 6)
    assert all(f.kind != "never taken" for f in tg.diagnose(loss, parameters=w).findings)


def test_a_parameter_that_only_weight_decay_reaches():
    w, u, v = (tg.Value(np.ones((3, 3)), label=name) for name in "wuv")
    error = ((np.ones((4, 3)) @ w) ** 2).mean()
    for decay in (lambda p: (p * p).sum(), lambda p: (p**2).sum(), lambda p: p.abs().sum()):
        loss = error + (decay(w) + decay(u) + np.linalg.norm(v)) * 1e-3
        (finding,) = tg.diagnose(loss, parameters=[w, u, v]).findings
        assert (finding.severity, finding.name) == ("no gradient", "u, v")
        assert finding.says == "nothing but weight decay reaches 2 of 3 parameters"
    assert (
        find((u * u).sum() + v.abs().sum(), parameters=[u, v]) == []
    )  # nothing else is in the loss
    assert find(error + (u * w).sum() + (u * u).sum(), parameters=[w, u]) == []
    for used in ((u * u).sum() ** 2, 2.0 / (u * u).sum(), (u * u).sum() * w.sum()):
        assert "not reached" not in {kind for kind, *_ in find(error + used, parameters=[w, u])}
    total = tg.Value(0.0)
    for p in [tg.Value(1.0, label=f"p{i}") for i in range(3000)]:
        total = total + p * p / 2.0
    found = find(error + total - 1.0, parameters=[w, p])
    assert ("not reached", "no gradient", "p2999") in found


class TestNotListed:
    def test_a_layer_that_the_parameters_do_not_include(self):
        net, made = tg.nn.Linear(2, 3), tg.nn.Linear(3, 1)
        loss = made(net(np.ones((5, 2)))).sum()
        (finding,) = [f for f in tg.diagnose(loss, parameters=net).findings if f.kind == "unlisted"]
        assert finding.severity == "suspicious"
        assert finding.nodes == (made.weight,)
        assert finding.says == "1 weight of the loss is not among the parameters given"
        for parameters in ([net, made], None):
            found = tg.diagnose(loss, parameters=parameters).findings
            assert "unlisted" not in [f.kind for f in found]

    def test_a_neuron_of_scalars(self):
        w, v = tg.Value(1.0, label="w"), [tg.Value(2.0, label="v0"), tg.Value(3.0, label="v1")]
        loss = tg.weighted_sum(v, [w * 1.0, w * 2.0], tg.Value(1.0))
        (finding,) = [f for f in tg.diagnose(loss, parameters=w).findings if f.kind == "unlisted"]
        assert finding.name == "v0, v1"
        assert finding.says.startswith("2 weights of the loss are not among")

    def test_inputs_that_are_values(self):
        w, x = tg.Value(np.ones((3, 4)), label="w"), tg.Value(np.ones((4, 5)))
        u, attends = tg.Value(1.0, label="u"), tg.nn.Linear(5, 5, rng=0)
        for y, parameters in (
            (w @ x, w),
            (w @ x[:, 0], [w]),
            (tg.softmax(attends(x) @ x.T) @ x, attends),
            (tg.weighted_sum([tg.Value(2.0), tg.Value(3.0)], [u, u], 1.0), u),
        ):
            found = tg.diagnose(y.sum(), parameters=parameters).findings
            assert "unlisted" not in [f.kind for f in found]

    def test_data_beside_weights_on_the_left_and_added_numbers(self):
        w, x = tg.Value(np.ones((3, 5)), label="w"), tg.Value(np.ones((5, 4)))
        y = (tg.Value(np.ones((2, 3)), label="v") @ (w @ x).relu()) + tg.Value(np.ones((2, 4)))
        found = tg.diagnose(y.sum(), parameters=w).findings
        assert "unlisted" not in [f.kind for f in found]


@pytest.mark.parametrize(
    ("loss", "severity"),
    [
        (lambda y, t: ((y - t.detach()) ** 2).mean(), "suspicious"),
        (lambda y, t: tg.abs(t.detach() - y).mean(), "suspicious"),
        (lambda y, t: (t.detach() * y).sum(), "no gradient"),
        (lambda y, t: (y**2).mean() + ((t.detach() - 1.0) ** 2).mean(), "no gradient"),
        (lambda y, t: (t.detach() @ tg.Value(np.ones((2, 2)), label="v") - y).sum(), "no gradient"),
    ],
)
def test_what_is_detached_may_be_a_target(loss, severity):
    x, w, u = np.ones((5, 3)), tg.Value(np.ones((3, 2)), label="w"), tg.Value(np.ones((3, 2)))
    (found,) = [f for f in tg.diagnose(loss(x @ w, x @ u)).findings if f.kind == "cut off"]
    assert found.severity == severity
    found = tg.diagnose(loss(x @ w, x @ u), parameters=u).findings[0]
    assert found.severity == "no gradient"
