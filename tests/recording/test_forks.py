"""Choices by Python that a replay keeps, and the warnings where they would now differ."""

import runpy
import warnings

import pytest

import tinygrad_pool as tg
from tinygrad_pool.recording.flow import Source
from tinygrad_pool.recording.forks import fork_at

HEAD = """\
import math
import tinygrad_pool as tg
a, b, c = tg.Value(2.0, label="a"), tg.Value(1.0, label="b"), tg.Value(-1.0, label="c")
"""

MASKED = """\
import numpy as np
x, n = tg.Value([1.0, -2.0, 3.0], label="x"), tg.Value(np.float64(1.0), label="n")
"""


@pytest.fixture
def replayed(tmp_path):
    """Run a program that makes E, replay it with other numbers, and return the warnings."""

    def run(program, way="record", **numbers):
        path = tmp_path / "net.py"
        path.write_text(HEAD + program)
        with tg.traced():
            made = runpy.run_path(str(path))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            if way == "unroll":
                tg.unroll(made["E"])(**numbers)
            else:
                passed = tg.record(made["E"])
                for name, number in numbers.items():
                    passed.set(name, number)
                passed = passed.replay()
            if way == "twice":
                told.clear()
                passed.set("b", 7.0)
                passed.replay()
        assert all(warning.filename == __file__ for warning in told)
        return [str(warning.message) for warning in told]

    return run


@pytest.mark.parametrize("way", ["record", "unroll"])
@pytest.mark.parametrize(
    "program",
    [
        "E = b * 2 if b > 0 else b * -7",
        "if b > 0:\n    E = b * 2\nelse:\n    E = b * -7",
        "E = b * 2 if b else b * -7",
        "E = max(a, b) * c + a * b",
        "m = a\nfor x in (b, c):\n    m = max(m, x)\nE = m * (a + b + c)",
        "E = sum(x for x in (a, b, c) if x > 0) * b",
        "E = b * 2 if 0 < b < 5 else b * -7",
        "E = b * 2 if 0 <= b and b < 5 else b * -7",
        "E = b * 2 if c < b < a else b * -7 * c * a",
        "E = (b > 0 and b * 2) or b * -7",
        "E = b < 0 and b * -7 or b * 2",
        "E = [b * 2, b * -7][b < 0]",
        "E = {True: b * 2, False: b * -7}[b > 0]",
    ],
)
def test_a_choice_that_would_now_differ_is_warned_of(replayed, program, way):
    turned = {"b": 0.0} if "if b else" in program else {"b": -1.0}
    if "max" in program:
        turned = {"b": 9.0}
    (told, *_) = replayed(program, way, **turned)
    assert told.startswith("replay: " if way == "record" else "unrolled: ")
    assert "Python chose by the data of the leaf '" in told
    assert " at net.py:" in told
    assert told.endswith("; it would now choose differently, but the replay keeps the old choice")


@pytest.mark.parametrize(
    ("program", "numbers"),
    [
        ("E = b * 2 if b > 0 else b * -7", {"b": 5.0}),
        ("E = max(a, b) * c + a * b", {"b": 1.5}),
        ("E = max(a, b, key=lambda v: v.label) * c + a * b", {"b": 9.0}),
        ("E = a * b\nright = b > 0", {"b": -1.0}),
        ("E = a * b\nassert b > 0", {"b": -1.0}),
        ("E = a * b\nif E > 0:\n    lr = 0.1\nelse:\n    lr = 0.2", {"b": -1.0}),
        ("E = a * b\nprint(float(E), end='')", {"b": -1.0}),
        ("E = a * b if b > True - 1 else c", {"b": 5.0}),
        ("E = a * b if b >= True else c", {"b": 0.0}),
    ],
)
@pytest.mark.parametrize("way", ["record", "unroll"])
def test_choices_that_do_not_change_are_not_warned_of(replayed, program, numbers, way):
    assert replayed(program, way, **numbers) == []


def test_a_replay_keeps_a_number_taken_from_a_value(replayed):
    (told,) = replayed("E = b * math.exp(b)", b=3.0)
    assert told == (
        "replay: float() made a plain number of the leaf 'b' at net.py:4: E = b * math.exp(b); "
        "the replay keeps the old number"
    )
    assert replayed("E = b * math.exp(b) + a", a=3.0) == []
    (told,) = replayed(f"{MASKED}E = x[int(b)] * b", b=2.0)
    assert "int() made a plain number of the leaf 'b' at net.py:6" in told
    (told,) = replayed("E = b * 2 if float(b) > 0 else b * -7", b=-1.0)
    assert "float() made a plain number" in told


@pytest.mark.parametrize(
    "test",
    [
        *("b.data > 0", "b.data == 1", "b.data != 0", "b > 0 and b.data == 1"),
        *("np.isclose(b.data, 1.0)", "not math.isclose(b.data, 0.0)"),
    ],
)
@pytest.mark.parametrize("way", ["record", "unroll"])
def test_a_choice_by_data_is_warned_of_whatever_the_numbers(replayed, test, way):
    program = f"E = b * 2 if {test} else b * -7"
    (told,) = replayed(f"import numpy as np; {program}", way, b=0.5)
    assert told.endswith(
        f": Python's if chose by the .data of a Value at net.py:4: import numpy as np; {program}; "
        "the replay keeps that choice"
    )


@pytest.mark.parametrize(
    "test",
    ["x.data.ndim > 0", "x.data.shape == (3,)", "len(x.data) == 3", "str(x.data) != 'x'"],
)
def test_a_test_of_the_shape_of_data_is_not_a_choice(replayed, test):
    assert replayed(f"{MASKED}E = (x * 2).sum() if {test} else b * -7", x=[-1.0, 0.0, 1.0]) == []


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("(x > 0).all()", True),
        ("np.any(x <= -1)", True),
        ("all(0.0 < x)", True),
        ("(x > [0, 0, 0]).all()", False),  # an array is not kept
        ("(x < 9).all()", False),
    ],
)
def test_a_comparison_of_an_array_that_would_now_differ_is_warned_of(replayed, test, told):
    program = f"E = (x * 2).sum() if {test} else x.sum() * b"
    found = replayed(MASKED + program, x=[1.0, 2.0, 3.0])
    assert [said.partition(";")[0] for said in found] == [
        f"replay: Python chose by the data of the leaf 'x' at net.py:6: {program}"
    ] * told


@pytest.mark.parametrize("way", ["record", "unroll"])
def test_a_test_of_data_without_effect_on_the_graph_is_not_a_choice(replayed, way):
    assert replayed("E = a * b\nright = 0\nif b.data > 0:\n    right += 1", way, b=-1.0) == []


def test_a_leaf_made_from_a_number_of_a_value_is_warned_of(replayed):
    (told,) = replayed("u = tg.Value(math.exp(b))\nE = u * b", b=3.0)
    assert "float() made a plain number of the leaf 'b' at net.py:4" in told


def test_a_comparison_with_a_value_outside_the_graph_is_warned_of(replayed):
    (told,) = replayed("E = max(a * 1.0, b * 1.0) + b", b=9.0)
    assert told.endswith(", compared with a Value outside this graph; the replay keeps that choice")


@pytest.mark.parametrize("way", ["record", "unroll"])
@pytest.mark.parametrize(
    ("program", "of", "numbers"),
    [
        ("E = np.where(x > 0, x, 0.0).sum()", "x", [1.0, 2.0, -3.0]),
        ("E = np.where(x.data < -1, x * -0.1, x * 1.0).mean()", "mul", [-3.0, -2.0, 3.0]),
        ("E = x[x.data > 0].sum()", "x", [1.0, 2.0, -3.0]),
        ("E = np.where(b > 0, b, 0.0)", "b", -1.0),
        ("E = b * (b < 0)", "b", -1.0),
        ("E = np.where(n.data > 0, n, 0.0)", "n", -1.0),
        ("E = np.where((x > 0)[None], x, 0.0).sum()", "x", [1.0, 2.0, -3.0]),
        ("E = x[x > 0].sum()", "x", [1.0, 2.0, 3.0]),
        ("E = (x * (x.data < 0)).sum()", "x", [-3.0, -2.0, -1.0]),
    ],
)
def test_a_mask_that_may_now_differ_is_warned_of(replayed, program, of, numbers, way):
    (told,) = replayed(MASKED + program, way, **{of if of in "bn" else "x": numbers})
    assert told.endswith(", whose numbers changed; the replay keeps the old mask")
    assert f" may depend on the {'mul node' if of == 'mul' else f'leaf {of!r}'}" in told
    assert " at net.py:6: E = " in told


@pytest.mark.parametrize(
    ("program", "numbers"),
    [
        ("E = np.where(x > 0, x, 0.0).sum()", [5.0, -1.0, 0.5]),
        ("E = x[x.data > 0].sum()", [5.0, -1.0, 0.5]),
        ("E = (x * np.array([True, False, False])).sum()", [3.0, 1.0, 2.0]),
        ("E = (x * np.array([False, True, True])).sum()", [-5.0, 2.0, 3.0]),
        ("E = (x[:0] * np.zeros(0, bool)).sum() + x.sum()", [3.0, 1.0, 2.0]),
        ("E = x[[True, True, True]].sum()", [3.0, 1.0, 2.0]),
        ("E = (x * (x.data < 5)).sum()", [1.0, -2.0, 30.0]),  # nothing says that 5 was the limit
        ("E = (x * np.ones((2, 3), bool)).sum()", [3.0, 1.0, -2.0]),
    ],
)
def test_masks_that_do_not_follow_an_operand_are_not_warned_of(replayed, program, numbers):
    assert replayed(MASKED + program, x=numbers) == []


def test_a_replay_of_a_replay_compares_its_own_numbers(replayed):
    program = "E = max(a, b) * c + a * b"
    (told,) = replayed(program, "twice", b=1.5)  # then b = 7 beats a = 2
    assert "it would now choose differently" in told
    assert replayed(program, "twice", a=20.0) == []


def test_at_the_prompt_it_is_said(capsys):
    names = {"b": tg.Value(1.0, label="b")}
    with tg.traced():
        exec(compile("E = b * 2 if b > 0 else b * -7", "<typed>", "exec"), names)
    tg.debug(names["E"], commands="set b = -1; replay")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("replay: Python chose by the data of the leaf 'b' at <typed>:1")


def test_choices_of_python_are_unknown_without_traced(capsys):
    b = tg.Value(1.0, label="b")
    tg.debug(b * 2, commands="set b = -1; replay")
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Python's own if and max were not checked: that needs tg.traced()"
    )


def test_numbers_without_their_source(capsys):
    names = {"b": tg.Value(1.0, label="b"), "a": tg.Value(2.0, label="a")}
    with tg.traced():
        exec("E = b * float(b) + a", names)
    passed = tg.record(names["E"])
    passed.set("b", 3.0)
    with pytest.warns(UserWarning, match=r"float\(\) made a plain number of the leaf 'b'"):
        passed.replay()


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("y = max(a, b)", 1, "max"),
        ("y = sorted(xs)[0]", 1, "sorted"),
        ("y = heapq.nlargest(1, xs)", 1, "nlargest"),
        ("y = reduce(min, xs)", 1, "min"),
        ("y = f(max, xs)", 1, None),
        ("y = (lambda: a)()", 1, None),
        ("y = max(a, b).data", 1, None),
        ("y = a > b", 1, None),
        ("while a > b:\n    a = f(a)", 1, "while"),
        ("y = [x for x in xs if x > 0]", 1, "if"),
        ("if (a > b\n    and (b > c or c > d)):\n    y = a", 2, "if"),
        ("y = [a, b][a > b]", 1, "[]"),
    ],
)
def test_forks_in_a_source(text, line, what):
    fork = fork_at(Source(text), line)
    assert (fork and fork.what) == what
