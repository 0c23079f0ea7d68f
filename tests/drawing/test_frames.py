"""A pass as slides: frozen layout, from nothing computed to the last gradient."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import DataError, OptionError, OutputError, ToolError

SVG = "{http://www.w3.org/2000/svg}"


def network():
    a, b = tg.Value(2.0, label="a"), tg.Value(-3.0, label="b")
    with tg.scope("inner"):
        c = a * b
    return a, b, tg.maximum(c + 1.0, a, b) ** 2 * a


def slides(paths):
    return [ET.fromstring(path.read_bytes()) for path in paths]


def words(slide):
    return [text.text for text in slide.iter(f"{SVG}text")]


def corners(slide):
    """Find the box of each node: the extent of its polygons."""
    found = {}
    for group in slide.iter(f"{SVG}g"):
        if re.fullmatch(r"n\d+(c\d+)?", group.get("id", "")):
            points = " ".join(p.get("points") for p in group.iter(f"{SVG}polygon"))
            xy = np.array([list(map(float, p.split(","))) for p in points.split()])
            found[group.get("id")] = np.concatenate([xy.min(0), xy.max(0)])
    return found


def test_there_is_a_slide_for_each_step_and_one_before(tmp_path):
    _, _, E = network()
    paths = tg.frames(E, tmp_path / "slides")
    assert [path.name for path in paths] == [f"frame_{i}.svg" for i in range(6)]
    said = " ".join(" ".join(words(slide)) for slide in slides(paths))
    assert "before the backward pass" in said
    assert "3 of 5: max gets 8" in said


def test_the_first_has_no_gradient_and_the_last_those_of_backward(tmp_path):
    a, b, E = network()
    first, *_, last = slides(tg.frames(E, tmp_path / "slides"))
    assert words(first).count("–") == 7
    assert "–" not in words(last)
    assert (a.has_grad, E.has_grad) == (False, False)
    E.backward()
    assert {"12", "0", "8", "1"} <= set(words(last))
    assert (a.grad, b.grad) == (12.0, 0.0)


def test_no_box_moves(tmp_path):
    _, _, E = network()
    first, *others = slides(tg.frames(E, tmp_path / "slides"))
    expected = corners(first)
    assert len(expected) == 9
    for slide in others:
        assert (slide.get("width"), slide.get("viewBox")) == (
            first.get("width"),
            first.get("viewBox"),
        )
        now = corners(slide)
        assert all(np.abs(now[name] - box).max() <= 1.0 for name, box in expected.items())


def test_other_formats_names_and_themes(tmp_path):
    _, _, E = network()
    png = tg.frames(E, tmp_path / "png", format="png", names={"E": E, "n": 1})
    assert png[0].read_bytes()[16:24] == (1920).to_bytes(4, "big") + (1080).to_bytes(4, "big")
    (gif,) = tg.frames(E, tmp_path / "gif", format="gif", theme="dark")
    assert gif.name == "backward.gif"
    with pytest.importorskip("PIL.Image").open(gif) as image:
        assert image.n_frames == 6


def test_an_array_and_a_gradient_of_ones_own(tmp_path):
    x = tg.Value([1.0, 2.0], label="x")
    *_, last = slides(tg.frames(x * 3.0, tmp_path / "slides", gradient=[1.0, 10.0]))
    assert any("30" in (word or "") for word in words(last))


def test_without_pillow_a_gif_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ToolError, match="a GIF needs Pillow"):
        tg.frames(network()[2], tmp_path / "gif", format="gif")
    assert not (tmp_path / "gif").exists()


def test_what_cannot_be_shown_is_named(tmp_path):
    with pytest.raises(DataError, match="frames: needs a Value, got float"):
        tg.frames(3.0, tmp_path / "slides")
    with pytest.raises(OptionError, match="frames: format must be one of svg, png, pdf, gif"):
        tg.frames(network()[2], tmp_path / "slides", format="mp4")
    y = tg.Value(1.0)
    for _ in range(100):
        y = y * 2.0
    with pytest.raises(OptionError, match="frames: 101 nodes are too many for slides"):
        tg.frames(y, tmp_path / "slides")
    with pytest.raises(OutputError, match=r"the folder .* does not exist"):
        tg.frames(network()[2], tmp_path / "no" / "slides")
    assert list(tmp_path.iterdir()) == []
