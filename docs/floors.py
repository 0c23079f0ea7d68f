"""List the floors of the package and its imports, and draw the picture in design.md."""

import ast
from functools import cache
from itertools import pairwise
from pathlib import Path

from graphviz import Digraph

import tinygrad_pool
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.words import Caption

PACKAGE = Path(tinygrad_pool.__file__).parent
FLOORS = [
    "errors extras files formatting",
    "rules",
    "engine",
    "functional",
    "tinygrad_pool nn optim datasets derivatives gradient_check",
    "javascript drawing",
    "recording pooling_as_weights bridges",
    "diagnosis codegen",
    "debugger",
    "cli __main__",
]
"""From the ground up. A room is a folder or a file; it imports from lower floors or its left."""


def modules(package: Path) -> dict[str, Path]:
    """List the modules of a package by their dotted name below it."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(p for p in parts if p != "__init__")] = path
    return found


def imports(package: Path) -> dict[str, set[str]]:
    """List which modules of the package each one imports, also inside functions."""
    paths = modules(package)
    found: dict[str, set[str]] = {name: set() for name in paths}
    for name, path in paths.items():
        folder = path.parent.relative_to(package.parent).parts
        for imported in _imported(path.read_text(encoding="utf-8"), folder):
            first, *parts = imported.split(".")
            if first == package.name:
                ends = range(len(parts), -1, -1)
                found[name].add(next(m for i in ends if (m := ".".join(parts[:i])) in paths))
    return found


@cache
def _imported(text: str, folder: tuple[str, ...]) -> list[str]:
    return [name for node in ast.walk(ast.parse(text)) for name in _names(node, folder)]


def _names(node: ast.AST, folder: tuple[str, ...]) -> list[str]:
    """List the dotted names that a statement imports, including relative ones."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = folder[: len(folder) + 1 - node.level] if node.level else ()
        stem = ".".join([*above, *([node.module] if node.module else [])])
        return [f"{stem}.{alias.name}" for alias in node.names]
    return []


def looked_up(package: Path) -> dict[str, set[str]]:
    """List the modules that each module looks up by name, which no import statement shows.

    For `import_module` it is the argument up to its first computed part; "" may be any module.
    """
    found: dict[str, set[str]] = {}
    for name, path in modules(package).items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    ast.Name("import_module") | ast.Attribute(attr="import_module"), [of, *_]
                ):
                    first = of.values[0] if isinstance(of, ast.JoinedStr) else of
                    text = first.value if isinstance(first, ast.Constant) else ""
                    found.setdefault(name, set()).add(str(text))
                case ast.Attribute(ast.Name("sys"), "modules") | ast.Name("__import__"):
                    found.setdefault(name, set()).add(ast.unparse(node))
    return found


def room_of(module: str, package: Path) -> str:
    """Name the room of a module: a folder or a file below the package, or the package itself."""
    return module.split(".", maxsplit=1)[0] or package.name


def arrows(package: Path) -> dict[str, set[str]]:
    """List which other rooms each room imports."""
    found: dict[str, set[str]] = {}
    for name, targets in imports(package).items():
        room = room_of(name, package)
        found.setdefault(room, set()).update(room_of(target, package) for target in targets)
    return {room: targets - {room} for room, targets in found.items()}


def without_shortcuts(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out each arrow that follows from others. There must be no cycle.

    >>> without_shortcuts({"attic": {"hall", "cellar"}, "hall": {"cellar"}, "cellar": set()})
    {'attic': {'hall'}, 'hall': {'cellar'}, 'cellar': set()}
    """

    def below(room: str) -> set[str]:
        return arrows[room].union(*map(below, arrows[room]))

    return {room: to.difference(*map(below, to)) for room, to in arrows.items()}


def picture(package: Path = PACKAGE, floors: list[str] = FLOORS) -> Digraph:
    """Draw a row for each floor, the ground at the bottom, and arrows for imports."""
    every = arrows(package)
    drawn = without_shortcuts(every)
    shown, there = (sum(map(len, found.values())) for found in (drawn, every))
    graph = theme.canvas("floors", "TB")
    graph.comment = Caption(
        "The floors of tinygrad_pool, drawn from its imports",
        f"{len(floors)} floors, {len(every)} rooms. {shown} of {there} arrows are drawn; "
        "the others follow from them.",
    ).comment()
    graph.attr("node", shape="box", style="filled")
    numbers = range(len(floors), 0, -1)
    for number in numbers:
        with graph.subgraph() as row:
            row.attr(rank="same")
            row.node(f"floor {number}", str(number), shape="plaintext", style="")
            for room in floors[number - 1].split():
                if (package / room).is_dir():
                    row.node(room, f"{room}/", fillcolor=theme.OPERATION)
                else:
                    row.node(room, fillcolor=theme.LEAF)
    for upper, lower in pairwise(numbers):
        graph.edge(f"floor {upper}", f"floor {lower}", style="invis")
    for room, targets in sorted(drawn.items()):
        for target in sorted(targets):
            graph.edge(room, target)
    return graph
