"""What an attack edits, and the one way in which the edit comes back into the slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from dfd.records import BoolImage, FloatImage

FEATHER_PX = 3.0
"""Width over which a feathered edit fades in, inwards from the edge of the mask."""


@dataclass(frozen=True)
class Canvas:
    """A slice and what an attacker with the same network knows of it.

    All ``[H, W]``, in HU or stored units.
    """

    pixels: FloatImage
    """NaN where there is no measurement."""
    mean: FloatImage
    """Leave-one-out prediction; the local residual is ``pixels - mean``."""
    hole: FloatImage
    """Prediction of whole regions while they are hidden, valid inside the masks."""
    stack: NDArray[np.float32] | None = None
    """``[S, H, W]``: neighbouring slices in order of position, evenly spaced, ``pixels`` among
    them. NaN where there is no measurement."""
    index: int = 0
    """Which slice of ``stack`` is ``pixels``."""
    spacing_mm: tuple[float, float, float] | None = None
    """Distance of (slices, rows, columns)."""
    patient: str = ""
    """Whose slice it is: an attack refuses patients that its network was trained on, and a slice
    without a name."""
    modality: str = "ct_lung"


MaskEdit: TypeAlias = Callable[[Canvas, BoolImage, np.random.Generator], FloatImage]

Centre: TypeAlias = tuple[float, float]
"""(x, y) in pixels."""
SiteEdit: TypeAlias = Callable[[Canvas, Centre, np.random.Generator], FloatImage]
"""An edit around a place, of a size of its own, as of attackers who want a lesion there;
what it edited is what has changed."""


def paste(pixels: FloatImage, changed: FloatImage, mask: BoolImage) -> FloatImage:
    """``pixels`` with the values of ``changed`` inside ``mask``, as whole numbers.

    They are cut to the range of the slice. What held no measurement still holds none.

    What held no measurement still holds none.
    """
    inside = mask & np.isfinite(pixels) & np.isfinite(changed)
    result = pixels.copy()
    result[inside] = np.clip(np.rint(changed[inside]), np.nanmin(pixels), np.nanmax(pixels))
    return result


def weights(mask: BoolImage, feather_px: float) -> FloatImage:
    """``[H, W]`` share of the edit: 0 outside, rising to 1 over ``feather_px`` inside the mask."""
    if feather_px <= 0:
        return mask.astype(np.float32)
    depth = np.asarray(distance_transform_edt(mask))
    return np.clip(depth / (feather_px + 1.0), 0.0, 1.0).astype(np.float32)


def blended(
    pixels: FloatImage, changed: FloatImage, mask: BoolImage, feather_px: float
) -> FloatImage:
    """``changed`` faded into ``pixels``, pasted back."""
    share = weights(mask, feather_px)
    return paste(pixels, np.asarray(share * changed + (1 - share) * pixels, dtype=np.float32), mask)


def residual_scale(canvas: Canvas, mask: BoolImage) -> float:
    """Root mean square of the residual inside ``mask``.

    This is the noise that the neighbours do not predict.
    """
    residual = (canvas.pixels - canvas.mean)[mask & np.isfinite(canvas.pixels)]
    return float(np.sqrt(np.mean(residual.astype(np.float64) ** 2))) if residual.size else 0.0


def untouched(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """The null edit: the same way back into the slice with nothing changed."""
    return paste(canvas.pixels, canvas.pixels, mask)
