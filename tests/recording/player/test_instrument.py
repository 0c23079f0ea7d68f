"""Passes with other numbers, computed by the page, and predictions of steps."""

import json
import re
from importlib.resources import files

import numpy as np
import pytest
from graphs import network, pooled

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.derivatives.slopes import largest_of
from tinygrad_pool.drawing import page
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import number, numbers, on_a_line, plain
from tinygrad_pool.javascript import constants_of, runtime
from tinygrad_pool.recording.player.instrument import instrument_of
from tinygrad_pool.recording.player.stage import Box, Stage
from tinygrad_pool.recording.player.story import Story
from tinygrad_pool.recording.views import title

NUMBERS = page.read(page.__name__, "numbers.js")
CLAMP = "const clamp = (low, value, high) => Math.min(Math.max(value, low), high);\n"


def script(name):
    return files("tinygrad_pool.recording.player").joinpath(f"{name}.js").read_text("utf-8")


def held():
    """Return the network after an earlier pass that left gradients."""
    E = network()
    E.backward()
    return E


def tied():
    a, b, c = Value(1.0, label="a"), Value(1.0, label="b"), Value(0.0, label="c")
    even = tg.maximum(a, b, ties="even") + tg.minimum(a, b, c, -1.0)
    return tg.maximum(a, b, c, 0.5) * tg.minimum(a, b, ties="last") + (c * a).relu() * c + even


def convolved():
    rng = np.random.default_rng(0)
    x = Value(rng.normal(size=(1, 2, 6, 6)), label="x")
    w = Value(rng.normal(size=(2, 2, 3, 3)), label="w")
    y = tg.conv2d(x, w, Value(rng.normal(size=2), label="b"), padding=1).tanh()
    return (tg.max_pool2d(y, 3, stride=2, padding=1) ** 2).mean()


def single():
    w = Value(np.float32(0.1), label="w")
    return (w * np.float32(3.0)).tanh() * Value(2.0, label="v")


def tiny():
    return Value(1e-200, label="a") * 1e-200 * Value(1e-300, label="b")


def canceled():
    a = Value(2.0, label="a")
    b = a * 3.0
    return (b - b) + tg.where(np.array(True), 0.0, a).exp() * 0.0


def averaged():
    return tg.avg_pool1d(Value(np.arange(6.0), label="x"), 2, stride=1).sum()


def without_gradient():
    a = Value(2.0, label="a")
    return a.detach() * Value(3.0, label="b")


def used_twice():
    a = Value(1.0, label="a")
    return a * 2.0 + a * 3.0


def underflowing():
    x, y, n = (Value(v, label=k) for k, v in (("x", 0.01), ("y", 1e200), ("n", 300.0)))
    return x**n * 2.0 + 1.0 / y


def vanishing():
    v = Value(0.5, label="v")
    for _ in range(20):
        v = (v * 0.9).sigmoid()
    return v


def crowded():
    """Return a loss whose w is 0 for more reasons than are listed."""
    w = Value(0.7, label="w")
    parts = [(w * -(1.0 + i)).relu() for i in range(11)]
    with tg.traced():
        parts.append(tg.maximum(w * 2.0, Value(99.0, label="big")))
    return sum(parts[1:], parts[0])


def deciding():
    """Apply a rule with an if that tests its numbers."""

    def kinked(x):
        slope = 2.0 if x > 1 else 1.0
        return x * slope, lambda g: (g * slope,)

    return tg.lift(kinked)(Value(2.0))


GRAPHS = [
    *(network, held, tied, pooled, convolved, single, tiny, canceled, averaged, without_gradient),
    underflowing,
    vanishing,
    crowded,
]


def rounded(x):
    """Make sizes comparable: a size of 0 may be missing, and Python rounds sizes."""
    if isinstance(x, dict):
        size = x.get("size", 0)
        kept = {k: rounded(v) for k, v in x.items() if k != "size" and v is not None}
        return kept | {"size": size if size is None else round(size, 3)}
    return [rounded(v) for v in x] if isinstance(x, list) else x


def stage(passed):
    """Return a stage without a picture, to save the time of its layout."""
    boxes = [Box(f"n{i}", plain(title(passed, n)), [n]) for i, n in enumerate(passed.nodes)]
    edges = {
        (k, i): f"n{k}e{i}" for k, n in enumerate(passed.nodes) for i, _ in enumerate(n.parents)
    }
    return Stage("", boxes, edges, folded=False)


def stories(passed, other=None):
    """Return the story by Python, and the one by the page."""
    other = passed if other is None else other
    told, known = (json.loads(json.dumps(Story(p, stage(p)).to_json())) for p in (passed, other))
    made = instrument_of(passed)
    assert not made.fixed, made.fixed
    numbers = [n.data for n in other.nodes]
    numbers += [node.parents[i] for n in other.nodes for node, i in constants_of(n)]
    leaves = json.dumps([np.ravel(x).tolist() if np.ndim(x) else float(x) for x in numbers])
    program = (
        f"{CLAMP}const pass = {json.dumps(told | {'engine': made.data})};\n"
        f"const functions = [{', '.join(made.functions)}];\n"
        f"{runtime()}{NUMBERS}{script('retelling')}\n"
        f"const {{ boxes, start, moves }} = retold(compute(engine, {leaves}));\n"
        "console.log(JSON.stringify({ boxes, start, moves }));"
    )
    return known, program


@pytest.mark.covered
@pytest.mark.parametrize("graph", GRAPHS)
def test_the_page_describes_the_recorded_numbers_as_python_does(graph, node_js):
    known, program = stories(tg.record(graph()))
    scalars = not any("cells" in box or ";" in box["data"] for box in known["boxes"])
    told = node_js(program)
    if not scalars:  # the page only explains zeros of numbers
        for story in (known, told):
            for box in story["boxes"]:
                box["because"] = []
    assert rounded(told) == rounded(known)


@pytest.mark.parametrize(
    ("make", "change"),
    [
        *((network, {"a": a}) for a in (-4.0, 0.0)),
        (network, {"b": 2.0}),
        (network, {"a": -1.5, "b": -1.5}),
        *((underflowing, {"x": x}) for x in (0.0, 1.0)),
        (underflowing, {"n": 0.0, "y": 2.0}),
        (crowded, {"w": 0.5}),
        (crowded, {"w": -0.5}),
    ],
)
def test_the_page_describes_other_numbers_as_python_describes_a_replay(make, change, node_js):
    """It also distinguishes a slope of exactly 0 from an underflow."""
    passed = tg.record(make())
    for name, x in change.items():
        passed.set(name, x)
    known, program = stories(passed, passed.replay())
    assert rounded(node_js(program)) == rounded(known)


@pytest.mark.parametrize(
    ("f", "old", "new"),
    [
        (lambda a, c: (a * c).tanh() * 3.0, 2.0, -1.5),
        (lambda a, c: (a - c) ** 2, 1.0, 3.0),
        (lambda a, c: a**c, 2, -3.0),
        (lambda a, c: (a * 2.0) ** c, 3, 2),
        (lambda a, c: (c / a) * (c - a) + 1.0, -1.0, 4.0),
        (lambda a, c: tg.maximum(a, c) * a, 1.0, 5.0),
        (lambda a, c: tg.maximum(a * c, 0.5).relu() + a * 0.0, 1.0, -2.0),
        (lambda a, c: a * c * a, 1e-200, 0.0),
        (lambda a, c: tg.weighted_sum([a, a * a], [c, 3.0], bias=1.0), 2.0, -1.0),
    ],
)
def test_the_page_describes_other_constants_as_python_does(f, old, new, node_js):
    """A name may look like a placeholder of the page."""
    passed, other = (tg.record(f(Value(2.0, label="§1"), c)) for c in (old, new))
    known, program = stories(passed, other)
    assert rounded(node_js(program)) == rounded(known)


def test_windows_with_other_numbers_are_described_as_in_a_replay(node_js):
    passed = tg.record(pooled())
    passed.set("x", 9.0, (0, 3))
    passed.set("x", 0.0, (1, 1))
    known, program = stories(passed, passed.replay())
    told = node_js(program)
    assert told["moves"][2]["grid"] == known["moves"][2]["grid"]
    assert rounded(told["moves"]) == rounded(known["moves"])


def test_numbers_are_written_as_python_writes_them(node_js):
    rng = np.random.default_rng(0)
    xs = [0.0, -0.0, np.inf, -np.inf, np.nan, 10.125, 1.03125, 2.5, 0.5, 1e-5, 1e-300, 1e300]
    xs += [999.5, 999.95, 9999.5, 999999.5, 1e6, -12345.6, 0.00012345, 0.0001, 5e-324, 2**53]
    xs += (rng.normal(size=300) * 10.0 ** rng.integers(-12, 12, 300)).tolist()
    xs += (rng.integers(-8000, 8000, 300) / 16).tolist()
    arrays = [np.array([x, -1.0, 0.25]) for x in xs[:30]]
    arrays += [np.arange(6.0).reshape(2, 3) * 1.5, np.array([[1.0], [22.5]]), np.zeros((2, 0))]
    arrays += [np.arange(9.0), np.arange(8.0).reshape(2, 2, 2), np.array([np.nan] * 5)]
    with_nan = np.array([1.0, np.nan, -2.0, 7.0, 3.0])
    arrays += [with_nan, np.full(5, -0.0), np.full(5, 1 / 3), np.linspace(1.0, 1.00004, 9)]
    listed = json.dumps([str(x) for x in xs]).replace("inf", "Infinity").replace("nan", "NaN")
    flat = json.dumps([[[str(x) for x in a.reshape(-1)], a.shape] for a in arrays])
    flat = flat.replace("inf", "Infinity").replace("nan", "NaN")
    said = node_js(
        f"{NUMBERS}\nconst xs = {listed}.map(Number);\n"
        f"const arrays = {flat}.map(([x, shape]) => [x.map(Number), shape]);\n"
        "console.log(JSON.stringify([xs.map((x) => number(x)), xs.map((x) => number(x, 3)),"
        " arrays.map((a) => numbers(...a)), arrays.map((a) => onALine(...a)),"
        " arrays.map(([x]) => number(largestOf(x)))]));"
    )
    assert said[0] == [number(x) for x in xs]
    assert said[1] == [number(x, 3) for x in xs]
    assert said[2] == [numbers(a) for a in arrays]
    assert said[3] == [on_a_line(a) for a in arrays]
    assert said[4] == [number(largest_of(a)) for a in arrays]


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (lambda: sum(Value(1.0) for _ in range(200)), "the graph has more than 300 nodes"),
        (lambda: Value(1.0), "there is nothing to compute"),
        (deciding, "branches"),
    ],
)
def test_the_page_says_why_numbers_are_fixed(graph, says):
    made = instrument_of(tg.record(graph()))
    assert made.data is None
    assert says in made.fixed


def test_an_unknown_start_is_refused(tmp_path):
    with pytest.raises(OptionError, match=r"to_html: start must be one of .*'play', 'predict'"):
        tg.record(network()).to_html(tmp_path / "pass.html", start="end")


def test_a_page_with_fixed_numbers_contains_no_program(tmp_path):
    text = tg.record(deciding()).to_html(tmp_path / "pass.html").read_text("utf-8")
    assert "the rule of kinked#1 cannot be written in JavaScript: it branches on a number" in text
    assert "const functions" not in text


def test_a_mask_that_competes_in_a_maximum_is_a_fixed_constant():
    facts = instrument_of(tg.record(tg.maximum(Value(2.0, label="a"), True))).data["facts"]
    assert facts[1]["rivals"][1] == {"constant": 1, "name": "a constant"}
    assert len(facts) == 2


def test_a_page_with_fixed_numbers_shows_whole_arrays(tmp_path):
    def branching(x):
        return (x if x.sum() > 0 else -x), lambda g: (g,)

    loss = tg.lift(branching)(Value([[1.0, 2.0], [3.0, 4.0]])) * [[5.0, 6.0], [7.0, 8.0]]
    text = tg.record(loss.sum()).to_html(tmp_path / "pass.html").read_text("utf-8")
    shown = [line.split() for line in re.findall('class="data">([^<]*)<', text)]
    assert shown == [
        *(["1", "2"], ["3", "4"]) * 2,
        *(["5", "12"], ["21", "32"]),
        *(["5", "6"], ["7", "8"]),
        ["70"],
    ]


def test_choices_by_python_are_listed():
    def chosen():
        a, b = Value(2.0, label="a"), Value(3.0, label="b")
        y = a * b if a < b else a + b
        assert float(a) < 3.0
        assert a < b
        x = Value([1.0])
        y = (x * y).sum() if (x > 0).all() else y  # of an array, which a page does not repeat
        return y * 2.0 if y else y

    with tg.traced():
        loss = chosen()
    forks = instrument_of(tg.record(loss)).data["forks"]
    assert [(fork["relation"], fork["answer"]) for fork in forks] == [(">", True), ("bool", True)]
    assert "Python chose by the data of b at test_instrument.py:" in forks[0]["says"]


def until(page, holds):
    """Wait for a condition on a page whose policy forbids evaluating text."""
    for _ in range(100):
        if page.evaluate(holds):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{holds} did not come about")


def overlapping():
    """Return overlapping windows: a 3 wins two of them, and ties with another 3 in the third."""
    x = Value([1.0, 3.0, 2.0, 3.0, 0.0, 5.0], label="x")
    p = tg.max_pool1d(x, 3, stride=1)
    p.label = "p"
    return p.sum()


@pytest.mark.peer
@pytest.mark.browser
class TestInABrowser:
    @pytest.fixture
    def opened(self, browser, tmp_path):
        """Open the page of a loss; errors and network requests fail the test."""
        wrong = []

        def play(loss, link="", start="play", gradient=None, **window):
            path = tg.record(loss, gradient).to_html(tmp_path / "pass.html", start=start)
            options = {"viewport": {"width": 1280, "height": 720}, "reduced_motion": "reduce"}
            page = browser.new_context(**options | window).new_page()
            page.on("console", lambda message: wrong.append(message.text))
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("request", lambda request: wrong.append(request.url))
            page.goto(path.as_uri() + link)
            wrong[:] = [one for one in wrong if not one.startswith(("file:", "data:"))]
            return page

        yield play
        assert [one for one in wrong if not one.startswith(("file:", "data:"))] == []

    @staticmethod
    def texts(page, node, kind):
        return [t.text_content() for t in page.locator(f"#{node} .{kind}").all()]

    @pytest.mark.parametrize(
        ("pool", "shape", "rival", "unit"),
        [
            (tg.max_pool1d, (4,), 2, "[2]"),
            (tg.max_pool1d, (2, 4), 2, "[0, 2]"),
            (tg.max_pool2d, (2, 2, 2, 3), 4, "[0, 0, 0, 1]"),
        ],
    )
    def test_the_smallest_margin_names_the_unit_by_its_index(
        self, opened, pool, shape, rival, unit
    ):
        x = np.arange(np.prod(shape), dtype=float).reshape(shape) ** 2
        x.flat[rival] = x.flat[rival + 1] - 0.5
        x = Value(x, label="x")
        page = opened((pool(x, 2, stride=1) * 1.0).sum(), "#step=3")
        assert page.locator("#margin").text_content().endswith(f"in the window of unit {unit}.")

    def test_another_number_changes_the_winner_the_edges_and_the_reasons(self, opened):
        page = opened(network(), "#step=3")
        assert page.locator("#margin").text_content() == "a wins by 5 over b."
        page.get_by_label("a were").fill("-4")
        assert self.texts(page, "n0", "data") == ["−4"]
        assert self.texts(page, "n6", "data") == ["21"]
        assert page.locator("#sends li").all_text_contents() == [
            "to a: g · [a wins] = −6 · 0 = 0 (it lost to b, by 1)",
            "to b: g · [b wins] = −6 · 1 = −6",
        ]
        assert page.locator("#n4e0").get_attribute("class") == "edge active zero"
        assert page.locator("#n4e1").get_attribute("class") == "edge active minus"
        assert page.locator("#margin").text_content() == "b wins by 1 over a."
        page.get_by_label("Step of the pass").fill("5")
        assert [self.texts(page, node, "grad") for node in ("n0", "n1")] == [["−3"], ["−10"]]
        page.get_by_role("button", name="Reset").click()
        assert [self.texts(page, node, "grad") for node in ("n0", "n1")] == [["4"], ["0"]]
        assert self.texts(page, "n0", "data") == ["2"]
        assert page.get_by_role("button", name="Reset").is_disabled()
        assert page.get_by_label("a were").input_value() == "2"

    def test_kinks_are_drawn_and_described_and_the_tangent_is_the_gradient(self, opened):
        page = opened(network())
        assert page.locator("#turns").text_content() == (
            "Nearest kink of E: a = 0, where off switches from mul#2 to 0 and the slope jumps from "
            "−3 to 0."
        )
        assert page.locator("#curve .turn").count() == 2
        assert page.locator("#curve text").text_content() == "E = 4, slope 4"
        points = page.locator("#curve polyline").get_attribute("points").split()
        words = page.evaluate("document.querySelector('#curve text').getBBox().y") + 12
        assert min(float(point.partition(",")[2]) for point in points) > words
        page.get_by_label("a were").fill("-3")
        assert "a was 2." in page.locator("#turns").text_content()
        assert "a = −3, where m switches from b to a" in page.locator("#turns").text_content()
        assert page.locator("#curve svg").get_attribute("aria-label").startswith("E from ")

    def test_a_zero_or_nan_with_other_numbers_refers_to_python(self, opened):
        page = opened(tg.relu(Value([1.0], label="a")).sum(), "#step=2")
        page.get_by_label("a[0] were").fill("-1")
        page.get_by_label("Gradient of").select_option("a")
        assert page.locator("#because li").all_text_contents() == [
            "because of numbers that this page cannot trace; tg.record(…).why can"
        ]

    def test_a_number_that_is_typed_sets_the_range_of_the_curve_anew(self, opened):
        page = opened(network())
        said, drawn = (page.locator(part) for part in ("#turns", "#curve svg"))
        before = said.text_content(), drawn.get_attribute("aria-label")
        page.get_by_label("a were").fill("1e9")
        assert drawn.get_attribute("aria-label") != before[1]
        page.get_by_label("a were").fill("2")
        assert (said.text_content(), drawn.get_attribute("aria-label")) == before

    @pytest.mark.parametrize(
        ("data", "gradient", "text"),
        [
            (2.0, 3.0, "g · y = 6, slope 3"),
            ([2.0, 3.0], [1.0, 1.0], "Σ y = 5, slope 1"),
            ([2.0, 3.0], [1.0, 2.0], "Σ g · y = 8, slope 1"),
        ],
    )
    def test_the_curve_names_what_it_shows(self, opened, data, gradient, text):
        y = Value(data, label="a") * 1.0
        y.label = "y"
        page = opened(y, gradient=np.array(gradient))
        assert page.locator("#curve text").text_content() == text

    def test_the_curve_is_named_where_there_is_none(self, opened):
        with np.errstate(all="ignore"):
            page = opened(Value(0.0, label="a") / 0.0)
        assert page.locator("#curve text").text_content() == "div#1 = nan, slope inf"
        assert page.locator("#curve circle").count() == 0

    def test_a_long_name_leaves_room_for_the_numbers_of_the_curve(self, opened):
        loss = Value(2.0, label="a") * 3.0
        loss.label = "mean squared error over all of the examples in the batch"
        text = opened(loss).locator("#curve text")
        assert text.text_content().endswith("… = 6, slope 3")
        assert text.evaluate("text => text.getBBox().x + text.getBBox().width") < 260

    @pytest.mark.parametrize(
        "f",
        [lambda a: tg.relu(a) ** 2, lambda a: tg.lp_pool1d(tg.stack([a, Value(2.0)]), 2, 2).sum()],
    )
    def test_a_choice_without_a_jump_of_the_slope_is_not_a_kink(self, opened, f):
        page = opened(f(Value(1.0, label="a")))
        assert page.locator("#turns").text_content() == ""
        assert page.locator("#curve .turn").count() == 0

    def test_a_nan_is_explained_as_in_python_and_wins_with_other_numbers_too(self, opened):
        a, b = Value(np.nan, label="a"), Value(1.0, label="b")
        page = opened(tg.maximum(a, b) * b)
        page.get_by_role("button", name="To the end").click()
        page.get_by_label("Gradient of").select_option(label="b")
        assert page.locator("#because").text_content() == "because a was set to nan"
        assert page.get_by_role("button", name="Reset").is_disabled()
        lost = "to b: g · [b wins] = 1 · 0 = 0 (it lost to a, which is nan)"
        assert lost in page.locator("#sends").text_content()
        page.locator("#leaf").select_option(label="b")
        page.get_by_label("b were").fill("5")
        assert "it lost to a, which is nan" in page.locator("#sends").text_content()

    def test_infinities_tie(self, opened):
        a, b = Value(np.inf, label="a"), Value(np.inf, label="b")
        page = opened(tg.maximum(a, b), "#step=1")
        assert page.locator("#margin").text_content() == "a and b tie: there is a kink here."

    def test_the_page_says_where_the_pass_starts(self, opened):
        page = opened(Value(2.0, label="a") * 3.0)
        page.get_by_label("Gradient of").select_option(label="mul#1")
        begins = "because the backward pass starts here"
        assert page.locator("#because").text_content() == ""
        page.get_by_role("button", name="To the end").click()
        assert page.locator("#because").text_content() == begins
        page.get_by_label("a were").fill("5")
        assert page.locator("#because").text_content() == begins

    @pytest.mark.parametrize(
        ("f", "kinks"),
        [
            (
                lambda a: tg.maximum(a, 1.0, ties="even") * 3.0,
                "1, where maximum#1 switches from 1 to a",
            ),
            (
                lambda a: tg.maximum(a, 0.7, ties="even") * 3.0,
                "0.7, where maximum#1 switches from 0.7",
            ),
            (lambda a: tg.leaky_relu(a, 0.0) * 3.0, "0, where leaky_relu#1 has a kink:"),
        ],
    )
    def test_a_shared_tie_is_one_kink_and_a_kink_at_0_is_found(self, opened, f, kinks):
        page = opened(f(Value(2.0, label="a")))
        said = page.locator("#turns").text_content()
        assert f": a = {kinks}" in said
        assert said.endswith("the slope jumps from 0 to 3.")

    def test_a_jump_that_cannot_be_seen_is_not_a_kink(self, opened):
        x = Value(1.0, label="x")
        page = opened(x * 3.0 + (x - 0.5).relu() * 1e-5)
        assert page.locator("#turns").text_content() == ""
        page = opened(x * 3.0 + (x - 0.5).relu() * 1e-2)
        assert page.locator("#turns").text_content().endswith("jumps from 3 to 3.01.")

    def test_a_slider_and_arrow_keys_change_it_too(self, opened):
        page = opened(network())
        slider = page.get_by_role("slider", name="a", exact=True)
        slider.focus()
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
        until(page, "numberOf(given) < 1.85")  # after the third key
        assert slider.get_attribute("aria-valuetext") == "a = 1.82"
        box = slider.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2, steps=4)
        page.mouse.up()
        until(page, "numberOf(given) < -3")
        assert page.evaluate("at") == 0

    def test_a_leaf_is_chosen_in_the_picture_or_by_keyboard_and_an_element_in_the_plane(
        self, opened
    ):
        page = opened(pooled(), "#step=3")
        page.locator("#grid g").nth(5).click()
        assert page.get_by_label("Element").input_value() == "5"
        page.get_by_label("x[1, 1] were").fill("0.5")
        assert page.locator("#grid .landed").all_text_contents()[:4] == ["−2", "1", "0.5", "3"]
        assert page.locator("#grid .winner").count() == 4
        assert self.texts(page, "n0", "data")[1].split() == ["4", "0.5", "1", "1"]
        page = opened(network())
        page.locator("#n1").click()
        assert page.locator("#leaf").input_value() == "1"
        page.locator("#n0").focus()
        page.keyboard.press("Enter")
        assert page.locator("#leaf").input_value() == "0"

    def test_a_constant_is_changed_in_the_picture_and_has_no_gradient(self, opened):
        x, w = [2.0, 3.0], [Value(-3.0, label="w1"), Value(1.0, label="w2")]
        z = w[0] * x[0] + w[1] * x[1]
        z.label = "z"
        page = opened(z**2, "#step=4")
        page.locator("#n2c1").click()
        assert page.locator("#sum").text_content() == "= – (a constant has no gradient)"
        assert page.locator("#leaf optgroup").get_attribute("label") == "Constants"
        assert page.locator("#leaf optgroup option").all_text_contents() == [
            *("2 in mul#2", "3 in mul#3", "2 in power#5")
        ]
        page.get_by_label("constant in mul#2 were").fill("-0.5")
        assert self.texts(page, "n2c1", "data") == ["−0.5"]
        assert self.texts(page, "n4", "data") == ["4.5"]
        assert self.texts(page, "n0", "grad") == ["−4.5"]
        assert page.locator("#curve text").text_content() == "power#5 = 20.25, slope −27"
        assert page.locator("#turns").text_content() == (
            "constant in mul#2 was 2. "
            "A constant has no gradient: the slope is what it would be as a Value. "
        )
        sends = "to w1: g · (−0.5) = 9 · (−0.5) = −4.5"
        assert page.locator("#sends li").all_text_contents() == [sends]
        page.get_by_role("button", name="Reset").click()
        assert self.texts(page, "n2c1", "data") == ["2"]
        assert page.locator("#sends li").all_text_contents() == ["to w1: g · 2 = −6 · 2 = −12"]

    def test_elements_of_a_small_array_can_be_changed_and_not_of_masks_or_large_arrays(
        self, opened
    ):
        x = Value([[1.0, -2.0], [3.0, 4.0]], label="x")
        kept = tg.where(x.data > 0, x, 0.25)
        page = opened(
            (kept * np.array([[2.0, 10.0], [0.0, 1.0]])).sum() + (x[0, 0] * np.ones(9)).sum()
        )
        names = ["0.25 in where#1 (2 of 2)", "2 10; 0 1 in mul#2"]
        assert page.locator("#leaf optgroup option").all_text_contents() == names
        page.locator("#leaf").select_option(label=names[1])
        page.locator("#cell").select_option(label="[1, 0]")
        page.get_by_label("constant[1, 0] in mul#2 were").fill("-1.5")
        assert [one.split() for one in self.texts(page, "n2c1", "data")] == [
            *(["2", "10"], ["−1.5", "1"])
        ]

    def test_an_input_of_several_neurons_can_be_changed_in_all_of_them(self, opened):
        weights = [Value(w, label=f"w{i}") for i, w in enumerate((1.0, -2.0, 4.0))]
        page = opened((weights[0] * 2.0 + weights[1] * 2.0 + weights[2] * 3.0) ** 2)
        also, data = page.locator("#too"), ("n3c1", "n4c1", "n6c1")
        assert not also.is_visible()
        page.locator("#leaf").select_option(label="3 in mul#6")
        assert not also.is_visible()
        page.locator("#leaf").select_option(label="2 in mul#3")
        assert also.text_content().strip() == "and 1 more like it"
        page.get_by_label("constant in mul#3 were").fill("7")
        assert [self.texts(page, one, "data") for one in data] == [["7"], ["2"], ["3"]]
        also.click()
        page.get_by_label("constant in mul#3 and 1 more were").fill("5")
        assert [self.texts(page, one, "data") for one in data] == [["5"], ["5"], ["3"]]
        assert page.locator("#curve text").text_content() == "power#8 = 49, slope −14"
        assert page.locator("#turns").text_content().startswith("constant in mul#3 and 1 more was")
        page.get_by_role("button", name="Reset").click()
        assert [self.texts(page, one, "data") for one in data] == [["2"], ["2"], ["3"]]
        page.locator("#leaf").select_option(label="w0")
        page.get_by_label("w0 were").fill("5")
        assert page.locator("#curve text").text_content() == "power#8 = 324, slope 72"

    def test_a_constant_of_a_maximum_has_kinks(self, opened):
        page = opened(tg.maximum(Value(2.0, label="a"), 1.0) * 3.0)
        page.locator("#leaf").select_option(label="1 in maximum#1")
        said = page.locator("#turns").text_content().partition(": constant in maximum#1 = ")[2]
        assert said == "2, where maximum#1 switches from a to 2 and the slope jumps from 0 to 3."
        assert page.locator("#curve .turn").count() == 1
        page.get_by_label("constant in maximum#1 were").fill("5")
        page.get_by_label("Step of the pass").fill("2")
        assert page.locator("#margin").text_content() == "5 wins by 3 over a."
        assert "(it lost to a constant, by 3)" in page.locator("#sends").text_content()

    def test_predictions_do_not_ask_for_the_gradient_of_a_constant(self, opened):
        page = opened(Value(2.0, label="a") * 3.0, start="predict")
        assert page.locator("#guess label").all_text_contents() == ["to a (value 2)"]

    def test_the_page_says_why_it_cannot_compute_a_graph(self, opened):
        a, b = Value(1.0, label="a"), Value(2.0, label="b")
        page = opened(tg.maximum(a, b, ties="error"))
        page.get_by_label("a were").fill("2")
        assert page.locator("#turns").text_content() == (
            'a = 2 cannot be computed: two share a maximum, and ties="error" allows one winner.'
        )
        assert self.texts(page, "n0", "data") == ["1"]
        page = opened(deciding())
        assert (
            page.locator("#fixed")
            .text_content()
            .startswith("You cannot change numbers on this page: ")
        )
        assert not page.locator("#whatif").is_visible()
        assert not page.get_by_role("button", name="Predict").is_visible()

    def test_the_page_warns_of_choices_by_python(self, opened):
        def chosen():
            a, b = Value(2.0, label="a"), Value(3.0, label="b")
            return a * b if a < b else a + b

        with tg.traced():
            loss = chosen()
        page = opened(loss)
        page.get_by_label("a were").fill("7")
        said = page.locator("#turns").text_content()
        assert "it would now choose differently, but the page keeps the old choice" in said

    def test_numbers_of_single_precision_are_rounded(self, opened):
        page = opened(single())
        page.get_by_label("w were").fill("0.3")
        assert page.evaluate("numberOf(given) === Math.fround(0.3)")
        assert page.get_by_label("w were").input_value() == "0.3"

    @pytest.mark.parametrize("wide", [1280, 390])
    def test_it_predicts_checks_and_scores_by_keyboard_alone(self, opened, wide):
        page = opened(network(), start="predict", viewport={"width": wide, "height": 720})
        ask = page.locator("#guess .ask")
        assert ask.text_content() == "1 of 5: E (+) gets 1. What does it send?"
        assert not page.locator("#whatif").is_visible()
        assert not page.locator("#sends").is_visible()
        off = page.locator("#controls button:disabled")
        assert off.evaluate_all("all => all.map((e) => getComputedStyle(e).opacity)") == ["0.5"] * 5
        button, steps = (page.locator(name) for name in ("#guess button", "#controls"))
        button.scroll_into_view_if_needed()
        free = button.bounding_box()["y"] + button.bounding_box()["height"]
        assert free <= steps.bounding_box()["y"]
        answers = [["1", "1"], ["4"], ["4", "4"], ["0"], ["0", "0", "4", "-0"]]
        for expected in answers:
            assert page.locator("#guess input").count() == len(expected)
            for answer in expected:
                page.keyboard.type(answer)
                page.keyboard.press("Tab")
            page.keyboard.press("Shift+Tab")
            page.keyboard.press("Enter")
            if expected == ["4", "4"]:
                assert page.locator("#guess li").all_text_contents() == [
                    "to b (value −3): the answer is 0. Sent it to a loser: a maximum sends the "
                    "whole gradient to its winner, and 0 to the others."
                ]
            else:
                assert page.locator("#guess li").all_text_contents() == ["Right."]
            assert page.locator("#sends").is_visible()
            page.keyboard.press("Enter")
        assert ask.text_content() == "You predicted 9 of 10."
        assert page.locator("#guess p").nth(1).text_content() == "Mistakes: sent it to a loser."
        page.get_by_role("button", name="Try again").click()
        assert ask.text_content().startswith("1 of 5")
        page.get_by_role("button", name="Stop").click()
        assert page.locator("#whatif").is_visible()
        assert page.get_by_role("button", name="Step", exact=True).is_enabled()

    def test_answers_are_hidden_before_the_check(self, opened):
        page = opened(pooled(), start="predict")
        page.evaluate("arrive(2); question()")
        assert page.locator("#grid .winner").count() == 0
        assert page.locator("#grid .landed").all_text_contents() == ["δ 1", "δ −2", "δ 0.5", "δ 3"]
        page.keyboard.press("End")
        assert page.evaluate("at") == 2
        assert page.locator("#guess input").count() == 16
        assert page.locator("#guess input").first.get_attribute("aria-label") == (
            "to x[0, 0] (value 3)"
        )

    @pytest.mark.parametrize(
        ("make", "step", "field", "answer", "names"),
        [
            (overlapping, 1, 1, "1", "forgot to add up all windows"),
            (overlapping, 1, 3, "2", "sent all of it to every tie"),
            (overlapping, 1, 0, "1", "sent it to a loser"),
            (overlapping, 1, 1, "-2", "wrong sign"),
            (overlapping, 1, 1, "", "not a number"),
            (overlapping, 1, 1, "1/7", "wrong number"),
            (lambda: Value(0.5, label="a").tanh() * 3.0, 1, 0, "3", "forgot σ′"),
            (
                lambda: Value(0.5, label="a").tanh() * 3.0,
                *(1, 0, "0.7864", "forgot the upstream gradient"),
            ),
            (
                lambda: Value(0.0, label="a").exp() * 3.0,
                *(1, 0, "0", "took the value 0 for the slope"),
            ),
            (lambda: (Value(2.0, label="a") ** 2) * 3.0, 1, 0, "3", "forgot the slope"),
            (
                lambda: (Value(5.0, label="a") * 2.0) * 3.0,
                *(1, 0, "15", "used the data as the slope"),
            ),
            (
                lambda: tg.maximum(Value(0.0, label="a"), Value(-1.0)) * 3.0,
                *(1, 0, "0", "took the value 0 for the slope"),
            ),
            (
                lambda: tg.maximum(Value(1.0, label="a"), Value(1.0, label="b")) * 3.0,
                *(1, 1, "3", "sent all of it to every tie"),
            ),
            (
                lambda: tg.maximum(Value(1.0), Value(1.0), ties="even") * 4.0,
                *(1, 0, "4", "sent all of it to every tie"),
            ),
            (used_twice, 2, 1, "2", "forgot to add up all uses"),
            (used_twice, 2, 1, "9", "wrong sum"),
            (lambda: Value([1.0, 1.0, 0.0]).max() * 2.0, 1, 1, "2", "sent all of it to every tie"),
        ],
    )  # fmt: skip
    def test_the_mistake_behind_a_wrong_number_is_named(
        self, opened, make, step, field, answer, names
    ):
        page = opened(make(), start="predict")
        page.evaluate("step => { arrive(step); question(); }", step)
        for i, one in enumerate(page.locator("#guess input").all()):
            one.fill(
                answer if i == field else str(page.evaluate("i => questionsOf(at)[i].right", i))
            )
        page.get_by_role("button", name="Check").click()
        (said,) = page.locator("#guess li").all_text_contents()
        assert f". {names[0].upper()}{names[1:]}: " in said
        assert page.locator("#guess .wrong").count() == 1

    def test_a_large_array_asks_for_its_largest_element(self, opened):
        page = opened(convolved(), start="predict")
        assert page.locator("#guess input").count() == 1
        page.locator("#guess input").fill("−1,5 · 2")
        page.get_by_role("button", name="Check").click()
        assert ", one of many): the answer is " in page.locator("#guess li").text_content()

    def test_a_kink_that_rounding_moves_from_0_is_at_0(self, opened):
        a = Value(1.0, label="a")
        page = opened(tg.maximum(a * 0.1 + (0.7 + 0.1), a * 0.2 + 0.8))
        assert ": a = 0, where maximum#5 " in page.locator("#turns").text_content()

    def test_no_question_asks_for_an_array_with_a_nan(self, opened):
        """Its fields were in the wrong columns, and the first such array ended the questions."""
        x = Value([[np.nan, 2.0], [3.0, 4.0]], label="x")
        page = opened((x * x).sum() * Value(2.0, label="k"), start="predict")
        asked = []
        for _ in range(2):
            asked.append(page.locator("#guess input").count())
            page.get_by_role("button", name="Check").click()
            page.locator("#guess button").click()
        assert asked == [1, 4]
        assert page.locator("#guess .ask").text_content() == "You predicted 0 of 5."

    def test_no_question_asks_for_a_nan_or_an_infinity(self, opened):
        with np.errstate(divide="ignore"):
            page = opened(np.sqrt(Value(0.0, label="a")) + Value(2.0, label="b"), start="predict")
        assert page.locator("#guess label").all_text_contents() == [
            "to sqrt#1 (value 0)",
            "to b (value 2)",
        ]
        for field in page.locator("#guess input").all():
            field.fill("1")
        for name in ("Check", "Next"):
            page.get_by_role("button", name=name).click()
        assert page.locator("#guess .ask").text_content() == "You predicted 2 of 2."

    def test_a_graph_without_steps_has_no_questions(self, opened):
        page = opened(tg.lift(lambda x: (x * 2.0, lambda _: (None,)))(Value(2.0)), start="predict")
        assert page.locator("#guess .ask").text_content() == "You predicted 0 of 0."

    def test_a_frame_without_a_size_at_first_fills_it_later(self, browser, tmp_path):
        (tmp_path / "notebook.html").write_text(
            f"<!DOCTYPE html><body style='margin: 0'>{tg.record(network())._repr_html_()}"
        )
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        page.goto((tmp_path / "notebook.html").as_uri())
        frame = page.frame_locator("iframe")
        frame.get_by_label("a were").fill("3")
        fills = """() => {
            const [field, drawn] = ["main", "main svg g"].map(
                (name) => document.querySelector(name).getBoundingClientRect());
            return Math.max(drawn.width / field.width, drawn.height / field.height);
        }"""
        assert page.frames[1].evaluate(fills) > 0.85
        assert frame.locator("#n0 .data").text_content() == "3"
        frame.get_by_role("button", name="Predict").click()
        frame.locator("#guess input").first.fill("1")
        frame.get_by_role("button", name="Check").click()
        assert frame.locator("#guess .right").count() == 1
