"""Local filtering: what a retouching brush or a geometric round trip does to the grain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from benchmarks.attacks.canvas import Canvas, paste
from dfd.records import BoolImage, FloatImage

BLUR_PX = 0.8
ROUND_TRIP = 0.75
ROOM_PX = 16
"""Surroundings that are filtered along, so that the edge of the mask sees what lies beyond it."""


def blurred(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """Gaussian blur of ``BLUR_PX`` inside the mask."""
    return _pasted(
        canvas.pixels,
        mask,
        lambda crop: np.asarray(gaussian_filter(crop, BLUR_PX), dtype=np.float32),
    )


def resampled(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """To ``ROUND_TRIP`` of the size and back with cubic splines, inside the mask."""

    def there_and_back(crop: FloatImage) -> FloatImage:
        small = zoom(crop, ROUND_TRIP, order=3, mode="nearest", grid_mode=True)
        back = zoom(
            small,
            [want / have for want, have in zip(crop.shape, small.shape, strict=True)],
            order=3,
            mode="nearest",
            grid_mode=True,
        )
        return np.asarray(back, dtype=np.float32)

    return _pasted(canvas.pixels, mask, there_and_back)


def _pasted(
    pixels: FloatImage, mask: BoolImage, change: Callable[[FloatImage], FloatImage]
) -> FloatImage:
    rows, columns = np.nonzero(mask)
    window = tuple(
        slice(max(0, int(along.min()) - ROOM_PX), int(along.max()) + 1 + ROOM_PX)
        for along in (rows, columns)
    )
    crop = pixels[window]
    # Filters would spread what is not a number; it is replaced by the crop's mean and stays outside
    # the edit.
    filled = np.where(np.isfinite(crop), crop, np.nanmean(crop)).astype(np.float32)
    changed = pixels.copy()
    changed[window] = change(filled)
    return paste(pixels, changed, mask)
