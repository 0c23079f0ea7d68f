"""The player as a notebook widget, whose step is shared between the page and Python."""

from __future__ import annotations

import anywidget
import traitlets

from tinygrad_pool.drawing.page import read
from tinygrad_pool.errors import OptionError
from tinygrad_pool.recording.player import framed
from tinygrad_pool.recording.trace import Trace
from tinygrad_pool.rules.arguments import count_of


class PlayerWidget(anywidget.AnyWidget):
    """The page that plays a pass, for notebooks with widgets.

    `step` is the step that the page shows: it changes when the reader moves the page, and setting
    it moves the page. An observer may move the recording, so that `.grad` follows.

    Raises OptionError for a step that does not exist, or is not an integer.
    """

    _esm = read(__package__ or "", "widget.js")
    frame = traitlets.Unicode(read_only=True).tag(sync=True)
    step: traitlets.TraitType[int, int] = traitlets.TraitType().tag(sync=True)

    def __init__(self, recording: Trace, page: str) -> None:
        self.recording = recording
        super().__init__(step=recording.position)
        self.set_trait("frame", framed(page))

    def __repr__(self) -> str:
        """Return a text for front ends without widgets."""
        place = f"step {self.step} of {len(self.recording)}"
        return f"PlayerWidget at {place}; recording.to_html('pass.html') writes the same page"

    @traitlets.validate("step")
    def _check_step(self, proposal: traitlets.Bunch) -> int:
        step = count_of(proposal["value"], "widget: step")
        if not 0 <= step <= len(self.recording):
            raise OptionError(f"widget: step must be in 0 … {len(self.recording)}, got {step}")
        return step
