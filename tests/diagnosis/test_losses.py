"""Wrong inputs to a loss are reported; correct ones that look similar are not."""

import numpy as np
import pytest

import tinygrad_pool as tg

N = np.arange(6)
LABELS = np.array([0, 1, 2, 1, 0, 2])
X = np.cos(np.arange(12.0)).reshape(6, 2)


def find(loss, **options):
    return tg.diagnose(loss, **options).findings


def scores():
    """Return the scores of 6 examples for 3 classes."""
    return X @ tg.Value(np.sin(np.arange(6.0)).reshape(2, 3), label="w")


def of_kind(kind, loss):
    return [f for f in find(loss) if f.kind == kind]


class TestBroadcast:
    X, t = np.ones((5, 2)), np.arange(5.0)

    def losses(self, loss):
        y = self.X @ tg.Value(np.ones((2, 1)), label="w")
        return [f for f in find(loss(y)) if f.kind == "broadcast"]

    def test_a_column_minus_a_row(self):
        (finding,) = self.losses(lambda y: ((y - self.t) ** 2).mean())
        assert str(finding) == "suspicious: sub#2: shapes (5, 1) and (5,) broadcast to (5, 5)"
        assert finding.why == (
            "each of 5 examples is combined with every other. If every pair is intended, ignore "
            "this; otherwise give both the same shape, for example with t.reshape(-1, 1)"
        )
        (finding,) = self.losses(lambda y: ((self.t[None] - y) ** 2).mean())
        assert finding.says == "shapes (1, 5) and (5, 1) broadcast to (5, 5)"
        (finding,) = self.losses(lambda y: (self.t * y + (1 - self.t) * (1 - y)).mean())
        assert finding.says.endswith(", and the same in 1 other node")

    @pytest.mark.parametrize(
        "loss",
        [
            lambda y: ((y - np.arange(5.0).reshape(5, 1)) ** 2).mean(),
            lambda y: ((y[:, 0] - np.arange(5.0)) ** 2).mean(),
            lambda y: ((y - y[:, 0]) ** 2).mean(),
            lambda y: ((y @ np.ones((1, 5))) ** 2).mean(),
            lambda y: ((y - np.arange(3.0)) ** 2).mean(),
            lambda y: y.sum() * 2.0,
        ],
    )
    def test_other_shapes_and_pairs_are_fine(self, loss):
        assert self.losses(loss) == []

    def test_all_labels_of_each_example(self):
        y = tg.log_softmax(self.X @ tg.Value(np.ones((2, 3)), label="w"))
        labels = np.array([0, 1, 2, 1, 0])
        (finding,) = [f for f in find(-y[:, labels].mean()) if f.kind == "broadcast"]
        assert finding.says == "all 5 labels are taken of each of 5 examples: shape (5, 5)"
        assert finding.why.endswith(
            "; otherwise take one label of each with y[np.arange(n), labels]"
        )
        for key in ((np.arange(5), labels), (slice(None), slice(0, 2)), [0, 1, 2, 1, 0]):
            assert all(f.kind != "broadcast" for f in find(-y[key].mean()))
        assert self.losses(lambda y: (y * np.ones((5, 5)))[()].mean()) == []


class TestSquashedTwice:
    def of(self, loss):
        scores = np.ones((4, 2)) @ tg.Value(np.ones((2, 3)), label="w")
        return [f for f in find(loss(scores)) if f.kind == "squashed twice"]

    def test_a_loss_of_probabilities(self):
        (finding,) = self.of(lambda x: tg.nn.cross_entropy(tg.softmax(x), [0, 1, 2, 0]))
        assert str(finding) == (
            "suspicious: log_softmax#3: log_softmax needs scores, but its input softmax#2 is "
            "between 0 and 1"
        )
        assert finding.why.endswith(". Pass the loss what comes before softmax")
        bce = tg.functional.binary_cross_entropy_with_logits
        assert self.of(lambda x: bce(tg.sigmoid(x).reshape(-1), np.ones(12)))

    def test_also_after_an_index(self):
        bce = tg.functional.binary_cross_entropy_with_logits
        assert self.of(lambda x: bce(tg.sigmoid(x)[:, 0], np.ones(4)))

    def test_scores_of_a_relu(self):
        (finding,) = self.of(lambda x: tg.nn.cross_entropy(x.relu(), [0, 1, 2, 0]))
        assert finding.says.endswith("but its input relu#2 is never below 0")
        assert finding.why.startswith("scores below 0 are lost, and get no gradient. Pass the loss")

    def test_a_loss_of_scores_is_fine(self):
        assert self.of(lambda x: tg.nn.cross_entropy(x.tanh(), [0, 1, 2, 0])) == []
        assert (
            self.of(lambda x: tg.softmax(x.sum(axis=0)).max() + tg.softmax(np.ones(3)).sum()) == []
        )
        with tg.no_grad():
            target = tg.softmax(tg.Value(np.ones((4, 3))))
        assert self.of(lambda x: tg.nn.kl_div(tg.log_softmax(x), target)) == []


class TestOutOfReach:
    @pytest.mark.parametrize(
        ("f", "target", "says"),
        [
            (tg.sigmoid, -1.0, "sigmoid#2 outputs numbers from 0 to 1"),
            (tg.tanh, 90.0, "tanh#2 outputs numbers from −1 to 1"),
            (tg.relu, -0.5, "relu#2 outputs numbers from 0 up"),
        ],
    )
    @pytest.mark.parametrize("loss", [tg.nn.mse_loss, lambda y, t: np.abs(t - y).sum()])
    def test_targets_beyond_the_last_activation(self, f, target, says, loss):
        targets = np.where(np.arange(18).reshape(6, 3) % 2, target, 0.5)
        (finding,) = of_kind("out of reach", loss(f(scores()), targets))
        assert finding.says == f"9 of 18 targets are out of reach: {says}"
        assert finding.why.startswith("the targets range from ")
        assert f". Scale them, or leave out {f.__name__}" in finding.why
        assert of_kind("out of reach", loss(f(scores()), np.clip(targets, 0.0, 1.0))) == []
        assert of_kind("out of reach", loss(scores(), targets)) == []

    def test_margins_and_computed_targets_are_fine(self):
        y = scores().relu()
        assert of_kind("out of reach", ((y - (-1.0)) ** 2).mean()) == []
        assert of_kind("out of reach", ((y - scores()) ** 2).mean()) == []
        assert of_kind("out of reach", ((y - tg.Value(-np.ones(3), label="b")) ** 2).mean()) == []
        clean = np.ones((6, 3))  # and an input that is subtracted is not a target
        assert of_kind("out of reach", ((-2.0 * clean - y - clean) ** 2).mean()) == []


class TestOverExamples:
    def test_a_softmax_along_the_axis_of_examples(self):
        (finding,) = of_kind("wrong axis", -tg.log_softmax(scores(), axis=0)[N, LABELS].mean())
        assert finding.says == "log_softmax is taken over 6 examples, not over 3 classes"
        assert finding.why.endswith(". With axis=1 the probabilities of each example sum to 1")
        p = tg.softmax(scores(), axis=0)
        assert of_kind("wrong axis", -tg.log(p[N, LABELS] + 1e-9).mean())

    def test_weights_on_the_left_mean_the_other_axis(self):
        y = tg.Value(np.ones((3, 2)), label="w") @ X.T
        assert of_kind("wrong axis", -tg.log_softmax(y, axis=0)[LABELS, N].mean()) == []
        (finding,) = of_kind("wrong axis", -tg.log_softmax(y, axis=1)[LABELS, N].mean())
        assert ". With axis=0 the probabilities" in finding.why

    def test_a_matrix_on_the_left_that_mixes_examples_holds_no_weights(self):
        mix, x = tg.Value(np.ones((6, 6)) / 6), tg.Value(X)
        y = mix @ (x @ tg.Value(np.ones((2, 3)), label="w"))
        assert of_kind("wrong axis", -tg.log_softmax(y, axis=1)[N, LABELS].mean()) == []

    @pytest.mark.parametrize(
        "loss",
        [
            lambda y: -tg.log_softmax(y, axis=1)[N, LABELS].mean(),
            lambda y: -tg.log_softmax(y)[N, LABELS].mean(),
            lambda y: (tg.softmax(y, axis=0) * y).sum(),  # attention pooling
            lambda y: tg.nn.cross_entropy((tg.softmax(y, axis=0) * y).sum(axis=0)[None], [1]),
            lambda y: -tg.log_softmax(y @ y.T, axis=0)[N, N].mean(),  # pairs
            lambda y: -tg.log_softmax(y[:, 0], axis=0)[2],
            lambda y: -tg.log_softmax(y[:1], axis=0).sum(),
        ],
    )
    def test_other_axes_pairs_and_poolings_are_fine(self, loss):
        assert of_kind("wrong axis", loss(scores())) == []


class TestNoLogarithm:
    @pytest.mark.parametrize(
        ("loss", "what"),
        [
            (lambda y: tg.nn.nll_loss(tg.softmax(y), LABELS), "probabilities of softmax#2"),
            (lambda y: tg.nn.nll_loss(y, LABELS), "scores of matmul#1"),
            (lambda y: -(y + tg.Value(np.ones(3)))[N, LABELS].mean(), "scores of add#3"),
            (lambda y: -(tg.softmax(y)[N, LABELS] * N).mean() / 2.0, "probabilities of softmax#2"),
            (lambda y: -(np.eye(3)[LABELS] * tg.softmax(y)).mean(), "probabilities of softmax#2"),
            (lambda y: -(y * tg.Value(np.eye(3)[LABELS])).sum(axis=1).mean(), "scores of matmul#"),
        ],
    )
    def test_sums_of_probabilities_and_scores(self, loss, what):
        (finding,) = of_kind("no logarithm", loss(scores()))
        assert finding.says.startswith(f"the loss sums {what}")
        assert finding.says.endswith(", not logarithms of probabilities")
        assert "Take log_softmax of the scores" in finding.why

    @pytest.mark.parametrize(
        "loss",
        [
            lambda y: tg.nn.nll_loss(tg.log_softmax(y), LABELS),
            lambda y: tg.nn.cross_entropy(y, LABELS),
            lambda y: ((y[N, LABELS] - 1.0) ** 2).mean(),  # values of actions
            lambda y: (y.max(axis=1) - y[N, LABELS]).mean(),  # a margin
            lambda y: -(y[N, LABELS] * tg.sigmoid(y[0, 0])).mean(),
            lambda y: -y[N, LABELS].mean() - y[N, LABELS[::-1]].mean() * 2.0,
            lambda y: -np.square(tg.softmax(y)[N, LABELS] * 2.0).sum(),
            lambda y: sum([(p := tg.softmax(y)[N, LABELS]) * 2.0, p]).sum(),
            lambda y: -(y - 0.5)[N, LABELS].mean(),  # a log-density may be above 0
            lambda y: -tg.log(tg.softmax(y) + 1.0)[N, LABELS].mean(),
            lambda y: (
                -(tg.softmax(y)[N, LABELS] / np.full(6, 0.3) * N).mean()
            ),  # ratios to old probabilities
            lambda y: -(tg.log_softmax(y) * np.eye(3)[LABELS]).sum(),
            lambda y: -(tg.softmax(y) * (np.eye(3)[LABELS] + 0.1)).sum(),
            lambda y: -np.log((tg.softmax(y) * np.eye(3)[LABELS]).sum(axis=1)).mean(),
            lambda y: -(y * np.eye(3)[0]).mean(),
            lambda y: -y[0, 1],
            lambda y: -y[[0, 1]].mean(),
        ],
    )
    def test_other_losses_are_fine(self, loss):
        assert of_kind("no logarithm", loss(scores())) == []


def test_one_hot_labels_times_an_array():
    loss = (np.array([1.0, 2.0, 3.0]) * tg.Value(np.eye(3)[LABELS])).sum()
    assert [f.kind for f in find(loss, parameters=tg.Value(1.0))] == ["not reached"]


def test_labels_below_0():
    y = tg.log_softmax(scores())
    (finding,) = of_kind("labels", -y[N, LABELS - 1].mean())
    assert finding.says == "2 of 6 labels are below 0, such as −1"
    assert finding.why.startswith("NumPy counts them from the end: −1 is the last class. Number cl")
    assert of_kind("labels", -y[N, LABELS].mean() - y[-1, -2] - y[:, [-1, -2]].mean()) == []


class TestWrongSign:
    @pytest.mark.parametrize(
        ("loss", "change"),
        [
            (lambda y: tg.log_softmax(y)[N, LABELS].mean(), "labels get less probable"),
            (lambda y: -tg.nn.cross_entropy(y, LABELS), "labels get less probable"),
            (lambda y: (tg.log_softmax(y) * np.eye(3)[LABELS]).mean(), "labels get less probable"),
            (lambda y: np.log(tg.softmax(y))[N, LABELS].mean(), "labels get less probable"),
            (lambda y: np.log(tg.softmax(y)[N, LABELS]).mean(), "labels get less probable"),
            (lambda y: -((y - np.ones(3)) ** 2).sum() / 6, "error grows"),
            (lambda y: -tg.abs(np.ones(3) - y).mean(), "error grows"),
            (lambda y: -tg.nn.mse_loss(y, tg.Value(np.ones((6, 3)))), "error grows"),
        ],
    )
    def test_a_loss_that_rewards_errors(self, loss, change):
        (finding,) = of_kind("wrong sign", loss(scores()))
        assert finding.says == f"the loss falls as the {change}"
        assert finding.why == "a smaller loss is worse. Change its sign, unless you maximize it"

    @pytest.mark.parametrize(
        "loss",
        [
            lambda y: tg.nn.cross_entropy(y, LABELS),
            lambda y: -(tg.log_softmax(y)[N, LABELS] * -3.0).mean(),  # a reward below 0
            lambda y: ((y - np.ones(3)) ** 2).mean(),
            lambda y: -((y - y[::-1]) ** 2).mean(),  # pushes examples apart
            lambda y: -(y**2).mean(),
            lambda y: -np.log(tg.softmax(y)[N, LABELS]).mean(),
            lambda y: np.log(np.abs(y)[N, LABELS]).mean(),
            lambda y: np.log(np.abs(y)).mean(),
            lambda y: tg.no_grad()(lambda: np.log(tg.softmax(y)))()[N, LABELS].mean(),
            lambda y: -(y - np.ones(3)).mean(),
            lambda y: -((y[:0] - np.ones(3)) ** 2).sum(),
            lambda y: (2.0 / y).mean(),
        ],
    )
    def test_other_losses_are_fine(self, loss):
        assert of_kind("wrong sign", loss(scores())) == []
