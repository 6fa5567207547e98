"""Copy-move: the mask is covered with another place of the same slice."""

from __future__ import annotations

import numpy as np

from benchmarks.tampering.canvas import Canvas, blended
from dfd.records import BoolImage, FloatImage

TRIES = 400
"""Places looked at, of which the most alike in mean and deviation is taken, as a careful forger would."""


def copied(canvas: Canvas, mask: BoolImage, rng: np.random.Generator, *, feather_px: float) -> FloatImage:
    """A look-alike place of the slice that does not overlap the mask; the slice as it is where there is none."""
    shift = source_shift(canvas.pixels, mask, rng)
    if shift is None:
        return canvas.pixels.copy()
    return blended(canvas.pixels, np.roll(canvas.pixels, (-shift[0], -shift[1]), axis=(0, 1)), mask, feather_px)


def source_shift(pixels: FloatImage, mask: BoolImage, rng: np.random.Generator) -> tuple[int, int] | None:
    """(row, column) steps from the mask to the place it is covered with: wholly measured, inside the slice, apart from the mask."""
    rows, columns = np.nonzero(mask)
    height, width = pixels.shape
    extent = max(int(np.ptp(rows)), int(np.ptp(columns))) + 1
    target = pixels[rows, columns]
    best: tuple[float, tuple[int, int] | None] = (np.inf, None)
    for _ in range(TRIES):
        down = int(rng.integers(-rows.min(), height - rows.max()))
        right = int(rng.integers(-columns.min(), width - columns.max()))
        if max(abs(down), abs(right)) <= extent:
            continue
        found = pixels[rows + down, columns + right]
        if not np.isfinite(found).all():
            continue
        cost = float(abs(found.mean() - np.nanmean(target)) + abs(found.std() - np.nanstd(target)))
        best = min(best, (cost, (down, right)), key=lambda pair: pair[0])
    return best[1]
