import numpy as np
import pytest

from tinygrad_pool.errors import OptionError, TieError
from tinygrad_pool.rules.tie_breaking import TIES, check_ties, first_winner, winners

nan, inf = np.nan, np.inf
SQUARE = np.array([[1.0, 3.0, 2.0], [3.0, 0.0, 3.0]])


@pytest.mark.parametrize(
    ("ties", "axes", "won"),
    [
        ("first", (0, 1), [[0, 1, 0], [0, 0, 0]]),
        ("last", (0, 1), [[0, 0, 0], [0, 0, 1]]),
        ("even", (0, 1), [[0, 1, 0], [1, 0, 1]]),
        ("first", (1,), [[0, 1, 0], [1, 0, 0]]),
        ("last", (1,), [[0, 1, 0], [0, 0, 1]]),
        ("first", (), [[1, 1, 1], [1, 1, 1]]),
    ],
)
def test_a_tie_is_broken_in_row_major_order(ties, axes, won):
    mask, n = winners(SQUARE, axes, ties=ties, name="max")
    assert mask.astype(int).tolist() == won
    assert np.all(n == (3 if ties == "even" else 1))


@pytest.mark.parametrize("axes", [(0, 2), (0, 1), (1, 2), (1,), (0,), (0, 1, 2)])
@pytest.mark.parametrize("ties", ["first", "last"])
@pytest.mark.parametrize("least", [False, True])
def test_the_winner_over_several_axes_equals_argmax_of_them_flattened(axes, ties, least):
    x = np.random.default_rng(0).integers(0, 3, (3, 4, 5)).astype(float)
    mask, _ = winners(x, axes, ties=ties, name="max", least=least)
    others = [i for i in range(3) if i not in axes]
    rows, won = (
        v.transpose(*others, *axes).reshape(*(v.shape[i] for i in others), -1) for v in (x, mask)
    )
    argbest = np.argmin if least else np.argmax
    expected = argbest(rows, -1) if ties == "first" else -1 - argbest(rows[..., ::-1], -1)
    assert (won.sum(-1) == 1).all()
    assert (won.argmax(-1) == expected % rows.shape[-1]).all()


@pytest.mark.parametrize(
    ("x", "first", "last"),
    [
        ([1.0, nan, 5.0, nan], 1, 3),
        ([nan, inf], 0, 0),
        ([-inf, -inf], 0, 1),
        ([0.0, -0.0], 0, 1),
        ([inf, inf, nan], 2, 2),
    ],
)
@pytest.mark.parametrize("least", [False, True])
def test_nan_beats_every_number_and_infinities_tie(x, first, last, least):
    x = -np.array(x) if least else np.array(x)
    for ties, winner in (("first", first), ("last", last)):
        mask, _ = winners(x, (0,), ties=ties, name="max", least=least)
        assert np.flatnonzero(mask).tolist() == [winner]


def test_places_without_a_unit_never_win():
    units = np.array([False, True, True])
    for ties, won in (("first", [1]), ("last", [2]), ("even", [1, 2])):
        mask, _ = winners(np.full(3, -inf), (0,), ties=ties, name="max_pool1d", units=units)
        assert np.flatnonzero(mask).tolist() == won


@pytest.mark.parametrize("ties", TIES)
def test_an_empty_batch_has_no_winners(ties):
    mask, _ = winners(np.zeros((0, 3)), (1,), ties=ties, name="max")
    assert mask.shape == (0, 3)


@pytest.mark.parametrize(
    ("x", "axes", "least", "message"),
    [
        (SQUARE, (0, 1), False, r"max: units \(0, 1\), \(1, 0\), \(1, 2\) share the maximum 3,"),
        (SQUARE, (1,), False, r"max: units \(1, 0\), \(1, 2\) share the maximum 3,"),
        (-SQUARE, (1,), True, r"max: units \(1, 0\), \(1, 2\) share the minimum -3,"),
        ([nan, 1.0, nan], (0,), False, r"max: units \(0,\), \(2,\) share the maximum nan,"),
    ],
)
def test_a_tie_error_names_its_units(x, axes, least, message):
    with pytest.raises(TieError, match=message + " and ties='error' allows one winner"):
        winners(np.array(x), axes, ties="error", name="max", least=least)


def test_a_tie_error_names_the_first_of_many_units():
    with pytest.raises(
        TieError, match=r"units \(0,\), .*, \(7,\) and 992 more share the maximum 0"
    ):
        winners(np.zeros(1000), (0,), ties="error", name="max")


def test_without_ties_there_is_no_error():
    mask, n = winners(np.array([1.0, 3.0, 1.0]), (0,), ties="error", name="max")
    assert (mask.tolist(), n) == ([False, True, False], 1)


@pytest.mark.parametrize("ties", ["middle", None, 0, ["first"], np.array(["first", "last"])])
def test_an_unknown_ties_option_is_rejected(ties):
    with pytest.raises(OptionError, match="max: ties must be one of 'first', 'last', 'even', 'err"):
        check_ties(ties, "max")


@pytest.mark.parametrize("least", [True, False])
def test_the_first_nan_of_several_numbers_wins(least):
    assert first_winner([1.0, nan, 2.0, nan], least) == 1
    inf = float("inf")  # the sum of both is NaN, but neither is
    assert first_winner([-inf, inf], least) == (0 if least else 1)
