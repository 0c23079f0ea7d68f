"""Words on nodes in pictures: signs of operations, which leaves are weights, and a note."""

import re
from collections.abc import Mapping, Sequence

from tinygrad_pool.derivatives.receptive_fields import weights_among
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.formatting import counted
from tinygrad_pool.rules.arithmetic import add, sub
from tinygrad_pool.rules.linear import matmul
from tinygrad_pool.rules.traits import traits_of

INPUT, WEIGHT, BIAS = (
    re.compile(rf"(?:{names})[\d_,()]*") for names in ("x|X|input", "w|W|weight|bias", "b")
)


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


def weights_in(nodes: list[Node], called: Mapping[int, str] = {}) -> set[Node]:
    """Find the leaves that are weights, by names such as x and w or by their role in the rules.

    `called` maps ids of Values without a label to their names.

    >>> from tinygrad_pool import Value
    >>> x, w = Value(2.0, label="x"), Value(3.0, label="w1")
    >>> weights_in([x, w, x * w]) == {w}
    True
    """
    leaves = [node for node in nodes if node.is_leaf]
    names = {leaf: leaf.label or called.get(id(leaf), "") for leaf in leaves}
    sums = [node for node in nodes if node.rule is add and not node.shape]
    added = {p for node in sums for p in node.parents if isinstance(p, Node)}
    # of numbers, a nameless bias is told from an input no better than the weights beside it
    weights = {v for v in weights_among(nodes) if v not in added or names[v]}
    ends = {v: n.rpartition(".")[2].partition("[")[0] for v, n in names.items()}  # w of net.w[0]
    named = {leaf for leaf, name in ends.items() if WEIGHT.fullmatch(name)}
    in_differences = {id(p) for node in nodes if node.rule is sub for p in node.parents}
    named |= {leaf for leaf, n in ends.items() if id(leaf) in in_differences and BIAS.fullmatch(n)}
    inputs = {leaf for leaf, name in ends.items() if INPUT.fullmatch(name)}
    for node in nodes:
        if node.rule is matmul and all(isinstance(p, Node) and p.is_leaf for p in node.parents):
            first, second = node.parents
            if second in inputs:
                weights.add(first)  # W @ x, and not x @ W
            elif first in named:
                weights.discard(second)
    return (weights | named) - inputs


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
