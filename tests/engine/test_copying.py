"""A deep copy of a graph is independent; leaves, modules and optimizers copy and pickle."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn, optim
from tinygrad_pool.errors import GraphError


class Keeping(nn.Module):
    """A module that keeps its last output."""

    def __init__(self):
        self.w, self.last = Value([[1.0, 2.0]], label="w"), None

    def forward(self, x):
        self.last = (self.w * self.w * x).sum()
        return self.last


def test_a_deep_copy_shares_nothing_with_the_graph():
    a, b = Value(2.0, label="a"), Value([1.0, 3.0], label="b")
    E = (tg.maximum(a * b, 4.0) ** 2).sum()
    E.backward()
    twin = copy.deepcopy(E)
    assert str(tg.tree(twin)) == str(tg.tree(E))
    mine = {v.label: v for v in tg.record(twin).nodes if v.label}
    assert not {a, b} & set(mine.values())
    b.data -= 10.0
    mine["a"].zero_grad()
    mine["b"].zero_grad()
    twin.backward()
    assert (mine["a"].grad, mine["b"].grad.tolist()) == (36.0, [0.0, 24.0])


def test_a_deep_copy_keeps_shared_nodes_shared():
    w = Value([1.0, 2.0])
    y = (w * w).sum()
    twins = copy.deepcopy({"w": w, "y": y, "z": y * 2.0, "again": w})
    assert twins["w"] is twins["again"] is not w
    twins["z"].backward()
    assert twins["w"].grad.tolist() == [4.0, 8.0]
    assert not w.has_grad
    assert twins["z"].parents[0] is twins["y"]


def test_a_module_that_keeps_its_output_copies():
    net = Keeping()
    loss = net(np.ones((1, 2)))
    twin = copy.deepcopy(net)
    loss.backward()
    optim.SGD(net.parameters(), lr=0.5).step()
    twin.last.backward()
    assert twin.w.grad.tolist() == [[2.0, 4.0]]


def test_a_long_chain_copies():
    y = x = Value(1.0)
    for _ in range(5000):
        y = y + 1.0
    twin = copy.deepcopy(y)
    assert (twin.data, twin is y) == (5001.0, False)
    twin.backward()
    assert not x.has_grad


def test_long_doubles_copy_whatever_their_padding():
    w = Value(np.arange(6, dtype=np.longdouble).reshape(2, 3), label="w")
    for _ in range(20):
        twin = copy.deepcopy((w @ w.T).sum())
        twin.backward()
        assert not w.has_grad


def test_stale_graphs_and_random_rules_do_not_copy():
    w = Value([1.0, 2.0], label="w")
    y = (w * w).sum()
    w.data = [3.0, 4.0]
    with pytest.raises(
        GraphError, match=r"^copy\.deepcopy: the data of the leaf 'w' changed after the mul"
    ):
        copy.deepcopy(y)
    rng = np.random.default_rng(0)

    def noisy(x):
        return x + rng.normal(), lambda g: (g,)

    with pytest.raises(
        GraphError, match="deepcopy: the noisy node gives different numbers when its"
    ):
        copy.deepcopy(tg.lift(noisy)(Value(1.0)))


class Parameter(Value):
    """A user's subclass of Value."""


@pytest.mark.parametrize("kind", [Value, Parameter])
@pytest.mark.parametrize("data", [2.0, np.float32(2), [1.0, 2.0]])
@pytest.mark.parametrize("how", [copy.deepcopy, copy.copy, lambda v: pickle.loads(pickle.dumps(v))])
def test_a_leaf_copies_and_pickles_with_its_attributes(how, data, kind):
    v = kind(data, label="v")
    (v * 3.0).sum().backward()
    v.momentum = 0.5
    twin = how(v)
    assert type(twin) is type(v)
    assert type(twin.data) is type(v.data)
    assert (twin.label, twin.momentum) == ("v", 0.5)
    assert np.array_equal(twin.grad, v.grad)
    twin.data = np.zeros_like(v.data)
    assert np.array_equal(v.data, data)
    (twin * 2.0).sum().backward()
    assert np.all(v.grad == 3.0)


class Measured(Value):
    def __init__(self, data, *, unit):
        super().__init__(data, label="length")
        self.unit = unit


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_a_leaf_copies_if_its_constructor_needs_more_arguments(how):
    twin = how(Measured([1.0, 2.0], unit="m"))
    assert isinstance(twin, Measured)
    assert (twin.data.tolist(), twin.unit, twin.label) == ([1.0, 2.0], "m", "length")


def test_modules_and_optimisers_pickle():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3, 1))
    descent = optim.Adam(net.parameters(), lr=0.1)
    x = np.ones((4, 2))
    for _ in range(2):
        descent.zero_grad()
        net(x).sum().backward()
        descent.step()
    for twins in (copy.deepcopy((net, descent)), pickle.loads(pickle.dumps((net, descent)))):
        twin, follower = twins
        assert np.array_equal(twin(x).data, net(x).data)
        follower.zero_grad()
        twin(x).sum().backward()
        follower.step()
        assert not np.array_equal(twin(x).data, net(x).data)


def test_pickling_a_graph_is_an_error_with_alternatives():
    y = Value(2.0) * 3.0
    with pytest.raises(GraphError, match=r"pickle: the mul node has a graph, .* v\.detach"):
        pickle.dumps(y)
    assert pickle.loads(pickle.dumps(y.detach())).data == 6.0


def test_a_shallow_copy_of_a_result_is_an_error_too():
    with pytest.raises(GraphError, match=r"copy.deepcopy\(v\) copies the graph"):
        copy.copy(Value(2.0) * 3.0)


def test_a_deep_copy_under_no_grad_keeps_its_graph():
    net = Keeping()
    net(np.ones((1, 2)))
    with tg.no_grad():
        twin = copy.deepcopy(net)
    twin.last.backward()
    assert twin.w.grad.tolist() == [[2.0, 4.0]]


def test_a_deep_copy_keeps_the_attributes_of_results():
    w = Value([1.0, 2.0])
    y = w * w
    y.seen, y.itself, y.of = [1], y, w
    twin = copy.deepcopy(y)
    assert (twin.seen, twin.itself, twin.of) == ([1], twin, twin.parents[0])
    assert twin.seen is not y.seen


def test_attributes_may_refer_to_the_value_and_its_graph():
    w = Value(2.0)
    w.itself, w.loss = w, w * w
    twin = copy.deepcopy(w)
    assert twin.itself is twin is not w
    twin.loss.backward()
    assert (twin.grad, w.has_grad) == (4.0, False)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_has_a_gradient_of_its_own(copied):
    w = Value([1.0, 2.0])
    (w * w).sum().backward()
    twin = copied(w)
    twin.grad *= 10.0
    assert w.grad.tolist() == [2.0, 4.0]
