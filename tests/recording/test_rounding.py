"""Gradients of which only a rounding error is left."""

import numpy as np

import tinygrad_pool as tg


def softmax_that_is_added_up():
    """Return a loss that depends on its scores by rounding errors alone."""
    W = tg.Value(np.sin(np.arange(6.0)).reshape(2, 3), label="W")
    scores = np.cos(np.arange(8.0)).reshape(4, 2) @ W
    scores.label = "scores"
    return tg.softmax(scores).sum() * 0.7


def test_an_element_whose_contributions_cancel():
    w = tg.Value(1.0, label="w")
    why = tg.record(w * 0.1 + w * 0.2 - w * 0.3).why("w")
    assert why.causes == [
        "3 contributions to w cancel to 2.8e-17, a rounding error; without their signs they sum "
        "to 0.6"
    ]
    assert tg.record(w * 0.1 + w * 0.2 - w * 0.2999).why("w").causes == []


def test_what_cancels_above_is_named():
    passed = tg.record(softmax_that_is_added_up())
    (of_scores,) = passed.why("scores").causes
    (of_weight,) = passed.why("W").causes
    assert of_scores.startswith("3 contributions to scores[")
    assert of_weight.startswith("3 contributions to scores[")


def test_a_small_slope_is_none():
    w = tg.Value(np.ones(3), label="w")
    assert tg.record((w * 1e-20 * np.arange(3.0)).sum()).why("w").causes == []


def test_terms_beyond_the_largest_float_are_none():
    w = tg.Value(1.0, label="w")
    assert tg.record(w * 1e308 - w * 1e308 + w * 1e308).why("w").causes == []
