"""Derivatives of a recorded graph: Jacobians, ties, receptive fields, scalar units."""

from tinygrad_pool.derivatives.receptive_fields import receptive_field
from tinygrad_pool.derivatives.scalars import explode
from tinygrad_pool.derivatives.sparse_jacobian import weights_of
from tinygrad_pool.derivatives.ties import find_ties

__all__ = ["explode", "find_ties", "receptive_field", "weights_of"]
