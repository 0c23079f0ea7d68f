"""The docs as a reader sees them: built, and opened from a folder in a browser."""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import tinygrad_pool as tg
from tinygrad_pool import functional

DOCS = Path(__file__).parents[1] / "docs"
WINDOWS = [{"width": width, "height": 800} for width in (1280, 390)]
ANSWERS = {
    "Why is a loser": "the maximum does not depend on it, as long as it stays a loser",
    "What happens at a tie": 'The default is "first"',
    "What if windows overlap": "They add up",
    "In which sense": "around them as far as the radius",
}
WIDER = """() => {
    const outside = box => box.right > innerWidth + 1;
    const scrolls = e => getComputedStyle(e).overflowX !== "visible";
    const inside = e => e && (scrolls(e) || inside(e.parentElement));
    return [...document.querySelectorAll("article *")]
        .filter(e => e.getBoundingClientRect().width && outside(e.getBoundingClientRect()))
        .filter(e => !inside(e.parentElement)).map(e => e.outerHTML.slice(0, 200));
}"""
"""Elements of the article that overflow the window outside of scrolling boxes."""
PICTURES = """() => [...document.querySelectorAll("article img[src$='.svg']")]
    .filter(e => e.src.includes("/_images/"))
    .map(e => [e.src.split("/").pop(), e.getBoundingClientRect().width])"""

ROOMS = ["drawing", "recording", "diagnosis", "debugger", "derivatives"]
ROOMS += ["pooling_as_weights", "codegen", "bridges"]


def entries_of(built):
    """Read the entries of the reference: the text under each name."""
    from sphinx.util.inventory import InventoryFile

    inventory = InventoryFile.loads((built / "objects.inv").read_bytes(), uri="").data
    entries = {}
    for kind in ("py:function", "py:class", "py:exception"):
        for name, item in inventory[kind].items():
            file, _, place = item.uri.partition("#")
            text = (built / file).read_text("utf-8")
            text = text.partition(f'id="{place.replace("$", name)}"')[2].partition("<dt ")[0]
            entries[name.rpartition(".")[2]] = text
    return entries


@pytest.fixture(scope="module")
def built(peer, tmp_path_factory):
    """Build all pages; a warning is an error."""
    peer("furo"), peer("myst_parser")
    folder = tmp_path_factory.mktemp("docs") / "html"
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-n", "-q"]
    ran = subprocess.run([*command, DOCS, folder], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture
def reader(browser):
    """Open a page, and note its console messages and the hosts it contacts."""

    def open_page(**options):
        page = browser.new_context(**options).new_page()
        page.log = []
        page.on("console", lambda m: page.log.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: page.log.append(str(error)))
        page.on("request", lambda r: page.log.append(r.url) if is_remote(r.url) else None)
        return page

    return open_page


def is_remote(url):
    return not url.startswith(("file:", "data:", "blob:", "about:"))


@pytest.mark.browser
class TestTheBuiltDocs:
    def test_no_page_loads_other_hosts_or_overflows_the_window(self, built, reader):
        """At widths of 1280 and 390 pixels, light and dark; of the source pages, only one."""
        pages = [p for p in built.rglob("*.html") if "_modules" not in p.parts]
        pages += sorted((built / "_modules").rglob("*.html"))[:1]
        assert len(pages) > 40
        page = reader(reduced_motion="reduce")
        for path in pages:
            page.goto(path.as_uri())
            for window in WINDOWS:
                page.set_viewport_size(window)
                for scheme in ("light", "dark"):
                    page.emulate_media(color_scheme=scheme)
                    wide = page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= window["width"], (path.name, window, page.evaluate(WIDER))
                assert page.evaluate(WIDER) == [], (path.name, window)
            assert page.log == [], path.name

    def test_text_in_pictures_is_large_enough_to_read(self, built, reader):
        """At least 9 pixels on a phone, and 8 on a desktop, where a click opens the picture."""
        page, seen = reader(), 0
        for window, least in zip(WINDOWS, (8, 9), strict=True):
            page.set_viewport_size(window)
            for path in sorted(built.rglob("*.html")):
                if '"_images/' not in path.read_text("utf-8").replace("../", ""):
                    continue
                page.goto(path.as_uri())
                for file, width in page.evaluate(PICTURES):
                    picture = (built / "_images" / file).read_text("utf-8")
                    zoom = float(re.findall(r"scale\(([\d.]+) \1\)|$", picture)[0] or 1)
                    sizes = re.findall(r'font-size="([\d.]+)"', picture)
                    sizes = [zoom * float(size) for size in sizes]
                    sizes += [100 * float(k) for k in re.findall(r"scale\(([\d.]+) -", picture)]
                    wide = float(re.search(r'viewBox="\S+ \S+ (\S+)', picture)[1])
                    small = min(sizes) * width / wide
                    assert small >= least, (path.name, file, window)
                    seen += 1
        assert seen > 40

    def test_every_public_name_has_an_entry(self, built):
        entries = entries_of(built)
        for module in (tg, functional, tg.nn, tg.optim, *(getattr(tg, room) for room in ROOMS)):
            names = {n for n in module.__all__ if not inspect.ismodule(getattr(module, n))}
            assert names <= entries.keys(), module
        for name in functional.__all__:
            assert "viewcode-link" in entries[name], name
            assert 'class="equations' in entries[name], name

    def test_no_player_begins_with_gradients_of_earlier_examples(self, built):
        begun = [path.read_text("utf-8") for path in sorted((built / "players").glob("*.html"))]
        assert len(begun) >= 4
        assert all('"start":[]' in text for text in begun)

    def test_every_player_plays_and_fits(self, built, reader):
        page = reader(viewport=WINDOWS[0], reduced_motion="reduce")
        played = 0
        for path in sorted(DOCS.rglob("*.md")):
            if "```{player}" not in path.read_text("utf-8"):
                continue
            page.goto((built / path.relative_to(DOCS)).with_suffix(".html").as_uri())
            for handle in page.query_selector_all(".player iframe"):
                handle.scroll_into_view_if_needed()
                frame = handle.content_frame()
                frame.wait_for_selector("#count:has-text('0 of')")
                if frame.is_disabled("[data-do=next]"):  # it asks first
                    frame.get_by_role("button", name="Stop").click()
                frame.click("[data-do=next]")
                assert frame.inner_text("#count").startswith("1 of")
                height = frame.evaluate("[document.documentElement.scrollHeight, innerHeight]")
                assert height[0] <= height[1], path.name
                played += 1
            page.click(".player figcaption a")
            assert "/players/" in page.url
        assert played >= 5
        assert page.log == []

    def test_a_player_that_asks_at_once_does_not_take_the_focus(self, built, reader):
        page = reader(viewport=WINDOWS[0], reduced_motion="reduce")
        page.goto((built / "tutorial" / "one_neuron.html").as_uri())
        handle = page.query_selector(".player iframe")
        handle.scroll_into_view_if_needed()
        field = handle.content_frame().locator("#guess input").first
        field.wait_for()
        assert page.evaluate("document.activeElement.tagName") == "BODY"
        field.click()
        field.fill("2")
        field.press("Enter")
        handle.content_frame().get_by_role("button", name="Next").wait_for()

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_a_player_has_the_color_scheme_of_its_page(self, built, reader, scheme):
        page = reader(viewport=WINDOWS[0], color_scheme=scheme)
        page.goto((built / "index.html").as_uri())
        frame = page.query_selector(".player iframe")
        frame.scroll_into_view_if_needed()
        ground = "getComputedStyle(document.body).backgroundColor"
        for view in (page, frame.content_frame()):
            brightness = int(re.findall(r"\d+", view.evaluate(ground))[0])
            assert (brightness < 128) == (scheme == "dark")

    def test_without_scripts_the_recorded_picture_and_output_are_shown(self, built, reader):
        page = reader(java_script_enabled=False)
        for name in ("index", "tutorial/zero_one_weights"):
            page.goto((built / f"{name}.html").as_uri())
            picture = page.locator(".player img")
            picture.scroll_into_view_if_needed()
            assert picture.bounding_box()["width"] > 100
            assert not page.locator(".player iframe").is_visible()
            assert page.locator(".go").count()  # recorded output
        assert page.log == []

    def test_the_home_page_leads_to_each_answer_in_one_click(self, built, reader):
        page = reader(viewport=WINDOWS[1], reduced_motion="reduce")
        for question, answer in ANSWERS.items():
            page.goto((built / "index.html").as_uri())
            page.locator("tr", has_text=question).get_by_role("link").click()
            section = page.locator(f"section#{urlsplit(page.url).fragment}")
            section.locator("h2").wait_for()
            assert answer in " ".join(section.inner_text().split())

    def test_the_worksheet_prints_on_one_sheet(self, built, reader):
        page = reader()
        page.goto((built / "worksheet.html").as_uri())
        side = "1.5cm"
        margin = {"top": side, "bottom": side, "left": side, "right": side}
        printed = page.pdf(format="A4", margin=margin)
        assert len(re.findall(rb"/Type /Page\b", printed)) == 2


@pytest.mark.browser
def test_the_pages_are_ordered_by_purpose(built):
    text = (built / "index.html").read_text("utf-8")
    captions = re.findall(r'<span class="caption-text">([^<]*)</span>', text)
    assert captions == ["Tutorial", "How to", "Reference", "Explanation", "The project"]
