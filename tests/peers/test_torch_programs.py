"""PyTorch computes the same of any program: data, gradients, and gradients of gradients."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from programs import (
    OF_NUMPY,
    SMOOTH,
    Operations,
    Running,
    assert_most_showed_something,
    deviations,
    over,
    programs,
    tally,
)

import tinygrad_pool as tg
from tinygrad_pool.bridges.counterparts import NoCounterpartError, counterpart_of
from tinygrad_pool.derivatives.sparse_jacobian import operands_of
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import TinygradPoolError

pytestmark = [pytest.mark.peer, pytest.mark.long, OF_NUMPY]

KNOWN = Operations(operation for operation in SMOOTH if operation.theirs)
REFUSED = re.compile("non-zero size|at least 1 at dimension|optional 0 dim batch")
ROUNDINGS = {"float64": 2.0**-53, "float32": 2.0**-24}


@pytest.fixture(scope="module", autouse=True)
def real():
    """Require that PyTorch took most programs, and that most numbers could be compared."""
    yield
    assert_most_showed_something()


@pytest.fixture
def torch(peer):
    torch = peer("torch")
    torch.set_num_threads(1)  # the arrays are small
    return torch


@settings(max_examples=100)
@given(program=programs(("tame",), KNOWN, dtypes=("f8", "f4")))
def test_pytorch_computes_the_same(torch, program):
    agree(torch, program, second=False)


@settings(max_examples=100)
@given(program=programs(("tame",), KNOWN, dtypes=("f8",)))
def test_pytorch_computes_the_same_gradients_of_gradients(torch, program):
    """In double precision alone, where no number drawn is next to a kink: masks are kept."""
    agree(torch, program, second=True)


@settings(max_examples=60)
@given(program=programs(("tame",), dtypes=("f8", "f4")))
def test_every_node_is_the_same_there(torch, program):
    with program.written_down("crosscheck"), np.errstate(all="ignore"):
        y, check = program.root, tg.bridges.crosscheck(program.root, None)
        slopes = tg.grad(y, topological_order(y), np.ones(y.shape))
        assert check.ok or not all_finite(slopes), check
        for node in check.unknown:
            if node.size and all(np.size(p) for p in node.parents):  # else PyTorch may refuse
                with pytest.raises(NoCounterpartError):
                    counterpart_of(node)


@settings(max_examples=60)
@given(program=programs())
def test_any_program_is_compared_or_refused(torch, program):
    """Also of odd numbers, dtypes and shapes: what may differ there are documented choices."""
    with program.written_down("crosscheck_of_any"), np.errstate(all="ignore"):
        try:
            check = tg.bridges.crosscheck(program.root)
        except TinygradPoolError:
            return
        assert str(check)


@settings(max_examples=60)
@given(program=programs(("tame",), dtypes=("f8", "f4")))
def test_a_module_of_it_computes_the_same(torch, program):
    with program.written_down("to_torch"), np.errstate(all="ignore"):
        xs, y = program.inputs, program.root
        try:
            module = tg.bridges.to_torch(Running(program), *(x.data for x in xs))
        except TinygradPoolError:
            return
        if has_no_channels(y):
            return
        tensors = [torch.tensor(x.data, requires_grad=True) for x in xs]
        try:
            theirs = module(*tensors)
        except RuntimeError as error:  # PyTorch refuses convolutions and pools of nothing
            if not REFUSED.search(str(error)):
                raise
            return
        compare(torch, (y, xs, np.asarray(program.gradient, y.dtype)), (theirs, tensors))


@settings(max_examples=60)
@given(program=programs())
def test_a_module_of_any_program_is_made_or_refused(torch, program):
    with program.written_down("to_torch_of_any"), np.errstate(all="ignore"):
        try:
            tg.bridges.to_torch(Running(program), *program.inputs)
        except TinygradPoolError:
            return


def agree(torch, program, second):
    with program.written_down("torch"), np.errstate(all="ignore"):
        tally("compared", compared(torch, program, second))


def compared(torch, program, second):
    """Compare with PyTorch, and return whether it could be compared."""
    names = {"torch": torch, "F": torch.nn.functional, "over": over}
    weights = np.random.default_rng(8)
    xs, y = program.inputs, program.root
    tensors = [torch.tensor(x.data, requires_grad=True) for x in xs]
    try:
        t = program.again(tensors, **names)
    except (RuntimeError, IndexError, ValueError, UserWarning):  # it refuses more
        return False
    if has_no_channels(y):
        return False
    g = np.asarray(program.gradient, y.dtype)
    if second:
        # its trapezoids of nothing, say, depend on nothing; an astype may have made floats
        if not t.requires_grad or any(v.dtype != np.float64 for v in topological_order(y)):
            return False
        try:
            slopes = tg.grad(y, xs, g, create_graph=True)
        except tg.errors.DataError:  # a determinant of 0 has no slope of its slope here
            return False
        theirs = slopes_of(torch, t, tensors, g, create_graph=True)
        if theirs is None:
            return False
        drawn = [weights.standard_normal(x.shape).astype(x.dtype) for x in xs]
        y = sum((s * w).sum() for s, w in zip(slopes, drawn, strict=True))
        t = sum(
            (s * torch.tensor(w)).sum() for s, w in zip(theirs, drawn, strict=True) if s is not None
        )
        g = np.ones(())
    return compare(torch, (y, xs, g), (t, tensors), second)


def has_no_channels(y):
    """Return whether a convolution sums over no channels: PyTorch makes no features of none."""
    nodes = topological_order(y)
    return any(v.op.startswith("conv") and not np.size(v.parents[1]) for v in nodes)


def all_finite(slopes):
    """Return whether no slope is infinite: 0 × ∞ is NaN there, and what is off is 0 here."""
    return all(np.all(np.isfinite(some)) for some in slopes)


def jumps(nodes):
    """Return whether another rounding may change a remainder by a whole divisor."""
    quotients = [np.divide(*operands_of(v)) for v in nodes if v.op in ("fmod", "remainder")]
    return any(np.any(np.abs(q - np.rint(q)) < 1e-5 * (1 + np.abs(q))) for q in quotients)


def compare(torch, ours, theirs, second=False):
    """Compare data and gradients; numbers may be as far apart as roundings make them.

    In a second pass the data are sums of the slopes of the first.
    """
    (y, xs, g), (t, tensors) = ours, theirs
    nodes = topological_order(y)
    on_the_way = tg.grad(y, nodes, g)
    if not all_finite(on_the_way) or jumps(nodes):
        return False
    gradients = tg.grad(y, xs, g)
    expected = [None] * len(xs)
    if isinstance(t, torch.Tensor) and t.requires_grad:
        expected = slopes_of(torch, t, tensors, g)
        if expected is None:
            return False
        t = t.detach()
    roundings = max(ROUNDINGS[str(np.dtype(v.dtype))] for v in nodes)
    most = np.array(deviations(y, g, xs, roundings))
    # where we send nothing, PyTorch may add up what cancels but for roundings: y / x for a sign
    largest = max(np.max(np.abs(some), initial=0.0) for some in on_the_way)
    least = min(np.min(np.abs(v.data), initial=1.0, where=v.data != 0) for v in nodes)
    most[0 if second else 1 :] += 16 * roundings * largest / max(least, 1e-6)
    for a, d, apart in zip([y.data, *gradients], [t, *expected], most, strict=True):
        desired = 0 * a if d is None else d.numpy(force=True)
        if tally("numbers", np.isfinite(apart) and np.all(np.isfinite(desired))):
            np.testing.assert_allclose(a, desired, 0, apart)  # but NaN, where what is off is 0 here
    return True


def slopes_of(torch, t, tensors, g, **options):
    """Return PyTorch's gradients; None of what it takes forwards alone.

    Those are a loss of two dtypes, and pools of no channels.
    """
    g = torch.tensor(g, dtype=t.dtype)
    try:
        return torch.autograd.grad(t, tensors, g, allow_unused=True, **options)
    except RuntimeError as error:
        if re.search("Found dtype|to have non-zero size", str(error)):
            return None
        raise
