"""A backward pass written down: what each step sent, why a gradient is what it is, as a page."""

from tinygrad_pool.recording.chain_rule import Derivation, derive
from tinygrad_pool.recording.difference import Difference, compare_passes
from tinygrad_pool.recording.recording import Recording, record

__all__ = ["Derivation", "Difference", "Recording", "compare_passes", "derive", "record"]
