"""The chain rule for one gradient, written out with its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import fsum
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.derivatives.scalars import MOST, units_of
from tinygrad_pool.derivatives.slopes import slopes_of
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.rerun import check_value, run_forward
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import counted, number, subscript
from tinygrad_pool.recording.naming import Named
from tinygrad_pool.recording.symbols import (
    digits_in_latex,
    in_latex,
    name_in_latex,
    name_of_node,
    signed,
    symbol_of,
)
from tinygrad_pool.rules.arguments import place_of

LISTED = 12
"""At most so many paths are listed, and of a long path so many factors at each end."""


class Factor(NamedTuple):
    """One local derivative on a path: its symbol, its number, and its symbol in LaTeX."""

    symbol: str
    slope: float
    latex: str


class Derivation(NamedTuple):
    """∂E/∂v as a sum over all paths from E to v, of which `paths` are listed."""

    loss: str
    of: str
    paths: list[list[Factor]]
    total: int
    value: float

    def __repr__(self) -> str:
        head = f"∂{self.loss}/∂{self.of}"
        if not self.total:
            return f"{head} = 0, as there is no path from {self.loss} to {self.of}"
        if not self.paths:
            return f"{head} = {number(self.value)}, a sum over {self.total:,} paths"
        if self.paths == [[]]:
            return f"{head} = 1"
        symbols = [_product([f.symbol for f in path]) for path in self.paths]
        slopes = [_product([signed(number(f.slope)) for f in path]) for path in self.paths]
        indent = "\n" + " " * len(head)
        between = f"{indent} + "
        shown = _stages(between.join(symbols), between.join(slopes), number(self.value))
        equals = " = " if len(self.paths) == 1 else f"{indent} = "
        rest = self.total - len(self.paths)
        more = f"{counted(rest, 'other path')} {'has' if rest == 1 else 'have'} a factor 0"
        return f"{head} = {equals.join(shown)}" + f"{indent}   {more}" * bool(rest)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def latex(self) -> str:
        r"""Write the same in LaTeX.

        >>> w, x = Value(2.0, label="w1"), Value(3.0, label="x1")
        >>> print(derive(w * x, w).latex())
        \frac{\partial E}{\partial w_{1}} = x_{1} = 3
        """
        loss, of = map(name_in_latex, (self.loss, self.of))
        head = rf"\frac{{\partial {in_latex(loss)}}}{{\partial {in_latex(of)}}}"
        value = digits_in_latex(self.value)
        if self.paths in ([], [[]]):
            return f"{head} = {value}"
        dots = r" \cdot ", r"\dots"
        symbols = [_product([f.latex for f in path], *dots) for path in self.paths]
        numbers = [[signed(digits_in_latex(f.slope)) for f in path] for path in self.paths]
        slopes = [_product(factors, *dots) for factors in numbers]
        return " = ".join([head, *_stages(" + ".join(symbols), " + ".join(slopes), value)])


def derive(
    loss: Value,
    v: Value | str,
    index: int | Sequence[int] | None = None,
    *,
    names: Mapping[str, Any] | None = None,
) -> Derivation:
    """Write out the chain rule for one gradient: the product of local derivatives on each path.

    Factors are in the order from the loss to v, and the products of several paths add up. `v` may
    be a name. For an array, `index` selects the element, as "w[2]" does, and the network is split
    into its units. If there are more than 12 paths, only those without a factor 0 are written; if
    these are more than 12, too, only their number and sum. `.latex()` returns LaTeX, for slides.

    Raises DataError if `loss` or `v` is not a Value; OptionError for an unknown name or element, if
    it is a constant, or if the loss does not depend on v; ShapeError if the loss is an array, or
    there are too many units.

    >>> w, x = Value(0.5, label="w"), Value(3.0, label="x")
    >>> print(derive((w * x).sigmoid(), w))
    ∂E/∂w = σ'(w x) · x = 0.1491 · 3 = 0.4474
    """
    check_value(loss, "derive")
    nodes = topological_order(loss)
    named = Named(nodes, {} if names is None else names)
    of: Any
    of, index = named.element(v, index) if isinstance(v, str) else (v, index)
    check_value(of, "derive")
    called = named.names | named.names_by_id
    if not (of.label or id(of) in named.names):
        called[id(of)] = "v"
    name, top = name_of_node(of, called), name_of_node(loss, called)
    if of not in nodes:
        anew = "; of an element of v, pass v and its index" if of.op == "getitem" else ""
        raise OptionError(f"derive: {top or name_of(loss)} does not depend on {name}{anew}")
    cell, top = _cell(of, index), top or "E"
    if any(node.shape for node in nodes):
        units = units_of(loss, MOST, "derive")
        name += subscript(np.unravel_index(cell, of.shape))
        if cell not in units.get(of, {}):
            return Derivation(top, name, [], 0, 0.0)
        loss, of = units[loss][0], units[of][cell]
        if not isinstance(of, Node):
            raise OptionError(f"derive: {name} is a constant, {number(of)}")
        called = _of_units(units, called)
    sums = _sums(loss, of)
    count, slope = sums[loss]
    if not (zeros := count <= LISTED):
        sums = _sums(loss, of, zeros)
    paths = list(_paths(loss, of, sums, called, zeros)) if sums[loss][0] <= LISTED else []
    return Derivation(top, name_of_node(of, called), paths, count, slope)


def _of_units(units: Mapping[Node, Mapping[int, Any]], called: Mapping[int, str]) -> dict[int, str]:
    """Name the units of each named array by its name and their index."""
    names: dict[int, str] = {}
    for node in units:
        if name := called.get(id(node)):
            for unit, scalar in units[node].items():
                names.setdefault(id(scalar), name + subscript(np.unravel_index(unit, node.shape)))
    return names


def _sums(loss: Node, of: Node, zeros: bool = True) -> dict[Node, tuple[int, float]]:
    """Count the paths from each node down to `of`, and add up their products.

    Without `zeros`, paths with a factor 0 do not count.
    """

    def add_up(node: Node, operands: list[Any]) -> tuple[int, float]:
        if node is of:
            return 1, 1.0
        below = [p if type(p) is tuple else (0, 0.0) for p in operands]
        if not any(count for count, _ in below):
            return 0, 0.0
        ends = [*zip(below, slopes_of(node) or [], strict=True)]
        products = [slope * local for (count, slope), local in ends if count]
        try:
            total = fsum(products)
        except (ValueError, OverflowError):  # of ∞ − ∞, and beyond the largest float
            total = sum(products)
        return sum(count for (count, _), local in ends if zeros or local), total

    return run_forward(loss, add_up)


def _paths(
    loss: Node,
    of: Node,
    sums: dict[Node, tuple[int, float]],
    called: Mapping[int, str],
    zeros: bool,
) -> Iterator[list[Factor]]:
    """Yield the factors of each path, in the order of operands; for `zeros` see `_sums`."""
    waiting: list[tuple[Node, Any]] = [(loss, None)]  # a node, and the factors above it
    while waiting:
        node, so_far = waiting.pop()
        if node is of:
            path = []
            while so_far:
                factor, so_far = so_far
                path.append(factor)
            yield path[::-1]
            continue
        local = slopes_of(node) or []
        for i in range(len(local) - 1, -1, -1):
            p = node.parents[i]
            if isinstance(p, Node) and sums[p][0] and (zeros or local[i]):
                latex = in_latex(symbol_of(node, i, called, name_in_latex))
                factor = Factor(symbol_of(node, i, called), local[i], latex)
                waiting.append((p, (factor, so_far)))


def _cell(v: Value, index: int | Sequence[int] | None) -> int:
    place = place_of(() if index is None else index, v.shape, "derive: index")
    if place is None:
        raise OptionError(
            f"derive: {name_of(v)} of shape {v.shape} needs the index of one element, such as "
            f"{(0,) * v.ndim}" + (f", got {index!r}" if index is not None else "")
        )
    return int(np.ravel_multi_index(place, v.shape))


def _stages(symbols: str, slopes: str, value: str) -> list[str]:
    """List the forms of a gradient: in symbols, in numbers, and its value, without repetition."""
    once = value, f"({value})"
    return [*(stage for stage in (symbols, slopes) if stage not in once), value]


def _product(factors: list[str], dot: str = " · ", rest: str = "…") -> str:
    """Write a product; of a long one, both ends."""
    if len(factors) > 2 * LISTED:
        factors = [*factors[:LISTED], rest, *factors[-LISTED:]]
    return dot.join(factors)
