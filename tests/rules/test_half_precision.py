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
