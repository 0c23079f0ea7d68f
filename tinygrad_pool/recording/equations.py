"""The equations of a rule, as its docstring states them."""

from __future__ import annotations

import inspect
import re

from tinygrad_pool.engine.node import Node

_EQUATION = re.compile(r"(?:[ayY](?:_\w+)?(?:\(\w+\)|\[.*\])?|∂E/∂\S+) \+?= ")


def equations_of(node: Node) -> list[str]:
    """List the equations of the rule that made a node: forward, and one for each operand.

    They are the lines of the rule's docstring that begin with `y = ` or `∂E/∂`; a rule of your own
    is read in the same way.

    >>> from tinygrad_pool import Value
    >>> equations_of(Value(2.0) * Value(3.0))
    ['y = x w', '∂E/∂x = g w', '∂E/∂w = g x']
    """
    lines = (inspect.getdoc(node.rule) or "").splitlines() if node.rule else []
    stated = [line.strip() for line in lines if _EQUATION.match(line.strip())]
    return [part for line in stated for part in re.split(r" {4,}", line)]
