"""The fast form of max pooling against the readable one, to the last bit of every gradient."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_pool as tg
from tinygrad_pool.errors import OptionError, TieError
from tinygrad_pool.rules import fast_pooling
from tinygrad_pool.rules.fast_pooling import fast_max_pool, fast_winners, has_ties
from tinygrad_pool.rules.pooling import max_pool, max_pool_by_links, winning_links
from tinygrad_pool.rules.windows import adaptive_windows_of, windows_of

nan, inf = np.nan, np.inf
both_ties = pytest.mark.parametrize("ties", ["first", "last"])


@pytest.mark.slow
@settings(deadline=None)
@given(st.data())
def test_the_fast_form_equals_the_readable_one_for_any_pool(at_random, data):
    x, windows, g_of = data.draw(at_random.cases())
    ties = data.draw(st.sampled_from(["first", "last"]))
    expected, readable_backward = max_pool_by_links(x, windows, ties)
    g = g_of(expected)
    with at_random.sized(*data.draw(at_random.sizes)), np.errstate(invalid="ignore"):  # ∞ − ∞
        y, backward = fast_max_pool(x, windows, ties)
        (to_x,), (readable_to_x,) = backward(g), readable_backward(g)
        winners = fast_winners(x, windows, ties)
        tied = has_ties(x, windows)
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(y, expected)  # where 0.0 and −0.0 tie, y may have either sign
    at_random.assert_same(to_x, readable_to_x)
    links = winning_links(x, windows=windows, ties=ties)
    np.testing.assert_array_equal(winners, links.first)
    assert tied == np.any(winning_links(x, windows=windows, ties="even").n > 1)


@pytest.fixture
def calls(monkeypatch):
    """Record which function finds the winners: by tiles or by lists."""
    calls = []

    def record(name):
        function = getattr(fast_pooling, name)
        monkeypatch.setattr(
            fast_pooling, name, lambda *args: (calls.append(name), function(*args))[1]
        )

    record("_maxima")
    record("_listed_winners")
    return calls


@pytest.mark.parametrize(
    ("shape", "windows", "function"),
    [
        ((2, 3, 8, 16), windows_of("p", 2, 2), "_listed_winners"),  # small
        ((8, 16, 64, 64), windows_of("p", 2, 2), "_maxima"),
        ((8, 16, 64, 64), windows_of("p", 2, 3, 1, 1), "_maxima"),
        ((8, 16, 64, 64), windows_of("p", 2, 64), "_listed_winners"),  # a whole plane
        ((1, 300, 300), windows_of("p", 2, 17, 1), "_maxima"),  # long, but overlapping
        ((1, 300, 300), windows_of("p", 2, 17), "_listed_winners"),
        ((99, 40, 40), adaptive_windows_of("p", 2, 20, (40, 40)), "_maxima"),  # like a kernel
        ((99, 40, 40), adaptive_windows_of("p", 2, 7, (40, 40)), "_listed_winners"),
    ],
    ids=str,
)
def test_the_faster_of_tiles_and_lists_is_used(shape, windows, function, calls):
    x = np.random.default_rng(0).standard_normal(shape)
    y, backward = fast_max_pool(x, windows, "first")
    assert calls == [function]
    assert backward(y)[0].sum() == pytest.approx(y.sum())


@both_ties
@pytest.mark.parametrize("width", range(1, 8))
def test_winners_of_windows_wider_than_the_plane(width, ties, at_random):
    x = np.random.default_rng(width).integers(0, 3, (3, width)).astype(float)
    windows = windows_of("max_pool2d", 2, (3, 4), 1, ((2, 0), (0, 2)), (1, 2), ceil_mode=False)
    if windows.padding[1][1] + width < windows.extent[1]:
        windows = windows_of("max_pool2d", 2, (3, 4), 1, ((2, 0), (2, 2)), 1, ceil_mode=False)
    with at_random.sized(cells=1, few=0):
        winners = fast_winners(x, windows, ties)
    np.testing.assert_array_equal(winners, winning_links(x, windows=windows, ties=ties).first)


@both_ties
@pytest.mark.parametrize(
    ("shape", "kernel", "padding"), [((40, 300), (1, 2), (0, 1)), ((5, 40, 50), (1, 2, 2), 0)]
)
def test_winners_with_a_kernel_of_one_cell_along_an_axis_with_large_steps(
    shape, kernel, padding, ties
):
    x = np.random.default_rng(0).integers(0, 3, shape).astype(float)
    windows = windows_of("max_pool", len(kernel), kernel, padding=padding)
    winners = fast_winners(x, windows, ties)
    np.testing.assert_array_equal(winners, winning_links(x, windows=windows, ties=ties).first)


@both_ties
def test_a_gradient_broadcast_from_one_number_is_sent_back(ties, at_random):
    x = np.random.default_rng(0).integers(0, 3, (2, 7, 7)).astype(float)
    windows = windows_of("max_pool2d", 2, 3, stride=2, padding=1)
    y, readable_backward = max_pool_by_links(x, windows, ties)
    g = np.broadcast_to(0.1, y.shape)
    for few in (0, 2**13):
        with at_random.sized(99, few):
            at_random.assert_same(fast_max_pool(x, windows, ties)[1](g)[0], readable_backward(g)[0])


@pytest.mark.parametrize("few", [0, 2**13])
def test_winners_of_overlapping_windows_add_up_in_row_major_order(few, at_random):
    g = np.array([1e16, 1.0, -1e16])
    with at_random.sized(2, few):
        _, backward = fast_max_pool(np.array([0, 0, 5.0, 0, 0]), windows_of("", 1, 3, 1), "first")
        assert backward(g)[0].tolist() == [0, 0, 0.0, 0, 0]
        assert backward(g[[0, 2, 1]])[0].tolist() == [0, 0, 1.0, 0, 0]


@pytest.mark.parametrize("few", [0, 2**13])
def test_losers_get_0_for_infinite_and_nan_gradients(few, at_random):
    x = np.array([[1.0, 2.0, 4.0, 3.0]])
    with at_random.sized(99, few):
        _, backward = fast_max_pool(x, windows_of("max_pool1d", 1, 2), "first")
        np.testing.assert_array_equal(backward(np.array([[inf, nan]]))[0], [[0.0, inf, nan, 0.0]])


@pytest.mark.parametrize(("width", "place"), [(32, np.uint8), (300, np.uint16)])
def test_a_closure_returns_new_arrays_and_holds_only_the_places_of_winners(width, place):
    x = np.random.default_rng(0).standard_normal((9, 32, width))
    y, backward = fast_max_pool(x, windows_of("max_pool2d", 2, 2), "first")
    g = np.ones_like(y)
    (to_x,), (again,) = backward(g), backward(g)
    to_x[:] = 9.0
    assert again.sum() == g.sum() == y.size
    kept = [cell.cell_contents for cell in backward.__closure__]
    arrays = [a for a in kept if isinstance(a, np.ndarray)]
    assert [(a.dtype, a.size) for a in arrays] == [(place, y.size)]


@pytest.mark.parametrize(
    ("x", "ties", "module"),
    [
        (np.zeros(300, np.float16), "last", "fast_pooling"),
        (np.arange(300.0), "error", "fast_pooling"),
        (np.zeros(300), "even", "fast_even_pooling"),
        (np.zeros(300, int), "first", "pooling"),
        (tg.Value(np.zeros(300)), "first", "pooling"),
    ],
    ids=str,
)
def test_max_pool_uses_the_fast_form_for_arrays_of_floats(x, ties, module):
    _, backward = max_pool(x, windows=windows_of("max_pool1d", 1, 2), ties=ties)
    assert backward.__name__ == "max_pool_backward"
    assert backward.__module__ == f"tinygrad_pool.rules.{module}"


@pytest.mark.parametrize("ties", ["none", ["first"], None])
def test_an_unknown_ties_option_is_an_error(ties):
    with pytest.raises(OptionError, match="p: ties must be one of 'first'"):
        max_pool(np.zeros(3), windows=windows_of("p", 1, 2), ties=ties)


def test_a_tie_is_found_anywhere_and_named_by_its_indices():
    x = np.arange(4.0 * 9 * 32 * 32).reshape(4, 9, 32, 32)
    assert max_pool(x, windows=windows_of("p", 2, 3, 1, 1), ties="error")[0].shape == x.shape
    x[3, 8, 30, 31] = x[3, 8, 31, 31]
    with pytest.raises(TieError, match=r"units \(3, 8, 30, 31\), \(3, 8, 31, 31\) share"):
        max_pool(x, windows=windows_of("p", 2, 3, 1, 1), ties="error")


def test_only_small_lists_are_cached():
    x = np.zeros((1, 300, 300), np.float32)
    fast_pooling._few_lists.cache_clear()
    fast_max_pool(x, windows_of("p", 2, 60), "first")
    assert fast_pooling._few_lists.cache_info().currsize == 0
    fast_max_pool(x[:, :9, :9], windows_of("p", 2, 2), "first")
    assert fast_pooling._few_lists.cache_info().currsize == 1


@pytest.mark.parametrize("ties", ["first", "last"])
@pytest.mark.parametrize("options", [(3, 2, 1), (3, 1, 1), ((2, 3), 2, (1, 1)), (2, 2, 0)])
@pytest.mark.parametrize("few", [0, 10**6])
def test_in_a_window_of_minus_infinity_a_unit_wins_over_padding(options, ties, few, at_random):
    x = np.full((2, 1, 5, 6), -np.inf)
    x[1, 0, 2, 3] = 1.0
    windows = windows_of("max_pool2d", 2, *options)
    with at_random.sized(cells=20, few=few):
        y, backward = fast_max_pool(x, windows, ties)
    expected, readable = max_pool_by_links(x, windows, ties)
    g = np.arange(1.0, y.size + 1).reshape(y.shape)
    assert np.array_equal(y, expected)
    assert np.array_equal(backward(g)[0], readable(g)[0])
