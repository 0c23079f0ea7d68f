"""Random programs over every operation, which run here and in PyTorch.

A program is a sequence of lines of Python. `str(program)` is a script; the smallest program for
which hypothesis makes a test fail is written to a file.
"""

import re
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy_coverage import there_is

import tinygrad_pool as tg
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.lift import reapply
from tinygrad_pool.engine.rerun import run_forward
from tinygrad_pool.engine.vjp import vjp_by_operand
from tinygrad_pool.errors import ShapeError, TinygradPoolError


class Operation(NamedTuple):
    """The text of an operation, ours and PyTorch's: {0} and {1} are operands, the rest is drawn."""

    ours: str
    theirs: str = ""
    ndim: tuple[int, ...] = tuple(range(9))  # of operand 0

    @property
    def arity(self):
        return 1 + max(map(int, re.findall(r"\{(\d)\}", self.ours)))


CHOICES = {
    "axis": ["-1", "0", "None", "(0, 1)"],
    "one": ["-1", "0", "1"],
    "end": ["-1", "0"],
    "keep": ["False", "True"],
    "ties": ["'even'", "'first'", "'last'"],
    "c": ["0.5", "-1.25", "2", "3.0", "np.float32(0.75)", "True"],
    "n": ["2", "3", "0.5", "-1", "1.5", "0", "1"],
    "k": ["2", "1", "3"],
    "p": ["0", "1"],
    "s": ["1", "2"],
    "ceil": ["False", "True"],
    "m": ["1", "2", "3"],
}

SAME = {  # NumPy's name: PyTorch's, for operations of one operand
    **{n: n for n in ("exp", "expm1", "log", "log1p", "sqrt", "square", "sin", "cos", "tanh")},
    **{n: n for n in ("exp2", "log2", "log10", "tan", "sinh", "cosh")},
    **{f"arc{n}": f"a{n}" for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "negative": "neg",
    "absolute": "abs",
    "fabs": "abs",
}
PAIRS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**"}
TWINS = {n: n for n in ("logaddexp", "logaddexp2", "hypot", "fmod", "remainder")}
TWINS["arctan2"] = "atan2"
ALIKE = [  # the same name in PyTorch
    *("leaky_relu({0})", "elu({0})", "celu({0}, 1.5)", "selu({0})", "gelu({0})", "silu({0})"),
    *("gelu({0}, approximate='tanh')", "softplus({0})", "softplus({0}, 2.0)", "mish({0})"),
    *("logsigmoid({0})", "softsign({0})", "hardtanh({0})"),
    *("relu6({0})", "mse_loss({0}, {1})", "l1_loss({0}, {1})", "huber_loss({0}, {1})"),
    *("smooth_l1_loss({0}, {1})", "layer_norm({0}, {0}.shape[-1:])"),
]
PLANES = {1: (2, 3), 2: (3, 4), 3: (4, 5)}  # numbers of axes in PyTorch: without or with a batch

ELEMENTWISE = [
    *(Operation(f"{{0}} {sign} {{1}}", f"{{0}} {sign} {{1}}") for sign in PAIRS.values()),
    *(Operation(f"np.{name}({{0}}, {{1}})", f"{{0}} {sign} {{1}}") for name, sign in PAIRS.items()),
    *(Operation(f"np.{ours}({{0}})", f"torch.{theirs}({{0}})") for ours, theirs in SAME.items()),
    *(Operation(f"tg.{name}({{0}})", f"torch.{name}({{0}})") for name in ("relu", "sigmoid")),
    *(Operation(text, text) for text in ("{c} - {0}", "{0} * {c}", "{c} / {0}", "abs({0})")),
    *(Operation(f"np.{n}({{0}}, {{1}})", f"torch.{t}({{0}}, {{1}})") for n, t in TWINS.items()),
    *(Operation(f"tg.functional.{text}", f"F.{text}") for text in ALIKE),
    *(Operation(f"tg.functional.{n}({{0}})", f"torch.{n}({{0}})") for n in ("erf", "erfc")),
    # PyTorch adds 1e-12 to divisors in second derivatives
    Operation("tg.functional.binary_cross_entropy(tg.sigmoid({0}), np.full({0}.shape, 0.25))"),
    Operation("tg.functional.hardswish({0})"),  # PyTorch rounds 1/6 to single precision
    Operation("tg.functional.hardsigmoid({0})"),
    Operation("np.cbrt({0})"),
    Operation("np.reciprocal({0})", "torch.reciprocal({0})"),
    Operation("np.copysign({0}, {1})", "torch.copysign({0}, {1})"),
    Operation("np.fmax({0}, {1})", "torch.fmax({0}, {1})"),
    Operation("np.fmin({0}, {1})", "torch.fmin({0}, {1})"),
    Operation("np.sinc({0})"),  # PyTorch's gradient suffers from cancellation near 0
    Operation("np.interp({0}, [-1.0, 0.5, 2.0], [1.0, 3.0, 2.0])"),
    Operation("np.nansum({0})", "torch.nansum({0})"),
    Operation("np.nanmean({0})"),
    Operation("{0} ** {n}", "{0} ** {n}"),
    Operation("{0}.clip(-0.5, 1.0)", "torch.clamp({0}, -0.5, 1.0)"),
    Operation("np.clip({0}, None, {c})", "torch.clamp({0}, max=float({c}))"),
    # not > 0: where numbers cancel, a rounding would decide
    Operation(
        "np.where({0}.data > 0.34375, {0}, {1})",
        "torch.where({0} > 0.34375, {0}, {1}.to({0}.dtype))",
    ),
    Operation("np.maximum({0}, {1})", "torch.maximum({0}, {1})"),
    Operation("np.minimum({0}, {1})", "torch.minimum({0}, {1})"),
    Operation("tg.maximum({0}, {1}, 0.5, ties={ties})", "torch.maximum({0}, {1}).clamp(min=0.5)"),
    Operation("tg.minimum({0}, {1}, ties={ties})", "torch.minimum({0}, {1})"),
    Operation("tg.weighted_sum([{0}, {1}], [{1}, {c}], {0})", "{0} * {1} + {1} * {c} + {0}", (0,)),
    Operation("{0}.astype(np.float32)", "{0}.float()"),
    Operation("{0}.astype(np.float64)", "{0}.double()"),
]
REDUCTIONS = [
    *(
        Operation(
            f"np.{name}({{0}}, axis={{axis}}, keepdims={{keep}})",
            f"torch.{theirs}({{0}}, over({{0}}, {{axis}}), {{keep}})",
        )
        for name, theirs in (("sum", "sum"), ("mean", "mean"))
    ),
    *(
        Operation(
            f"{{0}}.{name}(axis={{axis}}, keepdims={{keep}}, ties={{ties}})",
            f"torch.a{name}({{0}}, over({{0}}, {{axis}}), {{keep}})",
        )
        for name in ("max", "min")
    ),
    *(
        Operation(
            f"np.{name}({{0}}, axis={{axis}}, keepdims={{keep}})",
            f"torch.{name}({{0}}, over({{0}}, {{axis}}), unbiased=False, keepdim={{keep}})",
        )
        for name in ("var", "std")
    ),
    Operation("np.prod({0}, axis={one})", "torch.prod({0}, {one})", (1, 2, 3, 4, 5)),
    Operation("np.cumsum({0}, axis={one})", "torch.cumsum({0}, {one})", (1, 2, 3)),
    Operation("np.add.accumulate({0})", "torch.cumsum({0}, 0)", (1, 2, 3)),
    Operation("np.add.reduce({0})", "torch.sum({0}, 0)", (1, 2, 3)),
    Operation("np.cumprod({0}, axis={one})", "torch.cumprod({0}, {one})", (1, 2, 3)),
    Operation("np.linalg.norm({0})", "torch.linalg.norm({0})", (1, 2)),
    Operation("np.median({0})", "torch.quantile({0}.double(), 0.5)"),
    Operation("np.quantile({0}, 0.3)", "torch.quantile({0}.double(), 0.3)"),
    Operation("np.max({0})", "torch.amax({0})"),
    Operation("np.min({0}, axis={one})", "torch.amin({0}, {one})", (1, 2, 3, 4, 5)),
    Operation(
        "tg.functional.logsumexp({0}, axis={axis}, keepdims={keep})",
        "torch.logsumexp({0}, over({0}, {axis}), {keep})",
    ),
    Operation("tg.softmax({0}, axis={one})", "torch.softmax({0}, {one})", (1, 2, 3)),
    Operation("tg.log_softmax({0}, axis={one})", "torch.log_softmax({0}, {one})", (1, 2, 3)),
]
SHAPING = [
    Operation("{0}.reshape(-1)", "{0}.reshape(-1)"),
    Operation("np.reshape({0}, (2, -1))", "{0}.reshape(2, -1)"),
    Operation("{0}.T", "{0}.permute(tuple(range({0}.ndim))[::-1])"),
    Operation("np.transpose({0}, (1, 0, 2))", "{0}.permute(1, 0, 2)", (3,)),
    Operation("np.expand_dims({0}, {one})", "{0}.unsqueeze({one})"),
    Operation("np.squeeze({0})", "{0}.squeeze()"),
    Operation("np.broadcast_to({0}, (2, *{0}.shape))", "{0}.broadcast_to(2, *{0}.shape)"),
    Operation("np.concatenate([{0}, {1}], axis={one})", "torch.cat([{0}, {1}], {one})"),
    Operation("np.stack([{0}, {1}], axis={one})", "torch.stack([{0}, {1}], {one})"),
    Operation("{0}[0]", "{0}[0]", (1, 2, 3, 4, 5)),
    Operation("{0}[..., ::-1]", "{0}.flip(-1)", (1, 2, 3, 4, 5)),
    Operation("{0}[..., [0, 0, -1]]", "{0}[..., [0, 0, -1]]", (1, 2, 3, 4, 5)),
    Operation("{0}[None, 1:]", "{0}[None, 1:]", (1, 2, 3)),
    Operation("{0}[{0}.data > 0.34375]", "{0}[{0} > 0.34375]", (1, 2)),
    Operation("np.flip({0}, {one})", "torch.flip({0}, ({one},))", (1, 2, 3)),
    Operation(
        "np.lib.stride_tricks.sliding_window_view({0}, {0}.shape[-1] // 2 + 1, axis=-1)",
        "{0}.unfold(-1, {0}.shape[-1] // 2 + 1, 1)",
        (1, 2, 3),
    ),
    Operation("np.roll({0}, 2, axis={one})", "torch.roll({0}, 2, {one})", (1, 2, 3)),
    Operation("np.sort({0}, axis={one})", "torch.sort({0}, {one}).values", (1, 2, 3)),
    Operation("np.diff({0}, axis={one})", "torch.diff({0}, dim={one})", (1, 2, 3)),
    Operation("np.tile({0}, 2)", "{0}.tile(2)", (1, 2)),
    Operation("np.repeat({0}, 2, axis={one})", "{0}.repeat_interleave(2, {one})", (1, 2, 3)),
    Operation("np.pad({0}, 1)", "F.pad({0}, (1, 1) * {0}.ndim)", (1, 2, 3)),
    Operation("np.tril({0})", "torch.tril({0})", (2, 3)),
    Operation("np.diagonal({0})", "torch.diagonal({0})", (2,)),
    Operation("np.nan_to_num({0})"),
    Operation("np.unwrap({0}, axis={one})", ndim=(1, 2, 3)),
    Operation("np.trim_zeros({0})", ndim=(1,)),
    Operation("np.linalg.slogdet({0} @ {0}.T)[0] * {0}", ndim=(2,)),
    Operation("{0}.detach()", "{0}.detach().requires_grad_()"),
]
PRODUCTS = [
    Operation("{0} @ {1}", "{0} @ {1}"),
    Operation("np.matmul({0}, {0}.T)", "{0} @ {0}.T", (2,)),
    Operation("np.einsum('ij,kj->ik', {0}, {1})", "torch.einsum('ij,kj->ik', {0}, {1})", (2,)),
    Operation("np.outer({0}, {1})", "torch.outer({0}.reshape(-1), {1}.reshape(-1))"),
    Operation("np.add.outer({0}, {1})", "{0}.reshape(-1, *[1] * {1}.dim()) + {1}", (1,)),
    Operation("np.kron({0}, {1})", "torch.kron({0}, {1})", (1, 2)),
    *(
        Operation(f"np.linalg.{text}", "torch.linalg." + text.replace("np.eye", "torch.eye"), (2,))
        for text in (
            *(
                "inv({0} @ {0}.T + np.eye(len({0})))",
                "det({0} @ {0}.T + np.eye(len({0})))",
                "slogdet({0} @ {0}.T + np.eye(len({0})))[1]",
            ),
            "solve({0} @ {0}.T + np.eye(len({0})), {0})",
            "cholesky({0} @ {0}.T + np.eye(len({0})))",
        )
    ),
    *(  # of matrices whose eigenvalues and singular values are far apart
        Operation(f"np.{text}", f"torch.{text}".replace("np.", "torch."), (2,))
        for square in ("np.tanh({0} @ {0}.T) + np.diag(9 * np.arange(1, 1 + len({0})))",)
        for text in (
            f"linalg.eigvalsh({square})",
            f"linalg.eigh({square}).eigenvectors ** 2",
            f"linalg.svdvals({square})",
            f"linalg.svd({square})[0] ** 2",
            f"linalg.svd(({square})[:, 1:], full_matrices=False)[0] ** 2",
            f"linalg.pinv(({square})[:, 1:])",
        )
    ),
    *(  # the weights are a corner of the array, or of each channel
        Operation(
            f"tg.functional.conv{n}d({{0}}, {{0}}[:1, :{', :2' * n}], "
            "stride={s}, padding={p}, dilation={m})",
            f"F.conv{n}d({{0}}, {{0}}[:1, :{', :2' * n}], "
            "stride={s}, padding={p}, dilation={m})",
            (n + 2,),
        )
        for n in (1, 2, 3)
    ),
    Operation(
        "tg.conv2d({0}, {0}[0, :, None, :2, :1], padding={p}, groups={0}.shape[1])",
        "F.conv2d({0}, {0}[0, :, None, :2, :1], padding={p}, groups={0}.shape[1])",
        (4,),
    ),
]

UNARY = {  # NumPy's name: PyTorch's, or "", and the possible numbers of axes
    (0, 1, 2, 3, 4, 5): {
        **{n: f"torch.{n}({{0}})" for n in ("atleast_1d", "atleast_2d", "atleast_3d", "ravel")},
        **{n: f"torch.{n}({{0}})" for n in ("positive", "real", "deg2rad", "rad2deg", "diagflat")},
        **{"degrees": "torch.rad2deg({0})", "radians": "torch.deg2rad({0})"},
        **{"conjugate": "torch.conj({0})", "copy": "{0}.clone()"},
        **{"fft.fftshift": "torch.fft.fftshift({0})", "ediff1d": "torch.diff({0}.reshape(-1))"},
        "linalg.vector_norm": "torch.linalg.vector_norm({0})",
    },
    (1, 2): {n: f"torch.{n}({{0}})" for n in ("cov", "corrcoef", "diag")},
    (1, 2, 3): {"flipud": "torch.flipud({0})"},
    (2, 3): {
        **{n: f"torch.{n}({{0}})" for n in ("triu", "fliplr", "rot90")},
        "linalg.diagonal": "torch.linalg.diagonal({0})",
        "linalg.matrix_norm": "torch.linalg.matrix_norm({0})",
        **{"matrix_transpose": "{0}.mT", "linalg.trace": ""},
    },
    (2,): {"trace": "torch.trace({0})"},
}
AXES = ("{axis}", "torch.{}({{0}}, over({{0}}, {{axis}}))")
ALONG = ("{one}", "torch.{}({{0}}, {{one}})")
REDUCING = [  # NumPy's name, PyTorch's, and the axes
    *(("amax", "amax", AXES), ("amin", "amin", AXES), ("nanmax", "amax", AXES)),
    *(("nanmin", "amin", AXES), ("nanprod", "prod", ALONG), ("nancumsum", "cumsum", ALONG)),
    *(("nancumprod", "cumprod", ALONG), ("cumulative_prod", "cumprod", ALONG)),
    *((n, "", AXES) for n in ("nanvar", "nanstd", "nanmedian")),
]
STACKED = ("column_stack", "hstack", "vstack", "dstack")
NUMPYS = [
    *(
        Operation(f"np.{name}({{0}})", theirs, ndim)
        for ndim, named in UNARY.items()
        for name, theirs in named.items()
    ),
    *(
        Operation(f"np.{name}({{0}}, axis={axis})", theirs and call.format(theirs), (1, 2, 3))
        for name, theirs, (axis, call) in REDUCING
    ),
    *(Operation(f"np.{n}([{{0}}, {{1}}])", f"torch.{n}([{{0}}, {{1}}])") for n in STACKED),
    *(
        Operation(f"np.{ours}({{0}}, {{1}})", f"torch.{theirs}({{0}}, {{1}})")
        for ours, theirs in (("inner", "inner"), ("vecdot", "linalg.vecdot"))
    ),
    Operation("np.cross({0}, {1})", "torch.linalg.cross({0}, {1})", (1, 2, 3)),
    *(
        Operation(f"np.{name}({{0}}, [1])[{at}]", f"torch.{name}({{0}}, [1])[{at}]", ndim)
        for name, ndim, at in (("hsplit", (1, 2), 0), ("vsplit", (2, 3), 1), ("dsplit", (3,), 0))
    ),
    Operation("np.array_split({0}, 2)[0]", "torch.tensor_split({0}, 2)[0]", (1, 2, 3)),
    Operation("np.split({0}, [1], {one})[1]", "torch.tensor_split({0}, [1], {one})[1]", (1, 2, 3)),
    Operation("(*np.unstack({0}, axis={one}), {0})[0]", "(*{0}.unbind({one}), {0})[0]", (1, 2, 3)),
    Operation("np.append({0}, {1})", "torch.cat([{0}.reshape(-1), {1}.reshape(-1)])"),
    Operation("np.astype({0}, np.float64)", "{0}.double()"),
    Operation("np.average({0}, {end}, np.arange(1.0, 1 + {0}.shape[{end}]))", ndim=(1, 2, 3)),
    Operation("np.average({0}, weights={1})"),
    Operation("np.block([[{0}, {0}], [{0}, {0}]])", "{0}.tile(2, 2)", (2,)),
    Operation("np.broadcast_arrays({0}, {1})[0]", "torch.broadcast_tensors({0}, {1})[0]"),
    Operation("np.choose([0, 1, 0], [{0}, {1}])"),
    Operation("np.compress([True, False, True], {0}, axis={one})", ndim=(1, 2, 3)),
    Operation("np.convolve({0}, {1}, 'same')", ndim=(1,)),
    Operation("np.correlate({0}, {1}, 'full')", ndim=(1,)),
    Operation("np.cumulative_sum({0}, axis={one}, include_initial={keep})", ndim=(1, 2, 3)),
    Operation("np.delete({0}, 1, axis={one})", ndim=(1, 2, 3)),
    Operation("np.divmod({0}, {1})[1]", "torch.remainder({0}, {1})"),
    Operation("np.dot({0}, {1})"),
    Operation("np.extract({0}.data > 0.34375, {0})", "{0}[{0} > 0.34375]"),
    Operation("np.float_power({0}, 2)", "torch.float_power({0}, 2)"),
    Operation("np.gradient({0}, axis={one})", "torch.gradient({0}, dim={one})[0]", (1, 2, 3)),
    Operation("np.insert({0}, 1, {c}, axis={one})", ndim=(1, 2, 3)),
    Operation("np.insert({0}, 1, {1}, axis={one})", ndim=(1, 2, 3)),
    Operation("np.ldexp({0}, 2)", "{0} * 4"),
    Operation("np.linalg.matrix_power({0} @ {0}.T, 2)", "({0} @ {0}.T) @ ({0} @ {0}.T)", (2,)),
    Operation("np.linalg.multi_dot([{0}, {0}.T, {0}])", "{0} @ {0}.T @ {0}", (2,)),
    Operation("np.linalg.outer({0}, {1})", "torch.outer({0}, {1})", (1,)),
    Operation("np.matvec({0}, {0}[0])", "{0} @ {0}[0]", (2,)),
    Operation("np.vecmat({0}[:, 0], {0})", "{0}[:, 0] @ {0}", (2,)),
    Operation("np.meshgrid({0}, {1})[0]", "torch.meshgrid({0}, {1}, indexing='xy')[0]", (0, 1)),
    Operation("np.modf({0})[0]", "torch.frac({0})"),
    Operation("np.moveaxis({0}, 0, -1)", "{0}.movedim(0, -1)", (1, 2, 3)),
    Operation("np.rollaxis({0}, -1)", "{0}.movedim(-1, 0)", (1, 2, 3)),
    Operation("np.swapaxes({0}, 0, -1)", "{0}.swapaxes(0, -1)", (1, 2, 3)),
    Operation("np.nanquantile({0}, 0.3)"),
    Operation("np.nanpercentile({0}, 30, axis={one})", ndim=(1, 2, 3)),
    Operation("np.percentile({0}, 30)", "torch.quantile({0}.double(), 0.3)"),
    Operation("np.partition({0}, 0)[..., 0]", "torch.amin({0}, -1)", (1, 2, 3)),
    Operation("np.polyval([2.0, 0.5, 1.0], {0})", "(2.0 * {0} + 0.5) * {0} + 1.0"),
    Operation("np.polyval(np.append({0}, 1.0), {1})", ndim=(1,)),
    Operation("np.ptp({0}, axis={one})", "{0}.amax({one}) - {0}.amin({one})", (1, 2, 3)),
    Operation("np.ravel({0}, order='F')", "{0}.mT.reshape(-1)", (2,)),
    Operation("np.resize({0}, (3, 4))"),
    Operation(
        "np.select([{0}.data > 0.34375], [{0}], 7.0)", "torch.where({0} > 0.34375, {0}, 7.0)"
    ),
    Operation("np.take({0}, [0, -1, 0])", "{0}.reshape(-1)[[0, -1, 0]]"),
    Operation("np.take_along_axis({0}, np.argsort({0}, {one}), {one})", ndim=(1, 2, 3)),
    Operation("np.tensordot({0}, {1}, 0)", "torch.tensordot({0}, {1}, 0)"),
    Operation("np.tensordot({0}, {0})", "({0} * {0}).sum()", (2,)),
    Operation("np.trapezoid({0}, axis={one})", "torch.trapezoid({0}, dim={one})", (1, 2, 3)),
    Operation("np.linspace({0}, 2.0, 3)"),
    Operation("np.vander({0}, 3)", "torch.stack([{0}**2, {0}, {0} ** 0], -1)", (1,)),
    Operation("np.vdot({0}, {1})", "torch.dot({0}.reshape(-1), {1}.reshape(-1))"),
]
LIKE = "ceil floor rint trunc sign isnan isinf isfinite signbit logical_not round zeros_like"
LIKE += " ones_like all any argmax argmin nanargmax nanargmin count_nonzero ndim size argsort"
BESIDE = "equal not_equal less less_equal greater greater_equal heaviside isclose floor_divide"
BESIDE += " logical_and logical_or logical_xor isin allclose array_equal searchsorted"
ANSWERED = [  # functions that return plain numbers: constants among Values
    *(Operation(f"{{0}} * np.{name}({{0}})") for name in LIKE.split()),
    *(Operation(f"{{0}} * np.{name}({{0}}, {{1}})") for name in BESIDE.split()),
    Operation("{0} + np.full_like({0}, {c})"),
    Operation("{0} + 0 * np.size(np.empty_like({0}))"),
    Operation("{0}.reshape(np.shape({0}))"),
    Operation("{0}[np.nonzero({0})]", ndim=(1, 2, 3)),
    Operation("{0} * len(np.argwhere({0}))"),
    Operation("np.take({0}, np.flatnonzero({0}))"),
    Operation("{0} * np.histogram({0}, 3)[0][0]"),
    Operation("{0} * np.size(np.unique({0}))"),
]


def pools(n):
    """List the pools over n axes."""
    functions, torch = "tg.functional.", "F."
    window = "({0}, {k}, {s}, {p}"
    for name, more, theirs in (
        ("max_pool", ", {m}, {ceil}, ties={ties})", ", {m}, {ceil})"),
        ("avg_pool", ", {ceil}, count_include_pad={keep})", ", {ceil}, {keep})"),
    ):
        called = f"{name}{n}d{window}"
        yield Operation(functions + called + more, torch + called + theirs, PLANES[n])
    for text in (
        f"lp_pool{n}d({{0}}, 2.0, {{k}}, {{s}})",
        f"adaptive_avg_pool{n}d({{0}}, {{m}})",
    ):
        yield Operation(functions + text, torch + text, PLANES[n])
    adaptive, given = f"adaptive_max_pool{n}d({{0}}, {{m}}", "({0}, 2, return_indices=True)"
    yield Operation(f"{functions}{adaptive}, ties={{ties}})", f"{torch}{adaptive})", PLANES[n])
    yield Operation(
        f"{functions}max_unpool{n}d(*{functions}max_pool{n}d{given}, 2)",
        f"{torch}max_unpool{n}d(*{torch}max_pool{n}d{given}, 2)",
        PLANES[n],
    )


class Operations(tuple):
    """Operations with a short repr for hypothesis's reports."""

    __slots__ = ()

    def __repr__(self):
        return f"{len(self)} operations"


def named_in(operation):
    """List the NumPy functions in an operation."""
    return re.findall(r"\bnp\.([a-z_\d.]+)\(", operation.ours)


POOLS = [operation for n in (1, 2, 3) for operation in pools(n)]
EVERY = [*ELEMENTWISE, *REDUCTIONS, *SHAPING, *PRODUCTS, *POOLS, *NUMPYS, *ANSWERED]
ALL = Operations(o for o in EVERY if all(map(there_is, named_in(o))))
SMOOTH = Operations(o for o in ALL if "detach" not in o.ours)

SHAPES = [(), (3,), (2, 3), (1, 2, 5), (2, 2, 4, 4), (1, 2, 3, 3, 3), (2, 1), (1,)]
EMPTY = [(0,), (2, 0), (0, 3), (1, 0, 4, 4)]
DTYPES = ["f8", "f4", "f2", "g"]
LAYOUTS = ["{x}", "np.asfortranarray({x})", "{x}[..., ::-1]"]
REPEATED = "np.broadcast_to({x}[:1], {shape})"
ODD = ["0.0", "-0.0", "1.0", "-1.0", "2.0", "inf", "-inf", "nan", "6e4", "-6e4", "6e-8", "0.5"]
ORDERS = st.sampled_from("=><")
TIED = ["0.0", "1.0", "-1.0", "2.0"]
OF_NUMPY = pytest.mark.filterwarnings("ignore:All-NaN|Mean of empty|.*degrees of freedom")
"""Warnings of NumPy for empty or all-NaN data, which Values raise too."""


class Program:
    """The lines of a program: `ours` and `theirs` map names to text, in order."""

    def __init__(self):
        self.ours, self.theirs = {}, {}
        self.leaves = []
        self.tried = ""  # the last line, even if it failed
        self.made = {"np": np, "tg": tg, "nan": np.nan, "inf": np.inf}

    def __str__(self):
        """Return a script that runs the program forward and backward."""
        lines = (f"{name} = {self.ours[name]}" for name in self.needed)
        return "\n".join(
            [
                "import numpy as np",
                "import tinygrad_pool as tg",
                "from numpy import inf, nan",
                "",
                *lines,
                f"{self.name}.backward(np.ones({self.name}.shape))",
                f"print({self.name}, *(leaf.grad for leaf in ({', '.join(self.leaves)},)))",
                "",
            ]
        )

    __repr__ = __str__

    @property
    def name(self):
        """The name of the last Value, where a pass begins."""
        return next(reversed(self.ours))

    @property
    def needed(self):
        """The names of what the last Value depends on, and of the leaves."""
        needed = {self.name, *self.leaves}
        for name in reversed(self.ours):
            if name in needed:
                needed.update(re.findall(r"\bv\d+\b", self.ours[name]))
        return [name for name in self.ours if name in needed]

    @property
    def root(self):
        return self.made[self.name]

    @property
    def inputs(self):
        return [self.made[name] for name in self.leaves]

    @property
    def gradient(self):
        """The upstream gradient of a pass: random numbers."""
        numbers = np.random.default_rng(5).standard_normal(self.root.shape)
        return numbers if self.root.shape else float(numbers)

    def add(self, ours, theirs=""):
        """Run a line and add it."""
        name = f"v{len(self.ours)}"
        self.tried = f"{name} = {ours}"
        with np.errstate(all="ignore"):
            made = eval(ours, self.made)
        assert isinstance(made, tg.Value)
        self.made[name], self.ours[name], self.theirs[name] = made, ours, theirs
        return made

    def drop(self):
        """Remove the last line."""
        self.theirs.popitem()
        self.ours.popitem()

    def again(self, leaves, **more):
        """Run the lines on other leaves, and return the last Value.

        Raises MemoryError before results grow without limit: np.kron(v, v) of one number is one
        number, and of two, in a larger batch, the product of several has billions.
        """
        made = {**self.made, **more, **dict(zip(self.leaves, leaves, strict=True))}
        texts = self.theirs if more else self.ours
        for name in self.needed:
            if name not in self.leaves:
                made[name] = eval(texts[name], made)
                if isinstance(made[name], tg.Value) and made[name].size > 1000:
                    raise MemoryError(f"{name} has {made[name].size} numbers")
        return made[self.name]

    @contextmanager
    def written_down(self, test):
        """Write the program to a file if a test fails; hypothesis tries the smallest last."""
        try:
            yield
        except Exception as error:
            folder = Path(".hypothesis")
            folder.mkdir(exist_ok=True)
            script = folder / f"{test}.py"
            kept = self.tried.partition(" = ")[0] in self.ours
            text = str(self) + ("" if kept else f"{self.tried}\n")
            script.write_text(text, encoding="utf-8")
            error.add_note(f"{script} is:\n\n{text}")
            raise


class Running(tg.nn.Module):
    """A network whose forward pass runs a program on other leaves."""

    def __init__(self, program):
        self._program_run = program

    def forward(self, *leaves):
        return self._program_run.again(leaves)


def alone(operation):
    """Yield programs of one operation each, on operands of all shapes that it accepts."""
    drawn = {name: texts[0] for name, texts in CHOICES.items()}
    for shape in SHAPES:
        program = Program()
        for seed in (1, 2)[: operation.arity]:
            numbers = f"np.random.default_rng({seed}).standard_normal({shape})"
            program.add(f"tg.Value({numbers})")
            program.leaves.append(program.name)
        if len(shape) not in operation.ndim:
            continue
        try:
            program.add(
                operation.ours.format("v0", "v1", **drawn),
                operation.theirs.format("v0", "v1", **drawn),
            )
        except TinygradPoolError:
            continue
        yield program


def over(x, axis):
    """Convert NumPy's axis to PyTorch's axes."""
    return tuple(range(x.ndim)) if axis is None else axis


@st.composite
def leaves(draw, place, numbers, shapes, dtypes):
    """Draw the text of a leaf: a number or an array, of any memory layout."""
    shape, dtype = draw(st.sampled_from(shapes)), draw(st.sampled_from(dtypes))
    if numbers == "tame":
        seed = draw(st.integers(0, 99)) + 100 * place
        drawn = f"np.random.default_rng({seed}).standard_normal({shape})"
        if not shape and draw(st.booleans()):
            return f"tg.Value({drawn})"
        array = f"np.asarray({drawn}, '{dtype}')"
    else:
        number = st.sampled_from(TIED if numbers == "tied" else ODD)
        listed = ", ".join(draw(number) for _ in range(prod(shape)))
        if not shape and draw(st.booleans()):
            return f"tg.Value({listed})"
        array = f"np.array([{listed}], '{draw(ORDERS)}{dtype}').reshape({shape})"
    layouts = LAYOUTS if numbers == "tame" else [*LAYOUTS, REPEATED]  # tame ones have no ties
    layout = draw(st.sampled_from(layouts if shape else layouts[:1]))
    return f"tg.Value({layout.format(x=array, shape=shape)})"


NUMBERS = ("tame", "tied", "odd")


@st.composite
def programs(
    draw,
    numbers=NUMBERS,
    operations=ALL,
    shapes=(*SHAPES, *EMPTY),
    dtypes=tuple(DTYPES),
    most=40,
    largest=100,
):
    """Draw a program. Lines that raise our errors are left out, as are large numbers among tame."""
    program, kind = Program(), draw(st.sampled_from(numbers))
    for _ in range(draw(st.integers(1, 4))):
        program.add(draw(leaves(len(program.ours), kind, shapes, dtypes)))
        program.leaves.append(program.name)
    for _ in range(draw(st.integers(1, most))):
        line = draw(lines(program, operations))
        if line is None:
            continue
        with program.written_down("drawing"):
            try_line(program, line, kind == "tame", largest)
    while not has_a_pass(program):
        program.drop()
    return program


def has_a_pass(program):
    """Return whether a pass can begin at the last Value without one of our errors."""
    try:
        with np.errstate(all="ignore"):
            tg.grad(program.root, program.root, program.gradient)
    except TinygradPoolError:  # detached, or a matrix without an inverse
        return False
    return True


@st.composite
def lines(draw, program, operations):
    """Draw an operation and recent operands that may fit it; None if there are none."""
    operation = draw(st.sampled_from(operations))
    fit = [name for name in program.ours if program.made[name].ndim in operation.ndim][::-1]
    if not fit:
        return None
    names = [draw(st.sampled_from(fit[:4]))]
    names += [draw(st.sampled_from([*program.ours][::-1])) for _ in range(operation.arity - 1)]
    drawn = {
        name: draw(st.sampled_from(texts))
        for name, texts in CHOICES.items()
        if f"{{{name}}}" in operation.ours
    }
    return operation.ours.format(*names, **drawn), operation.theirs.format(*names, **drawn)


def try_line(program, line, tame, largest):
    """Add a line, unless it raises our error, or its result is large or not tame."""
    try:
        made = program.add(*line)
    except (TinygradPoolError, np.linalg.LinAlgError):
        return
    wild = not np.all(np.abs(made.data) < 50)
    if made.size > largest or (tame and wild):
        program.drop()


counted: dict[str, list[float]] = {}
"""For each kind of check: how many showed something, how many were tried, the share required."""


def tally(what, shown, least=0.75):
    """Count a check, and return whether it shows something."""
    before = counted.get(what, (0, 0, least))
    counted[what] = [before[0] + bool(shown), before[1] + 1, least]
    return shown


def assert_most_showed_something():
    """Require that few programs were skipped silently; then reset the counts."""
    shares = {**counted}
    counted.clear()
    for what, (shown, tried, least) in shares.items():
        assert shown >= least * tried, f"{what}: {shown} of {tried} programs showed something"


MARGIN = 1024
SAMPLES = 6


def deviations(root, gradient, xs, roundings):
    """Measure how much rounding errors, MARGIN times those of a dtype, change data and gradients.

    Every operand and contribution is moved at random, up and down, relative to the largest number
    in its array, SAMPLES times. So ill-conditioned numbers and nearby kinks allow large deviations,
    and shapes that change, as of np.trim_zeros, allow any. Returns the largest change of the data,
    and of the gradient of each x; inf if not finite.
    """
    with np.errstate(all="ignore"):
        exact = _jolted(root, gradient, xs, 0.0, 0)
        largest = [0.0] * len(exact)
        for sample in range(SAMPLES):
            for size in (MARGIN * roundings, -MARGIN * roundings):
                try:
                    moved = _jolted(root, gradient, xs, size, sample)
                except ShapeError:
                    return [np.inf] * len(exact)
                pairs = zip(largest, moved, exact, strict=True)
                largest = [max(m, _distance(a, b)) for m, a, b in pairs]
        largest[0] += MARGIN * roundings * float(np.max(np.abs(exact[0]), initial=0.0))
    return largest


def _distance(a, b):
    distance = np.max(np.abs(np.asarray(a, float) - b), initial=0.0)
    return float(distance) if np.isfinite(distance) else np.inf


def _jolted(root, gradient, xs, size, seed):
    """Run both passes in float64 with every number moved a little."""
    rng = np.random.default_rng(seed)

    def noise(shape, *arrays):
        scale = max(np.max(np.abs(x), initial=0.0) for x in arrays)
        return size * scale * rng.standard_normal(shape)

    def make(node, operands):
        if node.is_leaf:
            return tg.Value(np.asarray(node.data, float))
        moved = [p + noise(p.shape, p.data) if isinstance(p, tg.Value) else p for p in operands]
        twin = reapply(node, moved)
        if twin.shape != node.shape:
            raise ShapeError("numbers that moved changed a shape")
        return twin

    twins = run_forward(root, make)
    gradients = {twins[root]: np.broadcast_to(np.asarray(gradient, float), root.shape)}
    for node in reversed(topological_order(twins[root])):
        if node.is_leaf or node not in gradients:
            continue
        g = gradients[node]
        for p, c in zip(node.parents, vjp_by_operand(node, g), strict=True):
            if c is not None:
                moved = c + noise(np.shape(c), c, g)
                gradients[p] = gradients[p] + moved if p in gradients else moved
    return [twins[root].data, *(gradients.get(twins.get(x), np.zeros(x.shape)) for x in xs)]
