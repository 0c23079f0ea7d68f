"""The command line: `tinygrad-pool demo`, and draw, play, debug, diagnose … for scripts."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from tinygrad_pool import __version__
from tinygrad_pool.cli import digits, editor, scripts, user_script
from tinygrad_pool.errors import TinygradPoolError
from tinygrad_pool.formatting import PLAINLY

Run: TypeAlias = Callable[[argparse.Namespace], None]
DEFAULT, REST = "default: %(default)s", "What follows -- are arguments of the script's own."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0, 1 for an error, 2 for a bad flag, or a signal's."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=PLAINLY)  # a console without δ shows delta
    words = [*(sys.argv[1:] if arguments is None else arguments), "--"]
    own = words.index("--")  # what follows is the script's
    try:
        parser = _parser()
        options = parser.parse_args(words[:own])
        options.arguments = words[own + 1 : -1]
        if options.arguments and not getattr(options, "script", None):
            parser.error("arguments after -- are a script's, and there is none")
        options.run(options)
        print(end="", flush=True)
    except BrokenPipeError:  # the reader, such as `head`, has gone
        _print_no_more()
        return 141
    except TinygradPoolError as error:
        print(f"tinygrad-pool: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        told = user_script.told(error)  # raised by a closure of the script, for example
        if not told and isinstance(error, OSError):  # of what is printed: files have their own
            _print_no_more()
            told = f"standard output: cannot be written: {error.strerror}"
        if not told:
            raise
        print(f"tinygrad-pool: {told}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tinygrad-pool: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def _print_no_more() -> None:
    """Let what is still to be printed go nowhere: Python would try once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line."""

    def error(self, message: str) -> NoReturn:
        own = "; a script's own follow --" if message.startswith("unrecognized") else ""
        print(f"{self.prog}: {message} (--help lists the options{own})", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> _Parser:
    parser = _Parser(prog="tinygrad-pool", description="See and step through backpropagation.")
    parser.add_argument("--version", action="version", version=f"tinygrad-pool {__version__}")
    parser.set_defaults(run=lambda _: parser.print_help())
    commands = parser.add_subparsers(metavar="COMMAND")

    demo = _add(commands, "demo", "train on real digits, check the derivation, draw it")
    _add_out(demo, "tinygrad_pool_demo", "FOLDER")
    demo.add_argument("--seed", type=_natural, default=0, metavar="N", help=DEFAULT)
    demo.add_argument("--epochs", type=_positive, default=30, metavar="N", help=DEFAULT)
    demo.add_argument("--quiet", action="store_true", help="print nothing but errors")
    demo.set_defaults(run=digits.demo)

    def for_script(run: Run, about: str, **script: Any) -> argparse.ArgumentParser:
        """Add a command that runs a script and looks at one of its Values."""
        command = _add(commands, run.__name__, about, epilog=REST)
        command.add_argument("script", type=Path, metavar="SCRIPT.py", **script)
        command.add_argument("--value", metavar="NAME", help="default: the last number it made")
        command.set_defaults(run=run)
        return command

    draw = for_script(scripts.draw, "run a script and draw one of its Values")
    _add_out(draw, "graph.svg", more="; or .png, .pdf, .html, .dot")
    draw.add_argument(
        "--detail", default="auto", help="auto, full, ops; or to fold: scopes, layers, turns, forms"
    )
    draw.add_argument("--show", default="data,grad,heat", help="data,grad,local,contribution …")
    draw.add_argument("--theme", default="light", help="light or dark")
    for side in ("--width", "--height"):
        draw.add_argument(side, type=int, metavar="PIXELS", help="default: as large as needed")

    for_script(scripts.tree, "run a script and write one of its Values as text")
    for_script(scripts.unroll, "write a script's two passes as a straight-line program")

    slides = for_script(scripts.frames, "draw a script's backward pass, one slide per step")
    _add_out(slides, "slides", "FOLDER")
    slides.add_argument("--format", default="svg", help="svg, png, pdf or gif")
    slides.add_argument("--theme", default="light", help="light or dark")

    steps = for_script(scripts.debug, "step through a script's backward pass at a prompt")
    steps.add_argument("-c", "--commands", default="", help="run these first, separated by ;")
    steps.add_argument("--pdb", action="store_true", help="in pdb, with one stop per node")

    for_script(scripts.diagnose, "find out why a script's network does not learn")

    player = for_script(scripts.play, "write a page that plays a script's backward pass")
    _add_out(player, "backward.html")
    player.add_argument("--open", action="store_true", help="open it in the browser, too")
    player.add_argument(
        "--predict", action="store_true", help="begin with questions: what does each step send?"
    )

    same = for_script(
        digits.equivalence,
        "show that pooling is a layer of 0/1 weights, in a script's network",
        nargs="?",
        help="default: a network trained on the digits, over all images that it has not seen",
    )
    _add_out(same, "equivalence.svg")

    onnx = for_script(scripts.export, "run a script and write its network as an ONNX file")
    onnx.add_argument("out", type=Path, metavar="FILE.onnx")
    onnx.add_argument("--inputs", default="", metavar="x,y", help="what the network is called with")

    for_script(scripts.crosscheck, "compare a script's nodes with PyTorch's, one by one")

    vscode = _add(commands, "vscode", "write settings for VS Code to step through closures")
    vscode.add_argument(
        "folder", type=Path, nargs="?", default=Path(), metavar="FOLDER", help="default: here"
    )
    vscode.add_argument("--print", action="store_true", help="print the settings, write nothing")
    vscode.add_argument(
        "--extension", action="store_true", help="write an extension instead, which also steps back"
    )
    vscode.set_defaults(run=editor.vscode)

    adapter = _add(commands, "dap", "run a debug adapter: an editor steps back and forth")
    adapter.add_argument("--port", type=_port, metavar="N", help="0: any; default: stdin, stdout")
    adapter.set_defaults(run=editor.dap)
    return parser


def _add(commands: Any, name: str, about: str, **more: Any) -> argparse.ArgumentParser:
    """Add a command; its own help says what it does, too."""
    said = f"{about[0].upper()}{about[1:]}."
    return commands.add_parser(name, help=about, description=said, **more)  # type: ignore[no-any-return]


def _add_out(
    command: argparse.ArgumentParser, out: str, kind: str = "FILE", more: str = ""
) -> None:
    options: dict[str, Any] = {"type": Path, "default": Path(out), "metavar": kind}
    command.add_argument("-o", "--out", help=DEFAULT + more, **options)


def _natural(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"needs a whole number, {least} or more, got {text!r}")
    return int(text)


_positive = partial(_natural, least=1)


def _port(text: str) -> int:
    if _natural(text) > 65535:
        raise argparse.ArgumentTypeError(f"needs a port, 0 to 65535, got {text!r}")
    return int(text)
