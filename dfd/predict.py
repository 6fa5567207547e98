"""Slice + network -> what the network expects in each pixel while that pixel is hidden."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from dfd.intensity import body_mask, measured_pixels, noise_scale
from dfd.masking import LATTICE_PASSES, lattice
from dfd.modalities import Modality
from dfd.records import BoolImage, FloatImage, Prediction

MARGIN_PX = 24
"""Context kept around the measured part of a slice: the network's receptive field reaches further, its answer does not change beyond this."""
ALIGN_PX = 8
"""Sides of the predicted window are multiples of this, the total stride of the network."""


def window_of(measured: BoolImage) -> tuple[slice, slice]:
    """Smallest window that holds all measured pixels with ``MARGIN_PX`` around; corner and sides aligned to ``ALIGN_PX`` where the slice allows."""
    window = []
    for axis in (1, 0):
        hit = np.flatnonzero(measured.any(axis=axis))
        size = measured.shape[1 - axis]
        low = max(0, int(hit[0]) - MARGIN_PX) // ALIGN_PX * ALIGN_PX
        high = min(size, -(-(int(hit[-1]) + 1 + MARGIN_PX) // ALIGN_PX) * ALIGN_PX)
        window.append(slice(low, high))
    return window[0], window[1]


def predict_slice(image: torch.Tensor | FloatImage, network: Callable[[torch.Tensor], torch.Tensor], modality: Modality) -> Prediction:
    """Leave-one-out prediction of a whole slice in ``LATTICE_PASSES`` passes.

    Args:
        image: ``[H, W]`` in HU (CT) or stored units (MR), NaN where there is no measurement.
        network: ``[B, 2, H, W]`` -> ``[B, 2, H, W]``, see ``dfd.bundle.network``.
        modality: what the image is.
    """
    pixels = np.asarray(torch.as_tensor(image).cpu(), dtype=np.float32)
    measured = measured_pixels(pixels, modality)
    mean, spread, z = (np.zeros_like(pixels) for _ in range(3))
    assessed = measured & body_mask(pixels, measured, modality) if measured.any() else measured
    if not assessed.any():
        return Prediction(mean=mean, spread=spread + 1.0, z=z, assessed=assessed)
    scale = float(np.float32(noise_scale(pixels, measured, modality)))  # as it will stand in a tensor beside z
    ground = modality.floor if modality.floor is not None else 0.0
    filled = np.where(measured, pixels, ground).astype(np.float32)
    window = window_of(assessed)
    log_spread = np.zeros_like(pixels)
    mean[window], log_spread[window] = _passes(filled[window] / scale, network)
    spread = (np.exp(log_spread) * scale).astype(np.float32)
    mean = (mean * scale).astype(np.float32)
    z = np.where(assessed, (filled - mean) / spread, 0.0).astype(np.float32)
    return Prediction(mean=np.where(assessed, mean, filled), spread=spread, z=z, assessed=assessed, noise_scale=scale)


def _passes(normalised: FloatImage, network: Callable[[torch.Tensor], torch.Tensor]) -> tuple[FloatImage, FloatImage]:
    device = next((parameter.device for parameter in getattr(network, "parameters", list)()), torch.device("cpu"))
    height, width = normalised.shape
    pixels = torch.from_numpy(np.ascontiguousarray(normalised))[None, None].to(device)
    result = torch.zeros(2, height, width)
    with torch.inference_mode():
        for phase in range(LATTICE_PASSES):
            hidden = torch.from_numpy(lattice(height, width, phase)).to(device)
            shown = torch.cat([pixels.masked_fill(hidden, 0.0), hidden[None, None].float()], dim=1)
            result = torch.where(hidden.cpu(), network(shown)[0].float().cpu(), result)
    mean, log_spread = result.numpy()
    return mean, log_spread
