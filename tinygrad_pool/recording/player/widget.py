"""The player as a widget: its step is shared between the page and Python."""

from __future__ import annotations

import anywidget
import traitlets

from tinygrad_pool.errors import OptionError
from tinygrad_pool.recording.player import framed, read
from tinygrad_pool.recording.trace import Trace
from tinygrad_pool.rules.arguments import whole


class PlayerWidget(anywidget.AnyWidget):
    """The page that plays a pass, for notebooks that know widgets.

    `step` is where the page stands: it follows when the reader moves, and the page when it is set.
    What observes it may move the recording: `.grad` is then as it is after that many steps.

    Raises OptionError for a step that does not exist, AxisError for one that is not a whole number.
    """

    _esm = read("widget.js")
    frame = traitlets.Unicode(read_only=True).tag(sync=True)
    step: traitlets.TraitType[int, int] = traitlets.TraitType().tag(sync=True)

    def __init__(self, recording: Trace, page: str) -> None:
        self.recording = recording
        super().__init__(step=recording.position)
        self.set_trait("frame", framed(page))

    def __repr__(self) -> str:
        """Write what to do where only this text is shown: in a front end without widgets."""
        place = f"step {self.step} of {len(self.recording)}"
        return f"PlayerWidget at {place}; recording.to_html('pass.html') writes what it shows"

    @traitlets.validate("step")
    def _check_step(self, proposal: traitlets.Bunch) -> int:
        step = whole(proposal["value"], "widget: step")
        if not 0 <= step <= len(self.recording):
            raise OptionError(f"widget: step must be in 0 … {len(self.recording)}, got {step}")
        return step
