"""What is shown of a run: its table, its plot, and how its page behaves in a browser."""

import json
import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.diagnosis.run.history import Point
from tinygrad_pool.diagnosis.run.rows import ABSENT
from tinygrad_pool.diagnosis.run.summary import LISTED, NAMED, Summary
from tinygrad_pool.errors import OptionError, OutputError
from tinygrad_pool.formatting import number


def test_a_row_shows_first_last_smallest_largest_and_the_median_share():
    norms = np.array([[[1.0], [9.0], [0.5]], [[0.1], [0.3], [ABSENT]], [[1.0], [1.0], [2.0]]])
    points = [Point(i, loss, norms[:, i]) for i, loss in enumerate((3.0, 2.0, 0.25))]
    table = Summary(3, ["w"], points, norms, []).table({"w": 1200})
    assert table.title == "Watched 3 steps: the loss went from 3 to 0.25"
    assert table.rows == [("w", "1,200", "1 → 0.5", "0.5", "9", "0.2", "1 → 2")]


def test_missing_norms_are_dashes_and_nan_is_not_the_largest():
    norms = np.full((3, 2, 2), ABSENT)
    norms[0, :, 0] = 2.0, np.nan
    norms[1, :, 0] = np.nan, 0.5
    norms[2, :, 0] = 0.0, 1.0
    points = [Point(i, 1.0, norms[:, i]) for i in range(2)]
    table = Summary(2, ["w", "b"], points, norms, []).table({"w": 2})
    assert table.rows == [
        ("w", "2", "2 → nan", "2", "2", "0.5", "0 → 1"),
        ("b", "–", "–", "–", "–", "–", "–"),
    ]


def test_a_gradient_missing_in_the_last_step_is_a_dash():
    norms = np.array([[[1.0], [ABSENT]], [[0.1], [0.1]], [[1.0], [1.0]]])
    points = [Point(i, 1.0, norms[:, i]) for i in range(2)]
    (row,) = Summary(2, ["w"], points, norms, []).table({"w": 1}).rows
    assert row[2] == "1 → –"


def test_an_empty_run_and_one_of_many_parameters():
    nothing = Summary(0, ["w"], [], np.full((3, 0, 1), ABSENT), [])
    assert nothing.table({"w": 1}).title == "Watched 0 steps"
    names = [f"w{i}" for i in range(LISTED + 5)]
    table = nothing._replace(names=names, norms=np.full((3, 0, len(names)), ABSENT)).table({})
    assert len(table.rows) == LISTED + 1
    assert table.rows[-1][0] == "… 5 more"


def test_parameters_that_no_update_moved_despite_a_gradient_are_named():
    def notes(update, g=(1.0,) * 5, names=("w",)):
        norms = np.array([g, update, (1.0,) * 5])[:, :, None]
        points = [Point(i, 1.0, norms[:, i]) for i in range(5)]
        return Summary(5, list(names), points, norms, []).unmoved()

    (note,) = notes([ABSENT, 0.0, 0.0, 0.0, 0.0])
    assert note.startswith(
        "no update moved w, despite a gradient: frozen, replaced, not passed to "
    )
    assert "by p -= g outside no_grad" in note
    assert notes([0.0, 0.0, 0.0, ABSENT, ABSENT]) == []  # too few
    assert notes([0.0, 0.0, 0.0, 0.0, 1e-9]) == []
    assert notes([0.0, 0.0, 0.0, 0.0, np.nan]) == []
    assert notes([0.0] * 5, [ABSENT, 0.0, 0.0, 0.0, ABSENT]) == []


# -- the plot


def run_of(n, steps=3):
    ws = [Value(np.ones(2), label=f"w{i}") for i in range(n)]
    run = tg.watch(ws, explode=3.0)
    for i in range(steps):
        for w in ws:
            w.zero_grad()
        E = sum((w * w).sum() for w in ws) * (0.0 if i == 2 else 1.0 + i)
        E.backward()
        run.step(E)
        for w in ws:
            w.data -= 0.1 * w.grad
    return run


@pytest.mark.covered
def test_it_has_a_line_for_each_parameter_and_a_dashed_one_for_each_event():
    figure = run_of(2).plot()
    gradient, share, weight = figure.axes
    assert [axis.get_ylabel() for axis in figure.axes] == [
        *("|gradient|", "|update| / |weight|", "|weight|"),
    ]
    lines = {line.get_label(): line.get_ydata() for line in gradient.get_lines()}
    zero = next(text.get_position()[1] for text in gradient.texts if text.get_text() == "0")
    np.testing.assert_allclose(lines["w0"], [2.0, 3.2, zero])
    low, high = gradient.get_ylim()
    assert low < zero < 2.0
    assert high > 3.2
    assert not np.isclose(gradient.get_yticks(), zero, rtol=0.1).any()
    assert [axis.get_yscale() for axis in figure.axes] == ["log"] * 3
    dashed = [line.get_xdata()[0] for line in share.get_lines() if line.get_linestyle() == "--"]
    assert dashed == [1, 2]
    labels = [text.get_text().strip() for text in gradient.texts]
    assert labels == ["0", "exploded", "vanished"]
    assert len(weight.get_lines()) == 4
    assert not weight.texts  # no weight is 0
    assert "<svg" in figure._repr_svg_()


def test_events_of_one_step_share_a_label():
    w = Value(np.array([1e9, 1.0]), label="w")
    run = tg.watch(w)
    E = (w * 0.0).sum()
    E.backward()
    run.step(E)
    labels = [text.get_text().strip() for text in run.plot().axes[0].texts]
    assert labels == ["0", "vanished, exploded"]


def test_a_finite_step_between_others_that_are_not_is_visible():
    w = Value(np.ones(2), label="w")
    run = tg.watch(w)
    for factor in (np.nan, 1.0, np.nan):
        w.zero_grad()
        E = (w * factor).sum()
        E.backward()
        run.step(E)
    line = run.plot().axes[0].get_lines()[0]
    assert np.isfinite(line.get_ydata()).tolist() == [False, True, False]
    assert line.get_marker() == "."


def test_the_theme_is_checked():
    run = run_of(1)
    assert run.plot(theme="dark").get_facecolor() != run.plot().get_facecolor()
    with pytest.raises(OptionError, match="theme must be"):
        run.plot(theme="pink")


@pytest.mark.parametrize(("n", "more"), [(NAMED, ""), (NAMED + 3, "and 3 more")])
def test_the_legend_names_some_and_counts_the_others(n, more):
    (legend,) = run_of(n, 1).plot().legends
    assert len(legend.get_texts()) == NAMED
    assert legend.get_title().get_text() == more


@pytest.mark.covered
def test_an_empty_run_can_be_plotted():
    assert "<svg" in tg.watch(Value(1.0, label="w")).draw()._repr_svg_()


# -- the page

HOSTILE = "</script><script>document.title = 'hacked'</script><!--"


@pytest.fixture
def run():
    """Watch six steps of w and b: b gets a gradient from the third on, the fifth is infinite."""
    w, b = Value(np.ones(2), label="w"), Value(np.ones(2), label="b")
    run = tg.watch([w, b])
    for i in range(6):
        E = (w * w).sum() * (np.inf if i == 4 else 1.0) + (b.sum() * 0.5 if i > 1 else 0.0)
        w.zero_grad(), b.zero_grad()
        E.backward()
        run.step(E)
        if i < 4:
            w.data -= 0.1 * w.grad
    return run


def data_of(path):
    (data,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', path.read_text())
    return json.loads(data)


def test_it_holds_the_numbers_of_each_step(run, tmp_path):
    data = data_of(run.to_html(tmp_path / "run.html"))
    assert data["names"] == ["w", "b"]
    assert data["steps"] == [*range(6)]
    assert data["loss"][0] == 2.0
    assert data["loss"][4] == "inf"
    assert data["gradient"][0] == [2.0, None]
    assert data["gradient"][4] == ["inf", 0.5]
    assert data["share"][1] == [0.2, 0.0]
    assert data["share"][5] == [None, None]
    assert data["weight"][0] == [1.0, 1.0]
    assert [event["step"] for event in data["events"]] == [4]


def test_it_is_one_file_that_loads_nothing(run, tmp_path):
    page = run.to_html(tmp_path / "run.html", title="My run").read_text()
    assert "<title>My run</title>" in page
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert "default-src 'none'" in page
    with pytest.raises(OutputError, match="does not exist"):
        run.to_html(tmp_path / "missing" / "run.html")
    with pytest.raises(OutputError, match=r"to_html: .*run\.txt needs the suffix \.html"):
        run.to_html(tmp_path / "run.txt")


@pytest.mark.parametrize("largest", [1e2, 1e50, 1e150])
def test_the_line_of_zeros_is_apart_from_the_ticks(largest):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    w = tg.Value(0.0, label="w")
    watched = tg.watch(w)
    for x in (1.0, largest, 1.0):
        w.zero_grad()
        E = w * x
        E.backward()
        watched.step(E)
        w.data = w.data - w.grad
    figure = watched.plot()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = figure.axes[2]
    low, high = axes.get_ylim()
    ticks = zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    (zero,) = axes.texts
    around = zero.get_window_extent(canvas.get_renderer())
    drawn = [label for at, label in ticks if low <= at <= high and label.get_text()]
    assert drawn
    assert not any(around.overlaps(label.get_window_extent()) for label in drawn)


@pytest.mark.peer
@pytest.mark.browser
class TestInABrowser:
    @pytest.fixture
    def opened(self, browser, tmp_path):
        """Open the page of a run; whatever it complains of, or asks the network for, fails."""
        wrong, asked = [], []

        def go(run, **window):
            page = browser.new_context(**window).new_page()
            page.on("console", lambda message: wrong.append(message.text))
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(run.to_html(tmp_path / "run.html").as_uri())
            return page

        yield go
        assert wrong == []
        assert {url[:5] for url in asked} <= {"file:", "data:"}

    def cells(self, page):
        return [row.split("\t") for row in page.locator("#rows tr").all_inner_texts()]

    def test_it_begins_at_the_first_event_and_explains_it(self, opened, run):
        page = opened(run)
        assert page.locator("#says").text_content() == "Step 4: loss inf"
        assert "step 4: the loss is infinite" in page.locator("#why").text_content()
        assert page.locator("#rows td.bad").first.text_content() == "inf"

    def test_slider_buttons_and_keys_move_through_the_steps(self, opened, run):
        page = opened(run)
        page.get_by_role("slider").fill("1")
        assert page.locator("#says").text_content().startswith("Step 1: loss 1.28")
        assert self.cells(page) == [["w", "1.6", "0.2", "0.8"], ["b", "–", "0", "1"]]
        assert page.locator("#why").is_hidden()
        at = lambda: page.locator("#says").text_content().split(":")[0]  # noqa: E731
        for name, step in (("Step", 2), ("Back", 1), ("To the end", 5), ("To the start", 0)):
            page.get_by_role("button", name=name, exact=True).click()
            assert at() == f"Step {step}"
        page.locator("main").press("ArrowRight")
        assert at() == "Step 1"
        page.get_by_role("button", name="step 4: the loss is infinite").click()
        assert at() == "Step 4"

    def test_the_picture_shows_what_is_chosen_with_a_line_for_each_parameter(self, opened, run):
        page = opened(run)
        lines = page.locator("main polyline")
        for what, n in (("gradient", 2), ("weight", 2), ("share", 2), ("loss", 1)):
            page.locator("#what").select_option(what)
            assert lines.count() == n, what
        place = page.locator("#cursor").get_attribute("x1")
        page.get_by_role("slider").fill("0")
        assert float(page.locator("#cursor").get_attribute("x1")) < float(place)

    @pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
    def test_names_stand_at_the_ends_of_lines_apart_from_each_other(self, opened, size):
        parameters = [tg.Value([2.0], label=f"w{i}") for i in range(3)]
        watched = tg.watch(parameters)
        for step in range(20):
            x = 1.0 if step < 10 else np.nan
            E = sum((w * x).sum() ** 2 for w in parameters)
            for w in parameters:
                w.zero_grad()
            E.backward()
            watched.step(E)
        page = opened(watched, viewport={"width": size[0], "height": size[1]})
        page.get_by_role("slider").fill("9")
        names = [name.bounding_box() for name in page.locator("main .name").all()]
        assert len(names) == 3
        end = page.locator("#cursor").bounding_box()["x"]
        assert all(0 < box["x"] - end < 20 for box in names)
        tops = sorted(box["y"] for box in names)
        assert min(np.diff(tops)) > 9

    @pytest.mark.parametrize("size", [(1920, 1080), (1000, 900), (390, 844)])
    def test_everything_fits_into_the_window(self, opened, run, size):
        page = opened(run, viewport={"width": size[0], "height": size[1]})
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        box = page.locator("main svg").bounding_box()
        assert box["width"] <= size[0]
        story = page.locator("#story")
        assert story.evaluate("e => e.scrollWidth") <= story.evaluate("e => e.clientWidth")
        size = page.locator("main text").first.evaluate("e => getComputedStyle(e).fontSize")
        scale = page.locator("main svg").evaluate("e => e.getScreenCTM().a")
        assert 12.5 <= float(size.removesuffix("px")) * scale <= 13.5

    def test_an_empty_run_and_one_of_a_single_step_are_shown(self, opened):
        page = opened(tg.watch(Value(1.0, label="w")))
        assert page.locator("#says").text_content() == "No step was watched."
        w = Value(1.0, label="w")
        run = tg.watch(w)
        E = w * 2.0
        E.backward()
        run.step(E)
        assert opened(run).locator("#says").text_content() == "Step 0: loss 2"

    def test_powers_of_ten_are_written_as_in_the_text(self, opened):
        w = Value(-2.5e-9, label="w")
        run = tg.watch(w)
        E = w * 1e-17
        E.backward()
        run.step(E)
        page = opened(run)
        assert page.locator("#says").text_content() == "Step 0: loss −2.5e-26"
        assert "1e-17" in page.locator("#rows").text_content()

    @pytest.mark.parametrize("loss", [165812.0, 0.00088, 0.30004, 2.5e-7, 1234567.0])
    def test_numbers_are_written_as_in_the_text(self, opened, loss):
        w = Value(1.0, label="w")
        run, E = tg.watch(w), w * loss
        E.backward()
        run.step(E)
        assert opened(run).locator("#says").text_content() == f"Step 0: loss {number(loss)}"

    def test_a_hostile_name_is_shown_as_it_is(self, opened):
        run = tg.watch(Value(1.0, label=HOSTILE))
        page = opened(run)
        assert page.title() == "Training run"
        assert page.locator("#rows td").first.text_content().startswith("</script>")
