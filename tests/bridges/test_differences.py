"""Comparison of a network with a module: outputs, and gradients of the parameters."""

import copy

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import OptionError, ShapeError

pytestmark = pytest.mark.peer


def test_a_network_is_compared_with_its_module(torch):
    net = tg.nn.Sequential(tg.nn.Linear(3, 4, rng=0), tg.nn.Tanh(), tg.nn.Linear(4, 2, rng=1))
    x = np.ones((5, 3), np.float32)
    result = tg.crosscheck(net, None, x)
    assert result.ok
    assert str(result).startswith("10 nodes computed in PyTorch, too, 4 parameters compared")
    module = net.to_torch()
    module[0].weight.data += 1.0
    found = [d.what for d in tg.crosscheck(net, module, x).differences]
    assert "output 0" in found
    assert "gradient of 2.weight" in found
    with pytest.raises(OptionError, match=r"a network needs example inputs, crosscheck\(net"):
        tg.crosscheck(net)
    with pytest.raises(OptionError, match=r"only one of network and module has"):
        tg.crosscheck(net, torch.nn.Sequential(torch.nn.Linear(3, 2)), x)
    with pytest.raises(OptionError, match=r"returns 1 output, the module 2"):
        tg.crosscheck(net, twice(torch), x)
    assert tg.crosscheck(tg.nn.ReLU(), None, x).ok


def twice(torch):
    class Both(torch.nn.Module):
        def forward(self, x):
            return x, x

    return Both()


def test_outputs_of_different_shapes_raise(torch):
    net = tg.nn.Sequential(tg.nn.Linear(3, 2, rng=0))
    module = torch.nn.Sequential(torch.nn.Linear(3, 1))
    with pytest.raises(ShapeError, match=r"output 0 has shape \(4, 2\) here, and \(4, 1\) in"):
        tg.crosscheck(net, module, np.ones((4, 3), np.float32))


def test_frozen_parameters_are_not_compared(torch):
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2))
    x = torch.ones(4, 3)
    for part in (module[0].weight, module):
        part.requires_grad_(False)
        assert tg.crosscheck(tg.from_torch(module, x), module, x).ok
    module[1].bias.requires_grad_(True)
    network = tg.from_torch(module, x)
    cut = copy.deepcopy(module)
    cut.forward = lambda x: torch.nn.Sequential.forward(module, x).detach()
    found = [d.what for d in tg.crosscheck(network, cut, x).differences]
    assert found == ["gradient of 1.bias"]


def test_running_means_are_unchanged_and_a_gradient_that_cancels_is_rounding(torch):
    net = tg.nn.Sequential(tg.nn.Linear(3, 4, rng=0), tg.nn.BatchNorm1d(4))
    x = np.random.default_rng(0).standard_normal((16, 3)).astype(np.float32)
    module = net.to_torch()
    before = [copy.deepcopy(dict(m.state_dict())) for m in (net, module)]
    assert tg.crosscheck(net, module, x).ok
    for m, state in zip((net, module), before, strict=True):
        for name, numbers in m.state_dict().items():
            assert np.array_equal(numbers, state[name]), name
