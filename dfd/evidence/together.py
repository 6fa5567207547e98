"""All evidence of a region together: the numbers behind it, weighed by the learned statistic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from dfd.evidence.family import Measured
from dfd.evidence.medians import median
from dfd.evidence.reference_windows import SCALES, RegionWindows, SliceReference
from dfd.evidence.window_features import MEASURES
from dfd.prediction.learned_statistic import COPIES, FORMS, WEIGHED, log_ratio
from dfd.records import TOGETHER, Evidence, Family, FloatImage, Prediction, Region

STATISTICS = (Family.NOISE, Family.SYNTHESIS, Family.TEXTURE, Family.ADJACENT_SLICES)
COPY_STATISTICS = (Family.COPY_MOVE, Family.SERIES_COPY)
DETAILS = {
    Family.NOISE: len(MEASURES) * len(SCALES),
    Family.TEXTURE: 6 * len(SCALES),
    Family.ADJACENT_SLICES: 2,
}
"""Families whose deviations are inputs, and how many there are."""
FROM_CONTEXT = (Family.ADJACENT_SLICES, Family.SERIES_COPY)
COVARIATES = 4
"""Of a window: brightness, edges, predicted spread, background."""
FARTHEST_RADII = 6.0
"""Distances to the edge of the body are cut here."""
LARGEST = 25.0
"""Log-odds are cut here: beyond lies no number that means more."""

Weigh = Callable[[torch.Tensor], torch.Tensor]
"""Numbers ``[n, WEIGHED + COPIES]`` -> log-odds ``[n, 3]`` of each form."""


def numbers_of(
    regions: Sequence[Region],
    families: Mapping[str, Measured],
    windows: RegionWindows,
    reference: SliceReference,
    depth: FloatImage,
) -> torch.Tensor:
    """``[n, WEIGHED + COPIES]`` in double precision, NaN where something was not measured.

    Args:
        regions: of one radius.
        families: what each measured of them.
        windows: of the regions.
        reference: the slice's own windows.
        depth: of ``depths``.
    """
    own = windows.tables[0]
    device, count = own.measures.device, len(regions)

    def statistic(name: str) -> torch.Tensor:
        if name not in families:
            return torch.full((count, 1), torch.nan, dtype=torch.float64, device=device)
        return torch.from_numpy(families[name].statistics).to(device)[:, None]

    def details(name: str, size: int) -> torch.Tensor:
        found = families[name].details if name in families else None
        if found is None:
            return torch.full((count, size), torch.nan, dtype=torch.float64, device=device)
        return found.double()

    ordinary = median(reference.table.measures.T.contiguous())
    columns = [
        *(details(name, size) for name, size in DETAILS.items()),
        *map(statistic, STATISTICS),
        own.covariates[:, :COVARIATES],
        _places(regions, depth, device),
        ordinary.expand(count, -1),
        *map(statistic, COPY_STATISTICS),
    ]
    numbers = torch.cat([each.double() for each in columns], dim=1)
    if numbers.shape[1] != WEIGHED + COPIES:
        raise ValueError(f"{numbers.shape[1]} numbers, where {WEIGHED + COPIES} are weighed")
    return numbers


def depths(prediction: Prediction) -> FloatImage:
    """``[H, W]``: how far each assessed pixel lies from the next that is not, in pixels."""
    inside = np.pad(prediction.assessed, 1)
    return np.asarray(distance_transform_edt(inside)[1:-1, 1:-1], dtype=np.float32)


def _places(regions: Sequence[Region], depth: FloatImage, device: torch.device) -> torch.Tensor:
    """``[n, 2]``: distance from the edge of the body, in radii, and from the middle of the slice.

    The latter in halves of its longer side.
    """
    height, width = depth.shape
    columns, rows = (
        np.rint(values).astype(np.int64).clip(0, size - 1)
        for values, size in (
            ([each.x for each in regions], width),
            ([each.y for each in regions], height),
        )
    )
    radii = np.array([each.radius_px for each in regions])
    deep = np.minimum(depth[rows, columns] / radii, FARTHEST_RADII)
    away = np.hypot(columns - (width - 1) / 2, rows - (height - 1) / 2) / (max(depth.shape) / 2)
    return torch.from_numpy(np.stack([deep, away], axis=1)).to(device)


def without_context(numbers: torch.Tensor) -> torch.Tensor:
    """``[n, k]``: ``numbers`` as if the slice stood alone."""
    alone = numbers.clone()
    alone[:, [place for family in FROM_CONTEXT for place in columns_of(family)]] = torch.nan
    return alone


def without_copies(numbers: torch.Tensor) -> torch.Tensor:
    """``[n, k]``: ``numbers`` as if nothing had been searched for copies."""
    others = numbers.clone()
    others[:, WEIGHED:] = torch.nan
    return others


def columns_of(family: Family) -> list[int]:
    """Places of the deviations and of the statistic of a family among ``numbers_of``."""
    names, free = list(DETAILS), sum(DETAILS.values())
    places: list[int] = []
    if family in DETAILS:
        start = sum(DETAILS[each] for each in names[: names.index(family)])
        places += range(start, start + DETAILS[family])
    if family in STATISTICS:
        places.append(free + STATISTICS.index(family))
    if family in COPY_STATISTICS:
        places.append(WEIGHED + COPY_STATISTICS.index(family))
    return places


def weighed(numbers: torch.Tensor, supported: NDArray[np.bool_], weigh: Weigh) -> Measured:
    """The statistic of each region: the odds that it was edited, > 0, higher = more suspicious.

    NaN where not ``supported`` ``[n]``. Copies do not count in it, since it stands beside their own
    statistics (``dfd.calibration.cohort``). They count in the odds of each form.
    """
    with torch.inference_mode():
        odds, otherwise = (
            weigh(given).clamp(-LARGEST, LARGEST) for given in (numbers, without_copies(numbers))
        )
    values = np.where(supported, log_ratio(otherwise).exp().cpu().numpy(), np.nan)
    of_forms = odds.cpu().numpy()

    def record(number: int) -> Evidence:
        measures = dict(zip(map(str, FORMS), of_forms[number].tolist(), strict=True))
        return Evidence(TOGETHER, float(values[number]), measures)

    return Measured(values, record)
