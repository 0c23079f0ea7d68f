"""Operands and options."""

import pytest

from tinygrad_pool import Value
from tinygrad_pool.engine.signature import Signature, reject_foreign_options, signature_of
from tinygrad_pool.errors import OptionError


def rule(x, w, axis=None, *, key, wants=(True, True)):
    """Only its parameters matter."""


def test_parameters_with_a_default_or_after_the_star_are_options():
    assert signature_of(rule) == Signature("rule", 2, ("axis", "key"), ("key",), wants=True)
    assert signature_of(lambda *xs, ties="first": None)[1:] == (None, ("ties",), (), False)


def test_positional_options_follow_the_operands():
    sort = signature_of(rule).sort
    assert sort((1, 2, 3), {"key": 4}) == ((1, 2), {"axis": 3, "key": 4})
    assert sort((1, 2, 3, 4), {}) == ((1, 2), {"axis": 3, "key": 4})
    assert signature_of(lambda *xs: None).sort((1, 2, 3), {}) == ((1, 2, 3), {})


@pytest.mark.parametrize(
    ("operands", "options", "message"),
    [
        ((1,), {}, "rule: needs 2 operands and at most 2 options, got 1 argument$"),
        ((1, 2, 3, 4, 5), {}, "got 5 arguments"),
        ((1, 2), {"wants": ()}, r"rule: no option 'wants' \(options: axis, key\)"),
        ((1, 2), {"dim": 0}, "no option 'dim' .*; use axis= here"),
        ((1, 2), {"axis": 0}, "rule: missing the option 'key'"),
        ((1, 2, 3), {}, "rule: missing the option 'key'"),
    ],
)
def test_unknown_options_are_an_error(operands, options, message):
    with pytest.raises(OptionError, match=message):
        signature_of(rule).sort(operands, options)


def test_any_number_of_operands_may_be_passed_in_one_list():
    sort = signature_of(lambda *xs, axis=0: None).sort
    assert sort(([1, 2],), {}) == ((1, 2), {})
    assert sort(([],), {}) == ((), {})
    assert sort(([1, 2], 3), {}) == (([1, 2], 3), {})
    with pytest.raises(
        OptionError, match="needs any number of operands and at most 1 option, got 3"
    ):
        sort(([Value(1.0)], 0, 0), {})


def test_a_rule_without_options_says_so():
    with pytest.raises(OptionError, match=r"<lambda>: no option 'dim' \(options: none\)"):
        signature_of(lambda x: None).sort((1,), {"dim": 0})


def test_an_option_given_twice_is_an_error():
    with pytest.raises(OptionError, match="rule: option 'axis' is given twice"):
        signature_of(rule).sort((1, 2, 3), {"axis": 4})
    several = signature_of(lambda x, a=1, b=2, c=3, d=4, e=5, f=6, g=7: None)
    with pytest.raises(OptionError, match="option 'a' is given twice"):  # the first of them
        several.sort(tuple(range(8)), dict.fromkeys("gfedcba"))


def test_options_of_other_libraries_get_a_hint():
    reject_foreign_options("backward", {})
    with pytest.raises(OptionError, match=r"^backward: no option 'retain_graph': a graph is kept"):
        reject_foreign_options("backward", {"retain_graph": True})
    with pytest.raises(OptionError, match=r"^backward: no option 'inputs'$"):
        reject_foreign_options("backward", {"inputs": []})


@pytest.mark.parametrize("options", [{"_children": (), "_op": "sin"}, {"_op": ""}, {"parents": ()}])
def test_micrograd_s_way_to_define_an_operation_gets_a_hint(options):
    with pytest.raises(OptionError, match=r"^Value: no option '.*': .* call y = tg\.lift\(rule\)"):
        Value(1.0, **options)
    with pytest.raises(OptionError, match=r"no option 'name': v\.label names a Value"):
        Value(1.0, name="x")


@pytest.mark.parametrize("options", [{}, {"label": "y"}])
@pytest.mark.parametrize("more", [((Value(1.0),), "sin"), ({Value(1.0)},), ([Value(1.0)],)])
def test_so_do_the_children_of_micrograd_by_position(more, options):
    with pytest.raises(OptionError, match=r"^Value: takes data and a label; .* tg\.lift\(rule\)"):
        Value(1.0, *more, **options)


def test_subclasses_may_take_children():
    class Ported(Value):
        def __init__(self, data, children=(), op="", label=""):
            super().__init__(data, label)
            self.children, self.kind = children, op

    assert Ported(1.0, (Value(2.0),), "+", label="y").label == "y"
    with pytest.raises(OptionError, match="a label; "):
        Value(1.0, "x", "y")
