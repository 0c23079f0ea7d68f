"""The prompt of the backward debugger: how a line is read, completed and answered."""

from __future__ import annotations

import cmd
import shlex
import sys
from importlib.util import find_spec
from typing import Any

from tinygrad_pool.debugger import looking
from tinygrad_pool.debugger.recording import Recording
from tinygrad_pool.debugger.saving import draw_step
from tinygrad_pool.errors import OptionError, TinygradPoolError
from tinygrad_pool.node import Node

SHORT = {
    "n": "node",
    "b": "break",
    "c": "continue",
    "rb": "run_back",
    "run-back": "run_back",
    "u": "until",
    "g": "goto",
    "w": "where",
    "s": "show",
    "l": "list",
    "y": "why",
    "q": "quit",
    "?": "help",
    "EOF": "quit",
}


class Prompt(cmd.Cmd):
    """A line is a command on a Recording. Each answers in text, and none loses the place."""

    prompt = "(backward) "
    doc_header = "Commands (help COMMAND tells more)"

    def __init__(self, passed: Recording, **streams: Any) -> None:
        super().__init__(**streams)
        self.use_rawinput = not streams.get("stdin")
        self.passed = passed
        self.drawn = ""

    def precmd(self, line: str) -> str:
        """Let short names stand for long ones."""
        word, _, rest = line.strip().partition(" ")
        return f"{SHORT.get(word, word)} {rest}".strip()

    def onecmd(self, line: str) -> bool:
        """Run a command; a mistake is answered in one line."""
        try:
            return bool(super().onecmd(line))
        except TinygradPoolError as error:
            self.say(str(error))
        except KeyboardInterrupt:
            self.passed.settle()
            self.say(f"interrupted, after {self.passed.position} of {len(self.passed)} steps")
        return False

    def cmdloop(self, intro: str | None = None) -> None:
        """Ask until quit; Ctrl-C at the prompt drops what was typed."""
        asking = True
        while asking:
            try:
                super().cmdloop(intro)
                asking = False
            except KeyboardInterrupt:
                self.say("")
                intro = "q leaves"

    def preloop(self) -> None:
        """Let a name such as mul#2 or conv1/w be completed as one word."""
        if find_spec("readline"):  # not on Windows
            import readline

            readline.set_completer_delims(" \t\n=[")

    def emptyline(self) -> bool:
        """Do nothing for an empty line."""
        return False

    def default(self, line: str) -> None:
        """Answer to what is no command."""
        self.say(f"there is no command {line.split(maxsplit=1)[0]!r}; help lists them")

    def completenames(self, text: str, *_: Any) -> list[str]:
        """Complete commands."""
        return [name.replace("_", "-") for name in super().completenames(text)]

    def completedefault(self, text: str, *_: Any) -> list[str]:
        """Complete names of nodes."""
        return [name for name in self.passed.known() if name.startswith(text)]

    def say(self, text: str) -> None:
        """Write an answer."""
        self.stdout.write(f"{text}\n")

    def here(self) -> None:
        """Say where we are, and draw it again if a drawing is kept up."""
        self.say(looking.here(self.passed))
        if self.drawn:
            draw_step(self.passed, self.drawn)

    def _element(self, argument: str) -> tuple[Node, tuple[int, ...] | None]:
        """Read NAME or NAME[i, j]; without a name it is the node of this step."""
        name, _, place = argument.rstrip("]").rpartition("[")
        if not name or argument in self.passed.known():
            return self._node(argument), None
        try:
            return self._node(name.strip()), tuple(int(part) for part in place.split(","))
        except ValueError as error:
            if isinstance(error, TinygradPoolError):
                raise
            raise OptionError(f"[{place}] is no index, as [0, 2] is one") from None

    def _node(self, name: str) -> Node:
        """Find the node that is asked for, by default the one of this step."""
        if name:
            return self.passed.find(name)
        return self.passed.loss if self.passed.step is None else self.passed.step.node


def split(argument: str) -> list[str]:
    """Split what follows a command into words, as a terminal does. Raises OptionError."""
    try:
        return shlex.split(argument)
    except ValueError as error:
        raise OptionError(f"{argument!r}: {error}") from None


def in_notebook() -> bool:
    """Tell whether a notebook's cell asks, as Jupyter's do: there, too, `input` has an answer."""
    session = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(session, "kernel", None) is not None
