"""What a notebook shows for objects, as in IPython; marimo and VS Code use the same methods."""

import subprocess
import sys
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
    return formatters.DisplayFormatter()


@pytest.fixture
def show(shell):
    """Show a value as the end of a cell does: a text or picture for each kind of output."""
    return lambda value: shell.format(value)[0]


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

    def test_a_long_chain_is_not_traversed(self, show, count_calls):
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
        recording = tg.record(Value(2.0).exp())
        text = "Recording(1 step, at 0)"
        assert show(recording) == {"text/plain": text, "text/html": f"<pre>{text}</pre>"}
        assert "pip install 'tinygrad_pool[render]'" in show(tg.draw(Value(2.0)))["text/plain"]

    def test_many_operands_are_not_drawn(self, show, count_calls):
        x = Value(np.ones(1))
        few, many = (tg.concatenate([x, *[np.ones(1)] * n]) for n in (241, 3_000))
        assert show(many).keys() == {"text/plain"}
        assert count_calls(show, many) < 1.1 * count_calls(show, few)

    @pytest.mark.covered
    def test_a_long_recording_is_text(self, show):
        x = Value(1.0)
        for _ in range(65_000):
            x = x + 1.0
        assert show(tg.record(x))["text/html"] == "<pre>Recording(65,000 steps, at 0)</pre>"

    def test_a_picture_shows_itself(self, show):
        picture = tg.draw(Value(2.0, label="<a>"))
        root = ElementTree.fromstring(show(picture)["image/svg+xml"])
        assert root.find("{*}title").text == "Computation graph of <a>"

    def test_a_plot_shows_itself_without_pyplot(self, show):
        figure = tg.draw_windows(tg.max_pool2d(Value(np.eye(4), label="x"), 2))
        root = ElementTree.fromstring(show(figure)["image/svg+xml"])
        assert root.find("{*}title").text.startswith("Plot")

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
        shell.active_types = ["text/plain"]
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

    def test_weights_are_a_matrix_with_its_ones_set_apart(self, show):
        shown = show(tg.weights_of(tg.max_pool1d(Value([1.0, 3.0, 2.0, 0.0]), 2)))
        assert shown["text/plain"].startswith("Weights(2 units × 4 cells")
        assert shown["text/html"].endswith("<pre> · <b>1</b>\n     <b>1</b> ·</pre>")

    def test_many_links_are_counted(self, show):
        shown = show(tg.weights_of(tg.max_pool1d(Value(np.arange(1000.0)), 2)))
        assert "<td>… 980 more</td>" in shown["text/html"]

    def test_a_comparison_shows_its_table_and_not_its_tuple(self, show):
        loss = tg.max_pool1d(Value([1.0, 3.0, 2.0, 0.0]), 2).sum()
        for found in (tg.compare_weight_layer(loss), tg.find_ties(loss)):
            shown = show(found)
            assert shown["text/plain"] == str(found)
            assert shown["text/html"] == found.table().html()

    def test_a_tree_shows_its_lines(self, show):
        shown = show(tg.tree(Value(2.0, label="<a>").exp()))
        assert shown["text/plain"].split("\n")[1] == "└─ <a> = 2, grad –"
        assert "\n└─ &lt;a&gt; = 2" in shown["text/html"]

    def test_a_receptive_field_shows_its_sentence(self, show):
        field = tg.receptive_field(tg.max_pool1d(Value([1.0, 3.0], label="x"), 2))
        assert show(field)["text/plain"] == str(field)
        assert show(field.fields)["text/plain"] == "(x[0:2], 2 cells,)"

    @pytest.mark.parametrize("data", [np.nan, np.zeros(0), np.zeros((2, 0, 3)), np.float16(np.inf)])
    @pytest.mark.parametrize("label", ["", "\x00", "<&\n>", "N" * 10_000])
    def test_any_data_and_label_can_be_drawn(self, show, data, label):
        with np.errstate(all="ignore"):
            assert "image/svg+xml" in show(Value(data, label=label) * 2.0)


def test_every_class_of_values_can_be_shown():
    class Mine(Value):
        pass

    for value in (Value(2.0), Value(2.0).exp(), Mine(2.0)):
        assert value._repr_svg_().startswith("<?xml")
        assert value._repr_text_() == repr(value)


def test_the_engine_does_not_import_drawing():
    program = (
        "import sys, tinygrad_pool as tg\n"
        "repr(tg.Value(2.0))\n"
        "assert 'tinygrad_pool.drawing' not in sys.modules\n"
        "sys.modules['graphviz'] = None\n"
        "assert tg.Value(2.0)._repr_svg_() is None\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
