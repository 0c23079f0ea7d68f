"""Comparisons of Values: answers about their data, which leave no node in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_pool.data import misfit, numeric
from tinygrad_pool.node import Node
from tinygrad_pool.setting import SETTING, Choice, here

SIGNS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def compare(relation: Callable[[Any, Any], Any], v: Node, other: Any) -> Any:
    """Compare data: a plain bool, or an array of them. Raises ShapeError if shapes do not fit."""
    w = other._data if isinstance(other, Node) else numeric(other, relation.__name__)
    try:
        answer = relation(v._data, w)
    except ValueError as error:
        raise misfit(relation.__name__, [v._data, w]) from error
    if isinstance(answer, np.ndarray):
        return answer
    sign = SIGNS[relation.__name__]
    note(v, sign, w, bool(answer))
    if isinstance(other, Node):
        note(other, MIRRORED[sign], v._data, bool(answer))
    return bool(answer)


def note(v: Node, relation: str, other: Any, answer: bool) -> None:
    """Let a Value remember, under `traced`, that Python chose by its data: once for each line."""
    if SETTING.get().traced:
        line = here()
        kept = [choice for choice in v.about.choices if choice.line != line]
        choices = (*kept, Choice(relation, str(other), answer, line))
        v.about = v.about._replace(choices=choices)
