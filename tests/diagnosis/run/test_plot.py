"""The plot of a run."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.diagnosis.run.plot import NAMED
from tinygrad_pool.errors import OptionError


def run_of(n, steps=3):
    ws = [Value(np.ones(2), label=f"w{i}") for i in range(n)]
    run = tg.watch(ws, explode=3.0)
    for i in range(steps):
        for w in ws:
            w.zero_grad()
        E = sum((w * w).sum() for w in ws) * (0.0 if i == 2 else 1.0 + i)
        E.backward()
        run.step(E)
        for w in ws:
            w.data -= 0.1 * w.grad
    return run


@pytest.mark.covered
def test_it_has_a_line_for_each_parameter_and_a_dash_for_each_event():
    figure = run_of(2).plot()
    gradient, share, weight = figure.axes
    assert [axis.get_ylabel() for axis in figure.axes] == [
        *("|gradient|", "|update| / |weight|", "|weight|"),
    ]
    lines = {line.get_label(): line.get_ydata() for line in gradient.get_lines()}
    zero = next(text.get_position()[1] for text in gradient.texts if text.get_text() == "0")
    np.testing.assert_allclose(lines["w0"], [2.0, 3.2, zero])
    low, high = gradient.get_ylim()
    assert low < zero < 2.0
    assert high > 3.2
    assert not np.isclose(gradient.get_yticks(), zero, rtol=0.1).any()
    assert [axis.get_yscale() for axis in figure.axes] == ["log"] * 3
    dashed = [line.get_xdata()[0] for line in share.get_lines() if line.get_linestyle() == "--"]
    assert dashed == [1, 2]
    told = [text.get_text().strip() for text in gradient.texts]
    assert told == ["0", "exploded", "vanished"]
    assert len(weight.get_lines()) == 4
    assert not weight.texts  # no weight is 0
    assert "<svg" in figure._repr_svg_()


def test_events_of_one_step_are_written_together():
    w = Value(np.array([1e9, 1.0]), label="w")
    run = tg.watch(w)
    E = (w * 0.0).sum()
    E.backward()
    run.step(E)
    told = [text.get_text().strip() for text in run.plot().axes[0].texts]
    assert told == ["0", "vanished, exploded"]


def test_a_lone_step_between_others_that_are_not_finite_is_seen():
    w = Value(np.ones(2), label="w")
    run = tg.watch(w)
    for factor in (np.nan, 1.0, np.nan):
        w.zero_grad()
        E = (w * factor).sum()
        E.backward()
        run.step(E)
    line = run.plot().axes[0].get_lines()[0]
    assert np.isfinite(line.get_ydata()).tolist() == [False, True, False]
    assert line.get_marker() == "."


def test_a_theme_is_dark_or_refused():
    run = run_of(1)
    assert run.plot(theme="dark").get_facecolor() != run.plot().get_facecolor()
    with pytest.raises(OptionError, match="theme must be"):
        run.plot(theme="pink")


@pytest.mark.parametrize(("n", "more"), [(NAMED, ""), (NAMED + 3, "and 3 more")])
def test_the_legend_names_some_and_counts_the_others(n, more):
    (legend,) = run_of(n, 1).plot().legends
    assert len(legend.get_texts()) == NAMED
    assert legend.get_title().get_text() == more


@pytest.mark.covered
def test_an_empty_run_can_be_plotted():
    assert "<svg" in tg.watch(Value(1.0, label="w")).plot()._repr_svg_()
