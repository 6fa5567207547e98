"""What becomes of results on a full disk: numbers first, pictures left out, none half written."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dfd.errors import OutputError
from dfd.exit_messages import causes, is_disk_full

RESERVE = "reserve"
"""File that keeps space for the numbers until it is needed."""
BYTES_PER_ROW, BYTES_PER_RUN = 4096, 64 * 1024
"""Of the reserve: what a row needs in the ledger and twice in scores.csv, and what run.json and
run.log need.
"""
SMALLEST = 16 * 1024
_CHUNK = 1024 * 1024

logger = logging.getLogger(__name__)


class DiskSpace:
    """Keeps space for what must be written, and notes what did not fit.

    Args:
        scratch: folder for the reserve, which need not exist yet.
        rows: how many rows the run has.
        spare: removes what only saves time, before a picture is left out.
    """

    def __init__(self, scratch: Path, rows: int, spare: Callable[[], object]) -> None:
        self.left_out: list[str] = []
        """Files that were not written."""
        self._reserve = scratch / RESERVE
        self._rows, self._spare = rows, spare
        self._telling = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether something did not fit; nothing that can be left out is tried from then on."""
        return bool(self.left_out)

    def reserve(self) -> None:
        """Set space aside, as much as there is."""
        size = BYTES_PER_RUN + BYTES_PER_ROW * self._rows
        while size >= SMALLEST:
            try:
                return _fill(self._reserve, size)
            except OSError:
                size //= 2
        self.release()

    def release(self) -> None:
        """Give the reserve back."""
        with suppress(OSError):
            self._reserve.unlink(missing_ok=True)

    def must(self, write: Callable[[], object]) -> None:
        """Write what is needed, with the help of the reserve.

        Raises:
            OutputError: it cannot be written all the same.
        """
        for make_room in (self.release, self._spare):
            if self._fits(write):
                return
            make_room()
        write()

    def may(self, name: str, write: Callable[[], object]) -> bool:
        """Write what can be left out, and say whether it was written.

        Raises:
            OutputError: it cannot be written for another reason than a full disk.
        """
        if not self.full:
            if self._fits(write):
                return True
            self._spare()
            if self._fits(write):
                return True
        with self._telling:  # pictures are written side by side
            if not self.full:
                message = (
                    "the disk is full: %s and what comes later are left out, to write all numbers"
                )
                logger.warning(message, name)
            self.left_out.append(name)
        self.release()  # now that no picture can take it
        return False

    def _fits(self, write: Callable[[], object]) -> bool:
        try:
            write()
        except OutputError as error:
            if not is_full(error):
                raise
            return False
        return True


def is_full(error: BaseException) -> bool:
    """Whether an error comes from a full disk."""
    return any(map(is_disk_full, causes(error)))


def _fill(path: Path, size: int) -> None:
    """Make a file that takes ``size`` bytes of the disk."""
    try:
        with path.open("wb") as stream:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(stream.fileno(), 0, size)
                return
            for start in range(0, size, _CHUNK):
                stream.write(bytes(min(_CHUNK, size - start)))
    except OSError:
        path.unlink(missing_ok=True)
        raise
