"""Settings apply inside their block and end with it, whatever happens."""

import _thread
import contextvars
import random
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine import context
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.context import SETTING, is_library, with_graph
from tinygrad_pool.errors import OptionError


@pytest.mark.parametrize("context", [tg.no_grad, tg.checked, tg.traced, lambda: tg.scope("a")])
def test_a_setting_ends_with_its_block_even_after_an_error(context):
    before = SETTING.get()

    def fail():
        with context():
            assert SETTING.get() is not before
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert SETTING.get() is before


def test_settings_decorate_functions():
    @tg.no_grad()
    def score(x):
        return x * 2.0

    @tg.scope("layer")
    def layer(x):
        return x.exp()

    for _ in range(2):
        assert score(Value(1.0)).parents == ()
        assert layer(Value(1.0)).about.scope == "layer"


def test_another_thread_has_its_own_settings():
    made = []
    with tg.no_grad():
        thread = threading.Thread(target=lambda: made.append(Value(1.0).exp()))
        thread.start()
        thread.join()
    assert len(made[0].parents) == 1


def test_with_graph_records_inside_no_grad():
    with tg.no_grad():
        with with_graph():
            y = Value(1.0).exp()
        z = Value(1.0).exp()
    assert (len(y.parents), len(z.parents)) == (1, 0)


def test_labels_and_scopes_must_be_encodable_text():
    for name in (lambda: Value(2.0, label="half \ud800"), lambda: tg.scope("\udfff").__enter__()):
        with pytest.raises(OptionError, match=r"must be text without lone surrogates, got '.*\\ud"):
            name()
    v = Value(2.0)
    with pytest.raises(OptionError, match="label must be text without lone surrogates"):
        v.label = "\udc80"
    v.label = "\U0001d6ff"
    assert v.label.encode() == b"\xf0\x9d\x9b\xbf"


class TestTraced:
    def test_every_node_knows_the_line_that_made_it(self):
        with tg.traced():
            a = Value(2.0, label="a")
            b = np.exp(a) + 1.0  # two nodes
            with tg.no_grad():
                c = b * a
        lines = [v.about.line.number for v in (a, b, b.parents[0], c)]
        assert [n - lines[0] for n in lines] == [0, 1, 1, 3]
        assert a.about.line.file == __file__
        assert a.about.line.function == "test_every_node_knows_the_line_that_made_it"
        assert str(a.about.line) == f"test_context.py:{lines[0]}"

    def test_the_line_of_a_layers_nodes_is_the_line_that_calls_it(self):
        net = tg.nn.Sequential(tg.nn.Linear(2, 3), tg.nn.ReLU())
        with tg.traced():
            y = net(np.ones((1, 2)))
        assert {v.about.line.function for v in topological_order(y) if v.parents} == {
            "test_the_line_of_a_layers_nodes_is_the_line_that_calls_it"
        }
        assert {v.about.scope for v in topological_order(y) if v.parents} == {"0", "1"}

    def test_without_tracing_no_line_and_no_choice_is_noted(self):
        a = Value(2.0)
        assert max(a, a.exp()).about.line is None
        assert a.about.choices == ()

    def test_tracing_combines_with_scopes_and_checks(self):
        with tg.traced(), tg.checked(), tg.scope("s"):
            a = Value([1.0, 2.0], label="a")
            y = a.exp()
        y.label = "y"
        assert (y.label, y.about.scope, y.about.line) == ("y", "s", y.about.line)
        assert y.about.line is not None
        y._numbers[0] = 3.0
        with pytest.raises(tg.errors.GraphError, match="its result changed since"):
            y.backward([1.0, 1.0])

    def test_nodes_of_one_line_and_scope_share_their_about(self):
        with tg.traced():
            y = Value(1.0)
            made = [y := y.tanh() for _ in range(3)]
            with tg.scope("s"):
                inner = [y.tanh() for _ in range(2)]
        assert made[0].about is made[1].about is made[2].about
        assert inner[0].about is inner[1].about
        assert (made[0].about.scope, inner[0].about.scope) == ("", "s")
        made[0].label = "first"
        assert [v.label for v in made] == ["first", "", ""]

    def test_code_objects_that_are_freed_do_not_mix_up_lines(self, monkeypatch):
        monkeypatch.setattr("tinygrad_pool.engine.context.MOST_PLACES", 7)
        with tg.traced():
            for n in range(50):
                names = {"x": Value(1.0)}
                exec("\n" * n + "y = x.exp()", names)  # like the cells of a notebook
                assert names["y"].about.line.number == n + 1
        assert len(context._PLACED) <= 7

    def test_frames_distinguish_nodes_of_different_calls(self):
        def double(x):
            return x * 2.0

        def twice(x):
            return double(double(x))

        with tg.traced(frames=True):
            made = [twice(Value(1.0)), twice(Value(2.0))]
            with tg.traced():  # a script may nest it
                inner = double(Value(3.0))
            top = {"double": double, "x": Value(1.0)}
            exec("y = double(x)", top)
        callers = [[str(line) for line in y.about.callers[:2]] for y in made]
        first = made[0].about.line.number
        assert callers == [[f"test_context.py:{first + n}" for n in (3, k)] for k in (6, 6)]
        assert [line.function for line in made[0].about.callers[:2]] == [
            "twice",
            "test_frames_distinguish_nodes_of_different_calls",
        ]
        assert inner.about.callers[0].number == first + 8
        with tg.traced(frames=True):
            same = [twice(Value(x)).about for x in (1.0, 2.0)]
        assert same[0] is same[1]
        assert [line.function for line in top["y"].about.callers] == ["<module>"]
        assert double(Value(1.0)).about.callers == ()

    def test_the_number_of_callers_is_limited(self):
        def deep(n):
            return deep(n - 1) if n else Value(1.0).exp()

        with tg.traced(frames=True):
            assert 20 < len(deep(100).about.callers) < context.MOST_FRAMES

    def test_callers_reach_the_first_function_of_a_thread_and_skip_libraries(self):
        class Double(tg.nn.Module):
            def forward(self, x):
                return x * 2.0

        made = []

        def alone():
            with tg.traced(frames=True):
                made.append(Double()(Value(1.0)))

        thread = threading.Thread(target=alone)
        thread.start()
        thread.join()
        assert made[0].about.line.function == "forward"
        assert [line.function for line in made[0].about.callers] == ["alone"]

    def test_a_line_is_the_user_s_and_not_one_of_numpys(self):
        z = np.empty(2, object)
        z[0], z[1] = Value(1.0), Value(3.0)
        with tg.traced():
            (y,) = np.diff(z)
        assert y.about.line.file == __file__

    def test_a_module_whose_name_begins_with_pandas_is_the_user_s(self):
        beside = Path(np.__file__).parent.parent
        assert is_library(str(beside / "pandas" / "core.py"))
        assert not is_library(str(beside / "pandas_of_mine.py"))

    def test_a_line_is_the_user_s_and_not_one_of_python_s_library(self):
        v = Value(2.0)
        with tg.traced():
            y = random.uniform(0.0, v)
            statistics.fmean([v, y])
        lines = [line.number for line in (y.about.line, v.about.choices[-1].line)]
        first = self.test_a_line_is_the_user_s_and_not_one_of_python_s_library.__code__
        assert [n - first.co_firstlineno for n in lines] == [3, 4]

    def test_a_node_made_without_python_frames_has_no_line(self):
        made, v = [], Value(1.0)
        with tg.traced():
            context = contextvars.copy_context()
        _thread.start_new_thread(context.run, (made.extend, map(v.__add__, [1.0, 2.0])))
        end = time.monotonic() + 10.0
        while len(made) < 2 and time.monotonic() < end:
            time.sleep(0.001)
        assert [(y.data, y.about.line) for y in made] == [(2.0, None), (3.0, None)]

    def test_a_stack_that_ends_in_the_package_has_no_line(self, monkeypatch):
        def too_short(depth):
            raise ValueError("call stack is not deep enough")

        monkeypatch.setattr(
            "tinygrad_pool.engine.context.sys", SimpleNamespace(_getframe=too_short)
        )
        with tg.traced():
            assert Value(1.0).exp().about.line is None

    def test_a_node_made_by_the_package_alone_has_no_line(self, monkeypatch):
        monkeypatch.setattr("tinygrad_pool.engine.context._PACKAGES", "")
        with tg.traced():
            assert Value(2.0).about.line is None

    def test_a_python_whose_frozen_modules_have_no_files_is_supported(self):
        program = "import os; del os.__file__; import tinygrad_pool"
        subprocess.run([sys.executable, "-c", program], check=True)


def in_a_block():
    with tg.no_grad(), tg.scope("a"):
        yield from range(2)


def test_blocks_of_generators_may_end_in_any_order():
    before = SETTING.get()
    for _ in zip(in_a_block(), in_a_block(), in_a_block(), strict=False):
        assert not SETTING.get().graph
    assert SETTING.get() is before
    first, second, third = in_a_block(), in_a_block(), in_a_block()
    assert [next(first), next(second), next(third)] == [0, 0, 0]
    second.close()
    first.close()
    assert not SETTING.get().graph
    third.close()
    assert SETTING.get() is before


def test_a_block_may_end_in_another_context():
    before = SETTING.get()
    generator = in_a_block()
    contextvars.Context().run(next, generator)
    generator.close()
    assert SETTING.get() is before
    with tg.no_grad():
        inherited = contextvars.copy_context()
    inherited.run(lambda: list(in_a_block()))
    assert not inherited[SETTING].graph
