"""Traits of rules: facts that pictures, explanations and rewriting need, in one place."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from types import FunctionType
from typing import Any, NamedTuple

from tinygrad_pool.errors import OptionError, RuleError
from tinygrad_pool.rules import (
    accumulations,
    activations,
    arithmetic,
    comparisons,
    contractions,
    convolution,
    decompositions,
    elementwise,
    entropies,
    inverses,
    linear,
    masks,
    moves,
    pooling,
    powers,
    quantiles,
    reductions,
    sequences,
    shaping,
    sorting,
    trigonometry,
    unfolding,
    unpooling,
)
from tinygrad_pool.rules.arguments import choice, text
from tinygrad_pool.rules.rule import Function, Rule
from tinygrad_pool.rules.sparse_weights import weight_layer

PATTERNS = ("", "elementwise", "reduction", "selection")
"""The sparsities that a user's rule can have; others depend on options of rules in this package."""

UNITS = (
    *("", "copy", "move", "sum", "product", "power", "largest", "least", "squash"),
    *("norm", "logsumexp", "softmax"),
)


class Traits(NamedTuple):
    """Facts about a rule.

    `sparsity` says which cells of an operand each unit of the result depends on: "elementwise", the
    one that is broadcast to it; "reduction", those of its row; "selection", one that it copies, or
    none. If it is "", unknown, the Jacobian is computed by calling the closure for each unit.

    `unit` says what a unit computes from them: a "copy"; a "move", which copies each cell once; a
    weighted "sum"; a "product" of two operands; a "power", flat where its operand is 0; the
    "largest" or the "least"; a "squash" into bounds, where it saturates; or what its name says.

    `sign` replaces the rule's name in pictures. `off` says why a slope is 0 at an input {x};
    `vanishes` says how rounding makes a slope 0. `paid` says which units get the gradient at a tie
    in PyTorch, in JAX and in TensorFlow.
    """

    sparsity: str = ""
    unit: str = ""
    sign: str = ""
    off: str = ""
    vanishes: str = ""
    paid: tuple[str, ...] = ()

    @property
    def chooses(self) -> bool:
        """Whether each unit is one of the cells it depends on: a maximum or a minimum."""
        return self.unit in ("largest", "least")

    @property
    def pools(self) -> bool:
        """Whether each unit is one of the cells it depends on, or the mean of its window."""
        return self.chooses or (self.unit == "sum" and self.sparsity == "pool")


UNKNOWN = Traits()
ELEMENTWISE = Traits("elementwise")
MOVE, COPY = Traits("selection", "move"), Traits("selection", "copy")
ZERO, LOST = "the other factor is 0", "it lost to the other operand"
ROUNDS, UNDERFLOWS = "rounds to 0", "underflows to 0"
FIRST, HALF, EVENLY = "the first", "half each", "all evenly"
AMAX, AMIN = f"{FIRST}, amax {EVENLY}", f"{FIRST}, amin {EVENLY}"

TRAITS: dict[Rule | None, Traits] = {
    arithmetic.add: Traits("elementwise", sign="+"),
    arithmetic.sub: Traits("elementwise", sign="−"),
    arithmetic.mul: Traits("elementwise", "product", "×", ZERO),
    arithmetic.div: Traits("elementwise", sign="÷"),
    arithmetic.power: Traits("elementwise", "power", "**"),
    arithmetic.neg: Traits("elementwise", sign="−"),
    elementwise.exp: Traits("elementwise", vanishes=UNDERFLOWS),
    elementwise.expm1: Traits("elementwise", vanishes=UNDERFLOWS),
    elementwise.sqrt: Traits("elementwise", sign="√"),
    elementwise.square: Traits("elementwise", "power", "x²"),
    elementwise.tanh: Traits("elementwise", "squash", vanishes=ROUNDS),
    elementwise.sigmoid: Traits("elementwise", "squash", "σ", vanishes=ROUNDS),
    elementwise.relu: Traits("elementwise", "largest", off="the relu is off, as its input is {x}"),
    elementwise.abs: Traits("elementwise", "power", "|x|"),
    elementwise.clip: Traits("elementwise", off="it is clipped, as {x} is outside the bounds"),
    activations.leaky_relu: Traits("elementwise", off=ZERO),
    activations.elu: Traits("elementwise", vanishes=UNDERFLOWS),
    activations.softplus: Traits("elementwise", vanishes=UNDERFLOWS),
    activations.gelu: Traits("elementwise", vanishes=UNDERFLOWS),
    activations.erf: Traits("elementwise", vanishes=UNDERFLOWS),
    activations.erfc: Traits("elementwise", vanishes=UNDERFLOWS),
    entropies.binary_cross_entropy: Traits("elementwise"),
    elementwise.where: Traits("elementwise", off="it was not chosen"),
    reductions.maximum: Traits("elementwise", "largest", "max", paid=(HALF, HALF, FIRST)),
    reductions.minimum: Traits("elementwise", "least", "min", paid=(HALF, HALF, FIRST)),
    linear.weighted_sum: Traits("elementwise", "product", "Σ w x + b", ZERO),
    shaping.astype: Traits("elementwise", "copy"),
    shaping.cast_rule: Traits("elementwise", "copy"),
    reductions.sum: Traits("reduction", "sum", "Σ"),
    reductions.mean: Traits("reduction", "sum"),
    reductions.max: Traits("reduction", "largest", paid=(f"max(dim) {AMAX}", EVENLY, EVENLY)),
    reductions.min: Traits("reduction", "least", paid=(f"min(dim) {AMIN}", EVENLY, EVENLY)),
    reductions.logsumexp: Traits("reduction", "logsumexp", vanishes=ROUNDS),
    reductions.softmax: Traits("", "softmax", vanishes=ROUNDS),
    reductions.log_softmax: Traits("", "softmax", vanishes=ROUNDS),
    shaping.getitem: Traits("selection", "copy", "[ ]"),
    pooling.max_pool: Traits("pool", "largest", paid=(FIRST, FIRST, FIRST)),
    pooling.avg_pool: Traits("pool", "sum"),
    pooling.lp_pool: Traits("pool", "norm"),
    convolution.conv: Traits("conv", "product", off=ZERO),
    linear.matmul: Traits("matmul", "product", "@", ZERO),
    weight_layer: Traits("weights", "sum"),
    powers.exp2: Traits("elementwise", vanishes=UNDERFLOWS),
    powers.remainder: Traits("elementwise", sign="%"),
    trigonometry.arctan: Traits("elementwise", "squash", vanishes=ROUNDS),
    accumulations.prod: Traits("reduction", sign="Π"),
    accumulations.var: Traits("reduction"),
    accumulations.vector_norm: Traits("reduction", "norm"),
    accumulations.cumsum: Traits("", "sum"),
    **dict.fromkeys((accumulations.cumprod, contractions.einsum, inverses.inv), UNKNOWN),
    **dict.fromkeys((inverses.solve, inverses.det, inverses.logabsdet, inverses.cholesky), UNKNOWN),
    **dict.fromkeys((decompositions.eigvalsh, decompositions.eigenvectors), UNKNOWN),
    **dict.fromkeys((decompositions.svdvals, decompositions.singular_vectors), UNKNOWN),
    decompositions.pinv: UNKNOWN,
    **dict.fromkeys((elementwise.log, elementwise.log1p), ELEMENTWISE),
    **dict.fromkeys((powers.log2, powers.log10, powers.cbrt, powers.fmod), ELEMENTWISE),
    **dict.fromkeys((powers.hypot, powers.logaddexp, powers.logaddexp2), ELEMENTWISE),
    **dict.fromkeys((trigonometry.tan, trigonometry.arcsin, trigonometry.arccos), ELEMENTWISE),
    **dict.fromkeys((trigonometry.sinh, trigonometry.cosh, trigonometry.arctan2), ELEMENTWISE),
    **dict.fromkeys((trigonometry.arcsinh, trigonometry.arccosh), ELEMENTWISE),
    **dict.fromkeys((trigonometry.arctanh, trigonometry.sinc, comparisons.copysign), ELEMENTWISE),
    **dict.fromkeys((comparisons.fmax, comparisons.fmin), Traits("elementwise", off=LOST)),
    **dict.fromkeys((elementwise.sin, elementwise.cos, arithmetic.nudge), ELEMENTWISE),
    **dict.fromkeys((shaping.reshape, shaping.transpose), MOVE),
    **dict.fromkeys((shaping.expand_dims, shaping.squeeze), MOVE),
    **dict.fromkeys((shaping.broadcast_to, shaping.concatenate, shaping.stack), COPY),
    **dict.fromkeys((unfolding.unfold_rule, unpooling.max_unpool), COPY),
    **dict.fromkeys((shaping.scatter_rule, unfolding.fold_rule), UNKNOWN),
    masks.keep_rule: Traits(off="it was masked, for example by a relu that is off"),
    **dict.fromkeys((shaping.detach, inverses.sign_of_det), UNKNOWN),
    **dict.fromkeys((sorting.sort, moves.trim_zeros), Traits("", "copy")),
    quantiles.quantile: Traits("", "sum"),
    **dict.fromkeys((sequences.interp, sequences.unwrap), UNKNOWN),
    **dict.fromkeys((comparisons.nan_to_num, comparisons.ask), ELEMENTWISE),
}
"""The traits of every rule of this package; `with_traits` adds those of your rules."""


def traits_of(rule: Rule | None) -> Traits:
    """Return the traits of a rule; UNKNOWN for a rule without traits, and for a leaf's None."""
    return TRAITS.get(rule, UNKNOWN)


def with_traits(sparsity: str = "", unit: str = "", **more: Any) -> Callable[[Function], Function]:
    """Return a decorator that declares the traits of your rule: see `Traits`.

    `gradcheck` checks the sparsity, and trusts the rest.

    Raises OptionError for an unknown trait, sparsity or unit; RuleError for anything but a rule.

    >>> @with_traits("elementwise", sign="x/2")
    ... def half(x):
    ...     return x / 2, lambda g: (g / 2,)
    >>> traits_of(half).sign
    'x/2'
    """
    for trait, value in more.items():
        if trait not in Traits._fields:
            listed = ", ".join(Traits._fields)
            raise OptionError(f"with_traits: no trait {trait!r} (traits: {listed})")
        if trait == "paid" and not (isinstance(value, tuple) and len(value) == 3):
            raise OptionError(
                "with_traits: paid must be three texts, for PyTorch, JAX and TensorFlow, "
                f"got {value!r:.80}"
            )
        for item in value if trait == "paid" else (value,):
            text(item, f"with_traits: {trait}")
    traits = Traits(sparsity, unit, **more)
    choice(sparsity, PATTERNS, "with_traits: sparsity")
    choice(unit, UNITS, "with_traits: unit")

    def enter(rule: Function) -> Function:
        if not isinstance(rule, FunctionType) or hasattr(rule, "signature"):
            raise RuleError(
                "with_traits: needs a rule, decorated before tg.lift makes it an operation, "
                f"got {rule!r:.80}"
            )
        if sparsity == "reduction" and "keepdims" not in signature(rule).parameters:
            raise OptionError(
                f"with_traits: {rule.__name__} needs the option keepdims to be a 'reduction'"
            )
        TRAITS[rule] = traits
        return rule

    return enter
