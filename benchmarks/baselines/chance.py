"""A number that knows nothing of the slice.

What every detector must beat, and a check on the benchmark itself.
"""

from __future__ import annotations

import zlib

import numpy as np

from benchmarks.baselines.base import Centre, SliceView

SOURCE = "drawn from the seed, the slice and the place"


def prepare(view: SliceView) -> tuple[int, int]:
    """The seed, and a check sum of the slice: an edited slice is drawn for anew."""
    return view.seed, zlib.crc32(np.ascontiguousarray(view.pixels).tobytes())


def measure(prepared: tuple[int, int], centre: Centre, radius: float) -> float:
    """In [0, 1); the same for the same seed, slice and place."""
    return float(np.random.default_rng([*prepared, *(abs(at) for at in centre)]).random())
