"""Install the built package in fresh environments, and write the results to reference/installs.md.

    pip install build twine uv pipx && python docs/try_installs.py

Every supported CPython on this machine is tested with the lowest and the newest versions of the
dependencies, from the wheel and from the source distribution: without extras, with [demo], and with
the extras of the widget.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "installs.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SCRIPT = """\
import tinygrad_pool as tg
a, b = tg.Value(2.0, label="a"), tg.Value([3.0, 1.0], label="b")
loss = tg.maximum(a * b, b**2).sum()
"""
ASKED = """\
import tinygrad_pool as tg
from net import a, b, loss
loss.backward()
assert (a.grad, list(b.grad)) == (1.0, [6.0, 2.0]), (a.grad, b.grad)
assert tg.unroll(loss)().loss == loss.item() and tg.draw(loss).source and tg.tree(loss)
"""
DRAWN = 'import tinygrad_pool as tg; from net import loss; tg.render(loss, "net.svg")'
PLAYED = """\
import tinygrad_pool as tg
from net import loss
widget = tg.record(loss).widget()
widget.step = 2
assert "<iframe" in widget.get_state()["frame"]
"""
EXTRAS = {"": (ASKED,), "demo": (ASKED, DRAWN), "render,widget": (ASKED, DRAWN, PLAYED)}
"""The programs to run with each choice of extras."""

LISTED = ("numpy", "graphviz", "rich", "graphviz-pure", "matplotlib", "anywidget")
"""The packages whose versions are listed."""


class Row(NamedTuple):
    """A row of the table: what was installed, and how that ended."""

    python: str
    how: str
    versions: str
    result: str


def run(*command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in a clean environment; raise RuntimeError with its output if it fails."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    ran = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, capture_output=True, check=False, text=True
    )
    if ran.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{ran.stdout}{ran.stderr}")
    return ran


def tool(name: str) -> str:
    """Find a tool next to this Python, or on the PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is missing: pip install build twine uv pipx")
    return found


def pythons() -> dict[str, str]:
    """Find one CPython of every minor version that the project allows."""
    paths = [shutil.which(f"python3.{minor}") for minor in range(11, 20)]
    paths += map(str, sorted(Path.home().glob(".pyenv/versions/*/bin/python")))
    ask = "import sys, venv; print(sys.implementation.name, *sys.version_info[:2])"
    found: dict[str, str] = {}
    for path in filter(None, paths):
        ran = subprocess.run([path, "-c", ask], capture_output=True, check=False, text=True)
        name, *version = ran.stdout.split() or ["none"]
        if name == "cpython" and tuple(map(int, version)) >= (3, 11):
            found.setdefault(".".join(version), path)
    return dict(sorted(found.items(), key=lambda item: int(item[0].partition(".")[2])))


def needed(extra: str) -> list[str]:
    """List the requirements of the package and its extras, including extras of extras."""
    listed = [*PROJECT["dependencies"]]
    for name in filter(None, extra.split(",")):
        for requirement in PROJECT["optional-dependencies"][name]:
            inner = re.fullmatch(r"tinygrad_pool\[(.*)\]", requirement)
            listed += needed(inner[1]) if inner else [requirement]
    return listed


def installed(python: str, built: Path, extra: str, resolution: str, folder: Path) -> str:
    """Install into a fresh environment, run the programs, and return the installed versions."""
    run(tool("uv"), "venv", "--quiet", "--clear", "--python", python, folder / "env")
    inside = folder / "env" / "bin" / "python"
    asked = f"{built}[{extra}]" if extra else str(built)
    run(
        *(tool("uv"), "pip", "install", "--quiet", "--python", inside, "--resolution", resolution),
        *("--only-binary", "numpy", "--only-binary", "matplotlib"),  # too slow to build
        *(asked, *dict.fromkeys(needed(extra))),
    )
    (folder / "net.py").write_text(SCRIPT, encoding="utf-8")
    for program in EXTRAS[extra]:
        run(inside, "-W", "error", "-c", program, cwd=folder)
    run(folder / "env" / "bin" / "tinygrad-pool", "tree", "net.py", cwd=folder)
    listed = run(tool("uv"), "pip", "list", "--python", inside, "--format", "freeze").stdout
    versions = dict(line.split("==") for line in listed.split() if "==" in line)
    return ", ".join(f"{name} {versions[name]}" for name in LISTED if name in versions)


def environments(wheel: Path, source: Path, folder: Path) -> list[Row]:
    """Install for every Python in every way."""
    ways = [
        (wheel, "", "lowest-direct"),
        (wheel, "", "highest"),
        (wheel, "demo", "lowest-direct"),
        (wheel, "demo", "highest"),
        (wheel, "render,widget", "lowest-direct"),
        (wheel, "render,widget", "highest"),
        (source, "", "highest"),
    ]
    rows = []
    for version, python in pythons().items():
        for built, extra, resolution in ways:
            kind = "wheel" if built is wheel else "source"
            how = f"{kind} `[{extra}]`" if extra else kind
            print(version, how, resolution, flush=True)
            versions = installed(python, built, extra, resolution, folder)
            does = ("computes", "computes and draws", "computes, draws and plays")
            result = f"{does[len(EXTRAS[extra]) - 1]}; its command runs"
            rows.append(Row(version, how, versions, result))
    return rows


def runners(wheel: Path, folder: Path) -> list[Row]:
    """Run the command line by uvx and pipx, which make their own environments."""
    (folder / "net.py").write_text(SCRIPT, encoding="utf-8")
    ways = {
        "`uvx --from WHEEL tinygrad-pool`": [tool("uv"), "tool", "run", "--from", wheel],
        "`pipx run --spec WHEEL tinygrad-pool`": [tool("pipx"), "run", "--spec", wheel],
    }
    rows = []
    for how, command in ways.items():
        printed = run(*command, "tinygrad-pool", "tree", "net.py", cwd=folder).stdout
        assert "max" in printed, printed
        rows.append(Row("", how, "", "its command runs"))
    return rows


def built(folder: Path) -> tuple[Path, Path]:
    """Build wheel and source distribution with `python -m build`, and check them."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, source)
    return wheel, source


def page(rows: list[Row]) -> str:
    """Write the page."""
    lines = [
        "# Tested installations",
        "",
        "`python docs/try_installs.py` installs the package in each of these ways, and writes this",
        "page. Wheel and source distribution are built outside the source tree, and pass",
        "`twine check --strict`. Each row is a fresh environment, with the lowest or the newest",
        "versions that the package allows and that have a wheel for that Python.",
        "",
        "| Python | from | with | result |",
        "| --- | --- | --- | --- |",
        *(f"| {row.python} | {row.how} | {row.versions} | {row.result} |" for row in rows),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Test every installation, and write the page."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        wheel, source = built(folder / "dist")
        rows = [*environments(wheel, source, folder), *runners(wheel, folder)]
    PAGE.write_text(page(rows), encoding="utf-8")
    print(f"{PAGE} has {len(rows)} rows")


if __name__ == "__main__":
    main()
