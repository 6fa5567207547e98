"""The idea of the original tool.

Hide the region, let the network paint it, and call suspicious what comes out otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.baselines.base import Centre, SliceView, region_mask
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.training.crops import normalised
from dfd.prediction.masks import disk
from dfd.records import BoolImage, FloatImage

SOURCE = "mean absolute error of inpainting, on the masked predictor"
ROOM_PX = 48
"""Surroundings that the network sees on each side of the hole: it is trained on crops of 64."""


@dataclass(frozen=True)
class Prepared:
    """A slice in units of its noise."""

    shown: FloatImage
    """``[H, W]``."""
    measured: BoolImage
    """``[H, W]``."""
    network: MaskedPredictor


def prepare(view: SliceView) -> Prepared:
    """Scales the slice once."""
    image, measured, _ = normalised(view.pixels, view.modality.name)
    return Prepared(image, measured, view.network)


def measure(prepared: Prepared, centre: Centre, radius: float) -> float:
    """Mean absolute difference between the region and its inpainting.

    All of the region is hidden. In noise scales of the slice, >= 0.
    """
    inside = region_mask(prepared.measured, centre, radius)
    if inside is None:
        return float("nan")
    reach = int(radius) + ROOM_PX
    window = tuple(slice(max(0, at - reach), at + reach + 1) for at in centre[::-1])
    height, width = prepared.shown.shape
    hidden = torch.from_numpy(
        np.ascontiguousarray(
            disk(height, width, (float(centre[0]), float(centre[1])), radius)[window]
        )
    )
    image = torch.from_numpy(np.ascontiguousarray(prepared.shown[window]))
    with torch.inference_mode():
        painted = prepared.network(
            torch.stack([image.masked_fill(hidden, 0.0), hidden.float()])[None]
        )[0, 0].float()
    return float((painted - image).abs().numpy()[inside[window]].mean())
