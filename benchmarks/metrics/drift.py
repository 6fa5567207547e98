"""How far numbers lie from those of another version of the code, or of another device."""

from __future__ import annotations

import numpy as np

from benchmarks.metrics.roc import FloatArray

LIMIT = 1e-3
"""Relative difference that counts."""
FLOOR = 0.01
"""Smallest divisor of a relative difference, in medians of the family."""


def relative_differences(old: FloatArray, new: FloatArray) -> FloatArray:
    """``[n]``: differences in units of the old values, infinite where only one is a number."""
    known = np.isfinite(old)
    floor = FLOOR * float(np.median(np.abs(old[known]))) if known.any() else 0.0
    size = np.maximum(np.abs(old), max(floor, np.finfo(np.float64).tiny))
    result = np.abs(new - old) / size
    result[known != np.isfinite(new)] = np.inf
    return np.where(~known & ~np.isfinite(new), 0.0, result)
