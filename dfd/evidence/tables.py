"""A slice prepared for regions of one size: its own windows at several scales, which say what is ordinary in it. Shared by noise and synthesis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dfd.evidence.windows import FEWEST_NEIGHBOURS, MEASURES, FloatArray, WindowTable, deviations, grid_centres, measure_windows, planes_of, supported
from dfd.intensity import brightness_scale, tissue_map
from dfd.masking import disk
from dfd.modalities import Modality
from dfd.records import Prediction, Region

SCALES = (0.4, 0.65, 1.0)
"""Windows looked at, as shares of the region's radius: a click is not a contour, and an edit may be smaller than what was asked about."""
SMALLEST_PX = 4.0
"""Radius below which a window holds too few pixels for a correlation."""
ORDINARY_WINDOWS = 256
"""Windows, evenly spread over the slice, that tell what is ordinary in it: their median lies within 5 % of that over all."""
NO_SUPPORT = "less than 60 % of the region holds a measurement (air, padding or outside the body)"
NO_REFERENCE = "the slice holds too little comparable tissue to say what is ordinary in it"

Statistic: TypeAlias = Callable[[FloatArray], FloatArray]
"""Deviations ``[n, 9]`` (see ``MEASURES``) -> ``[n]``, >= 0, higher = more suspicious."""


@dataclass(frozen=True)
class Scale:
    """Windows of one radius."""

    table: WindowTable
    """Windows of the slice that have support."""
    sample: FloatArray
    """``[m, 9]`` deviations of ``ORDINARY_WINDOWS`` of them from windows alike."""

    @cached_property
    def own(self) -> FloatArray:
        """``[n, 9]`` deviations of all of them. Measured when first asked for: a lone point does not need them."""
        return deviations(self.table, self.table)

    def ordinary(self, statistic: Statistic) -> float:
        """Median statistic: what an ordinary window of this slice deviates by. NaN where there are too few windows."""
        values = statistic(self.sample)
        usable = values[np.isfinite(values)]
        return float(np.median(usable)) if len(usable) >= FEWEST_NEIGHBOURS else float("nan")


@dataclass(frozen=True)
class SliceTables:
    """One slice, prepared for regions of about one radius."""

    prediction: Prediction
    modality: Modality
    scales: tuple[Scale, ...]
    """From the smallest to that of the region itself."""
    planes: FloatArray
    """``[19, H, W]``, what windows are summed from."""
    labels: NDArray[np.int8]
    """``[H, W]`` index of each pixel's tissue class, -1 where none fits."""
    measure: Callable[[FloatArray, NDArray[np.int64], float], WindowTable] = measure_windows
    """What windows (planes, centres, radius) are measured by."""
    names: tuple[str, ...] = MEASURES
    """Of its measures."""

    @property
    def table(self) -> WindowTable:
        """Windows as large as the region."""
        return self.scales[-1].table


@dataclass(frozen=True)
class Standing:
    """How one region stands among the windows of its slice."""

    statistic: float
    """In units of what is ordinary in the slice; NaN where it could not be measured."""
    measures: dict[str, float]
    """Deviations of the window that deviates most."""
    tissue: str
    obstacle: str = ""


def prepare(prediction: Prediction, radius: float, modality: Modality) -> SliceTables:
    """Measures the windows of a slice once for all regions of about this radius (pixels)."""
    planes = planes_of(prediction, modality)
    scales = []
    for share in SCALES:
        size = max(SMALLEST_PX, share * radius) if share < 1 else radius
        table = supported(measure_windows(planes, grid_centres(prediction, size), size))
        sample = table.rows(slice(None, None, max(1, len(table.centres) // ORDINARY_WINDOWS)))
        scales.append(Scale(table, deviations(sample, table)))
    brightness = brightness_scale(prediction.mean, prediction.assessed) if modality.relative else None
    return SliceTables(prediction, modality, tuple(scales), planes, tissue_map(prediction.mean, prediction.assessed, modality, brightness))


def standing(region: Region, tables: SliceTables, statistic: Statistic) -> Standing:
    """The highest statistic over the scales, each in units of its own ordinary value. Calibration goes through the same maximum."""
    height, width = tables.prediction.z.shape
    # A click on the outer half of a border pixel would round to a pixel that is not there.
    centre = np.array([[np.clip(round(region.x), 0, width - 1), np.clip(round(region.y), 0, height - 1)]], dtype=np.int64)
    tissue = dominant_tissue(region, tables.labels, tables.modality)
    best = Standing(float("nan"), {}, tissue, NO_REFERENCE)
    for number, scale in enumerate(reversed(tables.scales)):
        asked = tables.measure(tables.planes, centre, region.radius_px if number == 0 else scale.table.radius)
        if not np.isfinite(asked.measures).all():
            if number == 0:  # the region itself
                return Standing(float("nan"), {}, tissue, NO_SUPPORT)
            continue
        deviation, ordinary = deviations(asked, scale.table), scale.ordinary(statistic)
        value = float(statistic(deviation)[0] / ordinary)
        if number == 0 and not np.isfinite(value):
            return best
        if np.isfinite(value) and not value <= best.statistic:
            best = Standing(value, dict(zip(tables.names, (float(each) for each in deviation[0]), strict=True)), tissue)
    return best


def grid_of(tables: SliceTables, statistic: Statistic) -> tuple[NDArray[np.int64], FloatArray]:
    """Centres ``[n, 2]`` (x, y) and statistics ``[n]`` of all windows of the slice as large as the region: the map without a point."""
    scale = tables.scales[-1]
    return scale.table.centres, statistic(scale.own) / scale.ordinary(statistic)


def dominant_tissue(region: Region, labels: NDArray[np.int8], modality: Modality) -> str:
    """Name of the tissue class that most measured pixels of the region belong to; empty where none does. ``labels`` as of ``tissue_map``."""
    height, width = labels.shape
    found = labels[disk(height, width, (region.x, region.y), region.radius_px)]
    found = found[found >= 0]
    return modality.tissues[int(np.bincount(found).argmax())].name if found.size else ""
