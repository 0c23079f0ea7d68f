"""A micrograd script runs with only its import changed."""

import contextlib
import importlib.metadata
import io
import random
import re

import pytest

from tinygrad_pool import Value, nn

pytestmark = pytest.mark.peer


def test_the_example_of_its_description_prints_the_same_numbers(peer):
    peer("micrograd")
    description = importlib.metadata.metadata("micrograd").get_payload()
    description = description or importlib.metadata.metadata("micrograd")["Description"]
    script = re.search(r"```python\n(from micrograd.*?)```", description, re.DOTALL)[1]
    ours = script.replace("from micrograd.engine import Value", "from tinygrad_pool import Value")
    assert ours != script
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(ours, {})
    assert printed.getvalue().split() == ["24.7041", "138.8338", "645.5773"]


TRAINING = """
random.seed(1337)
model = nn.MLP(3, [4, 4, 1])
xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
ys = [1.0, -1.0, -1.0, 1.0]
losses = []
for k in range(20):
    ypred = [model(list(map(Value, x))) for x in xs]
    losses_ = [(1 + -yi*scorei).relu() for yi, scorei in zip(ys, ypred)]
    data_loss = sum(losses_) * (1.0 / len(losses_))
    reg_loss = 1e-4 * sum((p*p for p in model.parameters()))
    total_loss = data_loss + reg_loss
    model.zero_grad()
    total_loss.backward()
    for p in model.parameters():
        p.data -= 0.05 * p.grad
    losses.append(total_loss.data)
grads = [p.grad for p in model.parameters()]
"""


def run(namespace):
    exec(TRAINING, namespace)
    return namespace["losses"], namespace["grads"]


def test_a_training_loop_has_the_same_losses_and_gradients(peer):
    engine, theirs = peer("micrograd.engine"), peer("micrograd.nn")
    ours = run({"random": random, "Value": Value, "nn": nn})
    expected = run({"random": random, "Value": engine.Value, "nn": theirs})
    assert ours[0] == pytest.approx(expected[0], rel=1e-12)
    assert ours[1] == pytest.approx(expected[1], rel=1e-12)
    assert ours[0][-1] < ours[0][0] / 2
