"""What Dask runs in each worker process of a cluster of this machine before its first task."""

from __future__ import annotations

import logging
import signal
import threading

from distributed import Worker


def dask_setup(_: Worker) -> None:
    """Leave Ctrl-C, which a terminal sends to all, and words about it to the first process."""
    quieten("distributed")
    quieten("dfd")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def quieten(package: str) -> None:
    """Let a package log nothing but the end of the process."""
    for name in (package, *logging.root.manager.loggerDict):
        if f"{name}.".startswith(f"{package}."):
            logging.getLogger(name).setLevel(logging.CRITICAL)
