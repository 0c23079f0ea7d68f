"""Data flow through a file, followed by names."""

import pytest

from tinygrad_pool.recording.flow import Source, source_of


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("a = f()\nb = a + 1\nc = b\nd = 2", {1, 2, 3}),
        ("a = f()\nb = 3\nb += a\nc = b", {1, 3, 4}),
        ("a: int = f()\nb = a", {1, 2}),
        ("if (a := f()):\n    b = a\nc = 1", {1, 2}),
        ("for a in f():\n    b = a\nc = b\nd = 1", {1, 2, 3}),
        ("z.append(f())\nb = z[0]\nc = 1", {1, 2}),
        ("z[0] = f()\nb = z[1]\nc = 1", {1, 2}),
        ("a, (b, *c) = f()\nd = c\ne = 1", {1, 2}),
        ("o.a = f()\nb = o.c\nd = p.a", {1, 3}),
        ("o.data = f()\nb = w.data", {1}),
        ("f()\nb = 1", {1}),
        ("g()[0] = f()\nb = 1", {1}),
        ("def g():\n    return f()\nb = g()\nc = 1", {2, 3}),
        ("def g():\n    yield f()\nb = g()\nc = 1", {2, 3}),
        ("class N:\n    def forward(s):\n        return f()\nn = N()\nb = n(1)\nc = 1", {3, 4, 5}),
        ("def h(k):\n    return k * 2\na = f()\nb = h(a)\nc = 1", {2, 3, 4}),
        ("def h(i, *, k):\n    return k * 2\na = f()\nb = h(1, k=a)\nc = 1", {2, 3, 4}),
        ("def g(a):\n    a = f()\n    return a\ndef h(a):\n    return a\nb = h(1)", {2, 3}),
        (
            "def g():\n    a = f()\n    def h():\n        return a\n    return h()\nb = g()",
            {2, 4, 5, 6},
        ),
        (
            "def g(a):\n  def h():\n    nonlocal a\n    a = f()\n  h()\n  return a\nb = g(1)",
            {4, 6, 7},
        ),
        ("class N:\n    def g(s):\n        return f()\nn = N()\nb = n.g()\nc = 1", {3, 5}),
        ("def g():\n    global a\n    a = f()\nb = a", {3, 4}),
        ("a = f(\n    1,\n)\nb = a", {1, 2, 3, 4}),
        ("h = lambda v: f(v)\nb = h(1)\nc = 1", {1, 2}),
    ],
)
def test_names_are_followed_through_the_source(text, reached):
    source = Source(text)
    (number,) = [n for n, line in enumerate(text.splitlines(), 1) if "f(" in line]
    lines = range(1, len(text.splitlines()) + 1)
    assert set(source.reached(*source.statement_of(number), lines)) == reached


def test_a_statement_of_several_lines_is_found_from_each():
    source = Source("a = f(\n    1,\n)\nif a:\n    b = a\n")
    assert [source.statement_of(n) for n in (1, 2, 3, 4, 5)] == [
        *[(1, 3)] * 3,
        (4, 4),
        (5, 5),
    ]


def test_a_file_that_is_not_python_has_no_source(tmp_path):
    file = tmp_path / "odd.py"
    file.write_text("a = = 1")
    assert source_of(str(file)) is None
    assert source_of(str(tmp_path / "absent.py")) is None


def test_the_innermost_statement_at_a_line():
    source = Source("x = [\n  (y := 1),\n  2,\n  (z := [3,\n   4])]\nw = 5")
    found = [source.statement_of(line) for line in range(1, 8)]
    assert found == [(1, 5), (2, 2), (1, 5), (4, 5), (4, 5), (6, 6), (7, 7)]
