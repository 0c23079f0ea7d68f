"""The fast form of max pooling with ties="even" against the readable one, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_pool.rules.fast_even_pooling import fast_even_max_pool
from tinygrad_pool.rules.pooling import max_pool_by_links
from tinygrad_pool.rules.windows import windows_of


@pytest.mark.long
@settings(deadline=None)
@given(st.data())
def test_the_fast_form_equals_the_readable_one_for_any_pool(at_random, data):
    x, windows, g_of = data.draw(at_random.cases(adaptive=False))
    expected, readable_backward = max_pool_by_links(x, windows, "even")
    g = g_of(expected)
    with at_random.sized(*data.draw(at_random.sizes)), np.errstate(invalid="ignore"):  # ∞ − ∞
        y, backward = fast_even_max_pool(x, windows)
        (to_x,), (readable_to_x,) = backward(g), readable_backward(g)
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(y, expected)
    at_random.assert_same(to_x, readable_to_x)


def test_padding_gets_no_share_where_all_units_are_minus_infinity(at_random):
    x = np.full((2, 3), -np.inf)
    for cells in (1, 99):
        with at_random.sized(cells, few=0):
            _, backward = fast_even_max_pool(x, windows_of("p", 2, 3, stride=1, padding=1))
            assert backward(np.full((2, 3), 12.0))[0].tolist() == [[10, 16, 10]] * 2
