"""DICOM results of a screened series: frames, missing places, and series that have none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pytest
from pydicom import Dataset, dcmread

from dfd.errors import SeriesError
from dfd.outputs.dicom import screened
from dfd.outputs.dicom.screened import ListedRegion, ScreenedSeries
from dfd.phantom import write_ct_series
from dfd.reading import series_of_files
from dfd.records import Finding as Found
from dfd.records import FloatImage, Form, Point, SliceRef, Verdict
from tests.dicom_maker import make_pixels, make_slice
from tests.outputs.test_dicom_results import MAKER, SIZE, several_frames, source_of

STEM = "0123456789abcdef-0123456789ab"


def slices_of(files: Sequence[Path]) -> tuple[SliceRef, ...]:
    return tuple(ref for one in series_of_files(list(files))[0] for ref in one.slices)


def series_of(slices: tuple[SliceRef, ...], reached: slice) -> ScreenedSeries:
    """A series with one region."""
    whole = Found(Point(0, ""), Verdict.UNUSUAL, 2.0, 0.01, Form.AI_EDIT, "odd as a whole")
    place = Found(
        Point(1, "", 30.0, 20.0), Verdict.UNUSUAL, 1.5, 10**-1.5, Form.COPY_MOVE, "odd here"
    )
    return ScreenedSeries("p1", whole, slices, (ListedRegion(place, 6.0, slices[reached]),))


def map_of(ref: SliceRef) -> FloatImage:
    """Tells slices apart by their frame."""
    return np.full((SIZE, SIZE), 0.25 + ref.frame, dtype=np.float32)


def made(folder: Path, kind: str) -> Dataset:
    return dcmread(folder / f"{STEM}-{kind}.dcm")


def test_frames_of_one_file_are_named_in_every_result(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slices = slices_of([several_frames(tmp_path / "a.dcm")])
    screened.write(tmp_path, STEM, series_of(slices, slice(1, 3)), MAKER, map_of)
    assert caplog.messages == []
    report = highdicom.sr.srread(tmp_path / f"{STEM}-scores.dcm")
    (group,) = report.content.get_volumetric_roi_measurement_groups()
    assert [each.ContentSequence[0].referenced_frame_numbers for each in group.roi] == [[2], [3]]
    (whole,) = report.content.get_image_measurement_groups()
    assert [each.referenced_frame_numbers for each in whole.source_images] == [[1], [2], [3], [4]]
    values = np.frombuffer(made(tmp_path, "map").FloatPixelData, dtype="<f4")
    np.testing.assert_array_equal(np.unique(values), [1.25, 2.25])
    assert int(made(tmp_path, "regions").NumberOfFrames) == 2


def test_the_report_is_written_last_and_the_same_content_gives_the_same_identifiers(
    tmp_path: Path,
) -> None:
    slices = slices_of(write_ct_series(tmp_path / "scans", seed=1, slices=2, size=SIZE))
    uids = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        screened.write(folder, STEM, series_of(slices, slice(0, 2)), MAKER, map_of)
        written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
        assert max(written, key=written.__getitem__) == f"{STEM}-scores.dcm"
        uids.append(sorted(str(dcmread(path).SOPInstanceUID) for path in folder.iterdir()))
    assert uids[0] == uids[1]
    assert len(set(uids[0])) == 3
    sources = {source_of(made(tmp_path / "a", "map"), frame) for frame in range(2)}
    assert sources == {ref.sop_uid for ref in slices}


def test_a_map_that_cannot_be_made_costs_no_report(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: SliceRef) -> FloatImage:
        raise SeriesError("the slice is gone")

    slices = slices_of(write_ct_series(tmp_path / "scans", seed=1, slices=2, size=SIZE))
    screened.write(tmp_path, STEM, series_of(slices, slice(0, 1)), MAKER, fails)
    assert caplog.messages == ["there is no DICOM map for the series of p1: the slice is gone"]
    assert {path.name for path in tmp_path.glob("*.dcm")} == {
        f"{STEM}-scores.dcm",
        f"{STEM}-regions.dcm",
    }


def test_slices_without_a_place_have_a_report_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_slice(tmp_path / "a.dcm", make_pixels((SIZE, SIZE)), ImagePositionPatient=None)
    screened.write(tmp_path, STEM, series_of(slices_of([path]), slice(0, 1)), MAKER, map_of)
    assert [path.name for path in tmp_path.glob(f"{STEM}*")] == [f"{STEM}-scores.dcm"]
    assert len(caplog.messages) == 2
    assert all("maps and regions have no place" in message for message in caplog.messages)


def test_a_volume_without_patient_and_study_has_no_results(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.nii.gz"
    values = np.arange(64 * 64 * 3, dtype=np.int16).reshape(64, 64, 3)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    screened.write(tmp_path, STEM, series_of(slices_of([path]), slice(0, 1)), MAKER, map_of)
    assert not list(tmp_path.glob("*.dcm"))
    (message,) = caplog.messages
    assert "a NIfTI volume names no patient" in message


def test_slices_of_several_patients_have_no_results(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [
        make_slice(
            tmp_path / f"{name}.dcm",
            make_pixels((SIZE, SIZE), seed=number),
            PatientID=name,
            SOPInstanceUID=f"1.2.{number}",
            ImagePositionPatient=[0, 0, 2.5 * number],
        )
        for number, name in enumerate(("a", "b"), start=1)
    ]
    slices = tuple(ref for path in files for ref in slices_of([path]))
    screened.write(tmp_path, STEM, series_of(slices, slice(0, 1)), MAKER, map_of)
    assert not list(tmp_path.glob(f"{STEM}*"))
    (message,) = caplog.messages
    assert "of several patients" in message
