"""Learning-rate schedules."""

import re

import numpy as np
import pytest

from tinygrad_pool import Value
from tinygrad_pool.errors import DataError, OptionError
from tinygrad_pool.optim import SGD, lr_scheduler
from tinygrad_pool.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LambdaLR, StepLR

SCHEDULES = {
    "StepLR": [{"step_size": 3}, {"step_size": 1, "gamma": 0.5}],
    "ExponentialLR": [{"gamma": 0.9}],
    "CosineAnnealingLR": [{"T_max": 20}, {"T_max": 5, "eta_min": 0.01}],
    "LambdaLR": [{"lr_lambda": lambda t: 0.95**t}],
}
CALLS = [(name, options) for name, listed in SCHEDULES.items() for options in listed]


def made(lr=0.1):
    return SGD([Value(1.0)], lr=lr)


@pytest.mark.parametrize(
    ("make", "rates"),
    [
        (lambda o: StepLR(o, 2, 0.5), [8, 8, 4, 4, 2]),
        (lambda o: ExponentialLR(o, 0.5), [8, 4, 2, 1, 0.5]),
        (lambda o: CosineAnnealingLR(o, 2, 2.0), [8, 5, 2, 5, 8]),
        (lambda o: LambdaLR(o, lambda t: t + 1), [8, 16, 24, 32, 40]),
    ],
)
def test_rates_follow_the_formula(make, rates):
    optimizer = made(8)
    schedule = make(optimizer)
    for rate in rates:
        assert optimizer.lr == pytest.approx(rate, rel=1e-15)
        assert schedule.get_last_lr() == [optimizer.lr]
        schedule.step()


@pytest.mark.parametrize(("name", "options"), CALLS)
def test_a_loaded_schedule_continues_as_if_uninterrupted(name, options, tmp_path):
    whole, again = made(0.1), made(0.7)
    schedule = getattr(lr_scheduler, name)(whole, **options)
    for _ in range(7):
        schedule.step()
    path = schedule.save(tmp_path / "schedule.npz")
    other = getattr(lr_scheduler, name)(again, **options)
    other.load(path)
    assert type(other.last_epoch) is int
    for _ in range(5):
        assert again.lr == whole.lr
        schedule.step()
        other.step()


def test_a_schedule_saved_before_its_first_step_can_be_loaded():
    state = StepLR(made(0.5), 2).state_dict()
    assert {name: (type(a), a.shape) for name, a in state.items()} == dict.fromkeys(
        ["base_lr", "last_epoch"], (np.ndarray, ())
    )
    again = made(0.1)
    schedule = StepLR(again, 2)
    schedule.step()
    schedule.load_state_dict(state)
    assert (again.lr, schedule.last_epoch) == (0.5, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StepLR(0.1, 3), "StepLR: needs an optimizer, got float"),
        (lambda: StepLR(made(), 0), "StepLR: step_size must be at least 1, got 0"),
        (lambda: StepLR(made(), 2, -1), "StepLR: gamma must be a number of at least 0, got -1"),
        (lambda: ExponentialLR(made(), "a"), "ExponentialLR: gamma must be a number"),
        (lambda: CosineAnnealingLR(made(), 0), "CosineAnnealingLR: T_max must be at least 1"),
        (lambda: CosineAnnealingLR(made(), 1, -1), "CosineAnnealingLR: eta_min must be a number"),
        (lambda: LambdaLR(made(), 0.5), "LambdaLR: lr_lambda must be a function, got 0.5"),
        (lambda: LambdaLR(made(), lambda t: -1.0), "LambdaLR: lr must be a non-negative number"),
        (lambda: LambdaLR(made(), lambda t: None), "LambdaLR: lr_lambda(0) must be a number"),
    ],
)
def test_options_that_do_not_fit_are_named(make, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        make()


def test_an_unsupported_schedule_of_pytorch_gets_a_suggestion():
    with pytest.raises(
        AttributeError,
        match=r"no MultiStepLR: there is none here; optim\.lr_scheduler\.LambdaLR takes",
    ):
        lr_scheduler.MultiStepLR  # noqa: B018  # it raises


@pytest.mark.parametrize("gamma", [1e200, np.float64(1e200), 10**200])
def test_a_rate_that_overflows_is_an_error_and_is_not_set(gamma):
    optimizer = made(0.5)
    schedule = ExponentialLR(optimizer, gamma)
    schedule.step()
    with pytest.raises(OptionError, match="ExponentialLR: lr must be a non-negative number, got"):
        schedule.step()
    assert (optimizer.lr, schedule.last_epoch) == (0.5e200, 1)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"last_epoch": -1}, DataError, "last_epoch must be an integer of at least 0, got -1"),
        (
            {"last_epoch": 1.5},
            DataError,
            "last_epoch must be an integer of at least 0, got 1.5",
        ),
        ({"last_epoch": np.nan}, DataError, "last_epoch must be an integer"),
        ({"last_epoch": np.inf}, DataError, "last_epoch must be an integer"),
        ({"base_lr": -1.0}, OptionError, "base_lr must be a non-negative number, got -1.0"),
        ({"base_lr": np.nan}, OptionError, "base_lr must be a non-negative number, got nan"),
    ],
)
@pytest.mark.parametrize(("name", "options"), CALLS)
def test_a_state_that_does_not_fit_is_an_error_and_changes_nothing(
    name, options, change, error, says
):
    optimizer = made(0.1)
    schedule = getattr(lr_scheduler, name)(optimizer, **options)
    schedule.step()
    before = schedule.to_npz(), optimizer.lr
    with pytest.raises(error, match=re.escape(says)):
        schedule.load_state_dict(schedule.state_dict() | change)
    assert (schedule.to_npz(), optimizer.lr) == before


@pytest.mark.peer
@pytest.mark.parametrize(("name", "options"), CALLS)
def test_forty_rates_are_pytorchs(peer, name, options):
    torch = peer("torch")
    ours, theirs = made(0.1), torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1)
    a = getattr(lr_scheduler, name)(ours, **options)
    b = getattr(torch.optim.lr_scheduler, name)(theirs, **options)
    for _ in range(40):
        assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-12, abs=1e-16)
        theirs.step()
        a.step()
        b.step()
