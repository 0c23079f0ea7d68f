"""Describe a picture in words: a caption for screen readers, and a note on old results."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.formatting import counted, numbers_and_shape, plain

if TYPE_CHECKING:
    from graphviz import Digraph
    from matplotlib.figure import Figure

SEPARATOR = "\t"  # of the title and the text, in a Digraph's comment
KINDS = 12
LONGEST = 400
"""The longest title or description, in characters."""


class Caption(NamedTuple):
    """A title, and a description of the picture."""

    title: str
    text: str

    def comment(self) -> str:
        """Write both on one line, as the comment of a Digraph."""
        return SEPARATOR.join(plain(part, LONGEST) for part in self)


def graph_in_words(value: Node, nodes: Sequence[Node], title: str = "") -> Caption:
    """Describe a computation graph: its operations, and the data and gradient of its root.

    >>> from tinygrad_pool import Value
    >>> a = Value(2.0, label="a")
    >>> graph_in_words(a, [a]).text
    '1 node: 1 leaf. a has the data 2; its gradient is not computed.'
    """
    kind, name = name_of(value), plain(value.label)
    data, grad = map(numbers_and_shape, (value.data, value.grad))
    gradient = f" and the gradient {grad}" if value.has_grad else "; its gradient is not computed"
    kinds = Counter(node.op.replace("_", " ") or "leaf" for node in nodes)
    listed = [counted(n, op, "leaves" if op == "leaf" else op) for op, n in kinds.items()]
    if len(listed) > KINDS:
        listed[KINDS:] = [counted(len(listed) - KINDS, "other kind")]
    size = counted(len(nodes), "node")
    return Caption(
        title or f"Computation graph of {name or kind}",
        f"{size}: {', '.join(listed)}. {name or 'The result'} has the data {data}{gradient}.",
    )


def set_note(stale: Collection[Node], called: Mapping[int, str] = {}) -> list[str]:
    """Return a line that names the leaves that were set since the forward pass, if any."""
    if not stale:
        return []
    names = [name for leaf in stale if (name := leaf.label or called.get(id(leaf), ""))][:3]
    other = "other " if names else ""
    rest = counted(len(stale) - len(names), f"{other}leaf", f"{other}leaves")
    parts = [", ".join(names)] * bool(names) + [rest] * (len(stale) > len(names))
    subject = f"{' and '.join(parts)} {'was' if len(stale) == 1 else 'were'}"
    return [f"{subject} set since the forward pass: the results are old; run it again"]


def caption_of(drawn: "Digraph | Figure", svg: str) -> Caption:
    """Return the caption of a picture: a Digraph's comment, or else a count of nodes and edges."""
    if not is_graph(drawn):
        return _plot_in_words(drawn)
    title, _, text = (drawn.comment or drawn.name or "Graph").partition(SEPARATOR)
    nodes, edges = (svg.count(f'class="{kind}"') for kind in ("node", "edge"))
    listed = f"{counted(nodes, 'node')} and {counted(edges, 'edge')}."
    return Caption(plain(title, LONGEST), plain(text, LONGEST) or listed)


def is_graph(drawn: "Digraph | Figure") -> "TypeGuard[Digraph]":
    """Return whether a picture is a Digraph and not a plot, without importing either package."""
    return hasattr(drawn, "pipe")


def with_caption(svg: str, caption: Caption) -> str:
    """Put a title and a description at the top of an SVG, and mark it as one image."""
    key = sha256(svg.encode()).hexdigest()[:8]  # a page may contain several pictures
    opening = re.compile(r"<svg\b[^>]*(?=>)")
    title, text = map(escape, caption)
    role = f' role="img" aria-labelledby="title-{key} desc-{key}"'
    words = f'>\n<title id="title-{key}">{title}</title>\n<desc id="desc-{key}">{text}</desc'
    return opening.sub(lambda match: match[0] + role + words, svg, count=1)


def _plot_in_words(figure: "Figure") -> Caption:
    axes = [(plain(a.get_ylabel(), LONGEST), plain(a.get_xlabel(), LONGEST)) for a in figure.axes]
    vertical = ", ".join(y for y, _ in axes if y)
    horizontal = ", ".join(x for _, x in axes if x)
    titles = [plain(a.get_title(), LONGEST) for a in figure.axes if a.get_title()]
    shown = vertical or "; ".join(titles)
    title = plain(figure.get_suptitle(), LONGEST) or (f"Plot of {shown}" if shown else "Plot")
    if horizontal:
        return Caption(title, f"{vertical or 'Plot'} against {horizontal}.")
    legend = plain(figure.get_supxlabel(), LONGEST)
    return Caption(title, f"{title}: {legend}." if legend else f"{title}.")
