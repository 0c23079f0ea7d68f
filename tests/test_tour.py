"""A tour of the package: the test file to read first, from top to bottom.

Every test introduces one idea with a few lines of code and checks what they give. The numbers are
small, so that you can follow them in your head.
"""

import numpy as np

import tinygrad_pool as tg
from tinygrad_pool import Value

# -- 1. Values and gradients


def test_a_value_remembers_how_it_was_computed():
    """Operations on Values record a graph: each result knows its operation and its operands."""
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    c = a * b
    assert c.data == 6.0
    assert c.op == "mul"
    assert c.parents == (a, b)


def test_backward_applies_the_chain_rule():
    """`E.backward()` computes ∂E/∂v for every Value v that E depends on, into v.grad."""
    w, x, b = Value(2.0), Value(3.0), Value(1.0)
    E = (w * x + b) ** 2
    E.backward()
    assert w.grad == 2 * (2 * 3 + 1) * 3  # 2 (w x + b) x
    assert b.grad == 2 * (2 * 3 + 1)


def test_contributions_to_the_same_value_are_added():
    """Each use of `a` sends it one contribution; its gradient is their sum."""
    a = Value(3.0)
    (a * a).backward()
    assert a.grad == 3.0 + 3.0


def test_a_gradient_of_zero_differs_from_no_gradient():
    """`grad` reads as 0 before any pass; `has_grad` says whether a pass has computed it."""
    a, b = Value(1.0), Value(2.0)
    assert a.grad == 0.0
    assert not a.has_grad
    tg.maximum(a, b).backward()
    assert a.grad == 0.0
    assert a.has_grad


def test_values_can_be_arrays():
    """NumPy's own functions work on Values. A broadcast operand gets the sum over its copies."""
    x, bias = Value([[0.0, 1.0], [2.0, 3.0]]), Value([10.0, 20.0])
    y = np.exp(x) + bias
    y.sum().backward()
    assert y.shape == (2, 2)
    assert np.array_equal(x.grad, np.exp(x.data))
    assert np.array_equal(bias.grad, [2.0, 2.0])


# -- 2. Where a gradient goes: relu, maximum and pooling


def test_a_relu_passes_gradients_of_positive_inputs_only():
    """`gradient=7.0` is the upstream gradient: what arrives at the node where the pass starts."""
    a, b = Value(-1.5), Value(2.5)
    (a.relu() + b.relu()).backward(gradient=7.0)
    assert (a.grad, b.grad) == (0.0, 7.0)


def test_a_maximum_sends_its_whole_gradient_to_the_winner():
    """The maximum depends only on the largest operand, as long as the others stay below it."""
    z = [Value(0.2), Value(0.9), Value(0.5)]
    tg.maximum(*z).backward(gradient=7.0)
    assert [v.grad for v in z] == [0.0, 7.0, 0.0]


def test_max_pooling_is_a_maximum_over_each_window():
    """The gradient of each window goes to the cell that won it; all other cells get 0."""
    x = Value(
        [
            [1.0, 2.0, 0.0, 1.0],
            [4.0, 3.0, 1.0, 5.0],
            [0.0, 0.5, 9.0, 8.0],
            [0.7, 0.1, 7.0, 6.0],
        ]
    )
    y = tg.max_pool2d(x, 2)
    y.backward(gradient=[[10.0, 20.0], [30.0, 40.0]])
    assert np.array_equal(y.data, [[4.0, 5.0], [0.7, 9.0]])
    assert np.array_equal(
        x.grad,
        [
            [0.0, 0.0, 0.0, 0.0],
            [10.0, 0.0, 0.0, 20.0],
            [0.0, 0.0, 40.0, 0.0],
            [30.0, 0.0, 0.0, 0.0],
        ],
    )


def test_max_pooling_is_a_layer_of_weights_0_and_1():
    """Once the winners are known, y = P x. Backward is the rule for weights: ∂E/∂x = Pᵀ g."""
    x = Value([1.0, 3.0, 2.0, 0.0])
    y = tg.max_pool1d(x, 2)
    P = tg.weights_of(y).dense()
    assert np.array_equal(P, [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    y.backward(gradient=[10.0, 20.0])
    assert np.array_equal(y.data, P @ x.data)
    assert np.array_equal(x.grad, P.T @ [10.0, 20.0])


# -- 3. Watching a backward pass


def test_a_pass_can_be_run_one_node_at_a_time():
    """`backward_steps` pauses after each node and shows what arrived there and what it sent on."""
    x = Value(2.0)
    E = (x * x).exp()
    steps = tg.backward_steps(E)
    first, second = next(steps), next(steps)
    assert (first.node.op, first.upstream) == ("exp", 1.0)
    assert (second.node.op, second.upstream) == ("mul", E.data)
    assert second.contributions == (2.0 * E.data, 2.0 * E.data)
    assert x.grad == 4.0 * E.data


def test_a_recording_steps_back_and_forth_and_explains_zero_gradients():
    """`record` keeps the whole pass: go to any step, and ask why a gradient is what it is."""
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    recording = tg.record(tg.maximum(a, b) ** 2)
    recording.seek(2)
    assert b.grad == 6.0
    recording.back()
    assert not b.has_grad
    assert recording.why("a").causes == ["a gets nothing from maximum#2: it lost to b, by 1"]


def test_a_recording_can_be_replayed_with_another_number():
    """What if `a` were 4? Then it wins the maximum, and gets the gradient."""
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    recording = tg.record(tg.maximum(a, b) ** 2)
    recording.set("a", 4.0)
    replay = recording.replay()
    assert recording.gradients[a] == 0.0
    assert replay.gradients[replay.find("a")] == 8.0
    assert str(tg.compare_passes(recording, replay).moved[0]).startswith(
        "maximum#2: b (3) won, now a (4) does"
    )


def test_a_graph_can_be_drawn():
    """`draw` returns Graphviz's Digraph: a box per node, an edge per operand."""
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    source = tg.draw(tg.maximum(a, b)).source
    assert source.count("->") == 2
    assert "max" in source


# -- 4. Beyond first gradients


def test_your_own_rule_becomes_an_operation():
    """A rule returns its result and a closure that turns the upstream gradient, g, into ∂E/∂x."""

    def cube(x):
        def cube_backward(g):
            to_x = 3 * g * x**2
            return (to_x,)

        return x**3, cube_backward

    x = Value(2.0)
    tg.lift(cube)(x).backward()
    assert x.grad == 12.0


def test_a_gradient_can_be_differentiated_again():
    """With create_graph=True a gradient is a Value with a graph: y = x³, y' = 3 x², y'' = 6 x."""
    x = Value(2.0)
    (slope,) = tg.grad(x**3, x, create_graph=True)
    (curvature,) = tg.grad(slope, x)
    assert (slope.data, curvature) == (12.0, 12.0)


def test_a_network_learns():
    """Layers, losses and optimizers have PyTorch's names. This network learns y = x²."""
    net = tg.nn.Sequential(tg.nn.Linear(1, 8, rng=0), tg.nn.Tanh(), tg.nn.Linear(8, 1, rng=1))
    optimizer = tg.optim.Adam(net.parameters(), lr=0.05)
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    for _ in range(200):
        loss = tg.nn.mse_loss(net(x), x**2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3
