"""Lines of the user's source, quoted for messages and the debugger."""

from __future__ import annotations

import inspect
import io
import linecache
from collections.abc import Callable
from typing import Any

from tinygrad_pool.engine.context import Line
from tinygrad_pool.engine.node import Node
from tinygrad_pool.rules.rule import is_ours

AROUND = 5


def quoted(line: Line | None) -> str:
    """Quote a line with its location, `net.py:12: y = a * b`; "" for None."""
    if line is None:
        return ""
    linecache.checkcache(line.file)
    code = linecache.getline(line.file, line.number).strip()
    return f"{line}: {code}" if code else str(line)


def defined_at(rule: Callable[..., Any]) -> str:
    """Return where a user's rule is defined, such as net.py:2; "" for a rule of the package."""
    code = getattr(inspect.unwrap(rule), "__code__", None)
    if code is None or is_ours(rule):
        return ""
    return str(Line(code.co_filename, code.co_firstlineno, code.co_name))


def made_at(node: Node) -> str:
    """Quote the line that made a node, as the end of a sentence; "" if it is not known."""
    return f", at {quoted_calls(node)}" if node.about.line else ""


def quoted_calls(node: Node) -> str:
    """Quote the line that made a node, and list its callers as far as they were recorded."""
    called = [f", called at {line}" for line in node.about.callers]
    return quoted(node.about.line) + "".join(called)


def listing(line: Line, coloured: bool) -> str:
    """Show a line among its neighbours, with a mark; `coloured` in the terminal's colours."""
    from rich.console import Console
    from rich.syntax import Syntax

    linecache.checkcache(line.file)
    known = linecache.getlines(line.file)
    if not known:
        return f"{line}, in {line.function} (the source cannot be read)"
    first = max(1, line.number - AROUND)
    code = Syntax("", "python", theme="ansi_dark").highlight("".join(known)).split("\n")
    console = Console(
        file=io.StringIO(), force_terminal=coloured, force_jupyter=False, highlight=False
    )
    with console.capture() as written:
        console.print(f"{line.file}, in {line.function}", style="bold", soft_wrap=True)
        for number, text in enumerate(code[first - 1 : line.number + AROUND], first):
            mark = "->" if number == line.number else "  "
            console.print(f"{mark} {number:4}  ", text, sep="", soft_wrap=True)
    return "\n".join(row.rstrip() for row in written.get().splitlines())
