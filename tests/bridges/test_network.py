"""A translated network: its calls, its inputs, and its errors."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.bridges.network import (
    Call,
    Length,
    Network,
    Part,
    Program,
    Ref,
    with_refs,
)
from tinygrad_pool.bridges.translations import TRANSLATIONS, translates
from tinygrad_pool.engine.context import Line
from tinygrad_pool.errors import OptionError, ShapeError, UnsupportedError


def program(*calls, lengths=None, returns="y", updates=()):
    return Program(
        inputs={"x": lengths},
        takes=((Ref("x"),), {}),
        calls=calls,
        returns=Ref(returns),
        constants={"two": np.array(2.0)},
        updates=dict(updates),
    )


X, W = Ref("x"), Ref("block.w")
TIMES = Call(("y",), "python.mul", (X, W), {}, "block", Line("net.py", 7, "forward"))


def test_a_network_is_a_module_with_scopes_and_lines():
    net = Network(program(TIMES), {"block.w": tg.Value(3.0)}, "Net")
    y = net(tg.Value(2.0))
    assert (y.data, y.about.scope, str(y.about.line)) == (6.0, "block", "net.py:7")
    assert net.block.w is net.parameters()[0]
    assert repr(net) == "Network(Net: 1 operation on x)"
    assert net(2.0).data == 6.0
    net.load_state_dict({"block.w": 4.0})
    with tg.scope("outer"):
        assert net(2.0).about.scope == "outer/block"
    whole = tg.nn.Sequential(inner=net)
    assert whole(2.0).about.scope == "inner/block"


def test_traced_finds_the_line_of_a_call_without_one():
    net = Network(program(TIMES._replace(line=None)), {"block.w": tg.Value(3.0)})
    with tg.traced():
        y = net(2.0)
    assert y.about.line.file == __file__


def test_a_pass_updates_a_buffer():
    step = Call(("m",), "python.add", (Ref("mean"), Ref("two")), {})
    own = {"block.w": tg.Value(3.0), "mean": np.zeros(())}
    net = Network(program(TIMES, step, updates={"mean": "m"}), own)
    for _ in range(2):
        net(tg.Value(2.0))
    assert net.mean == 4.0
    assert [n for n, _ in net.named_buffers()] == ["mean"]


def test_floats_are_returned_as_values_and_integers_as_arrays():
    for x, kind in ((np.ones(2), tg.Value), (np.arange(2), np.ndarray), ([1, 2], np.ndarray)):
        assert isinstance(Network(program(returns="x"), {})(x), kind)


def test_lengths_of_inputs_are_checked():
    lengths = (Length("n"), Length("3", 3, 3), Length("n", 2, 5))
    net = Network(program(returns="x", lengths=lengths), {})
    assert net(np.ones((4, 3, 4))).shape == (4, 3, 4)
    message = r"input x: the network was made for shape \(n, 3, n ≥ 2 ≤ 5\), got "
    for shape in ((4, 3, 5), (4, 2, 4), (6, 3, 6), (1, 3, 1), (4, 3)):
        with pytest.raises(ShapeError, match=message):
            net(np.ones(shape))


def test_inputs_with_another_structure_raise():
    net = Network(program(TIMES), {"block.w": tg.Value(3.0)})
    with pytest.raises(OptionError, match=r"input: the network takes 1, got 2"):
        net(1.0, 2.0)
    with pytest.raises(OptionError, match=r"input: needs the names \(none\), got z"):
        net(1.0, z=2.0)
    nested = program(returns="x")
    form = (([Ref("x"), None, {"a": 2}],), {})
    net = Network(nested.__class__(**{**vars(nested), "takes": form}), {})
    assert net([1.0, None, {"a": 2}]) == 1.0
    with pytest.raises(OptionError, match=r"input 0: the network takes 3, got 5.0"):
        net(5.0)
    with pytest.raises(OptionError, match="input 0 2: needs the names a, got 7"):
        net([1.0, None, 7])
    with pytest.raises(OptionError, match="input 0 1: the network was made for None, got 3"):
        net([1.0, 3, {"a": 2}])


def test_an_error_names_its_place_in_the_source():
    net = Network(
        program(Call(("y",), "aten.view", (X, (4, 4)), {}, "head", Line("net.py", 9, "f"))), {}
    )
    with pytest.raises(ShapeError) as caught:
        net(tg.Value([1.0, 2.0]))
    assert caught.value.__notes__ == ["aten.view in head, at net.py:9"]
    with pytest.raises(ShapeError) as caught:
        Network(program(Call(("y",), "aten.view", (X, (4, 4)), {})), {})(tg.Value([1.0, 2.0]))
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize("place", ["", " in head"])
def test_an_error_of_a_python_operator_names_its_place(place):
    call = Call(("y",), "python.getitem", (X, "a"), {}, place.removeprefix(" in "))
    net = Network(program(call), {})
    with pytest.raises(UnsupportedError, match=f"python.getitem: cannot be computed{place}: "):
        net(np.ones(2))


def test_a_result_that_no_call_computes_raises():
    net = Network(program(returns="z"), {})
    with pytest.raises(
        UnsupportedError, match="the result: no operation with a translation computes 'z'"
    ):
        net(1.0)


def test_reserved_names_of_parameters_raise():
    for name in ("save", "_program", "__class__", "a.forward"):
        with pytest.raises(OptionError, match="cannot be the name of a parameter"):
            Network(program(), {name: tg.Value(1.0)})
    with pytest.raises(OptionError, match=r"'a.b' cannot be the name of a parameter: 'a' is one"):
        Network(program(), {"a": tg.Value(1.0), "a.b": tg.Value(1.0)})


def test_a_layer_cannot_be_called_nor_change_its_mode():
    net = Network(program(TIMES), {"block.w": tg.Value(3.0)})
    with pytest.raises(UnsupportedError, match="a layer of a translated network cannot be called"):
        net.block(2.0)
    assert isinstance(net.block, Part)
    assert net.train(False) is net.eval() is net
    with pytest.raises(
        UnsupportedError, match="was translated for evaluation, which cannot be changed"
    ):
        net.train()


def test_refs_are_replaced_in_named_tuples():
    line = with_refs(Line(Ref("file"), 1, "f"), lambda ref: ref.name)
    assert line == Line("file", 1, "f")


def test_a_translation_is_entered_under_every_name():
    with pytest.raises(
        OptionError, match=r"needs the name of a library's operation, as 'aten.roll'"
    ):
        translates("roll")
    with pytest.raises(OptionError, match="got 7"):
        translates(7)
    try:
        translates("mylib.a", "mylib.b")(abs)
        assert TRANSLATIONS["mylib.a"] is TRANSLATIONS["mylib.b"] is abs
    finally:
        del TRANSLATIONS["mylib.a"], TRANSLATIONS["mylib.b"]
