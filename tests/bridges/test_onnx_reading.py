"""Reading ONNX files: from other programs, damaged, and hostile."""

import warnings
from contextlib import suppress

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import nn
from tinygrad_pool.bridges import onnx_reading
from tinygrad_pool.errors import (
    OptionError,
    OutputError,
    ShapeError,
    TinygradPoolError,
    UnsupportedError,
)

pytestmark = pytest.mark.peer


@pytest.fixture
def onnx(peer):
    return peer("onnx")


@pytest.fixture
def write(onnx, tmp_path):
    """Write a model of operations on x without checking it."""

    def write(nodes, tensors=(), inputs=("x",), outputs=("y",), shape=(2, 3), opset=17, **more):
        h = onnx.helper
        floats = onnx.TensorProto.FLOAT
        operations = [h.make_node(*node[:3], **node[3] if len(node) > 3 else {}) for node in nodes]
        initializers = [
            a if isinstance(a, onnx.TensorProto) else onnx.numpy_helper.from_array(a, name)
            for name, a in dict(tensors).items()
        ]
        graph = h.make_graph(
            operations,
            "written",
            [h.make_tensor_value_info(i, floats, shape) for i in inputs],
            [h.make_tensor_value_info(o, floats, ()) for o in outputs],
            initializers,
        )
        opsets = [h.make_opsetid("", opset), h.make_opsetid("mylib", 1)]
        model = h.make_model(graph, opset_imports=opsets, ir_version=8, **more)
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_lengths_are_equal_if_they_have_one_name(write):
    inputs, nodes = ("x", "z"), [("MatMul", ["x", "z"], ["y"])]
    network = tg.from_onnx(write(nodes, inputs=inputs, shape=(None, None)))
    assert network(X, X.T).shape == (2, 2)
    network = tg.from_onnx(write(nodes, inputs=inputs, shape=("n", "m")))
    with pytest.raises(ShapeError, match=r"input z: .* for shape \(n, m\), got \(3, 2\)"):
        network(X, X.T)


def test_a_file_from_pytorch_is_read(onnx, peer, tmp_path):
    torch = peer("torch")
    module = torch.nn.Sequential(
        *(torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.BatchNorm2d(3), torch.nn.ReLU()),
        *(torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(12, 4), torch.nn.Softmax(1)),
    ).eval()
    x = torch.randn(2, 1, 4, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (x,),
            tmp_path / "net.onnx",
            dynamo=False,
            dynamic_axes={"x": [0]},
            input_names=["x"],
        )
    network = tg.from_onnx(tmp_path / "net.onnx")
    more = torch.randn(5, 1, 4, 4)
    np.testing.assert_allclose(network(more).data, module(more).detach(), 1e-5, 1e-6)
    assert repr(network).startswith("Network(main_graph: ")
    assert "operations on x" in repr(network)


def test_parameters_constants_and_statistics(write):
    path = write(
        [
            ("Add", ["x", "w"], ["a"]),
            ("Constant", [], ["two"], {"value_float": 2.0}),
            ("Constant", [], ["rows"], {"value_ints": [1, 0]}),
            ("Constant", [], ["axis"], {"value_int": 1}),
            ("Constant", [], ["pair"], {"value_floats": [0.5, 0.25]}),
            ("Mul", ["a", "two"], ["b"]),
            ("Gather", ["b", "rows"], ["c"]),
            ("BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["y"]),
        ],
        {
            n: np.full(3, v, np.float32)
            for n, v in zip(["w", "scale", "shift", "mean", "var"], [1, 2, 0, 0, 4], strict=True)
        },
    )
    network = tg.from_onnx(path)
    assert [n for n, _ in network.named_parameters()] == ["w", "scale", "shift"]
    assert [n for n, _ in network.named_buffers()] == ["mean", "var"]
    np.testing.assert_allclose(network(X).data, 2 * (X + 1)[::-1], 1e-4)
    assert network(X).dtype == np.float32
    with pytest.raises(ShapeError, match=r"made for shape \(2, 3\), got \(3, 3\)"):
        network(np.ones((3, 3), np.float32))


def test_several_outputs_and_missing_operands(write):
    path = write(
        [
            ("Clip", ["x", "", "top"], ["a"]),
            ("Split", ["a"], ["b", "c"], {"axis": 0}),
            ("Dropout", ["b"], ["d", ""]),
            ("Shape", ["x"], ["e"]),
        ],
        {"top": np.float32(2.5)},
        outputs=("d", "c", "e"),
    )
    d, c, e = tg.from_onnx(path)(X)
    assert d.data.tolist() == [[0.0, 1.0, 2.0]]
    assert c.data.tolist() == [[2.5, 2.5, 2.5]]
    assert e.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("kind", "operands", "expected"),
    [("Div", ["x", "x"], np.nan), ("Reciprocal", ["x"], np.inf), ("Log", ["x"], -np.inf)],
)
def test_python_numbers_are_divided_as_arrays_are(write, kind, operands, expected):
    network = tg.from_onnx(write([(kind, operands, ["y"])], shape=()))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(network(0.0).data, expected)


def test_an_unknown_operation_is_named_and_can_be_added(write):
    path = write([("Twice", ["x"], ["y"], {"domain": "mylib", "name": "block/twice"})])
    with pytest.raises(UnsupportedError, match=r"no translation of mylib.Twice in block; add one"):
        tg.from_onnx(path)
    try:
        tg.bridges.translates("mylib.Twice")(lambda x: x * 2)
        assert tg.from_onnx(path)(X).data.tolist() == (X * 2).tolist()
    finally:
        tg.bridges.translations.TRANSLATIONS.pop("mylib.Twice")


def test_a_result_that_no_operation_computes_raises(write):
    path = write([("Dropout", ["x"], ["a", "mask"]), ("Identity", ["mask"], ["y"])])
    with pytest.raises(
        UnsupportedError, match=r"onnx.Identity: no operation with a translation computes 'mask'"
    ):
        tg.from_onnx(path)(X)


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1])
@pytest.mark.parametrize(("opset", "default"), [(11, 1), (12, 1), (13, -1), (17, -1)])
def test_a_softmax_before_opset_13_flattens_axes(write, name, axis, opset, default):
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    options = {} if axis is None else {"axis": axis}
    network = tg.from_onnx(write([(name, ["x"], ["y"], options)], shape=x.shape, opset=opset))
    at = default if axis is None else axis
    rows = x.reshape(*x.shape[:at], -1) if opset < 13 else np.moveaxis(x, at, -1)
    shares = np.exp(rows) / np.exp(rows).sum(axis=-1, keepdims=True)
    expected = shares.reshape(x.shape) if opset < 13 else np.moveaxis(shares, -1, at)
    y = network(x).data
    np.testing.assert_allclose(np.exp(y) if name == "LogSoftmax" else y, expected, 1e-5)


def test_a_newer_opset_raises(write):
    path = write([("Relu", ["x"], ["y"])], opset=9999)
    with pytest.raises(
        UnsupportedError, match=r"model.onnx has opset 9999, newer than the installed"
    ):
        tg.from_onnx(path)


def test_text_raises(write):
    path = write([("Add", ["x", "w"], ["y"])], {"w": np.full(3, "a", object)})
    with pytest.raises(OutputError, match=r"model.onnx: 'w' holds text, not numbers"):
        tg.from_onnx(path)


def test_branches_and_functions_raise(onnx, write):
    h = onnx.helper
    y = h.make_tensor_value_info("y", 1, ())
    branch = h.make_graph([h.make_node("Identity", ["x"], ["y"])], "branch", [], [y])
    path = write(
        [("If", ["holds"], ["y"], {"then_branch": branch, "else_branch": branch})],
        {"holds": np.bool_(True)},
    )
    with pytest.raises(UnsupportedError, match="If '' has a graph of its own, a branch or a loop"):
        tg.from_onnx(path)
    own = h.make_function(
        "mylib", "f", ["a"], ["b"], [h.make_node("Relu", ["a"], ["b"])], [h.make_opsetid("", 17)]
    )
    path = write([("f", ["x"], ["y"], {"domain": "mylib"})], functions=[own])
    with pytest.raises(UnsupportedError, match="has functions of its own; inline them first"):
        tg.from_onnx(path)
    path = write([("Constant", [], ["y"], {"value_string": "a"})])
    with pytest.raises(UnsupportedError, match="a constant of kind value_string"):
        tg.from_onnx(path)


def test_a_missing_file_and_a_large_file_raise(onnx, tmp_path, monkeypatch):
    with pytest.raises(OutputError, match=r"absent.onnx: cannot be read"):
        tg.from_onnx(tmp_path / "absent.onnx")
    (tmp_path / "large.onnx").write_bytes(bytes(11))
    monkeypatch.setattr(onnx_reading, "LARGEST", 10)
    with pytest.raises(OutputError, match=r"large.onnx: has 11 bytes, more than 10"):
        tg.from_onnx(tmp_path / "large.onnx")


def test_files_of_other_kinds_raise(onnx, tmp_path):
    for content in (b"", b"PK\3\4 no model", b"\xff" * 100, "müsli".encode() * 9):
        (tmp_path / "net.onnx").write_bytes(content)
        with pytest.raises(OutputError, match=r"net.onnx: is not"):
            tg.from_onnx(tmp_path / "net.onnx")


def test_numbers_in_other_files_are_not_opened(onnx, write):
    tensor = onnx.numpy_helper.from_array(np.ones(3, np.float32), "w")
    onnx.external_data_helper.set_external_data(tensor, "../../etc/passwd")
    tensor.ClearField("raw_data")
    path = write([("Add", ["x", "w"], ["y"])], {"w": tensor})
    with pytest.raises(OutputError, match="keeps the numbers of 'w' in another file, which is not"):
        tg.from_onnx(path)
    path = write([("Constant", [], ["w"], {"value": tensor}), ("Add", ["x", "w"], ["y"])])
    with pytest.raises(OutputError, match="in another file"):
        tg.from_onnx(path)


@pytest.mark.parametrize("kind", ["float32", "float64", "int32", "int64", "uint64"])
def test_numbers_in_lists_are_read(onnx, write, kind):
    h = onnx.helper
    dtype = h.np_dtype_to_tensor_dtype(np.dtype(kind))
    tensor = h.make_tensor("w", dtype, [3], np.array([1, 2, 3], kind))
    assert not tensor.raw_data
    to = {"to": onnx.TensorProto.FLOAT}
    path = write([("Cast", ["w"], ["a"], to), ("Add", ["x", "a"], ["y"])], {"w": tensor})
    assert tg.from_onnx(path)(X).data.tolist() == [[1.0, 3.0, 5.0], [4.0, 6.0, 8.0]]


def test_a_shape_with_too_few_numbers_raises(onnx, write):
    tensor = onnx.numpy_helper.from_array(np.ones(3, np.float32), "w")
    tensor.dims[0] = 2**40
    with pytest.raises(OutputError, match="'w' says it has 1,099,511,627,776 numbers"):
        tg.from_onnx(write([("Add", ["x", "w"], ["y"])], {"w": tensor}))
    tensor.dims[0] = 4
    with pytest.raises(OutputError, match="is not a sound ONNX model"):
        tg.from_onnx(write([("Add", ["x", "w"], ["y"])], {"w": tensor}))


def test_an_error_of_onnx_itself_is_an_output_error(onnx, write, monkeypatch):
    def fail(_):
        raise ValueError("no such dtype")

    path = write([("Add", ["x", "w"], ["y"])], {"w": np.ones(3, np.float32)})
    monkeypatch.setattr(onnx.numpy_helper, "to_array", fail)
    with pytest.raises(OutputError, match=r"is not a sound ONNX model: ValueError: no such dtype"):
        tg.from_onnx(path)


BOMBS = {
    "Expand": [("Expand", ["x", "s"], ["y"])],
    "ConstantOfShape": [("ConstantOfShape", ["s"], ["y"])],
    "Tile": [("Tile", ["x", "s"], ["y"])],
    "Reshape": [("Reshape", ["x", "s"], ["y"])],
    "Pad": [("Pad", ["x", "p"], ["y"])],
    "Range": [("Range", ["zero", "many", "one"], ["y"])],
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_needs_much_memory_raises(write, name):
    many = np.int64(2**40)
    tensors = {"s": np.array([many, 3]), "p": np.array([0, 0, many, 0]), "many": many}
    tensors |= {"zero": np.int64(0), "one": np.int64(1)}
    with pytest.raises(OptionError, match="more than 268,435,456 numbers"):
        tg.from_onnx(write(BOMBS[name], tensors))(X)


@pytest.mark.parametrize("name", ["save", "_program", "__class__", "forward.weight", "w.weight"])
def test_names_of_a_networks_attributes_raise(write, name):
    path = write(
        [("Add", ["x", "w"], ["a"]), ("Add", ["a", name], ["y"])],
        {"w": np.ones(3, np.float32), name: np.ones(3, np.float32)},
    )
    with pytest.raises(OptionError, match="cannot be the name of a parameter"):
        tg.from_onnx(path)


@pytest.mark.slow
def test_truncated_and_damaged_files_raise_errors_of_ours(onnx, tmp_path):
    net = nn.Sequential(a=nn.Linear(3, 2, rng=0), b=nn.ReLU())
    path = tg.to_onnx(net, tmp_path / "net.onnx", X)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    damaged = [whole[:n] for n in range(0, len(whole), 7)]
    for _ in range(300):
        content = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            content[at] = rng.integers(256)
        damaged.append(bytes(content))
    for content in damaged:
        path.write_bytes(content)
        with suppress(TinygradPoolError), np.errstate(all="ignore"):
            tg.from_onnx(path)(X)


def test_scalar_bounds_and_exponents_are_not_parameters(write):
    path = write(
        [
            ("Clip", ["x", "low", "high"], ["a"]),
            ("Pow", ["a", "two"], ["b"]),
            ("Abs", ["alpha"], ["bound"]),
            ("Pow", ["b", "p"], ["c"]),
            ("Clip", ["c", "", "bound"], ["y"]),
        ],
        {
            **{name: np.float32(n) for name, n in (("low", 1.5), ("high", 4), ("two", 2))},
            **{"alpha": np.float32(-3), "p": np.ones(1, np.float32)},
        },
    )
    network = tg.from_onnx(path)
    assert [n for n, _ in network.named_parameters()] == ["alpha", "p"]
    assert [n for n, _ in network.named_buffers()] == ["low", "high", "two"]
    y = network(X)
    np.testing.assert_allclose(y.data, [[2.25, 2.25, 3], [3, 3, 3]])
    y.sum().backward()
    assert network.alpha.grad == -4.0


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_transposed_convolution_from_pytorch(onnx, peer, tmp_path, dimensions):
    torch = peer("torch")
    kind = getattr(torch.nn, f"ConvTranspose{dimensions}d")
    module = kind(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2)
    x = torch.randn(2, 4, *[3, 4][:dimensions])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (x,), tmp_path / "net.onnx", dynamo=False)
    network = tg.from_onnx(tmp_path / "net.onnx")
    y, expected = network(x), module(x)
    np.testing.assert_allclose(y.data, expected.detach(), 1e-4, 1e-6)
    (y * y).sum().backward()
    (expected * expected).sum().backward()
    np.testing.assert_allclose(network.weight.grad, module.weight.grad, 1e-4, 1e-4)


def test_a_transposed_convolution_with_uneven_pads(peer, write):
    w = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
    pads = {"pads": [1, 0, 0, 2], "strides": [1, 2], "output_padding": [0, 1]}
    path = write([("ConvTranspose", ["x", "w"], ["y"], pads)], {"w": w}, shape=(1, 1, 2, 3))
    x = X.reshape(1, 1, 2, 3)
    theirs = peer("onnxruntime").InferenceSession(path.read_bytes()).run(None, {"x": x})[0]
    np.testing.assert_allclose(tg.from_onnx(path)(x).data, theirs)


def test_a_triangle_is_read(write):
    path = write([("Trilu", ["x", "one"], ["y"])], {"one": np.array(1)})
    assert tg.from_onnx(path)(X).data.tolist() == [[0, 1, 2], [0, 0, 5]]


@pytest.mark.parametrize("start", [10, 2, -1, -3, -10])
@pytest.mark.parametrize("end", [10, 1, -2, -3, -10])
def test_a_backward_slice_starts_within_the_axis(peer, write, start, end):
    key = {"start": start, "end": end, "axis": 1, "step": -2}
    path = write([("Slice", ["x", *key], ["y"])], {name: np.array([n]) for name, n in key.items()})
    theirs = peer("onnxruntime").InferenceSession(path.read_bytes()).run(None, {"x": X})[0]
    assert np.array_equal(tg.from_onnx(path)(X).data, theirs)


@pytest.mark.parametrize("names", [("a", "a.b"), ("a.b", "a")])
def test_a_parameter_inside_a_parameter_raises(write, names):
    path = write(
        [("Add", ["x", "a"], ["z"]), ("Add", ["z", "a.b"], ["y"])],
        {name: np.ones(3, np.float32) for name in names},
    )
    with pytest.raises(OptionError, match="cannot be the name of a parameter: "):
        tg.from_onnx(path)
