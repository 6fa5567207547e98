"""The scheme of BTD: one reverse step of a diffusion that was trained on genuine patches.

No noise is added first; the score is what the step takes away.

Grabovski, Yasur, Amit, Elovici, Mirsky 2024, Back-in-Time Diffusion, arXiv 2407.15169. The image
stands for x(0), and the reverse step of least noise leads to x(-1). Ours differs: a smaller
network, trained for CPU hours rather than GPU days, and the residual is averaged over the region
that is asked about rather than over the patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.baselines import state
from benchmarks.baselines.base import Centre, SliceView, region_mask
from benchmarks.baselines.noise_predictor import NoisePredictor, remaining_shares
from dfd.bundle.training.crops import filled_up
from dfd.intensity import brightness_scale, measured_pixels
from dfd.modalities import Modality
from dfd.records import BoolImage, FloatImage

SOURCE = "after Grabovski et al. 2024, Back-in-Time Diffusion, arXiv 2407.15169"
STEP = 0
"""The step that is reversed: from x(0) to x(-1)."""
BRIGHTEST = 1.5
"""MR intensities are cut at this many brightness scales (95th percentiles of the slice)."""


@dataclass(frozen=True)
class Variant:
    """What the network of one modality sees."""

    side: int
    """Of a patch, in pixels."""
    low: float
    high: float
    """HU for CT, multiples of the brightness scale for MR, that become -1 and 1; what lies beyond
    is cut."""


VARIANTS: dict[tuple[str, str], Variant] = {
    ("ct_lung", "btd"): Variant(96, -700.0, 2000.0),
    ("ct_lung", "btd_unclipped"): Variant(96, -1024.0, 2000.0),
    ("mri_chest", "btd"): Variant(128, 0.0, BRIGHTEST),
}
"""(modality, name of the state). The published CT window cuts lung parenchyma away; the second is
without that."""


@dataclass(frozen=True)
class Prepared:
    """A slice in the network's units, and the network."""

    shown: FloatImage
    """``[H, W]`` in [-1, 1], at least a patch large."""
    measured: BoolImage
    """``[H, W]`` of the same size."""
    network: NoisePredictor
    side: int


def shown(pixels: FloatImage, modality: Modality, variant: Variant) -> tuple[FloatImage, BoolImage]:
    """``pixels`` ``[H, W]`` in [-1, 1] without gaps, and which of them are measured."""
    measured = measured_pixels(pixels, modality)
    unit = brightness_scale(pixels, measured) if modality.relative else 1.0
    filled = np.where(np.isfinite(pixels), pixels / unit, variant.low)
    share = (np.clip(filled, variant.low, variant.high) - variant.low) / (
        variant.high - variant.low
    )
    return (2.0 * share - 1.0).astype(np.float32), measured


def prepare(view: SliceView, name: str) -> Prepared:
    """Loads the network and scales the slice.

    Raises:
        UsageError: the network is not trained yet, or is of another build.
    """
    variant = VARIANTS[view.modality.name, name]
    network = NoisePredictor()
    try:
        network.load_state_dict(state.load(name, view.modality.name))
    except RuntimeError:
        raise state.stale(state.place(name, view.modality.name)) from None
    image, measured = shown(view.pixels, view.modality, variant)
    return Prepared(
        filled_up(image, variant.side),
        filled_up(measured, variant.side),
        network.eval(),
        variant.side,
    )


def reversed_once(patch: torch.Tensor, network: NoisePredictor) -> torch.Tensor:
    """``[B, 1, S, S]`` in [-1, 1] after one reverse step, cut to [-1, 1].

    Ho, Jain, Abbeel 2020, algorithm 2 at its last step, which adds no noise.
    """
    remaining = remaining_shares()[STEP]
    with torch.inference_mode():
        noise = network(patch, torch.full((len(patch),), STEP))
        return ((patch - (1.0 - remaining).sqrt() * noise) / remaining.sqrt()).clamp(-1.0, 1.0)


def measure(prepared: Prepared, centre: Centre, radius: float) -> float:
    """Mean squared difference of the patch before and after one reverse step, over the region.

    In squared units of the noise of that step, >= 0. NaN where too little of the region is
    measured.
    """
    window = tuple(
        slice(start, start + prepared.side)
        for start in (
            min(max(0, at - prepared.side // 2), size - prepared.side)
            for at, size in zip(centre[::-1], prepared.shown.shape, strict=True)
        )
    )
    inside = region_mask(prepared.measured, centre, radius)
    if inside is None or not inside[window].any():
        return float("nan")
    patch = torch.from_numpy(np.ascontiguousarray(prepared.shown[window]))[None, None]
    residual = (patch - reversed_once(patch, prepared.network))[0, 0].numpy()[inside[window]]
    return float(np.mean(residual**2) / float(1.0 - remaining_shares()[STEP]))
