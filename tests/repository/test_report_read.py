"""Plan and parts as one table: everything counted, at any time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dfd.errors import OutputError
from dfd.repository.report.read import read
from tests.repository.tables import MODEL, digest, part, planned, write_parts, write_plan

SKIPPED = {"status": "skipped", "reason": "a localizer of one slice"}


def test_every_series_has_a_row_whatever_became_of_it(tmp_path: Path) -> None:
    rows = [planned(number) for number in range(1, 7)]
    rows[5] |= SKIPPED
    write_plan(tmp_path, rows)
    failed = part(rows[2], None, status="failed", reason="slice 3 cannot be decoded")
    write_parts(tmp_path, [part(rows[0], 0.4), part(rows[1], 0.001), failed, part(rows[3], None)])
    found = read(tmp_path)
    assert found.outcomes == {"scored": 2, "not assessable": 1, "failed": 1, "not yet done": 1}
    series = found.series
    assert list(series["rank"]) == [1, 2, 3, 4, 5, 6]
    assert list(series["series"]) == [digest(number) for number in (2, 1, 4, 3, 5, 6)]
    assert list(series["outcome"]) == [
        *("scored", "scored", "not assessable", "failed", "not yet done", "skipped")
    ]
    assert list(series["reason"])[2:] == [
        "the slices are thicker than 6 mm",
        "slice 3 cannot be decoded",
        "",
        "a localizer of one slice",
    ]
    assert series["p_value"][0] == 0.001
    assert np.isfinite(series["p_empirical"]).tolist() == [True, True, *[False] * 4]
    assert series["stratum"][0] == "CT, GE, soft kernel, up to 1.5 mm"
    assert found.regions["series"].tolist() == [digest(2)]
    assert found.models == {"ct_lung_inpainting": MODEL[:12]}
    assert list(series["regions"][:2]) == [1, 0]


def test_files_are_counted_by_status_and_reason(tmp_path: Path) -> None:
    statuses = [("planned", "")] * 5 + [("skipped", "no image")] * 3 + [("skipped", "a CSV file")]
    statuses += [("duplicate", "the same as a.dcm")] * 2
    files = [
        {"file": f"{at}.dcm", "series": "", "sop_uid": "", "status": status, "reason": reason}
        for at, (status, reason) in enumerate(statuses)
    ]
    write_plan(tmp_path, [planned(1)], files)
    found = read(tmp_path)
    assert found.files == {"planned": 5, "skipped": 4, "duplicate": 2}
    assert found.file_reasons == {"no image": 3, "a CSV file": 1}


def test_a_series_that_changed_since_it_was_screened_is_not_done(tmp_path: Path) -> None:
    rows = [planned(1), planned(2)]
    write_plan(tmp_path, rows)
    write_parts(tmp_path, [part(rows[0], 0.01, content="older"), part(rows[1], 0.5)])
    found = read(tmp_path)
    assert found.changed == 1
    assert found.outcomes["not yet done"] == 1
    assert np.isnan(found.series["p_value"][1])
    assert found.series["verdict"][1] == ""
    assert found.regions.empty


@pytest.mark.parametrize("content", [b"", b"PAR1 no table", b"\0" * 5000])
def test_a_damaged_part_is_named_and_not_done(tmp_path: Path, content: bytes) -> None:
    rows = [planned(1), planned(2)]
    write_plan(tmp_path, rows)
    write_parts(tmp_path, [part(row, 0.5) for row in rows])
    broken = tmp_path / "parts" / f"{digest(1)}-{MODEL[:12]}.parquet"
    broken.write_bytes(content)
    found = read(tmp_path)
    assert found.unreadable == (broken.name,)
    assert found.outcomes == {"scored": 1, "not assessable": 0, "failed": 0, "not yet done": 1}


def test_a_part_with_one_wrong_byte_is_damaged(tmp_path: Path) -> None:
    row = planned(1)
    write_plan(tmp_path, [row])
    write_parts(tmp_path, [part(row, 0.9876, reason="unmistakable")])
    (path,) = (tmp_path / "parts").iterdir()
    content = path.read_bytes()
    at = content.index(b"unmistakable")
    path.write_bytes(content[:at] + b"U" + content[at + 1 :])
    assert read(tmp_path).unreadable == (path.name,)


def test_a_part_under_the_name_of_another_series_is_not_taken(tmp_path: Path) -> None:
    rows = [planned(1), planned(2)]
    write_plan(tmp_path, rows)
    write_parts(tmp_path, [part(rows[0], 0.5)])
    folder = tmp_path / "parts"
    (folder / f"{digest(1)}-{MODEL[:12]}.parquet").rename(
        folder / f"{digest(2)}-{MODEL[:12]}.parquet"
    )
    assert len(read(tmp_path).unreadable) == 1


def test_temporary_files_and_series_out_of_the_plan_are_left_alone(tmp_path: Path) -> None:
    write_plan(tmp_path, [planned(1)])
    write_parts(tmp_path, [part(planned(1), 0.5), part(planned(9), 0.001)])
    (tmp_path / "parts" / ".dfd-0123.tmp").write_bytes(b"half")
    (tmp_path / "parts" / "notes.parquet").write_bytes(b"mine")
    found = read(tmp_path)
    assert found.outcomes["scored"] == 1
    assert found.unreadable == ()
    assert len(found.series) == 1


def test_one_model_is_reported_and_others_are_counted(tmp_path: Path) -> None:
    row, other = planned(1), "cd" * 32
    write_plan(tmp_path, [row])
    write_parts(tmp_path, [part(row, 0.3, model=other), part(row, 0.5)])
    found = read(tmp_path, {"ct_lung_inpainting": other})
    assert found.models == {"ct_lung_inpainting": other[:12]}
    assert found.series["p_value"][0] == 0.3
    assert found.series["model"][0] == other
    assert found.other_models == {MODEL[:12]: 1}
    os.utime(tmp_path / "parts" / f"{digest(1)}-{other[:12]}.parquet", (1, 1))
    assert read(tmp_path).series["p_value"][0] == 0.5


def test_each_bundle_has_its_model(tmp_path: Path) -> None:
    rows = [planned(1), planned(2, modality="MR", bundle="mri_chest_inpainting")]
    write_plan(tmp_path, rows)
    other = "cd" * 32
    write_parts(tmp_path, [part(rows[0], 0.2), part(rows[1], 0.4, model=other)])
    found = read(tmp_path)
    assert found.models == {"ct_lung_inpainting": MODEL[:12], "mri_chest_inpainting": other[:12]}
    assert found.outcomes["scored"] == 2
    assert not found.other_models


def test_parts_that_come_and_go_while_they_are_read_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [planned(number) for number in range(1, 5)]
    write_plan(tmp_path, rows)
    write_parts(tmp_path, [part(row, 0.5) for row in rows[:3]])
    opened: list[Path] = []
    open_file = pq.ParquetFile

    def opening(path: Path, **options: Any) -> Any:
        if path.parent.name == "parts" and not opened:
            write_parts(tmp_path, [part(rows[3], 0.001)])
            newest = sorted((tmp_path / "parts").glob("*.parquet"))[-1]
            newest.unlink()
        opened.append(path)
        return open_file(path, **options)

    monkeypatch.setattr(pq, "ParquetFile", opening)
    found = read(tmp_path)
    assert found.unreadable == ()
    assert sum(found.outcomes.values()) == 4
    assert found.outcomes["scored"] in (2, 3)


def test_before_the_first_part_nothing_is_done(tmp_path: Path) -> None:
    write_plan(tmp_path, [planned(1), planned(2, **SKIPPED)])
    found = read(tmp_path)
    assert found.outcomes["not yet done"] == 1
    assert found.models == {}
    assert found.null.strata == {}


def test_regions_keep_their_series(tmp_path: Path) -> None:
    rows = [planned(1), planned(2), planned(3)]
    write_plan(tmp_path, rows)
    many = part(rows[2], 0.01)
    many["regions"] = [many["regions"][0] | {"rank": rank} for rank in (1, 2)]
    write_parts(tmp_path, [part(rows[0], 0.02), part(rows[1], 0.9), many])
    regions = read(tmp_path).regions.sort_values(["series", "rank"])
    expected = sorted([(digest(1), 1), (digest(3), 1), (digest(3), 2)])
    assert list(zip(regions["series"], regions["rank"], strict=True)) == expected


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "series.parquet is not there: name the output folder"),
        (lambda file: file.write_bytes(b"no"), "series.parquet cannot be read as Parquet"),
    ],
)
def test_without_a_plan_there_is_no_report(tmp_path: Path, damage: Any, message: str) -> None:
    write_plan(tmp_path, [planned(1)])
    damage(tmp_path / "plan" / "series.parquet")
    with pytest.raises(OutputError, match=message):
        read(tmp_path)
