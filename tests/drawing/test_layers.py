"""Units in layers: in every picture of them, the numbers drawn add up."""

import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.cli.demo import DigitsNet, busiest_unit, look_inside
from tinygrad_pool.drawing.layers import layers_of
from tinygrad_pool.pooling_as_weights.derivation import example, figures, network
from tinygrad_pool.rules.arithmetic import mul

DOCS = Path(__file__).parents[2] / "docs"


def written(text, name):
    """Read the number after a name in a picture; return None if there is none."""
    found = re.search(rf"{re.escape(name)}\s*(−?[\d.]+(?:e-?\d+)?)", text)
    return None if found is None else float(found[1].replace("−", "-"))


def check_sums(graph):
    """Check that the contributions along links and from others add up to the gradient."""
    circles = dict(re.findall(r'^\s*(\w+) \[label="(.*?)" \w+=', graph.source, re.MULTILINE))
    links = re.findall(r"^\s*(\w+) -> (\w+)(?: \[(.*)\])?$", graph.source, re.MULTILINE)
    delta = {name: written(text, "δ =") for name, text in circles.items()}
    total = {name: written(text, "∂E/∂z =") for name, text in circles.items()}
    total = {name: delta[name] if g is None else g for name, g in total.items()}
    for name, text in circles.items():
        if (slope := written(text, "′(a) =")) is not None:
            assert delta[name] == pytest.approx(total[name] * slope, rel=0.02), name
    links = [link for link in links if "invis" not in link[2] and delta.get(link[1]) is not None]
    checked = 0
    for name, text in circles.items():
        leaving = [(head, label) for tail, head, label in links if tail == name]
        if total[name] is None or not leaving:
            continue
        sent = [carried(label, delta[head], total[name]) for head, label in leaving]
        others = written(text, "+ others:") or 0.0
        slack = 0.011 * (sum(map(abs, sent)) + abs(others) + abs(total[name]))
        assert sum(sent) + others == pytest.approx(total[name], abs=slack), (name, sent)
        checked += 1
    plain = {head for tail, head, label in links if not label and tail in circles}
    for head in plain:  # figure F1: all of δ goes down
        tails = [tail for tail, to, _ in links if to == head]
        below = sum(total[t] - (written(circles[t], "+ others:") or 0.0) for t in tails)
        assert below == pytest.approx(delta[head], rel=0.02), head
    return checked


def carried(label, above, below):
    """Read the contribution along a link: as written, or as its weight times δ."""
    for arrow in "↓←":
        if (sent := written(label, f"{arrow}&nbsp;")) is not None:
            return sent
    if not label:
        return below
    weight = re.search(r"(?:= |× |\" )(−?[\d.]+(?:e-?\d+)?)", label)[1]
    return float(weight.replace("−", "-")) * above


def overlapping():
    """Build two windows and draw one: the other's error arrives at the same units."""
    z = [Value(x, label=f"z{i}") for i, x in enumerate((1.0, 5.0, 2.0))]
    first, second = tg.maximum(*z[:2]), tg.maximum(*z[1:])
    (first * 3.0 + second * 4.0).backward()
    return tg.draw_units(first, zero_one=True)


def four():
    pooled = tg.maximum(*map(Value, (0.3, 1.2, 0.7, -0.4)))
    pooled.backward(2.5)
    return tg.draw_units(pooled, zero_one=True)


def several_activations():
    """Build a sum that is used twice, and so is a unit of its own."""
    w, x = [Value(0.5), Value(-2.0)], [Value(3.0, label="x1"), Value(1.5, label="x2")]
    a = tg.weighted_sum(w, x, Value(0.25))
    E = tg.maximum(a.tanh(), a.sigmoid()) * x[0]
    E.backward()
    return tg.draw_units(E)


def activations(h):
    net = network([1.0, -0.5], [{0: 0.3, 1: 1.5}, {0: -0.2, 1: 0.4, 2: 2.0}], activation=h)
    (net.pooled * -3.0).backward()
    return tg.draw_units(net.pooled, inputs=net.inputs, zero_one=True)


def twice():
    net = example()
    net.pooled.backward()
    return tg.draw_units(net.pooled)


def written_out():
    """Build two layers with + and *, the first of three units with inputs, the second of one."""
    rng = np.random.default_rng(4)
    x = [Value(v, label=f"x{i}") for i, v in enumerate((1.0, -2.0), 1)]
    h = x
    for n in (3, 1):
        ws = [[Value(float(v)) for v in rng.standard_normal(len(h))] for _ in range(n)]
        sums = [sum((w * v for w, v in zip(w_l, h, strict=True)), Value(0.5)) for w_l in ws]
        h = [a.tanh() for a in sums]
    h[0].backward()
    return tg.draw_units(h[0])


def windows(**options):
    x = Value(np.random.default_rng(3).standard_normal((5, 5)), label="x")
    y = tg.max_pool2d(x.tanh(), 3, 1)
    return tg.compare_weight_layer((y**2).sum()).draw(**options)


PICTURES = {
    **{name: figure for name, figure in figures(example()).items() if name != "F3"},
    "overlapping": overlapping,
    "four": four,
    "several activations": several_activations,
    **{
        h.__name__: lambda h=h: activations(h)
        for h in (tg.tanh, tg.relu, tg.sigmoid, tg.exp, tg.abs)
    },
    "identity": lambda: activations(lambda a: a),
    "twice": twice,
    "written out": written_out,
    "windows": windows,
    "a window alone": lambda: windows(narrow=True),
    "a loser": lambda: windows(unit=4),
}


@pytest.mark.parametrize("name", PICTURES)
def test_contributions_drawn_add_up_to_the_gradient_shown(name):
    assert check_sums(PICTURES[name]()) or name == "F2"


@pytest.mark.parametrize("name", sorted(PICTURES.keys() - {"F1", "F2"}))
def test_a_wrong_number_in_a_picture_is_detected(name):
    """Of one unit that links lead from, the number that they add up to is another."""
    graph = PICTURES[name]()
    lines = graph.body
    joined = "".join(lines)
    tails = re.findall(r"^\s*(\w+) -> \w+ \[(?!style=invis)", joined, re.MULTILINE)
    units = [t for t in tails if re.search(rf"^\s*{t} \[label=.*(?:∂E/∂z|δ) = ", joined, re.M)]
    for k, line in enumerate(lines):
        if line.strip().startswith(f"{units[0]} ["):
            wrong = re.sub(r"((?:∂E/∂z|δ) = )(−?[\d.]+)", r"\g<1>77", line, count=1)
            lines[k] = wrong
    with pytest.raises(AssertionError):
        check_sums(graph)


@pytest.mark.long
def test_the_pictures_of_the_gallery_add_up(monkeypatch, tmp_path):
    """Run the scripts of the page, and read every picture of units."""
    drawn, scripts = [], []
    monkeypatch.setattr(tg, "render", lambda picture, *_, **__: drawn.append(picture))
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    for script in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if "draw_units" in script or "compare_weight_layer" in script:
            exec(script, {})
            scripts.append(script)
    assert len(drawn) == "".join(scripts).count("tg.render(") > 0
    assert all(check_sums(picture) for picture in drawn)


@pytest.mark.long
def test_the_pictures_of_the_demo_add_up():
    (x, labels), _ = tg.datasets.digits()
    net = DigitsNet(seed=0)
    drawn = figures(busiest_unit(net, look_inside(net, x[0], int(labels[0]))).units, columns=4)
    for name in ("F1", "F2", "F4"):
        assert check_sums(drawn[name]()) or name == "F2"


class TestSumsWrittenOut:
    """Sums with + and * are units like those of weighted_sum."""

    X, W, B = (1.5, -2.0), ((0.5, -1.0), (2.0, 0.25)), (0.75, -0.5)

    def drawn(self, affine, inputs=True, named=True):
        x = [Value(v, label=f"x{i}") if inputs else v for i, v in enumerate(self.X, 1)]
        w = [
            [Value(v, label=f"w{k}{i}" if named else "") for i, v in enumerate(w_k, 1)]
            for k, w_k in enumerate(self.W)
        ]
        b = [Value(v, label=f"b{k}" if named else "") for k, v in enumerate(self.B)]
        z = [affine(w_l, x, b_l).relu() for w_l, b_l in zip(w, b, strict=True)]
        o = affine(w[0], z, b[0])
        o.backward()
        return tg.draw_units(o, inputs=x if inputs else ())

    @pytest.mark.parametrize(
        "affine",
        [
            lambda w, x, b: sum((wi * xi for wi, xi in zip(w, x, strict=True)), b),
            lambda w, x, b: sum(xi * wi for wi, xi in zip(w, x, strict=True)) + b,
            lambda w, x, b: w[0] * x[0] + (b + x[1] * w[1]),
        ],
    )
    @pytest.mark.parametrize("inputs", [True, False])
    @pytest.mark.parametrize("named", [True, False])
    def test_they_look_the_same(self, affine, inputs, named):
        expected = self.drawn(tg.weighted_sum, inputs, named)
        assert self.drawn(affine, inputs, named).source == expected.source

    def test_a_minus_belongs_to_the_weight(self):
        w, x = [Value(v, label=f"w{v:g}") for v in (2.0, 3.0)], [Value(1.5), Value(0.5).exp()]
        b = Value(0.25, label="b")
        for o in (w[0] * x[0] - w[1] * x[1] - b, -(w[1] * x[1] + (b - w[0] * x[0]))):
            z = o.tanh()
            z.backward()
            unit = layers_of([z], [], None)[-1][0]
            assert unit.a is o
            assert {link.weight: link.number for link in unit.links} == {
                b: -0.25,
                w[0]: 2.0,
                w[1]: -3.0,
            }
            assert check_sums(graph := tg.draw_units(z))
            assert "−b = −0.25" in graph.source
            assert "−w₃ = −3" in graph.source

    def test_a_subtracted_node_of_weights(self):
        x, w, b = Value(0.5, label="x"), Value(2.0, label="w"), Value(1.0, label="b")
        o = b - tg.weighted_sum([w], [x], Value(0.5)) - w * 3.0
        unit = layers_of([o], [], None)[-1][0]
        assert [link.number for link in unit.links] == [1.0, -0.5, -2.0]
        assert unit.constants == [-6.0]

    @pytest.mark.parametrize(
        "other",
        [
            lambda w, x, h: w * h - Value(1.0, label="t"),  # a target is no bias
            lambda w, x, h: w * h - 1.0,
            lambda w, x, h: 1.0 - w * h,
            lambda w, x, h: w * h - Value(1.0),
            lambda w, x, h: Value(2.0, label="a") * Value(3.0, label="b") + Value(1.0, label="c"),
            lambda w, x, h: x + w * h,  # the input is no bias
            lambda w, x, h: w * h + h * h,
            lambda w, x, h: w * h - h,
            lambda w, x, h: x * h + w,
            lambda w, x, h: h + 1.0,
            lambda w, x, h: w * w + 1.0,
            lambda w, x, h: w * h + tg.lift(mul)(2.0, 3.0),
        ],
    )
    def test_other_sums_are_not_units(self, other):
        w, x, h = Value(2.0, label="w"), Value(3.0, label="x"), Value(0.5, label="h0").exp()
        o = other(w, x, h)
        units = [unit for layer in layers_of([o], [], None) for unit in layer]
        assert [unit.a for unit in units] == [None] * len(units)

    def test_a_product_that_is_used_twice_or_drawn_is_a_unit_of_its_own(self):
        w, x = Value(2.0, label="w"), Value(3.0, label="x")
        p = w * x
        for o, outputs in ((p + w * x + p.exp(), []), (p + w * x, [p]), (p + p, [])):
            units = {unit.z: unit for layer in layers_of([o, *outputs], [], None) for unit in layer}
            assert units[p].a is None

    def test_numbers_may_be_weights_and_biases(self):
        h = Value(0.5, label="h").exp()
        (_, _, (unit,)) = layers_of([0.25 * h + 3.0 + Value(2.0) * 4.0], [], None)
        bias, link = unit.links
        assert (bias.source, bias.weight) == (None, 3.0)
        assert (link.source, link.weight, link.slope) == (h, 0.25, 0.25)
        assert unit.constants == [8.0]

    def test_of_two_nameless_leaves_the_input_is_used_more(self):
        x, ws = Value(2.0), [Value(0.5), Value(1.5)]
        o = tg.maximum(*[(x * w + 1.0).tanh() for w in ws])
        inputs, units, _ = layers_of([o], [], None)
        assert [unit.z for unit in inputs] == [x]
        assert [unit.links[-1].weight for unit in units] == ws

    def test_a_layer_of_arrays_taken_apart_has_its_biases_in_its_units(self):
        rng = np.random.default_rng(0)
        W, V = (Value(rng.standard_normal(shape)) for shape in ((3, 4), (4, 1)))
        x, b = Value(np.ones((1, 3)), label="x"), Value(rng.standard_normal(4))
        E = tg.explode((np.tanh(x @ W + b) @ V).sum())
        assert [len(layer) for layer in layers_of([E], [], None)] == [3, 4, 1, 1]

    def test_a_long_sum_is_one_unit(self):
        x = Value(1.0, label="x")
        o = sum(Value(1.0) * x for _ in range(3000))
        (inputs, (unit,)) = layers_of([o], [], None)
        assert [unit.z for unit in inputs] == [x]
        assert len(unit.links) == 3000


def test_the_delta_of_a_sum_of_0_is_that_of_the_sum():
    x = Value(0.0, label="x")
    z = tg.weighted_sum([Value(2.0)], [x]).relu()
    z.backward()
    (_, (unit,)) = layers_of([z], [], None)
    assert (unit.slope, unit.delta) == (0.0, 0.0)
