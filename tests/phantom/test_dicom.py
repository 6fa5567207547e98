"""Phantom series as DICOM: read back with pydicom, byte for byte the same from the same seed."""

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

from dfd.errors import OutputError
from dfd.phantom import scan_ct, write_ct_series, write_mr_series
from dfd.phantom.dicom import CT_THICKNESS_MM, ct_scan
from dfd.phantom.plan import plan_series

SIZE = 64


@pytest.fixture(scope="module")
def ct_files(tmp_path_factory):
    return write_ct_series(tmp_path_factory.mktemp("ct") / "p1", seed=5, slices=3, size=SIZE)


@pytest.fixture(scope="module")
def mr_files(tmp_path_factory):
    return write_mr_series(tmp_path_factory.mktemp("mr"), seed=5, slices=2, size=SIZE)


def test_files_are_numbered_and_exist(ct_files):
    assert [path.name for path in ct_files] == ["file001.dcm", "file002.dcm", "file003.dcm"]
    assert all(path.is_file() for path in ct_files)


def test_ct_reads_back_to_the_same_hu(ct_files):
    plan = plan_series(5, "phantom1", 3, CT_THICKNESS_MM)
    for path, height, noise in zip(ct_files, plan.heights_mm, plan.noise, strict=True):
        dataset = pydicom.dcmread(path)
        hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        assert np.array_equal(hu, scan_ct(noise, plan.anatomy, height, ct_scan("soft", SIZE)))


def test_ct_header_says_what_a_scanner_would(ct_files):
    datasets = [pydicom.dcmread(path) for path in ct_files]
    first = datasets[0]
    assert first.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert first.SOPClassUID == first.file_meta.MediaStorageSOPClassUID == CTImageStorage
    assert str(first.PatientName).startswith("PHANTOM^")
    assert (
        first.Modality,
        first.BurnedInAnnotation,
        first.RescaleIntercept,
        first.ConvolutionKernel,
    ) == ("CT", "NO", -1024, "PHANTOM_SOFT")
    assert list(first.PixelSpacing) == [358.4 / SIZE] * 2
    assert first.ImagePositionPatient[0] == pytest.approx(-(SIZE - 1) / 2 * 358.4 / SIZE)
    heights = [float(dataset.ImagePositionPatient[2]) for dataset in datasets]
    assert np.diff(heights) == pytest.approx([-CT_THICKNESS_MM] * 2)
    assert len({dataset.SeriesInstanceUID for dataset in datasets}) == 1
    assert len({dataset.FrameOfReferenceUID for dataset in datasets}) == 1
    assert [dataset.InstanceNumber for dataset in datasets] == [1, 2, 3]


def test_mr_header_says_what_a_scanner_would(mr_files):
    dataset = pydicom.dcmread(mr_files[0])
    assert dataset.SOPClassUID == MRImageStorage
    assert (dataset.Modality, dataset.ScanningSequence, dataset.MRAcquisitionType) == (
        "MR",
        "GR",
        "2D",
    )
    assert list(dataset.AcquisitionMatrix) == [0, 48, 40, 0]
    assert "RescaleIntercept" not in dataset
    assert dataset.pixel_array.shape == (SIZE, SIZE)
    assert dataset.pixel_array.max() > 300


def test_uids_are_valid_distinct_and_under_2_25(ct_files, mr_files):
    names = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
    datasets = [pydicom.dcmread(path) for path in (*ct_files, *mr_files)]
    uids = {str(dataset[name].value) for dataset in datasets for name in names}
    assert all(
        pydicom.uid.UID(uid).is_valid and re.fullmatch(r"2\.25\.[1-9]\d*", uid) and len(uid) <= 64
        for uid in uids
    )
    # 5 slices, 2 series, and one study and frame of reference, because it is one person.
    assert len(uids) == 5 + 2 + 1 + 1


def test_same_seed_same_bytes(tmp_path, ct_files, mr_files):
    again = write_ct_series(tmp_path / "ct", seed=5, slices=3, size=SIZE) + write_mr_series(
        tmp_path / "mr", seed=5, slices=2, size=SIZE
    )
    assert [path.read_bytes() for path in again] == [
        path.read_bytes() for path in (*ct_files, *mr_files)
    ]


@pytest.mark.parametrize("change", [{"seed": 6}, {"patient": "other"}, {"kernel": "sharp"}])
def test_another_seed_patient_or_kernel_is_another_series(tmp_path, ct_files, change):
    other = write_ct_series(tmp_path, **({"seed": 5, "slices": 1, "size": SIZE} | change))
    first, second = pydicom.dcmread(ct_files[0]), pydicom.dcmread(other[0])
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    assert not np.array_equal(first.pixel_array, second.pixel_array)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slices": 0}, "at least 1 slice, got slices=0"),
        ({"seed": -3}, "got seed=-3"),
        ({"size": 8}, "32 to 2048 rows and columns, got size=8"),
        ({"kernel": "hard"}, "no phantom kernel 'hard'; choose one of soft, sharp"),
    ],
)
def test_bad_arguments_are_named(tmp_path, change, message):
    with pytest.raises(OutputError, match=message):
        write_ct_series(tmp_path, **({"seed": 1, "slices": 1, "size": SIZE} | change))
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_made_is_named(tmp_path):
    blocked = Path(tmp_path / "blocked")
    blocked.write_text("a file, not a folder")
    with pytest.raises(OutputError, match=r"cannot write the phantom slice .*file001\.dcm"):
        write_ct_series(blocked / "p1", seed=1, slices=1, size=SIZE)
