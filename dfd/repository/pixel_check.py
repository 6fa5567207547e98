"""Two slices whose fingerprints are near: are their pixels the same, and does their noise agree?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from dfd.records import FloatImage
from dfd.repository.fingerprint import (
    FILTER_PX,
    MARGIN_PX,
    filled_pixels,
    measure_fingerprint,
    noise_residual,
    turned,
)

REACH_PX = 64
"""Distance from the anchor up to which noise is compared, along rows and columns: it holds four
times the pixels of the fingerprint, in tissue of similar noise."""
SEARCH_PX = 2
"""Pixels by which anchors may be off: coding and smoothing move them."""
REPEATS_PX, REPEATS = 8, 0.5
"""Noise that correlates with itself that far away or farther, by so much or more, is a pattern:
grain is two to three pixels wide."""


@dataclass(frozen=True, slots=True)
class PixelCheck:
    """What two slices have in common, laid over each other."""

    identical: bool
    """All values are the same where the slices overlap."""
    correlation: float
    """Of their noise around the anchor, -1 to 1; 1 for the same pixels, 0 where it is a pattern, as
    test images have it, and not identical."""


def compare_pixels(first: FloatImage, second: FloatImage, turn: int) -> PixelCheck | None:
    """Lay two slices over each other, to a pixel, and compare values and noise.

    What copies and other slices have is measured in benchmarks/results/duplicate_slices.md.

    Args:
        first: ``[H, W]`` in any unit, NaN where there is no measurement.
        second: The same, of another size maybe.
        turn: What makes the second of the first (``fingerprint.TURNS``).

    Returns:
        None where they differ, and one of them has no fingerprint.
    """
    first = turned(first, turn)
    if np.array_equal(first, second, equal_nan=True):
        return PixelCheck(True, 1.0)
    anchors = [measure_fingerprint(each).anchor for each in (first, second)]
    if anchors[0] is None or anchors[1] is None:
        return None
    one, other = _noise(first, anchors[0]), _noise(second, anchors[1])
    one = one[SEARCH_PX:-SEARCH_PX, SEARCH_PX:-SEARCH_PX]
    around = range(-SEARCH_PX, SEARCH_PX + 1)
    steps = itertools.product(around, around)
    found = {step: _correlation(one, other, step) for step in steps}
    down, right = max(found, key=lambda step: found[step])
    shift = anchors[1][0] - anchors[0][0] + down, anchors[1][1] - anchors[0][1] + right
    parts = _overlap(first, second, shift)
    identical = min(parts[0].shape) >= 2 * MARGIN_PX and np.array_equal(*parts, equal_nan=True)
    if identical or _is_pattern(one):
        return PixelCheck(identical, float(identical))
    return PixelCheck(False, found[down, right])


def _noise(image: FloatImage, anchor: tuple[int, int]) -> FloatImage:
    """``[133, 133]``: noise around the anchor, NaN where it is not measured."""
    reach = REACH_PX + SEARCH_PX
    filled = filled_pixels(image)
    result = np.full((2 * reach + 1, 2 * reach + 1), np.nan, np.float32)
    if filled is None:
        return result
    top, left = (max(0, place - reach) for place in anchor)
    noise = noise_residual(filled[top : anchor[0] + reach + 1, left : anchor[1] + reach + 1])
    row, column = top - anchor[0] + reach, left - anchor[1] + reach
    inner = noise[FILTER_PX:-FILTER_PX, FILTER_PX:-FILTER_PX]
    row, column = row + FILTER_PX, column + FILTER_PX
    result[row : row + inner.shape[0], column : column + inner.shape[1]] = inner
    return result


def _is_pattern(noise: FloatImage) -> bool:
    """Whether noise repeats itself across the image."""
    filled = np.nan_to_num(noise).astype(np.float64)
    size = 2 * len(filled)
    here = np.fft.irfft2(np.abs(np.fft.rfft2(filled, (size, size))) ** 2, (size, size))
    # Fewer pixels overlap at larger distances.
    measured = np.isfinite(noise).astype(np.float64)
    pairs = np.fft.irfft2(np.abs(np.fft.rfft2(measured, (size, size))) ** 2, (size, size))
    each = here / np.maximum(pairs, 1.0)
    far = pairs >= pairs[0, 0] / 4
    far[:REPEATS_PX, :REPEATS_PX] = far[-REPEATS_PX:, :REPEATS_PX] = False
    far[:REPEATS_PX, -REPEATS_PX:] = far[-REPEATS_PX:, -REPEATS_PX:] = False
    return bool(each[far].max(initial=0.0) >= REPEATS * each[0, 0])


def _correlation(one: FloatImage, other: FloatImage, step: tuple[int, int]) -> float:
    """Of ``one`` and that part of ``other`` that lies ``step`` (down, right) away; 0 for none."""
    down, right = (each + SEARCH_PX for each in step)
    moved = other[down : down + one.shape[0], right : right + one.shape[1]]
    both = np.isfinite(one) & np.isfinite(moved)
    a, b = one[both].astype(np.float64), moved[both].astype(np.float64)
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm else 0.0


def _overlap(
    first: FloatImage, second: FloatImage, shift: tuple[int, int]
) -> tuple[FloatImage, FloatImage]:
    """The parts of two slices that lie over each other; the second is shifted by (down, right)."""
    start = np.maximum(0, np.negative(shift))
    stop = np.minimum(first.shape, np.subtract(second.shape, shift))
    (top, left), (bottom, right) = start, stop
    down, across = shift
    return (
        first[top:bottom, left:right],
        second[top + down : bottom + down, left + across : right + across],
    )
