"""Diagnose why a network does not learn, from one pass or from a training run."""

from tinygrad_pool.diagnosis.diagnosis import Diagnosis, diagnose
from tinygrad_pool.diagnosis.run import Run, watch

__all__ = ["Diagnosis", "Run", "diagnose", "watch"]
