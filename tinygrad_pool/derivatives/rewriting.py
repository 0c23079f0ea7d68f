"""Rules expressed by simpler ones, such as a product or a variance, on Values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from itertools import accumulate
from operator import mul
from typing import Any

import numpy as np

from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.rerun import replaced
from tinygrad_pool.engine.value import Value
from tinygrad_pool.rules import accumulations, contractions, sequences
from tinygrad_pool.rules.accumulations import along, freedom_of, out_of_rows, rows_of
from tinygrad_pool.rules.arguments import Axis, axes_of, kept
from tinygrad_pool.rules.rule import Rule


def rewritten(value: Value) -> dict[Value, Value]:
    """Run a graph again with simpler rules where possible, and map each node to its twin.

    If there is nothing to rewrite, every node is its own twin.

    >>> y = np.prod(Value([2.0, 3.0]))
    >>> rewritten(y)[y].data, [node.op for node in topological_order(rewritten(y)[y])][-2:]
    (np.float64(6.0), ['mul', 'reshape'])
    """
    nodes: list[Any] = topological_order(value)
    operations: dict[Any, Callable[..., Value]] = {
        node: partial(SIMPLER[node.rule], **node.options)
        for node in nodes
        if node.rule in SIMPLER and node.size
    }
    if not operations:
        return {node: node for node in nodes}
    return replaced(value, operations)


def _prod(x: Value, axis: Axis = None, keepdims: bool = False) -> Any:
    axes = axes_of(x.shape, axis, "prod")
    rows = rows_of(x, axes)
    products = _products(rows) or [1.0 + 0.0 * np.sum(rows, axis=-1)]
    return np.reshape(products[-1], kept(x.shape, axes) if keepdims else products[-1].shape)


def _cumprod(x: Value, axis: int | None = None) -> Any:
    shape, at = along(x, axis, "cumprod")
    rows = rows_of(np.reshape(x, shape), (at,))
    return out_of_rows(np.stack(_products(rows), axis=-1), shape, (at,))


def _products(rows: Any) -> list[Any]:
    """List the first column, the product of the first two, and so on."""
    return [*accumulate((rows[..., i] for i in range(rows.shape[-1])), mul)]


def _var(x: Value, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    away = x - np.mean(x, axis=axis, keepdims=True)
    freedom = freedom_of(x.shape, axes_of(x.shape, axis, "var"), ddof, "var")
    return np.sum(away * away, axis=axis, keepdims=keepdims) / freedom


def _einsum(*xs: Any, subscripts: str) -> Any:
    inputs, _, out = subscripts.partition("->")
    letters = [*out, *sorted(set(inputs) - {*out, ","})]
    spread = []
    for x, term in zip(xs, inputs.split(","), strict=True):
        order = [term.index(c) for c in letters if c in term]
        shape = [np.shape(x)[term.index(c)] if c in term else 1 for c in letters]
        spread.append(np.reshape(np.transpose(x, order), shape))
    return np.sum(reduce(mul, spread), axis=tuple(range(len(out), len(letters))))


SIMPLER: dict[Rule | None, Callable[..., Any]] = {
    accumulations.prod: _prod,
    accumulations.cumprod: _cumprod,
    accumulations.var: _var,
    contractions.einsum: _einsum,
    sequences.interp: sequences.on_lines.__wrapped__,  # type: ignore[attr-defined]  # its body
    sequences.unwrap: lambda x, **options: sequences.unwrap(x, **options)[0],
}
"""The simpler form of each rule."""
