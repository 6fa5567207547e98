"""Series with odd headers: what is one series, in which order, and where it has gaps."""

from __future__ import annotations

import math
import random
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import Dataset

from dfd.errors import SeriesError
from dfd.reading import read_series, read_slice
from dfd.reading.nifti import OTHER_SIZES, read_nifti_series
from dfd.records import Series
from tests.dicom_maker import make_pixels, make_series, make_slice

AXIAL, CORONAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]
TILT = math.radians(20)
TILTED = [1, 0, 0, 0, math.cos(TILT), -math.sin(TILT)]
NOWHERE = {"ImagePositionPatient": None, "ImageOrientationPatient": None}


def only(folder: Path) -> Series:
    (series,), skipped = read_series(folder)
    assert skipped == []
    return series


def frames_at(places: list[tuple[list[int], list[float]]]) -> list[Dataset]:
    """Functional groups of frames, each with an orientation and a corner of its own."""
    groups = []
    for plane, corner in places:
        orientation, position, group = Dataset(), Dataset(), Dataset()
        orientation.ImageOrientationPatient, position.ImagePositionPatient = plane, corner
        group.PlaneOrientationSequence, group.PlanePositionSequence = [orientation], [position]
        groups.append(group)
    return groups


def test_a_tilted_gantry_is_measured_along_its_normal_and_its_gap_is_named(tmp_path: Path) -> None:
    for number, z in enumerate((0.0, 5.0, 10.0, 25.0, 30.0)):
        place = {"ImagePositionPatient": [-100, -80, z], "ImageOrientationPatient": TILTED}
        make_slice(tmp_path / f"{number}", make_pixels(seed=number), **place)
    series = only(tmp_path)
    steps = np.diff([ref.position_mm for ref in series.slices])
    np.testing.assert_allclose(steps, np.array([5, 5, 15, 5]) * math.cos(TILT), atol=1e-6)
    (gap,) = series.remarks
    assert gap.startswith("2 of 7 slices are missing between ")


def test_frames_with_positions_of_their_own_are_ordered_by_them(tmp_path: Path) -> None:
    places = [4.0, -2.0, 6.0, 0.0, 2.0]
    frames = frames_at([(AXIAL, [0, 0, z]) for z in places])
    for frame in frames:
        del frame.PlaneOrientationSequence
    shared = frames_at([(AXIAL, [0, 0, 0])])[0]
    del shared.PlanePositionSequence
    pixels = make_pixels((5, 40, 48))
    groups = {
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": frames,
    }
    make_slice(tmp_path / "a", pixels, Modality="MR", **(NOWHERE | groups))
    series = only(tmp_path)
    assert [ref.frame for ref in series.slices] == [1, 3, 4, 0, 2]
    assert [ref.position_mm for ref in series.slices] == sorted(places)
    assert read_slice(tmp_path / "a", 1).ref.position_mm == -2.0


def test_one_position_for_all_frames_is_no_stack(tmp_path: Path) -> None:
    make_slice(tmp_path / "a", make_pixels((4, 40, 48)), Modality="MR")
    series = only(tmp_path)
    assert [ref.phase for ref in series.slices] == [0, 1, 2, 3]


def test_three_planes_in_one_file_are_three_series(tmp_path: Path) -> None:
    places: list[tuple[list[int], list[float]]] = [
        (plane, [5.0 * number, 5.0 * number, 5.0 * number])
        for number in range(3)
        for plane in (AXIAL, CORONAL, SAGITTAL)
    ]
    groups = {"PerFrameFunctionalGroupsSequence": frames_at(places)}
    path = make_slice(tmp_path / "a", make_pixels((9, 40, 48)), Modality="MR", **(NOWHERE | groups))
    series, skipped = read_series(tmp_path)
    assert skipped == []
    assert sorted(sorted(ref.frame for ref in one.slices) for one in series) == [
        [0, 3, 6],
        [1, 4, 7],
        [2, 5, 8],
    ]
    assert [read_slice(path, frame).facts.plane for frame in range(3)] == [
        "axial",
        "coronal",
        "sagittal",
    ]


def test_instance_numbers_that_are_not_spatial_do_not_order(tmp_path: Path) -> None:
    places = [2.5 * number for number in range(8)]
    numbers = list(range(1, 9))
    random.Random(3).shuffle(numbers)
    for place, number in zip(places, numbers, strict=True):
        tags = {"ImagePositionPatient": [0, 0, place], "InstanceNumber": number}
        make_slice(tmp_path / f"IM{number}", make_pixels(seed=number), **tags)
    series = only(tmp_path)
    assert [ref.position_mm for ref in series.slices] == places
    assert series.remarks == ()


def test_a_position_that_is_written_twice_holds_two_phases(tmp_path: Path) -> None:
    make_series(tmp_path, [0.0, 0.0, 2.0, 4.0, 6.0])
    series = only(tmp_path)
    assert [(ref.path.stem, ref.phase) for ref in series.slices] == [
        ("000", 0),
        ("002", 0),
        ("003", 0),
        ("004", 0),
        ("001", 1),
    ]
    assert series.remarks == (
        "1 of 4 positions hold several slices, up to 2: they are taken as phases",
    )


def test_one_series_uid_over_patients_studies_and_kernels_is_not_one_series(tmp_path: Path) -> None:
    variants: list[dict[str, str]] = [
        {},
        {"PatientID": "other"},
        {"StudyInstanceUID": "1.2.9"},
        {"ConvolutionKernel": "B70f"},
    ]
    for number, tags in enumerate(variants):
        make_slice(tmp_path / f"{number}", make_pixels(seed=number), **tags)
    series, _ = read_series(tmp_path)
    assert sorted([ref.path.stem for ref in one.slices] for one in series) == [
        ["0"],
        ["1"],
        ["2"],
        ["3"],
    ]


def test_without_series_uid_the_series_number_tells_series_apart(tmp_path: Path) -> None:
    for number in range(4):
        tags = {"SeriesInstanceUID": None, "SeriesNumber": number % 2}
        make_slice(
            tmp_path / f"{number}", make_pixels(), **tags, ImagePositionPatient=[0, 0, number]
        )
    series, _ = read_series(tmp_path)
    assert sorted([ref.path.stem for ref in one.slices] for one in series) == [
        ["0", "2"],
        ["1", "3"],
    ]


@pytest.mark.parametrize(
    ("image_type", "remark"),
    [
        (
            ["ORIGINAL", "PRIMARY"],
            "the plane is coronal: this is a reformat, resampled from other slices",
        ),
        (
            ["DERIVED", "SECONDARY", "AXIAL"],
            (
                "the header says AXIAL but the plane is not: this is a reformat, resampled from "
                "other slices"
            ),
        ),
        (["ORIGINAL", "PRIMARY", "LOCALIZER"], ""),
    ],
)
def test_a_reformat_of_ct_is_named_whatever_it_calls_itself(
    tmp_path: Path, image_type: list[str], remark: str
) -> None:
    make_slice(tmp_path / "a", make_pixels(), ImageOrientationPatient=CORONAL, ImageType=image_type)
    assert only(tmp_path).remarks == ((remark,) if remark else ())


def volume(shape: tuple[int, ...] = (40, 48, 5)) -> np.ndarray:
    return np.random.default_rng(3).integers(900, 1150, shape).astype(np.int16)


def saved(
    path: Path, sform: np.ndarray | None, qform: np.ndarray | None, codes: tuple[int, int] = (1, 1)
) -> Path:
    image = nibabel.Nifti1Image(volume(), None)
    if qform is not None:
        image.set_qform(qform, codes[1])
    if sform is not None:
        image.set_sform(sform, codes[0])
    nibabel.save(image, path)
    return path


def test_a_sheared_volume_is_measured_along_its_normal(tmp_path: Path) -> None:
    sheared = np.array([[1, 0, 0, 7], [0, 1, 0.9, 8], [0, 0, 2.5, 9], [0, 0, 0, 1.0]])
    series = read_nifti_series(saved(tmp_path / "a.nii", sheared, None))
    np.testing.assert_allclose(np.diff([ref.position_mm for ref in series.slices]), 2.5)
    np.testing.assert_allclose(series.slices[2].corner_mm, [-7, -9.8, 14])


def test_distances_are_those_of_the_scanner_where_the_sform_leads_to_an_atlas(
    tmp_path: Path,
) -> None:
    scanner, atlas = np.diag([0.8, 0.8, 2.5, 1.0]), np.diag([1.6, 1.6, 5.0, 1.0])
    series = read_nifti_series(saved(tmp_path / "a.nii", atlas, scanner, (4, 1)))
    np.testing.assert_allclose(np.diff([ref.position_mm for ref in series.slices]), 2.5)
    assert series.remarks == (OTHER_SIZES,)


def test_transforms_that_agree_in_size_leave_the_choice_to_nibabel(tmp_path: Path) -> None:
    scanner = np.diag([0.8, 0.8, 2.5, 1.0])
    moved = scanner.copy()
    moved[:3, 3] = 10, 20, 30
    series = read_nifti_series(saved(tmp_path / "a.nii", moved, scanner))
    assert series.slices[0].corner_mm == pytest.approx((-10, -20, 30))
    assert series.remarks == ()


def test_a_volume_of_four_axes_is_refused_with_or_without_a_frame(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(volume((40, 48, 5, 3)), np.eye(4)), tmp_path / "a.nii")
    for frame in (None, 2):
        with pytest.raises(SeriesError, match=r"has 4 axes .* give one volume of 3 axes per file"):
            read_slice(tmp_path / "a.nii", frame)
    series, (skipped,) = read_series(tmp_path)
    assert series == []
    assert "4 axes" in skipped.reason
