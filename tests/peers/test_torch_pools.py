"""PyTorch's pools compute the same, forward and backward, over a generated grid."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_pool as tg

pytestmark = [pytest.mark.peer, pytest.mark.long]

grid = settings(max_examples=300)
VALUES = ["random", "tied", "-inf", "nan", "constant"]


@pytest.fixture
def torch(peer):
    torch = peer("torch")
    torch.set_num_threads(1)  # the arrays are small
    return torch


@st.composite
def inputs(draw, values=VALUES):
    """Draw a number of axes and an array of at most one NaN a plane."""
    ndim = draw(st.integers(1, 3))
    space = draw(st.lists(st.integers(3, 7), min_size=ndim, max_size=ndim))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *space)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    kind = draw(st.sampled_from(values))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.standard_normal(shape)
    if kind == "tied":
        x = np.round(x)
    elif kind == "-inf":
        x[rng.random(shape) < 0.6] = -np.inf
    elif kind == "nan":
        x[(..., *(draw(st.integers(0, n - 1)) for n in space))] = np.nan
    elif kind == "constant":
        x[:] = 1.5
    return ndim, x.astype(dtype)


@st.composite
def windows(draw, ndim, dilated):
    """Draw options that PyTorch takes, too: padding of at most half a kernel."""
    kernel = [draw(st.integers(1, 3)) for _ in range(ndim)]
    padding = [draw(st.integers(0, k // 2)) for k in kernel]
    options = {
        "stride": draw(st.one_of(st.none(), st.tuples(*[st.integers(1, 3)] * ndim))),
        "padding": tuple(padding),
        "ceil_mode": draw(st.booleans()),
    }
    if dilated:
        options["dilation"] = tuple(draw(st.integers(1, 2)) for _ in range(ndim))
    return tuple(kernel), options


def fits(x, kernel, options):
    dilation = options.get("dilation", (1,) * len(kernel))
    return all(
        n + 2 * p > d * (k - 1)
        for n, k, p, d in zip(x.shape[2:], kernel, options["padding"], dilation, strict=True)
    )


def slopes(torch, ours, theirs, x, tensor):
    """Pull one and the same gradient back through both."""
    g = np.random.default_rng(1).standard_normal(ours.shape).astype(x.dtype)
    v = ours.parents[0]
    ours.backward(g)
    theirs.backward(torch.tensor(g))
    return v.grad, tensor.grad.numpy()


def close(actual, desired):
    near = 1e-5 if actual.dtype == np.float32 else 1e-11
    np.testing.assert_allclose(actual, desired, strict=True, rtol=near, atol=near)


@grid
@given(data=st.data())
def test_max_pools(torch, data):
    ndim, x = data.draw(inputs())
    kernel, options = data.draw(windows(ndim, dilated=True))
    if not fits(x, kernel, options):
        return
    tensor = torch.tensor(x, requires_grad=True)
    pool = getattr(torch.nn.functional, f"max_pool{ndim}d")
    theirs, indices = pool(tensor, kernel, **options, return_indices=True)
    ours, winners = getattr(tg, f"max_pool{ndim}d")(
        tg.Value(x), kernel, **options, return_indices=True
    )
    np.testing.assert_array_equal(ours.data, theirs.detach().numpy(), strict=True)
    np.testing.assert_array_equal(winners, indices.numpy(), strict=True)
    close(*slopes(torch, ours, theirs, x, tensor))


def test_of_several_nan_the_first_wins_here_and_the_last_there(torch):
    x = np.array([[1.0, np.nan, np.nan, 2.0]])
    _, winners = tg.max_pool1d(x, 4, return_indices=True)
    _, indices = torch.nn.functional.max_pool1d(torch.tensor(x), 4, return_indices=True)
    assert (winners.tolist(), indices.tolist()) == ([[1]], [[2]])


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_a_window_longer_than_a_small_map_hangs_over_it_with_ceil_mode(torch, kind):
    """As in the last pools of SqueezeNet and GoogLeNet where images are small."""
    x = np.random.default_rng(0).standard_normal((1, 2, 2, 5))
    options = {"stride": 2, "ceil_mode": True}
    tensor = torch.tensor(x, requires_grad=True)
    theirs = getattr(torch.nn.functional, f"{kind}_pool2d")(tensor, 3, **options)
    ours = getattr(tg, f"{kind}_pool2d")(tg.Value(x), 3, **options)
    close(ours.data, theirs.detach().numpy())
    close(*slopes(torch, ours, theirs, x, tensor))


@grid
@given(data=st.data())
def test_average_pools(torch, data):
    ndim, x = data.draw(inputs(["random", "constant"]))
    kernel, options = data.draw(windows(ndim, dilated=False))
    options["count_include_pad"] = data.draw(st.booleans())
    if ndim > 1:  # theirs of one axis has no divisor
        options["divisor_override"] = data.draw(st.sampled_from([None, None, 3]))
    tensor = torch.tensor(x, requires_grad=True)
    theirs = getattr(torch.nn.functional, f"avg_pool{ndim}d")(tensor, kernel, **options)
    ours = getattr(tg, f"avg_pool{ndim}d")(tg.Value(x), kernel, **options)
    close(ours.data, theirs.detach().numpy())
    close(*slopes(torch, ours, theirs, x, tensor))


@grid
@given(data=st.data())
def test_norm_pools(torch, data):
    ndim, x = data.draw(inputs(["random", "constant"]))
    p = data.draw(st.sampled_from([1, 2, 3, 4]))
    x = np.abs(x) if p % 2 else x  # theirs leaves the sign in
    kernel, options = data.draw(windows(ndim, dilated=False))
    options = {"stride": options["stride"]}  # with ceil_mode theirs scales a window that hangs over
    if ndim == 1:
        kernel, options = kernel[0], {"stride": options["stride"] and options["stride"][0]}
    tensor = torch.tensor(x, requires_grad=True)
    theirs = getattr(torch.nn.functional, f"lp_pool{ndim}d")(tensor, p, kernel, **options)
    ours = getattr(tg, f"lp_pool{ndim}d")(tg.Value(x), p, kernel, **options)
    np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=2e-5)
    mine, yours = slopes(torch, ours, theirs, x, tensor)
    np.testing.assert_allclose(mine, yours, rtol=1e-3, atol=1e-5)


def test_an_odd_norm_of_negative_units_is_a_norm_here_and_none_there(torch):
    x = np.array([[-1.0, -2.0]])
    theirs = torch.nn.functional.lp_pool1d(torch.tensor(x), 1, 2)
    assert tg.lp_pool1d(x, 1, 2).data.tolist() == [[3.0]]
    assert theirs.tolist() == [[-3.0]]


@grid
@given(data=st.data())
def test_adaptive_pools(torch, data):
    ndim, x = data.draw(inputs(["random", "tied", "constant"]))
    size = data.draw(st.tuples(*[st.integers(1, 8)] * ndim))
    for kind in ("max", "avg"):
        tensor = torch.tensor(x, requires_grad=True)
        name = f"adaptive_{kind}_pool{ndim}d"
        theirs = getattr(torch.nn.functional, name)(tensor, size)
        ours = getattr(tg, name)(tg.Value(x), size)
        close(ours.data, theirs.detach().numpy())
        close(*slopes(torch, ours, theirs, x, tensor))


@grid
@given(data=st.data())
def test_unpooling(torch, data):
    ndim, x = data.draw(inputs(["random", "tied"]))
    kernel, options = data.draw(windows(ndim, dilated=False))
    options.pop("ceil_mode")
    functional = torch.nn.functional
    pooled, indices = getattr(functional, f"max_pool{ndim}d")(
        torch.tensor(x), kernel, **options, return_indices=True
    )
    tensor = pooled.clone().requires_grad_()
    size = x.shape[2:]
    theirs = getattr(functional, f"max_unpool{ndim}d")(
        tensor, indices, kernel, **options, output_size=size
    )
    y = tg.Value(pooled.numpy())
    ours = getattr(tg, f"max_unpool{ndim}d")(
        y, indices.numpy(), kernel, **options, output_size=size
    )
    np.testing.assert_array_equal(ours.data, theirs.detach().numpy(), strict=True)
    g, yours = slopes(torch, ours, theirs, x, tensor)
    flat = indices.numpy().reshape(*x.shape[:2], -1)
    alone = np.array([[np.bincount(p)[p] == 1 for p in image] for image in flat]).reshape(g.shape)
    np.testing.assert_array_equal(g[alone], yours[alone])


def test_of_units_with_one_index_the_last_is_paid_here_and_all_of_them_there(torch):
    y, indices = np.array([[3.0, 2.0]]), np.array([[1, 1]])
    tensor = torch.tensor(y, requires_grad=True)
    theirs = torch.nn.functional.max_unpool1d(tensor, torch.tensor(indices), 2)
    v = tg.Value(y)
    ours = tg.max_unpool1d(v, indices, 2)
    assert ours.data.tolist() == theirs.tolist() == [[0.0, 2.0, 0.0, 0.0]]
    ours.backward(np.ones((1, 4)))
    theirs.sum().backward()
    assert (v.grad.tolist(), tensor.grad.tolist()) == ([[0.0, 1.0]], [[1.0, 1.0]])
