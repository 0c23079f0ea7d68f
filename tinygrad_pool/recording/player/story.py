"""What a page shows of a pass, step by step: numbers as text, ready for display."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import isnan
from typing import Any

import numpy as np

from tinygrad_pool.derivatives.planes import Plane, is_pool, plane_of
from tinygrad_pool.derivatives.slopes import largest_of, slopes_of
from tinygrad_pool.drawing.grids import LARGEST
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.formatting import (
    counted,
    is_large,
    joined,
    number,
    numbers,
    on_a_line,
    range_of,
    shape,
)
from tinygrad_pool.recording.player.instrument import kept_by
from tinygrad_pool.recording.player.stage import LABELLED, Box, Stage
from tinygrad_pool.recording.player.thumbnails import Format, cells_of, format_of, largest_in
from tinygrad_pool.recording.source import quoted
from tinygrad_pool.recording.steps import Change
from tinygrad_pool.recording.symbols import equations_of, signed, symbol_of
from tinygrad_pool.recording.trace import Trace

EXPLAINED = 300
"""In graphs of up to so many nodes zeros are explained on the page, in others only by `why`."""

Json = dict[str, Any]


class Story:
    """A pass as plain data: the boxes, the initial gradients, and the moves.

    A move is one step; in a folded picture, all steps of a box.
    """

    def __init__(self, recording: Trace, stage: Stage) -> None:
        self.recording, self.stage = recording, stage
        self.home = {node: i for i, box in enumerate(stage.boxes) for node in box.nodes}
        self.folded, self.in_full = stage.folded, len(recording.nodes) <= EXPLAINED
        self.last = recording.last
        self.largest = largest_in(joined([g for g in self.last.values() if g is not None]))
        self.called = recording.names_by_id

    def to_json(self) -> Json:
        """Return the story, ready to be written as JSON."""
        kept = {} if self.folded else kept_by(self.recording)
        return {
            "boxes": [self._box(box) for box in self.stage.boxes],
            "start": [self._change(Change(v, None, g)) for v, g in kept.items()],
            "moves": list(self._folded() if self.folded else self._steps()),
        }

    def _box(self, box: Box) -> Json:
        if self.folded:
            return {"id": box.id, "name": box.name, "because": []}
        (node,) = box.nodes
        json: Json = {"id": box.id, "name": box.name, "data": on_a_line(node.data)}
        json["because"] = self._because(node)
        if line := quoted(node.about.line):
            json["line"] = line
        if shown := self._format(node):
            json["format"] = shown[:3]
            json["cells"] = cells_of(node.data, shown, largest_in(node.data))
        return json

    def _format(self, node: Node) -> Format | None:
        """Return how to paint an array; None if its numbers are written out, or in large graphs."""
        return format_of(node.shape) if is_large(node.data) and self.in_full else None

    def _because(self, node: Node) -> list[str]:
        """Explain a gradient that is zero, not finite, not computed, or that of the loss."""
        g, plain = self.last.get(node), node is not self.recording.loss
        if not self.in_full or (plain and g is not None and np.any(g) and np.isfinite(g).all()):
            return []
        return self.recording.why(node).causes

    def _change(self, change: Change) -> Json:
        """Describe a gradient: its box, lines of text, size, sign and cells."""
        node, g = change.node, change.after
        lines = numbers(g).split("\n")
        json: Json = {"box": self.home[node], "lines": lines, "size": self._size(g)}
        if shown := self._format(node):
            json["cells"] = cells_of(g, shown, largest_in(self.last[node]))
        return json

    def _size(self, g: Any) -> float | None:
        """Return ±√ of the largest element relative to the largest of the pass; None for NaN.

        Only 0 has size 0: a tiny gradient remains visible.
        """
        if np.isnan(g).any():
            return None
        x = largest_of(g)
        if np.isinf(x):
            return float(np.sign(x))
        share = min(1.0, (abs(x) / self.largest) ** 0.5) if self.largest else 0.0
        return float(np.sign(x)) * max(0.001, round(share, 3))

    def _steps(self) -> Iterator[Json]:
        for step, changes in zip(self.recording.steps, self.recording.accumulations(), strict=True):
            known = [c for c in changes if c.after is not None]
            i = self.home[step.node]
            json: Json = {
                "box": i,
                "says": f"{self.stage.boxes[i].name} gets {on_a_line(step.upstream)}",
                "sends": list(self._sends(step)),
                "changes": [self._change(c) for c in known],
            }
            if rules := equations_of(step.node):
                json["equations"] = rules
            if grid := grid_of(step):
                json["grid"] = grid
            yield json

    def _sends(self, step: Step) -> Iterator[Json]:
        """Describe the contribution to each operand: upstream × local = contribution."""
        node = step.node
        local = slopes_of(node) if self.in_full else None
        for i, (p, c) in enumerate(zip(node.parents, step.contributions, strict=True)):
            if not isinstance(p, Node):
                continue
            json: Json = {"edge": self.stage.edges[self.home[node], i], "to": self.home[p]}
            if c is None:
                yield json | {"says": "nothing"}
                continue
            says = on_a_line(c)
            if local is not None and not p.shape:
                symbol, slope = symbol_of(node, i, self.called), signed(number(local[i]))
                says = f"g · {symbol} = {number(step.upstream)} · {slope} = {says}"
                if not c:
                    json["reason"] = self.recording.ledger.reason(step, i)
            elif p.shape:
                says = f"{says}, of shape {shape(p.shape)}" if not is_large(c) else says
            json["says"] = says
            size = self._size(c)
            if size != 0:
                json["size"] = size
            if len(self.recording.nodes) <= LABELLED:
                json["short"] = number(largest_of(c))
            yield json

    def _folded(self) -> Iterator[Json]:
        """Describe the steps of each box as one move, in the order in which the pass reaches boxes.

        The gradients of a box are shown once they are complete.
        """
        steps: Counter[int] = Counter(self.home[step.node] for step in self.recording.steps)
        largest = self._largest_between()
        settled: dict[int, int] = {}
        for move, i in enumerate(steps):
            settled.update(dict.fromkeys([i, *largest[i]], move))
        for move, (i, n) in enumerate(steps.items()):
            yield {
                "box": i,
                "says": f"{self.stage.boxes[i].name}: {counted(n, 'step')}",
                "sends": [self._sent(i, to, x) for to, x in largest[i].items()],
                "changes": [self._range_of(k) for k, last in settled.items() if last == move],
            }

    def _largest_between(self) -> dict[int, dict[int, float]]:
        """Return the largest contribution from each box to each other; NaN counts as largest."""
        found: dict[int, dict[int, float]] = {}
        for node, _, contributions in self.recording.steps:
            i = self.home[node]
            sent = found.setdefault(i, {})
            for p, c in zip(node.parents, contributions, strict=True):
                if c is not None and (to := self.home[p]) != i:
                    x, known = largest_of(c), sent.get(to, 0.0)
                    if not abs(x) < abs(known) and not isnan(known):
                        sent[to] = x
        return found

    def _sent(self, i: int, to: int, x: float) -> Json:
        """Return the largest contribution along an edge."""
        says = f"at most {number(abs(x))} in magnitude"
        json = {"edge": self.stage.edges[i, to], "to": to, "size": self._size(x), "says": says}
        return json | {"short": number(x)}

    def _range_of(self, i: int) -> Json:
        """Return the range of the gradients of a box."""
        known = [self.last[n] for n in self.stage.boxes[i].nodes if self.last.get(n) is not None]
        flat = joined(known)
        return {"box": i, "lines": [range_of(flat)], "size": self._size(flat)}


def grid_of(step: Step) -> Json | None:
    """Describe the windows of a pooling: cells, units, links, and the gradients of both.

    Of several planes, the one with the largest gradient is shown. None if the node is not a pooling
    of planes of at most 12 × 12 cells, or is empty.
    """
    node = step.node
    if not is_pool(node):
        return None
    axes = len(node.options["windows"].axes)
    if axes > 2 or max(node.parents[0].shape[-axes:]) > LARGEST or not node.size:
        return None
    lead = node.shape[:-axes]
    planes = np.abs(np.nan_to_num(np.reshape(step.upstream, (*lead, -1)))).max(axis=-1)
    at = int(np.argmax(planes))
    place = tuple(int(k) for k in np.unravel_index(at, lead))
    plane = plane_of(node, place)
    arrived = np.reshape(step.upstream[place], plane.y.shape)
    sent = np.reshape(np.asarray(step.contributions[0])[place], plane.x.shape)
    return {
        "plane": f"plane {', '.join(map(str, place))} of {shape(lead)}" if lead else "",
        "at": at,
        "cells": _numbers(plane.x),
        "units": _numbers(plane.y),
        "arrived": _numbers(arrived),
        "landed": _numbers(sent),
        "windows": _windows(plane),
        "weighs": not plane.chooses,
        "rims": plane.rims,
    }


def _numbers(plane: Any) -> list[list[str]]:
    return [[number(float(x), digits=3) for x in row] for row in plane]


def _windows(plane: Plane) -> list[list[list[Any]]]:
    """List, for each unit, the cells that its window sees, with their weights."""
    windows: list[list[list[Any]]] = [[] for _ in range(plane.y.size)]
    for unit, cell, weight in plane.links.links(zeros=True):
        windows[unit].append([cell, number(weight, digits=3)])
    return windows
