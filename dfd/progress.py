"""How far a long task is: a bar with the time left on a terminal, else a line every few seconds.

The lines go through ``logging``, so a caller hears of them what its handlers ask for. Bars are for
the commands alone, which turn them on with :func:`bars`; used from Python nothing is drawn.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from typing import Any, TextIO, TypeVar

LINE_EVERY_S = 5.0
"""Seconds before the first line and between two: what is done sooner needs none."""
BAR_AFTER_S = 0.5
"""Seconds before a bar is drawn."""
INNER_BAR_AFTER_S = 5.0
"""The same for a task within another, whose bar it hides."""
WIDEST, NARROWEST = 100, 40
"""Columns of a bar at most, and of a terminal that can show one at least."""
MARGIN = 4
"""Columns left free on the right, where a terminal writes ^C."""
COUNTED = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"
UNCOUNTED = "{desc}: {n_fmt} [{elapsed}]"

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Progress:
    """Says how far one task is. Close it, or use it in ``with``.

    Args:
        doing: the task in words of this program, such as ``reading headers``; never a name or a
            path, since anonymous logs hold it.
        total: how many steps it has; None where that is not known.
        every_s: seconds between two lines.
    """

    def __init__(self, doing: str, total: int | None = None, every_s: float = LINE_EVERY_S) -> None:
        self.doing, self.total, self.done = doing, total, 0
        self.started = time.monotonic()
        self._every_s, self._due = every_s, self.started + every_s
        self._terminal = _shown_on
        if self._terminal is not None:
            self._terminal.add(self)

    def update(self, count: int = 1) -> None:
        """``count`` more steps are done."""
        self.done += count
        if self._terminal is not None:
            self._terminal.advance(self, count)
            return
        now = time.monotonic()
        if now < self._due or self.done == self.total:
            return
        self._due = now + self._every_s
        # Numbers and words of this program alone: nothing that an anonymous log would have to hide.
        told = self._line(now - self.started)
        logger.info(told)

    def close(self) -> None:
        """The task is over: its bar is taken away. May be called again."""
        self._due = math.inf
        if self._terminal is not None:
            self._terminal.remove(self)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _line(self, seconds: float) -> str:
        if self.total is None:
            return f"{self.doing}: {self.done:,} so far"
        left = seconds / max(self.done, 1) * max(self.total - self.done, 0)
        return f"{self.doing}: {self.done:,} of {self.total:,}, about {span(left)} left"


def progress(items: Iterable[T], doing: str, total: int | None = None) -> Iterator[T]:
    """``items`` as they come, saying how many are done.

    Args:
        items: anything that can be iterated.
        doing: as of :class:`Progress`.
        total: how many ``items`` there are; None asks them, where they have a length.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(doing, total) as told:
        for item in items:
            yield item
            told.update()


def span(seconds: float) -> str:
    """A time in words: seconds, minutes or hours, whichever a person would say."""
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


@contextmanager
def bars() -> Iterator[None]:
    """Draw bars on stderr while the block runs, where that is a terminal; none is left then."""
    use_bars()
    try:
        yield
    finally:
        close_bars()


def use_bars() -> None:
    """As :func:`bars`, until :func:`close_bars`."""
    global _shown_on
    _shown_on = _Terminal(sys.stderr) if _can_show(sys.stderr) else None


def close_bars() -> None:
    """Take away every bar that is still open, as after an error, and draw no more."""
    global _shown_on
    if _shown_on is not None:
        _shown_on.clear()
    _shown_on = None


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """Writes log lines to a stream; an open bar makes way for them and is drawn again below."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if _shown_on is None:
            super().emit(record)
            return
        with _shown_on.hidden():
            super().emit(record)


class _Shown:
    """One task on a terminal."""

    def __init__(self, task: Progress, after_s: float) -> None:
        self.task, self.due = task, task.started + after_s
        self.bar: Any = None


class _Terminal:
    """The tasks of a terminal, the outermost first; the bar of the innermost one is to be seen."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.process = stream, os.getpid()
        self.width = min(WIDEST, _columns(stream)) - MARGIN
        self.tasks: list[_Shown] = []
        self.drawing = threading.RLock()
        """One thread at a time: slices are read in one and written in another."""

    def add(self, task: Progress) -> None:
        """A task begins."""
        with self.drawing:
            self.tasks.append(_Shown(task, INNER_BAR_AFTER_S if self.tasks else BAR_AFTER_S))

    def advance(self, task: Progress, count: int) -> None:
        """A task has done ``count`` steps; what an error left open within it is over."""
        if self.process != os.getpid():  # a forked reader process must not draw
            return
        with self.drawing:
            self._advance(task, count)

    def _advance(self, task: Progress, count: int) -> None:
        while self.tasks and self.tasks[-1].task is not task:
            if all(shown.task is not task for shown in self.tasks):
                return
            self.remove(self.tasks[-1].task)
        now = time.monotonic()
        if self.tasks and self.tasks[-1].bar is not None:
            self.tasks[-1].bar.update(count)
            return
        for shown in self.tasks:
            if shown.bar is None and now >= shown.due:
                self._draw(shown)

    def remove(self, task: Progress) -> None:
        """A task is over."""
        if self.process == os.getpid():
            with self.drawing:
                self._remove(task)

    def _remove(self, task: Progress) -> None:
        shown = next((each for each in self.tasks if each.task is task), None)
        if shown is None:
            return
        self.tasks.remove(shown)
        if shown.bar is None or shown.bar.disable:  # TQDM_DISABLE=1
            return
        shown.bar.close()
        with suppress(OSError, ValueError):
            # What ^C left beside the bar goes too.
            self.stream.write("\r" + " " * (self.width + MARGIN - 1) + "\r")
            self.stream.flush()
        below = self._visible()
        if below is not None:
            below.refresh()

    def clear(self) -> None:
        """All tasks are over."""
        for shown in reversed(self.tasks.copy()):
            self.remove(shown.task)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """No bar is to be seen while the block runs."""
        if self.process != os.getpid():
            yield
            return
        with self.drawing:
            bar = self._visible()
            if bar is not None:
                bar.clear()
            yield
            if bar is not None:
                bar.refresh()

    def _visible(self) -> Any:  # noqa: ANN401 - tqdm has no types
        drawn = (shown.bar for shown in reversed(self.tasks) if shown.bar is not None)
        return next(drawn, None)

    def _draw(self, shown: _Shown) -> None:
        from tqdm import tqdm  # here, so that help stays quick

        above = self._visible()
        if above is not None:
            above.clear()
        tqdm.monitor_interval = 0  # no thread that redraws: a bar moves when something was done
        shown.bar = tqdm(
            total=shown.task.total,
            initial=shown.task.done,
            desc=shown.task.doing,
            bar_format=UNCOUNTED if shown.task.total is None else COUNTED,
            ncols=self.width,
            miniters=1,
            smoothing=0,
            position=0,
            leave=False,
            file=self.stream,
        )


_shown_on: _Terminal | None = None
"""Where bars are drawn: a process has one terminal. None: nowhere."""


def _can_show(stream: TextIO) -> bool:
    try:
        return (
            stream.isatty() and os.environ.get("TERM") != "dumb" and _columns(stream) >= NARROWEST
        )
    except ValueError:  # a closed stream
        return False


def _columns(stream: TextIO) -> int:
    """Width of a terminal; 80 where it does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
