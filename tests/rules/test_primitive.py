"""Functions of ours that operands answer for."""

import numpy as np

from tinygrad_pool import Value
from tinygrad_pool.rules.primitive import observation, primitive


class Answering:
    """An operand that answers for every function."""

    def __array_function__(self, function, types, operands, options):
        return function.__name__, [t.__name__ for t in types], len(operands), options


@primitive
def doubled(x, times=2):
    return x * times


@observation
def largest(x):
    return float(np.max(x))


def test_an_operand_that_answers_decides_and_arrays_do_not():
    assert doubled(3.0) == 6.0
    assert doubled(np.array([1.0, 2.0]), times=3).tolist() == [3.0, 6.0]
    assert doubled(np.float32(2.0)) == 4.0
    assert doubled(Answering(), times=1) == ("doubled", ["Answering"], 1, {"times": 1})


def test_an_observation_of_a_value_is_a_constant_read_off_its_data():
    assert largest(Value([1.0, 5.0])) == 5.0
    assert largest(np.array([1.0, 4.0])) == 4.0
