"""Sphinx directives: `{player}` plays the pass of a page's examples, `{worksheet}` lists exercises.

The examples on a page are doctests, which the tests run. `{player} E` also runs those above it when
the page is built, and shows the pass of their Value `E`, in a frame and on a page of its own.
"""

import random
import re
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from doctest import DocTestParser, DocTestRunner
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import equations
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import tinygrad_pool as tg
from tinygrad_pool.engine.backward import topological_order

PLAYER = re.compile(r"^```\{player\}", re.MULTILINE)
PHONE, LETTERS = 358, 9.5
"""The width of a column on a phone, and the least size of letters there, in pixels."""
EXERCISE = re.compile(
    r"^### Exercise (\d): ([^\n]+)\n(.*?)^<details>\n<summary>Answer</summary>\n(.*?)^</details>$",
    re.MULTILINE | re.DOTALL,
)
FRAME = """<figure class="player">
<iframe src="{page}" title="{title}" loading="lazy"></iframe>
<noscript>
<style>.player iframe {{ display: none; }}</style>
<img src="{picture}" alt="{title}: every number and gradient of the graph">
</noscript>
<figcaption><a href="{page}">At full height, on a page of its own</a></figcaption>
</figure>
"""


class Player(SphinxDirective):
    """Show the pass of a Value from the examples above on the page."""

    required_arguments = 1
    option_spec: ClassVar = {"title": directives.unchanged, "start": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Run the examples since the last player, and write the page and the picture."""
        state = self.env.current_document.setdefault("examples", {"shown": 0, "names": {}})
        parts = PLAYER.split(Path(self.env.doc2path(self.env.docname)).read_text("utf-8"))
        names = state["names"]
        (name,) = self.arguments
        failed = run_examples(parts[state["shown"]], names, self.env.docname)
        if failed or not isinstance(names.get(name), tg.Value):
            raise self.error(failed or f"player: the examples above define no Value {name}")
        state["shown"] += 1
        self.env.metadata[self.env.docname]["hide-toc"] = True  # to leave more room for the player
        if self.env.app.builder.format != "html":
            return []
        file = f"{self.env.docname.replace('/', '-')}-{state['shown']}"
        title = self.options.get("title", f"The backward pass from {name}")
        folder = Path(self.env.app.outdir) / "players"
        folder.mkdir(parents=True, exist_ok=True)
        write_player(names, name, folder / file, title, self.options.get("start", "play"))
        place = f"{'../' * self.env.docname.count('/')}players/{file}"
        html = FRAME.format(page=f"{place}.html", picture=f"{place}.svg", title=escape(title))
        return [nodes.raw("", html, format="html")]


def run_examples(text: str, names: dict[str, Any], page: str) -> str:
    """Run the examples of a text in a temporary folder; return a report of failures."""
    if not names:
        random.seed(0)  # as for every test
    report: list[str] = []
    examples = DocTestParser().get_doctest(text, names, page, page, 0)
    with TemporaryDirectory() as folder, chdir(folder):
        DocTestRunner(verbose=False).run(examples, out=report.append, clear_globs=False)
    names |= examples.globs
    return "".join(report)


def write_player(names: dict[str, Any], name: str, file: Path, title: str, start: Any) -> None:
    """Write the page that plays a pass, and a picture for readers without JavaScript."""
    named = {name: v for name, v in names.items() if isinstance(v, tg.Value)}
    with without_gradients(named[name]), tg.record(named[name], names=named) as passed:
        passed.to_html(file.with_suffix(".html"), title=title, start=start)
        passed.seek(len(passed))
        shown = tg.draw(named[name], show="data,grad,contribution", names=named)
        tg.render(shown, file.with_suffix(".svg"))


@contextmanager
def without_gradients(end: tg.Value) -> Iterator[None]:
    """Clear the gradients behind a Value temporarily; examples above may have left some."""
    nodes = topological_order(end)
    kept = [v.grad if v.has_grad else None for v in nodes]
    for v in nodes:
        v.zero_grad()
    yield
    for v, g in zip(nodes, kept, strict=True):
        v.grad = g


def widen(app: Sphinx, page: nodes.document) -> None:
    """Make pictures that are too small to read on a phone scroll there, and link to their file."""
    for image in page.findall(nodes.image):
        svg = (Path(app.srcdir) / image["uri"]).read_text("utf-8", "replace")
        width = re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)
        least = legible(svg, float(width[1])) if width else 0
        if least > PHONE:
            image["classes"].append("wide")
            image["width"] = f"{least:.0f}"  # on a phone; it also makes Sphinx link the file


def legible(svg: str, width: float) -> float:
    """Return the width in pixels at which the smallest text of a picture is legible."""
    zoom = float(re.findall(r"scale\(([\d.]+) \1\)|$", svg)[0] or 1)
    sizes = [zoom * float(size) for size in re.findall(r'font-size="([\d.]+)"', svg)]
    sizes += [100 * float(scale) for scale in re.findall(r"scale\(([\d.]+) -", svg)]  # of a plot
    return width * LETTERS / min(sizes)


class Worksheet(SphinxDirective):
    """List the questions, or the answers, of the exercises on the given pages."""

    has_content = True
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Collect the text, and parse it as part of this page."""
        gathered = []
        for part, page in enumerate(self.content, 1):
            path = Path(self.env.srcdir) / f"{page}.md"
            self.env.note_dependency(str(path))
            for number, title, question, answer in EXERCISE.findall(path.read_text("utf-8")):
                text = question if self.arguments[0] == "questions" else without_code(answer)
                gathered.append(f"**{part}.{number}** *{title}* – {text.strip()}\n\n")
        return self.parse_text_to_nodes("".join(gathered))


def without_code(text: str) -> str:
    """Remove the examples, which only check an answer."""
    return re.sub(r"^```python\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def set_inline(self: Any, node: nodes.math) -> None:
    """Write an inline formula."""
    self.body.append(equations.mathml(node.astext()))
    raise nodes.SkipNode


def set_block(self: Any, node: nodes.math_block) -> None:
    """Write displayed formulas; a line may break at a wide space."""
    formulas = [equations.mathml(part, block=True) for part in node.astext().split(r"\qquad")]
    self.body.append(f'<div class="math">{" ".join(formulas)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives, and MathML, which needs no script or font from a network."""
    app.add_directive("player", Player)
    app.add_directive("worksheet", Worksheet)
    app.add_html_math_renderer("mathml", (set_inline, None), (set_block, None))
    app.add_css_file("pages.css")
    app.connect("doctree-read", widen)
    return {"parallel_read_safe": True}
