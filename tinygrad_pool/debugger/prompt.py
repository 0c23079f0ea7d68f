"""The prompt of the backward debugger: reads, completes and runs commands."""

from __future__ import annotations

import cmd
import inspect
import re
import shlex
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

from tinygrad_pool.debugger.breakpoints import check, evaluate
from tinygrad_pool.debugger.terminal import MISTAKE, STYLES, coloured
from tinygrad_pool.drawing import draw, render
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, TinygradPoolError
from tinygrad_pool.files import kind_of, write_whole
from tinygrad_pool.formatting import counted, written
from tinygrad_pool.recording import views
from tinygrad_pool.recording.naming import element_called
from tinygrad_pool.recording.recording import Recording

_NAMES = {
    "node": "n next s step",
    "back": "rn rs undo reverse-next reverse-step",
    "continue": "c cont",
    "run_back": "rb rc run-back reverse-continue",
    "until": "unt",
    "goto": "g",
    "break": "b",
    "where": "w bt backtrace",
    "up": "u",
    "down": "d",
    "print": "p pp",
    "list": "l",
    "paths": "derive",
    "why": "y",
    "help": "h ?",
    "quit": "q exit quit() exit() EOF",
}
SHORT = {name: command for command, names in _NAMES.items() for name in names.split()}
"""Aliases of commands, from gdb, pdb and rr. One step is one node, so n and s are the same."""

GROUPS = {
    "moving": "node back continue run-back until goto finish restart",
    "stopping": "break tbreak bnan bzero bgrad watch condition ignore delete",
    "looking": "where up down show print why paths gains contrib jac check list steps draw info",
    "what if": "set replay revert",
    "other": "pdb save help quit",
}

AGAIN = '<meta http-equiv="refresh" content="1">'

REPEATED = ("node", "back", "continue", "run_back", "up", "down")
"""Commands that an empty line repeats."""


class Prompt(cmd.Cmd):
    """A prompt whose commands act on a Recording and print their answers."""

    prompt = "(backward) "

    def __init__(
        self, recording: Recording, names: Mapping[str, Any] | None = None, **streams: Any
    ) -> None:
        super().__init__(**streams)
        self.use_rawinput = not streams.get("stdin")
        self.recorded = self.recording = recording
        self.names = names or {}
        self.drawn = ""
        self.selected: Node | None = None  # by up and down

    def precmd(self, line: str) -> str:
        """Expand an alias, and queue the commands after a semicolon."""
        if line == "EOF":
            self.say("")
        first, *more = commands_in(line) or [""]
        self.cmdqueue[:0] = more
        word, _, rest = first.partition(" ")
        if rest.lstrip().startswith(tuple("=+*/@<>%")) and word in self.recording.known():
            return first  # such as b = 3 or w * 2, where these are nodes, not aliases
        return f"{SHORT.get(word, word)} {rest}".strip()

    def onecmd(self, line: str) -> bool:
        """Run a command; report an error, of the user's or of a rule, in one line."""
        try:
            self._check_argument(line)
            return bool(super().onecmd(line))
        except BrokenPipeError:
            raise
        except KeyboardInterrupt:
            self.cmdqueue.clear()
            steps = counted(len(self.recording), "step")
            self.say(f"interrupted, after {self.recording.position} of {steps}")
        except TinygradPoolError as error:
            self.say(in_a_line(str(error)), MISTAKE)
        except Exception as error:  # noqa: BLE001  # a rule or an expression may raise anything
            command, *_ = line.split()
            self.say(in_a_line(f"{command}: {with_notes(error)}"), MISTAKE)
        return False

    def _check_argument(self, line: str) -> None:
        """Raise OptionError for an argument that a command does not take, as in bzero z1."""
        command, argument, _ = self.parseline(line)
        method = getattr(self, f"do_{command}", None)
        if argument and method and "_" in inspect.signature(method).parameters:
            name = str(command).replace("_", "-")
            raise OptionError(f"{name}: takes no argument, got {argument!r}; see help {name}")

    def cmdloop(self, intro: str | None = None) -> None:
        """Prompt until the user quits; Ctrl-C at the prompt discards the line."""
        prompting = True
        while prompting:
            try:
                super().cmdloop(intro)
                prompting = False
            except UnicodeDecodeError as error:
                intro = f"cannot read that: {error}"
            except (NotImplementedError, ValueError):  # a notebook without input, a closed stdin
                prompting = False
            except KeyboardInterrupt:
                self.say("")
                intro = "q quits"

    def emptyline(self) -> bool:
        """Repeat the last command if it was a move."""
        return self.lastcmd.partition(" ")[0] in REPEATED and self.onecmd(self.lastcmd)

    def default(self, line: str) -> None:
        """Show a node or an expression that was typed; otherwise handle an unknown command."""
        is_expression = line in ("data", "op", "label") or line in self.names
        with suppress(OptionError):
            is_expression |= not line.isidentifier() and bool(check(line))
        if "(" not in line and self.called(line) in self.completedefault(""):  # call only once
            self.onecmd(f"show {line}")
        elif is_expression:
            self.onecmd(f"print {line}")
        else:
            name, value = self._split_at(line, "=")
            if value and name.partition("[")[0] in self.recording.known():
                raise OptionError(
                    f"to change a number for the next replay, type set {name} = {value}"
                )
            command = line.split(maxsplit=1)[0]
            if {command, command.partition(".")[0]} & {*self.recording.known()}:
                check(line)  # raises the error of an expression that begins with a node
            self.unknown(command)

    def unknown(self, command: str) -> None:
        """Raise OptionError for an unknown command, and suggest the nearest one."""
        names = [*self.completenames(""), *SHORT, *self.recording.known()]
        near = get_close_matches(command, names)
        suggestion = f" (did you mean {near[0]}?)" if near else ""
        raise OptionError(f"unknown command {command!r}{suggestion}; help lists all commands")

    def do_help(self, arg: str) -> None:
        """help [COMMAND]: list all commands, or explain one."""
        name = SHORT.get(arg, arg).replace("-", "_")
        if not arg:
            self._list_commands(get_terminal_size().columns)
        elif command := getattr(self, f"do_{name}", None):
            self.say(inspect.getdoc(command) or "")
            if short := [s for s, long in SHORT.items() if long == name and s != arg]:
                self.say(f"Also: {', '.join(s for s in short if s not in ('run-back', 'EOF'))}.")
        else:
            self.unknown(arg)

    def _list_commands(self, columns: int) -> None:
        """Print one line for each command, in groups."""
        for title, names in GROUPS.items():
            self.say(f"{title}:")
            for name in names.split():
                command = name.replace("-", "_")
                usage = inspect.getdoc(getattr(self, f"do_{command}")) or " "
                summary = re.split(r"[.;:] |\.$", usage.splitlines()[0].partition(": ")[2])[0]
                short = [s for s in _NAMES.get(command, "").split() if len(s) < 3]
                line = f"  {' '.join([name, *short]):<16} {summary}"
                self.say(line if len(line) < columns else f"{line[: columns - 2]}…")
        more = (
            "help COMMAND explains one. An empty line moves again. Names and expressions are shown."
        )
        self.say(textwrap.fill(more, columns - 1))

    def completenames(self, text: str, *_: Any) -> list[str]:
        """Complete commands."""
        return [name.replace("_", "-") for name in super().completenames(text)]

    def completedefault(self, text: str, *_: Any) -> list[str]:
        """Complete names of nodes and of rules."""
        rules = (v.op for v in self.recording.nodes if v.op)
        names = dict.fromkeys([*self.recording.known(), *rules])
        return [name for name in names if name.startswith(text)]

    def say(self, text: str, styles: dict[str, str] = STYLES) -> None:
        """Print an answer, with the characters and the colours that the terminal supports."""
        self.stdout.write(coloured(written(f"{text}\n", self.stdout), self.stdout, styles))

    def here(self) -> None:
        """Print the current step, and update the drawing if there is one."""
        self.selected = None
        self.say(views.here(self.recording))
        if self.drawn:
            draw_step(self.recording, self.drawn)

    def element(self, argument: str) -> tuple[Node, tuple[int, ...] | None]:
        """Read NAME or NAME[i, j]; the default is the node of this step."""
        return element_called(argument, self._node)

    def _node(self, name: str) -> Node:
        """Find a node by its name; the default is the selected one, or that of this step."""
        if name:
            return self.recording.find(self.called(name))
        return self.recording.node if self.selected is None else self.selected

    def called(self, name: str) -> str:
        """Translate an expression of the program, such as net[0].weight, to a node's name."""
        value = None
        if self.names:
            with suppress(OptionError):
                value = evaluate(name, self.names)
        if isinstance(value, Node) and value in self.recorded.nodes:
            called = self.recorded.call(value)
            if called != name and name not in self.recording.known():
                return called
        return name

    def _split_at(self, argument: str, separator: str) -> tuple[str, str]:
        """Split a line at a separator that may also occur in the name before it.

        An unknown name such as w.data[1] is read as w[1].
        """
        names = set(self.recording.known())
        parts = argument.split(separator)
        for k in range(len(parts), 0, -1):
            name, rest = (separator.join(side).strip() for side in (parts[:k], parts[k:]))
            array = name.endswith("]") and name.rpartition("[")[0].strip()
            if name in names or array in names:
                return name, rest
        name, _, rest = argument.partition(separator)
        return re.sub(r"\.data(?=\[|$)", "", name.strip()), rest.strip()


def draw_step(recording: Recording, file: str) -> Path:
    """Draw the graph at this position, and highlight the node of the last step.

    A page reloads itself every second.
    """
    step = recording.step
    lit = [step.node] if step and isinstance(step.node, Value) else []
    path = render(draw(recording.loss, highlight=lit, names=recording.variables), file)
    if kind_of(path) == "html":
        page = path.read_text("utf-8").replace("<title>", f"{AGAIN}\n<title>", 1)
        write_whole(path, page)
    return path


def commands_in(text: str) -> list[str]:
    """Split a text into commands, at line breaks and semicolons.

    >>> commands_in("node; why a")
    ['node', 'why a']
    """
    return [command.strip() for command in re.split("[\n;]", text) if command.strip()]


def in_a_line(text: str, longest: int = 300) -> str:
    """Put a message on one line, and cut out the middle if it is too long.

    >>> in_a_line("ab " * 9, 12)
    'ab ab … b ab'
    """
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    half = (longest - 2) // 2
    return f"{line[:half]} … {line[-half + 1 :]}"


def with_notes(error: Exception) -> str:
    """Write the type, the message and the notes of an error."""
    return "; ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])


def split(argument: str) -> list[str]:
    """Split the arguments of a command into words, as a shell does. Raises OptionError."""
    try:
        return shlex.split(argument)
    except ValueError as error:
        raise OptionError(f"{argument!r}: {error}") from None
