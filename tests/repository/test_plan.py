"""Every file of a repository stands in its plan, and every series that is skipped says why."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydicom import Dataset

from dfd.errors import SeriesError
from dfd.reading.summary import HeaderSummaries
from dfd.repository import headers
from dfd.repository.models import PlannedModel
from dfd.repository.names import as_name, as_text
from dfd.repository.plan import Plan, make_plan, read_plan, write_plan
from dfd.repository.source import source_of
from tests.dicom_maker import make_pixels, make_slice
from tests.repository.conftest import make_patient

CT = PlannedModel("ct", "ct_lung", "a" * 64)
MR = PlannedModel("mr", "mri_chest", "b" * 64)


def planned(path: Path, *models: PlannedModel) -> Plan:
    return make_plan(source_of(path), path / "out", models or (CT, MR))


def of_file(plan: Plan) -> dict[str, dict[str, Any]]:
    return {row["file"]: row for row in plan.files.to_pylist()}


def test_a_series_is_described_by_its_header(tmp_path: Path) -> None:
    folder = make_patient(tmp_path, "p1", slices=3)
    newest = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
    os.utime(folder / "1.dcm", (newest, newest))
    (row,) = planned(tmp_path).series.to_pylist()
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert {name: row[name] for name in row if name not in ("series", "content", "patient")} == {
        "study_uid": f"1.3.{int.from_bytes(b'p1')}",
        "series_uid": f"1.2.{int.from_bytes(b'p1')}",
        "modality": "CT",
        "bundle": "ct_lung_inpainting",
        "folder": "p1",
        "slices": 3,
        "bytes": size,
        "rows": 40,
        "columns": 48,
        "manufacturer": "ACME",
        "scanner": "Scanner 1",
        "kernel": "B30f",
        "thickness_mm": 2.5,
        "spacing_mm": pytest.approx((0.7 * 0.8) ** 0.5),
        "study_date": "20240229",
        "added": "2030-01-02T03:04:05Z",
        "status": "planned",
        "reason": "",
    }
    assert len(row["series"]) == 16
    assert "canary" not in json.dumps(row).lower()


def test_every_file_is_counted_and_every_skipped_one_says_why(tmp_path: Path) -> None:
    make_patient(tmp_path, "genuine")
    (tmp_path / "list.csv").write_text("name,dose\nx,1\n")
    (tmp_path / "cut.dcm").write_bytes((tmp_path / "genuine" / "0.dcm").read_bytes()[:300])
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    kinds: dict[str, dict[str, object]] = {
        "pet": {"Modality": "PT"},
        "localizer": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        "lossy": {"LossyImageCompression": "01"},
        "head": {"BodyPartExamined": "HEAD"},
        "tiny": {},
    }
    for name, tags in kinds.items():
        pixels = make_pixels((8, 8)) if name == "tiny" else make_pixels()
        make_slice(tmp_path / name / "a.dcm", pixels, SeriesInstanceUID=f"1.2.{len(name)}", **tags)
    plan = planned(tmp_path)
    rows = of_file(plan)
    reasons = {
        "list.csv": "it is neither DICOM nor NIfTI",
        "cut.dcm": "",
        "nowhere": "the link leads nowhere",
        "pet/a.dcm": "The slice is PT and there is no model for it",
        "localizer/a.dcm": "The slice is a localizer",
        "lossy/a.dcm": "The slice was compressed with loss",
        "head/a.dcm": "The slice shows HEAD",
        "tiny/a.dcm": "it has 8 x 8 pixels, too small",
    }
    for name, reason in reasons.items():
        assert rows[name]["status"] == "skipped", name
        assert rows[name]["reason"].startswith(reason), name
        assert rows[name]["reason"]
    counts = plan.counts()
    assert counts["files"] == 10 == sum(counts[f"files {w}"] for w in ("planned", "skipped"))
    assert (counts["series planned"], counts["series skipped"]) == (1, 4)
    skipped = [row for row in plan.series.to_pylist() if row["status"] == "skipped"]
    assert all(row["reason"].startswith("The slice ") and not row["bundle"] for row in skipped)


def test_one_model_plans_its_own_modality(tmp_path: Path) -> None:
    make_slice(tmp_path / "a.dcm", make_pixels(), Modality="MR")
    (row,) = planned(tmp_path, CT).files.to_pylist()
    assert row["status"] == "skipped"
    assert "The slice is MR but the model ct_lung was made for CT" in row["reason"]
    (row,) = planned(tmp_path).series.to_pylist()
    assert row["bundle"] == "mri_chest_inpainting"


def test_copies_are_left_out_and_different_pixels_are_kept(tmp_path: Path) -> None:
    folder = make_patient(tmp_path, "p1")
    shutil.copy(folder / "0.dcm", folder / "copy.dcm")
    changed = folder / "other.dcm"
    shutil.copy(folder / "1.dcm", changed)
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    elsewhere = {"SOPInstanceUID": f"1.4.{int.from_bytes(b'p1')}.0", "SeriesInstanceUID": "1.9"}
    make_slice(tmp_path / "p2" / "a.dcm", make_pixels(), PatientID="p2", **elsewhere)
    rows = of_file(planned(tmp_path))
    assert rows["p1/copy.dcm"]["status"] == "duplicate"
    assert rows["p1/copy.dcm"]["reason"] == "it holds the same pixels as p1/0.dcm"
    assert rows["p1/other.dcm"]["status"] == "planned"
    assert "pixels differ from those of p1/1.dcm" in rows["p1/other.dcm"]["reason"]
    assert rows["p2/a.dcm"]["status"] == "planned"
    assert "a file of another series, p1/0.dcm" in rows["p2/a.dcm"]["reason"]
    assert not rows["p1/0.dcm"]["reason"]


def test_planes_of_one_uid_are_series_of_their_own(tmp_path: Path) -> None:
    make_patient(tmp_path, "p1")
    make_slice(
        tmp_path / "p1" / "coronal.dcm",
        make_pixels(),
        PatientID="p1",
        SeriesInstanceUID=f"1.2.{int.from_bytes(b'p1')}",
        StudyInstanceUID=f"1.3.{int.from_bytes(b'p1')}",
        ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
    )
    make_slice(
        tmp_path / "p1" / "nearly.dcm",
        make_pixels(),
        PatientID="p1",
        SeriesInstanceUID=f"1.2.{int.from_bytes(b'p1')}",
        StudyInstanceUID=f"1.3.{int.from_bytes(b'p1')}",
        ImageOrientationPatient=[1, 0, 0.001, 0, 1, 0],
    )
    series = planned(tmp_path).series.to_pylist()
    assert sorted(row["slices"] for row in series) == [1, 3]


def test_the_same_files_give_the_same_bytes_in_one_process_or_many(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for number, worth in enumerate((1e6, -1.0)):
        monkeypatch.setattr(headers, "WORTH_PROCESSES_S", worth)
        monkeypatch.setattr(headers, "CHUNK", 2)
        output = tmp_path / f"out{number}"
        output.mkdir()
        plan = planned(repository)
        write_plan(plan, output)
        assert read_plan(output) == plan
        written.append([path.read_bytes() for path in sorted((output / "plan").iterdir())])
    assert written[0] == written[1]


def test_a_repository_may_lie_elsewhere(repository: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    before = planned(repository)
    shutil.copytree(repository, moved)
    assert planned(moved) == before


def test_content_says_that_a_series_changed(repository: Path) -> None:
    before = planned(repository).series.to_pylist()
    make_slice(repository / "p1" / "1.dcm", make_pixels(seed=9), SeriesInstanceUID="1.7")
    os.utime(repository / "p2" / "0.dcm", (1, 1))
    after = {row["series"]: row["content"] for row in planned(repository).series.to_pylist()}
    same = [row["folder"] for row in before if after.get(row["series"]) == row["content"]]
    assert same == ["p3-slow", "p4-slow"]


def test_names_in_any_encoding(tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff\xe9 \\x.dcm")
    make_slice(tmp_path / "a.dcm", make_pixels())
    (tmp_path / "a.dcm").rename(tmp_path / odd)
    plan = planned(tmp_path)
    (row,) = plan.files.to_pylist()
    assert row["status"] == "planned"
    assert row["file"] == r"\xff\xe9 \\x.dcm"
    assert as_name(row["file"]) == odd
    for name in ("plain", "ü", "\\", "\\x41", odd, "a\\\\b"):
        assert as_name(as_text(name)) == name


def test_a_folder_that_cannot_be_listed_is_said(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("p2"):
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(os, "scandir", scandir)
    rows = of_file(planned(repository))
    assert rows["p2"]["status"] == "skipped"
    assert "cannot be listed (Permission denied)" in rows["p2"]["reason"]
    assert sum(row["status"] == "planned" for row in rows.values()) == 6


def test_links_in_a_circle_end(repository: Path) -> None:
    (repository / "p1" / "up").symlink_to(repository)
    plan = planned(repository)
    assert plan.counts()["series"] == 4


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("path", ["p1", "p2/0.dcm", "gone.dcm", "p1"]),
        ("SeriesInstanceUID", [f"1.2.{int.from_bytes(b'p1')}"]),
        ("study_uid", [f"1.3.{int.from_bytes(b'p2')}"]),
    ],
)
def test_a_manifest_names_what_is_planned(
    repository: Path, column: str, cells: list[str], ending: str
) -> None:
    manifest = repository / f"manifest.{ending}"
    if ending == "csv":
        lines = [f"note;{column}", *(f"x;{cell}" for cell in cells)]
        manifest.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    else:
        pq.write_table(pa.table({"note": ["x"] * len(cells), column: cells}), manifest)
    plan = planned_from(manifest)
    done = {row["file"] for row in plan.files.to_pylist() if row["status"] == "planned"}
    wanted = {
        "path": {"p1/0.dcm", "p1/1.dcm", "p2/0.dcm"},
        "SeriesInstanceUID": {"p1/0.dcm", "p1/1.dcm"},
        "study_uid": {"p2/0.dcm", "p2/1.dcm"},
    }
    assert done == wanted[column]
    if column == "path":
        assert of_file(plan)["gone.dcm"]["reason"] == "it does not exist"
    else:
        skipped = [row for row in plan.series.to_pylist() if row["status"] == "skipped"]
        assert {row["reason"] for row in skipped} == {"the manifest does not name its series"}


def planned_from(manifest: Path) -> Plan:
    return make_plan(source_of(manifest), manifest.parent / "out", (CT, MR))


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda path: path.write_text("a,b\n1,2\n"), "names no files: give it a column path"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "cannot be read as a manifest"),
        (lambda path: path.write_text(""), "names no files"),
    ],
)
def test_a_manifest_without_names_is_refused(
    tmp_path: Path, write: Callable[[Path], object], sentence: str
) -> None:
    write(tmp_path / "m.csv")
    with pytest.raises(SeriesError, match=sentence):
        source_of(tmp_path / "m.csv")


def test_of_a_dataset_the_listed_series_are_planned(repository: Path) -> None:
    index = [{"path": "p1"}, {"path": ".", "series": [{"folderName": "p2"}]}]
    (repository / "index.json").write_text(json.dumps(index))
    folders = {row["folder"] for row in planned(repository).series.to_pylist()}
    assert folders == {"p1", "p2"}


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"syntax": "1.2.840.10008.1.2"},
        {"syntax": "1.2.840.10008.1.2.1.99"},
        {"LossyImageCompression": "01"},
        {"preamble": False},
        {"SpecificCharacterSet": "ISO_IR 192", "Manufacturer": "Größe"},
        {"SOPInstanceUID": None, "preamble": False},
        {"ImagePositionPatient": None},
        {"PatientID": None},
        {"ModalityLUTSequence": []},
        {"SharedFunctionalGroupsSequence": [Dataset()]},
    ],
    ids=str,
)
def test_a_summary_of_a_remembered_header_is_that_of_a_fresh_one(
    tmp_path: Path, tags: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        make_slice(
            tmp_path / f"{number}.dcm",
            make_pixels(seed=number),
            **{"ImagePositionPatient": [0, 0, number], "InstanceNumber": number} | tags,
        )
        for number in range(3)
    ]
    files.append(make_slice(tmp_path / "b.dcm", make_pixels(), **{"ConvolutionKernel": "B70f"}))
    files.append(make_slice(tmp_path / "c.dcm", np.stack([make_pixels()] * 2)))
    summaries = HeaderSummaries()
    remembering = [summaries.of(path) for path in files]
    monkeypatch.setattr("dfd.reading.summary.raw_header", lambda *_: None)
    assert remembering == [HeaderSummaries().of(path) for path in files]
    assert [each.slices for each in remembering] == [1, 1, 1, 1, 2]
    places = 1 if "ImagePositionPatient" in tags else 3
    assert len({each.place for each in remembering[:3]}) == places
