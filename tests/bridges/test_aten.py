"""Translations of PyTorch's operations, compared with PyTorch one by one."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.bridges import aten
from tinygrad_pool.bridges.translations import TRANSLATIONS

pytestmark = pytest.mark.peer

X, Y = np.random.default_rng(0).standard_normal((2, 3, 4))
P = np.abs(X) + 0.5
CUBE = np.random.default_rng(1).standard_normal((2, 3, 4))
CASES = {
    **{name: (name, X) for name in ("exp", "sin", "cos", "tan", "tanh", "abs", "neg", "erf")},
    **{
        name: (name, P) for name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal")
    },
    **{name: (name, X, Y) for name in ("maximum", "minimum", "mul", "add", "sub", "div")},
    **{name: (name, X, 2.0) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    **{name: (name, X) for name in ("sign", "floor", "ceil", "round", "trunc", "isnan", "isinf")},
    **{name: (name, X) for name in ("argmax", "argmin", "logical_not", "tril", "triu")},
    **{name: (name, X) for name in ("sinh", "cosh", "exp2", "atan", "asinh")},
    **{name: (name, X / 4) for name in ("asin", "acos", "atanh")},
    "acosh": ("acosh", P + 1),
    **{
        f"{name} without axes": (name, X)
        for name in ("any", "all", "sum", "mean", "amax", "amin", "var")
    },
    **{f"{name} of an axis": (name, X, [1], True) for name in ("sum", "mean", "amax", "amin")},
    **{f"{name} along an axis": (name, X, 1, True) for name in ("max", "min", "any", "all")},
    **{f"{name} of two": (name, X, Y) for name in ("max", "min")},
    **{f"{name} of all": (name, X) for name in ("max", "min")},
    **{f"{name} of the last": (name, X, -1) for name in ("argmax", "argmin", "softmax", "unbind")},
    "add with alpha": ("add", X, Y, {"alpha": 2}),
    "sub with alpha": ("sub", X, Y, {"alpha": 2}),
    "div floor": ("div", X, Y, {"rounding_mode": "floor"}),
    "div trunc": ("div", X, Y, {"rounding_mode": "trunc"}),
    "div of integers": ("div", np.arange(6), 4, {"rounding_mode": "floor"}),
    "floor_divide": ("floor_divide", np.arange(6), 4),
    "pow": ("pow", P, 3),
    "clamp": ("clamp", X, -0.5, 0.5),
    "where": ("where", X > 0, X, Y),
    "sum of an empty list": ("sum", X, []),
    "var with correction": ("var", X, [0], {"correction": 0, "keepdim": True}),
    "var unbiased": ("var", X, False),
    "logsumexp": ("logsumexp", X, [1], True),
    "log_softmax": ("log_softmax", X, 0),
    "view": ("view", X, [2, -1]),
    "view of integers": ("view", np.arange(6), [2, -1]),
    "transpose": ("transpose", CUBE, 0, -1),
    "transpose a number": ("transpose", np.float64(2.0), 0, 0),
    "permute": ("permute", CUBE, [2, 0, 1]),
    "squeeze": ("squeeze", CUBE[:, :1]),
    "squeeze an axis": ("squeeze", CUBE[:, :1], 1),
    "squeeze a long axis": ("squeeze", CUBE, 1),
    "squeeze axes": ("squeeze", CUBE[:1, :1], [0, 2]),
    "unsqueeze": ("unsqueeze", X, -1),
    "expand": ("expand", X[:, None], [2, -1, 2, 4]),
    "repeat": ("repeat", X, [2, 1, 3]),
    "select": ("select", CUBE, -1, 2),
    "slice": ("slice", CUBE, 1, 1, 3),
    "slice steps": ("slice", CUBE, 2, None, None, 2),
    "slice all": ("slice", CUBE, 1, 0, 99),
    "split": ("split", X, 3, 1),
    "sort with NaN": ("sort", np.array([1.0, np.nan, 3.0, 3.0]), -1, True),
    "topk with NaN": ("topk", np.array([1.0, np.nan, 3.0, 4.0]), 2),
    "split_with_sizes": ("split_with_sizes", X, [1, 3], 1),
    "cat": ("cat", [X, Y], 1),
    "stack": ("stack", [X, Y], -1),
    "index_select": ("index_select", X, -1, np.array([0, 0, 2])),
    "index": ("index", CUBE, [None, np.array([0, 2])]),
    "gather": ("gather", X, 1, np.array([[0], [1], [3]])),
    "embedding": ("embedding", X, np.array([[0, 2]])),
    "embedding with padding": ("embedding", X, np.array([[0, 2]]), 2),
    "embedding with the first for padding": ("embedding", X, np.array([[0, 1]]), 0),
    "flip": ("flip", CUBE, [0, -1]),
    "roll": ("roll", X, [1, -1], [0, 1]),
    "roll all": ("roll", X, [5]),
    "roll by nothing": ("roll", X, [3], [0]),
    "roll nothing": ("roll", X[:0], [3], [0]),
    "constant_pad_nd": ("constant_pad_nd", X, [1, 2, 0, 3], 5.0),
    "constant_pad_nd cuts": ("constant_pad_nd", X, [-1, 2], 0.5),
    "constant_pad_nd by nothing": ("constant_pad_nd", X, [0, 0]),
    "full_like": ("full_like", X, 3.0),
    "full": ("full", [2], 7),
    "arange": ("arange", 1, 7, 2),
    "logical_and": ("logical_and", X > 0, Y > 0),
    "logical_or": ("logical_or", X > 0, Y > 0),
    "logical_xor": ("logical_xor", X > 0, Y > 0),
    "bitwise_not": ("bitwise_not", X > 0),
}


@pytest.mark.parametrize("case", CASES)
def test_an_operation_equals_pytorchs(torch, case):
    name, *operands = CASES[case]
    options = operands.pop() if isinstance(operands[-1], dict) else {}
    theirs = [_tensors(torch, a) for a in operands]
    ours = [_values(a) for a in operands]
    expected = _listed(getattr(torch.ops.aten, name)(*theirs, **options))
    actual = _listed(TRANSLATIONS[f"aten.{name}"](*ours, **options))
    assert len(actual) == len(expected)
    total, slopes = 0.0, []
    for y, t in zip(actual, map(torch.as_tensor, expected), strict=True):
        numbers = y.data if isinstance(y, tg.Value) else np.asarray(y)
        assert numbers.shape == tuple(t.shape)
        np.testing.assert_allclose(numbers, t.detach().numpy(), 1e-12, 1e-12)
        if isinstance(y, tg.Value) and t.requires_grad:
            total = total + (y * np.cos(np.arange(y.size)).reshape(y.shape)).sum()
            slopes.append((t * torch.arange(t.numel()).double().cos().reshape(t.shape)).sum())
    leaves = [t for t in _flat(theirs) if getattr(t, "requires_grad", False)]
    values = [v for v in _flat(ours) if isinstance(v, tg.Value)]
    assert bool(slopes) == isinstance(total, tg.Value)
    if slopes:
        gradients = torch.autograd.grad(sum(slopes), leaves, allow_unused=True)
        for g, h in zip(tg.grad(total, values), gradients, strict=True):
            np.testing.assert_allclose(g, 0.0 if h is None else h, 1e-10, 1e-10)


def _values(a):
    if isinstance(a, list):
        return [_values(v) for v in a]
    return tg.Value(a) if isinstance(a, np.ndarray | np.float64) and a.dtype.kind == "f" else a


def _tensors(torch, a):
    if isinstance(a, list):
        return [_tensors(torch, v) for v in a]
    if isinstance(a, np.ndarray | np.float64):
        return torch.tensor(a, requires_grad=a.dtype.kind == "f")
    return a


def _flat(operands):
    return [v for a in operands for v in (a if isinstance(a, list) else [a])]


def _listed(y):
    return list(y) if isinstance(y, list | tuple) else [y]


def test_integers_and_masks_remain_arrays():
    places = np.arange(6)
    assert TRANSLATIONS["aten.view"](places, (2, 3)).dtype == places.dtype
    assert TRANSLATIONS["aten.maximum"](places, 3).tolist() == [3, 3, 3, 3, 4, 5]
    assert TRANSLATIONS["aten.detach"](places) is places
    assert TRANSLATIONS["aten.detach"](tg.Value(2.0)).parents == ()


def test_dtypes_are_converted():
    x = tg.Value([1.0, 2.0])
    f, i = np.dtype(np.float32), np.dtype(np.int64)
    assert aten.cast(x, f).dtype == f
    assert aten.cast(x, i).dtype == i
    assert aten.cast(x, None) is aten.cast(x, x.dtype) is x
    assert aten.to(x, f, False).dtype == aten.to(x, dtype=f).dtype == f
    assert aten.to(x, "cpu") is x
    assert TRANSLATIONS["aten.empty"]([2]).dtype == f
    assert TRANSLATIONS["aten.full"]([2], True).dtype == bool
    assert TRANSLATIONS["aten.scalar_tensor"](2, dtype=f).dtype == f
    assert TRANSLATIONS["aten.rand_like"](x).shape == (2,)
    assert TRANSLATIONS["aten.sum"](x, dtype=f).dtype == f


def test_integers_and_numbers_take_the_dtype_of_floats_as_in_pytorch():
    x, places = tg.Value(np.ones(3, np.float32)), np.arange(1, 4)
    for name in ("add", "mul", "div", "pow", "maximum"):
        for other in (places, np.array(2), np.float64(2.0)):
            assert TRANSLATIONS[f"aten.{name}"](x, other).dtype == np.float32
    assert TRANSLATIONS["aten.mul"](x, np.ones(3)).dtype == np.float64
    assert TRANSLATIONS["aten.sqrt"](places).dtype == np.float32
    assert TRANSLATIONS["aten.mul"](places, 0.5).dtype == np.float32
    assert TRANSLATIONS["aten.add"](places, 1).dtype == places.dtype
    assert TRANSLATIONS["aten.arange"](3.0).dtype == np.float32
    assert TRANSLATIONS["aten.repeat"](np.ones((2, 1)), (0, 2)).shape == (0, 2)
