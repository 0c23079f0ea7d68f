"""Functions to be differentiated, and the structure of their arguments."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.engine.functions import filled, leaves_of, mapped, plain
from tinygrad_pool.errors import DataError, OptionError


class Pair(NamedTuple):
    w: object
    b: object


def test_structures_are_kept():
    tree = {"a": [1.0, (2.0, None)], "b": Pair(3.0, {"c": 4.0})}
    assert leaves_of(tree) == [1.0, 2.0, 3.0, 4.0]
    assert mapped(lambda x: -x, tree) == {"a": [-1.0, (-2.0, None)], "b": Pair(-3.0, {"c": -4.0})}
    assert filled(tree, iter("wxyz")) == {"a": ["w", ("x", None)], "b": Pair("y", {"c": "z"})}
    assert plain([Value(2.0)], graph=False) == [2.0]


def test_arguments_become_new_values():
    v = Value(3.0, label="v")
    seen = []

    def f(x):
        seen.append(x)
        return x * v

    assert tg.grad(f)(v) == 3.0  # and not 6: v itself is a constant of f
    assert seen[0] is not v
    assert seen[0].label == "v"
    assert not v.has_grad


def test_a_network_is_differentiated_by_its_parameters():
    net, x = nn.Linear(2, 1, rng=0), np.ones((3, 2))

    def loss(net, x):
        return (net(x) ** 2).sum()

    value, g = tg.value_and_grad(loss)(net, x)
    loss(net, x).backward()
    assert value == loss(net, x).data
    assert {name: p.grad.tolist() for name, p in net.named_parameters()} == {
        name: part.tolist() for name, part in g.items()
    }
    both = tg.grad(lambda nets: loss(nets[0], x) + loss(nets[1], x))([net, net])
    assert [*both[0]] == ["weight", "bias"]


def test_a_function_is_differentiated_even_under_no_grad():
    with tg.no_grad():
        assert tg.grad(lambda x: x * x)(3.0) == 6.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tg.value_and_grad(3), DataError, "value_and_grad: needs a function, got int"),
        (lambda: tg.grad(np.sin, "x"), OptionError, "argnums must be an integer or several"),
        (lambda: tg.grad(np.sin, [0.5]), OptionError, "argnums must be"),
        (
            lambda: tg.grad(np.sin, 0.5),
            OptionError,
            r"got 0.5; .* that grad returns: grad\(f\)\(x\)",
        ),
        (lambda: tg.hessian(np.sin, 0.5), OptionError, r"^hessian: .*: hessian\(f\)\(x\)$"),
        (lambda: tg.grad(np.sin, has_aux=1), OptionError, "has_aux must be True or False"),
        (lambda: tg.hessian(np.sin, has_aux=1), OptionError, "^hessian: has_aux must be"),
        (lambda: tg.jacobian(np.hypot, 1.0, 2.0), OptionError, r"got 1\.0; pass arguments of f to"),
        (
            lambda: tg.grad(np.sin, has_aux=True)(1.0),
            OptionError,
            "f must return a pair, got Value",
        ),
        (lambda: tg.grad(lambda x: (x, x))(1.0), DataError, "must return a Value, got tuple"),
        (
            lambda: tg.grad(lambda x: x.data)(1.0),
            DataError,
            r"got float; .* from v\.data",
        ),
        (lambda: tg.grad(np.sin, -2)(1.0), OptionError, "argnums=-2, but the call has 1"),
        (lambda: tg.grad(np.sin)(x=1.0), OptionError, "the call has 0 positional arguments"),
        (
            lambda: tg.grad(lambda x: (x, x))(1.0),
            DataError,
            "got tuple; with has_aux=True f returns",
        ),
        (
            lambda: tg.grad(lambda x: (x, 0.5))(1.0),
            DataError,
            "anything beside y with has_aux=True",
        ),
        (lambda: tg.grad(np.sin, argnum=0), OptionError, "no option 'argnum': write argnums="),
        (lambda: tg.grad(np.round)(1.5), DataError, r"from v\.data, float\(v\), np\.round\(v\) or"),
    ],
)
def test_mistakes_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_gradient_of_a_dict_is_a_dict_of_the_same_type():
    given = defaultdict(float, w=2.0)
    g = tg.grad(lambda p: p["w"] ** 2 + p["absent"])(given)
    assert (g, g.default_factory, dict(given)) == ({"w": 4.0}, float, {"w": 2.0})


def test_a_function_may_change_its_lists_and_dicts():
    def f(p):
        p["w"] = p["w"] * 2.0
        p["b"].append(p["b"].pop() * 3.0)
        return p["w"] ** 2 * p["b"][0]

    assert tg.grad(f)({"w": 1.0, "b": [1.0]}) == {"w": 24.0, "b": [12.0]}
    assert tg.grad(f, argnums=(0, 0))({"w": 1.0, "b": [1.0]})[1]["w"] == 24.0


def test_gradients_of_functions_have_the_dtypes_of_their_arguments():
    g = tg.grad(lambda p: (p["w"] * p["n"]).sum())({"w": np.ones(2, np.float32), "n": 3})
    assert (g["w"].dtype, g["n"]) == (np.float32, 2.0)
    assert type(g["n"]) is float
    g, aux = tg.grad(lambda x: (x * 2, {"x": x}), has_aux=True)(5.0)
    assert (g, aux) == (2.0, {"x": 5.0})
    assert tg.grad(lambda x: (x * 2, {"x": x}), 0, True)(5.0) == (2.0, {"x": 5.0})
    (value, aux), g = tg.value_and_grad(lambda x: (x * 2, [x]), has_aux=True)(5.0)
    assert (value, aux, g) == (10.0, [5.0], 2.0)
