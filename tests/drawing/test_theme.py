"""Colours: every one has a dark partner, and text is readable on both pages."""

import re
import sys

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.grids import COLOURS as WINDOWS
from tinygrad_pool.drawing.theme import (
    DARK,
    THEMES,
    canvas,
    darkened,
    in_theme,
    mixed,
)
from tinygrad_pool.errors import OptionError, ToolError

COLOURS = {
    name: value
    for name, value in vars(theme).items()
    if isinstance(value, str) and value.startswith("#")
}
TEXTS = ("INK", "SOFT", "POSITIVE", "NEGATIVE", "NOT_A_NUMBER")
SURFACES = ("PAPER", "PANEL")
FILLS = ("OPERATION", "LEAF", "WEIGHT", "CONSTANT", "CUT", "LIT")


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a, b):
    """The contrast of two colours, as WCAG 2 defines it."""
    dark, light = sorted(map(luminance, (a, b)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_21_between_black_and_white():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)


def test_the_colours_of_windows_differ_from_the_paper_in_both_themes():
    for colour in WINDOWS:
        assert contrast(colour, "#ffffff") >= 3
        assert contrast(darkened(colour), DARK["#ffffff"]) >= 3
        assert contrast(darkened(mixed(colour, 0.3)), DARK["#ffffff"]) >= 1.15


def test_every_colour_has_a_dark_partner():
    assert set(COLOURS.values()) == set(DARK)
    assert set(COLOURS) == {*TEXTS, *SURFACES, *FILLS, "FAINT"}
    assert len(set(DARK.values())) == len(DARK)


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *((text, ground) for text in TEXTS for ground in SURFACES),
        *(("INK", ground) for ground in FILLS),
    ],
)
def test_text_can_be_read_in_both_themes(name, text, ground):
    a, b = COLOURS[text], COLOURS[ground]
    assert contrast(*((DARK[a], DARK[b]) if name == "dark" else (a, b))) >= 4.5


@pytest.mark.parametrize("change", [lambda c: c, DARK.__getitem__], ids=["light", "dark"])
def test_the_faintest_line_can_be_seen(change):
    assert contrast(change(theme.FAINT), change(theme.PAPER)) >= 2.8


def test_a_dark_picture_has_no_light_colour_left():
    x = Value([[1.0, 2.0], [3.0, 4.0]], label="x")
    with tg.scope("layer"):
        loss = tg.maximum(x.sum(), 3.0)
    loss = loss * -2.0
    loss.backward()
    source = tg.draw(loss, theme="dark", highlight=x, show=("data", "grad", "contribution")).source
    assert not [c for c in COLOURS.values() if c.lower() in source.lower()]
    assert DARK[theme.PAPER] in source


def test_a_label_that_looks_like_a_colour_keeps_its_text():
    a = Value(2.0, label=theme.INK)
    with tg.scope(f'color="{theme.PAPER}"'):
        b = a.exp()
    source = tg.draw(b, theme="dark", title=theme.INK).source
    assert f"<B>{theme.INK}</B>" in source
    assert f'label="{theme.INK}"' in source
    assert f'color=\\"{theme.PAPER}\\"' in source


def test_zero_is_white_in_a_heat_map_in_every_theme():
    x = Value(np.array([[0.0, 1e-9, 1.0, 0.0, -1.0]]))
    light, dark = (re.findall(r'"(#\w{6})" FIXED', tg.draw(x, theme=t).source) for t in THEMES)
    assert light == dark == ["#ffffff", "#ffffff", "#0072b2", "#ffffff", "#b84a00"]


def test_text_on_a_shaded_box_is_legible_in_every_theme():
    x = Value(0.1)
    loss = ((x * 0.01).tanh() * 0.01).exp()
    loss.backward()
    light, dark = (tg.draw(loss, theme=t, show=("magnitude", "grad")).source for t in THEMES)
    fills = re.findall(r'COLSPAN="2" BGCOLOR="(#\w{6})"', light)
    assert fills != re.findall(r'COLSPAN="2" BGCOLOR="(#\w{6})"', dark)
    for ink, source in ((theme.INK, light), (DARK[theme.INK], dark)):
        for fill in re.findall(r'COLSPAN="2" BGCOLOR="(#\w{6})"', source):
            assert contrast(ink, fill) >= 4.5


def test_a_gradient_has_the_colour_of_its_sign_in_a_box_as_on_an_edge():
    a, c = Value(4.0, label="a"), Value(-1.5, label="c")
    E = a * c * 2.0
    E.backward()
    source = tg.draw(E, show=("data", "grad", "contribution")).source
    assert re.findall(r'COLOR="(#\w+)">−3<', source) == [theme.NEGATIVE]
    assert re.findall(r'label=" −3 " color="invis:(#\w+):invis:\1:invis"', source) == [
        theme.NEGATIVE
    ]
    assert re.findall(r'COLOR="(#\w+)">−(?:1.5|6|12)<', source) == [theme.INK] * 3  # data


@pytest.mark.parametrize(
    ("g", "colour"),
    [
        (1.0, "POSITIVE"), ([-1.0, 0.0], "NEGATIVE"), ([-1.0, 2.0], "INK"), (0.0, "SOFT"),
        (np.nan, "NOT_A_NUMBER"), (-np.inf, "NEGATIVE"), (np.zeros((0, 2)), "SOFT"),
    ],
)  # fmt: skip
def test_gradients_are_coloured_by_sign(g, colour):
    assert theme.of_sign(g) == COLOURS[colour]


def test_an_unknown_theme_is_refused():
    with pytest.raises(OptionError, match="theme must be one of 'light', 'dark', got 'neon'"):
        tg.draw(Value(1.0), theme="neon")


def test_a_theme_changes_attributes_and_nodes():
    graph = canvas("g", "LR")
    graph.node("a", color=theme.INK, label=theme.INK)
    in_theme(graph, "dark")
    assert f'bgcolor="{DARK[theme.PAPER]}"' in graph.source
    assert f'a [label="{theme.INK}" color="{DARK[theme.INK]}"]' in graph.source


def test_a_legend_line_is_below_the_title():
    graph = canvas("g", "LR", "two\nlines", 'how to "read" it')
    assert 'label="two\nlines\\nhow to \\"read\\" it"' in graph.source
    plain = canvas("g", "LR", "", "alone")
    assert "label=alone" in plain.source


def test_without_the_package_graphviz_graphs_say_what_to_install_and_plots_are_drawn(
    monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    monkeypatch.delitem(sys.modules, "tinygrad_pool.drawing.digraph", raising=False)
    pooled = tg.max_pool1d(Value([1.0, 3.0]), 2)
    loss = pooled.sum()
    for draw in (
        tg.draw,
        lambda y: tg.draw_units(Value(2.0)),
        lambda y: tg.frames(y, tmp_path / "slides"),
        lambda y: tg.record(y).to_html(tmp_path / "page.html"),
        lambda y: tg.compare_weight_layer(y).draw(),
    ):
        with pytest.raises(ToolError, match="pip install graphviz"):
            draw(loss)
    assert loss._repr_svg_() is None
    assert tg.render(tg.draw_windows(pooled), tmp_path / "windows.svg").stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["windows.svg"]
