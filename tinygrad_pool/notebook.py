"""What IPython and Jupyter show of a Value, a layer or a comparison that ends a cell.

Importing tinygrad_pool in a session switches it on; so does `%load_ext tinygrad_pool`, and
`%unload_ext tinygrad_pool` switches it off. A terminal shows text, and nothing is drawn for it.
"""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from tinygrad_pool.engine.node import Node
from tinygrad_pool.errors import TinygradPoolError
from tinygrad_pool.formatting import Table, counted, shape

if TYPE_CHECKING:
    from tinygrad_pool.engine.value import Value
    from tinygrad_pool.nn.module import Module
    from tinygrad_pool.recording.recording import Recording
    from tinygrad_pool.rules.sparse_weights import Weights

LARGEST = 60
LISTED = 20
HIGH = 640


def load_ipython_extension(shell: Any) -> None:
    """Teach an IPython session to show Values as pictures, and layers and weights as tables."""
    for formatter, kind, show in _formatters(shell):
        formatter.for_type(kind, show)


def unload_ipython_extension(shell: Any) -> None:
    """Let a session show them as it shows anything else."""
    for formatter, kind, _ in _formatters(shell):
        formatter.pop(kind, None)


def picture_of_value(value: "Value") -> str | None:
    """Draw a Value's graph as SVG, if it is small and a Graphviz can draw it."""
    if not _is_small(value):
        return None
    from tinygrad_pool.drawing.computation import draw
    from tinygrad_pool.drawing.rendering import contents

    try:
        return contents(draw(value), "svg").decode()
    except TinygradPoolError:
        return None


def player_of(passed: "Recording") -> str | None:
    """Show the page that plays a pass, in a frame of its own, if a Graphviz can draw it."""
    from tinygrad_pool.recording.player import page_of

    try:
        page = page_of(passed)
    except TinygradPoolError:
        return None
    return (
        f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" title="Backward pass" '
        f'style="width: 100%; height: {HIGH}px; border: 0"></iframe>'
    )


def table_of_module(module: "Module") -> str:
    """List a network's parameters with their shapes, as HTML."""
    rows = [
        (name, shape(v.shape) or "a number", f"{v.size:,}") for name, v in module.named_parameters()
    ]
    n = sum(v.size for v in module.parameters())
    title = f"{type(module).__name__}: {counted(n, 'number')} to learn"
    return _table(title, ("parameter", "shape", "numbers"), rows, len(rows))


def table_of_weights(weights: "Weights") -> str:
    """List the links of a layer of weights, as HTML."""
    columns = {name: getattr(weights, name) for name in ("unit", "cell", "weight")}
    rows = [*zip(*(column[:LISTED].tolist() for column in columns.values()), strict=True)]
    return _table(repr(weights), [*columns], rows, len(weights.weight))


def text_of(found: Any, printer: Any, _: bool) -> None:
    """Print a result as `print` would, and not as the tuple that it is."""
    printer.text(str(found))


SHOWN: dict[str, dict[str, Callable[..., Any]]] = {
    "image/svg+xml": {"engine.value.Value": picture_of_value},
    "text/html": {
        "recording.recording.Recording": player_of,
        "nn.module.Module": table_of_module,
        "rules.sparse_weights.Weights": table_of_weights,
    },
    "text/plain": dict.fromkeys(
        (
            "pooling_as_weights.comparison.Comparison",
            "derivatives.ties.Ties",
            "derivatives.receptive_fields.ReceptiveField",
            "derivatives.receptive_fields.ReceptiveFields",
        ),
        text_of,
    ),
}
"""How each kind is shown, by its name: it is imported when there is one."""


def _formatters(shell: Any) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    for mime, kinds in SHOWN.items():
        for kind, show in kinds.items():
            yield shell.display_formatter.formatters[mime], f"tinygrad_pool.{kind}", show


def _is_small(value: Node) -> bool:
    """Count nodes, and only as far as it matters."""
    seen, found = {value}, [value]
    for node in found:
        new = {p for p in node.parents if isinstance(p, Node)} - seen
        seen |= new
        found += new
        if len(seen) > LARGEST:
            return False
    return True


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], count: int) -> str:
    """Lay out the first rows, and say how many are left out."""
    rest = [f"… {count - LISTED:,} more", *[""] * (len(columns) - 1)]
    return Table(title, columns, [*rows[:LISTED], *[rest] * (count > LISTED)]).html()
