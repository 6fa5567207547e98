"""Keeps the libraries that read scans from printing what stands in them."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pydicom.config import disable_value_validation

_LOGS = ("pydicom", "nibabel.global")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom and nibabel from warning of odd values and from logging them.

    The texts quote the value, and that may be a patient's identity. The switches are those of the
    process, while slices are read by several threads: the first that comes in turns them off, the
    last that leaves turns them on again.
    """
    _READERS.enter()
    try:
        yield
    finally:
        _READERS.leave()


class _Readers:
    """Counts the threads that read, and keeps what the last of them has to turn on again."""

    def __init__(self) -> None:
        self._inside = 0
        self._switches = ExitStack()
        self._renew_lock()
        os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        """Another thread may hold the lock while the process is forked; the child lacks it."""
        self._lock = threading.Lock()

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._switches = _switched_off()
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._switches.close()


def _switched_off() -> ExitStack:
    """Warnings, checks of values and logs are off until what is returned is closed."""
    with ExitStack() as switches:
        switches.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        switches.enter_context(disable_value_validation())
        for log in (logging.getLogger(name) for name in _LOGS):
            switches.callback(setattr, log, "disabled", log.disabled)
            log.disabled = True
        return switches.pop_all()


_READERS = _Readers()
