"""The first update shows whether a loop goes downhill or uphill."""

import numpy as np
import pytest

import tinygrad_pool as tg

X = np.random.default_rng(0).normal(size=(8, 3))


def perceptron():
    nn = tg.nn
    return nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 1, rng=1))


def trained(update, after=False, steps=3):
    net = perceptron()
    run = tg.watch(net)
    for _ in range(steps):
        net.zero_grad()
        loss = ((net(X) - 1.0) ** 2).mean()
        loss.backward()
        if not after:
            run.step(loss)
        update(net)
        if after:
            run.step(loss)
    return run


def by_hand(lr):
    def update(net):
        for p in net.parameters():
            p.data = p.data - lr * p.grad

    return update


@pytest.mark.parametrize("after", [True, False])
def test_a_wrong_sign_is_reported(after):
    (note,) = trained(by_hand(-0.1), after).notes
    assert note.startswith(
        "the first update went uphill, along the gradient: subtract it, as in w.d"
    )
    assert note in str(run := trained(by_hand(-0.1), after))
    assert note in run._repr_html_()
    assert trained(by_hand(0.1), after).notes == []


def test_a_wrong_sign_replaces_the_advice_of_smaller_steps():
    run = trained(by_hand(-10.0), steps=20)
    assert run.events
    assert run.notes == []
    assert all("take smaller steps" not in event.why for event in run.events)
    assert any("uphill" in event.why for event in run.events)


def test_a_partly_uphill_update_is_not_reported():
    def both(net):
        by_hand(0.01)(net[0])
        by_hand(-0.1)(net[2])

    assert trained(both).notes == []


def test_random_updates_are_not_reported():
    rng = np.random.default_rng(1)

    def update(net):
        for p in net.parameters():
            p.data = p.data + 0.01 * rng.normal(size=p.shape)

    assert trained(update).notes == []


def test_a_loop_without_updates_has_no_direction():
    (note,) = trained(lambda _: None, steps=6).notes
    assert note.startswith("no update moved 0.weight, 0.bias, 2.weight, 2.bias, despite a gradient")


def test_a_wrong_sign_is_reported_for_scalars():
    w = tg.Value(2.0, label="w")
    run = tg.watch(w)
    for _ in range(3):
        w.zero_grad()
        loss = w * w
        loss.backward()
        run.step(loss)
        w.data += 0.1 * w.grad
    assert len(run.notes) == 1
