"""PyTorch networks as fixtures, and a check that two networks are equal."""

import copy

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.bridges.graph import outputs_of


@pytest.fixture(scope="session")
def torch(peer):
    torch = peer("torch")
    torch.set_num_threads(1)  # the arrays are small
    return torch


@pytest.fixture
def nets(torch):
    """Build a LeNet, a residual network and one with two heads, each with an example."""
    torch.manual_seed(0)
    nn, F = torch.nn, torch.nn.functional

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3)
            self.fc1, self.fc2 = nn.Linear(24, 8), nn.Linear(8, 3)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            x = x.view(x.size(0), -1)
            return F.log_softmax(self.fc2(torch.tanh(self.fc1(x))), dim=1)

    class Block(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.conv1 = nn.Conv2d(n, n, 3, padding=1)
            self.norm = nn.BatchNorm2d(n)
            self.conv2 = nn.Conv2d(n, n, 3, padding=1)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            return self.relu(x + self.conv2(self.relu(self.norm(self.conv1(x)))))

    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(6, 8), nn.ReLU())
            self.kind, self.size = nn.Linear(8, 3), nn.Linear(8, 1)

        def forward(self, x):
            h = self.body(x)
            return {"kind": self.kind(h), "size": (self.size(h), h.mean())}

    residual = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), Block(4), nn.MaxPool2d(2), Block(4)),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)),
    )
    planes, rows = torch.randn(3, 1, 14, 14).double(), torch.randn(3, 6).double()
    return {
        "lenet": (LeNet().double(), planes),
        "residual": (residual.double(), planes),
        "two heads": (TwoHeads().double(), rows),
    }


@pytest.fixture
def same(torch):
    """Check that a network and a module have equal outputs and gradients on the given inputs."""

    def check(network, module, *inputs, tolerance=1e-12):
        theirs = copy.deepcopy(module)
        expected = floats(torch, theirs(*inputs))
        as_numpy = [x.detach().numpy() if isinstance(x, torch.Tensor) else x for x in inputs]
        leaves = [tg.Value(x) if np.asarray(x).dtype.kind == "f" else x for x in as_numpy]
        actual = outputs_of(network(*leaves))
        rng = np.random.default_rng(0)
        weights = [rng.standard_normal(y.shape) for y in actual]
        for y, t in zip(actual, expected, strict=True):
            np.testing.assert_allclose(y.data, t.detach(), tolerance, tolerance)
        total = sum((t * torch.tensor(w)).sum() for t, w in zip(expected, weights, strict=True))
        if total.requires_grad:
            total.backward()
        own = dict(network.named_parameters())
        assert own.keys() == dict(theirs.named_parameters()).keys()
        for parameter in own.values():
            parameter.zero_grad()
        sum((y * w).sum() for y, w in zip(actual, weights, strict=True)).backward()
        for name, p in theirs.named_parameters():
            slope = np.zeros(p.shape) if p.grad is None else p.grad
            np.testing.assert_allclose(own[name].grad, slope, 10 * tolerance, 10 * tolerance, name)

    return check


def floats(torch, result):
    found = torch.utils._pytree.tree_leaves(result)
    return [t for t in found if isinstance(t, torch.Tensor) and t.is_floating_point()]
