"""What the package offers: for editors and type checkers, and for __init__.py to load from."""

from tinygrad_pool import (
    codegen as codegen,
)
from tinygrad_pool import (
    datasets as datasets,
)
from tinygrad_pool import (
    debugger as debugger,
)
from tinygrad_pool import (
    derivatives as derivatives,
)
from tinygrad_pool import (
    diagnosis as diagnosis,
)
from tinygrad_pool import (
    drawing as drawing,
)
from tinygrad_pool import (
    functional as functional,
)
from tinygrad_pool import (
    nn as nn,
)
from tinygrad_pool import (
    optim as optim,
)
from tinygrad_pool import (
    pooling_as_weights as pooling_as_weights,
)
from tinygrad_pool import (
    recording as recording,
)
from tinygrad_pool.codegen import (
    unroll as unroll,
)
from tinygrad_pool.debugger import (
    debug as debug,
)
from tinygrad_pool.derivatives import (
    explode as explode,
)
from tinygrad_pool.derivatives import (
    find_ties as find_ties,
)
from tinygrad_pool.derivatives import (
    receptive_field as receptive_field,
)
from tinygrad_pool.derivatives import (
    weights_of as weights_of,
)
from tinygrad_pool.derivatives.transforms import (
    hessian as hessian,
)
from tinygrad_pool.derivatives.transforms import (
    jacobian as jacobian,
)
from tinygrad_pool.derivatives.transforms import (
    jacrev as jacrev,
)
from tinygrad_pool.derivatives.transforms import (
    jvp as jvp,
)
from tinygrad_pool.derivatives.transforms import (
    vjp as vjp,
)
from tinygrad_pool.diagnosis import (
    diagnose as diagnose,
)
from tinygrad_pool.diagnosis import (
    watch as watch,
)
from tinygrad_pool.drawing import (
    draw as draw,
)
from tinygrad_pool.drawing import (
    draw_units as draw_units,
)
from tinygrad_pool.drawing import (
    draw_windows as draw_windows,
)
from tinygrad_pool.drawing import (
    frames as frames,
)
from tinygrad_pool.drawing import (
    render as render,
)
from tinygrad_pool.drawing import (
    tree as tree,
)
from tinygrad_pool.engine.context import (
    checked as checked,
)
from tinygrad_pool.engine.context import (
    no_grad as no_grad,
)
from tinygrad_pool.engine.context import (
    scope as scope,
)
from tinygrad_pool.engine.context import (
    traced as traced,
)
from tinygrad_pool.engine.gradients import (
    backward_steps as backward_steps,
)
from tinygrad_pool.engine.gradients import (
    grad as grad,
)
from tinygrad_pool.engine.gradients import (
    value_and_grad as value_and_grad,
)
from tinygrad_pool.engine.steps import Step as Step
from tinygrad_pool.engine.value import (
    Value as Value,
)
from tinygrad_pool.engine.value import (
    lift as lift,
)
from tinygrad_pool.functional import (
    abs as abs,
)
from tinygrad_pool.functional import (
    adaptive_avg_pool1d as adaptive_avg_pool1d,
)
from tinygrad_pool.functional import (
    adaptive_avg_pool2d as adaptive_avg_pool2d,
)
from tinygrad_pool.functional import (
    adaptive_avg_pool3d as adaptive_avg_pool3d,
)
from tinygrad_pool.functional import (
    adaptive_max_pool1d as adaptive_max_pool1d,
)
from tinygrad_pool.functional import (
    adaptive_max_pool2d as adaptive_max_pool2d,
)
from tinygrad_pool.functional import (
    adaptive_max_pool3d as adaptive_max_pool3d,
)
from tinygrad_pool.functional import (
    avg_pool1d as avg_pool1d,
)
from tinygrad_pool.functional import (
    avg_pool2d as avg_pool2d,
)
from tinygrad_pool.functional import (
    avg_pool3d as avg_pool3d,
)
from tinygrad_pool.functional import (
    batch_norm as batch_norm,
)
from tinygrad_pool.functional import (
    binary_cross_entropy as binary_cross_entropy,
)
from tinygrad_pool.functional import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from tinygrad_pool.functional import (
    broadcast_to as broadcast_to,
)
from tinygrad_pool.functional import (
    celu as celu,
)
from tinygrad_pool.functional import (
    clip as clip,
)
from tinygrad_pool.functional import (
    concatenate as concatenate,
)
from tinygrad_pool.functional import (
    conv1d as conv1d,
)
from tinygrad_pool.functional import (
    conv2d as conv2d,
)
from tinygrad_pool.functional import (
    conv3d as conv3d,
)
from tinygrad_pool.functional import (
    cos as cos,
)
from tinygrad_pool.functional import (
    cross_entropy as cross_entropy,
)
from tinygrad_pool.functional import (
    dropout as dropout,
)
from tinygrad_pool.functional import (
    elu as elu,
)
from tinygrad_pool.functional import (
    erf as erf,
)
from tinygrad_pool.functional import (
    erfc as erfc,
)
from tinygrad_pool.functional import (
    exp as exp,
)
from tinygrad_pool.functional import (
    expand_dims as expand_dims,
)
from tinygrad_pool.functional import (
    expm1 as expm1,
)
from tinygrad_pool.functional import (
    gelu as gelu,
)
from tinygrad_pool.functional import (
    group_norm as group_norm,
)
from tinygrad_pool.functional import (
    hardsigmoid as hardsigmoid,
)
from tinygrad_pool.functional import (
    hardswish as hardswish,
)
from tinygrad_pool.functional import (
    hardtanh as hardtanh,
)
from tinygrad_pool.functional import (
    huber_loss as huber_loss,
)
from tinygrad_pool.functional import (
    instance_norm as instance_norm,
)
from tinygrad_pool.functional import (
    kl_div as kl_div,
)
from tinygrad_pool.functional import (
    l1_loss as l1_loss,
)
from tinygrad_pool.functional import (
    layer_norm as layer_norm,
)
from tinygrad_pool.functional import (
    leaky_relu as leaky_relu,
)
from tinygrad_pool.functional import (
    linear as linear,
)
from tinygrad_pool.functional import (
    log as log,
)
from tinygrad_pool.functional import (
    log1p as log1p,
)
from tinygrad_pool.functional import (
    log_softmax as log_softmax,
)
from tinygrad_pool.functional import (
    logsigmoid as logsigmoid,
)
from tinygrad_pool.functional import (
    logsumexp as logsumexp,
)
from tinygrad_pool.functional import (
    lp_pool1d as lp_pool1d,
)
from tinygrad_pool.functional import (
    lp_pool2d as lp_pool2d,
)
from tinygrad_pool.functional import (
    lp_pool3d as lp_pool3d,
)
from tinygrad_pool.functional import (
    matmul as matmul,
)
from tinygrad_pool.functional import (
    max as max,
)
from tinygrad_pool.functional import (
    max_pool1d as max_pool1d,
)
from tinygrad_pool.functional import (
    max_pool2d as max_pool2d,
)
from tinygrad_pool.functional import (
    max_pool3d as max_pool3d,
)
from tinygrad_pool.functional import (
    max_unpool1d as max_unpool1d,
)
from tinygrad_pool.functional import (
    max_unpool2d as max_unpool2d,
)
from tinygrad_pool.functional import (
    max_unpool3d as max_unpool3d,
)
from tinygrad_pool.functional import (
    maximum as maximum,
)
from tinygrad_pool.functional import (
    mean as mean,
)
from tinygrad_pool.functional import (
    min as min,
)
from tinygrad_pool.functional import (
    minimum as minimum,
)
from tinygrad_pool.functional import (
    mish as mish,
)
from tinygrad_pool.functional import (
    mse_loss as mse_loss,
)
from tinygrad_pool.functional import (
    nll_loss as nll_loss,
)
from tinygrad_pool.functional import (
    prelu as prelu,
)
from tinygrad_pool.functional import (
    relu as relu,
)
from tinygrad_pool.functional import (
    relu6 as relu6,
)
from tinygrad_pool.functional import (
    selu as selu,
)
from tinygrad_pool.functional import (
    sigmoid as sigmoid,
)
from tinygrad_pool.functional import (
    silu as silu,
)
from tinygrad_pool.functional import (
    sin as sin,
)
from tinygrad_pool.functional import (
    smooth_l1_loss as smooth_l1_loss,
)
from tinygrad_pool.functional import (
    softmax as softmax,
)
from tinygrad_pool.functional import (
    softplus as softplus,
)
from tinygrad_pool.functional import (
    softsign as softsign,
)
from tinygrad_pool.functional import (
    sqrt as sqrt,
)
from tinygrad_pool.functional import (
    square as square,
)
from tinygrad_pool.functional import (
    squeeze as squeeze,
)
from tinygrad_pool.functional import (
    stack as stack,
)
from tinygrad_pool.functional import (
    sum as sum,
)
from tinygrad_pool.functional import (
    tanh as tanh,
)
from tinygrad_pool.functional import (
    weighted_sum as weighted_sum,
)
from tinygrad_pool.functional import (
    where as where,
)
from tinygrad_pool.functional.numpy_functions import (
    absolute as absolute,
)
from tinygrad_pool.functional.numpy_functions import (
    acos as acos,
)
from tinygrad_pool.functional.numpy_functions import (
    acosh as acosh,
)
from tinygrad_pool.functional.numpy_functions import (
    add as add,
)
from tinygrad_pool.functional.numpy_functions import (
    all as all,
)
from tinygrad_pool.functional.numpy_functions import (
    allclose as allclose,
)
from tinygrad_pool.functional.numpy_functions import (
    amax as amax,
)
from tinygrad_pool.functional.numpy_functions import (
    amin as amin,
)
from tinygrad_pool.functional.numpy_functions import (
    any as any,
)
from tinygrad_pool.functional.numpy_functions import (
    append as append,
)
from tinygrad_pool.functional.numpy_functions import (
    arccos as arccos,
)
from tinygrad_pool.functional.numpy_functions import (
    arccosh as arccosh,
)
from tinygrad_pool.functional.numpy_functions import (
    arcsin as arcsin,
)
from tinygrad_pool.functional.numpy_functions import (
    arcsinh as arcsinh,
)
from tinygrad_pool.functional.numpy_functions import (
    arctan as arctan,
)
from tinygrad_pool.functional.numpy_functions import (
    arctan2 as arctan2,
)
from tinygrad_pool.functional.numpy_functions import (
    arctanh as arctanh,
)
from tinygrad_pool.functional.numpy_functions import (
    argmax as argmax,
)
from tinygrad_pool.functional.numpy_functions import (
    argmin as argmin,
)
from tinygrad_pool.functional.numpy_functions import (
    argpartition as argpartition,
)
from tinygrad_pool.functional.numpy_functions import (
    argsort as argsort,
)
from tinygrad_pool.functional.numpy_functions import (
    argwhere as argwhere,
)
from tinygrad_pool.functional.numpy_functions import (
    around as around,
)
from tinygrad_pool.functional.numpy_functions import (
    array2string as array2string,
)
from tinygrad_pool.functional.numpy_functions import (
    array_equal as array_equal,
)
from tinygrad_pool.functional.numpy_functions import (
    array_equiv as array_equiv,
)
from tinygrad_pool.functional.numpy_functions import (
    array_repr as array_repr,
)
from tinygrad_pool.functional.numpy_functions import (
    array_split as array_split,
)
from tinygrad_pool.functional.numpy_functions import (
    array_str as array_str,
)
from tinygrad_pool.functional.numpy_functions import (
    asin as asin,
)
from tinygrad_pool.functional.numpy_functions import (
    asinh as asinh,
)
from tinygrad_pool.functional.numpy_functions import (
    astype as astype,
)
from tinygrad_pool.functional.numpy_functions import (
    atan as atan,
)
from tinygrad_pool.functional.numpy_functions import (
    atan2 as atan2,
)
from tinygrad_pool.functional.numpy_functions import (
    atanh as atanh,
)
from tinygrad_pool.functional.numpy_functions import (
    atleast_1d as atleast_1d,
)
from tinygrad_pool.functional.numpy_functions import (
    atleast_2d as atleast_2d,
)
from tinygrad_pool.functional.numpy_functions import (
    atleast_3d as atleast_3d,
)
from tinygrad_pool.functional.numpy_functions import (
    average as average,
)
from tinygrad_pool.functional.numpy_functions import (
    bincount as bincount,
)
from tinygrad_pool.functional.numpy_functions import (
    block as block,
)
from tinygrad_pool.functional.numpy_functions import (
    broadcast_arrays as broadcast_arrays,
)
from tinygrad_pool.functional.numpy_functions import (
    cbrt as cbrt,
)
from tinygrad_pool.functional.numpy_functions import (
    ceil as ceil,
)
from tinygrad_pool.functional.numpy_functions import (
    cholesky as cholesky,
)
from tinygrad_pool.functional.numpy_functions import (
    choose as choose,
)
from tinygrad_pool.functional.numpy_functions import (
    column_stack as column_stack,
)
from tinygrad_pool.functional.numpy_functions import (
    compress as compress,
)
from tinygrad_pool.functional.numpy_functions import (
    concat as concat,
)
from tinygrad_pool.functional.numpy_functions import (
    conj as conj,
)
from tinygrad_pool.functional.numpy_functions import (
    conjugate as conjugate,
)
from tinygrad_pool.functional.numpy_functions import (
    convolve as convolve,
)
from tinygrad_pool.functional.numpy_functions import (
    copy as copy,
)
from tinygrad_pool.functional.numpy_functions import (
    copysign as copysign,
)
from tinygrad_pool.functional.numpy_functions import (
    corrcoef as corrcoef,
)
from tinygrad_pool.functional.numpy_functions import (
    correlate as correlate,
)
from tinygrad_pool.functional.numpy_functions import (
    cosh as cosh,
)
from tinygrad_pool.functional.numpy_functions import (
    count_nonzero as count_nonzero,
)
from tinygrad_pool.functional.numpy_functions import (
    cov as cov,
)
from tinygrad_pool.functional.numpy_functions import (
    cross as cross,
)
from tinygrad_pool.functional.numpy_functions import (
    cumprod as cumprod,
)
from tinygrad_pool.functional.numpy_functions import (
    cumsum as cumsum,
)
from tinygrad_pool.functional.numpy_functions import (
    cumulative_prod as cumulative_prod,
)
from tinygrad_pool.functional.numpy_functions import (
    cumulative_sum as cumulative_sum,
)
from tinygrad_pool.functional.numpy_functions import (
    deg2rad as deg2rad,
)
from tinygrad_pool.functional.numpy_functions import (
    degrees as degrees,
)
from tinygrad_pool.functional.numpy_functions import (
    delete as delete,
)
from tinygrad_pool.functional.numpy_functions import (
    det as det,
)
from tinygrad_pool.functional.numpy_functions import (
    diag as diag,
)
from tinygrad_pool.functional.numpy_functions import (
    diagflat as diagflat,
)
from tinygrad_pool.functional.numpy_functions import (
    diagonal as diagonal,
)
from tinygrad_pool.functional.numpy_functions import (
    diff as diff,
)
from tinygrad_pool.functional.numpy_functions import (
    digitize as digitize,
)
from tinygrad_pool.functional.numpy_functions import (
    divide as divide,
)
from tinygrad_pool.functional.numpy_functions import (
    divmod as divmod,
)
from tinygrad_pool.functional.numpy_functions import (
    dot as dot,
)
from tinygrad_pool.functional.numpy_functions import (
    dsplit as dsplit,
)
from tinygrad_pool.functional.numpy_functions import (
    dstack as dstack,
)
from tinygrad_pool.functional.numpy_functions import (
    ediff1d as ediff1d,
)
from tinygrad_pool.functional.numpy_functions import (
    einsum as einsum,
)
from tinygrad_pool.functional.numpy_functions import (
    einsum_path as einsum_path,
)
from tinygrad_pool.functional.numpy_functions import (
    empty_like as empty_like,
)
from tinygrad_pool.functional.numpy_functions import (
    equal as equal,
)
from tinygrad_pool.functional.numpy_functions import (
    exp2 as exp2,
)
from tinygrad_pool.functional.numpy_functions import (
    extract as extract,
)
from tinygrad_pool.functional.numpy_functions import (
    fabs as fabs,
)
from tinygrad_pool.functional.numpy_functions import (
    fix as fix,
)
from tinygrad_pool.functional.numpy_functions import (
    flatnonzero as flatnonzero,
)
from tinygrad_pool.functional.numpy_functions import (
    flip as flip,
)
from tinygrad_pool.functional.numpy_functions import (
    fliplr as fliplr,
)
from tinygrad_pool.functional.numpy_functions import (
    flipud as flipud,
)
from tinygrad_pool.functional.numpy_functions import (
    float_power as float_power,
)
from tinygrad_pool.functional.numpy_functions import (
    floor as floor,
)
from tinygrad_pool.functional.numpy_functions import (
    floor_divide as floor_divide,
)
from tinygrad_pool.functional.numpy_functions import (
    fmax as fmax,
)
from tinygrad_pool.functional.numpy_functions import (
    fmin as fmin,
)
from tinygrad_pool.functional.numpy_functions import (
    fmod as fmod,
)
from tinygrad_pool.functional.numpy_functions import (
    full_like as full_like,
)
from tinygrad_pool.functional.numpy_functions import (
    gradient as gradient,
)
from tinygrad_pool.functional.numpy_functions import (
    greater as greater,
)
from tinygrad_pool.functional.numpy_functions import (
    greater_equal as greater_equal,
)
from tinygrad_pool.functional.numpy_functions import (
    heaviside as heaviside,
)
from tinygrad_pool.functional.numpy_functions import (
    histogram as histogram,
)
from tinygrad_pool.functional.numpy_functions import (
    histogram2d as histogram2d,
)
from tinygrad_pool.functional.numpy_functions import (
    histogram_bin_edges as histogram_bin_edges,
)
from tinygrad_pool.functional.numpy_functions import (
    histogramdd as histogramdd,
)
from tinygrad_pool.functional.numpy_functions import (
    hsplit as hsplit,
)
from tinygrad_pool.functional.numpy_functions import (
    hstack as hstack,
)
from tinygrad_pool.functional.numpy_functions import (
    hypot as hypot,
)
from tinygrad_pool.functional.numpy_functions import (
    inner as inner,
)
from tinygrad_pool.functional.numpy_functions import (
    insert as insert,
)
from tinygrad_pool.functional.numpy_functions import (
    interp as interp,
)
from tinygrad_pool.functional.numpy_functions import (
    intersect1d as intersect1d,
)
from tinygrad_pool.functional.numpy_functions import (
    inv as inv,
)
from tinygrad_pool.functional.numpy_functions import (
    isclose as isclose,
)
from tinygrad_pool.functional.numpy_functions import (
    iscomplex as iscomplex,
)
from tinygrad_pool.functional.numpy_functions import (
    iscomplexobj as iscomplexobj,
)
from tinygrad_pool.functional.numpy_functions import (
    isfinite as isfinite,
)
from tinygrad_pool.functional.numpy_functions import (
    isin as isin,
)
from tinygrad_pool.functional.numpy_functions import (
    isinf as isinf,
)
from tinygrad_pool.functional.numpy_functions import (
    isnan as isnan,
)
from tinygrad_pool.functional.numpy_functions import (
    isneginf as isneginf,
)
from tinygrad_pool.functional.numpy_functions import (
    isposinf as isposinf,
)
from tinygrad_pool.functional.numpy_functions import (
    isreal as isreal,
)
from tinygrad_pool.functional.numpy_functions import (
    isrealobj as isrealobj,
)
from tinygrad_pool.functional.numpy_functions import (
    kron as kron,
)
from tinygrad_pool.functional.numpy_functions import (
    ldexp as ldexp,
)
from tinygrad_pool.functional.numpy_functions import (
    less as less,
)
from tinygrad_pool.functional.numpy_functions import (
    less_equal as less_equal,
)
from tinygrad_pool.functional.numpy_functions import (
    lexsort as lexsort,
)
from tinygrad_pool.functional.numpy_functions import (
    log2 as log2,
)
from tinygrad_pool.functional.numpy_functions import (
    log10 as log10,
)
from tinygrad_pool.functional.numpy_functions import (
    logaddexp as logaddexp,
)
from tinygrad_pool.functional.numpy_functions import (
    logaddexp2 as logaddexp2,
)
from tinygrad_pool.functional.numpy_functions import (
    logical_and as logical_and,
)
from tinygrad_pool.functional.numpy_functions import (
    logical_not as logical_not,
)
from tinygrad_pool.functional.numpy_functions import (
    logical_or as logical_or,
)
from tinygrad_pool.functional.numpy_functions import (
    logical_xor as logical_xor,
)
from tinygrad_pool.functional.numpy_functions import (
    matrix_norm as matrix_norm,
)
from tinygrad_pool.functional.numpy_functions import (
    matrix_power as matrix_power,
)
from tinygrad_pool.functional.numpy_functions import (
    matrix_rank as matrix_rank,
)
from tinygrad_pool.functional.numpy_functions import (
    matrix_transpose as matrix_transpose,
)
from tinygrad_pool.functional.numpy_functions import (
    matvec as matvec,
)
from tinygrad_pool.functional.numpy_functions import (
    median as median,
)
from tinygrad_pool.functional.numpy_functions import (
    meshgrid as meshgrid,
)
from tinygrad_pool.functional.numpy_functions import (
    mod as mod,
)
from tinygrad_pool.functional.numpy_functions import (
    modf as modf,
)
from tinygrad_pool.functional.numpy_functions import (
    moveaxis as moveaxis,
)
from tinygrad_pool.functional.numpy_functions import (
    multi_dot as multi_dot,
)
from tinygrad_pool.functional.numpy_functions import (
    multiply as multiply,
)
from tinygrad_pool.functional.numpy_functions import (
    nan_to_num as nan_to_num,
)
from tinygrad_pool.functional.numpy_functions import (
    nanargmax as nanargmax,
)
from tinygrad_pool.functional.numpy_functions import (
    nanargmin as nanargmin,
)
from tinygrad_pool.functional.numpy_functions import (
    nancumprod as nancumprod,
)
from tinygrad_pool.functional.numpy_functions import (
    nancumsum as nancumsum,
)
from tinygrad_pool.functional.numpy_functions import (
    nanmax as nanmax,
)
from tinygrad_pool.functional.numpy_functions import (
    nanmean as nanmean,
)
from tinygrad_pool.functional.numpy_functions import (
    nanmedian as nanmedian,
)
from tinygrad_pool.functional.numpy_functions import (
    nanmin as nanmin,
)
from tinygrad_pool.functional.numpy_functions import (
    nanpercentile as nanpercentile,
)
from tinygrad_pool.functional.numpy_functions import (
    nanprod as nanprod,
)
from tinygrad_pool.functional.numpy_functions import (
    nanquantile as nanquantile,
)
from tinygrad_pool.functional.numpy_functions import (
    nanstd as nanstd,
)
from tinygrad_pool.functional.numpy_functions import (
    nansum as nansum,
)
from tinygrad_pool.functional.numpy_functions import (
    nanvar as nanvar,
)
from tinygrad_pool.functional.numpy_functions import (
    ndim as ndim,
)
from tinygrad_pool.functional.numpy_functions import (
    negative as negative,
)
from tinygrad_pool.functional.numpy_functions import (
    nonzero as nonzero,
)
from tinygrad_pool.functional.numpy_functions import (
    norm as norm,
)
from tinygrad_pool.functional.numpy_functions import (
    not_equal as not_equal,
)
from tinygrad_pool.functional.numpy_functions import (
    ones_like as ones_like,
)
from tinygrad_pool.functional.numpy_functions import (
    outer as outer,
)
from tinygrad_pool.functional.numpy_functions import (
    pad as pad,
)
from tinygrad_pool.functional.numpy_functions import (
    partition as partition,
)
from tinygrad_pool.functional.numpy_functions import (
    percentile as percentile,
)
from tinygrad_pool.functional.numpy_functions import (
    permute_dims as permute_dims,
)
from tinygrad_pool.functional.numpy_functions import (
    polyval as polyval,
)
from tinygrad_pool.functional.numpy_functions import (
    positive as positive,
)
from tinygrad_pool.functional.numpy_functions import (
    pow as pow,
)
from tinygrad_pool.functional.numpy_functions import (
    power as power,
)
from tinygrad_pool.functional.numpy_functions import (
    prod as prod,
)
from tinygrad_pool.functional.numpy_functions import (
    ptp as ptp,
)
from tinygrad_pool.functional.numpy_functions import (
    quantile as quantile,
)
from tinygrad_pool.functional.numpy_functions import (
    rad2deg as rad2deg,
)
from tinygrad_pool.functional.numpy_functions import (
    radians as radians,
)
from tinygrad_pool.functional.numpy_functions import (
    ravel as ravel,
)
from tinygrad_pool.functional.numpy_functions import (
    real as real,
)
from tinygrad_pool.functional.numpy_functions import (
    real_if_close as real_if_close,
)
from tinygrad_pool.functional.numpy_functions import (
    reciprocal as reciprocal,
)
from tinygrad_pool.functional.numpy_functions import (
    remainder as remainder,
)
from tinygrad_pool.functional.numpy_functions import (
    repeat as repeat,
)
from tinygrad_pool.functional.numpy_functions import (
    resize as resize,
)
from tinygrad_pool.functional.numpy_functions import (
    result_type as result_type,
)
from tinygrad_pool.functional.numpy_functions import (
    rint as rint,
)
from tinygrad_pool.functional.numpy_functions import (
    roll as roll,
)
from tinygrad_pool.functional.numpy_functions import (
    rollaxis as rollaxis,
)
from tinygrad_pool.functional.numpy_functions import (
    rot90 as rot90,
)
from tinygrad_pool.functional.numpy_functions import (
    round as round,
)
from tinygrad_pool.functional.numpy_functions import (
    searchsorted as searchsorted,
)
from tinygrad_pool.functional.numpy_functions import (
    select as select,
)
from tinygrad_pool.functional.numpy_functions import (
    setdiff1d as setdiff1d,
)
from tinygrad_pool.functional.numpy_functions import (
    setxor1d as setxor1d,
)
from tinygrad_pool.functional.numpy_functions import (
    shape as shape,
)
from tinygrad_pool.functional.numpy_functions import (
    sign as sign,
)
from tinygrad_pool.functional.numpy_functions import (
    signbit as signbit,
)
from tinygrad_pool.functional.numpy_functions import (
    sinc as sinc,
)
from tinygrad_pool.functional.numpy_functions import (
    sinh as sinh,
)
from tinygrad_pool.functional.numpy_functions import (
    size as size,
)
from tinygrad_pool.functional.numpy_functions import (
    slogdet as slogdet,
)
from tinygrad_pool.functional.numpy_functions import (
    solve as solve,
)
from tinygrad_pool.functional.numpy_functions import (
    sort as sort,
)
from tinygrad_pool.functional.numpy_functions import (
    split as split,
)
from tinygrad_pool.functional.numpy_functions import (
    std as std,
)
from tinygrad_pool.functional.numpy_functions import (
    subtract as subtract,
)
from tinygrad_pool.functional.numpy_functions import (
    swapaxes as swapaxes,
)
from tinygrad_pool.functional.numpy_functions import (
    take as take,
)
from tinygrad_pool.functional.numpy_functions import (
    take_along_axis as take_along_axis,
)
from tinygrad_pool.functional.numpy_functions import (
    tan as tan,
)
from tinygrad_pool.functional.numpy_functions import (
    tensordot as tensordot,
)
from tinygrad_pool.functional.numpy_functions import (
    tile as tile,
)
from tinygrad_pool.functional.numpy_functions import (
    trace as trace,
)
from tinygrad_pool.functional.numpy_functions import (
    trapezoid as trapezoid,
)
from tinygrad_pool.functional.numpy_functions import (
    tril as tril,
)
from tinygrad_pool.functional.numpy_functions import (
    tril_indices_from as tril_indices_from,
)
from tinygrad_pool.functional.numpy_functions import (
    trim_zeros as trim_zeros,
)
from tinygrad_pool.functional.numpy_functions import (
    triu as triu,
)
from tinygrad_pool.functional.numpy_functions import (
    triu_indices_from as triu_indices_from,
)
from tinygrad_pool.functional.numpy_functions import (
    true_divide as true_divide,
)
from tinygrad_pool.functional.numpy_functions import (
    trunc as trunc,
)
from tinygrad_pool.functional.numpy_functions import (
    union1d as union1d,
)
from tinygrad_pool.functional.numpy_functions import (
    unique as unique,
)
from tinygrad_pool.functional.numpy_functions import (
    unique_all as unique_all,
)
from tinygrad_pool.functional.numpy_functions import (
    unique_counts as unique_counts,
)
from tinygrad_pool.functional.numpy_functions import (
    unique_inverse as unique_inverse,
)
from tinygrad_pool.functional.numpy_functions import (
    unique_values as unique_values,
)
from tinygrad_pool.functional.numpy_functions import (
    unstack as unstack,
)
from tinygrad_pool.functional.numpy_functions import (
    unwrap as unwrap,
)
from tinygrad_pool.functional.numpy_functions import (
    var as var,
)
from tinygrad_pool.functional.numpy_functions import (
    vdot as vdot,
)
from tinygrad_pool.functional.numpy_functions import (
    vecdot as vecdot,
)
from tinygrad_pool.functional.numpy_functions import (
    vecmat as vecmat,
)
from tinygrad_pool.functional.numpy_functions import (
    vector_norm as vector_norm,
)
from tinygrad_pool.functional.numpy_functions import (
    vsplit as vsplit,
)
from tinygrad_pool.functional.numpy_functions import (
    vstack as vstack,
)
from tinygrad_pool.functional.numpy_functions import (
    zeros_like as zeros_like,
)
from tinygrad_pool.gradient_check import (
    gradcheck as gradcheck,
)
from tinygrad_pool.pooling_as_weights import (
    as_weight_layer as as_weight_layer,
)
from tinygrad_pool.pooling_as_weights import (
    compare_weight_layer as compare_weight_layer,
)
from tinygrad_pool.recording import (
    compare_passes as compare_passes,
)
from tinygrad_pool.recording import (
    derive as derive,
)
from tinygrad_pool.recording import (
    record as record,
)

__version__: str
