"""The page to pan and zoom: its contents, and its behaviour in a browser."""

import base64
import re
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.plots import kink

HOSTILE = [
    '<b>&"\n',
    "</script><script>alert(1)</script>",
    "</title></svg><img src=x onerror=alert(1)>",
    "]]>",
    "--!><script>alert(1)</script>",
    "$svg ${title}",
    "损失函数",
    "x" * 10_000_000,
]


class Tags(HTMLParser):
    """List the tags of a page and their attributes, in order."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.fixture
def write(tmp_path):
    """Write a page; return its path."""
    return lambda drawn, **options: tg.render(drawn, tmp_path / "graph.html", **options)


@pytest.fixture
def loss():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    E = tg.maximum(a * b, b**2, a)
    E.label = "E"
    E.backward()
    return E


def test_a_page_is_self_contained(write, loss):
    for drawn in (loss, kink()):
        page = write(drawn).read_text("utf-8")
        tags = Tags(page).found
        assert {"link", "iframe", "img"}.isdisjoint(tag for tag, _ in tags)
        loaded = [a.get("src") or a.get("href") or a.get("xlink:href") for _, a in tags]
        assert all(link.startswith("#") for link in loaded if link)
        assert re.findall(r"@import|url\((?!#)", page) == []


def test_the_only_script_allowed_is_its_own(write, loss):
    page = write(loss).read_text("utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    assert "Content-Security-Policy\" content=\"default-src 'none'; " in page
    assert f"script-src 'sha256-{digest}'\"" in page


def test_title_and_description_are_in_the_page_and_in_the_picture(write, loss):
    page = write(loss).read_text("utf-8")
    assert page.count(">Computation graph of E</") == 3
    assert page.count("E has the data 9 and the gradient 1.") == 2
    assert "<title>n0</title>" not in page  # no tooltip


@pytest.mark.parametrize("label", HOSTILE, ids=lambda label: label[:12])
def test_no_label_becomes_markup(write, label):
    plain, hostile = (
        [tag for tag, _ in Tags(write(Value(2.0, label=text)).read_text("utf-8")).found]
        for text in ("a", label)
    )
    assert hostile == plain


@pytest.mark.parametrize(("direction", "turned"), [("LR", "wide"), ("TB", "tall")])
def test_a_wide_picture_is_printed_in_landscape(write, direction, turned):
    x = Value(1.0).exp().exp().exp()
    assert f'<body class="{turned}">' in write(x, direction=direction).read_text("utf-8")


def test_the_background_of_a_dark_picture_extends_to_the_page(write, loss):
    dark, light = (write(loss, theme=theme).read_text("utf-8") for theme in ("dark", "light"))
    assert '<main style="background: #1b1d21" tabindex' in dark
    assert "<main tabindex" in light


@pytest.mark.browser
class TestInABrowser:
    @pytest.fixture
    def view(self, browser, write):
        """Open a page in a window; whatever it complains of, or asks the network for, fails."""
        wrong, asked = [], []

        def opened(drawn, **window):
            page = browser.new_context(
                **{"viewport": {"width": 1200, "height": 800}, **window}
            ).new_page()
            page.on("console", lambda message: wrong.append(message.text))
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(write(drawn).as_uri())
            return page

        yield opened
        assert wrong == []
        assert {url[:5] for url in asked} == {"file:"}

    @staticmethod
    def place(page, node):
        """Find the middle of a node in the window, in pixels."""
        return np.array(
            page.evaluate(
                """id => {
                    const node = document.querySelector(`svg #${id}`), box = node.getBBox();
                    const middle = new DOMPoint(box.x + box.width / 2, box.y + box.height / 2);
                    const { x, y } = middle.matrixTransform(node.getScreenCTM());
                    return [x, y];
                }""",
                node,
            )
        )

    @staticmethod
    def zoomed(page):
        return page.get_by_role("status").text_content()

    @pytest.mark.parametrize("width", [1200, 390])
    def test_the_whole_picture_is_visible_at_first(self, view, loss, width):
        page = view(loss, viewport={"width": width, "height": 800})
        panel = page.get_by_role("group", name="Picture").bounding_box()
        picture = page.locator("#graph0 > polygon").first.bounding_box()
        for start, length in (("x", "width"), ("y", "height")):
            assert picture[start] >= panel[start]
            assert picture[start] + picture[length] <= panel[start] + panel[length]
        assert picture["width"] > 0.3 * width
        assert page.evaluate("document.documentElement.scrollWidth") == width

    def test_a_wheel_zooms_about_the_pointer(self, view, loss):
        page = view(loss)
        before, right = self.place(page, "n1"), self.place(page, "n4")[0]
        page.mouse.move(*before)
        page.mouse.wheel(0, -100)
        page.wait_for_function("document.querySelector('output').textContent === '122 %'")
        assert self.place(page, "n1") == pytest.approx(before, abs=0.5)  # whole pixels
        assert self.place(page, "n4")[0] > right + 50

    def test_a_drag_moves_the_picture_until_the_button_is_released(self, view, loss):
        page = view(loss)
        before = self.place(page, "n1")
        page.mouse.move(600, 400)
        page.mouse.down()
        page.mouse.move(700, 450)
        page.mouse.up()
        page.mouse.move(300, 300)
        assert self.place(page, "n1") - before == pytest.approx([100, 50], abs=0.1)

    def test_keys_and_buttons_zoom_move_and_fit(self, view, loss):
        page = view(loss)
        before = self.place(page, "n1")
        for act, expected in (
            (lambda: page.keyboard.press("+"), "125 %"),
            (lambda: page.keyboard.press("-"), "100 %"),
            (lambda: page.get_by_role("button", name="Zoom in").click(), "125 %"),
            (lambda: page.get_by_role("button", name="Zoom out").click(), "100 %"),
            (lambda: page.keyboard.press("Control+Shift+ArrowLeft"), "100 %"),
        ):
            act()
            assert self.zoomed(page) == expected
        assert self.place(page, "n1") == pytest.approx(before, abs=0.1)
        page.keyboard.press("ArrowRight")
        assert self.place(page, "n1") - before == pytest.approx([-60, 0], abs=0.1)
        for act in (
            lambda: page.keyboard.press("0"),
            lambda: page.get_by_role("button", name="Fit to window").click(),
        ):
            page.keyboard.press("+")
            act()
            assert self.place(page, "n1") == pytest.approx(before, abs=0.1)

    def test_the_keyboard_reaches_everything(self, view, loss):
        page = view(loss)
        reached = []
        for _ in range(4):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.ariaLabel"))
        assert reached == ["Zoom out", "Zoom in", "Fit to window", "Picture"]

    def test_neither_zoom_nor_drag_loses_the_picture(self, view, loss):
        page = view(loss)
        for _ in range(60):
            page.keyboard.press("-")
        assert self.zoomed(page) == "50 %"
        for _ in range(60):
            page.keyboard.press("ArrowLeft")
        middle = page.locator("main").bounding_box()
        left = page.locator("#graph0 > polygon").first.bounding_box()["x"]
        assert left == pytest.approx(middle["x"] + middle["width"] / 2, abs=5)

    def test_two_fingers_zoom_and_move(self, view, loss):
        page = view(loss, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
        session = page.context.new_cdp_session(page)

        def touch(kind, *points):
            fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
            for _ in range(2):  # touches are reported once per frame
                page.evaluate("new Promise(requestAnimationFrame)")

        touch("touchStart", (150, 400), (250, 400))
        touch("touchMove", (100, 400), (300, 400))
        assert self.zoomed(page) == "200 %"
        before = self.place(page, "n1")
        touch("touchMove", (100, 300), (300, 300))
        assert self.place(page, "n1") - before == pytest.approx([0, -100], abs=1)
        touch("touchEnd")
        assert page.evaluate("visualViewport.scale") == 1

    def test_the_picture_fits_again_when_the_window_changes(self, view, loss):
        page = view(loss)
        page.set_viewport_size({"width": 500, "height": 500})
        page.wait_for_function("document.querySelector('svg').getBoundingClientRect().width < 500")
        panel = page.locator("main").bounding_box()
        assert self.place(page, "graph0")[0] == pytest.approx(
            panel["x"] + panel["width"] / 2, abs=2
        )

    def test_a_print_shows_the_whole_picture_without_buttons(self, view, loss):
        page = view(loss)
        page.keyboard.press("+")
        before = page.locator("main > svg").get_attribute("viewBox")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        assert page.locator("main > svg").get_attribute("viewBox").startswith("0 0 ")
        assert not page.get_by_role("toolbar").is_visible()
        page.emulate_media(media="screen")
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("main > svg").get_attribute("viewBox") == before

    def test_a_dark_page_keeps_the_picture_on_light_ground(self, view, loss):
        colour = "getComputedStyle(document.querySelector('{}')).backgroundColor"
        for scheme, ground in (("dark", "rgb(22, 24, 28)"), ("light", "rgb(238, 240, 243)")):
            page = view(loss, color_scheme=scheme)
            assert page.evaluate(colour.format("body")) == ground
            assert page.evaluate(colour.format("main")) == "rgb(255, 255, 255)"

    def test_labels_are_shown_literally_and_run_nothing(self, view):
        for label in HOSTILE[:-1]:
            page = view(Value(2.0, label=label))
            assert page.evaluate("document.scripts.length") == 1
            shown = label.replace("\n", " ")[:39].strip()
            assert shown in page.locator("main").text_content()
            assert shown in page.title()

    def test_a_plot_on_a_page(self, view):
        page = view(kink())
        assert page.get_by_role("img").get_attribute("aria-labelledby")
        assert self.zoomed(page) == "100 %"
