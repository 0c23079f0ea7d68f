"""The box of a node: its numbers are in columns."""

import json
import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.boxes import lines, node_box, text
from tinygrad_pool.drawing.dot_program import picture
from tinygrad_pool.drawing.fonts import place_for, width
from tinygrad_pool.formatting import numbers


def rows_of(source):
    """List the numbers of each row of cells."""
    rows = re.findall(r"<TR>((?:<TD ALIGN=\"RIGHT\">(?:(?!</TR>).)*)+)</TR>", source)
    return [[x.strip("\u00a0") for x in re.findall(r">([^<]+)</FONT>", row)] for row in rows]


def test_a_matrix_has_a_cell_for_each_number():
    v = tg.Value([[1.5, -22.0], [0.0, 3.0]], label="v")
    E = (v * np.array([[2.0, 10.0], [1.0, 0.125]])).sum()
    E.backward()
    source = tg.draw(E).source
    assert rows_of(source)[:4] == [["1.5", "−22"], ["0", "3"], ["2", "10"], ["1", "0.125"]]
    assert "\N{FIGURE SPACE}" not in source


def test_a_single_row_is_plain_text():
    assert rows_of(tg.draw(tg.Value([1.5, -22.0])).source) == []


def test_numbers_with_a_nan_are_in_columns_and_a_count_of_nans_is_text():
    nan = float("nan")
    assert rows_of(tg.draw(tg.Value([[1.0, nan], [-22.5, 0.0]])).source) == [
        ["1", "nan"],
        ["−22.5", "0"],
    ]
    for large in (np.full(9, nan), [nan, *range(8)]):
        assert rows_of(tg.draw(tg.Value(large)).source) == []


def test_columns_are_evenly_spaced():
    v = tg.Value(np.ones((3, 4)), label="v")
    (v * [1.0, 2.0, 3.0, 4.0]).sum().backward()
    svg = picture(tg.draw(v).source, "svg").decode()
    places = re.findall(r'<text [^>]*x="([\d.-]+)" y="([\d.-]+)"[^>]*>\s*[1-4]\s*</text>', svg)
    lines = {}
    for x, y in places:
        lines.setdefault(y, []).append(float(x))
    assert len(lines) == 6
    assert all(np.ptp(np.diff(xs)) < 0.1 for xs in lines.values())


def test_a_range_keeps_within_its_box():
    x = tg.Value(np.arange(9.0) + 0.25, label="x")
    written = re.findall(r">([^<>]+ \S+ 8\.25)<", tg.draw(x).source)
    assert [place_for(line, 14.0) >= width(line, 14.0) for line in written] == [True]


@pytest.mark.parametrize("data", [np.ones((3, 4)), np.eye(2), np.ones(3)])
def test_a_box_with_a_width_fits_the_room_of_one_without(data):
    """The boxes of slides have a width: that of the layout."""
    v = tg.Value(data, label="v")
    (v * v).sum().backward()
    show = {"data", "grad"}
    labels = [node_box(v, ["v"], show, theme.LEAF, 1, width=width) for width in (0, 3)]
    layout = f"digraph {{ node [shape=plain]; a [label={labels[0]}]; b [label={labels[1]}] }}"
    free, fixed = (box["width"] for box in json.loads(picture(layout, "json0"))["objects"])
    assert float(fixed) <= float(free)


def test_an_array_has_a_heat_map_only_in_place_of_its_numbers():
    x = tg.Value(np.ones((3, 3)), label="x")
    for n, maps in ((3, 0), (5, 1)):
        mask = np.eye(n, 3)
        assert ('FIXEDSIZE="TRUE"' in tg.draw((mask @ x).sum(), show="data,heat").source) == maps


def test_numbers_that_are_not_shown_are_not_read(monkeypatch):
    v, read = tg.Value(np.ones(9)), []
    monkeypatch.setattr("tinygrad_pool.drawing.boxes.numbers", lambda x: read.append(x) or "")
    tg.draw(v, show="shape,magnitude")
    assert not read
    tg.draw(v)
    assert len(read) == 1


def test_text_is_escaped_for_html():
    assert text('<b>&"') == "&lt;b&gt;&amp;&quot;"
    assert text(r"\N") == r"\\N"


def test_lines_of_numbers_are_marked_up_for_html():
    rows = lines(numbers(np.array([[1.0, -20.0], [300.0, 4.0]]))).split("<BR/>")
    assert rows == ["\u2007\u20071&nbsp; −20", "300&nbsp; \u2007\u20074"]
