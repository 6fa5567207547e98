"""Dask's scheduler, a worker and a client of ``dfd screen``: processes that can be killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.data.partition import ROOT
from dfd.errors import InterruptedRunError

VICTIMS = ("worker", "scheduler", "client", "all")
LISTENS_S = 120
"""A scheduler that does not listen then hangs."""


class Cluster:
    """The processes of a run.

    Args:
        data: what is screened.
        logs: existing folder for what each of them says.
    """

    def __init__(self, data: Path, logs: Path) -> None:
        self.data, self.logs = data, logs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.address = ""

    def ensure(self) -> None:
        """Start scheduler and worker where they do not run.

        Raises:
            InterruptedRunError: the scheduler does not come up.
        """
        if not self._runs("scheduler"):
            self._end("worker")
            port = _free_port()
            self.address = f"tcp://127.0.0.1:{port}"
            words = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
            self._start("scheduler", ["-m", "dask", *words])
            _wait_for(port)
        if not self._runs("worker"):
            words = [self.address, "--nthreads", "1", "--no-dashboard"]
            self._start("worker", ["-m", "dask", "worker", *words])

    def start_client(self, output: Path) -> subprocess.Popen[bytes]:
        """``dfd screen`` on the cluster."""
        words = ["screen", str(self.data), "--output", str(output), "--device", "cpu"]
        return self._start("client", ["-m", "dfd", *words, "--scheduler", self.address])

    def kill(self, victim: str) -> None:
        """End a process, or all of them at once, by ``kill -9``."""
        if victim == "all":
            names = list(self.processes)
            for each in [one for name in names for one in self._tree(name)]:
                _kill(each)
        elif victim == "worker":
            # The process that screens; the one that watches it starts another.
            for each in self._tree("worker")[1:]:
                _kill(each)
        else:
            _kill(self._tree(victim)[0])
        if victim != "worker":
            for name in self.processes if victim == "all" else (victim,):
                self.processes[name].wait()

    def close(self) -> None:
        """End all that still runs."""
        for name in tuple(self.processes):
            self._end(name)

    def _start(self, name: str, words: Sequence[str]) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
        log = (self.logs / f"{name}.log").open("ab")
        with log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *words],
                env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
                cwd=self.logs,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.processes[name]

    def _runs(self, name: str) -> bool:
        return name in self.processes and self.processes[name].poll() is None

    def _tree(self, name: str) -> list[psutil.Process]:
        """A process and all below it."""
        try:
            process = psutil.Process(self.processes[name].pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _end(self, name: str) -> None:
        if self._runs(name):
            for each in self._tree(name):
                _kill(each)
            self.processes[name].wait()


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    end = time.monotonic() + LISTENS_S
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise InterruptedRunError(f"no scheduler listens on port {port} after {LISTENS_S} s")


@contextmanager
def cluster_of(data: Path, logs: Path) -> Iterator[Cluster]:
    """A cluster that is ended with the block."""
    cluster = Cluster(data, logs)
    try:
        yield cluster
    finally:
        cluster.close()
