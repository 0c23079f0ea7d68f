"""Names from other libraries, PyTorch, NumPy, JAX and micrograd, and guesses at names of this one.

The error for `v.view(4)`, `tg.tensor(x)` or `nn.Embedding()` says what to write instead. It is an
AttributeError, so `hasattr` is false. This module is loaded when first needed.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from tinygrad_pool.errors import HabitError


def _by_name(table: dict[str, str]) -> dict[str, str]:
    """Give each name an entry of its own, in which {name} is the name without a last underscore."""
    return {
        name: way.replace("{name}", name.rstrip("_"))
        for names, way in table.items()
        for name in names.split()
    }


OF_VALUES = _by_name(
    {
        "view unflatten": "v.reshape(shape)",
        "view_as reshape_as": "v.reshape(w.shape)",
        "unsqueeze expand_dims": "np.expand_dims(v, axis)",
        "permute": "v.transpose(axes)",
        "t": "v.T",
        "expand broadcast_to": "tg.broadcast_to(v, shape)",
        "expand_as": "tg.broadcast_to(v, w.shape)",
        "gather": "np.take_along_axis(v, v.argsort(axis), axis)  # TensorFlow's is v[indices]",
        "index_select": "v[indices]",
        "split chunk unbind": "v[:1], v[1:]",
        "cat": "np.concatenate([v, w])",
        "concat concatenate dstack hstack stack vstack": "np.{name}([v, w])",
        "numpy value to_numpy cpu": "v.data",
        "values indices": "v.max(axis), v.argmax(axis)  # v.data has the numbers",
        "tobytes tolist": "np.asarray(v.data).{name}()",
        "stride": "np.asarray(v.data).strides",
        "is_contiguous": "np.asarray(v.data).flags.c_contiguous",
        "scatter scatter_ index_fill_ index_put_": "np.where(mask, w, v)",
        "scatter_add scatter_add_ index_add index_add_": "np.eye(3)[indices].T @ v",
        "to type": "v.astype(dtype)",
        "double": "v.astype(np.float64)",
        "float": "v.astype(np.float32)",
        "half bfloat16": "v.astype(np.float16)",
        "int long bool byte char short": "v.data.astype(dtype)",
        "cuda contiguous realize block_until_ready": "v",
        "clone": "v  # no operation changes it; tg.Value(v.data) is a new leaf",
        "stop_gradient detach_": "v.detach()",
        "requires_grad requires_grad_": "v  # it gets a gradient; v.detach() stops it",
        "grad_fn creator": "v.op, v.rule",
        "children inputs prev": "v.parents",
        "retain_grad retains_grad": "v.grad  # every Value keeps its gradient",
        "register_hook register_post_accumulate_grad_hook": (
            "[step.upstream for step in tg.backward_steps(loss)]"
        ),
        "gradient": "v.grad",
        "null_grad null_gradients clear_graph": "v.zero_grad()  # del loss frees its graph",
        "name": "v.label",
        "dim ndimension": "v.ndim",
        "numel nelement": "v.size",
        "flags flat nbytes strides": "np.asarray(v.data).{name}",
        "device": "v.dtype  # there are no devices",
        "add": "v + w",
        "subtract sub": "v - w",
        "multiply mul": "v * w",
        "divide div": "v / w",
        "neg": "-v",
        "pow power": "v**2",
        "matmul mm bmm mv": "v @ w",
        "where": "np.where(mask, v, w)",
        "rsqrt": "1 / np.sqrt(v)",
        "softmax log_softmax logsumexp": "tg.{name}(v, axis=axis)",
        "logsoftmax": "tg.log_softmax(v, axis=axis)",
        "clamp": "v.clip(0, 1)",
        "masked_fill at put": "np.where(mask, 0.0, v)",
        "masked_select extract": "v[mask]",
        "topk": "np.sort(v, axis=None)[-2:]",
        "eq": "v.data == w.data  # == between Values is identity",
        "ne": "v.data != w.data  # != between Values is identity",
        "lt": "v < w",
        "le": "v <= w",
        "gt": "v > w",
        "ge": "v >= w",
        "abs_ exp_ log_ relu_ round_ sigmoid_ sqrt_ squeeze_ tanh_ transpose_": (
            "v.{name}()  # results are new Values"
        ),
        "ceil_ cos_ floor_ reciprocal_ sin_ square_": "np.{name}(v)  # results are new Values",
        "clamp_ clip_": "v.clip(0, 1)  # results are new Values",
        "masked_fill_": "np.where(mask, 0.0, v)  # results are new Values",
        "unsqueeze_": "np.expand_dims(v, axis)  # results are new Values",
        "neg_": "-v  # results are new Values",
        "pow_": "v**2  # results are new Values",
        "t_": "v.T  # results are new Values",
        "normal_ uniform_": "nn.init.{name}_(p)  # p is a leaf",
        "zero_ fill fill_ copy_ assign": "p.data = np.zeros(p.shape)  # p is a leaf",
        "add_": "p.data = p.data + g  # p is a leaf",
        "sub_": "p.data = p.data - g  # p is a leaf",
        "mul_": "p.data = p.data * g  # p is a leaf",
        "div_": "p.data = p.data / g  # p is a leaf",
        "clamp_min": "v.clip(0.0, None)",
        "clamp_max": "v.clip(None, 1.0)",
        "erf erfc": "tg.{name}(v)",
        "frac": "v - np.trunc(v)",
        "inverse": "np.linalg.inv(v)",
        "inner vdot": "np.{name}(v, w)",
        "ldexp": "v * 2.0**n",
        "lerp": "v + 0.5 * (w - v)",
        "logdet": "np.linalg.slogdet(v)[1]",
        "logit": "np.log(v / (1 - v))",
        "narrow select": "v[0]",
        "sgn": "np.sign(v)",
        "repeat_interleave": "np.repeat(v, 2)",
        "movedim": "np.moveaxis(v, 0, 1)",
        "type_as": "v.astype(w.dtype)",
        "element_size itemsize": "v.dtype.itemsize",
        "dist": "np.linalg.norm(v - w)",
        "ger": "np.outer(v, w)",
        "kthvalue": "np.sort(v)[..., n - 1]",
        "msort": "np.sort(v, axis=0)",
        "new_empty new_zeros": "tg.Value(np.zeros(shape))",
        "new_full": "tg.Value(np.full(shape, 0.5))",
        "new_ones": "tg.Value(np.ones(shape))",
        "new_tensor": "tg.Value(numbers)",
        "swapdims": "v.swapaxes(0, 1)",
        "take_along_dim": "np.take_along_axis(v, v.argsort(axis), axis)",
        "tensor_split": "np.array_split(v, 2)",
        "is_cuda get_device pin_memory": "there are no devices",
        "is_floating_point": "v.dtype.kind == 'f'",
        "bincount": "np.bincount(v.data.astype(int))",
        "einsum einsum_path": "np.einsum('ij->ji', v)",
        "draw show plot visualize": "tg.draw(v)",
        "render": "tg.render(v, path)",
        "play to_html": "tg.record(loss).to_html('pass.html')",
        "why explain": "tg.record(loss).why(v)",
        "gains": "tg.record(loss).gains(v)",
        "check": "tg.record(loss).check()",
        "derive": "tg.derive(loss, v, index)",
        "debug diagnose record tree unroll": "tg.{name}(loss)",
    }
)
"""What to write for an attribute that a Value does not have, if not `np.name(v)`."""

OF_MODULES = _by_name(
    {
        "tensor Tensor array asarray as_tensor astensor constant convert_to_tensor from_numpy "
        "Variable Parameter": "tg.Value(numbers)",
        "backward": "loss.backward()",
        "why explain": "tg.record(loss).why(x)",
        "step set_trace": "tg.debug(loss)",
        "show plot visualize build_graph draw_dot make_dot": "tg.draw(loss)",
        "zero_grad": "optimizer.zero_grad()",
        "zeros ones empty": "tg.Value(np.{name}(shape))",
        "full": "tg.Value(np.full(shape, 0.5))",
        "eye": "tg.Value(np.eye(3))",
        "arange": "tg.Value(np.arange(10.0))",
        "rand rand_like": "tg.Value(np.random.default_rng(0).random(shape))",
        "randn normal randn_like": "tg.Value(np.random.default_rng(0).standard_normal(shape))",
        "multinomial": "np.random.default_rng(0).choice(3, p=tg.softmax(v[0]).data)",
        "randint": "np.random.default_rng(0).integers(3, size=shape)",
        "randperm": "np.random.default_rng(0).permutation(3)",
        "manual_seed seed random": "np.random.default_rng(0)  # layers take it as rng=",
        "transpose": "np.transpose(x)",
        "save": "net.save(path)",
        "load": "net.load(path)",
        "numpy": "np.tanh(x)  # NumPy's own functions take Values",
        "reshape": "x.reshape(shape)",
        "flatten": "x.reshape(len(x), -1)",
        "pad": "np.pad(x, 1)  # pools and conv take padding=",
        "one_hot": "np.eye(10)[labels]",
        "Embedding embedding": "weight[labels]",
        "ParameterList": "[tg.Value(1.0), tg.Value(2.0)]  # a list in an attribute",
        "ModuleDict ParameterDict": "{'first': nn.Linear(3, 2)}  # a dict in an attribute",
        "init": "nn.init.kaiming_uniform_(net.layer.weight, rng=0)",
        "utils": "nn.utils.clip_grad_norm_(net.parameters(), 1.0)",
        "DataLoader TensorDataset": "list(tg.datasets.batches(x.data, y.data, 32))",
        "swish": "tg.silu(x)",
        "Dense": "nn.Linear(3, 2)",
        "Conv2D": "nn.Conv2d(3, 2, 3)",
        "MaxPooling2D": "nn.MaxPool2d(2)",
        "AveragePooling2D": "nn.AvgPool2d(2)",
        "ZeroPad1d": "np.pad(x, [(0, 0)] * (x.ndim - 1) + [(1, 1)])",
        "ZeroPad2d": "np.pad(x, [(0, 0)] * (x.ndim - 2) + [(1, 1)] * 2)",
        "ReplicationPad1d": "np.pad(x, [(0, 0)] * (x.ndim - 1) + [(1, 1)], mode='edge')",
        "ReplicationPad2d": "np.pad(x, [(0, 0)] * (x.ndim - 2) + [(1, 1)] * 2, mode='edge')",
        "Softmin softmin": "tg.softmax(-x, axis=axis)",
        "Dropout1d Dropout2d Dropout3d": "nn.Dropout(0.5)  # it drops cells, not channels",
        "functional F lax": "tg.relu(x)  # operations are in tg itself",
        "lr_scheduler": "optim.lr_scheduler.StepLR(optimizer, 30)",
        "autograd": "tg.grad(loss, [x])",
        "grad_and_value": "tg.value_and_grad(lambda x: (x * w).sum())(x)",
        "elementwise_grad egrad deriv": "tg.grad(lambda x: np.tanh(x).sum())(x)",
        "make_vjp vector_jacobian_product": "tg.vjp(lambda x: x * w, x)",
        "make_jvp linearize": "tg.jvp(lambda x: x * w, (x,), (w,))",
        "check_grads": "tg.gradcheck(lambda x: x * w, x)",
        "hvp make_hvp hessian_vector_product": (
            "tg.jvp(tg.grad(lambda x: (x**3).sum()), (x,), (w,))[1]"
        ),
        "jacfwd": "tg.jacobian(lambda x: x * w)(x)",
        "vmap": "x * y  # operations broadcast: the batch is an axis",
        "jit compile make_jaxpr": "tg.unroll(loss)",
        "inference_mode no_autodiff set_grad_enabled": "tg.no_grad()",
        "enable_grad": "there is none here; a graph is recorded outside tg.no_grad()",
        "float16 float32 float64 int64 linalg e inf nan newaxis pi": "np.{name}",
        "cuda device": "there are no devices",
        "MultiStepLR MultiplicativeLR ConstantLR LinearLR PolynomialLR CyclicLR OneCycleLR "
        "SequentialLR ChainedScheduler CosineAnnealingWarmRestarts ReduceLROnPlateau": (
            "there is none here; optim.lr_scheduler.LambdaLR takes any function of the epoch"
        ),
        "RMSprop Adagrad Adadelta Adamax ASGD LBFGS Muon NAdam RAdam Rprop": (
            "there is none here; optim has SGD and Adam"
        ),
        "LazyLinear": "nn.Linear(3, 2)  # the number of inputs is required",
        "LazyConv2d": "nn.Conv2d(3, 2, 3)  # the number of channels is required",
        "LazyBatchNorm1d": "nn.BatchNorm1d(3)  # the number of features is required",
        "LazyBatchNorm2d": "nn.BatchNorm2d(3)  # the number of channels is required",
        "normalize": "x / np.linalg.norm(x, axis=1, keepdims=True)",
        "RNN LSTM GRU RNNCell LSTMCell GRUCell Transformer TransformerEncoderLayer "
        "TransformerEncoder MultiheadAttention Upsample ConvTranspose1d ConvTranspose2d "
        "ConvTranspose3d RMSNorm PixelShuffle LocalResponseNorm": (
            "there is none here; write your own, a subclass of nn.Module with a forward method"
        ),
        "conv_transpose1d conv_transpose2d custom_vjp custom_jvp custom_gradient Function "
        "primitive defvjp defjvp execute_op Operation": (
            "there is none here; tg.lift turns a rule that you write into an operation"
        ),
    }
)
"""What to write for a name that other libraries' modules have; x is the input of a layer."""

OF_NETWORKS = _by_name(
    {
        "register_parameter": "setattr(net, name, tg.Value(numbers))",
        "add_module register_module": "setattr(net, name, nn.Linear(3, 2))",
        "register_forward_hook register_full_backward_hook": (
            "[s for s in tg.backward_steps(loss) if s.node.about.scope == name]"
        ),
        "to cpu cuda compile": "net  # there are no devices",
        "double": "nn.Linear(3, 2, dtype=np.float64)",
        "float": "nn.Linear(3, 2, dtype=np.float32)",
        "half": "nn.Linear(3, 2, dtype=np.float16)",
        "summary": "dict(net.named_parameters())",
        "num_parameters": "sum(p.size for p in net.parameters())",
        "get_weights": "net.state_dict()",
        "in_features": "net.layer.weight.shape[1]",
        "out_features": "net.layer.weight.shape[0]",
        "get_parameter": "dict(net.named_parameters())['bias']",
        "get_submodule": "dict(net.named_modules())['layer']",
        "reset_parameters": "nn.Linear(3, 2)  # a new layer",
        "requires_grad_ freeze": "optim.SGD([net.bias])  # it changes only these parameters",
    }
)
"""What to write for an attribute of a network from another library."""


OF_OPTIMIZERS = {"param_groups": "optimizer.lr = 0.01  # one rate for all parameters"}
"""What to write for an attribute of an optimizer from another library."""


OF_RECORDINGS = _by_name(
    {
        "save export play show": "recording.to_html('pass.html')",
        "draw plot": "tg.draw(recording.loss)",
        "derive": "tg.derive(recording.loss, x, index)",
        "debug diagnose tree unroll": "tg.{name}(recording.loss)",
        "explain": "recording.why(x)",
        "undo previous": "recording.back()",
        "run finish": "recording.seek(len(recording))",
        "reset restart": "recording.seek(0)",
    }
)
"""What to write for an attribute that a recording does not have."""


def answer_to(kind: str, name: str, answered: Callable[[str], Any] = lambda _: None) -> HabitError:
    """Return the error for an attribute that does not exist, with what to write instead.

    `answered` returns NumPy's function of a name, if it accepts Values.

    >>> raise answer_to("a Value", "view")
    Traceback (most recent call last):
    tinygrad_pool.errors.HabitError: a Value has no view: write v.reshape(shape)
    """
    tables = {"a Module": OF_NETWORKS, "an optimizer": OF_OPTIMIZERS, "a Recording": OF_RECORDINGS}
    table = tables.get(kind, OF_VALUES)
    return _error(kind, name, table.get(name) or _numpy_call(name, answered(name)))


def _numpy_call(name: str, function: Callable[..., Any]) -> str:
    """Return a call of NumPy's function on v and its other required arguments.

    >>> _numpy_call("hypot", np.hypot), _numpy_call("quantile", np.quantile)
    ('np.hypot(v, w)', 'np.quantile(v, q)')
    """
    others = []
    if isinstance(function, np.ufunc):
        others = ["w"] * (function.nin - 1)
    else:
        with suppress(ValueError):  # functions in C have no signature in NumPy 2.0
            parameters = inspect.signature(function).parameters.values()
            required = [p for p in parameters if p.default is p.empty and p.kind < p.VAR_POSITIONAL]
            others = ["w" if p.name in {"a2", "ar2", "b", "v"} else p.name for p in required[1:]]
    part = "" if getattr(np, name, None) is function else "linalg."
    return f"np.{part}{name}({', '.join(['v', *others])})"


def missing_from(module: str, name: str, ways: Mapping[str, str]) -> AttributeError:
    """Return the error for a name that a module does not have, with what to write instead.

    `ways` says how to write each name that the package has elsewhere. An unknown name is an
    AttributeError with `obj`, so that Python can suggest a similar one.
    """
    way = OF_MODULES.get(name) or ways.get(name) or OF_VALUES.get(name)
    if way is None:
        message = f"module {module!r} has no attribute {name!r}"
        return AttributeError(message, name=name, obj=sys.modules[module])
    return _error(module, name, way)


def _error(kind: str, name: str, way: str) -> HabitError:
    advice = way if way.startswith("there ") else f"write {way}"
    return HabitError(f"{kind} has no {name}: {advice}", name=name)
