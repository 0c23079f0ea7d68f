"""Dead relus, candidates that never win, and saturated units."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_pool as tg


def find(kind, loss, **options):
    return [f for f in tg.diagnose(loss, **options).findings if f.kind == kind]


def layer_of(loss, name, **options):
    return next(layer for layer in tg.diagnose(loss, **options).layers if layer.name == name)


def columns(n, *offsets):
    """Return n examples of units that alternate between 1 and −1, each plus an offset."""
    return np.resize([1.0, -1.0], (n, 1)) * np.ones(len(offsets)) + offsets


class TestDeadRelus:
    @pytest.mark.parametrize(
        ("n", "severity"), [(16, "lost for the whole batch"), (15, "suspicious"), (4, "suspicious")]
    )
    def test_units_off_in_every_example_are_listed(self, n, severity):
        w = tg.Value(columns(n, 0, -5, -5, -7), label="w")
        (finding,) = find("dead relus", (w * 1.0).relu().sum())
        assert finding.says == f"3 of 4 units (1, 2, 3) are off in all {n} examples"
        assert finding.severity == severity
        assert "with inputs of −8 … −4" in finding.why

    def test_a_relu_written_as_a_maximum_with_0_is_one(self):
        w = tg.Value(columns(20, 0, -5, 0, -7), label="w")
        (expected,) = tg.diagnose((w * 1.0).relu().sum()).findings
        for zeros in (0.0, np.zeros((20, 4)), np.zeros(4)):
            for z in (np.maximum(0.0 + zeros, w * 1.0), tg.maximum(w * 1.0, zeros)):
                E = z.sum()
                (finding,) = tg.diagnose(E).findings
                assert finding[2:5] == (z.op + "#2", *expected[3:5])
                assert finding.kind == expected.kind
                assert (
                    layer_of(E, "maximum#2").off == layer_of((w * 1.0).relu().sum(), "relu#2").off
                )

    @pytest.mark.parametrize(
        "relu",
        [
            lambda a: np.where(a > 0, a, 0.0),
            lambda a: np.where(a.data > 0, a, np.zeros_like(a.data)),
            lambda a: a * (a > 0),
            lambda a: (a.data >= 0) * a,
            lambda a: np.clip(a, 0.0, None),
            lambda a: a.clip(0),
            lambda a: np.fmax(a, 0.0),
        ],
    )
    def test_a_relu_written_in_another_way_is_one(self, relu):
        w = tg.Value(columns(20, 0, -5, 0, -7), label="w")
        (finding,) = find("dead relus", relu(w * 1.0).sum())
        assert finding.says == "2 of 4 units (1, 3) are off in all 20 examples"
        (of_whole,) = find("zero gradient", relu(w * 1.0 - 9.0).sum())
        assert "the relu is off" in of_whole.why
        (of_number,) = find("zero gradient", relu(tg.Value(-2.0, label="w") * 1.0))
        assert "mul#1 gets nothing from " in of_number.why

    @pytest.mark.parametrize(
        "mask",
        [
            lambda a: np.where(a > 1, a, 0.0),
            lambda a: np.where(a > 0, a, 0.1),
            lambda a: np.where(a > 0, a, 0.1 * a),
            lambda a: a * (a.data > -5.0),
            lambda a: a * np.ones(4),
            lambda a: a.clip(-1.0, 1.0),
        ],
    )
    def test_another_mask_is_no_relu(self, mask):
        w = tg.Value(columns(20, 0, -5, 0, -7), label="w")
        assert find("dead relus", mask(w * 1.0).sum()) == []

    def test_a_maximum_with_0_is_on_at_0_if_its_first_operand_is_the_input(self):
        w = tg.Value(columns(20, 1, -1), label="w")  # units are 2 and 0, or 0 and −2
        assert find("dead relus", tg.maximum(w * 1.0, 0.0).sum()) == []
        (finding,) = find("dead relus", tg.maximum(0.0, w * 1.0).sum())
        assert finding.says == "1 of 2 units (1) is off in all 20 examples"

    def test_scalar_relus_written_as_a_maximum_are_units_of_their_scope(self):
        w, findings = tg.Value(1.0, label="w"), []
        for relu in (tg.relu, lambda a: tg.maximum(0.0, a), lambda a: tg.maximum(a, 0.0)):
            with tg.scope("layer"):
                zs = []
                for i in range(2):
                    with tg.scope(f"unit{i}"):
                        zs += [relu(w * x - 9.0 * i) for x in np.linspace(-1.0, 1.0, 20).tolist()]
            findings.append(find("dead relus", sum(zs)))
        (finding,) = findings[0]
        assert finding.says == "1 of 2 units (unit1) is off in all 20 examples"
        assert [[f[:5] for f in found] for found in findings[1:]] == [[finding[:5]]] * 2

    def test_dead_units_of_many_layers_are_one_finding(self):
        offsets = [(0, -5, -5), (0, -5, -7, -9), (-5, 0, -5), (-5, 0, -9)]
        layers = [tg.Value(columns(20, *offset), label=f"w{i}") for i, offset in enumerate(offsets)]
        zs = [(w * 1.0).relu() for w in layers]
        for i, z in enumerate(zs):
            z.label = f"z{i}"
        (finding,) = find("dead relus", sum(z.sum() for z in zs))
        assert finding.name == "z0, z1, z2, z3"
        says = "9 of 13 units in 4 layers are off in all 20 examples, most of all in z1: 3 of 4"
        assert finding.says == says
        assert finding.nodes == tuple(zs)
        assert len(find("dead relus", sum(z.sum() for z in zs[:3]))) == 3

    def test_three_examples_are_too_few(self):
        w = tg.Value(columns(3, 0, -5), label="w")
        assert tg.diagnose((w * 1.0).relu().sum()).findings == []

    def test_units_that_are_on_once_are_alive(self):
        x = columns(20, 0, -5)
        x[7, 1] = 0.1
        assert find("dead relus", (tg.Value(x) * 1.0).relu().sum()) == []

    def test_up_to_half_of_a_layer_is_suspicious(self):
        w = tg.Value(columns(20, 0, -5, -5, 0))
        (finding,) = find("dead relus", (w * 1.0).relu().sum())
        assert finding.severity == "suspicious"

    def test_feature_maps_are_dead_as_channels(self):
        x = np.random.default_rng(0).standard_normal((20, 3, 4, 4))
        x[:, 1] = -1
        x[:, 2, 0, 0] = -1  # a corner that is always dark
        with tg.scope("maps"):
            z = (tg.Value(x) * 1.0).relu()
        (finding,) = find("dead relus", z.sum())
        assert finding.name == "maps"
        assert finding.says == "1 of 3 channels (1) is off in all 20 examples"

    def test_weights_on_the_left_have_examples_along_the_second_axis(self):
        w1, w2 = tg.Value(np.ones((3, 2)), label="w1"), tg.Value(np.ones((1, 3)), label="w2")
        b = tg.Value([[0.0], [-9.0], [0.0]], label="b")
        x = columns(20, 0, 0).T
        (finding,) = find("dead relus", (w2 @ (w1 @ x + b).relu()).sum())
        assert finding.says == "1 of 3 units (1) is off in all 20 examples"

    def test_a_vector_has_no_examples(self):
        w = tg.Value(np.linspace(-3, 1, 20))
        assert tg.diagnose((w * 1.0).relu().sum()).findings == []

    def test_a_hinge_loss_that_is_0_has_no_dead_units(self):
        w = tg.Value(columns(20, 0.0, -9.0), label="w")
        scores = w @ tg.Value(np.eye(2), label="u")
        assert find("dead relus", (scores + 1.0).relu().sum()) == []

    def test_scalars_without_a_scope_are_not_counted_as_units(self):
        w = tg.Value(1.0, label="w")
        E = sum((w * x).relu() for x in (-1.0, 1.0) * 10)
        assert tg.diagnose(E).findings == []

    @given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 6))
    @settings(max_examples=40)
    def test_the_share_that_is_off_is_a_direct_count(self, seed, n, units):
        x = np.random.default_rng(seed).integers(-3, 2, (n, units)).astype(float)
        with tg.scope("act"):
            z = (tg.Value(x) * 1.0).relu()
        of = layer_of(z.sum() + 1.0, "act")
        dead = int((x <= 0).all(axis=0).sum())
        assert of.off == (x <= 0).mean()
        assert of.dead == (dead if n >= 4 else 0)

    @pytest.mark.covered
    @given(st.integers(0, 10**6), st.integers(4, 12))
    @settings(max_examples=20)
    def test_scalar_neurons_are_counted_the_same_way(self, seed, n):
        rng = np.random.default_rng(seed)
        layer, points = tg.nn.Layer(2, 5), rng.uniform(-1, 1, (n, 2))
        for neuron in layer.neurons:
            for p, x in zip((*neuron.w, neuron.b), rng.uniform(-1, 1, 3), strict=True):
                p.data = x
        with tg.scope("hidden"):
            z = [layer(p) for p in points.tolist()]
        off = np.array([[unit.data == 0 for unit in example] for example in z])
        of = layer_of(sum(sum(example) for example in z), "hidden", parameters=layer)
        assert (of.off, of.dead) == (off.mean(), off.all(axis=0).sum())


class TestNeverWins:
    def test_a_column_that_wins_for_no_example(self):
        x = np.random.default_rng(0).standard_normal((20, 4)) - [0, 9, 0, 0]
        (finding,) = find("never wins", tg.Value(x, label="x").max(axis=1).sum())
        assert finding.says == "1 of 4 units (1) loses in all 20 examples"
        assert find("never wins", tg.Value(x + np.eye(4)[1] * 9).max(axis=1).sum()) == []

    @pytest.mark.parametrize(("sign", "best"), [(-9, "max"), (9, "min")])
    def test_a_loser_of_a_minimum_is_not_one_of_a_maximum(self, sign, best):
        x = np.random.default_rng(0).standard_normal((20, 4)) + np.eye(4)[1] * sign
        (finding,) = find("never wins", getattr(tg.Value(x, label="x"), best)(axis=1).sum())
        assert finding.why.startswith(f"only the winner of a {best}imum gets a gradient, ")
        assert ". Find out why it loses: " in finding.why

    def test_a_unit_of_one_operand(self):
        rng = np.random.default_rng(0)
        a, b = (tg.Value(rng.standard_normal((20, 3)), label=name) for name in "ab")
        a.data = a.data - [0, 0, 9]
        (finding,) = find("never wins", tg.maximum(a, b).sum())
        assert (finding.name, finding.nodes[0].op) == ("a", "maximum")
        assert finding.says == "1 of 3 units (2) loses in all 20 examples"

    def test_places_in_a_map_lose_without_a_finding(self):
        x = np.random.default_rng(0).standard_normal((20, 2, 8, 8))
        x[..., 0, 0] = -9
        v = tg.Value(x, label="x")
        for loss in (v.max(axis=(2, 3)).sum(), tg.max_pool2d(v, 2).sum(), v.max()):
            assert find("never wins", loss) == []

    def test_the_table_says_how_many_never_win(self):
        x = np.arange(32.0).reshape(2, 1, 4, 4)
        with tg.scope("pool"):
            y = tg.max_pool2d(tg.Value(x), 2)
        assert layer_of(y.sum(), "pool").idle == 0.75

    def test_an_operand_of_scalar_maxima_in_a_scope(self):
        rng = np.random.default_rng(0)
        w = [tg.Value(1.0, label=f"w{i}") for i in range(3)]
        with tg.scope("pool"):
            z = [tg.maximum(w[0] * x, w[1] * y, w[2] - 9.0) for x, y in rng.uniform(0, 1, (20, 2))]
        (finding,) = find("never wins", sum(z) + sum(w))
        assert finding.says == "1 of 3 units (pool, operand 3) loses in all 20 examples"

    def test_a_constant_is_not_a_unit(self):
        z = tg.maximum(tg.Value(np.ones((20, 3)), label="x"), 0.0)
        assert tg.diagnose(z.sum()).findings == []


OTHER_WAYS = {
    "a leaky relu": lambda a: tg.maximum(a, 0.01 * a),
    "one of two relus": lambda a: tg.maximum(a, 0.0) - 0.1 * tg.maximum(-a, 0.0),
    "a shortcut": lambda a: tg.relu(a) + a,
    "a softplus": lambda a: tg.maximum(a, 0.0) + np.log1p(np.exp(-abs(a))),
    "scores less their largest": lambda a: np.exp(a - a.max(axis=1, keepdims=True)),
}


class TestOtherWays:
    """A unit that gets a gradient on another path is not dead."""

    @pytest.mark.parametrize("f", OTHER_WAYS.values(), ids=OTHER_WAYS)
    def test_arrays(self, f):
        w = tg.Value(columns(20, -9, 0, 9), label="w")
        assert tg.diagnose((f(w * 1.0) ** 2).sum()).findings == []

    @pytest.mark.parametrize("f", [*OTHER_WAYS.values()][:3], ids=[*OTHER_WAYS][:3])
    def test_scalars(self, f):
        w = tg.Value(1.0, label="w")
        with tg.scope("unit"):
            zs = [f(w * x - 9.0) for x in np.linspace(-1.0, 1.0, 20).tolist()]
        assert find("dead relus", sum(zs)) == find("never wins", sum(zs)) == []

    def test_units_without_another_path_are_dead(self):
        w, b = tg.Value(columns(20, -9, 0), label="w"), tg.Value([1.0, 2.0], label="b")
        for losers in (w * 1.0, w + b, w * np.ones((20, 2)), tg.exp(1.0) * w):
            (finding,) = find("dead relus", (losers * 1.0).relu().sum() + tg.exp(2.0).relu())
            assert finding.says == "1 of 2 units (0) is off in all 20 examples"


class TestSaturated:
    @pytest.mark.parametrize(("squash", "far", "low"), [("sigmoid", 7.0, 0.0), ("tanh", 4.0, -1.0)])
    def test_saturated_units_that_the_gradient_pulls_back(self, squash, far, low):
        w = tg.Value(np.full((4, 3), far), label="w")
        y = getattr(w * 1.0, squash)()
        (finding,) = find("saturated", ((y - low) ** 2).sum())
        assert (finding.severity, finding.says) == (
            "partly lost",
            f"12 of 12 units of {squash} are saturated",
        )
        assert "12 of them would have to move back" in finding.why

    @pytest.mark.parametrize(("stuck", "count"), [(5, 1), (4, 0)])
    def test_a_quarter_of_the_units_must_be_pulled_back(self, stuck, count):
        y = tg.Value(np.where(np.arange(20) < stuck, 5.0, -5.0)).tanh()
        assert len(find("saturated", y.sum())) == count  # the error pulls towards −5

    def test_units_that_should_be_saturated_are_not_reported(self):
        y = tg.Value(np.full((4, 3), 7.0)).sigmoid()
        assert find("saturated", -y.log().sum()) == []
        assert layer_of(-y.log().sum(), "sigmoid#1").flat == 1.0

    @pytest.mark.parametrize(
        "loss", [lambda y: -y.log().mean(), lambda y: -(1 - (1 - y)).log().sum()]
    )
    def test_saturation_before_a_logarithm_is_not_reported(self, loss):
        y = tg.Value(np.full((4, 3), -8.0)).sigmoid()
        assert find("saturated", loss(y)) == []
        assert find("saturated", ((y - 1) ** 2).mean())

    @pytest.mark.parametrize(("x", "count"), [(2.0, 0), (20.0, 1)])
    def test_arctan_saturates_later(self, x, count):
        y = np.arctan(tg.Value(np.full((4, 3), x)))
        assert len(find("saturated", (y**2).mean())) == count

    @pytest.mark.parametrize(("layers", "findings"), [(3, 3), (4, 1)])
    def test_many_layers_are_one_finding(self, layers, findings):
        h = tg.Value(np.ones((5, 2)), label="x")
        for i in range(layers):
            w = tg.Value(np.full((2, 2), 5.0), label=f"w{i}")
            with tg.scope(f"l{i}"):
                h = (h @ w).tanh()
        reported = find("saturated", (h**2).sum())
        assert len(reported) == findings
        assert reported[0].says.endswith(" units of tanh in 4 layers are saturated") == (
            findings == 1
        )

    def test_a_few_saturated_units_are_not_reported(self):
        y = tg.Value(np.linspace(-3.5, 3.5, 40)).tanh()
        assert find("saturated", (y**2).sum()) == []

    @pytest.mark.parametrize("squash", ["sigmoid", "tanh"])
    @pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
    def test_an_empty_layer_is_not_reported(self, squash, shape):
        w = tg.Value(2.0, label="w")
        y = getattr(w * np.zeros(shape), squash)()
        assert find("saturated", y.sum() + w) == []

    def test_scalars_of_a_layer_are_counted_together(self):
        w = tg.Value(9.0, label="w")
        with tg.scope("out"):
            y = [(w * x).sigmoid() for x in (1.0, 2.0, 3.0, -0.1)]
        (finding,) = find("saturated", sum(y))
        assert (finding.name, finding.says) == ("out", "3 of 4 units of sigmoid are saturated")


def test_one_saturated_gate_among_others_is_found():
    rng = np.random.default_rng(0)
    gates = {}
    for name, bias in (("i", 0.0), ("f", -40.0), ("o", 0.0)):
        w = tg.Value(rng.normal(size=(3, 4)) * 0.1, label=f"w{name}")
        gates[name] = w, tg.Value(np.full(4, bias), label=f"b{name}")
    h, total = tg.Value(np.zeros((6, 4)), label="h"), 0.0
    for _ in range(10):
        x = rng.normal(size=(6, 3))
        i, f, o = (tg.sigmoid(x @ w + b) for w, b in gates.values())
        h = (f * h + i * o).tanh()
        total = total + ((h - 2.0) ** 2).mean()
    (finding,) = [f for f in tg.diagnose(total).findings if f.kind == "saturated"]
    assert str(finding) == "partly lost: bf: 240 of 240 units of sigmoid are saturated"


def test_units_beyond_a_bound_are_reported_once():
    w = tg.Value(np.ones((1, 1)), label="w")
    y = tg.minimum(tg.maximum(np.ones((20, 1)) @ w, 5.0), 10.0).sum()
    (finding,) = tg.diagnose(y, parameters=w).findings
    assert finding.kind == "zero gradient"
    (finding,) = tg.diagnose(y + w.sum(), parameters=w).findings
    assert finding.says == "its only unit loses in all 20 examples"
