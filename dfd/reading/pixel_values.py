"""Pixels of a slice as every later step reads them: NaN where there is no measurement."""

from __future__ import annotations

import numpy as np

from dfd.records import FloatImage, Slice


def pixels_of(scan: Slice) -> FloatImage:
    """``[H, W]`` float32 with NaN where ``scan`` holds no measurement."""
    return np.where(scan.valid, scan.pixels, np.nan).astype(np.float32)


def pixels_in_scale_of(scan: Slice, other: Slice) -> FloatImage:
    """``[H, W]`` float32 of ``other`` on the intensity scale of ``scan``.

    NaN where it holds no measurement.
    """
    pixels = pixels_of(other)
    own, its = scan.rescale, other.rescale
    if own == its:
        return pixels
    slope, intercept = its.slope / own.slope, (its.intercept - own.intercept) / own.slope
    return (pixels.astype(np.float64) * slope + intercept).astype(np.float32)
