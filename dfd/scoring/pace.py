"""How often a file that is written as a whole may be brought up to date."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 3.0
"""Seconds between two writings, at least."""
LARGEST_SHARE = 0.02
"""Share of the time that writing may take: a table of 100 000 rows is written less often than one
of ten.
"""


class Pace:
    """Lets work be done now and then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock() + EVERY_S

    def keep(self, work: Callable[[], object]) -> None:
        """Do the work if its time has come."""
        started = self._clock()
        if started < self._next:
            return
        work()
        ended = self._clock()
        self._next = ended + max(EVERY_S, (ended - started) / LARGEST_SHARE)
