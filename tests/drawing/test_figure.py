"""Plots as figures."""

import pickle

import pytest

import tinygrad_pool as tg
from tinygrad_pool.drawing.figure import contents_of
from tinygrad_pool.drawing.plots import kink


@pytest.mark.long
def test_the_same_figure_gives_the_same_svg():
    assert contents_of(kink(), "svg") == contents_of(kink(), "svg")
    assert kink()._repr_svg_() == kink()._repr_svg_()


@pytest.mark.covered
def test_a_figure_can_be_pickled_and_rendered(tmp_path):
    again = pickle.loads(pickle.dumps(kink()))
    assert tg.render(again, tmp_path / "kink.png").read_bytes() == contents_of(kink(), "png")
