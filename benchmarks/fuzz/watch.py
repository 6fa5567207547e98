"""Watches workers: one that hangs, crashes or takes too much memory is ended and counted."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

from benchmarks.fuzz.cases import GROUP
from benchmarks.fuzz.worker import CLOCK, FAILED, IDLE, OUTPUT, Answer, Failure, Job, work

LOOK_EVERY_S = 0.05
MOST_SAVED = 100
"""Cases of a kind whose files are kept: they can be made again."""
START_LIMIT_S = 300.0
"""Making the intact files, with torch loaded by a busy machine."""


@dataclass(frozen=True)
class Limits:
    """What a call may take."""

    seconds: float = 10.0
    memory_bytes: int = 2**30


@dataclass(frozen=True)
class Plan:
    """What is to be run."""

    kind: str
    seed: int
    first: int
    count: int
    folder: Path
    """For the files while they are read; in memory where that can be."""
    kept: Path
    """Where files that failed are kept."""
    workers: int = 2
    module: str = "benchmarks.fuzz.kinds"
    limits: Limits = Limits()


@dataclass
class Tally:
    """What came of all files of a kind."""

    files: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest_case: int = IDLE
    peak_bytes: int = 0

    def add(self, answer: Answer) -> None:
        """Counts one group."""
        self.files += len(answer.outcomes)
        for outcome in answer.outcomes.values():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.failures += answer.failures
        self.peak_bytes = max(self.peak_bytes, answer.peak_bytes)
        self.slower(answer.slowest_s, answer.slowest_case)

    def slower(self, seconds: float, case: int) -> None:
        """Keeps the slowest call."""
        if seconds > self.slowest_s:
            self.slowest_s, self.slowest_case = seconds, case


@dataclass
class Task:
    """A group, and those of its files that ended a worker before."""

    first: int
    count: int
    left_out: frozenset[int] = frozenset()


def run(plan: Plan, progress: Callable[[int], None]) -> Tally:
    """Feeds every file of ``plan`` to a worker; ``done`` hears how many files more are finished."""
    tally = Tally()
    last = plan.first + plan.count
    tasks = deque(Task(at, min(GROUP, last - at)) for at in range(plan.first, last, GROUP))
    with _workers(plan) as workers:
        while tasks or any(worker.task for worker in workers):
            _hand_out(workers, tasks)
            ready = wait([worker.tasks for worker in workers], LOOK_EVERY_S)
            for worker in workers:
                if worker.tasks in ready:
                    _receive(worker, tally, tasks, progress)
                elif fault := worker.fault():
                    _ended(worker, fault, tally, tasks)
    return tally


def _hand_out(workers: list[_Worker], tasks: deque[Task]) -> None:
    for worker in workers:
        if tasks and worker.ready and worker.task is None:
            worker.give(tasks.popleft())


def _receive(
    worker: _Worker, tally: Tally, tasks: deque[Task], progress: Callable[[int], None]
) -> None:
    try:
        answer = worker.tasks.recv()
    except (EOFError, OSError):
        _ended(worker, worker.crash(), tally, tasks)
        return
    if not isinstance(answer, Answer):
        worker.ready, worker.entries = True, answer
        return
    tally.add(answer)
    for failure in answer.failures:
        worker.keep(failure.case)
    progress(len(answer.outcomes) + len(worker.task.left_out if worker.task else ()))
    worker.task = None
    if answer.peak_bytes > worker.plan.limits.memory_bytes:  # its peak would hide those of others
        worker.restart()


def _ended(worker: _Worker, fault: str, tally: Tally, tasks: deque[Task]) -> None:
    """A worker that had to be ended: its file is a failure, the others of the group come again."""
    case, place, seconds = worker.clock()
    task = worker.task
    if task is None or case == IDLE:
        raise RuntimeError(f"a worker ended by itself ({fault}): {worker.said()}")
    tally.failures.append(
        Failure(case, worker.entries[place], fault, (f"worker ended: {worker.said()}",))
    )
    tally.files += 1
    tally.outcomes[FAILED] = tally.outcomes.get(FAILED, 0) + 1
    tally.slower(seconds, case)
    worker.keep(case)
    worker.restart()
    tasks.appendleft(Task(task.first, task.count, task.left_out | {case}))


class _Worker:
    """A process and what it is doing."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan, self.folder = plan, plan.folder / f"worker{number}"
        self.start()

    def start(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "clock").write_bytes(CLOCK.pack(IDLE, 0, 0.0))
        self.task: Task | None = None
        self.ready, self.started = False, time.monotonic()
        self.entries: tuple[str, ...] = ()
        """Names of the entry points, once it is ready."""
        self.tasks, theirs = multiprocessing.get_context("spawn").Pipe()
        plan = self.plan
        memory = plan.limits.memory_bytes
        job = Job(plan.module, plan.kind, plan.seed, self.folder, memory)
        self.process = multiprocessing.get_context("spawn").Process(target=work, args=(job, theirs))
        self.process.start()
        theirs.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.tasks.close()

    def give(self, task: Task) -> None:
        self.task = task
        self.tasks.send((task.first, task.count, task.left_out))

    def clock(self) -> tuple[int, int, float]:
        """Case, entry point, and seconds since it was called."""
        content = (self.folder / "clock").read_bytes()
        while (
            again := (self.folder / "clock").read_bytes()
        ) != content:  # it is just being written
            content = again
        case, place, start = CLOCK.unpack(content)
        return case, place, time.monotonic() - start if case != IDLE and start else 0.0

    def fault(self) -> str:
        """Why it must be ended; empty where it need not."""
        limits = self.plan.limits
        if not self.ready:
            late = time.monotonic() - self.started > START_LIMIT_S
            return "it does not start" if late else ""
        if self.clock()[2] > limits.seconds:
            return f"hang: more than {limits.seconds:g} s"
        held = held_bytes(self.process.pid or 0)
        if held > limits.memory_bytes and self.clock()[0] != IDLE:
            return f"memory: more than {limits.memory_bytes / 2**20:.0f} MB"
        return ""

    def crash(self) -> str:
        self.process.join(5.0)
        return f"crash: exit status {self.process.exitcode}"

    def said(self) -> str:
        try:
            return (self.folder / OUTPUT).read_text(errors="replace")[-2000:]
        except OSError:
            return ""

    def keep(self, case: int) -> None:
        """Copies the file of a case, and those beside it, to where they stay; not without end."""
        target = self.plan.kept / f"{self.plan.kind}-{self.plan.seed}-{case}"
        if len(list(self.plan.kept.glob(f"{self.plan.kind}-*"))) >= MOST_SAVED:
            return
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.folder / "files", target)


def held_bytes(process: int) -> int:
    """Memory that a process holds now; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _workers(plan: Plan) -> Iterator[list[_Worker]]:
    workers = [_Worker(plan, number) for number in range(plan.workers)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stop()


__all__ = ["Connection", "Limits", "Plan", "Tally", "held_bytes", "run"]
