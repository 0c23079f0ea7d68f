"""Compare a convolutional net, an MLP and a convolution with torch and MyGrad.

A step of training is timed. Each library that is installed has its own process and takes turns with
the others, on one thread and on the same float32 numbers. All must agree on the loss, or on the sum
of the gradients. The figures are ratios of median CPU times, theirs to ours: above 1 we are faster.

    pip install -e '.[peers]' && python benchmarks/networks.py
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

Arrays = list[Any]
Step = Callable[[], float]
LR = 0.01
SHAPES = {
    "conv net": [(8, 1, 3, 3), (8,), (16, 8, 3, 3), (16,), (784, 10), (10,)],
    "MLP": [(784, 128), (128,), (128, 10), (10,)],
    "conv2d": [(8, 16, 64, 64), (16, 16, 3, 3), (16,)],
}
INPUTS = {"conv net": (64, 1, 28, 28), "MLP": (128, 784), "conv2d": (8, 16, 64, 64)}


def numbers(case: str) -> tuple[Any, Any, Arrays]:
    """Draw an input (for conv2d: the upstream gradient), labels and parameters."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(INPUTS[case], np.float32)
    drawn = [rng.standard_normal(shape, np.float32) * np.float32(0.1) for shape in SHAPES[case]]
    return x, rng.integers(0, 10, len(x)), drawn


def ours(case: str) -> Step:
    """Return our step."""
    import tinygrad_pool as tg

    x, labels, drawn = numbers(case)
    ps = [tg.Value(p) for p in drawn]
    optimizer = tg.optim.SGD(ps, lr=LR)

    def conv_net() -> Any:
        a = tg.max_pool2d(tg.relu(tg.conv2d(x, ps[0], ps[1], padding=1)), 2)
        a = tg.max_pool2d(tg.relu(tg.conv2d(a, ps[2], ps[3], padding=1)), 2)
        return a.reshape(len(x), -1) @ ps[4] + ps[5]

    def mlp() -> Any:
        return tg.relu(x @ ps[0] + ps[1]) @ ps[2] + ps[3]

    def step() -> float:
        optimizer.zero_grad()
        loss = tg.nn.cross_entropy(conv_net() if case == "conv net" else mlp(), labels)
        loss.backward()
        optimizer.step()
        return float(loss)

    def convolve() -> float:
        optimizer.zero_grad()
        tg.conv2d(*ps, padding=1).backward(x)
        return sum(float(np.abs(p.grad).sum()) for p in ps)

    return convolve if case == "conv2d" else step


def torchs(case: str) -> Step:
    """Return torch's step."""
    import torch

    torch.set_num_threads(1)
    functional = torch.nn.functional
    given, labels, drawn = numbers(case)
    x, y = torch.from_numpy(given), torch.from_numpy(labels)
    ps = [torch.from_numpy(p).requires_grad_() for p in drawn]

    def conv_net() -> Any:
        a = functional.conv2d(x, ps[0], ps[1], padding=1)
        a = functional.max_pool2d(functional.relu(a), 2)
        a = functional.conv2d(a, ps[2], ps[3], padding=1)
        a = functional.max_pool2d(functional.relu(a), 2)
        return a.flatten(1) @ ps[4] + ps[5]

    def mlp() -> Any:
        return functional.relu(x @ ps[0] + ps[1]) @ ps[2] + ps[3]

    def step() -> float:
        loss = functional.cross_entropy(conv_net() if case == "conv net" else mlp(), y)
        gradients = torch.autograd.grad(loss, ps)
        with torch.no_grad():
            torch._foreach_add_(ps, gradients, alpha=-LR)
        return loss.item()

    def convolve() -> float:
        gradients = torch.autograd.grad(functional.conv2d(*ps, padding=1), ps, x)
        return sum(g.abs().sum().item() for g in gradients)

    return convolve if case == "conv2d" else step


def mygrads(case: str) -> Step:
    """Return MyGrad's step."""
    import mygrad
    from mygrad.nnet.activations import relu
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy

    x, labels, drawn = numbers(case)
    ps = [mygrad.tensor(p) for p in drawn]

    def convolution(a: Any, w: Any, b: Any) -> Any:
        return conv_nd(a, w, stride=1, padding=1) + b.reshape(1, -1, 1, 1)

    def conv_net() -> Any:
        a = max_pool(relu(convolution(x, ps[0], ps[1])), (2, 2), 2)
        a = max_pool(relu(convolution(a, ps[2], ps[3])), (2, 2), 2)
        return mygrad.matmul(a.reshape(len(x), -1), ps[4]) + ps[5]

    def mlp() -> Any:
        return mygrad.matmul(relu(mygrad.matmul(x, ps[0]) + ps[1]), ps[2]) + ps[3]

    def step() -> float:
        loss = softmax_crossentropy(conv_net() if case == "conv net" else mlp(), labels)
        loss.backward()
        for p in ps:
            p.data -= LR * p.grad
        return loss.item()

    def convolve() -> float:
        convolution(*ps).backward(x)
        return sum(float(np.abs(p.grad).sum()) for p in ps)

    return convolve if case == "conv2d" else step


SIDES = {"tinygrad_pool": ours, "torch": torchs, "mygrad": mygrads}
INSTALLED = [side for side in SIDES if find_spec(side)]


def answer(side: str, case: str) -> None:
    """Run one side: for each number on standard input, take that many steps and print results."""
    step = SIDES[side](case)
    for line in sys.stdin:
        start = time.process_time()
        for _ in range(int(line)):
            number = step()
        taken = (time.process_time() - start) / int(line)
        print(number, taken, flush=True)


class Racer:
    """A side that runs in its own process, on one thread."""

    def __init__(self, side: str, case: str) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        command = [sys.executable, __file__, "--answer", side, case]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=os.environ | threads
        )
        self.number, self.times = 0.0, list[float]()

    def run(self, steps: int) -> None:
        """Take some steps, and record the time of one."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(steps, file=self.process.stdin, flush=True)
        number, taken = map(float, self.process.stdout.readline().split())
        self.number = number
        self.times.append(taken)


def race(case: str, rounds: int, steps: int) -> dict[str, float]:
    """Run all sides in turn; return the median milliseconds of each."""
    racers = {side: Racer(side, case) for side in INSTALLED}
    for i in range(rounds + 1):
        for racer in racers.values():
            racer.run(steps)
        numbers = {side: racer.number for side, racer in racers.items()}
        if not all(math.isclose(n, numbers[INSTALLED[0]], rel_tol=1e-3) for n in numbers.values()):
            sys.exit(f"{case}: the sides differ in round {i}: {numbers}")
    for racer in racers.values():
        racer.process.communicate()
    # the first round is a warm-up
    return {side: 1e3 * statistics.median(r.times[1:]) for side, r in racers.items()}


def main() -> None:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--steps", type=int, default=5, help="steps per round")
    parser.add_argument("--quick", action="store_true", help="one round of one step: does it run?")
    parser.add_argument("--answer", nargs=2, metavar=("SIDE", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        answer(*options.answer)
        return
    rounds, steps = (1, 1) if options.quick else (options.rounds, options.steps)
    print(f"{'':10s}" + "".join(f"{side:>17s}" for side in INSTALLED), end="")
    print("".join(f"{'× ' + side:>10s}" for side in INSTALLED[1:]))
    for case in SHAPES:
        medians = race(case, rounds, steps)
        mine, *others = medians.values()
        print(
            f"{case:10s}"
            + "".join(f"{median:14.2f} ms" for median in medians.values())
            + "".join(f"{other / mine:10.2f}" for other in others),
            flush=True,
        )


if __name__ == "__main__":
    main()
