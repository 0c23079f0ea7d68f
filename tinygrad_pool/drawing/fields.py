"""Receptive fields on their grid: under each unit its inputs as a small plane, with its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.layers import Unit
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import number

if TYPE_CHECKING:
    from graphviz import Digraph

PLANES, LONGEST = 4, 8
CELL = 46
Place: TypeAlias = tuple[int, int, int]
PLACE = re.compile(r"(.+)\[([\d, ]+)\]")
LEGEND = "in a grid: an input, below it its weight"


class Field(dict[Node, Place]):
    """Where each input stands: in which plane, row and column. There are none if it is empty."""

    def holds(self, unit: Unit) -> bool:
        """Return whether a unit sums inputs of these planes, and nothing else."""
        return unit.a is not None and bool(unit.sources) and set(unit.sources) <= self.keys()


def field_of(rows: Sequence[Sequence[Node]], units: Sequence[Unit], crowded: bool) -> Field:
    """Place inputs that are given in rows, or among many links the cells of an array.

    It is empty where they are used by other units than sums of them, or in planes that are too
    many, or too large.
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
    found = {x: match for x in leaves if (match := PLACE.fullmatch(x.label))}
    if len(found) < len(leaves):
        return Field()
    read = {x: (match[1], [0, *map(int, match[2].split(","))]) for x, match in found.items()}
    planes = sorted({(name, *place[:-2]) for name, place in read.values()})
    top, left = (min((place[k] for _, place in read.values()), default=0) for k in (-2, -1))
    return Field(
        {
            x: (planes.index((name, *place[:-2])), place[-2] - top, place[-1] - left)
            for x, (name, place) in read.items()
        }
    )


def draw_field(graph: Digraph, name: str, field: Field, unit: Unit) -> None:
    """Draw the planes under a unit: what it sees with weights, the rest faint."""
    weights = {link.source: link.weight for link in unit.links if link.source is not None}
    numbers = {x: float(w.data if isinstance(w, Node) else w) for x, w in weights.items()}
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
    """Write an input, and below it the weight of its link if there is one."""
    if x is None:
        return "<TD></TD>"
    shown = number(float(x.data), digits=2)
    if x not in weights:
        faint = f'<FONT COLOR="{theme.SOFT}">{shown}</FONT>'
        return f'<TD WIDTH="{CELL}" BGCOLOR="{theme.PAPER}">{faint}<BR/>&nbsp;</TD>'
    w = weights[x]
    below = f'<FONT COLOR="{theme.of_sign(w)}">{number(w, digits=2)}</FONT>'
    return f'<TD WIDTH="{CELL}" BGCOLOR="{theme.LEAF}">{shown}<BR/>{below}</TD>'
