"""Imports go downward only, and importing the package loads nothing heavy."""

import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from floors import (
    FLOORS,
    PACKAGE,
    arrows,
    imports,
    looked_up,
    modules,
    room_of,
    without_shortcuts,
)

TESTS = Path(__file__).parent
ELSEWHERE = {
    "bridges.aten_shapes": "bridges/test_aten.py",
    "bridges.counterparts": "bridges/test_agreement.py",
    "extras": "bridges/test_onnx_writing.py",
    "bridges.graph": "bridges/test_onnx_writing.py",
    "bridges.onnx_keys": "bridges/test_onnx_writing.py",
    "bridges.onnx_shapes": "bridges/test_onnx_operations.py",
    "bridges.onnx_windows": "bridges/test_onnx_writing.py",
    "bridges.onnx_writer": "bridges/test_onnx_writing.py",
    "bridges.torch_tracing": "bridges/test_torch_reading.py",
    "bridges.translations": "bridges/test_network.py",
    "bridges.window_counterparts": "bridges/test_agreement.py",
    "diagnosis.findings": "diagnosis/test_diagnosis.py",
    "drawing.overview": "drawing/test_computation.py",
    "rules.blocks": "rules/test_fast_convolution.py",
    "engine.lazy_names": "functional/test_numpy_functions.py",
    "engine.running": "engine/test_lift.py",
    "engine.short_ways": "engine/test_lift.py",
    "engine.staleness": "test_promises.py",
    "javascript.primitives": "javascript/test_meanings.py",
    "nn.saving": "nn/test_npz.py",
    "recording.player.stage": "recording/player/test_player.py",
    "recording.steps": "recording/test_recording.py",
    "recording.trace": "recording/test_recording.py",
}
"""Modules without a test file of their own, and the file that tests them."""

LOOKED_UP = {
    "engine.lazy_names": {""},  # names in the stubs of packages
    "": {"tinygrad_pool.drawing.display"},  # the picture of a Value in a notebook
    "functional": {""},  # names in its stub
    "nn.module": {"tinygrad_pool.bridges"},  # net.to_torch()
    "rules.composition": {"tinygrad_pool.rules."},  # rules of NumPy's rarer functions
    "extras": {""},  # optional packages
    "drawing.variables": {"sys.modules"},  # the file of an object's class
    "engine.habits": {"sys.modules"},  # the module that lacks a name
    "codegen.writer": {"sys.modules"},  # the module of a user's rule
    "debugger.terminal": {"sys.modules"},  # IPython's, if it runs
    "debugger.closure_pdb": {"sys.modules"},  # modules whose frames pdb skips
}
"""Modules that are imported dynamically: the picture has no arrows for them."""

DOCS = TESTS.parent / "docs"
DESIGN = (DOCS / "design.md").read_text("utf-8").partition("## The package, floor by floor")[2]
DESIGN = DESIGN.partition("\n## ")[0]
PICTURE = (DOCS / "pictures" / "floors.svg").read_text("utf-8")


def upward(package: Path, floors: list[str]) -> list[str]:
    """List every import that leads neither down, nor to the left, nor within its room."""
    order = {room: i for i, room in enumerate(" ".join(floors).split())}
    return [
        f"{name} -> {target}"
        for name, targets in sorted(imports(package).items())
        for target in sorted(targets)
        if order[room_of(target, package)] > order[room_of(name, package)]
    ]


def circle(package: Path) -> list[str]:
    """List the modules of an import cycle, if there is one."""
    try:
        TopologicalSorter(imports(package)).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_module_is_on_a_floor():
    rooms = {room_of(name, PACKAGE) for name in modules(PACKAGE)}
    assert sorted(rooms) == sorted(" ".join(FLOORS).split())
    assert len(FLOORS) <= 10


@pytest.mark.covered
def test_imports_go_downward():
    assert upward(PACKAGE, FLOORS) == []


@pytest.mark.covered
def test_dynamic_imports_are_listed():
    assert looked_up(PACKAGE) == LOOKED_UP


def test_imports_form_no_cycle():
    assert circle(PACKAGE) == []


def test_the_table_of_the_design_has_the_rooms_of_each_floor():
    listed, floor = [set() for _ in FLOORS], 0
    for number, rooms in re.findall(r"^\| (\d*) ?\| ([^|]*`[^|]*)? \|", DESIGN, re.M):
        floor = int(number or floor)
        listed[floor - 1] |= set(re.findall(r"`(\w+)/?`", rooms))
    assert listed == [set(rooms.split()) for rooms in FLOORS]


@pytest.mark.parametrize("room", ["rules", "engine"])
def test_the_table_of_the_design_has_every_module_of(room):
    rows = re.search(rf"^\| \d \| `{room}/` \|.*\n(?:\| \| \| .*\n)*", DESIGN, re.M)[0]
    named = re.findall(r"`(\w+)`", rows)
    assert sorted(named) == sorted({p.stem for p in (PACKAGE / room).glob("*.py")} - {"__init__"})


def test_the_engine_can_be_read_aloud_in_a_quarter_of_an_hour():
    paths = ["rules/rule.py", "engine/value.py", "engine/lift.py", "engine/backward.py"]
    assert sum(len((PACKAGE / path).read_text("utf-8").split()) for path in paths) <= 2_600


def test_the_picture_has_one_row_per_floor():
    node = r'<title>(\w+|floor \d+)</title>\s*(?:<polygon[^>]*>)?\s*<text\b.* y="(\S+)"'
    rows = {}
    for room, y in re.findall(node, PICTURE):
        rows.setdefault(float(y), set()).add(room)
    from_the_ground = [rows[y] for y in sorted(rows, reverse=True)]
    assert from_the_ground == [{f"floor {n}", *rooms.split()} for n, rooms in enumerate(FLOORS, 1)]


def test_the_picture_has_an_arrow_per_import():
    shown = re.findall(r"<title>(\w+)&#45;&gt;(\w+)</title>", PICTURE)
    drawn = without_shortcuts(arrows(PACKAGE))
    assert sorted(shown) == sorted((room, to) for room, targets in drawn.items() for to in targets)


def test_every_module_has_a_test_file_or_is_a_listed_exception():
    paths = {
        name: path.relative_to(PACKAGE)
        for name, path in modules(PACKAGE).items()
        if not path.stem.startswith("__")
    }
    alone = {n for n, p in paths.items() if (TESTS / p.parent / f"test_{p.name}").exists()}
    assert sorted(paths.keys() - alone) == sorted(ELSEWHERE)
    assert [place for place in ELSEWHERE.values() if not (TESTS / place).exists()] == []


def test_every_test_folder_mirrors_one_of_the_package():
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    assert {str(f) for f in folders if not (PACKAGE / f).is_dir()} == {"peers"}


@pytest.fixture
def house(tmp_path):
    """Build a small package of three floors; `plant` rewrites one of its modules."""
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


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f():\n    import_module('house.attic')", "house.attic"),
        ("importlib.import_module(__name__.partition('.')[0])", ""),
        ("import_module(f'house.{x}')", "house."),
        ("sys.modules['house.attic'].x", "sys.modules"),
        ("__import__('house.attic')", "__import__"),
    ],
)
def test_a_planted_dynamic_import_is_found(house, tmp_path, text, found):
    house("hall", text)
    assert looked_up(tmp_path / "house") == {"hall": {found}}


def test_a_planted_cycle_is_found(house, tmp_path):
    assert circle(tmp_path / "house") == []
    assert house("cellar/jar", "from house.cellar import box") == []
    assert set(circle(tmp_path / "house")) == {"cellar.box", "cellar.jar"}


def test_an_arrow_is_omitted_if_others_imply_it(house, tmp_path):
    assert house("attic", "import house.hall, house.cellar.box") == []
    there = arrows(tmp_path / "house")
    assert there["attic"] == {"hall", "cellar"}
    assert without_shortcuts(there) == {
        "attic": {"hall"},
        "house": {"hall"},
        "hall": {"cellar"},
        "cellar": set(),
    }


@pytest.mark.long
def test_rules_do_not_import_the_engine_nor_the_engine_instruments():
    for name, targets in imports(PACKAGE).items():
        if name.startswith("rules"):
            assert all(target.startswith(("rules", "errors", "formatting")) for target in targets)
        if name.startswith("engine"):
            known = ("engine", "rules", "errors")
            assert all(target.startswith(known) for target in targets), name


def test_importing_the_package_loads_nothing_heavy():
    program = (
        "import sys, tinygrad_pool\n"
        "heavy = {'graphviz', 'rich', 'scipy', 'matplotlib', 'numba', 'torch', 'dataclasses'}\n"
        "heavy |= {'numpy.random', 'hashlib', 'tinygrad_pool.rules.windows'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.strip() == b"[]"


def test_text_output_needs_no_graphviz():
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
        "grad of w is 0 = 0 + … (16 in all)",
        "∂E/∂w",
        "Diagnosis of ",
        "max_pool2d#3[0, 0, 0, 0]: mul#2[0, 0, 0, 1] (0) won",
        "└─ relu (1, 1, 2, 2) = all 0, grad –",
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
        "assert not any(hasattr(part, 'absent') for part in (tg, tg.functional))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
