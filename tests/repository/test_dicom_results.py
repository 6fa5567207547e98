"""DICOM results of screened series say what their parts say."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import highdicom
import numpy as np
import pyarrow.parquet as pq
import pytest
from pydicom import dcmread

import dfd
from dfd.errors import UsageError
from dfd.records import SliceRef
from dfd.repository import dicom_results
from dfd.repository.parts import Part
from dfd.repository.series_task import SeriesTask
from tests.integration.processes import CT_BUNDLE
from tests.outputs.test_dicom_results import texts
from tests.repository.conftest import make_patient
from tests.repository.edited_phantom import EDIT, SIZE, write_edited_series


def part_in(output: Path) -> dict[str, Any]:
    (path,) = (output / "parts").iterdir()
    (row,) = pq.read_table(path).to_pylist()
    return row


def made(output: Path, kind: str) -> Path:
    (path,) = (output / "dicom").glob(f"*-{kind}.dcm")
    return path


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Path]:
    """(files, results) of an edited phantom through the real evidence."""
    if not (CT_BUNDLE / "models" / "model.pt").exists():
        pytest.skip("no shipped weights here")
    folder = tmp_path_factory.mktemp("edited")
    files = write_edited_series(folder / "scans")
    table = dfd.screen(folder / "scans", folder / "out", shard=(1, 1), dicom="listed")
    assert table["verdict"].tolist() == ["unusual"], "the phantom is not listed any more"
    return files, folder / "out"


def test_the_report_says_what_the_part_says(screened: tuple[list[Path], Path]) -> None:
    files, output = screened
    part, report = part_in(output), highdicom.sr.srread(made(output, "scores"))
    (whole,) = report.content.get_image_measurement_groups()
    assert whole.tracking_identifier == "series"
    assert {each.name.value: each.value for each in whole.get_measurements()} == {
        "SCORE": part["score"],
        "P_VALUE": part["p_value"],
    }
    evaluated = {each.name.value: each.value.value for each in whole.get_qualitative_evaluations()}
    assert evaluated == {"VERDICT": "UNUSUAL", "FORM": "AI_EDIT"}
    uids = {dcmread(path).SOPInstanceUID for path in files}
    assert {each.referenced_sop_instance_uid for each in whole.source_images} == uids
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == [
        str(region["rank"]) for region in part["regions"]
    ]
    said = texts(report)
    assert part["reason"] in said
    assert {region["reason"] for region in part["regions"]} <= set(said)


def test_a_region_is_outlined_in_each_of_its_slices(screened: tuple[list[Path], Path]) -> None:
    _, output = screened
    region = part_in(output)["regions"][0]
    assert np.hypot(region["x"] - EDIT.x, region["y"] - EDIT.y) < EDIT.radius_px
    report = highdicom.sr.srread(made(output, "scores"))
    group = report.content.get_volumetric_roi_measurement_groups()[0]
    outlines = group.roi
    sources = [each.ContentSequence[0].referenced_sop_instance_uid for each in outlines]
    assert sources == region["sop_uids"]
    centre = region["x"] + 0.5, region["y"] + 0.5
    for outline in outlines:
        np.testing.assert_allclose(outline.value[0], centre, atol=1e-5)


def test_map_and_segmentation_hold_the_slices_of_the_regions(
    screened: tuple[list[Path], Path], tmp_path: Path
) -> None:
    files, output = screened
    part = part_in(output)
    concerned = {uid for region in part["regions"] for uid in region["sop_uids"]}
    wanted = [path for path in files if dcmread(path).SOPInstanceUID in concerned]
    (tmp_path / "points.csv").write_text("filename\n" + "\n".join(p.name for p in wanted))
    dfd.score(files[0].parent, tmp_path / "points.csv", output_dir=tmp_path / "slices", dicom=True)
    for kind, values in (("map", "FloatPixelData"), ("regions", "PixelData")):
        one = dcmread(made(output, kind))
        other = dcmread(tmp_path / "slices" / "dicom" / f"series-01-{kind}.dcm")
        assert len(wanted) == int(one.NumberOfFrames) == int(other.NumberOfFrames)
        if kind == "map":
            assert getattr(one, values) == getattr(other, values)
    mask = highdicom.seg.segread(made(output, "regions")).get_volume(combine_segments=True)
    assert mask.array.shape == (len(wanted), SIZE, SIZE)
    assert mask.array[:, round(EDIT.y), round(EDIT.x)].all()
    assert not mask.array[:, :, SIZE // 2 :].any()


def test_what_is_there_is_kept_and_a_changed_series_gets_another(
    screened: tuple[list[Path], Path],
) -> None:
    files, output = screened
    before = {path: path.stat().st_mtime_ns for path in (output / "dicom").iterdir()}
    assert len(before) == 3
    dfd.screen(files[0].parent, output, shard=(1, 1), dicom="all")
    assert {path: path.stat().st_mtime_ns for path in (output / "dicom").iterdir()} == before
    files[-1].rename(output.parent / "away.dcm")
    (output / "plan" / "plan.json").unlink()
    dfd.screen(files[0].parent, output, shard=(1, 1), dicom="all")
    assert not set(before) & set((output / "dicom").iterdir())
    assert made(output, "scores").exists()


class Evidence(ModuleType):
    """Stands in for ``dfd.repository.screen_series``: nothing is unusual."""

    def screen_series(self, task: SeriesTask) -> Part:
        of = task.series, task.content, task.model.sha256
        p = 0.6
        return Part(*of, "scored", "fine", p, 0.2, 1.0, "no anomaly found", "", len(task.files))


@pytest.fixture
def evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "dfd.repository.screen_series"
    monkeypatch.setitem(sys.modules, name, Evidence(name))


@pytest.mark.usefixtures("evidence")
def test_a_series_that_is_not_listed_has_a_report_alone_where_all_are_asked_for(
    repository: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    dfd.screen(repository, output, shard=(1, 1), dicom="listed")
    assert not list((output / "dicom").iterdir())
    dfd.screen(repository, output, shard=(1, 1), dicom="all")
    reports = [dcmread(path) for path in (output / "dicom").iterdir()]
    assert {each.Modality for each in reports} == {"SR"}
    assert {each.PatientID for each in reports} == {"p1", "p2", "p3-slow", "p4-slow"}


@pytest.mark.usefixtures("evidence")
def test_only_series_that_the_run_asks_for_get_results(repository: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    for number in (1, 2):
        dfd.screen(repository, output, shard=(number, 2), dicom="all")
        reports = len(list((output / "dicom").iterdir()))
        assert 0 < reports <= 4
    assert reports == 4


@pytest.mark.usefixtures("evidence")
def test_a_series_without_uids_has_no_results_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_patient(tmp_path / "scans", "p1", slices=1)
    (path,) = folder.iterdir()
    scan = dcmread(path)
    scan.SOPClassUID = scan.file_meta.MediaStorageSOPClassUID = "1.2.3"
    scan.save_as(path)
    dfd.screen(tmp_path / "scans", tmp_path / "out", shard=(1, 1), dicom="all")
    assert not list((tmp_path / "out" / "dicom").iterdir())
    assert any("SOPClassUID names no image class" in message for message in caplog.messages)


@pytest.mark.usefixtures("evidence")
def test_files_that_have_gone_since_cost_the_results_of_their_series_alone(
    repository: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "out"
    dfd.screen(repository, output, shard=(1, 1))
    shutil.rmtree(repository / "p1")
    dfd.screen(repository, output, shard=(1, 1), dicom="all")  # with the plan of before
    patients = {dcmread(path).PatientID for path in (output / "dicom").iterdir()}
    assert patients == {"p2", "p3-slow", "p4-slow"}
    assert "there are no DICOM results for p1: its files have gone" in caplog.messages


def test_slices_of_a_region_are_found_by_uid_and_frames_by_number() -> None:
    files = [SliceRef(Path(name), sop_uid=name) for name in ("b", "c", "d")]  # "a" has gone
    region = {"sop_uids": ["b", "c"], "first_slice": 2, "last_slice": 3}
    assert dicom_results._reached(region, files) == tuple(files[:2])
    frames = [SliceRef(Path("a"), frame, sop_uid="a") for frame in range(4)]
    region = {"sop_uids": ["a"], "first_slice": 2, "last_slice": 3}
    assert dicom_results._reached(region, frames) == tuple(frames[1:3])


def test_another_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'listed' or 'all', got 'some'"):
        dfd.screen(tmp_path, tmp_path / "out", dicom="some")


def test_a_missing_library_is_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    absent = lambda name, *rest: None if name == "highdicom" else real(name, *rest)  # noqa: E731
    monkeypatch.setattr("dfd.outputs.dicom.find_spec", absent)
    with pytest.raises(UsageError, match="highdicom, which is not installed"):
        dfd.screen(tmp_path, tmp_path / "out", shard=(1, 1), dicom="all")
    assert not (tmp_path / "out").exists()
