"""Images as addresses that stand in the page itself."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dfd.outputs import panels, screening_map
from dfd.outputs.panels import Box, GreyImage, RgbImage
from dfd.records import FloatImage, Slice

LARGEST_CROP = 160
"""Pixels; a wider crop is reduced to so many, and the page says so."""

LARGEST_SLICE = 512

_QUALITY = 82
"""JPEG quality of whole slices, which are there for finding one's way; crops are lossless."""

_LEVELS = 255
"""Steps of a map's colours; the last place of a palette is for what was not assessed."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as a ``data:`` address, and the part of the slice it shows.

    In pixels of the slice.
    """

    address: str
    left: int
    top: int
    width: int
    height: int
    reduced: bool = False


def whole_slice(scan: Slice, grey: GreyImage) -> Picture:
    """A slice in its usual window; reduced where it is large."""
    height, width = scan.pixels.shape
    stream = io.BytesIO()
    _within(Image.fromarray(grey), LARGEST_SLICE).save(stream, "JPEG", quality=_QUALITY)
    return Picture(_address("jpeg", stream), 0, 0, width, height)


def legend(table: RgbImage) -> str:
    """A colour scale, one pixel high."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(table[None])).save(stream, "PNG")
    return _address("png", stream)


def legends() -> dict[str, str]:
    """Both scales of the maps."""
    return {
        "residual": legend(panels.lookup_table()),
        "rarity": legend(screening_map.lookup_table()),
    }


def grey_picture(pixels: FloatImage, box: Box, window: tuple[float, float]) -> Picture:
    """A part of a slice, seen through a window."""
    low, high = window
    level = np.clip(
        (np.nan_to_num(pixels, nan=low, posinf=high, neginf=low) - low) / (high - low), 0.0, 1.0
    )
    return _png(Image.fromarray(np.round(level * 255.0).astype(np.uint8)), box)


def residual_levels(octaves: FloatImage) -> NDArray[np.float64]:
    """Where residuals lie on their colour scale, 0 to 1."""
    return (octaves.astype(np.float64) / panels.OCTAVES + 1.0) / 2.0


def rarity_levels(values: FloatImage) -> NDArray[np.float64]:
    """Where -log10 p lies on its colour scale, 0 to 1."""
    return values.astype(np.float64) / screening_map.LARGEST


def map_picture(
    level: NDArray[np.float64], table: RgbImage, box: Box, largest: int = LARGEST_CROP
) -> Picture:
    """A map whose ``level`` is 0 to 1 along ``table``, NaN where nothing was assessed."""
    known = np.isfinite(level)
    places = np.where(
        known, np.round(np.clip(np.where(known, level, 0.0), 0.0, 1.0) * (_LEVELS - 1)), _LEVELS
    ).astype(np.uint8)
    image = Image.fromarray(places)
    palette = table[np.round(np.linspace(0, len(table) - 1, _LEVELS)).astype(int)]
    image.putpalette([*palette.ravel().tolist(), *panels.NOT_ASSESSED])
    return _png(image, box, largest)


def _png(image: Image.Image, box: Box, largest: int = LARGEST_CROP) -> Picture:
    kept = _within(image, largest)
    stream = io.BytesIO()
    kept.save(stream, "PNG")
    rows, columns = box
    return Picture(
        _address("png", stream),
        columns.start,
        rows.start,
        columns.stop - columns.start,
        rows.stop - rows.start,
        kept is not image,
    )


def _within(image: Image.Image, largest: int) -> Image.Image:
    """The image itself, or a reduced one where a side is longer than ``largest``.

    Colours of a palette are never mixed.
    """
    ratio = largest / max(image.size)
    if ratio >= 1.0:
        return image
    size = tuple(max(1, math.floor(side * ratio)) for side in image.size)
    return image.resize(
        (size[0], size[1]), Image.Resampling.NEAREST if image.mode == "P" else Image.Resampling.BOX
    )


def _address(kind: str, stream: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
