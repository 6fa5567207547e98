"""Training examples: crops of genuine slices with hidden pixels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform, Randomizable
from scipy.ndimage import binary_erosion, gaussian_filter

from dfd.intensity import measured_pixels, noise_scale
from dfd.masking import random_mask
from dfd.modalities import MODALITIES

MEASURED_SHARE = 0.6
"""A crop should be mostly body; after ``TRIES`` draws the last one is taken as it is."""
TRIES = 8
KERNEL_SHARE = 0.4
"""Share of training crops that are filtered to resemble another kernel."""
SCALE_JITTER = 0.4
"""Half-width of the uniform jitter of the log noise scale."""


def normalised(pixels: np.ndarray, modality_name: str) -> tuple[np.ndarray, np.ndarray, float]:
    """The slice in units of its own noise: ``[H, W]`` float32 (what is not measured lies at the floor), measured ``[H, W]``, noise scale."""
    modality = MODALITIES[modality_name]
    measured = measured_pixels(pixels, modality)
    scale = noise_scale(pixels, measured, modality)
    ground = modality.floor if modality.floor is not None else 0.0
    return (np.where(measured, pixels, ground) / scale).astype(np.float32), measured, scale


class NormaliseNoised(MapTransform):
    """``image`` ``[1, H, W]`` -> ``pixels`` and ``measured`` ``[H, W]`` as plain arrays, in units of the slice's noise.

    Deterministic, so it is cached.
    """

    def __init__(self, keys: str = "image", modality: str = "ct_lung") -> None:
        super().__init__(keys)
        self.modality = modality

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image = np.asarray(data[self.keys[0]])[0]
        pixels, measured, _ = normalised(image, self.modality)
        kept: dict[Hashable, Any] = {key: data[key] for key in ("patient", "group", "draw") if key in data}
        return {**kept, "pixels": pixels, "measured": measured}


def other_kernel(pixels: np.ndarray, measured: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The crop as a slightly softer or sharper kernel and a slightly wrong noise scale would have given it.

    Few scanners stand behind a training set; a spread that is read off the visible pixels, rather than off the absolute level, travels to others.
    """
    if rng.random() < KERNEL_SHARE:
        softer = gaussian_filter(pixels, rng.uniform(0.5, 1.2), truncate=3.0)
        changed = pixels + rng.uniform(-0.8, 1.5) * (pixels - softer)
        ratio = _roughness(changed) / max(_roughness(pixels), 1e-6)
        pixels = changed / max(ratio, 0.05)
        if not measured.all():  # beside the floor the filter has mixed it in
            measured = binary_erosion(measured, iterations=2, border_value=1)
    return (pixels * np.exp(rng.uniform(-SCALE_JITTER, SCALE_JITTER))).astype(np.float32), measured


def _roughness(pixels: np.ndarray) -> float:
    """Median of the second differences along the diagonal: follows the noise scale at a fraction of its cost."""
    differences = np.abs(pixels[:-1, :-1] + pixels[1:, 1:] - pixels[:-1, 1:] - pixels[1:, :-1]).ravel()
    return float(np.partition(differences, differences.size // 2)[differences.size // 2])


class HideCropd(MapTransform):
    """The crop that the item's key ``draw`` (a seed) stands for, with hidden pixels.

    Sets ``image`` ``[2, S, S]`` (hidden pixels zero, mask) and ``label`` ``[2, S, S]`` (true value, 1 where the loss counts: hidden and measured).
    Deterministic, hence cached as a crop: validation sees the same pixels hidden in every epoch.
    """

    def __init__(self, keys: str = "pixels", size: int = 64) -> None:
        super().__init__(keys)
        self.size = size

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self.example(data, np.random.default_rng(int(data["draw"])), turn=False)

    def example(self, data: Mapping[Hashable, Any], rng: np.random.Generator, *, turn: bool) -> dict[Hashable, Any]:
        """One example drawn with ``rng``."""
        pixels, measured = self._crop(data["pixels"], data["measured"], rng)
        if turn:
            pixels, measured = self._turn(pixels, measured, rng)
            pixels, measured = other_kernel(pixels, measured, rng)
        hidden = random_mask(self.size, rng)
        image = np.stack([np.where(hidden, 0.0, pixels), hidden]).astype(np.float32)
        label = np.stack([pixels, hidden & measured]).astype(np.float32)
        return {"image": torch.from_numpy(image), "label": torch.from_numpy(label)}

    def _crop(self, pixels: np.ndarray, measured: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        short = [max(0, self.size - side) for side in pixels.shape]
        if any(short):
            pad = [(0, side) for side in short]
            pixels, measured = np.pad(pixels, pad, mode="edge"), np.pad(measured, pad)
        for _ in range(TRIES):
            top, left = (int(rng.integers(0, side - self.size + 1)) for side in pixels.shape)
            window = (slice(top, top + self.size), slice(left, left + self.size))
            if measured[window].mean() >= MEASURED_SHARE:
                break
        return pixels[window], measured[window]

    @staticmethod
    def _turn(pixels: np.ndarray, measured: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        # Scanner noise keeps its law under the eight symmetries of the pixel grid well enough to multiply few scanners.
        number = int(rng.integers(8))
        if number & 1:
            pixels, measured = pixels[::-1], measured[::-1]
        if number & 2:
            pixels, measured = pixels[:, ::-1], measured[:, ::-1]
        if number & 4:
            pixels, measured = pixels.T, measured.T
        return pixels, measured


class RandHideCropd(Randomizable, HideCropd):
    """A random crop, flipped and transposed at random, with hidden pixels; keys as in ``HideCropd``.

    Draws from torch's generator, which the loader seeds for each worker and the training journal for each epoch: a resumed run draws what an
    uninterrupted one would have drawn.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        seed = int(torch.randint(2**31 - 1, ()).item())
        return self.example(data, np.random.default_rng(seed), turn=True)
