"""Diagnoses of networks that do not learn, and of sound ones, which have no findings.

What each finding needs to be true is tested beside the module that finds it.
"""

import random
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.cli.main import main
from tinygrad_pool.diagnosis.findings import SEVERITIES
from tinygrad_pool.errors import DataError, ShapeError


def kinds(diagnosis):
    return [finding.kind for finding in diagnosis.findings]


def faulty():
    """Return a loss and its network, in which one layer is off and one is unused."""
    rng = np.random.default_rng(0)
    net = tg.nn.Sequential(
        first=tg.nn.Linear(3, 4, rng=rng), relu=tg.nn.ReLU(), last=tg.nn.Linear(4, 2, rng=rng)
    )
    net.spare = tg.nn.Linear(2, 2, rng=rng)
    net.first.bias.data = net.first.bias.data - 50
    x = rng.standard_normal((20, 3))
    y = x
    for layer in (net.first, net.relu, net.last):
        y = layer(y)
    return (y**2).mean(), net


def test_findings_are_sorted_and_have_numbers_and_a_reason():
    loss, net = faulty()
    found = tg.diagnose(loss, parameters=net).findings
    assert [f.severity for f in found] == ["no gradient", "no gradient"]
    unused, off = found
    assert (unused.kind, unused.name) == ("not reached", "spare.*")
    assert unused.says == "the loss does not depend on 2 of 6 parameters"
    assert (off.kind, off.name) == ("zero gradient", "first.*, last.weight")
    assert off.says == "the whole gradient is 0 in 3 of 6 parameters, in all 20 examples"
    assert "the relu is off at all 80 units where a gradient arrives, with inputs of −5" in off.why
    assert off.nodes == (net.first.weight, net.first.bias, net.last.weight)


def test_wrong_numbers_come_first_and_hide_findings_that_need_finite_numbers():
    w, u, spare = (tg.Value(x, label=n) for x, n in ((0.0, "w"), (1.0, "u"), (2.0, "spare")))
    with np.errstate(divide="ignore"):
        loss = w.log() * 0.0 + (u * -1.0).relu()
    found = tg.diagnose(loss, parameters=[w, u, spare]).findings
    assert [f.severity for f in found] == ["wrong numbers", "no gradient"]


def test_suspicious_findings_come_last():
    x = np.ones((20, 3)) * [1, -1, -1]
    w = tg.Value(np.eye(3), label="w")
    loss = ((x @ w).relu() * w.detach().sum()).sum()
    found = [f.kind for f in tg.diagnose(loss, parameters=w).findings]
    assert found == ["dead relus", "cut off"]


def test_severities_are_in_order():
    order = ("wrong numbers", "no gradient", "lost for the whole batch", "partly lost")
    assert (*order, "suspicious") == SEVERITIES


def test_it_prints_findings_and_a_table():
    loss, net = faulty()
    shown = str(tg.diagnose(loss, parameters=net, names={"loss": loss})).splitlines()
    assert shown[0] == "Diagnosis of loss (13 nodes, 6 parameters): 2 findings, worst first."
    assert shown[2] == "1. no gradient: spare.*: the loss does not depend on 2 of 6 parameters"
    assert shown[3].startswith("   no path in the graph leads there: it is unused, Python")
    relu = next(line for line in shown if line.startswith(" relu "))
    assert relu.split()[1:3] == ["80", "units"]
    assert "100% off, 4 always" in relu
    assert max(map(len, shown)) <= 100


def test_of_many_findings_the_first_are_printed():
    loss = tg.Value(1.0, label="w")
    for i in range(14):
        with tg.scope(f"part {i}"):
            loss = loss * tg.Value(2.0).detach()
    diagnosis = tg.diagnose(loss)
    shown = str(diagnosis)
    assert len(diagnosis.findings) == 14
    assert "12. no gradient: detach#" in shown
    assert "13. " not in shown
    assert "… and 2 more, in .findings" in shown


def test_gradients_are_unchanged():
    loss, net = faulty()
    net.first.weight.grad = np.full((4, 3), 7.0)
    tg.diagnose(loss, parameters=net)
    assert (net.first.weight.grad == 7.0).all()
    assert (net.last.weight.has_grad, loss.has_grad) == (False, False)


def test_gradients_of_earlier_passes_are_not_counted():
    a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    (a * b).backward()
    left, lost = tg.diagnose(tg.maximum(a, b)).findings
    assert (lost.kind, lost.name, a.grad) == ("zero gradient", "a", 3.0)
    assert left.kind == "gradient left"


class TestSoundNetworks:
    def test_a_network_on_the_digits_has_no_finding(self):
        rng = np.random.default_rng(0)
        _, (x, labels) = tg.datasets.digits()
        net = tg.nn.Sequential(
            conv=tg.nn.Conv2d(1, 6, 3, padding=1, rng=rng),
            relu=tg.nn.ReLU(),
            pool=tg.nn.MaxPool2d(2),
            flatten=tg.nn.Flatten(),
            linear=tg.nn.Linear(96, 10, rng=rng),
        )
        diagnosis = tg.diagnose(tg.nn.cross_entropy(net(x), labels), parameters=net)
        assert diagnosis.findings == []
        assert "(15 nodes, 4 parameters): nothing was found." in str(diagnosis)
        names = [layer.name for layer in diagnosis.layers]
        assert names[:5] == ["conv", "relu", "pool", "flatten", "linear"]

    def test_one_example_is_too_few_for_dead_units(self):
        rng = np.random.default_rng(0)
        net = tg.nn.Sequential(
            tg.nn.Linear(4, 30, rng=rng), tg.nn.ReLU(), tg.nn.Linear(30, 2, rng=rng)
        )
        loss = (net(rng.standard_normal((1, 4))) ** 2).sum()
        diagnosis = tg.diagnose(loss, parameters=net)
        assert diagnosis.findings == []
        assert 0.2 < diagnosis.layers[1].off < 0.8

    def test_an_mlp_of_scalars_that_learns(self):
        random.seed(0)
        net = tg.nn.MLP(2, [6, 1])
        points = np.random.default_rng(0).uniform(-1, 1, (20, 2)).tolist()
        for _ in range(5):
            loss = sum((net(p) - p[0] * p[1]) ** 2 for p in points) * (1 / 20)
            net.zero_grad()
            loss.backward()
            for p in net.parameters():
                p.data -= 0.05 * p.grad
        diagnosis = tg.diagnose(loss, parameters=net)
        assert diagnosis.findings == []
        assert [layer.name for layer in diagnosis.layers[:2]] == ["layers.0", "layers.1"]

    @pytest.mark.parametrize("gradient", [None, 2.0])
    def test_the_chain_rule_by_hand(self, gradient):
        w, x, b = tg.Value(2.0, label="w"), tg.Value(3.0, label="x"), tg.Value(1.0, label="b")
        assert tg.diagnose((w * x + b) ** 2, gradient).findings == []

    def test_an_array_needs_the_gradient_that_arrives(self):
        w = tg.Value([1.0, 2.0], label="w")
        assert tg.diagnose(w * 3.0, [1.0, 0.5]).findings == []
        with pytest.raises(ShapeError, match="pass gradient="):
            tg.diagnose(w * 3.0)


@pytest.mark.long
@pytest.mark.parametrize("numbers", ["random", "integers", "infinite", "nan"])
@pytest.mark.parametrize("seed", range(15))
def test_zero_gradients_of_random_networks_are_found(random_net, seed, numbers):
    with np.errstate(all="ignore"):
        v, leaves = random_net(seed, numbers)
        gradients = tg.grad(v, leaves, np.ones(v.shape))
    zero = {leaf for leaf, g in zip(leaves, gradients, strict=True) if not np.any(g)}
    diagnosis = tg.diagnose(v, np.ones(v.shape), parameters=leaves)
    expected = {"zero gradient", "not reached"}
    found = {leaf for f in diagnosis.findings if f.kind in expected for leaf in f.nodes}
    assert found <= zero if "not finite" in kinds(diagnosis) else found == zero
    assert not any(leaf.has_grad for leaf in leaves)
    assert str(diagnosis).startswith("Diagnosis of the loss (")


@pytest.mark.parametrize(
    ("compute", "loss"),
    [
        (lambda w: w.reshape(1), lambda w, h: (w - h) * w),
        (lambda w: w.mean(keepdims=True), lambda w, h: (w - h) * w),
        (lambda w: w - 0.1, lambda w, h: (h - 0.1) * w),
        (lambda w: w.mean(), lambda _, h: -h),
    ],
)
def test_results_under_no_grad_have_no_operands_to_look_at(compute, loss):
    w = tg.Value([1.0], label="w")
    with tg.no_grad():
        h = compute(w)
    assert "cut off" in kinds(tg.diagnose(loss(w, h).sum(), parameters=w))


@pytest.mark.parametrize(
    ("given", "got"), [(3.0, "float"), (np.ones(2), "ndarray"), (None, "NoneType")]
)
def test_anything_but_a_value_is_rejected(given, got):
    with pytest.raises(DataError, match=f"diagnose: needs a Value, got {got}"):
        tg.diagnose(given)


SCRIPT = """\
import numpy as np, tinygrad_pool as tg

net = tg.nn.Sequential(first=tg.nn.Linear(2, 3, rng=0), last=tg.nn.Linear(3, 1, rng=1))
h = net.first(np.ones((4, 2)))
low, high = h.min(), h.max()
loss = net.last(h.detach()).sum() + max(low, high).detach()
table = h * 2.0
"""


class TestCommand:
    @pytest.fixture
    def script(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sys, "argv", [*sys.argv])
        monkeypatch.setattr(sys, "path", [*sys.path])
        path = tmp_path / "net.py"
        path.write_text(SCRIPT)
        return path

    def test_it_finds_the_modules_and_the_lines_of_a_script(self, script, capsys):
        assert main(["diagnose", str(script), "--value", "loss"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert shown.startswith("Diagnosis of loss (9 nodes, 4 parameters): 3 findings, worst")
        assert "1. no gradient: first.*: the loss does not depend on 2 of 4 parameters" in shown
        assert "it was detached, then used in last" in shown
        assert "at net.py:6: loss = net.last(h.detach()).sum() + max(low, high).detach()" in shown

    def test_it_accepts_an_array(self, script, capsys):
        assert main(["diagnose", str(script), "--value", "table"]) == 0
        assert "Diagnosis of table (" in capsys.readouterr().out

    @pytest.mark.covered
    def test_it_is_a_command(self, script):
        command = [sys.executable, "-m", "tinygrad_pool", "diagnose", script]
        ran = subprocess.run(command, capture_output=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, b"")
        assert ran.stdout.startswith(b"Diagnosis of loss")

    def test_a_script_that_fails_shows_where(self, script):
        script.write_text("import tinygrad_pool\n1 / 0\n")
        command = [sys.executable, "-m", "tinygrad_pool", "diagnose", script]
        ran = subprocess.run(command, capture_output=True, check=False)
        assert ran.returncode == 1
        assert b'net.py", line 2' in ran.stderr

    def test_a_script_that_is_missing_is_one_line(self, script, capsys):
        assert main(["diagnose", str(script) + "x"]) == 1
        assert "diagnose: there is no script" in capsys.readouterr().err


def test_checks_that_need_traced_or_parameters_are_listed_as_limits():
    w = tg.Value(2.0, label="w")
    diagnosis = tg.diagnose(w * 3.0)
    assert diagnosis.limits == [
        "Python's own max, min, if and float() (build the graph under tg.traced())",
        "parameters that the loss does not depend on (pass parameters=)",
    ]
    text = " ".join(str(diagnosis).split())
    assert "Not checked: Python's own max, min, if and float() (build" in text


def test_there_are_no_limits_if_everything_was_checked():
    with tg.traced():
        w = tg.Value(2.0, label="w")
        loss = w * 3.0
    diagnosis = tg.diagnose(loss, parameters=[w])
    assert diagnosis.limits == []
    assert "Not checked" not in str(diagnosis)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_wrong_numbers_are_a_limit():
    with tg.traced():
        w = tg.Value(0.0, label="w")
        loss = w.log() + (w * -1.0).relu()
    assert tg.diagnose(loss, parameters=[w]).limits == [
        "dead units, zero gradients, trends and ties (make all numbers finite first)"
    ]


def test_data_set_since_is_a_limit():
    with tg.traced():
        w = tg.Value(np.ones((1, 2, 2)), label="w")
        loss = tg.max_pool2d(w, 2).sum()
    w.data = np.zeros((1, 2, 2))
    assert tg.diagnose(loss, parameters=[w]).limits == [
        "ties, and the new data of w (run the forward pass again)"
    ]


def test_a_loss_without_a_graph_has_no_limits():
    assert tg.diagnose(tg.Value(1.0)).limits == []


def test_gradients_that_cancel_come_before_dead_relus():
    x, w = np.eye(3)[[0, 1, 2] * 8], np.abs(np.cos(np.arange(9.0))).reshape(3, 3)
    w = tg.Value(w * [1.0, -1.0, 1.0], label="w")
    found = [f.kind for f in tg.diagnose(tg.softmax((x @ w).relu(), axis=1).mean()).findings]
    assert found[:2] == ["cancels", "dead relus"]
