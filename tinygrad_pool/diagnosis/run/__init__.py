"""Watch a training run: norms by step, the first bad step, a table, a plot and a page."""

from tinygrad_pool.diagnosis.run.watching import Run, watch

__all__ = ["Run", "watch"]
