"""Simple manipulations of a disk in a slice, for the demonstration only.

Each takes and gives ``[H, W]`` whole HU and changes nothing outside its disk, not by one unit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dfd.intensity import MAD_TO_SD
from dfd.phantom.ct import HU_RANGE
from dfd.records import BoolImage, FloatImage, Region

NOISE_OVER_LOCAL = 0.8
"""RMS of added noise over the noise that is there."""
FEATHER_PX = 2.5
SMOOTH_OVER_RADIUS = 0.5
"""Width of the Gauss filter of a smooth fill over the radius of its disk."""
HIGH_PASS_PX = 4.0


def disk(shape: tuple[int, ...], region: Region) -> BoolImage:
    """``[H, W]``, True where a pixel's centre lies in the region."""
    return _distance(shape, region) <= region.radius_px


def feather(shape: tuple[int, ...], region: Region) -> FloatImage:
    """Weights ``[H, W]``: 0 outside the disk, rising to 1 over ``FEATHER_PX`` inside its edge."""
    depth = np.clip((region.radius_px - _distance(shape, region)) / FEATHER_PX, 0.0, 1.0)
    return (depth**2 * (3.0 - 2.0 * depth)).astype(np.float32)


def paste(image: FloatImage, edit: FloatImage, weight: FloatImage) -> FloatImage:
    """Blend ``edit`` into whole numbers and round to whole numbers.

    Where ``weight`` is 0 nothing changes.
    """
    blended = np.rint(image + weight * (edit - image)).astype(np.float32)
    return np.where(weight > 0.0, blended, image)


def local_noise(image: FloatImage, region: Region) -> float:
    """Robust standard deviation of the fine detail in a region, in the unit of the image."""
    detail = (image - ndimage.gaussian_filter(image, HIGH_PASS_PX))[disk(image.shape, region)]
    return float(MAD_TO_SD * np.median(np.abs(detail - np.median(detail))))


def add_noise(rng: np.random.Generator, image: FloatImage, region: Region) -> FloatImage:
    """Add white noise to a disk.

    Like an adversarial perturbation that pays no heed to how noise looks here.
    """
    noise = rng.normal(
        scale=NOISE_OVER_LOCAL * local_noise(image, region), size=image.shape
    ).astype(np.float32)
    return paste(
        image, np.clip(image + noise, *HU_RANGE), disk(image.shape, region).astype(np.float32)
    )


def copy_move(image: FloatImage, region: Region, source: Region) -> FloatImage:
    """Copy the disk at ``source`` onto ``region`` with a feathered edge.

    The two centres are moved apart by whole pixels, so that the copy is exact where the weight is
    1.
    """
    shift = (round(region.y - source.y), round(region.x - source.x))
    return paste(image, np.roll(image, shift, axis=(0, 1)), feather(image.shape, region))


def smooth_fill(image: FloatImage, region: Region) -> FloatImage:
    """Replace a disk by what a wide Gauss filter makes of it.

    Like a generator that leaves the noise out.
    """
    return paste(
        image,
        ndimage.gaussian_filter(image, SMOOTH_OVER_RADIUS * region.radius_px),
        feather(image.shape, region),
    )


def _distance(shape: tuple[int, ...], region: Region) -> NDArray[np.float64]:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(y - region.y, x - region.x)
