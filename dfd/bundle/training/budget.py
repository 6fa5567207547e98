"""How the hours that a training may take are shared among its parts."""

from __future__ import annotations

import time

SHARES = {"predictor": 0.5, "regenerators": 0.05, "head": 0.3, "statistic": 0.15}
"""Of ``max_hours``, for each part; the calibration comes on top."""


def hours_of(part: str, max_hours: float | None) -> float | None:
    """The hours that ``part`` (a key of ``SHARES``) of a training may take; None: no limit.

    ``max_hours``: of the whole training, None for no limit.
    """
    return None if max_hours is None else SHARES[part] * max_hours


class Clock:
    """Says whether the hours of a part are over, from the moment it is made.

    Args:
        max_hours: None: they never are.
    """

    def __init__(self, max_hours: float | None) -> None:
        self.end = None if max_hours is None else time.monotonic() + 3600.0 * max_hours

    @property
    def over(self) -> bool:
        return self.end is not None and time.monotonic() >= self.end
