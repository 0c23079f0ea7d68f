"""Convert equations in the plain text of docstrings to LaTeX, and LaTeX to MathML."""

import re

RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵃᵇᵈᵉⁱʲᵏˡᵐⁿᵖᵗʷˣʸᵀ", "0123456789+-()abdeijklmnptwxyT", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
NAMED = [
    *("adj", "arccos", "arcsin", "arctan", "argmax", "argmin", "chol", "cosh", "det", "diag"),
    *("erf", "erfc", "log", "sign", "sinh", "softmax", "tan", "tr"),
]
FUNCTIONS = {name: rf"\{name}" for name in ("ln", "exp", "sin", "cos", "tanh", "max", "min")}
FUNCTIONS |= {name: rf"\operatorname{{{name}}}" for name in NAMED}
SIGNS = {"−": "-", "==": "=", "′": "'"} | {sign: rf"\{sign}" for sign in "{}%&#"}
SPELT = [
    *("sum", "cdot", "ldots", "leftarrow", "le", "ge", "ne", "lfloor", "rfloor", "Vert"),
    *("times", "in", "prod", "pm", "int"),
]
SIGNS |= {sign: rf"\{name} " for sign, name in zip("Σ·…←≤≥≠⌊⌋‖×∈Π±∫", SPELT, strict=True)}

PART = re.compile(
    r"(?P<slope>∂(?P<of>\w)/∂)"
    r"|√(?P<root>\w\u0302?)"
    r"|√\((?P<under>[^()]*)\)"
    r"|_(?:\{(?P<group>[^}]*)\}|(?P<below>[A-Za-z0-9]+(?:,[a-z]+)?))"
    r"|_\((?P<bracket>[^)]*)\)"
    rf"|(?P<raised>[{''.join(RAISED)}]+)|(?P<lowered>[{''.join(LOWERED)}]+)"
    r"|\^\((?P<power>[^)]*)\)"
    r"|(?P<hat>\w)\u0302"
    r"|(?P<word>[A-Za-z][A-Za-z]+(?:_[a-z]{3,})?|\w's|(?<=[a-z]{2} )a(?= [a-z]{2}))"
    rf"|(?P<sign>==|[{''.join(sign for sign in SIGNS if len(sign) == 1)}])"
    r"|(?P<space>\s+)"
    r"|(?P<other>.)"
)
FORMS = dict.fromkeys(("group", "below", "bracket", "lowered"), "_{%s}")
FORMS |= dict.fromkeys(("power", "raised"), "^{%s}") | {"hat": r"\hat{%s}"}
FORMS |= dict.fromkeys(("root", "under"), r"\sqrt{%s}")
ALPHABETS = {"raised": RAISED, "lowered": LOWERED}
TWO_TEXTS = re.compile(r"(\\text\{[^{}]*)\} *\\text\{")


def latex(equation: str) -> str:
    r"""Convert an equation to LaTeX: words remain words, letters become variables.

    >>> latex("∂E/∂x_l = g [l == l_max]")
    '\\frac{\\partial E}{\\partial x_{l}} = g [l = l_{\\max}]'
    >>> latex("y = x inside, eˣ outside")
    'y = x \\text{ inside}, e^{x} \\text{ outside}'
    """
    return _Writer().write(equation)


def mathml(tex: str, block: bool = False) -> str:
    """Convert LaTeX to MathML, which browsers display without scripts."""
    from docutils.utils.math import latex2mathml  # it comes with Sphinx

    return latex2mathml.tex2mathml(tex, as_block=block)


def parts(paragraph: str) -> list[str]:
    """Split a paragraph into its equations.

    >>> parts("y = x w            ∂E/∂x = g w")
    ['y = x w', '∂E/∂x = g w']
    """
    return [part.strip() for part in re.split(r" {4,}|\n|,  ", paragraph) if part.strip()]


def sentence(paragraph: str) -> tuple[str, str]:
    """Split a paragraph into the equations at its start and the text after them.

    >>> sentence("g = ∂E/∂w. With momentum, v stands for g.")
    ('g = ∂E/∂w', 'With momentum, v stands for g.')
    """
    found = re.search(r"[.;] (?=[A-Za-z`])", paragraph)
    return (paragraph[: found.start()], paragraph[found.end() :]) if found else (paragraph, "")


class _Writer:
    """Convert one equation; the symbol after `∂E/∂` becomes the denominator, with its indices."""

    def write(self, equation: str) -> str:
        written, below = [], False
        found = list(PART.finditer(equation))
        for i, part in enumerate(found):
            if part["slope"]:
                below = True
            elif below and not (found[i - 1]["slope"] or _hangs_on(part)):
                written.append("}")
                below = False
            around = _is_function(found, i - 1) or _is_function(found, i + 1)
            written.append(r"\," if part["space"] and around else self._part(part))
        text = "".join([*written, "}" * below])
        while (merged := TWO_TEXTS.sub(r"\1 ", text)) != text:
            text = merged
        return re.sub(r" +", " ", text).strip()

    def _part(self, part: re.Match[str]) -> str:
        kind = str(part.lastgroup)
        if part["slope"]:
            return rf"\frac{{\partial {part['of']}}}{{\partial "
        if kind == "word":
            return _word(part)
        if kind in ALPHABETS:
            letters = "".join(ALPHABETS[kind][c] for c in part[0])
            return FORMS[kind] % letters.replace("T", r"\mathsf T")
        if kind in FORMS:
            return FORMS[kind] % self.write(part[kind])
        if kind == "space":
            return " "
        known = part[0].isascii() or part[0].isalpha()
        return SIGNS.get(part[0], part[0] if known else rf"\text{{{part[0]}}}")


def _hangs_on(part: re.Match[str]) -> bool:
    """Return whether a part is an index or an exponent."""
    return part.lastgroup in ("group", "below", "raised", "lowered")


def _is_function(found: list[re.Match[str]], i: int) -> bool:
    """Return whether a part is the name of a function, or an index of that name."""
    if not 0 <= i < len(found):
        return False
    return found[i][0] in FUNCTIONS or (_hangs_on(found[i]) and _is_function(found, i - 1))


def _word(part: re.Match[str]) -> str:
    """Convert a word: to a function, to letters for an index of two letters, or to text."""
    word = part[0]
    if word in FUNCTIONS:
        return f"{FUNCTIONS[word]} "
    if len(word) <= 2 and part.string == word:  # an index, such as fc in w_fc
        return " ".join(word)
    before = " " if re.search(r"[\w,] $", part.string[: part.start()]) else ""
    after = " " if re.match(r" [\w∂Σ]", part.string[part.end() :]) else ""
    return rf"\text{{{before}{word}{after}}}"
