"""The windows that two-dimensional networks of attacks see, and the units of these networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.canvas import Canvas
from dfd.intensity import brightness_scale, measured_pixels
from dfd.modalities import MODALITIES
from dfd.records import BoolImage, FloatImage

CT_UNIT_HU = 500.0
AIR_HU = -1000.0
LEAST_PX = 64
"""Side of a window, and what the networks were trained on."""
STEP_PX = 16
"""Larger windows are multiples of this, so that every network can halve them."""
ROOM_PX = 16
"""Surroundings that a window shows on each side of the mask."""


def shown(pixels: FloatImage, modality: str) -> tuple[FloatImage, float]:
    """``pixels`` ``[H.

    W]`` without gaps in units of 500 HU (CT) or of the slice's brightness scale (MR), and that
    unit.
    """
    relative = MODALITIES[modality].relative
    unit = (
        brightness_scale(pixels, measured_pixels(pixels, MODALITIES[modality]))
        if relative
        else CT_UNIT_HU
    )
    ground = 0.0 if relative else AIR_HU
    filled = np.nan_to_num(pixels, nan=ground)
    return (np.maximum(filled, ground) / unit).astype(np.float32), unit


@dataclass(frozen=True)
class Window:
    """A square around a mask.

    It may reach beyond the slice, whose outermost pixels are repeated there.
    """

    top: int
    left: int
    side: int

    @classmethod
    def around(cls, mask: BoolImage) -> Window:
        """The smallest window with ``ROOM_PX`` around ``mask`` (``[H, W]``, not empty)."""
        rows, columns = np.nonzero(mask)
        extent = max(int(np.ptp(rows)), int(np.ptp(columns))) + 1 + 2 * ROOM_PX
        side = max(LEAST_PX, -(-extent // STEP_PX) * STEP_PX)
        top, left = (
            (int(along.min()) + int(along.max()) + 1 - side) // 2 for along in (rows, columns)
        )
        return cls(top, left, side)

    def cut(self, image: FloatImage | BoolImage) -> FloatImage:
        """``[side, side]`` of ``image`` (``[H, W]``)."""
        rows, columns = (
            np.clip(places, 0, have - 1)
            for places, have in zip(self._places(), image.shape, strict=True)
        )
        return np.asarray(image[np.ix_(rows, columns)], dtype=np.float32)

    def put(self, image: FloatImage, values: FloatImage) -> FloatImage:
        """A copy of ``image`` with ``values`` in the window, as far as it lies within."""
        (rows, of_rows), (columns, of_columns) = (
            (places[within], np.flatnonzero(within))
            for places, have in zip(self._places(), image.shape, strict=True)
            for within in [(places >= 0) & (places < have)]
        )
        result = image.copy()
        result[np.ix_(rows, columns)] = values[np.ix_(of_rows, of_columns)]
        return result

    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the window."""
        return np.arange(self.top, self.top + self.side), np.arange(
            self.left, self.left + self.side
        )

    def mask(self, mask: BoolImage) -> FloatImage:
        """``[side, side]`` of ``mask``, 0 beyond the slice."""
        rows, columns = self._places()
        within = ((rows >= 0) & (rows < mask.shape[0]))[:, None] & (
            (columns >= 0) & (columns < mask.shape[1])
        )[None]
        return np.where(within, self.cut(mask), 0.0).astype(np.float32)


def looked_at(canvas: Canvas, mask: BoolImage) -> tuple[Window, FloatImage, FloatImage, float]:
    """The window around ``mask``, its pixels and mask ``[side, side]``, and the unit.

    Pixels are in units of the networks.
    """
    window = Window.around(mask)
    image, unit = shown(canvas.pixels, canvas.modality)
    return window, window.cut(image), window.mask(mask), unit
