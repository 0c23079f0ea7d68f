"""conv1d, conv2d and conv3d: errors and padding."""

import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import DataError, OptionError, ShapeError

CONVOLUTIONS = {"conv1d": tg.conv1d, "conv2d": tg.conv2d, "conv3d": tg.conv3d}


@pytest.mark.parametrize(("name", "ndim"), [("conv1d", 1), ("conv2d", 2), ("conv3d", 3)])
def test_errors_name_the_convolution_and_the_mistake(name, ndim):
    conv = CONVOLUTIONS[name]
    x, w = np.ones((2, *(4,) * ndim)), np.ones((3, 2, *(2,) * ndim))
    kind = "an integer" if ndim == 1 else "integers"
    space = {1: "width", 2: "height, width", 3: "depth, height, width"}[ndim]
    for error, message, arguments in [
        (ShapeError, f"weight needs {ndim + 2} axes, got shape (3, 2)", (x, np.ones((3, 2)))),
        (ShapeError, f"weight needs {ndim + 2} axes, got shape ()", (x, 1.0)),
        (ShapeError, f"needs an input (..., channels, {space}), got shape ()", (1.0, w)),
        (DataError, "needs numbers in a regular shape", (x, [[1.0], [1.0, 2.0]])),
        (DataError, "needs numbers in a regular shape", ([[1.0], [1.0, 2.0]], w)),
        (DataError, "needs real numbers", (x, w, "bias")),
        (ShapeError, "bias of 3 filters needs shape (3,), got ()", (x, w, 1.0)),
        (OptionError, "kernel_size must be at least 1", (x, np.ones((3, 2, *(0,) * ndim)))),
        (OptionError, "stride must be at least 1, got 0", (x, w, None, 0)),
        (OptionError, f"stride must be {kind}, got None", (x, w, None, None)),
        (OptionError, "padding must be one of 'same', 'valid'", (x, w, None, 1, "full")),
        (OptionError, "padding='same' needs stride 1, got", (x, w, None, 2, "same")),
        (OptionError, f"dilation must be {kind}, got 1.5", (x, w, None, 1, 0, 1.5)),
        (OptionError, "groups=2 must divide 2 input channels", (x, w, None, 1, 0, 1, 2)),
        (ShapeError, "a window of 10 cells", (x, w, None, 1, 0, 9)),
    ]:
        with pytest.raises(error, match="^" + re.escape(f"{name}: {message}")):
            conv(*arguments)


@pytest.mark.parametrize(
    ("length", "dilation", "sides"),
    [(1, 1, (0, 0)), (2, 1, (0, 1)), (3, 2, (2, 2)), (2, 3, (1, 2))],
)
def test_same_padding_keeps_the_length_and_pads_more_at_the_end(length, dilation, sides):
    x, w = np.arange(1.0, 8.0).reshape(1, 7), np.arange(1.0, 1.0 + length).reshape(1, 1, length)
    y = tg.conv1d(x, w, padding="same", dilation=dilation)
    assert y.shape == (1, 7)
    assert np.array_equal(y.data, tg.conv1d(x, w, padding=[sides], dilation=dilation).data)


def test_valid_padding_pads_nothing():
    x, w = np.ones((1, 3, 4)), np.ones((1, 1, 2, 2))
    assert tg.conv2d(x, w, stride=2, padding="valid").shape == (1, 1, 2)


def test_a_kernel_of_one_cell_sees_the_padding_on_both_sides():
    y = tg.conv2d(np.ones((1, 2, 3)), np.full((1, 1, 1, 1), 2.0), padding=1)
    assert y.data[0].tolist() == np.pad(np.full((2, 3), 2.0), 1).tolist()
