"""Long graphs in rows: the row of each node, and the size of the picture."""

import re
from itertools import pairwise

import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.cli.demo import DigitsNet
from tinygrad_pool.drawing.dot_program import picture
from tinygrad_pool.drawing.wrapping import rows_of as rows_with_frames
from tinygrad_pool.errors import OptionError

CHAIN = "abcdefghijkl"


def rows_of(names, *options):
    """Break a graph without frames into rows."""
    return rows_with_frames(dict.fromkeys(names, ""), *options)


def edges(names):
    return [*pairwise(names)]


def size(drawn):
    svg = picture(drawn.source, "svg").decode()
    return [
        float(side) for side in re.findall(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', svg)[0]
    ]


def text(drawn):
    """Return the size of a label of 14 points, in pixels, on a slide of 1920 × 1080."""
    wide, high = size(drawn)
    return 14 * min(1920 / wide, 1080 / high)


def squashed(n):
    z = Value(0.5, label="x")
    for i in range(n):
        z = (Value(1.0, label=f"w{i}") * z).sigmoid()
    z.backward()
    return z


def test_a_chain_is_cut_into_equal_rows():
    placed = rows_of(CHAIN, edges(CHAIN), 3, "LR")
    assert [placed.row[name] for name in CHAIN] == [0] * 4 + [1] * 4 + [2] * 4
    assert rows_of(CHAIN, edges(CHAIN), 1, "LR").first == ["a"]
    assert rows_of(CHAIN, edges(CHAIN), 100, "LR").first == ["a", *CHAIN[2:]]  # a leaf is with b


def test_short_and_square_graphs_have_one_row():
    assert rows_of(CHAIN[:8], edges(CHAIN[:8]), None, "LR").first == ["a"]
    names = [f"{c}{i}" for c in CHAIN for i in range(8)]
    full = [(f"{a}{i}", f"{b}{j}") for a, b in edges(CHAIN) for i in range(8) for j in range(8)]
    assert len(rows_of(names, full, None, "LR").first) == 1
    assert rows_of([], [], None, "LR").first == []


def test_a_leaf_is_in_the_row_of_its_first_user():
    placed = rows_of([*CHAIN, "leaf"], [*edges(CHAIN), ("leaf", "g"), ("leaf", "k")], 2, "LR")
    assert placed.row["leaf"] == placed.row["g"] == 1
    assert placed.first == ["a", "leaf"]  # one layer before g, which begins the row


def test_nodes_computed_early_are_placed_near_their_users():
    placed = rows_of([*CHAIN, "x", "y"], [*edges(CHAIN), ("x", "y"), ("y", "k")], 3, "LR")
    assert (placed.depth["x"], placed.depth["y"], placed.depth["k"]) == (8, 9, 10)


@pytest.mark.parametrize("direction", ["LR", "RL", "TB", "BT"])
def test_a_long_chain_can_be_read_from_the_back_row(direction):
    drawn = tg.draw(squashed(7), show="grad,contribution", direction=direction)
    assert text(drawn) > 16
    assert text(drawn) > 1.25 * text(tg.draw(squashed(7), show="grad,contribution", rows=1))


def test_rows_are_stacked_in_order():
    drawn = tg.draw(squashed(7), rows=3)
    svg = picture(drawn.source, "svg").decode()
    found = re.findall(
        r'id="n(\d+)" class="node">.*?<text[^>]* x="([-\d.]+)" y="([-\d.]+)"', svg, re.S
    )
    places = {int(n): (float(x), float(y)) for n, x, y in found}
    firsts = [
        int(name[1:]) for name in re.findall(r"n\d+", drawn.source.split("rank=same")[1])[:4:2]
    ]
    chain = [places[n][1] for n in firsts]
    assert chain == sorted(chain)
    assert re.search(r"n\d+out \[label=1 ", drawn.source)


def units(n):
    """Compute a chain of units, each in a frame: a product, a sum and tanh."""
    z, b = Value(0.5, label="x"), Value(0.1, label="b")
    for i in range(n):
        with tg.scope(f"unit{i}"):
            z = (Value(0.9, label=f"w{i}") * z + b).tanh()
    z.backward()
    return z


def places(source):
    """Lay out a picture; return the position of the first text of each box."""
    svg = picture(source, "svg").decode()
    found = re.findall(
        r'id="(n\d+)" class="node">.*?<text[^>]* x="([-\d.]+)" y="([-\d.]+)"', svg, re.S
    )
    return {name: (float(x), float(y)) for name, x, y in found}


@pytest.mark.covered
@pytest.mark.parametrize("direction", ["LR", "RL", "TB", "BT"])
@pytest.mark.parametrize("rows", [2, 3, 5])
def test_rows_of_frames_are_stacked_in_order(direction, rows):
    z = units(8)
    source = tg.draw(z, rows=rows, direction=direction).source
    rest = re.split(r"\n\tsubgraph |\n\trow", source)
    inside = [re.findall(r"(?<!\S)(n\d+) \[label=<", part) for part in rest if "margin=0" in part]
    assert len(inside) == source.count('label="" margin=0 style=invis') >= 2
    where = places(source)
    along = 1 if direction in ("LR", "RL") else 0
    spans = {tuple(row): [where[name][along] for name in row] for row in inside}
    in_order = sorted(spans, key=lambda row: min(int(name[1:]) for name in row))
    assert all(max(spans[a]) < min(spans[b]) for a, b in pairwise(in_order))


def test_an_edge_from_row_to_row_continues_at_a_number():
    source = tg.draw(units(8), rows=3).source
    out = re.findall(r"(n\d+)out \[label=(\d+) ", source)
    into = re.findall(r"(n\d+c\d+) \[label=(\d+) .*shape=circle", source)
    assert [number for _, number in out] == ["1", "2"]
    assert sorted(number for _, number in into) == ["1", "2"]
    for name, _ in out:
        assert f"{name} -> {name}out " in source
    assert source.count("<B>b</B>") > 2  # a leaf has its name in each row instead


def test_consecutive_frames_are_side_by_side():
    source = tg.draw(units(3), direction="LR", rows=1).source
    where = places(source)
    ends = [where[name] for name in re.findall(r"(n\d+) \[label=<.*<B>tanh</B>", source)]
    assert len({x for x, _ in ends}) == 3
    assert max(y for _, y in ends) - min(y for _, y in ends) < 110  # less than a box


def test_a_frame_that_is_longer_than_a_row_is_drawn_in_each():
    with tg.scope("net"):
        z = squashed(7)
    drawn = tg.draw(z, show="grad,contribution", rows=3)
    assert drawn.source.count("label=net") == 3
    assert text(tg.draw(z, show="grad,contribution")) > 16


def test_a_network_with_frames_can_be_read_from_the_back_row():
    (images, labels), _ = tg.datasets.digits()
    loss = tg.nn.cross_entropy(DigitsNet(seed=0)(images[:1]), labels[:1])
    loss.backward()
    assert text(tg.draw(loss)) > 16
    assert text(tg.draw(units(8))) > 16


@pytest.mark.parametrize("rows", [0, -1, 1.5, True, "2"])
def test_invalid_numbers_of_rows_are_refused(rows):
    with pytest.raises(OptionError, match="draw: rows must be an integer of at least 1"):
        tg.draw(Value(1.0), rows=rows)


def loop(turns):
    E, b, x = Value(0.5, label="E"), Value(0.9, label="b"), Value(0.1, label="x")
    for _ in range(turns):
        E = E * b + x
    E.backward()
    return E


def test_a_leaf_that_many_layers_use_is_repeated_by_name():
    source = tg.draw(loop(6)).source
    assert source.count("<B>b</B>") == source.count("<B>x</B>") == 6
    assert source.count(">data<") == 2 * 6 + 3
    assert len(re.findall(r"\bn1 -> n\d+", source)) == 1
    assert tg.draw(loop(3)).source.count("<B>b</B>") == 1
    nameless = Value(0.25)
    z = Value(2.0)
    for _ in range(4):
        z = (z * nameless).tanh()
    assert tg.draw(z).source.count(">0.25<") == 4


def test_a_leaf_that_one_layer_uses_often_is_linked():
    x = Value(1.0, label="x")
    units = [(x * float(i)).tanh() for i in range(1, 7)]
    assert tg.draw(tg.maximum(*units)).source.count("<B>x</B>") == 1


@pytest.mark.long
def test_a_loop_of_two_hundred_nodes_is_laid_out_in_seconds(tmp_path):
    path = tg.render(loop(100), tmp_path / "loop.svg", timeout=10)
    shown = re.findall(r'id="n\d+(out|c\d|)" class="node"', path.read_text("utf-8"))
    assert shown.count("") == 203
    assert shown.count("c0") + shown.count("c1") == 198 + shown.count("out")  # names, and numbers


def test_a_graph_runs_downwards_if_that_is_larger_unless_a_direction_is_given():
    E = tg.maximum(*(Value(float(i), label=f"z{i}") for i in range(8)))
    E.backward()
    assert tg.draw(E).graph_attr["rankdir"] == "TB"
    assert text(tg.draw(E)) > 16
    assert text(tg.draw(E)) > 1.25 * text(tg.draw(E, direction="LR"))
    assert tg.draw(squashed(3)).graph_attr["rankdir"] == "LR"
    assert tg.draw(squashed(7)).graph_attr["rankdir"] == "LR"
