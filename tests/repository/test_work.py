"""Processes of Dask: killed workers and runs, series that kill, a scheduler that is not there."""

from __future__ import annotations

import csv
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import dfd
from dfd.errors import RemoteError
from dfd.repository import work
from tests.repository.conftest import LIMIT_S, STAND_IN, Command, log_of, make_patient, tables

EVIDENCE = "dfd.repository.screen_series"


def until(ready: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT_S
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)


def rows(output: Path) -> dict[str, dict[str, str]]:
    with (output / "series.csv").open(newline="", encoding="utf-8") as stream:
        return {row["folder"]: row for row in csv.DictReader(stream)}


def test_killed_at_any_moment_the_tables_are_those_of_an_undisturbed_run(
    repository: Path, command: Command, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("STAND_IN_LOG", str(tmp_path))
        patched.setitem(sys.modules, EVIDENCE, None)
        exec(STAND_IN, {})  # puts the stand-in there
        dfd.screen(repository, tmp_path / "calm", shard=(1, 1))
    output = tmp_path / "out"
    words = (repository, "--output", output, "--workers", 2)
    # A worker, as soon as it has written its first part.
    first = command.start(*words, STAND_IN_S="1")
    until(lambda: list(command.log.iterdir()))
    os.kill(int(next(command.log.iterdir()).stem), signal.SIGKILL)
    # Then everything at once.
    until(lambda: len(command.screened()) >= 2)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    code, out, errors = command.run(*words)
    assert code == 0, errors
    assert "4 scored, 0 not assessable, 0 failed, 0 not yet done" in out
    assert tables(output) == tables(tmp_path / "calm")
    # Nothing is computed twice but what was in flight: two series when the worker was killed, and
    # two when all were.
    again = Counter(command.screened())
    assert sum(again.values()) <= 4 + 2 + 2
    assert len(again) == 4


def test_a_series_that_kills_or_hangs_its_worker_twice_costs_no_other_its_answer(
    repository: Path, command: Command, tmp_path: Path
) -> None:
    make_patient(repository, "p0-killer")
    make_patient(repository, "p5-faulty")
    make_patient(repository, "p6-hanging")
    output = tmp_path / "out"
    words = (repository, "--output", output, "--workers", 2)
    code, out, errors = command.run(*words, STAND_IN_LIMIT_S="2")
    assert code == 0, errors
    assert "4 scored, 0 not assessable, 3 failed, 0 not yet done" in out
    found = rows(output)
    assert "ended the process that screened it twice" in found["p0-killer"]["reason"]
    assert "ZeroDivisionError" in found["p5-faulty"]["reason"]
    assert found["p6-hanging"]["reason"].startswith("it took longer than 2 s twice: ")
    ends = Counter(line["series"] for line in log_of(output) if line["event"] == "worker ended")
    assert ends == {found[name]["series"]: 2 for name in ("p0-killer", "p6-hanging")}
    assert "Traceback" not in errors
    assert len(command.screened()) == 4


def test_ctrl_c_ends_with_a_sentence_and_valid_tables(
    repository: Path, command: Command, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    process = command.start(repository, "--output", output, "--workers", 1, STAND_IN_S="60")
    until(lambda: len(list((output / "parts").rglob("*.parquet"))) >= 2)
    os.killpg(process.pid, signal.SIGTERM if _ignored() else signal.SIGINT)
    _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode in (130, 143)
    assert errors.splitlines()[-1].endswith("; what was written so far is valid")
    assert "Traceback" not in errors
    assert Counter(row["status"] for row in rows(output).values())["scored"] >= 2


def _ignored() -> bool:
    """Whether Ctrl-C is ignored here, as by a shell that runs the tests in the background."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_scheduler_that_is_not_there_is_said(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "CONNECT_S", 0.5)
    address = "tcp://127.0.0.1:9"
    with pytest.raises(RemoteError, match=f"no Dask scheduler answers at {address}: correct"):
        dfd.screen(repository, tmp_path / "out", scheduler=address)
    # What can be said without an answer is there.
    assert {row["status"] for row in rows(tmp_path / "out").values()} == {"not yet done"}
