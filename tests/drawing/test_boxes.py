"""The box of a node: its numbers are in columns."""

import re

import numpy as np

import tinygrad_pool as tg


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
