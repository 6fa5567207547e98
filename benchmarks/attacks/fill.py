"""AI edit of the plainest kind.

The region is replaced by what an inpainting network expects there.
"""

from __future__ import annotations

import numpy as np

from benchmarks.attacks.canvas import FEATHER_PX, Canvas, blended, residual_scale
from dfd.records import BoolImage, FloatImage


def filled(
    canvas: Canvas, mask: BoolImage, rng: np.random.Generator, *, strength: float = 0.0
) -> FloatImage:
    """The network's own prediction of the hole, faded in.

    White noise of ``strength`` times the local residual is added.
    """
    grain = rng.normal(0.0, 1.0, canvas.pixels.shape) * strength * residual_scale(canvas, mask)
    return blended(canvas.pixels, (canvas.hole + grain).astype(np.float32), mask, FEATHER_PX)
