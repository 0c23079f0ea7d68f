"""The prompt of the backward debugger: reads, completes and answers a line."""

from __future__ import annotations

import cmd
import inspect
import shlex
import sys
from importlib.util import find_spec
from shutil import get_terminal_size
from typing import Any

from tinygrad_pool.debugger.saving import draw_step
from tinygrad_pool.engine.node import Node
from tinygrad_pool.errors import OptionError, TinygradPoolError
from tinygrad_pool.formatting import written
from tinygrad_pool.recording import views
from tinygrad_pool.recording.recording import Recording

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
    """A prompt whose commands act on a Recording and answer in text."""

    prompt = "(backward) "

    def __init__(self, passed: Recording, **streams: Any) -> None:
        super().__init__(**streams)
        self.use_rawinput = not streams.get("stdin")
        self.passed = passed
        self.drawn = ""

    def precmd(self, line: str) -> str:
        """Expand aliases."""
        word, _, rest = line.strip().partition(" ")
        return f"{SHORT.get(word, word)} {rest}".strip()

    def onecmd(self, line: str) -> bool:
        """Run a command; report a mistake, or an error of a rule, in one line."""
        try:
            return bool(super().onecmd(line))
        except BrokenPipeError:
            raise
        except KeyboardInterrupt:
            self.passed.settle()
            self.say(f"interrupted, after {self.passed.position} of {len(self.passed)} steps")
        except TinygradPoolError as error:
            self.say(in_a_line(str(error)))
        except Exception as error:  # noqa: BLE001  # a rule or an expression may raise anything
            command, *_ = line.split()
            told = "; ".join([str(error), *getattr(error, "__notes__", ())])
            self.say(in_a_line(f"{command}: {type(error).__name__}: {told}"))
        return False

    def cmdloop(self, intro: str | None = None) -> None:
        """Ask until quit; Ctrl-C at the prompt drops what was typed."""
        asking = True
        while asking:
            try:
                super().cmdloop(intro)
                asking = False
            except NotImplementedError:  # raised in a notebook that cannot ask
                asking = False
            except KeyboardInterrupt:
                self.say("")
                intro = "q leaves"

    def preloop(self) -> None:
        """Complete a name such as mul#2 or conv1/w as one word."""
        if find_spec("readline"):  # not on Windows
            import readline

            readline.set_completer_delims(" \t\n=[")

    def emptyline(self) -> bool:
        """Do nothing for an empty line."""
        return False

    def default(self, line: str) -> None:
        """Handle an unknown command."""
        command, *_ = line.split()
        raise OptionError(f"unknown command {command!r}; help lists all commands")

    def do_help(self, arg: str) -> None:
        """help [COMMAND]: list the commands, or explain one."""
        name = SHORT.get(arg, arg).replace("-", "_")
        if not arg:
            self.say("Commands (help COMMAND tells more):")
            self.columnize(self.completenames(""), get_terminal_size().columns - 1)
        elif command := getattr(self, f"do_{name}", None):
            self.say(inspect.getdoc(command) or "")
            if short := [s for s, long in SHORT.items() if long == name and len(s) < 3]:
                self.say(f"Short: {', '.join(short)}.")
        else:
            self.default(arg)

    def completenames(self, text: str, *_: Any) -> list[str]:
        """Complete commands."""
        return [name.replace("_", "-") for name in super().completenames(text)]

    def completedefault(self, text: str, *_: Any) -> list[str]:
        """Complete names of nodes."""
        return [name for name in self.passed.known() if name.startswith(text)]

    def say(self, text: str) -> None:
        """Print an answer in the characters that the terminal has."""
        self.stdout.write(written(f"{text}\n", self.stdout))

    def here(self) -> None:
        """Return where we are, and update the drawing if there is one."""
        self.say(views.here(self.passed))
        if self.drawn:
            draw_step(self.passed, self.drawn)

    def _element(self, argument: str) -> tuple[Node, tuple[int, ...] | None]:
        """Read NAME or NAME[i, j]; without a name, take the node of this step."""
        name, _, place = argument.rstrip("]").rpartition("[")
        if not name or argument in self.passed.known():
            return self._node(argument), None
        try:
            return self._node(name.strip()), tuple(int(part) for part in place.split(","))
        except ValueError as error:
            if isinstance(error, TinygradPoolError):
                raise
            raise OptionError(f"[{place}] is not an index, such as [0, 2]") from None

    def _node(self, name: str) -> Node:
        """Find a node by its name, by default the node of this step."""
        if name:
            return self.passed.find(name)
        return self.passed.loss if self.passed.step is None else self.passed.step.node

    def _parted(self, argument: str, separator: str) -> tuple[str, str]:
        """Split a line at a separator that may also occur in the name before it."""
        known = set(self.passed.known())
        parts = argument.split(separator)
        for k in range(len(parts), 0, -1):
            name, rest = (separator.join(some).strip() for some in (parts[:k], parts[k:]))
            element = name.endswith("]") and name.rpartition("[")[0].strip()
            if name in known or element in known:
                return name, rest
        name, _, rest = argument.partition(separator)
        return name.strip(), rest.strip()


def in_a_line(text: str, longest: int = 300) -> str:
    """Shorten a message that would fill the screen, such as one that quotes the input.

    >>> in_a_line("ab " * 9, 12)
    'ab ab … b ab'
    """
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    half = (longest - 2) // 2
    return f"{line[:half]} … {line[-half + 1 :]}"


def split(argument: str) -> list[str]:
    """Split the arguments of a command into words, as a shell does. Raises OptionError."""
    try:
        return shlex.split(argument)
    except ValueError as error:
        raise OptionError(f"{argument!r}: {error}") from None


def can_ask() -> bool:
    """Return whether input can be asked for: at a terminal, or in an interactive notebook."""
    session = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    kernel = getattr(session, "kernel", None)
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", True))  # not allowed in nbconvert
    try:
        return sys.stdin is not None and sys.stdin.isatty()  # None without a console
    except ValueError:  # closed
        return False
