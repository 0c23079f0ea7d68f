"""Imports go downward only; and importing the package brings nothing heavy."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tinygrad_pool

PACKAGE = Path(tinygrad_pool.__file__).parent
FLOORS = [
    "errors files formatting",
    "rules",
    "engine",
    "functional",
    "tinygrad_pool nn optim datasets derivatives gradient_check",
    "drawing",
    "recording pooling_as_weights",
    "diagnosis codegen",
    "debugger notebook",
    "cli __main__",
]
"""From the ground: a room, a folder or a file, imports what is on a lower floor or to its left."""


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
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for imported in _names(node, folder):
                first, *parts = imported.split(".")
                if first == package.name:
                    ends = range(len(parts), -1, -1)
                    found[name].add(next(m for i in ends if (m := ".".join(parts[:i])) in paths))
    return found


def _names(node: ast.AST, folder: tuple[str, ...]) -> list[str]:
    """List the dotted names that a statement imports, relative ones too."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = folder[: len(folder) + 1 - node.level] if node.level else ()
        stem = ".".join([*above, *([node.module] if node.module else [])])
        return [f"{stem}.{alias.name}" for alias in node.names]
    return []


def room_of(module: str, package: Path) -> str:
    """Name the room of a module: a folder or a file below the package, or the package itself."""
    return module.split(".", maxsplit=1)[0] or package.name


def upward(package: Path, floors: list[str]) -> list[str]:
    """List every import that leads neither down, nor to the left, nor to its own room."""
    order = {room: i for i, room in enumerate(" ".join(floors).split())}
    return [
        f"{name} -> {target}"
        for name, targets in sorted(imports(package).items())
        for target in sorted(targets)
        if order[room_of(target, package)] > order[room_of(name, package)]
    ]


def circle(package: Path) -> list[str]:
    """Name the modules of an import circle, if there is one."""
    try:
        TopologicalSorter(imports(package)).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_module_stands_on_a_floor():
    rooms = {room_of(name, PACKAGE) for name in modules(PACKAGE)}
    assert sorted(rooms) == sorted(" ".join(FLOORS).split())
    assert len(FLOORS) <= 10


def test_imports_go_downward():
    assert upward(PACKAGE, FLOORS) == []


def test_imports_make_no_circle():
    assert circle(PACKAGE) == []


@pytest.fixture
def house(tmp_path):
    """Build a small package of three floors; `plant` writes a module of it anew."""
    package = tmp_path / "house"
    (package / "cellar").mkdir(parents=True)

    def plant(name, text):
        (package / f"{name}.py").write_text(text)
        return upward(package, ["cellar", "hall", "house", "attic"])

    for name, text in {
        "__init__": "from house.hall import x",
        "cellar/__init__": "from .box import x",
        "cellar/box": "import os.path\nfrom house.cellar import jar",
        "cellar/jar": "x = 1",
        "hall": "import house.cellar.box\nfrom .cellar.box import x",
        "attic": "from house import hall, x",
    }.items():
        (package / f"{name}.py").write_text(text)
    return plant


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("hall", "from house.attic import x", ["hall -> attic"]),
        ("hall", "def f():\n    import house.attic", ["hall -> attic"]),
        ("hall", "from house import x", ["hall -> "]),
        ("hall", "from . import attic", ["hall -> attic"]),
        ("cellar/jar", "from ..hall import x", ["cellar.jar -> hall"]),
        (
            "cellar/jar",
            "from house import hall, attic",
            ["cellar.jar -> attic", "cellar.jar -> hall"],
        ),
        ("attic", "import housekeeping, house.hall as h", []),
    ],
)
def test_a_planted_upward_import_is_found(house, name, text, found):
    assert house(name, text) == found


def test_a_planted_circle_is_found(house, tmp_path):
    assert circle(tmp_path / "house") == []
    assert house("cellar/jar", "from house.cellar import box") == []
    assert set(circle(tmp_path / "house")) == {"cellar.box", "cellar.jar"}


@pytest.mark.slow
def test_rules_know_no_graph_and_the_engine_no_instrument():
    for name, targets in imports(PACKAGE).items():
        if name.startswith("rules"):
            assert all(target.startswith(("rules", "errors")) for target in targets)
        if name.startswith("engine"):
            known = ("engine", "rules", "errors")
            assert all(target.startswith(known) for target in targets), name


def test_importing_the_package_loads_nothing_heavy():
    program = (
        "import sys, tinygrad_pool\n"
        "heavy = {'graphviz', 'rich', 'scipy', 'matplotlib', 'numba', 'torch', 'dataclasses'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.strip() == b"[]"


def test_what_is_text_needs_no_graphviz():
    program = (
        "import sys\n"
        "sys.modules['graphviz'] = None\n"
        "import numpy as np, tinygrad_pool as tg\n"
        "x, w = tg.Value(np.eye(4)[None, None], label='x'), tg.Value(-0.5, label='w')\n"
        "E = tg.relu(tg.max_pool2d(x * w, 2)).sum()\n"
        "passed = tg.record(E)\n"
        "passed.set('w', 2.0)\n"
        "print(passed.why(w), tg.derive(E, w), tg.diagnose(E), sep='\\n')\n"
        "print(tg.compare_passes(passed, passed.replay()), tg.tree(E), sep='\\n')\n"
        "tg.debug(E, commands='show w; where; node; why w')\n"
        "print(tg.weights_of(E.parents[0].parents[0]), tg.compare_weight_layer(E))\n"
        "print(tg.unroll(E), tg.find_ties(E), tg.receptive_field(E))\n"
        "try:\n"
        "    tg.draw(E)\n"
        "except tg.errors.ToolError as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program], capture_output=True, check=False
    )
    out, err = ran.stdout.decode(), ran.stderr.decode()
    assert (ran.returncode, err) == (0, "")
    for said in (
        "grad of w is 0 = 0 + 0",
        "∂E/∂w",
        "Diagnosis of ",
        "max_pool2d#3[0, 0, 0, 0]: mul#2[0, 0, 0, 1] (0) won",
        "└─ relu (1, 1, 2, 2) = 0 … 0, grad –",
        "pip install graphviz",
    ):
        assert said in out


def test_names_load_lazily_and_complete():
    program = (
        "import sys, tinygrad_pool as tg\n"
        "assert {'draw', 'nn', 'Value'} <= set(dir(tg))\n"
        "assert 'tinygrad_pool.nn' not in sys.modules\n"
        "tg.nn, tg.draw\n"
        "assert {'tinygrad_pool.nn', 'tinygrad_pool.drawing'} <= set(sys.modules)\n"
        "assert 'graphviz' not in sys.modules\n"
        "assert all(hasattr(tg, name) for name in tg.__all__)\n"
        "assert not hasattr(tg, 'absent')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
