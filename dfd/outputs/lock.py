"""One run at a time in a folder: a lock of the operating system, which ends with its process."""

from __future__ import annotations

import json
import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from dfd.errors import OutputError

LOCK, HOLDER = ".dfd-lock", ".dfd-holder.json"
"""The locked file, and who holds it. A killed process leaves both: they say nothing then."""
PATIENCE_S = 1.0
"""Seconds that a lock is waited for: a run that is about to end may do so."""

logger = logging.getLogger(__name__)

_kept: dict[Path, FolderLock] = {}
"""Locks of this process that no block holds, by real path."""


class FolderLock:
    """The lock of a folder.

    Args:
        folder: existing; two files are made in it and removed again.
        remedy: what to do where another process holds it, the end of a sentence.
    """

    def __init__(self, folder: Path, remedy: str) -> None:
        self.folder, self.remedy = folder, remedy
        # Not a singleton: a second run of this very process is refused like any other.
        self._lock = FileLock(str(folder / LOCK))

    def acquire(self) -> None:
        """Take the lock; on a file system without locks a warning is all.

        Raises:
            OutputError: another run holds it.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the library falls back on another kind
                self._lock.acquire(timeout=PATIENCE_S, poll_interval=0.05)
        except Timeout:
            raise OutputError(
                f"{self.folder} is in use by another run{_holder(self.folder)}; {self.remedy}"
            ) from None
        except (OSError, NotImplementedError):
            logger.warning(
                "%s lies where files cannot be locked: do not let a second run write there",
                self.folder,
            )
            return
        _sign(self.folder)

    def release(self) -> None:
        """Give the lock up; without it nothing happens."""
        if not self._lock.is_locked:
            return
        with suppress(OSError):
            (self.folder / HOLDER).unlink(missing_ok=True)
        # While it is still held: whoever waits for a file that is gone opens it anew.
        with suppress(OSError):
            (self.folder / LOCK).unlink(missing_ok=True)
        with suppress(OSError):
            self._lock.release()


@contextmanager
def held(folder: Path, remedy: str) -> Iterator[None]:
    """Hold the lock of a folder while the block runs.

    Raises:
        OutputError: another run holds it.
    """
    lock = FolderLock(folder, remedy)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def keep(folder: Path, remedy: str) -> None:
    """Hold the lock of a folder until :func:`let_go` or the end of this process.

    Doing it twice changes nothing.

    Raises:
        OutputError: another process holds it.
    """
    place = folder.resolve()
    if place not in _kept:
        lock = FolderLock(folder, remedy)
        lock.acquire()
        _kept[place] = lock


def let_go(folder: Path) -> None:
    """Give up what :func:`keep` holds; without it nothing happens."""
    lock = _kept.pop(folder.resolve(), None)
    if lock is not None:
        lock.release()


def _sign(folder: Path) -> None:
    """Say who holds the lock."""
    # Not written like a result: it is of use while this process lives; a full disk is seen later.
    since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
    holder = {"since": since, "process": os.getpid(), "host": socket.gethostname()}
    with suppress(OSError):
        (folder / HOLDER).write_text(json.dumps(holder), encoding="utf-8")


def _holder(folder: Path) -> str:
    try:
        holder = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f" since {holder['since']} (process {holder['process']} on {holder['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
