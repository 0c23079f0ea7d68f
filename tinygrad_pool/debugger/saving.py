"""Save a pass: the picture of one step, a page that plays it, or text."""

from __future__ import annotations

from pathlib import Path

from tinygrad_pool.drawing import draw, render
from tinygrad_pool.engine.value import Value
from tinygrad_pool.files import check_folder, kind_of, write_whole
from tinygrad_pool.recording import views
from tinygrad_pool.recording.recording import Recording

AGAIN = '<meta http-equiv="refresh" content="1">'


def draw_step(passed: Recording, file: str) -> Path:
    """Draw the graph at this position, with the last step highlighted.

    A page reloads itself every second, to show the next drawing.
    """
    step = passed.step
    lit = [step.node] if step and isinstance(step.node, Value) else []
    path = render(draw(passed.loss, highlight=lit, names=passed.variables), file)
    if kind_of(path) == "html":
        page = path.read_text("utf-8").replace("<title>", f"{AGAIN}\n<title>", 1)
        write_whole(path, page)
    return path


def save(passed: Recording, file: str) -> Path:
    """Write a pass as a page that plays it, or as text that describes each step."""
    path = check_folder(file)
    if kind_of(path) in ("html", "htm"):
        return passed.to_html(path)
    position = passed.position
    told = []
    for place in range(len(passed) + 1):
        passed.seek(place)
        told.append(views.here(passed))
    passed.seek(position)
    return write_whole(path, "\n".join(told) + "\n")
