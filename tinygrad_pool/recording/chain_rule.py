"""The chain rule for one gradient, written out with its numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from tinygrad_pool.formatting import counted, number, plain, subscript
from tinygrad_pool.recording.naming import Named
from tinygrad_pool.rules.arguments import place_of

DEEP = 4
"""The most operations in a row that the name of an operand is made of."""
LISTED = 12
"""The most paths that are listed, and of a longer one the most factors from each of its ends."""

_INDEXED = re.compile(r"([^\W\d_]+)_?(\d+(?:,\d+)?)(\(\d+\))?|(.)", re.DOTALL)
_LATEX = {c: f"\\{c}" for c in "%&#_{}$ "}
_LATEX |= {"\\": r"{\backslash}", "^": r"{\wedge}", "~": r"{\sim}"}
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi o pi rho varsigma "
    "sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega partial"
)
_COMMANDS = dict(zip("αβγδεζηθικλμνξοπρςστυφχψωΓΔΘΛΞΠΣΦΨΩ∂", _GREEK.split(), strict=True))
_POWER_OF_TEN, _TIMES = re.compile(r"([\d.]*\d)e\+?(-?)0*(\d+)"), r"\1 \\times 10^{\2\3}"
_LOW = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_BRACES, _NO_BRACES = str.maketrans("\2\3", "{}"), str.maketrans("", "", "\2\3")
"""Stand around an exponent, and in no name."""


class Factor(NamedTuple):
    """One local derivative on a path: how it is written, its number, and how LaTeX writes it."""

    symbol: str
    slope: float
    latex: str


class Derivation(NamedTuple):
    """∂E/∂v as a sum over the paths from E to v; `paths` holds those that are listed."""

    loss: str
    of: str
    paths: list[list[Factor]]
    total: int
    value: float

    def __str__(self) -> str:
        head = f"∂{self.loss}/∂{self.of}"
        if not self.total:
            return f"{head} = 0, for no path leads there"
        if not self.paths:
            return f"{head} = {number(self.value)}, a sum over {self.total:,} paths"
        if self.paths == [[]]:
            return f"{head} = 1"
        symbols = [_product([f.symbol for f in path]) for path in self.paths]
        slopes = [_product([_signed(number(f.slope)) for f in path]) for path in self.paths]
        indent = "\n" + " " * len(head)
        between = f"{indent} + "
        shown = [between.join(symbols), between.join(slopes), number(self.value)]
        equals = " = " if len(self.paths) == 1 else f"{indent} = "
        rest = self.total - len(self.paths)
        more = f"{counted(rest, 'other path')} {'has' if rest == 1 else 'have'} a factor 0"
        return f"{head} = {equals.join(shown)}" + f"{indent}   {more}" * bool(rest)

    def __repr__(self) -> str:
        return str(self)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def latex(self) -> str:
        r"""Write the same in LaTeX.

        >>> w, x = Value(2.0, label="w1"), Value(3.0, label="x1")
        >>> print(derive(w * x, w).latex())
        \frac{\partial E}{\partial w_{1}} = x_{1} = 3 = 3
        """
        loss, of = map(_in_latex, (self.loss, self.of))
        head = rf"\frac{{\partial {_latex(loss)}}}{{\partial {_latex(of)}}}"
        if self.paths in ([], [[]]):
            return f"{head} = {_digits(self.value)}"
        dots = r" \cdot ", r"\dots"
        symbols = [_product([f.latex for f in path], *dots) for path in self.paths]
        slopes = [_product([_signed(_digits(f.slope)) for f in path], *dots) for path in self.paths]
        return f"{head} = {' + '.join(symbols)} = {' + '.join(slopes)} = {_digits(self.value)}"


def derive(
    loss: Value,
    v: Value,
    index: int | Sequence[int] | None = None,
    *,
    names: Mapping[str, Any] | None = None,
) -> Derivation:
    """Write out the chain rule for one gradient: the product of local derivatives on each path.

    Factors stand in the order from the loss to v; where several paths lead there, they add up. Of
    an array, `index` says which element, and the network is taken apart into its units. Of more
    than 12 paths those that carry something are written, without a factor 0; where these are more
    than 12, too, they are counted, and their sum given. `.latex()` is for slides.

    Raises DataError if `loss` or `v` is not a Value; OptionError if there is no such element, or
    the loss does not depend on v; ShapeError if the loss is an array, or there are too many units.

    >>> w, x = Value(0.5, label="w"), Value(3.0, label="x")
    >>> print(derive((w * x).sigmoid(), w))
    ∂E/∂w = σ'(w x) · x = 0.1491 · 3 = 0.4474
    """
    for given in (loss, v):
        check_value(given, "derive")
    nodes = topological_order(loss)
    named = Named(nodes, {} if names is None else names)
    called = named.names | named.given
    if v not in nodes:
        ends = [_name(end, called) or name_of(end) for end in (loss, v)]
        raise OptionError(f"derive: {ends[0]} does not depend on {ends[1]}")
    cell = _cell(v, index)
    top, of = _name(loss, called) or "E", v
    if any(node.shape for node in nodes):
        units = units_of(loss, MOST, "derive")
        if cell not in units.get(v, {}):
            return Derivation(top, _name(v, called), [], 0, 0.0)
        loss, of = units[loss][0], units[v][cell]
        called = _of_units(units, called)
    sums = _sums(loss, of)
    count, slope = sums[loss]
    if not (zeros := count <= LISTED):
        sums = _sums(loss, of, zeros)
    paths = list(_paths(loss, of, sums, called, zeros)) if sums[loss][0] <= LISTED else []
    return Derivation(top, _name(of, called) or "v", paths, count, slope)


def _of_units(units: Mapping[Node, Mapping[int, Any]], called: Mapping[int, str]) -> dict[int, str]:
    """Call the units of an array by its name and their places in it."""
    names: dict[int, str] = {}
    for node in units:
        if name := called.get(id(node)):
            for unit, scalar in units[node].items():
                names.setdefault(id(scalar), name + subscript(np.unravel_index(unit, node.shape)))
    return names


def _sums(loss: Node, of: Node, zeros: bool = True) -> dict[Node, tuple[int, float]]:
    """Count the paths from each node down to `of`, and add up their products.

    Without `zeros` a path with a factor 0 is none.
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
    """List the factors of each path, in the order of operands; without `zeros` as in `_sums`."""
    waiting: list[tuple[Node, Any]] = [(loss, None)]  # and its factors, the last one first
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
                latex = _latex(symbol_of(node, i, called, _in_latex))
                factor = Factor(symbol_of(node, i, called), local[i], latex)
                waiting.append((p, (factor, so_far)))


def symbol_of(
    node: Node, i: int, called: Mapping[int, str], spell: Callable[[str], str] = str
) -> str:
    """Write one local derivative in the letters of the derivation, with each name as `spell` does.

    >>> symbol_of(Value(2.0, label="w1") * Value(3.0, label="x1"), 0, {}, str.upper)
    'X1'
    """
    names = [_said(p, called, spell) for p in node.parents]
    write = _WRITTEN.get(node.op)
    symbol = write(names, i) if write else f"∂{spell(_name(node, called) or node.op)}/∂{names[i]}"
    symbol += "/n" if node.options.get("ties") == "even" else ""  # n of them share the maximum
    return _signed(symbol if spell is _in_latex else symbol.translate(_NO_BRACES))


def _said(
    operand: Any, called: Mapping[int, str], spell: Callable[[str], str], depth: int = DEEP
) -> str:
    """Name an operand; one without a name by what it was computed as, if that is short."""
    if not isinstance(operand, Node):
        return _signed(number(float(operand)))
    if name := _name(operand, called):
        return spell(name)
    op, parents = operand.op, operand.parents
    if not depth or not (op in _FORMS or _is_known(operand, called, depth)):
        return spell(op or "leaf")
    if op == "mul":  # a number stands before a name
        parents = tuple(sorted(parents, key=lambda p: isinstance(p, Node)))
    names = [_said(p, called, spell, depth - 1) for p in parents]
    if op not in _FORMS:
        return _of("σ" if op == "sigmoid" else spell(op), names[0])
    if op in ("add", "sub"):
        ops = [getattr(p, "op", "") for p in parents]
        names = [
            _inside(x) if p in _BARE[i] else x
            for i, (x, p) in enumerate(zip(names, ops, strict=True))
        ]
    return _FORMS[op].format(*names)


def _is_known(operand: Any, called: Mapping[int, str], depth: int) -> bool:
    """Return whether an operand can be written by names and numbers alone."""
    if not isinstance(operand, Node) or _name(operand, called):
        return True
    written = operand.op in _FORMS or len(operand.parents) == 1
    return written and depth > 0 and all(_is_known(p, called, depth - 1) for p in operand.parents)


def _of_power(names: list[str], i: int) -> str:
    x, n = names
    if i:
        return f"{_of('ln', x)} {x}^{_raised(n)}"
    return f"2 {x}" if n == "2" else f"{n} {x}^{_raised(f'({_inside(n)}−1)')}"


def _raised(power: str) -> str:
    """Mark an exponent, which LaTeX sets in braces."""
    return f"\2{power}\3"


def _of(function: str, name: str) -> str:
    return f"{function}({_inside(name)})"


def _inside(name: str) -> str:
    """Take off brackets."""
    return name[1:-1] if name.startswith("(") and name.endswith(")") else name


def _of_sum(names: list[str], i: int) -> str:
    n = len(names) // 2
    return "1" if i == 2 * n else names[i + n] if i < n else names[i - n]


_WRITTEN: dict[str, Callable[[list[str], int], str]] = {
    "add": lambda _, __: "1",
    "sub": lambda _, i: "−1" if i else "1",
    "nudge": lambda _, i: "−1" if i == 1 else "1",
    "neg": lambda _, __: "−1",
    "mul": lambda names, i: names[1 - i],
    "div": lambda names, i: f"−{names[0]}/{names[1]}^{_raised('2')}" if i else f"1/{names[1]}",
    "power": _of_power,
    "weighted_sum": _of_sum,
    "sigmoid": lambda names, _: _of("σ'", names[0]),
    "relu": lambda names, _: _of("relu'", names[0]),
    "tanh": lambda names, _: _of("tanh'", names[0]),
    "exp": lambda names, _: _of("exp", names[0]),
    "log": lambda names, _: f"1/{names[0]}",
    "maximum": lambda names, i: f"[{names[i]} wins]",
    "minimum": lambda names, i: f"[{names[i]} wins]",
}
_FORMS = {"add": "({} + {})", "sub": "({} − {})", "mul": "({} {})", "div": "({}/{})"}
_FORMS |= {"neg": "(−{})", "power": f"({{}}^{_raised('{}')})"}
_BARE = (("add", "sub", "mul", "div", "power"), ("mul", "div", "power"))
"""What needs no brackets as the first, and as the second operand of a sum or a difference."""


def _name(node: Node, called: Mapping[int, str]) -> str:
    return plain(called.get(id(node)) or node.label)


def _cell(v: Value, index: int | Sequence[int] | None) -> int:
    place = place_of(() if index is None else index, v.shape, "derive: index")
    if place is None:
        raise OptionError(
            f"derive: {name_of(v)} of shape {v.shape} needs an index into it, got {index!r}"
        )
    return int(np.ravel_multi_index(place, v.shape)) if place else 0


def _product(factors: list[str], dot: str = " · ", rest: str = "…") -> str:
    """Write a product, of a long one its ends."""
    if len(factors) > 2 * LISTED:
        factors = [*factors[:LISTED], rest, *factors[-LISTED:]]
    return dot.join(factors)


def _signed(written: str) -> str:
    return f"({written})" if written.startswith(("−", "-")) else written


def _digits(x: float) -> str:
    r"""Write a number as LaTeX sets it.

    >>> print(_digits(0.5), _digits(-3e-60))
    0.5 -3 \times 10^{-60}
    """
    shown = f"{x:.4g}".replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    return _POWER_OF_TEN.sub(_TIMES, shown)


def _in_latex(name: str) -> str:
    r"""Set a name with index and layer as LaTeX does, and any other letter by letter.

    >>> print(_in_latex("w12"), _in_latex("z1(2)"), _in_latex("50% of a_b"))
    w_{12} z_{1}^{(2)} 50\%\ of\ a\_b
    """

    def written(match: re.Match[str]) -> str:
        if match[4]:
            return _LATEX.get(match[4], match[4])
        return f"{match[1]}_{{{match[2]}}}" + (f"^{{{match[3]}}}" if match[3] else "")

    return _INDEXED.sub(written, name.translate(_LOW))


def _latex(symbol: str) -> str:
    """Write a symbol, whose names are in LaTeX already, in LaTeX as a whole."""
    symbol = _POWER_OF_TEN.sub(f"({_TIMES})", symbol.replace("−", "-"))
    symbol = re.sub("(\\w+_\\{[\\d,]+\\}\\^\\{\\(\\d+\\)\\})\\^\2", "{\\1}^\2", symbol)
    symbol = re.sub(r"(?<![\\A-Za-z])[A-Za-z]{2,}", r"\\mathrm{\g<0>}", symbol.translate(_BRACES))
    return re.sub(
        rf"([{''.join(_COMMANDS)}])(?=(\w?))",  # a letter would belong to the command before it
        lambda found: f"\\{_COMMANDS[found[1]]}" + " " * found[2].isalpha(),
        re.sub(r"(?<!\\) \\mathrm\{wins\}\]", r"\\text{ wins}]", symbol),
    )
