"""How parameters and layers are found and named."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.errors import DataError

ONES = np.ones((5, 2))


def parameters_of(loss, parameters=None, **names):
    return list(Survey(tg.record(loss, names=names), parameters, names).parameters.values())


def rows(loss, **names):
    return list(dict.fromkeys(Survey(tg.record(loss, names=names), None, names).rows.values()))


class TestParameters:
    def test_parameters_of_a_module_have_their_names_in_it(self):
        net = tg.nn.Sequential(a=tg.nn.Linear(2, 3), b=tg.nn.Linear(3, 1))
        names = ["a.weight", "a.bias", "b.weight", "b.bias"]
        assert parameters_of(net(ONES).sum(), net) == names
        assert parameters_of(net(ONES).sum(), [net]) == names

    def test_names_of_several_modules_begin_with_their_place(self):
        a, b = tg.nn.Linear(2, 3), tg.nn.Linear(3, 1, bias=False)
        loss = b(a(ONES)).sum()
        names = ["0.weight", "0.bias", "2.weight"]
        assert parameters_of(loss, [a, tg.Value(1.0, label="c"), b]) == [*names[:2], "c", names[2]]
        assert tg.watch([a, tg.nn.ReLU(), b]).names == names

    def test_values_without_a_name_are_named_after_their_scope(self):
        net = tg.nn.Sequential(a=tg.nn.Linear(2, 3), b=tg.nn.Linear(3, 1))
        names = ["a.weight", "a.bias", "b.weight", "b.bias"]
        assert parameters_of(net(ONES).sum(), net.parameters()) == names
        assert parameters_of(net(ONES).sum()) == names

    def test_any_object_with_parameters_is_accepted(self):
        class Own:
            def __init__(self):
                self.w = tg.Value(2.0)

            def parameters(self):
                return [self.w]

        own = Own()
        assert parameters_of(own.w * 3.0, own) == ["leaf#0"]
        assert parameters_of(
            tg.Value(1.0) * 3.0, [own, tg.Value(1.0), tg.Value(1.0, label="b")]
        ) == [
            "parameter 1",
            "parameter 2",
            "b",
        ]

    def test_a_single_value_is_accepted(self):
        w = tg.Value(2.0)
        assert parameters_of(w * 3.0, w, w=w) == ["w"]

    def test_modules_among_the_variables_are_found_outermost_first(self):
        net = tg.nn.Sequential(a=tg.nn.Linear(2, 3), b=tg.nn.Linear(3, 1))
        layer = net.b
        assert parameters_of(net(ONES).sum(), layer=layer, net=net, n=3)[-1] == "b.bias"

    def test_names_of_several_modules_begin_with_the_variable(self):
        first, last = tg.nn.Linear(2, 3, bias=False), tg.nn.Linear(3, 1, bias=False)
        loss = last(first(ONES)).sum()
        assert sorted(parameters_of(loss, first=first, last=last)) == [
            "first.weight",
            "last.weight",
        ]

    def test_nested_lists_and_dicts_of_parameters_are_read(self):
        w, b = tg.Value(1.0), tg.Value(2.0)
        assert parameters_of(w + b, {"last": {"w": w, "bs": [b]}}) == ["last.w", "last.bs.0"]
        assert len(parameters_of(w + b, [[w], (b,)])) == 2

    @pytest.mark.parametrize("given", [3.0, "ab", [1.0], {"w": 1}, [["ab"]], [[np.ones(2)]]])
    def test_objects_without_parameters_are_rejected(self, given):
        with pytest.raises(DataError, match="diagnose: parameters must be Values, modules that "):
            parameters_of(tg.Value(1.0) * 2.0, given)


class TestGuesses:
    def test_weights_are_parameters_but_not_their_inputs(self):
        x, w, b = (tg.Value(np.ones((2, 2)), label=name) for name in "xwb")
        assert parameters_of((x @ w + b).sum()) == ["w", "b"]

    def test_the_input_of_a_convolution_is_not_a_parameter(self):
        x, w = tg.Value(np.ones((1, 4, 4)), label="x"), tg.Value(np.ones((1, 1, 2, 2)), label="w")
        assert parameters_of(tg.conv2d(x, w).sum()) == ["w"]
        assert parameters_of(tg.conv2d(ONES[None], w).sum()) == ["w"]

    def test_weights_may_be_on_the_left(self):
        w1, w2 = tg.Value(np.ones((3, 5)), label="w1"), tg.Value(np.ones((1, 3)), label="w2")
        assert parameters_of((w2 @ (w1 @ ONES).relu()).sum()) == ["w1", "w2"]

    def test_a_square_matrix_on_the_left_may_mix_examples(self):
        mix, x = tg.Value(np.ones((5, 5)), label="mix"), tg.Value(ONES, label="x")
        w, v = tg.Value(np.ones((2, 3)), label="w"), tg.Value(np.ones((3, 2)), label="v")
        assert parameters_of((mix @ ((mix @ (x @ w)).relu() @ v)).sum()) == ["w", "v"]

    def test_results_under_no_grad_have_no_inputs(self):
        w, old = tg.Value(np.ones((2, 2)), label="w"), tg.Value(np.ones((2, 2)), label="old")
        with tg.no_grad():
            target = ONES @ old
        assert parameters_of((ONES @ w - target).sum()) == ["w"]

    def test_inputs_of_weighted_sums_are_not_parameters(self):
        w, x = tg.Value(2.0, label="w"), tg.Value(3.0, label="x")
        assert parameters_of(tg.weighted_sum([w], [x], 1.0)) == ["w"]

    def test_scalar_weights_without_a_name_are_parameters_beside_their_bias(self):
        w, b = [tg.Value(2.0), tg.Value(3.0)], tg.Value(0.5)
        neuron = sum((wi * xi for wi, xi in zip(w, [1.0, -1.0], strict=True)), b).tanh()
        assert parameters_of(neuron, w=w, b=b) == ["w[0]", "w[1]", "b"]
        assert len(parameters_of(neuron)) == len(parameters_of(neuron, p=b)) == 3

    def test_the_start_of_a_sum_of_errors_is_not_a_parameter(self):
        w, loss = tg.Value(2.0), tg.Value(0.0)
        for x in (1.0, 2.0):
            loss = loss + (w * x - 3.0) ** 2
        assert parameters_of(loss) == ["leaf#0"]
        assert parameters_of(loss / 2.0 + tg.Value(1.0, label="c")) == ["leaf#0", "c"]

    def test_leaves_with_a_name_come_before_those_without(self):
        w, x = tg.Value(2.0, label="w"), tg.Value(3.0)
        assert parameters_of(w * x) == ["w"]
        assert parameters_of(tg.Value(2.0) * x) == ["leaf#0", "leaf#1"]
        assert parameters_of(tg.Value(2.0) * x, scale=x) == ["scale"]


class TestRows:
    def test_the_parts_of_a_network_are_layers(self):
        net = tg.nn.Sequential(a=tg.nn.Linear(2, 3), r=tg.nn.ReLU(), b=tg.nn.Linear(3, 1))
        assert rows(net(ONES).sum()) == ["a", "r", "b", "sum"]

    def test_neurons_of_a_layer_are_one_row_and_layers_are_several(self):
        class Whole(tg.nn.Module):
            def __init__(self):
                self.mlp = tg.nn.MLP(2, [3, 2, 1])
                self.scale = tg.nn.Linear(1, 1)

            def forward(self, x):
                return self.mlp(x) * 2.0

        model = Whole()
        with tg.scope("model"):
            y = model([1.0, 2.0])
        assert rows(y) == [
            *(f"model/mlp/layers.{i}" for i in range(3)),
            "model",
        ]

    def test_rows_without_scopes_are_named_after_parameters_and_activations(self):
        w, b = tg.Value(np.ones((2, 3)), label="w"), tg.Value(np.ones(3), label="b")
        h = (ONES @ w + b).relu()
        assert rows((h * 2.0).sum(), h=h) == ["w", "b", "h", "mul", "sum"]

    def test_many_activations_without_scopes_are_one_row(self):
        y = tg.Value(np.ones(2), label="x")
        for _ in range(30):
            y = y.relu()
        assert rows(y.sum()) == ["x", "relu", "sum"]

    def test_many_activations_belong_to_the_parameter_right_below(self):
        w, b = tg.Value(np.ones((3, 3)), label="w"), tg.Value(np.ones(3), label="b")
        h = ONES[:, :1] * np.ones(3)
        for _ in range(30):
            h = (tg.sigmoid(h @ w + b) * 2.0).relu()
        assert rows(h.sum()) == ["w", "b", "mul", "relu", "sum"]

    def test_a_number_taken_from_a_parameter_array_belongs_to_its_row(self):
        w = tg.Value([0.5, 1.0, 2.0], label="w")
        assert rows(w[0] * w[1] + (w[1:] ** 2).sum()) == ["w", "mul", "power", "sum", "add"]
        assert rows(np.dot(w, [1.0, 2.0, 3.0]) * 2.0) == ["w", "mul"]

    def test_scalars_without_scopes_are_grouped_by_operation(self):
        w = tg.Value(2.0, label="w")
        assert rows((w * 3.0 + 1.0).relu() * 2.0) == ["mul", "add", "relu"]


class TestNames:
    def test_all_parameters_of_a_part_are_shortened(self):
        net = tg.nn.Sequential(a=tg.nn.Linear(2, 3), b=tg.nn.Linear(3, 1))
        survey = Survey(tg.record(net(ONES).sum()), net)
        assert survey.listed(net.a.parameters()) == "a.*"
        assert survey.listed([net.a.weight, net.b.bias]) == "a.weight, b.bias"
        mlp = tg.nn.MLP(3, [1])
        survey = Survey(tg.record(mlp([1.0, 2.0, 3.0])), mlp)
        weights = mlp.layers[0].neurons[0].w[:2]
        assert survey.listed(weights) == "layers.0.neurons.0.w.0, layers.0.neurons.0.w.1"

    def test_names_of_nodes_include_their_scope(self):
        w = tg.Value(2.0, label="w")
        with tg.scope("part"):
            y = w * 3.0
        survey = Survey(tg.record(y * 2.0))
        assert (survey.call(y), survey.brief(y), survey.brief(w)) == ("mul#1 in part", "mul#1", "w")
