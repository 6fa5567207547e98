"""A kind of files whose reader does all that must not happen, so that the fuzzer can be tested."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from benchmarks.fuzz.cases import Kind, MalformedError, Mutant
from dfd.errors import DfdError


class PanicError(BaseException):
    """What a decoder in another language may raise."""


def _raise(error: BaseException) -> None:
    raise error


FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "read": (lambda: None, ""),
    "refuse": (lambda: _raise(DfdError("a.dcm is no scan: leave it out")), ""),
    "no words": (lambda: _raise(DfdError("")), "a message that is no line"),
    "raise": (lambda: _raise(ValueError("bad")), "ValueError at faulty_kinds.py"),
    "panic": (lambda: _raise(PanicError()), "PanicError at faulty_kinds.py"),
    "malformed": (lambda: _raise(MalformedError("no pixels")), "a result that is none: no pixels"),
    "print": (lambda: sys.stderr.write("hello\n"), "printed: 'hello'"),
    "write": (lambda: os.write(1, b"from a library\n"), "printed: 'from a library'"),
    "warn": (lambda: warnings.warn("odd", stacklevel=1), "printed: "),
    "hang": (lambda: time.sleep(60), "hang: more than 1 s"),
    "eat": (lambda: bytearray(b"x") * 600_000_000, "memory: "),
    "crash": (lambda: os.kill(os.getpid(), signal.SIGSEGV), "crash: exit status -11"),
    "leave": (lambda: os._exit(3), "crash: exit status 3"),
}
"""What the reader does with a file that says so, and what is to be told of it."""


def mutant(rng: random.Random) -> Mutant:
    """A file with a word in it."""
    word = rng.choice(list(FAULTS))
    return Mutant(word.encode(), ".txt", (word,))


def read(path: Path, _: int | None) -> object:
    """Does what the file says."""
    return FAULTS[path.read_text()][0]()


KINDS = {"faulty": lambda: Kind("faulty", mutant, {"read": read}, {"all": lambda *_: None})}
