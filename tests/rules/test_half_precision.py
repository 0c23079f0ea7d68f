"""Float16 is summed in float32, as in PyTorch."""

import numpy as np
import pytest

import tinygrad_pool as tg


def test_a_bias_of_many_rows():
    b = tg.Value(np.zeros(3, np.float16))
    (tg.Value(np.ones((4096, 3), np.float16)) + b).backward(np.ones((4096, 3), np.float16))
    assert b.grad.tolist() == [4096.0] * 3


@pytest.mark.parametrize("f", [tg.Value.sum, np.sum])
def test_a_sum(f):
    assert f(tg.Value(np.ones((4096, 2), np.float16)), axis=0).data.tolist() == [4096.0] * 2


def test_a_mean_and_its_gradient():
    x = tg.Value(np.ones(70_000, np.float16))
    y = x.mean()
    y.backward()
    assert y.data == 1.0
    assert np.allclose(x.grad, np.float16(1 / 70_000), rtol=0.01, atol=0)


@pytest.mark.parametrize("f", [tg.softmax, lambda x: np.exp(tg.log_softmax(x))])
def test_a_softmax_of_many(f):
    y = f(tg.Value(np.ones(70_000, np.float16))).data
    assert y.dtype == np.float16
    assert np.allclose(y, 1 / 70_000, rtol=0.05, atol=0)


def test_a_logsumexp_of_many():
    y = tg.logsumexp(tg.Value(np.ones(70_000, np.float16)))
    assert y.dtype == np.float16
    assert np.isclose(float(y), 1 + np.log(70_000), rtol=0.01)


def test_a_weighted_sum_of_many():
    one = np.float16(1)
    for b in (one, 1.0):
        y = tg.weighted_sum([one] * 3000, [tg.Value(one)] * 3000, b)
        assert (y.data, y.dtype) == (3000.0, np.float16)
    assert tg.weighted_sum([one], [tg.Value(one)], np.float32(1)).dtype == np.float32


@pytest.mark.parametrize("weights", [np.float16, np.float32])
def test_an_average_with_weights(weights):
    x = tg.Value(np.full(70_000, 0.5, np.float16))
    y = np.average(x, weights=np.ones(70_000, weights))
    y.backward()
    assert (y.data, y.dtype) == (0.5, weights)
    assert np.allclose(x.grad, 1 / 70_000, rtol=0.01, atol=0)
    ones = np.ones((4096, 2), weights)
    _, total = np.average(tg.Value(ones), 0, ones, returned=True)
    assert (total.tolist(), total.dtype) == ([4096.0, 4096.0], weights)
