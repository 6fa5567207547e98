"""A signal ends a program also where Python drops the error that it raises."""

from __future__ import annotations

import signal
import sys
import time

import pytest

from dfd.cli.exits import terminable
from dfd.exit_messages import TerminationError


class Stopped:
    """A signal arrives while it is deleted, so that the error of the signal is dropped."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


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
