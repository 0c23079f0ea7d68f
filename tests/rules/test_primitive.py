"""Functions of this package that operands override."""

import numpy as np

from tinygrad_pool import Value
from tinygrad_pool.rules.primitive import observation, primitive


class Overriding:
    """An operand that overrides every function."""

    def __array_function__(self, function, types, operands, options):
        return function.__name__, [t.__name__ for t in types], len(operands), options


@primitive
def doubled(x, times=2):
    return x * times


@observation
def largest(x):
    return float(np.max(x))


def test_operands_override_primitives_and_arrays_do_not():
    assert doubled(3.0) == 6.0
    assert doubled(np.array([1.0, 2.0]), times=3).tolist() == [3.0, 6.0]
    assert doubled(np.float32(2.0)) == 4.0
    assert doubled(Overriding(), times=1) == ("doubled", ["Overriding"], 1, {"times": 1})


def test_an_observation_of_a_value_is_a_constant():
    assert largest(Value([1.0, 5.0])) == 5.0
    assert largest(np.array([1.0, 4.0])) == 4.0
