"""Imports go downward only; and importing the package brings nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import tinygrad_pool

PACKAGE = Path(tinygrad_pool.__file__).parent
FLOORS = [
    ["errors"],
    [
        "rules.axes",
        "rules.rule",
        "rules.ties",
        "rules.shaping",
        "rules.windows",
        "rules.arithmetic",
        "rules.elementwise",
        "rules.reductions",
        "rules.linear",
        "rules.pooling",
        "rules",
    ],
    ["setting", "files", "data", "numpy_names"],
    ["signature"],
    ["node"],
    ["graph"],
    ["engine"],
    ["gradients", "operations"],
    ["datasets", "optim", "nn.module", "nn.layers", "nn.scalar", "nn.losses", "nn"],
    [
        "drawing.theme",
        "drawing.labels",
        "drawing.dot_program",
        "drawing.plots",
        "drawing.computation",
        "drawing.render",
        "drawing.units",
        "drawing",
    ],
    ["derivation", "gradient_check"],
    ["demo"],
    ["", "cli"],
    ["__main__"],
]


def modules(package: Path) -> dict[str, Path]:
    """List the modules of a package by their dotted name below it."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(p for p in parts if p != "__init__")] = path
    return found


def imports(path: Path, package: str) -> set[str]:
    """List the modules of the package that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {n.removeprefix(package).lstrip(".") for n in names if n.split(".")[0] == package}
    return found


def upward(package: Path, floors: list[list[str]]) -> list[str]:
    """List every import that does not lead to a lower floor, or to the same folder."""
    height = {name: i for i, floor in enumerate(floors) for name in floor}
    known = modules(package)
    wrong = []
    for name, path in sorted(known.items()):
        if not name:
            continue  # the package's face hands names on
        for target in sorted(imports(path, package.name) & known.keys() - {""}):
            same = name.split(".")[0] == target.split(".")[0]
            if height[target] > height[name] or (height[target] == height[name] and not same):
                wrong.append(f"{name} -> {target}")
    return wrong


def test_every_module_stands_on_a_floor():
    assert sorted(modules(PACKAGE)) == sorted(name for floor in FLOORS for name in floor)


def test_imports_go_downward():
    assert upward(PACKAGE, FLOORS) == []


def test_a_planted_upward_import_is_found(tmp_path):
    package = tmp_path / "house"
    package.mkdir()
    for name, text in {
        "__init__": "from house.top import x",
        "ground": "def f():\n    from house.top import x",
        "middle": "import house.ground",
        "top": "from house import middle",
    }.items():
        (package / f"{name}.py").write_text(text)
    assert upward(package, [["ground"], ["middle"], ["top"], [""]]) == ["ground -> top"]


def test_rules_know_no_graph_and_the_engine_no_instrument():
    for name, path in modules(PACKAGE).items():
        used = imports(path, "tinygrad_pool")
        if name.startswith("rules"):
            assert all(target.startswith(("rules", "errors")) or not target for target in used)
        if name in ("node", "graph", "engine", "operations", "gradients"):
            assert not any(target.startswith(("drawing", "nn", "cli")) for target in used)


def test_importing_the_package_loads_nothing_heavy():
    program = (
        "import sys, tinygrad_pool\n"
        "heavy = {'graphviz', 'rich', 'scipy', 'matplotlib', 'numba', 'torch', 'dataclasses'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.strip() == b"[]"


def test_names_load_lazily_and_complete():
    program = (
        "import sys, tinygrad_pool as tg\n"
        "assert {'draw', 'nn', 'Value'} <= set(dir(tg))\n"
        "assert 'tinygrad_pool.nn' not in sys.modules\n"
        "tg.nn, tg.draw\n"
        "assert 'graphviz' in sys.modules and 'tinygrad_pool.nn' in sys.modules\n"
        "assert all(hasattr(tg, name) for name in tg.__all__)\n"
        "assert not hasattr(tg, 'absent')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
