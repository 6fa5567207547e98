"""What lung nodules look like and where they are.

Shapes to be painted, places to paint them, and dense blobs to be taken away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_dilation,
    binary_fill_holes,
    binary_opening,
    distance_transform_edt,
    gaussian_filter,
    label,
    maximum_filter,
    mean,
)

from benchmarks.attacks.canvas import Canvas
from benchmarks.attacks.cubes import AIR_HU, SIDE
from dfd.errors import UsageError
from dfd.records import BoolImage, FloatImage

DIAMETER_MM = (6.0, 16.0)
"""Of injected nodules: below 6 mm follow-up is not even advised (Fleischner Society 2017), and 16
mm fit into the hole with their edge."""
ROUGHNESS = 0.22
"""Deviation of the radius, as a share of it, so that no nodule is a perfect ellipsoid."""
SOFT_MM = 0.7
"""Width over which a nodule fades into parenchyma: about the resolution of the scanner."""
LUNG_HU, DENSE_HU = -500.0, -450.0
PARENCHYMA_HU = (-940.0, -650.0)
"""Mean of the surroundings of an injection, and at least of a lung: neither airway or bulla nor
consolidation."""
PLATE_PX = 3
"""Half the thickness of what is no wall of a chest."""
BLOB_MM = (4.0, 12.0)
"""Diameter of what is removed: nodules, and vessels cut across."""
BLOB_CONTRAST = 0.15
"""Difference of Gaussians of the lung window (0 to 1) that makes a blob."""
WALL_MM = 8.0
"""Room between an injection and the edge of the lung."""
CLEAR_MM = 4.0
"""Room between an injection and the next vessel of note."""
APART_MM = 44.0
"""Between the centres of two edits of one slice: their copied noise reaches 21 mm."""

Centres = NDArray[np.int64]


def shape(diameter_mm: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """``[SIDE, SIDE, SIDE]``: a rounded, slightly irregular body in the middle of a cube.

    1 inside, 0 far outside; voxels of 1 mm.
    """
    axes = np.meshgrid(*[np.arange(SIDE) - (SIDE - 1) / 2] * 3, indexing="ij")
    stretch = np.exp(rng.normal(0.0, 0.12, 3))
    stretch /= np.prod(stretch) ** (1 / 3)
    distance = np.sqrt(
        sum((axis / factor) ** 2 for axis, factor in zip(axes, stretch, strict=True))
    )
    bumps = gaussian_filter(rng.normal(size=(SIDE,) * 3), 2.5)
    radius = 0.5 * diameter_mm * (1.0 + ROUGHNESS * bumps / bumps.std())
    return np.asarray(
        1.0 / (1.0 + np.exp(np.clip((distance - radius) / SOFT_MM, -50, 50))), dtype=np.float32
    )


def injection_sites(canvas: Canvas, number: int, rng: np.random.Generator) -> Centres:
    """``[n, 2]`` (x, y), n <= ``number``: parenchyma away from the walls of the lung and vessels.

    Drawn at random, ``APART_MM`` from each other.
    """
    step = _step_mm(canvas)
    lung = lung_of(canvas.pixels)
    filled = np.nan_to_num(canvas.pixels, nan=AIR_HU)
    level = gaussian_filter(np.minimum(filled, 0.0), 3.0 / step)
    vessel = gaussian_filter(filled, 0.7 / step) > DENSE_HU
    room = np.asarray(distance_transform_edt(np.pad(lung, 1)))[1:-1, 1:-1] * step >= WALL_MM
    clear = np.asarray(distance_transform_edt(~vessel)) * step >= CLEAR_MM
    rows, columns = np.nonzero(
        room & clear & (level > PARENCHYMA_HU[0]) & (level < PARENCHYMA_HU[1])
    )
    order = rng.permutation(len(rows))
    return spread(np.stack([columns, rows], axis=1)[order], number, APART_MM / step)


def removal_sites(canvas: Canvas, number: int, rng: np.random.Generator) -> Centres:
    """``[n, 2]`` (x, y), n <= ``number``: dense blobs of ``BLOB_MM`` in or beside the lung.

    Drawn at random, ``APART_MM`` from each other.
    """
    step = _step_mm(canvas)
    centres = blobs(canvas.pixels, step)
    return spread(centres[rng.permutation(len(centres))], number, APART_MM / step)


def lung_of(pixels: FloatImage) -> BoolImage:
    """``[H, W]``: aerated lung (airways included) inside the wall of the chest, vessels not."""
    smooth = gaussian_filter(np.nan_to_num(pixels, nan=AIR_HU), 1.0)
    # Opened, so that the thin plates of a couch, whose foam looks like lung, come off the body.
    solid, number = label(binary_opening(smooth >= LUNG_HU, iterations=PLATE_PX))
    if not number:
        return np.zeros(pixels.shape, dtype=bool)
    chest = binary_fill_holes(solid == 1 + int(np.argmax(np.bincount(solid.ravel())[1:])))
    labels, number = label(chest & (smooth < LUNG_HU))
    # Gas in the bowel is plain air.
    plain = 1 + np.flatnonzero(
        np.asarray(mean(smooth, labels, np.arange(1, number + 1))) < PARENCHYMA_HU[0]
    )
    lung: BoolImage = (labels > 0) & ~np.isin(labels, plain)
    return lung


def blobs(pixels: FloatImage, step_mm: float) -> Centres:
    """``[n, 2]`` (x, y) of nodule-like places of the lung window.

    Local maxima of a difference of Gaussians whose dense core measures ``BLOB_MM``.
    """
    window = np.clip((np.nan_to_num(pixels, nan=AIR_HU) - AIR_HU) / -AIR_HU, 0.0, 1.0)
    contrast = gaussian_filter(window, 1.8 / step_mm) - gaussian_filter(window, 6.0 / step_mm)
    near = binary_dilation(lung_of(pixels), iterations=max(1, round(5.0 / step_mm)))
    peaks = (
        near
        & (contrast > BLOB_CONTRAST)
        & (contrast == maximum_filter(contrast, size=max(3, round(8.0 / step_mm))))
    )
    reach = round(BLOB_MM[1] / step_mm)
    peaks[:reach] = peaks[-reach:] = peaks[:, :reach] = peaks[:, -reach:] = False
    dense = gaussian_filter(np.nan_to_num(pixels, nan=AIR_HU), 0.7 / step_mm) > DENSE_HU
    centres = [
        (x, y)
        for y, x in np.argwhere(peaks)
        if BLOB_MM[0] <= _diameter(dense, (x, y), reach) * step_mm <= BLOB_MM[1]
    ]
    return np.asarray(centres, dtype=np.int64).reshape(-1, 2)


def _diameter(dense: BoolImage, centre: tuple[int, int], reach: int) -> float:
    """Of a disk as large as the dense object at ``centre``, in pixels.

    Infinite where it leaves the window (a wall, not a blob).
    """
    x, y = centre
    labels, _ = label(dense[y - reach : y + reach + 1, x - reach : x + reach + 1])
    own = labels == labels[reach, reach]
    if not labels[reach, reach]:
        return 0.0
    leaves = own[0].any() or own[-1].any() or own[:, 0].any() or own[:, -1].any()
    return float("inf") if leaves else float(2.0 * np.sqrt(own.sum() / np.pi))


def spread(centres: Centres, number: int, apart_px: float) -> Centres:
    """The first ``number`` of ``centres`` that lie ``apart_px`` from all that were taken before."""
    result: list[NDArray[np.int64]] = []
    for centre in centres:
        if len(result) == number:
            break
        if all(np.hypot(*(centre - other)) >= apart_px for other in result):
            result.append(centre)
    return np.asarray(result, dtype=np.int64).reshape(-1, 2)


def _step_mm(canvas: Canvas) -> float:
    if canvas.spacing_mm is None:
        raise UsageError(
            "Places for nodules are sought in millimetres and the canvas has no `spacing_mm`; "
            "fill it from the series."
        )
    return canvas.spacing_mm[1]
