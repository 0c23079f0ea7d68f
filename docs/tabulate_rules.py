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

`docs/tabulate_rules.py` writes this table from the rules: their equations, and what their
docstrings say of kinks, ties and NaN. In each of them $g = \\partial E / \\partial y$ arrives
from above. The operations that users call are these rules, lifted: see the
[reference](../reference.md).

"""
COLUMNS = (
    "| rule | forward | what goes back | at a kink, a tie, a NaN |\n| --- | --- | --- | --- |\n"
)
SETTLED = re.compile(r"kink|\bties?\b|\bNaN\b|at 0|slope|never wins|as in max", re.IGNORECASE)
"""What a sentence speaks of that settles a point without a derivative."""


def page() -> str:
    """Write the page: a section for each module of rules, a row for each rule."""
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
    """Write the row of a rule; nothing for one that states no equations."""
    node: Any = SimpleNamespace(rule=rule)
    stated = [part for line in equations_of(node) for part in equations.parts(line)]
    back = [part for part in stated if part.startswith("∂E/∂")]
    forward = [formula(part) for part in stated if part not in back]
    if not back:
        return ""
    cells = [f"`{rule.__name__}`", "; ".join(forward), "; ".join(map(formula, back)), settled(rule)]
    return f"| {' | '.join(cells)} |\n"


def formula(equation: str) -> str:
    """Set an equation in a line of Markdown, in a cell of a table."""
    return f"${equations.latex(equation)}$".replace("|", r"\vert ")


def settled(rule: Rule) -> str:
    """Collect the sentences of a docstring that settle a point without a derivative."""
    prose = (inspect.getdoc(rule) or "").partition(">>>")[0]
    text = " ".join(p for p in prose.split("\n\n") if not re.match(r"Raises|\S+ = ", p))
    sentences = re.split(r"(?<=[.)]) +(?=[A-Z(])", text.replace("\n", " "))
    return " ".join(s.strip() for s in sentences if SETTLED.search(s))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(PAGE)
