"""The page of the reference about networks says what comes of each call today."""

import re
import warnings

import pytest

import tinygrad_pool as tg
from tinygrad_pool import nn, optim

pytestmark = pytest.mark.peer


@pytest.fixture
def coverage(peer):
    peer("torch")
    import torch_coverage

    return torch_coverage


def test_the_page_is_what_the_script_writes(coverage):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ran = coverage.page().partition("## Not here")[0]  # other versions have other names
    assert coverage.PAGE.read_text("utf-8").partition("## Not here")[0] == ran


def test_every_layer_loss_and_optimizer_is_on_the_page(coverage):
    page = coverage.PAGE.read_text("utf-8")
    here, _, missing = page.partition("## Not here")
    listed = set(re.findall(r"^\| `(\w+)`", here, re.M))
    ours = {name for name in nn.__all__ if name[0].isupper()} - {"MLP", "Layer", "Neuron", "Module"}
    steps = {name for name in optim.__all__ if name[0].isupper()} - {"Optimizer"}
    steps |= {*optim.lr_scheduler.__all__} - {"LRScheduler"}
    assert ours | steps == listed - {*tg.functional.__all__}
    assert not listed & set(re.findall(r"`(\w+)`", missing))


def test_a_difference_is_found(coverage, monkeypatch):
    monkeypatch.setattr(nn, "MSELoss", nn.L1Loss)
    with pytest.raises(AssertionError, match="MSELoss"):
        coverage.run_loss("MSELoss()")
