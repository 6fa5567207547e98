"""Two reconstructions of one acquisition: do they show the same content?

An edit of one of them is a difference that no kernel makes.

Content is what is left after a low pass that every kernel lets through. What kernels still differ
by grows with edges, so a region is compared with places of the same slice whose edges are as
strong. What is said is a remark: no p-value, and neither score nor verdict hang on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dfd.intensity import MAD_TO_SD, assessed_pixels, low_pass
from dfd.modalities import Modality
from dfd.prediction.masks import disk
from dfd.records import BoolImage, FloatImage, Region

SMOOTH_PX = 2.5
"""Sigma of the low pass: what a sharp kernel has beyond a soft one, and most of the noise, lie at
smaller scales."""
EDGE_PX = 4.0
"""Sigma of the slower low pass; what lies between the two is structure at whose borders kernels
still differ."""
WIDTHS = (1.0, 1.4, 2.0, 3.0, 5.0)
"""Low passes in units of the first, between which lie the bands of the filter that makes the one
kernel out of the other."""
EVERY = 7
"""Of the pixels one in so many tells that filter; prime, so that no column is favoured."""
STEP = 0.5
"""Distance of the places of a slice that a region is compared with, in radii."""
SUPPORT = 0.6
"""Share of a place's pixels that must be measured in both."""
FEWEST = 40
"""Places below which nothing can be called usual, and nothing is said."""
EXCLUSION_RADII = 2.2
"""Radii from which on a place is no part of the region, also where the click missed the edit a
little."""
LEAST_SPREAD = 0.15
"""Of the log of a difference: places that agree by chance are not believed to vary less."""
LEAST_RATIO = 1e-2
"""Of a difference to the expected one, where the log is cut."""
LEAST_EDGE, LEAST_DIFFERENCE = 1.0, 0.3
"""HU; below them logs are cut, since stored values are whole numbers."""
FEWEST_PIXELS = 2000
"""Measured pixels of a slice below which nothing is compared."""
KNOTS_HU = (-1000.0, -900.0, -750.0, -500.0, -200.0, 0.0, 100.0, 400.0)
"""Between them what is expected follows brightness in straight lines; beyond them it stays."""
STRUCTURE_PX = (1.5, 5.0)
"""Sigmas over which structure counts as at a place, and as near it."""
FAR, NEAR = 6.0, 3.0
"""Robust deviations above what is usual: beyond the first a region shows other content, up to the
second the same, in between nothing is said."""
BEYOND = 1.0
"""Robust deviations above the largest of all other places: those of a grid miss the genuine peak of
a slice by a little, and a click may not."""
LEAST_REPORTED_HU = 5.0
"""HU that two reconstructions must differ by at least before it is said."""

FloatArray = NDArray[np.float64]


class Content(Enum):
    """What a region shows in two reconstructions."""

    SAME = "same"
    OTHER = "other"
    UNDECIDED = "undecided"
    """Too little is measured, or the difference is neither usual nor beyond all others."""


@dataclass(frozen=True)
class Agreement:
    """Of one region."""

    content: Content
    differs: float = float("nan")
    """RMS of the low-passed difference in the region, HU."""
    usual: float = float("nan")
    """The same in places of this slice with edges as strong, HU."""
    deviations: float = float("nan")
    """Robust deviations of its log above the usual."""


class Comparison:
    """Two reconstructions of one slice, compared all over; regions are then asked about."""

    def __init__(self, own: FloatImage, other: FloatImage, modality: Modality) -> None:
        """``own`` and ``other``: ``[H, W]`` HU, NaN where there is no measurement."""
        self._valid = (
            np.isfinite(own)
            & np.isfinite(other)
            & (assessed_pixels(own, modality) | assessed_pixels(other, modality))
        )
        self._planes: tuple[FloatImage, ...] = ()
        if self._valid.sum() > FEWEST_PIXELS:
            difference, expected = _difference(own, other, self._valid)
            squares = (difference**2, expected**2, (difference / expected) ** 2)
            self._planes = tuple(
                np.where(self._valid, plane, 0.0).astype(np.float32)
                for plane in (self._valid, *squares)
            )

    def of(self, region: Region) -> Agreement:
        """What ``region`` shows, against places as large all over the slice.

        Beyond all of them and far beyond the usual is other content.
        """
        if not self._planes:
            return Agreement(Content.UNDECIDED)
        support, *sums = (_means(plane, region.radius_px) for plane in self._planes)
        row, column = (
            min(max(round(place), 0), size - 1)
            for place, size in zip((region.y, region.x), support.shape, strict=True)
        )
        rows, columns = _grid(support >= SUPPORT, region.radius_px)
        apart = np.hypot(rows - region.y, columns - region.x) >= EXCLUSION_RADII * region.radius_px
        if support[row, column] < SUPPORT or apart.sum() < FEWEST:
            return Agreement(Content.UNDECIDED)
        rows, columns = np.append(rows[apart], row), np.append(columns[apart], column)
        differs, expected, ratio = (
            np.sqrt(plane[rows, columns] / support[rows, columns]).astype(np.float64)
            for plane in sums
        )
        logs = np.log(np.maximum(ratio, LEAST_RATIO))
        middle = float(np.median(logs[:-1]))
        spread = max(MAD_TO_SD * float(np.median(np.abs(logs[:-1] - middle))), LEAST_SPREAD)
        away, largest = (float(value - middle) / spread for value in (logs[-1], logs[:-1].max()))
        values = float(differs[-1]), float(np.exp(middle) * expected[-1]), away
        if away > max(FAR, largest + BEYOND) and differs[-1] > LEAST_REPORTED_HU:
            return Agreement(Content.OTHER, *values)
        return Agreement(Content.SAME if away <= NEAR else Content.UNDECIDED, *values)


def _difference(
    own: FloatImage, other: FloatImage, valid: BoolImage
) -> tuple[FloatImage, FloatImage]:
    """``[H, W]`` each, HU.

    The low-passed difference that no kernel explains, and how large it is to be expected.

    Expected by what either shows, whichever expects less: an edit has edges and brightness of its
    own, and they do not excuse it.
    """
    between = ((own + other) / 2.0).astype(np.float32)
    low = low_pass(own - other, valid, SMOOTH_PX)
    low = low - _by_a_kernel(low, between, valid)
    features = _features(between, valid)
    wanted = np.log(low[valid].astype(np.float64) ** 2 + LEAST_DIFFERENCE**2)
    weights = np.linalg.lstsq(features[:, ::EVERY].T, wanted[::EVERY], rcond=None)[0]
    expected = np.ones_like(low)
    expected[valid] = np.exp(
        np.minimum(*(weights @ _features(image, valid) for image in (own, other))) / 2.0
    )
    return low, expected


def _features(image: FloatImage, valid: BoolImage) -> FloatArray:
    """``[k, n]`` of the ``n`` valid pixels, for least squares.

    How bright it is there, and how strong its structure is there and nearby.
    """
    fine, coarse = (low_pass(image, valid, sigma) for sigma in (SMOOTH_PX, EDGE_PX))
    square = ((fine - coarse) ** 2).astype(np.float32)
    edges = [
        np.log(np.sqrt(np.maximum(gaussian_filter(square, sigma), 0.0)) + LEAST_EDGE)[valid].astype(
            np.float64
        )
        for sigma in STRUCTURE_PX
    ]
    level = fine[valid].astype(np.float64)
    # Straight lines between the knots: what is expected of lung is no guide to muscle.
    hats = [np.interp(level, KNOTS_HU, row) for row in np.eye(len(KNOTS_HU))]
    return np.stack([*hats, *edges, *(edge**2 for edge in edges)])


def _by_a_kernel(difference: FloatImage, image: FloatImage, valid: BoolImage) -> FloatImage:
    """``[H, W]``: the part of ``difference`` that follows from ``image``, by least squares.

    It follows by one filter and one curve of brightness.

    The curve, not one offset: values are cut at the lowest that can be stored, and the noise of a
    sharp kernel in lung then has another mean.
    """
    layers = [low_pass(image, valid, SMOOTH_PX * width) for width in WIDTHS]
    bands = [(finer - coarser)[valid].astype(np.float64) for finer, coarser in pairwise(layers)]
    level = layers[0][valid].astype(np.float64)
    inside = np.stack([*bands, *(np.interp(level, KNOTS_HU, row) for row in np.eye(len(KNOTS_HU)))])
    weights = np.linalg.lstsq(
        inside[:, ::EVERY].T, difference[valid][::EVERY].astype(np.float64), rcond=None
    )[0]
    explained = np.zeros_like(difference)
    explained[valid] = weights @ inside
    return explained


def _means(plane: FloatImage, radius: float) -> FloatImage:
    """``[H, W]``: mean of ``plane`` over the disk of ``radius`` pixels around each pixel.

    Outside the slice there is nothing.
    """
    from scipy.signal import fftconvolve  # few studies need its slow import

    reach = int(np.floor(radius))
    window = disk(2 * reach + 1, 2 * reach + 1, (reach, reach), radius).astype(np.float32)
    return np.asarray(
        np.maximum(fftconvolve(plane, window / window.sum(), mode="same"), 0.0), dtype=np.float32
    )


def _grid(usable: BoolImage, radius: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of usable places, ``STEP`` radii apart."""
    step = max(1, round(STEP * radius))
    rows, columns = np.nonzero(usable[step // 2 :: step, step // 2 :: step])
    return rows * step + step // 2, columns * step + step // 2
