"""From an exception to one line and an exit code, and from SIGTERM to an exception."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from dfd.errors import DfdError, InterruptedRunError

FINISHED = 0
BUG = 1
USAGE = 2
ROWS_MISSING = 3
STOPPED = 4
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


class TerminationError(BaseException):
    """SIGTERM arrived. Not an Exception, so that nothing on the way takes it for a failure; ``finally`` clauses of writers run."""


@contextmanager
def terminable() -> Iterator[None]:
    """Turn the first SIGTERM into :class:`TerminationError` while the block runs; later ones do not disturb the writers that finish."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    raise_on_sigterm()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def raise_on_sigterm() -> None:
    """Let the first SIGTERM raise :class:`TerminationError` in the main thread, which must be the caller."""
    owner = os.getpid()

    def raise_once(number: int, _: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked reader process: it has nothing to finish
            os._exit(128 + number)
        signal.signal(number, signal.SIG_IGN)
        raise TerminationError

    signal.signal(signal.SIGTERM, raise_once)


def verdict_of(error: BaseException) -> tuple[int, str]:
    """Exit code and the line for people. MONAI wraps what its parts raise, so the chain of causes is searched for an error of ours."""
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, KeyboardInterrupt):
            return INTERRUPTED, "interrupted; what was written so far is valid"
        if isinstance(cause, TerminationError):
            return TERMINATED, "terminated; what was written so far is valid"
        if isinstance(cause, DfdError):
            return (STOPPED if isinstance(cause, InterruptedRunError) or any(map(_is_disk_full, chain)) else USAGE), f"error: {_sentence(cause)}"
    for cause in chain:
        if isinstance(cause, MemoryError):
            return STOPPED, "error: the memory of this machine ran out; use fewer workers or a smaller batch and run again"
        if _is_disk_full(cause):
            return STOPPED, "error: the disk is full; make room and run again"
    return BUG, f"error: a fault of this program ({_place(chain[-1])}); run again with DFD_DEBUG=1 and report what it prints"


def _is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _sentence(error: DfdError) -> str:
    """The message on one line. A reader process of torch hands its whole traceback over, whose last line is the message."""
    text = str(error).strip()
    if text.startswith("Caught ") and "Original Traceback" in text:
        text = text.splitlines()[-1].partition(": ")[2]
    return " ".join(text.split())


def _place(error: BaseException) -> str:
    """Kind of the error and the line of ours it came through last. Its message may hold data of a patient and is kept for the traceback."""
    ours = Path(__file__).resolve().parent.parent
    place, trace = "", error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(ours):
            place = f" in {file.relative_to(ours.parent)}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return type(error).__name__ + place
