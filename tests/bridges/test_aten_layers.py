"""Translations of PyTorch's layers, compared with PyTorch; test_torch_reading tests most."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.bridges.translations import TRANSLATIONS

pytestmark = pytest.mark.peer

RNG = np.random.default_rng(0)
X, W, B = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 5)), RNG.standard_normal(5)
PLANES, KERNEL = RNG.standard_normal((2, 4, 6, 5)), RNG.standard_normal((2, 2, 3, 2))
UP = RNG.standard_normal((4, 2, 3, 2))
CASES = {
    "linear": (X, W.T.copy(), B),
    "conv2d": (PLANES, KERNEL, None, [2], [1], [1], 2),
    "conv2d same": (PLANES, KERNEL, None, [1, 1], "same", [1, 2], 2),
    "conv2d valid": (PLANES, KERNEL, None, [1], "valid", [1], 2),
    "convolution": (PLANES, KERNEL, None, [1, 1], [1, 0], [1, 1], False, [0, 0], 2),
    "convolution transposed": (PLANES, UP, B[:4], [2, 1], [0, 1], [1, 2], True, [1, 0], 2),
    "convolution transposed and cut": (PLANES, UP, None, [1], [3, 2], [1], True, [0], 2),
    "max_pool2d": (PLANES, [2, 3], [], [1]),
    "max_pool2d_with_indices": (PLANES, [2], [1], [0], [2], True),
    "avg_pool2d": (PLANES, [2], [1, 2], [1], True, False),
    "avg_pool2d divided": (PLANES, [2], [], [0], False, True, 3),
    "adaptive_avg_pool2d": (PLANES, [3, 2]),
    "adaptive_max_pool2d": (PLANES, [2, 3]),
    "prelu": (X, B[:4]),
    "threshold": (X, 0.5, 7.0),
    "hardtanh": (X, -0.3, 0.4),
    "softplus": (X * 20, 2.0, 5.0),
    "layer_norm": (X, [4], B[:4], B[1:]),
    "group_norm": (PLANES, 2, B[:4], None, 1e-3),
}


@pytest.mark.parametrize("case", CASES)
def test_a_layer_equals_pytorchs(torch, case):
    operands = list(CASES[case])
    options = operands.pop() if isinstance(operands[-1], dict) else {}
    name = case.split()[0]
    tensors = [
        torch.tensor(a, requires_grad=True) if isinstance(a, np.ndarray) else a for a in operands
    ]
    values = [tg.Value(a) if isinstance(a, np.ndarray) else a for a in operands]
    expected = getattr(torch.ops.aten, name)(*tensors, **options)
    actual = TRANSLATIONS[f"aten.{name}"](*values, **options)
    if isinstance(expected, tuple):
        np.testing.assert_array_equal(actual[1], expected[1])
        actual, expected = actual[0], expected[0]
    np.testing.assert_allclose(actual.data, expected.detach(), 1e-12, 1e-12)
    g = np.cos(np.arange(actual.size)).reshape(actual.shape)
    expected.backward(torch.tensor(g))
    actual.backward(g)
    for v, t in zip(values, tensors, strict=True):
        if isinstance(v, tg.Value):
            np.testing.assert_allclose(v.grad, t.grad, 1e-10, 1e-10)
