"""Modules in sequence, and modules in a list."""

from collections import OrderedDict

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import OptionError


class TestSequential:
    def test_it_runs_its_modules_in_order(self):
        net = nn.Sequential(nn.ReLU(), last=nn.Tanh())
        assert net(Value([-5.0])).data == [0.0]
        assert len(net) == 2
        assert isinstance(net[1], nn.Tanh)
        assert [type(m).__name__ for m in net] == ["ReLU", "Tanh"]

    def test_an_ordered_dict_names_the_modules_as_in_pytorch(self):
        net = nn.Sequential(OrderedDict([("first", nn.ReLU()), ("1", nn.Tanh())]))
        assert [name for name, _ in net.named_children()] == ["first", "1"]
        assert net(Value([-5.0])).data == [0.0]
        with pytest.raises(OptionError, match="needs modules, got 'x' for 3"):
            nn.Sequential({3: "x"})

    def test_names_in_use_and_other_objects_are_errors(self):
        with pytest.raises(OptionError, match="'parameters' cannot be the name of a module"):
            nn.Sequential(parameters=nn.ReLU())
        with pytest.raises(OptionError, match=r"'a\.b' cannot be the name of a module"):
            nn.Sequential(**{"a.b": nn.ReLU()})
        with pytest.raises(OptionError, match="'0' cannot be the name of a module"):
            nn.Sequential(nn.ReLU(), **{"0": nn.Tanh()})
        with pytest.raises(OptionError, match="needs modules, got 3 for 0"):
            nn.Sequential(3)

    def test_slices_and_appended_modules_work(self):
        net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
        assert repr(net[1:]) == "Sequential(\n  (0): Tanh()\n  (1): Sigmoid()\n)"
        assert net.append(nn.GELU()) is net
        assert isinstance(net[-1], nn.GELU)
        assert len(net.extend([nn.ELU(), nn.ELU()])) == 6


class Net(nn.Module):
    def __init__(self):
        self.blocks = nn.ModuleList([nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1)])
        self.blocks.append(nn.Linear(2, 1, bias=False, rng=2))

    def forward(self, x):
        for block in self.blocks:
            x = tg.tanh(block(x))
        return x


class TestModuleList:
    def test_its_modules_have_names_and_scopes(self):
        net = Net()
        names = [name for name, _ in net.named_parameters()]
        expected = [f"blocks.{i}.{name}" for i in range(3) for name in ("weight", "bias")]
        assert names == expected[:-1]
        y = net(Value([1.0, 2.0]))
        scopes = {v.about.scope for v in topological_order(y) if v.parents}
        assert scopes == {"", "blocks.0", "blocks.1", "blocks.2"}
        assert [name for name, _ in net.named_modules()] == [
            "", "blocks", "blocks.0", "blocks.1", "blocks.2",
        ]  # fmt: skip

    def test_it_works_like_a_list(self):
        blocks = Net().blocks
        assert len(blocks) == 3
        assert list(blocks) == [blocks[0], blocks[1], blocks[-1]]
        assert len(blocks[:2]) == 2
        assert list(nn.ModuleList()) == []
        assert "(2): Linear(in_features=2" in repr(blocks)

    def test_it_holds_modules_and_is_not_called(self):
        with pytest.raises(OptionError, match="ModuleList: needs modules, got 3 for 0"):
            nn.ModuleList([3])
        with pytest.raises(OptionError, match="ModuleList: needs a method `forward`"):
            nn.ModuleList()(np.ones(2))
