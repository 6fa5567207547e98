"""Whether a decoded image can be measured at all."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dfd.errors import SeriesError
from dfd.records import BoolImage

_Float = TypeVar("_Float", np.float32, np.float64)


def check_measurable(
    pixels: NDArray[_Float], valid: BoolImage, path: Path
) -> tuple[NDArray[_Float], BoolImage]:
    """Return ``pixels`` and ``valid`` (both ``[H, W]``).

    With pixels that are not finite set to the lowest finite value (they stay not valid).

    A NaN that reached the network would spread over its whole field of view.

    Raises:
        SeriesError: No valid pixel, or all of them have the same value.
    """
    finite = np.isfinite(pixels)
    if not finite.any():
        raise SeriesError(f"{path} holds only NaN or infinite pixels: export it again")
    if not valid.any():
        raise SeriesError(f"{path} holds only padding and no measured pixel: leave it out")
    measured = pixels[valid]
    if measured.min() == measured.max():
        raise SeriesError(
            f"{path} is constant (every pixel is {measured[0]:g}): it holds no image to "
            "assess, so leave it out"
        )
    return (
        pixels
        if finite.all()
        else np.where(finite, pixels, pixels[finite].min()).astype(pixels.dtype)
    ), valid
