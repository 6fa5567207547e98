"""A process that feeds files to the program and says what became of each."""

from __future__ import annotations

import importlib
import logging
import mmap
import os
import resource
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.fuzz.cases import GROUP, Entry, Kind, MalformedError, Mutant, generator, is_line
from dfd.errors import DfdError

CLOCK = struct.Struct("<qqd")
"""Case, number of the entry point, and when it was called: what a worker is doing."""
IDLE = -1
READ, REFUSED, FAILED = "read", "refused", "failed"
OUTPUT = "output.txt"
"""In a worker's folder: what it wrote to stdout and stderr."""


@dataclass(frozen=True)
class Job:
    """What a worker works on."""

    module: str
    """Its ``KINDS`` holds the kind."""
    kind: str
    seed: int
    folder: Path
    """The worker's own; it also holds the clock."""
    memory_bytes: int


@dataclass(frozen=True)
class Failure:
    """Something that must not happen."""

    case: int
    entry: str
    what: str
    story: tuple[str, ...] = ()


@dataclass
class Answer:
    """What became of a group."""

    outcomes: dict[int, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest_case: int = IDLE
    peak_bytes: int = 0


def work(job: Job, tasks: Connection) -> None:
    """Answer groups until None comes. A task is its first case and the cases to leave out."""
    _hear_all(job.folder / OUTPUT)
    kind: Kind = importlib.import_module(job.module).KINDS[job.kind]()
    scans = job.folder / "files"
    for name, content in kind.intact_files.items():
        (scans / name).parent.mkdir(parents=True, exist_ok=True)
        (scans / name).write_bytes(content)
    scans.mkdir(exist_ok=True)
    with (
        (job.folder / "clock").open("r+b") as stream,
        mmap.mmap(stream.fileno(), CLOCK.size) as clock,
    ):
        calls = _Calls(job, clock)
        tasks.send((*kind.of_file, *kind.of_folder))
        while (task := tasks.recv()) is not None:
            first, count, left_out = task
            numbers = [each for each in range(first, first + count) if each not in left_out]
            calls.answer = Answer()
            _group(job, kind, scans, numbers, calls)
            tasks.send(calls.answer)


def _group(job: Job, kind: Kind, folder: Path, numbers: list[int], calls: _Calls) -> None:
    """All files of a group, each by itself, then their folder."""
    for former in folder.glob("file*"):
        former.unlink()
    for number in numbers:
        mutant = kind.mutant(generator(job.seed, kind.name, number))
        path = folder / name_of(number, mutant)
        path.write_bytes(mutant.content)
        outcomes = [
            calls.call(number, place, entry, (kind.of_file[entry], path, mutant))
            for place, entry in enumerate(kind.of_file)
        ]
        calls.answer.outcomes[number] = FAILED if FAILED in outcomes else outcomes[0]
    if numbers:
        group = Mutant(b"", "", (f"the folder of the cases {', '.join(map(str, numbers))}",))
        for place, entry in enumerate(kind.of_folder, start=len(kind.of_file)):
            calls.call(numbers[0], place, entry, (kind.of_folder[entry], folder, group))


def name_of(number: int, mutant: Mutant) -> str:
    """The name of a case's file."""
    return f"file{number % GROUP}{mutant.suffix}"


class _Calls:
    """Calls entry points one by one, watched by the clock."""

    def __init__(self, job: Job, clock: mmap.mmap) -> None:
        self.job, self.clock, self.answer = job, clock, Answer()

    def call(self, case: int, place: int, name: str, what: tuple[Entry, Path, Mutant]) -> str:
        """One entry point, one file."""
        entry, path, mutant = what
        start, former = time.monotonic(), peak_bytes()
        CLOCK.pack_into(self.clock, 0, case, place, start)
        outcome, fault = _outcome(lambda: entry(path, mutant.frame))
        CLOCK.pack_into(self.clock, 0, IDLE, place, start)
        seconds, answer = time.monotonic() - start, self.answer
        if seconds > answer.slowest_s:
            answer.slowest_s, answer.slowest_case = seconds, case
        answer.peak_bytes = peak_bytes()
        if answer.peak_bytes > max(former, self.job.memory_bytes):
            fault = fault or f"memory: {answer.peak_bytes / 2**20:.0f} MB"
        fault = fault or _printed()
        if fault:
            answer.failures.append(Failure(case, name, fault, mutant.story))
            return FAILED
        return outcome


def _outcome(call: Callable[[], object]) -> tuple[str, str]:
    """What came of a call, and what is wrong with it."""
    try:
        call()
    except DfdError as error:
        text = str(error)
        if not is_line(text):
            return FAILED, f"a message that is no line: {text[-300:]!r}"
        return REFUSED, ""
    except MalformedError as error:
        return FAILED, f"a result that is none: {error}"
    except BaseException as error:  # noqa: BLE001 - a panic of a decoder is one, too
        return FAILED, f"{type(error).__name__} at {_place(error)}: {str(error)[:200]!r}"
    return READ, ""


def _place(error: BaseException) -> str:
    """The last line of this program, and the one where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    package = f"{os.sep}dfd{os.sep}"
    ours = [frame for frame in frames if package in frame.filename]
    places = [f"dfd/{ours[-1].filename.rpartition(package)[2]}:{ours[-1].lineno}"] if ours else []
    if frames and (not ours or frames[-1] is not ours[-1]):
        places.append(f"{Path(frames[-1].filename).name}:{frames[-1].lineno}")
    return ", ".join(places)


def _hear_all(path: Path) -> None:
    """Send all that is printed, by libraries as well, to a file; tell every warning."""
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    for descriptor in (1, 2):
        os.dup2(opened, descriptor)
    warnings.simplefilter("always")
    logging.getLogger("dfd").addHandler(logging.NullHandler())  # its log is for who asks for it


def _printed() -> str:
    """What was printed since the last call; nothing should be."""
    sys.stdout.flush()
    size = os.fstat(2).st_size
    if not size:
        return ""
    text = os.pread(2, 2000, 0).decode(errors="replace")
    os.ftruncate(2, 0)
    return f"printed: {' '.join(text.split())[:300]!r}"


def peak_bytes() -> int:
    """The most memory that this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, whose ru_maxrss counts what the parent held as well
        (peak,) = (
            line.split()[1]
            for line in status.read_text(encoding="ascii", errors="replace").splitlines()
            if line.startswith("VmHWM:")
        )
        return int(peak) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
