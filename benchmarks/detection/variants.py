"""What the ablation measures besides the detector itself.

The same regions without the head, their windows as they are, and without the network.

Kept with each row under ``KEY``; `benchmarks.detection.ablation` makes numbers of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmarks.detection.trials import GENUINE, Version
from benchmarks.runner.checkpoint import Rows
from dfd.evidence import noise, synthesis
from dfd.evidence.deviation_scores import deviation_scores, fit_statistic
from dfd.evidence.reference_windows import (
    RegionWindows,
    SliceReference,
    Statistic,
    measure_regions,
)
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.evidence.window_features import ADDED, REPLACED
from dfd.records import BoolImage, FloatImage, Prediction, Region

KEY = "variants"
NO_HEAD, WINDOWS, NO_NETWORK = "without the head", "windows", "without the network"
NETWORK_FREE = (
    GENUINE,
    "white noise 0.6 x residual",
    "PGD 0.6 x residual",
    "copy-move, feathered 3 px",
    "GAN inpainting",
    "GAN inpainting + spectrum-matched noise",
    "autoencoder round trip",
)
"""What is measured without the network as well: it costs as much as a slice again, so a few edits
of each form stand for all."""
NEAR_PX = 1.0
"""Sigma of the Gaussian over the neighbours of a pixel that predict it without the
network."""
AROUND_PX = 8.0
"""Sigma of the neighbourhood whose root mean square stands for the spread: wider than most edits
see of themselves, narrower than an organ."""
LARGEST = 5.0
"""Residuals are cut here, in root mean squares of the slice, so that one metal edge does not
silence its surroundings."""
LEAST = 0.1
"""No neighbourhood counts as quieter than this share of the slice's median."""


def added(rows: Rows, version: Version, radius: float) -> Rows:
    """``rows`` of the centres of ``version`` with what every variant says of them."""
    evidence = version.evidence
    regions = [Region(float(x), float(y), radius) for x, y in version.centres]
    free = (
        _network_free(version, regions) if version.kind in NETWORK_FREE else [{} for _ in regions]
    )
    reference = evidence.windows(radius)
    if not regions:
        return []
    measured = measure_regions(regions, reference)
    silent = headless(measured, reference)
    return [
        {**row, KEY: {NO_HEAD: silent[place], WINDOWS: windows(place, measured), **more}}
        for place, (row, more) in enumerate(zip(rows, free, strict=True))
    ]


def headless(measured: RegionWindows, reference: SliceReference) -> list[dict[str, float]]:
    """Statistics of noise and synthesis of each region with a head that says nothing."""
    found = {
        family: deviation_scores(measured, fit_statistic(reference, statistic)).statistics.tolist()
        for family, statistic in SILENCED.items()
    }
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


def _silenced(statistic: Statistic, deviation: torch.Tensor) -> torch.Tensor:
    """The same of a window about which the head says what it says of an ordinary one."""
    deviation = deviation.clone()
    deviation[:, [ADDED, REPLACED]] = 0.0
    return statistic(deviation)


SILENCED: dict[str, Statistic] = {
    each.FAMILY.name: partial(_silenced, each.statistic) for each in (noise, synthesis)
}


def windows(place: int, measured: RegionWindows) -> list[list[float]]:
    """Measures of a region, by its place among those measured, at each scale, the largest first.

    Not compared with the slice. NaN where there is no support.
    """
    return [table.measures[place].tolist() for table in measured.tables]


def _network_free(version: Version, regions: Sequence[Region]) -> list[dict[str, Any]]:
    evidence = version.evidence
    plain = SliceEvidence(
        predicted_from_neighbours(version.pixels, evidence.prediction), evidence.modality
    )
    return [
        {NO_NETWORK: {each.family: each.statistic for each in plain.measure(region)}}
        for region in regions
    ]


def predicted_from_neighbours(pixels: FloatImage, prediction: Prediction) -> Prediction:
    """The slice predicted by the smoothed neighbours of each pixel, without a head.

    The pixel itself is left out, as the network leaves it out.

    The spread is the root mean square of what they miss, around the pixel. Of ``prediction`` only
    what no network says is used: where the slice is assessed, and its noise scale.
    """
    valid = prediction.assessed
    if not valid.any():
        return replace(prediction, log_odds=None)
    measured = np.isfinite(pixels)
    filled = np.where(measured, pixels, 0.0).astype(np.float64)
    mean = np.where(valid, _of_neighbours(filled, measured), prediction.mean)
    missed = np.where(valid, filled - mean, 0.0)
    spread = _local_scale(missed, valid)
    z = np.where(valid, missed / spread, 0.0)
    return replace(
        prediction,
        mean=mean.astype(np.float32),
        spread=spread.astype(np.float32),
        z=z.astype(np.float32),
        log_odds=None,
    )


def _of_neighbours(filled: NDArray[np.float64], measured: BoolImage) -> NDArray[np.float64]:
    """Gaussian mean over the measured pixels, but for the one in the middle."""
    impulse = np.zeros((17, 17))
    impulse[8, 8] = 1.0
    own = float(gaussian_filter(impulse, NEAR_PX)[8, 8])
    weights = gaussian_filter(measured.astype(np.float64), NEAR_PX) - own * measured
    return np.asarray((gaussian_filter(filled, NEAR_PX) - own * filled) / np.maximum(weights, 1e-6))


def _local_scale(missed: NDArray[np.float64], valid: BoolImage) -> NDArray[np.float64]:
    """``[H, W]``, > 0: root mean square of ``missed`` (0 where not ``valid``) around each pixel."""
    limit = LARGEST * max(float(np.sqrt(np.mean(missed[valid] ** 2))), 1e-6)
    near = np.maximum(gaussian_filter(valid.astype(np.float64), AROUND_PX), 1e-6)
    local = np.sqrt(
        np.maximum(gaussian_filter(np.clip(missed, -limit, limit) ** 2, AROUND_PX) / near, 0.0)
    )
    return np.asarray(np.maximum(local, max(LEAST * float(np.median(local[valid])), 1e-6 * limit)))
