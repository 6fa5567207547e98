"""screened_series.csv: runs of slices, and what ends them."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dfd.calibration import SERIES_SCREENING, Calibration, Setting
from dfd.outputs import series
from dfd.outputs.writer import Results, Stage
from dfd.records import Finding, Point, Region, ScanFacts, Series, SliceRef, Verdict
from tests.calibration.test_series import edited, looked_at, series_of, setting

__all__ = ["setting"]

SLICES = 12
EDITED = range(3, 8)
PLACE = (7, 9)
"""Row and column on the grid."""
LIKE = Region(np.nan, np.nan, 10.0, 8.0)


def answers(
    folder: Path,
    setting: Setting,
    monkeypatch: pytest.MonkeyPatch,
    *,
    missing: Collection[int] = (),
    anonymous: bool = False,
) -> list[dict[str, str]]:
    (stack,) = edited(series_of(np.random.default_rng(2), SLICES), EDITED, PLACE, 4.0)
    refs = [
        SliceRef(folder / f"canary{n:02d}.dcm", sop_uid=f"1.{n}", position_mm=2.5 * n)
        for n in range(SLICES)
    ]
    whole = Series("1", (), tuple(refs), ScanFacts(modality="CT"))
    monkeypatch.setattr(series, "series_of_files", lambda _: ([whole], []))
    findings = [
        Finding(Point(n, ref.path.name, path=ref.path), Verdict.NO_ANOMALY)
        for n, ref in enumerate(refs)
    ]
    rows = [n for n in range(SLICES) if n not in missing]
    results = Results(
        findings,
        {},
        Stage.FINISHED,
        regions=dict.fromkeys(rows, LIKE),
        grids={n: stack[n] for n in rows},
    )
    calibration = Calibration("b", "ab", 8.0, {}, {SERIES_SCREENING: setting})
    settings = SimpleNamespace(anonymous=anonymous)
    run = SimpleNamespace(folder=folder, calibration=calibration, settings=settings)
    series.write(run, results)
    with (folder / series.FILE_NAME).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_series_is_answered_by_its_strangest_run(
    tmp_path: Path, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = answers(tmp_path, setting, monkeypatch)
    assert (row["slices"], row["first"], row["last"]) == ("12", "canary00.dcm", "canary11.dcm")
    assert (row["region_first"], row["region_last"]) == ("canary03.dcm", "canary07.dcm")
    # Places lie 12 px apart from 6 px on: 1.2 radii.
    assert (float(row["x"]), float(row["y"])) == (6 + 12 * PLACE[1], 6 + 12 * PLACE[0])
    assert (float(row["radius_px"]), float(row["radius_mm"])) == (10.0, 8.0)
    whole = looked_at(edited(series_of(np.random.default_rng(2)), EDITED, PLACE, 4.0), setting)
    assert float(row["p_value"]) == pytest.approx(whole.p_value()[0], rel=1e-6)
    assert row["reason"].startswith("a region stands out over 5 slices: ")


def test_a_slice_that_was_not_measured_ends_a_run(
    tmp_path: Path, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = answers(tmp_path, setting, monkeypatch, missing=(4, 6))
    assert row["slices"] == "10"
    assert row["region_first"] == row["region_last"]


def test_no_file_is_named_where_names_are_hidden(
    tmp_path: Path, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = answers(tmp_path, setting, monkeypatch, anonymous=True)
    assert "canary" not in str(row)
    assert (row["region_first"], row["region_last"]) == ("slice-0004", "slice-0008")


def test_without_tables_of_series_there_is_no_file(
    tmp_path: Path, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = SimpleNamespace(folder=tmp_path, calibration=None, settings=None)
    series.write(plain, Results([], {}, Stage.FINISHED))
    assert list(tmp_path.iterdir()) == []
