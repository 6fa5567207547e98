"""A run from plan to tables, with a stand-in for the evidence; shards, resume, refusals."""

from __future__ import annotations

import csv
import errno
import importlib.util
import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import dfd
from dfd.errors import InterruptedRunError, OutputError, SeriesError, UsageError
from dfd.outputs import lock
from dfd.repository import task as tasks
from tests.dicom_maker import make_pixels, make_slice
from tests.repository.conftest import ROOT, Evidence, make_patient, screen, tables


def counts(output: Path) -> dict[str, int]:
    record = json.loads((output / "run.json").read_text())
    found: dict[str, int] = record["counts"]
    files = [found[f"files {word}"] for word in ("planned", "skipped", "duplicate")]
    series = [found[word] for word in ("scored", "not assessable", "failed", "not yet done")]
    assert found["files"] == sum(files)
    assert found["series planned"] == sum(series)
    assert found["series"] == found["series planned"] + found["series skipped"]
    return found


def test_every_series_stands_in_the_tables_whatever_became_of_it(
    repository: Path, tmp_path: Path, evidence: Evidence
) -> None:
    make_slice(repository / "pet" / "a.dcm", make_pixels(), Modality="PT")
    evidence.raises["p1"] = ZeroDivisionError()
    output = tmp_path / "out"
    rows = {row["folder"]: row for row in screen(repository, output)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "p1": "failed",
        "p2": "not assessable",
        "p3-slow": "scored",
        "p4-slow": "scored",
        "pet": "skipped",
    }
    assert "ZeroDivisionError" in rows["p1"]["reason"]
    assert evidence.screened.count("p1") == tasks.ATTEMPTS
    screen(repository, output)
    assert len(evidence.screened) == 3 + tasks.ATTEMPTS, "a failed series is set aside"
    found = counts(output)
    assert (found["scored"], found["not assessable"], found["failed"]) == (2, 1, 1)
    with (output / "series.csv").open(newline="", encoding="utf-8") as stream:
        written = {row["folder"]: row for row in csv.DictReader(stream)}
    assert float(written["p4-slow"]["p_value"]) == rows["p4-slow"]["p_value"]
    assert written["p4-slow"]["reason"] == "'=odd"
    assert written["pet"]["p_value"] == ""
    parquet = pq.read_table(output / "series.parquet").to_pylist()
    assert {row["folder"]: row["reason"] for row in parquet}["p4-slow"] == "=odd"
    with (output / "suspicious_regions.csv").open(newline="", encoding="utf-8") as stream:
        regions = list(csv.DictReader(stream))
    p_values = [float(row["series_p_value"]) for row in regions]
    assert len(regions) == 2
    assert p_values == sorted(p_values)
    assert regions[0]["sop_uids"] == "1.2 1.3"


def test_shards_together_are_one_run(repository: Path, tmp_path: Path, evidence: Evidence) -> None:
    for number in range(5, 12):
        make_patient(repository, f"p{number}", slices=1)
    screen(repository, tmp_path / "whole")
    screened = []
    for number in (2, 1):
        evidence.screened.clear()
        screen(repository, tmp_path / "shards", shard=(number, 2))
        screened.append(set(evidence.screened))
    assert not screened[0] & screened[1]
    assert len(screened[0] | screened[1]) == 11
    assert all(screened)
    assert tables(tmp_path / "whole") == tables(tmp_path / "shards")


def test_the_next_run_screens_what_is_new_or_changed(
    repository: Path, tmp_path: Path, evidence: Evidence
) -> None:
    output = tmp_path / "out"
    screen(repository, output, limit=1)
    assert evidence.screened == ["p1"]
    assert counts(output)["not yet done"] == 3
    screen(repository, output)
    assert sorted(evidence.screened) == ["p1", "p2", "p3-slow", "p4-slow"]
    evidence.screened.clear()
    make_patient(repository, "p5")
    (repository / "p1" / "1.dcm").unlink()
    shutil.rmtree(output / "plan")
    screen(repository, output)
    assert sorted(evidence.screened) == ["p1", "p5"]
    assert counts(output)["scored"] == 4


def test_only_series_since_a_day_are_screened(
    repository: Path, tmp_path: Path, evidence: Evidence
) -> None:
    import os

    for path in (repository / "p1").iterdir():
        os.utime(path, (10**9, 10**9))
    screen(repository, tmp_path / "out", since=date(2001, 9, 10))
    assert sorted(evidence.screened) == ["p2", "p3-slow", "p4-slow"]
    assert counts(tmp_path / "out")["not yet done"] == 1


def test_a_dry_run_plans_and_screens_nothing(
    repository: Path, tmp_path: Path, evidence: Evidence
) -> None:
    rows = screen(repository, tmp_path / "out", dry_run=True)
    assert {row["status"] for row in rows} == {"not yet done"}
    assert not evidence.screened
    assert not list((tmp_path / "out" / "parts").iterdir())


def test_a_damaged_part_is_made_anew(
    repository: Path, tmp_path: Path, evidence: Evidence, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "out"
    screen(repository, output)
    before = tables(output)
    evidence.screened.clear()
    part = min((output / "parts").iterdir())
    part.write_bytes(part.read_bytes()[:-20])
    screen(repository, output)
    assert len(evidence.screened) == 1
    assert any(part.name in message for message in caplog.messages)
    assert tables(output) == before


def test_results_within_the_repository_are_no_part_of_it(
    repository: Path, evidence: Evidence
) -> None:
    output = repository / "out"
    screen(repository, output)
    first = counts(output)["files"]
    shutil.rmtree(output / "plan")
    screen(repository, output)
    assert counts(output)["files"] == first == 8


def test_a_second_run_into_a_folder_is_refused(
    repository: Path, tmp_path: Path, evidence: Evidence
) -> None:
    output = tmp_path / "out"
    (output / "shards" / "1-of-2").mkdir(parents=True)
    with (
        lock.held(output, "wait"),
        pytest.raises(OutputError, match="in use by another run since"),
    ):
        dfd.screen(repository, output, dry_run=True)
    with lock.held(output / "shards" / "1-of-2", "wait"):
        with pytest.raises(OutputError, match="in use by another run since"):
            screen(repository, output, shard=(1, 2))
        screen(repository, output, shard=(2, 2))
    assert evidence.screened


def test_a_full_disk_stops_the_run_and_the_next_goes_on(
    repository: Path, tmp_path: Path, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    full = OutputError("no space")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")

    def write(*_: object) -> None:
        raise full

    with monkeypatch.context() as patched:
        patched.setattr(tasks, "write_part", write)
        with pytest.raises(InterruptedRunError, match="no space; run again to go on"):
            screen(repository, output)
    assert counts(output)["not yet done"] == 4
    screen(repository, output)
    assert counts(output)["not yet done"] == 0


def test_a_series_that_ended_the_process_of_a_shard_twice_is_set_aside(
    repository: Path, tmp_path: Path, evidence: Evidence
) -> None:
    output = tmp_path / "out"

    begun = output / "shards" / "1-of-1" / "begun.json"
    evidence.raises["p3-slow"] = KeyboardInterrupt()
    for times in (1, 2):
        # As a process leaves it that was killed: nothing is tidied up.
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(type(begun), "unlink", lambda *_, **__: None)
            with pytest.raises(KeyboardInterrupt):
                screen(repository, output)
        assert json.loads(begun.read_text())["times"] == times
    del evidence.raises["p3-slow"]
    rows = {row["folder"]: row for row in screen(repository, output)}
    assert rows["p3-slow"]["status"] == "failed"
    assert "ended the process that screened it 2 times" in rows["p3-slow"]["reason"]
    assert rows["p4-slow"]["status"] == "scored"


@pytest.mark.parametrize("missing", ["pyarrow", "distributed"])
def test_a_missing_extra_is_said(
    repository: Path, tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "dfd.repository.screen.find_spec",
        lambda name: None if name == missing else found(name),
    )
    with pytest.raises(
        UsageError, match=rf"needs {missing}.*pip install deepfakes-detector\[screen"
    ):
        dfd.screen(repository, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_or_missing_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, sentence in (("empty", "holds no file"), ("gone", "does not exist")):
        with pytest.raises(SeriesError, match=sentence):
            screen(tmp_path / name, tmp_path / "out")


def test_settings_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    for options in ({"workers": 2}, {"scheduler": "tcp://x:1"}):
        with pytest.raises(UsageError, match="leave workers and scheduler out"):
            screen(tmp_path, tmp_path / "out", **options)
    with pytest.raises(UsageError, match="workers of its own"):
        dfd.screen(tmp_path, tmp_path / "out", scheduler="tcp://x:1", workers=1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["gone", "--output", "out"], "gone does not exist"),
        (["."], "the following arguments are required: --output"),
        ([".", "--output", "out", "--shard", "3/2"], "a share such as 1/8"),
        ([".", "--output", "out", "--since", "May"], "a date such as 2026-11-22"),
        ([".", "--output", "out", "--model", "nothing"], "no model 'nothing'"),
    ],
)
def test_a_mistake_is_said_before_anything_heavy_is_imported(
    words: list[str], sentence: str, tmp_path: Path
) -> None:
    code = (
        "import sys; from dfd.cli.entry import run; code = run(sys.argv[1:]); "
        "heavy = {'torch', 'distributed', 'pandas', 'pyarrow', 'pydicom'} & set(sys.modules); "
        "print(code, sorted(heavy - {'pydicom'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "screen", *words],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "2 []\n"
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
