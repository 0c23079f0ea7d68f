"""A rule's equations and local derivatives in the notation of the derivation, also in LaTeX."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import number, plain

DEEP = 4
"""The name of an operand nests at most so many operations."""

_EQUATION = re.compile(r"(?:[ayY](?:_\w+)?(?:\(\w+\)|\[.*\])?|∂E/∂\S+) \+?= ")
_INDEXED = re.compile(r"([^\W\d_]+)_?\{?(\d+(?:,\d+)?)\}?(?:\^?\{?(\(\d+\))\}?)?|(.)", re.DOTALL)
_LATEX = {c: f"\\{c}" for c in "%&#_{}$ "}
_LATEX |= {"\\": r"{\backslash}", "^": r"{\wedge}", "~": r"{\sim}"}
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi o pi rho varsigma "
    "sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega "
    "partial ldots"
)
_COMMANDS = dict(zip("αβγδεζηθικλμνξοπρςστυφχψωΓΔΘΛΞΠΣΦΨΩ∂…", _GREEK.split(), strict=True))
_POWER_OF_TEN, _TIMES = re.compile(r"([\d.]*\d)e\+?(-?)0*(\d+)"), r"\1 \\times 10^{\2\3}"
_PRODUCT = re.compile(
    r"((?<=[\w}']) (?=\\mathrm)|(?<=[A-Za-z]{2}}) (?=[\w(\\]))(?!\\mathrm{wins}])"
)
"""A space next to a word, which LaTeX would drop."""
_LOW = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_BRACES, _NO_BRACES = str.maketrans("\2\3", "{}"), str.maketrans("", "", "\2\3")
"""Mark the ends of an exponent; neither character is in a name."""


def symbol_of(
    node: Node, i: int, called: Mapping[Any, str], spell: Callable[[str], str] = str
) -> str:
    """Write one local derivative in the notation of the derivation; `spell` writes each name.

    `called` names Values by their id, and constants by their node and place.

    >>> from tinygrad_pool.engine.value import Value
    >>> symbol_of(Value(2.0, label="w1") * Value(3.0, label="x1"), 0, {}, str.upper)
    'X1'
    """
    names = [_name_operand(node, k, called, spell) for k, _ in enumerate(node.parents)]
    write = _WRITTEN.get(node.op)
    y = name_of_node(node, called) or node.op
    symbol = write(names, i) if write else f"∂{spell(y)}/∂{names[i]}"
    symbol += "/n" if node.options.get("ties") == "even" else ""  # n of them share the maximum
    return signed(symbol if spell is name_in_latex else symbol.translate(_NO_BRACES))


def _name_operand(
    node: Node, i: int, called: Mapping[Any, str], spell: Callable[[str], str], depth: int = DEEP
) -> str:
    """Name an operand; without a name, write how it was computed if that is short."""
    operand = node.parents[i]
    if not isinstance(operand, Node):
        shown = spell("constant") if np.ndim(operand) else signed(number(float(operand)))
        return called.get((node, i), shown)
    if name := name_of_node(operand, called):
        return spell(name)
    op, parents = operand.op, operand.parents
    if not depth or not (op in _FORMS or _is_known(operand, called, depth)):
        return f"{spell(op)}(…)" if op else spell("leaf")
    order = [*range(len(parents))]
    if op == "mul":  # numbers first
        order.sort(key=lambda k: isinstance(parents[k], Node))
    names = [_name_operand(operand, k, called, spell, depth - 1) for k in order]
    if op not in _FORMS:
        return _of("σ" if op == "sigmoid" else spell(op), names[0])
    if op in ("add", "sub"):
        ops = [getattr(p, "op", "") for p in parents]
        names = [
            _inside(x) if p in _BARE[i] else x
            for i, (x, p) in enumerate(zip(names, ops, strict=True))
        ]
    return _FORMS[op].format(*names)


def _is_known(operand: Any, called: Mapping[Any, str], depth: int) -> bool:
    """Return whether an operand can be written with names and numbers alone."""
    if not isinstance(operand, Node) or name_of_node(operand, called):
        return True
    written = operand.op in _FORMS or len(operand.parents) == 1
    return written and depth > 0 and all(_is_known(p, called, depth - 1) for p in operand.parents)


def _of_power(names: list[str], i: int) -> str:
    x, n = names
    if i:
        return f"{_of('ln', x)} {x}^{_raised(n)}"
    return f"2 {x}" if n == "2" else f"{n} {x}^{_raised(f'({_inside(n)}−1)')}"


def _raised(power: str) -> str:
    """Mark an exponent, which LaTeX needs in braces."""
    return f"\2{power}\3"


def _of(function: str, name: str) -> str:
    return f"{function}({_inside(name)})"


def _inside(name: str) -> str:
    """Remove enclosing brackets."""
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
    "sin": lambda names, _: _of("cos", names[0]),
    "cos": lambda names, _: f"−{_of('sin', names[0])}",
    "sqrt": lambda names, _: f"1/(2 {_of('sqrt', names[0])})",
    "maximum": lambda names, i: f"[{names[i]} wins]",
    "minimum": lambda names, i: f"[{names[i]} wins]",
}
_FORMS = {"add": "({} + {})", "sub": "({} − {})", "mul": "({} {})", "div": "({}/{})"}
_FORMS |= {"neg": "(−{})", "power": f"({{}}^{_raised('{}')})"}
_BARE = (("add", "sub", "mul", "div", "power"), ("mul", "div", "power"))
"""Operations without brackets as the first, and as the second operand of a sum or difference."""


def signed(written: str) -> str:
    """Put a negative number or term in brackets.

    >>> signed("−2"), signed("2")
    ('(−2)', '2')
    """
    return f"({written})" if written.startswith(("−", "-")) else written


def name_of_node(node: Node, called: Mapping[Any, str]) -> str:
    """Return the name or label of a node on one line; "" if it has none."""
    return plain(called.get(id(node)) or node.label)


def digits_in_latex(x: float) -> str:
    r"""Write a number in LaTeX.

    >>> print(digits_in_latex(0.5), digits_in_latex(-3e-60))
    0.5 -3 \times 10^{-60}
    """
    shown = number(x).replace("−", "-").replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    return _POWER_OF_TEN.sub(_TIMES, shown)


def name_in_latex(name: str) -> str:
    r"""Write a name in LaTeX, with index and layer if it has them, and escaped.

    >>> print(name_in_latex("w12"), name_in_latex("z_{1}^{(2)}"), name_in_latex("50% of a_b"))
    w_{12} z_{1}^{(2)} 50\%\ of\ a\_b
    """

    def written(match: re.Match[str]) -> str:
        if match[4]:
            return _LATEX.get(match[4], match[4])
        return f"{match[1]}_{{{match[2]}}}" + (f"^{{{match[3]}}}" if match[3] else "")

    return _INDEXED.sub(written, name.translate(_LOW))


def in_latex(symbol: str) -> str:
    """Convert a symbol to LaTeX, whose names are in LaTeX already."""
    symbol = _POWER_OF_TEN.sub(f"({_TIMES})", symbol.replace("−", "-"))
    symbol = re.sub("(\\w+_\\{[\\d,]+\\}\\^\\{\\(\\d+\\)\\})\\^\2", "{\\1}^\2", symbol)
    symbol = re.sub(r"(?<![\\A-Za-z])[A-Za-z]{2,}", r"\\mathrm{\g<0>}", symbol.translate(_BRACES))
    symbol = _PRODUCT.sub(r"\\, ", symbol)
    return re.sub(
        rf"([{''.join(_COMMANDS)}])(?=(\w?))",  # a letter would extend the command before it
        lambda found: f"\\{_COMMANDS[found[1]]}" + " " * found[2].isalpha(),
        re.sub(r"(?<!\\) \\mathrm\{wins\}\]", r"\\text{ wins}]", symbol),
    )


def equations_of(node: Node) -> list[str]:
    """List the equations of the rule that made a node: forward, and one for each operand.

    These are the lines of the rule's docstring that begin with `y = ` or `∂E/∂`. Your own rules are
    read in the same way. With ties="even", each of n equal winners gets 1/n of the gradient.

    >>> from tinygrad_pool import Value
    >>> equations_of(Value(2.0) * Value(3.0))
    ['y = x w', '∂E/∂x = g w', '∂E/∂w = g x']
    """
    lines = (inspect.getdoc(node.rule) or "").splitlines() if node.rule else []
    stated = [line.strip() for line in lines if _EQUATION.match(line.strip())]
    parts = [part for line in stated for part in re.split(r" {4,}", line)]
    return [*map(_shared, parts)] if node.options.get("ties") == "even" else parts


def _shared(equation: str) -> str:
    """Let all winners share in the gradient of a maximum or a minimum, of y or of each y_k."""
    k = "_k" if "g_k" in equation else ""
    return re.sub(r"(∂E/∂(x_\w) = .*)\[.*\]", rf"\1[\2 == y{k}] / n{k}", equation)
