"""Stepping through a backward pass, forwards and backwards, and asking why a gradient is zero."""

from tinygrad_pool.debugger.chain import Derivation, derive
from tinygrad_pool.debugger.diagnosis import Diagnosis, diagnose
from tinygrad_pool.debugger.difference import Difference, diff
from tinygrad_pool.debugger.recording import Recording, record
from tinygrad_pool.debugger.shell import debug

__all__ = [
    "Derivation",
    "Diagnosis",
    "Difference",
    "Recording",
    "debug",
    "derive",
    "diagnose",
    "diff",
    "record",
]
