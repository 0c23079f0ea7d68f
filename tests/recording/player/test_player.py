"""The page that plays a pass: its contents, and its behaviour in a browser."""

import json
import random
import re

import numpy as np
import pytest
from graphs import network, pooled

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.computation import FULL
from tinygrad_pool.errors import OptionError, OutputError
from tinygrad_pool.formatting import numbers

HOSTILE = [
    "</script><script>document.title = 'hacked'</script>",
    "<img src=x onerror=\"document.title = 'hacked'\">",
    "<!--<script>",
    "\u2028 ' \" ` $pass ${story}",
    "' onload='document.title=\"hacked\"",
]


def crowd(n):
    """Return the last of n nodes, few of which are alike."""
    v = Value(0.5, label="v")
    x = v
    for i in range((n - 1) // 2):
        x = (x * v).tanh() if i % 2 else (x + v).sigmoid()
    return x


@pytest.fixture
def write(tmp_path):
    """Write the page of a loss; return its path."""
    return lambda loss, **options: tg.record(loss).to_html(tmp_path / "pass.html", **options)


def test_a_recording_too_large_to_draw_is_text_in_a_notebook():
    x = Value(1.0)
    for _ in range(FULL):
        x = x + 1.0
    assert tg.record(x)._repr_html_() == f"<pre>Recording({FULL} steps, at 0)</pre>"


def test_only_fixed_texts_have_a_width(write):
    page = write(network()).read_text("utf-8")
    changing = re.findall(r'<text[^>]*class="(?:data|grad)"[^>]*>', page)
    changing += re.findall(r'class="edge">.*?(<text[^>]*>)', page)
    assert len(changing) > 10
    assert not any("textLength" in text for text in changing)
    assert re.search(r"<text[^>]*textLength[^>]*>max<", page)


def story(path):
    """Read the data of a page."""
    (told,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', path.read_text())
    return json.loads(told)


def test_the_file_is_written_whole_or_not_at_all(tmp_path):
    passed = tg.record(network())
    with pytest.raises(OutputError, match=r"to_html: .*pass.svg needs the suffix .html"):
        passed.to_html(tmp_path / "pass.svg")
    with pytest.raises(OutputError, match=r"the folder .* does not exist"):
        passed.to_html(tmp_path / "missing" / "pass.html")
    with pytest.raises(OptionError, match="to_html: direction must be one of"):
        passed.to_html(tmp_path / "pass.html", direction="up")
    assert not list(tmp_path.iterdir())


def test_a_small_graph_is_drawn_in_the_direction_that_fits_a_screen(write):
    def shape(loss, **options):
        frame = re.findall(r'<svg[^>]*viewBox="([^"]*)"', write(loss, **options).read_text())[0]
        _, _, wide, high = map(float, frame.split())
        return "wide" if wide > high else "high"

    many = tg.weighted_sum([Value(1.0) for _ in range(12)], [1.0] * 12).relu()
    assert [shape(many), shape(many, direction="LR"), shape(crowd(30))] == ["wide", "high", "wide"]


def test_writing_a_page_does_not_move_the_recording(tmp_path):
    loss = network()
    passed = tg.record(loss)
    passed.seek(2)
    before = [(v.grad, v.has_grad) for v in passed.nodes]
    passed.to_html(tmp_path / "pass.html")
    assert passed.position == 2
    assert [(v.grad, v.has_grad) for v in passed.nodes] == before


def test_ten_nodes_take_less_than_100_kilobytes(write):
    for loss in (crowd(10), pooled()):
        assert write(loss).stat().st_size < 100_000


def test_it_needs_nothing_from_elsewhere(write):
    page = write(pooled()).read_text()
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert "default-src 'none'" in page


def test_leaves_without_a_name_have_the_same_name_in_every_text(write):
    a, b = Value(1.0), Value(2.0)
    moves = story(write(tg.maximum(a * b, b)))["moves"]
    says = [sent["says"] for move in moves for sent in move["sends"]]
    assert says[0] == "g · [(leaf#0 leaf#1) wins] = 1 · 1 = 1"
    assert says[2:] == ["g · leaf#1 = 1 · 2 = 2", "g · leaf#0 = 1 · 1 = 1"]


def test_each_contribution_has_its_numbers_and_each_zero_its_reason(write):
    told = story(write(network()))
    names = [box["name"] for box in told["boxes"]]
    sends = {
        (names[move["box"]], names[sent["to"]]): (sent["says"], sent.get("reason"))
        for move in told["moves"]
        for sent in move["sends"]
    }
    assert sends["m (max)", "a"] == ("g · [a wins] = 4 · 1 = 4", None)
    assert sends["m (max)", "b"] == ("g · [b wins] = 4 · 0 = 0", "it lost to a, by 5")
    assert sends["off (relu)", "mul#2"] == (
        "g · relu'(a b) = 1 · 0 = 0",
        "the relu is off, as its input is −6",
    )
    assert told["moves"][2]["equations"] == [
        "y = x_k,  k = argmax_i x_i",
        "∂E/∂x_i = g [i == k]",
    ]
    because = {box["name"]: box["because"] for box in told["boxes"]}
    assert because["b"] == [
        "b gets nothing from m: it lost to a, by 5",
        "mul#2 gets nothing from off: the relu is off, as its input is −6",
    ]
    assert because["a"] == []


def test_boxes_have_the_names_used_in_the_text(tmp_path):
    x = Value(1.0, label="x")
    z, kept = x.tanh(), x.exp()
    passed = tg.record(z * kept + 1.0, names={"z": z, "_kept": kept})
    page = passed.to_html(tmp_path / "pass.html").read_text("utf-8")
    bold = re.findall(r'<text[^>]*font-weight="bold"[^>]*>([^<]+)</text>', page)
    assert " ".join(bold) == "x tanh z exp _kept × #3 + #4"


def test_the_page_quotes_source_lines(write):
    with tg.traced():
        loss = network()
    told = story(write(loss))
    (line,) = {box["line"] for box in told["boxes"] if box["name"] == "m (max)"}
    assert line.endswith("m = tg.maximum(a, b)")


def test_the_page_starts_with_the_gradients_of_earlier_passes(write):
    loss = network()
    loss.backward()
    told = story(write(loss))
    names = [box["name"] for box in told["boxes"]]
    assert {names[c["box"]]: c["lines"] for c in told["start"]} == {"a": ["4"], "b": ["0"]}


def test_a_gradient_that_is_not_finite_is_explained(write):
    a = Value(0.0, label="a")
    with np.errstate(divide="ignore"):
        told = story(write(a.sqrt()))
    assert [c["lines"] for c in told["moves"][0]["changes"]] == [["1"], ["inf"]]
    assert told["boxes"][0]["because"]


def test_more_than_a_thousand_nodes_are_folded(write):
    x = [Value(i / 10, label=f"x{i}") for i in range(10)]
    with tg.scope("units"):
        units = [tg.weighted_sum(x, [0.1 * k] * 10).tanh() for k in range(600)]
    told = story(write(sum(units)))
    assert len(told["boxes"]) < 10
    assert (
        sum(
            int(re.search(r": ([\d,]+) step", m["says"])[1].replace(",", "")) for m in told["moves"]
        )
        == 1800
    )
    leaf = next(i for i, box in enumerate(told["boxes"]) if "×10" in box["name"])
    last = [c for move in told["moves"] for c in move["changes"] if c["box"] == leaf][-1]
    assert re.fullmatch(r"all 0\.\d{3,4}", last["lines"][0])


def test_a_folded_page_names_leaves_by_their_variables(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygrad_pool.recording.player.stage.UNFOLDED", 3)
    w, x = Value(2.0), Value(3.0)
    path = tg.record((w * x).tanh(), names={"w": w, "x": x}).to_html(tmp_path / "pass.html")
    assert [box["name"] for box in story(path)["boxes"]][:2] == ["w", "x"]


def contrast(*colours):
    """Compute the contrast of two colours as defined by WCAG 2.2."""

    def luminance(colour):
        shares = [c / 255 for c in colour]
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return np.dot([0.2126, 0.7152, 0.0722], linear)

    low, high = sorted(map(luminance, colours))
    return (high + 0.05) / (low + 0.05)


def until(page, holds):
    """Wait for a condition on a page whose policy forbids evaluating text."""
    for _ in range(200):
        if page.evaluate(holds):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{holds} did not come about")


@pytest.mark.peer
@pytest.mark.browser
class TestInABrowser:
    @pytest.fixture
    def play(self, browser, write):
        """Open the page of a loss; errors and network requests fail the test."""
        wrong, asked = [], []

        def opened(loss, link="", **window):
            options = {"viewport": {"width": 1280, "height": 720}, "reduced_motion": "reduce"}
            page = browser.new_context(**options | window).new_page()
            page.on("console", lambda message: wrong.append(message.text))
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(write(loss).as_uri() + link, timeout=120_000)  # some machines are busy
            return page

        yield opened
        assert wrong == []
        assert {url[:5] for url in asked} <= {"file:", "data:"}

    @staticmethod
    def grads(page):
        """Read every gradient in the picture."""
        return page.evaluate(
            """() => Object.fromEntries([...document.querySelectorAll("main .node")].map((node) =>
                [node.id, [...node.querySelectorAll(".grad")].map((t) => t.textContent).join("|")]
            ))"""
        )

    @staticmethod
    def says(page):
        return page.locator("#says").text_content()

    def test_every_position_shows_the_gradients_of_the_recording(self, play):
        loss = crowd(12)
        page = play(loss)
        passed = tg.record(loss)
        draw = random.Random(0)
        for position in [*range(len(passed) + 1), *(draw.randrange(len(passed)) for _ in range(9))]:
            passed.seek(position)
            page.evaluate("position => go(position)", position)
            shown = [numbers(v.grad) if v.has_grad else "–" for v in passed.nodes]
            seen = self.grads(page)
            assert [seen[f"n{i}"] for i, _ in enumerate(shown)] == shown
        passed.seek(0)

    def test_a_pass_without_steps_says_so(self, play):
        assert self.says(play(Value(3.0, label="a"))) == "This pass has no steps"

    def test_an_empty_gradient_has_no_sign(self, play):
        page = play(Value(np.zeros((0, 3)), label="a").sum(), "#step=1")
        assert self.grads(page)["n0"] == "empty"
        assert page.locator("#n0 .grad").get_attribute("class").strip() == "grad"

    def test_a_contribution_of_both_signs_has_the_colour_of_neither(self, play):
        z = Value([2.0, 1.0, 0.1], label="z")
        page = play(-tg.log(tg.softmax(z)[0]), "#step=3")
        assert page.locator("#sends li").get_attribute("class") == "minus"  # −1.517 0 0
        page.keyboard.press("n")
        page.get_by_label("Gradient of").select_option("z")
        for item in (page.locator("#sends li"), page.locator("#entries li")):
            assert "−0.3410 0.2424" in item.text_content()
            assert item.get_attribute("class") == "mixed"
        page = play((Value(np.ones(6), label="x") * [1.0, -1, 1, 1, 1, 1]).sum(), "#step=2")
        assert page.locator("#sends li").text_content() == "to x: (6,) −1 … 1"
        assert page.locator("#sends li").get_attribute("class") == "mixed"

    def test_a_sign_has_the_room_up_to_the_name_beside_it(self, play):
        page = play(Value(1.0, label="a") + 2.0)
        plus = page.locator("#n1 text").filter(has_text=re.compile(r"^\+$"))
        assert plus.get_attribute("textLength") is None  # a narrow + looked like a dagger

    def test_a_long_equation_is_smaller_until_it_fits(self, play):
        x = Value(np.zeros((1, 1, 2, 2)), label="x")
        page = play(tg.max_pool2d(x, 2).sum(), "#step=2", viewport={"width": 1024, "height": 768})
        widths = "ul => [...ul.children].map((li) => [li.scrollWidth, li.clientWidth])"
        needed = page.locator("#equations").evaluate(widths)
        assert len(needed) == 2
        assert all(text <= room for text, room in needed)

    def test_an_equation_that_adds_keeps_its_sign_together(self, play):
        page = play(Value([1.0, 2.0], label="x")[0], "#step=1")
        assert page.locator("#equations mo").all_text_contents().count("+=") == 1

    def test_every_button_does_what_it_says(self, play):
        page = play(network())
        at = lambda: self.says(page).split(":")[0]  # noqa: E731
        press = lambda name: page.get_by_role("button", name=name, exact=True).click()  # noqa: E731
        assert at() == "Before step 1 of 5"
        press("Step")
        press("Step")
        assert self.says(page) == "2 of 5: power#5 gets 1"
        press("Back")
        assert at() == "1 of 5"
        press("To the end")
        assert at() == "5 of 5"
        press("To the start")
        assert at() == "Before step 1 of 5"
        page.get_by_label("Step of the pass").fill("3")
        assert self.says(page) == "3 of 5: m (max) gets 4"

    def test_it_plays_to_the_end_pauses_and_begins_again(self, play):
        page = play(crowd(40))
        page.get_by_label("Steps per second").select_option("20")
        page.get_by_role("button", name="Play").click()
        until(page, "at >= 3")
        page.get_by_role("button", name="Pause").click()
        paused = page.evaluate("at")
        page.wait_for_timeout(200)
        assert page.evaluate("at") == paused
        assert page.url.endswith(f"#step={paused}")
        page.get_by_label("Steps per second").select_option("60")
        page.get_by_role("button", name="Play").click()
        until(page, "at === end && !timer")
        page.get_by_role("button", name="Play").click()
        until(page, "at > 0 && at < end")

    def test_the_keyboard_does_it_all(self, play):
        page = play(network())
        for key, position in [
            ("ArrowRight", 1), ("n", 2), ("ArrowLeft", 1), ("b", 0), ("End", 5), ("Home", 0),
        ]:  # fmt: skip
            page.keyboard.press(key)
            assert page.evaluate("at") == position
        before = page.locator("main svg").get_attribute("viewBox")
        page.keyboard.press("+")
        page.keyboard.press("Shift+ArrowRight")
        assert page.locator("main svg").get_attribute("viewBox") != before
        assert page.evaluate("at") == 0
        page.keyboard.press(" ")
        until(page, "at > 0")
        page.keyboard.press(" ")
        assert page.get_by_role("button", name="Play").is_visible()
        page.get_by_label("Step of the pass").focus()
        page.keyboard.press("End")
        assert page.evaluate("at") == 5

    def test_tab_reaches_each_control(self, play):
        page = play(network())
        reached = set()
        for _ in range(18 + 7):  # and seven nodes
            page.keyboard.press("Tab")
            reached.add(
                page.evaluate("(document.activeElement.ariaLabel || document.activeElement.id)")
            )
        assert {
            "Zoom in", "Zoom out", "Fit to window", "Picture", "who", "To the start", "Back",
            "Play", "Step", "To the end", "Step of the pass", "speed", "leaf", "a were", "a",
        } <= reached  # fmt: skip

    def test_a_link_leads_to_a_step_and_follows_the_address(self, play):
        page = play(network(), "#step=3")
        assert self.says(page) == "3 of 5: m (max) gets 4"
        page.evaluate("location.hash = 'step=4'")
        until(page, "at === 4")
        for wild in ("step=99", "step=-1", "step=x", "step=", "<b>"):
            page.evaluate("hash => { location.hash = hash }", wild)
        page.wait_for_timeout(100)
        assert 0 <= page.evaluate("at") <= 5

    def test_the_step_and_its_edges_are_marked_winner_solid_losers_dashed(self, play):
        page = play(network(), "#step=3")
        (lit,) = page.locator(".node.active").all()
        assert lit.get_attribute("id") == "n4"
        to_a, to_b = (page.locator(f"#n4e{i}") for i in (0, 1))
        assert to_a.get_attribute("class") == "edge active plus"
        assert to_b.get_attribute("class") == "edge active zero"
        assert to_b.locator("text").text_content() == "0"
        dashes = "edge => getComputedStyle(edge.querySelector('path')).strokeDasharray"
        assert to_b.evaluate(dashes) == "5px, 4px"
        page.keyboard.press("n")
        assert to_a.get_attribute("class") == "edge done plus"
        assert to_a.evaluate(dashes) == "none"
        page.keyboard.press("Home")
        assert to_a.get_attribute("class").strip() == "edge waiting"

    def test_the_bar_of_a_gradient_grows_with_it_and_shows_its_sign(self, play):
        page = play(network())
        wide = "id => +document.querySelector(`#${id} .bar`).getAttribute('width')"
        assert page.evaluate(wide, "n0") == 0
        page.evaluate("go(end)")
        assert page.evaluate(wide, "n0") == pytest.approx(page.evaluate("boxes[0].wide"))
        a = Value(1.0)
        page = play(a * -0.5, "#step=1")
        bar, box = (
            page.locator(f"#n0 {part}").first.bounding_box() for part in (".bar", "polygon")
        )
        assert page.locator("#n0 .bar").get_attribute("class") == "bar minus"
        assert bar["width"] < 0.9 * box["width"]
        assert bar["x"] + bar["width"] == pytest.approx(box["x"] + box["width"], abs=3)
        assert page.locator("#n0 .grad").get_attribute("class") == "grad minus"

    def test_dashes_mean_0_and_nothing_else(self, play):
        page = play(network(), "#step=3")
        dashes = page.evaluate(
            """() => [...document.querySelectorAll("main .edge")].map((edge) => [
                edge.getAttribute("class").trim(),
                getComputedStyle(edge.querySelector("path")).strokeDasharray,
            ])"""
        )
        looks = {"zero": "5px, 4px", "waiting": "1px, 4px", "plus": "none", "minus": "none"}
        for kind, dash in dashes:
            assert looks.get(kind.split()[-1], "none") == dash, kind

    def test_data_remains_next_to_its_key_in_a_folded_box(self, play):
        random.seed(1)
        net = tg.nn.MLP(2, [24, 24, 1])
        points = [[Value(0.1 * i), Value(0.2 * i)] for i in range(12)]
        page = play(sum(((net(point) - 1.0) ** 2 for point in points), Value(0.0)))
        spans = page.evaluate(
            """() => [...document.querySelectorAll("main .node .data")].map((text) => [
                [...text.parentNode.querySelectorAll("text")].find((t) => t.textContent === "data"),
                text,
            ].map((t) => t.getBBox()).map((box) => [box.x, box.x + box.width]))"""
        )
        assert len(spans) > 5
        for (_, key_ends), (begins, _) in spans:
            assert key_ends <= begins

    def test_negative_contributions_have_a_double_line(self, play):
        page = play(Value(2.0) * -3.0 + Value(1.0), "#step=2")
        lines = page.evaluate(
            """() => [...document.querySelectorAll("main .edge")].map((edge) => [
                edge.classList.contains("minus"),
                [...edge.querySelectorAll("path")].map((path) => {
                    const look = getComputedStyle(path);
                    return look.display === "none" ? "" : `${look.strokeWidth} ${look.stroke}`;
                }),
            ])"""
        )
        assert {below for below, _ in lines} == {False, True}
        for below, (outer, *inner) in lines:
            assert len(inner) == below
            for middle in inner:
                assert float(outer.split("px")[0]) >= 2 + float(middle.split("px")[0])
                assert outer.split(" ", 1)[1] != middle.split(" ", 1)[1]
        page.keyboard.press("Home")
        hidden = page.locator(".middle").first.evaluate("path => getComputedStyle(path).display")
        assert hidden == "none"

    def test_an_edge_points_to_where_its_contribution_goes(self, play):
        page = play(network(), "#step=3", reduced_motion="reduce")
        tip, m, a = (
            page.locator(f"{name} polygon").first.bounding_box() for name in ("#n4e0", "#n4", "#n0")
        )
        near = [abs(tip["x"] - x) for x in (a["x"] + a["width"], m["x"])]
        low = [abs(tip["y"] - y) for y in (a["y"], m["y"] + m["height"])]
        assert near[0] < near[1] or low[0] < low[1]

    def test_a_clicked_node_shows_its_contributions_and_causes(self, play):
        page = play(network(), "#step=3")
        page.locator("#n1").click()
        assert page.locator("#who").input_value() == "1"
        assert page.locator("#entries li").all_text_contents() == [
            "from m (max): g · [b wins] = 4 · 0 = 0",
            "1 more to come",
        ]
        assert page.locator("#because li").count() == 0
        page.keyboard.press("End")
        assert page.locator("#sum").text_content() == "= 0"
        assert page.locator("#because li").all_text_contents() == [
            "because b gets nothing from m: it lost to a, by 5",
            "because mul#2 gets nothing from off: the relu is off, as its input is −6",
        ]
        page.get_by_label("Gradient of").select_option("a")
        assert page.locator("#sum").text_content() == "= 4"

    def test_causes_are_listed_as_in_why(self, play):
        b = Value(np.array([-9.0]), label="b")
        hidden = (Value(np.ones((9, 1)), label="x") + b).relu()
        w = Value(0.7, label="w")
        loss = sum(((w * -(1.0 + i)).relu() for i in range(11)), hidden.sum())
        page = play(loss, f"#step={len(tg.record(loss))}")
        for name in ("b", "w"):
            page.locator("#who").select_option(label=name)
            said = str(tg.record(loss).why(name)).splitlines()
            first = next(i for i, line in enumerate(said) if line.startswith("  because "))
            causes = [line.strip() for line in said[first:]]
            assert page.locator("#because li").all_text_contents() == causes

    def test_a_pooling_shows_its_windows_and_the_gradients_of_its_cells(self, play):
        page = play(pooled(), "#step=3")
        cells = page.locator("#grid .cell")
        assert cells.count() == 16 + 4
        assert page.locator("#grid .winner").count() == 4
        assert page.locator("#grid .landed").all_text_contents() == [
            "−2", "1", "0.5", "3", "δ 1", "δ −2", "δ 0.5", "δ 3",
        ]  # fmt: skip
        page.locator("#grid g").nth(17).hover()
        assert page.locator("#grid .seen").count() == 4 + 1
        page.keyboard.press("b")
        assert not page.locator("#grid").is_visible()

    def test_equations_are_set_as_mathematics(self, play):
        page = play(network(), "#step=3")
        math = page.locator("#equations math")
        assert [m.get_attribute("aria-label") for m in math.all()] == [
            "y = x_k,  k = argmax_i x_i",
            "∂E/∂x_i = g [i == k]",
        ]
        assert math.nth(1).locator("mfrac > mrow").all_text_contents() == ["∂E", "∂xi"]
        assert math.nth(0).locator("msub").all_text_contents() == ["xk", "argmaxi", "xi"]
        box = math.nth(1).locator("mfrac").bounding_box()
        over, under = (row.bounding_box() for row in math.nth(1).locator("mfrac > mrow").all())
        assert over["y"] < under["y"] < box["y"] + box["height"]

    def test_a_node_without_a_label_has_its_number_in_the_picture(self, play):
        page = play(network(), "#step=2")
        assert self.says(page) == "2 of 5: power#5 gets 1"
        assert "#5" in page.locator("#n5").text_content()

    def test_a_node_is_selected_by_keyboard(self, play):
        page = play(network(), "#step=3")
        node = page.get_by_role("button", name="m (max)", exact=True)
        node.focus()
        page.keyboard.press("Enter")
        assert page.locator("#who").input_value() == "4"
        page.get_by_role("button", name="b", exact=True).focus()
        page.keyboard.press(" ")
        assert page.locator("#who").input_value() == "1"
        assert page.evaluate("at") == 3  # the space does not play

    def test_a_tap_shows_the_answer_at_the_finger(self, play):
        page = play(network(), "#step=3", viewport={"width": 390, "height": 844}, has_touch=True)
        page.locator("#n4").tap()
        answer = page.locator("#answer")
        assert answer.text_content().startswith("m (max) = 4from power#5: g · ")
        bubble, node = answer.bounding_box(), page.locator("#n4").bounding_box()
        assert bubble["x"] >= 0
        assert bubble["x"] + bubble["width"] <= 390
        assert abs(bubble["y"] + bubble["height"] - node["y"]) < 150
        page.keyboard.press("n")
        assert not answer.is_visible()
        wide = play(network(), "#step=3")
        wide.locator("#n4").click()
        assert not wide.locator("#answer").is_visible()

    @pytest.mark.parametrize(("wide", "high"), [(390, 844), (1280, 720)])
    def test_numbers_can_be_read_at_first_sight(self, play, wide, high):
        z = Value(0.5, label="x")
        for i in range(8):
            z = (Value(1.0, label=f"w{i}") * z).sigmoid()
        page = play(z, viewport={"width": wide, "height": high})
        size = "t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a"
        assert page.locator("#n0 .grad").evaluate(size) > 8
        root = page.locator(".node[aria-label*='sigmoid#24']").bounding_box()
        frame = page.locator("main").bounding_box()
        assert frame["x"] <= root["x"]
        assert root["x"] + root["width"] <= frame["x"] + frame["width"]

    @pytest.mark.parametrize(("wide", "high"), [(390, 844), (1280, 720)])
    @pytest.mark.parametrize(
        ("n", "pool"),
        [
            (6, lambda x: tg.max_pool2d(x, 2)),
            (6, lambda x: tg.max_pool2d(x, 3, stride=2, padding=1, dilation=2)),
            (5, lambda x: tg.avg_pool2d(x, 3, stride=2, padding=1)),
            (12, lambda x: tg.max_pool2d(x, 5, stride=1, padding=2)),
        ],
    )
    def test_numbers_in_windows_can_be_read(self, play, n, pool, wide, high):
        x = Value(np.arange(n * n).reshape(n, n) / 7, label="x")
        page = play((pool(x) ** 2).sum(), "#step=3", viewport={"width": wide, "height": high})
        size = "t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a"
        sizes = [text.evaluate(size) for text in page.locator("#grid .landed").all()]
        assert min(sizes) >= 9
        scrolls = "f => f.scrollWidth > f.clientWidth"
        assert page.locator("#grid").evaluate(scrolls) == (n == 12)
        assert not page.locator("#story").evaluate(scrolls)

    def test_padding_is_drawn_around_the_cells(self, play):
        x = Value(np.arange(16.0).reshape(4, 4), label="x")
        page = play(tg.max_pool2d(x, 3, stride=2, padding=1).sum(), "#step=2")
        rim, cell = (
            page.locator(f"#grid .{kind}").first.bounding_box() for kind in ("padding", "cell")
        )
        assert rim["width"] / cell["width"] == pytest.approx(6, abs=0.2)

    def test_screen_readers_hear_stops_but_not_each_played_step(self, play):
        page = play(crowd(60))
        page.get_by_label("Steps per second").select_option("20")
        page.keyboard.press(" ")
        until(page, "at > 1")
        assert page.locator("#says").get_attribute("aria-live") == "off"
        page.keyboard.press(" ")
        assert page.locator("#says").get_attribute("aria-live") == "polite"

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_every_text_stands_out_from_its_ground(self, play, scheme):
        page = play(pooled(), "#step=3", color_scheme=scheme)
        styles = page.evaluate(
            """() => {
                const probe = document.createElement("i");
                document.body.append(probe);
                const shown = (name) => {
                    probe.style.color = `var(--${name})`;
                    return getComputedStyle(probe).color.match(/\\d+/g).map(Number);
                };
                return Object.fromEntries(
                    "paper page winner lit ink soft plus minus odd"
                        .split(" ").map((n) => [n, shown(n)])
                );
            }"""
        )
        for ground, texts in {
            "paper": ("ink", "plus", "minus", "odd"),
            "page": ("ink", "soft", "plus", "minus", "odd"),
            "winner": ("ink", "minus"),
            "lit": ("ink",),
        }.items():
            for text in texts:
                assert contrast(styles[ground], styles[text]) >= 4.5, (ground, text)

    def test_arrays_are_painted_when_their_gradient_arrives(self, play):
        x = Value(np.linspace(-1, 1, 36).reshape(6, 6), label="x")
        page = play((x * x).sum())
        pictures = page.locator("#n0 image")
        assert [picture.is_visible() for picture in pictures.all()] == [True, False]
        page.keyboard.press("End")
        assert [picture.is_visible() for picture in pictures.all()] == [True, True]
        first, last = page.evaluate(
            """async () => {
                const image = new Image(), canvas = document.createElement("canvas");
                image.src = document.querySelectorAll("#n0 image")[1].getAttribute("href");
                await image.decode();
                [canvas.width, canvas.height] = [image.width, image.height];
                const paper = canvas.getContext("2d", { willReadFrequently: true });
                paper.drawImage(image, 0, 0);
                return [[0, 0], [5, 5]].map(([i, j]) => [...paper.getImageData(i, j, 1, 1).data]);
            }"""
        )
        assert first == [184, 74, 0, 255]
        assert last == [0, 114, 178, 255]

    def test_a_dark_page_has_a_dark_picture(self, play):
        page = play(network(), color_scheme="dark")
        fill = "node => getComputedStyle(node.querySelector('polygon')).fill"
        assert page.locator("#n0").evaluate(fill) == "rgb(27, 29, 33)"
        page.emulate_media(color_scheme="light")
        assert page.locator("#n0").evaluate(fill) == "rgb(255, 255, 255)"

    def test_nothing_is_animated_with_reduced_motion(self, play):
        page = play(network(), "#step=1")
        moving = "edge => getComputedStyle(edge.querySelector('path')).animationName"
        assert page.locator(".edge.active").first.evaluate(moving) == "none"
        page.emulate_media(reduced_motion="no-preference")
        assert page.locator(".edge.active").first.evaluate(moving) == "flow"

    def test_a_screen_reader_is_told_each_step(self, play):
        page = play(network(), "#step=3")
        heard = page.locator("body").aria_snapshot()
        for line in (
            '- heading "Backward pass from E"',
            '- status: "3 of 5: m (max) gets 4"',
            '- button "Play"',
            '- slider "Step of the pass"',
            'group "Backward pass from E 7 nodes: 2 leaves, 1 mul',
            '- button "m (max)"',
            '- combobox "Gradient of"',
        ):
            assert line in heard
        assert (
            page.get_by_label("Step of the pass").get_attribute("aria-valuetext")
            == "3 of 5: m (max) gets 4"
        )

    def test_it_fits_a_phone(self, play):
        page = play(network(), "#step=3", viewport={"width": 390, "height": 844}, has_touch=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for name in ("Step", "Back", "Play"):
            box = page.get_by_role("button", name=name, exact=True).bounding_box()
            assert box["y"] + box["height"] <= 844
            assert min(box["width"], box["height"]) >= 44
        page.get_by_role("button", name="Step", exact=True).tap()
        assert self.says(page).startswith("4 of 5")
        sent, play_ = page.locator("#sends"), page.get_by_role("button", name="Play", exact=True)
        top = play_.bounding_box()["y"]
        assert sent.bounding_box()["y"] < top  # the step is described next to it
        page.evaluate("scrollTo(0, 60)")
        assert play_.bounding_box()["y"] == pytest.approx(
            top, abs=30
        )  # and the controls do not move
        page.locator("#n1").tap()
        assert page.locator("#who").input_value() == "1"

    def test_printed_pages_are_not_cut_off(self, play):
        x = Value(np.ones((1, 1, 4, 4)), label="x")
        y = tg.max_pool2d(tg.conv2d(x, np.ones((2, 1, 2, 2))), 2, stride=1)
        page = play(y.sum(), "#step=3", viewport={"width": 1047, "height": 600})
        page.emulate_media(media="print")
        cut = "e => [e, ...e.querySelectorAll('p, li')].some((p) => "
        cut += "p.scrollHeight > p.clientHeight + 3 || p.scrollWidth > p.clientWidth + 1)"
        assert not page.locator("#story").evaluate(cut)
        above, below = (page.locator(name).bounding_box() for name in ("main", "#story"))
        assert below["y"] >= above["y"] + above["height"]
        assert below["width"] > 900

    @pytest.mark.parametrize("label", HOSTILE)
    def test_labels_are_shown_as_they_are_and_run_nothing(self, play, label):
        a = Value(2.0, label=label)
        with tg.scope("<b>scope</b>"):
            y = a * a
        y.label = f"{label} again"
        page = play(y, "#step=1")
        assert page.title() != "hacked"
        assert label.replace("\u2028", " ").split()[0] in page.locator("#sends").text_content()
        assert page.locator("main script, main img, #story img, #story script").count() == 0

    def test_a_thousand_nodes_can_be_walked(self, play):
        loss = v = Value(0.5, label="v")
        for i in range(499):  # few links are long ones, which take Graphviz a minute to lay out
            w = v if i % 50 == 0 else 0.5 + i / 500
            loss = (loss * w).tanh() if i % 2 else (loss + w).sigmoid()
        page = play(loss, "#step=400")
        lit = page.locator(".node.active").bounding_box()
        window = page.locator("main").bounding_box()
        assert window["x"] <= lit["x"] <= window["x"] + window["width"]
        assert window["y"] <= lit["y"] <= window["y"] + window["height"]
        for step in (0, 1, 2, 500, 499, 998):
            page.evaluate(f"go({step})")
        # all steps, without a layout for each
        page.evaluate("document.querySelector('main svg').style.display = 'none'")
        page.evaluate("() => { for (let n = 0; n <= end; n += 1) go(n); }")
        loss.backward()
        shown = page.evaluate("boxes.find((box) => box.name === 'v').history.at(-1).lines[0]")
        assert shown == numbers(v.grad)

    def test_a_page_opens_with_a_few_layouts_and_not_one_or_more_per_node(self, play):
        loss = Value(0.5, label="v")
        for _ in range(100):
            loss = (loss + 0.1).tanh()
        page = play(loss)
        chromium = page.context.new_cdp_session(page)
        chromium.send("Performance.enable")
        page.reload()
        metrics = chromium.send("Performance.getMetrics")["metrics"]
        (layouts,) = (m["value"] for m in metrics if m["name"] == "LayoutCount")
        assert 0 < layouts < 100

    def test_without_scripts_the_page_shows_the_final_gradients(self, browser, write):
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(write(network()).as_uri())
        assert page.locator("#n0 .grad").text_content() == "4"
        assert page.locator("#n2 .grad").text_content() == "0"
        page.goto(write(tg.lift(lambda x: (x * 2.0, lambda _: (None,)))(Value(2.0))).as_uri())
        shown = [page.locator(f"#n{i} .grad").text_content() for i in range(2)]
        assert shown == ["–", "1"]

    def test_a_notebook_shows_it_in_a_frame(self, tmp_path, browser):
        (tmp_path / "notebook.html").write_text(
            f"<!DOCTYPE html>{tg.record(network())._repr_html_()}"
        )
        page = browser.new_page()
        page.goto((tmp_path / "notebook.html").as_uri())
        frame = page.frame_locator("iframe")
        frame.get_by_role("button", name="Step", exact=True).click()
        assert frame.locator("#says").text_content() == "1 of 5: E (+) gets 1"
