"""Small gradients in which nothing vanished: contributions cancel, or the fit has converged."""

from __future__ import annotations

import numpy as np

from tinygrad_pool.diagnosis.diagnosis import diagnose
from tinygrad_pool.diagnosis.findings import SUSPICIOUS
from tinygrad_pool.engine.value import Value
from tinygrad_pool.recording.origins import behind_rounding
from tinygrad_pool.recording.reasons import explain
from tinygrad_pool.recording.recording import Recording
from tinygrad_pool.recording.strongest_paths import rms

CANCELS = 100
"""Contributions this many times as large as the limit have not vanished, though their sum may."""


def cancels(recording: Recording, parameter: Value, limit: float) -> bool:
    """Return whether large contributions to a parameter cancel, as before a norm, or at a minimum.

    >>> from tinygrad_pool import Value, record
    >>> b = Value(0.0)
    >>> cancels(record(((b - np.array([-1.0, 1.0])) ** 2).sum()), b, 1e-8)
    True
    """
    g = np.reshape(recording.gradients.get(parameter, 0.0), -1)
    if rms(g) >= limit:
        return False
    if behind_rounding(recording.ledger, parameter):
        return True
    arrivals = recording.ledger.arrivals(parameter, int(np.abs(g).argmax()))
    return bool(sum(np.abs(arrival.sent).sum() for arrival in arrivals) > CANCELS * limit)


def converged(recording: Recording, parameter: Value) -> bool:
    """Return whether no step loses the gradient of a parameter: the error is small, or 0."""
    loss = recording.loss
    if np.any(loss._numbers):
        return not explain(recording.ledger, parameter, None).causes
    found = diagnose(loss, recording.gradient, parameters=parameter).findings
    return all(f.severity == SUSPICIOUS for f in found if parameter in f.nodes)
