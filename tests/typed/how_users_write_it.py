"""How users write it: mypy --strict reads this file, and nothing ever runs it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import graphviz
import numpy as np
from numpy.typing import NDArray

import tinygrad_pool as tg
from tinygrad_pool import Step, Value
from tinygrad_pool.nn import MLP, Conv2d, Linear, Module, ReLU, Sequential
from tinygrad_pool.rules.rule import Backward, Contributions


def scalars() -> float:
    a, b = Value(2.0, label="a"), Value(3)
    c = a * b + a**2 - 1 / b
    c += 2 * -a
    c.label = "c"
    d = tg.maximum(a, b, 0.0, ties="even")
    assert_type(c, Value)
    assert_type(d, Value)
    assert_type(a.relu().sigmoid().tanh().exp(), Value)
    c.backward()
    a.data -= 0.1 * a.grad
    a.zero_grad()
    assert_type(a.has_grad, bool)
    assert_type(a.shape, tuple[int, ...])
    return float(c) + c.item()


def arrays(x: NDArray[np.float64]) -> Value:
    v = Value(x)
    w = x @ v + v.T @ x
    y = w.sum(axis=0, keepdims=True).reshape(-1).transpose()[1:]
    y = tg.softmax(y, axis=-1) * np.float64(2)
    for row in y:
        assert_type(row, Value)
    if v.size > 3 and bool(np.all(v.data > 0)):
        y.backward(gradient=np.ones(y.shape))
    return y


def numpys_names(v: Value, x: NDArray[np.float64]) -> list[Any]:
    a: Value = x @ v
    b: Value = 1 + x * v
    c: Value = np.mean(v, axis=0)
    for kept in (np.exp(v), np.sum(v), np.max(v, axis=1), np.maximum(v, 0), np.clip(v, 0, 1)):
        assert kept is not None
    joined = [np.concatenate([v, a], axis=1), np.stack((b, c)), np.where(v.data > 0, v, 0.0)]
    assert_type(np.float64(2) * v, Value)
    assert_type(bool(v), bool)
    assert_type({v: "v"}[v], str)
    return [*joined, np.argmax(v.data), v in [a, b]]


def arrays_methods(v: Value, x: NDArray[np.float64]) -> list[Any]:
    y: Value = v.std(axis=0).flatten() + tg.einsum("ij,j->i", v, x)
    norms = [tg.norm(v), np.linalg.norm(v), tg.sum(v, axis=0), tg.median(v)]
    return [y, v.argmax(), v.all(), v.mT, *norms]


def loss(net: Linear, x: NDArray[np.float64]) -> Any:
    return (net(x) ** 2).sum()


def derivatives_of_functions(net: Linear, x: NDArray[np.float64]) -> list[Any]:
    assert_type(tg.grad(Value(1.0) * 2.0, [Value(1.0)]), tuple[Any, ...])
    g = tg.grad(loss)(net, x)
    by_x = tg.grad(loss, argnums=1)(net, x)
    value, both = tg.value_and_grad(loss, (0, 1))(net, x)
    y, pull = tg.vjp(np.tanh, x)
    return [
        g,
        by_x,
        value,
        both,
        pull(y),
        tg.hessian(loss, 1)(net, x),
        tg.grad(tg.grad(np.sin))(1.0),
    ]


def comparisons(v: Value) -> bool:
    if v < 1 and v.item() >= 0:
        return bool(v > 0.5)
    return v == v.detach()


def pooling(image: Value) -> tuple[Value, NDArray[np.int64]]:
    assert_type(tg.max_pool2d(image, 2), Value)
    assert_type(tg.avg_pool2d(image, (2, 3), padding=((0, 1), 1)), Value)
    assert_type(tg.lp_pool2d(image, 2, kernel_size=2), Value)
    assert_type(tg.adaptive_avg_pool2d(image, (1, None)), Value)
    assert_type(tg.conv2d(image, np.ones((1, 1, 3, 3)), padding=1), Value)
    y, winners = tg.max_pool2d(image, 2, return_indices=True)
    assert_type(y, Value)
    assert_type(winners, NDArray[np.int64])
    assert_type(tg.max_unpool2d(y, winners, 2, output_size=image.shape), Value)
    _, first = tg.adaptive_max_pool3d(image, 1, True)
    assert_type(first, NDArray[np.int64])
    return tg.max_pool2d(image, 3, stride=2, return_indices=True, ties="last")


def stepping(loss: Value) -> Iterator[str]:
    for step in tg.backward_steps(loss):
        assert_type(step, Step)
        assert_type(step.contributions, Contributions)
        yield f"{step.node.op} {step.upstream} {step.contributions}"


def second_order(x: Value) -> Any:
    (slope,) = tg.grad(x**3, x, create_graph=True)
    (curvature,) = tg.grad(slope, [x])
    return curvature


def rules(x: Value) -> Value:
    def cube(x: Any) -> tuple[Any, Backward]:
        def cube_backward(g: Any) -> Contributions:
            to_x = 3 * g * x**2
            return (to_x,)

        return x**3, cube_backward

    def scaled(x: Any, *, by: float, wants: tuple[bool] = (True,)) -> tuple[Any, Backward]:
        return by * x, lambda g: (by * g if wants[0] else None,)

    operation = tg.lift(scaled)
    assert_type(operation(x, by=2.0), Value)
    return tg.lift(cube)(x)


class Net(Module):
    def __init__(self) -> None:
        self.body = Sequential(conv=Conv2d(1, 4, 3, rng=0), act=ReLU())
        self.head = Linear(16, 2, rng=1)

    def forward(self, x: Value) -> Value:
        z: Value = self.head(self.body(x).reshape(len(x), -1))
        return z


def training() -> list[float]:
    (x, labels), _ = tg.datasets.digits()
    net = Net()
    optimizer = tg.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    with tg.no_grad(), tg.scope("look"):
        net(x)
    losses = []
    for _ in range(3):
        loss = tg.nn.cross_entropy(net(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.load_state_dict(net.state_dict())
    return losses


class Modern(Module):
    def __init__(self, rng: np.random.Generator) -> None:
        self.norm = tg.nn.BatchNorm2d(4)
        self.blocks = tg.nn.ModuleList([Conv2d(1, 4, 3, rng=rng), tg.nn.GELU("tanh")])
        self.drop = tg.nn.Dropout(0.1, rng=rng)
        self.head = tg.nn.Sequential(tg.nn.Flatten(), Linear(144, 10, rng=rng))

    def forward(self, x: Any) -> Value:
        for block in self.blocks:
            x = block(x)
        z: Value = self.head(self.drop(self.norm(x)))
        return z


def training_with_all() -> list[str]:
    (x, labels), _ = tg.datasets.digits(np.float64)
    rng = np.random.default_rng(0)
    net = Modern(rng).train()
    for p in net.blocks.parameters():
        tg.nn.init.uniform_(p, -0.1, 0.1, rng=rng)
    optimizer = tg.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.1)
    criterion = tg.nn.CrossEntropyLoss(label_smoothing=0.1, reduction="sum")
    for images, digits in tg.datasets.batches(x, labels, 64, rng):
        assert_type(digits, NDArray[np.int64])
        criterion(net(images), digits).backward()
        assert_type(tg.nn.utils.clip_grad_norm_(net.parameters(), 1.0), float)
        optimizer.step()
    net.eval().apply(lambda part: part.zero_grad())
    assert_type(tg.gelu(Value(x), approximate="tanh"), Value)
    assert_type(tg.functional.layer_norm(x, 8), Value)
    return [name for name, part in net.named_modules() if isinstance(part, Conv2d)]


def micrograd() -> Any:
    model = MLP(2, [16, 1])
    return [model([Value(1.0), 2.0]), [p.data for p in model.parameters()]]


def drawing(loss: Value) -> Path:
    assert_type(tg.draw(loss, direction="TB", title="E"), graphviz.Digraph)
    return tg.render(tg.draw_units(loss, zero_one=True), "units.svg", dpi=150)


def debugging(loss: Value, w: Value) -> list[str]:
    with tg.traced(), tg.record(loss, names={"w": w}) as passed:
        step = passed.next()
        arrived = [] if step is None else [step.node.op, str(step.upstream)]
    passed.set("w", 5.0)
    again = passed.replay()
    told = [str(passed.why(w)), str(tg.compare_passes(passed, again)), str(tg.derive(loss, w))]
    told += [finding.why for finding in tg.diagnose(loss, parameters=[w]).findings]
    run = tg.watch([w])
    loss.backward()
    if (bad := run.step(loss)) is not None:
        told += [bad.kind, bad.why, run.table().text()]
    assert_type(passed.to_html("backward.html", direction="TB"), Path)
    assert_type(passed.widget(title="A pass").step, int)
    outcome = tg.unroll(loss)(w=2.0)
    return [*arrived, *told, str(outcome.gradients["w"])]


def mistakes(v: Value) -> None:
    tg.softmax(v, axs=0)  # type: ignore[call-arg]
    tg.maximum(v, 0.0, ties="evn")  # type: ignore[arg-type]
    tg.relu(v, v)  # type: ignore[call-arg]
    tg.clip(v, minimum=0.0)  # type: ignore[call-arg]
    v.sum(axs=0)  # type: ignore[call-arg]
    v.exp(2.0)  # type: ignore[call-arg]
    v.view(4)  # type: ignore[attr-defined]
    tg.tensor([1.0])  # type: ignore[attr-defined]
    tg.nn.Dropout("half")  # type: ignore[arg-type]
    tg.nn.mse_loss(v, v, reduction="most")  # type: ignore[arg-type]
    tg.max_pool2d(v, 2, ties="random")  # type: ignore[call-overload]
    tg.conv2d(v)  # type: ignore[call-arg]
    tg.backward_steps(3)  # type: ignore[arg-type]
    tg.lift(3)  # type: ignore[arg-type]
    tg.record(3)  # type: ignore[arg-type]
    tg.record(v).to_html("page.html", direction="up")  # type: ignore[arg-type]
    tg.absent()  # type: ignore[attr-defined]
    v.label = 3  # type: ignore[assignment]
    v.shape = (2,)  # type: ignore[misc]
