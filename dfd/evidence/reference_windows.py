"""A slice prepared for regions of one size: its own windows say what is ordinary in it.

Regions are measured at several scales and compared with the windows most similar to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import groupby
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.evidence.medians import median
from dfd.evidence.similar_windows import (
    Candidates,
    candidates_of,
    described,
    deviations,
    deviations_among,
)
from dfd.evidence.window_features import (
    CPU,
    MEASURES,
    SUPPORT,
    grid_centres,
    grid_step,
    measure_windows,
    sums_of,
)
from dfd.evidence.window_table import MIN_REFERENCE, WindowTable
from dfd.intensity import brightness_scale, tissue_map
from dfd.modalities import Modality
from dfd.prediction.masks import disk_within
from dfd.records import Prediction, Region

SCALES = (0.4, 0.65, 1.0, 1.4, 2.0)
"""Radii of the windows, as shares of the region's: a click is not a contour, and an edit may be
smaller or larger than the region."""
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

Statistic: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""Deviations ``[n, 9]`` (see ``MEASURES``) -> ``[n]``, >= 0, higher = more suspicious."""
WindowMeasure: TypeAlias = Callable[[torch.Tensor, Sequence[float]], list[WindowTable]]
"""(centres ``[n, 2]`` (x, y), radii in pixels) -> the windows of each radius around them."""


@dataclass(frozen=True)
class Scale:
    """Windows of one radius all over a slice."""

    table: WindowTable
    """Those that have support."""
    kept: torch.Tensor
    """``[n]``: which of the windows that were measured these are."""
    sample: torch.Tensor
    """``[m, 9]`` deviations of ``ORDINARY_WINDOWS`` of them from similar windows."""

    @cached_property
    def own(self) -> torch.Tensor:
        """``[n, 9]`` deviations of all of them.

        Computed on first use: scoring does not need them.
        """
        return deviations(self.table, self.table)

    def ordinary(self, statistic: Statistic) -> torch.Tensor:
        """Median statistic, a scalar: what an ordinary window of this slice deviates by.

        NaN where there are too few windows.
        """
        values = statistic(self.sample)
        usable = values[values.isfinite()]
        return median(usable) if len(usable) >= MIN_REFERENCE else values.new_tensor(torch.nan)


@dataclass(frozen=True)
class SliceReference:
    """One slice, prepared for regions of about one radius."""

    prediction: Prediction
    modality: Modality
    radius: float
    """Of the regions, in pixels."""
    scales: tuple[Scale, ...]
    """From the smallest to the largest; one is that of the region itself."""
    labels: Callable[[], NDArray[np.int8]]
    """Gives ``[H, W]``: index of each pixel's tissue class, -1 where none fits."""
    measure: WindowMeasure
    """Measures further windows of the same slice."""
    names: tuple[str, ...] = MEASURES
    """Of the measures."""

    @property
    def order(self) -> tuple[int, ...]:
        """Places in ``scales``: of the region itself, then of the smaller ones, of the larger."""
        smaller = sum(scale.table.radius <= self.radius for scale in self.scales)
        return (*reversed(range(smaller)), *range(smaller, len(self.scales)))

    @property
    def own_first(self) -> tuple[Scale, ...]:
        """``scales`` by ``order``."""
        return tuple(self.scales[place] for place in self.order)

    @property
    def table(self) -> WindowTable:
        """Windows as large as the region."""
        return self.own_first[0].table


@dataclass(frozen=True)
class RegionWindows:
    """The windows of several regions of one radius, compared with a slice."""

    tables: tuple[WindowTable, ...]
    """At each scale, that of the regions first; row i is region i."""
    candidates: tuple[Candidates, ...]
    """Among which similar windows were looked for, of the regions that have covariates."""
    deviations: tuple[torch.Tensor, ...]
    """``[n, 9]`` of each of ``tables`` from the slice; NaN where it cannot say."""


def prepare(
    prediction: Prediction, radius: float, modality: Modality, device: torch.device = CPU
) -> SliceReference:
    """Measures the windows of a slice once for all regions of about this radius (pixels)."""
    measure = partial(measure_windows, sums_of(prediction, modality, device), radius)
    scales = scales_of(prediction, radius, SCALES, measure, device)
    labels = cache(partial(labels_of, prediction, modality))
    return SliceReference(prediction, modality, radius, scales, labels, measure)


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
    measure: WindowMeasure,
    device: torch.device,
) -> tuple[Scale, ...]:
    """Windows all over the slice at each of ``shares`` of ``radius``."""
    sizes = [max(SMALLEST_PX, share * radius) if share < 1 else share * radius for share in shares]
    scales: list[Scale] = []
    # Windows of sizes with one step stand at the same places, and share what lies around them.
    for _, alike in groupby(sizes, key=grid_step):
        radii = list(alike)
        centres = torch.from_numpy(grid_centres(prediction, radii[0])).to(device)
        scales += map(scale_of, measure(centres, radii))
    return tuple(scales)


def scale_of(windows: WindowTable) -> Scale:
    """Of windows all over the slice; those without support are left out."""
    kept = torch.nonzero(windows.has_support)[:, 0]
    table = windows.rows(kept)
    sample = table.rows(slice(None, None, max(1, len(table) // ORDINARY_WINDOWS)))
    return Scale(table, kept, deviations(sample, table))


def measure_regions(regions: Sequence[Region], reference: SliceReference) -> RegionWindows:
    """Windows of ``regions``, which have one radius, compared with the slice at each scale.

    Raises:
        ValueError: the radii of ``regions`` differ.
    """
    radii = {region.radius_px for region in regions}
    if len(radii) != 1:
        raise ValueError(f"regions must have one radius, got {sorted(radii)}; measure them apart")
    height, width = reference.prediction.z.shape
    centres = np.rint([(region.x, region.y) for region in regions]).astype(np.int64)
    # A click on the outer half of a border pixel would round to a pixel that is not there.
    places = torch.from_numpy(centres.clip(0, (width - 1, height - 1)))
    own_first = [scale.table for scale in reference.own_first]
    others = [table.radius for table in own_first[1:]]
    tables = reference.measure(places.to(reference.table.centres.device), [*radii, *others])
    candidates = [
        candidates_of(table.rows(described(table)), own)
        for table, own in zip(tables, own_first, strict=True)
    ]
    return compared(tables, candidates)


def compared(tables: Sequence[WindowTable], candidates: Sequence[Candidates]) -> RegionWindows:
    """Windows of regions, one table for each scale, their own first, against the slice."""
    found = tuple(map(deviations_among, tables, candidates))
    return RegionWindows(tuple(tables), tuple(candidates), found)


def dominant_tissue(region: Region, labels: NDArray[np.int8], modality: Modality) -> str:
    """Name of the tissue class that most measured pixels of the region belong to.

    Empty where none does. ``labels`` as of ``tissue_map``.
    """
    height, width = labels.shape
    window, inside = disk_within(height, width, (region.x, region.y), region.radius_px)
    classes = labels[window][inside]
    classes = classes[classes >= 0]
    return modality.tissues[int(np.bincount(classes).argmax())].name if classes.size else ""
