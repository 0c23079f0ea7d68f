"""Any program as an ONNX file: equal in onnxruntime and when it is read again, or refused."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from programs import ALL, OF_NUMPY, Operations, Running, alone, deviations, programs

import tinygrad_pool as tg
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import TinygradPoolError

pytestmark = [pytest.mark.peer, pytest.mark.long, OF_NUMPY]

ROUNDINGS = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11}


@pytest.fixture(scope="module")
def runtime(peer):
    peer("onnx")
    runtime = peer("onnxruntime")
    runtime.set_default_logger_severity(4)
    return runtime


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("onnx")


@pytest.fixture(scope="module")
def covered(runtime, folder):
    """List the operations that ONNX has, of some shape."""
    return Operations(
        operation
        for operation in ALL
        if any(written(program, folder, program.inputs) for program in alone(operation))
    )


def written(program, folder, inputs):
    """Write the graph of a program to a file, unless it is refused in our own words."""
    try:
        return tg.to_onnx(program.root, folder / "program.onnx", *inputs)
    except TinygradPoolError:
        return None


def inputs_of(program):
    """List the leaves that the last Value depends on."""
    reached = {*topological_order(program.root)}
    return [x for x in program.inputs if x in reached]


def test_every_operation_that_is_written_is_the_same(runtime, folder, covered):
    assert len(covered) > len(ALL) / 3
    for operation in covered:
        for program in alone(operation):
            compare(runtime, program, folder, inputs_of(program))


@settings(max_examples=100)
@given(data=st.data())
def test_what_is_written_computes_the_same(runtime, folder, covered, data):
    program = data.draw(programs(("tame",), covered, dtypes=("f8", "f4")))
    inputs = [x for x in inputs_of(program) if data.draw(st.booleans())]
    compare(runtime, program, folder, inputs)


@settings(max_examples=60)
@given(data=st.data())
def test_any_program_is_written_or_refused(runtime, folder, covered, data):
    """Also of odd numbers, dtypes and shapes, as a graph and as a network."""
    some = covered if data.draw(st.booleans()) else ALL
    program = data.draw(programs(operations=some))
    with program.written_down("onnx_of_any"), np.errstate(all="ignore"):
        path = written(program, folder, inputs_of(program)[:1])
        if path:
            tg.from_onnx(path)(*(x.data for x in inputs_of(program)[:1]))
        try:
            tg.to_onnx(Running(program), path or folder / "net.onnx", *program.inputs)
        except TinygradPoolError:
            return


def compare(runtime, program, folder, inputs):
    """Compare a file with the program: in onnxruntime, and as a network of ours."""
    with program.written_down("onnx"), np.errstate(all="ignore"):
        path = written(program, folder, inputs)
        if path is None:
            return
        y, g = program.root, program.gradient
        nodes = topological_order(y)
        roundings = max(ROUNDINGS[str(np.dtype(v.dtype))] for v in nodes)
        most = deviations(y, g, inputs, roundings)
        given = [tg.Value(x.data) for x in inputs]
        again = tg.from_onnx(path)(*given)
        empty = any(v.size == 0 for v in nodes)  # a length of 0 may end the process there
        theirs = None if empty else in_onnxruntime(runtime, path, inputs)
        for found in [again.data] + [theirs] * (theirs is not None):
            assert np.shape(found) == y.shape
            assert np.asarray(found).dtype == y.dtype
            if np.isfinite(most[0]):
                np.testing.assert_allclose(found, y.data, 0, most[0])
        slopes = zip(tg.grad(again, given, g), tg.grad(y, inputs, g), most[1:], strict=True)
        for a, b, apart in slopes:
            if np.isfinite(apart):
                np.testing.assert_allclose(a, b, 0, apart)


def in_onnxruntime(runtime, path, inputs):
    """Run a file there; None if it has no kernel for some dtype."""
    state = runtime.capi.onnxruntime_pybind11_state
    arrays = [np.asarray(x.data, x.dtype) for x in inputs]
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [x.name for x in session.get_inputs()]
        return session.run(None, dict(zip(names, arrays, strict=True)))[0]
    except state.NotImplemented:
        return None
    except state.Fail as error:
        fused = "std::isfinite(alpha_attr_) was false" in str(error)  # a product with 1 / 0
        if not fused:
            raise
        return None
