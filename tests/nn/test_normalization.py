"""Dropout and norms as modules."""

import copy

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.errors import OptionError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(2.0, 3.0, (6, 4))


class TestDropout:
    def test_each_call_in_training_draws_a_new_mask_and_eval_none(self):
        layer = nn.Dropout(0.5, rng=0)
        first, second = layer(np.ones(100)).data, layer(np.ones(100)).data
        assert set(first.tolist()) == {0.0, 2.0}
        assert (first != second).any()
        x = Value(X)
        assert layer.eval()(x) is x
        again = nn.Dropout(0.5, rng=0)
        np.testing.assert_array_equal(again(np.ones(100)).data, first)

    def test_a_copy_draws_what_the_original_would(self):
        layer = nn.Dropout(rng=1)
        other = copy.deepcopy(layer)
        np.testing.assert_array_equal(layer(X).data, other(X).data)

    def test_options_out_of_range_are_named(self):
        with pytest.raises(OptionError, match="Dropout: p must be a number from 0 to 1, got 2"):
            nn.Dropout(2)
        with pytest.raises(OptionError, match="Dropout: no option 'inplace'"):
            nn.Dropout(0.5, True)
        with pytest.raises(OptionError, match="Dropout: rng must be a NumPy generator"):
            nn.Dropout(rng="a")
        assert repr(nn.Dropout(0.25)) == "Dropout(p=0.25)"


class TestBatchNorm:
    def test_running_statistics_are_updated_in_training_and_used_after_it(self):
        layer = nn.BatchNorm1d(4, dtype=np.float64)
        y = layer(X)
        assert y.data.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-12)
        assert y.data.std(axis=0) == pytest.approx(np.ones(4), rel=1e-4)
        assert layer.running_mean == pytest.approx(0.1 * X.mean(axis=0))
        assert layer.num_batches_tracked == 1
        layer.eval()
        before = layer.state_dict()
        z = layer(X)
        expected = (X - layer.running_mean) / np.sqrt(layer.running_var + 1e-5)
        assert z.data == pytest.approx(expected)
        assert all(np.array_equal(a, before[n]) for n, a in layer.state_dict().items())

    def test_without_momentum_statistics_are_the_mean_over_batches(self):
        layer = nn.BatchNorm1d(4, momentum=None, dtype=np.float64)
        batches = RNG.normal(size=(5, 6, 4))
        for batch in batches:
            layer(batch)
        assert layer.running_mean == pytest.approx(batches.mean(axis=(0, 1)))

    def test_without_running_statistics_those_of_the_batch_are_used(self):
        layer = nn.BatchNorm1d(4, affine=False, track_running_stats=False)
        assert layer.state_dict() == {}
        assert layer.running_mean is None
        np.testing.assert_array_equal(layer(X).data, layer.eval()(X).data)

    def test_it_keeps_float32_and_the_numbers_of_a_graph(self):
        layer = nn.BatchNorm2d(2).eval()
        x = Value(np.ones((1, 2, 2, 2), np.float32), label="x")
        y = layer(x)
        assert y.dtype == layer.running_mean.dtype == np.float32
        before = y.data.copy()
        layer.running_mean[...] = 5.0
        np.testing.assert_array_equal(tg.unroll(y.sum())(x=x.data).loss, before.sum())

    @pytest.mark.parametrize(
        ("name", "shape", "axes"),
        [
            ("BatchNorm1d", (2,), "2 or 3"),
            ("BatchNorm2d", (2, 2, 2), "4"),
            ("BatchNorm3d", (2, 2), "5"),
        ],
    )
    def test_a_wrong_number_of_axes_is_an_error(self, name, shape, axes):
        with pytest.raises(ShapeError, match=f"{name}: needs {axes} axes, got shape"):
            getattr(nn, name)(2)(np.ones(shape))

    def test_a_wrong_number_of_channels_is_an_error(self):
        with pytest.raises(ShapeError, match=r"running statistics need shape \(3,\), got \(4,\)"):
            nn.BatchNorm1d(4)(np.ones((5, 3)))

    def test_a_batch_of_one_is_an_error_in_training_only(self):
        layer = nn.BatchNorm1d(4)
        with pytest.raises(ShapeError, match="needs more than one value per channel in training"):
            layer(X[:1])
        assert layer.eval()(X[:1]).shape == (1, 4)


def test_layer_norm_is_over_the_last_axes():
    x = RNG.normal(size=(2, 3, 4))
    layer = nn.LayerNorm((3, 4), dtype=np.float64)
    assert layer.weight.shape == layer.bias.shape == (3, 4)
    y = layer(x).data
    assert y.mean(axis=(1, 2)) == pytest.approx([0, 0], abs=1e-12)
    assert nn.LayerNorm(4, bias=False).bias is None
    bare = nn.LayerNorm(4, elementwise_affine=False)
    assert bare.weight is None is bare.bias
    np.testing.assert_array_equal(bare(x).data, tg.layer_norm(x, 4).data)


@pytest.mark.parametrize(("n", "shape"), [(1, (3,)), (2, (3, 2)), (3, (2, 1, 3))])
def test_instance_norm_is_over_each_plane(n, shape):
    kind, x = getattr(nn, f"InstanceNorm{n}d"), RNG.normal(size=(2, 4, *shape))
    y = kind(4)(x).data
    np.testing.assert_array_equal(y, tg.instance_norm(x).data)
    assert y.mean(axis=tuple(range(2, n + 2))) == pytest.approx(np.zeros((2, 4)), abs=1e-12)
    np.testing.assert_array_equal(kind(4, eps=1.0)(x).data, tg.instance_norm(x, eps=1.0).data)
    assert kind(4).parameters() == []
    assert kind(4, affine=True, bias=False).bias is None
    layer = kind(4, affine=True, dtype=np.float64).eval()
    layer.weight.data, layer.bias.data = np.full(4, 2.0), np.ones(4)
    assert layer(x).data == pytest.approx(2.0 * y + 1.0)
    for wrong in (x[0], x[..., None]):
        with pytest.raises(ShapeError, match=f"InstanceNorm{n}d: needs {n + 2} axes, got shape"):
            layer(wrong)
    with pytest.raises(ShapeError, match=f"InstanceNorm{n}d: needs 4 channels, got shape"):
        kind(4)(x[:, :3])
    with pytest.raises(OptionError, match=f"InstanceNorm{n}d: does not support running statistics"):
        kind(4, track_running_stats=True)
    same = "(4, eps=1e-05, momentum=None, affine=False, bias=False, track_running_stats=False)"
    assert repr(kind(4, momentum=None)) == f"InstanceNorm{n}d{same}"


def test_group_norm_is_over_groups_of_channels():
    layer = nn.GroupNorm(2, 4, dtype=np.float64)
    np.testing.assert_array_equal(layer(X).data, tg.group_norm(X, 2).data)
    assert [p.label for p in nn.GroupNorm(2, 4).parameters()] == ["weight", "bias"]
    assert nn.GroupNorm(2, 4, affine=False).parameters() == []
    assert nn.GroupNorm(2, 4, bias=False).bias is None


@pytest.mark.parametrize("bias", [True, False])
def test_the_repr_of_a_norm_shows_its_options(bias):
    assert repr(nn.LayerNorm((3, 4), bias=bias)) == (
        f"LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias={bias})"
    )
    assert repr(nn.GroupNorm(2, 4, bias=bias)) == (
        f"GroupNorm(2, 4, eps=1e-05, affine=True, bias={bias})"
    )
    assert f"bias={bias}, track" in repr(nn.BatchNorm1d(4, bias=bias))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.BatchNorm1d(0), "BatchNorm1d: num_features must be at least 1, got 0"),
        (lambda: nn.BatchNorm2d(2, eps=-1), "BatchNorm2d: eps must be a number of at least 0"),
        (lambda: nn.BatchNorm3d(2, momentum="a"), "BatchNorm3d: momentum must be a number, got"),
        (lambda: nn.BatchNorm1d(2, affine=1), "BatchNorm1d: affine must be True or False"),
        (lambda: nn.BatchNorm1d(2, bias=0), "BatchNorm1d: bias must be True or False"),
        (lambda: nn.BatchNorm1d(2, track_running_stats=0), "track_running_stats must be True or"),
        (lambda: nn.BatchNorm1d(2, dtype=int), "BatchNorm1d: dtype must be a floating-point type"),
        (lambda: nn.LayerNorm(0), "LayerNorm: normalized_shape must be at least 1, got 0"),
        (lambda: nn.LayerNorm(2, elementwise_affine=1), "elementwise_affine must be True or False"),
        (lambda: nn.GroupNorm(2, 3), "GroupNorm: num_groups=2 must divide num_channels=3"),
    ],
)
def test_options_out_of_range_are_errors_when_the_layer_is_made(make, message):
    with pytest.raises(OptionError, match=message):
        make()


def test_diagnose_and_record_name_the_layers():
    net = nn.Sequential(
        first=nn.Linear(4, 5, rng=0),
        norm=nn.BatchNorm1d(5),
        act=nn.LeakyReLU(),
        drop=nn.Dropout(0.3, rng=0),
        last=nn.Linear(5, 1, rng=1),
    )
    net.last.weight.data = np.zeros((1, 5))
    x = Value(X.astype(np.float32), label="x")
    E = nn.mse_loss(net(x), np.ones((6, 1), np.float32))
    found = str(tg.diagnose(E, parameters=net.parameters()))
    assert "suspicious: first.*, norm.*" in found  # the last weights are 0 at first
    assert {v.about.scope for v in tg.engine.backward.topological_order(E)} >= {
        "first", "norm", "act", "drop", "last",
    }  # fmt: skip
