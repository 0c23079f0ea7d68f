"""Losses as modules."""

import numpy as np
import pytest

from tinygrad_pool import Value, nn
from tinygrad_pool.errors import DataError, OptionError

RNG = np.random.default_rng(0)
Y, T, SHARES = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4)), RNG.random((3, 4))
LABELS, WEIGHT = [0, 3, 1], [1.0, 2.0, 3.0, 4.0]
CALLS = [
    ("MSELoss", "mse_loss", T, {}),
    ("L1Loss", "l1_loss", T, {}),
    ("HuberLoss", "huber_loss", T, {"delta": 0.5}),
    ("SmoothL1Loss", "smooth_l1_loss", T, {"beta": 0.5}),
    ("KLDivLoss", "kl_div", T, {"log_target": True}),
    ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits", SHARES, {"pos_weight": WEIGHT}),
    ("NLLLoss", "nll_loss", LABELS, {"weight": WEIGHT, "ignore_index": 1}),
    (
        "CrossEntropyLoss",
        "cross_entropy",
        LABELS,
        {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.1},
    ),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "function", "target", "options"), CALLS)
def test_a_loss_calls_its_function_with_its_options(name, function, target, options, reduction):
    loss = getattr(nn, name)(reduction=reduction, **options)
    expected = getattr(nn, function)(Y, target, reduction=reduction, **options)
    np.testing.assert_array_equal(loss(Y, target).data, expected.data)
    assert loss(Y, target).about.scope == name
    assert repr(loss) == f"{name}()"


def test_probabilities_are_compared_with_targets():
    loss = nn.BCELoss(weight=WEIGHT)
    expected = nn.binary_cross_entropy(SHARES, SHARES, weight=WEIGHT)
    assert loss(SHARES, SHARES).data == expected.data


def test_weights_are_buffers():
    assert list(nn.CrossEntropyLoss(weight=WEIGHT).state_dict()) == ["weight"]
    assert nn.CrossEntropyLoss().state_dict() == {}


@pytest.mark.parametrize("inputs", [[Value(SHARES)], [Value(SHARES), SHARES]])
@pytest.mark.parametrize("name", [name for name, *_ in CALLS])
def test_inputs_among_the_options_of_a_loss_belong_into_the_call(name, inputs):
    place = rf"^{name}: inputs go into the call of a layer, as in nn.{name}\(\)\(y, target\)$"
    with pytest.raises(OptionError, match=place):
        getattr(nn, name)(*inputs)


def test_options_are_checked_when_a_loss_is_made():
    for name, *_ in CALLS:
        with pytest.raises(OptionError, match=f"{name}: reduction must be one of 'mean'"):
            getattr(nn, name)(reduction="all")
    assert nn.KLDivLoss(reduction="batchmean").reduction == "batchmean"
    with pytest.raises(OptionError, match=r"CrossEntropyLoss: .* must be a number from 0"):
        nn.CrossEntropyLoss(label_smoothing=1.5)
    with pytest.raises(DataError, match="register_buffer: weight: needs real numbers"):
        nn.NLLLoss(weight=["a"])
