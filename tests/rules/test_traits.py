"""Traits of rules: every rule has them, and they are right."""

import inspect
import pkgutil
import sys
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, rules
from tinygrad_pool.errors import OptionError, RuleError
from tinygrad_pool.rules import traits as module
from tinygrad_pool.rules.rule import Array, Backward, is_ours
from tinygrad_pool.rules.traits import TRAITS, UNKNOWN, Traits, traits_of, with_traits

Returned = tuple[Array, Backward]
RETURNED = "tuple[Array, Backward]"

PARTS = ("_by_unfolding", "_by_links", "fast_")
"""Marks in the names of implementations, which are parts of rules."""


def is_rule(f, part):
    """Return whether a function of a module returns a result and a closure, as rules do."""
    own = inspect.isfunction(f) and f.__module__ == part.__name__
    returned = own and f.__annotations__.get("return")
    is_part = own and (f.__name__[0] == "_" or any(mark in f.__name__ for mark in PARTS))
    return returned in (Returned, RETURNED) and not is_part


def rules_in(*modules):
    return {f for part in modules for f in vars(part).values() if is_rule(f, part)}


def test_every_rule_has_its_traits_and_is_in_the_table_of_tests(tabled_rules):
    names = [part.name for part in pkgutil.iter_modules(rules.__path__)]
    all_rules = rules_in(*(import_module(f"tinygrad_pool.rules.{name}") for name in names))
    assert tabled_rules == all_rules
    local = {r for r in TRAITS if not hasattr(sys.modules.get(r.__module__), r.__name__)}
    assert set(TRAITS) - local == all_rules  # doctests define local rules
    operations = (getattr(owner, n, None) for owner in (Value, tg.functional) for n in dir(owner))
    lifted = {f.__wrapped__ for f in operations if hasattr(f, "signature")}
    assert len(lifted) > 30
    assert lifted <= set(TRAITS)


def test_a_new_rule_without_traits_is_found():
    def halve(x) -> Returned:
        return x / 2, lambda g: (g / 2,)

    planted = ModuleType("planted")
    planted.halve, halve.__module__ = halve, "planted"
    assert rules_in(planted) == {halve}
    assert halve not in TRAITS


@pytest.fixture
def table(monkeypatch):
    """Undo changes of the table of traits."""
    monkeypatch.setattr(module, "TRAITS", dict(TRAITS))


def test_traits_of_a_users_rule(table):
    def cube(x):
        return x**3, lambda g: (3 * g * x**2,)

    x = Value([2.0, 0.0], label="x")
    y = tg.lift(cube)(x)
    assert traits_of(cube) is UNKNOWN
    assert len(tg.weights_of(y).links(zeros=True)) == 1
    with pytest.raises(tg.errors.UnsupportedError, match="the cube node has no scalar form"):
        tg.explode(y.sum())
    assert with_traits("elementwise", sign="x³")(cube) is cube
    assert traits_of(cube) == Traits("elementwise", sign="x³")
    assert tg.weights_of(y).links(zeros=True) == [(0, 0, 12.0), (1, 1, 0.0)]
    assert tg.explode(y.sum()).parents[-1] == 0.0
    assert "x³" in tg.draw(y).source


def test_a_users_maximum_has_candidates(table):
    @with_traits("elementwise", "largest")
    def larger(x, w):
        first = x >= w
        return np.where(first, x, w), lambda g: (np.where(first, g, 0.0), np.where(first, 0.0, g))

    y = tg.lift(larger)(Value([1.0, 5.0], label="x"), Value([3.0, 2.0], label="w"))
    passed = tg.record(y.sum(), names={"y": y})
    assert "it lost to w[0], by 2" in str(passed.why("x", 0))
    report = tg.compare_weight_layer(y.sum())
    assert (report.holds, report.exact, len(report.layers)) == (True, True, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("elementwize",), "sparsity must be one of '', 'elementwise', 'reduction', .*, got 'elem"),
        (("pool",), "got 'pool'"),
        ((["reduction"],), r"sparsity must be one of .*, got \['reduction'\]"),
        (("reduction", "most"), "unit must be one of '', 'copy', .*, got 'most'"),
    ],
)
def test_unknown_sparsities_and_units_are_named(arguments, message):
    with pytest.raises(OptionError, match=message):
        with_traits(*arguments)


def test_the_rules_that_choose_and_those_that_pool():
    traits = {rule.__name__: t for rule, t in TRAITS.items() if is_ours(rule)}  # not of tests
    chooses = {name for name, t in traits.items() if t.chooses}
    assert chooses == {"relu", "maximum", "minimum", "max", "min", "max_pool"}
    assert {name for name, t in traits.items() if t.pools} == {*chooses, "avg_pool"}
    assert {name for name, t in traits.items() if t.paid} == chooses - {"relu"}


@pytest.mark.parametrize("rule", [r for r, t in TRAITS.items() if t.unit == "move"])
def test_a_move_contains_each_cell_once(rule):
    x = Value(np.arange(6.0).reshape(2, 1, 3))
    options = {"reshape": (3, 2), "expand_dims": 0}
    y = tg.lift(rule)(x, *[options[rule.__name__]] if rule.__name__ in options else [])
    assert sorted(y.data.reshape(-1)) == [*range(6)]
    assert tg.weights_of(y).wins().tolist() == [1] * 6


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"foo": "x"}, r"no trait 'foo' \(traits: sparsity, unit, sign"),
        ({"sign": 3}, "sign must be text, got 3"),
        ({"paid": "x"}, "paid must be three texts, for PyTorch, JAX and TensorFlow, got 'x'"),
        ({"paid": ("x", "y", 3)}, "paid must be text, got 3"),
    ],
)
def test_unknown_traits_and_traits_that_are_not_text_are_rejected(more, message):
    with pytest.raises(OptionError, match=f"with_traits: {message}"):
        with_traits("elementwise", **more)


def test_find_ties_names_who_is_paid_for_a_users_rule(table):
    @with_traits("elementwise", "largest", paid=("half each", "half each", "the first"))
    def larger(x, w):
        on = x >= w
        return np.where(on, x, w), lambda g: (np.where(on, g, 0.0), np.where(on, 0.0, g))

    tied = tg.lift(larger)(Value([1.0, 2.0], label="a"), Value([1.0, 0.0], label="b"))
    assert "half each" in str(tg.find_ties(tied))


def test_with_traits_rejects_anything_but_a_rule():
    def double(x):
        return 2.0 * x, lambda g: (2.0 * g,)

    for operation in (3, tg.lift(double)):
        with pytest.raises(RuleError, match=r"needs a rule, decorated before tg\.lift"):
            with_traits("elementwise")(operation)


def test_ties_of_a_users_maximum_are_found():
    @with_traits("elementwise", "largest")
    def larger(x, w):
        x_wins = x >= w
        return np.maximum(x, w), lambda g: (g * x_wins, g * ~x_wins)

    (tie,) = tg.find_ties(tg.lift(larger)(tg.Value([1.0, 2.0]), tg.Value([1.0, 3.0]))).others
    assert (tie.window, tie.torch) == ((0,), "–")


def test_a_reduction_needs_keepdims():
    with pytest.raises(OptionError, match="largest_of needs the option keepdims to be a 'reduc"):

        @with_traits("reduction", "largest")
        def largest_of(x):
            return np.max(x), lambda g: (g * (x == np.max(x)),)
