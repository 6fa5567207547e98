"""A slice prepared for regions of one size.

Its own windows at several scales, which say what is ordinary in it. Shared by noise and synthesis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dfd.evidence.window_features import (
    FEWEST_NEIGHBOURS,
    MEASURES,
    SUPPORT,
    FloatArray,
    RunningSums,
    WindowTable,
    deviations,
    grid_centres,
    measure_windows,
    planes_of,
    running_sums,
    supported,
)
from dfd.intensity import brightness_scale, tissue_map
from dfd.modalities import Modality
from dfd.prediction.masks import disk_within
from dfd.records import Evidence, Prediction, Region

SCALES = (0.4, 0.65, 1.0)
"""Windows looked at, as shares of the region's radius: a click is not a contour, and an edit may be
smaller than what was asked about."""
SMALLEST_PX = 4.0
"""Radius below which a window holds too few pixels for a correlation."""
ORDINARY_WINDOWS = 256
"""Windows, evenly spread over the slice, that tell what is ordinary in it: their median lies within
5 % of that over all."""
NO_SUPPORT = (
    f"less than {100 * SUPPORT:.0f} % of the region holds a measurement (air, padding or outside "
    "the body, as a couch is)"
)
NO_REFERENCE = "the slice holds too little comparable tissue to say what is ordinary in it"

Statistic: TypeAlias = Callable[[FloatArray], FloatArray]
"""Deviations ``[n, 9]`` (see ``MEASURES``) -> ``[n]``, >= 0, higher = more suspicious."""
Measure: TypeAlias = Callable[[RunningSums, NDArray[np.int64], float, float], WindowTable]
"""(sums, centres, radius, radius of the region) -> windows."""


@dataclass(frozen=True)
class Scale:
    """Windows of one radius."""

    table: WindowTable
    """Windows of the slice that have support."""
    sample: FloatArray
    """``[m, 9]`` deviations of ``ORDINARY_WINDOWS`` of them from windows alike."""
    usual: dict[Statistic, float] = field(default_factory=dict)
    """Ordinary values asked for before."""

    @cached_property
    def own(self) -> FloatArray:
        """``[n, 9]`` deviations of all of them.

        Measured when first asked for: a lone point does not need them.
        """
        return deviations(self.table, self.table)

    def ordinary(self, statistic: Statistic) -> float:
        """Median statistic: what an ordinary window of this slice deviates by.

        NaN where there are too few windows.
        """
        if statistic not in self.usual:
            values = statistic(self.sample)
            usable = values[np.isfinite(values)]
            self.usual[statistic] = (
                float(np.median(usable)) if len(usable) >= FEWEST_NEIGHBOURS else float("nan")
            )
        return self.usual[statistic]


@dataclass(frozen=True)
class SliceTables:
    """One slice, prepared for regions of about one radius."""

    prediction: Prediction
    modality: Modality
    scales: tuple[Scale, ...]
    """From the smallest to that of the region itself."""
    sums: RunningSums
    """What windows are measured from."""
    labels: NDArray[np.int8]
    """``[H, W]`` index of each pixel's tissue class, -1 where none fits."""
    around: float
    """Radius of the regions that it was prepared for."""
    measure: Measure = measure_windows
    """What measures windows."""
    names: tuple[str, ...] = MEASURES
    """Of what is measured."""
    seen: dict[Region, tuple[FloatArray | None, ...]] = field(default_factory=dict)
    """Regions measured already: deviations ``[m]`` at each scale, the largest first; None where a
    window has no support."""

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
    sums = running_sums(planes_of(prediction, modality))
    scales = scales_of(
        prediction,
        radius,
        SCALES,
        lambda centres, size: measure_windows(sums, centres, size, radius),
    )
    return SliceTables(prediction, modality, scales, sums, labels_of(prediction, modality), radius)


def labels_of(prediction: Prediction, modality: Modality) -> NDArray[np.int8]:
    """``[H, W]`` index of each pixel's tissue class, -1 where none fits."""
    brightness = (
        brightness_scale(prediction.mean, prediction.assessed) if modality.relative else None
    )
    return tissue_map(prediction.mean, prediction.assessed, modality, brightness)


def scales_of(
    prediction: Prediction,
    radius: float,
    shares: Sequence[float],
    measured: Callable[[NDArray[np.int64], float], WindowTable],
) -> tuple[Scale, ...]:
    """Windows all over the slice at each of ``shares`` of ``radius``."""
    sizes = [max(SMALLEST_PX, share * radius) if share < 1 else radius for share in shares]
    return scales_from([measured(grid_centres(prediction, size), size) for size in sizes])


def scales_from(windows: Sequence[WindowTable]) -> tuple[Scale, ...]:
    """Of windows all over the slice, one table for each scale.

    Those without support are left out.
    """

    def scale(table: WindowTable) -> Scale:
        sample = table.rows(slice(None, None, max(1, len(table.centres) // ORDINARY_WINDOWS)))
        return Scale(table, deviations(sample, table))

    with ThreadPoolExecutor(max_workers=len(windows)) as pool:
        return tuple(pool.map(scale, [supported(table) for table in windows]))


def look(regions: Sequence[Region], tables: SliceTables) -> None:
    """Measures many regions at once, for ``standing`` to find."""
    new = [region for region in dict.fromkeys(regions) if region not in tables.seen]
    height, width = tables.prediction.z.shape
    for radius in {region.radius_px for region in new}:
        alike = [region for region in new if region.radius_px == radius]
        # A click on the outer half of a border pixel would round to a pixel that is not there.
        places = [
            (np.clip(round(region.x), 0, width - 1), np.clip(round(region.y), 0, height - 1))
            for region in alike
        ]
        centres = np.array(places, dtype=np.int64)
        found: list[list[FloatArray | None]] = []
        for number, scale in enumerate(reversed(tables.scales)):
            asked = tables.measure(
                tables.sums, centres, radius if number == 0 else scale.table.radius, tables.around
            )
            held = [bool(np.isfinite(row).all()) for row in asked.measures]
            found.append(
                [
                    row if known else None
                    for row, known in zip(deviations(asked, scale.table), held, strict=True)
                ]
            )
        tables.seen.update(zip(alike, zip(*found, strict=True), strict=True))


def standing(region: Region, tables: SliceTables, statistic: Statistic) -> Standing:
    """The highest statistic over the scales, each in units of its own ordinary value.

    Calibration goes through the same maximum.
    """
    look([region], tables)
    tissue = dominant_tissue(region, tables.labels, tables.modality)
    best = Standing(float("nan"), {}, tissue, NO_REFERENCE)
    for number, (scale, deviation) in enumerate(
        zip(reversed(tables.scales), tables.seen[region], strict=True)
    ):
        if deviation is None:
            if number == 0:  # the region itself
                return Standing(float("nan"), {}, tissue, NO_SUPPORT)
            continue
        value = float(statistic(deviation[None])[0] / scale.ordinary(statistic))
        if number == 0 and not np.isfinite(value):
            return best
        if np.isfinite(value) and not value <= best.statistic:
            best = Standing(
                value,
                dict(zip(tables.names, (float(each) for each in deviation), strict=True)),
                tissue,
            )
    return best


def evidence_of(
    family: str,
    found: Standing,
    told: Callable[[Standing], str],
    told_by_form: Callable[[Standing], Mapping[str, str]] = lambda _: {},
) -> Evidence:
    """What a family that compares windows says of a region.

    ``told`` gives the sentence where it could be measured, ``told_by_form`` others.
    """
    if found.obstacle:
        return Evidence(family, float("nan"), tissue=found.tissue, obstacle=found.obstacle)
    return Evidence(
        family,
        found.statistic,
        found.measures,
        found.tissue,
        told(found),
        reason_by_form=told_by_form(found),
    )


def dominant_tissue(region: Region, labels: NDArray[np.int8], modality: Modality) -> str:
    """Name of the tissue class that most measured pixels of the region belong to.

    Empty where none does. ``labels`` as of ``tissue_map``.
    """
    height, width = labels.shape
    window, inside = disk_within(height, width, (region.x, region.y), region.radius_px)
    found = labels[window][inside]
    found = found[found >= 0]
    return modality.tissues[int(np.bincount(found).argmax())].name if found.size else ""
