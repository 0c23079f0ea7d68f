"""The story of a page: arrays, poolings, detached operands, folded graphs."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.folding import folded
from tinygrad_pool.recording.player.stage import stage_of
from tinygrad_pool.recording.player.story import Story, grid_of


def story_of(loss, gradient=None):
    passed = tg.record(loss, gradient)
    return Story(passed, stage_of(passed, "LR")).to_json()


def test_small_arrays_are_written_out_and_large_ones_by_their_range():
    x = Value(np.arange(4.0).reshape(2, 2), label="x")
    small = story_of((x * x).sum())
    assert small["boxes"][0]["data"] == "0 1; 2 3"
    assert [s["says"] for s in small["moves"][1]["sends"]] == ["0 1; 2 3, of shape 2 × 2"] * 2
    assert "cells" not in small["boxes"][0]
    large = story_of((Value(np.arange(9.0), label="x") * 2.0).sum())
    assert large["moves"][1]["sends"][0]["says"] == "(9,) all 2"
    assert large["boxes"][0]["format"] == (1, 1, 9)


def test_a_rule_that_sends_nothing_is_explained():
    def stop(x, w):
        return x * w, lambda g: (g * w, None)

    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    sends = story_of(tg.lift(stop)(a, b))["moves"][0]["sends"]
    assert [sent["says"] for sent in sends] == ["g · ∂stop/∂a = 1 · 3 = 3", "nothing"]
    assert "size" not in sends[1]


def test_constants_and_empty_arrays_have_a_story():
    x = Value(np.zeros((0, 3)), label="x")
    empty = story_of(x * 2.0, np.zeros((0, 3)))
    assert empty["boxes"][0]["data"] == "(0, 3) empty"
    assert "format" not in empty["boxes"][0]
    (sent,) = empty["moves"][0]["sends"]
    assert (sent["short"], "size" in sent) == ("0", False)
    assert empty["boxes"][0]["because"] == ["it has no elements"]


@pytest.mark.parametrize(
    "pool",
    [
        lambda: tg.max_pool3d(Value(np.zeros((2, 2, 2))), 2),
        lambda: tg.max_pool1d(Value(np.zeros(13)), 2),
        lambda: tg.max_pool1d(Value(np.zeros((0, 4))), 2),
        lambda: Value(2.0).exp(),
        lambda: tg.maximum(1.0, Value(2.0)),
    ],
)
def test_only_planes_of_a_pooling_have_a_grid(pool):
    y = pool()
    (step,) = tg.record(y, np.ones(y.shape))
    assert grid_of(step) is None


def test_the_plane_with_the_largest_gradient_is_shown():
    x = Value(np.arange(24.0).reshape(2, 1, 12), label="x")
    y = tg.max_pool1d(x, 2, stride=6)
    (step,) = tg.record(y, [[[0.0, 1.0]], [[-3.0, 0.5]]])
    grid = grid_of(step)
    assert grid["plane"] == "plane 1, 0 of 2 × 1"
    assert grid["arrived"] == [["−3", "0.5"]]
    assert grid["units"] == [["13", "19"]]
    assert grid["landed"] == [["0", "−3", *["0"] * 5, "0.5", *["0"] * 4]]
    assert grid["windows"] == [[[0, "0"], [1, "1"]], [[6, "0"], [7, "1"]]]
    assert not grid["weighs"]
    assert grid["rims"] == ((0, 0), (0, 0))


def test_an_average_weighs_its_cells():
    (step,) = tg.record(tg.avg_pool1d(Value([1.0, 3.0]), 2), [1.0])
    grid = grid_of(step)
    assert grid["weighs"]
    assert grid["windows"] == [[[0, "0.5"], [1, "0.5"]]]


def test_sizes_compare_with_the_largest_of_the_pass():
    a = Value(1.0, label="a")
    sizes = {c["lines"][0]: c["size"] for m in story_of(a * -4.0)["moves"] for c in m["changes"]}
    assert sizes == {"1": 0.5, "−4": -1.0}
    tiny = story_of(a * 1e-9)["moves"][0]
    assert [tiny["changes"][1]["size"], tiny["sends"][0]["size"]] == [0.001, 0.001]  # and not 0
    zero = story_of(a * 0.0, 0.0)
    assert {c["size"] for m in zero["moves"] for c in m["changes"]} == {0.0}


def test_a_folded_graph_makes_one_move_of_all_steps_of_a_box():
    w = Value(0.5, label="v")
    with tg.scope("first"):
        xs = [(w * float(i)).tanh() for i in range(400)]
    with tg.scope("second"):
        loss = tg.weighted_sum(xs, [1.0] * 400) * 2.0
        for _ in range(300):
            loss = loss + 1.0
    page = story_of(loss)
    names = [box["name"] for box in page["boxes"]]
    assert "first" in names
    assert "second" in names
    assert page["start"] == []
    moves = {names[move["box"]]: move for move in page["moves"]}
    assert [names[m["box"]] for m in page["moves"]][-1] == "first"
    (sent,) = moves["first"]["sends"]
    assert names[sent["to"]] == "v"
    assert sent["says"].startswith("at most ")


@pytest.mark.slow
def test_hundreds_of_nodes_are_described_briefly():
    x = v = Value(0.5, label="v")
    for _ in range(160):
        x = (x * v).tanh()
    page = story_of(x)
    assert len(page["boxes"]) == 321
    assert page["boxes"][0]["because"] == []
    (sent,) = page["moves"][0]["sends"]
    assert sent.keys() == {"edge", "to", "says", "size"}


def test_nan_has_no_sign_and_infinity_has():
    a = Value(0.0, label="a")
    with np.errstate(all="ignore"):
        page = story_of(a.log() * a + -a.sqrt())
    sizes = {c["lines"][0]: c["size"] for m in page["moves"] for c in m["changes"]}
    assert sizes["nan"] is None
    assert sizes["−inf"] == -1.0


def test_a_long_name_is_cut_as_in_pictures():
    page = story_of(Value(1.0, label="x" * 200) * 2.0)
    assert page["boxes"][0]["name"] == "x" * 39 + "…"


def test_a_folded_box_shows_its_gradient_once_it_is_complete():
    w = Value(0.5, label="v")
    with tg.scope("first"):
        xs = [(w * float(i)).tanh() for i in range(400)]
    with tg.scope("second"):
        ys = [x * w for x in xs]
    page = story_of(tg.weighted_sum(ys, [1.0] * 400))
    names = [box["name"] for box in page["boxes"]]
    sent = [[names[s["to"]] for s in move["sends"]] for move in page["moves"]]
    shown = [[names[c["box"]] for c in move["changes"]] for move in page["moves"]]
    assert sum("v" in to for to in sent) == 2
    assert [("v" in changed) for changed in shown] == [False, False, True]


def test_nan_is_the_largest_contribution_of_an_edge():
    w = Value(0.0, label="w")
    with np.errstate(all="ignore"):
        roots = [(w * float(i)).sqrt() * 0.0 for i in range(400)]
        page = story_of(tg.weighted_sum(roots, [1.0] * 400))
    assert None in [sent["size"] for move in page["moves"] for sent in move["sends"]]


def test_a_folded_loop_is_one_move_and_an_unfolded_graph_has_a_move_per_step(
    monkeypatch,
):
    def turns(n):
        y = Value(0.5)
        for i in range(n):
            y = y * 0.5 if i % 2 else y.tanh()
        return story_of(y)

    loop = turns(1_000)
    assert [move["says"] for move in loop["moves"]] == ["loop ×499: 999 steps", "tanh: 1 step"]
    assert len(loop["boxes"]) == 3
    monkeypatch.setattr("tinygrad_pool.recording.player.stage.UNFOLDED", 10)
    monkeypatch.setattr(
        "tinygrad_pool.recording.player.stage.folded",
        lambda nodes, called: folded(nodes, "forms", called),
    )
    story = turns(20)
    assert (len(story["moves"]), len(story["boxes"])) == (20, 21)
