"""Source is taken for what runs only if it is."""

import __future__

import linecache

import pytest

from tinygrad_pool.codegen.inlining.sources import definition_of
from tinygrad_pool.rules import arithmetic, convolution, elementwise, reductions


def planted(tmp_path, text, name="rule", flags=0):
    """Import a module from a text."""
    file = tmp_path / "planted.py"
    file.write_text(text, encoding="utf-8")
    names = {"__name__": "planted"}
    exec(compile(text, str(file), "exec", flags, dont_inherit=True), names)
    return file, names[name]


@pytest.mark.parametrize(
    "rule",
    [
        arithmetic.mul,
        elementwise.exp,
        elementwise.logistic.__wrapped__,
        convolution.conv,
        reductions.sum,
    ],
)
def test_the_definition_of_a_rule_is_found(rule):
    assert definition_of(rule).name == rule.__name__


def test_a_function_that_imports_decide_how_to_compile_is_found(tmp_path):
    text = "import math\n\ndef rule(x):\n    return math.exp(x) + len([0 for _ in 'ab'])\n"
    assert definition_of(planted(tmp_path, text)[1]).lineno == 3


def test_a_function_of_a_cell_is_found_where_another_cell_puts_annotations_off(tmp_path):
    text = (
        "def rule(x: float):\n    def rule_backward(g: float): ...\n    return x, rule_backward\n"
    )
    later = __future__.annotations.compiler_flag
    assert definition_of(planted(tmp_path, text, flags=later)[1]).lineno == 1


def test_a_file_that_changed_is_not_what_runs(tmp_path):
    text = "def rule(x):\n    return x * 2.0, lambda g: (g * 2.0,)\n"
    file, rule = planted(tmp_path, text)
    assert definition_of(rule).name == "rule"
    for other in ("2.0,)", "3.0,)"), ("x * 2", "x + 2"), ("rule", "role"), ("def", "\ndef"):
        file.write_text(text.replace(*other), encoding="utf-8")
        linecache.checkcache(str(file))
        if other[0] == other[1]:
            continue
        with pytest.raises(LookupError):
            definition_of(rule)


def test_a_decorated_function_is_what_the_decorator_made(tmp_path):
    text = (
        "import functools\n\n"
        "def doubled(f):\n"
        "    @functools.wraps(f)\n"
        "    def twice(x):\n"
        "        return f(f(x))\n"
        "    return twice\n\n"
        "@doubled\n"
        "def rule(x):\n"
        "    return x + 1.0\n"
    )
    with pytest.raises(LookupError, match="the source of rule is not what runs"):
        definition_of(planted(tmp_path, text)[1])  # it captures f


def test_a_function_that_captures_variables_is_not_found_by_its_source_alone():
    factor = 2.0

    def rule(x):
        return x * factor

    with pytest.raises(LookupError):
        definition_of(rule)


def test_a_function_without_source_or_without_a_name_is_not_found():
    names = {}
    exec("def rule(x):\n    return x\n", names)
    for function in (names["rule"], lambda x: x):
        with pytest.raises(LookupError):
            definition_of(function)


def test_source_is_read_without_warning_of_it_again(tmp_path, recwarn):
    text = "def rule(x):\n    return x is 1\n"
    with pytest.warns(SyntaxWarning, match='"is" with a literal|"is" with .int. literal'):
        _, rule = planted(tmp_path, text)
    recwarn.clear()
    definition_of(rule)
    assert not recwarn
