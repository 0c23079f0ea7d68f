"""How tests run, and what examples in pages and docstrings need; see also tests/conftest.py."""

import gc
import os
import random
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

# Before NumPy is imported: threads on small matrices wait for each other far longer than they work.
os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}

# A test draws the same cases each time and has all the time it needs; `make fuzz` draws new ones.
settings.register_profile(
    "same",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("fuzz", settings.get_profile("same"), derandomize=False, print_blob=True)
settings.load_profile("same")

TESTS = Path(__file__).parent / "tests"
collect_ignore = ["docs/_build"]  # and tests/peers/test_pages.py runs what needs other libraries
collect_ignore += ["docs/from_and_to_pytorch.md", "docs/how_to/widget_in_a_notebook.md"]


def pytest_ignore_collect(collection_path):
    """Import no module for its examples if it has none: some import PyTorch, for seconds."""
    if collection_path.suffix != ".py" or collection_path.is_relative_to(TESTS):
        return None
    return ">>> " not in collection_path.read_text("utf-8") or None


def pytest_addoption(parser, pluginmanager):
    """Let pyproject.toml ask for several processes where pytest-xdist is off or missing."""
    if not pluginmanager.has_plugin("xdist"):
        for option in ("--numprocesses", "--maxprocesses", "--dist"):
            parser.addoption(option, help="without pytest-xdist: no effect")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the longest files first, which drive Chromium or stand in no folder, to end together."""
    slow = {item.path for item in items if item.get_closest_marker("browser")}
    items.sort(key=lambda item: (item.path not in slow, item.path.parent != TESTS))


def pytest_collection_finish():
    """Let the collector pass by thousands of tests, which stay: it ran through them each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Start all tests alike; let examples write into a folder, and unlearn the rules they teach."""
    random.seed(0)  # networks of scalars draw from it
    if not isinstance(item, pytest.DoctestItem):
        return (yield)
    from tinygrad_pool.rules.composition import load
    from tinygrad_pool.rules.rule import IMPLEMENTED, is_ours

    load()  # which enters rules, and only once
    before = dict(IMPLEMENTED)
    with TemporaryDirectory() as folder, chdir(folder):
        result = yield
    ours = {function: rule for function, rule in IMPLEMENTED.items() if is_ours(rule)}
    IMPLEMENTED.clear()
    IMPLEMENTED.update(ours | before)  # ours: of a module that the example was the first to import
    return result
