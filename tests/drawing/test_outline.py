"""A graph as indented text."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import DataError, OptionError


def lines(*arguments, **options):
    return tg.tree(*arguments, **options).split("\n")


def test_operands_are_below_their_node():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    E = (a * b + a).tanh()
    E.label = "E"
    assert lines(E) == [
        "E: tanh = 1, grad –",
        "└─ + = 8, grad –",
        "   ├─ × = 6, grad –",
        "   │  ├─ a = 2, grad –",
        "   │  └─ b = 3, grad –",
        "   └─ a = 2, grad –, as above",
    ]


def test_after_a_pass_gradients_are_numbers():
    a = Value(3.0, label="a")
    E = a * a
    E.backward()
    assert lines(E) == ["× = 9, grad 1", "├─ a = 3, grad 6", "└─ a = 3, grad 6, as above"]


def test_the_winner_of_a_maximum_is_marked():
    z = tg.maximum(Value(1.0, label="z1"), Value(3.0, label="z2"), 2.0)
    assert lines(z)[1:] == [
        "├─ z1 = 1, grad – (loses)",
        "├─ z2 = 3, grad – (wins)",
        "└─ 2 (loses)",
    ]


def test_shares_of_a_tie_are_marked():
    z = tg.minimum(Value(1.0), Value(1.0), Value(5.0), ties="even")
    assert [line.split(" (")[1] for line in lines(z)[1:]] == ["wins 0.5)", "wins 0.5)", "loses)"]


def test_a_shared_node_is_written_once_and_referred_to():
    a = Value(1.0, label="a")
    b = a.exp()
    b.label = "b"
    text = lines(b * b)
    assert text[1:] == [
        "├─ b: exp = 2.718, grad –",
        "│  └─ a = 1, grad –",
        "└─ b: exp = 2.718, grad –, as above",
    ]


def test_arrays_show_their_shape_and_large_ones_their_range():
    x = Value([[1.0, 2.0], [3.0, 4.0]], label="x")
    loss = (x * np.arange(2.0)).sum() + Value(np.arange(10.0), label="y").sum()
    assert lines(loss) == [
        "+ = 51, grad –",
        "├─ Σ = 6, grad –",
        "│  └─ × (2, 2) = [[0 2] [0 4]], grad –",
        "│     ├─ x (2, 2) = [[1 2] [3 4]], grad –",
        "│     └─ (2,) [0 1]",
        "└─ Σ = 45, grad –",
        "   └─ y (10,) = 0 … 9, grad –",
    ]


def test_a_large_constant_shows_its_range():
    assert lines(Value(np.ones(9)) * np.arange(9.0))[-1] == "└─ (9,) 0 … 8"


def test_names_are_those_of_variables():
    a, b = Value(2.0), Value(3.0, label="own")
    assert lines(a * b, names={"a": a, "b": b, "n": 3})[1:] == [
        "├─ a = 2, grad –",
        "└─ own = 3, grad –",
    ]


def test_a_value_alone_is_one_line():
    assert tg.tree(Value(2.0)) == "leaf = 2, grad –"
    assert tg.tree(Value(2.0).exp().detach()) == "detach = 7.389, grad –"


@pytest.mark.parametrize(("depth", "count"), [(0, 1), (1, 2), (2, 3), (9, 5)])
def test_depth_is_the_number_of_edges(depth, count):
    y = Value(1.0).exp().tanh().exp().tanh()
    text = lines(y, depth=depth)
    assert len(text) == count
    assert text[-1].endswith(" …") == (depth < 4)


def test_a_node_beyond_depth_is_written_on_a_shorter_path():
    a = Value(1.0, label="a")
    b = a.exp()
    b.label = "b"
    assert lines(b.tanh() + b, depth=2)[1:] == [
        "├─ tanh = 0.9913, grad –",
        "│  └─ b: exp = 2.718, grad – …",
        "└─ b: exp = 2.718, grad –",
        "   └─ a = 1, grad –",
    ]


def test_limit_is_the_number_of_lines():
    y = Value(1.0).exp().tanh().exp()
    assert lines(y, limit=2)[2:] == ["… (limit= writes more)"]
    assert len(lines(y, limit=4)) == 4


@pytest.mark.covered
def test_only_the_lines_of_a_long_chain_that_are_written_are_formatted(count_calls):
    def chain(n):
        v = Value(1.0)
        for _ in range(n):
            v = v + 1.0
        return v

    long = chain(100_000)
    assert len(lines(long)) == 201
    assert count_calls(lines, long) < 1.1 * count_calls(lines, chain(300))


def test_sixty_doublings_are_121_lines():
    v = Value(1.0)
    for _ in range(60):
        v = v + v
    assert len(lines(v)) == 121


@pytest.mark.parametrize("label", ["two\nlines", "\r\v\x85\u2028\x1b[31m", "x" * 10_000_000, "\t"])
def test_no_label_breaks_a_line(label):
    text = tg.tree(Value(1.0, label=label).exp())
    assert len(text.splitlines()) == 2
    assert all(c.isprintable() for c in text.replace("\n", ""))
    assert len(text) < 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": -1}, "tree: depth must be an integer of at least 0, got -1"),
        ({"depth": 1.0}, "depth must be an integer of at least 0, got 1.0"),
        ({"limit": 0}, "tree: limit must be an integer of at least 1, got 0"),
        ({"limit": True}, "got True"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        tg.tree(Value(1.0), **options)


def test_only_values_have_a_tree():
    with pytest.raises(DataError, match="tree: needs a Value, got list"):
        tg.tree([1.0])
