"""Noise evidence: does a region carry the same noise as the same tissue elsewhere in the slice, or was some added?"""

from __future__ import annotations

import numpy as np

from dfd.evidence.tables import SliceTables, prepare, standing
from dfd.evidence.windows import ADDED, GRAIN, FloatArray
from dfd.records import Evidence, Region

FAMILY = "noise"
DIRECTION = "higher = less like the genuine rest of the same slice"
SOURCE = "self-comparison of residual statistics after Cozzolino, Poggi, Verdoliva, Splicebuster (WIFS 2015), on masked-prediction residuals"
LARGEST = 50.0
"""Deviations are cut here."""


def grain_deviation(deviation: FloatArray) -> FloatArray:
    """``[n]``: root mean square over energy and correlations of the residual. Two-sided: too smooth counts like too rough."""
    result: FloatArray = np.sqrt(np.mean(np.clip(deviation[:, GRAIN], -LARGEST, LARGEST) ** 2, axis=1))
    return result


def statistic(deviation: FloatArray) -> FloatArray:
    """``[n]``: deviation of the grain, and what the head sees of added noise on top. Higher = more suspicious."""
    result: FloatArray = grain_deviation(deviation) + np.clip(deviation[:, ADDED], 0.0, LARGEST)
    return result


def measure(region: Region, reference: SliceTables) -> Evidence:
    """How far the residual in ``region`` deviates from matched windows of the same slice, in units of what is ordinary there.

    Unitless, >= 0, 1 to 1.5 = ordinary (the largest over the scales), higher = more suspicious. Source: see ``SOURCE``; matching and head are ours.
    """
    found = standing(region, reference, statistic)
    if found.obstacle:
        return Evidence(FAMILY, float("nan"), tissue=found.tissue, obstacle=found.obstacle)
    return Evidence(FAMILY, found.statistic, found.measures, found.tissue, reason_for(found.measures))


def reason_for(measures: dict[str, float]) -> str:
    """One plain sentence on the largest deviation."""
    name, value = max(((name, value) for name, value in measures.items() if name != "replaced content"), key=lambda item: abs(item[1]))
    times = f"{abs(value):.1f} times the usual variation"
    if name == "added noise":
        return f"the residual here looks {'more' if value > 0 else 'less'} like added noise than in the same tissue of this slice, {times}"
    if name == "energy":
        return f"noise here is {'stronger' if value > 0 else 'weaker'} than the surroundings predict, {times} of the same tissue in this slice"
    row, column = (int(part) for part in name.split()[1].split(","))
    direction = {(0, 1): "across", (1, 0): "down", (0, 2): "two pixels across", (2, 0): "two pixels down"}.get((row, column), "on the diagonal")
    likeness = "more" if value > 0 else "less"
    return f"the grain here is {likeness} alike from pixel to pixel ({direction}) than in the same tissue of this slice, {times}"


__all__ = ["DIRECTION", "FAMILY", "SOURCE", "grain_deviation", "measure", "prepare", "reason_for", "statistic"]
