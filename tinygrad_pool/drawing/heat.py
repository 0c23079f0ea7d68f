"""Heat maps of arrays inside a box: one coloured square per element."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.drawing import theme
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import number

LONGEST, CELLS, PLANES = 16, 400, 4
SIDE = 5


def heat(data: Any) -> str:
    """Write the first planes of an array as Graphviz HTML: blue above 0, orange below, white at 0.

    Cells below 0 have a rim, too. The largest magnitude is darkest. Returns "" if the array has
    fewer than two axes or its planes are too large.

    >>> heat(np.zeros(3)), heat(np.ones((2, 2))).count("<TD BGCOLOR")
    ('', 4)
    """
    shape = np.shape(data)
    if len(shape) < 2 or max(shape[-2:]) > LONGEST or max(shape[-2:]) < 2 or not prod(shape):
        return ""
    planes = np.reshape(data, (-1, *shape[-2:]))
    shown = planes[: max(1, min(len(planes), PLANES, CELLS // planes[0].size))]
    largest = np.abs(data[np.isfinite(data)]).max(initial=0.0) or 1.0
    tables = "".join(f"<TD>{_plane(plane / largest)}</TD>" for plane in shown)
    rest = len(planes) - len(shown)
    more = f"<TD>+{rest}</TD>" if rest else ""
    return f'<TABLE BORDER="0" CELLSPACING="2" CELLPADDING="0"><TR>{tables}{more}</TR></TABLE>'


def _plane(shares: NDArray[Any]) -> str:
    side = max(SIDE, SIDE * 6 // max(shares.shape))
    rows = "".join(f"<TR>{''.join(_cell(float(x), side) for x in row)}</TR>" for row in shares)
    high, wide = (2 + side * n for n in shares.shape)
    return (
        f'<TABLE BORDER="1" COLOR="{theme.FAINT}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0" '
        f'FIXEDSIZE="TRUE" WIDTH="{wide}" HEIGHT="{high}">{rows}</TABLE>'
    )


def _cell(share: float, side: int) -> str:
    size = f'FIXEDSIZE="TRUE" WIDTH="{side}" HEIGHT="{side}"'
    rim = f'BORDER="1" COLOR="{theme.mixed(theme.INK, min(1.0, -share))}" ' if share < 0 else ""
    return f'<TD {rim}BGCOLOR="{colour(share)}" {size}></TD>'


def colour(share: float) -> str:
    """Return the colour of a number between −1 and 1.

    >>> colour(0.0), colour(1.0), colour(float("nan"))
    ('#ffffff', '#0072b2', '#a8326e')
    """
    part = 1.0 if np.isnan(share) else min(1.0, abs(share))
    return theme.mixed(theme.of_sign(share), part)


def magnitudes(nodes: list[Node]) -> tuple[dict[Node, str], list[str]]:
    """Choose fills for nodes by their largest |grad|, on a log scale; return them and a legend.

    >>> from tinygrad_pool import Value
    >>> a = Value(2.0)
    >>> (a * 100.0).backward()
    >>> magnitudes([a])
    ({Value(data=2.0, grad=100.0): '#f4f4f4'}, ['shaded by |grad|, which is 100'])
    """
    computed = [node for node in nodes if node.has_grad]
    largest = {node: float(np.max(np.abs(node.grad), initial=0.0)) for node in computed}
    sizes = {node: size for node, size in largest.items() if 0 < size < np.inf}
    if not sizes:
        return {}, []
    low, high = min(sizes.values()), max(sizes.values())
    span = (np.log10(high) - np.log10(low)) or 1.0
    above = {node: np.log10(size) - np.log10(low) for node, size in sizes.items()}
    shares = {node: 0.05 + 0.3 * part / span for node, part in above.items()}
    fills = {node: theme.mixed(theme.INK, share) for node, share in shares.items()}
    of = f"from {number(low, 3)} (faint) to" if low < high else "which is"
    return fills, [f"shaded by |grad|, {of} {number(high, 3)}"]
