"""Every mistake raises one of our errors: it names the operation, what it needs and what it got."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import (
    AxisError,
    DataError,
    GraphError,
    OptionError,
    RuleError,
    ShapeError,
    SubscriptError,
    TinygradPoolError,
    UnsupportedError,
)

V = Value(np.arange(6.0).reshape(2, 3))
IMAGE = np.ones((1, 1, 4, 4))
FILTER = np.ones((1, 1, 3, 3))

MISTAKES = [
    ("shapes", lambda: V + np.ones(4), ShapeError, r"add: shapes \(2, 3\) and \(4,\)"),
    ("matmul", lambda: V @ V, ShapeError, r"matmul: shapes \(2, 3\) and \(2, 3\) do not match"),
    ("matmul scalar", lambda: V @ 2.0, ShapeError, "matmul: needs arrays"),
    ("axis", lambda: V.sum(axis=2), AxisError, r"sum: axis 2 is out of range for shape \(2, 3\)"),
    ("axis twice", lambda: V.max(axis=(0, -2)), AxisError, "max: axis .* twice"),
    ("axis of text", lambda: V.mean(axis="x"), AxisError, "mean: axis must be an integer"),
    ("axis of NaN", lambda: V.sum(axis=np.nan), AxisError, "sum: axis must be an integer"),
    ("reshape", lambda: V.reshape(4), ShapeError, r"reshape: 6 elements of shape \(2, 3\) cannot"),
    ("transpose", lambda: V.transpose(0, 0), AxisError, "transpose"),
    ("large kernel", lambda: tg.max_pool2d(IMAGE, 5), ShapeError, "max_pool2d: a window of 5"),
    ("conv kernel", lambda: tg.conv2d(V[None], FILTER), ShapeError, "conv2d: a window of 3"),
    (
        "stride 0",
        lambda: tg.max_pool2d(IMAGE, 2, 0),
        OptionError,
        "stride must be at least 1, got 0",
    ),
    ("stride −1", lambda: tg.conv2d(IMAGE, FILTER, stride=-1), OptionError, "conv2d: stride .*-1"),
    ("huge stride", lambda: tg.max_pool2d(IMAGE, 2, 10**30), OptionError, "stride must be below 2"),
    (
        "huge divisor",
        lambda: tg.avg_pool2d(IMAGE, 2, divisor_override=10**400),
        OptionError,
        "avg_pool2d: divisor_override must be a finite number",
    ),
    (
        "kernel NaN",
        lambda: tg.max_pool2d(IMAGE, np.nan),
        OptionError,
        "kernel_size must be integers",
    ),
    ("padding", lambda: tg.max_pool2d(IMAGE, 2, padding=3), OptionError, "max_pool2d: padding 3"),
    ("index NaN", lambda: V[np.nan], SubscriptError, "getitem"),
    ("index of floats", lambda: V[np.array([0.5])], SubscriptError, "getitem"),
    ("index out of range", lambda: V[5], SubscriptError, r"getitem: .*\(2, 3\).*5"),
    ("index of a Value", lambda: V[Value(1.0)], SubscriptError, "getitem"),
    ("complex", lambda: Value(1j), DataError, "Value: needs real numbers, got complex128"),
    ("text", lambda: Value("1.0"), DataError, "Value: needs real numbers"),
    ("ragged", lambda: Value([[1.0], [1.0, 2.0]]), DataError, "Value: needs numbers in a regular"),
    (
        "shapes and a huge number",
        lambda: tg.maximum(10**30, V, np.ones(4)),
        ShapeError,
        r"maximum: shapes \(\) and \(2, 3\) and \(4,\) do not broadcast",
    ),
    ("huge question", lambda: np.less(V, 10**400), DataError, "np.less: int too large"),
    ("operand of text", lambda: V * "2", DataError, "mul: needs real numbers"),
    ("array root", (V * 1.0).backward, ShapeError, r"backward: the mul node has shape"),
    ("gradient", lambda: (V * 1.0).backward(np.ones(3)), ShapeError, r"needs shape \(2, 3\), got"),
    (
        "gradient of text",
        lambda: (V * 1.0).backward("x"),
        DataError,
        "backward: gradient: needs real",
    ),
    ("if", lambda: bool(V), ShapeError, "bool: the leaf of shape"),
    ("asarray", lambda: np.asarray(V), UnsupportedError, r"v\.data"),
    ("out=", lambda: np.exp(V, out=np.ones((2, 3))), OptionError, "exp: no option 'out' .* new"),
    ("out of a question", lambda: np.less(V, 1.0, out=V), OptionError, "np.less: no option 'out'"),
    ("list to NumPy", lambda: np.max([V, V]), UnsupportedError, r"np\.stack"),
    ("grad of a number", lambda: tg.grad(2.0), DataError, "grad: needs a computed Value"),
    ("grad by text", lambda: tg.grad(np.sin)("x"), DataError, "grad: an argument in .* numbers"),
    ("grad of numbers", lambda: tg.grad(lambda x: 2.0)(1.0), DataError, "f must return a Value"),
    ("grad of an array", lambda: tg.grad(np.sin)(V), ShapeError, r"one number, got shape \(2, 3\)"),
    ("no argument", lambda: tg.grad(np.sin, 1)(2.0), OptionError, "argnums=1, but the call has 1"),
    ("inverse", lambda: np.linalg.inv(V), ShapeError, r"inv: needs square .* \(2, 3\)"),
    ("singular", lambda: np.linalg.inv(V[:, :2] * 0.0), DataError, "inv: singular matrix"),
    ("einsum", lambda: np.einsum("ij,jk", V, V), ShapeError, "np.einsum: 'j' has length 3, but 2"),
    ("dot", lambda: np.dot(V, V), ShapeError, r"^np.dot: shapes"),
    ("dot of more axes", lambda: np.dot(np.ones((2, 2, 2)), V.T), ShapeError, r"^np.dot: axes \[2"),
    ("axis of nansum", lambda: np.nansum(V, axis=2), AxisError, r"^np.nansum: axis 2 is out"),
    ("axis of ptp", lambda: V.ptp(axis=2), AxisError, r"^np.ptp: axis 2 is out"),
    ("keepdims of std", lambda: V.std(keepdims=1), OptionError, r"^np.std: keepdims must be"),
    ("corrcoef", lambda: np.corrcoef(Value(IMAGE)), ShapeError, r"^np.corrcoef: needs at most two"),
    ("fliplr", lambda: np.fliplr(V[0]), AxisError, r"^np.fliplr: axis 1 is out"),
    ("trace", lambda: np.trace(V, V), OptionError, r"^np.trace: offset must be a constant"),
    ("axes of vecdot", lambda: np.vecdot(V, V, axis=(0,)), AxisError, r"^np.vecdot: axis must be"),
    ("quantile", lambda: np.quantile(V, 2.0), OptionError, "np.quantile: Quantiles must be in"),
    ("split", lambda: np.split(V, 4), OptionError, "np.split: array split does not result in"),
    ("pad", lambda: np.pad(V, 1, "mean"), UnsupportedError, "np.pad .* not 'mean'"),
    ("take", lambda: np.take(V, 9), SubscriptError, "np.take: index 9 is out of bounds"),
    ("axis of std", lambda: V.std(axis=5), AxisError, "std: axis 5 is out of range"),
    ("where of var", lambda: np.var(V, where=V.data > 0), OptionError, "var: no option 'where'"),
    ("out of roll", lambda: np.concatenate([V], out=V.data), OptionError, "no option 'out'"),
    ("grad by an array", lambda: tg.grad(V.sum(), np.ones(())), DataError, "grad: .* got ndarray"),
    ("groups", lambda: tg.conv2d(IMAGE, FILTER, groups=2), OptionError, "conv2d: groups=2 must"),
    (
        "channels",
        lambda: tg.conv2d(np.ones((2, 4, 4)), FILTER),
        ShapeError,
        "conv2d: .* needs 1 channel,",
    ),
    ("bias", lambda: tg.conv2d(IMAGE, FILTER, np.ones(2)), ShapeError, "conv2d: bias"),
    ("ties", lambda: V.max(ties="random"), OptionError, "max: ties must be one of 'first'"),
    ("no operands", tg.maximum, OptionError, "maximum: needs at least one operand"),
    ("nothing to max", lambda: Value(np.ones((0, 2))).max(), ShapeError, "max: nothing to reduce"),
    (
        "weights",
        lambda: tg.weighted_sum([1.0], [V, V]),
        ShapeError,
        "weighted_sum: needs as many inputs as weights, got 2 and 1",
    ),
]


@pytest.mark.parametrize(
    ("call", "error", "message"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_mistakes_are_named(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, TinygradPoolError)


def test_backward_through_no_grad_or_changed_data_is_an_error():
    with tg.no_grad():
        y = V * 2.0
    with pytest.raises(GraphError, match="backward: the mul node was computed under no_grad"):
        y.backward(np.ones((2, 3)))
    w = Value([1.0, 2.0], label="w")
    loss = (w * w).sum()
    w.data -= 1.0
    with pytest.raises(GraphError, match="'w' changed in place after the mul node was computed"):
        loss.backward()


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda v: v.sum(dim=0), "sum: no option 'dim' .* use axis= here"),
        (lambda v: v.max(keepdim=True), "use keepdims= here"),
        (lambda v: v.argmax(dim=0), r"^np\.argmax: .* argument 'dim'; use axis= here"),
        (lambda v: v.any(keepdim=True), r"^np\.any: .* argument 'keepdim'; use keepdims= here"),
        (lambda v: v.clip(a_min=0), r"no option 'a_min' \(options: min, max\)"),
        (
            lambda v: v.backward(retain_graph=True),
            "a graph is kept as long as you hold a Value of it",
        ),
        (lambda v: Value(1.0, requires_grad=True), "every Value gets a gradient"),
        (lambda v: Value(1.0, constant=True), "'constant': numbers and arrays are constants"),
        (lambda v: tg.grad(v, v, allow_unused=True), "'allow_unused': gradients are zeros where"),
        (lambda v: tg.grad(v, v, grad_outputs=1.0), "'grad_outputs': write gradient="),
        (lambda v: tg.backward_steps(v, retain_graph=True), "backward_steps: no option 'retain"),
        (lambda v: tg.backward_steps(v, create_graph=True), "'create_graph': tg.grad.loss, .x"),
        (lambda v: v.sum(0, True, 1), "sum: needs 1 operand and at most 2 options, got 4"),
        (tg.where, "where: needs 3 operands and at most 0 options, got 1 argument"),
    ],
)
def test_options_of_other_libraries_get_a_hint(call, hint):
    with pytest.raises(OptionError, match=hint):
        call(Value([1.0]))


@pytest.mark.parametrize("made", [3.0, (1.0, 2.0, 3.0), None])
def test_a_rule_that_does_not_return_a_pair_is_named(made):
    def odd(x):
        return made

    with pytest.raises(RuleError, match=r"odd: a rule must return its result .*: .* unpack"):
        tg.lift(odd)(Value(1.0))


@pytest.mark.parametrize("closure", [None, 5.0])
def test_a_rule_without_a_closure_is_an_error(closure):
    def odd(x):
        return x * 2.0, closure

    x = Value(1.0)
    with pytest.raises(RuleError, match=f"odd: .* a closure, got {closure} for the closure"):
        (tg.lift(odd)(x) * 3.0).backward()


def test_a_type_error_in_the_users_closure_passes_through():
    def odd(x):
        return x * 2.0, lambda g: g["x"]

    with pytest.raises(TypeError):
        tg.lift(odd)(Value(1.0)).backward()


@pytest.mark.parametrize(
    ("result", "message"),
    [("text", "needs real numbers"), (1j * np.ones(2), "complex128"), (None, "object")],
)
def test_a_rule_whose_result_is_not_a_number_is_named(result, message):
    def odd(x):
        return result, lambda g: (g,)

    with pytest.raises(DataError, match=f"odd: .*{message}"):
        tg.lift(odd)(Value([1.0]))


@pytest.mark.parametrize(
    ("error", "x"), [(ValueError, [1.0]), (TypeError, [1.0, 2.0]), (ZeroDivisionError, [1.0, 2.0])]
)
def test_an_error_of_the_users_rule_passes_through(error, x):
    def failing(x, w):
        raise error("mine")

    with pytest.raises(error, match=r"^mine$"):
        tg.lift(failing)(Value(x), Value([1.0, 2.0, 3.0]))


@pytest.mark.parametrize(
    ("contributions", "error", "message"),
    [
        (
            (1.0,),
            RuleError,
            r"odd: its closure must return a tuple of 2 contributions, one per",
        ),
        ([1.0, 1.0], RuleError, r"must return a tuple of 2 .* got \[1.0, 1.0\]"),
        (None, RuleError, "must return a tuple of 2 contributions.* got None"),
        (
            (np.ones(5), None),
            RuleError,
            r"contribution of shape \(5,\) for operand 0, which has shape \(2,\)",
        ),
        (
            (np.ones((5, 2)), None),
            RuleError,
            r"contribution of shape \(5, 2\) for operand 0",
        ),
        ((1.0, None), RuleError, r"contribution of shape \(\) for operand 0"),
        (("text", None), DataError, "odd: the contribution to operand 0: needs real numbers"),
        ((np.ones(2) * 1j, None), DataError, "operand 0: needs real numbers, got complex"),
    ],
)
def test_a_closure_that_breaks_its_contract_is_named(contributions, error, message):
    def odd(x, w):
        def odd_backward(g):
            return contributions

        return x * w, odd_backward

    y = tg.lift(odd)(Value([1.0, 2.0]), Value([3.0, 4.0]))
    with pytest.raises(error, match=message):
        y.sum().backward()


def test_a_contribution_longer_than_the_result_is_named():
    def odd(x, w):
        return x * w, lambda g: (np.ones((5, 2)), None)

    with pytest.raises(
        RuleError, match=r"odd: .* shape \(5, 2\) for operand 0, which has .* \(2,\)"
    ):
        tg.lift(odd)(Value([1.0, 2.0]), Value(np.ones((3, 2)))).sum().backward()


WHOLE = {
    "render": lambda y, n, path: tg.render(y, path / "y.svg", width=n, height=n),
    "draw": lambda y, n, _: tg.draw(y, depth=n, rows=n),
    "tree": lambda y, n, _: tg.tree(y, depth=n, limit=n),
    "draw_windows": lambda y, n, _: tg.draw_windows(y, plane=(n - n, n - n)),
    "receptive_field": lambda y, n, _: tg.receptive_field(y, np.array([n - n, n - n, n, -n])),
    "cross_entropy": lambda y, n, _: tg.functional.cross_entropy(y[0, 0], [0, 1], ignore_index=-n),
    "grad": lambda _y, n, _: tg.value_and_grad(lambda _, x: x * x, argnums=n - n + 1)(0.0, 2.0),
    "jacobian": lambda _y, n, _: tg.jacobian(lambda x: x * x, argnums=n - n)(np.ones(2)),
}


@pytest.mark.parametrize("ask", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("whole", [np.int64(1), np.array(1), np.int8(1)], ids=repr)
def test_integers_of_numpy_are_accepted(ask, whole, tmp_path):
    ask(tg.max_pool2d(tg.Value(np.arange(16.0).reshape(1, 1, 4, 4)), 2), whole, tmp_path)
