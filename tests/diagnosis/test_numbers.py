"""Values that became plain numbers on the way: math.exp(v), float(v), int(v)."""

import re
import runpy

import pytest

import tinygrad_pool as tg

HEAD = """\
import math
import tinygrad_pool as tg
a, b, c = tg.Value(2.0, label="a"), tg.Value(3.0, label="b"), tg.Value(-1.0, label="c")
xs = [a, b, c]
"""


@pytest.fixture
def found(tmp_path):
    """Run a program that makes a Value E, and return its findings about numbers."""

    def run(program, known=True):
        path = tmp_path / "net.py"
        path.write_text(HEAD + program)
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
        ("E = b ** a.item()", "item"),
        ("def f(v):\n    return math.sqrt(v)\nE = f(a * 2.0) * b", "float"),
        ("def f(v, k):\n    return v * k\nE = f(b, float(a))", "float"),
        ("s = [math.exp(a)]\nt = sum(s)\nE = b / t", "float"),
        ("u = tg.Value(math.exp(a))\nE = b * u", "float"),
        ("s = []\ns.append(math.exp(a))\nE = b * s[0]", "float"),
    ],
)
def test_a_parameter_that_is_lost_is_named(found, program, how, known):
    (finding,) = found(program, known)
    assert (finding.severity, finding.name) == ("no gradient", "a")
    assert finding.says.startswith(f"{how}() made a plain number of it, which went into ")
    assert "no gradient goes back through a number, at net.py:" in finding.why
    assert "v.exp()" in finding.why


@pytest.mark.parametrize(
    "program", ["np.sign(a)", "(5.0 // a)", "tg.floor(a * 1.5)", "np.round(a, 1)"]
)
def test_a_step_of_numpy_s_is_named_with_the_way_around_it(found, program):
    (finding,) = found(f"import numpy as np\nE = b * {program}")
    assert (finding.severity, finding.name) == ("no gradient", "a")
    assert re.match(r"np\.\w+\(\) made plain numbers of it, which went into E", finding.says)
    assert finding.why.endswith(
        "v + (y - v.data) has the numbers of such a result y, and the gradient of v"
    )


def test_a_mask_is_no_step(found):
    assert found("E = a * (a > 0) + b") == []


def test_one_that_is_in_the_graph_all_the_same_may_be_meant(found):
    (finding,) = found("E = b * math.sqrt(a * a) + a")
    assert (finding.severity, finding.name) == ("suspicious", "a")
    assert finding.why.endswith("that may be intended")


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
def test_what_does_not_go_into_the_graph_is_none(found, program):
    assert found(program) == []


def test_without_its_source_only_its_own_line_tells():
    names = {"a": tg.Value(2.0, label="a"), "b": tg.Value(3.0, label="b"), "tg": tg}
    with tg.traced():
        exec("E = b * float(a)", names)
        exec("\ns = float(a)\nF = b * s", names)
    assert [f.kind for f in tg.diagnose(names["E"]).findings] == ["cut off"]
    assert tg.diagnose(names["F"]).findings == []


def test_what_was_given_as_a_parameter_is_told_where_it_went(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(
        HEAD + "box = {}\nbox['k'] = float(a)\nE = b * next(iter(vars()['box'].values()))\n"
    )
    with tg.traced():
        made = runpy.run_path(str(path))
    lost = next(f for f in tg.diagnose(made["E"], parameters=[made["a"]]).findings)
    assert lost.kind == "not reached"
    assert "float() made a plain number of it at net.py:6" in lost.why
