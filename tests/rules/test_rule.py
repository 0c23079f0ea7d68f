"""Every rule against NumPy and against finite differences, in every shape and dtype."""

import inspect

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.rules import shaping


def in_each(test):
    """Run a test for each case of a rule, and name the case that fails."""

    def test_of_a_rule(**fixtures):
        name = next(name for name in fixtures if name.endswith("case"))
        for case in fixtures.pop(name):
            try:
                test(case, **fixtures)
            except BaseException as error:
                error.add_note(f"The case is {case.name}.")
                raise

    test_of_a_rule.__signature__ = inspect.signature(test)
    return test_of_a_rule


@in_each
def test_a_rule_equals_its_numpy_reference(case):
    y = case.run(*map(tg.Value, case.operands))
    expected = case.reference(*case.operands)
    np.testing.assert_allclose(y.data, expected, rtol=1e-14, atol=1e-15)
    assert y.shape == np.shape(expected)


@in_each
def test_a_rule_has_the_gradient_of_finite_differences(sloped_case, check_gradient):
    check_gradient(sloped_case.run, *sloped_case.operands)


@in_each
def test_the_closure_check_accepts_every_rule(case):
    y = case.run(*map(tg.Value, case.operands))
    if y.is_interior and y.size:
        report = tg.record(y, np.random.default_rng(0).normal(size=y.shape)).check()
        assert (report.wrong, report.unchecked) == ([], [])


@in_each
def test_a_rule_has_the_second_derivative_of_finite_differences(
    sloped_case, check_second_derivative
):
    check_second_derivative(sloped_case.run, *sloped_case.operands)


@pytest.mark.covered
@in_each
def test_a_rule_accepts_strided_views(sloped_case, check_gradient):
    def on_views(*xs):
        return sloped_case.run(*(x[..., ::-2] if x.ndim else x for x in xs))

    wide = [np.repeat(x, 2, -1)[..., ::-1] if np.ndim(x) else x for x in sloped_case.operands]
    expected = sloped_case.reference(*sloped_case.operands)
    y = on_views(*map(tg.Value, wide))
    np.testing.assert_allclose(y.data, expected, rtol=1e-14, atol=1e-15)
    check_gradient(on_views, *wide)


@in_each
def test_a_rule_does_not_write_to_its_operands(case):
    def sealed(x):
        x = np.array(x)
        x.flags.writeable = False
        return x

    xs = [sealed(x) for x in (*case.constants, *case.operands)]
    y, closure = case.rule(*xs, **case.options)
    closure(sealed(np.ones_like(y)))
    for x, before in zip(xs, (*case.constants, *case.operands), strict=True):
        np.testing.assert_array_equal(x, before)


@in_each
def test_a_closure_is_named_after_its_rule(case):
    _, closure = case.rule(*case.constants, *case.operands, **case.options)
    assert closure.__name__ == f"{case.rule.__name__.removesuffix('_rule')}_backward"


@in_each
def test_python_floats_remain_python_floats(case):
    xs = [tg.Value(x) for x in case.operands]
    y = case.run(*xs)
    if y.shape == () and not case.constants and all(isinstance(x, float) for x in case.operands):
        assert type(y.data) is float
    gradients = tg.grad(y, xs, gradient=np.ones(y.shape))
    for x, g in zip(xs, gradients, strict=True):
        assert type(g) is type(x.data)


@in_each
def test_results_and_gradients_keep_the_dtype(case):
    for dtype in (np.float16, np.float32, np.float64):
        xs = [tg.Value(x if isinstance(x, float) else x.astype(dtype)) for x in case.operands]
        y = case.run(*xs)
        if any(isinstance(x.data, np.ndarray) for x in xs):
            converted = case.rule in (shaping.astype, shaping.cast_rule)
            assert y.dtype == (np.float64 if converted else dtype)
        gradients = tg.grad(y, xs, gradient=np.ones(y.shape))
        for x, g in zip(xs, gradients, strict=True):
            if isinstance(x.data, np.ndarray):
                assert g.dtype == dtype


@in_each
def test_a_rule_is_unrolled_bit_for_bit(case):
    xs = [tg.Value(x) for x in case.operands]
    y = case.run(*xs)
    g = np.random.default_rng(3).standard_normal(y.shape)
    expected = tg.grad(y, xs, g)
    loss, gradients = tg.unroll(y, g)()
    assert_identical(loss, y.data)
    for actual, wanted in zip(gradients.values(), expected, strict=True):
        assert_identical(actual, wanted)


def assert_identical(a, b):
    assert type(a) is type(b)
    assert np.asarray(a).dtype == np.asarray(b).dtype
    np.testing.assert_array_equal(a, b, strict=True)
    np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


INSTRUMENTS = {
    "gradcheck": lambda cube, x, _: tg.gradcheck(lambda v: cube(v).sum(), x),
    "find_ties": lambda cube, x, _: tg.find_ties(cube(x)),
    "diagnose": lambda cube, x, _: tg.diagnose(cube(x).sum()),
    "why": lambda cube, x, _: tg.record(cube(x).sum()).why("x"),
    "unroll": lambda cube, x, _: tg.unroll(cube(x).sum()),
    "compare_weight_layer": lambda cube, x, _: tg.compare_weight_layer(cube(x).sum()),
    "to_html": lambda cube, x, folder: tg.record(cube(x).sum()).to_html(folder / "pass.html"),
}


@pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=INSTRUMENTS)
def test_a_rule_without_a_module_works_like_any_other(instrument, tmp_path):
    """A function that `exec` defines has no module: its `__module__` is None."""
    names = {}
    exec("def cube(x):\n    return x**3, lambda g: (3 * g * x**2,)\n", names)
    assert names["cube"].__module__ is None
    instrument(tg.lift(names["cube"]), tg.Value([1.0, 2.0], label="x"), tmp_path)
