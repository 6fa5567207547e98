"""A signal ends a program also where Python drops the error that it raises."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from dfd.cli.exits import terminable
from dfd.exit_messages import TerminationError


class Stopped:
    """A signal arrives while it is deleted, so that the error of the signal is dropped."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


@pytest.fixture
def _ctrl_c_is_heard() -> Iterator[None]:
    """Shells start what runs in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_is_heard")
@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGTERM, TerminationError), (signal.SIGINT, KeyboardInterrupt)],
)
def test_a_signal_that_arrives_while_something_is_deleted_ends_the_work(
    number: signal.Signals, error: type[BaseException]
) -> None:
    hook, handler = sys.unraisablehook, signal.getsignal(signal.SIGTERM)

    def work() -> None:
        Stopped(number)
        time.sleep(20)

    started = time.monotonic()
    with pytest.raises(error), terminable():
        work()
    assert time.monotonic() - started < 10
    assert sys.unraisablehook is hook
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="nothing is forked here")
def test_a_signal_that_arrives_during_a_fork_ends_the_work_and_leaves_no_lock_held() -> None:
    program = """
import os, signal, threading, time
lock = threading.Lock()

def release():
    os.kill(os.getpid(), signal.SIGTERM)
    lock.release()

os.register_at_fork(before=lock.acquire, after_in_parent=release)
from dfd.cli.exits import terminable
from dfd.exit_messages import TerminationError
try:
    with terminable():
        if not os.fork():
            os._exit(0)
        time.sleep(20)
except TerminationError:
    print("ended, the lock is", "held" if lock.locked() else "free")
"""
    started = time.monotonic()
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("ended, the lock is free\n", "")
    assert time.monotonic() - started < 15


class Faulty:
    """Its deletion fails."""

    def __del__(self) -> None:
        raise ValueError("a fault of its own")


def test_other_errors_are_dropped_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda given: dropped.append(given.exc_type))
    with terminable():
        Faulty()
    assert dropped == [ValueError]
