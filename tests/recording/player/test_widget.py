"""The widget, whose step is shared by Python and the page."""

import re
import sys

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import OptionError, ToolError


def recorded():
    """Record E = max(a, b)², with a = 2 and b = 3."""
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    E = tg.maximum(a, b) ** 2
    E.label = "E"
    return tg.record(E)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    says = "widget: needs the package anywidget: pip install 'tinygrad_pool[widget]'"
    with pytest.raises(ToolError, match=re.escape(says)):
        recorded().widget()


@pytest.mark.peer
class TestInPython:
    @pytest.fixture(autouse=True)
    def _anywidget(self, peer):
        peer("anywidget")

    def test_options_that_do_not_fit_are_named(self):
        with pytest.raises(OptionError, match="widget: start must be one of"):
            recorded().widget(start="end")
        with pytest.raises(OptionError, match="widget: direction must be one of"):
            recorded().widget(direction="up")

    def test_the_widget_starts_at_the_position_of_the_recording(self):
        recording = recorded()
        recording.seek(1)
        widget = recording.widget(title="A maximum")
        assert widget.step == 1
        assert widget.recording is recording
        assert "A maximum" in widget.frame

    def test_observers_of_the_step_may_move_the_recording(self):
        recording = recorded()
        widget, told = recording.widget(), []
        widget.observe(lambda change: told.append((change.old, change.new)), "step")
        widget.step = 2
        assert recording.position == 0
        widget.observe(lambda change: recording.seek(change.new), "step")
        widget.step = 1
        assert told == [(0, 2), (2, 1)]
        assert recording.position == 1

    def test_the_page_sets_the_step_as_a_front_end_does(self):
        widget = recorded().widget()
        widget.set_state({"step": 2})
        assert widget.step == 2

    @pytest.mark.parametrize(
        ("step", "error", "says"),
        [
            (3, OptionError, "widget: step must be in 0 … 2, got 3"),
            (-1, OptionError, "widget: step must be in 0 … 2, got -1"),
            (1.5, OptionError, "widget: step must be an integer, got 1.5"),
            (None, OptionError, "widget: step must be an integer, got None"),
        ],
    )
    def test_a_step_that_does_not_exist_is_refused(self, step, error, says):
        widget = recorded().widget()
        with pytest.raises(error, match=re.escape(says)):
            widget.step = step
        assert widget.step == 0

    def test_the_frame_is_the_recordings_and_is_not_set(self):
        from traitlets import TraitError

        widget = recorded().widget()
        with pytest.raises(TraitError, match="read-only"):
            widget.frame = "<p>another</p>"

    def test_its_text_suggests_to_html_where_widgets_are_not_shown(self):
        widget = recorded().widget()
        widget.step = 2
        says = "PlayerWidget at step 2 of 2; recording.to_html('pass.html') writes the same page"
        assert repr(widget) == says
        bundle = widget._repr_mimebundle_()
        shown = bundle[0] if isinstance(bundle, tuple) else bundle
        assert shown["text/plain"] == says  # not cut, unlike long texts

    def test_a_step_must_be_an_integer(self):
        widget = recorded().widget()
        widget.step = np.int64(2)
        assert type(widget.step) is int

    def test_the_widget_syncs_its_step_frame_and_script(self):
        state = recorded().widget().get_state()
        assert state["step"] == 0
        assert state["frame"].startswith("<iframe srcdoc=")
        assert "export default" in state["_esm"]


MODEL = """async ([source, frame, step]) => {
    const { default: made } = await import("data:text/javascript," + encodeURIComponent(source));
    const state = { frame, step };
    window.heard = [];
    window.saved = [];
    window.model = {
        get: (name) => state[name],
        set: (name, value) => {
            const other = state[name] !== value;
            state[name] = value;
            if (other) for (const [what, f] of [...heard]) if (what === `change:${name}`) f();
        },
        save_changes: () => saved.push(state.step),
        on: (...given) => heard.push(given),
        off: (what, f) => { heard = heard.filter((one) => one[1] !== f); },
    };
    window.show = (el) => made.render({ model, el });
    document.body.append(document.createElement("div"));
    window.end = show(document.body.lastChild);
}"""


@pytest.mark.peer
@pytest.mark.browser
class TestInABrowser:
    @pytest.fixture
    def shown(self, peer, browser):
        """Render a widget as a front end does; errors on the page fail the test."""
        peer("anywidget")
        wrong = []

        def show(step=0, **options):
            recording = recorded()
            recording.seek(step)
            state = recording.widget(**options).get_state()
            page = browser.new_page(viewport={"width": 1000, "height": 800})
            page.on("console", lambda message: wrong.append(message.text))
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.evaluate(MODEL, [state["_esm"], state["frame"], state["step"]])
            page.frame_locator("iframe").locator(f"#count:text-is('{step} of 2')").wait_for()
            return page

        yield show
        assert wrong == []

    @staticmethod
    def stands(page, step, frame="iframe"):
        """Wait until the page and the model are both at a step."""
        page.frame_locator(frame).locator(f"#count:text-is('{step} of 2')").wait_for()
        page.wait_for_function(f"model.get('step') === {step}")

    def test_a_click_changes_the_step_and_saves_it_once(self, shown):
        page = shown()
        assert page.evaluate("saved") == []
        frame = page.frame_locator("iframe")
        frame.get_by_role("button", name="Step", exact=True).click()
        self.stands(page, 1)
        frame.get_by_role("button", name="To the end").click()
        self.stands(page, 2)
        assert page.evaluate("saved") == [1, 2]

    def test_the_page_begins_at_the_step_of_the_model(self, shown):
        page = shown(step=1)
        assert (
            page.frame_locator("iframe").locator("#says").text_content() == "1 of 2: E (**) gets 1"
        )
        assert page.evaluate("saved") == []

    def test_a_step_set_in_python_moves_the_page_and_saves_nothing(self, shown):
        page = shown()
        page.evaluate("model.set('step', 2)")
        self.stands(page, 2)
        page.evaluate("model.set('step', 1)")
        self.stands(page, 1)
        assert page.evaluate("saved") == []

    def test_while_it_plays_the_step_follows_to_the_end(self, shown):
        page = shown()
        frame = page.frame_locator("iframe")
        frame.locator("#speed").select_option("20")
        frame.get_by_role("button", name="Play", exact=True).click()
        self.stands(page, 2)
        assert page.evaluate("saved") == [1, 2]

    def test_two_views_of_a_widget_show_the_same_step(self, shown):
        page = shown()
        page.evaluate("document.body.append(document.createElement('p'))")
        page.evaluate("void show(document.body.lastChild)")
        page.frame_locator("p iframe").get_by_role("button", name="To the end").click()
        self.stands(page, 2, "div iframe")
        page.frame_locator("div iframe").get_by_role("button", name="Back", exact=True).click()
        self.stands(page, 1, "p iframe")

    def test_a_page_moved_in_the_document_reloads_at_its_step(self, shown):
        page = shown(step=1)
        page.evaluate("document.body.prepend(document.createElement('p'))")
        page.evaluate("document.body.firstChild.append(document.querySelector('div'))")
        self.stands(page, 1, "p iframe")
        assert page.evaluate("saved") == []

    def test_predict_mode_ignores_steps_from_outside(self, shown):
        page = shown(start="predict")
        page.evaluate("model.set('step', 2)")
        self.stands(page, 0)

    def test_messages_without_a_step_are_ignored(self, shown):
        page = shown(step=1)
        for said in ("null", "'step'", "{ step: '2' }", "{ step: 0.5 }"):
            page.evaluate(
                f"document.querySelector('iframe').contentWindow.postMessage({said}, '*')"
            )
        page.evaluate("postMessage({ step: 2 }, '*')")  # not from the window of the page
        page.evaluate("model.set('step', 2)")
        self.stands(page, 2)
        assert page.evaluate("saved") == []

    def test_a_closed_widget_ignores_messages(self, shown):
        page = shown()
        assert page.evaluate("end() ?? heard") == []
        page.frame_locator("iframe").get_by_role("button", name="To the end").click()
        assert page.evaluate("model.get('step')") == 0
