"""What the benchmark of killed screenings compares, and what it says."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext

import pytest

from benchmarks import repository_kills as kills
from benchmarks.runner.dask_processes import Cluster
from dfd.reading import read_series


def fill(folder, **counts):
    (folder / "parts").mkdir(parents=True)
    for name in kills.TABLES:
        (folder / name).write_bytes(b"a table")
    (folder / "run.json").write_text(json.dumps({"counts": {"scored": 2, **counts}, "seconds": 1}))
    return folder


def test_tables_and_counts_must_be_the_same_and_nothing_may_be_left_behind(tmp_path):
    one, other = fill(tmp_path / "a"), fill(tmp_path / "b")
    assert kills.differences(one, other) == []
    (one / "series.csv").write_bytes(b"another")
    (one / "parts" / ".dfd-1.tmp").touch()
    (one / "run.json").write_text(json.dumps({"counts": {"scored": 1}}))
    assert kills.differences(one, other) == ["series.csv", "run.json", ".dfd-1.tmp"]


@pytest.mark.parametrize("name", [*kills.TABLES, "run.json"])
def test_a_table_that_neither_run_has_is_a_difference(tmp_path, name):
    one, other = fill(tmp_path / "a"), fill(tmp_path / "b")
    (one / name).unlink()
    (other / name).unlink()
    assert kills.differences(one, other) == [name]


def test_a_part_that_is_written_again_is_seen_though_its_bytes_are_the_same(tmp_path):
    folder = fill(tmp_path / "a")
    part = folder / "parts" / "x.parquet"
    part.write_bytes(b"a part")
    before = kills.parts_in(folder)
    assert kills.parts_in(folder) == before
    new = folder / "parts" / "new"
    new.write_bytes(b"a part")
    new.replace(part)
    assert kills.parts_in(folder) != before


def test_the_repository_is_as_large_as_asked_for(tmp_path):
    folder = kills.make_data(tmp_path / "data", 3, 2)
    series, _ = read_series(folder)
    assert [len(each.slices) for each in series] == [2, 2, 2]


def test_a_process_that_is_killed_is_gone_and_the_others_are_not(tmp_path):
    cluster = Cluster(tmp_path, tmp_path)
    try:
        for name in ("scheduler", "client"):
            cluster._start(name, ["-c", "import time; time.sleep(60)"])
        cluster.kill("client")
        assert cluster.processes["client"].returncode == -9
        assert cluster.processes["scheduler"].poll() is None
        cluster.kill("all")
        assert cluster.processes["scheduler"].returncode == -9
    finally:
        cluster.close()


def test_the_summary_counts_runs_that_end_in_other_tables_and_parts_written_again():
    runs = [
        {"victim": "worker", "parts": 3, "differences": [], "rewritten": []},
        {"victim": "all", "parts": 1, "differences": ["series.csv"], "rewritten": ["a", "b"]},
    ]
    told = kills.summary({"runs": runs, "series": 6, "seconds_undisturbed": 12.3})
    for words in (
        "| killed | worker 1, all 1 |",
        "| parts of 6 when killed: least, median, most | 1, 2, 3 |",
        "| runs that end in the same tables | 1 of 2 |",
        "| parts that were there and were written again | 2 |",
    ):
        assert words in told


def test_runs_that_are_done_are_kept_and_the_same_command_goes_on(tmp_path, monkeypatch):
    hit = []

    def run(cluster, number, settings, seconds):
        hit.append(number)
        return kills.Killed(number, "worker", number, 1)

    monkeypatch.setattr(kills, "WORK", tmp_path)
    monkeypatch.setattr(kills, "cluster_of", lambda *_: nullcontext())
    monkeypatch.setattr(kills, "undisturbed", lambda *_: 5.0)
    monkeypatch.setattr(kills, "_one", run)
    settings = {"series": 3, "slices": 2, "seed": 1}
    assert kills.measure(tmp_path, 2, settings, math.inf)["runs"][1]["number"] == 1
    went_on = kills.measure(tmp_path, 4, settings, math.inf)
    assert hit == [0, 1, 2, 3]
    assert [one["number"] for one in went_on["runs"]] == [0, 1, 2, 3]
    assert kills.measure(tmp_path, 9, settings, -math.inf)["runs"] == went_on["runs"]
    assert went_on["seconds_undisturbed"] == 5.0
    kills.measure(tmp_path, 1, settings | {"series": 4}, math.inf)
    assert hit == [0, 1, 2, 3, 0]
