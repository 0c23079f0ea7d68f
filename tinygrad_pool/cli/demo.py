"""The demo: train on real digits, check the derivation in the network, and draw everything."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool import datasets, nn, optim
from tinygrad_pool.derivatives.sparse_jacobian import weights_of
from tinygrad_pool.drawing.computation import draw
from tinygrad_pool.drawing.legible import SLIDE
from tinygrad_pool.drawing.plots import loss_curve
from tinygrad_pool.drawing.rendering import Drawn, Size, contents
from tinygrad_pool.engine.context import no_grad
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import ToolError
from tinygrad_pool.functional.operations import log_softmax, relu
from tinygrad_pool.pooling_as_weights.derivation import Network, figures, network

Array = NDArray[np.float32]


class DigitsNet(nn.Module):
    """conv → relu → max pool, twice, and a linear layer over the ten digits."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1, rng=rng)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(12, 32, 3, padding=1, rng=rng)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(128, 10, rng=rng)

    def forward(self, x: Any) -> Value:
        """Score images (n, 1, 8, 8): (n, 10)."""
        return self.above_pool1(self.pool1(self.relu1(self.conv1(x))))

    def above_pool1(self, z: Value) -> Value:
        """Score the output of the first pooling layer."""
        scores: Value = self.linear(self.flatten(self.pool2(self.relu2(self.conv2(z)))))
        return scores


class Progress(NamedTuple):
    """Training progress: the share of batches done, and the loss and accuracy of each epoch."""

    share: float
    losses: list[float]
    accuracies: list[float]


def train(net: DigitsNet, epochs: int, seed: int, batch: int = 32) -> Iterator[Progress]:
    """Train on the digits with Adam and a falling learning rate, and yield after every batch.

    Runs on one thread if threadpoolctl is installed: the matrices are so small that a second thread
    mostly waits, on a busy machine ten times as long as the work takes.
    """
    (x, labels), (x_test, labels_test) = datasets.digits()
    optimizer = optim.Adam(net.parameters())
    progress, rng = Progress(0.0, [], []), np.random.default_rng(seed)
    with _one_thread():
        for epoch in range(epochs):
            optimizer.lr = 5e-3 * (1 - epoch / epochs)
            total = 0.0
            for i, (images, targets) in enumerate(datasets.batches(x, labels, batch, rng)):
                loss = nn.cross_entropy(net(images), targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(targets)
                yield progress._replace(share=(epoch + i * batch / len(x)) / epochs)
            progress.losses.append(total / len(x))
            progress.accuracies.append(accuracy(net, x_test, labels_test))
    yield progress._replace(share=1.0)


def _one_thread() -> AbstractContextManager[Any]:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limit: AbstractContextManager[Any] = threadpool_limits(1)
    return limit


def accuracy(net: DigitsNet, x: Array, labels: NDArray[np.int64]) -> float:
    """Return the share of images whose label has the highest score."""
    with no_grad():
        scores = net(x).data
    return float((scores.argmax(axis=1) == labels).mean())


class Inside(NamedTuple):
    """The first pooling layer on one image, after a backward pass from the loss.

    Shapes: `z` and δ(1), `deltas`, are (channels, 8, 8), `pooled_deltas` (channels, 4, 4).
    `by_weights` is δ(1) computed with the 0/1 weights: σ'(a) Pᵀ δ(2).
    """

    image: Array
    label: int
    loss: Value
    z: Array
    deltas: Array
    pooled_deltas: Array
    by_weights: Array


def hardest(net: DigitsNet, x: Array, labels: NDArray[np.int64]) -> int:
    """Return the index of the image with the largest loss."""
    with no_grad():
        log_probabilities = log_softmax(net(x)).data
    return int(log_probabilities[np.arange(len(x)), labels].argmin())


def look_inside(net: DigitsNet, image: Array, label: int) -> Inside:
    """Run one image forward and backward, and compute δ below the first pool in two ways."""
    a = net.conv1(image[None])
    z = net.relu1(a)
    pooled = net.pool1(z)
    loss = nn.cross_entropy(net.above_pool1(pooled), [label])
    loss.label = "loss"
    loss.backward()
    P = weights_of(pooled).dense()
    through = (P.T @ pooled.grad.reshape(-1)).reshape(a.shape[1:])
    by_weights = np.where(a.data[0] > 0, through, np.float32(0))
    return Inside(image[0], label, loss, z.data[0], a.grad[0], pooled.grad[0], by_weights)


class PoolingUnit(NamedTuple):
    """One pooling unit of a trained network: its position, its layer, and its scalar graph."""

    channel: int
    row: int
    column: int
    inside: Inside
    units: Network

    def window(self, array: Array) -> Array:
        """Return the unit's 2×2 window of an array (channels, 8, 8), in row-major order."""
        i, j = 2 * self.row, 2 * self.column
        return array[self.channel, i : i + 2, j : j + 2].reshape(-1)


def busiest_unit(net: DigitsNet, inside: Inside) -> PoolingUnit:
    """Choose the pooling unit with the largest error among the instructive ones.

    It is not at the border, and if possible its window has four different numbers above 0: a loser
    of 0 would get no gradient anyway. Its four feature-map units are rebuilt as scalar units on the
    4×4 pixels that they see, with the trained weights, and a backward pass from δ(2) is run.
    """
    windows = np.sort(inside.z.reshape(-1, 4, 2, 4, 2).swapaxes(2, 3).reshape(-1, 4, 4, 4))
    differs = (windows[..., 0] > 0) & (np.diff(windows) > 0).all(axis=-1)
    errors = np.where(differs, 1.0, 1e-9) * np.abs(inside.pooled_deltas)
    inner = errors[:, 1:3, 1:3]
    channel, i, j = (int(k) for k in np.unravel_index(inner.argmax(), inner.shape))
    row, column = i + 1, j + 1
    pixels = inside.image[2 * row - 1 : 2 * row + 3, 2 * column - 1 : 2 * column + 3]
    state = net.conv1.state_dict()
    kernel, bias = state["weight"][channel, 0], state["bias"][channel]
    weights = []
    for down, right in np.ndindex(2, 2):
        field = {4 * (down + u) + right + v + 1: float(kernel[u, v]) for u, v in np.ndindex(3, 3)}
        weights.append({0: float(bias), **field})
    units = network([float(x) for x in pixels.reshape(-1)], weights, activation=relu)
    units.pooled.backward(gradient=float(inside.pooled_deltas[channel, row, column]))
    return PoolingUnit(channel, row, column, inside, units)


class File(NamedTuple):
    """A file in the demo's folder; `missing` is the error if a tool to draw it is not installed."""

    name: str
    shows: str
    content: bytes
    missing: str = ""


def _file(
    stem: str, kind: str, shows: str, drawing: Callable[[], Drawn], size: Size = (None, None)
) -> File:
    """Draw a file: as DOT text without a Graphviz program, and empty if a package is missing."""
    try:
        drawn = drawing()
    except ToolError as error:
        return File(f"{stem}.{kind}", shows, b"", str(error))
    try:
        return File(f"{stem}.{kind}", shows, contents(drawn, kind, size=size))
    except ToolError as error:
        return File(f"{stem}.dot", f"{shows}, as text", contents(drawn, "dot"), str(error))


def files_of(net: DigitsNet, progress: Progress, unit: PoolingUnit) -> list[File]:
    """Draw all files of the demo for which the tools are installed."""
    drawn = figures(unit.units, columns=4)
    captions = {
        "F1": "the pooling unit over the four feature-map units of its window",
        "F2": "the winner, with the nine pixels it sees and its trained weights",
        "F3": "the kink of max, and its derivative on both sides",
        "F4": "F1 with weights: 1 on the winner's link, 0 on the losers'",
    }
    layers, nodes = "the network on one image, by layers", "all nodes of the network, with arrays"
    curve = "loss and test accuracy by epoch"

    def by_layers() -> Drawn:
        return draw(unit.inside.loss, detail="layers")

    return [
        *(_file(name, "svg", text, drawn[name]) for name, text in captions.items()),
        _file("graph", "svg", layers, by_layers),
        _file("graph", "png", f"{layers}, for a slide", by_layers, size=SLIDE),
        _file("graph", "html", f"{nodes}, to pan and zoom", lambda: draw(unit.inside.loss)),
        _file("loss", "svg", curve, lambda: loss_curve(progress.losses, progress.accuracies)),
        File("weights.npz", "the trained weights; net.load() reads them", net.to_npz()),
    ]
