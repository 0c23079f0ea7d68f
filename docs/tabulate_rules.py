"""Write the table of all rules, from the rules themselves: python docs/tabulate_rules.py."""

import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import equations

from tinygrad_pool.recording.symbols import equations_of
from tinygrad_pool.rules.rule import Rule
from tinygrad_pool.rules.traits import TRAITS

PAGE = Path(__file__).parent / "reference" / "rules.md"
HEAD = """\
# Rules and their derivatives

These are the derivatives of all rules, and what each rule sends at a kink, a tie or a NaN.
$g = \\partial E / \\partial y$ is the gradient that arrives from above. The operations that you
call are these rules, lifted: see the [reference](../reference.md). `docs/tabulate_rules.py`
writes the table from the docstrings of the rules.

"""
COLUMNS = (
    "| rule | forward | what goes back | at a kink, a tie, a NaN |\n| --- | --- | --- | --- |\n"
)
SETTLED = re.compile(r"kink|\bties?\b|\bNaN\b|at 0|slope|never wins|as in max", re.IGNORECASE)
"""Matches a sentence that says what is sent where there is no derivative."""


def page() -> str:
    """Return the page: a section for each module of rules, a row for each rule."""
    sections: dict[str, list[str]] = {}
    for rule in filter(None, TRAITS):
        room, _, module = rule.__module__.rpartition(".")
        ours = room == "tinygrad_pool.rules" and not rule.__name__.endswith("_rule")
        if ours and (shown := row(rule)):
            sections.setdefault(module, []).append(shown)
    return HEAD + "\n".join(
        f"## {module.capitalize().replace('_', ' ')}\n\n{COLUMNS}{''.join(sorted(rows))}"
        for module, rows in sections.items()
    )


def row(rule: Rule) -> str:
    """Return the row of a rule, or "" if its docstring has no equations."""
    node: Any = SimpleNamespace(rule=rule, options={})
    stated = [part for line in equations_of(node) for part in equations.parts(line)]
    back = [part for part in stated if part.startswith("∂E/∂")]
    forward = [formula(part) for part in stated if part not in back]
    if not back:
        return ""
    cells = [f"`{rule.__name__}`", "; ".join(forward), "; ".join(map(formula, back)), settled(rule)]
    return f"| {' | '.join(cells)} |\n"


def formula(equation: str) -> str:
    """Return an equation as inline mathematics for a cell of a Markdown table."""
    return f"${equations.latex(equation)}$".replace("|", r"\vert ")


def settled(rule: Rule) -> str:
    """Return the sentences of a docstring about points without a derivative."""
    prose = (inspect.getdoc(rule) or "").partition(">>>")[0]
    text = " ".join(p for p in prose.split("\n\n") if not re.match(r"Raises|\S+ = ", p))
    sentences = re.split(r"(?<=[.)]) +(?=[A-Z(])", text.replace("\n", " "))
    return " ".join(s.strip() for s in sentences if SETTLED.search(s))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(PAGE)
