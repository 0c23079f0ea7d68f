"""What a notebook shows by itself."""

import os
import runpy
import subprocess
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.drawing import dot_program
from tinygrad_pool.drawing.dot_program import VARIABLE


@pytest.fixture
def shell(peer):
    """Open a session that shows all that a notebook can show."""
    formatters = peer("IPython.core.formatters")
    session = SimpleNamespace(display_formatter=formatters.DisplayFormatter())
    tg.load_ipython_extension(session)
    return session


@pytest.fixture
def show(shell):
    """Show a value as the end of a cell does: a text or picture for each kind of output."""
    return lambda value: shell.display_formatter.format(value)[0]


@pytest.mark.peer
class TestANotebook:
    def test_a_value_shows_its_graph(self, show):
        a = Value(2.0, label="<a>")
        shown = show(a * a)
        assert shown["text/plain"] == "Value(data=4.0, op='mul')"
        root = ElementTree.fromstring(shown["image/svg+xml"])
        assert {"n0", "n1"} <= {part.get("id") for part in root.iter()}

    def test_a_graph_of_more_than_sixty_nodes_is_text(self, show):
        x = Value(1.0)
        for _ in range(59):
            x = x + 1.0
        assert "image/svg+xml" in show(x)
        assert show(x + 1.0).keys() == {"text/plain"}

    def test_a_long_chain_is_not_walked(self, show, count_calls):
        x = Value(1.0)
        for _ in range(1_000):
            x = x + 1.0
        much = count_calls(show, x)
        for _ in range(100_000):
            x = x + 1.0
        assert count_calls(show, x) < 1.1 * much

    def test_without_a_graphviz_there_is_text_and_no_error(self, show, monkeypatch):
        monkeypatch.setenv(VARIABLE, "absent")
        assert show(Value(2.0)) == {"text/plain": "Value(data=2.0)"}
        passed = tg.record(Value(2.0).exp())
        assert show(passed) == {"text/plain": "Recording(1 steps, at 0)"}

    def test_a_recording_shows_its_player_in_a_frame(self, show):
        frame = show(tg.record(Value(2.0, label="<a>").exp()))["text/html"]
        assert frame.startswith('<iframe srcdoc="&lt;!DOCTYPE html&gt;')
        assert 'sandbox="allow-scripts"' in frame
        assert frame.count("<") == 2

    def test_reasons_and_the_chain_rule_are_written_out(self, show):
        a = Value(2.0, label="a")
        assert show(tg.record(a * a).why("a"))["text/plain"].startswith("grad of a is 4 = 2 + 2\n")
        shown = show(tg.derive((a * 3.0).exp(), a))
        assert shown["text/plain"].startswith("∂E/∂a = exp(")
        assert shown["text/latex"].startswith(r"$\frac{\partial E}{\partial a} = ")

    def test_a_terminal_gets_text_and_nothing_is_drawn(self, shell, show, monkeypatch):
        monkeypatch.setattr(dot_program, "picture", None)  # to call it would fail
        shell.display_formatter.active_types = ["text/plain"]
        assert show(Value(2.0)) == {"text/plain": "Value(data=2.0)"}

    def test_a_layer_lists_its_parameters(self, show):
        shown = show(nn.Linear(3, 2))
        assert shown["text/plain"].startswith("Linear(")
        assert "<p>Linear: 8 numbers to learn</p>" in shown["text/html"]
        assert "<td>weight</td><td>2 × 3</td><td>6</td>" in shown["text/html"]

    def test_a_large_network_lists_twenty_and_counts_the_others(self, show):
        table = show(nn.MLP(2, [4, 4, 1]))["text/html"]
        assert "37 numbers to learn" in table
        assert "<td>… 17 more</td>" in table
        assert table.count("<tr>") == 1 + 20 + 1

    def test_weights_list_their_links(self, show):
        shown = show(tg.weights_of(tg.max_pool1d(Value([1.0, 3.0, 2.0, 0.0]), 2)))
        assert shown["text/plain"].startswith("Weights(2 units × 4 cells")
        assert "<td>0</td><td>1</td><td>1.0</td>" in shown["text/html"]

    def test_many_links_are_counted(self, show):
        shown = show(tg.weights_of(tg.max_pool1d(Value(np.arange(1000.0)), 2)))
        assert "<td>… 980 more</td>" in shown["text/html"]

    def test_a_comparison_shows_its_table_and_not_its_tuple(self, show):
        loss = tg.max_pool1d(Value([1.0, 3.0, 2.0, 0.0]), 2).sum()
        for found in (tg.compare_weight_layer(loss), tg.find_ties(loss)):
            shown = show(found)
            assert shown["text/plain"] == str(found)
            assert shown["text/html"] == found.table().html()

    def test_it_can_be_switched_off(self, shell, show):
        show(Value(2.0))
        tg.unload_ipython_extension(shell)
        assert show(Value(2.0)).keys() == {"text/plain"}

    def test_a_session_that_imports_it_draws_until_it_is_unloaded(self, peer, tmp_path):
        peer("IPython")
        program = (
            "from IPython.core.interactiveshell import InteractiveShell\n"
            "shell = InteractiveShell.instance()\n"
            "for line in ('from tinygrad_pool import Value; v = Value(2.0)',\n"
            "             '%unload_ext tinygrad_pool', '%load_ext tinygrad_pool'):\n"
            "    shell.run_cell(line)\n"
            "    kinds, _ = shell.display_formatter.format(shell.user_ns['v'])\n"
            "    print('image/svg+xml' in kinds)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "IPYTHONDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.split() == ["True", "False", "True"], ran.stdout


class TestImporting:
    @pytest.fixture
    def loaded(self, monkeypatch):
        """Pretend to be in a session, and list the extensions that it loads."""
        extensions = []
        manager = SimpleNamespace(load_extension=extensions.append)
        ipython = SimpleNamespace(get_ipython=lambda: SimpleNamespace(extension_manager=manager))
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        return extensions

    def test_in_a_session_switches_it_on(self, loaded):
        runpy.run_path(tg.__file__)
        assert loaded == ["tinygrad_pool"]

    def test_elsewhere_does_not(self, loaded, monkeypatch):
        monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
        runpy.run_path(tg.__file__)
        monkeypatch.delitem(sys.modules, "IPython")
        runpy.run_path(tg.__file__)
        assert loaded == []
