"""Steps and nodes described in a few lines."""

import numpy as np

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.recording import views


def test_operands_with_a_nonzero_contribution_come_first():
    xs = [Value(float(i), label=f"x{i}") for i in range(30)]
    passed = tg.record(tg.maximum(*xs))
    passed.seek(1)
    for told in (views.here(passed), views.show(passed, passed.loss)):
        first, second, *_, last = told.splitlines()[-17:]
        assert "x29" in first
        assert "x0" in second
        assert last == "  … and 14 more"


def test_an_array_is_not_repeated_if_it_is_the_whole_gradient():
    x = tg.Value(np.full((2, 4), 1.2345), label="x")
    passed = tg.record((x * 2.3456).sum() + (x * 1.0).sum())
    passed.seek(3)
    assert views.here(passed).endswith(
        "sends 1 1 1 1; 1 1 1 1 to x, whose grad is now 1 1 1 1; 1 1 1 1"
    )
    passed.seek(5)
    sent = "2.346 2.346 2.346 2.346; 2.346 2.346 2.346 2.346"
    total = sent.replace("2.346", "3.346")
    assert views.here(passed).endswith(f"sends {sent} to x, whose grad is now {total}")
    passed.seek(0)
    again = tg.record((x * 2.3456).sum())
    again.seek(2)
    assert views.here(again).endswith(f"sends {sent} to x, whose grad is now the same")
