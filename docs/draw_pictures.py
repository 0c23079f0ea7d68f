"""Draw the pictures of the docs and the README, from real Values: python docs/draw_pictures.py.

They are drawn with the Graphviz of the extra [render], so that everyone gets the same bytes. The
picture of the floors is drawn from the imports of the modules.
"""

import re
from contextlib import chdir, redirect_stdout
from doctest import DocTestParser
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import floors

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.rendering import contents
from tinygrad_pool.pooling_as_weights.derivation import example, figures

FOLDER = Path(__file__).parent / "pictures"


def pictures() -> dict[str, bytes]:
    """Draw every picture; return the contents by file name."""
    drawn = {name: contents(figure(), "svg") for name, figure in figures(example()).items()}
    drawn["expression"] = contents(tg.draw(run_examples("README.md")["E"]), "svg")
    watched = run_examples("docs/how_to/watch_a_training_run.md")["run"]
    drawn["run"] = contents(watched.draw(), "svg")
    drawn["by_hand"] = contents(tg.draw(neuron(), show="data,grad,local", rows=1), "svg")
    drawn["floors"] = contents(floors.picture(), "svg")
    return {**{f"{name}.svg": picture for name, picture in drawn.items()}, **gallery()}


def gallery() -> dict[str, bytes]:
    """Run the scripts in gallery.md, and return the pictures that the page shows."""
    page = (FOLDER.parent / "gallery.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\(pictures/([\w.]+)\)", page))
    with TemporaryDirectory() as folder, chdir(folder):
        for script in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
            exec(script, {})  # our own code
        return {p.name: p.read_bytes() for p in sorted(Path().rglob("*.svg")) if p.name in shown}


def run_examples(page: str) -> dict[str, Any]:
    """Run the examples of a page, and return their names."""
    names: dict[str, Any] = {}
    text = (FOLDER.parents[1] / page).read_text(encoding="utf-8")
    with TemporaryDirectory() as folder, chdir(folder), redirect_stdout(StringIO()):
        for example in DocTestParser().get_examples(text):
            exec(example.source, names)  # our own code
    return names


def neuron() -> Value:
    """Compute the neuron of the tutorial's first part, and its gradients."""
    w, x, b = Value(2.0, label="w"), Value(3.0, label="x"), Value(-5.5, label="b")
    a = w * x + b
    z = a.tanh()
    E = (z - 1.0) ** 2
    a.label, z.label, E.label = "a", "z", "E"
    E.backward()
    return E


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, picture in pictures().items():
        (FOLDER / name).write_bytes(picture)
        print(FOLDER / name)
