"""Why a network does not learn: what is wrong with a backward pass, most severe finding first."""

from tinygrad_pool.diagnosis.diagnosis import Diagnosis, diagnose

__all__ = ["Diagnosis", "diagnose"]
