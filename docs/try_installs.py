"""Install what is built, in bare environments, and write what came of it: reference/installs.md.

    pip install build twine uv pipx && python docs/try_installs.py

Every CPython that is found and allowed is tried, with the lowest and the newest versions of what
the package needs, from the wheel and from the source distribution, without extras, with [demo], and
with what a widget takes.
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
"""What is run with each choice of extras."""

TELLING = ("numpy", "graphviz", "rich", "graphviz-pure", "matplotlib", "anywidget")
"""The packages whose versions are told."""


class Tried(NamedTuple):
    """A row of the table."""

    python: str
    how: str
    versions: str
    came: str


def run(*command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command apart from this process's environment; its words are told if it fails."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    ran = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, capture_output=True, check=False, text=True
    )
    if ran.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{ran.stdout}{ran.stderr}")
    return ran


def tool(name: str) -> str:
    """Find a tool beside this Python, or on the path."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is missing: pip install build twine uv pipx")
    return found


def pythons() -> dict[str, str]:
    """List one CPython of every minor version that the project allows."""
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
    """List what the package asks for, by itself or with extras, extras of extras among them."""
    listed = [*PROJECT["dependencies"]]
    for name in filter(None, extra.split(",")):
        for requirement in PROJECT["optional-dependencies"][name]:
            inner = re.fullmatch(r"tinygrad_pool\[(.*)\]", requirement)
            listed += needed(inner[1]) if inner else [requirement]
    return listed


def installed(python: str, built: Path, extra: str, resolution: str, folder: Path) -> str:
    """Install into a bare environment, use what came, and return the versions that it had."""
    run(tool("uv"), "venv", "--quiet", "--clear", "--python", python, folder / "env")
    inside = folder / "env" / "bin" / "python"
    asked = f"{built}[{extra}]" if extra else str(built)
    run(
        *(tool("uv"), "pip", "install", "--quiet", "--python", inside, "--resolution", resolution),
        *("--only-binary", "numpy", "--only-binary", "matplotlib"),  # what nobody builds by hand
        *(asked, *dict.fromkeys(needed(extra))),
    )
    (folder / "net.py").write_text(SCRIPT, encoding="utf-8")
    for program in EXTRAS[extra]:
        run(inside, "-W", "error", "-c", program, cwd=folder)
    run(folder / "env" / "bin" / "tinygrad-pool", "tree", "net.py", cwd=folder)
    listed = run(tool("uv"), "pip", "list", "--python", inside, "--format", "freeze").stdout
    versions = dict(line.split("==") for line in listed.split() if "==" in line)
    return ", ".join(f"{name} {versions[name]}" for name in TELLING if name in versions)


def environments(wheel: Path, source: Path, folder: Path) -> list[Tried]:
    """Try every Python with every way to install."""
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
            what = ", ".join(["computes", "draws", "plays"][: len(EXTRAS[extra])])
            rows.append(Tried(version, how, versions, f"{what}, and its command runs"))
    return rows


def runners(wheel: Path, folder: Path) -> list[Tried]:
    """Run the command line without an environment of one's own."""
    (folder / "net.py").write_text(SCRIPT, encoding="utf-8")
    ways = {
        "`uvx --from WHEEL tinygrad-pool`": [tool("uv"), "tool", "run", "--from", wheel],
        "`pipx run --spec WHEEL tinygrad-pool`": [tool("pipx"), "run", "--spec", wheel],
    }
    rows = []
    for how, command in ways.items():
        printed = run(*command, "tinygrad-pool", "tree", "net.py", cwd=folder).stdout
        assert "max" in printed, printed
        rows.append(Tried("", how, "", "its command runs"))
    return rows


def built(folder: Path) -> tuple[Path, Path]:
    """Build both, as `python -m build` does: in an environment of their own; and check them."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, source)
    return wheel, source


def page(rows: list[Tried]) -> str:
    """Write the page."""
    lines = [
        "# Installations that were tried",
        "",
        "What was installed, and what came of it: `python docs/try_installs.py` writes this page.",
        "Wheel and source distribution are built apart from the tree, and pass",
        "`twine check --strict`. Each row is a bare environment, with the lowest or the newest",
        "versions that the package allows and that have a wheel for that Python.",
        "",
        "| Python | from | with | |",
        "| --- | --- | --- | --- |",
        *(f"| {row.python} | {row.how} | {row.versions} | {row.came} |" for row in rows),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Try everything, and write the page."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        wheel, source = built(folder / "dist")
        rows = [*environments(wheel, source, folder), *runners(wheel, folder)]
    PAGE.write_text(page(rows), encoding="utf-8")
    print(f"{PAGE} has {len(rows)} rows")


if __name__ == "__main__":
    main()
