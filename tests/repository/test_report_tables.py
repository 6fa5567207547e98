"""series.csv, series.parquet, suspicious_regions.csv, and what they never hold."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pandas as pd
import pytest

from dfd.repository.report import tables
from dfd.repository.report.anonymous import without_names
from dfd.repository.report.read import read
from dfd.sentences import named
from tests.repository.tables import digest, part, planned, region, write_parts, write_plan


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    rows = [planned(number) for number in range(1, 6)]
    rows[4] |= {"status": "skipped", "reason": "a localizer of one slice"}
    write_plan(tmp_path, rows)
    two = part(rows[1], 0.001, regions=[region(2), region(1)])
    write_parts(tmp_path, [part(rows[0], 0.04), two, part(rows[2], 0.7), part(rows[3], None)])
    return tmp_path


def test_the_tables_hold_every_series_and_read_back_as_the_same_numbers(output: Path) -> None:
    found = read(output)
    tables.write(output, found)
    rows = rows_of(output / "series.csv")
    assert tuple(rows[0]) == tables.SERIES
    assert [row["series"] for row in rows] == [digest(number) for number in (2, 1, 3, 4, 5)]
    assert [float(row["p_value"]) for row in rows[:3]] == [0.001, 0.04, 0.7]
    assert [float(row["p_empirical"]) for row in rows[:3]] == list(found.series["p_empirical"][:3])
    # Series 1 and 3 are of one maker and kernel, series 2 of another.
    assert [row["stratum_series"] for row in rows[:3]] == ["1", "2", "2"]
    assert [row["p_empirical"] for row in rows[:3]] == [row["p_value"] for row in rows[:3]]
    assert rows[3]["p_value"] == rows[3]["p_empirical"] == ""
    assert rows[4]["status"] == "skipped"
    assert rows[0]["slices"] == "102"
    assert [row["extrapolated"] for row in rows] == ["true", "false", "false", "", ""]
    stored = pd.read_parquet(output / "series.parquet")
    assert tuple(stored) == tables.SERIES
    assert stored["extrapolated"].astype(object).where(stored["extrapolated"].notna()).tolist()[
        :3
    ] == [True, False, False]
    assert list(stored["q_empirical"][:3]) == list(found.series["q_empirical"][:3])
    assert math.isnan(stored["p_value"][3])


def test_suspicious_regions_follow_their_series(output: Path) -> None:
    tables.write(output, read(output))
    rows = rows_of(output / "suspicious_regions.csv")
    assert tuple(rows[0]) == tables.REGIONS
    assert [(row["series_rank"], row["rank"]) for row in rows] == [
        *(("1", "1"), ("1", "2"), ("2", "1"))
    ]
    assert [row["expected_false_alarms"] for row in rows] == ["0.25", "0.5", "0.25"]
    assert rows[0]["sop_uids"].split() == region()["sop_uids"]


def test_the_same_parts_give_the_same_bytes(output: Path) -> None:
    names = ("series.csv", "series.parquet", "suspicious_regions.csv")
    written = []
    for _ in range(2):
        tables.write(output, read(output))
        written.append([(output / name).read_bytes() for name in names])
    assert written[0] == written[1]


def test_without_any_part_the_list_of_regions_has_its_header(tmp_path: Path) -> None:
    write_plan(tmp_path, [planned(1)])
    tables.write(tmp_path, read(tmp_path))
    text = (tmp_path / "suspicious_regions.csv").read_text(encoding="utf-8")
    assert text == ",".join(tables.REGIONS) + "\n"


def test_no_spreadsheet_runs_a_cell(tmp_path: Path) -> None:
    write_plan(tmp_path, [planned(1, folder="=cmd|' /C calc'!A0", scanner="a\nb")])
    tables.write(tmp_path, read(tmp_path))
    (row,) = rows_of(tmp_path / "series.csv")
    assert row["folder"].startswith("'=")
    assert row["scanner"] == "a b"


CANARY = "Canary"
REASONS = (
    f"{CANARY}/ct 1/a.dcm cannot be decoded",
    f"the file '{CANARY} scan.dcm' is empty",
    f"no slice lies beside {CANARY}.dcm",
    f"two series carry the UID 1.2.840.113619.2.55 of C:\\scans\\{CANARY}",
    f"the study of 2019-03-17 of {CANARY}^Jane has two orientations",
    f"{named(f'folder {CANARY}')} holds one slice; 20190317 is its date",
)
HIDDEN = (CANARY, "1.2.840.113619", "1.2.826", "2019", digest(1), "Jane", "2026-11-20")


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("status", ["planned", "skipped"])
def test_anonymous_tables_name_nobody(tmp_path: Path, reason: str, status: str) -> None:
    row = planned(
        1,
        patient=f"{CANARY}^Jane",
        folder=f"{CANARY}/ct 1",
        scanner=f"{CANARY} scanner",
        manufacturer=CANARY,
        kernel=CANARY,
        modality=CANARY,
        status=status,
        reason=reason if status == "skipped" else "",
    )
    other = planned(2)
    write_plan(tmp_path, [row, other])
    shown = part(other, 0.01, regions=[region(reason=named(f"copied from {CANARY}.dcm"))])
    write_parts(tmp_path, [part(row, None, status="failed", reason=reason), shown])
    tables.write(tmp_path, without_names(read(tmp_path)))
    for name in ("series.csv", "series.parquet", "suspicious_regions.csv"):
        content = (tmp_path / name).read_bytes()
        if name == "series.parquet":
            content = pd.read_parquet(tmp_path / name).to_csv().encode()
        assert not [word for word in HIDDEN if word.encode() in content]


def test_anonymous_names_are_kept_through_all_tables(output: Path) -> None:
    shown, hidden = read(output), without_names(read(output))
    tables.write(output, hidden)
    local = dict(zip(shown.series["series"], hidden.series["series"], strict=True))
    assert sorted(local.values()) == [f"series-{number:05d}" for number in range(1, 6)]
    assert [row["series"] for row in rows_of(output / "suspicious_regions.csv")] == [
        *(local[digest(2)], local[digest(2)], local[digest(1)])
    ]
    assert set(hidden.series["scanner"]) == {"Siemens", "GE"}
    assert set(hidden.series["kernel"]) == {"B70f", "STANDARD"}
    assert list(hidden.series["p_value"].dropna()) == [0.001, 0.04, 0.7]
