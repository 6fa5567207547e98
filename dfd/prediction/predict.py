"""Slice + network -> what the network expects in each pixel while that pixel is hidden."""

from __future__ import annotations

import numpy as np
import torch

from dfd.alterations import FORMS
from dfd.intensity import assessed_pixels, measured_pixels, noise_scale
from dfd.modalities import Modality
from dfd.prediction.devices import exact
from dfd.prediction.residual_maps import Network, blind_spot_prediction, residual_maps
from dfd.records import BoolImage, FloatImage, Prediction

MARGIN_PX = 24
"""Context kept around the measured part of a slice: the network's receptive field reaches further,
its answer does not change beyond this."""
ALIGN_PX = 8
"""Sides of the predicted window are multiples of this, the total stride of the network."""


def window_of(measured: BoolImage) -> tuple[slice, slice]:
    """Smallest window that holds all measured pixels with ``MARGIN_PX`` around.

    Corner and sides aligned to ``ALIGN_PX`` where the slice allows.
    """
    window = []
    for axis in (1, 0):
        hit = np.flatnonzero(measured.any(axis=axis))
        size = measured.shape[1 - axis]
        low = max(0, int(hit[0]) - MARGIN_PX) // ALIGN_PX * ALIGN_PX
        high = min(size, -(-(int(hit[-1]) + 1 + MARGIN_PX) // ALIGN_PX) * ALIGN_PX)
        window.append(slice(low, high))
    return window[0], window[1]


def predict_slice(
    image: torch.Tensor | FloatImage, network: Network, modality: Modality
) -> Prediction:
    """Blind-spot prediction of a whole slice: of each pixel while it is hidden.

    Args:
        image: ``[H, W]`` in HU (CT) or stored units (MR), NaN where there is no measurement.
        network: ``[B, 2, H, W]`` -> ``[B, 2, H, W]``, see ``dfd.bundle.networks.masked_predictor``;
            its ``head``, where it has one, reads the residuals, and its ``statistic`` weighs what
            is then measured of a region.
        modality: what the image is.
    """
    pixels = np.asarray(torch.as_tensor(image).cpu(), dtype=np.float32)
    measured = measured_pixels(pixels, modality)
    mean, spread, z = (np.zeros_like(pixels) for _ in range(3))
    assessed = assessed_pixels(pixels, modality)
    log_odds = (
        None
        if getattr(network, "head", None) is None
        else np.zeros((len(FORMS), *pixels.shape), dtype=np.float32)
    )
    if not assessed.any():
        return Prediction(mean=mean, spread=spread + 1.0, z=z, assessed=assessed, log_odds=log_odds)
    scale = float(
        np.float32(noise_scale(pixels, measured, modality))
    )  # as it will stand in a tensor beside z
    background = modality.floor if modality.floor is not None else 0.0
    filled = np.where(measured, pixels, background).astype(np.float32)
    window = window_of(assessed)
    log_spread = np.zeros_like(pixels)
    mean[window], log_spread[window], head = _passes(filled[window] / scale, network)
    if log_odds is not None and head is not None:
        log_odds[:, window[0], window[1]] = np.where(assessed[window], head, 0.0)
    spread = (np.exp(log_spread) * scale).astype(np.float32)
    mean = (mean * scale).astype(np.float32)
    z = np.where(assessed, (filled - mean) / spread, 0.0).astype(np.float32)
    return Prediction(
        mean=np.where(assessed, mean, filled),
        spread=spread,
        z=z,
        assessed=assessed,
        noise_scale=scale,
        log_odds=log_odds,
        weigh=getattr(network, "statistic", None),
    )


def _passes(
    normalised: FloatImage, network: Network
) -> tuple[FloatImage, FloatImage, FloatImage | None]:
    """Mean and log-spread ``[H, W]`` of a window in noise units.

    And the log-odds ``[2, H, W]`` of the network's head where it has one.
    """
    device = next(
        (parameter.device for parameter in getattr(network, "parameters", list)()),
        torch.device("cpu"),
    )
    exact(device)
    height, width = normalised.shape
    pixels = torch.from_numpy(np.ascontiguousarray(normalised))[None, None].to(device)
    with torch.inference_mode():
        mean, log_spread = blind_spot_prediction(pixels, network)
        head = getattr(network, "head", None)
        if head is None:
            return mean[0, 0].cpu().numpy(), log_spread[0, 0].cpu().numpy(), None
        coarse = (
            head(residual_maps(pixels, mean, log_spread))
            .float()
            .repeat_interleave(2, dim=2)
            .repeat_interleave(2, dim=3)
        )
    return (
        mean[0, 0].cpu().numpy(),
        log_spread[0, 0].cpu().numpy(),
        coarse[0, :, :height, :width].cpu().numpy(),
    )
