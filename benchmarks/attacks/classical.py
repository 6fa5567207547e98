"""Retouching without a network: harmonic fill, non-local means, and exemplar quilting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, uniform_filter
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve

from benchmarks.attacks.canvas import FEATHER_PX, Canvas, blended
from benchmarks.attacks.crops import looked_at
from dfd.intensity import MAD_TO_SD
from dfd.records import BoolImage, FloatImage

PATCH, STEP = 9, 5
"""Side of a patch, and distance of two: they overlap by four pixels."""
GUIDE = 0.2
"""Weight of the membrane's pixels against those that are there already."""
REACH_PX = 56
"""How far away patches are taken from."""
CANDIDATES = 600
SEARCH_PX, LIKE_PX = 5, 3
"""Non-local means: half side of the search window, side of the patches that are compared."""

FloatArray = NDArray[np.float32]


def harmonic(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """The membrane through the edge of the region.

    Each pixel is the mean of its four neighbours (Laplace).
    """
    window, image, hole, unit = looked_at(canvas, mask)
    return blended(
        canvas.pixels, window.put(canvas.pixels, membrane(image, hole > 0) * unit), mask, 0.0
    )


def membrane(image: FloatArray, hole: BoolImage) -> FloatArray:
    """``image`` ``[N, N]`` with its ``hole`` replaced by the solution of Laplace's equation.

    The hole ``[N, N]`` does not touch the border.
    """
    rows, columns = np.nonzero(hole)
    number = np.full(image.shape, -1)
    number[rows, columns] = np.arange(len(rows))
    right_side = np.zeros(len(rows))
    pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        near = (
            np.clip(rows + down, 0, image.shape[0] - 1),
            np.clip(columns + right, 0, image.shape[1] - 1),
        )
        inner = number[near] >= 0
        right_side += np.where(inner, 0.0, image[near])
        pairs.append((np.flatnonzero(inner), number[near][inner]))
    first, second = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    here = np.arange(len(rows))
    values = np.concatenate([np.full(len(rows), 4.0), np.full(len(first), -1.0)])
    matrix = csr_matrix(
        (values, (np.concatenate([here, first]), np.concatenate([here, second]))),
        shape=(len(rows), len(rows)),
    )
    result = image.copy()
    result[rows, columns] = spsolve(matrix, right_side)
    return result


def denoised(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """Non-local means of the region, faded in (Buades, Coll, Morel 2005, section 4).

    The strength follows from the region's own differences.
    """
    window, image, _, unit = looked_at(canvas, mask)
    return blended(
        canvas.pixels, window.put(canvas.pixels, _non_local(image) * unit), mask, FEATHER_PX
    )


def _non_local(image: FloatArray) -> FloatArray:
    steps = np.abs(np.diff(image, axis=1))
    strength = max(float(np.median(steps)) * MAD_TO_SD, 1e-6)
    total, weights = np.zeros_like(image), np.zeros_like(image)
    for down in range(-SEARCH_PX, SEARCH_PX + 1):
        for right in range(-SEARCH_PX, SEARCH_PX + 1):
            moved = np.roll(image, (down, right), axis=(0, 1))
            away = uniform_filter((moved - image) ** 2, LIKE_PX)
            share = np.exp(-away / strength**2)
            total, weights = total + share * moved, weights + share
    return np.asarray(total / weights, dtype=np.float32)


def quilted(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """Patches from around the region, laid row by row over it.

    Each the most alike of many where they overlap, joined along the seam of least cost.

    Efros and Freeman, Image Quilting for Texture Synthesis and Transfer, 2001, section 2; where
    nothing overlaps yet, the membrane through the edge of the region guides the choice a little
    (section 3), or a vessel at the edge would grow over the region.
    """
    rows, columns = np.nonzero(mask)
    overlap = PATCH - STEP
    sources = _sources(canvas.pixels, mask, rng)
    if not len(sources):
        return canvas.pixels.copy()
    window, image, hole, unit = looked_at(canvas, mask)
    result = np.nan_to_num(
        window.put(canvas.pixels, membrane(image, hole > 0) * unit),
        nan=float(np.nanmin(canvas.pixels)),
    )
    filled = ~mask
    for top in range(max(int(rows.min()) - overlap, 0), int(rows.max()) + 1, STEP):
        for left in range(max(int(columns.min()) - overlap, 0), int(columns.max()) + 1, STEP):
            place = (slice(top, top + PATCH), slice(left, left + PATCH))
            target, fixed = result[place], filled[place]
            if fixed.all():
                continue
            height, width = target.shape
            cost = (
                ((sources[:, :height, :width] - target) ** 2) * np.where(fixed, 1.0, GUIDE)
            ).sum(axis=(1, 2))
            patch = sources[int(np.argmin(cost)), :height, :width]
            result[place] = np.where(_stays(target, patch, fixed, overlap), target, patch)
            filled[place] = True
    return blended(canvas.pixels, result.astype(np.float32), mask, 0.0)


def _sources(pixels: FloatImage, mask: BoolImage, rng: np.random.Generator) -> FloatArray:
    """``[n, PATCH, PATCH]`` random, wholly measured patches around ``mask``, clear of it."""
    rows, columns = np.nonzero(mask)
    spans = [
        (max(int(along.min()) - REACH_PX, 0), min(int(along.max()) + REACH_PX, extent) - PATCH)
        for along, extent in zip((rows, columns), mask.shape, strict=True)
    ]
    tops, lefts = (rng.integers(low, max(high, low + 1), CANDIDATES) for low, high in spans)
    blocked = binary_dilation(mask) | ~np.isfinite(pixels)
    patches = []
    for top, left in zip(tops, lefts, strict=True):
        place = (slice(int(top), int(top) + PATCH), slice(int(left), int(left) + PATCH))
        if not blocked[place].any() and pixels[place].shape == (PATCH, PATCH):
            patches.append(pixels[place])
    return np.stack(patches) if patches else np.zeros((0, PATCH, PATCH), dtype=np.float32)


def _stays(target: FloatArray, patch: FloatArray, fixed: BoolImage, overlap: int) -> BoolImage:
    """Where ``target`` stays: beyond the seams of the left and the upper overlap.

    Only pixels that are ``fixed`` stay.
    """
    cost = (target - patch) ** 2
    stay = np.zeros(target.shape, dtype=bool)
    if fixed[:, :overlap].all():
        stay |= np.arange(target.shape[1])[None] < _seam(cost[:, :overlap])[:, None]
    if fixed[:overlap].all():
        stay |= np.arange(target.shape[0])[:, None] < _seam(cost[:overlap].T)[None]
    return stay & fixed


def _seam(cost: FloatArray) -> NDArray[np.int64]:
    """Column of the cheapest path from the first to the last row of ``cost``.

    One step aside at most.
    """
    total = cost.astype(np.float64)
    for row in range(1, len(total)):
        padded = np.pad(total[row - 1], 1, constant_values=np.inf)
        total[row] += np.minimum(np.minimum(padded[:-2], padded[1:-1]), padded[2:])
    path = np.zeros(len(total), dtype=np.int64)
    path[-1] = int(np.argmin(total[-1]))
    for row in range(len(total) - 2, -1, -1):
        low = max(int(path[row + 1]) - 1, 0)
        path[row] = low + int(np.argmin(total[row, low : int(path[row + 1]) + 2]))
    return path
