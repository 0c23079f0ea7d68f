"""The command line: `tinygrad-pool demo`, and commands for scripts, such as draw and debug."""

import argparse
import os
import sys
from bdb import BdbQuit
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from tinygrad_pool import __version__
from tinygrad_pool.cli import digits, editor, scripts, user_script
from tinygrad_pool.errors import TinygradPoolError
from tinygrad_pool.formatting import PLAINLY

DETAILS = ("auto", "full", "ops", "scopes", "layers", "turns", "forms")
THEMES, FORMATS = ("light", "dark"), ("svg", "png", "pdf", "gif")
DEFAULT, FIT = "default: %(default)s", "default: as large as needed"
SHOWN = "; also shape, dtype, magnitude, local, contribution"
REST = "Arguments after -- are passed to the script."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0, 1 for an error, 2 for a bad option, or a signal's."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  # closed, by >&-
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=PLAINLY)  # a console without δ shows delta
    words = [*(sys.argv[1:] if arguments is None else arguments), "--"]
    end = words.index("--")  # the rest is for the script
    try:
        parser = _parser()
        options = parser.parse_args(words[:end])
        options.arguments = words[end + 1 : -1]
        if options.arguments and not getattr(options, "script", None):
            parser.error("arguments after -- are for a script, but no script is given")
        options.run(options)
        print(end="", flush=True)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        _discard_output()
        return 141
    except (KeyboardInterrupt, BdbQuit):  # the latter if breakpoint() is left
        print("tinygrad-pool: interrupted; nothing was written", file=sys.stderr)
        return 130
    except Exception as error:
        ours = isinstance(error, TinygradPoolError)
        message = str(error) if ours else user_script.error_message(error)  # of a user's closure
        if not message and isinstance(error, OSError):  # to write a file raises OutputError
            message = f"{_place_of(error)}: {error.strerror}"
        if not message:
            raise
        print(f"tinygrad-pool: {message}", file=sys.stderr)
        return 1
    return 0


def _place_of(error: OSError) -> str:
    """Say where an error of the system occurred."""
    if isinstance(error, FileNotFoundError) or error.filename:
        return error.filename or "the current folder"
    _discard_output()
    return "standard output: cannot be written"


def _discard_output() -> None:
    """Discard buffered output, which Python would try to write again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line."""

    def error(self, message: str) -> NoReturn:
        rest = "; a script's own go after --" if message.startswith("unrecognized") else ""
        print(f"{self.prog}: {message} (--help lists the options{rest})", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> _Parser:
    parser = _Parser(prog="tinygrad-pool", description="See and step through backpropagation.")
    parser.add_argument("--version", action="version", version=f"tinygrad-pool {__version__}")
    parser.set_defaults(run=lambda _: parser.print_help())
    commands = parser.add_subparsers(metavar="COMMAND")

    demo = _add(commands, "demo", "train on real digits, check the derivation and draw it")
    _add_out(demo, "tinygrad_pool_demo", "FOLDER")
    demo.add_argument("--seed", type=_natural, default=0, metavar="N", help=DEFAULT)
    demo.add_argument("--epochs", type=_positive, default=30, metavar="N", help=DEFAULT)
    demo.add_argument("--quiet", action="store_true", help="print only errors")
    demo.set_defaults(run=digits.demo)

    def for_script(run: Callable[..., None], about: str, **script: Any) -> argparse.ArgumentParser:
        """Add a command that runs a script and uses one of its Values."""
        command = _add(commands, run.__name__, about, epilog=REST)
        script = {"help": "a file; or a module, such as pkg.train"} | script
        command.add_argument("script", type=Path, metavar="SCRIPT.py", **script)
        command.add_argument(
            "--value", metavar="NAME", help="which Value; default: the last computed number"
        )
        command.set_defaults(run=run)
        return command

    draw = for_script(scripts.draw, "run a script and draw the graph of a Value")
    _add_out(draw, "graph.svg", more="; or .png, .pdf, .html, .dot")
    folds = "auto, full, ops; to fold: scopes, layers, turns, forms"
    draw.add_argument("--detail", default="auto", choices=DETAILS, metavar="DETAIL", help=folds)
    draw.add_argument("--show", default="data,grad,heat", help=DEFAULT + SHOWN)
    draw.add_argument("--theme", default="light", choices=THEMES, help=DEFAULT)
    draw.add_argument("--width", type=_positive, metavar="PIXELS", help=FIT)
    draw.add_argument("--height", type=_positive, metavar="PIXELS", help=FIT)

    for_script(scripts.tree, "run a script and print the graph of a Value as text")
    for_script(scripts.unroll, "print a script's two passes as a straight-line program")

    slides = for_script(scripts.frames, "draw a script's backward pass, one slide per step")
    _add_out(slides, "slides", "FOLDER")
    slides.add_argument("--format", default="svg", type=str.lower, choices=FORMATS, help=DEFAULT)
    slides.add_argument("--theme", default="light", choices=THEMES, help=DEFAULT)

    steps = for_script(scripts.debug, "step through a script's backward pass at a prompt")
    steps.add_argument("-c", "--commands", default="", help="commands to run first, separated by ;")
    steps.add_argument("--pdb", action="store_true", help="use pdb, with one stop per node")

    for_script(scripts.diagnose, "find out why a script's network does not learn")

    player = for_script(scripts.play, "write a page that plays a script's backward pass")
    _add_out(player, "backward.html")
    player.add_argument("--open", action="store_true", help="open the page in a browser")
    player.add_argument(
        "--predict", action="store_true", help="start with a quiz: what does each step send?"
    )

    same = for_script(
        digits.equivalence,
        "show that the pools of a script's network are layers of 0/1 weights",
        nargs="?",
        help="default: a network trained on the digits, on all test images",
    )
    _add_out(same, "equivalence.svg")

    onnx = for_script(scripts.export, "run a script and write its network as an ONNX file")
    onnx.add_argument("out", type=Path, metavar="FILE.onnx")
    onnx.add_argument("--inputs", default="", metavar="x,y", help="example inputs of the network")

    for_script(scripts.crosscheck, "compare a script's nodes with PyTorch's, one by one")

    _add_editors(commands)
    return parser


def _add_editors(commands: Any) -> None:
    """Add the commands for editors."""
    vscode = _add(commands, "vscode", "write settings for VS Code to step through closures")
    vscode.add_argument(
        "folder", type=Path, nargs="?", default=Path(), metavar="FOLDER", help="default: ."
    )
    either = vscode.add_mutually_exclusive_group()
    either.add_argument("--print", action="store_true", help="only print the settings")
    either.add_argument(
        "--extension", action="store_true", help="write an extension, which can also step back"
    )
    vscode.set_defaults(run=editor.vscode)

    adapter = _add(commands, "dap", "run a debug adapter, for an editor that steps back and forth")
    adapter.add_argument("--port", type=_port, metavar="N", help="0: any; default: stdin, stdout")
    adapter.set_defaults(run=editor.dap)


def _add(commands: Any, name: str, about: str, **more: Any) -> argparse.ArgumentParser:
    """Add a command, with the same description in the list and in its own help."""
    description = f"{about[0].upper()}{about[1:]}."
    return commands.add_parser(name, help=about, description=description, **more)  # type: ignore[no-any-return]


def _add_out(
    command: argparse.ArgumentParser, out: str, kind: str = "FILE", more: str = ""
) -> None:
    options: dict[str, Any] = {"type": Path, "default": Path(out), "metavar": kind}
    command.add_argument("-o", "--out", help=DEFAULT + more, **options)


def _natural(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"needs an integer, {least} or more, got {text!r}")
    return int(text)


_positive = partial(_natural, least=1)


def _port(text: str) -> int:
    if _natural(text) > 65535:
        raise argparse.ArgumentTypeError(f"needs a port, 0 to 65535, got {text!r}")
    return int(text)
