"""Slices that a folder holds twice, and different slices under one SOPInstanceUID."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from dfd.reading import copies, read_series
from dfd.records import Series
from tests.dicom_maker import make_pixels, make_series, make_slice

SHARED = "1.2.826.0.1.3680043.8.498.77"
PLACES = [0.0, 2.0, 4.0, 6.0]


def only(folder: Path) -> Series:
    (series,), skipped = read_series(folder)
    assert skipped == []
    return series


def names(series: Series) -> list[str]:
    return [ref.path.stem for ref in series.slices]


def copied(series: Series) -> list[tuple[str, str]]:
    """(copy, of what), by name."""
    return [(copy.path.stem, original.path.stem) for copy, original in series.copies]


def test_slices_under_one_sop_instance_uid_are_all_kept(tmp_path: Path) -> None:
    make_series(tmp_path, PLACES, SOPInstanceUID=SHARED)
    series = only(tmp_path)
    assert [ref.position_mm for ref in series.slices] == PLACES
    assert (series.copies, {ref.phase for ref in series.slices}) == ((), {0})
    assert series.remarks == (
        "4 slices differ and share their SOPInstanceUID with others, as a faulty export writes: "
        "they are taken as different slices",
    )


def test_phases_under_one_sop_instance_uid_are_phases(tmp_path: Path) -> None:
    for phase in range(2):
        for number, z in enumerate(PLACES):
            tags = {"ImagePositionPatient": [0, 0, z], "AcquisitionTime": f"12000{phase}"}
            pixels = make_pixels(seed=10 * phase + number)
            make_slice(tmp_path / f"{phase}{number}", pixels, SOPInstanceUID=SHARED, **tags)
    series = only(tmp_path)
    assert names(series) == ["00", "01", "02", "03", "10", "11", "12", "13"]
    assert [ref.phase for ref in series.slices] == [0] * 4 + [1] * 4


def test_without_positions_pixels_tell_slices_under_one_uid_apart(tmp_path: Path) -> None:
    nowhere = {"ImagePositionPatient": None, "SOPInstanceUID": SHARED}
    files = make_series(tmp_path, PLACES, **nowhere)
    shutil.copy(files[2], tmp_path / "again.dcm")
    series = only(tmp_path)
    assert names(series) == ["000", "001", "002", "003"]
    assert copied(series) == [("again", "002")]


@pytest.mark.parametrize("place", ["again.dcm", "sub/002.dcm", "0 first.dcm"])
def test_a_file_that_lies_there_twice_is_one_slice(tmp_path: Path, place: str) -> None:
    files = make_series(tmp_path, PLACES)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    shutil.copy(files[2], tmp_path / place)
    series = only(tmp_path)
    assert [ref.position_mm for ref in series.slices] == PLACES
    ((copy, original),) = series.copies
    assert {copy.path, original.path} == {files[2], tmp_path / place}
    assert original in series.slices
    assert (copy.position_mm, copy.corner_mm) == (4.0, original.corner_mm)
    assert series.remarks == ("1 slice repeats the SOPInstanceUID of another and was left out",)


def test_one_slice_under_a_new_uid_is_one_slice(tmp_path: Path) -> None:
    files = make_series(tmp_path, PLACES)
    make_slice(
        tmp_path / "other.dcm",
        make_pixels(seed=2),
        ImagePositionPatient=[0, 0, 4],
        InstanceNumber=3,
    )
    series = only(tmp_path)
    assert [ref.path for ref in series.slices] == files
    assert copied(series) == [("other", "002")]
    assert series.remarks == (
        "1 slice repeats the pixels and the place of another and was left out",
    )


def test_a_whole_folder_that_lies_in_itself_is_one_series(tmp_path: Path) -> None:
    make_series(tmp_path, PLACES)
    shutil.copytree(tmp_path, tmp_path / "copy")
    series = only(tmp_path)
    assert [ref.position_mm for ref in series.slices] == PLACES
    assert len(series.copies) == 4


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless])
def test_a_copy_in_another_encoding_is_a_copy(tmp_path: Path, syntax: str) -> None:
    tags = {"SOPInstanceUID": "1.2.3", "ImagePositionPatient": [0, 0, 4]}
    make_slice(tmp_path / "a.dcm", make_pixels(), syntax=ExplicitVRLittleEndian, **tags)
    make_slice(tmp_path / "b.dcm", make_pixels(), syntax=syntax, **tags)
    assert copied(only(tmp_path)) == [("b", "a")]


def test_frames_are_copied_file_by_file(tmp_path: Path) -> None:
    path = make_slice(tmp_path / "a.dcm", make_pixels((3, 40, 48)), ImagePositionPatient=None)
    shutil.copy(path, tmp_path / "b.dcm")
    series = only(tmp_path)
    assert [(ref.path.stem, ref.frame) for ref in series.slices] == [("a", 0), ("a", 1), ("a", 2)]
    assert [(copy.frame, of.frame) for copy, of in series.copies] == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize(
    "tags",
    [
        {"RescaleIntercept": "-1000"},
        {"PixelSpacing": [0.9, 0.9]},
        {"ImagePositionPatient": [0, 0, 9]},
        {"SeriesInstanceUID": "1.2.9"},
        {"StudyInstanceUID": "1.2.9"},
    ],
    ids=lambda tags: next(iter(tags)),
)
def test_equal_stored_values_under_another_header_are_no_copy(
    tmp_path: Path, tags: dict[str, object]
) -> None:
    make_slice(tmp_path / "a.dcm", make_pixels(), SOPInstanceUID=SHARED)
    make_slice(tmp_path / "b.dcm", make_pixels(), SOPInstanceUID=SHARED, **tags)
    series, _ = read_series(tmp_path)
    assert sum(len(one.slices) for one in series) == 2
    assert all(one.copies == () for one in series)


def test_a_file_whose_pixels_are_cut_short_is_no_copy(tmp_path: Path) -> None:
    files = make_series(tmp_path, PLACES)
    (tmp_path / "cut.dcm").write_bytes(files[1].read_bytes()[:-500])
    series = only(tmp_path)
    assert series.copies == ()
    assert len(series.slices) == 5


def test_pixels_are_read_only_where_headers_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for phase in range(3):
        for number, z in enumerate(PLACES):
            tags = {"ImagePositionPatient": [0, 0, z], "AcquisitionTime": f"12000{phase}"}
            make_slice(tmp_path / f"{phase}{number}", make_pixels(seed=10 * phase + number), **tags)
    monkeypatch.setattr(copies, "stored_digest", lambda path: pytest.fail(f"{path} was read"))
    assert len(only(tmp_path).slices) == 12
