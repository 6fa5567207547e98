"""The residual fingerprint of a slice: 256 bits of its noise, at places fixed relative to the body.

The signs of randomly signed sums of noise over cells around one place of the body. Other anatomy,
another scan of the same patient and the next slice have other noise, hence unrelated bits. A
straight line of the values, lossless coding, padding and shifts change none; a mirrored or turned
slice has the same bits in another order. Fingerprints of random projections: Swaminathan, Mao and
Wu, IEEE TIFS 2006, 1:215; noise as what identifies an image: Lukas, Fridrich and Goljan, IEEE TIFS
2006, 1:205.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter, uniform_filter

from dfd.records import FloatImage

SIDE = 16
"""Cells along each side: 256 bits."""
CELL_PX = 4
"""Side of a cell. A region of 64 pixels fits into small MR matrices and survives crops; smaller
cells would share noise, whose grain is two to three pixels wide."""
NOISE_BAND_PX = (0.7, 1.5)
"""Standard deviations of the two Gaussian means whose difference is the residual. Finer noise is
lost to JPEG 2000, coarser noise lies among anatomy."""
ENERGY_PX = 2.0
"""Standard deviation of the window in which the energy of the residual is measured."""
NOISE_PERCENTILE = 30.0
"""Percentile of that energy that counts as noise; where there is more, at edges and vessels, the
residual weighs less in proportion."""
ANCHOR_PX = 8.0
"""Standard deviation of the Gaussian mean whose difference from a wider one peaks at the anchor:
noise does not move it, anatomy fixes it to a pixel."""
ANCHOR_RATIO = 1.6
"""Wider over narrower Gaussian, the usual approximation of the Laplacian (Marr and Hildreth
1980)."""
BODY_PX = 4.0
"""Standard deviation of the Gaussian mean from which the box around the body is read."""
HALF_PX = SIDE * CELL_PX // 2
MARGIN_PX = HALF_PX + 4
"""Distance of the anchor from the box around the body."""
FILTER_PX = 12
"""Pixels beyond the cells on which the filters depend."""
MOST_EMPTY = 0.1
"""Share of cells without noise above which a slice has no fingerprint."""
LEVEL_STEPS = 30
"""Steps at most towards the level between dark and bright; it settles in about ten."""
SEED = 20261127

TURNS = (
    "as it is",
    "turned by 90 degrees anticlockwise",
    "turned by 180 degrees",
    "turned by 90 degrees clockwise",
    "mirrored left to right",
    "mirrored left to right, then turned by 90 degrees anticlockwise",
    "mirrored top to bottom",
    "mirrored left to right, then turned by 90 degrees clockwise",
)
"""What ``turned`` does, by its number."""
INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)
"""Number of the turn that undoes each."""

_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The fingerprint of a slice, or why it has none."""

    bits: bytes | None
    """32 bytes: 16 x 16 bits, rows first."""
    anchor: tuple[int, int] | None = None
    """(row, column) of the pixel around which it was taken; None where there is none."""
    reason: str = ""
    """A sentence; empty where there are bits."""


def fingerprint_of(pixels: FloatImage) -> bytes | None:
    """32 bytes of ``pixels`` (``[H, W]`` in any unit, NaN where there is no measurement).

    None where the slice is blank or nearly empty; ``measure_fingerprint`` says why.
    """
    return measure_fingerprint(pixels).bits


def measure_fingerprint(pixels: FloatImage) -> Fingerprint:
    """The fingerprint of ``pixels`` (``[H, W]`` in any unit, NaN where there is no measurement)."""
    filled = filled_pixels(pixels)
    if filled is None:
        return Fingerprint(None, reason="The slice is blank.")
    anchor = _anchor(filled)
    if anchor is None:
        return Fingerprint(
            None,
            reason=f"No part of the slice, {2 * MARGIN_PX} pixels wide, holds noise: it is small, "
            "blank or painted.",
        )
    sums = _sums(filled, anchor)
    if (sums == 0).mean() > MOST_EMPTY:
        return Fingerprint(
            None, anchor, "A tenth of the body or more holds no noise: it is blank or painted."
        )
    return Fingerprint(np.packbits(sums > 0).tobytes(), anchor)


def filled_pixels(pixels: FloatImage) -> FloatImage | None:
    """``[H, W]`` with the lowest value where there is no measurement.

    None where all values are equal, or none is a number.
    """
    finite = np.isfinite(pixels)
    if not finite.any() or np.ptp(pixels[finite]) == 0:
        return None
    return np.where(finite, pixels, pixels[finite].min()).astype(np.float32)


def turned(image: NDArray[_Scalar], turn: int) -> NDArray[_Scalar]:
    """``[..., H, W]`` after the turn of that number in ``TURNS``."""
    mirrored = image[..., ::-1] if turn >= 4 else image
    return np.rot90(mirrored, turn % 4, axes=(-2, -1))


def turned_bits(bits: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """``[N, 32]``: the fingerprints that the same slices would have after a turn."""
    grids = np.unpackbits(bits, axis=-1).reshape(-1, SIDE, SIDE)
    return np.packbits(turned(grids, turn).reshape(-1, SIDE * SIDE), axis=-1)


def noise_residual(image: FloatImage) -> FloatImage:
    """``[H, W]``: the noise of ``image``, attenuated where there is structure.

    Divided by its local energy, which is the weight of least variance where noise lies under
    structure of that energy. 0 where the image is flat.
    """
    narrow, wide = NOISE_BAND_PX
    residual = gaussian_filter(image, narrow) - gaussian_filter(image, wide)
    energy = gaussian_filter(residual * residual, ENERGY_PX)
    some = energy[energy > 0]
    if not some.size:
        return np.zeros_like(residual)
    weighted: FloatImage = residual / np.maximum(energy, np.percentile(some, NOISE_PERCENTILE))
    return weighted


def _anchor(image: FloatImage) -> tuple[int, int] | None:
    """(row, column) of the brightest blob that lies deep enough in the body.

    None where there is none. Only peaks count: the brightest pixel of a box often lies on its
    border, and would move with it.
    """
    bright = gaussian_filter(image, BODY_PX) > _level(image)
    box = [np.flatnonzero(bright.any(axis=axis)) for axis in (1, 0)]
    blobs = gaussian_filter(image, ANCHOR_PX) - gaussian_filter(image, ANCHOR_PX * ANCHOR_RATIO)
    flat = maximum_filter(image, 3) == minimum_filter(image, 3)
    empty = uniform_filter(flat.astype(np.float32), 2 * HALF_PX + 1) > MOST_EMPTY
    peaks = (blobs == maximum_filter(blobs, 3)) & ~empty
    rows, columns = np.nonzero(peaks)
    for places, line in ((rows, box[0]), (columns, box[1])):
        if not line.size:
            return None
        peaks[rows, columns] &= (places >= line[0] + MARGIN_PX) & (places <= line[-1] - MARGIN_PX)
    if not peaks.any():
        return None
    row, column = np.unravel_index(int(np.where(peaks, blobs, -np.inf).argmax()), blobs.shape)
    return int(row), int(column)


def _level(image: FloatImage) -> float:
    """The level half way between the means of what lies below and above it.

    Ridler and Calvard, IEEE Trans. Syst. Man Cybern. 1978, 8:630. Pixels of the lowest value do not
    count: padding must not move it.
    """
    values = image[image > image.min()].astype(np.float64)
    level = float(values.mean())
    for _ in range(LEVEL_STEPS):
        above = values > level
        if above.all() or not above.any():
            break
        new = 0.5 * float(values[above].mean() + values[~above].mean())
        if new == level:
            break
        level = new
    return level


def _sums(image: FloatImage, anchor: tuple[int, int]) -> NDArray[np.float64]:
    """``[16, 16]``: the signed sum of noise in each cell around ``anchor``.

    Cells lie on either side of the anchor's row and column, which belong to none: the grid is the
    same after every turn.
    """
    reach = HALF_PX + FILTER_PX
    padded = np.pad(image, reach, mode="edge")
    row, column = anchor
    window = padded[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
    kept = FILTER_PX + np.delete(np.arange(2 * HALF_PX + 1), HALF_PX)
    noise = noise_residual(window)[np.ix_(kept, kept)].astype(np.float64) * _signs()
    sums: NDArray[np.float64] = noise.reshape(SIDE, CELL_PX, SIDE, CELL_PX).sum(axis=(1, 3))
    return sums


def _signs() -> NDArray[np.float64]:
    """``[64, 64]``: random signs that no turn changes, so that a turned slice has the same sums."""
    away = np.abs(np.arange(2 * HALF_PX) - (HALF_PX - 0.5)).astype(int)
    signs = np.random.default_rng(SEED).choice([-1.0, 1.0], (HALF_PX, HALF_PX))
    rows, columns = np.meshgrid(away, away, indexing="ij")
    chosen: NDArray[np.float64] = signs[np.maximum(rows, columns), np.minimum(rows, columns)]
    return chosen
