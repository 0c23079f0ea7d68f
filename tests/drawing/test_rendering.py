"""Pictures on disk."""

import re
from pathlib import Path

import numpy as np
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
def test_the_suffix_selects_the_format(kind, tmp_path):
    path = tg.render(Value(2.0).exp(), tmp_path / f"graph.{kind}")
    assert path.read_bytes().startswith(STARTS[kind])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", STARTS)
def test_a_suffix_in_capitals_is_the_same_format(kind, tmp_path):
    path = tg.render(Value(2.0).exp(), tmp_path / f"Graph.{kind.upper()}")
    assert path.read_bytes().startswith(STARTS[kind])
    assert path.name == f"Graph.{kind.upper()}"


@pytest.mark.parametrize(("suffix", "kind"), [("gv", "dot"), ("GV", "dot"), ("htm", "html")])
def test_other_suffixes_of_the_same_formats(suffix, kind, tmp_path):
    path = tg.render(Value(2.0).exp(), tmp_path / f"graph.{suffix}")
    assert path.read_bytes().startswith(STARTS[kind])


def test_a_drawn_picture_is_rendered_unchanged(tmp_path):
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
    with pytest.raises(OptionError, match="render: pass direction to the draw function"):
        tg.render(tg.draw(Value(2.0)), tmp_path / "graph.dot", direction="TB")


def test_a_plot_is_rendered(tmp_path):
    path = tg.render(kink(), tmp_path / "kink.svg")
    assert b"<svg" in path.read_bytes()


def test_an_unknown_suffix_and_a_missing_folder_are_named(tmp_path):
    with pytest.raises(OutputError, match=r"render: .*graph\.bmp needs the suffix \.svg or \.png"):
        tg.render(Value(2.0), tmp_path / "graph.bmp")
    with pytest.raises(OutputError, match=r"the folder .*missing does not exist"):
        tg.render(Value(2.0), tmp_path / "missing" / "graph.svg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [5, None, [Value(2.0)]])
def test_anything_but_a_picture_is_refused(given, tmp_path):
    with pytest.raises(DataError, match=f"got {type(given).__name__}"):
        tg.render(given, tmp_path / "graph.svg")
    assert list(tmp_path.iterdir()) == []


def small():
    a = Value(2.0, label="a")
    return (a * 3.0 + 1.0).tanh()


def plot():
    return tg.draw_windows(tg.max_pool2d(Value(np.eye(4), label="x"), 2))


def png_size(path):
    return tuple(int.from_bytes(path.read_bytes()[k : k + 4], "big") for k in (16, 20))


def svg_size(path):
    found = re.search(r'<svg[^>]*?width="(\d+)px"\s+height="(\d+)px"', path.read_text("utf-8"))
    return tuple(map(int, found.groups()))


@pytest.mark.parametrize("drawn", [small, plot])
@pytest.mark.parametrize(("kind", "measure"), [("png", png_size), ("svg", svg_size)])
def test_a_picture_has_the_requested_size(drawn, kind, measure, tmp_path):
    wide = measure(tg.render(drawn(), tmp_path / f"wide.{kind}", width=1920))
    high = measure(tg.render(drawn(), tmp_path / f"high.{kind}", width=1920, height=300))
    assert wide[0] == pytest.approx(1920, abs=1)
    assert high[1] == pytest.approx(300, abs=1)
    assert high[0] / high[1] == pytest.approx(wide[0] / wide[1], rel=0.02)


@pytest.mark.parametrize("side", [0, -5, 2.5, True, "wide"])
def test_invalid_sizes_are_refused(side, tmp_path):
    with pytest.raises(OptionError, match="render: height in pixels must be an integer from 1"):
        tg.render(small(), tmp_path / "a.svg", height=side)


@pytest.mark.parametrize("option", ["dpi", "timeout"])
@pytest.mark.parametrize("given", [-1, "fast", None, np.nan, np.inf])
def test_invalid_dpi_and_timeout_are_refused(option, given, tmp_path):
    with pytest.raises(OptionError, match=f"render: {option} must be a number from . to 100000"):
        tg.render(small(), tmp_path / "a.png", **{option: given})


@pytest.mark.peer
def test_a_dark_pdf_has_no_white_rim(tmp_path, peer):
    peer("pygraphviz")
    drawn = tg.draw(tg.Value(2.0, label="a"), theme="dark")  # ASCII: all Graphvizes agree
    path = tg.render(drawn, tmp_path / "dark.pdf")
    svg = tg.render(drawn, tmp_path / "dark.svg").read_text("utf-8")
    (sizes,) = re.findall(rb"MediaBox \[ 0 0 (\d+) (\d+)", path.read_bytes())
    own = re.search(r'width="(\d+)pt" height="(\d+)pt"', svg).groups()
    assert [*map(int, sizes)] == pytest.approx([*map(int, own)], abs=12)  # a rim has 72


DOCS = Path(__file__).parents[2] / "docs"


def smallest(svg, wide, high):
    """Return the size of the smallest text of a picture in a window, in pixels."""
    size = map(float, re.findall(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', svg)[0])
    zoom = min(side / length for side, length in zip((wide, high), size, strict=True))
    zoom *= float(re.findall(r"scale\(([\d.]+)|$", svg)[0] or 1)
    return min(map(float, re.findall(r'font-size="([\d.]+)"', svg)), default=np.inf) * zoom


PICTURES = sorted((DOCS / "pictures").glob("*.svg"))


@pytest.mark.parametrize("path", PICTURES, ids=lambda p: p.stem)
def test_every_text_of_the_docs_pictures_has_16_pixels_on_a_slide(path):
    assert smallest(path.read_text("utf-8"), 1920, 1080) >= 16
