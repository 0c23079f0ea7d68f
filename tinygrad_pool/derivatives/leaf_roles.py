"""Which leaves are weights and which are inputs: by their role in a rule, or by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tinygrad_pool.engine.node import Node
from tinygrad_pool.rules.arithmetic import add, sub
from tinygrad_pool.rules.linear import matmul, weighted_sum
from tinygrad_pool.rules.traits import traits_of

INPUT, WEIGHT, BIAS = (
    re.compile(rf"(?:{names})[\d_,()]*") for names in ("x|X|input", "w|W|weight|bias", "b")
)


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


def weights_among(nodes: list[Node]) -> set[Node]:
    """Return the leaves that are weights, also if transposed; `nodes` are in topological order."""
    weights: set[int] = set()
    for node in reversed(nodes):
        for i, p in enumerate(node.parents):
            if is_weight(node, i) or (id(node) in weights and len(node.parents) == 1):
                weights.add(id(p))
    return {node for node in nodes if id(node) in weights and not node.parents}


def is_weight(node: Node, i: int) -> bool:
    """Return whether an operand is a weight, not an input, by its role in the rule."""
    if node.rule is weighted_sum:
        n = len(node.parents) // 2
        return i < n or i == 2 * n
    if node.rule is add:
        other = node.parents[1 - i]
        added = isinstance(node.parents[i], Node) and not node.parents[i].parents
        return added and isinstance(other, Node) and bool(other.parents)
    traits = traits_of(node.rule)
    return i > 0 and traits.unit == "product" and traits.sparsity != "elementwise"
