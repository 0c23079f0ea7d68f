"""NumPy's functions on Values: numbers, slopes of both orders, dtypes, and every instrument.

docs/numpy_coverage.py has the calls, with 0 to 3 axes, negative axes and keepdims.
"""

import warnings
from functools import cache

import numpy as np
import pytest
from numpy_coverage import ARRAYS, PAGE, calls, evaluated, joined, operands_in, page, parts, tried

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.derivatives.sparse_jacobian import dense_rows, sparse_jacobian
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import UnsupportedError
from tinygrad_pool.rules.sparse_weights import Weights

CALLS = calls()
WHOLE = {"inv", "solve", "det", "logabsdet", "cholesky", "sign_of_det", "pinv"}
WHOLE |= {"eigvalsh", "eigenvectors", "svdvals", "singular_vectors"}
"""Rules that `explode` does not support."""


@cache
def kinds():
    """Classify each function by its first call: works, answered or refused."""
    results = {name: tried(ways[0], slopes=False) for name, ways in CALLS.items()}
    return {name: kind if isinstance(kind, str) else "refused" for name, kind in results.items()}


def working():
    return sorted(name for name, kind in kinds().items() if kind == "works")


def leaves_of(call, change=lambda x: x):
    """Map the letter of each operand in a call to a Value."""
    letters = sorted(set(operands_in(call)))
    return {name: Value(change(ARRAYS[name]), label=name) for name in letters}


def loss_of(call, leaves):
    """Return a randomly weighted sum of everything that a call returns."""
    row = joined(evaluated(call, leaves))
    return (row * np.random.default_rng(1).normal(size=row.shape)).sum()


def test_at_least_150_functions_work_and_few_are_rejected():
    counts = {kind: [*kinds().values()].count(kind) for kind in ("works", "answered", "refused")}
    assert counts["works"] >= 165
    assert counts["answered"] >= 40
    assert counts["refused"] <= 15


@pytest.mark.parametrize("name", CALLS)
def test_numbers_are_numpys_in_every_call(name):
    for call in CALLS[name]:
        result = tried(call, slopes=False)
        assert (result if isinstance(result, str) else "refused") == kinds()[name]


def test_calls_that_change_their_operand_leave_those_of_other_calls_alone():
    kinds()  # copyto, fill_diagonal and put are among them
    assert ARRAYS["m"].diagonal().all()
    assert not np.array_equal(ARRAYS["u"], ARRAYS["w"])


@pytest.mark.long
def test_slopes_equal_finite_differences_and_the_page_lists_them():
    assert page() == PAGE.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", working())
def test_second_derivatives_equal_finite_differences(name):
    for call in CALLS[name]:
        rng = np.random.default_rng(2)
        along = {letter: rng.normal(size=ARRAYS[letter].shape) for letter in leaves_of(call)}

        def gradients(h, call=call, along=along, create_graph=False):
            leaves = {k: Value(ARRAYS[k] + h * d) for k, d in along.items()}
            slopes = tg.grad(loss_of(call, leaves), leaves.values(), create_graph=create_graph)
            return leaves, slopes

        leaves, slopes = gradients(0.0, create_graph=True)
        rise = sum((g * d).sum() for g, d in zip(slopes, along.values(), strict=True))
        second = tg.grad(rise, leaves.values())
        up, down = gradients(1e-5)[1], gradients(-1e-5)[1]
        for got, high, low in zip(second, up, down, strict=True):
            expected = (np.asarray(high) - low) / 2e-5
            np.testing.assert_allclose(got, expected, 1e-4, 1e-5, err_msg=call)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("name", working())
def test_dtypes_are_numpys_and_gradients_have_those_of_their_operands(name, dtype):
    for call in CALLS[name]:
        leaves = leaves_of(call, lambda x: x.astype(dtype))
        got = parts(evaluated(call, leaves))
        try:
            expected = parts(evaluated(call, {k: v.data for k, v in leaves.items()}))
        except TypeError:  # LAPACK has no float16
            assert dtype == np.float16
            continue
        for one, other in zip(got, expected, strict=True):
            if isinstance(one, Value):
                assert one.dtype == np.asarray(other).dtype, call
        for g, v in zip(
            tg.grad(loss_of(call, leaves), leaves.values()), leaves.values(), strict=True
        ):
            assert g.dtype == dtype
            assert g.shape == v.shape


@pytest.mark.long
@pytest.mark.parametrize("name", working())
def test_weights_agree_with_the_closures(name):
    for call in CALLS[name][:3]:
        for node in topological_order(loss_of(call, leaves_of(call))):
            for i, p in enumerate(node.parents):
                if isinstance(p, Value):
                    W = sparse_jacobian(node, i)
                    sent = dense_rows(node, i, np.arange(node.size))
                    other = Weights(*sent, W.y_shape, W.x_shape)
                    assert np.allclose(W.dense(), other.dense(), equal_nan=True), (call, node.op)


@pytest.mark.long
@pytest.mark.parametrize("name", working())
def test_an_exploded_graph_has_the_same_number_and_gradients(name):
    for call in CALLS[name][:4]:
        leaves = leaves_of(call)
        loss = loss_of(call, leaves)
        if WHOLE & {node.op for node in topological_order(loss)}:
            with pytest.raises(UnsupportedError, match="has no scalar form"):
                tg.explode(loss)
            continue
        top = tg.explode(loss)
        assert np.isclose(top.item(), loss.item(), rtol=1e-10)
        top.backward()
        loss.backward()
        units = {node.label: node.grad for node in topological_order(top) if node.is_leaf}
        for letter, v in leaves.items():
            for place in np.ndindex(v.shape):
                label = f"{letter}[{', '.join(map(str, place))}]" if place else letter
                assert np.isclose(units.get(label, 0.0), np.asarray(v.grad)[place], 1e-8, 1e-10)


@pytest.mark.long
@pytest.mark.parametrize("name", working())
def test_an_unrolled_program_computes_the_same_bits(name):
    for call in CALLS[name][:4]:
        leaves = leaves_of(call)
        loss = loss_of(call, leaves)
        program = tg.unroll(loss)
        loss.backward()
        outcome = program()
        assert np.array_equal(outcome.loss, loss.data)
        for letter in leaves.keys() & outcome.gradients.keys():
            assert np.array_equal(outcome.gradients[letter], leaves[letter].grad), call


@pytest.mark.long
@pytest.mark.parametrize("name", [n for n in working() if n not in ("trim_zeros", "extract")])
def test_every_instrument_accepts_it(name):
    loss = loss_of(CALLS[name][0], leaves := leaves_of(CALLS[name][0]))
    v = next(iter(leaves.values()))
    recording = tg.record(loss)
    assert "grad of" in str(recording.why(v, (0,) * v.ndim))
    assert v.label in tg.draw(loss).source
    assert str(tg.diagnose(loss))


def other_numbers(letter, rng):
    """Shuffle the numbers of an operand, and flip their signs if it may be negative."""
    sign = -1.0 if letter not in "prx" and rng.integers(2) else 1.0
    return sign * rng.permutation(ARRAYS[letter].reshape(-1)).reshape(ARRAYS[letter].shape)


def assert_replay_is_computing_anew(call, numbers):
    leaves, new = leaves_of(call), {letter: Value(x) for letter, x in numbers.items()}
    recording, expected = tg.record(loss_of(call, leaves)), loss_of(call, new)
    inputs = [letter for letter, v in leaves.items() if v in recording.nodes]
    for letter in inputs:
        recording.set(leaves[letter], numbers[letter])
    again = recording.replay()
    np.testing.assert_array_equal(again.loss.data, expected.data, err_msg=call)
    slopes = tg.grad(expected, [new[letter] for letter in inputs])
    for letter, slope in zip(inputs, slopes, strict=True):
        g = again.gradients.get(again.find(letter), np.zeros(slope.shape))
        np.testing.assert_allclose(g, slope, 1e-12, 1e-12, err_msg=call)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:replay. the mask of the where node may depend on the leaf")
@pytest.mark.parametrize("name", working())
def test_a_replay_with_other_numbers_equals_a_new_computation(name):
    for call in CALLS[name]:
        for seed in range(4):
            rng = np.random.default_rng(seed)
            numbers = {letter: other_numbers(letter, rng) for letter in leaves_of(call)}
            assert_replay_is_computing_anew(call, numbers)


MINDS_NAN = ("sort", "partition", "median", "quantile", "percentile", "fmax", "fmin")


@pytest.mark.parametrize("name", [n for n in working() if n.startswith("nan") or n in MINDS_NAN])
def test_a_replay_checks_for_nan_again(name):
    for call in CALLS[name]:
        for cells in (1, 3, 99):
            numbers = {letter: ARRAYS[letter].copy() for letter in leaves_of(call)}
            for x in numbers.values():
                x.reshape(-1)[:cells] = np.nan
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                assert_replay_is_computing_anew(call, numbers)
