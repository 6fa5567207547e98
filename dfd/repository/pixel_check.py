"""Two slices whose fingerprints are near: does their noise agree, pixel by pixel?"""

from __future__ import annotations

import numpy as np

from dfd.records import FloatImage
from dfd.repository.fingerprint import (
    FILTER_PX,
    filled_pixels,
    measure_fingerprint,
    noise_residual,
    turned,
)

REACH_PX = 64
"""Distance from the anchor up to which noise is compared, along rows and columns: it holds four
times the pixels of the fingerprint, in tissue of similar noise."""


def residual_correlation(first: FloatImage, second: FloatImage, turn: int) -> float | None:
    """Correlation of the noise of two slices around their anchors, -1 to 1.

    1 for the same pixels; what copies and other slices have is measured in
    benchmarks/results/duplicate_slices.md.

    Args:
        first: ``[H, W]`` in any unit, NaN where there is no measurement.
        second: The same, of another size maybe.
        turn: What makes the second of the first (``fingerprint.TURNS``).

    Returns:
        None where one of them has no fingerprint any more.
    """
    images = [filled_pixels(turned(first, turn)), filled_pixels(second)]
    anchors = [measure_fingerprint(each).anchor for each in (turned(first, turn), second)]
    if images[0] is None or images[1] is None or anchors[0] is None or anchors[1] is None:
        return None
    shift = np.subtract(anchors[1], anchors[0])
    start = np.maximum(np.maximum(0, -shift), np.subtract(anchors[0], REACH_PX))
    ends = np.minimum(images[0].shape, np.subtract(images[1].shape, shift))
    stop = np.minimum(ends, np.add(anchors[0], REACH_PX))
    one, other = (
        noise_residual(image[a[0] : b[0], a[1] : b[1]])[FILTER_PX:-FILTER_PX, FILTER_PX:-FILTER_PX]
        for image, a, b in ((images[0], start, stop), (images[1], start + shift, stop + shift))
    )
    norm = float(np.sqrt(np.square(one).sum(dtype=float) * np.square(other).sum(dtype=float)))
    return float((one * other).sum(dtype=float)) / norm if norm else None
