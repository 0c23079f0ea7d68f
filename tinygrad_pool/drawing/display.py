"""What a notebook shows for a Value at the end of a cell: its graph, if it is small."""

from tinygrad_pool.drawing.computation import draw
from tinygrad_pool.drawing.rendering import contents
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import TinygradPoolError

NODES, EDGES = 60, 240
"""The largest graph to draw without being asked; it takes a fraction of a second."""


def svg_of(value: Value) -> str | None:
    """Draw a Value's graph as SVG; return None if it is large or no Graphviz can draw it."""
    if not is_small(value):
        return None
    try:
        return contents(draw(value), "svg").decode()
    except TinygradPoolError:
        return None


def is_small(value: Node) -> bool:
    """Return whether a graph is small enough to be drawn, without traversing a large one."""
    found, edges = [value], 0
    for node in found:
        edges += len(node.parents)
        if edges > EDGES or len(found) > NODES:
            return False
        found += {p for p in node.parents if isinstance(p, Node)}.difference(found)
    return True
