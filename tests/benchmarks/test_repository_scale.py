"""The measurement of a run over a repository: that its stages count what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.speed import repository_scale, repository_stages
from dfd.repository.run_log import Event, RunLog


def test_simulated_files_become_series_and_tasks() -> None:
    found = repository_stages.entries_stage(250)
    assert (found["files"], found["series"]) == (250, 3)
    assert repository_stages.series_stage(7)["series"] == 7
    assert found["us a file, plan"] > 0


def test_small_files_are_planned_anew_and_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = []
    make_plan = repository_stages.planning.make_plan

    def counting(*arguments: object) -> object:
        planned.append(make_plan(*arguments))
        return planned[-1]

    monkeypatch.setattr(repository_stages.planning, "make_plan", counting)
    monkeypatch.setattr(repository_stages, "SLICES", 20)
    found = repository_stages.planning_stage(60)
    assert [each.counts()["files planned"] for each in planned] == [60] * 3
    assert planned[0].counts()["series planned"] == 3
    assert found["files/s unchanged"] > 0


def test_the_pace_counts_from_the_first_end_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path)
    for _ in range(5):
        log.write(Event.BEGUN, series="a")
        log.write(Event.ENDED, series="a")
    lines = [json.loads(line) for line in (tmp_path / "run.log").read_text().splitlines()]
    for number, line in enumerate(lines):
        line["time"] = f"2026-11-27T10:00:{number:02d}+00:00"
    (tmp_path / "run.log").write_text("\n".join(map(json.dumps, lines)) + "\n")
    monkeypatch.setattr(repository_scale.processes, "seconds_of", lambda *_: 0.0)
    # Ends at seconds 1, 3, 5, 7 and 9.
    assert repository_scale._pace(tmp_path, tmp_path, 1) == pytest.approx(4 / 8)
    assert repository_scale._pace(tmp_path, tmp_path, 2) == pytest.approx(3 / 6)


def test_the_table_says_what_is_kept() -> None:
    content = {
        "planning": {"files/s": 3000.0},
        "entries": {"peak GB": 2.5},
        "engine": {
            "ms of a worker a series": 20.0,
            "MB of the scheduler after a tenth": 100.0,
            "MB of the scheduler at the end": 105.0,
        },
        "workers": {"times as fast": 1.5},
    }
    rows = [line for line in repository_scale.markdown(content).splitlines() if "| at " in line]
    assert [row.rsplit("|", 2)[1].strip() for row in rows[:5]] == ["yes", "no", "yes", "yes", "no"]
    assert "| files/s of a plan | 3,000 | at least 2,000 | yes |" in rows
