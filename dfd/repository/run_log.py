"""``run.log`` of a screening: one JSON object a line, appended while it goes on.

No path, no UID and nothing of a patient stands in it: series have their digest, or a local name.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

NAME = "run.log"

logger = logging.getLogger(__name__)


class Event(StrEnum):
    """What a line of the log says."""

    RUN_BEGUN = "run begun"
    """``status``: how many series are to be screened."""
    RUN_ENDED = "run ended"
    """``status``: ``finished`` or the kind of the error; ``seconds``: of the run."""
    BEGUN = "series begun"
    ENDED = "series ended"
    WORKER_ENDED = "worker ended"
    """While it screened ``series``, after so many ``seconds``."""
    WORKER_RESTARTED = "worker restarted"
    """Since its memory had grown."""


class RunLog:
    """Appends to ``run.log``. Threads may share it.

    Args:
        folder: where it lies.
        names: what stands for a series; its digest where it is missing.
    """

    def __init__(self, folder: Path, names: Mapping[str, str] | None = None) -> None:
        self._path = folder / NAME
        self._names = names or {}
        self._lock = threading.Lock()
        self._works = True

    def write(
        self,
        event: Event,
        *,
        series: str = "",
        status: str = "",
        seconds: float | None = None,
        worker: str = "",
    ) -> None:
        """Append a line. Where that fails, the run goes on: parts are the ledger, not this."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": str(event),
            "series": self._names.get(series, series) or None,
            "status": status or None,
            "seconds": None if seconds is None else round(seconds, 3),
            "worker": worker or None,
        }
        try:
            # Opened for each line: one write to the end of the file, also beside another process.
            with self._lock, self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
        except OSError as error:
            if self._works:
                logger.warning("%s cannot be written (%s)", self._path, error.strerror)
            self._works = False
