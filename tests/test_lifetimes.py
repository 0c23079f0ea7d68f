"""Reference counting alone frees a graph with its last reference, whatever instrument was used."""

import contextlib
import gc
import io
import tracemalloc
import weakref

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value


def numbers():
    """Return a leaf and a graph of numbers, with a dead relu behind a maximum."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    return a, tg.maximum(a * b, a, b).relu() * (a * b).relu()


def arrays():
    """Return a leaf and a graph of arrays, with a pooling."""
    x = Value(np.arange(16.0).reshape(1, 1, 4, 4) - 3.0, label="x")
    return x, ((tg.max_pool2d(x, 2) * 2.0).relu().sum() - 1.0) ** 2


def walked(a, E):
    recording = tg.record(E, names={"a": a, "E": E})
    recording.seek(2)
    recording.next()
    recording.back()
    return recording.changed(), recording.last, recording.find("E"), recording.variables


def left_midway(_, E):
    walk = tg.backward_steps(E)
    next(walk)
    tg.record(E).seek(1)


def given_way(_, E):
    walk, recording = tg.backward_steps(E), tg.record(E)
    next(walk)
    recording.seek(1)
    E.backward()
    with contextlib.suppress(tg.errors.GraphError):
        next(walk)


def replayed(a, E):
    recording = tg.record(E)
    recording.set(a, a.data + 1.0)
    return str(tg.compare_passes(recording, recording.replay()))


def debugged(_, E):
    commands = "node; where; why; show; contrib; jac; steps; set a = 1; replay; revert; pdb; quit"
    with contextlib.redirect_stdout(io.StringIO()):
        tg.debug(E, commands=commands)


def debugged_in_pdb(_, E):
    with contextlib.redirect_stdout(io.StringIO()):
        tg.debug(E, commands="node; n; u; c", pdb=True)


def higher_order(a, E):
    (slope,) = tg.grad(E, a, create_graph=True)
    tg.grad(slope.sum(), a)


INSTRUMENTS = {
    "backward": lambda _, E: E.backward(),
    "higher order": higher_order,
    "left midway": left_midway,
    "given way": given_way,
    "walked": walked,
    "why": lambda a, E: str(tg.record(E).why(a)),
    "diagnose": lambda _, E: str(tg.diagnose(E)),
    "replayed": replayed,
    "derive": lambda a, E: str(tg.derive(E, a, (0,) * a.ndim)),
    "to_html": lambda _, E: tg.record(E).to_html("pass.html"),
    "debug": debugged,
    "pdb": debugged_in_pdb,
    "draw": lambda _, E: tg.draw(E, show=("data", "grad", "local")).source,
    "tree": lambda _, E: tg.tree(E),
    "frames": lambda _, E: tg.frames(E, "slides"),
    "explode": lambda _, E: tg.draw(tg.explode(E)).source,
    "unroll": lambda _, E: tg.unroll(E)(),
    "weights_of": lambda _, E: tg.weights_of(E),
    "weight layers": lambda _, E: str(tg.compare_weight_layer(E)),
    "find_ties": lambda _, E: tg.find_ties(E),
    "gradcheck": lambda a, _: tg.gradcheck(lambda x: (x * x).sum(), a),
    "notebook": lambda _, E: (E._repr_svg_(), tg.record(E)._repr_html_()),
}


@contextlib.contextmanager
def collector_off():
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.long
@pytest.mark.parametrize("look", INSTRUMENTS.values(), ids=INSTRUMENTS)
@pytest.mark.parametrize("graph", [numbers, arrays])
def test_a_graph_dies_with_its_last_reference(look, graph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    look(*graph())  # loads what is loaded on first use
    with collector_off():
        leaf, E = graph()
        gone = [weakref.ref(leaf), weakref.ref(E), weakref.ref(E.parents[0])]
        look(leaf, E)
        del leaf, E
        assert [ref() for ref in gone] == [None] * 3


NUMPY = {
    "roll": lambda v: np.roll(v, 1),
    "pad": lambda v: np.pad(v, 1),
    "insert": lambda v: np.insert(v, 0, v[0]),
    "vstack": lambda v: np.vstack([v, v]),
    "split": lambda v: np.split(v, 3),
    "sort": np.sort,
    "median": np.median,
    "cov": np.cov,
    "einsum": lambda v: np.einsum("i,i->", v, v),
    "interp": lambda v: np.interp(v, v, v),
}


@pytest.mark.parametrize("call", NUMPY.values(), ids=NUMPY)
def test_a_result_of_a_numpy_function_dies_with_its_last_reference(call):
    call(Value([1.0, 2.0, 4.0]))  # loads what is loaded on first use
    with collector_off():
        v = Value([1.0, 2.0, 4.0])
        gone = weakref.ref(v)
        call(v)
        del v
        assert gone() is None


def raising(x):
    def raising_backward(g):
        raise KeyError("a user's error")

    return 2 * x, raising_backward


def dividing(x):
    return 2 * x, lambda g: (1 / 0,)


MISTAKES = {
    "axis": lambda v: v.sum(axis=1),
    "index": lambda v: v[9],
    "kind of index": lambda v: v[1.5],
    "shapes": lambda v: v @ np.ones(2),
    "window": lambda v: tg.max_pool1d(v, 9),
    "tie": lambda v: (0 * v).max(ties="error"),
    "matrix": np.linalg.inv,
    "function": tg.grad(lambda x: x.sum(axis=1)),
    "closure": lambda v: tg.lift(raising)(v).sum().backward(),
    "arithmetic": lambda v: tg.lift(dividing)(v).sum().backward(),
    "arithmetic of numbers": lambda v: tg.lift(dividing)(v.sum().item() * v[0]).backward(),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_the_operands_of_a_failed_call_die_with_their_last_reference(mistake):
    with collector_off():
        v = Value([1.0, 2.0, 4.0])
        gone = weakref.ref(v)
        with contextlib.suppress(ValueError, TypeError, LookupError, ArithmeticError):
            mistake(v)
            pytest.fail("the call did not fail")
        del v
        assert gone() is None


@pytest.mark.long
@pytest.mark.parametrize(("steps", "recorded"), [(2000, False), (300, True)])
def test_memory_stays_flat_over_many_steps_of_training(steps, recorded):
    rng = np.random.default_rng(0)
    net = tg.nn.Sequential(tg.nn.Linear(4, 8, rng=rng), tg.nn.Tanh(), tg.nn.Linear(8, 1, rng=rng))
    descent = tg.optim.SGD(net.parameters(), lr=0.05)
    x = rng.normal(size=(16, 4))
    y = np.sin(x.sum(axis=1, keepdims=True))

    def train(steps):
        for _ in range(steps):
            with tg.traced() if recorded else contextlib.nullcontext():
                loss = tg.nn.mse_loss(net(x), y)
            if recorded:
                recording = tg.record(loss, names={"loss": loss})
                recording.seek(len(recording))
                assert recording.why(net.parameters()[0]).grad is not None
            else:
                loss.backward()
            descent.step()
            net.zero_grad()
        return loss.item()

    first = train(20)
    tracemalloc.start()
    gc.collect()
    gc.disable()
    try:
        train(5)
        objects, before = len(gc.get_objects()), tracemalloc.get_traced_memory()[0]
        assert train(steps) < first
        assert len(gc.get_objects()) - objects < 100
        gc.collect()  # Python keeps up to 2,000 freed tuples of each size for reuse
        assert tracemalloc.get_traced_memory()[0] - before < 10_000
    finally:
        tracemalloc.stop()
        gc.enable()
