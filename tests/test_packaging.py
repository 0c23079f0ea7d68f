"""The wheel and the source distribution, built once, as pip builds them, and inspected."""

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import tinygrad_pool

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def build(target, folder):
    """Build a wheel or sdist with hatchling, the backend that pip calls."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(build("wheel", tmp_path_factory.mktemp("wheel"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_string(wheel.read(name).decode())


def test_the_wheel_is_pure_python(wheel):
    assert wheel.filename.endswith("-py3-none-any.whl")


def test_a_wheel_contains_exactly_the_files_of_the_package(wheel):
    package = ROOT / "tinygrad_pool"
    files = [f for f in package.rglob("*") if f.is_file() and f.suffix != ".pyc"]
    expected = {f.relative_to(ROOT).as_posix() for f in files}
    assert {n for n in wheel.namelist() if ".dist-info/" not in n} == expected


def test_a_wheel_contains_types_digits_and_licences(wheel):
    names = set(wheel.namelist())
    assert "tinygrad_pool/py.typed" in names
    licences = {n.partition(".dist-info/licenses/")[2] for n in names if "/licenses/" in n}
    assert licences == {"LICENSE", "tinygrad_pool/datasets/digits/LICENSE.txt"}
    assert all(wheel.getinfo(n).file_size > 500 for n in names if "/licenses/" in n)
    assert wheel.getinfo("tinygrad_pool/datasets/digits/digits.csv.gz").file_size > 20_000


def test_the_metadata_has_licence_python_extras_and_the_command(wheel, metadata):
    assert metadata["Name"] == "tinygrad_pool"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT AND BSD-3-Clause"  # the code, and the digits
    assert set(metadata.get_all("Provides-Extra")) == {
        *(
            "render",
            "pdf",
            "plot",
            "sparse",
            "torch",
            "onnx",
            "widget",
            "demo",
            "test",
            "peers",
            "docs",
            "dev",
        ),
    }
    (entry,) = [n for n in wheel.namelist() if n.endswith("entry_points.txt")]
    assert "tinygrad-pool = tinygrad_pool.cli.main:main" in wheel.read(entry).decode()


def test_no_more_than_three_packages_are_needed_at_run_time(metadata):
    needed = [r for r in metadata.get_all("Requires-Dist") if "extra ==" not in r]
    assert sorted(re.match(r"[\w-]+", r)[0] for r in needed) == ["graphviz", "numpy", "rich"]


def test_a_source_distribution_contains_what_the_readme_runs(tmp_path):
    with tarfile.open(build("sdist", tmp_path)) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    expected = {"README.md", "conftest.py", "tests/conftest.py", "docs/index.md", "pyproject.toml"}
    assert expected <= names


class TestTheVersion:
    def test_it_is_that_of_the_package(self, metadata):
        assert metadata["Version"] == tinygrad_pool.__version__

    def test_it_is_in_the_citation(self):
        citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
        assert citation["version"] == tinygrad_pool.__version__
        assert citation["license"] in PROJECT["license"]

    def test_it_is_in_the_changelog(self):
        newest = re.search(r"^## (\S+),", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
        assert newest[1] == tinygrad_pool.__version__


INSTALLS = (ROOT / "docs" / "reference" / "installs.md").read_text("utf-8")


def test_the_table_of_installs_has_every_python_and_the_lowest_versions():
    """`python docs/try_installs.py` writes the table, from bare environments."""
    ways = ("wheel", "wheel `[demo]`", "wheel `[render,widget]`", "source")
    tried = set(re.findall(r"^\| (3\.\d+) \| ([^|]*) \|", INSTALLS, re.M))
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert tried >= {(p, how) for p in named for how in ways}
    for requirement in PROJECT["dependencies"]:
        name, lowest = requirement.split(">=")
        assert re.search(rf"{name} {re.escape(lowest)}\b", INSTALLS), requirement
    assert "uvx" in INSTALLS
    assert "pipx" in INSTALLS
