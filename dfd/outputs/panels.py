"""Pixels of the pictures: windowed slice, residual map and its colours, outlines and crops.

Images are uint8, ``[H, W, 3]`` or grey ``[H, W]``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dfd.modalities import Modality
from dfd.records import BoolImage, FloatImage, Prediction, Region, Slice

RgbImage = NDArray[np.uint8]
GreyImage = NDArray[np.uint8]
Box = tuple[slice, slice]
"""Rows and columns of a slice."""

BOX_PX = 5
"""Side of the box that averages residual energy, applied twice: as wide (variance) as one box of 7
pixels, without its square marks. Ours."""
OCTAVES = 3.0
"""Ends of the colour scale: 1/8 and 8 times the median of the slice."""
PERCENTILES = (1.0, 99.0)

BACKGROUND = (16, 16, 18)
OUTSIDE = (34, 34, 40)
"""Beyond the border of the slice."""
NOT_ASSESSED = (84, 84, 88)

# Blue - white - orange: told apart with any colour vision, even lightness steps to both sides of
# white.
_STOPS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
_COLOURS = np.array(
    [(8, 64, 150), (92, 165, 224), (244, 244, 242), (250, 160, 60), (166, 62, 0)], dtype=np.float64
)


@dataclass(frozen=True, slots=True)
class View:
    """A square panel: the part of a slice it shows and its size.

    Pixel centres are at whole numbers.
    """

    left: float
    top: float
    side: float
    """Extent in slice pixels."""
    size: int
    """Extent in picture pixels."""

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Slice position -> position in the panel."""
        return (x + 0.5 - self.left) * self.scale - 0.5, (y + 0.5 - self.top) * self.scale - 0.5

    @property
    def scale(self) -> float:
        """Picture pixels per slice pixel."""
        return self.size / self.side


def whole_view(shape: tuple[int, int], size: int) -> View:
    """The whole slice, centred in a square panel."""
    rows, columns = shape
    side = max(rows, columns)
    return View(left=(columns - side) / 2, top=(rows - side) / 2, side=side, size=size)


def region_view(region: Region, factor: float, shape: tuple[int, int], size: int) -> View:
    """The surroundings of a region.

    ``factor`` radii to each side, whole pixels, no wider than needed to show the whole slice.
    """
    half = min(max(round(factor * region.radius_px), 8), max(shape))
    return View(
        left=round(region.x) - half, top=round(region.y) - half, side=2 * half + 1, size=size
    )


def display_window(
    scan: Slice, modality: Modality, within: BoolImage | None = None
) -> tuple[float, float]:
    """(low, high) in the unit of the slice.

    The window of the modality, else 1st to 99th percentile of the measured pixels.

    ``within``, ``[H, W]``, asks for the percentiles of the pixels where it is True instead.
    """
    if within is None and modality.window is not None:
        return modality.window
    chosen = scan.valid & np.isfinite(scan.pixels)
    chosen = chosen if within is None else chosen & within
    if not chosen.any():
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(scan.pixels[chosen], PERCENTILES))
    return (low, high) if high > low else (low - 1.0, low + 1.0)


def grey_image(scan: Slice, window: tuple[float, float]) -> GreyImage:
    """The slice in a window; what is no measurement is black."""
    low, high = window
    level = np.clip(
        (np.nan_to_num(scan.pixels, nan=low, posinf=high, neginf=low) - low) / (high - low),
        0.0,
        1.0,
    )
    return np.where(scan.valid, np.round(level * 255.0), 0.0).astype(np.uint8)


def residual_octaves(prediction: Prediction) -> FloatImage:
    """Local residual energy against that of the whole slice, ``[H, W]``, in octaves (log2).

    0 = median, +1 = twice, -1 = half.

    Energy is the mean of z^2 over the assessed pixels around each pixel, weighted by two passes of
    a box of ``BOX_PX``; NaN where not assessed.
    """
    assessed = prediction.assessed & np.isfinite(prediction.z)
    square = np.where(assessed, np.square(prediction.z, dtype=np.float64), 0.0)
    energy = _box_sum(_box_sum(square)) / np.maximum(
        _box_sum(_box_sum(assessed.astype(np.float64))), 1.0
    )
    octaves = np.full(assessed.shape, np.nan, dtype=np.float32)
    if assessed.any():
        tiny = np.finfo(np.float32).tiny
        median = max(float(np.median(energy[assessed])), tiny)
        octaves[assessed] = np.log2(np.maximum(energy[assessed], tiny) / median)
    return octaves


def residual_colours(octaves: FloatImage) -> RgbImage:
    """Octaves -> blue (less), white (as the slice), orange (more), clipped at ``OCTAVES``.

    Grey where NaN.
    """
    known = np.isfinite(octaves)
    level = np.clip(np.where(known, octaves, 0.0) / OCTAVES, -1.0, 1.0)
    image = lookup_table()[np.round((level + 1.0) * 127.5).astype(np.uint8)]
    image[~known] = NOT_ASSESSED
    return image


def lookup_table() -> RgbImage:
    """The colours of the residual map, ``[256, 3]``, from less to more."""
    level = np.linspace(-1.0, 1.0, 256)
    return np.stack(
        [np.round(np.interp(level, _STOPS, channel)) for channel in _COLOURS.T], axis=1
    ).astype(np.uint8)


def box_of(view: View, shape: tuple[int, ...]) -> Box:
    """The pixels of an image of ``shape`` that a view shows.

    Empty where it lies beside the image.
    """
    side = round(view.side)
    top, left = int(np.floor(view.top)), int(np.floor(view.left))
    (from_row, to_row), (from_column, to_column) = (
        np.clip((at, at + side), 0, size).tolist()
        for at, size in zip((top, left), shape, strict=True)
    )
    return slice(from_row, to_row), slice(from_column, to_column)


def near(scan: Slice, view: View) -> tuple[Slice, View, Box]:
    """The part of a slice that ``view`` shows, the same view of that part, and where it lies.

    What is asked of it costs no more than the panel.
    """
    box = box_of(view, scan.pixels.shape)
    part = replace(scan, pixels=scan.pixels[box], valid=scan.valid[box])
    return part, replace(view, left=view.left - box[1].start, top=view.top - box[0].start), box


def cut(image: GreyImage | RgbImage, view: View) -> RgbImage:
    """The part of ``image`` that ``view`` asks for, at its size."""
    box = box_of(view, image.shape[:2])
    side, part = round(view.side), image[box]
    if part.shape[:2] != (side, side):
        top, left = box[0].start - int(np.floor(view.top)), box[1].start - int(np.floor(view.left))
        inside, part = part, np.tile(np.array(OUTSIDE, dtype=np.uint8), (side, side, 1))
        part[top : top + inside.shape[0], left : left + inside.shape[1]] = (
            inside if inside.ndim == 3 else inside[:, :, None]
        )
    shown = Image.fromarray(np.ascontiguousarray(part))
    # Resized before it gets its three equal colours: the same pixels in a third of the time.
    return np.asarray(shown.resize((view.size, view.size), Image.Resampling.BICUBIC).convert("RGB"))


def disk(box: Box, region: Region, factor: float) -> BoolImage:
    """``[H, W]`` of the box, True within ``factor`` radii of the centre of the region."""
    rows, columns = np.ogrid[box]
    distance = (columns - region.x) ** 2 + (rows - region.y) ** 2
    return np.asarray(distance <= (factor * region.radius_px) ** 2)


def _box_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the box around every pixel, with nothing beyond the border; ``[H, W]``."""
    half = BOX_PX // 2
    for axis in (0, 1):
        size = values.shape[axis]
        total = np.concatenate(
            [np.zeros_like(values.take([0], axis)), np.cumsum(values, axis=axis)], axis=axis
        )
        index = np.arange(size)
        values = total.take(np.minimum(index + half + 1, size), axis) - total.take(
            np.maximum(index - half, 0), axis
        )
    return np.maximum(values, 0.0)
