"""What torch.export makes of a module: a graph of operations that are known here."""

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

from tinygrad_pool.bridges.translations import TRANSLATIONS
from tinygrad_pool.engine.context import Line
from tinygrad_pool.errors import UnsupportedError

_FRAME = re.compile(r'File "([^"\n]+)", line (\d+), in (\S+)')


def two_rows(torch: Any, example: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give each tensor two rows where it has one: torch.export takes a length of 1 for fixed."""

    def twice(x: Any) -> Any:
        if isinstance(x, torch.Tensor) and x.ndim and x.shape[0] == 1:
            return torch.cat([x, x])
        return x

    mapped: tuple[Any, ...] = torch.utils._pytree.tree_map(twice, example)
    return mapped


def traced(torch: Any, module: Any, example: tuple[Any, ...], free: bool) -> Any:
    """Export a module with an example; `free` leaves every length of every axis open."""

    def lengths(x: Any) -> Any:
        if isinstance(x, torch.Tensor) and free:
            return dict.fromkeys(range(x.ndim), torch.export.Dim.AUTO)
        return None

    bound = inspect.signature(module.forward).bind(*example).arguments
    shapes = torch.utils._pytree.tree_map(lengths, dict(bound))
    with _quietly():
        exported = torch.export.export(module, example, dynamic_shapes=shapes)
        _cut_without_grad(torch, exported.graph_module)
        table = torch.export.default_decompositions()
        while table:
            for operation in list(table):
                if name_of_target(operation) in TRANSLATIONS:
                    del table[operation]
            exported = exported.run_decompositions(table)
            table = _more_decompositions(torch, exported)
    return exported


def _cut_without_grad(torch: Any, graph_module: Any) -> None:
    """Detach what a block under torch.no_grad() makes, whose borders are lost later."""
    for node in graph_module.graph.nodes:
        if node.target is torch.ops.higher_order.wrap_with_set_grad_enabled and not node.args[0]:
            graph = getattr(graph_module, node.args[1].target).graph
            output = graph.output_node()
            with graph.inserting_before(output):
                made = output.all_input_nodes
                cut = {x: graph.call_function(torch.ops.aten.detach.default, (x,)) for x in made}
            output.args = torch.fx.map_arg(output.args, cut.__getitem__)


def _more_decompositions(torch: Any, exported: Any) -> dict[Any, Any]:
    """Find how PyTorch itself would take apart what is left and is not known."""
    left = {n.target for n in exported.graph.nodes if n.op == "call_function"}
    unknown = [t for t in left if hasattr(t, "_schema") and name_of_target(t) not in TRANSLATIONS]
    found: dict[Any, Any] = torch._decomp.get_decompositions(unknown)
    return found


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


def untraceable(torch: Any, module: Any, error: Exception) -> UnsupportedError:
    """Return the error for a module that torch.export refuses, with its line and what was said."""
    said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    lines = own_lines(torch, str(error))
    at = f", at {lines[-1]}" if lines else ""
    return UnsupportedError(
        f"from_torch: torch.export cannot trace this {type(module).__name__}{at}: {said:.300}; "
        "a branch on the numbers in a tensor has no graph: translate the parts around it"
    )


def own_lines(torch: Any, trace: str) -> list[Line]:
    """List the lines of a trace that are not PyTorch's own, the innermost last."""
    frames = _FRAME.findall(trace)
    home = str(torch.__file__).removesuffix("__init__.py")
    return [Line(f, int(n), where) for f, n, where in frames if not f.startswith(home)]


def name_of_target(target: Any) -> str:
    """Name an operation without its overload: aten.conv2d, python.mul, mylib.myop."""
    if hasattr(target, "_schema"):
        return str(target._schema.name).replace("::", ".")
    name = getattr(target, "__name__", str(target))
    library = "python" if getattr(operator, name, None) is target else "torch"
    return f"{library}.{name}"
