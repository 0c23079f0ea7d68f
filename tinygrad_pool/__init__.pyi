"""The public names, for editors and type checkers, and for __init__.py to load on first use."""

from collections.abc import Callable
from typing import Any

from tinygrad_pool import (
    bridges as bridges,
    codegen as codegen,
    datasets as datasets,
    debugger as debugger,
    derivatives as derivatives,
    diagnosis as diagnosis,
    drawing as drawing,
    functional as functional,
    nn as nn,
    optim as optim,
    pooling_as_weights as pooling_as_weights,
    recording as recording,
)
from tinygrad_pool.bridges import (
    crosscheck as crosscheck,
    from_onnx as from_onnx,
    from_torch as from_torch,
    to_onnx as to_onnx,
)
from tinygrad_pool.codegen import (
    unroll as unroll,
)
from tinygrad_pool.debugger import (
    debug as debug,
)
from tinygrad_pool.derivatives import (
    explode as explode,
    find_ties as find_ties,
    receptive_field as receptive_field,
    weights_of as weights_of,
)
from tinygrad_pool.derivatives.transforms import (
    hessian as hessian,
    jacobian as jacobian,
    jacrev as jacrev,
    jvp as jvp,
    vjp as vjp,
)
from tinygrad_pool.diagnosis import (
    diagnose as diagnose,
    watch as watch,
)
from tinygrad_pool.drawing import (
    draw as draw,
    draw_units as draw_units,
    draw_windows as draw_windows,
    frames as frames,
    render as render,
    tree as tree,
)
from tinygrad_pool.engine.context import (
    checked as checked,
    no_grad as no_grad,
    scope as scope,
    traced as traced,
)
from tinygrad_pool.engine.gradients import (
    backward_steps as backward_steps,
    grad as grad,
    value_and_grad as value_and_grad,
)
from tinygrad_pool.engine.steps import Step as Step
from tinygrad_pool.engine.value import (
    Value as Value,
    lift as lift,
)
from tinygrad_pool.functional import *  # noqa: F403  # every name of it
from tinygrad_pool.gradient_check import (
    gradcheck as gradcheck,
)
from tinygrad_pool.pooling_as_weights import (
    as_weight_layer as as_weight_layer,
    compare_weight_layer as compare_weight_layer,
)
from tinygrad_pool.recording import (
    compare_passes as compare_passes,
    derive as derive,
    record as record,
)

_operation: Callable[..., Any]  # what functional.numpy_functions makes of a function of NumPy's
absolute = acos = acosh = add = all = allclose = amax = amin = any = append = arccos = _operation
arccosh = arcsin = arcsinh = arctan = arctan2 = arctanh = argmax = argmin = _operation
argpartition = argsort = argwhere = around = array2string = array_equal = array_equiv = _operation
array_repr = array_split = array_str = asin = asinh = astype = atan = atan2 = atanh = _operation
atleast_1d = atleast_2d = atleast_3d = average = bincount = block = broadcast_arrays = _operation
cbrt = ceil = cholesky = choose = column_stack = compress = concat = conj = conjugate = _operation
convolve = copy = copysign = corrcoef = correlate = cosh = count_nonzero = cov = cross = _operation
cumprod = cumsum = cumulative_prod = cumulative_sum = deg2rad = degrees = delete = det = _operation
diag = diagflat = diagonal = diff = digitize = divide = divmod = dot = dsplit = dstack = _operation
ediff1d = eigh = eigvalsh = einsum = einsum_path = empty_like = equal = exp2 = extract = _operation
fabs = fix = flatnonzero = flip = fliplr = flipud = float_power = floor = floor_divide = _operation
fmax = fmin = fmod = full_like = gradient = greater = greater_equal = heaviside = _operation
histogram = histogram2d = histogram_bin_edges = histogramdd = hsplit = hstack = hypot = _operation
inner = insert = interp = intersect1d = inv = isclose = iscomplex = iscomplexobj = _operation
isfinite = isin = isinf = isnan = isneginf = isposinf = isreal = isrealobj = kron = _operation
ldexp = less = less_equal = lexsort = linspace = log2 = log10 = logaddexp = logaddexp2 = _operation
logical_and = logical_not = logical_or = logical_xor = matrix_norm = matrix_power = _operation
matrix_rank = matrix_transpose = matvec = median = meshgrid = mod = modf = moveaxis = _operation
multi_dot = multiply = nan_to_num = nanargmax = nanargmin = nancumprod = nancumsum = _operation
nanmax = nanmean = nanmedian = nanmin = nanpercentile = nanprod = nanquantile = nanstd = _operation
nansum = nanvar = ndim = negative = nonzero = norm = not_equal = ones_like = outer = _operation
pad = partition = percentile = permute_dims = pinv = polyval = positive = pow = power = _operation
prod = ptp = quantile = rad2deg = radians = ravel = real = real_if_close = reciprocal = _operation
remainder = repeat = resize = result_type = rint = roll = rollaxis = rot90 = round = _operation
searchsorted = select = setdiff1d = setxor1d = shape = sign = signbit = sinc = sinh = _operation
size = slogdet = solve = sort = split = std = subtract = svd = svdvals = swapaxes = _operation
take = take_along_axis = tan = tensordot = tile = trace = trapezoid = tril = _operation
tril_indices_from = trim_zeros = triu = triu_indices_from = true_divide = trunc = _operation
union1d = unique = unique_all = unique_counts = unique_inverse = unique_values = _operation
unstack = unwrap = vander = var = vdot = vecdot = vecmat = vector_norm = vsplit = _operation
vstack = zeros_like = _operation

__version__: str

def _missing_from(module: str, name: str) -> AttributeError: ...
