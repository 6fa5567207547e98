"""Intensity statistics of one slice.

Where it is a measurement, how strong its noise is, which tissue a pixel belongs to.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_fill_holes,
    binary_opening,
    gaussian_filter,
    label,
)

from dfd.modalities import Modality
from dfd.records import BoolImage, FloatImage

TILE_PX = 16
"""Side of the tiles in which noise is measured: enough pixels for a median, small enough to lie
within one tissue."""
NOISE_PERCENTILE = 30.0
"""Percentile over tiles: structure only ever adds to a tile's deviation, so the lower part of the
distribution is noise."""
BODY_CELL_PX = 8
"""Side of the cells in which the body is sought: a tenth of a lung, and a sixty-fourth of the
work."""
CLOSED_CELLS = 2
"""Gaps of the chest wall up to twice this many cells wide are closed: emphysema at a thin wall,
dark muscle in MR."""
SMALLEST_OBJECT = 0.1
"""Objects smaller than this share of the largest are not the body (an arm beside the chest is
larger)."""
COUCH_GRID = 256
"""Pixels of the longer side at which a couch is separated from the body."""
COUCH_WALL = 2
"""Such pixels that are taken off and put on again: walls of couches and blankets up to twice this
many wide are lost (about 6 mm), a body is not."""
MAD_TO_SD = 1.4826
PLATEAU_SHARE = 0.005
"""Share of a slice's pixels that must sit at its very lowest or highest value before that value
counts as clipped."""
SECOND_DIFFERENCE = ((1.0, -2.0, 1.0), (-2.0, 4.0, -2.0), (1.0, -2.0, 1.0))
"""Mixed second difference: blind to any plane, sensitive where scanner noise has least power
(Immerkaer 1996, CVIU 64:300, eq. 1)."""
DARK_SHARE = 0.15
"""Tiles darker than this share of the brightness scale are background in MR."""

_Scalar = TypeVar("_Scalar", bound=np.generic)


def measured_pixels(pixels: FloatImage, modality: Modality) -> BoolImage:
    """``[H, W]``, True where ``pixels`` (``[H, W]``, NaN where there is no measurement) holds one.

    Finite, above the floor, not clipped.
    """
    finite = np.isfinite(pixels)
    measured = finite.copy()
    if modality.floor is not None:
        measured &= np.nan_to_num(pixels, nan=-np.inf) > modality.floor
    if finite.any():
        for extreme in (pixels[finite].min(), pixels[finite].max()):
            plateau = pixels == extreme
            if plateau.sum() > PLATEAU_SHARE * pixels.size:
                measured &= ~plateau
    return measured


def _tiles(image: NDArray[_Scalar]) -> NDArray[_Scalar]:
    """``[H, W]`` -> ``[tiles, TILE_PX * TILE_PX]``; what does not fill a tile is left out."""
    rows, columns = (size // TILE_PX for size in image.shape)
    cut = image[: rows * TILE_PX, : columns * TILE_PX]
    return (
        cut.reshape(rows, TILE_PX, columns, TILE_PX).swapaxes(1, 2).reshape(-1, TILE_PX * TILE_PX)
    )


def body_mask(pixels: FloatImage, measured: BoolImage, modality: Modality) -> BoolImage:
    """``[H, W]``, True inside the body, its lungs included.

    What is scored, and what a region is compared with.

    The objects above the modality's body level on a grid of ``BODY_CELL_PX``, holes filled; those
    much smaller than the largest (blanket) are left out. Where intensities are absolute, so is what
    lies beyond the soft tissue of the body along rows and columns both: the couch under it.
    """
    cell = BODY_CELL_PX
    rows, columns = (-(-size // cell) for size in pixels.shape)
    pad = ((0, rows * cell - pixels.shape[0]), (0, columns * cell - pixels.shape[1]))
    filled = np.pad(np.where(measured, pixels, modality.floor or 0.0), pad, mode="edge")
    coarse = filled.reshape(rows, cell, columns, cell).mean(axis=(1, 3))
    level = modality.body_level * (brightness_scale(pixels, measured) if modality.relative else 1.0)
    # Closed first, since a thin chest wall has gaps; opened after the lungs are filled, which
    # leaves no couch.
    gaps = CLOSED_CELLS
    closed = binary_closing(np.pad(coarse > level, gaps), iterations=gaps)
    labels, number = label(
        binary_opening(binary_fill_holes(closed), iterations=2)[gaps:-gaps, gaps:-gaps]
    )
    if number == 0:
        return measured.copy()
    sizes = np.bincount(labels.ravel())[1:]
    kept = np.isin(labels, 1 + np.flatnonzero(sizes >= SMALLEST_OBJECT * sizes.max()))
    whole: BoolImage = (
        binary_dilation(kept)
        .repeat(cell, axis=0)
        .repeat(cell, axis=1)[: pixels.shape[0], : pixels.shape[1]]
    )
    return whole if modality.relative else whole & _within_tissue(pixels, modality)


def _within_tissue(pixels: FloatImage, modality: Modality) -> BoolImage:
    """``[H, W]``, True where soft tissue of the body lies on either side.

    Along the row or along the column; everywhere where there is none.

    A couch is as large as the body and its foam as dense as lung, so only its thin walls tell it
    apart. Lungs that the field of view cuts stay in.
    """
    step = -(-max(pixels.shape) // COUCH_GRID)
    wall = round(COUCH_WALL * max(pixels.shape) / step / COUCH_GRID)
    if wall < 1:  # pixels too large to tell walls by
        return np.ones(pixels.shape, dtype=bool)
    dense = np.nan_to_num(pixels[::step, ::step], nan=-np.inf) > modality.tissues[0].high
    # Padded by what lies at the border, or tissue that the field of view cuts would be taken off
    # there.
    opened = binary_opening(np.pad(dense, 2 * wall, mode="edge"), iterations=wall)
    margin = slice(2 * wall, -2 * wall)
    labels, number = label(opened[margin, margin])
    if number == 0:
        return np.ones(pixels.shape, dtype=bool)
    sizes = np.bincount(labels.ravel())[1:]
    tissue = np.isin(labels, 1 + np.flatnonzero(sizes >= SMALLEST_OBJECT * sizes.max()))
    between = [_between(tissue), _between(tissue.T).T]
    inside = binary_dilation(between[0] | between[1], iterations=wall + 1)
    whole: BoolImage = inside.repeat(step, axis=0).repeat(step, axis=1)[
        : pixels.shape[0], : pixels.shape[1]
    ]
    return whole


def _between(mask: BoolImage) -> BoolImage:
    """``[H, W]``, True from the first to the last True of each row."""
    return (
        np.logical_or.accumulate(mask, axis=1)
        & np.logical_or.accumulate(mask[:, ::-1], axis=1)[:, ::-1]
    )


def assessed_pixels(pixels: FloatImage, modality: Modality) -> BoolImage:
    """``[H, W]``, True where ``pixels`` (``[H, W]``.

    NaN where there is no measurement) holds one inside the body: what is scored.
    """
    measured = measured_pixels(pixels, modality)
    return measured & body_mask(pixels, measured, modality) if measured.any() else measured


def brightness_scale(pixels: FloatImage, measured: BoolImage) -> float:
    """95th percentile of the measured pixels, in their unit; 1 where nothing is measured.

    What MR intensities are divided by.
    """
    if not measured.any():
        return 1.0
    return max(float(np.percentile(pixels[measured], 95.0)), 1e-3)


def noise_scale(pixels: FloatImage, measured: BoolImage, modality: Modality) -> float:
    """Robust noise level of a slice in its own unit.

    A low percentile, over tiles of tissue, of 1.48 x median |pixel - 3x3 median|.

    It is a yardstick rather than a standard deviation: it is proportional to it within one kernel,
    and never zero.
    """
    filled = np.where(np.isfinite(pixels), pixels, 0.0).astype(np.float32)
    rough = np.abs(filled - _median_of_nine(filled))
    deviation = np.median(_tiles(rough), axis=1) * MAD_TO_SD
    # A median over integers comes in steps; the mean over the same tile is finer and equally
    # proportional.
    deviation = np.where(
        deviation > 0, 0.5 * deviation + 0.5 * _tiles(rough).mean(axis=1) * 1.2533, 0.0
    )
    level = _tiles(filled).mean(axis=1)
    inside = _tiles(measured).all(axis=1) & (deviation > 0)
    if modality.relative:
        wanted = inside & (level > DARK_SHARE * brightness_scale(filled, measured))
    else:
        soft = next(tissue for tissue in modality.tissues if tissue.name == "soft tissue")
        wanted = inside & (level > soft.low - 180.0) & (level < soft.high + 50.0)
    chosen = wanted if wanted.sum() > 4 else inside
    if not chosen.any():
        spread = rough[measured]
        return max(float(spread.mean()) if spread.size else 1.0, 1e-3)
    return max(float(np.percentile(deviation[chosen], NOISE_PERCENTILE)), 1e-3)


def low_pass(image: FloatImage, valid: BoolImage, sigma: float) -> FloatImage:
    """``[H, W]``: Gaussian mean of ``image`` over its ``valid`` pixels alone; 0 elsewhere."""
    share = np.maximum(gaussian_filter(valid.astype(np.float32), sigma), 1e-3)
    return np.asarray(
        np.where(
            valid,
            gaussian_filter(np.where(valid, image, 0.0).astype(np.float32), sigma) / share,
            0.0,
        ),
        dtype=np.float32,
    )


def _median_of_nine(image: FloatImage) -> FloatImage:
    """3 x 3 median of ``[H, W]``, mirrored at the border.

    That of ``scipy.ndimage.median_filter``, several times as fast.

    Columns of three are sorted once and shared by three places (Smith, Implementing median filters,
    Xcell 1996).
    """
    padded = np.pad(image, 1, mode="symmetric")
    low, middle, high = _in_order(padded[:-2], padded[1:-1], padded[2:])
    lows, middles, highs = (
        (plane[:, :-2], plane[:, 1:-1], plane[:, 2:]) for plane in (low, middle, high)
    )
    largest = np.maximum(np.maximum(lows[0], lows[1]), lows[2])
    smallest = np.minimum(np.minimum(highs[0], highs[1]), highs[2])
    return _in_order(largest, _in_order(*middles)[1], smallest)[1]


def _in_order(
    one: FloatImage, two: FloatImage, three: FloatImage
) -> tuple[FloatImage, FloatImage, FloatImage]:
    """Smallest, middle and largest of three, pixel by pixel."""
    low, high = np.minimum(one, two), np.maximum(one, two)
    return np.minimum(low, three), np.maximum(low, np.minimum(high, three)), np.maximum(high, three)


def tissue_map(
    mean: FloatImage, measured: BoolImage, modality: Modality, scale: float | None = None
) -> NDArray[np.int8]:
    """``[H, W]`` index into ``modality.tissues``, -1 where none fits.

    ``mean`` is the predicted, hence nearly noise-free, slice. ``scale`` is its brightness scale,
    measured where None.
    """
    if modality.relative:
        mean = mean / (brightness_scale(mean, measured) if scale is None else scale)
    labels = np.full(mean.shape, -1, dtype=np.int8)
    for number, tissue in enumerate(modality.tissues):
        labels[measured & (mean >= tissue.low) & (mean < tissue.high)] = number
    return labels
