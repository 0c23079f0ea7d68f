"""Pictures of graphs: the computation as it was recorded, and the units of the textbook."""

from tinygrad_pool.drawing.computation import draw
from tinygrad_pool.drawing.grids import draw_windows
from tinygrad_pool.drawing.outline import tree
from tinygrad_pool.drawing.rendering import render
from tinygrad_pool.drawing.slides import frames
from tinygrad_pool.drawing.units import draw_units

__all__ = ["draw", "draw_units", "draw_windows", "frames", "render", "tree"]
