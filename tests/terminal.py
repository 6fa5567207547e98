"""A terminal for tests: a command runs in it, and what a person would see is read from it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

LIMIT_S = 240


@dataclass
class Ended:
    """A command that has ended."""

    code: int
    """Negative where a signal ended it."""
    output: str
    """Its stdout, which is a pipe."""
    typed: str
    """All that reached the terminal, in order."""
    rows: list[str] = field(default_factory=list)
    """What is left to be seen on it, without empty rows."""


def show(
    words: Sequence[object],
    env: Mapping[str, str],
    interrupt: Callable[[str], bool] | None = None,
    columns: int = 80,
) -> Ended:
    """Run a command with a terminal for its stdin and stderr.

    ``interrupt`` is asked with all that has reached the terminal; at its first yes ^C is typed.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    # The terminal must be the one that controls the process, so that ^C becomes a signal; a shell
    # that runs the tests in the background has it ignored, and children inherit that.
    take = (
        "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "signal.signal(signal.SIGINT, signal.SIG_DFL); "
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )
    line = [sys.executable, "-c", take, *map(str, words)]
    process = subprocess.Popen(
        line,
        env=dict(env),
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    assert process.stdout is not None
    typed, output, open_ends = b"", b"", {master, process.stdout.fileno()}
    end = time.monotonic() + LIMIT_S
    while open_ends:
        if time.monotonic() > end:
            process.kill()
            raise AssertionError(f"the command hangs; it had written {typed!r}")
        for ready in select.select(list(open_ends), [], [], 0.1)[0]:
            try:
                found = os.read(ready, 65536)
            except OSError:  # how Linux says that nobody has the terminal open any more
                found = b""
            if not found:
                open_ends.discard(ready)
            elif ready == master:
                typed += found
            else:
                output += found
        if interrupt is not None and interrupt(typed.decode(errors="replace")):
            os.write(master, b"\x03")
            interrupt = None
    code = process.wait(timeout=LIMIT_S)
    os.close(master)
    process.stdout.close()
    text = typed.decode()
    return Ended(code, output.decode(), text, screen(text, columns))


def screen(text: str, columns: int) -> list[str]:
    """The rows that ``text`` leaves on a terminal; \\r and \\n are all it knows of control."""
    rows: list[list[str]] = [[]]
    column = 0
    for letter in text:
        if letter == "\r":
            column = 0
        elif letter == "\n":
            rows.append([])
        else:
            assert letter.isprintable(), f"the terminal of the tests does not know {letter!r}"
            if column == columns:
                rows.append([])
                column = 0
            rows[-1] += [" "] * (column + 1 - len(rows[-1]))
            rows[-1][column] = letter
            column += 1
    return [row for cells in rows if (row := "".join(cells).rstrip())]
