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
    tanh as tanh,
)
from tinygrad_pool.functional import (
    weighted_sum as weighted_sum,
)
from tinygrad_pool.functional import (
    where as where,
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
