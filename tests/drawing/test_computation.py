"""The computation graph as DOT text."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.drawing.dot_program import picture
from tinygrad_pool.errors import DataError, OptionError

SVG = "{http://www.w3.org/2000/svg}"


def edges(graph) -> list[str]:
    return [line.split("[")[0].strip() for line in graph.source.splitlines() if "->" in line]


def boxes(graph) -> list[str]:
    return [line for line in graph.source.splitlines() if "<TABLE" in line]


def test_a_node_used_twice_has_two_edges():
    a = Value(2.0, label="a")
    assert edges(tg.draw(a * a)) == ["n0 -> n1", "n0 -> n1"]


def test_edges_come_in_the_order_of_the_operands():
    a, b = Value(1.0), Value(2.0)
    assert edges(tg.draw(b - a)) == ["n1 -> n2", "n0 -> n2"]


def test_a_box_shows_label_sign_data_and_gradient():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    E = a * b
    E.label = "E"
    assert all("–" in box for box in boxes(tg.draw(E)))
    E.backward()
    of_a, of_b, of_E = boxes(tg.draw(E))
    assert "<B>a</B>" in of_a
    assert ">2</FONT>" in of_a
    assert ">3</FONT>" in of_a
    assert "<B>b</B>" in of_b
    assert "<B>×</B>&nbsp; <B>E</B>" in of_E
    assert not any("–" in box for box in (of_a, of_b, of_E))


def test_the_root_has_a_thick_frame():
    a = Value(2.0)
    first, last = boxes(tg.draw(a.exp()))
    assert 'BORDER="1"' in first
    assert 'BORDER="3"' in last


def test_constants_have_boxes_of_their_own():
    graph = tg.draw(2 * Value(3.0) + np.ones(2))
    assert edges(graph) == ["n1c0 -> n1", "n0 -> n1", "n1 -> n2", "n2c1 -> n2"]


def test_a_large_array_shows_its_shape_once_and_the_range_of_data_and_gradient():
    x = Value(np.arange(10.0).reshape(2, 5))
    E = (x * np.ones((2, 5))).sum()
    E.backward()
    of_x, of_constant, *_ = boxes(tg.draw(E))
    assert of_x.count("2 × 5") == 1
    assert ">0 … 9</FONT>" in of_x
    assert ">1 … 1</FONT>" in of_x
    assert "2 × 5<BR/>1 … 1" in of_constant + boxes(tg.draw(E))[2]


def test_losers_of_a_max_are_dashed_and_the_winner_is_solid():
    z = [Value(x) for x in (0.2, 0.9, 0.5)]
    lines = [line for line in tg.draw(tg.maximum(*z)).source.splitlines() if "->" in line]
    assert ["dashed" in line for line in lines] == [True, False, True]
    assert [f'label=" {w}"' in line for line, w in zip(lines, "010", strict=True)] == [True] * 3


def test_an_even_tie_shows_its_shares():
    lines = tg.draw(tg.maximum(Value(1.0), Value(1.0), ties="even")).source
    assert lines.count('label=" 0.5"') == 2


def test_a_max_of_arrays_has_plain_edges():
    assert "dashed" not in tg.draw(tg.maximum(Value([1.0, 2.0]), 0.0)).source


def test_scopes_are_nested_frames_and_leaves_stand_where_they_are_used():
    x, w = Value(1.0, label="x"), Value(2.0, label="w")
    with tg.scope("net"):
        with tg.scope("layer1"):
            a = (w * x).relu()
        with tg.scope("layer2"):
            y = x + a
    source = tg.draw(y * 1.0).source
    order = ["label=net", "<B>x</B>", "label=layer1", "<B>w</B>", "label=layer2"]
    found = [source.index(text) for text in order]
    assert found == sorted(found)
    assert source.count("subgraph") == 3


def test_a_value_cut_from_its_graph_is_drawn_without_one():
    y = Value(2.0).exp().detach() * 3.0
    assert edges(tg.draw(y)) == ["n0 -> n1", "n1c1 -> n1"]
    assert "<B>detach</B>" in tg.draw(y).source


@pytest.mark.parametrize(
    "label",
    ["<b>&\"'\\n", "a\nb", pytest.param("x" * 10_000_000, id="long"), "最大", "\x00", "]]>", "\\"],
)
def test_no_label_breaks_a_picture(label):
    with tg.scope(label):
        y = Value(2.0, label=label).exp()
    svg = picture(tg.draw(y, title=label).source, "svg")
    assert len(ET.fromstring(svg).findall(f".//{SVG}g[@class='node']")) == 2


def test_svg_has_the_nodes_edges_and_frames_of_the_graph():
    with tg.scope("inner"):
        y = Value(2.0) * 3.0
    root = ET.fromstring(picture(tg.draw(y + 1.0).source, "svg"))
    count = {kind: len(root.findall(f".//{SVG}g[@class='{kind}']")) for kind in ("node", "edge")}
    assert count == {"node": 5, "edge": 4}
    assert {g.get("id") for g in root.iter(f"{SVG}g")} >= {"n0", "n1", "n2", "n1c1", "n2c1"}


PROGRAM = """
import numpy as np, tinygrad_pool as tg
w = tg.Value(np.arange(4.0).reshape(1, 1, 2, 2), label="w")
with tg.scope("conv"):
    y = tg.max_pool2d(tg.conv2d(np.ones((1, 1, 5, 5)), w).tanh(), 2)
loss = (y * y).sum()
loss.backward()
print(tg.draw(loss).source)
"""


def test_equal_programs_give_equal_text():
    first, second = (
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second
    assert b"max pool2d" in first


def test_direction_and_title_are_written_into_the_graph():
    source = tg.draw(Value(1.0), direction="TB", title="one <leaf>").source
    assert "rankdir=TB" in source
    assert "one <leaf>" in source


def test_only_values_can_be_drawn():
    with pytest.raises(DataError, match="draw: needs a Value, got float"):
        tg.draw(2.0)
    with pytest.raises(OptionError, match=r"draw: direction must be one of .*, got 'up'"):
        tg.draw(Value(1.0), direction="up")


class TestShow:
    @pytest.fixture
    def loss(self):
        x = Value(np.arange(25.0).reshape(5, 5), label="x")
        loss = (x * x).mean()
        loss.backward()
        return loss

    def test_data_gradient_and_heat_are_shown_by_default(self, loss):
        box = boxes(tg.draw(loss))[0]
        assert box.count(">data<") == box.count(">grad<") == 1
        assert len(re.findall(r'BGCOLOR="#\w+" FIXEDSIZE', box)) == 2 * 25

    @pytest.mark.parametrize(
        ("show", "found", "missing"),
        [
            ((), (), (">data<", ">grad<", "float64")),
            (("shape",), ("5 × 5",), (">data<", ">grad<")),
            (("dtype",), ("float64",), (">data<",)),
            ("data,dtype", (">data<", "float64"), (">grad<",)),
            ("grad", (">grad<", ">0 … 1.92<"), (">data<",)),
        ],
    )
    def test_only_what_was_asked_for_is_shown(self, loss, show, found, missing):
        box = boxes(tg.draw(loss, show=show))[0]
        assert [word for word in found if word not in box] == []
        assert [word for word in missing if word in box] == []

    def test_a_leaf_without_a_name_has_a_dot_on_the_colour_of_its_kind(self):
        weight, leaf, *_ = boxes(tg.draw(tg.weighted_sum([Value(2.0)], [Value(1.0)]), show=()))
        assert 'BGCOLOR="#FFF7DC" ALIGN="CENTER"><FONT COLOR="#222222"><B>•</B>' in leaf
        assert 'BGCOLOR="#E4F2E1" ALIGN="CENTER"><FONT COLOR="#222222"><B>•</B>' in weight

    def test_a_large_constant_has_its_picture(self):
        y = Value(np.ones((5, 5))) * np.eye(5)
        graph = tg.draw(y)
        constant = next(line for line in graph.source.splitlines() if line.strip()[:4] == "n1c1")
        assert constant.count('BGCOLOR="#0072b2"') == 5
        assert "heat" not in graph.source
        assert 'BGCOLOR="#0072b2"' not in tg.draw(y, show=("data",)).source

    def test_a_small_constant_of_numbers_has_both(self):
        source = tg.draw(Value(np.ones((2, 2))) * np.eye(2)).source
        assert "1&nbsp; 0<BR/>0&nbsp; 1" in source

    def test_contributions_are_on_the_edges_with_their_scale(self, loss):
        source = tg.draw(loss, show="contribution", title="net").source
        assert 'label="net\\nedges: what goes back along them, ' in source
        assert 'label=" 0.96 "' in source

    def test_without_a_pass_there_is_no_scale(self):
        assert "edges:" not in tg.draw(Value(1.0).exp(), show="contribution").source

    def test_an_unknown_part_is_named(self):
        with pytest.raises(
            OptionError, match=r"draw: show takes any of data, grad, .*contribution, got 3, color"
        ):
            tg.draw(Value(1.0), show=["color", 3])


class TestDetail:
    def chain(self, n):
        v = Value(1.0, label="start")
        for _ in range(n - 1):
            v = v.tanh()
        return v

    @pytest.mark.parametrize(
        ("nodes", "boxes_drawn", "numbers"),
        [(300, 300, True), (301, 301, False), (1000, 1000, False), (1001, 2, True)],
    )
    def test_auto_draws_less_of_more(self, nodes, boxes_drawn, numbers):
        graph = tg.draw(self.chain(nodes))
        assert len(boxes(graph)) == boxes_drawn
        assert (">data<" in graph.source) == numbers
        assert ("nodes folded into" in graph.source) == (nodes > 1000)

    def test_full_draws_them_all(self):
        assert len(boxes(tg.draw(self.chain(1500), detail="full"))) == 1500

    def test_ops_shows_signs_and_labels_and_what_was_asked_for_of_edges(self):
        source = tg.draw(self.chain(3), detail="ops", show="data,local").source
        assert ">data<" not in source
        assert "× " in source
        assert "<B>start</B>" in source

    def test_many_layers_stay_layers_and_many_single_nodes_are_folded_by_form(self):
        def net(scope_every):
            v = Value(1.0)
            for i in range(1100):
                with tg.scope(f"layer{i // scope_every}"):
                    v = v.tanh()
            return tg.draw(v)

        assert "1,101 nodes folded into 12" in net(100).source
        assert "1,101 nodes folded into 2;" in net(2).source

    def test_an_unknown_detail_is_named(self):
        with pytest.raises(OptionError, match=r"draw: detail must be one of .*, got 'some'"):
            tg.draw(Value(1.0), detail="some")


class TestOverview:
    def test_a_layer_shows_its_operations_shape_weights_and_ranges(self):
        layer = nn.Linear(3, 4, rng=0)
        y = layer(np.ones((2, 3)))
        y.backward(gradient=np.ones((2, 4)))
        (box,) = boxes(tg.draw(y, detail="layers"))
        for shown in ("Linear", "transpose, @, +", "2 × 4", "16 weights", ">1 … 1<", 'BORDER="3"'):
            assert shown in box, shown

    def test_of_many_operations_the_first_four_are_listed_with_their_counts(self):
        with tg.scope("block"):
            v = Value(1.0)
            for f in (tg.exp, tg.exp, tg.tanh, tg.sin, tg.cos, tg.relu):
                v = f(v)
        (_, box) = boxes(tg.draw(v, detail="layers"))
        assert "exp ×2, tanh, sin, cos …" in box

    def test_leaves_are_called_by_their_labels_or_counted(self):
        few = tg.weighted_sum([1.0] * 2, [Value(1.0, label=f"x{i}") for i in (1, 2)])
        many = tg.weighted_sum([1.0] * 5, [Value(1.0, label=f"x{i}") for i in range(5)])
        assert "<B>x1, x2</B>" in boxes(tg.draw(few, detail="layers"))[0]
        assert "<B>leaf ×5</B>" in boxes(tg.draw(many, detail="layers"))[0]

    def test_values_cut_off_are_no_leaves(self):
        y = tg.weighted_sum([1.0] * 2, [Value(float(i)).exp().detach() for i in (1, 2)])
        assert "<B>cut off ×2</B>" in boxes(tg.draw(y, detail="layers"))[0]

    def test_leaves_of_several_shapes_show_none(self):
        a, b = Value(np.ones((2, 1)), label="a"), Value(np.ones(3), label="b")
        (leaves, _) = boxes(tg.draw(a * b, detail="layers"))
        assert "<B>a, b</B>" in leaves
        assert "2 ×" not in leaves

    def test_single_nodes_keep_their_sign_and_label(self):
        a = Value(1.0, label="a")
        y = a.exp()
        y.label = "y"
        assert [re.findall("<B>(.*?)</B>", box) for box in boxes(tg.draw(y, detail="layers"))] == [
            ["a"],
            ["exp  y"],
        ]

    def test_what_is_highlighted_lights_its_group(self):
        x = [Value(1.0, label=n) for n in "ab"]
        source = tg.draw(x[0] + x[1], detail="layers", highlight=x[1]).source
        assert source.count("#FFE08A") == 1

    def test_the_scope_decides_which_of_two_forms_a_group_has(self):
        """Folded by form, what two scopes have in common is called by its operation."""
        v = Value(1.0)
        for name in ("a", "b") * 600:
            with tg.scope(name):
                v = v.tanh()
        assert "<B>tanh ×1,200</B>" in tg.draw(v).source


class TestDepth:
    @pytest.mark.parametrize(("depth", "nodes"), [(0, 1), (1, 2), (2, 3), (5, 4)])
    def test_it_is_how_many_edges_are_followed_back(self, depth, nodes):
        graph = tg.draw(tg.sin(Value(1.0).exp().tanh()), depth=depth)
        assert len(boxes(graph)) == nodes
        assert ("…" in graph.source) == (nodes < 4)

    def test_the_shortest_way_counts(self):
        a = Value(2.0, label="a")
        graph = tg.draw(a.exp().tanh() + a, depth=1)
        assert "<B>a</B>" in graph.source
        assert edges(graph) == ["n1c0 -> n1", "n1 -> n2", "n0 -> n2"]

    @pytest.mark.parametrize("depth", [-1, 1.5, True, "2"])
    def test_another_depth_is_named(self, depth):
        with pytest.raises(
            OptionError, match=r"draw: depth must be a whole number, 0 or more, got"
        ):
            tg.draw(Value(1.0), depth=depth)


class TestNamesAndHighlight:
    def test_variables_call_values_that_have_no_label(self):
        p, q = Value(1.0), Value(2.0, label="own")
        r = p * q
        source = tg.draw(r, names=locals()).source
        assert [f"<B>{n}</B>" in source for n in ("p", "own", "r", "q")] == [
            True,
            True,
            True,
            False,
        ]

    def test_one_or_several_are_highlighted(self):
        a, b = Value(1.0), Value(2.0)
        y = a * b
        assert [tg.draw(y, highlight=h).source.count("#FFE08A") for h in (a, [a, y], ())] == [
            1,
            2,
            0,
        ]

    def test_only_values_can_be(self):
        with pytest.raises(DataError, match="draw: highlight: needs a Value, got str"):
            tg.draw(Value(1.0), highlight=["a"])

    def test_weights_are_green_inputs_yellow_and_cut_off_parts_purple(self):
        x, w = Value(1.0, label="x"), Value(2.0, label="w")
        y = tg.weighted_sum([w], [x]) * Value(1.0, label="c").exp().detach()
        fills = dict(
            re.findall(
                r'BGCOLOR="(#\w+)" ALIGN="CENTER"><FONT COLOR="#222222"><B>(\w+)<',
                tg.draw(y).source,
            )
        )
        assert {v: k for k, v in fills.items()} == {
            "x": "#FFF7DC",
            "w": "#E4F2E1",
            "detach": "#EFE3EE",
        }
