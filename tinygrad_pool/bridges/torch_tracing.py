"""Trace a PyTorch module with torch.export, until all operations have translations."""

from __future__ import annotations

import inspect
import logging
import operator
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

from tinygrad_pool.bridges.translations import TRANSLATIONS, torch
from tinygrad_pool.engine.context import Line
from tinygrad_pool.errors import UnsupportedError

_FRAME = re.compile(r'File "([^"\n]+)", line (\d+), in (\S+)')


def two_rows(inputs: tuple[Any, ...]) -> Any:
    """Double tensors with one row, since torch.export always fixes a length of 1."""

    def doubled(x: Any) -> Any:
        one_row = isinstance(x, torch().Tensor) and x.ndim and x.shape[0] == 1
        return torch().cat([x, x]) if one_row else x

    return torch().utils._pytree.tree_map(doubled, inputs)


def traced(module: Any, inputs: tuple[Any, ...], free: bool) -> Any:
    """Export a module, and decompose its operations until all of them have translations.

    With `free`, axes may have any length where the code allows it.
    """

    def lengths(x: Any) -> Any:
        if isinstance(x, torch().Tensor) and free:
            return dict.fromkeys(range(x.ndim), torch().export.Dim.AUTO)
        return None

    arguments = inspect.signature(module.forward).bind(*inputs).arguments
    shapes = torch().utils._pytree.tree_map(lengths, dict(arguments))
    with _quietly():
        exported = torch().export.export(module, inputs, dynamic_shapes=shapes)
        _detach_without_grad(exported.graph_module)
        table = {} if _is_ready(exported) else torch().export.default_decompositions()
        while table:
            for operation in [o for o in table if name_of(o) in TRANSLATIONS]:
                del table[operation]
            exported = exported.run_decompositions(table)
            targets = {n.target for n in exported.graph.nodes if n.op == "call_function"}
            operations = (t for t in targets if hasattr(t, "_schema"))
            unknown = [t for t in operations if name_of(t) not in TRANSLATIONS]
            table = torch()._decomp.get_decompositions(unknown)
    return exported


def _is_ready(exported: Any) -> bool:
    """Return whether all operations have translations, and none changes an operand or has a body.

    Decompositions would then only take time, twice as long as the export.
    """
    targets = {n.target for n in exported.graph.nodes if n.op == "call_function"}
    return not any(
        name_of(t) not in TRANSLATIONS or t._schema.is_mutable
        if hasattr(t, "_schema")
        else isinstance(t, torch()._ops.HigherOrderOperator)
        for t in targets
    )


def _detach_without_grad(graph_module: Any) -> None:
    """Detach the results of a block under torch.no_grad(): decompositions remove the block."""
    for node in graph_module.graph.nodes:
        if node.target is torch().ops.higher_order.wrap_with_set_grad_enabled and not node.args[0]:
            graph = getattr(graph_module, node.args[1].target).graph
            output = graph.output_node()
            with graph.inserting_before(output):
                results = output.all_input_nodes
                detach = torch().ops.aten.detach.default
                cut = {x: graph.call_function(detach, (x,)) for x in results}
            output.args = torch().fx.map_arg(output.args, cut.__getitem__)


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence what torch.export prints for its own users."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def untraceable(module: Any, error: Exception) -> UnsupportedError:
    """Return the error for a module that torch.export rejects, with its line and the reason."""
    reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    lines = own_lines(str(error))
    at = f", at {lines[-1]}" if lines else ""
    return UnsupportedError(
        f"from_torch: torch.export cannot trace this {type(module).__name__}{at}: {reason:.300}; "
        "a branch on the numbers in a tensor has no graph: translate the parts around it"
    )


def own_lines(trace: str) -> list[Line]:
    """List the lines of a stack trace outside PyTorch, the innermost last."""
    frames = _FRAME.findall(trace)
    home = str(torch().__file__).removesuffix("__init__.py")
    return [Line(f, int(n), function) for f, n, function in frames if not f.startswith(home)]


def name_of(target: Any) -> str:
    """Name an operation without its overload: aten.conv2d, python.mul, mylib.myop."""
    if hasattr(target, "_schema"):
        return str(target._schema.name).replace("::", ".")
    name = getattr(target, "__name__", str(target))
    library = "python" if getattr(operator, name, None) is target else "torch"
    return f"{library}.{name}"
