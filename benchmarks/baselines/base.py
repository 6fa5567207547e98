"""The interface of a baseline, and what it measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.modalities import Modality
from dfd.prediction.masks import disk
from dfd.records import BoolImage, FloatImage, Prediction

DIRECTION = "higher = more suspicious"
"""Of every baseline."""
SUPPORT = 0.6
"""Share of a region's pixels that must be measured; with fewer a baseline gives NaN. The same as
for our own evidence."""

Centre = tuple[int, int]
"""(x, y) in pixels."""


@dataclass(frozen=True)
class SliceView:
    """One slice as every baseline sees it."""

    pixels: FloatImage
    """``[H, W]`` in HU (CT) or stored units (MR), NaN where there is no measurement."""
    prediction: Prediction
    """Of the masked predictor."""
    network: MaskedPredictor
    modality: Modality
    seed: int = 0
    """Of whatever a baseline draws."""


@dataclass(frozen=True)
class Baseline:
    """One baseline. Every number it gives is ``DIRECTION``, and NaN where it cannot be measured."""

    prepare: Callable[[SliceView], Any]
    """Once per slice."""
    measure: Callable[[Any, Centre, float], float]
    """What ``prepare`` gave, centre (x, y) and radius in pixels -> the number."""
    source: str
    modalities: tuple[str, ...] = ("ct_lung", "mri_chest")
    state: str = ""
    """Name of what it learned, see ``benchmarks.baselines.state``; empty where it learns
    nothing."""


def region_mask(valid: BoolImage, centre: Centre, radius: float) -> BoolImage | None:
    """``[H, W]``: pixels of ``valid`` in the disk.

    None where they are less than ``SUPPORT`` of the whole disk, also beyond the border.
    """
    inside = (
        disk(valid.shape[0], valid.shape[1], (float(centre[0]), float(centre[1])), radius) & valid
    )
    reach = int(radius)
    area = np.count_nonzero(
        disk(2 * reach + 1, 2 * reach + 1, (float(reach), float(reach)), radius)
    )
    return inside if inside.sum() >= SUPPORT * area else None
