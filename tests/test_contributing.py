"""CONTRIBUTING.md, the Makefile and the hooks agree with each other."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def targets():
    """Map each target of the Makefile to its prerequisites."""
    lines = re.findall(r"^([a-z-]+(?: [a-z-]+)?):([^#\n]*)", MAKEFILE, re.M)
    return {name: before.split() for names, before in lines for name in names.split()}


def test_each_hook_before_a_commit_is_a_gate_of_make_check_and_fetches_nothing():
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert repo["repo"] == "local"
    for hook in repo["hooks"]:
        make, target = hook["entry"].split()
        assert (make, hook["language"]) == ("make", "system")
        assert target in targets()["check"]


def test_make_help_lists_every_target():
    documented = re.findall(r"^([a-z-]+(?: [a-z-]+)?):.*  ## \S", MAKEFILE, re.M)
    assert {name for names in documented for name in names.split()} == {*targets()}


@pytest.mark.parametrize(
    "place", re.findall(r"`([a-z_]+/(?:\w+\.py)?)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
)
def test_every_path_named_exists(place):
    assert (ROOT / "tinygrad_pool" / place).exists() or (ROOT / place).exists()
