"""The learning rate over a training run: a warm-up, then a cosine."""

from __future__ import annotations

import math

WARM_UP_STEPS = 200
"""Steps over which the learning rate rises; the spread is far off at first, and its gradients
large."""

FINAL_SHARE = 0.01
"""Learning rate at the end, as a share of the highest."""


def rate_at(step: int, share: float, highest: float) -> float:
    """Learning rate of a step.

    Args:
        step: From 1.
        share: Of the run that is over, by steps or by time, 0 to 1.
        highest: Rate after the warm-up.
    """
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    return highest * min(1.0, step / WARM_UP_STEPS) * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)
