"""Writing ONNX files: valid, equal in onnxruntime, and exact after a round trip."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import nn
from tinygrad_pool.errors import (
    DataError,
    GraphError,
    OptionError,
    OutputError,
    ShapeError,
    ToolError,
    UnsupportedError,
)

pytestmark = pytest.mark.peer


@pytest.fixture
def runtime(peer):
    peer("onnx")
    return peer("onnxruntime")


def lenet(dtype=np.float32):
    return nn.Sequential(
        conv1=nn.Conv2d(1, 4, 3, padding=1, rng=0, dtype=dtype),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(4, 6, 3, rng=1, dtype=dtype),
        tanh=nn.Tanh(),
        pool2=nn.AvgPool2d(2),
        flat=nn.Flatten(),
        norm=nn.LayerNorm(6, dtype=dtype),
        fc=nn.Linear(6, 3, rng=2, dtype=dtype),
        out=nn.LogSoftmax(-1),
    )


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_a_network_is_equal_in_onnxruntime_for_any_batch(runtime, tmp_path):
    net, x = lenet(), drawn(5, 1, 8, 8)
    path = tg.to_onnx(net, tmp_path / "net.onnx", x[:2])
    session = runtime.InferenceSession(str(path))
    (given,) = session.get_inputs()
    assert (given.name, given.shape) == ("x", ["batch", 1, 8, 8])
    for n in (1, 2, 5):
        (y,) = session.run(None, {"x": x[:n]})
        np.testing.assert_allclose(y, net(x[:n]).data, 1e-5, 1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_round_trip_is_exact(runtime, tmp_path, dtype):
    net, x = lenet(dtype), drawn(5, 1, 8, 8).astype(dtype)
    again = tg.from_onnx(tg.to_onnx(net, tmp_path / "net.onnx", x[:2]))
    assert [n for n, _ in again.named_parameters()] == [n for n, _ in net.named_parameters()]
    pairs = zip(net.parameters(), again.parameters(), strict=True)
    assert all(np.array_equal(p.data, q.data) and p.dtype == q.dtype for p, q in pairs)
    ys = [f(x) for f in (net, again)]
    assert np.array_equal(ys[0].data, ys[1].data)
    slopes = [tg.grad((y * y).sum(), f.parameters()) for y, f in zip(ys, (net, again), strict=True)]
    for g, h in zip(*slopes, strict=True):
        assert np.array_equal(g, h)
    twice = tg.from_onnx(tg.to_onnx(again, tmp_path / "again.onnx", x[:2]))
    assert np.array_equal(twice(x).data, ys[0].data)


class Of(nn.Module):
    """A network that applies a function to a weighted x."""

    def __init__(self, f):
        self.f, self.w = f, tg.Value(drawn(4, seed=1), label="w")

    def forward(self, x):
        return self.f(x * self.w)


F = tg.functional
FUNCTIONS = {
    "arithmetic": lambda x: (x + 1.0) * 2.0 - x / 3.0 + (-x) ** 2.0,
    "elementwise": lambda x: np.exp(x) + np.sin(x) * np.cos(x) + np.abs(x) + tg.sigmoid(x),
    "logarithms": lambda x: np.log(np.square(x) + 1.0) + np.log1p(np.abs(x)) + np.expm1(x),
    "logarithms to other bases": lambda x: np.log2(np.abs(x)) - np.log10(np.abs(x)),
    "angles": lambda x: np.tan(np.arctan(x)) + np.arcsin(np.tanh(x)) + np.arccos(np.tanh(x)),
    "hyperbolic": lambda x: np.arcsinh(np.sinh(x)) + np.arccosh(np.cosh(x)) + np.arctanh(x / 9),
    "root": lambda x: np.sqrt(np.abs(x) + 1.0),
    "activations": lambda x: F.gelu(x) + F.elu(x, alpha=0.5) + F.softplus(x) + F.erf(x),
    "more activations": lambda x: F.leaky_relu(x, 0.1) + F.mish(x) + F.hardswish(x) + F.relu6(x),
    "maxima": lambda x: tg.maximum(x, 0.5, -x) + tg.minimum(x, 0.0),
    "clip": lambda x: tg.clip(x, -0.5, 0.5) + tg.clip(x, None, 0.1) + tg.clip(x, 0.1),
    "reductions": lambda x: x.sum(axis=1) + x.mean(axis=-1) + x.max(axis=1) + x.min(axis=1),
    "kept": lambda x: x - x.mean(axis=1, keepdims=True) + tg.logsumexp(x, axis=1, keepdims=True),
    "of all elements": lambda x: x.sum() + x.sum(axis=()).mean(),
    "softmax": lambda x: tg.softmax(x) * tg.log_softmax(x, axis=-1),
    "shapes": lambda x: x.reshape(-1, 2, 2).transpose(2, 0, 1),
    "axes": lambda x: F.squeeze(F.squeeze(F.expand_dims(x, (0, -1)), axis=0)),
    "reversed": lambda x: x.T,
    "a number, reversed": lambda x: x + x.mean().T,
    "no axis to drop": F.squeeze,
    "a condition that is computed": lambda x: tg.where(F.relu(x), x, 0.0),
    "joins": lambda x: tg.concatenate([x, -x], axis=1) + tg.stack([x, x], axis=1).reshape(-1, 8),
    "slices": lambda x: x[:, 1:3] + x[..., ::-2] + x[:, -1, None] + x[:, None, 0],
    "all": lambda x: x[:] + x[...],
    "rows": lambda x: x[:, [0, 0, 2]],
    "a mask of columns": lambda x: x[:, np.array([True, False, True, False])],
    "casts": lambda x: x.astype(np.float64) * 2.0,
    "products": lambda x: x @ drawn(4, 3) + (x @ tg.Value(drawn(4, 3), label="v")),
    "broadcast": lambda x: np.broadcast_to(x[:, None], (len(x), 3, 4)),
    "pools": lambda x: F.adaptive_avg_pool1d(x[:, None], 2) + F.adaptive_max_pool1d(x[:, None], 2),
    "overlapping pools": lambda x: (
        F.adaptive_avg_pool1d(x[:, None], 3) * F.adaptive_max_pool1d(x[:, None], 3)
    ),
    "norms": lambda x: (
        F.lp_pool1d(x[:, None], 2, 2)
        + F.avg_pool1d(x[:, None], 2, padding=[(1, 0)], stride=2, ceil_mode=False)[..., :2]
    ),
    "windows": lambda x: F.max_pool1d(x[:, None], 2, 1, [(1, 0)], 1),
    "unbatched": lambda x: F.conv1d(x, np.ones((2, 2, 2), np.float32)) if len(x) == 2 else x,
    "dilated": lambda x: F.conv1d(x[:, None], np.ones((2, 1, 2), np.float32), None, 1, [(0, 1)], 2),
    "several": lambda x: {"a": x * 2.0, "b": [x.sum(axis=1)]},
    "products of all": lambda x: np.prod(x, axis=1) + np.prod(x, axis=1, keepdims=True)[:, 0],
    "norms of rows": lambda x: (
        np.linalg.norm(x, axis=1) + np.linalg.norm(x, ord=1, axis=1) + np.linalg.norm(x[0, 0])
    ),
    "variances": lambda x: np.var(x, axis=1) + np.std(x, axis=1) + np.var(x, axis=1, ddof=1),
    "a variance over the batch": lambda x: np.var(x, axis=0, keepdims=True) + np.var(x, ddof=1),
    "a variance of one": lambda x: np.var(x, axis=()) + x,
    "running sums": lambda x: np.cumsum(x, axis=1) + np.cumsum(x, axis=0) * 0.5,
    "a running sum of all": np.cumsum,
    "orders": lambda x: np.sort(x, axis=1) + np.sort(x, axis=0),
    "medians": lambda x: np.median(x, axis=1) + np.quantile(x, 0.3, axis=1) + np.median(x),
    "percentiles": lambda x: np.percentile(x, 90, axis=0) + np.percentile(x, 0, axis=0),
    "letters": lambda x: np.einsum("bi,bj->bij", x, x) + np.einsum("bi,bi->b", x, x)[:, None, None],
    "determinants": lambda x: np.linalg.det(x.reshape(-1, 2, 2)),
    "rests": lambda x: np.fmod(x, 0.3),
    "where": lambda x: tg.where(np.array([True, False, True, False]), x, 0.0),
    "moves": lambda x: np.roll(x, 1, 1) + np.tile(x, 2)[:, 2:6] + np.repeat(x, 2, 1)[:, 1:5],
    "padding": lambda x: np.pad(x[:, 1:3], ((0, 0), (1, 1)), constant_values=2),
    "triangles": lambda x: np.triu(x.reshape(-1, 2, 2)) + np.rot90(x.reshape(-1, 2, 2), 1, (1, 2)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_operation(runtime, tmp_path, name):
    net, x = Of(FUNCTIONS[name]), drawn(2, 4)
    path = tg.to_onnx(net, tmp_path / "net.onnx", x)
    again, session = tg.from_onnx(path), runtime.InferenceSession(str(path))
    ours = tg.bridges.graph.outputs_of(net(x))
    theirs, read = session.run(None, {"x": x}), again(x)
    for y, t, r in zip(ours, theirs, read if isinstance(read, tuple) else [read], strict=True):
        np.testing.assert_allclose(t, y.data, 1e-4, 1e-5)
        np.testing.assert_allclose(r.data, y.data, 1e-6, 1e-6)
        assert r.dtype == y.dtype
    if name not in ("unbatched", "reversed", "of all elements"):
        more = drawn(5, 4)
        np.testing.assert_allclose(
            session.run(None, {"x": more})[0],
            tg.bridges.graph.outputs_of(net(more))[0].data,
            1e-4,
            1e-5,
        )


@pytest.mark.parametrize("f", [np.expm1, np.log1p])
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")
def test_small_numbers_keep_their_digits(runtime, tmp_path, f):
    """ONNX has neither function, and exp x − 1 and log(1 + x) are 0 below 1e-16."""
    x = np.array([0.0, 1e-20, -1e-12, 1e-7, -1e-4, 0.3, -0.7, 5.0, 300.0, np.inf, -1.0])
    net = Of(f)
    net.w = tg.Value(1.0)
    path = tg.to_onnx(net, tmp_path / "net.onnx", drawn(2).astype(float))
    for y in (tg.from_onnx(path)(x).data, *runtime.InferenceSession(str(path)).run(None, {"x": x})):
        np.testing.assert_allclose(y, f(x), 5e-16)


def test_a_median_ignores_an_adjacent_infinity(runtime, tmp_path):
    path = tg.to_onnx(Of(lambda x: np.median(x[:, :3], axis=1)), tmp_path / "net.onnx", drawn(1, 4))
    session = runtime.InferenceSession(str(path))
    net = Of(lambda x: x)
    wide = np.array([[-1.0, 0.5, 2.0, 7.0]], np.float32) / net.w.data
    wide[0, 2] = np.inf * np.sign(net.w.data[2])
    (y,) = session.run(None, {"x": wide})
    assert y.tolist() == pytest.approx([0.5])


@pytest.mark.parametrize("f", [F.selu, lambda x: F.gelu(x, approximate="tanh")])
def test_options_are_exact_in_double_precision(runtime, tmp_path, f):
    """Check doubles, since an attribute is in single precision."""
    x = tg.Value(np.linspace(-3.0, 3.0, 9), label="x")
    again = tg.from_onnx(path := tg.to_onnx(f(x), tmp_path / "net.onnx", x))
    np.testing.assert_allclose(again(x).data, f(x).data, 1e-14)
    if f is not F.selu:  # onnxruntime has no Elu in double precision
        (y,) = runtime.InferenceSession(str(path)).run(None, {"x": x.data})
        np.testing.assert_allclose(y, f(x).data, 1e-14, 1e-15)
    (slope,), (expected,) = tg.grad(again(x).sum(), [x]), tg.grad(f(x).sum(), [x])
    np.testing.assert_allclose(slope, expected, 1e-13)


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("threshold", [20.0, 2.0, -1.0, np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_threshold_of_softplus_is_kept(tmp_path, threshold, dtype):
    x = tg.Value(np.linspace(-30.0, 30.0, 61, dtype=dtype), label="x")
    y = F.softplus(x, beta=0.9, threshold=threshold)
    again = tg.from_onnx(tg.to_onnx(y, tmp_path / "net.onnx", x))(x)
    np.testing.assert_allclose(again.data, y.data, 2 * np.finfo(dtype).eps, 1e-20)


@pytest.mark.usefixtures("runtime")
class TestValues:
    def test_leaves_become_inputs_and_parameters(self, tmp_path):
        x, w = tg.Value(drawn(3), label="x"), tg.Value(drawn(3, seed=1), label="w")
        path = tg.to_onnx((x * w).sum(), tmp_path / "loss.onnx", x)
        again = tg.from_onnx(path)
        assert [n for n, _ in again.named_parameters()] == ["w"]
        assert again(drawn(3)).data == (x * w).sum().data

    def test_scalars_of_a_neuron_round_trip(self, tmp_path):
        net = nn.MLP(2, [3, 1])
        a, b = tg.Value(0.5, label="a"), tg.Value(-0.5, label="b")
        again = tg.from_onnx(tg.to_onnx(net([a, b]), tmp_path / "mlp.onnx", a, b))
        assert again(0.5, -0.5).data == net([0.5, -0.5]).data
        assert len(again.parameters()) == len(net.parameters())

    def test_an_input_must_be_a_leaf_of_the_graph(self, tmp_path):
        x = tg.Value(2.0, label="x")
        for other in (tg.Value(3.0, label="y"), 3.0, x * 2.0):
            with pytest.raises(OptionError, match=r"must be a leaf of this graph, which .* is not"):
                tg.to_onnx(x * 2.0, tmp_path / "x.onnx", other)
        with pytest.raises(DataError, match="to_onnx: needs a network or a Value, got float"):
            tg.to_onnx(2.0, tmp_path / "x.onnx")
        with pytest.raises(OptionError, match="a network needs example inputs"):
            tg.to_onnx(nn.ReLU(), tmp_path / "x.onnx")
        assert list(tmp_path.iterdir()) == []


LONG = np.dtype(np.longdouble)
REFUSED = {
    "max_pool1d: resolves ties by 'even'; ONNX cannot express that": lambda x: tg.max_pool1d(
        x, 2, ties="even"
    ),
    "ONNX has no operation for this rule": lambda x: F.max_unpool1d(x, [[0, 2, 4, 6]] * 2, 2),
    r"ONNX has Softmax over one axis, not over \(0, 1\)": lambda x: tg.softmax(x, axis=(0, 1)),
    "ONNX takes integers for norm_type, got 2.5": lambda x: F.lp_pool1d(x[:, None], 2.5, 2),
    "ONNX has no divisor_override": lambda x: F.avg_pool1d(x[:, None], 2, divisor_override=3.0),
    r"ONNX needs windows of equal length and distance: \(4,\) cells into \(8,\)": lambda x: (
        F.adaptive_avg_pool1d(x[:, None], 8)
    ),
    r"ONNX needs windows of equal length and distance: \(4,\) cells into \(5,\)": lambda x: (
        F.adaptive_avg_pool1d(x[:, None], 5)
    ),
    "ONNX has the norms of p = 1 and 2, not of 3": lambda x: np.linalg.norm(x, ord=3, axis=1),
    "ONNX sorts a whole axis; it has no kth": lambda x: np.partition(x, 1),
    r"linear quantiles can be written, not quantile\(\[0.5\], method='linear'\)": lambda x: (
        np.quantile(x, [0.5])
    ),
    r"only linear quantiles can be written, not nanquantile\(0.5, method='linear'\)": np.nanmedian,
    "not quantile.0.5, method='lower'.": lambda x: np.quantile(x, 0.5, method="lower"),
    "cumprod.*: ONNX has no operation for this rule": np.cumprod,
    r"ONNX takes \(n, channels, …\), got shape": lambda x: tg.max_pool1d(x[None, None, :, :], 2),
    rf"to_onnx: the leaf: ONNX has no {LONG}; .astype\(np.float64\) makes doubles": lambda x: (
        x + tg.Value(np.ones(4, LONG))
    ),
    "the graph was cut at the detach node": lambda x: x.detach() * x,
    "the leaf has a constant that was computed": lambda x: x + tg.Value(x.data),
    "add node has a constant that was computed": lambda x: x + x.data.mean(),
    "where node has a constant that was computed from the numbers": lambda x: tg.where(
        x.data > 0, x, 0.0
    ),
    "sum node has a constant that was computed": lambda x: tg.sum(
        x, 1 if x.data[0, 1] > 0 else (0, 1)
    ),
    "getitem node has a constant that was computed": lambda x: x[0] if x.data[0, 1] > 0 else x[[0]],
}


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("message", REFUSED)
def test_what_onnx_cannot_express_raises(tmp_path, message):
    with pytest.raises((UnsupportedError, GraphError), match=message):
        tg.to_onnx(Of(REFUSED[message]), tmp_path / "net.onnx", drawn(2, 4))
    assert list(tmp_path.iterdir()) == []


class Rows(nn.Module):
    """Selects rows of a table, and scales them."""

    def __init__(self):
        self.table = tg.Value(drawn(5, 2))

    def forward(self, at, scale):
        return self.table[at] * scale


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("at", [[0, 3], [1, 1], [0, 0], [True, False, True, False, False]])
def test_indices_from_an_input_raise(tmp_path, at):
    at = np.array(at)
    with pytest.raises(GraphError, match=rf"to_onnx: input 0 is an array of {at.dtype}, which an"):
        tg.to_onnx(Rows(), tmp_path / "net.onnx", at, drawn(2, 2))


@pytest.mark.usefixtures("runtime")
def test_a_shape_that_depends_on_the_numbers_raises(tmp_path):
    positive, x = Of(lambda x: x[x.data > 0] * drawn(4)), drawn(4, seed=1)
    with pytest.raises(GraphError, match="depends on the numbers of the inputs; with others, mul:"):
        tg.to_onnx(positive, tmp_path / "net.onnx", x)  # w x > 0


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.where(x.data > 99, 0.0, x),
        lambda x: np.where(x.data < -99, 0.0, x),
        lambda x: np.where(x.data == 0, 1.0, x),
        lambda x: np.where((x * x).data > 99, 0.0, x),
        lambda x: x * np.sign(x * x),
        lambda x: np.where(np.isnan(x), 0.0, x),
    ],
)
def test_a_mask_that_is_the_same_for_ordinary_numbers_raises(tmp_path, f):
    with pytest.raises(GraphError, match="has a constant that was computed from the numbers"):
        tg.to_onnx(Of(f), tmp_path / "net.onnx", drawn(2, 4))


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("x", [np.full((2, 4), np.inf), np.full((2, 4), 9.0, np.float16)])
def test_no_warning_of_the_numbers_tried_is_shown(tmp_path, x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tg.to_onnx(Of(lambda x: x * 0.5), tmp_path / "net.onnx", x).exists()


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("at", [[1, 2], [True, False]])
def test_a_mask_from_integers_raises(tmp_path, at):
    class Chosen(nn.Module):
        def forward(self, x, at):
            return np.where(at == 7, 0.0, x)

    net, x, at = Chosen(), tg.Value(drawn(2)), np.array(at)
    with pytest.raises(GraphError, match=rf"to_onnx: input 1 is an array of {at.dtype}, which an"):
        tg.to_onnx(net, tmp_path / "net.onnx", x, at)
    assert tg.to_onnx(net(x, at), tmp_path / "net.onnx", x).exists()


@pytest.mark.usefixtures("runtime")
def test_numbers_that_a_network_refuses_are_not_compared(tmp_path):
    class Finite(nn.Module):
        def forward(self, x):
            if not (np.abs(x.data) < 99).all():
                raise ValueError
            return x * 2.0

    again = tg.from_onnx(tg.to_onnx(Finite(), tmp_path / "net.onnx", drawn(2)))
    assert np.array_equal(again(drawn(5)).data, drawn(5) * 2)


@pytest.mark.usefixtures("runtime")
def test_inputs_of_different_lengths(tmp_path):
    class Both(nn.Module):
        def forward(self, x, y):
            return x.sum(axis=0) * y

    again = tg.from_onnx(tg.to_onnx(Both(), tmp_path / "net.onnx", drawn(3, 2), drawn(1, 2)))
    net = Both()
    assert np.array_equal(again(drawn(3, 2), drawn(1, 2)).data, net(drawn(3, 2), drawn(1, 2)).data)


@pytest.mark.usefixtures("runtime")
def test_a_number_among_the_inputs_is_an_option(tmp_path):
    again = tg.from_onnx(tg.to_onnx(Rows(), tmp_path / "net.onnx", 1, drawn(2, 2)))
    assert str(again) == "Network(tinygrad_pool: 4 operations on scale)"
    assert np.array_equal(again(drawn(2, 2)).data, Rows()(1, drawn(2, 2)).data)


@pytest.mark.usefixtures("runtime")
class TestBatch:
    def test_an_index_over_the_batch_fixes_its_size(self, runtime, tmp_path):
        def picked(x):
            return x[np.arange(len(x)), [1] * len(x)]

        path = tg.to_onnx(Of(picked), tmp_path / "net.onnx", drawn(2, 4))
        assert runtime.InferenceSession(str(path)).get_inputs()[0].shape == [2, 4]
        assert np.array_equal(tg.from_onnx(path)(drawn(2, 4)).data, Of(picked)(drawn(2, 4)).data)

    @pytest.mark.parametrize(
        "moved",
        [
            lambda torch, x: x.roll(1, 1),
            lambda torch, x: x.repeat(2, 2),
            lambda torch, x: torch.nn.functional.pad(x, (-1, 1)),
            lambda torch, x: torch.nn.functional.pad(x[:, None], (1, 1), "circular"),
            lambda torch, x: x.view(-1, 2, 2).tril(),
            lambda torch, x: torch.nn.functional.pad(x, (1, 2), value=3.0),
            lambda torch, x: torch.conv_transpose1d(x[:, None], torch.ones(1, 1, 3), None, 2),
        ],
    )
    def test_cells_that_move_within_a_row_leave_it_free(self, runtime, torch, tmp_path, moved):
        class Moved(torch.nn.Module):
            def forward(self, x):
                return moved(torch, x)

        net = tg.from_torch(Moved(), torch.ones(2, 4))
        path, more = tg.to_onnx(net, tmp_path / "net.onnx", drawn(2, 4)), drawn(5, 4)
        (y,) = runtime.InferenceSession(str(path)).run(None, {"x": more})
        assert np.array_equal(y, moved(torch, torch.as_tensor(more)).numpy())

    def test_an_instance_norm_leaves_it_free(self, runtime, torch, tmp_path):
        module, x = torch.nn.InstanceNorm1d(3, affine=True), drawn(2, 3, 4)
        path = tg.to_onnx(tg.from_torch(module, x), tmp_path / "net.onnx", x)
        (y,) = runtime.InferenceSession(str(path)).run(None, {"input": drawn(5, 3, 4)})
        np.testing.assert_allclose(y, module(torch.as_tensor(drawn(5, 3, 4))).detach(), 1e-4, 1e-5)

    @pytest.mark.parametrize(
        "f",
        [
            lambda x: np.broadcast_to(x.sum(), (len(x), 2)),
            lambda x: x if len(x) == 2 else -x,
            lambda x: np.exp(x) if len(x) == 2 else np.sin(x),
            lambda x: x.reshape(-1, 2, 2)[:, [0, 1], [1, 0]],
            lambda x: x[np.array([True, False, True, True])[None].repeat(len(x), 0)],
            lambda x: x.reshape(-1, 2, 2)[:, np.eye(2) > 0],
            lambda x: x[:, None, [0, 2]],
            lambda x: x.reshape(-1, 2, 2)[:, 1:, [0]],
            lambda x: x[np.True_],
            lambda x: x[:2] * 1.0 if len(x) == 2 else x[[0]] * 1.0,
            lambda x: x.reshape(len(x), 2, 2) if len(x) == 2 else x.reshape(len(x), 4),
            lambda x: tg.stack([x[i] for i in range(len(x))]),
            lambda x: x.reshape(2, -1) if len(x) == 2 else tg.Value([0.0])[7],
            lambda x: (x.T @ x).reshape(4 * 4) * float(len(x)),
            # equal for a batch of 3, too
            lambda x: x[: len(x) // 2],
            lambda x: np.array_split(x, 2, axis=0)[1] if len(x) < 4 else x[1:2],
            lambda x: x * (len(x) > 3),
            lambda x: x * 2.0 if len(x) == 2 else 1 / 0,
        ],
    )
    def test_a_function_of_the_batch_size_fixes_it(self, tmp_path, f):
        again = tg.from_onnx(tg.to_onnx(Of(f), tmp_path / "net.onnx", drawn(2, 4)))
        np.testing.assert_allclose(again(drawn(2, 4)).data, Of(f)(drawn(2, 4)).data, 1e-6)
        with pytest.raises(ShapeError, match=r"made for shape \(2, 4\), got \(5, 4\)"):
            again(drawn(5, 4))

    def test_a_function_of_a_smaller_batch_size_fixes_it(self, tmp_path):
        net = Of(lambda x: np.trace(x[:, :3]) * x)
        again = tg.from_onnx(tg.to_onnx(net, tmp_path / "net.onnx", drawn(3, 4)))
        np.testing.assert_allclose(again(drawn(3, 4)).data, net(drawn(3, 4)).data, 1e-6)
        with pytest.raises(ShapeError, match=r"made for shape \(3, 4\), got \(2, 4\)"):
            again(drawn(2, 4))

    def test_a_function_that_accepts_only_even_sizes_is_compared_on_them(self, tmp_path):
        net = Of(lambda x: x.reshape(-1, 2, 4)[: max(len(x) // 2 - 1, 1)].reshape(-1, 4))
        again = tg.from_onnx(tg.to_onnx(net, tmp_path / "net.onnx", drawn(4, 4)))
        np.testing.assert_allclose(again(drawn(4, 4)).data, net(drawn(4, 4)).data, 1e-6)
        with pytest.raises(ShapeError, match=r"made for shape \(4, 4\), got \(8, 4\)"):
            again(drawn(8, 4))

    def test_a_number_of_outputs_that_depends_on_it_fixes_it(self, tmp_path):
        net = Of(lambda x: [x] * (len(x) - 1))
        again = tg.from_onnx(tg.to_onnx(net, tmp_path / "net.onnx", drawn(2, 4)))
        assert np.array_equal(again(drawn(2, 4)).data, net(drawn(2, 4))[0].data)
        with pytest.raises(ShapeError, match=r"made for shape \(2, 4\), got \(5, 4\)"):
            again(drawn(5, 4))

    def test_an_empty_shape_fixes_the_batch_size(self, tmp_path):
        x = np.ones((2, 0), np.float32)

        class Flat(nn.Module):
            def forward(self, x):
                return x.reshape(len(x), 0) * 2.0

        again = tg.from_onnx(tg.to_onnx(Flat(), tmp_path / "net.onnx", x))
        assert again(x).shape == (2, 0)

    def test_numbers_have_no_batch(self, tmp_path):
        class Double(nn.Module):
            def forward(self, x):
                return x * 2.0

        again = tg.from_onnx(tg.to_onnx(Double(), tmp_path / "net.onnx", 3.0))
        assert again(4.0).data == 8.0


@pytest.mark.usefixtures("runtime")
def test_equal_names_become_unique(tmp_path):
    class Clash(nn.Module):
        def forward(self, x, y):
            x = np.exp(x * tg.Value(2.0, label="x"))
            x.label = "x"
            return x + tg.Value(1.0, label="x") * y, [2.0]

    again = tg.from_onnx(tg.to_onnx(Clash(), tmp_path / "net.onnx", drawn(2), drawn(2)))
    np.testing.assert_allclose(again(drawn(2), drawn(2)).data, Clash()(drawn(2), drawn(2))[0].data)


@pytest.mark.usefixtures("runtime")
def test_a_network_that_returns_no_value_raises(tmp_path):
    class Shape(nn.Module):
        def forward(self, x):
            return x.shape

    with pytest.raises(DataError, match=r"the network must return Values, got \(2,\)"):
        tg.to_onnx(Shape(), tmp_path / "net.onnx", drawn(2))


def test_a_model_that_onnx_rejects_is_not_written(runtime, tmp_path, monkeypatch):
    import onnx

    def refuse(*_, **__):
        raise onnx.checker.ValidationError("no")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(ToolError, match="to_onnx: ONNX rejects the model: no"):
        tg.to_onnx(nn.ReLU(), tmp_path / "net.onnx", drawn(2))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_raises(runtime, tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        tg.to_onnx(nn.ReLU(), tmp_path / "absent" / "net.onnx", drawn(2))


@pytest.mark.slow
def test_a_missing_package_raises_with_the_command_that_installs_it():
    program = (
        "import sys; sys.modules['onnx'] = sys.modules['torch'] = None\n"
        "import tinygrad_pool as tg\n"
        "for f in (lambda: tg.to_onnx(tg.Value(1.0), 'x'), lambda: tg.from_onnx('x'),\n"
        "          lambda: tg.from_torch(1), lambda: tg.crosscheck(tg.Value(1.0)),\n"
        "          tg.nn.ReLU().to_torch):\n"
        "    try:\n"
        "        f()\n"
        "    except tg.errors.ToolError as error:\n"
        "        print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.decode().splitlines() == [
        f"{name}: needs the package {package}: pip install 'tinygrad_pool[{package}]'"
        for name, package in (
            ("to_onnx", "onnx"),
            ("from_onnx", "onnx"),
            ("from_torch", "torch"),
            ("crosscheck", "torch"),
            ("to_torch", "torch"),
        )
    ]


def test_a_network_in_training_keeps_its_running_means(tmp_path, peer):
    peer("onnx")
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.BatchNorm1d(3))
    before = net.state_dict()
    x = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    tg.to_onnx(net, tmp_path / "net.onnx", x)
    assert all(np.array_equal(a, before[name]) for name, a in net.state_dict().items())
