"""The prompt's commands in an editor's debug console, with their completion."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_pool.debugger.prompt import SHORT, commands_in
from tinygrad_pool.debugger.shell import Shell
from tinygrad_pool.errors import OptionError
from tinygrad_pool.recording.recording import Recording

MOST = 200
"""The most completions that are offered."""


class Console(Shell):
    """The prompt of a pass, whose answers are returned."""

    def __init__(
        self, passed: Recording, names: Mapping[str, Any], asked_to_stop: Callable[[], bool]
    ) -> None:
        self.written = io.StringIO()
        super().__init__(passed, names, stdin=io.StringIO(), stdout=self.written)
        self.asked_to_stop = asked_to_stop
        self.left = False

    def do_pdb(self, _: str) -> None:
        """Pdb NAME: enter a node's closure in Python's own debugger, at a terminal."""
        raise OptionError("pdb asks at a terminal: tinygrad-pool debug SCRIPT.py, then pdb NAME")

    def answer(self, text: str) -> str:
        """Run commands, and return what they said."""
        self.met = []
        for line in commands_in(text):
            if self.onecmd(self.precmd(line)):
                self.left = True
                break
        said = self.written.getvalue()
        self.written.seek(0)
        self.written.truncate()
        return said

    def completions(self, text: str, end: int) -> list[dict[str, Any]]:
        """List what can stand before a column of a line: commands, or names of nodes."""
        before = text[:end]
        word = re.split(r"[ \t\n=\[]", before)[-1]
        begun = before[: len(before) - len(word)].strip()
        if begun:
            command = SHORT.get(begun.split()[0], begun.split()[0])
            complete = getattr(self, f"complete_{command}", self.completedefault)
            names = complete(word, before, len(before) - len(word), len(before))
        else:
            names = self.completenames(word)
        start = len(before) - len(word)
        return [{"label": name, "start": start, "length": len(word)} for name in names[:MOST]]
