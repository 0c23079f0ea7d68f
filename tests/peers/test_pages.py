"""Pages of the docs whose examples need other libraries."""

import doctest
from pathlib import Path

import pytest

PAGES = {
    "from_and_to_pytorch.md": (["torch", "onnx", "safetensors"], 30),
    "how_to/widget_in_a_notebook.md": (["anywidget"], 10),
}
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.peer
@pytest.mark.long
@pytest.mark.parametrize("name", PAGES)
def test_every_example_of_a_page(peer, name, tmp_path, monkeypatch):
    libraries, examples = PAGES[name]
    for library in libraries:
        peer(library)
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(DOCS / name), module_relative=False, encoding="utf-8")
    assert result.attempted > examples
    assert result.failed == 0
