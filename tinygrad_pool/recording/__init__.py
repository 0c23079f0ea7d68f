"""Recorded backward passes: steps, explanations of gradients, a page."""

from tinygrad_pool.recording.chain_rule import Derivation, derive
from tinygrad_pool.recording.difference import Difference, compare_passes
from tinygrad_pool.recording.recording import Recording, record

__all__ = ["Derivation", "Difference", "Recording", "compare_passes", "derive", "record"]
