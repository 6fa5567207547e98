"""A number that knows nothing of the slice: what every detector must beat, and a check on the benchmark itself."""

from __future__ import annotations

import numpy as np

from benchmarks.baselines.base import Centre, SliceView

SOURCE = "drawn from the seed and the place"


def prepare(view: SliceView) -> int:
    """The seed."""
    return view.seed


def measure(seed: int, centre: Centre, radius: float) -> float:
    """In [0, 1); the same for the same seed and place."""
    return float(np.random.default_rng([seed, *(abs(at) for at in centre)]).random())
