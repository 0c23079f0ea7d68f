"""Why a network does not learn: what is wrong with a pass, most severe first, or with a run."""

from tinygrad_pool.diagnosis.diagnosis import Diagnosis, diagnose
from tinygrad_pool.diagnosis.run import Run, watch

__all__ = ["Diagnosis", "Run", "diagnose", "watch"]
