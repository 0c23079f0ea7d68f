"""The page as an instrument: other numbers, computed in the page, and predictions of steps."""

import json
import re
from importlib.resources import files

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import number, numbers, on_a_line
from tinygrad_pool.javascript import runtime
from tinygrad_pool.recording.player.instrument import instrument_of
from tinygrad_pool.recording.player.stage import stage_of
from tinygrad_pool.recording.player.story import Story

CLAMP = "const clamp = (low, value, high) => Math.min(Math.max(value, low), high);\n"


def script(*names):
    folder = files("tinygrad_pool.recording.player")
    return "".join(folder.joinpath(f"{name}.js").read_text("utf-8") for name in names)


def network():
    """Return E = relu(a b) + max(a, b)², with a = 2 and b = −3: the relu is off, b loses."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    off = (a * b).relu()
    off.label = "off"
    m = tg.maximum(a, b)
    m.label = "m"
    E = off + m**2
    E.label = "E"
    return E


def held():
    """Return the same, after an earlier pass that left gradients."""
    E = network()
    E.backward()
    return E


def tied():
    a, b, c = Value(1.0, label="a"), Value(1.0, label="b"), Value(0.0, label="c")
    even = tg.maximum(a, b, ties="even") + tg.minimum(a, b, c, -1.0)
    return tg.maximum(a, b, c, 0.5) * tg.minimum(a, b, ties="last") + (c * a).relu() * c + even


def pooled():
    x = Value(np.array([[3.0, 1, 2, 0], [4, 5, 1, 1], [0, 2, 6, 7], [1, 1, 2, 8]]), label="x")
    p = tg.max_pool2d(x, 2)
    p.label = "p"
    return (p * [[1.0, -2.0], [0.5, 3.0]]).sum()


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


GRAPHS = [
    *(network, held, tied, pooled, convolved, single, tiny, canceled, averaged, without_gradient),
]


def rounded(x):
    """Make sizes comparable: one of 0 need not be there, and Python rounds them."""
    if isinstance(x, dict):
        size = x.get("size", 0)
        kept = {k: rounded(v) for k, v in x.items() if k != "size" and v is not None}
        return kept | {"size": size if size is None else round(size, 3)}
    return [rounded(v) for v in x] if isinstance(x, list) else x


def stories(passed, other=None):
    """Return the story that Python tells, and the one that the page tells of its own numbers."""
    other = passed if other is None else other
    told, known = (
        json.loads(json.dumps(Story(p, stage_of(p, "LR")).told())) for p in (passed, other)
    )
    made = instrument_of(passed)
    assert not made.fixed, made.fixed
    leaves = json.dumps([np.ravel(n.data).tolist() if n.shape else float(n.data) for n in other.nodes])
    program = (
        f"{CLAMP}const pass = {json.dumps(told | {'engine': made.told})};\n"
        f"const functions = [{', '.join(made.functions)}];\n"
        f"{runtime()}{script('numbers', 'retelling')}\n"
        f"const {{ boxes, start, moves }} = retold(compute(engine, {leaves}));\n"
        "console.log(JSON.stringify({ boxes, start, moves }));"
    )
    return known, program


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_page_tells_of_the_recorded_numbers_what_python_tells(graph, node_js):
    known, program = stories(tg.record(graph()))
    scalars = not any("cells" in box or ";" in box["data"] for box in known["boxes"])
    told = node_js(program)
    if not scalars:  # the page explains zeros of numbers only
        for story in (known, told):
            for box in story["boxes"]:
                box["because"] = []
    assert rounded(told) == rounded(known)


@pytest.mark.parametrize("change", [{"a": -4.0}, {"b": 2.0}, {"a": 0.0}, {"a": -1.5, "b": -1.5}])
def test_the_page_tells_of_other_numbers_what_python_tells_of_a_replay(change, node_js):
    passed = tg.record(network())
    for name, x in change.items():
        passed.set(name, x)
    known, program = stories(passed, passed.replay())
    assert rounded(node_js(program)) == rounded(known)


def test_windows_of_other_numbers_are_told_as_of_a_replay(node_js):
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
    arrays.append(with_nan)
    listed = json.dumps([str(x) for x in xs]).replace("inf", "Infinity").replace("nan", "NaN")
    flat = json.dumps([[[str(x) for x in a.reshape(-1)], a.shape] for a in arrays])
    flat = flat.replace("inf", "Infinity").replace("nan", "NaN")
    said = node_js(
        f"{script('numbers')}\nconst xs = {listed}.map(Number);\n"
        f"const arrays = {flat}.map(([x, shape]) => [x.map(Number), shape]);\n"
        "console.log(JSON.stringify([xs.map((x) => number(x)), xs.map((x) => number(x, 3)),"
        " arrays.map((a) => numbers(...a)), arrays.map((a) => onALine(...a))]));"
    )
    assert said[0] == [number(x) for x in xs]
    assert said[1] == [number(x, 3) for x in xs]
    assert said[2] == [numbers(a) for a in arrays]
    assert said[3] == [on_a_line(a) for a in arrays]


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (lambda: sum(Value(1.0) for _ in range(200)), "the graph has more than 300 nodes"),
        (lambda: Value(1.0), "there is nothing to compute"),
        (lambda: tg.lift(lambda x: (x if x < 1 else x, lambda g: (g,)))(Value(2.0)), "decides"),
    ],
)
def test_why_numbers_are_fixed_is_said(graph, says):
    made = instrument_of(tg.record(graph()))
    assert made.told is None
    assert says in made.fixed


def test_an_unknown_start_is_refused(tmp_path):
    with pytest.raises(OptionError, match=r"to_html: start must be one of .*'play', 'predict'"):
        tg.record(network()).to_html(tmp_path / "pass.html", start="end")


def test_a_page_without_numbers_to_change_holds_no_program(tmp_path):
    page = tg.record(sum(Value(1.0) for _ in range(200))).to_html(tmp_path / "pass.html")
    text = page.read_text()
    assert "the graph has more than 300 nodes" in text
    assert "const functions" not in text


def test_what_python_chose_is_told():
    def chosen():
        a, b = Value(2.0, label="a"), Value(3.0, label="b")
        y = a * b if a < b else a + b
        return y * 2.0 if y else y

    with tg.traced():
        loss = chosen()
    forks = instrument_of(tg.record(loss)).told["forks"]
    assert [(fork["relation"], fork["answer"]) for fork in forks] == [(">", True), ("bool", True)]
    assert "Python chose by the data of b at test_instrument.py:" in forks[0]["says"]
