import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import ShapeError
from tinygrad_pool.rules.linear import matmul, weighted_sum


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (tg.matmul, [(2, 3), (3, 2)]),
        (tg.conv2d, [(1, 3, 3), (2, 1, 2, 2), (2,)]),
        (lambda x, n: x**n, [(2,), (2,)]),
    ],
)
def test_an_operand_gets_the_same_gradient_if_the_others_are_constants(f, shapes):
    arrays = [np.random.default_rng(0).uniform(1, 2, shape) for shape in shapes]
    xs = [tg.Value(a) for a in arrays]
    gradients = tg.grad(f(*xs).sum(), xs)
    for i, to_x in enumerate(gradients):
        alone = f(*arrays[:i], xs[i], *arrays[i + 1 :]).sum()
        np.testing.assert_array_equal(tg.grad(alone, xs[i])[0], to_x)


def test_matmul_skips_unwanted_contributions():
    y, closure = matmul(np.ones((2, 2)), np.ones(2), wants=(False, False))
    assert closure(y) == (None, None)


@pytest.mark.parametrize(
    ("x", "w", "message"),
    [
        (
            (2, 3),
            (2, 3),
            r"shapes \(2, 3\) and \(2, 3\) do not match: rows have 3 elements, columns 2",
        ),
        ((3,), (2,), r"shapes \(3,\) and \(2,\) do not match: rows have 3 elements, columns 2"),
        (
            (3,),
            (3, 2, 2),
            r"shapes \(3,\) and \(3, 2, 2\) do not match: rows have 3 elements, .* 2",
        ),
        ((), (2, 2), r"needs arrays, got shapes \(\) and \(2, 2\); use \* to scale"),
        ((2,), (), r"needs arrays, got shapes \(2,\) and \(\)"),
        ((2, 3, 4), (5, 4, 6), r"shapes \(2, 3, 4\) and \(5, 4, 6\) do not broadcast"),
    ],
)
def test_matrices_that_do_not_match_are_named(x, w, message):
    with pytest.raises(ShapeError, match=f"matmul: {message}"):
        tg.Value(np.ones(x)) @ tg.Value(np.ones(w))


def test_a_vector_gets_a_vector_as_contribution():
    x, w = tg.Value([1.0, 2.0]), tg.Value([[3.0, 4.0], [5.0, 6.0]])
    steps = list(tg.backward_steps((x @ w @ x).sum()))
    assert [
        [np.shape(c) for c in step.contributions] for step in steps if step.node.op == "matmul"
    ] == [
        [(2,), (2,)],
        [(2,), (2, 2)],
    ]
    np.testing.assert_array_equal(x.grad, (w.data + w.data.T) @ x.data)
    np.testing.assert_array_equal(w.grad, np.outer(x.data, x.data))


@pytest.mark.parametrize(
    ("x", "w"), [((3, 1), (1,)), ((1,), (1, 3)), ((1,), (1,)), ((2, 3, 1), (1,)), ((1, 1), (1,))]
)
def test_a_vector_of_length_1_is_a_vector(x, w, check_gradient, check_second_derivative):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(x), rng.standard_normal(w)
    np.testing.assert_array_equal(matmul(x, w)[0], np.matmul(x, w), strict=True)
    check_gradient(tg.matmul, x, w)
    check_second_derivative(tg.matmul, x, w)


def test_a_product_in_float16_is_summed_in_float32():
    x, w = np.ones((2, 4096), np.float16), np.ones((4096, 2), np.float16)
    y, closure = matmul(x, w)
    assert (y == 4096).all()  # not 2048, where 1 more is lost
    _, closure = matmul(w, x[:, :1])
    assert closure(np.ones((4096, 1), np.float16))[1].tolist() == [[4096.0], [4096.0]]


def test_a_contribution_of_matmul_becomes_the_leafs_gradient_without_a_copy():
    x, w = tg.Value(np.ones((2, 3))), tg.Value(np.ones((3, 2)))
    y = x @ w
    y.backward(np.ones((2, 2)))
    before = x.grad.copy(), w.grad.copy()
    x.grad += 1.0
    w.grad += 1.0
    y.backward(np.ones((2, 2)))
    np.testing.assert_array_equal(x.grad, 2 * before[0] + 1.0)
    np.testing.assert_array_equal(w.grad, 2 * before[1] + 1.0)


def test_a_unit_needs_as_many_weights_as_inputs():
    with pytest.raises(
        ShapeError, match="weighted_sum: needs n weights, n inputs and a bias, got 2"
    ):
        weighted_sum(1.0, 2.0)
    with pytest.raises(ShapeError, match=r"weighted_sum: needs .* got 0"):
        weighted_sum()


def test_a_unit_without_inputs_is_its_bias():
    a, closure = weighted_sum(3.0)
    assert (a, closure(2.0)) == (3.0, (2.0,))
