"""A tour: the test to read first. Each one shows one idea, and all of them together the package."""

import numpy as np

import tinygrad_pool as tg
from tinygrad_pool import Value


def test_a_value_is_a_number_that_remembers():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    c = a * b
    assert c.data == 6.0
    assert c.op == "mul"
    assert c.parents == (a, b)


def test_backward_is_the_chain_rule():
    w, x, b = Value(2.0), Value(3.0), Value(1.0)
    E = (w * x + b) ** 2
    E.backward()
    assert w.grad == 2 * (2 * 3 + 1) * 3
    assert b.grad == 2 * (2 * 3 + 1)


def test_contributions_add_up():
    a = Value(3.0)
    (a * a).backward()
    assert a.grad == 3.0 + 3.0


def test_not_computed_is_not_zero():
    a, b = Value(1.0), Value(2.0)
    assert not a.has_grad
    tg.maximum(a, b).backward()
    assert a.has_grad
    assert a.grad == 0.0


def test_a_maximum_sends_its_gradient_to_the_winner_alone():
    z = [Value(0.2), Value(0.9), Value(0.5)]
    tg.maximum(*z).backward(gradient=7.0)
    assert [v.grad for v in z] == [0.0, 7.0, 0.0]


def test_a_relu_lets_through_what_is_positive():
    a, b = Value(-1.5), Value(2.5)
    (a.relu() + b.relu()).backward(gradient=7.0)
    assert (a.grad, b.grad) == (0.0, 7.0)


def test_a_value_can_be_an_array_and_numpys_functions_work():
    x, bias = Value([[0.0, 1.0], [2.0, 3.0]]), Value([10.0, 20.0])
    y = np.exp(x) + bias
    y.sum().backward()
    assert y.shape == (2, 2)
    assert np.array_equal(x.grad, np.exp(x.data))
    assert np.array_equal(bias.grad, [2.0, 2.0])


def test_pooling_is_a_maximum_over_windows():
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


def test_the_pass_can_be_taken_one_node_at_a_time():
    x = Value(2.0)
    E = (x * x).exp()
    steps = tg.backward_steps(E)
    first, second = next(steps), next(steps)
    assert (first.node.op, first.upstream) == ("exp", 1.0)
    assert (second.node.op, second.upstream) == ("mul", E.data)
    assert second.contributions == (2.0 * E.data, 2.0 * E.data)
    assert x.grad == 4.0 * E.data


def test_a_recorded_pass_goes_both_ways_and_says_why_a_gradient_is_zero():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    recording = tg.record(tg.maximum(a, b) ** 2)
    recording.seek(2)
    assert b.grad == 6.0
    recording.back()
    assert not b.has_grad
    assert recording.why("a").causes == ["a gets nothing from maximum#2: it lost to b, by 1"]


def test_what_if_it_were_another_number():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    recording = tg.record(tg.maximum(a, b) ** 2)
    recording.set("a", 4.0)
    again = recording.replay()
    assert (recording.gradients[a], again.gradients[again.find("a")]) == (0.0, 8.0)
    assert str(tg.compare_passes(recording, again).moved[0]).startswith(
        "maximum#2: b (3) won, now a (4) does"
    )


def test_a_rule_of_your_own_becomes_an_operation():
    def cube(x):
        def cube_backward(g):
            to_x = 3 * g * x**2
            return (to_x,)

        return x**3, cube_backward

    x = Value(2.0)
    tg.lift(cube)(x).backward()
    assert x.grad == 12.0


def test_a_gradient_can_be_differentiated_again():
    x = Value(2.0)
    (slope,) = tg.grad(x**3, x, create_graph=True)
    (curvature,) = tg.grad(slope, x)
    assert (slope.data, curvature) == (12.0, 12.0)


def test_a_network_learns():
    net = tg.nn.Sequential(tg.nn.Linear(1, 8, rng=0), tg.nn.Tanh(), tg.nn.Linear(8, 1, rng=1))
    optimizer = tg.optim.Adam(net.parameters(), lr=0.05)
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    for _ in range(200):
        loss = tg.nn.mse_loss(net(x), x**2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3
