"""The main job, end to end, on a network that has seen one epoch."""

import numpy as np
import pytest

from tinygrad_pool import datasets
from tinygrad_pool.cli.demo import (
    DigitsNet,
    accuracy,
    busiest_unit,
    files_of,
    hardest,
    look_inside,
    train,
)
from tinygrad_pool.drawing.fields import LEGEND


@pytest.fixture(scope="module")
def trained():
    net = DigitsNet(seed=0)
    *_, progress = train(net, epochs=1, seed=0)
    return net, progress


@pytest.fixture(scope="module")
def unit(trained):
    net, _ = trained
    _, (x, labels) = datasets.digits()
    i = hardest(net, x, labels)
    return busiest_unit(net, look_inside(net, x[i], int(labels[i])))


def test_one_epoch_already_learns(trained):
    net, progress = trained
    _, (x, labels) = datasets.digits()
    assert progress.share == 1.0
    assert progress.accuracies == [accuracy(net, x, labels)]
    assert progress.accuracies[0] > 0.6


def test_the_same_seed_trains_the_same_network():
    first, second = DigitsNet(3), DigitsNet(3)
    for net in (first, second):
        list(train(net, epochs=1, seed=3, batch=400))
    assert all(
        np.array_equal(p.data, q.data)
        for p, q in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_the_hardest_image_has_the_largest_loss(trained):
    net, _ = trained
    _, (x, labels) = datasets.digits()
    losses = [look_inside(net, x[i], int(labels[i])).loss.item() for i in range(40)]
    assert hardest(net, x[:40], labels[:40]) == int(np.argmax(losses))


def test_delta_by_the_zero_one_weights_is_equal_bit_for_bit(unit):
    inside = unit.inside
    assert np.array_equal(inside.deltas, inside.by_weights)
    assert 0 < np.count_nonzero(inside.deltas) <= inside.pooled_deltas.size


def test_the_whole_delta_of_the_unit_goes_to_its_winner(unit):
    z, deltas = unit.window(unit.inside.z), unit.window(unit.inside.deltas)
    delta2 = unit.inside.pooled_deltas[unit.channel, unit.row, unit.column]
    assert np.array_equal(deltas, np.where(np.arange(4) == z.argmax(), delta2, 0))
    assert delta2 != 0


def test_the_scalar_units_agree_with_the_network(unit):
    z = [v.data for v in unit.units.units]
    deltas = [v.parents[0].grad for v in unit.units.units]
    assert z == pytest.approx(unit.window(unit.inside.z), rel=1e-5, abs=1e-6)
    assert deltas == pytest.approx(unit.window(unit.inside.deltas), rel=1e-6)


@pytest.mark.long
def test_its_window_holds_four_different_numbers_above_0(unit):
    z = unit.window(unit.inside.z)
    assert z.min() > 0
    assert len(set(z.tolist())) == 4


def test_every_picture_is_drawn(trained, unit):
    net, progress = trained
    files = {file.name: file.content for file in files_of(net, progress, unit)}
    assert list(files) == [
        *("F1.svg", "F2.svg", "F3.svg", "F4.svg", "graph.svg", "graph.png", "graph.html"),
        *("loss.svg", "weights.npz"),
    ]
    assert all(b"<svg" in content for name, content in files.items() if name.endswith(".svg"))
    assert "max pool2d 2×2".encode() in files["graph.svg"]
    wide, high = (int.from_bytes(files["graph.png"][k : k + 4], "big") for k in (16, 20))
    assert max(wide / 1920, high / 1080) == 1  # it fills a slide
    assert LEGEND.encode() in files["F2.svg"]
    assert files["F1.svg"] != files["F4.svg"]
