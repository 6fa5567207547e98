"""What the benchmark of killed runs compares, and what it says."""

from __future__ import annotations

import json

from benchmarks import kills
from dfd.outputs import scores
from dfd.outputs.ledger import Ledger
from dfd.points import read_points

RECORD = {
    "counts": {"rows": 2},
    "verdicts": {"unusual": 2},
    "files_left_out": 0,
    "weights_sha256": "a",
}


def fill(folder, time="2026-11-27T01:00:00+00:00", **changed):
    folder.mkdir()
    (folder / "scores.csv").write_bytes(b"a,b\n")
    (folder / "run.json").write_text(json.dumps({**RECORD, "finished": time, **changed}))
    (folder / "run.log").write_text(time)
    (folder / "report.html").write_text(f"<p>Finished {time} and 2026-11-27 01:00:00 UTC</p>")
    return folder


def test_only_time_and_words_on_the_way_may_differ(tmp_path):
    one, other = fill(tmp_path / "a"), fill(tmp_path / "b", "2026-11-28T02:03:04+00:00", seconds=3)
    assert kills.differences(one, other) == []
    (other / "scores.csv").write_bytes(b"a,b\n1,2\n")
    (one / "overlay-0001.png").write_bytes(b"png")
    (other / ".dfd-run").mkdir()
    (other / ".dfd-run" / "ledger.jsonl").write_text("left")
    (other / "report.html").write_text("other")
    (other / "run.json").write_text(json.dumps({**RECORD, "counts": {"rows": 3}}))
    assert kills.differences(one, other) == [
        ".dfd-run/ledger.jsonl",
        "overlay-0001.png",
        "report.html",
        "run.json",
        "scores.csv",
    ]


def test_a_run_has_ended_when_its_scores_stand_without_a_ledger(tmp_path):
    assert not kills.has_ended(tmp_path)
    ledger = Ledger(tmp_path)
    ledger.start({"data": "a"})
    (tmp_path / scores.FILE_NAME).write_text("")
    ledger.add({"scored": {"rows": [2, 3]}})
    ledger.add({"scored": {"rows": [2, 3]}})
    ledger.add({"scored": {"rows": [4]}})
    assert not kills.has_ended(tmp_path)
    assert kills.rows_in_ledger(tmp_path) == 3
    ledger.remove()
    assert kills.has_ended(tmp_path)


def test_the_points_are_as_many_as_asked_for_and_two_are_whole_slices(tmp_path):
    folder = kills.make_data(tmp_path / "data", 12, 2)
    points = read_points(folder / "test.csv", folder)
    assert len(points) == 12
    assert sum(point.is_screening for point in points) == 2
    assert not any(point.error for point in points)


def test_the_summary_counts_runs_that_end_in_other_files():
    runs = [
        {"finished_rows": [10, 40], "differences": []},
        {"finished_rows": [20], "differences": ["scores.csv"]},
    ]
    told = kills.summary(
        {"runs": runs, "points": 50, "compared": kills.COMPARED, "seconds_undisturbed": 12.3}
    )
    for words in (
        "| runs of a job of so many points | 2 of 50 |",
        "| kills | 3 |",
        "| 10, 20, 40 |",
        "| runs that end in the same files | 1 of 2 |",
    ):
        assert words in told
