"""Pages of the docs whose examples need other libraries."""

import doctest
from pathlib import Path

import pytest

PAGES = {"from_and_to_pytorch.md": ["torch", "onnx", "safetensors"]}
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_example_of_a_page(peer, name, tmp_path, monkeypatch):
    for library in PAGES[name]:
        peer(library)
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(DOCS / name), module_relative=False, encoding="utf-8")
    assert result.attempted > 30
    assert result.failed == 0
