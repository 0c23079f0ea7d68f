"""What each rule is like: facts that pictures, explanations and rewritings need, stated once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar, get_args

from tinygrad_pool.errors import OptionError
from tinygrad_pool.rules import (
    arithmetic,
    elementwise,
    linear,
    masks,
    pooling,
    reductions,
    shaping,
    unfolding,
    unpooling,
)
from tinygrad_pool.rules.rule import Rule
from tinygrad_pool.rules.sparse_weights import weight_layer

Sparsity: TypeAlias = Literal[
    "elementwise", "reduction", "selection", "pool", "conv", "matmul", "weights"
]
Unit: TypeAlias = Literal[
    "copy",
    "move",
    "sum",
    "product",
    "power",
    "largest",
    "least",
    "squash",
    "norm",
    "logsumexp",
    "softmax",
]


class Traits(NamedTuple):
    """What is known of a rule.

    `sparsity` is which cells of an operand each unit of the result looks at: in "elementwise" the
    one that is broadcast to it, in a "reduction" those of its row, in a "selection" one that it
    copies, or none. None is unknown: the Jacobian is then found by calling the closure.

    `unit` is what a unit makes of them: a "copy"; a "move", which is a copy of each cell once; a
    weighted "sum"; a "product" of two operands; a "power", flat where its operand is 0; the
    "largest" or the "least"; a "squash" into bounds, where it saturates; and so on.

    `sign` is written in pictures instead of the rule's name. `off` says why a slope is 0 at an
    input `{x}`; `vanishes` is what a slope does that is 0 because digits end. `paid` says whom a
    tie pays in PyTorch, in JAX and in TensorFlow.
    """

    sparsity: Sparsity | None = None
    unit: Unit | None = None
    sign: str = ""
    off: str = ""
    vanishes: str = ""
    paid: tuple[str, str, str] | None = None

    @property
    def chooses(self) -> bool:
        """Whether each unit is one of the cells that it looks at: a maximum or a minimum."""
        return self.unit in ("largest", "least")

    @property
    def pools(self) -> bool:
        """Whether each unit is one of the cells that it looks at, or the mean of its window."""
        return self.chooses or (self.unit == "sum" and self.sparsity == "pool")


UNKNOWN = Traits()
ZERO = "the other factor is 0"
HALF = ("half each", "half each", "the first")
FIRST = ("the first", "the first", "the first")

TRAITS: dict[Rule | None, Traits] = {
    arithmetic.add: Traits("elementwise", sign="+"),
    arithmetic.sub: Traits("elementwise", sign="−"),
    arithmetic.mul: Traits("elementwise", "product", "×", ZERO),
    arithmetic.div: Traits("elementwise", sign="÷"),
    arithmetic.power: Traits("elementwise", "power", "**"),
    arithmetic.neg: Traits("elementwise", sign="−"),
    arithmetic.nudge: Traits("elementwise"),
    elementwise.exp: Traits("elementwise", vanishes="underflows to 0"),
    elementwise.expm1: Traits("elementwise", vanishes="underflows to 0"),
    elementwise.log: Traits("elementwise"),
    elementwise.log1p: Traits("elementwise"),
    elementwise.sqrt: Traits("elementwise", sign="√"),
    elementwise.square: Traits("elementwise", "power", "x²"),
    elementwise.sin: Traits("elementwise"),
    elementwise.cos: Traits("elementwise"),
    elementwise.tanh: Traits("elementwise", "squash", vanishes="rounds to 0"),
    elementwise.sigmoid: Traits("elementwise", "squash", "σ", vanishes="rounds to 0"),
    elementwise.relu: Traits("elementwise", "largest", off="the relu is off: its input is {x}"),
    elementwise.abs: Traits("elementwise", "power", "|x|"),
    elementwise.clip: Traits("elementwise", off="it is clipped: {x} is outside the bounds"),
    elementwise.where: Traits("elementwise", off="it was not chosen"),
    reductions.maximum: Traits("elementwise", "largest", "max", paid=HALF),
    reductions.minimum: Traits("elementwise", "least", "min", paid=HALF),
    linear.weighted_sum: Traits("elementwise", "product", "Σ w x + b", ZERO),
    shaping.astype: Traits("elementwise", "copy"),
    shaping.cast_rule: Traits("elementwise", "copy"),
    masks.keep_rule: UNKNOWN,
    reductions.sum: Traits("reduction", "sum", "Σ"),
    reductions.mean: Traits("reduction", "sum"),
    reductions.max: Traits(
        *("reduction", "largest"),
        paid=("max(dim) the first, amax all evenly", "all evenly", "all evenly"),
    ),
    reductions.min: Traits(
        *("reduction", "least"),
        paid=("min(dim) the first, amin all evenly", "all evenly", "all evenly"),
    ),
    reductions.logsumexp: Traits("reduction", "logsumexp", vanishes="rounds to 0"),
    reductions.softmax: Traits(unit="softmax", vanishes="rounds to 0"),
    reductions.log_softmax: Traits(unit="softmax", vanishes="rounds to 0"),
    shaping.reshape: Traits("selection", "move"),
    shaping.transpose: Traits("selection", "move"),
    shaping.expand_dims: Traits("selection", "move"),
    shaping.squeeze: Traits("selection", "move"),
    shaping.broadcast_to: Traits("selection", "copy"),
    shaping.concatenate: Traits("selection", "copy"),
    shaping.stack: Traits("selection", "copy"),
    shaping.getitem: Traits("selection", "copy", "[ ]"),
    shaping.scatter_rule: UNKNOWN,
    shaping.detach: UNKNOWN,
    unfolding.unfold_rule: Traits("selection", "copy"),
    unfolding.fold_rule: UNKNOWN,
    unpooling.max_unpool: Traits("selection", "copy"),
    pooling.max_pool: Traits("pool", "largest", paid=FIRST),
    pooling.avg_pool: Traits("pool", "sum"),
    pooling.lp_pool: Traits("pool", "norm"),
    linear.conv: Traits("conv", "product", off=ZERO),
    linear.matmul: Traits("matmul", "product", "@", ZERO),
    weight_layer: Traits("weights", "sum"),
}
"""The traits of every rule here; `with_traits` enters those of a rule of your own."""

Function = TypeVar("Function", bound=Callable[..., Any])


def traits_of(rule: Rule | None) -> Traits:
    """Return what is known of a rule: nothing of one that has no traits, or of a leaf's None."""
    return TRAITS.get(rule, UNKNOWN)


def with_traits(
    sparsity: Sparsity | None = None, unit: Unit | None = None, **more: Any
) -> Callable[[Function], Function]:
    """Give a rule of your own its traits, as a decorator: see `Traits`.

    They are taken at your word, so try the rule with `gradcheck`, and its `weights_of`.

    Raises OptionError for traits that there are not.

    >>> @with_traits("elementwise", sign="x/2")
    ... def half(x):
    ...     return x / 2, lambda g: (g / 2,)
    >>> traits_of(half).sign
    'x/2'
    """
    for trait, given, known in (("sparsity", sparsity, Sparsity), ("unit", unit, Unit)):
        if given not in (None, *get_args(known)):
            listed = ", ".join(map(repr, get_args(known)))
            raise OptionError(f"with_traits: {trait} must be one of {listed}, got {given!r:.80}")
    if unknown := more.keys() - set(Traits._fields):
        raise OptionError(
            f"with_traits: no trait is called {min(unknown)!r}; there are "
            f"{', '.join(Traits._fields)}"
        )

    def enter(rule: Function) -> Function:
        TRAITS[rule] = Traits(sparsity, unit, **more)
        return rule

    return enter
