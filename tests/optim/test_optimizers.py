"""Optimizers."""

import platform
import re
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from itertools import product
from types import MappingProxyType

import numpy as np
import pytest

from tinygrad_pool import Value, nn, optim
from tinygrad_pool.errors import DataError, GraphError, OptionError, ShapeError
from tinygrad_pool.optim import SGD, Adam, AdamW, optimizers
from tinygrad_pool.optim.lr_scheduler import StepLR


def test_sgd_follows_the_gradient():
    w = Value([1.0, 2.0])
    (w * [3.0, 5.0]).sum().backward()
    SGD([w], lr=0.1).step()
    assert w.data == pytest.approx([0.7, 1.5])


SHAPES = {"a number": (), "one row": (40,), "rows": (7, 6), "long rows": (2, 30), "cube": (5, 2, 3)}
SETTINGS = [
    (SGD, {}),
    (SGD, {"momentum": 0.9}),
    (SGD, {"momentum": 0.5, "weight_decay": 0.01}),
    (SGD, {"momentum": 0.5, "dampening": 0.25}),
    (SGD, {"momentum": 0.5, "nesterov": True}),
    (Adam, {}),
    (Adam, {"weight_decay": 0.1}),
    (Adam, {"amsgrad": True}),
    (AdamW, {}),
    (AdamW, {"weight_decay": 0.1}),
]


def as_written(options, w, gradients):
    """Compute the formulas of SGD, Adam and AdamW on whole arrays."""
    decay, momentum = options.get("weight_decay", 0.0), options.get("momentum", 0.0)
    m = v = top = 0.0
    for t, slope in enumerate(gradients, 1):
        g = slope + decay * w if decay and options["rule"] is not AdamW else slope
        if options["rule"] is SGD:
            fresh = (1 - options["dampening"]) * g if "dampening" in options and t > 1 else g
            v = momentum * v + fresh if momentum and t > 1 else g
            w = w - 0.1 * (g + momentum * v if "nesterov" in options else v)
        else:
            w = w * (1 - 0.1 * options.get("weight_decay", 0.01)) if options["rule"] is AdamW else w
            m, v = 0.9 * m + (1 - 0.9) * g, 0.999 * v + (1 - 0.999) * g * g
            top = np.maximum(top, v)
            spread = top if "amsgrad" in options else v
            w = w - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(spread / (1 - 0.999**t)) + 1e-8)
    return w


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("rule", "options"), SETTINGS)
def test_a_step_follows_the_formula_to_the_last_bit(rule, options, shape, monkeypatch):
    rng = np.random.default_rng(0)
    for dtype, order, block in product([np.float32, np.float64], "CF", [1, 8, 2**15]):
        monkeypatch.setattr(optimizers, "BLOCK", block)
        start, *gradients = rng.standard_normal((5, *shape)).astype(dtype)
        w = Value(np.asarray(start, order=order))
        optimizer = rule([w], lr=0.1, **options)
        for g in gradients:
            w.grad = np.asarray(g)
            optimizer.step()
        expected = as_written({"rule": rule, **options}, start, gradients)
        np.testing.assert_array_equal(w.data, expected)
        assert np.asarray(w.data).dtype == dtype


@pytest.mark.parametrize("block", [1, 2**15])
@pytest.mark.parametrize(("rule", "options"), SETTINGS)
def test_a_step_neither_changes_nor_keeps_the_gradient(rule, options, block, monkeypatch):
    monkeypatch.setattr(optimizers, "BLOCK", block)
    ours, theirs = Value([1.0, 2.0, 3.0]), Value([1.0, 2.0, 3.0])
    spoilt, whole = rule([ours], lr=0.1, **options), rule([theirs], lr=0.1, **options)
    ours.grad = theirs.grad = [1.0, -2.0, 0.5]
    spoilt.step()
    whole.step()
    assert ours.grad.tolist() == [1.0, -2.0, 0.5]
    ours.grad *= 100.0
    ours.grad = theirs.grad
    spoilt.step()
    whole.step()
    np.testing.assert_array_equal(ours.data, theirs.data)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("rule", "options"), SETTINGS)
def test_a_loaded_training_run_continues_as_if_uninterrupted(
    rule, options, shape, monkeypatch, tmp_path
):
    rng = np.random.default_rng(0)
    for dtype, block in product([np.float32, np.float64], [8, 2**15]):
        monkeypatch.setattr(optimizers, "BLOCK", block)
        start, *gradients = rng.standard_normal((6, *shape)).astype(dtype)
        whole = [Value(start.copy()), Value(1.0), Value(start.copy())]  # the last gets no gradient
        optimizer = rule(whole, lr=0.1, **options)

        def steps(optimizer, gradients):
            for g in gradients:
                for w in optimizer.parameters[:2]:
                    w.grad = g if w.shape == g.shape else 0.5
                optimizer.step()

        steps(optimizer, gradients[:2])
        halfway = [Value(np.copy(w.data) if w.shape else w.data) for w in whole]
        path = optimizer.save(tmp_path / "optimizer.npz")
        again = rule(halfway)  # its options are loaded too
        again.load(path)
        before = again.to_npz()
        assert before == path.read_bytes()
        steps(optimizer, gradients[2:])
        assert again.to_npz() == before
        steps(again, gradients[2:])
        for w, v in zip(whole, halfway, strict=True):
            assert type(w.data) is type(v.data)
            np.testing.assert_array_equal(w.data, v.data, strict=True)
        assert again.to_npz() == optimizer.to_npz()


def test_the_names_of_a_state_are_readable():
    w, v = Value([1.0, 2.0]), Value(3.0)
    w.grad = [0.5, 0.25]
    optimizer = Adam([v, w], lr=0.5, amsgrad=True)
    optimizer.step()
    state = optimizer.state_dict()
    options = {"lr": 0.5, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0, "amsgrad": True}
    kept = ["1.step", "1.exp_avg", "1.exp_avg_sq", "1.max_exp_avg_sq"]
    assert {name: state[name].tolist() for name in options} == options
    assert [name for name in state if name not in options] == kept
    assert {type(array) for array in state.values()} == {np.ndarray}
    assert state["1.exp_avg"] == pytest.approx([0.05, 0.025])
    state["1.exp_avg"][:] = 0.0
    assert optimizer.state_dict()["1.exp_avg"][0] != 0.0
    other = Adam([v, w])
    other.load_state_dict(state)
    state["1.exp_avg"][:] = 9.0
    assert other.state_dict()["1.exp_avg"][0] == 0.0
    assert (other.lr, other.betas, other.amsgrad) == (0.5, (0.9, 0.999), True)


def test_options_changed_during_training_are_saved():
    w = Value(1.0)
    w.grad = 2.0
    optimizer = SGD([w], lr=0.1)
    optimizer.step()
    optimizer.lr, optimizer.momentum, optimizer.mine = 0.25, 0.5, "a note"
    other = SGD([w])
    other.load_state_dict(optimizer.state_dict())
    assert (other.lr, other.momentum) == (0.25, 0.5)
    optimizer.step()
    optimizer.momentum = 0.0  # its velocity is kept, but unused
    other.load_state_dict(optimizer.state_dict())
    assert other.momentum == 0.0


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"0.exp_avg": None}, OptionError, "missing ['0.exp_avg'], unknown none"),
        ({"lr": None}, OptionError, "missing ['lr'], unknown none"),
        ({"0.exp": 1.0}, OptionError, "missing none, unknown ['0.exp']"),
        ({"1.exp_avg": 1.0}, OptionError, "missing none, unknown ['1.exp_avg']"),
        ({"amsgrad": True}, OptionError, "missing ['0.max_exp_avg_sq'], unknown none"),
        ({"0.exp_avg": np.ones(3)}, ShapeError, "0.exp_avg needs shape (2,), got (3,)"),
        ({"lr": [0.1, 0.2]}, ShapeError, "lr needs shape (), got (2,)"),
        ({"lr": -0.5}, OptionError, "Adam: lr must be a non-negative number, got -0.5"),
        ({"0.exp_avg_sq": ["a", "b"]}, DataError, "load_state_dict: 0.exp_avg_sq"),
        ({"0.step": 0}, DataError, "0.step must be an integer of at least 1, got 0"),
        ({"0.step": -1}, DataError, "0.step must be an integer of at least 1, got -1"),
        ({"0.step": 1.5}, DataError, "0.step must be an integer of at least 1, got 1.5"),
        ({"0.step": np.nan}, DataError, "0.step must be an integer of at least 1, got nan"),
        ({"amsgrad": 0.5}, OptionError, "Adam: amsgrad must be True or False, got 0.5"),
    ],
)
def test_a_state_that_does_not_fit_is_an_error_and_changes_nothing(change, error, says):
    w = Value([1.0, 2.0])
    w.grad = [0.5, 0.25]
    optimizer = Adam([w])
    optimizer.step()
    before = optimizer.to_npz()
    state = {n: a for n, a in (optimizer.state_dict() | change).items() if a is not None}
    with pytest.raises(error, match=re.escape(says)):
        optimizer.load_state_dict(state)
    assert optimizer.to_npz() == before


def test_momentum_continues_the_last_step():
    w = Value(0.0)
    optimizer = SGD([w], lr=1.0, momentum=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        (w * 1.0).backward()
        optimizer.step()
    assert w.data == -(1.0 + 1.5 + 1.75)


def test_scalars_are_updated_like_arrays():
    scalars, array = [Value(2.0), Value(-3.0)], Value([2.0, -3.0])
    ours, theirs = Adam(scalars, lr=0.1), Adam([array], lr=0.1)
    for _ in range(3):
        for optimizer, loss in ((ours, sum(w**2 for w in scalars)), (theirs, (array**2).sum())):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert [w.data for w in scalars] == array.data.tolist()
    assert all(type(w.data) is float for w in scalars)


def test_the_learning_rate_can_be_changed_during_training():
    w = Value(1.0)
    (w * 2.0).backward()
    optimizer = SGD([w], lr=0.1)
    optimizer.lr = 0.25
    optimizer.step()
    assert w.data == 0.5


@pytest.mark.parametrize("lr", ["fast", None, np.nan, np.inf, -0.1, [0.1], Value(0.1)])
@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_an_invalid_learning_rate_is_an_error_before_any_update(kind, lr):
    w = Value([1.0, 2.0])
    w.grad = [0.5, 0.25]
    optimizer = kind([w])
    optimizer.lr = lr
    says = f"{kind.__name__}: lr must be a non-negative number, got "
    with pytest.raises(OptionError, match=re.escape(says)):
        optimizer.step()
    assert w.data.tolist() == [1.0, 2.0]


def test_weight_decay_pulls_to_zero():
    w = Value(2.0)
    (w * 0.0).backward()
    SGD([w], lr=0.1, weight_decay=0.5).step()
    assert w.data == 2.0 - 0.1 * 0.5 * 2.0


def test_a_parameter_without_a_gradient_is_unchanged():
    w, v = Value(1.0), Value(1.0)
    (w * 2.0).backward()
    Adam([w, v], lr=0.1).step()
    assert v.data == 1.0
    assert w.data == pytest.approx(0.9)


@pytest.mark.parametrize("block", [1, 2**15])
def test_arrays_change_in_place_and_make_old_graphs_stale(block, monkeypatch):
    monkeypatch.setattr(optimizers, "BLOCK", block)
    w = Value([1.0, 2.0])
    array = w.data
    loss = (w * w).sum()
    loss.backward()
    SGD([w], lr=0.1).step()
    assert w.data is array
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_parameters_keep_their_dtype(optimizer, dtype):
    net = nn.Linear(2, 2, dtype=dtype)
    net(np.ones(2)).sum().backward()
    optimizer(net.parameters(), lr=0.1).step()
    assert net.weight.data.dtype == dtype


@pytest.mark.parametrize(("system", "asked"), [("linux", [2**25 - 2**13]), ("emscripten", [])])
def test_memory_is_requested_once_on_linux_only(system, asked, monkeypatch):
    sizes = []

    def refuse(size, dtype):
        sizes.append(size * np.dtype(dtype).itemsize)
        raise MemoryError

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(np, "empty", refuse)
    SGD([Value(1.0)])
    assert sizes == asked


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of other C libraries we know less")
def test_steps_reuse_memory_without_page_faults():
    program = (
        "import resource, numpy as np, tinygrad_pool as tg\n"
        "def faults_of_a_step():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    arrays = [np.ones((256, 1024)) for _ in range(8)]\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "counts = [[faults_of_a_step() for _ in range(4)][-1]]\n"
        "tg.optim.SGD([tg.Value(1.0)])\n"
        "counts += [[faults_of_a_step() for _ in range(4)][-1]]\n"
        "print(*counts)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    before, after = map(int, ran.stdout.split())
    assert before > 1000  # 16 MiB of pages
    assert after < before / 20


W, V, NET = Value(1.0, label="w"), Value(1.0), nn.Linear(1, 1, rng=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD([]), "SGD: needs at least one parameter, got none"),
        (
            lambda: SGD(W),
            "SGD: needs a list of parameters, such as model.parameters(), got Value",
        ),
        (
            lambda: SGD(NET),
            "SGD: needs a list of parameters, such as model.parameters(), got Linear",
        ),
        (
            lambda: SGD(nn.Sequential(NET)),  # it is iterable
            "SGD: needs a list of parameters, such as model.parameters(), got Sequential",
        ),
        (lambda: Adam([np.ones(2)]), "Adam: a parameter must be a Value, got array([1., 1.])"),
        (lambda: Adam({"w": Value(1.0)}), "Adam: needs a list of parameters, such as model.par"),
        (
            lambda: Adam([W, W * 2.0]),
            "Adam: the mul node was computed; only leaves can be parameters",
        ),
        (lambda: SGD([W, V, W]), "SGD: the leaf 'w' is listed twice"),
        (lambda: SGD([W], lr=-1), "SGD: lr must be a non-negative number, got -1"),
        (lambda: SGD([W], lr=None), "SGD: lr must be a non-negative number, got None"),
        (lambda: SGD([W], lr=np.inf), "SGD: lr must be a non-negative number, got inf"),
        (
            lambda: SGD([W], lr=np.ones(2)),
            "SGD: lr must be a non-negative number, got array([1., 1",
        ),
        (lambda: SGD([W], momentum=-0.1), "SGD: momentum must be a non-negative number, got -0.1"),
        (
            lambda: Adam([W], weight_decay=float("nan")),
            "weight_decay must be a non-negative number",
        ),
        (lambda: Adam([W], eps=-1), "Adam: eps must be a non-negative number, got -1"),
        (lambda: Adam([W], betas=(0.9, 1.0)), "Adam: betas must be two numbers in [0, 1), got (0."),
        (lambda: Adam([W], betas=(0.9,)), "Adam: betas must be two numbers in [0, 1), got (0.9,)"),
        (lambda: SGD([W], dampening=-1), "SGD: dampening must be a non-negative number, got -1"),
        (lambda: SGD([W], nesterov=1), "SGD: nesterov must be True or False, got 1"),
        (lambda: SGD([W], nesterov=True), "SGD: nesterov needs momentum, and no dampening"),
        (
            lambda: SGD([W], momentum=0.9, dampening=0.1, nesterov=True),
            "SGD: nesterov needs momentum, and no dampening",
        ),
        (lambda: AdamW([W], amsgrad=0), "AdamW: amsgrad must be True or False, got 0"),
        (lambda: AdamW([W], eps=-1), "AdamW: eps must be a non-negative number, got -1"),
        (lambda: AdamW([W], betas=1), "AdamW: betas must be two numbers in [0, 1), got 1"),
        (lambda: Adam([W], betas=0.9), "Adam: betas must be two numbers in [0, 1), got 0.9"),
    ],
)
def test_parameters_and_options_that_do_not_fit_are_named(make, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        make()


OPTIONS = [
    (SGD, "SGD", {"lr": 0.1}),
    (SGD, "SGD", {"lr": 0.1, "momentum": 0.9}),
    (SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    (SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2}),
    (AdamW, "AdamW", {"lr": 0.1, "amsgrad": True}),
    (Adam, "Adam", {"lr": 0.1}),
    (Adam, "Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
]


@pytest.mark.peer
@pytest.mark.parametrize(("ours", "theirs", "options"), OPTIONS)
def test_ten_steps_are_pytorchs(peer, ours, theirs, options):
    torch = peer("torch")
    start = np.random.default_rng(0).standard_normal((3, 2))
    w, t = Value(start), torch.tensor(start, requires_grad=True)
    ours, theirs = ours([w], **options), getattr(torch.optim, theirs)([t], **options)
    for _ in range(10):
        ours.zero_grad()
        theirs.zero_grad()
        ((w - 1.0) ** 4).sum().backward()
        ((t - 1.0) ** 4).sum().backward()
        ours.step()
        theirs.step()
        np.testing.assert_allclose(w.data, t.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.peer
@pytest.mark.parametrize(("ours", "theirs", "options"), OPTIONS)
def test_the_kept_state_has_pytorchs_names_and_numbers(peer, ours, theirs, options):
    torch = peer("torch")
    start = np.random.default_rng(0).standard_normal((3, 2))
    w, t = Value(start), torch.tensor(start, requires_grad=True)
    ours, theirs = ours([w], **options), getattr(torch.optim, theirs)([t], **options)
    for _ in range(3):
        w.grad, t.grad = np.ones((3, 2)), torch.ones(3, 2, dtype=torch.float64)
        ours.step()
        theirs.step()
    kept = {name: x for name, x in theirs.state_dict()["state"].get(0, {}).items() if x is not None}
    state = ours.state_dict()
    assert {name for name in state if "." in name} == {f"0.{name}" for name in kept}
    for name, x in kept.items():
        np.testing.assert_allclose(state[f"0.{name}"], x.numpy(), rtol=1e-12)
    group = theirs.state_dict()["param_groups"][0]
    assert all(group[n] == pytest.approx(x.tolist()) for n, x in state.items() if "." not in n)


def test_a_name_of_another_library_gets_a_suggestion():
    with pytest.raises(AttributeError, match="optim has no LBFGS"):
        optim.LBFGS  # noqa: B018


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda o: o.zero_grad(set_to_none=True), "no option 'set_to_none': gradients are reset"),
        (lambda o: nn.ReLU().zero_grad(set_to_none=True), "zero_grad: no option 'set_to_none'"),
        (lambda o: o.step(lambda: 1.0), "step: takes no closure; call loss.backward"),
    ],
)
def test_pytorchs_calls_get_a_suggestion(call, said):
    with pytest.raises(OptionError, match=said):
        call(SGD([Value(1.0)], lr=0.1))


class Averaging(SGD):
    """Descend along the mean of all gradients so far."""

    def _move(self, kept, g):
        kept["total"] = kept.get("total", 0.0) + g
        kept["step"] = kept.get("step", 0) + 1
        return self.lr * kept["total"] / kept["step"]


class Listed(Averaging):
    _known = MappingProxyType({"step": "", "total": ""})


def test_the_state_of_a_users_optimizer_is_saved_or_named():
    w, twin = Value([1.0, 2.0]), Value([1.0, 2.0])
    w.grad = 1.0
    own = Averaging([w], lr=0.5)
    assert "momentum" in own.state_dict()
    own.step()
    with pytest.raises(OptionError, match=r"Averaging: keeps \['step', 'total'\], which"):
        own.state_dict()
    listed, loaded = Listed([w], lr=0.5), Listed([twin])
    listed.step()
    loaded.load_state_dict(listed.state_dict())
    twin.data, twin.grad = w.data.copy(), w.grad
    listed.step()
    loaded.step()
    assert twin.data.tolist() == w.data.tolist() == [-0.5, 0.5]


def test_the_repr_shows_the_options():
    optimizer = Adam([Value(1.0)], lr=0.5)
    said = "Adam(lr=0.5, weight_decay=0.0, betas=(0.9, 0.999), eps=1e-08, amsgrad=False)"
    assert repr(optimizer) == said
    schedule = StepLR(optimizer, 3)
    shown = f"StepLR(step_size=3, gamma=0.1, optimizer={said}, base_lr=0.5, last_epoch=0)"
    assert repr(schedule) == shown


@pytest.mark.parametrize("rate", [Fraction(1, 10), Decimal("0.1"), np.array(0.1), "0.1"])
def test_a_rate_that_cannot_multiply_an_array_of_floats_is_an_error(rate):
    w = Value([1.0, 2.0])
    w.grad = 1.0
    for make in (lambda: SGD([w], lr=rate), lambda: SGD([w], lr=0.1, momentum=rate)):
        with pytest.raises(OptionError, match="must be a non-negative number, got"):
            make()
    optimizer = SGD([w], lr=np.float32(0.1))
    optimizer.lr = rate
    with pytest.raises(OptionError, match="SGD: lr must be a non-negative number, got"):
        optimizer.step()
    assert w.data.tolist() == [1.0, 2.0]
