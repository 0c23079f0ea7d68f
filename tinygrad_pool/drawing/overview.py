"""Draw a folded graph: a box for each group of nodes, with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.boxes import in_columns, row, table, text
from tinygrad_pool.drawing.folding import Folded, Group
from tinygrad_pool.drawing.nodes import AS_WRITTEN, BREAK, align, sign
from tinygrad_pool.drawing.theme import Digraph
from tinygrad_pool.drawing.wrapping import rows_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.formatting import counted, joined, range_of, shape

NAMED = 4
FILLS = {"weight": theme.WEIGHT, "leaf": theme.LEAF, "cut off": theme.CUT}


def draw_groups(
    graph: Digraph,
    groups: list[Group],
    root: Node,
    lit: set[Value],
    rows: int | None = None,
    called: Mapping[int, str] = {},
    **style: str,
) -> None:
    """Draw the groups, and one edge for all edges between two groups, in the given style.

    An edge to another row ends at a number.
    """
    edges = [(k, i) for i, group in enumerate(groups) for k in group.sources]
    frames: dict[int, list[str]] = {i: [] for i, _ in enumerate(groups)}
    placed = rows_of(frames, edges, rows, graph.graph_attr["rankdir"])
    far = dict.fromkeys(k for k, i in edges if placed.row[k] != placed.row[i])
    in_order = sorted(far, key=lambda k: (placed.row[k], k))
    numbers = {k: str(1 + in_order.index(k)) for k in far}
    graph.attr(**AS_WRITTEN)
    several = len(placed.first) > 1
    for k, _ in enumerate(placed.first):
        members = [i for i, at in placed.row.items() if at == k]
        with graph.subgraph(name=f"cluster_row{k}") if several else nullcontext(graph) as part:
            if several:  # an invisible frame
                part.attr(style="invis", margin="0")
            for i in members:
                group = groups[i]
                is_root, is_lit = root in group.nodes[-1:], not lit.isdisjoint(group.nodes)
                box = _box(group, title_of(group, called), is_root, is_lit)
                part.node(f"g{i}", box, shape="plain", id=f"g{i}")
            _draw_links(part, groups, members, numbers, style)
    if several:
        align(graph, [f"g{i}" for i in placed.first])


def _draw_links(
    part: Digraph,
    groups: Sequence[Group],
    members: Sequence[int],
    numbers: Mapping[int, str],
    style: Mapping[str, str],
) -> None:
    """Draw the edges into the groups of a row, with numbers at edges to or from other rows."""
    for i in members:
        for j, k in enumerate(groups[i].sources):
            tail = f"g{k}"
            if k not in members:
                tail = f"g{i}c{j}"
                part.node(tail, numbers[k], id=tail, **BREAK)
            part.edge(tail, f"g{i}", id=f"g{i}e{j}", **style)
    for k, number in numbers.items():
        if k in members:
            name = f"g{k}out"
            part.node(name, number, id=name, **BREAK)
            part.edge(f"g{k}", name, id=f"{name}e", **style)


def note(nodes: int, folded: Folded) -> str:
    """Write the note of a folded picture."""
    boxes = counted(len(folded.groups), "box", "boxes")
    return f"{nodes:,} nodes folded into {boxes} by {folded.by}; detail='full' draws all nodes"


def _box(group: Group, title: str, is_root: bool, is_lit: bool) -> str:
    fill = theme.LIT if is_lit else FILLS.get(group.kind, theme.OPERATION)
    made = Counter(map(sign, group.computed))
    facts = []
    if group.scope or len(made) > 1:
        kinds = [f"{op} ×{n:,}" if n > 1 else op for op, n in made.items()]
        facts.append(", ".join(kinds[:NAMED]) + (" …" if len(kinds) > NAMED else ""))
    shown = _shown(group)
    size, *others = {node.shape for node in shown}
    if size and not others:
        facts.append(shape(size))
    if made and (weights := sum(node.size for node in group.nodes if not node.parents)):
        facts.append(counted(weights, "weight"))
    data = range_of(joined([node.data for node in shown]))
    gradients = [node.grad for node in shown if node.has_grad]
    g = joined(gradients) if gradients else 0.0
    grad = range_of(g) if gradients else "–"
    each, colour = theme.of_signs(g), theme.of_sign(g)
    rows = [
        row(fill, f"<B>{text(title)}</B>"),
        *(row(theme.PAPER, text(fact), theme.SOFT) for fact in facts),
        row(theme.PAPER, data, key="data"),
        row(theme.PAPER, in_columns(grad, each), colour, "grad"),
    ]
    return table(rows, 3 if is_root else 1)


def _shown(group: Group) -> list[Node]:
    """Choose the nodes whose numbers to show: the results of a layer, or else all nodes."""
    if not group.scope:
        return group.computed or group.nodes
    if group.nodes[-1].shape:
        return group.nodes[-1:]
    used = {p for node in group.computed for p in node.parents if isinstance(p, Node)}
    return [node for node in group.computed if node not in used]


def title_of(group: Group, called: Mapping[int, str]) -> str:
    """Name a layer by its scope, one node by its label, and several by what they share."""
    if group.scope:
        return group.scope
    names = [node.label or called.get(id(node), "") for node in group.nodes]
    made = Counter(map(sign, group.computed))
    several = len(group.computed or group.nodes)
    count = f" ×{several:,}" if several > 1 else ""
    if len(made) > 1:
        turns = min(made.values())
        return f"loop ×{turns:,}" if turns > 1 else counted(several, "operation")
    if made:
        return next(iter(made)) + (count or f"  {names[0]}").rstrip()
    if len(names) <= NAMED and all(names):
        return ", ".join(dict.fromkeys(names))
    return f"{group.kind}{count}"
