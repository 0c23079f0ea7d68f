"""Numbers, shapes, counts and tables as text, and replacements for signs a terminal lacks."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import tinygrad_pool as tg
from tinygrad_pool.formatting import (
    LONGEST,
    PLAINLY,
    Table,
    counted,
    is_large,
    joined,
    number,
    numbers,
    on_a_line,
    plain,
    plainly,
    range_of,
    several,
    shape,
    typeset,
    written,
)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("z1(2)", "z₁⁽²⁾"),
        ("w_23^(1)", "w₂₃⁽¹⁾"),
        ("x^", "x^"),
        ("x1^", "x1^"),
        ("x0", "x₀"),
        ("w_12", "w₁₂"),
        ("w1,10", "w₁,₁₀"),
        ("δ1(1)", "δ₁⁽¹⁾"),
        ("z(2)", "z⁽²⁾"),
        ("loss", "loss"),
        ("conv1.weight", "conv1.weight"),
        ("", ""),
    ],
)
def test_names_are_typeset_as_in_the_derivation(label, expected):
    assert typeset(label) == expected


def test_plain_text_is_one_line_and_shortened():
    assert plain("a\nb\tc\x00") == "a b c "
    assert plain("x" * LONGEST) == "x" * LONGEST
    assert plain("x" * 10_000_000) == "x" * (LONGEST - 1) + "…"
    assert plain("最大池化") == "最大池化"


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (1 / 3, "0.3333"),
        (-2.0, "−2"),
        (-0.0, "0"),
        (np.nan, "nan"),
        (-np.inf, "−inf"),
        (1e-9, "1e-09"),
        (np.float16(2000), "2000"),
        (3.0004, "3.000"),
        (-0.99996, "−1.000"),
        (0.1 + 0.2, "0.3"),
        (np.float32(0.1), "0.1"),
        (12300.4, "12300"),
        (1.0004e9, "1.000e+09"),
    ],
)
def test_numbers_have_four_digits_and_a_real_minus(x, expected):
    assert number(x) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (np.array([1.0, -2.0]), "1\u00a0 −2"),
        (np.zeros((0, 3)), "empty"),
        (np.arange(5.0), "0 … 4"),
        (np.zeros(5), "all 0"),
        (np.array([1.0, 1.0, 1.0, 1.0, 1.00004]), "1 … 1.00004"),
        (np.array([0.01] * 4 + [0.01 + 1e-9]), "0.01 … 0.010000001"),
        (np.array(7.0), "7"),
    ],
)
def test_arrays_show_their_numbers_or_their_shape_and_range(data, expected):
    assert numbers(data) == expected


def test_an_array_with_nan_shows_the_range_of_the_rest():
    assert numbers(np.array([np.nan, 1.0, 2.0, 3.0, 4.0])) == "1 … 4, 1 nan"
    assert numbers(np.full(5, np.nan)) == "5 nan"


def test_columns_of_numbers_are_aligned():
    rows = numbers(np.array([[1.0, -20.0], [300.0, 4.0]])).split("\n")
    assert rows == ["\u2007\u20071\u00a0 −20", "300\u00a0 \u2007\u20074"]


ARRAYS = arrays(np.float64, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6))


@given(ARRAYS)
def test_on_a_line_has_no_markup_and_no_line_breaks(data):
    text, line = numbers(data), on_a_line(data)
    assert not set(text) & set("&<>")
    assert text.count("\n") == (len(data) - 1 if data.ndim == 2 and not is_large(data) else 0)
    assert line.isprintable()
    if data.ndim and is_large(data):
        assert line == f"{data.shape} {text}"
    else:
        assert line.replace(";", "").split() == text.replace("\u2007", "").split()


@given(st.lists(ARRAYS, min_size=1))
def test_the_range_of_joined_arrays_spans_all_their_numbers(some):
    flat = joined([*some, 2.0])
    assert flat.shape == (sum(a.size for a in some) + 1,)
    text = range_of(flat)
    valid = flat[~np.isnan(flat)]
    if flat.size == 1:
        assert text == "2"
    elif valid.min() == valid.max() and valid.size == flat.size:
        assert text == "all 2"
    else:
        low, high = text.partition(",")[0].split(" … ")
        assert [low, high] in [[number(f(), n) for f in (valid.min, valid.max)] for n in (3, 6, 17)]
        assert low != high or valid.min() == valid.max()


def test_long_doubles_beyond_doubles_are_infinite_when_joined():
    most = np.finfo(np.longdouble).max
    for parts in ([most, 1.0], [np.array([most]), 1.0]):
        assert [*joined(parts)] == [float(most), 1.0]


def test_shapes_counts_and_lists():
    assert (shape((2, 3)), shape((4,)), shape(())) == ("2 × 3", "4", "")
    assert counted(1, "leaf", "leaves") == "1 leaf"
    assert counted(1_000, "leaf", "leaves") == "1,000 leaves"
    assert several(list("abcdefg")) == "a, b, c, d and 3 more"
    assert several(list("abc"), 3) == "a, b, c"
    assert several([]) == ""


WIDE = "x" * 300


def test_columns_fit_their_cells_whatever_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    title, head, rule, row = Table("Names", ["short", "b"], [[WIDE, 0.5]]).text().splitlines()
    assert (title, head.split()) == ("Names", ["short", "b"])
    assert row == f" {WIDE}   0.5"
    assert rule == "─" * (len(row) + 1)


def test_text_that_looks_like_markup_is_unchanged():
    table = Table("a [b]", ["[red]"], [["[/bold] <script>"]])
    assert [line.strip() for line in table.text().splitlines()] == [
        "a [b]",
        "[red]",
        "─" * 18,
        "[/bold] <script>",
    ]


def test_html_is_escaped():
    html = Table("1 < 2", ["<b>"], [["<script>alert('&')</script>", 3]]).html()
    assert html == (
        "<p>1 &lt; 2</p><table><thead><tr><th>&lt;b&gt;</th></tr></thead><tbody><tr>"
        "<td>&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;</td><td>3</td>"
        "</tr></tbody></table>"
    )


def test_a_table_without_rows_is_its_title():
    table = Table("Nothing", ["a"], [])
    assert (table.text(), table.html()) == ("Nothing", "<p>Nothing</p>")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("3 × −1 = −3", "3 * -1 = -3"),
        ("grad – -> 2", "grad - -> 2"),
        ("∂E/∂w = σ'(a) · x²", "dE/dw = sigma'(a) * x^2"),
        ("a → b … √2", "a -> b ... sqrt 2"),
        ("z₁⁽⁴⁾", "z1(4)"),
        ("é ß ☂", "e ? ?"),
        ("1e−3", "1e-3"),
        ("α = λ₁ Ω ά ς", "alpha = lambda1 Omega alpha sigma"),
        ("“f’”", '"f\'"'),
    ],
)
def test_signs_are_replaced_by_words(text, plain):
    assert text.encode("ascii", PLAINLY).decode() == plain


def test_characters_that_can_be_encoded_are_kept():
    assert "−2 × é".encode("latin-1", PLAINLY) == b"-2 \xd7 \xe9"
    assert "−2".encode("utf-8", PLAINLY) == "−2".encode()
    assert written("δ = −1", io.StringIO()) == "δ = −1"


def test_errors_of_decoding_are_not_handled():
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", PLAINLY)
    with pytest.raises(UnicodeDecodeError):
        plainly(UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"))


SCRIPT = """\
import tinygrad_pool as tg
x = tg.Value(2.0, label='x')
E = (x * -1.0) * 3
E.label = 'E'
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["debug", "-c", "node; node; why x"], "from mul#1: 3 * -1 = -3"),
        (["debug", "--pdb", "-c", "node; c"], "step 1 of 2: E gets 1"),
        (["debug", "--pdb", "-c", "p 1, '\\u2212'; node; c"], "(1, '-')"),
        (["tree"], "-1"),
        (["diagnose"], "Diagnosis of E"),
    ],
)
@pytest.mark.parametrize("encoding", ["ascii", "cp437"])
def test_every_command_replaces_characters(tmp_path, arguments, message, encoding):
    script = tmp_path / "net.py"
    script.write_text(SCRIPT)
    command, *options = arguments
    ran = subprocess.run(
        [sys.executable, "-m", "tinygrad_pool", command, str(script), *options],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )
    out = ran.stdout.decode(encoding)
    assert ran.returncode == 0, ran.stderr
    assert message in out
    assert "?" not in out


@pytest.mark.parametrize("pdb", [True, False])
def test_the_debugger_within_a_program_replaces_characters(monkeypatch, pdb):
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stdout)
    x = tg.Value(2.0, label="x")
    tg.debug((x * -1.0) * 3.0, commands="node; node", pdb=pdb)
    stdout.flush()
    assert b"gets 3" in stdout.buffer.getvalue()
    assert b"?" not in stdout.buffer.getvalue()
