"""ONNX's own test cases for every translated operation."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.bridges.translations import TRANSLATIONS
from tinygrad_pool.errors import TinygradPoolError, UnsupportedError

pytestmark = [pytest.mark.peer, pytest.mark.slow]

UNTRANSLATED = """
_expanded_ test_cast test_ai_onnx_ml training_mode training_dropout _mask empty_set bfloat16
with_argmax_2d equal_string InvStdDev convtranspose_auto convtranspose_output convtranspose_kernel
"""


def numbers(onnx, given):
    """Read an input or a result: in memory, in a protobuf, or in a file."""
    if isinstance(given, Path):
        tensor = onnx.TensorProto()
        tensor.ParseFromString(given.read_bytes())
        return onnx.numpy_helper.to_array(tensor)
    return onnx.numpy_helper.to_array(given) if isinstance(given, onnx.TensorProto) else given


def data_of(onnx, case):
    if case.data_sets:
        return case.data_sets[0]
    folder = Path(case.model_dir) / "test_data_set_0"
    return [sorted(folder.glob(f"{kind}_*.pb")) for kind in ("input", "output")]


def test_every_case_of_a_translated_operation_passes(peer, tmp_path):
    onnx = peer("onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generators of ONNX divide by zero on purpose
        cases = peer("onnx.backend.test.loader").load_model_tests(kind="node")
    passed, failed = {}, []
    path = tmp_path / "case.onnx"
    for case in cases:
        model = case.model or onnx.load(Path(case.model_dir) / "model.onnx")
        path.write_bytes(model.SerializeToString())
        try:
            network = tg.from_onnx(path)
        except TinygradPoolError:
            continue
        inputs, results = data_of(onnx, case)
        given = [numbers(onnx, i) for i in inputs]
        try:
            with np.errstate(all="ignore"):
                outputs = network(*(tg.Value(i) if is_float(i) else i for i in given))
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            for y, result in zip(outputs, results, strict=True):
                data = y.data if isinstance(y, tg.Value) else y
                np.testing.assert_allclose(data, numbers(onnx, result), 1e-3, 1e-6)
        except (TinygradPoolError, AssertionError) as error:
            failed.append((case.name, str(error)))
        else:
            passed[model.graph.node[0].op_type] = passed.get(model.graph.node[0].op_type, 0) + 1
    unexpected = [(n, e) for n, e in failed if not any(word in n for word in UNTRANSLATED.split())]
    assert [(n, e) for n, e in unexpected if "layer_normalization" not in n] == []
    assert sum(passed.values()) > 500
    assert len(passed) > 70


def is_float(given):
    return isinstance(given, np.ndarray) and given.dtype.kind == "f"


@pytest.mark.parametrize(
    ("operation", "options", "message"),
    [
        ("BatchNormalization", {"training_mode": 1}, "training_mode=1 is not supported"),
        ("ConvTranspose", {"auto_pad": "SAME_UPPER"}, "needs pads, got auto_pad or output_shape"),
        ("ConvTranspose", {"output_shape": [3]}, "needs pads, got auto_pad or output_shape"),
    ],
)
def test_unsupported_options_raise(operation, options, message):
    x = np.ones((1, 1, 2), np.float32)
    with pytest.raises(UnsupportedError, match=f"onnx.{operation}: {message}"):
        TRANSLATIONS[f"onnx.{operation}"](*[x] * 5, **options)


def test_windows_over_four_axes_raise():
    x = np.ones((1, 1, 2, 2, 2, 2))
    for name, options in (("Conv", {}), ("MaxPool", {"kernel_shape": [2] * 4})):
        with pytest.raises(UnsupportedError, match=r"needs 1 to 3 axes, got 4"):
            TRANSLATIONS[f"onnx.{name}"](*([x] if options else [x, x]), **options)
