"""Unrolled graphs compute the same as `backward`, bit for bit. See also test_programs.py."""

import gc
import linecache
import math
import random
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import FunctionType

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.codegen.unrolled import Outcome
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import DataError, GraphError, OptionError, ShapeError, TieError

KINDS = ("random", "tied", "infinite", "nan")


def bits(x):
    x = np.asarray(x)
    return x.dtype, x.shape, np.where(np.isnan(x), np.nan, x).tobytes()


def assert_identical(outcome, unrolled, y, g=None):
    """Compare an outcome with the loss and the gradients of `backward`."""
    assert type(outcome.loss) is type(y.data)
    assert bits(outcome.loss) == bits(y.data)
    leaves = [n for n in topological_order(y) if not n.parents]
    assert list(unrolled.leaves.values()) == leaves
    for leaf in leaves:
        leaf.zero_grad()
    with np.errstate(all="ignore"):
        y.backward(g)
    for name, leaf in unrolled.leaves.items():
        got = outcome.gradients[name]
        assert type(got) is type(leaf.data)
        assert bits(got) == bits(leaf.grad), name


def three_units():
    x1, x2 = Value(1.0, label="x1"), Value(-2.0, label="x2")
    zs = []
    for unit, (w, v, activation) in enumerate(
        [(0.5, 1.0, tg.relu), (-1.0, 0.3, tg.tanh), (0.9, -0.8, tg.relu)], 1
    ):
        a = tg.weighted_sum([Value(w, f"w{unit}1"), Value(v, f"w{unit}2")], [x1, x2])
        a.label = f"a{unit}"
        z = activation(a)
        z.label = f"z{unit}"
        zs.append(z)
    pooled = tg.maximum(*zs)
    pooled.label = "pooled"
    E = (pooled - 1.0) ** 2
    E.label = "E"
    return E


def test_the_text_has_a_line_for_each_node():
    lines = str(tg.unroll(three_units())).splitlines()
    start = lines.index("    # forward")
    assert lines[start : start + 26] == [
        "    # forward",
        "    a1, a1_backward = weighted_sum(w11, w12, x1, x2, 0.0)",
        "    z1, z1_backward = relu(a1)",
        "    a2, a2_backward = weighted_sum(w21, w22, x1, x2, 0.0)",
        "    z2, z2_backward = tanh(a2)",
        "    a3, a3_backward = weighted_sum(w31, w32, x1, x2, 0.0)",
        "    z3, z3_backward = relu(a3)",
        "    pooled, pooled_backward = maximum(z1, z2, z3)",
        "    sub1, sub1_backward = sub(pooled, 1.0)",
        "    E, E_backward = power(sub1, 2, wants=(True, False))",
        "",
        "    # backward",
        "    g_E = 1.0",
        "    to_sub1, _ = E_backward(g_E)",
        "    g_sub1 = to_sub1",
        "    to_pooled, _ = sub1_backward(g_sub1)",
        "    g_pooled = to_pooled",
        "    to_z1, to_z2, to_z3 = pooled_backward(g_pooled)",
        "    g_z1 = to_z1",
        "    g_z2 = to_z2",
        "    g_z3 = to_z3",
        "    (to_a3,) = z3_backward(g_z3)",
        "    g_a3 = to_a3",
        "    to_w31, to_w32, to_x1, to_x2, _ = a3_backward(g_a3)",
        "    g_w31 = to_w31",
        "    g_w32 = to_w32",
    ]
    assert "    g_x1 = g_x1 + to_x1" in lines
    assert lines[2:6] == [
        "from tinygrad_pool.rules.arithmetic import power, sub",
        "from tinygrad_pool.rules.elementwise import relu, tanh",
        "from tinygrad_pool.rules.linear import weighted_sum",
        "from tinygrad_pool.rules.reductions import maximum",
    ]


def test_the_text_runs_on_its_own(tmp_path):
    file = tmp_path / "passes.py"
    file.write_text(tg.unroll(three_units()).source, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-X", "utf8", str(file)], capture_output=True, check=True, encoding="utf-8"
    )
    assert ran.stdout.splitlines()[:2] == ["E = 2.25", "∂E/∂x1 = 2.7"]
    assert "∂E/∂w32 = -6.0" in ran.stdout
    assert "Value" not in file.read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("ties", ["first", "last", "even"])
def test_loss_and_every_gradient_are_equal_bit_for_bit(random_net, kind, dtype, ties):
    choices = ["conv", "pool", "adaptive", "oppose", "reduce", "select", "matmul", "relu", "twice"]
    for seed in range(10):
        with np.errstate(all="ignore"):
            y, _ = random_net(seed, kind, dtype, [*choices, "average", "norm"], ties=ties)
            g = np.random.default_rng(seed).standard_normal(y.shape)
            unrolled = tg.unroll(y, g)
            outcome = unrolled()
        assert_identical(outcome, unrolled, y, g)


def test_a_network_of_scalars_is_equal_bit_for_bit():
    random.seed(3)
    net = nn.MLP(3, [8, 8, 1])
    xs = [[random.uniform(-2, 2) for _ in range(3)] for _ in range(6)]
    loss = sum((net(x) - 0.5) ** 2 for x in xs) * (1.0 / 6)
    unrolled = tg.unroll(loss)
    assert_identical(unrolled(), unrolled, loss)


def test_a_call_creates_no_closures():
    random.seed(3)
    net = nn.MLP(3, [8, 8, 1])
    unrolled = tg.unroll(net([0.5, -1.0, 2.0]) ** 2)
    unrolled()

    def closures():
        return sum(type(x) is FunctionType for x in gc.get_objects())

    gc.collect()
    before = closures()
    gc.disable()
    outcome = unrolled()
    new = closures() - before
    gc.enable()
    assert new < 10
    assert len(outcome.gradients) == 3 + 113 - 3


def test_two_threads_may_make_the_first_call():
    unrolled = tg.unroll(three_units())
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(unrolled) for _ in range(2))
        assert first.result() == second.result() == unrolled()


def test_the_writer_is_freed_after_compiling():
    unrolled = tg.unroll(three_units())
    writer = weakref.ref(unrolled._writer)
    unrolled()
    assert writer() is None
    assert unrolled() == unrolled()


def make_checked():
    with tg.checked():
        return (Value([1.0, 2.0]) * 2.0).sum()


def make_moved():
    y = Value([1.0, 2.0]).exp()
    passed = tg.record(y.max())
    passed.set(y, 9.0, 0)
    return passed.replay().loss


def make_second_order():
    x = Value([1.0, 2.0])
    return tg.grad(x.exp().sum(), x, create_graph=True)[0].max()


def single(*numbers):
    return Value(np.float32(numbers))


def of_integers(x):
    """Return integers, and contributions as Python numbers or lists."""

    def of_integers_backward(_):
        return ([1] * np.size(x) if np.ndim(x) else 2,)

    return np.asarray(x).astype(int), of_integers_backward


def lists(x):
    """Return a list."""
    return [x, x], lambda g: (np.sum(g),)


whole, listed = tg.lift(of_integers), tg.lift(lists)

GRAPHS = {
    "integers of a rule": lambda: np.sum(whole(Value([1.5, 2.5])) * 0.5) + whole(Value(3.7)),
    "an integer for an array": lambda: whole(Value(np.array(3.7))) * whole(Value(np.float32(1.2))),
    "lists of a rule": lambda: (
        np.sum(listed(Value(0.3)) * 0.1) + np.sum(listed(Value(np.array(2.0))))
    ),
    "a leaf": lambda: Value(2.0),
    "a leaf of an array": lambda: Value([[2.0]]),
    "twice": lambda: (a := Value(3.0, label="a")) * a + a,
    "thrice": lambda: tg.maximum(a := Value(3.0), a, a * 1.0, ties="even"),
    "a constant apart": lambda: tg.relu(3.0) * Value(2.0),
    "integers and bools": lambda: np.sum(single(1, 2) * np.array([1, 3]) + np.array([True, False])),
    "a bool chosen": lambda: np.expm1(tg.where(Value(0.0), Value(2.0), True)),
    "other constants": lambda: np.sum(single(1, 2) - np.float32(0.1) + True),
    "a huge integer": lambda: tg.maximum(Value(2.0) * 10**30, 10**400 // 10**380),
    "an array and a huge integer": lambda: np.sum(tg.maximum(Value([2.0]), 10**30)),
    "repeated along axes": lambda: np.sum(Value([[1.0], [2.0]]) * Value([1.0, 3.0]) + Value(0.1)),
    "repeated from no axis": lambda: np.sum(Value([1.0, 2.0]) * Value(np.array(0.3))),
    "a float32 beside a number": lambda: np.sum(single(1, 2) * Value(0.1)),
    "a float64 beside a float32": lambda: np.sum(single(1, 2) * Value([0.1, 3.0])),
    "full sums": lambda: (x := Value([0.1, 0.2, 0.7])).sum() * x.mean() * x.max() ** 2,
    "an array without axes": lambda: (x := Value(np.array(0.3))) * x + x,
    "a float32 without axes": lambda: (x := Value(np.float32(0.3))) * x * 0.1 + x.exp(),
    "stacked numbers": lambda: np.max(tg.stack(Value(1.0), Value(2.0) * 3.0, 4)),
    "by zero": lambda: Value(1.0) / (Value(2.0) - 2.0),
    "zero to a negative power": lambda: Value(0.0) ** -1,
    "a root at zero": lambda: Value(0.0) ** 0.5 + Value(4.0) ** Value(0.5),
    "a root below zero": lambda: Value(-8.0) ** (1 / 3),
    "an infinite power": lambda: Value(0.5) ** math.inf,
    "too large": lambda: Value(10.0) ** 400,
    "detached": lambda: (x := Value(2.0, label="x")).exp().detach() * x,
    "unreached": lambda: np.sum(tg.where(Value([1.0, 0.0]), Value([3.0, 4.0]), 0.5)),
    "a number unreached": lambda: np.sum(tg.where(Value(1.0), Value([3.0, 4.0]), 0.5)),
    "sliced": lambda: np.sum(Value(np.arange(12.0).reshape(3, 4))[1:, ::-2, None][..., [0, 0]]),
    "a large key": lambda: np.max(Value(np.arange(40.0))[np.arange(40)[::-1] // 2]),
    "in columns": lambda: np.sum(Value(np.array([[1, 2], [3, 0.1]], order="F")) @ np.ones(2)),
    "cast": lambda: Value([1.0, 2.0]).astype(np.float32).sum().astype(np.dtype(float)) * 0.1,
    "clipped": lambda: np.sum(Value([1.0, 2.0, 3.0]).clip(np.array([0.0, 2.5, 0.0]), 2.0)),
    "normed": lambda: np.sum(tg.lp_pool1d(Value([3.0, -4.0]), 2.0, 2)),
    "unpooled": lambda: np.max(tg.max_unpool1d(Value([3.0, 4.0]), [1, 2], 2)),
    "a layer of weights": lambda: tg.as_weight_layer(tg.maximum(Value(2.0), Value(3.0)) * 2.0),
    "checked": make_checked,
    "moved": make_moved,
    "of second order": make_second_order,
}


@pytest.mark.parametrize("make", GRAPHS.values(), ids=GRAPHS)
def test_odd_graphs_are_equal_bit_for_bit(make):
    with np.errstate(all="ignore"):
        y = make()
        unrolled = tg.unroll(y)
        assert_identical(unrolled(), unrolled, y)


def test_the_backward_pass_of_an_array_starts_with_the_given_gradient():
    x = Value([1.0, 2.0], label="x")
    y = x * x
    y.label = "y"
    unrolled = tg.unroll(y, [1.0, 10.0])
    assert "    g_y = np.array([1.0, 10.0])" in unrolled.source.splitlines()
    assert unrolled().gradients["x"].tolist() == [2.0, 40.0]
    wide = Value(np.ones(20), label="x") * 2.0
    g = np.arange(20.0)
    assert "    g_mul1,  # an array (20,)" in tg.unroll(wide, g).source.splitlines()
    assert tg.unroll(wide, g)().gradients["x"].tolist() == (2 * g).tolist()
    assert bits(tg.unroll(wide.sum(), -2.0)().gradients["x"]) == bits(np.full(20, -4.0))


def test_a_call_accepts_other_numbers_by_name_and_by_leaf():
    x, w = Value(3.0, label="x"), Value([1.0, 2.0], label="w[1]")
    E = (w * x).sum()
    unrolled = tg.unroll(E)
    assert list(unrolled.leaves) == ["x", "w_1"]
    by_name = unrolled(x=2, w_1=[5, 6])
    by_leaf = unrolled({x: 2.0, w: np.array([5.0, 6.0])})
    either = unrolled({x: 2.0}, w_1={1: 6.0})
    assert by_name.loss == by_leaf.loss == 22.0
    assert type(by_name.gradients["x"]) is float
    assert by_name.gradients["w_1"].tolist() == [2.0, 2.0]
    assert either.loss == 14.0
    assert isinstance(unrolled(), Outcome)
    assert (unrolled().loss, x.data, x.has_grad, E.has_grad) == (9.0, 3.0, False, False)


def test_other_numbers_give_the_results_of_a_new_graph(random_net):
    for seed in range(25):
        y, _ = random_net(seed, dtype=np.float32)
        g = np.random.default_rng(seed).standard_normal(y.shape)
        unrolled = tg.unroll(y, g)
        changes = {leaf: 1 - 2 * leaf.data for leaf in unrolled.leaves.values()}
        outcome = unrolled(changes)
        for leaf, data in changes.items():
            leaf.data = data
        twins = tg.record(y, g).replay()
        expected = [twins.gradients.get(n) for n in twins.nodes if not n.parents]
        assert bits(outcome.loss) == bits(twins.loss.data)
        for got, there in zip(outcome.gradients.values(), expected, strict=True):
            assert there is None or bits(got) == bits(there)


@pytest.mark.parametrize(
    ("build", "x"),
    [(lambda x: np.cos(tg.minimum(x, True)), 3.0), (lambda x: tg.maximum(x, 2), 1.0)],
)
def test_integers_and_bools_are_converted_where_other_data_chooses_them(build, x):
    unrolled = tg.unroll(build(v := Value(0.5 if x == 3.0 else 4.0, label="v")))
    names = {}
    exec(unrolled.source, names)
    expected = bits(build(Value(x)).data)
    assert bits(unrolled({v: x}).loss) == bits(names["run"](v=x)[0]) == expected


def test_a_call_determines_winners_again():
    unrolled = tg.unroll(three_units())
    outcome = unrolled(w12=-3.0)
    assert (outcome.loss, outcome.gradients["w11"], outcome.gradients["w31"]) == (30.25, 11.0, 0.0)
    tied = tg.unroll(tg.maximum(Value(1.0, label="a"), Value(2.0, label="b"), ties="error"))
    with pytest.raises(TieError, match="share the maximum 2"):
        tied(a=2.0)


@pytest.mark.parametrize(
    ("build", "x", "expected"),
    [
        (lambda x: 1.0 / x, 0.0, (np.inf, -np.inf)),
        (lambda x: x**-1, 0.0, (np.inf, -np.inf)),
        (lambda x: x**0.5, 0.0, (0.0, np.inf)),
        (lambda x: x**0.5, -1.0, (np.nan, np.nan)),
        (lambda x: tg.relu(x**0.5), -1.0, (np.nan, np.nan)),
        (lambda x: x ** Value(0.5, label="n"), -4.0, (np.nan, np.nan)),
        (lambda x: x**400, 10.0, (np.inf, np.inf)),
        (lambda x: tg.sqrt(tg.relu(x)), -1.0, (0.0, 0.0)),
        (lambda x: x * 2.0 / tg.relu(x), -1.0, (-np.inf, np.inf)),
    ],
)
def test_where_python_floats_fail_the_graph_runs_on_numpy(build, x, expected):
    unrolled = tg.unroll(build(Value(1.0, label="x")))
    with np.errstate(all="ignore"):
        outcome = unrolled(x=x)
    results = (outcome.loss, outcome.gradients["x"])
    np.testing.assert_array_equal(results, expected)
    assert [type(n) for n in results] == [float, float]


def test_where_python_floats_fail_the_given_gradient_is_used():
    x = Value([1.0, 2.0], label="x")
    w = Value(1.0, label="w")
    unrolled = tg.unroll(x * (1.0 / w), [1.0, 10.0])
    with np.errstate(all="ignore"):
        outcome = unrolled(w=0.0)
    assert outcome.loss.tolist() == [np.inf, np.inf]
    assert outcome.gradients["x"].tolist() == [np.inf, np.inf]
    assert outcome.gradients["w"] == -np.inf


def test_a_user_rule_with_a_complex_result_gives_nan():
    def root(x):
        def root_backward(g):
            return (g / 2 * x**-0.5,)

        return x**0.5, root_backward

    unrolled = tg.unroll(tg.lift(root)(Value(4.0, label="x")) * 3.0)
    assert unrolled().gradients == {"x": 0.75}
    with np.errstate(all="ignore"):
        assert math.isnan(unrolled(x=-1.0).loss)


def cube(x, *, times=1.0, hook=None):
    def cube_backward(g):
        to_x = 3 * g * x**2 * times
        return (to_x,)

    return x**3 * times, cube_backward


def test_a_user_rule_is_imported_or_becomes_a_parameter(tmp_path, monkeypatch):
    (tmp_path / "my_rules.py").write_text(
        "def relu(x):\n    return x * 7.0, lambda g: (g * 7.0,)\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import my_rules

    x = Value(2.0, label="x")
    mine = tg.unroll(tg.lift(my_rules.relu)(x).relu() + x)
    assert "from my_rules import relu\n" in mine.source
    assert "from tinygrad_pool.rules.elementwise import relu as relu_2\n" in mine.source
    assert mine() == (16.0, {"x": 8.0})

    def square(x):
        return x * x, lambda g: (2 * g * x,)

    local = tg.unroll(tg.lift(square)(x))
    assert "    square,  # a function" in local.source.splitlines()
    assert local() == (4.0, {"x": 4.0})
    assert "__main__" not in local.source


def test_a_rule_without_operands():
    def two():
        def two_backward(g):
            return ()

        return 2.0, two_backward

    x = Value(3.0, label="x")
    outcome = tg.unroll(tg.lift(two)() * x)()
    assert outcome == (6.0, {"x": 2.0})


def test_options_other_than_the_default_are_written_or_become_parameters():
    x = Value(2.0, label="x")
    lifted = tg.lift(cube)
    assert "cube(x)" in tg.unroll(lifted(x, times=1.0, hook=None)).source
    assert "cube(x, times=2.0)" in tg.unroll(lifted(x, times=2.0)).source
    hooked = tg.unroll(lifted(x, hook=len) + lifted(x, hook=len))
    assert hooked.source.count("cube(x, hook=hook1)") == 2
    assert "    hook1,  # a function" in hooked.source
    assert hooked().loss == 16.0
    classed = tg.unroll(lifted(x, hook={}))
    assert "    hook1,\n" in classed.source
    assert classed() == (8.0, {"x": 12.0})


def test_windows_are_written_once():
    x = Value(np.arange(16.0).reshape(4, 4), label="x")
    y = tg.max_pool2d(tg.max_pool2d(x, 2, 1), 2, 1) + tg.adaptive_avg_pool2d(x, 2)
    unrolled = tg.unroll(y.max())
    assert unrolled.source.count("= Windows(") == 1
    assert unrolled.source.count("windows=windows1)") == 2
    assert "windows2 = AdaptiveWindows(" in unrolled.source
    assert_identical(unrolled(), unrolled, y.max())


def test_large_arrays_are_parameters():
    images = np.arange(50.0).reshape(1, 2, 5, 5)
    w = Value(np.linspace(-1, 1, 36).astype(np.float32).reshape(2, 2, 3, 3), label="w")
    loss = tg.conv2d(images, w).relu().mean()
    unrolled = tg.unroll(loss, names={"images": images, "loss": loss})
    lines = unrolled.source.splitlines()
    assert "    w,  # an array (2, 2, 3, 3) of float32" in lines
    assert "    images,  # an array (1, 2, 5, 5)" in lines
    assert lines[0] == '"""Compute loss, and its gradient by every leaf: a line for each node."""'
    assert "constant1" in tg.unroll(loss).source
    assert "__main__" not in unrolled.source
    assert_identical(unrolled(), unrolled, loss)
    twice = tg.unroll((images + (images * Value(2.0))).sum())
    assert twice.source.count("constant1,") == 3


def test_unusual_labels_become_unique_names():
    labels = [
        "w[1]",
        "w(1)",
        "w_1",
        "for",
        "relu",
        "np",
        "g_a",
        "a",
        "a_backward",
        "to_a",
        "run",
        "",
    ]
    labels += ["", "_", "x²", "x2", "number", "float", "weights", "g_w_1_2", "z\n1", '"); x', "δ"]
    leaves = [Value(i + 1.0, label=label) for i, label in enumerate(labels)]
    E = sum(leaf.relu() * leaf for leaf in leaves)
    E.label = "w[1]"
    unrolled = tg.unroll(E)
    assert_identical(unrolled(), unrolled, E)
    names = list(unrolled.leaves)
    assert names[:4] == ["w_1", "w_1_2", "w_1_3", "for_"]
    assert len({*names}) == len(labels)


@pytest.mark.parametrize("pool", [tg.max_pool2d, tg.functional.adaptive_max_pool2d])
def test_a_label_like_an_imported_class_becomes_another_name(pool):
    Windows, AdaptiveWindows = (Value(np.eye(3), label) for label in ("Windows", "AdaptiveWindows"))
    unrolled = tg.unroll(total := np.sum(pool(Windows * AdaptiveWindows, 2)))
    assert [*unrolled.leaves] == ["Windows_2", "AdaptiveWindows_2"]
    names = {}
    exec(unrolled.source, names)
    assert names["run"]()[0] == total.data


def test_data_that_changes_a_shape_runs_the_graph():
    x = Value([0.0, 1.0, 2.0], label="x")
    unrolled = tg.unroll(np.sum(np.trim_zeros(x) ** 2))
    assert unrolled(x=[1.0, 2.0, 3.0]).gradients["x"].tolist() == [2.0, 4.0, 6.0]
    unrolled = tg.unroll(np.sum(np.trim_zeros(x) * Value([3.0, 4.0])))
    with pytest.raises(ShapeError, match=r"mul: shapes \(3,\) and \(2,\) do not broadcast"):
        unrolled(x=[1.0, 2.0, 3.0])


def test_the_gradients_of_the_graph_do_not_change():
    E = three_units()
    E.backward()
    before = [node.grad for node in topological_order(E)]
    tg.unroll(E)()
    assert [node.grad for node in topological_order(E)] == before


def test_an_unrolled_graph_does_not_change_with_its_leaves():
    w = Value(np.ones(20), label="w")
    unrolled = tg.unroll((w * w).sum())
    w.data += 1.0
    assert unrolled().loss == 20.0
    gradient = unrolled().gradients["w"]
    gradient += 5.0
    assert unrolled().gradients["w"].tolist() == [2.0] * 20


@pytest.mark.parametrize("given", [None, np.arange(20.0)], ids=["ones", "given"])
@pytest.mark.parametrize(
    "f", [lambda x: x, lambda x: x.reshape(20), lambda x: x.T, lambda x: x + 0.0, lambda x: x[1:]]
)
def test_results_of_a_call_may_be_changed_in_place(f, given):
    x = Value(np.arange(20.0).reshape(1, 20), label="x")
    y = f(x)
    g = np.ones(y.shape) if given is None else np.resize(given, y.shape)
    unrolled, seed = tg.unroll(y, g), g.copy()
    for changes in ({}, {"x": np.full((1, 20), 2.0)}):
        passed = [array.copy() for array in changes.values()]
        first = unrolled(**changes)
        loss, gradient = np.copy(first.loss), np.copy(first.gradients["x"])
        first.gradients["x"][...] = -7.0
        np.copyto(first.loss, -7.0)
        again = unrolled(**changes)
        assert (bits(again.loss), bits(again.gradients["x"])) == (bits(loss), bits(gradient))
        assert bits(x.data) == bits(np.arange(20.0).reshape(1, 20))
        assert bits(g) == bits(seed)
        assert [*map(bits, changes.values())] == [*map(bits, passed)]


def test_pdb_finds_the_lines():
    unrolled = tg.unroll(three_units())
    unrolled()
    file = unrolled._run.__code__.co_filename
    assert linecache.getline(file, 1) == unrolled.source.splitlines(True)[0]
    assert repr(unrolled) == "Unrolled(E: 17 nodes, 8 leaves)"
    del unrolled
    assert linecache.getline(file, 1) == ""


@pytest.mark.covered
def test_a_long_graph_is_unrolled_without_recursion():
    x, y = Value(1.0, label="x"), Value(0.5, label="y")
    for i in range(3_000):
        y = y * 0.5 + x if i % 2 else y.tanh()
    unrolled = tg.unroll(y)
    assert len(unrolled.source.splitlines()) > 15_000
    assert_identical(unrolled(), unrolled, y)


def test_thousands_of_leaves_and_one_wide_sum():
    ws = [Value(1.0 / (i + 1)) for i in range(3_000)]
    E = tg.weighted_sum(ws, [float(i % 7) for i in range(3_000)])
    unrolled = tg.unroll(E)
    assert max(map(len, unrolled.source.splitlines())) <= 100
    assert_identical(unrolled(), unrolled, E)


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: tg.unroll(3.0), DataError, "unroll: needs a Value, got float"),
        (lambda: tg.unroll(Value([1.0, 2.0])), ShapeError, "pass gradient="),
        (lambda: tg.unroll(Value(1.0).exp().detach()), GraphError, "detached"),
        (
            lambda: tg.unroll(three_units())(w13=1.0),
            OptionError,
            "unrolled: 'w13' is not a leaf of E; it has w32, w31, w21, w12",
        ),
        (
            lambda: tg.unroll(three_units())({Value(1.0, label="q"): 1.0}),
            OptionError,
            "unrolled: the leaf 'q' is not a leaf of E; it has x1, x2, w11, w12, w21, w22",
        ),
        (lambda: tg.unroll(tg.relu(1.0))(x=2.0), OptionError, "not a leaf of relu1; it has none"),
        (lambda: tg.unroll(three_units())(x1=[1.0, 2.0]), ShapeError, r"unrolled: x1: needs shape"),
        (lambda: tg.unroll(three_units())(x1="a"), DataError, "unrolled: x1: needs real numbers"),
    ],
)
def test_errors_name_the_problem(run, error, message):
    with pytest.raises(error, match=message):
        run()


def test_data_assigned_after_the_pass_raises():
    x = Value(2.0, label="x")
    E = x * x
    x.data = 3.0
    with pytest.raises(GraphError, match="the data of the leaf 'x' changed"):
        tg.unroll(E)


def test_a_random_rule_raises():
    rng = np.random.default_rng(0)

    def dropout(x):
        mask = rng.random(np.shape(x)) < 0.5
        return x * mask, lambda g: (g * mask,)

    y = tg.lift(dropout)(Value(np.ones(50)))
    with pytest.raises(
        GraphError, match="unroll: the dropout node gives different numbers when its"
    ):
        tg.unroll(y.sum())
    v = Value([1.0, 2.0])
    E = (v * 2.0).sum()
    v.data[0] = 5.0
    with pytest.raises(GraphError, match="changed in place after the mul node"):
        tg.unroll(E)
