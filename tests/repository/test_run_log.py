"""What ``run.log`` says, line by line, and what it does not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dfd.repository.run_log import Event, RunLog
from tests.repository.conftest import Evidence, log_of, screen


def test_a_run_is_logged_from_beginning_to_end(
    repository: Path, tmp_path: Path, evidence: Evidence
) -> None:
    output = tmp_path / "out"
    evidence.raises["p1"] = ZeroDivisionError()
    before = datetime.now(UTC)
    rows = {row["folder"]: row for row in screen(repository, output, limit=2)}
    screen(repository, output)
    lines = log_of(output / "shards" / "1-of-1")
    assert [(line["event"], line["series"], line["status"]) for line in lines] == [
        ("run begun", None, "2 series"),
        ("series begun", rows["p1"]["series"], None),
        ("series ended", rows["p1"]["series"], "failed"),
        ("series begun", rows["p2"]["series"], None),
        ("series ended", rows["p2"]["series"], "not assessable"),
        ("run ended", None, "finished"),
        ("run begun", None, "2 series"),
        ("series begun", rows["p3-slow"]["series"], None),
        ("series ended", rows["p3-slow"]["series"], "scored"),
        ("series begun", rows["p4-slow"]["series"], None),
        ("series ended", rows["p4-slow"]["series"], "scored"),
        ("run ended", None, "finished"),
    ]
    times = [datetime.fromisoformat(line["time"]) for line in lines]
    assert times == sorted(times)
    assert 0 <= (times[0] - before).total_seconds() < 60
    assert all((line["seconds"] is not None) == line["event"].endswith("ended") for line in lines)
    text = (output / "shards" / "1-of-1" / "run.log").read_text()
    assert not [word for word in ("/", "1.2.", "p1", "p3", "canary") if word in text.lower()]


def test_a_run_that_is_stopped_is_logged(
    repository: Path, tmp_path: Path, evidence: Evidence
) -> None:
    evidence.raises["p2"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        screen(repository, tmp_path / "out")
    *_, begun, ended = log_of(tmp_path / "out" / "shards" / "1-of-1")
    assert begun["event"] == "series begun"
    assert (ended["event"], ended["status"]) == ("run ended", "KeyboardInterrupt")


def test_series_may_have_local_names(tmp_path: Path) -> None:
    log = RunLog(tmp_path, {"a" * 16: "series-00001"})
    log.write(Event.ENDED, series="a" * 16, status="scored", seconds=1.23456, worker="3")
    (line,) = log_of(tmp_path)
    assert {name: line[name] for name in line if name != "time"} == {
        "event": "series ended",
        "series": "series-00001",
        "status": "scored",
        "seconds": 1.235,
        "worker": "3",
    }


def test_a_log_that_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = RunLog(tmp_path / "gone")
    for _ in range(3):
        log.write(Event.BEGUN, series="a" * 16)
    (message,) = caplog.messages
    assert message.endswith("run.log cannot be written (No such file or directory)")
