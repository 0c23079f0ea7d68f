"""Both passes of a graph in JavaScript: the numbers are Python's."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.javascript import program_of

GRAPHS = 100
"""So many graphs of numbers are compared, and as many of arrays."""


def is_exact(y):
    """Return whether small integers stay such: no norm, and no share in an even tie."""
    nodes = topological_order(y)
    return all("lp_pool" not in n.op and n.options.get("ties") != "even" for n in nodes)


@pytest.fixture
def small_net(random_net):
    """Build a random network of few numbers."""

    def build(seed, kind, ties):
        sizes = (random_net(k, kind, ties=ties)[0] for k in range(seed, seed + 100_000, 1_000))
        return next(y for y in sizes if sum(n.size for n in topological_order(y)) < 1_500)

    return build


@pytest.fixture
def recordings(scalar_graph, small_net):
    """Record passes over random graphs; say of each whether the page has every bit of it."""

    def record(n, first=0):
        found = []
        with np.errstate(all="ignore"):
            for seed in range(first, first + n):
                loss, exact = scalar_graph(seed)
                found.append((tg.record(loss), exact))
                kind = ("random", "tied", "infinite", "nan")[seed % 4]
                ties = ("first", "last", "even")[seed % 3]
                y = small_net(seed, kind, ties)
                g = np.random.default_rng(seed).integers(-3, 4, y.shape).astype(float)
                found.append((tg.record(y, g), kind == "tied" and is_exact(y)))
        return found

    return record


def with_other_numbers(passed, seed):
    """Run a pass again with other numbers of the same kind for some leaves."""
    rng = np.random.default_rng(seed)
    for leaf in (node for node in passed.nodes if node.is_leaf):
        passed.set(leaf, rng.permutation(np.ravel(leaf.data) + 1.0).reshape(leaf.shape))
    with np.errstate(all="ignore"):
        return passed.replay()


def test_a_few_graphs_compute_what_they_did(recordings, programs, compare, node_js):
    found = recordings(8)
    passes = [passed for passed, _ in found]
    told = node_js(f"{programs(passes, passes)}console.log(JSON.stringify(results));")
    for (passed, exact), one in zip(found, told, strict=True):
        compare(passed, one, exact)


@pytest.mark.slow
@pytest.mark.peer
@pytest.mark.browser
def test_200_random_graphs_compute_in_chromium_what_they_do_in_python_with_other_numbers(
    recordings, programs, compare, browser
):
    page = browser.new_page()
    count = 0
    for first in range(0, GRAPHS, 20):
        found = recordings(20, first)
        passes = [passed for passed, _ in found]
        others = [with_other_numbers(passed, first + i) for i, passed in enumerate(passes)]
        page.set_content("<!DOCTYPE html><title>graphs</title>")
        told = page.evaluate(f"() => {{ {programs(passes, others)} return results; }}")
        for other, (_, exact), one in zip(others, found, told, strict=True):
            compare(other, one, exact)
            count += exact
    assert count > GRAPHS / 2
