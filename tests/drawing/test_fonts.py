"""Text is as wide as the layout reckoned, also where a browser has none of the fonts."""

import re

import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.fonts import STACK, fitted, width
from tinygrad_pool.drawing.rendering import contents

SPILLS = """() => [...document.querySelectorAll("g.node")].flatMap(node => {
    const own = [...node.querySelectorAll("polygon, ellipse")];
    const shapes = own.length ? own : [document.querySelector("svg")];
    const boxes = shapes.map(shape => shape.getBoundingClientRect());
    const inside = t => boxes.some(s =>
        t.left > s.left - 1 && t.right < s.right + 1 &&
        t.top > s.top - 9 && t.bottom < s.bottom + 9);
    return [...node.querySelectorAll("text")]
        .filter(text => !inside(text.getBoundingClientRect())).map(text => text.textContent);
})"""
"""The texts that stick out of their box or circle."""


def test_a_text_is_as_wide_as_helvetica_writes_it():
    assert width("il", 100) == pytest.approx(44.4)
    assert width("W…%", 100) == pytest.approx(94.4 + 100 + 88.9)
    assert width("δ0", 100) == pytest.approx(2 * 55.6)
    assert width('^"{|}', 100) == pytest.approx(46.9 + 35.5 + 33.3 + 26 + 33.3)


def test_each_text_of_an_svg_is_given_its_width():
    svg = fitted('<text x="1" font-size="10.00">&lt;a&#160;</text><text font-size="10.00"></text>')
    wide = (584 + 556 + 278) / 100
    assert f'textLength="{wide:.1f}" lengthAdjust="spacingAndGlyphs">&lt;a&#160;<' in svg
    assert svg.count("textLength") == 1


def test_text_that_the_layout_underestimates_is_condensed():
    """A long title, which ends in …, would touch the right border of its box."""
    svg = contents(tg.draw(Value(1.0, label="a" * 50)), "svg").decode()
    text = r'<text[^>]* x="([-\d.]+)"[^>]*textLength="([\d.]+)"[^>]*>a+…<'
    (place,) = re.findall(text, svg)
    right = sum(map(float, place))
    edges = map(float, re.findall(r"(-?[\d.]+),-?[\d.]+", svg))
    assert 2.5 < min(edge - right for edge in edges if edge > right) < 4


def test_fonts_with_the_widths_of_helvetica_come_first():
    assert STACK in contents(tg.draw(Value(2.0)), "svg").decode()


@pytest.mark.browser
@pytest.mark.parametrize("stack", [STACK, "DejaVu Sans, Verdana, sans-serif", "monospace"])
def test_no_text_leaves_its_box_whichever_font_there_is(browser, stack):
    net = tg.nn.MLP(2, [2, 1])
    E = (net([Value(1.0, label="x1"), Value(-2.0, label="x2")]) - 1.0) ** 2
    E.backward()
    x = Value([[1.0, 2.0, -3.0]], label="x")
    found = tg.compare_weight_layer((tg.max_pool1d(x, 2, stride=1) ** 2).sum())
    page = browser.new_page()
    for drawn in (tg.draw(E), found.draw(), found.draw(narrow=True)):
        svg = contents(drawn, "svg").decode()
        page.set_content(svg.replace(STACK, stack))
        assert page.evaluate(SPILLS) == []
    page.set_content(re.sub(r'textLength="[\d.]+"', "", svg).replace(STACK, "monospace"))
    assert page.evaluate(SPILLS) != []  # as it was
