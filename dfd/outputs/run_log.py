"""run.log: what the program said while it scored.

One line per message with time (UTC) and level.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from numbers import Number
from pathlib import Path

from dfd.errors import DfdError, OutputError
from dfd.exit_messages import causes, line_of
from dfd.outputs.anonymous import HIDDEN
from dfd.outputs.files import neutralise, write_atomically

FILE_NAME = "run.log"
SOURCE = "dfd"
"""Logger whose messages, and those of all loggers below it, are collected."""
LOWEST = logging.INFO

_SWITCH = threading.Lock()


class RunLog:
    """Messages of one run, in memory until they are written.

    Nothing half-written ever stands under the final name.

    Collected is what the loggers of ``dfd`` say from INFO on in this process while
    :meth:`listening`, whatever level the caller gave to ``dfd`` or to the root logger; a level set
    on a logger below ``dfd``, and ``logging.disable``, hold. Handlers of the caller get what they
    would have got without it. Messages of reader processes are not collected. Tracebacks are not
    either: they quote values, and those may be a patient's.
    """

    def __init__(self) -> None:
        self._threads: set[int] = set()
        self._lines: list[tuple[str, str]] = []
        self._before: list[str] = []

    def listen_here(self) -> None:
        """Count this thread among those of the run."""
        self._threads.add(threading.get_ident())

    def listens_to(self, thread: int | None) -> bool:
        """Whether a thread is one of the run."""
        return thread in self._threads

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Collect while the block runs.

        Runs in several threads at once each get their own messages.
        """
        self.listen_here()
        log = logging.getLogger(SOURCE)
        with _SWITCH:
            gate = next(
                (handler for handler in log.handlers if isinstance(handler, _Gate)), None
            ) or _Gate(log)
            gate.listeners.append(self)
        try:
            yield
        finally:
            with _SWITCH:
                gate.listeners.remove(self)
                if not gate.listeners:
                    gate.remove()

    def go_on(self, folder: Path) -> None:
        """Begin with what an earlier part of the same run left in ``folder``."""
        with suppress(OSError, UnicodeDecodeError):
            self._before = (folder / FILE_NAME).read_text(encoding="utf-8").splitlines()

    def take(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        template = record.msg if isinstance(record.msg, str) else HIDDEN
        self._add(
            record.created,
            record.levelname,
            _worded(record.msg, record.args),
            _worded(template, _without_words(record.args)),
        )

    def end(self, error: BaseException) -> None:
        """Keep the line with which the run ends where it was stopped."""
        # A sentence of ours may name files; all other endings are worded without data.
        ours = any(isinstance(cause, DfdError) for cause in causes(error))
        line = line_of(error)
        self._add(
            datetime.now(UTC).timestamp(),
            "ERROR",
            line,
            f"error: {type(error).__name__} {HIDDEN}" if ours else line,
        )

    def lines(self, *, anonymous: bool = False) -> list[str]:
        """What was kept, in order, without line breaks and control characters.

        Where ``anonymous``, with numbers as the only values.
        """
        return [
            *self._before,
            *(neutralise(hidden if anonymous else shown) for shown, hidden in self._lines),
        ]

    def _add(self, seconds: float, level: str, shown: str, hidden: str) -> None:
        head = f"{datetime.fromtimestamp(seconds, UTC).isoformat(timespec='milliseconds')} {level} "
        self._lines.append((head + shown, head + hidden))


def write(folder: Path, log: RunLog, *, anonymous: bool = False) -> Path:
    """Write run.log.

    Args:
        folder: Existing folder.
        log: What was said.
        anonymous: Keep the program's own words and numbers only: names, paths and any other text
            put into them are hidden.

    Raises:
        OutputError: the file cannot be written.
    """
    path = folder / FILE_NAME
    write_atomically(
        path, "".join(f"{line}\n" for line in log.lines(anonymous=anonymous)).encode("utf-8")
    )
    return path


@contextmanager
def kept(log: RunLog, folder: Path, *, anonymous: bool = False) -> Iterator[None]:
    """Collect while the block runs and write run.log at its end, whatever the end is.

    Raises:
        OutputError: the block ended well but the file cannot be written.
    """
    with log.listening():
        try:
            yield
        except BaseException as error:
            log.end(error)
            with suppress(OutputError):  # what stopped the run is what must be reported
                write(folder, log, anonymous=anonymous)
            raise
        write(folder, log, anonymous=anonymous)


class _Gate(logging.Handler):
    """Stands in place of the handlers of a logger.

    They get what they would have got, and listeners all from ``LOWEST`` on.
    """

    def __init__(self, log: logging.Logger) -> None:
        super().__init__()
        self.listeners: list[RunLog] = []
        self.log, self.level_before = log, log.level
        # A logger that nobody else knows, with all that decides who hears a message.
        self.former = logging.Logger(log.name, log.getEffectiveLevel())
        self.former.parent, self.former.propagate, self.former.handlers = (
            log.parent,
            log.propagate,
            log.handlers,
        )
        log.handlers, log.propagate = [self], False
        log.setLevel(min(self.former.level, LOWEST))

    def remove(self) -> None:
        """Put everything back; handlers that were added meanwhile stay."""
        added = [handler for handler in self.log.handlers if handler is not self]
        self.log.handlers, self.log.propagate = self.former.handlers, self.former.propagate
        self.log.handlers.extend(added)
        self.log.setLevel(self.level_before)
        self.close()

    def handle(self, record: logging.LogRecord) -> bool:
        """Not ``emit``: no lock may be held while handlers of others work."""
        if record.levelno >= self.former.level:
            self.former.callHandlers(record)
        if record.levelno >= LOWEST:
            listeners = list(self.listeners)
            for listener in [
                listener for listener in listeners if listener.listens_to(record.thread)
            ] or listeners:
                listener.take(record)
        return True


def _worded(template: object, values: object) -> str:
    """The message as ``logging`` words it.

    One that cannot be worded stands without its values, since a log must not end a run.
    """
    try:
        return str(template) % values if values else str(template)
    except (TypeError, ValueError, KeyError):
        return str(template)


def _without_words(values: object) -> object:
    """The values of a message with all but numbers hidden."""
    if isinstance(values, Mapping):
        return {name: _hidden(value) for name, value in values.items()}
    return tuple(map(_hidden, values)) if isinstance(values, tuple) else values


def _hidden(value: object) -> object:
    return value if isinstance(value, Number) else HIDDEN
