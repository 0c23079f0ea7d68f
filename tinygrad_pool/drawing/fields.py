"""Receptive fields as grids: below each unit a small plane of its inputs, with its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.layers import Unit
from tinygrad_pool.drawing.theme import Digraph
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import number

PLANES, LONGEST = 4, 8
CELL = 46
Place: TypeAlias = tuple[int, int, int]
PLACE = re.compile(r"(.+)\[([\d, ]+)\]")
LEGEND = "in a grid: an input, and its weight below"


class Field(dict[Node, Place]):
    """The plane, row and column of each input; empty if there is no grid to draw."""

    def holds(self, unit: Unit) -> bool:
        """Return whether a unit sums only inputs of these planes."""
        return unit.a is not None and bool(unit.sources) and set(unit.sources) <= self.keys()


def field_of(rows: Sequence[Sequence[Node]], units: Sequence[Unit], crowded: bool) -> Field:
    """Place inputs given in rows, or if there are many links, the elements of an array.

    The field is empty if other units than sums use the inputs, or if there are too many planes or
    too large ones.
    """
    field = Field()
    if max(map(len, rows), default=0) > 1:
        field = Field({x: (0, i, j) for i, row in enumerate(rows) for j, x in enumerate(row)})
    elif crowded and not rows:
        field = _by_labels({x for unit in units for x in unit.sources if x.is_leaf})
    users = [unit for unit in units if not field.keys().isdisjoint(unit.sources)]
    planes, *sides = _size(field)
    small = planes <= PLANES and max(sides) <= LONGEST
    return field if small and all(map(field.holds, users)) else Field()


def _size(field: Field) -> Place:
    sizes = [1 + max((place[k] for place in field.values()), default=0) for k in range(3)]
    return sizes[0], sizes[1], sizes[2]


def _by_labels(leaves: set[Node]) -> Field:
    """Place inputs by their labels: x[0, 2, 1] is in row 2 and column 1 of a plane of x."""
    matches = {x: match for x in leaves if (match := PLACE.fullmatch(x.label))}
    if len(matches) < len(leaves):
        return Field()
    indices = {x: (match[1], [0, *map(int, match[2].split(","))]) for x, match in matches.items()}
    planes = sorted({(name, *index[:-2]) for name, index in indices.values()})
    top, left = (min((index[k] for _, index in indices.values()), default=0) for k in (-2, -1))
    return Field(
        {
            x: (planes.index((name, *index[:-2])), index[-2] - top, index[-1] - left)
            for x, (name, index) in indices.items()
        }
    )


def draw_field(graph: Digraph, name: str, field: Field, unit: Unit) -> None:
    """Draw the planes below a unit: the inputs that it sees with their weights, others faint."""
    numbers = {link.source: link.number for link in unit.links if link.source is not None}
    planes, rows, columns = _size(field)
    at = {place: x for x, place in field.items()}
    cells = [
        [[at.get((k, i, j)) for j in range(columns)] for i in range(rows)] for k in range(planes)
    ]
    tables = "".join(f"<TR><TD>{_plane(plane, numbers)}</TD></TR>" for plane in cells)
    label = f'<<TABLE BORDER="0" CELLSPACING="2" CELLPADDING="0">{tables}</TABLE>>'
    graph.node(name, label, shape="plain", id=name)


def _plane(rows: list[list[Node | None]], weights: Mapping[Node, float]) -> str:
    cells = "".join(f"<TR>{''.join(_cell(x, weights) for x in row)}</TR>" for row in rows)
    return (
        f'<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="3" COLOR="{theme.FAINT}">'
        f"{cells}</TABLE>"
    )


def _cell(x: Node | None, weights: Mapping[Node, float]) -> str:
    """Write an input, and the weight of its link below if there is one."""
    if x is None:
        return "<TD></TD>"
    shown = number(float(x.data), digits=2)
    if x not in weights:
        faint = f'<FONT COLOR="{theme.SOFT}">{shown}</FONT>'
        return f'<TD WIDTH="{CELL}" BGCOLOR="{theme.PAPER}">{faint}<BR/>&nbsp;</TD>'
    w = weights[x]
    below = f'<FONT COLOR="{theme.of_sign(w)}">{number(w, digits=2)}</FONT>'
    return f'<TD WIDTH="{CELL}" BGCOLOR="{theme.LEAF}">{shown}<BR/>{below}</TD>'
