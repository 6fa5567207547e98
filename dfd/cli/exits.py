"""From an exception to one line and an exit code, and from SIGTERM to an exception."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import FrameType

from dfd.errors import DfdError, InterruptedRunError
from dfd.exit_messages import TerminationError, causes, is_disk_full, line_of

FINISHED = 0
BUG = 1
USAGE = 2
ROWS_MISSING = 3
STOPPED = 4
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM

_SIGNALS: dict[type[BaseException], signal.Signals] = {
    TerminationError: signal.SIGTERM,
    KeyboardInterrupt: signal.SIGINT,
}
"""Errors that a signal raised, and which."""
_AGAIN_S = 0.1


@contextmanager
def terminable() -> Iterator[None]:
    """Turn the first SIGTERM into :class:`TerminationError` while the block runs.

    Later ones do not disturb the writers that finish.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, hook = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    raise_on_sigterm()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        sys.unraisablehook = hook


def raise_on_sigterm() -> None:
    """Let the first SIGTERM raise :class:`TerminationError` in the main thread.

    Which must be the caller. A parent that started the program with SIGTERM blocked does not keep
    it from ending. Where Python drops the error, as it does with all errors of ``__del__`` (where a
    loader waits for its reader processes), the signal is sent again.
    """
    owner = os.getpid()

    def raise_once(number: int, _: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked reader process: it has nothing to finish
            os._exit(128 + number)
        if _fork.under_way:  # the error would be dropped, and keep a lock of logging held
            _fork.came_in.append(signal.Signals(number))
            return
        signal.signal(number, signal.SIG_IGN)
        raise TerminationError

    def send_again(dropped: sys.UnraisableHookArgs) -> None:
        number = _SIGNALS.get(dropped.exc_type)
        if number is None:
            hook(dropped)
            return
        if number == signal.SIGTERM:
            signal.signal(number, raise_once)
        _send_soon(number)

    _watch_forks()
    hook = sys.unraisablehook
    sys.unraisablehook = send_again
    signal.signal(signal.SIGTERM, raise_once)
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


@dataclass
class _Fork:
    """Whether this process is being forked, which the hooks of ``os.register_at_fork`` say."""

    under_way: bool = False
    came_in: list[signal.Signals] = field(default_factory=list)
    """Signals that arrived meanwhile."""

    def begin(self) -> None:
        """Before the hooks of others."""
        self.under_way = True

    def end(self) -> None:
        """After those of others."""
        self.under_way = False
        while self.came_in:
            _send_soon(self.came_in.pop())

    def reset(self) -> None:
        """In the child."""
        self.under_way = False
        self.came_in.clear()


_fork = _Fork()


@cache
def _watch_forks() -> None:
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(
            before=_fork.begin, after_in_parent=_fork.end, after_in_child=_fork.reset
        )


def _send_soon(number: signal.Signals) -> None:
    """Send a signal to the main thread again.

    Not at once: its error would be dropped by the same call.
    """
    again = threading.Timer(_AGAIN_S, _send, [number])
    again.daemon = True
    again.start()


def _send(number: signal.Signals) -> None:
    if hasattr(signal, "pthread_kill"):  # not on Windows; the main thread may be waiting
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


def verdict_of(error: BaseException) -> tuple[int, str]:
    """Exit code and the line for people."""
    return _code_of(error), line_of(error)


def _code_of(error: BaseException) -> int:
    chain = list(causes(error))
    full = any(map(is_disk_full, chain))
    for cause in chain:
        if isinstance(cause, KeyboardInterrupt):
            return INTERRUPTED
        if isinstance(cause, TerminationError):
            return TERMINATED
        if isinstance(cause, DfdError):
            return STOPPED if isinstance(cause, InterruptedRunError) or full else USAGE
    return STOPPED if full or any(isinstance(cause, MemoryError) for cause in chain) else BUG
