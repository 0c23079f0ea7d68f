"""Words on nodes in pictures: signs of operations, and a note."""

from collections.abc import Mapping, Sequence

from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.formatting import counted
from tinygrad_pool.rules.traits import traits_of


def sign(node: Node) -> str:
    """Return the mathematical sign of a node's operation, or its name, with the size of a window.

    >>> from tinygrad_pool import Value
    >>> sign(Value(2.0) * 3.0)
    '×'
    """
    windows = node.options.get("windows")
    name = node.op.replace("_", " ")
    if windows:
        return f"{name} {'×'.join(map(str, windows.kernel))}"
    return traits_of(node.rule).sign or name


def set_note(nodes: Sequence[Node], called: Mapping[int, str] = {}) -> list[str]:
    """Return a line that names the leaves that were set since the forward pass, if any."""
    stale = set_since(nodes)
    if not stale:
        return []
    names = [name for leaf in stale if (name := leaf.label or called.get(id(leaf), ""))][:3]
    other = "other " if names else ""
    rest = counted(len(stale) - len(names), f"{other}leaf", f"{other}leaves")
    parts = [", ".join(names)] * bool(names) + [rest] * (len(stale) > len(names))
    subject = f"{' and '.join(parts)} {'was' if len(stale) == 1 else 'were'}"
    return [f"{subject} set since the forward pass: the results are old; run it again"]
