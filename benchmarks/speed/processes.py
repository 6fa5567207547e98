"""Commands in processes of their own: their time, their memory, and how many cores they may use."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from dfd.errors import InterruptedRunError

CORES = 2
"""On how many cores everything is measured, so that machines can be compared."""
LOOK_EVERY_S = 0.2


def keep_to_cores() -> None:
    """Binds this process and those that it starts to ``CORES`` cores, where that can be done."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def seconds_of(words: Sequence[str], folder: Path, status: int = 0) -> float:
    """Wall time of a command that is run in ``folder``.

    Raises:
        InterruptedRunError: it ends with another exit status than ``status``.
    """
    started = time.perf_counter()
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if ended.returncode != status:
        raise InterruptedRunError(
            f"'{' '.join(words)}' ended with status {ended.returncode} where {status} was "
            f"expected: {ended.stderr.strip()[-400:]}"
        )
    return seconds


def run_watched(words: Sequence[str], folder: Path) -> tuple[str, float]:
    """Runs a command whose messages are shown, and gives its output and its peak memory in GB.

    The peak is that of the process and its children together; what they share counts once.

    Raises:
        InterruptedRunError: it fails.
    """
    peak = [0.0]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        watcher = threading.Thread(target=_watch, args=(process, peak))
        watcher.start()
        output, _ = process.communicate()
        watcher.join()
    if process.returncode:
        raise InterruptedRunError(
            f"'{' '.join(words)}' ended with status {process.returncode}; its messages are above."
        )
    return output, peak[0] / 1e9


def _watch(process: subprocess.Popen[str], peak: list[float]) -> None:
    """Keeps the largest memory of a process with its children, in bytes, in ``peak``."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        while process.poll() is None:
            peak[0] = max(peak[0], _memory(parent))
            time.sleep(LOOK_EVERY_S)


def _memory(parent: psutil.Process) -> float:
    """Bytes of a process and its children; proportional shares where the system gives them."""
    total = 0.0
    for each in (parent, *parent.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            used = each.memory_full_info()
            total += getattr(used, "pss", used.rss)
    return total
