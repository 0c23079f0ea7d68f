"""Pooling and layers of 0/1 weights: equal data, equal gradients, and the radius of validity."""

import re
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, datasets, nn
from tinygrad_pool.cli.demo import DigitsNet
from tinygrad_pool.derivatives.candidates import candidates_of
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import DataError, GraphError, OptionError, ShapeError
from tinygrad_pool.pooling_as_weights import comparison as equivalence
from tinygrad_pool.rules.sparse_weights import Weights

inf, nan = np.inf, np.nan


def compared(y):
    return tg.compare_weight_layer(y, gradient=np.ones(y.shape))


def layer_of(y):
    (layer,) = compared(y).layers
    return layer


@pytest.fixture
def wrong_layers(monkeypatch):
    """Make every layer of weights wrong."""

    def spoil(how):
        right = equivalence.operations_of

        def wrong(weights):
            return right({node: [*map(how, Ws)] for node, Ws in weights.items()})

        monkeypatch.setattr(equivalence, "operations_of", wrong)

    return spoil


def shifted(W):
    return Weights(W.unit, W.cell, np.roll(W.weight, 1), W.y_shape, W.x_shape)


def scaled(W):
    return Weights(W.unit, W.cell, W.weight * 1.000001, W.y_shape, W.x_shape)


def swapped(W):
    """Send the gradient to the first cell of a window; with equal cells, data does not show it."""
    first = np.diff(W.unit, prepend=-1) > 0
    return Weights(W.unit, W.cell, first.astype(float), W.y_shape, W.x_shape)


class TestTheVerdict:
    @pytest.mark.long
    @pytest.mark.parametrize("kind", ["random", "tied", "infinite", "nan"])
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_it_holds_on_networks_at_random(self, random_net, kind, dtype):
        with np.errstate(all="ignore"):
            for seed in range(100, 110):
                comparison = compared(random_net(seed, kind, dtype)[0])
                assert (comparison.holds, comparison.exact) == (True, True)
                assert set(comparison.differences.values()) == {(0.0, 0.0)}

    @pytest.mark.long
    def test_it_holds_on_the_digits_network_over_the_whole_test_set(self):
        _, (x, labels) = datasets.digits()
        comparison = tg.compare_weight_layer(nn.cross_entropy(DigitsNet(0)(x), labels))
        assert (comparison.holds, comparison.exact, len(comparison.layers)) == (True, True, 4)
        pool = comparison.layers[1]
        assert (pool.links, pool.ones, pool.overlap) == (345_600, 86_400, 0)
        assert pool.ties == pool.harmless > 10_000
        assert 0 < comparison.radius < 1e-5

    @pytest.mark.parametrize("numbers", [[1.0, 5.0, 2.0, 4.0], [inf, -inf, nan, 1.0]])
    @pytest.mark.parametrize("wrong", [shifted, scaled])
    def test_it_fails_on_wrong_weights_and_reports_the_difference(
        self, wrong_layers, wrong, numbers
    ):
        y = tg.max_pool1d(Value(numbers), 2)
        assert compared(y).holds
        wrong_layers(wrong)
        comparison = compared(y)
        assert not comparison.holds
        assert max(max(d) for d in comparison.differences.values()) > 0
        assert "data and gradients DIFFER" in str(comparison)

    def test_it_reports_which_node_differs_and_by_how_much(self, wrong_layers):
        x = Value([1.0, 5.0, 2.0, 4.0])
        y = tg.max_pool1d(x, 2)
        wrong_layers(shifted)
        comparison = compared(y)
        assert comparison.differences == {x: (0.0, 1.0), y: (4.0, 0.0)}

    def test_a_wrong_gradient_alone_fails(self, wrong_layers):
        x = Value([3.0, 3.0, 1.0, 1.0])
        y = tg.max_pool1d(x, 2, ties="last")
        wrong_layers(swapped)
        comparison = compared(y)
        assert not comparison.holds
        assert comparison.differences == {x: (0.0, 1.0), y: (0.0, 0.0)}

    def test_wrong_data_alone_fails_and_nan_differs_from_any_number(self, wrong_layers):
        y = tg.max_pool1d(Value([nan, 1.0]), 2)
        wrong_layers(shifted)
        comparison = tg.compare_weight_layer(y, gradient=[0.0])
        assert not comparison.holds
        assert comparison.differences[y] == (inf, 0.0)

    def test_another_dtype_is_a_difference(self, monkeypatch):
        right = equivalence.replaced
        y = Value(np.float32([1, 3])).max()

        def wide(loss, operations):
            twins = right(loss, operations)
            return twins | {loss: twins[loss].astype(np.float64)}

        monkeypatch.setattr(equivalence, "replaced", wide)
        assert not compared(y).holds

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_averages_and_even_shares_may_differ_in_the_last_places(self, dtype, wrong_layers):
        x = Value(np.linspace(1, 2, 49).reshape(7, 7).astype(dtype))
        y = tg.avg_pool2d(x, 3) * tg.max_pool2d(x.relu() * 0.0, 3, ties="even") + 1.0
        comparison = compared(y)
        assert (comparison.holds, comparison.exact) == (True, False)
        assert "are equal within 32 units in the last place" in str(comparison)
        wrong_layers(lambda W: Weights(W.unit, W.cell, W.weight * dtype(1.1), W.y_shape, W.x_shape))
        assert not compared(y).holds

    @pytest.mark.parametrize(
        "pool",
        [
            lambda x: tg.adaptive_avg_pool2d(
                x, (9, 20)
            ),  # one cell per unit, and many units per cell
            lambda x: tg.adaptive_max_pool2d(x, (9, 20), ties="even"),
            lambda x: tg.adaptive_max_pool2d(x, (9, 20)),
        ],
    )
    def test_contributions_of_many_windows_may_be_added_in_another_order(self, pool):
        y = pool(Value(np.float32([[1, 2]])))
        w = np.random.default_rng(0).standard_normal(y.shape).astype(np.float32)
        comparison = compared(y * w)
        assert comparison.holds
        assert comparison.exact == (comparison.differences[y.parents[0]].grad == 0)

    def test_equal_networks_are_equal_bit_for_bit(self):
        comparison = compared(tg.max_pool1d(Value([1.0, 3.0, 2.0]), 2, 1, ties="even"))
        assert comparison.exact
        assert "are equal bit for bit (largest differences 0 and 0)" in str(comparison)

    def test_a_sum_that_cancels_is_as_uncertain_as_its_terms(self):
        x = Value([[2.0, 1, -2], [0, -1, 1], [-2, 0, 0], [-1, 0, -2], [-1, 2, -2], [2, 2, 1]])
        y = tg.adaptive_avg_pool2d(x, 1)
        comparison = compared(y)
        assert comparison.holds
        assert comparison.differences[y].data > 0 == y.item()

    def test_the_lowest_precision_counts(self):
        x = Value(np.linspace(1, 2, 27))
        w = np.random.default_rng(0).standard_normal(25).astype(np.float32)
        comparison = compared(tg.avg_pool1d(x.astype(np.float32), 3, 1) * w)
        assert comparison.holds
        assert 0 < comparison.differences[x].grad < 1e-6

    def test_a_graph_without_layers_is_unchanged(self):
        comparison = tg.compare_weight_layer(Value(2.0).exp())
        assert (comparison.holds, comparison.layers, comparison.radius) == (True, [], inf)
        assert str(comparison) == (
            "Nodes: 2; layers of weights: 0; data and gradients are equal bit for bit "
            "(largest differences 0 and 0)."
        )

    @pytest.mark.parametrize(
        ("x", "said"),
        [
            ([3.0, 1.0], "stay the same while all units below these layers move by less than 1."),
            ([3.0, 3.0], "may change with any move, as units tie."),
            ([3.0], "stay the same however far the units below these layers move."),
        ],
    )
    def test_it_reports_how_far_the_weights_are_valid(self, x, said):
        comparison = tg.compare_weight_layer(Value(x).max())
        assert str(comparison).splitlines()[1] == f"The weights {said}"

    def test_it_changes_no_gradient_and_works_inside_no_grad(self):
        x = Value([1.0, 3.0])
        y = x.max() * 2.0
        y.backward()
        with tg.no_grad():
            assert tg.compare_weight_layer(y).holds
        assert (x.grad.tolist(), y.grad) == ([0.0, 2.0], 1.0)


class TestALayer:
    def test_it_counts_links_ones_overlaps_and_ties(self):
        y = tg.max_pool1d(Value([1.0, 9.0, 2.0, 2.0]).relu(), 2, 1)
        relu, pool = compared(y).layers
        assert relu[1:6] == (4, 4, 0, 0, 0)
        assert pool[1:6] == (6, 3, 1, 1, 0)

    def test_a_cell_that_is_broadcast_may_win_several_units(self):
        assert layer_of(tg.maximum(Value([5.0, 1.0]), [[1.0, 2.0], [1.0, 2.0]])).overlap == 1
        assert layer_of(tg.maximum(Value([5.0, 1.0]), 6.0)).overlap == 0  # a constant is not a cell
        assert layer_of(tg.avg_pool1d(Value([5.0, 1.0, 0.0]), 2, 1)).overlap == 1

    def test_a_share_of_a_tie_is_not_a_1(self):
        even = layer_of(tg.max_pool1d(Value([1.0, 1.0, 2.0, 3.0]), 2, ties="even"))
        assert (even.links, even.ones, even.binary) == (4, 1, False)

    def test_an_empty_batch_has_no_links(self):
        assert layer_of(tg.max_pool1d(Value(np.zeros((0, 4))), 2))[1:7] == (0, 0, 0, 0, 0, inf)


class TestTheRadius:
    @pytest.mark.parametrize(
        ("make", "radius"),
        [
            (lambda: Value([1.0, 4.0, 2.0]).max(), 1.0),
            (lambda: Value([1.0, 4.0, 2.0]).min(), 0.5),
            (lambda: tg.maximum(Value([1.0, 4.0]), 2.0), 1.0),
            (lambda: tg.maximum(Value([1.0, 4.0]), Value(2.0)), 0.5),
            (lambda: tg.maximum(Value(3.0), 1.0, 2.0), 1.0),
            (lambda: tg.maximum(Value(0.0), 1.0, 3.0), 3.0),
            (lambda: tg.maximum(1.0, 3.0), inf),
            (lambda: Value([-0.5, 3.0]).relu(), 0.5),
            (lambda: Value([0.0, 3.0]).relu(), 0.0),
            (lambda: Value([1.0, 1.0]).max(), 0.0),
            (lambda: Value([inf, 1.0]).max(), inf),
            (lambda: Value([-inf, 1.0]).max(), inf),
            (lambda: Value([nan, 1.0]).max(), inf),
            (lambda: Value([nan, nan]).max(), 0.0),
            (lambda: Value([-inf, inf, nan]).relu(), inf),
            (lambda: Value(np.float16([60000, -60000])).max(), 60000.0),
            (lambda: Value([1.5e308, -1.5e308]).max(), inf),
            (lambda: tg.avg_pool1d(Value([1.0, 1.0]), 2), inf),
            (lambda: tg.max_pool1d(Value([1.0, 2.0, 9.0, 9.5]), 2), 0.25),
        ],
    )
    def test_it_is_half_the_margin_or_all_of_it_to_a_constant(self, make, radius):
        assert compared(make()).radius == radius

    def test_harmless_ties_are_ignored_and_the_smallest_layer_counts(self):
        z = Value([-1.0, -2.0, 3.0, -8.0]).relu()
        relu, pool = compared(tg.max_pool1d(z, 2)).layers
        assert (relu.radius, pool.radius) == (1.0, 1.5)
        assert (pool.ties, pool.harmless) == (1, 1)
        assert compared(tg.max_pool1d(z, 2)).radius == 1.0
        assert [layer.radius for layer in compared(z.relu()).layers] == [1.0, 3.0]

    @pytest.mark.long
    @pytest.mark.parametrize("kind", ["random", "infinite", "nan"])
    @pytest.mark.parametrize("seed", range(25))
    def test_a_loser_wins_only_beyond_the_radius(self, random_net, kind, seed):
        rng = np.random.default_rng(seed)
        choices = ["pool", "adaptive", "oppose", "reduce", "relu"]
        with np.errstate(all="ignore"):
            layers = compared(random_net(seed, kind, choices=choices, steps=2)[0]).layers
        for node, radius in ((layer.node, layer.radius) for layer in layers):
            candidates = candidates_of(node)
            step = 1e3 if radius == inf else radius
            for _ in range(10):
                moves = {p: rng.uniform(-step, step, p.shape) for p in values_of(node)}
                assert not losers_that_win(candidates, moves).any()
            if radius not in (0.0, inf):
                opposed = opposite_moves(candidates, radius)
                assert any(losers_that_win(candidates, moves).any() for moves in opposed)


def values_of(node):
    return [p for p in node.parents if isinstance(p, Value)]


def losers_that_win(candidates, moves):
    """Move operands, choose again, and return the losers that now have the largest value."""
    node = candidates.node
    moved = {p: Value(p.data + moves[p]) for p in values_of(node)}
    operands = [moved[p] if isinstance(p, Value) else p for p in node.parents]
    return candidates_of(tg.lift(node.rule)(*operands, **node.options)).tied & ~candidates.tied


def opposite_moves(candidates, radius):
    """Move a loser and its winners towards each other by a little more, the closest first."""
    node, sign = candidates.node, -1 if candidates.node.op in ("min", "minimum") else 1
    with np.errstate(invalid="ignore"):
        margins = np.where(candidates.tied, inf, candidates.top - candidates.value)
    for i in np.argsort(margins)[:40]:
        moves = {p: np.zeros(p.shape) for p in values_of(node)}
        for j in candidates.within(candidates.unit[i]):
            if candidates.is_variable[j] and (candidates.tied[j] or j == i):
                p = node.parents[candidates.operand[j]]
                step = radius * 1.001 * (sign if j == i else -sign)
                moves[p][candidates.place(j)] = step
        yield moves


class TestTheTable:
    def test_it_has_a_row_for_each_layer(self):
        x = Value([[1.0, 5.0], [7.0, 2.0]])
        with tg.scope("pool1"):
            z = tg.max_pool2d(x.relu(), 2, 1)
        title, exact, _, _, *rows = str(tg.compare_weight_layer(z.min())).splitlines()
        assert title.startswith("Nodes: 4; layers of weights: 3; data and gradients are")
        assert exact.endswith("move by less than 1.")
        assert [re.split(r"\s{2,}", row.strip())[:6] for row in rows] == [
            ["pool1", "relu", "2 × 2", "4", "4", "0"],
            ["pool1", "max_pool2d", "1 × 1", "4", "1", "0"],
            ["–", "min", "a number", "1", "1", "0"],
        ]
        assert re.split(r"\s{2,}", rows[1].strip())[6:] == ["0", "0", "1", "0"]

    def test_many_layers_are_grouped_by_scope_and_operation(self):
        x = [Value(float(i)) for i in range(30)]
        y = sum(tg.maximum(v, 0.5) for v in x[1:])
        with tg.scope("top"):
            y = (y.relu() + 1.0).relu()
        rows = str(tg.compare_weight_layer(y)).splitlines()[4:]
        assert [re.split(r"\s{2,}", row.strip())[:5] for row in rows] == [
            ["–", "maximum, 29 times", "a number", "58", "29"],
            ["top", "relu, 2 times", "a number", "2", "2"],
        ]
        assert [re.split(r"\s{2,}", row.strip())[8] for row in rows] == ["0.5", "435"]

    def test_layers_that_alternate_are_grouped_too(self):
        y = Value(1.0)
        for _ in range(15):
            with tg.scope("a"):
                y = (y + 1.0).relu()
            with tg.scope("b"):
                y = tg.maximum(y, 0.5) * 1.5
        rows = str(tg.compare_weight_layer(y)).splitlines()[4:]
        assert [re.split(r"\s{2,}", row.strip())[:5] for row in rows] == [
            ["a", "relu, 15 times", "a number", "15", "15"],
            ["b", "maximum, 15 times", "a number", "30", "15"],
        ]

    def test_html_is_escaped(self):
        y = Value([1.0, 2.0]).max()
        y.label = "<script>alert(1)</script>"
        comparison = tg.compare_weight_layer(y)
        assert "&lt;script&gt;" in comparison._repr_html_()
        assert "<script>" not in comparison._repr_html_()
        assert "<script>" in repr(comparison)


class TestBadInput:
    def test_a_loss_must_be_a_value(self):
        with pytest.raises(DataError, match="compare_weight_layer: needs a Value, got list"):
            tg.compare_weight_layer([Value(1.0)])

    def test_an_array_needs_a_gradient_of_its_shape(self):
        y = Value([1.0, -2.0]).relu()
        with pytest.raises(ShapeError, match="pass gradient="):
            tg.compare_weight_layer(y)
        with pytest.raises(ShapeError, match=re.escape("gradient needs shape (2,), got (3,)")):
            tg.compare_weight_layer(y, gradient=[1.0, 2.0, 3.0])
        assert tg.compare_weight_layer(y, gradient=[1.0, 2.0]).gradients[y].tolist() == [1.0, 2.0]

    def test_detached_values_and_changed_data(self):
        with pytest.raises(GraphError, match="detached"):
            tg.compare_weight_layer((Value(1.0) * 2.0).detach())
        x = Value([1.0, 3.0])
        y = x.max()
        x.data = [3.0, 1.0]
        with pytest.raises(
            GraphError, match=r"^compare_weight_layer: the data of the leaf changed"
        ):
            tg.compare_weight_layer(y)

    def test_there_is_nothing_to_draw(self):
        x = Value([1.0, 3.0])
        with pytest.raises(OptionError, match="draw: this network has no max, ReLU or"):
            tg.compare_weight_layer(x.sum()).draw()
        with pytest.raises(OptionError, match="or only empty ones"):
            tg.compare_weight_layer(x[:0].relu().sum()).draw()
        total = x.sum()
        comparison = tg.compare_weight_layer(x.max() + total)
        for node, what in ((x, "the leaf"), (total, "the sum node"), ("max", "'max'")):
            with pytest.raises(OptionError, match=f"draw: {what} is not one of the layers of w"):
                comparison.draw(node)

    @pytest.mark.parametrize("unit", [-1, 2, 0.5, "first"])
    def test_there_is_no_such_window(self, unit):
        y = tg.max_pool1d(Value([1.0, 2.0, 3.0, 4.0]), 2)
        message = re.escape(f"draw: unit must be in 0 … 1, got {unit!r}")
        with pytest.raises(OptionError, match=message):
            compared(y).draw(unit=unit)


def test_every_node_has_its_difference_and_gradient():
    y = tg.max_pool1d(Value([1.0, 2.0, 3.0, 4.0]), 2).sum()
    comparison = tg.compare_weight_layer(y)
    assert list(comparison.differences) == list(comparison.gradients) == topological_order(y)
    assert comparison.gradients[topological_order(y)[0]].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert comparison.loss is y
    assert comparison.twin.data == y.data


PACKAGE = Path(tg.__file__).parent


def room_of(frame):
    """Return the folder of the package with a frame's function; "" outside the package."""
    path = Path(frame.f_code.co_filename) if frame else PACKAGE.parent
    return path.relative_to(PACKAGE).parts[0] if path.is_relative_to(PACKAGE) else ""


def road(f):
    """List the folders whose functions are called, in order, and those that call back."""
    entered, back = [], set()

    def look(frame, event, _):
        home, here, by = "pooling_as_weights", room_of(frame), room_of(frame.f_back)
        if event == "call" and here and "." not in frame.f_code.co_qualname:  # not a method
            if by == home != here:
                entered.append(here)
            elif here == home != by:
                back.add(by)

    sys.setprofile(look)
    try:
        f()
    finally:
        sys.setprofile(None)
    return [room for room, _ in groupby(entered)], back


def test_the_call_path_enters_no_folder_twice():
    x, w = Value(np.eye(6)[None], label="x"), Value(np.ones((2, 1, 3, 3)), label="w")
    loss = tg.maximum(tg.max_pool2d(tg.conv2d(x, w).relu(), 2), 0.5).mean().max()
    tg.compare_weight_layer(loss)  # import first
    assert road(lambda: tg.compare_weight_layer(loss)) == (["derivatives", "rules", "engine"], {""})
    assert road(lambda: tg.as_weight_layer(loss)) == (["derivatives", "rules", "engine"], {""})
