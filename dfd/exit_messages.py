"""How a run ended, in one line for people.

The same for the command's last words and for run.log.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

from dfd.errors import DfdError


class TerminationError(BaseException):
    """SIGTERM arrived.

    Not an Exception, so that nothing on the way takes it for a failure; ``finally`` clauses of
    writers run.
    """


def line_of(error: BaseException) -> str:
    """The line for people.

    MONAI wraps what its parts raise, so the chain of causes is searched for an error of ours.
    """
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, KeyboardInterrupt):
            return "interrupted; what was written so far is valid"
        if isinstance(cause, TerminationError):
            return "terminated; what was written so far is valid"
        if isinstance(cause, DfdError):
            return f"error: {_sentence(cause)}"
    for cause in chain:
        if isinstance(cause, MemoryError):
            return (
                "error: the memory of this machine ran out; use fewer workers (in training also a "
                "smaller batch) and run again"
            )
        if is_disk_full(cause):
            return "error: the disk is full; make room and run again"
    return (
        f"error: a fault of this program ({_place(chain[-1])}); run again with DFD_DEBUG=1 and "
        "report what it prints"
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what caused it, what caused that."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def is_disk_full(error: BaseException) -> bool:
    """Whether an error of the system says that the disk, or this user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def _sentence(error: DfdError) -> str:
    """The message, with single blanks."""
    return " ".join(str(error).split())


def _place(error: BaseException) -> str:
    """Kind of the error and the line of ours it came through last.

    Its message may hold data of a patient and is kept for the traceback.
    """
    ours = Path(__file__).resolve().parent
    place, trace = "", error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(ours):
            place = f" in {file.relative_to(ours.parent)}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return type(error).__name__ + place
