"""Training examples: crops of genuine slices with hidden pixels."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform
from scipy.ndimage import gaussian_filter

from dfd.bundle.keys import Keys
from dfd.intensity import measured_pixels, noise_scale
from dfd.modalities import MODALITIES
from dfd.prediction.masks import random_mask

MEASURED_SHARE = 0.6
"""A crop should be mostly body; after ``TRIES`` draws the last one is taken as it is."""
TRIES = 8
KERNEL_SHARE = 0.4
"""Share of training crops that are filtered to resemble another kernel."""
SCALE_JITTER = 0.4
"""Half-width of the uniform jitter of the log noise scale."""
BLEND_REACH = 2
"""Pixels from an unmeasured one, counted along rows and columns, within which a filtered value is a
blend and no measurement."""


def normalised(pixels: np.ndarray, modality_name: str) -> tuple[np.ndarray, np.ndarray, float]:
    """The slice in units of its own noise.

    ``[H, W]`` float32 (what is not measured lies at the floor), measured ``[H, W]``, noise scale.
    """
    modality = MODALITIES[modality_name]
    measured = measured_pixels(pixels, modality)
    scale = noise_scale(pixels, measured, modality)
    ground = modality.floor if modality.floor is not None else 0.0
    return (np.where(measured, pixels, ground) / scale).astype(np.float32), measured, scale


KEPT = (Keys.PATIENT, Keys.GROUP, Keys.SERIES, Keys.DRAW)
"""What a training slice keeps of its item."""


class NormaliseNoised(MapTransform):
    """``image`` ``[1, H, W]`` -> ``pixels`` and ``measured`` ``[H, W]`` as plain arrays.

    In units of the slice's noise, and that unit as ``scale``.

    Deterministic, so it is cached.
    """

    def __init__(self, keys: str = "image", modality: str = "ct_lung") -> None:
        super().__init__(keys)
        self.modality = modality

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image = np.asarray(data[self.keys[0]])[0]
        pixels, measured, scale = normalised(image, self.modality)
        kept: dict[Hashable, Any] = {key: data[key] for key in KEPT if key in data}
        return {**kept, Keys.PIXELS: pixels, Keys.MEASURED: measured, Keys.SCALE: scale}


def other_kernel(
    pixels: np.ndarray, measured: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The crop as with a slightly softer or sharper kernel and a slightly wrong noise scale.

    Few scanners stand behind a training set; a spread that is read off the visible pixels,
    rather than off the absolute level, travels to others.
    """
    if rng.random() < KERNEL_SHARE:
        softer = gaussian_filter(pixels, rng.uniform(0.5, 1.2), truncate=3.0)
        changed = pixels + rng.uniform(-0.8, 1.5) * (pixels - softer)
        ratio = _roughness(changed) / max(_roughness(pixels), 1e-6)
        pixels = changed / max(ratio, 0.05)
        if not measured.all():  # beside the floor the filter has mixed it in
            measured = _eroded(measured)
    return (pixels * math.exp(rng.uniform(-SCALE_JITTER, SCALE_JITTER))).astype(
        np.float32, copy=False
    ), measured


def _eroded(mask: np.ndarray) -> np.ndarray:
    """``scipy.ndimage.binary_erosion(mask, iterations=BLEND_REACH.

    Border_value=1)`` in a tenth of the time on a small ``[H, W]``.
    """
    for _ in range(BLEND_REACH):
        kept = mask.copy()
        kept[1:] &= mask[:-1]
        kept[:-1] &= mask[1:]
        kept[:, 1:] &= mask[:, :-1]
        kept[:, :-1] &= mask[:, 1:]
        mask = kept
    return mask


def _roughness(pixels: np.ndarray) -> float:
    """Median of the second differences along the diagonal, over disjoint pairs of rows.

    Follows the noise scale at a fraction of its cost.
    """
    upper, lower = pixels[:-1:2], pixels[1::2]
    differences = np.abs(upper[:, :-1] + lower[:, 1:] - upper[:, 1:] - lower[:, :-1]).ravel()
    return float(np.partition(differences, differences.size // 2)[differences.size // 2])


def filled_up(image: np.ndarray, size: int) -> np.ndarray:
    """The image with at least ``size`` rows and columns.

    Values continued from the border, of masks False.
    """
    short = [(0, max(0, size - side)) for side in image.shape]
    if not any(after for _, after in short):
        return image
    return np.pad(image, short) if image.dtype == bool else np.pad(image, short, mode="edge")


def place(measured: np.ndarray, size: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """A random square window of ``size`` that is mostly measured.

    In an image at least that large.
    """
    for _ in range(TRIES):
        top, left = (int(rng.integers(0, side - size + 1)) for side in measured.shape)
        window = (slice(top, top + size), slice(left, left + size))
        if np.count_nonzero(measured[window]) >= MEASURED_SHARE * size**2:
            break
    return window


def turn(images: Sequence[np.ndarray], number: int) -> list[np.ndarray]:
    """Images ``[S, S]`` under one of the eight symmetries of the pixel grid.

    Scanner noise keeps its law under them well enough to multiply few scanners.
    """
    turned = []
    for image in images:
        if number & 1:
            image = image[::-1]
        if number & 2:
            image = image[:, ::-1]
        if number & 4:
            image = image.T
        turned.append(np.ascontiguousarray(image))
    return turned


class HideCropd(MapTransform):
    """The crop that the item's key ``draw`` (a seed) stands for, with hidden pixels.

    Sets ``image`` ``[2, S, S]`` (hidden pixels zero, mask) and ``label`` ``[2, S, S]`` (true value,
    1 where the loss counts: hidden and measured). The seed decides everything: the same crop comes
    of it in whatever process or thread it is cut. ``varied`` also flips, transposes and filters it.
    """

    def __init__(self, keys: str = "pixels", size: int = 64, varied: bool = False) -> None:
        super().__init__(keys)
        self.size, self.varied = size, varied

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        rng = np.random.default_rng(int(data[Keys.DRAW]))
        pixels, measured = (filled_up(data[key], self.size) for key in (Keys.PIXELS, Keys.MEASURED))
        window = place(measured, self.size, rng)
        pixels, measured = pixels[window], measured[window]
        if self.varied:
            pixels, measured = turn((pixels, measured), int(rng.integers(8)))
            pixels, measured = other_kernel(pixels, measured, rng)
        hidden = random_mask(self.size, rng)
        image, label = (np.empty((2, self.size, self.size), np.float32) for _ in range(2))
        image[0], image[1] = np.where(hidden, np.float32(0), pixels), hidden
        label[0], label[1] = pixels, hidden & measured
        return {Keys.IMAGE: torch.from_numpy(image), Keys.LABEL: torch.from_numpy(label)}
