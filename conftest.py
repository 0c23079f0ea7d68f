"""How tests run, and what examples in pages and docstrings need; see also tests/conftest.py."""

import gc
import os
import random
from contextlib import chdir
from importlib.util import find_spec
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

NEEDS = {
    "docs/conf.py": "sphinx",
    "docs/pages_that_answer.py": "sphinx",
    "docs/torch_coverage.py": "torch",
    "tinygrad_pool/recording/player/widget.py": "anywidget",
}
collect_ignore = ["docs/_build"]  # and tests/peers/test_pages.py runs what needs other libraries
collect_ignore += ["docs/from_and_to_pytorch.md", "docs/how_to/widget_in_a_notebook.md"]
collect_ignore += [path for path, library in NEEDS.items() if find_spec(library) is None]


def pytest_addoption(parser, pluginmanager):
    """Let pyproject.toml ask for several processes where pytest-xdist is off or missing."""
    if not pluginmanager.has_plugin("xdist"):
        for option in ("--numprocesses", "--maxprocesses", "--dist"):
            parser.addoption(option, help="without pytest-xdist: no effect")


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
    from tinygrad_pool.rules.rule import IMPLEMENTED

    load()  # which enters rules, and only once
    before = dict(IMPLEMENTED)
    with TemporaryDirectory() as folder, chdir(folder):
        result = yield
    IMPLEMENTED.clear()
    IMPLEMENTED.update(before)
    return result
