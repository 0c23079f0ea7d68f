"""The derivation's network, built from real Values: one pooling unit over feature-map units.

    z_l = σ(a_l)        a_l = Σ_{i in R_l} w_li x_i        z_1(2) = max_l z_l

The derivation has four figures of it; `figures` draws these of any such network.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from tinygrad_pool.drawing.theme import Digraph, Figure
from tinygrad_pool.drawing.units import draw_units
from tinygrad_pool.engine.value import Value
from tinygrad_pool.functional.operations import maximum, sigmoid, weighted_sum


class Network(NamedTuple):
    """One pooling unit: inputs x_1 … x_D, weights w_li, units z_1 … z_L, and z_1(2) on top."""

    inputs: list[Value]
    weights: list[dict[int, Value]]
    units: list[Value]
    pooled: Value


def network(
    x: Sequence[float],
    weights: Sequence[Mapping[int, float]],
    activation: Callable[[Any], Value] = sigmoid,
) -> Network:
    """Build the network from numbers: `weights[l]` maps each i in R_l to w_li; i = 0 is the bias.

    Inputs are numbered from 1, as in the derivation: x_1 is x[0], and x_0 = 1 is the bias unit.

    >>> net = network([2.0, 3.0], [{0: 0.0, 1: 1.0}, {0: 0.0, 2: -1.0}], activation=abs)
    >>> net.pooled.backward()
    >>> net.pooled.data, [w.grad for w in net.weights[1].values()]
    (3.0, [-1.0, -3.0])
    """
    inputs = [Value(number, label=f"x{i}") for i, number in enumerate(x, start=1)]
    ws = [
        {
            i: Value(number, label=f"w{unit}{i}" if i < 10 else f"w{unit},{i}")
            for i, number in of_unit.items()
        }
        for unit, of_unit in enumerate(weights, start=1)
    ]
    units = []
    for unit, w in enumerate(ws, start=1):
        field = [i for i in w if i]
        a = weighted_sum([w[i] for i in field], [inputs[i - 1] for i in field], bias=w[0])
        a.label = f"a{unit}(1)"
        z = activation(a)
        z.label = f"z{unit}(1)"
        units.append(z)
    pooled = maximum(*units)
    pooled.label = "z1(2)"
    return Network(inputs, ws, units, pooled)


def example() -> Network:
    """Build a small network with overlapping receptive fields, and run backward from E = z_1(2)."""
    net = network(
        [0.5, -1.0, 2.0, 0.3, 0.8],
        [{0: 0.1, 1: 0.4, 2: -0.6}, {0: 0.2, 2: 1.0, 3: 0.9}, {0: -0.1, 4: 0.7, 5: -0.3}],
    )
    net.pooled.backward()
    return net


def figures(
    net: Network, columns: int = 1, theme: Literal["light", "dark"] = "light"
) -> "dict[str, Callable[[], Digraph | Figure]]":
    """Return functions that draw the derivation's four figures of a network.

    `columns` is the width of the plane of inputs. `theme` is "light" or "dark".

    F1: the pooling unit over its feature-map units, links without weights. F2: the winner, with
    its receptive field among the inputs. F3: the kink of max, which raises ToolError without
    matplotlib. F4: F1 with 0 and 1 on the links.
    """
    from tinygrad_pool.drawing.plots import kink

    rows = [net.inputs[i : i + columns] for i in range(0, len(net.inputs), columns)]
    winner = max(net.units, key=lambda z: z.item())
    return {
        "F1": lambda: draw_units(net.pooled, depth=1, direction="BT", theme=theme),
        "F2": lambda: draw_units(winner, inputs=rows, direction="BT", theme=theme),
        "F3": lambda: kink(theme=theme),
        "F4": lambda: draw_units(net.pooled, depth=1, zero_one=True, direction="BT", theme=theme),
    }
