"""What the examples of pages and docstrings need; what tests share is in tests/conftest.py."""

import pytest

from tinygrad_pool.numpy_names import ANSWERS


@pytest.fixture(autouse=True)
def _examples_leave_no_trace(request, monkeypatch):
    """Give examples a folder to write into, and unlearn the rules that they teach."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    monkeypatch.chdir(request.getfixturevalue("tmp_path"))
    before = dict(ANSWERS)
    yield
    ANSWERS.clear()
    ANSWERS.update(before)
