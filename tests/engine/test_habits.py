"""Names from other libraries raise an error that says what to write, and that works."""

import copy
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn, optim
from tinygrad_pool.engine import habits
from tinygrad_pool.engine.numpy_protocol import ELSEWHERE, answered
from tinygrad_pool.errors import (
    HabitError,
    HabitImportError,
    TinygradPoolError,
    UnsupportedError,
)
from tinygrad_pool.optim import lr_scheduler

V = np.array([[0.5, -1.5, 2.5], [3.5, 0.25, -0.75]])
W = np.array([[1.0, -1.5, 0.5], [0.1, 0.2, 0.3]])
LABELS = [1, 0]
SQUARE = np.array([[2.0, 0.5], [0.5, 1.0]])
VECTORS = """
convolve correlate cumulative_prod cumulative_sum digitize histogram2d lexsort polyval trim_zeros
"""
SQUARES = "cholesky cond det inv matrix_power slogdet solve"
POSITIVE = {"rsqrt", "log2", "log10", "log1p", "log_", "sqrt_"}


class Net(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(3, 2, rng=0)
        self.bias = Value(1.0)

    def forward(self, x):
        return self.layer(x) + self.bias


def variables(name, tmp_path):
    """Return the variables that the suggestion for a name may use."""
    rng = np.random.default_rng(0)
    numbers = np.abs(V) if name in POSITIVE else V
    special = {"inverse": SQUARE, "logdet": SQUARE, "logit": W**2 / 4, "bincount": np.abs(V[0])}
    v = Value(special.get(name, numbers), label="v")
    w, p = Value(W, label="w"), Value(W)
    x = Value(V)
    if name in ("dot", "matmul", "mm", "bmm", "mv"):
        w = Value(W.T)
    net = Net()
    net.save(tmp_path / "weights.npz")
    return {
        "np": np, "tg": tg, "nn": nn, "optim": optim, "v": v, "w": w, "p": p, "net": net,
        "x": x, "y": x * x, "recording": tg.record((x * 2.0).sum()),
        "loss": (x**3).sum() if name == "hessian" or "grad" in name else (v * 2.0).sum(),
        "shape": (3, 2) if name in ("view", "reshape", "unflatten", "zeros") else (2, 2, 3),
        "axis": -1, "axes": (1, 0), "dtype": np.float32, "mask": V > 0, "indices": [1, 0],
        "index": (0,) * V.ndim, "labels": LABELS, "numbers": V, "g": W,
        "rng": np.random.default_rng(0), "weight": Value(W),
        "images": rng.normal(size=(2, 3, 5, 5, 5)),
        "kernels": rng.normal(size=(4, 5, 2) if name == "Conv1d" else (4, 3, 2, 2, 2)),
        "bias": np.ones(4), "rate": 0.5,
        "path": tmp_path / ("graph.dot" if name == "render" else "weights.npz"),
        "name": "new", "epoch": 3, "n": 2,
        "optimizer": optim.SGD([p]),
    }  # fmt: skip


def advice_of(owner, name):
    """Look up a name, and return what the error says to write."""
    assert not hasattr(owner, name)
    assert getattr(owner, name, "nothing") == "nothing"
    with pytest.raises(HabitError, match=rf" has no {name}: ") as caught:
        getattr(owner, name)
    assert isinstance(caught.value, AttributeError | TinygradPoolError)
    assert caught.value.name == name
    return str(caught.value).partition(": ")[2]


def run(advice, name, tmp_path):
    """Run what an error says to write, and return the result."""
    assert advice.startswith("write ")
    way, names = advice.removeprefix("write "), variables(name, tmp_path)
    way = re.sub(r"debug\((.*loss)\)", r"debug(\1, commands='node')", way)  # tests have no terminal
    if " = " in way.partition("#")[0].replace(":= ", ""):
        exec(way, names)
        return names["p"] if "p." in way else names["optimizer"].lr
    return eval(way, names)


OWNERS = {
    "a Value": (lambda: Value(V), {*habits.OF_VALUES}),
    "an interior Value": (lambda: Value(V) * 2.0, {*habits.OF_VALUES}),
    "a network": (Net, {*habits.OF_NETWORKS}),
    "an optimizer": (lambda: optim.SGD([Value(V)]), {*habits.OF_OPTIMIZERS}),
    "a recording": (lambda: tg.record(Value(2.0) ** 2), {*habits.OF_RECORDINGS}),
    "the package": (lambda: tg, {*habits.OF_MODULES}),
    "layers": (lambda: nn, {*tg.functional.__all__, *optim.__all__} - {*nn.__all__}),
    "schedules": (lambda: optim.lr_scheduler, {"MultiStepLR", "SGD", "Linear", "relu"}),
    "optimizers": (
        lambda: optim,
        {*lr_scheduler.__all__} - {"LRScheduler"}
        | {*nn.__all__, "grad", "median"} - {*habits.OF_MODULES},
    ),
}
NAMES = [(owner, name) for owner, (_, names) in OWNERS.items() for name in sorted(names)]


@pytest.mark.parametrize(("owner", "name"), NAMES)
def test_every_suggestion_runs(owner, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    of = OWNERS[owner][0]()
    if of is tg and hasattr(tg, name):
        of = optim if hasattr(nn, name) else nn
    advice = advice_of(of, name)
    if not advice.startswith(("there are no", "there is none here; ")):
        run(advice, name, tmp_path)


ARGUMENTS = {
    "axis": 0, "bins": [0.0, 1.0], "destination": 1, "fill_value": 0.5, "fp": [0.0, 2.0],
    "indices": np.zeros((2, 3), int), "indices_or_sections": 1, "kth": 0, "n": 2,
    "new_shape": (3, 2), "obj": 0, "pad_width": 1, "q": 0.5, "source": 0,
    "reps": 2, "shift": 1, "test_elements": [0.5], "values": 0.5,
    "x": 0.5, "xp": [0.0, 1.0],
}  # fmt: skip
"""Arguments of NumPy's functions, beside the Values v and w."""


def numpys():
    """List the names of NumPy's functions that have no entry in the table."""
    return sorted({*ELSEWHERE.split()} - {*habits.OF_VALUES, "requires_grad"})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # older names of NumPy
@pytest.mark.parametrize("name", numpys())
def test_a_function_of_numpys_is_suggested_with_its_arguments(name):
    way = advice_of(Value(V), name).removeprefix("write ")
    x, w = V, W
    if name in VECTORS.split():
        x, w = V[0], W[0]
    elif name in SQUARES.split():
        x, w = SQUARE, SQUARE[0]
    special = {"dsplit": (V[None], w)}
    x, w = special.get(name, (x, w))
    with np.errstate(all="ignore"):  # arccos(2), for example
        eval(way, {"np": np, "v": Value(x), "w": w, **ARGUMENTS, "y": V[0]})
    assert name in way


def plain(got):
    """Replace Values in a result by their numbers."""
    if isinstance(got, tuple | list):
        return [plain(part) for part in got]
    return got.data if isinstance(got, Value) else got


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("ones", np.ones((2, 2, 3))), ("zeros", np.zeros((3, 2))), ("eye", np.eye(3))),
        *(("full", np.full((2, 2, 3), 0.5)), ("arange", np.arange(10.0))),
        ("float16", np.float16),
        *(("float32", np.float32), ("float64", np.float64)),
    ],
)
def test_a_suggestion_for_the_package_computes_what_its_name_says(name, expected, tmp_path):
    assert np.array_equal(plain(run(advice_of(tg, name), name, tmp_path)), expected)


def test_a_suggestion_for_the_package_draws_from_the_right_distribution(tmp_path):
    evenly, normally = (run(advice_of(tg, n), n, tmp_path).data for n in ("rand", "randn"))
    assert 0 <= evenly.min() < evenly.max() < 1
    assert normally.min() < 0


@pytest.mark.parametrize(
    ("name", "dtype"), [("double", np.float64), ("float", np.float32), ("half", np.float16)]
)
def test_a_suggestion_for_a_network_has_the_dtype(name, dtype, tmp_path):
    assert run(advice_of(Net(), name), name, tmp_path).weight.dtype == dtype


@pytest.mark.parametrize(
    ("name", "expected"), [("add_", 2 * W), ("sub_", 0 * W), ("mul_", W * W), ("div_", W / W)]
)
def test_suggestions_that_change_a_leaf_do_so(name, expected, tmp_path):
    assert np.array_equal(plain(run(advice_of(Value(W), name), name, tmp_path)), expected)


NUMPY = {  # arguments of methods of NumPy's arrays
    "view": None, "choose": None, "dot": (W.T,), "astype": None, "round": None, "copy": (),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted({*ELSEWHERE.split()} & {*dir(np.ndarray)}))
def test_suggestions_compute_what_numpys_methods_do(name, tmp_path):
    if not hasattr(V, name):  # NumPy 2.0 lists methods that were removed
        return
    if name in ("view", "device", "put", "fill", "flags", "tobytes"):  # not comparable
        return
    method = getattr(V.copy(), name)
    expected = method(*NUMPY.get(name, ())) if callable(method) else method
    if name in ("sort",):
        expected = np.sort(V)
    got = plain(run(advice_of(Value(V), name), name, tmp_path))
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert np.shape(got) == np.shape(expected)


TORCH = {  # arguments of methods of PyTorch's tensors
    "view": ((3, 2),), "view_as": W, "reshape_as": W, "unsqueeze": (-1,), "permute": ((1, 0),),
    "expand": ((2, 2, 3),), "expand_as": W, "t": (), "mT": None, "flatten": (), "numpy": (),
    "tolist": (), "double": (), "half": (), "float": (), "clone": (), "dim": (),
    "numel": (), "nelement": (), "nbytes": None, "add": W, "subtract": W, "sub": W, "mul": W,
    "multiply": W, "div": W, "divide": W, "neg": (), "pow": (2,), "dot": None, "matmul": W.T,
    "mm": W.T, "maximum": W, "minimum": W, "softmax": (-1,), "log_softmax": (-1,),
    "logsumexp": (-1,), "clamp": (0, 1), "masked_fill": (V > 0, 0.0), "masked_select": (V > 0,),
    "eq": W, "ne": W, "lt": W, "le": W, "gt": W, "ge": W, "sin": (), "cos": (), "tan": (),
    "sinh": (), "cosh": (), "square": (), "squeeze": (), "reciprocal": (), "expm1": (),
    "absolute": (), "norm": (), "ravel": (), "tril": (), "triu": (), "sign": (), "isnan": (),
    "isinf": (), "isfinite": (), "argmax": (), "argmin": (), "contiguous": (), "cpu": (),
    "relu_": (), "rsqrt": (), "log2": (), "log10": (), "log1p": (), "dist": W, "msort": (),
    "swapdims": (0, 1), "masked_fill_": (V > 0, 0.0), "clamp_": (0, 1), "unsqueeze_": (-1,),
    "ceil_": (), "cos_": (), "neg_": (), "pow_": (2,), "round_": (), "square_": (), "t_": (),
    "new_zeros": (2, 2, 3), "new_ones": (2, 2, 3), "itemsize": None,
}  # fmt: skip


@pytest.mark.peer
@pytest.mark.parametrize("name", [name for name in TORCH if name not in ("dot", *dir(Value(V)))])
def test_suggestions_compute_what_pytorchs_methods_do(name, tmp_path, peer):
    torch = peer("torch")
    given, tensor = TORCH[name], torch.tensor(np.abs(V) if name in POSITIVE else V)
    arguments = (given,) if isinstance(given, np.ndarray) else given or ()
    method = getattr(tensor, name)
    if given is None:
        expected = method
    else:
        read = [torch.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
        expected = method(*read)
    got = plain(run(advice_of(Value(V), name), name, tmp_path))
    expected = expected.numpy() if isinstance(expected, torch.Tensor) else expected
    np.testing.assert_allclose(got, expected, rtol=1e-6 if name == "float" else 1e-12, atol=1e-16)
    assert np.shape(got) == np.shape(expected)
    assert np.asarray(got).dtype == np.asarray(expected).dtype or name == "half"


@pytest.mark.peer
@pytest.mark.parametrize("name", [f"{k}Pad{n}d" for k in ("Zero", "Replication") for n in (1, 2)])
def test_the_suggestion_for_a_padding_pads_the_same_axes(name, tmp_path, peer):
    torch = peer("torch")
    expected = getattr(torch.nn, name)(1)(torch.tensor(V)[None])[0]
    np.testing.assert_array_equal(plain(run(advice_of(nn, name), name, tmp_path)), expected)


@pytest.mark.peer
def test_the_suggestion_for_a_layer_computes_what_pytorchs_layer_does(tmp_path, peer):
    torch = peer("torch")
    expected = torch.nn.functional.embedding(torch.tensor(LABELS), torch.tensor(W))
    got = run(advice_of(nn, "Embedding"), "Embedding", tmp_path)
    np.testing.assert_array_equal(got.data, expected.numpy())


def test_the_suggestion_for_autograd_is_the_derivative(tmp_path):
    d = 3 * V**2
    (slope,) = run(advice_of(tg, "autograd"), "autograd", tmp_path)
    assert np.allclose(slope, d)


def test_names_of_other_modules_of_the_package_are_suggested():
    assert advice_of(tg, "Linear") == "write nn.Linear  # nn is tg.nn"
    assert advice_of(nn, "sum") == "write tg.sum"
    assert advice_of(nn, "tanh") == "write tg.tanh"
    assert advice_of(nn, "unsqueeze") == "write np.expand_dims(v, axis)"


@pytest.mark.parametrize("owner", [tg, nn, optim])
@pytest.mark.parametrize("name", ["absent", "typecodes", "core", "__wrapped__", "_private"])
def test_an_unknown_name_is_pythons_own_error(owner, name):
    with pytest.raises(AttributeError, match=rf"module '{owner.__name__}' has no .* '{name}'") as e:
        getattr(owner, name)
    assert type(e.value) is AttributeError


PROBES = ["__array_interface__", "__array_struct__", "__dlpack__", "__length_hint__", "_repr_png_"]
PROBES += [
    "_ipython_canary_method_should_not_exist_",
    "_ipython_display_",
    "__getstate_x__",
    "absent",
]


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("make", [lambda: Value(V), lambda: Value(V) * 2.0, Net])
def test_probing_for_an_attribute_gets_pythons_own_error(make, name):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'") as caught:
        getattr(make(), name)
    assert type(caught.value) is AttributeError


def test_no_suggestion_is_for_an_existing_name():
    for owner in (Value(V), Value(V) * 2.0, Net(), optim.SGD([Value(V)])):
        for name in dir(owner):
            getattr(owner, name)
    assert not {*dir(Value(V))} & {*ELSEWHERE.split()}
    assert "cuda" not in dir(Net())
    for name in habits.OF_MODULES:
        assert not all(hasattr(module, name) for module in (tg, nn, optim))


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [
        (tg, "maxpool", "max_pool2d"),
        (tg.functional, "conv", "conv2d"),
        (nn, "Relu", "ReLU"),
        (optim, "sgd", "SGD"),
        (lr_scheduler, "stepLR", "StepLR"),
    ],
)
def test_python_can_suggest_a_similar_name(module, name, meant):
    with pytest.raises(AttributeError) as caught:
        getattr(module, name)
    assert (caught.value.name, caught.value.obj) == (name, module)
    assert meant in dir(module)  # Python suggests names from there


def test_users_attributes_may_have_any_of_the_names():
    p, net = Value(1.0), Net()
    p.name, net.freeze = "mine", True
    assert (p.name, net.freeze) == ("mine", True)
    assert "name" in dir(p)
    assert "freeze" in dir(net)

    class Trained(Net):
        def eval(self):
            return "mine"

    assert Trained().eval() == "mine"
    assert "eval" in dir(Trained())


def test_the_suggestion_for_the_fields_of_pytorchs_maxima_keeps_the_graph(tmp_path):
    for name in ("values", "indices"):
        maxima, indices = run(advice_of(Value(V).max(1), name), name, tmp_path)
        assert maxima.op == "max"
        np.testing.assert_array_equal(np.take_along_axis(V, indices[:, None], 1)[:, 0], maxima.data)


@pytest.mark.parametrize(
    ("statement", "advice"),
    [
        ("from tinygrad_pool import jit", "tinygrad_pool has no jit: write tg.unroll(loss)"),
        ("from tinygrad_pool import grad, Linear", "tinygrad_pool has no Linear: write nn.Linear"),
        (
            "from tinygrad_pool.nn import functional as F",
            "tinygrad_pool.nn has no functional: write",
        ),
        (
            "from tinygrad_pool.optim import LBFGS",
            "tinygrad_pool.optim has no LBFGS: there is none",
        ),
    ],
)
def test_importing_a_name_of_another_library_has_the_same_advice(statement, advice):
    with pytest.raises(HabitImportError, match=re.escape(advice)):
        exec(statement)


def test_importing_an_unknown_name_is_pythons_own_error():
    with pytest.raises(ImportError, match="cannot import name 'absent'") as caught:
        exec("from tinygrad_pool import absent")
    assert type(caught.value) is ImportError


def test_modules_can_be_imported_by_any_name(tmp_path, monkeypatch):
    (tmp_path / "jit.py").touch()
    monkeypatch.setattr(tg, "__path__", [*tg.__path__, str(tmp_path)])
    exec("from tinygrad_pool import jit")
    monkeypatch.delattr(tg, "jit")
    monkeypatch.delitem(sys.modules, "tinygrad_pool.jit")


def test_setting_requires_grad_is_an_error():
    for v in (Value(1.0), Value(1.0) * 2.0):
        with pytest.raises(HabitError, match=r"it gets a gradient; v\.detach\(\) stops it"):
            v.requires_grad = False


def test_elements_cannot_be_assigned():
    v = Value(V)
    with pytest.raises(UnsupportedError, match=r"np\.where\(mask, new, v\) and np\.delete"):
        v[0] = 1.0
    with pytest.raises(UnsupportedError, match=r"v\.data\[\.\.\.\] = new changes"):
        v[0] += 1.0
    v.data[0] = 1.0
    assert (v.data[0] == 1.0).all()


def test_copies_and_pickles_are_unaffected():
    v = Value(V, label="v")
    for again in (copy.copy(v), copy.deepcopy(v), pickle.loads(pickle.dumps(v))):
        assert np.array_equal(again.data, V)
        assert again.label == "v"


def test_python_still_suggests_names_after_a_typing_error():
    program = "import tinygrad_pool as tg\ntg.Value(1.0).rellu"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert b"Did you mean: 'relu'?" in ran.stderr
    ran = subprocess.run(
        [sys.executable, "-c", program.replace("rellu", "view")], capture_output=True, check=False
    )
    assert ran.stderr.decode().splitlines()[-1] == (
        "tinygrad_pool.errors.HabitError: a Value has no view: write v.reshape(shape)"
    )


def test_every_name_has_a_suggestion_loaded_on_first_use():
    assert {*ELSEWHERE.split()} > {*habits.OF_VALUES}
    assert all(map(answered, numpys()))
    program = (
        "import sys, tinygrad_pool as tg\n"
        "assert 'tinygrad_pool.engine.habits' not in sys.modules\n"
        "hasattr(tg.Value(1.0), 'view')\n"
        "assert 'tinygrad_pool.engine.habits' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
