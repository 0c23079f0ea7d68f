"""Draw a backward pass as slides: one picture per step, all with the same layout."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_pool.derivatives.slopes import largest_of
from tinygrad_pool.drawing import theme as look
from tinygrad_pool.drawing.computation import Direction, check_direction
from tinygrad_pool.drawing.dot_program import picture
from tinygrad_pool.drawing.edges import Style, sign_legend
from tinygrad_pool.drawing.layout import Picture, picture_of
from tinygrad_pool.drawing.nodes import draw_nodes, sign
from tinygrad_pool.drawing.theme import Digraph
from tinygrad_pool.drawing.variables import held_by
from tinygrad_pool.drawing.words import set_note
from tinygrad_pool.engine.backward import start, topological_order
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.engine.steps import step_of
from tinygrad_pool.engine.turns import TURN
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ToolError
from tinygrad_pool.files import whole_folder
from tinygrad_pool.formatting import number, numbers, on_a_line, plain
from tinygrad_pool.rules.arguments import choice

FORMATS = ("svg", "png", "pdf", "gif")
WIDE, HIGH, LARGEST = 1280, 720, 3.5
MOST = 100
MILLISECONDS = 1500
A_LINE = 28
CAPTIONED = {"shape": "plain", "fontsize": "18"}


class Slide(NamedTuple):
    """One picture: the gradients so far, the active node, and the contributions sent so far."""

    grads: dict[Node, Any]
    active: Node | None
    sent: dict[Node, tuple[Any, ...]]
    caption: str


def frames(
    value: Value,
    folder: str | os.PathLike[str],
    *,
    format: str = "svg",
    gradient: Any = None,
    names: Mapping[str, Any] | None = None,
    direction: Direction | None = None,
    theme: str = "light",
) -> list[Path]:
    """Draw a backward pass for a slide deck: one picture per step, 16:9 and transparent.

    The first picture has no gradients, each of the next shows a node that sends its gradient, and
    the last shows all gradients, as after `backward()`. No box moves between pictures. `format` is
    "svg", "png" (1920 × 1080), "pdf", or "gif" for one animation. The folder is written whole or
    not at all; no `.grad` changes. By default, the graph runs from left to right or from bottom to
    top, whichever fills a slide better. The other options are those of `draw` and `backward`.

    Raises DataError if `value` is not a Value, OptionError for an unknown format or a graph of more
    than 100 nodes, OutputError if the folder cannot be written, ToolError if no Graphviz can draw
    the format, or without Pillow for a GIF.

    >>> a = Value(2.0, label="a")
    >>> [path.name for path in frames(a * a, "slides")]
    ['frame_0.svg', 'frame_1.svg']
    """
    check_value(value, "frames")
    check_direction(direction, "frames")
    choice(format, FORMATS, "frames: format")
    choice(theme, look.THEMES, "theme")
    nodes = topological_order(value)
    if len(nodes) > MOST:
        raise OptionError(
            f"frames: {len(nodes):,} nodes are too many for slides, at most {MOST} fit; "
            "a page plays any number: tg.record(loss).to_html('pass.html')"
        )
    ways = (direction,) if direction else ("LR", "BT")
    called, show = held_by(names), {"data", "grad"}
    bases = [picture_of(value, nodes, show, called, direction=way) for way in ways]
    with whole_folder(folder) as files:
        slides = _slides(bases[0], gradient)
        layouts = [_laid_out(base, slides) for base in bases]
        layout = max(layouts, key=lambda layout: _zoom(layout.places["graph"]["bb"]))
        pictures = [_picture(layout, slide, theme, format) for slide in slides]
        width = len(str(len(pictures) - 1))
        if format == "gif":
            files["backward.gif"] = _animation(pictures)
        else:
            files |= {f"frame_{i:0{width}}.{format}": slide for i, slide in enumerate(pictures)}
    return [Path(folder) / name for name in files]


def _picture(layout: Picture, slide: Slide, theme: str, format: str) -> bytes:
    """Draw one slide, 16:9 and transparent; for a GIF, as PNG on a background."""
    kind = "png" if format == "gif" else format
    graph = look.in_theme(_graph(layout, slide), theme)
    bb = layout.places["graph"]["bb"]
    left, bottom, right, top = map(float, bb.split(","))
    graph.attr(viewport=f"{WIDE},{HIGH},{min(LARGEST, _zoom(bb)):.4f}")
    for name, corner in (("low", f"{left},{bottom}"), ("high", f"{right},{top}")):
        graph.node(name, "", shape="point", style="invis", width="0", pos=corner)  # fix the size
    if format != "gif":
        graph.attr(bgcolor="transparent")
    if kind == "png":
        graph.attr(dpi="108")  # 1280 points are 1920 pixels
    return picture(graph.source, kind, "nop2")


def _slides(base: Picture, gradient: Any) -> list[Slide]:
    """Run the pass step by step, and restore every gradient."""
    nodes = base.nodes
    legend = [
        "before the backward pass; dotted: not sent yet",
        f"arrows: {sign_legend(nodes)}",
        *set_note(set_since(nodes), base.names),
    ]
    slides = [Slide({}, None, {}, "\n".join(legend))]
    with holding(nodes, {}):
        for step in starmap(step_of, start(base.root, gradient, nodes=nodes)):
            grads = {node: node._grad for node in nodes if node._grad is not None}
            sent = {**slides[-1].sent, step.node: step.contributions}
            name, operation = plain(base.name(step.node)), sign(step.node)
            caption = f"{name} ({operation})" if name else operation
            caption += f" gets {on_a_line(step.upstream)}"
            slides.append(Slide(grads, step.node, sent, caption))
    total = len(slides) - 1
    numbered = [s._replace(caption=f"{i} of {total}: {s.caption}") for i, s in enumerate(slides)]
    return slides[:1] + numbered[1:]


@contextmanager
def holding(nodes: list[Node], grads: Mapping[Node, Any]) -> Iterator[None]:
    """Give nodes other gradients within a with block."""
    with TURN:
        before = [node._grad for node in nodes]
        try:
            for node in nodes:
                node._grad = grads.get(node)
            yield
        finally:
            for node, grad in zip(nodes, before, strict=True):
                node._grad = grad


def _laid_out(base: Picture, slides: list[Slide]) -> Picture:
    """Lay out the graph once, with room for the longest text of each box and edge."""
    longest = longest_of(pair for slide in slides for pair in slide.grads.items())
    widest = Slide(longest, None, slides[-1].sent, "")
    layout = json.loads(picture(_graph(base, widest, active=True).source, "json0"))
    left, bottom, right, top = map(float, layout["bb"].split(","))
    missing = max(0.0, _widest_caption(slides) - (right - left)) / 2
    left, right = left - missing, right + missing
    caption = A_LINE * max(len(slide.caption.split("\n")) for slide in slides)
    places = {
        "graph": {"bb": f"{left},{bottom},{right},{top + caption}"},
        "caption": {"pos": f"{(left + right) / 2},{top + caption / 2}"},
    }
    for item in (*layout.get("objects", ()), *layout.get("edges", ())):
        place = {key: item[key] for key in ("pos", "lp", "bb", "width", "height") if key in item}
        places[item.get("id", item.get("name"))] = place
    return base._replace(places=places)


def longest_of(grads: Iterable[tuple[Node, Any]]) -> dict[Node, Any]:
    """Choose the longest gradient of each node that is longer than the dash of a missing one.

    >>> from tinygrad_pool import Value
    >>> a, b = Value(1.0), Value(2.0)
    >>> list(longest_of([(a, 0.25), (b, 3.0), (a, 0.5)]).values())
    [0.25]
    """
    longest: dict[Node, Any] = {}
    for node, grad in grads:
        if len(numbers(grad)) > max(1, len(numbers(longest.get(node, 0.0)))):
            longest[node] = grad
    return longest


def _widest_caption(slides: list[Slide]) -> float:
    """Measure the captions, which may be wider than the graph."""
    graph = look.canvas("captions", "LR")
    for i, slide in enumerate(slides):
        graph.node(str(i), look.literal(*slide.caption.split("\n")), **CAPTIONED)
    layout = json.loads(picture(graph.source, "json0"))
    return max(72 * float(caption["width"]) for caption in layout["objects"])


def _graph(base: Picture, slide: Slide, active: bool = False) -> Digraph:
    """Draw one slide; with `active`, as if every node were active."""
    graph = look.canvas("frames", base.layout.rows.direction)
    if slide.caption:
        label, at = look.literal(*slide.caption.split("\n")), base.at("caption")
        graph.node("caption", label, **CAPTIONED, id="caption", **at)
    lit = {} if slide.active is None else {slide.active: look.LIT}
    with holding(base.nodes, slide.grads):
        styles = {node: _styles(node, slide, active or node is slide.active) for node in base.nodes}
        draw_nodes(graph, base._replace(fills={**base.fills, **lit}), styles)
    return graph


def _styles(node: Node, slide: Slide, active: bool) -> list[Style]:
    """Style a node's edges: coloured by sign if sent, dashed for 0, dotted if not sent yet."""
    styles: list[Style] = []
    contributions = slide.sent.get(node, (None,) * len(node.parents))
    for p, c in zip(node.parents, contributions, strict=True):
        if not isinstance(p, Node) or c is None:
            styles.append(_waiting(p))
            continue
        sent = largest_of(c)
        style = {"dir": "back"} | look.line_of_sign(sent, back=True)
        if active:
            style |= {"fontcolor": look.of_sign(sent), "label": f" {number(sent)} "}
        wide = {"penwidth": "2" if sent < 0 else "4"} if sent and node is slide.active else {}
        styles.append(style | wide)
    return styles


def _waiting(operand: Any) -> Style:
    """Style an edge that nothing has been sent along; edges to constants keep their direction."""
    back = {"dir": "back"} if isinstance(operand, Node) else {}
    return {**back, "color": look.FAINT, "style": "dotted"}


def _zoom(bb: str) -> float:
    left, bottom, right, top = map(float, bb.split(","))
    return min(0.96 * WIDE / (right - left), 0.96 * HIGH / (top - bottom))


def _animation(slides: list[bytes]) -> bytes:
    """Join pictures into an animated GIF that pauses on the last one."""
    try:
        from PIL import Image
    except ImportError:
        raise ToolError("frames: a GIF needs Pillow: pip install 'tinygrad_pool[plot]'") from None
    first, *rest = (Image.open(io.BytesIO(png)).convert("RGB") for png in slides)
    durations = [MILLISECONDS] * len(rest) + [3 * MILLISECONDS]
    gif = io.BytesIO()
    first.save(gif, "GIF", save_all=True, append_images=rest, duration=durations, loop=0)
    return gif.getvalue()
