"""Names and values as Python source."""

import keyword

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_pool.codegen.spelling import Names, dtype_of, filled, identifier, spelled
from tinygrad_pool.rules.windows import windows_of


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("w[1]", "w_1"),
        ("w[1, 2]", "w_1_2"),
        ("z1(2)", "z1_2"),
        ("conv1/weight", "conv1_weight"),
        ("δ", "δ"),
        ("x²", "x2"),
        ("ﬁrst", "first"),
        ("for", "for_"),
        ("None", "None_"),
        ("2nd", "v_2nd"),
        ("__debug__", "debug"),
        ("_", "v"),
        ("", "v"),
        ("<script>", "script"),
        ('"); import os', "import_os"),
        ("two\nlines", "two_lines"),
    ],
)
def test_any_text_becomes_an_identifier(text, name):
    assert identifier(text) == name


@pytest.mark.long
@settings(max_examples=500)
@given(st.lists(st.text(max_size=6) | st.sampled_from(["w", "g_w", "w_2", "for"]), max_size=8))
def test_names_are_valid_and_unique(texts):
    names = Names(["np"])
    unique = [names.new(text, "g_{}") for text in texts]
    identifiers = [form for name in unique for form in (name, f"g_{name}")]
    assert len({*identifiers}) == len(identifiers)
    program = "; ".join(f"{name} = {i}" for i, name in enumerate(identifiers))
    namespace = {}
    exec(program, {}, namespace)
    assert list(namespace.items()) == [(name, i) for i, name in enumerate(identifiers)]
    assert not any(map(keyword.iskeyword, identifiers))


def test_a_name_is_new_only_if_all_derived_names_are():
    names = Names(["np", "g_a"])
    assert names.new("np") == "np_2"
    assert names.new("a", "g_{}") == "a_2"
    assert names.new("g_a_2") == "g_a_2_2"
    assert [names.numbered("a") for _ in range(3)] == ["a1", "a2", "a3"]
    assert names.new("a3") == "a3_2"


VALUES = [
    None,
    True,
    -3,
    10**30,
    "it's",
    'a "word"',
    "back\\slash\n",
    ...,
    float,
    0.1,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    (),
    (1,),
    (1, (2.5, None)),
    [],
    [0, 2],
    slice(1, None, -2),
    (..., slice(None), np.array([0, 2])),
    np.float32,
    np.dtype("float16"),
    np.dtype(">f8"),
    np.float32(0.1),
    np.float64(np.nan),
    np.int64(3),
    np.True_,
    np.array(2.0),
    np.array([1.0, -np.inf, np.nan, -0.0]),
    np.array([[1.5], [2.5]], np.float32),
    np.array([1.0], ">f4"),
    np.array([[1.0, 2.0], [3.0, 4.0]], order="F"),
    np.arange(16).reshape(2, 2, 2, 2),
    np.array([True, False]),
    np.array([1, 255], np.uint8),
    np.zeros((0, 3)),
    np.zeros((2, 0), np.float16),
]


def same(a, b):
    if isinstance(a, np.ndarray):
        assert (a.dtype, a.shape, a.strides) == (b.dtype, b.shape, b.strides)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a * 1.0), np.signbit(b * 1.0))
    elif isinstance(a, tuple | list):
        assert type(a) is type(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b or a is b or (np.isnan(a) and np.isnan(b))
        assert type(a) is type(b) or isinstance(a, np.dtype)
        assert repr(a) == repr(b) or isinstance(a, np.dtype)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_source_evaluates_to_the_value(value):
    read = eval(spelled(value), {"np": np})
    if isinstance(value, np.dtype):
        assert np.dtype(read) == value
    else:
        same(value, read)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(17.0),
        [0] * 17,
        (1, np.arange(17.0)),
        np.arange(8.0)[::2],
        np.arange(8.0).reshape(2, 2, 2).transpose(1, 0, 2),
        np.array([1.0], np.longdouble),
        np.array(["a"]),
        {1: 2},
        len,
        int,
        1j,
        np.ma.array([1.0]),
        windows_of("max_pool1d", 1, 2),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_large_or_unsupported_values_have_no_source(value):
    assert spelled(value) is None


def test_dtypes_are_written_as_arguments_of_numpy():
    assert dtype_of(np.dtype(np.float16)) == "np.float16"
    assert dtype_of(np.dtype(">f4")) == "np.dtype('>f4')"


def test_a_long_list_is_split_between_items():
    items = [f"operand{i}" for i in range(20)]
    lines = filled("y = f(", items, ")")
    assert (lines[0], lines[-1]) == ("    y = f(", "    )")
    assert all(len(line) <= 100 for line in lines)
    assert "".join(lines[1:-1]).replace(" ", "").rstrip(",").split(",") == items
    assert filled("f(", ["x" * 200], ")", "") == ["f(", "    " + "x" * 200 + ",", ")"]
