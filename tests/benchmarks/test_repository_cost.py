"""The page on costs says what follows from the committed results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.detection.model_cards import filled
from benchmarks.runner import cli
from benchmarks.speed import repository_cost
from benchmarks.speed.repository_cost import Pace, Repository, cost, markdown, pace_of
from dfd.errors import UsageError

SMALL = Repository(studies=10, series=2, slices=180, cores=4, upload=1)


def test_the_committed_page_holds_what_the_committed_results_give() -> None:
    text = repository_cost.PAGE.read_text(encoding="utf-8")
    table = markdown(cost(Repository(), pace_of(cli.RESULTS)))
    page, mark = repository_cost.PAGE, repository_cost.MARK
    assert filled(text, "table", table, page, mark) == text, (
        "run python -m benchmarks.speed.repository_cost"
    )


def test_hours_are_those_of_all_slices_shared_by_all_processors() -> None:
    found = cost(SMALL, Pace(2.0, "card", 10.0, 0.5))
    assert (found["series"], found["slices"], found["core hours"]) == (20, 3600, 2.0)
    by_machines = {row["machines"]: row for row in found["machines"]}
    assert by_machines[1]["hours"] == 0.5
    assert by_machines[64]["hours"] == 0.5 / 64
    assert by_machines[1]["hours, GPU"] == pytest.approx(0.1)
    # 3600 slices of 0.524288 MB in half an hour.
    assert by_machines[1]["MB/s"] == pytest.approx(1.048576)
    assert found["report, minutes"] == pytest.approx(20 * 0.5 / 60)
    assert found["hours of a night on one machine"] == pytest.approx(0.05)


def test_a_part_grows_with_its_fingerprints() -> None:
    small, large = repository_cost.part_kilobytes(100), repository_cost.part_kilobytes(1100)
    # 32 bytes of each are noise, which nothing makes smaller.
    assert 32 <= large - small <= 120


def test_a_gpu_that_was_not_measured_is_not_made_up(tmp_path: Path) -> None:
    bench = {
        "parts": {
            "screening": {"seconds": {"whole way": 0.8125}, "machine": {"threads": 2}},
        }
    }
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    report = {"series": 10, "make the whole report, s": 5.0}
    with pytest.raises(UsageError, match="make them"):
        pace_of(tmp_path)
    (tmp_path / "repository_report.json").write_text(json.dumps(report))
    pace = pace_of(tmp_path)
    assert pace == Pace(1.625, "", 0.0, 0.5)
    said = markdown(cost(SMALL, pace))
    # 3600 slices at the goal of 50 each second.
    assert "No GPU was measured; a card that reached the goal of 50 slices per second" in said
    assert "would take 0 hours, and read 26 MB/s." in said
    assert "| 1 | 4 | 0 | 0.0 | 1 |" in said
    gpu = {"device": "a card", "slices per second": {"1": 30.0, "2": 50.0}}
    (tmp_path / "gpu.json").write_text(json.dumps(gpu))
    assert pace_of(tmp_path) == Pace(1.625, "a card", 50.0, 0.5)
    assert "GPUs (a card)" in markdown(cost(SMALL, pace_of(tmp_path)))
