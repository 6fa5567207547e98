"""A slice prepared for regions of one size: its own windows say what is ordinary in it.

Regions are measured at several scales and compared with the windows most similar to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dfd.evidence.running_sums import FloatArray, running_sums
from dfd.evidence.window_features import (
    MEASURES,
    SUPPORT,
    grid_centres,
    grid_step,
    measure_windows,
    planes_of,
)
from dfd.evidence.window_table import MIN_REFERENCE, WindowTable, deviations, supported
from dfd.intensity import brightness_scale, tissue_map
from dfd.modalities import Modality
from dfd.prediction.masks import disk_within
from dfd.records import Evidence, Prediction, Region

SCALES = (0.4, 0.65, 1.0)
"""Radii of the windows, as shares of the region's: a click is not a contour, and an edit may be
smaller than the region."""
SMALLEST_PX = 4.0
"""Radius below which a window holds too few pixels for a correlation."""
ORDINARY_WINDOWS = 256
"""Windows, evenly spread over the slice, from which the ordinary value is taken: their median lies
within 5 % of that over all."""
NO_SUPPORT = (
    f"less than {100 * SUPPORT:.0f} % of the region holds a measurement (air, padding or outside "
    "the body, as a couch is)"
)
NO_REFERENCE = "the slice holds too little comparable tissue to say what is ordinary in it"

Statistic: TypeAlias = Callable[[FloatArray], FloatArray]
"""Deviations ``[n, 9]`` (see ``MEASURES``) -> ``[n]``, >= 0, higher = more suspicious."""
WindowMeasure: TypeAlias = Callable[[NDArray[np.int64], Sequence[float]], list[WindowTable]]
"""(centres ``[n, 2]`` (x, y), radii in pixels) -> the windows of each radius around them."""


@dataclass(frozen=True)
class Scale:
    """Windows of one radius all over a slice."""

    table: WindowTable
    """Those that have support."""
    sample: FloatArray
    """``[m, 9]`` deviations of ``ORDINARY_WINDOWS`` of them from similar windows."""

    @cached_property
    def own(self) -> FloatArray:
        """``[n, 9]`` deviations of all of them.

        Computed on first use: a single point does not need them.
        """
        return deviations(self.table, self.table)

    def ordinary(self, statistic: Statistic) -> float:
        """Median statistic: what an ordinary window of this slice deviates by.

        NaN where there are too few windows.
        """
        values = statistic(self.sample)
        usable = values[np.isfinite(values)]
        return float(np.median(usable)) if len(usable) >= MIN_REFERENCE else float("nan")


@dataclass(frozen=True)
class SliceReference:
    """One slice, prepared for regions of about one radius."""

    prediction: Prediction
    modality: Modality
    scales: tuple[Scale, ...]
    """From the smallest to that of the region itself."""
    labels: NDArray[np.int8]
    """``[H, W]`` index of each pixel's tissue class, -1 where none fits."""
    measure: WindowMeasure
    """Measures further windows of the same slice."""
    names: tuple[str, ...] = MEASURES
    """Of the measures."""

    @property
    def table(self) -> WindowTable:
        """Windows as large as the region."""
        return self.scales[-1].table


@dataclass(frozen=True)
class RegionWindows:
    """The windows of several regions of one radius, compared with a slice."""

    tables: tuple[WindowTable, ...]
    """At each scale, the largest first; row i is region i."""
    deviations: tuple[FloatArray, ...]
    """``[n, 9]`` of each of ``tables`` from the slice; NaN where it cannot say."""


@dataclass(frozen=True)
class FittedStatistic:
    """A statistic in units of what is ordinary in one slice."""

    reference: SliceReference
    statistic: Statistic
    ordinary: tuple[float, ...]
    """Median over the slice's own windows at each scale, the largest first."""


@dataclass(frozen=True)
class DeviationScore:
    """How far one region deviates from the windows of its slice."""

    statistic: float
    """In units of what is ordinary in the slice; NaN where it could not be measured."""
    measures: dict[str, float]
    """Deviations of the window that deviates most."""
    tissue: str
    obstacle: str = ""


def prepare(prediction: Prediction, radius: float, modality: Modality) -> SliceReference:
    """Measures the windows of a slice once for all regions of about this radius (pixels)."""
    measure = partial(measure_windows, running_sums(planes_of(prediction, modality)), radius)
    scales = scales_of(prediction, radius, SCALES, measure)
    return SliceReference(prediction, modality, scales, labels_of(prediction, modality), measure)


def labels_of(prediction: Prediction, modality: Modality) -> NDArray[np.int8]:
    """``[H, W]`` index of each pixel's tissue class, -1 where none fits."""
    brightness = (
        brightness_scale(prediction.mean, prediction.assessed) if modality.relative else None
    )
    return tissue_map(prediction.mean, prediction.assessed, modality, brightness)


def scales_of(
    prediction: Prediction, radius: float, shares: Sequence[float], measure: WindowMeasure
) -> tuple[Scale, ...]:
    """Windows all over the slice at each of ``shares`` of ``radius``."""
    sizes = [max(SMALLEST_PX, share * radius) if share < 1 else radius for share in shares]
    # Windows of sizes with one step stand at the same places, and share what lies around them.
    alike = [list(group) for _, group in groupby(sizes, key=grid_step)]
    return scales_from(
        [table for group in alike for table in measure(grid_centres(prediction, group[0]), group)]
    )


def scales_from(windows: Sequence[WindowTable]) -> tuple[Scale, ...]:
    """Of windows all over the slice, one table for each scale.

    Those without support are left out.
    """

    def scale(table: WindowTable) -> Scale:
        sample = table.rows(slice(None, None, max(1, len(table.centres) // ORDINARY_WINDOWS)))
        return Scale(table, deviations(sample, table))

    with ThreadPoolExecutor(max_workers=len(windows)) as pool:
        return tuple(pool.map(scale, [supported(table) for table in windows]))


def measure_regions(regions: Sequence[Region], reference: SliceReference) -> RegionWindows:
    """Windows of ``regions``, which have one radius, compared with the slice at each scale.

    Raises:
        ValueError: the radii of ``regions`` differ.
    """
    radii = {region.radius_px for region in regions}
    if len(radii) != 1:
        raise ValueError(f"regions must have one radius, got {sorted(radii)}; measure them apart")
    height, width = reference.prediction.z.shape
    # A click on the outer half of a border pixel would round to a pixel that is not there.
    places = [
        (np.clip(round(region.x), 0, width - 1), np.clip(round(region.y), 0, height - 1))
        for region in regions
    ]
    smaller = [scale.table.radius for scale in reversed(reference.scales[:-1])]
    tables = reference.measure(np.array(places, dtype=np.int64), [*radii, *smaller])
    return compare_windows(tables, reference)


def compare_windows(tables: Sequence[WindowTable], reference: SliceReference) -> RegionWindows:
    """Windows of regions, one table for each scale, the largest first, against the slice."""
    return RegionWindows(
        tuple(tables),
        tuple(
            deviations(table, scale.table)
            for table, scale in zip(tables, reversed(reference.scales), strict=True)
        ),
    )


def fit_statistic(reference: SliceReference, statistic: Statistic) -> FittedStatistic:
    """``statistic`` with what is ordinary in the slice at each scale."""
    ordinary = tuple(scale.ordinary(statistic) for scale in reversed(reference.scales))
    return FittedStatistic(reference, statistic, ordinary)


def deviation_scores(
    regions: Sequence[Region], windows: RegionWindows, fitted: FittedStatistic
) -> list[DeviationScore]:
    """The score of each of ``regions``, whose ``windows`` are those of ``measure_regions``."""
    return [deviation_score(region, row, windows, fitted) for row, region in enumerate(regions)]


def deviation_score(
    region: Region, row: int, windows: RegionWindows, fitted: FittedStatistic
) -> DeviationScore:
    """The highest statistic over the scales, each in units of its own ordinary value.

    Calibration goes through the same maximum. ``row``: that of ``region`` in ``windows``.
    """
    reference = fitted.reference
    tissue = dominant_tissue(region, reference.labels, reference.modality)
    best = DeviationScore(float("nan"), {}, tissue, NO_REFERENCE)
    for number, (table, all_deviations, ordinary) in enumerate(
        zip(windows.tables, windows.deviations, fitted.ordinary, strict=True)
    ):
        if not table.has_support[row]:
            if number == 0:  # the region itself
                return DeviationScore(float("nan"), {}, tissue, NO_SUPPORT)
            continue
        deviation = all_deviations[row]
        value = float(fitted.statistic(deviation[None])[0] / ordinary)
        if number == 0 and not np.isfinite(value):
            return best
        if np.isfinite(value) and not value <= best.statistic:
            measures = dict(zip(reference.names, (float(each) for each in deviation), strict=True))
            best = DeviationScore(value, measures, tissue)
    return best


def evidence_of(
    family: str,
    score: DeviationScore,
    reason_for: Callable[[DeviationScore], str],
    reasons_by_form: Callable[[DeviationScore], Mapping[str, str]] = lambda _: {},
) -> Evidence:
    """The evidence of a family that compares windows.

    ``reason_for`` gives the sentence where the region could be measured, ``reasons_by_form`` those
    that fit one form of tampering.
    """
    if score.obstacle:
        return Evidence(family, float("nan"), tissue=score.tissue, obstacle=score.obstacle)
    return Evidence(
        family,
        score.statistic,
        score.measures,
        score.tissue,
        reason_for(score),
        reason_by_form=reasons_by_form(score),
    )


def dominant_tissue(region: Region, labels: NDArray[np.int8], modality: Modality) -> str:
    """Name of the tissue class that most measured pixels of the region belong to.

    Empty where none does. ``labels`` as of ``tissue_map``.
    """
    height, width = labels.shape
    window, inside = disk_within(height, width, (region.x, region.y), region.radius_px)
    classes = labels[window][inside]
    classes = classes[classes >= 0]
    return modality.tissues[int(np.bincount(classes).argmax())].name if classes.size else ""
