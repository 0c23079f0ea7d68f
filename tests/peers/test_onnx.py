"""ONNX's own backend tests of pooling, convolution and maxima, by way of a small adapter."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import tinygrad_pool as tg

pytestmark = [pytest.mark.peer, pytest.mark.long]

COVERED = {
    "AveragePool": 20,
    "Conv": 6,
    "GlobalAveragePool": 2,
    "GlobalMaxPool": 2,
    "LpPool": 8,
    "MaxPool": 17,
    "MaxUnpool": 2,
    "ReduceMax": 8,
}
"""How many cases of each operator pass."""

OUT_OF_SCOPE = {
    "test_maxpool_2d_uint8": "integers become floats here, and uint8 is asked for",
    "test_maxpool_with_argmax_2d_precomputed_strides": "storage_order=1: indices column by column",
    "test_reduce_max_bool_inputs": "the maximum of booleans is asked for as a boolean",
    "test_reduce_max_empty_set": "the maximum of nothing is an error here, and −inf there",
    "test_reduce_max_empty_set_bool": "the maximum of nothing, as a boolean",
}
"""The cases that are not ours, and why."""


WRITTEN_IN_FOUR_DECIMALS = {"test_averagepool_2d_ceil_last_window_starts_on_pad"}


def sides(attributes, space):
    """Read the padding of each axis: given, or such that ⌈n / s⌉ windows fit."""
    ndim = len(attributes["kernel_shape"])
    auto = attributes.get("auto_pad", b"NOTSET").decode()
    if not auto.startswith("SAME"):
        pads = attributes.get("pads", [0] * 2 * ndim)
        return tuple(zip(pads[:ndim], pads[ndim:], strict=True))
    read = []
    strides, dilations = (attributes.get(k, [1] * ndim) for k in ("strides", "dilations"))
    for n, k, s, d in zip(space, attributes["kernel_shape"], strides, dilations, strict=True):
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        small, large = total // 2, total - total // 2
        read.append((small, large) if auto == "SAME_UPPER" else (large, small))
    return tuple(read)


def window(attributes, x, *extra):
    """Read the options that all windows have."""
    ndim = len(attributes["kernel_shape"])
    options = {
        "stride": attributes.get("strides", [1] * ndim),
        "padding": sides(attributes, x.shape[2:]),
        "dilation": attributes.get("dilations", [1] * ndim),
    }
    return options | {key: bool(attributes.get(key, 0)) for key in extra}


def run(op, attributes, inputs):
    """Compute an ONNX node with ours; several results in a list."""
    x, *others = inputs
    ndim = x.ndim - 2
    kernel = attributes.get("kernel_shape")

    def pool(family):
        return getattr(tg, f"{family}{ndim}d")

    if op == "MaxPool":
        options = window(attributes, x, "ceil_mode")
        y, winners = pool("max_pool")(x, kernel, **options, return_indices=True)
        planes = np.arange(np.prod(x.shape[:2])).reshape(*x.shape[:2], *[1] * ndim)
        return [y.data, winners + planes * np.prod(x.shape[2:])]  # there, flat in the whole tensor
    if op == "AveragePool":
        options = window(attributes, x, "ceil_mode", "count_include_pad")
        return [pool("avg_pool")(x, kernel, **options).data]
    if op == "LpPool":
        p = attributes.get("p", 2)
        return [pool("lp_pool")(x, p, kernel, **window(attributes, x, "ceil_mode")).data]
    if op == "MaxUnpool":
        indices, *size = others
        sizes = zip(x.shape[2:], attributes["strides"], kernel, strict=True)
        least = [(n - 1) * s + k for n, s, k in sizes]
        space = [int(n) for n in size[0][2:]] if size else least
        place = np.unravel_index(indices % np.prod(least), least)  # there, flat in the least plane
        inside = np.ravel_multi_index(place, space)
        options = {"stride": attributes["strides"], "output_size": space}
        return [pool("max_unpool")(x, inside, kernel, **options).data]
    if op == "Conv":
        options = window(attributes | {"kernel_shape": others[0].shape[2:]}, x)
        return [pool("conv")(x, *others, **options, groups=attributes.get("group", 1)).data]
    axes = tuple(range(2, x.ndim)) if op.startswith("Global") else None
    if op == "ReduceMax" and others:
        axes = tuple(int(a) for a in others[0])
    reduce = tg.Value.mean if op == "GlobalAveragePool" else tg.Value.max
    return [reduce(tg.Value(x), axis=axes, keepdims=bool(attributes.get("keepdims", 1))).data]


@pytest.fixture
def cases(peer):
    """Read every case of one of our operators: name → (operator, attributes, inputs, results)."""
    onnx = peer("onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their generators divide by zero, on purpose
        loader = peer("onnx.backend.test.loader")
        listed = loader.load_model_tests(kind="node")
    found = {}
    for case in listed:
        model = case.model or onnx.load(Path(case.model_dir) / "model.onnx")
        node, *more = model.graph.node
        if not more and node.op_type in COVERED:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            found[case.name] = (node.op_type, attributes, *arrays(onnx, case))
    return found


def arrays(onnx, case):
    """Read the inputs and the results of a case, which are in memory or in its folder."""
    if case.data_sets:
        return case.data_sets[0]
    folder = Path(case.model_dir) / "test_data_set_0"
    files = [sorted(folder.glob(f"{kind}_*.pb")) for kind in ("input", "output")]
    return [[read(onnx, file) for file in of_kind] for of_kind in files]


def read(onnx, file):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(file.read_bytes())
    return onnx.numpy_helper.to_array(tensor)


def test_every_case_of_onnx_that_is_in_scope_passes(cases):
    passed = dict.fromkeys(COVERED, 0)
    for name, (op, attributes, inputs, results) in cases.items():
        if name not in OUT_OF_SCOPE:
            ours = run(op, attributes, inputs)
            for y, expected in zip(ours, results, strict=False):
                near = 1e-4 if name in WRITTEN_IN_FOUR_DECIMALS else 1e-6
                np.testing.assert_allclose(y, expected, rtol=1e-5, atol=near, err_msg=name)
                assert np.shape(y) == expected.shape, name
            passed[op] += 1
    assert set(OUT_OF_SCOPE) <= set(cases)
    assert passed == COVERED
