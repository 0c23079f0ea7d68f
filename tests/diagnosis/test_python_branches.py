"""Python's own max, if and float(): where they decide what is in the graph, and where not."""

import re
import runpy

import pytest

import tinygrad_pool as tg
from tinygrad_pool.engine.context import Choice

HEAD = """\
import tinygrad_pool as tg
a, b, c = tg.Value(2.0, label="a"), tg.Value(3.0, label="b"), tg.Value(-1.0, label="c")
"""


@pytest.fixture
def find(tmp_path):
    """Run a program that makes a Value E, and return its findings about choices."""

    def run(program, end="\nE = E * 1.0\n"):
        path = tmp_path / "net.py"
        path.write_text(HEAD + program + end)
        with tg.traced():
            made = runpy.run_path(str(path))
        findings = tg.diagnose(made["E"], names=made).findings
        return [f for f in findings if f.kind == "python choice"]

    return run


def test_a_max_of_two_values_recommends_tg_maximum(find):
    (finding,) = find("E = max(a, b) * c")
    assert (finding.severity, finding.name) == ("partly lost", "net.py:3")
    assert finding.says == "Python's max chose by the data of b"
    assert finding.why.startswith("`E = max(a, b) * c`: what was not chosen is not in the graph")
    assert finding.why.endswith(". Use tg.maximum, which keeps all of them in the graph")
    assert find("E = tg.maximum(a, b) * c") == []


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("E = min(a, b)", "min"),
        ("E = sorted([a, b])[0]", "sorted"),
        ("E = max(\n    a,\n    b,\n)", "max"),
        ("E = a if a > 0 else 0.0", "if"),
        ("E = b * (a if a > 0 else c)", "if"),
        ("if a > 0:\n    E = a * b\nelse:\n    E = c", "if"),
        ("if a:\n    E = a * b", "if"),
        ("E = a\nwhile E < 9:\n    E = E * b", "while"),
        ("def relu(x):\n    if x > 0:\n        return x\n    return 0.0\nE = relu(a)", "if"),
        ("E = c\nfor x in (a, b):\n    if x > 1:\n        E += x", "if"),
        ("E = max(a, b) - min(a, b)", "max"),
        ("hi, lo = max(a, b), min(a, b)\nE = hi - lo", "max"),
        ("E = max(a * 2.0, b)", "max"),
        ("m = a\nfor x in (b, c):\n    m = max(m, x)\nE = m * (a + b + c)", "max"),
        ("m = a\nfor x in (b, c):\n    if x > m:\n        m = x\nE = m * (a + b + c)", "if"),
        ("m = max(a, b)\nE = (a - m).exp() + (b - m).exp()", "max"),
        ("xs = [a, b, c]\nxs.sort()\nE = xs[-1] * 2.0", "sort"),
        ("from functools import reduce\nE = reduce(max, [a, b, c]) * 2.0", "max"),
        ("E = sum(x for x in (a, b, c) if x > 0)", "if"),
        ("relu = lambda x: x if x > 0 else 0.0\nE = relu(a) * b", "if"),
        ("E = a * b if float(a) > 1 else b", "if"),
        ("E = (a > 0 and a * b) or b", "or"),
        ("E = [b, a * b][a > 0]", "[]"),
        ("E = a * b if a.data == 2 else b", "if"),
        ("x = a * [1.0, 2.0]\nE = x.sum() if (x > 0).all() else b", "if"),
        ("E = a * b if a.data > 1 else b", "if"),
        ("E = a * b if a > 1 and b.data > 1 else b", "if"),
        ("if a.data > 1:\n    E = a * b\nelse:\n    E = b", "if"),
        ("m = max([a, b], key=lambda v: v.data)\nE = m * c", "max"),
        (
            "class P:\n    def best(self, v):\n        return max(v)\nE = P().best([a, b]) * 2",
            "max",
        ),
        ("def main(a):\n    if a.data > 1:\n        E = a * b\n    return E\nE = main(a)", "if"),
        ("class P:\n    def __call__(self, v):\n        return max(v)\nE = P()([a, b]) * 2", "max"),
    ],
)
def test_a_choice_that_reaches_the_graph_is_reported(find, program, what):
    (finding, *_) = find(program)
    assert finding.says.startswith(f"Python's {what} chose by the data of ")


def test_a_line_is_reported_once(find):
    (finding,) = find("E = a * b if a.data > 0 and (b.data > 0 or b.data < -1) else b")
    assert finding.says == "Python's if chose by the data of a Value"


@pytest.mark.parametrize(
    "program",
    [
        "E = a * b\nright = (a > 0) == (b > 0)",
        "E = a * b\nright = 0\nif a > 0:\n    right += 1",
        "E = a * b\nright = 0\nif a > 0:\n    right = right + 1",
        "E = a * b\nright = [1 if v > 0 else 0 for v in (a, b)]",
        "E = a * b\nright = sum(1 for v in (a, b) if v > 0)",
        "E = a * b\nif a > 1:\n    print(E.data, end='')",
        "E = a * b\nbest = max(a, b)",
        "E = a * b\nassert a > 0",
        "m = max(a, b).data\nE = (a - m).exp() + (b - m).exp()",
        "n = len([x for x in (a, b) if x > 0])\nE = a * b",
        "E = a * b\nif E > 3:\n    lr = 0.1\nelse:\n    lr = 0.01",
        "E = a * b * (a > 0)",
        "E = a * b\nwhile E.data > 30:\n    E = E * 0.1",
        "for i in range(3):\n    E = a * b\n    if E < 10:\n        break",
        "for i in range(3):\n    E = a * b\n    if E.data < 10:\n        break",
        "class Args:\n    data = 'x'\nE = a * b if Args.data == 'x' else a",
        "best = max([a, b], key=lambda v: v.data)\nE = a * b",
        "def never(v):\n    if v.data > 0:\n        v = v * 2\n    return v\n"
        "def double(v):\n    return v * 2\nE = double(a)",
        "def positive(v):\n    if v > 0:\n        return\n    raise ValueError\n"
        "positive(a)\nE = a * b",
    ],
)
def test_comparisons_that_do_not_reach_the_graph_are_not_reported(find, program):
    assert find(program) == []


@pytest.mark.parametrize("test", ["abs(d) < 1.0", "d * d - 1.0 < 0.0", "(d - 0.5) / 2.0 > b"])
def test_a_value_made_only_for_a_comparison_is_named_by_its_operand(find, test):
    (finding,) = find(f"d = a - 1.5\nif {test}:\n    E = d * d\nelse:\n    E = d * 2.0")
    assert finding.says == "Python's if chose by the data of a Value computed from d"


def test_a_loop_may_compare_a_result_of_the_loss(find):
    program = "E = a * b\nlr = 1.0\nif E - 1.0 > 0.0:\n    lr = 2.0"
    assert find(program) == []


def test_a_loop_may_compare_its_loss(find):
    assert find("E = a * b\nbest = min(9.0, E)\nif E < best:\n    best = E", end="") == []
    assert find("E = a * b\nwhile E > 3:\n    E = a * 0.1", end="") == []


def test_if_all_values_are_in_the_graph_only_the_choice_is_lost(find):
    (finding, *_) = find("E = max(a, b) - min(a, b)")
    assert finding.severity == "suspicious"
    assert (
        "the choice is not in the graph, and remains the same when it is run on other"
        in finding.why
    )


def test_a_line_that_compares_a_value_and_data_is_one_finding(find):
    (finding,) = find("E = a * b if a > 1 and b.data > 1 else c")
    assert finding.says == "Python's if chose by the data of a"


def test_equal_values_are_told_apart(find):
    (finding,) = find("d = tg.Value(3.0, label='d')\nE = max(b, d) * c")
    assert (finding.severity, finding.nodes[0].label) == ("partly lost", "b")


def test_many_values_on_one_line_are_one_finding(find):
    (finding,) = find("E = sum(max(a * k, c * k) for k in range(1, 6))")
    assert finding.says == "Python's max chose by the data of 5 Values"


def test_a_line_without_source_is_not_quoted():
    a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    with tg.traced():
        names = {"a": a, "b": b}
        exec(compile("E = max(a, b)", "<typed>", "exec"), names)
    (finding,) = tg.diagnose(names["E"] * 1.0).findings
    assert finding.says == "Python's comparison chose by the data of b"
    assert finding.why.startswith("what was not chosen is not in the graph")


def test_without_source_a_number_taken_is_not_a_comparison():
    a = tg.Value(2.0, label="a")
    with tg.traced():
        names = {"a": a}
        exec(compile("E = a * float(a)", "<typed>", "exec"), names)
    (finding,) = tg.diagnose(names["E"]).findings
    assert finding.says == "float() made a plain number of it, which went into mul#1"


def test_without_source_a_comparison_of_an_array_is_taken_for_a_mask():
    names = {"x": tg.Value([2.0, -1.0], label="x")}
    with tg.traced():
        exec("E = x[x > 0].sum()", names)
    assert tg.diagnose(names["E"]).findings == []
    recording = tg.record(names["E"])
    recording.set("x", [3.0, -2.0])
    recording.replay()


def test_without_source_a_comparison_of_the_loss_is_not_reported():
    names = {"a": tg.Value(2.0, label="a")}
    with tg.traced():
        exec(compile("E = a * 3\nbig = E > 2", "<typed>", "exec"), names)
    assert tg.diagnose(names["E"]).findings == []


def test_a_file_with_a_syntax_error_counts_as_no_source(find, tmp_path):
    path = tmp_path / "changed.py"
    path.write_text(HEAD + "E = max(a, b) * 1.0\n")
    with tg.traced():
        made = runpy.run_path(str(path))
    path.write_text(HEAD + "E = = max(a, b) * 1.0\n")
    assert "Python's comparison" in tg.diagnose(made["E"]).findings[0].says


def test_a_choice_without_a_line_is_not_reported():
    a = tg.Value(2.0, label="a")
    a.about = a.about._replace(choices=(Choice(">", "1.0", True, None),))
    assert tg.diagnose(a * 3.0).findings == []


def test_without_traced_nothing_is_known():
    a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    assert tg.diagnose(max(a, b) * 1.0).findings == []


# -- numbers


NUMBERS_HEAD = """\
import math
import tinygrad_pool as tg
a, b, c = tg.Value(2.0, label="a"), tg.Value(3.0, label="b"), tg.Value(-1.0, label="c")
xs = [a, b, c]
"""


@pytest.fixture
def taken(tmp_path):
    """Run a program that makes a Value E, and return its findings about numbers."""

    def run(program, known=True):
        path = tmp_path / "net.py"
        path.write_text(NUMBERS_HEAD + program)
        with tg.traced():
            made = runpy.run_path(str(path))
        diagnosis = tg.diagnose(made["E"], names=made if known else None)
        return [f for f in diagnosis.findings if f.kind == "cut off"]

    return run


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("program", "how"),
    [
        ("E = b * math.exp(a)", "float"),
        ("s = math.exp(a)\nE = s * b", "float"),
        ("E = b * float(a)", "float"),
        ("E = b * int(a)", "int"),
        ("x = b * [1.0, 2.0, 3.0]\nE = x[int(a)]", "int"),
        ("E = b ** a.item()", "item"),
        ("def f(v):\n    return math.sqrt(v)\nE = f(a * 2.0) * b", "float"),
        ("def f(v, k):\n    return v * k\nE = f(b, float(a))", "float"),
        ("s = [math.exp(a)]\nt = sum(s)\nE = b / t", "float"),
        ("u = tg.Value(math.exp(a))\nE = b * u", "float"),
        ("s = []\ns.append(math.exp(a))\nE = b * s[0]", "float"),
    ],
)
def test_a_parameter_turned_into_a_number_is_named(taken, program, how, known):
    (finding,) = taken(program, known)
    assert (finding.severity, finding.name) == ("no gradient", "a")
    assert finding.says.startswith(f"{how}() made a plain number of it, which went into ")
    assert "no gradient flows back through a plain number, at net.py:" in finding.why
    assert "v.exp()" in finding.why


@pytest.mark.parametrize(
    "program", ["np.sign(a)", "(5.0 // a)", "tg.floor(a * 1.5)", "np.round(a, 1)"]
)
def test_a_step_function_of_numpy_recommends_a_straight_through_estimator(taken, program):
    (finding,) = taken(f"import numpy as np\nE = b * {program}")
    assert (finding.severity, finding.name) == ("no gradient", "a")
    assert re.match(r"np\.\w+\(\) made plain numbers of it, which went into E", finding.says)
    assert re.search(
        r"gradients through y = np\.\w+\(v\), write v \+ \(y - v\.data\)$", finding.why
    )


def test_a_mask_is_not_reported(taken):
    assert taken("E = a * (a > 0) + b") == []


def test_a_parameter_that_is_also_in_the_graph_is_only_suspicious(taken):
    (finding,) = taken("E = b * math.sqrt(a * a) + a")
    assert (finding.severity, finding.name) == ("suspicious", "a")
    assert finding.why.endswith("That is fine if it is intended")


@pytest.mark.parametrize(
    "program",
    [
        "E = a * b\nshown = []\nshown.append(float(E))",
        "E = a * b\nprint(float(E), end='')",
        "E = a * b\nnice = round(float(E), 2)",
        "E = a * b.data",
        "E = a * 2.0\nassert float(b) > 0",
    ],
)
def test_numbers_that_do_not_reach_the_graph_are_not_reported(taken, program):
    assert taken(program) == []


def test_without_source_only_the_line_itself_is_known():
    names = {"a": tg.Value(2.0, label="a"), "b": tg.Value(3.0, label="b"), "tg": tg}
    with tg.traced():
        exec("E = b * float(a)", names)
        exec("\ns = float(a)\nF = b * s", names)
    assert [f.kind for f in tg.diagnose(names["E"]).findings] == ["cut off"]
    assert tg.diagnose(names["F"]).findings == []
    (lost,) = tg.diagnose(names["F"], parameters=names["a"]).findings
    assert "float() made a plain number of it at <string>:1" in lost.why


def test_a_lost_parameter_names_the_line_that_made_a_number_of_it(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(
        NUMBERS_HEAD + "box = {}\nbox['k'] = float(a)\nE = b * next(iter(vars()['box'].values()))\n"
    )
    with tg.traced():
        made = runpy.run_path(str(path))
    lost = next(f for f in tg.diagnose(made["E"], parameters=[made["a"]]).findings)
    assert lost.kind == "not reached"
    assert "float() made a plain number of it at net.py:6" in lost.why


def test_a_lost_parameter_does_not_name_a_line_that_only_printed_it(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(NUMBERS_HEAD + "print(float(a), end='')\nE = b * a.data\n")
    with tg.traced():
        made = runpy.run_path(str(path))
    (lost,) = tg.diagnose(made["E"], parameters=[made["a"]]).findings
    assert "or turned into plain numbers, as by v.data" in lost.why
    assert "float()" not in str(tg.record(made["E"]).why(made["a"]))
