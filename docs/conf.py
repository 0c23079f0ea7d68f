"""Configure Sphinx (`make docs`). Neither the build nor a reader needs a network."""

import inspect
import re
import sys
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from runpy import run_path
from typing import Any

from sphinx.pycode import ModuleAnalyzer

import tinygrad_pool

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "tutorial")]  # for the scripts here, and tiny.py

import equations  # noqa: E402  # from the folder above

project = "tinygrad_pool"
author = "The tinygrad_pool authors"
project_copyright = f"2026, {author}"
version = release = tinygrad_pool.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "pages_that_answer"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_static_path = ["static"]
html_math_renderer = "mathml"
html_title = "tinygrad_pool"
default_role = "code"  # docstrings write code between single backquotes
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # np.float32, not its repr
nitpick_ignore_regex = [
    ("py:.*", r"(?!tinygrad_pool).*"),  # other projects, which need a network to look up
    ("py:class", r"tinygrad_pool\.engine\.node\.Node"),  # a private base of Value
    ("py:class", r"tinygrad_pool\.diagnosis\.survey\.Survey"),  # private
    ("py:class", r"tinygrad_pool\.bridges\.network\.Program"),  # private
    ("py:class", r"tinygrad_pool\.(datasets\.[XY]|rules\.rule\.Function)"),  # type variables
]

INCLUDED = re.compile(r"^```\{include\} (\.\./\w+\.md)\n```$", re.MULTILINE)
EQUATION = re.compile(r"\S+ [=←] ")
OPTION = re.compile(r'(?<![`\w.])\w+="\w*"(?!`)')
ASIDE = re.compile(r"(, \*)?, (wants|\*\*habits).*\)$")  # arguments from the engine, not users


def include(_app: Any, _page: str, source: list[str]) -> None:
    """Include pages from the folder above, and adapt their links."""

    def contents(found: re.Match[str]) -> str:
        text = (HERE / found[1]).read_text("utf-8")
        return re.sub(r"\]\((?!\w+:)", "](../", text)

    source[0] = INCLUDED.sub(contents, source[0])


def close_examples(_app: Any, _page: str, source: list[str]) -> None:
    """Remove the blank line before a closing fence, which only doctest needs."""
    source[0] = source[0].replace("\n\n```\n", "\n```\n")


def show_docstring(
    _app: Any, _what: str, _name: str, of: Any, _options: Any, lines: list[str]
) -> None:
    """Format each paragraph, and leave out examples that call a bare rule."""
    paragraphs = []
    for paragraph in "\n".join(lines).split("\n\n"):
        if is_operation(of) and paragraph.startswith(">>>"):
            break
        paragraphs.append(as_shown(paragraph))
    lines[:] = "\n\n".join([*paragraphs, ""]).split("\n")


def as_shown(paragraph: str) -> str:
    """Format equations as mathematics, and options as code, which keeps their quotes straight."""
    if EQUATION.match(paragraph):
        return as_mathematics(paragraph)
    return paragraph if ">>>" in paragraph else OPTION.sub(r"``\g<0>``", paragraph)


def as_mathematics(paragraph: str) -> str:
    """Format equations as formulas, side by side where there is room."""
    stated, prose = equations.sentence(paragraph)
    formulas = [f":math:`{equations.latex(part)}`" for part in equations.parts(stated)]
    return f".. container:: equations\n\n    {' '.join(formulas)}\n\n{prose}"


def show_signature(
    _app: Any, _what: str, _name: str, of: Any, _options: Any, signature: str, result: str
) -> tuple[str, str] | None:
    """Show a lifted rule with the signature of an operation, which returns a Value."""
    if not signature:
        return None
    return ASIDE.sub(")", signature), "Value" if is_operation(of) else result


def follow(_app: Any, module: str, name: str) -> str | None:
    """Link an operation to the source of its rule, under the name of the operation."""
    try:
        of = attrgetter(name)(import_module(module))
    except (AttributeError, ImportError):
        return None
    rule = inspect.unwrap(of) if callable(of) else of
    if rule is of:
        return None
    tags = ModuleAnalyzer.for_module(rule.__module__).find_tags()
    if rule.__qualname__ in tags:
        tags.setdefault(name, tags[rule.__qualname__])
    return str(rule.__module__)


def write_player(app: Any, error: Exception | None) -> None:
    """Write the player that stepping.md embeds, from examples/06_lost_gradient.py."""
    if error is None and app.builder.format == "html":
        made = run_path(str(HERE.parent / "examples" / "06_lost_gradient.py"))
        tinygrad_pool.record(made["E"]).to_html(Path(app.outdir) / "backward.html")


def is_operation(of: Any) -> bool:
    """Return whether a function is an operation, made from a rule by `lift`."""
    return callable(of) and hasattr(of, "signature")


def setup(app: Any) -> None:
    """Register the functions above with Sphinx."""
    app.connect("source-read", include)
    app.connect("source-read", close_examples)
    app.connect("autodoc-process-docstring", show_docstring)
    app.connect("autodoc-process-signature", show_signature)
    app.connect("viewcode-follow-imported", follow)
    app.connect("build-finished", write_player)
