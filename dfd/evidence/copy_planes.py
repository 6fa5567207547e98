"""The residual of a slice in which copies are searched: planes of about unit size everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from dfd.evidence.search_plane import Planes
from dfd.records import BoolImage, FloatImage, Prediction

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


def residual_planes(prediction: Prediction) -> Planes:
    """``[2, H, W]``: z, and a high-pass of the pixels, each over its local root mean square.

    0 where nothing is assessed.

    z holds no structure but only what the network did not predict; the high-pass holds all of the
    noise, and edges.
    """
    valid = prediction.assessed
    return levelled(
        (np.where(valid, prediction.z, 0.0), high_pass(pixels_of(prediction), valid)), valid
    )


def pixels_of(prediction: Prediction) -> FloatImage:
    """``[H, W]``: the slice itself, 0 where nothing is assessed."""
    return np.where(
        prediction.assessed, prediction.mean + prediction.z * prediction.spread, 0.0
    ).astype(np.float32)


def high_pass(pixels: FloatImage, valid: BoolImage) -> FloatImage:
    """``[H, W]``: ``pixels`` (0 where not ``valid``) less their Gaussian mean over the valid ones.

    0 elsewhere.
    """
    smooth = gaussian_filter(pixels, HIGH_PASS_PX) / np.maximum(
        gaussian_filter(valid.astype(np.float32), HIGH_PASS_PX), 1e-6
    )
    return np.asarray(np.where(valid, pixels - smooth, 0.0), dtype=np.float32)


def levelled(planes: Sequence[FloatImage], valid: BoolImage) -> Planes:
    """``[2, H, W]``: ``planes`` (0 where not ``valid``) over their local root mean square.

    Cut at ``LARGEST``.
    """
    near = np.maximum(gaussian_filter(valid.astype(np.float32), LOCAL_PX), 1e-6)
    return np.stack([_levelled(plane, valid, near) for plane in planes])


def _levelled(residual: FloatImage, valid: BoolImage, near: FloatImage) -> FloatImage:
    """``residual`` over its local root mean square, cut at ``LARGEST``.

    A share ``near`` of each neighbourhood is valid.
    """
    if not residual.any():
        return np.zeros(residual.shape, dtype=np.float32)
    # A single metal edge must not silence its surroundings.
    limit = 5.0 * float(np.sqrt(np.mean(residual[valid].astype(np.float64) ** 2)))
    local = np.sqrt(
        np.maximum(
            gaussian_filter(np.clip(residual, -limit, limit).astype(np.float32) ** 2, LOCAL_PX)
            / near,
            0.0,
        )
    )
    floor = max(LEAST_SCALE * float(np.median(local[valid])), 1e-6 * limit)
    return np.asarray(
        np.clip(residual / np.maximum(local, floor), -LARGEST, LARGEST), dtype=np.float32
    )
