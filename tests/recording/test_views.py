"""What is told of a step and of a node, in a few lines."""

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.recording import views


def test_of_many_operands_those_that_get_something_come_first():
    xs = [Value(float(i), label=f"x{i}") for i in range(30)]
    passed = tg.record(tg.maximum(*xs))
    passed.seek(1)
    for told in (views.here(passed), views.show(passed, passed.loss)):
        first, second, *_, last = told.splitlines()[-17:]
        assert "x29" in first
        assert "x0" in second
        assert last == "  … and 14 more"
