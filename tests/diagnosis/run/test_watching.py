"""Watched training runs: norms, events and recordings of every kind of loop."""

import csv
import gc
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import DataError, GraphError, OptionError, OutputError

X = np.random.default_rng(0).normal(size=(8, 3))


def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


def loss_of(w):
    return (tg.tanh(X @ w) - 1.0).sum() ** 2 * 1e-3


def by_hand_in_place(ps):
    for p in ps:
        p.data -= 0.1 * p.grad


def by_hand_anew(ps):
    for p in ps:
        p.data = p.data - 0.1 * p.grad


def through_a_view(ps):
    for p in ps:
        p.data[...] -= 0.1 * p.grad


def by(kind):
    def update(ps):
        optimizer = kind(ps, lr=0.1)
        return lambda _: optimizer.step()

    return update


UPDATES = {
    "in place": lambda _: by_hand_in_place,
    "anew": lambda _: by_hand_anew,
    "view": lambda _: through_a_view,
    "SGD": by(tg.optim.SGD),
    "Adam": by(tg.optim.Adam),
}


@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("way", UPDATES)
def test_norms_are_right_for_every_kind_of_loop(way, after, zero):
    w = Value(np.full((3, 2), 0.1), label="w")
    run, update = tg.watch([w]), UPDATES[way]([w])
    weights, gradients = [w.data.copy()], []
    for _ in range(4):
        if zero:
            w.zero_grad()
        E = loss_of(w)
        E.backward()
        gradients.append(w.grad.copy())
        if after:
            update([w])
            run.step(E)
        else:
            run.step(E)
            update([w])
        weights.append(w.data.copy())
    history = run.history
    assert history["step"].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(history["gradient"][:, 0], [rms(g) for g in gradients])
    moves = [rms(b - a) for a, b in pairwise(weights)]
    np.testing.assert_allclose(history["update"][:, 0], moves, rtol=1e-6)
    shown = weights[1:] if after else weights[:-1]
    np.testing.assert_allclose(history["weight"][:, 0], [rms(x) for x in shown])
    assert run.events == []


def test_an_update_to_come_is_not_known():
    w = Value(np.ones((3, 2)), label="w")
    run = tg.watch(w)
    E = loss_of(w)
    E.backward()
    run.step(E)
    assert np.isnan(run.history["update"]).all()
    w.data -= w.grad
    assert run.history["update"][0, 0] == pytest.approx(rms(w.grad))


def test_networks_of_scalars_are_watched_by_layer():
    net = tg.nn.MLP(2, [3, 1])
    run, optimizer = tg.watch(net), tg.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        E = net([1.0, -2.0]) ** 2 + sum(p * p for p in net.parameters())
        E.backward()
        run.step(E)
        last = np.array([p.grad for p in net.layers[0].neurons for p in (*p.w, p.b)])
        optimizer.step()
    assert run.names == ["layers.0", "layers.1"]
    assert run.history["gradient"][1, 0] == pytest.approx(rms(last))
    assert run.history["update"][1, 0] == pytest.approx(0.1 * rms(last))


class Growing(tg.nn.Module):
    def __init__(self):
        self.parts = [tg.nn.Linear(3, 3, rng=0)]

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


def trained(net, run, steps, change=lambda _: None):
    for i in range(steps):
        change(i)
        net.zero_grad()
        E = (net(X) ** 2).mean()
        E.backward()
        run.step(E)
        by_hand_in_place(net.parameters())


def test_parameters_that_are_added_later_are_found():
    net = Growing()
    run = tg.watch(net)
    trained(net, run, 40, lambda i: i == 10 and net.parts.append(tg.nn.Linear(3, 3, rng=1)))
    assert run.names[-1] == "parts.1.bias"
    known = np.isfinite(run.history["update"][:, -1])
    assert not known[:10].any()
    assert known[28:].all()


def test_a_parameter_that_is_replaced_is_found_at_once():
    net = tg.nn.Linear(3, 2, rng=0)
    run = tg.watch(net)
    seen = []

    def change(_):
        net.weight = Value(net.weight.data * 1.01)
        seen.append(rms(net.weight.data))

    trained(net, run, 6, change)
    np.testing.assert_allclose(run.history["weight"][:, 0], seen)
    assert run.history["gradient"][:, 0].min() > 0


def test_a_parameter_replaced_by_another_shape_has_no_update():
    net = {"w": Value(np.ones(2))}
    run = tg.watch(net)
    for i in range(5):
        if i == 3:
            net["w"] = Value(np.ones(4))
        E = (net["w"] ** 2).sum()
        net["w"].zero_grad()
        E.backward()
        run.step(E)
        net["w"].data -= 0.1 * net["w"].grad
    assert np.isnan(run.history["update"][:, 0]).tolist() == [False, False, True, False, False]


def test_a_frozen_parameter_has_no_update_and_an_unused_one_no_gradient():
    net = tg.nn.Sequential(tg.nn.Linear(3, 2, rng=0), tg.nn.Linear(2, 1, rng=1))
    apart = Value(np.ones(2), label="apart")
    run, optimizer = tg.watch([net, apart]), tg.optim.SGD(net[1].parameters(), lr=0.1)
    for _ in range(3):
        net.zero_grad()
        E = (net(X) ** 2).mean()
        E.backward()
        run.step(E)
        optimizer.step()
    at = dict(zip(run.names, run.history["update"].T, strict=True))
    assert at["0.weight"].tolist() == at["apart"].tolist() == [0.0] * 3
    assert (at["1.weight"] > 0).all()
    assert np.isnan(run.history["gradient"][:, run.names.index("apart")]).all()
    assert run.events == []
    assert str(run).splitlines()[-1].split()[:3] == ["apart", "2", "–"]


def test_a_shared_parameter_is_watched_once():
    net = tg.nn.Sequential(tg.nn.Linear(3, 3, rng=0), tg.nn.Linear(3, 3, rng=0))
    net[1].weight = net[0].weight
    run = tg.watch(net)
    trained(net, run, 2)
    assert run.names == ["0.weight", "0.bias", "1.bias"]


def died_at(step, kind):
    """Train W1 and W2 for some steps, then let something go wrong."""
    W1, W2 = (Value(np.full((3, 3), x), label=n) for x, n in ((0.3, "W1"), (0.2, "W2")))
    run = tg.watch([W1, W2])
    for i in range(step + 3):
        h = tg.relu(np.abs(X) @ W1)
        y = h @ W2
        if i == step:
            y = y * 0 + tg.log(y - y) if kind == "NaN" else y * 1e308 * 10
        E = y.mean()
        E.label = "E"
        W1.zero_grad(), W2.zero_grad()
        E.backward()
        if (bad := run.step(E)) is not None:
            return run, bad
        by_hand_in_place([W1, W2])
    return run, None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", ["NaN", "infinite"])
def test_the_step_at_which_a_run_fails_is_recorded(kind):
    run, bad = died_at(20, kind)
    assert (bad.step, bad.kind) == (20, kind)
    assert bad.recording is run.recordings[20]
    assert sorted(run.recordings) == [0, 20]
    assert " in the forward pass: " in bad.why or "overflows float64" in bad.why
    assert f"step 20: the {bad.what}" in str(run)
    assert str(bad.recording.why("W1")) == bad.why or bad.name == ""


def test_dead_relus_are_explained_by_a_diagnosis():
    net = tg.nn.Sequential(tg.nn.Linear(3, 4, rng=0), tg.nn.ReLU(), tg.nn.Linear(4, 1, rng=1))
    run = tg.watch(net)

    def change(i):
        if i == 5:
            net[0].bias.data -= 100.0

    trained(net, run, 8, change)
    (event,) = run.events
    assert event.says == "step 5: the gradient of 0.weight, and of 2 others, has vanished: 0"
    assert "the relu is off" in event.why


def test_a_gradient_that_was_clipped_to_0_is_named():
    w = Value([3.0, 4.0], label="w")
    run, loss = tg.watch(w), (w * w).sum()
    loss.backward()
    tg.optim.clip_grad_norm_([w], 0.0)
    assert run.step(loss).why == (
        "backward() computed a gradient of 7.071, but it was changed later: check how gradients "
        "are clipped or scaled"
    )


@pytest.mark.parametrize(
    ("weight", "lr", "count"), [(1.0, 10.0, 1), (1.0, 1e-3, 0), (0.0, 10.0, 0)]
)
def test_an_update_larger_than_the_weights_is_reported(weight, lr, count):
    w = Value(np.full(2, weight), label="w")
    run = tg.watch(w)
    for i in range(2):
        w.zero_grad()
        E = (w * (2.0 if i == 0 else 1e9)).sum()
        E.backward()
        bad = run.step(E)
        w.data = w.data - lr * w.grad
    advice = "\nupdate 0 was 20 times as large as the weights: take smaller steps"
    assert bad.why.count(advice) == count


def test_of_several_large_updates_the_first_is_reported():
    w = Value(np.ones(2), label="w")
    run = tg.watch(w)
    for lr, slope in ((0.1, 1.0), (30.0, 1.0), (30.0, 10.0), (0.1, 1e9)):
        w.zero_grad()
        E = (w * slope).sum()
        E.backward()
        bad = run.step(E)
        w.data = w.data - lr * w.grad
    assert "\nupdate 1 was 33.3 times as large as the weights" in bad.why


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_not_finite_is_explained_by_a_diagnosis():
    w = Value(np.ones(3), label="w")
    run = tg.watch(w)
    E = (w * np.array([2.0, 0.0, 1.0])).log()
    E.label = "E"
    E.backward(np.ones(3))
    run.step(E)
    event = next(e for e in run.events if e.what == "loss")
    assert event.why.startswith(
        "wrong numbers: E: E is 0.6931 −inf 0, and the gradients of 1 of 1 "
    )
    assert "\nE[1] made −inf in the forward pass: log of mul#1[1] = 0. Keep its" in event.why


def test_vanishing_and_exploding_gradients_are_found():
    for slope, kind, name in ((1e-3, "vanished", "W0"), (1e2, "exploded", "W0")):
        W = [Value(np.eye(3) * slope, label=f"W{i}") for i in range(5)]
        run, h = tg.watch(W), X
        for w in W:
            h = h @ w
        E = h.sum()
        E.backward()
        bad = run.step(E)
        assert (bad.kind, bad.what, bad.step) == (kind, "gradient", 0)
        assert bad.name in (name, "W4")
        assert f"grad of {bad.name}" in bad.why


@pytest.mark.parametrize("recorded", [(), (0,)])
def test_a_bias_before_a_norm_does_not_hide_a_gradient_that_vanishes_later(recorded):
    w, b, v = (
        Value(np.full(2, start), label=label)
        for start, label in ((0.3, "w"), (0.7, "b"), (1.0, "v"))
    )
    run = tg.watch([w, b, v], recorded=recorded)
    for step in range(6):
        h = X[:, :2] * w + b
        normed = (h - h.mean(axis=0)) * v
        E = ((normed.relu() if step < 2 else (normed - 50.0).relu()) ** 2).mean() + v.sum()
        for p in (w, b, v):
            p.zero_grad()
        E.backward()
        run.step(E)
    assert [(event.step, event.name, event.others) for event in run.events] == [(2, "w", 0)]
    assert [*run.recordings] == [*recorded, 2]
    unmoved, note = run.notes
    assert unmoved.startswith("no update moved w, v, despite a gradient")
    assert note.startswith("the contributions to b cancel: either it is at a minimum")
    assert note in str(run)


def test_gradients_that_all_cancel_are_an_event():
    w = Value(X[0], label="w")
    E = tg.softmax(w).sum() * 0.7
    E.backward()
    run = tg.watch([w])
    assert run.step(E).kind == "vanished"


@pytest.mark.parametrize("way", ["in place", "before"])
def test_a_bias_before_a_norm_is_an_event_if_the_pass_cannot_be_recorded(way):
    w, b = Value(X[0], label="w"), Value(0.7, label="b")
    h = X * w + b
    E = ((h - h.mean()) ** 2).sum()
    E.backward()
    run = tg.watch([w, b])
    if way == "in place":
        w.data -= 0.1
    event = run.step(E)
    assert (event and event.name) == ("b" if way == "in place" else None)


def test_each_kind_is_reported_once():
    w = Value(np.ones(2), label="w")
    run = tg.watch(w, explode=0.5, recorded=())
    for _ in range(3):
        w.zero_grad()
        E = (w * 3.0).sum()
        E.backward()
        run.step(E)
    assert [(event.step, event.kind) for event in run.events] == [(0, "exploded")]
    assert sorted(run.recordings) == [0]


@pytest.mark.parametrize("after", [True, False])
def test_an_exploding_weight_is_explained_by_its_update(after):
    w, v = Value(np.ones(2), label="w"), Value(np.ones(2), label="v")
    run = tg.watch([w, v])
    for i in range(3):
        E = ((w + v) * 3.0).sum()
        w.zero_grad(), v.zero_grad()
        E.backward()
        if not after:
            run.step(E)
        w.data = w.data - (1e6 if i == 1 else 0.1) * w.grad
        if after:
            run.step(E)
    (event,) = run.events
    assert event.says == f"step {1 if after else 2}: the weight of w has exploded: 3e+06"
    assert event.why == (
        "update 1 caused it: |weight| was 0.7, |gradient| 3, |update| 3e+06. Take smaller steps"
    )
    assert str(event.recording.why("v")).startswith("grad of v[0] is 3")


def test_weights_that_are_bad_when_first_measured():
    w = Value(np.full(2, 1e6), label="w")
    run = tg.watch(w, explode=1e5)
    E = w.sum()
    E.backward()
    why = "it was like that when first measured: check its initial data"
    assert run.step(E).why == why
    net = {"w": Value(np.ones(2))}
    run = tg.watch(net)
    for i in range(20):
        E = (sum(net.values()) * 2.0).sum()
        for p in net.values():
            p.zero_grad()
        E.backward()
        run.step(E)
        if i == 3:
            net["b"] = Value(np.full(2, 1e6))
    bad = next(event for event in run.events if event.what == "weight")
    assert (bad.name, bad.why) == ("b", why)


def test_missing_gradients_are_reported():
    w = Value(np.ones(2), label="w")
    run = tg.watch(w)
    E = (w * 3.0).sum()
    E.backward()
    w.zero_grad()
    bad = run.step(E)
    assert bad.says == "step 0: the gradient is missing"
    assert "zero_grad() was called" in bad.why


def test_after_an_update_in_place_the_pass_is_not_recorded():
    w = Value(np.ones(2), label="w")
    run = tg.watch(w, vanish=10.0)
    E = (w * 3.0).sum()
    E.backward()
    by_hand_in_place([w])
    bad = run.step(E)
    assert bad.recording is None
    assert bad.why.startswith("not recorded, call step(loss) before the update: ")
    with pytest.raises(OptionError, match=r"step 0 was not recorded; recorded steps: none\. watch"):
        run.compare(0, 0)


def test_the_pass_of_an_array_is_recorded_with_its_gradient():
    w = Value(np.ones(2), label="w")
    run = tg.watch(w)
    y = w * 3.0
    y.backward(gradient=np.array([1.0, 5.0]))
    run.step(y)
    assert run.history["loss"].tolist() == [3.0]
    assert run.recordings[0].gradients[w].tolist() == [3.0, 15.0]


def test_a_loss_with_one_element_is_watched():
    w = Value([2.0], label="w")
    run = tg.watch(w)
    y = w * 3.0
    y.backward(gradient=[1.0])
    run.step(y)
    assert run.history["loss"].tolist() == [6.0]


def test_infinities_are_watched_without_a_warning():
    w = Value(np.array([np.inf, -np.inf]), label="w")
    run = tg.watch(w)
    for factor in (1.0, 2.0):
        y = w * factor
        y.backward(gradient=np.ones(2))
        assert (run.step(y) is None) == (factor == 2.0)
        w.data = w.data - 1.0
    assert np.isnan(run.history["loss"]).all()
    assert np.isnan(run.history["update"]).all()
    assert run.events[0].says == "step 0: the loss is NaN"


def test_two_steps_of_training_are_compared():
    net = tg.nn.Linear(3, 1, rng=0)
    run = tg.watch(net, recorded=(0, 3))
    trained(net, run, 5)
    found = run.compare(0, 3)
    rows = {row.name: row for row in found.rows}
    np.testing.assert_array_equal(rows["weight"].after, run.recordings[3].data_of(net.weight))
    assert rows["weight"].change > 0
    assert " nodes compared: " in found.table().title
    with pytest.raises(OptionError, match=r"step 4 was not recorded; recorded steps: 0, 3\. watch"):
        run.compare(0, 4)


@pytest.mark.long
def test_memory_stays_flat_over_2000_steps():
    net = tg.nn.Linear(3, 1, rng=0)
    run = tg.watch(net, points=100, vanish=0)
    trained(net, run, 300)
    tracemalloc.start()
    trained(net, run, 100)
    lived = []
    for more in (0, 800, 800):
        trained(net, run, more)
        gc.collect()
        lived.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert run.steps == 2000
    assert 50 <= len(run.history["step"]) <= 102
    assert min(np.diff(lived)) < 10_000  # other threads of the process may allocate once


def test_the_csv_has_a_line_for_each_step_and_parameter(tmp_path):
    net = tg.nn.Linear(3, 1, rng=0)
    apart = Value(np.ones(2), label="apart")
    run = tg.watch([net, apart])
    trained(net, run, 3)
    lines = run.to_csv(tmp_path / "run.csv").read_text("utf-8").splitlines()
    rows = list(csv.DictReader(lines))
    assert [row["parameter"] for row in rows] == ["weight", "bias", "apart"] * 3
    assert float(rows[3]["gradient"]) == run.history["gradient"][1, 0]
    assert rows[2]["gradient"] == ""
    assert rows[2]["update"] == "0.0"
    with pytest.raises(OutputError, match="does not exist"):
        run.to_csv(tmp_path / "missing" / "run.csv")


def test_a_notebook_shows_a_table():
    w = Value(np.ones(2), label="<w>")
    run = tg.watch(w)
    E = (w * 0.0).sum()
    E.backward()
    run.step(E)
    shown = run._repr_html_()
    assert "<td>&lt;w&gt;</td>" in shown
    assert "has vanished: 0" in shown
    assert repr(run) == str(run)


def test_a_generator_of_parameters_is_read_once():
    net = tg.nn.Linear(3, 1, rng=0)
    run = tg.watch(p for p in net.parameters())
    trained(net, run, 20)
    assert run.names == ["weight", "bias"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"vanish": -1}, "watch: vanish must be a number of at least 0, got -1"),
        ({"explode": "big"}, "watch: explode must be a number of at least 0, got 'big'"),
        ({"explode": np.nan}, "watch: explode must be a number of at least 0, got nan"),
        ({"points": 1}, "watch: points must be at least 2, got 1"),
        ({"points": 2.5}, "watch: points must be an integer, got 2.5"),
        ({"recorded": 5}, "watch: recorded must be a collection of steps, got 5"),
        ({"recorded": "all"}, "watch: recorded must be a collection of steps, got 'all'"),
    ],
)
def test_options_are_checked(options, says):
    with pytest.raises(OptionError) as caught:
        tg.watch(Value(1.0), **options)
    assert str(caught.value) == says


def test_step_needs_a_loss_after_its_backward_pass():
    run = tg.watch(Value(1.0, label="w"))
    with pytest.raises(DataError, match="watch: step: needs the loss, a Value, got float"):
        run.step(3.0)
    E = Value(1.0) * 2.0
    E.label = "E"
    with pytest.raises(GraphError, match=r"the mul node 'E' has no gradient yet; call step"):
        run.step(E)
    assert run.steps == 0


@pytest.mark.peer
def test_norms_equal_those_of_pytorch_in_a_loop_by_hand(peer):
    torch = peer("torch")
    torch.manual_seed(0)
    layers = torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)
    theirs = torch.nn.Sequential(*layers).double()
    ours = {name: Value(t.numpy().copy()) for name, t in theirs.state_dict().items()}
    X, t = np.random.default_rng(0).normal(size=(2, 20, 3))
    t = t[:, :1]
    run = tg.watch(ours)
    norms = []
    for _ in range(12):
        hidden = tg.tanh(X @ ours["0.weight"].T + ours["0.bias"])
        E = tg.nn.mse_loss(hidden @ ours["2.weight"].T + ours["2.bias"], t)
        E.backward()
        run.step(E)
        for w in ours.values():
            w.data = w.data - 0.1 * w.grad
            w.zero_grad()
        theirs.zero_grad()
        torch.nn.functional.mse_loss(theirs(torch.tensor(X)), torch.tensor(t)).backward()
        with torch.no_grad():
            for p in theirs.parameters():
                p.sub_(0.1 * p.grad)
        norms.append([float(p.grad.norm()) / p.numel() ** 0.5 for p in theirs.parameters()])
    assert run.names == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert run.events == []
    assert run.history["gradient"] == pytest.approx(np.array(norms), rel=1e-9)
    assert np.all(run.history["update"] == pytest.approx(0.1 * np.array(norms), rel=1e-9))


@pytest.mark.parametrize("watched", [[], {}, tg.nn.ReLU()])
def test_watching_nothing_fails_in_the_first_step(watched):
    run = tg.watch(watched)
    E = Value(2.0) * 3.0
    E.backward()
    with pytest.raises(GraphError, match="parameter that is watched: there is none; watch those"):
        run.step(E)


def test_a_loss_without_watched_parameters_is_rejected():
    v, w = Value(1.0, label="v"), Value(np.ones(2), label="w")
    run = tg.watch([v, w])
    E = Value(2.0) * 3.0
    E.backward()
    with pytest.raises(GraphError, match="depends on no parameter that is watched: v, w; watch"):
        run.step(E)
    assert run.steps == 0
