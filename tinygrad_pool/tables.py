"""A table of results, as text for a terminal and as HTML for a notebook."""

from collections.abc import Sequence
from html import escape
from io import StringIO
from typing import Any, NamedTuple


class Table(NamedTuple):
    """A title, a heading for each column, and rows of whatever can be written.

    >>> print(Table("Sums", ["of", "are"], [["1 and 2", 3]]).text())
    Sums
     of        are
    ───────────────
     1 and 2   3
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def text(self) -> str:
        """Write the table with lines of its own width, however wide the terminal is."""
        from rich import box
        from rich.console import Console
        from rich.table import Table as Rich
        from rich.text import Text

        table = Rich(box=box.SIMPLE_HEAD, show_edge=False, header_style="")
        for column in self.columns:
            table.add_column(Text(column), no_wrap=True)
        for row in self.rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        console = Console(file=StringIO(), width=1000, color_system=None)
        with console.capture() as captured:
            console.print(table)
        lines = [self.title, *captured.get().splitlines()] if self.rows else [self.title]
        return "\n".join(line.rstrip() for line in lines)

    def html(self) -> str:
        """Write the table as HTML, every text escaped."""
        head = "".join(f"<th>{escape(column)}</th>" for column in self.columns)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>"
            for row in self.rows
        )
        return f"<p>{escape(self.title)}</p>" + (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        )
