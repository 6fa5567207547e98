"""Noise evidence: does the residual in a region carry the same noise as the same tissue elsewhere in the slice?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dfd.evidence.windows import FEWEST_NEIGHBOURS, MEASURES, FloatArray, WindowTable, deviations, grid_centres, measure_windows, planes_of, supported
from dfd.intensity import brightness_scale, tissue_map
from dfd.masking import disk
from dfd.modalities import Modality
from dfd.records import Evidence, Prediction, Region

FAMILY = "noise"
NO_SUPPORT = "less than 60 % of the region holds a measurement (air, padding or outside the body)"
NO_REFERENCE = "the slice holds too little comparable tissue to say what is ordinary in it"
DIRECTION = "higher = less like the genuine rest of the same slice"
ORDINARY_WINDOWS = 256
"""Windows, evenly spread over the slice, that tell what is ordinary in it: their median lies within 5 % of that over all."""
SOURCE = "self-comparison of residual statistics after Cozzolino, Poggi, Verdoliva, Splicebuster (WIFS 2015), on masked-prediction residuals"


@dataclass(frozen=True)
class NoiseReference:
    """One slice, prepared for regions of one radius."""

    prediction: Prediction
    modality: Modality
    table: WindowTable
    """Genuine-looking windows of the slice."""
    ordinary: float
    """Median statistic over ``ORDINARY_WINDOWS`` of the slice's own windows: what an ordinary one deviates by. NaN where there are too few."""
    planes: FloatArray
    """``[17, H, W]``, what windows are summed from."""
    labels: NDArray[np.int8]
    """``[H, W]`` index of each pixel's tissue class, -1 where none fits."""

    @cached_property
    def own(self) -> FloatArray:
        """Statistics of the slice's own windows, in the order of ``table``. Measured when first asked for: a lone point does not need them."""
        return _statistics(deviations(self.table, self.table)) / self.ordinary


def prepare(prediction: Prediction, radius: float, modality: Modality) -> NoiseReference:
    """Measures the windows of a slice once for all regions of about this radius (pixels)."""
    planes = planes_of(prediction, modality)
    table = supported(measure_windows(planes, grid_centres(prediction, radius), radius))
    sample = table.rows(slice(None, None, max(1, len(table.centres) // ORDINARY_WINDOWS)))
    own = _statistics(deviations(sample, table))
    usable = own[np.isfinite(own)]
    ordinary = float(np.median(usable)) if len(usable) >= FEWEST_NEIGHBOURS else float("nan")
    scale = brightness_scale(prediction.mean, prediction.assessed) if modality.relative else None
    labels = tissue_map(prediction.mean, prediction.assessed, modality, scale)
    return NoiseReference(prediction, modality, table, ordinary, planes, labels)


def _statistics(deviation: FloatArray) -> FloatArray:
    """Root mean square over the seven measures: two-sided, too smooth counts like too rough."""
    result: FloatArray = np.sqrt(np.mean(np.clip(deviation, -50.0, 50.0) ** 2, axis=1))
    return result


def measure(region: Region, reference: NoiseReference) -> Evidence:
    """Deviation of energy and autocorrelation of z in ``region`` from matched windows of the same slice, in units of what is ordinary there.

    Unitless, >= 0, 1 = as ordinary as half the slice, higher = more suspicious. Source: see ``SOURCE``; the matching is ours.
    """
    height, width = reference.prediction.z.shape
    # A click on the outer half of a border pixel would round to a pixel that is not there.
    centre = np.array([[np.clip(round(region.x), 0, width - 1), np.clip(round(region.y), 0, height - 1)]], dtype=np.int64)
    asked = measure_windows(reference.planes, centre, region.radius_px)
    tissue = dominant_tissue(region, reference)
    if not np.isfinite(asked.measures).all():
        return Evidence(FAMILY, float("nan"), tissue=tissue, obstacle=NO_SUPPORT)
    deviation = deviations(asked, reference.table)
    if not (np.isfinite(deviation).all() and np.isfinite(reference.ordinary)):
        return Evidence(FAMILY, float("nan"), tissue=tissue, obstacle=NO_REFERENCE)
    statistic = float(_statistics(deviation)[0] / reference.ordinary)
    measures = dict(zip(MEASURES, (float(value) for value in deviation[0]), strict=True))
    return Evidence(FAMILY, statistic, measures, tissue, reason_for(measures))


def reason_for(measures: dict[str, float]) -> str:
    """One plain sentence on the largest deviation."""
    name, value = max(measures.items(), key=lambda item: abs(item[1]))
    times = f"{abs(value):.1f} times the usual variation"
    if name == "energy":
        return f"noise here is {'stronger' if value > 0 else 'weaker'} than the surroundings predict, {times} of the same tissue in this slice"
    row, column = (int(part) for part in name.split()[1].split(","))
    direction = {(0, 1): "across", (1, 0): "down", (0, 2): "two pixels across", (2, 0): "two pixels down"}.get((row, column), "on the diagonal")
    likeness = "more" if value > 0 else "less"
    return f"the grain here is {likeness} alike from pixel to pixel ({direction}) than in the same tissue of this slice, {times}"


def dominant_tissue(region: Region, reference: NoiseReference) -> str:
    """Name of the tissue class that most measured pixels of the region belong to; empty where none does."""
    height, width = reference.labels.shape
    inside = disk(height, width, (region.x, region.y), region.radius_px)
    found = reference.labels[inside]
    found = found[found >= 0]
    return reference.modality.tissues[int(np.bincount(found).argmax())].name if found.size else ""


def score_grid(reference: NoiseReference) -> tuple[NDArray[np.int64], FloatArray]:
    """Centres ``[n, 2]`` (x, y) and statistics ``[n]`` of all windows of the slice: the map without a point."""
    return reference.table.centres, reference.own
