"""Pictures on disk."""

import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.plots import kink
from tinygrad_pool.errors import DataError, OptionError, OutputError

STARTS = {
    "svg": b"<?xml",
    "png": b"\x89PNG",
    "dot": b"// Computation graph",
    "html": b"<!DOCTYPE html>",
}


@pytest.mark.parametrize("kind", STARTS)
def test_the_suffix_tells_the_format(kind, tmp_path):
    path = tg.render(Value(2.0).exp(), tmp_path / f"graph.{kind}")
    assert path.read_bytes().startswith(STARTS[kind])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", STARTS)
def test_a_suffix_in_capitals_is_the_same_format(kind, tmp_path):
    path = tg.render(Value(2.0).exp(), tmp_path / f"Graph.{kind.upper()}")
    assert path.read_bytes().startswith(STARTS[kind])
    assert path.name == f"Graph.{kind.upper()}"


def test_a_picture_that_was_drawn_already_is_rendered_as_it_is(tmp_path):
    drawn = tg.draw_units(Value(2.0).exp())
    path = tg.render(drawn, str(tmp_path / "units.dot"))
    assert path.read_text(encoding="utf-8") == drawn.source


def test_dpi_scales_a_png(tmp_path):
    small, large = (
        tg.render(Value(2.0), tmp_path / f"{dpi}.png", dpi=dpi).stat().st_size for dpi in (50, 400)
    )
    assert large > 2 * small


def test_options_are_those_of_draw(tmp_path):
    path = tg.render(Value(2.0), tmp_path / "graph.dot", direction="TB")
    assert "rankdir=TB" in path.read_text(encoding="utf-8")
    with pytest.raises(OptionError, match="render: give direction to the draw function"):
        tg.render(tg.draw(Value(2.0)), tmp_path / "graph.dot", direction="TB")


def test_a_plot_is_rendered_too(tmp_path):
    path = tg.render(kink(), tmp_path / "kink.svg")
    assert b"<svg" in path.read_bytes()


def test_an_unknown_suffix_and_a_missing_folder_are_named(tmp_path):
    with pytest.raises(OutputError, match=r"graph\.bmp needs a suffix among \.svg, \.png"):
        tg.render(Value(2.0), tmp_path / "graph.bmp")
    with pytest.raises(OutputError, match=r"the folder .*missing does not exist"):
        tg.render(Value(2.0), tmp_path / "missing" / "graph.svg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [5, None, [Value(2.0)]])
def test_what_is_no_picture_is_named(given, tmp_path):
    with pytest.raises(DataError, match=f"got a {type(given).__name__}"):
        tg.render(given, tmp_path / "graph.svg")
    assert list(tmp_path.iterdir()) == []
