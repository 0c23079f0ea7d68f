"""Every line of the derivation in docs/derivation.md, tested on real numbers."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import ShapeError, TieError
from tinygrad_pool.pooling_as_weights.derivation import Network, example, network

X = [0.5, -1.0, 2.0, 0.3, 0.8]
WEIGHTS = [{0: 0.1, 1: 0.4, 2: -0.6}, {0: 0.2, 2: 1.0, 3: 0.9}, {0: -0.1, 4: 0.7, 5: -0.3}]
WINNER = 1  # z_2 is the largest of the three
ACTIVATIONS = {
    "sigmoid": (tg.sigmoid, lambda a: 1 / (1 + np.exp(-a)) * (1 - 1 / (1 + np.exp(-a)))),
    "tanh": (tg.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "exp": (tg.exp, np.exp),
    "identity": (lambda a: a * 1.0, lambda _: 1.0),
    "cube": (lambda a: a**3, lambda a: 3 * a**2),
}


def sums(net: Network) -> list[float]:
    """Compute a_l = Σ_{i in R_l} w_li x_i by hand, x_0 = 1."""
    x = [1.0, *X]
    return [sum(w.data * x[i] for i, w in ws.items()) for ws in net.weights]


@pytest.fixture
def net() -> Network:
    return example()


class TestTheUnits:
    def test_f1_a_pooling_unit_links_to_its_feature_map_units_without_weights(self, net):
        assert net.pooled.op == "maximum"
        assert net.pooled.parents == tuple(net.units)

    def test_f2_a_feature_map_unit_is_an_activated_sum(self, net):
        for z, a in zip(net.units, sums(net), strict=True):
            assert z.parents[0].data == pytest.approx(a)
            assert z.data == pytest.approx(1 / (1 + np.exp(-a)))

    def test_outside_its_receptive_field_a_unit_has_weight_zero_by_definition(self, net):
        mask = np.array([[1.0 if i in ws else 0.0 for i in range(6)] for ws in WEIGHTS])
        dense = np.array([[ws.get(i, 99.0) for i in range(6)] for ws in WEIGHTS])
        x = np.array([1.0, *X])
        assert (mask * dense) @ x == pytest.approx(sums(net))

    def test_every_unit_connects_to_the_bias_unit(self, net):
        assert all(0 in ws for ws in net.weights)
        net.pooled.backward()
        deltas = [z.parents[0].grad for z in net.units]
        assert deltas[WINNER] != 0
        for ws, delta in zip(net.weights, deltas, strict=True):
            assert ws[0].grad == 2 * delta  # a leaf adds up two passes, δ is that of the last

    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_the_activation_may_be_any(self, name):
        sigma, slope = ACTIVATIONS[name]
        net = network(X, WEIGHTS, activation=sigma)
        net.pooled.backward()
        a = sums(net)[WINNER]
        assert net.weights[WINNER][3].grad == pytest.approx(slope(a) * X[2])


class TestTheGradientOfAWeight:
    def test_it_is_delta_times_the_input(self, net):
        x = [1.0, *X]
        for z, ws in zip(net.units, net.weights, strict=True):
            delta = z.parents[0].grad
            for i, w in ws.items():
                assert w.grad == delta * x[i]

    def test_a_link_that_does_not_exist_has_no_gradient(self):
        mask = np.array([[1.0 if i in ws else 0.0 for i in range(6)] for ws in WEIGHTS])
        w = Value([[ws.get(i, 99.0) for i in range(6)] for ws in WEIGHTS])
        x = np.array([1.0, *X])
        a = (w * mask) @ x
        tg.sigmoid(a).max().backward()
        assert np.array_equal(w.grad, mask * np.outer(a.grad, x))
        assert np.all(w.grad[mask == 0] == 0)

    def test_units_that_share_a_weight_add_up(self):
        x = np.array([[0.5, -1.0, 2.0, 0.3]])
        w = Value([[[0.4, -0.6]]])
        a = tg.conv1d(x, w)
        (tg.tanh(a) * [[1.0, 2.0, 3.0]]).sum().backward()
        (delta,) = a.grad
        by_hand = [sum(delta[unit] * x[0, unit + i] for unit in range(3)) for i in range(2)]
        assert w.grad[0, 0] == pytest.approx(by_hand)

    def test_the_delta_of_a_pooling_unit_is_the_gradient_of_its_output(self, net):
        E = (net.pooled - 3.0) ** 2
        E.backward()
        assert net.pooled.grad == pytest.approx(2 * (net.pooled.data - 3.0))

    def test_delta_has_three_factors(self, net):
        E = net.pooled * 5.0
        E.backward()
        for k, (z, a) in enumerate(zip(net.units, sums(net), strict=True)):
            middle = 1.0 if k == WINNER else 0.0
            slope = ACTIVATIONS["sigmoid"][1](a)
            assert z.parents[0].grad == pytest.approx(5.0 * middle * slope)

    def test_several_pooling_units_above_one_unit_add_up(self):
        a = Value([0.1, 0.9, 0.2, 0.3, 0.8], label="a")
        z = tg.tanh(a)
        pools = [z[0:3].max(), z[1:4].max(), z[2:5].max()]
        deltas = [2.0, 3.0, 5.0]
        tg.weighted_sum(deltas, pools).backward()
        slope = 1 - np.tanh(a.data) ** 2
        assert a.grad == pytest.approx(slope * [0.0, 2.0 + 3.0, 0.0, 0.0, 5.0])


class TestTheKink:
    """F3: max(x1, x2) against x1, with x2 = 1 held fixed."""

    @pytest.mark.parametrize(("x1", "value", "slope"), [(0.4, 1.0, 0.0), (1.7, 1.7, 1.0)])
    def test_max_is_flat_on_the_left_and_the_identity_on_the_right(self, x1, value, slope):
        v = Value(x1)
        y = tg.maximum(v, 1.0)
        y.backward()
        assert (y.data, v.grad) == (value, slope)

    def test_at_the_kink_the_one_sided_differences_differ(self):
        def y(x1: float) -> float:
            return tg.maximum(x1, 1.0).data

        assert (y(1.0) - y(1.0 - 2**-20)) * 2**20 == 0.0
        assert (y(1.0 + 2**-20) - y(1.0)) * 2**20 == 1.0

    def test_away_from_ties_the_gradient_is_the_slope(self):
        x1 = np.random.default_rng(0).uniform(-2, 4, 200)
        v = Value(x1)
        tg.maximum(v, 1.0).sum().backward()
        h = 1e-6
        slopes = (np.maximum(x1 + h, 1.0) - np.maximum(x1 - h, 1.0)) / (2 * h)
        assert v.grad == pytest.approx(slopes)


class TestTheWinner:
    def test_it_is_the_argmax_and_its_derivative_is_one(self, net):
        (step,) = [s for s in tg.backward_steps(net.pooled) if s.node is net.pooled]
        assert int(np.argmax([z.data for z in net.units])) == WINNER
        assert step.contributions == (0.0, 1.0, 0.0)

    def test_the_whole_error_goes_back_to_a_single_unit(self, net):
        E = net.pooled * -7.0
        E.backward()
        assert [z.grad for z in net.units] == [0.0, -7.0, 0.0]
        losers = [w for k, ws in enumerate(net.weights) if k != WINNER for w in ws.values()]
        assert all(w.has_grad for w in losers)
        assert [w.grad for w in losers] == [0.0] * len(losers)

    def test_losers_have_no_effect_within_the_winners_margin(self):
        z = [0.2, 0.9, 0.5]
        margin = 0.9 - 0.5
        assert tg.maximum(z[0], z[1], z[2] + 0.99 * margin).data == 0.9
        assert tg.maximum(z[0], z[1], z[2] + 1.01 * margin).data > 0.9


class TestZeroOneWeights:
    """F4: write a weight on every link, 1 on the winner's and 0 on all others."""

    def test_backward_through_the_weights_gives_the_same_delta_bit_for_bit(self, net):
        E = (net.pooled - 3.0) ** 2
        E.backward()
        through_max = [z.parents[0].grad for z in net.units]
        forward = net.pooled.data

        zero_one = [1.0 if k == WINNER else 0.0 for k in range(3)]
        weighted = tg.weighted_sum(zero_one, net.units)
        E = (weighted - 3.0) ** 2
        E.backward()
        assert weighted.data == forward
        assert [z.parents[0].grad for z in net.units] == through_max

    @pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 1), (3, 2), (2, 1)])
    def test_in_matrix_form_y_is_p_x_and_the_gradient_is_p_transposed_g(self, kernel, stride):
        rng = np.random.default_rng(kernel * 10 + stride)
        x = Value(rng.standard_normal((7, 7)))
        y, winners = tg.max_pool2d(x, kernel, stride, return_indices=True)
        g = rng.standard_normal(y.shape)
        y.backward(gradient=g)
        P = np.zeros((y.size, x.size))
        P[np.arange(y.size), winners.reshape(-1)] = 1.0

        assert np.array_equal(P.sum(axis=1), np.ones(y.size))
        assert np.array_equal(P @ x.data.reshape(-1), y.data.reshape(-1))
        to_x = np.zeros(x.size)
        for unit, cell in zip(*np.nonzero(P), strict=True):  # Pᵀ g, in row-major window order
            to_x[cell] += g.reshape(-1)[unit]
        assert np.array_equal(x.grad.reshape(-1), to_x)
        assert P.T @ g.reshape(-1) == pytest.approx(to_x)

    def test_a_unit_that_wins_several_windows_has_several_ones_in_its_column(self):
        x = Value([[0.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 0.0]])
        y = tg.max_pool2d(x, 2, stride=1)
        y.backward(gradient=np.array([[1.0, 2.0], [4.0, 8.0]]))
        assert x.grad[1, 1] == 15.0
        assert x.grad.sum() == 15.0

    def test_p_is_constant_between_ties_so_its_own_derivative_is_zero(self):
        x = Value(np.random.default_rng(1).standard_normal((4, 4)))
        (slope,) = tg.grad(tg.max_pool2d(x, 2).sum(), x, create_graph=True)
        (curvature,) = tg.grad(slope.sum(), x)
        assert np.array_equal(curvature, np.zeros((4, 4)))

    def test_average_pooling_is_the_same_layer_with_fixed_weights(self):
        x = Value(np.random.default_rng(2).standard_normal((4, 4)))
        y = tg.avg_pool2d(x, 2)
        y.backward(gradient=np.array([[1.0, 2.0], [3.0, 4.0]]))
        assert np.array_equal(x.grad, np.kron([[1.0, 2.0], [3.0, 4.0]], np.full((2, 2), 0.25)))


class TestWhatTheNotesLeaveOpen:
    @pytest.mark.parametrize(
        ("ties", "shares"), [("first", [1.0, 0.0]), ("last", [0.0, 1.0]), ("even", [0.5, 0.5])]
    )
    def test_ties(self, ties, shares):
        a, b, c = Value(2.0), Value(2.0), Value(1.0)
        tg.maximum(a, b, c, ties=ties).backward()
        assert [a.grad, b.grad, c.grad] == [*shares, 0.0]

    def test_a_tie_can_be_an_error_that_names_the_units(self):
        with pytest.raises(TieError, match=r"maximum: units \(0,\), \(1,\) share the maximum 2"):
            tg.maximum(Value(2.0), Value(2.0), ties="error")

    def test_the_first_nan_wins(self):
        x = Value([1.0, np.nan, 5.0, np.nan])
        y = x.max()
        y.backward()
        assert np.isnan(y.data)
        assert np.array_equal(x.grad, [0.0, 1.0, 0.0, 0.0])

    def test_a_padded_cell_is_not_a_unit(self):
        x = Value([[-5.0, -6.0], [-7.0, -8.0]])
        y = tg.max_pool2d(x, 2, padding=1)
        y.sum().backward()
        assert np.array_equal(y.data, x.data)
        assert np.array_equal(x.grad, np.ones((2, 2)))

    def test_a_window_without_a_unit_is_an_error_that_names_it(self):
        with pytest.raises(ShapeError, match=r"max_pool2d: window \(0, 0\) holds no unit"):
            tg.max_pool2d(np.ones((1, 1)), 2, stride=1, padding=1, dilation=2)

    def test_contributions_of_overlapping_windows_add_in_row_major_order(self):
        x = Value([[0.0, 0.0, 9.0, 0.0, 0.0]])
        y = tg.max_pool2d(x, (1, 3), stride=1)
        y.backward(gradient=np.array([[1.0, -1.0, 1e-17]]))
        assert x.grad[0, 2] == 1e-17  # in another order, the small one would be lost


def test_weights_are_labelled_by_unit_and_input_and_long_numbers_by_a_comma():
    net = network([0.0] * 10, [{0: 0.1, 1: 0.2, 10: 0.3}])
    assert [w.label for w in net.weights[0].values()] == ["w10", "w11", "w1,10"]
