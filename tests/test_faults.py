"""The table of faults in the docs is what happens: each is tried again."""

import os
import re
import shutil

import pytest
import try_faults

ROWS = dict(re.findall(r"^\| (.+?) \| (.+) \|$", try_faults.PAGE.read_text("utf-8"), re.M))
ALL = [(what, fault) for faults in try_faults.FAULTS.values() for what, fault in faults.items()]


def test_the_page_has_every_fault_and_no_other():
    assert [*ROWS] == [*dict.fromkeys(["what was tried", "---", *(what for what, _ in ALL)])]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "fault"),
    [
        pytest.param(*one, id=one[0][:40], marks=[pytest.mark.browser] * ("Chromium" in one[0]))
        for one in ALL
    ],
)
def test_it_happens_as_it_is_told(what, fault, peer):
    if "Chromium" in what:
        peer("playwright.sync_api")
        if not (shutil.which("chromium") or shutil.which("google-chrome")):
            (pytest.fail if "CI" in os.environ else pytest.skip)("there is no Chromium here")
    assert try_faults.row(fault) == ROWS[what]
