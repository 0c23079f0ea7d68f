"""A matplotlib Figure that a notebook shows without pyplot."""

import io

import matplotlib as mpl
from matplotlib.figure import Figure

from tinygrad_pool.drawing.words import caption_of, with_caption


class Plot(Figure):
    """A Figure that a notebook shows as SVG, without `%matplotlib inline`."""

    def _repr_svg_(self) -> str:
        svg = contents_of(self, "svg").decode()
        return with_caption(svg, caption_of(self, svg))


def contents_of(
    figure: Figure,
    kind: str,
    dpi: float = 192,
    size: tuple[int | None, int | None] = (None, None),
) -> bytes:
    """Return a figure as the contents of a file; equal figures give equal SVG."""
    if any(size):
        inches = figure.get_size_inches()
        dpi = min(side / length for side, length in zip(size, inches, strict=True) if side)
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "tinygrad_pool"}):
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(file, format=kind, dpi=dpi, metadata=metadata)
    return file.getvalue()
