"""A process that ends itself where a series takes too long, whatever it hangs in."""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from dfd.progress import span

START_S, SLICE_S = 600.0, 60.0
"""Seconds of a series, and of each of its slices: some twenty times what a slow processor needs."""
LAST_WORDS_S = 1.0
"""Seconds to say that the process ends."""
TOO_LONG = "a series takes longer than %s: this process ends; run again to go on"

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_ends: dict[object, float] = {}
"""When each block that runs must have ended: a worker may have several threads."""


def limit_of(slices: int) -> float:
    """Seconds that a series of so many slices may take."""
    return START_S + SLICE_S * slices


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this process where the block takes longer.

    The watch is a thread of C (``faulthandler``): a decoder that keeps Python's lock does not stop
    it, although nothing can be said then.
    """
    block = object()
    words = threading.Timer(seconds, logger.error, [TOO_LONG, span(seconds)])
    words.daemon = True
    words.start()
    with _lock:
        _ends[block] = time.monotonic() + seconds + LAST_WORDS_S
        _watch()
    try:
        yield
    finally:
        words.cancel()
        with _lock:
            del _ends[block]
            _watch()


def _watch() -> None:
    """Wait for the earliest end."""
    faulthandler.cancel_dump_traceback_later()
    if _ends:
        left = max(min(_ends.values()) - time.monotonic(), 0.001)
        faulthandler.dump_traceback_later(left, exit=True, file=_nowhere())


@cache
def _nowhere() -> int:
    """Where the process hung is said to nobody: names of files may stand there."""
    return os.open(os.devnull, os.O_WRONLY)
