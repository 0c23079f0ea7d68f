"""Settings hold inside their block, and end with it, whatever happens."""

import threading

import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.setting import SETTING, Setting, recording


@pytest.mark.parametrize("setting", [tg.no_grad, tg.checked, lambda: tg.scope("a")])
def test_a_setting_ends_with_its_block_also_after_an_error(setting):
    def fail():
        with setting():
            assert SETTING.get() != Setting()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert SETTING.get() == Setting()


def test_settings_decorate_functions():
    @tg.no_grad()
    def score(x):
        return x * 2.0

    @tg.scope("layer")
    def layer(x):
        return x.exp()

    for _ in range(2):
        assert score(Value(1.0)).parents == ()
        assert layer(Value(1.0)).about.scope == "layer"


def test_another_thread_has_settings_of_its_own():
    made = []
    with tg.no_grad():
        thread = threading.Thread(target=lambda: made.append(Value(1.0).exp()))
        thread.start()
        thread.join()
    assert len(made[0].parents) == 1


def test_recording_records_inside_no_grad():
    with tg.no_grad():
        with recording():
            y = Value(1.0).exp()
        z = Value(1.0).exp()
    assert (len(y.parents), len(z.parents)) == (1, 0)
