"""The residual of a slice in which copies are searched: planes of about unit size everywhere."""

from __future__ import annotations

import math
from functools import cache
from typing import TypeAlias

import numpy as np
import torch

from dfd.evidence.search_plane import ResidualPlanes, residual_window
from dfd.records import BoolImage, Prediction

HIGH_PASS_PX = 0.6
"""Sigma of the Gaussian that is taken off the pixels: what is left is mostly noise, also where the
network predicts it."""
LOCAL_PX = 1.5
"""Sigma of the neighbourhood whose root mean square a residual is divided by: short, so that an
edge weighs no more than the noise beside it."""
LARGEST = 1.5
"""Residuals are cut here, in units of their neighbourhood."""
LEAST_SCALE = 0.1
"""No neighbourhood counts as quieter than this share of the slice's median: rounding of flat areas
is not noise."""
TRUNCATED = 4.0
"""Sigmas after which a Gaussian ends."""
MARGIN_PX = 8
"""What both Gaussians, or the second difference and the wider of them, reach together."""

Window: TypeAlias = tuple[slice, slice]
"""(rows, columns)."""


def residual_of(prediction: Prediction, device: torch.device) -> ResidualPlanes | None:
    """z, and a high-pass of the pixels, each over its local root mean square.

    0 where nothing is assessed; None where nothing is at all.

    z holds no structure but only what the network did not predict; the high-pass holds all of the
    noise, and edges.
    """
    window = surroundings(prediction.assessed)
    if window is None:
        return None
    pixels, valid = pixels_of(prediction, window, device)
    z = torch.as_tensor(prediction.z[window], device=device).float()
    planes = torch.stack([torch.where(valid, z, 0.0), high_pass(pixels, valid)])
    return residual_window(levelled(planes, valid), valid, corner_of(window))


def surroundings(assessed: BoolImage) -> Window | None:
    """The (rows, columns) of a slice that hold what is ``assessed`` (``[H, W]``) and a margin.

    None where nothing is. The margin is what planes made of the slice are influenced by.
    """
    window = []
    for axis in (1, 0):
        hit = np.flatnonzero(assessed.any(axis=axis))
        if not hit.size:
            return None
        window.append(slice(max(0, int(hit[0]) - MARGIN_PX), int(hit[-1]) + 1 + MARGIN_PX))
    return window[0], window[1]


def corner_of(window: Window) -> tuple[int, int]:
    """(row, column) at which it begins."""
    return window[0].start, window[1].start


def pixels_of(
    prediction: Prediction, window: Window, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """``[H, W]``: a window of the slice itself, 0 where nothing is assessed, and where that is."""
    mean, spread, z, valid = (
        torch.as_tensor(each[window], device=device)
        for each in (prediction.mean, prediction.spread, prediction.z, prediction.assessed)
    )
    return torch.where(valid, mean + z * spread, 0.0).float(), valid


def high_pass(pixels: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """``[H, W]``: ``pixels`` (0 where not ``valid``) less their Gaussian mean over the valid ones.

    0 elsewhere.
    """
    # Rounding of sums must not look like noise where the pixels are all the same.
    smooth, share = smoothed(torch.stack([pixels, valid.float()]).double(), HIGH_PASS_PX).float()
    return torch.where(valid, pixels - smooth / share.clamp_min(1e-6), 0.0)


def levelled(planes: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """``[n, H, W]``: ``planes`` (0 where not ``valid``) over their local root mean square.

    Cut at ``LARGEST``; all 0 where a plane is.
    """
    squares = (planes[:, valid].double() ** 2).mean(-1)[:, None, None]
    # A single metal edge must not silence its surroundings.
    limits = 5.0 * squares.sqrt().float()
    *energies, near = smoothed(
        torch.cat([planes.clamp(-limits, limits) ** 2, valid[None].float()]), LOCAL_PX
    )
    local = (torch.stack(energies) / near.clamp_min(1e-6)).clamp_min(0.0).sqrt()
    floors = LEAST_SCALE * local[:, valid].median(-1).values[:, None, None]
    floors = torch.maximum(floors, (1e-6 * limits).clamp_min(torch.finfo(torch.float32).tiny))
    return (planes / torch.maximum(local, floors)).clamp(-LARGEST, LARGEST)


@cache
def _gaussian(sigma: float) -> tuple[float, ...]:
    """Weights at 0, 1, 2 ... pixels; with those to the other side they add up to 1."""
    reach = int(TRUNCATED * sigma + 0.5)
    weights = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(reach + 1)]
    total = 2.0 * sum(weights) - weights[0]
    return tuple(weight / total for weight in weights)


def smoothed(planes: torch.Tensor, sigma: float) -> torch.Tensor:
    """``[n, H, W]``: ``planes`` averaged by a Gaussian of ``sigma`` pixels.

    Beyond a border they go on as reflected in it.
    """
    weights = _gaussian(sigma)
    reach = len(weights) - 1
    for axis in (1, 2):
        size = planes.shape[axis]
        steps = torch.arange(-reach, size + reach, device=planes.device) % (2 * size)
        padded = planes.index_select(axis, torch.minimum(steps, 2 * size - 1 - steps))
        planes = weights[0] * padded.narrow(axis, reach, size)
        for step, weight in enumerate(weights[1:], start=1):
            planes.add_(padded.narrow(axis, reach - step, size), alpha=weight)
            planes.add_(padded.narrow(axis, reach + step, size), alpha=weight)
    return planes
