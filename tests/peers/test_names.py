"""The sheet of names has names that PyTorch and micrograd have."""

import re
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

import pytest

SHEET = Path(__file__).parents[2] / "docs" / "names.md"
ROWS = re.findall(r"^\| (.*`tg\..*) \|$", SHEET.read_text("utf-8"), re.MULTILINE)
NAME = re.compile(r"[A-Za-z_][\w.]*\w")


def names_in(column):
    """List what the column calls things: `F.relu(x)` is F.relu."""
    cells = [row.split(" | ")[column] for row in ROWS]
    quoted = [code for cell in cells for code in re.findall(r"`([^`]*)`", cell)]
    return [NAME.match(code)[0] for code in quoted]


@pytest.mark.peer
def test_every_name_of_pytorch(peer):
    torch = peer("torch")
    v = 2 * torch.ones(2, requires_grad=True)
    v.retain_grad()
    known = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "net": torch.nn.Module()}
    known |= dict.fromkeys(["v", "x", "loss"], v)
    names = names_in(1)
    assert len(names) > 40
    for name in names:
        if name != "torchviz.make_dot":  # a package of its own, and no peer
            attrgetter(name)(SimpleNamespace(**known))


@pytest.mark.peer
def test_every_name_of_micrograd(peer):
    peer("micrograd")
    from micrograd import engine, nn

    v = engine.Value(2.0)
    known = {"Value": engine.Value, "v": v, "loss": v, "net": nn.Module()}
    known |= {name: getattr(nn, name) for name in ("Neuron", "Layer", "MLP")}
    names = names_in(3)
    assert len(names) > 10
    for name in names:
        if name != "draw_dot":  # in a notebook, not in the package
            attrgetter(name)(SimpleNamespace(**known))
