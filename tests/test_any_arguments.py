"""Any object as an argument either works or raises one of our errors."""

from inspect import Parameter, isabstract, signature

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn, optim
from tinygrad_pool.errors import TinygradPoolError
from tinygrad_pool.optim import lr_scheduler

JUNK = {
    "None": None,
    "lists of two lengths": [[1, 2], [3]],
    "text": "abc",
    "bytes": b"abc",
    "an object": object(),
    "a dict": {},
    "NaN": np.nan,
    "infinity": np.inf,
    "0": 0,
    "-1": -1,
    "1.5": 1.5,
    "10**30": 10**30,
    "a complex number": 1j,
    "an array": np.ones(2),
    "a Value": Value([1.0, 2.0]),
    "a network": nn.Linear(2, 2, rng=0),
}
INTERACTIVE = {"debug"}
"""Functions that wait for input."""

INNER = {
    *("Recording.all_called", "Recording.call", "Recording.changed_by", "Recording.data_of"),
    *("Recording.step_of", "Derivation.count", "Derivation.index"),
    "Linear.apply",
}
"""Internal methods, methods of tuples, and a method that only calls a function."""

FOR_EVER = {("diff", "10**30")}
"""Calls that do not end in NumPy either."""


SEVERAL = {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}


def number():
    a = Value(2.0, label="a")
    return (a * 3.0).exp()


def rows():
    return Value(np.arange(6.0).reshape(2, 3) + 1.0)


def planes(axes, n=4):
    return Value(np.arange(float(n**axes)).reshape(1, 1, *[n] * axes), label="x")


def optimizer():
    return optim.Adam([Value([1.0, 2.0])])


def constant(*_):
    return Value(1.0)


def leaf_of(y):
    return y.parents[0].parents[0]


def examples():
    """Yield possible arguments, in the order in which they are tried."""
    image, y = planes(2), number()
    yield from ([y], [image], [rows()], [y, number()], [rows(), rows()], [y, leaf_of(y)])
    yield from ([], [2], [2, 2], [2, 2, 2], [2, [2, 1]], [[Value(1.0)]], [Value(1.0), 1.0])
    yield from ([optimizer()], [optimizer(), 2], [optimizer(), lambda t: 1.0])
    yield from ([constant, 1.0], [constant, (1.0,), (1.0,)], [np.sin, Value(1.0)])
    yield from (
        [y, "drawn.svg"],
        ["pass.html"],
        ["a"],
        [rows(), rows().T],
        [Value([2.0, 1.0])],
        [rows()[:2, :2]],
    )
    yield from ([image, 2], [image, image, 1.0], [rows(), 3], [tg.max_pool2d(image, 2)])
    yield from ([rows(), np.array([0, 1])], [rows(), rows(), np.array([1.0, -1.0])])
    yield from ([np.ones((3, 2)), np.ones(3)], [rows(), np.zeros(3), np.ones(3)])
    for axes in (1, 2, 3):
        kernels = np.ones((1, 1, *[2] * axes))
        pooled, winners = pool(axes)(planes(axes), 2, return_indices=True)
        yield from ([planes(axes), 2], [planes(axes), 2, 2], [planes(axes), kernels])
        yield [pooled, winners, 2]


def pool(axes):
    return getattr(tg, f"max_pool{axes}d")


def owners():
    """Yield one object of each type with methods for users."""
    y, net = number(), nn.Linear(2, 1, rng=0)
    descent = optimizer()
    yield from (y, net, descent, lr_scheduler.StepLR(descent, 2), tg.watch(net), tg.unroll(y))
    yield from (tg.record(y), tg.derive(y, leaf_of(y)), tg.weights_of(rows() * 2.0), tg.diagnose(y))


def is_method(owner, name):
    return name[0] != "_" and callable(getattr(type(owner), name, None))


def functions():
    """Map names to callables: operations, instruments, layers, losses, optimizers."""
    names = {*tg._homes(), *tg.__all__}
    values = {name: getattr(tg, name) for name in names if hasattr(tg, name)}  # NumPy may be older
    for home in (nn, optim, lr_scheduler):
        kind = home.__name__.partition(".")[2]
        values |= {f"{kind}.{name}": getattr(home, name) for name in home.__all__}
    values |= {f"datasets.{name}": getattr(tg.datasets, name) for name in ("moons", "batches")}
    for owner in owners():
        of = type(owner).__name__
        values |= {f"{of}.{n}": getattr(owner, n) for n in dir(type(owner)) if is_method(owner, n)}
    names = [n for n in sorted(values) if callable(values[n]) and not isabstract(values[n])]
    return {name: values[name] for name in names if name not in INTERACTIVE | INNER}


FUNCTIONS = functions()


def works(function, arguments):
    """Return whether a call with these arguments works."""
    try:
        function(*arguments)
    except Exception:  # noqa: BLE001  # any error is possible
        return False
    return True


def calls(name, function):
    """List calls with one wrong argument; if no arguments are known to fit, with it alone."""
    fitting = next((list(args) for args in examples() if works(function, args)), None)
    try:
        parameters = [*signature(function).parameters.values()]
    except ValueError:  # a function in C has no signature
        parameters = []
    if fitting is None:
        needed = [p for p in parameters if p.default is p.empty and p.kind not in SEVERAL]
        yield from ((what, [junk] * len(needed), {}) for what, junk in JUNK.items())
        return
    options = [p.name for p in parameters if p.default is not p.empty][len(fitting) :]
    for what, junk in JUNK.items():
        if (name, what) in FOR_EVER:
            continue
        for i in range(len(fitting)):
            yield f"{what} at {i}", [*fitting[:i], junk, *fitting[i + 1 :]], {}
        for option in options:
            yield f"{option}={what}", fitting, {option: junk}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_argument_works_or_raises_our_error(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function = FUNCTIONS[name]
    wrong = []
    for what, arguments, option in calls(name, function):
        try:
            function(*arguments, **option)
        except TinygradPoolError:
            pass
        except Exception as error:  # noqa: BLE001  # any error is possible
            wrong.append(f"{what}: {type(error).__name__}: {error}")
    assert wrong == []
