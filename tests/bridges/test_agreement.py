"""Crosscheck of a graph with PyTorch: agreement, differences and documented choices."""

from contextlib import suppress
from itertools import product

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import DataError, GraphError, OptionError, TinygradPoolError
from tinygrad_pool.rules import reductions, traits

pytestmark = pytest.mark.peer


@pytest.mark.covered
@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("seed", range(25))
def test_random_networks_agree(random_net, seed):
    y, _ = random_net(seed, steps=6)
    result = tg.crosscheck(y)
    assert result.ok, result
    assert not result.unknown
    assert result.compared == sum(not n.is_leaf for n in tg.record(y, np.ones(y.shape)).nodes)


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("ties", ["first", "last", "even"])
def test_ties_are_listed_as_documented_choices(random_net, seed, ties):
    y, _ = random_net(seed, numbers="integers", steps=5, ties=ties)
    result = tg.crosscheck(y)
    assert result.ok, result


def wrong_cube(x):
    def wrong_cube_backward(g):
        return (2 * g * x**2,)

    return x**3, wrong_cube_backward


def sine(x):
    return np.sin(x), lambda g: (g * np.cos(x),)


@pytest.mark.usefixtures("torch")
class TestDifferences:
    def test_the_first_difference_has_its_rule_and_line(self):
        a = tg.Value([1.0, 2.0, 3.0], label="a")
        with tg.traced():
            E = (tg.lift(wrong_cube)(a) * a).sum()
        before = [v.has_grad for v in (a, E)]
        result = tg.crosscheck(E)
        assert not result.ok
        assert [v.has_grad for v in (a, E)] == before
        first = result.first
        assert (first.node.op, first.place, first.ours, first.theirs) == (
            *("wrong_cube", (2,)),
            *(54.0, 81.0),
        )
        assert "1 difference, the first one:\n  wrong_cube#1 (rule wrong_cube): what it" in str(
            result
        )
        assert "test_agreement.py" in str(result)

    def test_wrong_data_is_a_difference(self):
        def double(x):
            return (x * 2, lambda g: (g * 2,)) if isinstance(x, np.ndarray) else (x * 3, None)

        result = tg.crosscheck(tg.lift(double)(tg.Value([1.0])).sum())
        assert result.first.what == "its data"
        assert len(str(result).splitlines()) >= 2

    def test_a_rule_that_torch_lacks_is_listed_as_unknown(self):
        result = tg.crosscheck(tg.lift(sine)(tg.Value([1.0])).sum() * 1.0)
        assert result.ok
        assert [n.op for n in result.unknown] == ["sine"]
        assert str(result).endswith(
            "not compared, since PyTorch lacks the operation or rejects it: sine#1"
        )

    @pytest.mark.parametrize(
        "rule",
        [lambda x: 2.0, lambda x: x.sum() if isinstance(x, np.ndarray) else x],
        ids=["no tensor", "another shape"],
    )
    def test_a_rule_with_another_result_in_torch_is_unknown(self, rule):
        def odd(x):
            return rule(x), lambda g: (g * np.ones(2),)

        assert [n.op for n in tg.crosscheck(tg.lift(odd)(tg.Value([1.0, 2.0]))).unknown] == ["odd"]

    def test_a_wrong_rule_with_a_tie_is_not_a_documented_choice(self, monkeypatch):
        def larger(x, w):
            return x * (x > w) + w * (w >= x), lambda g: (2 * g * (x > w), g * (w >= x))

        monkeypatch.setitem(traits.TRAITS, larger, traits.TRAITS[reductions.maximum])
        a, b = tg.Value([1.0, 5.0], label="a"), tg.Value([1.0, 3.0], label="b")
        result = tg.crosscheck(tg.lift(larger)(a, b).sum())
        assert [(d.place, d.ours, d.theirs) for d in result.differences] == [((1,), 2.0, 1.0)]

    def test_a_condition_has_no_gradient_on_either_side(self):
        x = tg.Value([1.0, 0.0])
        assert tg.crosscheck(tg.where(x, x * 2.0, 1.0).sum()).ok

    def test_a_tie_at_a_maximum(self):
        a, b = tg.Value([1.0, 2.0], label="a"), tg.Value([1.0, 3.0], label="b")
        result = tg.crosscheck((tg.maximum(a, b) ** 2).sum())
        assert result.ok
        assert [c.place for c in result.choices] == [(0,), (0,)]
        assert "here ties='first'; at a tie PyTorch pays half each" in str(result)
        assert "all agree, except for 2 documented choices" in str(result)

    def test_a_window_of_zeros(self):
        result = tg.crosscheck(
            tg.functional.lp_pool1d(tg.Value([0.0, 0.0, 3.0, 4.0]), 2.0, 2).sum()
        )
        assert result.ok
        assert "the gradient is 0 at a kink, such as a norm of zeros; PyTorch has NaN" in str(
            result
        )

    def test_a_norm_of_zeros(self):
        x = tg.Value([0.0, 3.0])
        result = tg.crosscheck(np.hypot(x, x).sum())
        assert result.ok
        assert [c.what[-9:] for c in result.choices] == ["operand 1", "operand 2"]

    def test_a_wrong_gradient_where_pytorch_has_nan_is_a_difference(self):
        def size(x):
            return (x * x) ** 0.5, lambda g: (g,)

        assert not tg.crosscheck(tg.lift(size)(tg.Value([0.0])).sum()).ok

    @pytest.mark.parametrize("numbers", [2.0, np.float32(2.0), np.array([2.0])])
    def test_data_that_changed_raises(self, numbers):
        w = tg.Value(numbers, label="w")
        E = (w * w).sum()
        w.data = w.data + 3.0
        with pytest.raises(GraphError, match="the data of the leaf 'w' changed after the mul node"):
            tg.crosscheck(E)
        assert tg.crosscheck((w * w).sum()).ok

    def test_differences_after_the_eighth_are_counted(self):
        a = tg.Value([1.0, 2.0])
        E = sum(tg.lift(wrong_cube)(a).sum() for _ in range(10))
        assert "… and 2 more" in str(tg.crosscheck(E))


@pytest.mark.usefixtures("torch")
def test_every_activation_and_loss_agrees():
    rng = np.random.default_rng(0)
    x, t = tg.Value(rng.normal(size=(4, 5)) * 3), rng.random((4, 5))
    f = tg.functional
    for y in (
        *(f.gelu(x), f.gelu(x, approximate="tanh"), f.elu(x, alpha=0.5), f.softplus(x, beta=2.0)),
        *(f.erf(x), f.leaky_relu(x, 0.1), f.mish(x), f.hardswish(x), f.selu(x), f.softsign(x)),
        tg.nn.binary_cross_entropy(tg.sigmoid(x), t),
        tg.nn.cross_entropy(x, [0, 1, 2, 4]),
        tg.softmax(x, axis=(0, 1)),
        tg.logsumexp(x, axis=0, keepdims=True),
        tg.clip(x, -1.0, np.ones(5)),
        tg.clip(x),
        tg.where(t > 0.5, x, -x),
        f.squeeze(tg.stack([f.expand_dims(x, 0)] * 2)[:1]),
        np.broadcast_to(x, (2, 4, 5)),
        x[[0, 0, 3], 1:, None].astype(np.float32),
        tg.weighted_sum([x, x], [x, 2.0], 1.0),
        f.adaptive_avg_pool2d(x, (3, 2)),
        f.adaptive_max_pool1d(x, 3),
        f.avg_pool2d(x, 2, 2, 1, True, False),
        f.avg_pool1d(x, 2, divisor_override=3.0),
        f.conv1d(x, tg.Value(rng.normal(size=(2, 4, 2)))),
        tg.Value(2.0).sum() + tg.Value(3.0).max() + tg.logsumexp(tg.Value(1.0)),
        x.detach() * x,
        x * (t > 0.5),
    ):
        result = tg.crosscheck(y)
        assert result.ok, result
        assert not result.unknown, result


def test_an_exploded_graph_agrees(torch):
    y = tg.max_pool2d(tg.Value(np.arange(16.0).reshape(4, 4)), 2)
    layer = tg.as_weight_layer(y)
    result = tg.crosscheck(layer.sum() if isinstance(layer, tg.Value) else y)
    assert result.ok


def test_a_graph_is_compared_with_a_module_after_its_pass(torch):
    net = tg.nn.Linear(3, 2, rng=0)
    for name, v in net.named_parameters():
        v.label = name
    module = net.to_torch()
    x = np.ones((5, 3), np.float32)
    E = (net(x) ** 2).sum()
    assert tg.crosscheck(E, module).ok  # only data: there is no gradient yet
    E.backward()
    (module(torch.tensor(x)) ** 2).sum().backward()
    assert tg.crosscheck(E, module).ok
    module.weight.grad[1, 2] += 1.0
    first = tg.crosscheck(E, module).first
    assert (first.what, first.place) == ("gradient of weight", (1, 2))
    assert "  gradient of weight[1, 2]: " in str(tg.crosscheck(E, module))
    with pytest.raises(OptionError, match=r"no leaf of the graph is called 0.weight"):
        tg.crosscheck(E, torch.nn.Sequential(torch.nn.Linear(3, 2)))


def test_wrong_arguments_raise(torch):
    with pytest.raises(DataError, match="crosscheck: needs a Value, got float"):
        tg.crosscheck(2.0)
    with pytest.raises(DataError, match=r"needs a torch.nn.Module, got float"):
        tg.crosscheck(tg.Value(2.0), 2.0)
    with pytest.raises(OptionError, match="crosscheck: Linear fails on these example inputs: mat1"):
        tg.crosscheck(tg.nn.Linear(3, 2), torch.nn.Linear(4, 2), np.ones((1, 3), np.float32))


ROWS = {
    "products": lambda x, z, _: np.prod(x, axis=1) * np.prod(z, axis=(1, 0), keepdims=True),
    "products of none": lambda x, z, _: np.prod(x, axis=()),
    "zeros in products": lambda x, z, _: np.prod(z, axis=1) + np.cumprod(z, axis=1),
    "variances": lambda x, z, _: np.var(x, axis=0, ddof=1) + np.var(x, axis=(0, 1), keepdims=True),
    "spreads": lambda x, z, _: np.std(x, axis=1) + np.std(x),
    "running sums": lambda x, z, _: np.cumsum(x, axis=-1) + np.cumsum(x).reshape(4, 4),
    "running products": lambda x, z, _: np.cumprod(x, axis=1) + np.cumprod(x).reshape(4, 4),
    "orders": lambda x, z, _: np.sort(x) + np.sort(z, axis=0) + np.partition(z, 1),
    "quantiles": lambda x, z, _: np.quantile(x, [[0.1, 0.5], [0, 1]], axis=1) + np.median(z),
    "quantiles of many ties": lambda x, z, _: np.nanquantile(np.tile(x - x, 4), [0.3, 0.4]),
    "percentiles": lambda x, z, _: np.percentile(z, 30, axis=0, keepdims=True),
    "other ways": lambda x, z, _: [
        np.quantile(x, 0.3, axis=1, method=way) for way in ("lower", "higher", "midpoint")
    ],
    "medians of NaN": lambda x, z, gone: np.median(gone, axis=1) + np.nanmedian(gone, axis=1),
    "a median beside infinity": lambda x, z, _: np.median(tg.Value([1.0, 2.0, np.inf])),
    "norms": lambda x, z, _: [np.linalg.norm(x, ord=p, axis=1) for p in (1, 2, 3)],
    "norms of 0": lambda x, z, _: [np.linalg.norm(z, ord=p, axis=1) for p in (1, 2, 3)],
    "letters": lambda x, z, _: np.einsum("ij,kj,kl->il", x, z, x) + np.einsum("ij,ij->i", x, x),
    "matrices": lambda x, z, _: np.linalg.inv(x) + np.linalg.solve(x, z) + np.linalg.det(x),
    "logarithms of determinants": lambda x, z, _: np.linalg.slogdet(tg.stack([x, x + 9.0]))[1],
    "triangles": lambda x, z, _: np.linalg.cholesky(x @ x.T + 3.0 * np.eye(4)),
    "spectra": lambda x, z, _: [
        np.linalg.svdvals(x[:3]),
        np.linalg.pinv(x[:, :2]),
        np.linalg.pinv(x, rcond=0.5),
        np.linalg.pinv(tg.Value([[1.0, 0.0], [0.0, 1e-18]]), rcond=0.0),
    ],
    "cube roots": lambda x, z, _: np.cbrt(x),
    "single precision": lambda x, z, _: np.median(x.astype(np.float32)) * np.var(x),
}


def operands_of_rows():
    x = np.random.default_rng(3).normal(size=(4, 4))
    z = [[0.0, 2, 0, 1], [3, 0, 1, 1], [0, 0, 0, 0], [1, 2, 2, 1]]
    gone = [[1.0, np.nan, 3, 2], [1, 2, 3, np.nan], [4, 3, 2, 1], [0, 0, 1, 2]]
    return [tg.Value(np.array(data)) for data in (x, z, gone)]


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("name", ROWS)
def test_rules_of_rows_agree(name):
    values = ROWS[name](*operands_of_rows())
    for y in values if isinstance(values, list) else [values]:
        result = tg.crosscheck(y)
        assert result.ok, result
        assert not result.unknown
        assert not result.choices


REDUCED = {
    **{name: getattr(np, name) for name in ("sum", "prod", "mean", "var", "std", "max", "median")},
    **{"vector_norm": np.linalg.vector_norm, "logsumexp": tg.functional.logsumexp},
    **{"softmax": tg.functional.softmax, "log_softmax": tg.functional.log_softmax},
}


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("name", REDUCED)
def test_empty_axes_and_axes_of_length_0_agree(name):
    cases = [
        ((), None), ((), ()), ((0,), ()), ((0, 3), -1), ((0, 3), ()), ((3, 0), 0), ((2, 3), ()),
        ((2, 3), None), ((2, 1, 3), (0, -1)),
    ]  # fmt: skip
    for shape, axis in cases:
        x = tg.Value(np.random.default_rng(0).normal(size=shape))
        found = tg.crosscheck(REDUCED[name](x, axis=axis))
        assert (shape, axis, found.differences, found.unknown) == (shape, axis, [], [])


@pytest.mark.usefixtures("torch")
def test_a_node_that_pytorch_rejects_is_not_compared():
    x, w = tg.Value(np.zeros((1, 0, 4, 4))), tg.Value(np.zeros((1, 0, 2, 2)))
    assert "0 nodes computed in PyTorch, too: nothing was compared" in str(
        tg.crosscheck(tg.conv2d(x, w))
    )


@pytest.mark.usefixtures("torch")
def test_a_quantile_method_that_torch_lacks_is_unknown():
    result = tg.crosscheck(np.quantile(tg.Value([1.0, 2.0, 4.0]), 0.3, method="weibull"))
    assert [n.op for n in result.unknown] == ["quantile"]


@pytest.mark.usefixtures("torch")
def test_rounding_of_a_sum_that_cancels_is_not_a_difference(monkeypatch):
    x = tg.Value(np.random.default_rng(0).normal(size=(3, 4)))
    away = x - np.mean(x, axis=1, keepdims=True)  # its sums are 0, except for rounding
    assert tg.crosscheck((away * away).sum()).ok

    def wrong(x, w):
        return x - w, lambda g: (g, 1e-6 - g.sum(axis=1, keepdims=True))

    monkeypatch.setitem(traits.TRAITS, wrong, traits.ELEMENTWISE)
    b = tg.Value(np.ones((3, 1)))
    for far in (1.0, np.inf):  # an infinite bound is ignored
        a = tg.Value(np.where(np.eye(3, 4) > 0, [[far, 1, 1, 1]], 1.0))
        result = tg.crosscheck((tg.lift(wrong)(a, b) * ([1.0, -1.0] * 2)).sum())
        assert [d.what for d in result.differences] == ["what it sends to operand 2"]


@pytest.mark.usefixtures("torch")
def test_sums_that_cancel_in_single_precision_are_not_differences():
    rng = np.random.default_rng(2)
    x, w = (rng.normal(size=(32, k, 6, 6)).astype(np.float32) for k in (2, 3))
    net = tg.nn.Sequential(tg.nn.Conv2d(2, 3, 3, padding=1, rng=2), tg.nn.BatchNorm2d(3))
    assert tg.crosscheck((net(x) * w).mean()).ok
    g = rng.normal(size=(4096, 1)).astype(np.float32)
    column = np.ones((4096, 1), np.float32) @ tg.Value(np.full((1, 1), 1.5, np.float32))
    assert tg.crosscheck((column * (g - g.mean())).sum()).ok


def nodes_of_two_dtypes():
    rng = np.random.default_rng(0)

    def single(*shape):
        return tg.Value(rng.standard_normal(shape).astype(np.float32))

    def double(*shape):
        return tg.Value(rng.standard_normal(shape))

    mask, whole = np.array([True, False, True]), np.array([2, 1, 3])
    conv, bce = tg.functional.conv2d, tg.functional.binary_cross_entropy
    return {
        "matmul": single(2, 3) @ double(3, 2),
        "matmul of a mask": single(2, 3) @ mask,
        "matmul of integers": single(2, 3) @ whole,
        "einsum": np.einsum("ij,jk", single(2, 3), double(3, 2)),
        "einsum of a mask": np.einsum("i,i", double(3), mask),
        "conv2d": conv(single(1, 1, 4, 4), double(1, 1, 2, 2)),
        "solve": np.linalg.solve(single(2, 2), double(2)),
        "cross entropy": bce(tg.sigmoid(single(3)), np.array([0.0, 1.0, 1.0])),
        "sub of a mask": mask - double(3),
        "sub of True": True - double(3),
        "power of a mask": double(3) ** mask,
        "logaddexp of a mask": np.logaddexp(double(3), mask),
        "where of integers": np.where(mask, single(3), whole),
    }


@pytest.mark.usefixtures("torch")
def test_operands_of_mixed_dtypes_are_compared():
    for name, y in nodes_of_two_dtypes().items():
        found = tg.bridges.crosscheck(y)
        assert (name, found.differences, found.unknown) == (name, [], [])


EXTREME = (0.0, -0.0, 1.0, -2.5, 1e308, np.inf, -np.inf, np.nan)


def nodes_of_extreme_numbers():
    """Make a node of each ufunc and activation from zeros, infinities and NaN."""
    ufuncs = {f.__name__: f for f in vars(np).values() if isinstance(f, np.ufunc) and f.nout == 1}
    smooth = [getattr(tg.functional, name) for name in ("gelu", "silu", "softplus", "logsigmoid")]
    for f in [*ufuncs.values(), *smooth, tg.relu, tg.sigmoid]:
        for given in product(EXTREME, repeat=getattr(f, "nin", 1)):
            with suppress(TinygradPoolError, TypeError, ValueError), np.errstate(all="ignore"):
                y = f(*map(tg.Value, given))
                if isinstance(y, tg.Value):
                    yield (f.__name__, *map(str, given)), y


@pytest.mark.usefixtures("torch")
def test_gradients_at_nan_are_not_differences():
    with np.errstate(all="ignore"):
        found = tg.crosscheck(np.fmod(tg.Value([1.0, 5.0]), tg.Value([0.0, 3.0])))
    assert found.ok
    assert "its data is NaN, so neither gradient is right" in str(found)


@pytest.mark.long
@pytest.mark.usefixtures("torch")
def test_infinities_zeros_and_nan_agree_in_every_ufunc():
    found = {what: tg.crosscheck(y) for what, y in nodes_of_extreme_numbers()}
    assert len(found) > 1_200
    assert {what: str(one) for what, one in found.items() if not one.ok} == {}


SATURATING = [
    *(np.tanh, tg.sigmoid, np.expm1, np.arctan, tg.functional.erf, tg.functional.gelu),
    *(tg.functional.silu, tg.functional.softplus, tg.functional.logsigmoid),
    *(lambda x: tg.softmax(np.stack([x, 0 * x]))[0], lambda x: tg.logsumexp(np.stack([x, 0 * x]))),
]


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_near_a_limit_is_not_a_difference(dtype):
    for f in SATURATING:
        for x in np.linspace(-9.0, 9.0, 25, dtype=dtype):
            assert tg.bridges.crosscheck(f(tg.Value(x))).ok


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("x", [1e-3, 5e-6, 1e-12, 1e-30])
def test_a_gradient_of_sinc_that_cancels_in_pytorch_is_not_a_difference(dtype, x):
    v = tg.Value(np.array([x, 0.0, -x], dtype))
    assert tg.bridges.crosscheck(np.sinc(v).sum()).ok
