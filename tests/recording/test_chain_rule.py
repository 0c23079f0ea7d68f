"""The chain rule for one gradient, as a lecture writes it."""

import re

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser

import tinygrad_pool as tg
from tinygrad_pool.errors import DataError, OptionError, ShapeError
from tinygrad_pool.pooling_as_weights import derivation
from tinygrad_pool.recording.symbols import symbol_of


def test_the_derivations_gradient_is_written_in_its_notation():
    net = derivation.example()
    E = (net.pooled - 1.0) ** 2 / 2
    winner = max(range(3), key=lambda i: net.units[i].data)
    w = net.weights[winner][3]
    E.label = "E"
    written = tg.derive(E, w)
    assert str(written).startswith(
        "∂E/∂w23 = 1/2 · 2 (z1(2) − 1) · 1 · [z2(1) wins] · σ'(a2(1)) · x3 = 0.5 · "
    )
    assert written.value == pytest.approx(tg.grad(E, w)[0])


def test_a_name_or_the_name_of_an_element_may_stand_for_the_value():
    w, x = tg.Value([2.0, 3.0], label="w"), tg.Value(5.0)
    E = (w * x).max()
    assert tg.derive(E, "w[1]") == tg.derive(E, "w", 1) == tg.derive(E, w, 1)
    assert tg.derive(E, "w[1]").of == "w[1]"
    assert tg.derive(E, "x", names={"x": x}).value == 3.0
    with pytest.raises(OptionError, match=r"no node is called 'q'; known names: w, "):
        tg.derive(E, "q")
    with pytest.raises(OptionError, match=r"v; of an element of v, pass v and its index$"):
        tg.derive(E, w[1])


def test_a_loser_has_a_factor_0():
    a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    assert str(tg.derive(tg.maximum(a, b) * 5.0, a)) == "∂E/∂a = 5 · [a wins] = 5 · 0 = 0"


def test_a_share_of_a_tie_is_1_by_n():
    a, b = tg.Value(3.0, label="a"), tg.Value(3.0, label="b")
    written = tg.derive(tg.maximum(a, b, 1.0, ties="even") * 5.0, a)
    assert str(written) == "∂E/∂a = 5 · [a wins]/n = 5 · 0.5 = 2.5"
    assert r"5 \cdot [a\text{ wins}]/n = " in written.latex()
    x = tg.Value([[2.0, 2.0, 1.0, 0.0]], label="x")
    assert "1 · [x[0, 1] wins]/n = 1 · 0.5" in str(
        tg.derive(tg.max_pool1d(x, 4, ties="even").sum(), x, (0, 1))
    )


def test_several_paths_add_up():
    a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    E = a * b + a.exp() - a
    written = tg.derive(E, a)
    E.backward()
    assert len(written.paths) == written.total == 3
    assert written.value == pytest.approx(a.grad)
    assert str(written).splitlines() == [
        "∂E/∂a = 1 · 1 · b",
        "      + 1 · 1 · exp(a)",
        "      + (−1)",
        "      = 1 · 1 · 3",
        "      + 1 · 1 · 7.389",
        "      + (−1)",
        "      = 9.389",
    ]


def test_a_long_path_is_written_by_its_ends():
    x = h = tg.Value(0.5, label="x")
    for _ in range(3000):
        h = h.tanh() + 0.5
    written = tg.derive(h, x)
    (path,) = written.paths
    assert len(path) == 6000
    assert str(written).count(" · ") == 2 * 24
    assert " · 1 · tanh'(x) = 1 · " in str(written)
    assert written.latex().count(r" \cdot \dots \cdot ") == 2
    MathTextParser("agg").parse(f"${written.latex()}$")


def test_a_number_is_written_once():
    x = tg.Value(2.0, label="x")
    assert str(tg.derive(x * 3.0, x)) == "∂E/∂x = 3"
    assert str(tg.derive(-x, x)) == "∂E/∂x = −1"
    assert tg.derive(-x, x).latex() == r"\frac{\partial E}{\partial x} = -1"


def test_latex_keeps_words_of_a_product_apart():
    x, lr, size = (tg.Value(2.0, label=name) for name in ("x", "lr", "size"))
    tex = tg.derive((lr * size).exp() * x, x).latex()
    assert r" = \mathrm{exp}(\mathrm{lr}\, \mathrm{size}) = " in tex
    tex = tg.derive(tg.maximum(lr * x, size) ** 2, size).latex()
    assert r" \cdot [\mathrm{size}\text{ wins}] = " in tex
    assert r"(\mathrm{lr}\, x)" in tg.derive((lr * x).tanh(), lr).latex()
    assert r"(x\, \mathrm{lr})" in tg.derive((x * lr).tanh(), lr).latex()


def test_the_derivative_of_a_value_by_itself_is_1():
    a = tg.Value(2.0, label="a")
    E = a * 3.0
    E.label = "E"
    assert (str(tg.derive(E, E)), tg.derive(E, E).value) == ("∂E/∂E = 1", 1.0)
    assert tg.derive(E, E).latex() == r"\frac{\partial E}{\partial E} = 1"
    x = tg.Value([1.0, 2.0], label="x")
    s = x.sum()
    s.label = "s"
    assert str(tg.derive(s, s)) == "∂s/∂s = 1"


def test_values_outside_the_graph_are_named_by_their_variables():
    v, w = tg.Value(1.0), tg.Value(2.0)
    with pytest.raises(OptionError, match="derive: the mul node does not depend on v"):
        tg.derive(w * 2.0, v, names={"v": v})


@pytest.mark.parametrize("f", [lambda x: x.sum(), lambda x: x.mean(), lambda x: x.max()])
def test_too_many_units_are_refused_at_once(f, count_calls):
    x = tg.Value(np.ones((2000, 1000)), label="x")
    E = f(tg.tanh(x) * x)

    def refused():
        with pytest.raises(
            ShapeError,
            match=r"limit=2,000 of the 6,000,00\d units .*, or ask record\(loss\)\.why\(v\)",
        ):
            tg.derive(E, x, (3, 4))

    assert count_calls(refused) < 2_000


def test_sums_of_infinities_and_overflows_do_not_raise():
    x, z = tg.Value(np.inf, label="x"), tg.Value(1.0, label="z")
    v = x.exp()
    assert str(tg.derive(v - v, x)).endswith("= nan")
    assert str(tg.derive(z * 1e308 + z * 1e308, z)).endswith("= inf")


def test_an_operand_used_twice_is_two_paths():
    a = tg.Value(3.0, label="a")
    assert str(tg.derive(a * a, a)).splitlines()[-1].strip() == "= 6"


@pytest.mark.parametrize(
    ("f", "symbol"),
    [
        (lambda x: -x, "(−1)"),
        (tg.relu, "relu'(x)"),
        (tg.tanh, "tanh'(x)"),
        (tg.log, "1/x"),
        (lambda x: x**2, "2 x"),
        (lambda x: x**3, "3 x^(3−1)"),
        (lambda x: 2.0**x, "ln(2) 2^x"),
        (lambda x: tg.minimum(x, 9.0), "[x wins]"),
        (lambda x: 1.0 - x, "(−1)"),
        (lambda x: x / 2.0, "1/2"),
        (lambda x: 3.0 / x, "(−3/x^2)"),
        (tg.sin, "cos(x)"),
        (tg.cos, "(−sin(x))"),
        (tg.sqrt, "1/(2 sqrt(x))"),
        (np.arctan, "∂arctan/∂x"),
        (lambda x: tg.weighted_sum([2.0], [x], 1.0), "2"),
        (lambda x: tg.weighted_sum([x], [5.0]), "5"),
        (lambda x: tg.weighted_sum([2.0], [5.0], x), "1"),
    ],
)
def test_each_local_derivative_has_its_symbol(f, symbol):
    x = tg.Value(2.0, label="x")
    written = tg.derive(f(x), x)
    assert [factor.symbol for factor in written.paths[0]] == [symbol]
    y = f(x)
    assert written.value == pytest.approx(tg.grad(y, x)[0])


def test_short_unnamed_operands_are_written_out():
    a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    assert "2 (a + b)" in str(tg.derive((a + b) ** 2, a))
    assert "σ'(a b − 1)" in str(tg.derive((a * b - 1.0).sigmoid(), a))
    deep = (((((a * b) * b) * b) * b) * b).sigmoid()
    assert "σ'((((mul(…) b) b) b) b)" in str(tg.derive(deep, a))
    assert r"mul}(\ldots) b" in tg.derive(deep, a).latex()
    lone = tg.Value(1.0)
    assert "leaf" in str(tg.derive(lone * a, a))


def test_an_array_of_constants_is_called_so():
    """The page uses this symbol for a number below a sum."""
    x, t = tg.Value([1.0, 3.0], label="x"), np.array([0.0, 1.0])
    E = ((x - t) ** 2).sum() * tg.Value(0.5, label="k")
    assert symbol_of(E, 1, {}) == "sum((x − constant)^2)"
    assert symbol_of(tg.exp((x * t).sum()), 0, {}) == "exp(sum(constant x))"


READ = {  # how to evaluate a symbol
    "−": "-",
    "\\^": "**",
    r"σ'\((.*)\)$": r"(σ(\1) * (1 - σ(\1)))",
    r"tanh'\((.*)\)$": r"(1 - tanh(\1)**2)",
    r"(?<=[\w)]) (?=[\w(])": " * ",
}


def test_each_symbol_is_the_slope_when_it_is_read_as_mathematics():
    numbers = {"x": 2.0, "w": -3.0, "b": 0.5}
    x, w, b = (tg.Value(number, label=name) for name, number in numbers.items())
    known = numbers | {"ln": np.log, "log": np.log, "exp": np.exp, "tanh": np.tanh}
    known |= {"sin": np.sin, "cos": np.cos, "sqrt": np.sqrt}
    known["σ"] = lambda a: 1 / (1 + np.exp(-a))
    losses = [
        *[(w * x + b) * (x - b * w) / (b / x), (x * -3.0) ** 2, (x - -1.5) ** 2, x**2 / b],
        *[(-3.0 + x * 2.0) ** 3, (x - (b - w)) ** -1, (x + b) ** w, (-w) ** (x / 4.0)],
        *[np.exp(-x * w), np.log(np.log(x + 2.0) * x), np.log((x + b) / (x * x)), -(x - w) / -b],
        *[(w * x + b).sigmoid() ** 2, ((x - w / x).tanh() - b) ** 2, 1.0 / (1.0 + np.exp(-x))],
        *[np.sin(x * w - b), np.cos(-x), np.sqrt(x * b) / np.sqrt(x + b)],
        *[(x * w + b * b + b * x).sigmoid(), -(x - w) / (x**2 + 1.0), (x**b) ** 2, 1e-7 - x],
    ]
    for loss in losses:
        for factor in (f for path in tg.derive(loss, x).paths for f in path):
            read = factor.symbol
            for pattern, sign in READ.items():
                read = re.sub(pattern, sign, read)
            assert eval(read, known) == pytest.approx(factor.slope), factor.symbol


def test_an_element_of_an_array_is_derived_through_its_units():
    rng = np.random.default_rng(0)
    x, w = (
        tg.Value(rng.standard_normal((1, 4, 4)), "x"),
        tg.Value(rng.standard_normal((1, 1, 3, 3)), "w"),
    )
    E = (tg.max_pool2d(tg.conv2d(x, w).sigmoid(), 2) ** 2).sum()
    written = tg.derive(E, w, (0, 0, 1, 2))
    E.backward()
    assert written.of == "w[0, 0, 1, 2]"
    assert (written.total, len(written.paths)) == (4, 4)
    assert written.value == pytest.approx(w.grad[0, 0, 1, 2])
    assert "[sigmoid(…) wins]" in str(written)


def test_an_element_without_a_path_has_derivative_0():
    x = tg.Value([1.0, 2.0], label="x")
    assert str(tg.derive(x[0] * 2.0, x, 1)) == "∂E/∂x[1] = 0, as there is no path from E to x[1]"
    assert tg.derive(x[0] * 2.0, x, 1).latex().endswith("= 0")
    unnamed = tg.Value([[1.0, 2.0]])
    assert tg.derive(unnamed[0, 0] * 2.0, unnamed, (0, 1)).of == "v[0, 1]"


def test_too_many_paths_are_counted():
    a = v = tg.Value(1.0, label="a")
    for _ in range(30):
        v = v + v
    written = tg.derive(v, a)
    assert str(written) == "∂E/∂a = 1.074e+09, a sum over 1,073,741,824 paths"
    assert written.latex().endswith(r"= 1.074 \times 10^{9}")


@pytest.mark.parametrize("losers", [12, 13])
def test_paths_with_a_factor_0_are_counted_if_there_are_many(losers):
    x, y = tg.Value(2.0, label="x"), tg.Value(3.0, label="y")
    one = tg.maximum(*(x * float(i) for i in range(losers)))
    written = tg.derive((one - y) ** 2, x)
    assert (written.total, len(written.paths)) == (losers, 12 if losers == 12 else 1)
    assert written.value == pytest.approx(tg.grad((one - y) ** 2, x)[0])
    if losers == 12:
        assert "factor 0" not in str(written)
        return
    assert str(written).splitlines() == [
        "∂E/∂x = 2 (maximum(…) − y) · 1 · [(12 x) wins] · 12 = 42 · 1 · 1 · 12 = 504",
        "        12 other paths have a factor 0",
    ]
    assert written.latex().endswith(r" = 42 \cdot 1 \cdot 1 \cdot 12 = 504")
    both = str(tg.derive(tg.maximum(*(x * float(i) for i in range(13))) + x * 0.5, x))
    assert both.splitlines()[-2:] == ["      = 12.5", "        12 other paths have a factor 0"]
    nothing = tg.derive(tg.relu(-tg.maximum(*(x * float(i) for i in range(13)))), x)
    assert (str(nothing), nothing.paths) == ("∂E/∂x = 0, a sum over 13 paths", [])
    alone = sum(x * float(i) for i in range(1, 13)) + x * 0.0
    assert str(tg.derive(alone, x)).endswith("= 78\n        1 other path has a factor 0")


def test_latex_sets_indices_and_layers():
    net = derivation.example()
    tex = tg.derive(net.pooled, net.weights[1][3]).latex()
    assert tex.startswith(
        r"\frac{\partial z_{1}^{(2)}}{\partial w_{23}} = [z_{2}^{(1)}\text{ wins}] \cdot "
    )
    assert r"\sigma'(a_{2}^{(1)}) \cdot x_{3}" in tex
    a = tg.Value(-2.0, label="a")
    assert tg.derive(a * a, a).latex().endswith("= (-2) + (-2) = -4")


NAMES = [
    *("50%", "a&b", "#1", "w_in", "{x}", "$x$", "x^2", "a~b", "C:\\New", r"\Gamma", "two words"),
    *(
        "σx",
        "δ",
        "δ1(1)",
        "x}{",
        "%",
        "^",
        "~",
        "_",
        "\\",
        "w12",
        "conv1.weight",
        "a(b)",
        "ln(",
        "1e-5",
        "a wins]",
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_latex_escapes_any_name(name):
    x, n = tg.Value(2.0, label=name), tg.Value(3.0, label=f"{name} too")
    z = tg.Value(9.0, label=f"not {name}")
    E = (tg.maximum(x**n, z) * tg.sin(n) + (x - z) ** 2).sigmoid()
    E.label = name
    for of in (x, n, z):
        derived = tg.derive(E, of)
        tex = derived.latex()
        assert not re.search(r"(?<!\\)[%&#$~]|(?<!\\)_(?!{)|(?<!\\)\^(?!{)", tex)
        assert tex.count("{") == tex.count("}")
        shown = derived._repr_latex_().replace(r"\&", r"\%")  # unknown to matplotlib
        MathTextParser("path").parse(shown)


def test_latex_sets_powers_of_ten():
    c = tg.Value(1e-30, label="c")
    tex = tg.derive(-(c**3), c).latex()
    assert tex.endswith(r"= (-1) \cdot 3 \times 10^{-60} = -3 \times 10^{-60}")
    MathTextParser("path").parse(f"${tex}$")


def test_latex_braces_names_with_exponents():
    x, n = tg.Value(2.0, label="x"), tg.Value(12.0, label="n")
    assert r" = 12 x^{(12-1)} = " in tg.derive(x**12, x).latex()
    assert r" = \mathrm{ln}(x) x^{n} = " in tg.derive(x**n, n).latex()
    assert r"2 (x - n) \cdot 1 = " in tg.derive((x - n) ** 2, x).latex()


def test_latex_keeps_a_number_together():
    x = tg.Value(2.0, label="x")
    assert r" = 1/(1 \times 10^{-5}) = " in tg.derive(x / 1e-5, x).latex()
    of_power = tg.derive(2.5e9**x, x).latex()
    assert r" = \mathrm{ln}((2.5 \times 10^{9})) (2.5 \times 10^{9})^{x} = " in of_power


def test_latex_escapes_the_name_of_a_rule():
    def twice_of(x):
        return 2 * x, lambda g: (2 * g,)

    x = tg.Value(2.0, label="x")
    tex = tg.derive(tg.lift(twice_of)(x).sigmoid(), x).latex()
    assert r"= \sigma'(\mathrm{twice}\_\mathrm{of}(x)) \cdot " in tex
    assert r" \cdot \partial\mathrm{twice}\_\mathrm{of}/\partial x = " in tex


@pytest.mark.parametrize(
    ("name", "tex"),
    [
        *(("γ", r"\gamma"), ("Δw", r"\Delta w"), ("θ1", r"\theta_{1}"), ("w₁₂", "w_{12}")),
        *(("loss", r"\mathrm{loss}"), ("conv1.weight", r"\mathrm{conv}_{1}.\mathrm{weight}")),
    ],
)
def test_latex_sets_greek_letters_indices_and_words(name, tex):
    x = tg.Value(2.0, label=name)
    E = x * 1e-7
    assert tg.derive(E, x).latex() == (
        rf"\frac{{\partial E}}{{\partial {tex}}} = 1 \times 10^{{-7}}"
    )
    assert (
        tg.derive(x * -3.0 * x, x)
        .latex()
        .startswith(rf"\frac{{\partial E}}{{\partial {tex}}} = {tex} \cdot (-3) + ((-3) {tex}) = ")
    )


def test_latex_has_a_sign_for_what_is_not_finite():
    x = tg.Value(0.0, label="x")
    with np.errstate(all="ignore"):
        assert tg.derive(x.sqrt(), x).latex().endswith(r"\mathrm{sqrt}(x)) = \infty")
        assert tg.derive(x.log() * 0.0, x).latex().endswith(r"= \mathrm{nan}")


def test_variables_give_names():
    a, b = tg.Value(2.0), tg.Value(3.0)
    E = a * b
    assert str(tg.derive(E, a, names={"a": a, "b": b, "E": E, "n": 3})) == "∂E/∂a = b = 3"
    assert str(tg.derive(E, a)) == "∂E/∂v = leaf#1 = 3"


def test_weights_of_two_layers_are_distinguished():
    net = tg.nn.MLP(2, [2, 1])
    E = net([1.0, -2.0])
    (path,) = tg.derive(E, net.parameters()[0], names={"net": net}).paths
    assert path[0].symbol == "layers.1.neurons.0.w.0"
    layers = tg.nn.Sequential(tg.nn.Linear(2, 2, rng=0), tg.nn.Linear(2, 1, rng=1))
    E = layers(np.ones((1, 2))).sum()
    (path,) = tg.derive(E, layers[0].weight, (1, 0)).paths
    assert "1.weight[0, 1]" in [factor.symbol for factor in path]


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda a: tg.derive(3.0, a), DataError, "derive: needs a Value, got float"),
        (lambda a: tg.derive(a * 2.0, 2.0), DataError, "derive: needs a Value, got float"),
        (
            lambda a: tg.derive(a * 2.0, tg.Value(1.0, "b")),
            OptionError,
            "does not depend on b",
        ),
        (lambda a: tg.derive(a * 2.0, a, 1), OptionError, r"of shape \(\) needs the index of"),
        (lambda a: tg.derive(tg.Value([1.0, 2.0]) * a, a), ShapeError, "derive: needs a number"),
    ],
)
def test_derive_raises_for_unsupported_arguments(ask, error, message):
    with pytest.raises(error, match=message):
        ask(tg.Value(2.0, label="a"))


def test_a_constant_among_the_units_of_an_array_is_named():
    joined = np.append(tg.Value(2.0), 3.0)
    joined.label = "joined"
    E = (joined * joined).sum()
    assert tg.derive(E, joined, 0).value == 4.0
    needed = r"of shape \(2,\) needs the index of one element, such as \(0,\)"
    with pytest.raises(OptionError, match=f"{needed}$"):
        tg.derive(E, joined)
    with pytest.raises(OptionError, match=f"{needed}, got 7$"):
        tg.derive(E, joined, 7)
    with pytest.raises(OptionError, match=r"derive: joined\[1\] is a constant, 3$"):
        tg.derive(E, joined, 1)


@pytest.mark.parametrize("slope", [3.0004, 12345.6, 0.5])
def test_latex_has_the_digits_of_the_text(slope):
    x = tg.Value(1.0, label="x")
    derived = tg.derive(x * slope, x)
    assert derived.latex().rpartition("= ")[2] == str(derived).rpartition("= ")[2].strip()
