"""The picture of a folded graph: a box for each group, with how many nodes it stands for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.boxes import by_sign, row, table
from tinygrad_pool.drawing.folding import Group
from tinygrad_pool.drawing.labels import sign, text
from tinygrad_pool.drawing.wrapping import rows_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.formatting import joined, range_of, shape

if TYPE_CHECKING:
    from graphviz import Digraph

NAMED = 4
FILLS = {"weight": theme.WEIGHT, "leaf": theme.LEAF, "cut off": theme.CUT}


def draw_groups(
    graph: Digraph,
    groups: list[Group],
    root: Node,
    lit: set[Value],
    rows: int | None = None,
    **style: str,
) -> None:
    """Draw the groups, and an edge for each two that edges of the graph join, styled as given."""
    edges = [(f"g{k}", f"g{i}") for i, group in enumerate(groups) for k in group.sources]
    names = {f"g{i}": "" for i, _ in enumerate(groups)}
    placed = rows_of(names, edges, rows, graph.graph_attr["rankdir"])
    for i, group in enumerate(groups):
        is_lit = not lit.isdisjoint(group.nodes)
        graph.node(
            f"g{i}", _box(group, root in group.nodes[-1:], is_lit), shape="plain", id=f"g{i}"
        )
        for j, k in enumerate(group.sources):
            turned = placed.style(f"g{k}", f"g{i}")
            graph.edge(f"g{k}", f"g{i}", id=f"g{i}e{j}", **style, **turned)
    placed.align(graph)


def note(nodes: int, groups: int) -> str:
    """Add a line to the picture that says it is folded."""
    return f"{nodes:,} nodes folded into {groups:,}; detail='full' draws them all"


def _box(group: Group, is_root: bool, is_lit: bool) -> str:
    nodes = group.nodes
    last = nodes[-1]
    computed = [node for node in nodes if node.parents]
    fill = FILLS.get(group.kind, theme.OPERATION)
    rows = [row(theme.LIT if is_lit else fill, f"<B>{text(title_of(group))}</B>")]
    made = [sign(node) for node in computed]
    if _scope(group) or len(set(made)) > 1:
        kinds = [f"{op} ×{n:,}" if n > 1 else op for op, n in Counter(made).items()]
        listed = ", ".join(kinds[:NAMED]) + (" …" if len(kinds) > NAMED else "")
        rows.append(row(theme.PAPER, text(listed), theme.SOFT))
    sizes = {node.shape for node in nodes} if not computed else {last.shape}
    if len(sizes) == 1 and last.shape:
        rows.append(row(theme.PAPER, shape(last.shape), theme.SOFT))
    weights = sum(node.size for node in nodes if not node.parents) if computed else 0
    if weights:
        rows.append(row(theme.PAPER, f"{weights:,} weights", theme.SOFT))
    shown = [last] if last.shape or len(nodes) == 1 else computed or nodes
    rows.append(row(theme.PAPER, range_of(joined([n.data for n in shown])), key="data"))
    gradients = [node.grad for node in shown if node.has_grad]
    g = joined(gradients) if gradients else 0.0
    reach = range_of(g) if gradients else "–"
    rows.append(row(theme.PAPER, by_sign(reach) if gradients else reach, theme.of_sign(g), "grad"))
    return table(rows, 3 if is_root else 1)


def title_of(group: Group) -> str:
    """Call a layer by its scope, one node by its label, and several by what they have in common."""
    computed = [node for node in group.nodes if node.parents]
    several = computed or group.nodes
    count = f" ×{len(several):,}" if len(several) > 1 else ""
    if scope := _scope(group):
        return scope
    made = Counter(sign(node) for node in computed)
    if len(made) > 1:
        return f"loop ×{min(made.values()):,}"
    if computed:
        return sign(computed[0]) + (count or f"  {computed[0].label}").rstrip()
    labels = dict.fromkeys(node.label for node in group.nodes)
    if len(group.nodes) <= NAMED and all(labels):
        return ", ".join(labels)
    return f"{group.kind}{count}"


def _scope(group: Group) -> str:
    """Name the scope that all of a group was computed in; "" if there are several, or none."""
    scopes = {node.about.scope.split("/")[0] for node in group.nodes if node.parents}
    return scopes.pop() if len(scopes) == 1 else ""
