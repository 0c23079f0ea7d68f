"""The table of faults in the docs is true: each fault is caused again."""

import os
import re
import shutil

import pytest
import try_faults


def rows():
    """Read the page: what happens, by group and fault."""
    group = ""
    for line in try_faults.PAGE.read_text("utf-8").splitlines():
        group = line.removeprefix("## ") if line.startswith("## ") else group
        if match := re.match(r"\| (.+?) \| (.+) \|$", line):
            yield (group, match[1]), match[2]


ROWS = {key: outcome for key, outcome in rows() if key[1] not in ("fault", "---")}
ALL = {
    (group, title): f for group, faults in try_faults.FAULTS.items() for title, f in faults.items()
}


def test_the_page_lists_exactly_the_faults():
    assert [*ROWS] == [*ALL]


@pytest.mark.long
@pytest.mark.parametrize(
    "key",
    [
        pytest.param(key, id=key[1][:40], marks=[pytest.mark.browser] * ("Chromium" in key[1]))
        for key in ALL
    ],
)
def test_each_fault_happens_as_described(key, peer):
    group, what = key
    if group == try_faults.ONNX_GROUP:
        peer("onnx")
    if "Chromium" in what:
        peer("playwright.sync_api")
        if "widget" in what:
            peer("anywidget")
        if not (shutil.which("chromium") or shutil.which("google-chrome")):
            (pytest.fail if "CI" in os.environ else pytest.skip)("Chromium is missing")
    assert try_faults.row(ALL[key]) == ROWS[key]
