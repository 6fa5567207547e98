"""Sources that no DICOM result can refer to cost their own results alone, and that is said."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from dfd.outputs import dicom
from dfd.records import Region
from tests.dicom_maker import make_pixels, make_slice
from tests.outputs.test_dicom_results import MAKER, RADIUS_MM, RADIUS_PX, finding

SPACE = {"FrameOfReferenceUID": "1.2.7"}
NO_CLASS = (
    "there is no DICOM report for the series of a.dcm: its headers do not allow one, nor a map"
)


def written(folder: Path, files: list[Path]) -> list[str]:
    """Names of the results for one point in each of ``files``."""
    region = Region(20, 20, RADIUS_PX, RADIUS_MM)
    rows = [(finding(row, path, 20, 20), row, region) for row, path in enumerate(files, start=1)]
    dicom.write(folder, [dicom.Answer(*row) for row in rows], MAKER)
    return sorted(path.name for path in (folder / "dicom").iterdir())


@pytest.mark.parametrize(
    "storage",
    [
        "1.2.3.4.5",
        "2.25.123456789",
        "ANONYMIZED",
        "1.2.840.10008.1.1",
        "1.2.840.10008.5.1.4.1.1.88.11",
        "1.2.840.10008.5.1.4.1.1.66.4",
    ],
    ids=["private", "random", "a word", "verification", "report", "segmentation"],
)
def test_a_class_that_is_none_of_images_costs_its_series_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, storage: str
) -> None:
    caplog.set_level(logging.WARNING)
    odd = make_slice(tmp_path / "a.dcm", make_pixels(), SOPClassUID=storage, **SPACE)
    good = make_slice(tmp_path / "b.dcm", make_pixels(), SeriesInstanceUID="1.2.9", **SPACE)
    assert written(tmp_path, [odd, good]) == ["series-02-regions.dcm", "series-02-scores.dcm"]
    (told,) = caplog.messages
    assert told.startswith(NO_CLASS)
    assert storage not in told


def test_one_bad_class_among_good_ones_costs_the_whole_series(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [
        make_slice(tmp_path / name, make_pixels(), SOPClassUID=storage, **SPACE)
        for name, storage in (("a.dcm", "1.2.840.10008.5.1.4.1.1.2"), ("b.dcm", "1.2.3"))
    ]
    assert written(tmp_path, files) == []
    assert caplog.messages[0].startswith(NO_CLASS)


def test_a_secondary_capture_has_results(tmp_path: Path) -> None:
    path = make_slice(
        tmp_path / "a.dcm", make_pixels(), SOPClassUID="1.2.840.10008.5.1.4.1.1.7", **SPACE
    )
    assert written(tmp_path, [path]) == ["series-01-regions.dcm", "series-01-scores.dcm"]


def test_slices_that_share_their_identifier_have_no_results_and_the_others_have(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    files = [
        make_slice(
            tmp_path / f"{z}.dcm",
            make_pixels(seed=z),
            SOPInstanceUID="1.2.3",
            ImagePositionPatient=[0, 0, z],
            **SPACE,
        )
        for z in range(3)
    ]
    good = make_slice(tmp_path / "b.dcm", make_pixels(), SeriesInstanceUID="1.2.9", **SPACE)
    assert written(tmp_path, [*files, good]) == ["series-01-regions.dcm", "series-01-scores.dcm"]
    assert caplog.messages == [
        f"{files[0]} has a SOPInstanceUID that another slice of the run has too, so no DICOM "
        "result can "
        "tell them apart: give each file its own; the same holds for 2 more of the files"
    ]


def test_a_copy_of_a_file_shares_its_results(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_slice(tmp_path / "a.dcm", make_pixels(), **SPACE)
    shutil.copy(path, tmp_path / "b.dcm")
    names = written(tmp_path, [path, tmp_path / "b.dcm"])
    assert names == ["series-01-regions.dcm", "series-01-scores.dcm"]
    assert caplog.messages == []


def test_two_patients_under_one_study_and_series_have_a_report_each(tmp_path: Path) -> None:
    files = [
        make_slice(tmp_path / f"{name}.dcm", make_pixels(), PatientID=name, **SPACE)
        for name in ("one", "two")
    ]
    assert [name for name in written(tmp_path, files) if "scores" in name] == [
        "series-01-scores.dcm",
        "series-02-scores.dcm",
    ]
    reports = dicom.read_back(tmp_path, "1.2.826.0.1.3680043.8.498.2")
    assert {report.PatientID for report in reports} == {"one", "two"}
    uids = {report.SOPInstanceUID for report in reports}
    assert len(uids) == len(reports)
