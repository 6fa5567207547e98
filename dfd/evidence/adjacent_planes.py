"""What a slice differs by from its adjacent slices, and what they let expect, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from dfd.evidence.gaussian import blurred, gradient_magnitude, reach_of
from dfd.evidence.medians import median
from dfd.evidence.running_sums import Bounds, bounds_of
from dfd.evidence.window_features import CPU, HUNDRED_HU
from dfd.intensity import brightness_scale, tissue_map
from dfd.modalities import Modality
from dfd.records import BoolImage, Context, FloatImage, Prediction

SMOOTH_PX = 1.0
"""Sigma of the low pass: white noise, which other families see, falls out, and what spans more than
a few pixels stays."""
AROUND_PX = (2.0, 4.0, 8.0)
"""Sigmas of the surroundings in which differences and edges of the adjacent slices are measured: a
vessel that moves leaves one place and enters another."""
MOST = 2.0
"""Differences are cut here, in units of what is expected in that place: an anatomy that ends
between slices must not outweigh a window."""
FLOOR = 0.05
"""Least difference, in units of the noise scale: whole numbers are no finer."""
EVERY = 7
"""The fit of differences to what the adjacent slices show uses one of so many pixels; prime, so
that no column is favoured."""
LOG_CHI2 = -1.2704
"""Mean of the log of a squared standard normal number: what a mean of log squares lies below the
log of the mean square."""
BRIGHTNESS = (-10.0, 3.0)
"""Hundreds of HU (-1000 to 300), or shares of the brightness scale, beyond which brightness says no
more: metal must not bend the fit."""


def difference_of(
    prediction: Prediction, context: Context
) -> tuple[FloatImage, FloatImage, BoolImage]:
    """``[H, W]`` each.

    The slice minus what lies between its adjacent slices, that itself, and where all three are
    measured.
    """
    valid = prediction.assessed & np.isfinite(context.below) & np.isfinite(context.above)
    below, above = (np.where(valid, slice_, 0.0) for slice_ in (context.below, context.above))
    near, far = context.distances_mm or (1.0, 1.0)
    between = (below * far + above * near) / (near + far)
    pixels = prediction.mean + prediction.z * prediction.spread
    return (
        np.where(valid, pixels - between, 0.0).astype(np.float32),
        between.astype(np.float32),
        valid,
    )


@dataclass(frozen=True)
class _Part:
    """The part of a slice that holds all that is compared, and what its edges blur into."""

    valid: torch.Tensor
    """``[H, W]`` of the whole slice."""
    bounds: Bounds

    def low_pass(self, image: torch.Tensor) -> torch.Tensor:
        """``[H, W]``: Gaussian mean of ``image`` over its valid pixels alone; 0 elsewhere."""
        shares = blurred(self.valid.float(), self.bounds, SMOOTH_PX).clamp(min=1e-3)
        means = blurred(torch.where(self.valid, image, 0.0), self.bounds, SMOOTH_PX) / shares
        return torch.where(self.valid, self.whole(means), 0.0)

    def around(self, image: torch.Tensor, sigma: float) -> torch.Tensor:
        """``[n]``: root mean square of ``image`` around each valid pixel."""
        squares = blurred(image.square(), self.bounds, sigma).clamp(min=0.0)
        return squares.sqrt()[self.valid[self.bounds]]

    def whole(self, part: torch.Tensor) -> torch.Tensor:
        """``[H, W]``: 0 beyond the part."""
        result = part.new_zeros(self.valid.shape)
        result[self.bounds] = part
        return result


def _part_of(valid: BoolImage, device: torch.device) -> _Part:
    rim = 2 * reach_of(SMOOTH_PX)
    rows, columns = (
        slice(max(each.start - rim, 0), min(each.stop + rim, size))
        for each, size in zip(bounds_of(valid), valid.shape, strict=True)
    )
    return _Part(torch.from_numpy(valid).to(device), (rows, columns))


def _features(
    part: _Part,
    images: tuple[torch.Tensor, torch.Tensor],
    tissues: tuple[torch.Tensor, torch.Tensor, float],
) -> torch.Tensor:
    """``[k, n]`` of the ``n`` valid pixels.

    How far the adjacent slices differ (here and around), their edges (here and around), brightness
    and tissue, one number for each, which stand for the constant as well.

    None of it follows from the slice itself, so that an edit cannot change what is expected of it.
    ``images``: what lies between the adjacent slices, and how far they lie apart. ``tissues``:
    their map, their brightness in units of ``HUNDRED_HU`` or the brightness scale, and the noise
    scale.
    """
    between, apart = map(part.low_pass, images)
    labels, level, noise = tissues
    edges = part.whole(gradient_magnitude(between.double(), part.bounds, SMOOTH_PX).float())
    rest, here, around = [], [], []
    for image in (apart, edges):
        planes = [
            image[part.valid].abs(),
            *(part.around(image, sigma) for sigma in AROUND_PX),
        ]
        logs = [(plane.double() / noise).clamp(min=FLOOR).log() for plane in planes]
        here.append(logs[0])
        around.append(logs[1])
        rest += logs
    bright = level[part.valid].double().clamp(*BRIGHTNESS)
    tissue = labels[part.valid]
    return torch.stack(
        [
            *rest,
            here[0] * here[1],
            around[0] * around[1],
            around[0].square(),
            around[1].square(),
            bright,
            bright.square(),
            *((tissue == number).double() for number in tissue.unique()),
        ]
    )


def expected_scale(
    difference: torch.Tensor, features: torch.Tensor, valid: torch.Tensor, noise: float
) -> torch.Tensor:
    """``[H, W]``: standard deviation of ``difference`` that ``features`` predict.

    By least squares on log squares over the slice; 1 elsewhere.
    """
    wanted = (difference[valid].double().square() + (FLOOR * noise) ** 2).log()
    # Features may depend on each other: then there are many answers, and one prediction.
    weights = torch.linalg.pinv(features[:, ::EVERY].T) @ wanted[::EVERY]
    scale = torch.ones_like(difference)
    scale[valid] = ((weights @ features - LOG_CHI2) / 2.0).exp().to(scale.dtype)
    return scale


def planes_of(
    prediction: Prediction, modality: Modality, context: Context, device: torch.device = CPU
) -> torch.Tensor:
    """``[5, H, W]``: what is summed over windows.

    Valid pixels, weighted square of the standardised difference, its weight, brightness between the
    adjacent slices, log of the expected scale.
    """
    difference, between, valid = difference_of(prediction, context)
    if not valid.any():
        return torch.zeros(5, *valid.shape, dtype=torch.float64, device=device)
    noise = prediction.noise_scale if np.isfinite(prediction.noise_scale) else 1.0
    scale = brightness_scale(between, valid) if modality.relative else None
    part = _part_of(valid, device)
    own, middle, apart, level, labels = (
        torch.from_numpy(np.ascontiguousarray(each)).to(device)
        for each in (
            difference,
            between,
            np.where(valid, (context.above - context.below) / 2.0, 0.0).astype(np.float32),
            (between / (scale or HUNDRED_HU)).astype(np.float32),
            tissue_map(between, valid, modality, scale),
        )
    )
    low = part.low_pass(own)
    features = _features(part, (middle, apart), (labels, level, noise))
    expected = expected_scale(low, features, part.valid, noise)
    # Where little is expected, added variance shows most: the score test's weight, blunted at the
    # slice's median.
    weight = 1.0 / (expected.square() + median(expected[part.valid]).square())
    square = weight * (low / expected).clamp(-MOST, MOST).square()
    planes = [torch.ones_like(low), square, weight, level, (expected / noise).log()]
    return torch.where(part.valid, torch.stack(planes), 0.0).double()
