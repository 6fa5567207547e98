"""Neighbours where a folder holds copies, repeated positions, mixed kinds, or odd geometry."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from dfd.bundle.inference.load_context import LoadContextd, LoadReconstructionsd
from dfd.bundle.reader import LoadSliced
from dfd.context.adjacent_slices import AdjacentSlices
from dfd.reading import read_slice
from tests.dicom_maker import make_pixels, make_series, make_slice

PLACES = [0.0, 2.0, 4.0, 6.0, 8.0]
SHARED = "1.2.826.0.1.3680043.8.498.77"
TILT = math.radians(25)


def loaded(
    path: Path, frame: int | None = None, loader: LoadContextd | None = None
) -> dict[Any, Any]:
    return (loader or LoadContextd())(LoadSliced()({"image": str(path), "frame": frame}))


def around(path: Path) -> list[str]:
    return [ref.path.name for ref in loaded(path)["context"].series_refs]


def assert_neighbours(path: Path, below: Path, above: Path) -> None:
    found = loaded(path)["context"]
    np.testing.assert_array_equal(found.below, read_slice(below).pixels)
    np.testing.assert_array_equal(found.above, read_slice(above).pixels)


def test_slices_under_one_uid_keep_their_neighbours_and_that_is_told(tmp_path: Path) -> None:
    files = make_series(tmp_path, PLACES, SOPInstanceUID=SHARED)
    assert_neighbours(files[2], files[1], files[3])
    assert loaded(files[2])["context_note"] == (
        "the SOPInstanceUID of this slice stands in other files too (4), whose slices differ: they "
        "are taken as different slices"
    )


@pytest.mark.parametrize("name", ["again.dcm", "0.dcm", "sub/again.dcm"])
def test_a_copy_beside_a_slice_is_told_and_costs_it_nothing(tmp_path: Path, name: str) -> None:
    files = make_series(tmp_path, PLACES)
    plain = around(files[2])
    (tmp_path / name).parent.mkdir(exist_ok=True)
    shutil.copy(files[2], tmp_path / name)
    assert_neighbours(files[2], files[1], files[3])
    told = f"a copy of this file lies beside it ({name!r}) and is no neighbour of it"
    assert loaded(files[2])["context_note"] == told
    assert around(files[2]) == plain
    assert "context_note" not in loaded(files[1])


def test_the_copy_itself_has_the_neighbours_of_the_slice(tmp_path: Path) -> None:
    files = make_series(tmp_path, PLACES)
    shutil.copy(files[2], tmp_path / "again.dcm")
    assert_neighbours(tmp_path / "again.dcm", files[1], files[3])
    told = "a copy of this file lies beside it ('002.dcm') and is no neighbour of it"
    assert loaded(tmp_path / "again.dcm")["context_note"] == told
    assert around(tmp_path / "again.dcm") == ["000.dcm", "001.dcm", "003.dcm", "004.dcm"]


def test_several_copies_are_counted(tmp_path: Path) -> None:
    files = make_series(tmp_path, PLACES)
    for name in ("x.dcm", "y.dcm"):
        shutil.copy(files[2], tmp_path / name)
    told = "2 copies of this file lie beside it ('x.dcm' is one) and are no neighbours of it"
    assert loaded(files[2])["context_note"] == told


@pytest.mark.parametrize(
    "number", [3, 30, None], ids=["same number", "another number", "no number"]
)
def test_one_slice_under_a_new_uid_is_no_neighbour_and_no_source(
    tmp_path: Path, number: int | None
) -> None:
    files = make_series(tmp_path, PLACES)
    copy = make_slice(
        tmp_path / "new.dcm",
        make_pixels(seed=2),
        ImagePositionPatient=[0, 0, 4],
        InstanceNumber=number,
    )
    for path, other in ((files[2], "new.dcm"), (copy, "002.dcm")):
        assert_neighbours(path, files[1], files[3])
        assert around(path) == ["000.dcm", "001.dcm", "003.dcm", "004.dcm"]
        told = f"a copy of this file lies beside it ({other!r}) and is no neighbour of it"
        assert loaded(path)["context_note"] == told


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_position_written_twice_with_other_pixels_leaves_both_their_neighbours(
    tmp_path: Path, place: int
) -> None:
    files = make_series(tmp_path, PLACES)
    other = make_slice(
        tmp_path / "other.dcm",
        make_pixels(seed=50),
        ImagePositionPatient=[0, 0, PLACES[place]],
        InstanceNumber=9,
    )
    for path in (files[place], other):
        item = loaded(path)
        assert "context_note" not in item
        assert ("context" in item) == (place == 2)
    if place == 2:
        assert_neighbours(other, files[1], files[3])
        assert around(other) == ["000.dcm", "001.dcm", "003.dcm", "004.dcm"]
    assert_neighbours(files[1], files[0], files[2])


def test_a_slice_acquired_again_later_has_no_neighbours_of_the_first_scan(tmp_path: Path) -> None:
    make_series(tmp_path, PLACES, AcquisitionTime="120000")
    later = {"ImagePositionPatient": [0, 0, 4], "AcquisitionTime": "121500"}
    other = make_slice(tmp_path / "later.dcm", make_pixels(seed=50), **later)
    assert "context" not in loaded(other)


def test_ten_phases_at_one_position_have_no_neighbours(tmp_path: Path) -> None:
    for number in range(10):
        tags = {"TriggerTime": 80 * number, "InstanceNumber": number + 1}
        make_slice(tmp_path / f"{number}.dcm", make_pixels(seed=number), Modality="MR", **tags)
    for number in (0, 1, 5, 9):
        item = loaded(tmp_path / f"{number}.dcm")
        assert "context" not in item
        assert "context_note" not in item


def test_a_gantry_that_tilts_has_neighbours_where_no_slice_is_missing(tmp_path: Path) -> None:
    tilted = [1, 0, 0, 0, math.cos(TILT), -math.sin(TILT)]
    files = []
    for number, z in enumerate((0.0, 2.5, 5.0, 12.5, 15.0, 17.5)):
        place = {"ImagePositionPatient": [-90, -80, z], "ImageOrientationPatient": tilted}
        files.append(make_slice(tmp_path / f"{number}.dcm", make_pixels(seed=number), **place))
    assert ["context" in loaded(path) for path in files] == [False, True, False, False, True, False]
    found = loaded(files[1])["context"]
    assert found.distances_mm == pytest.approx([2.5 * math.cos(TILT)] * 2)


def test_slices_that_are_shifted_sideways_are_no_neighbours(tmp_path: Path) -> None:
    for number, z in enumerate(PLACES):
        place = {"ImagePositionPatient": [40.0 if number > 2 else 0.0, 0, z]}
        make_slice(tmp_path / f"{number}.dcm", make_pixels(seed=number), **place)
    assert ["context" in loaded(tmp_path / f"{number}.dcm") for number in (1, 2, 3)] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "tags",
    [
        {"PixelSpacing": [0.5, 0.5]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "P"]},
        {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]},
    ],
    ids=["other pixel size", "phase", "map"],
)
def test_images_of_another_kind_are_no_neighbours(tmp_path: Path, tags: dict[str, Any]) -> None:
    files = make_series(tmp_path, PLACES, Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M"])
    place = {"ImagePositionPatient": [0, 0, 6.0], "Modality": "MR"}
    make_slice(files[3], make_pixels(seed=3), **(place | tags))
    assert "context" not in loaded(files[2])
    found, _ = AdjacentSlices(others=True).of(read_slice(files[1]))
    assert found is not None
    assert [one.name for one in found.others] == ["000.dcm", "002.dcm", "004.dcm"]


def test_magnitude_and_phase_at_each_place_are_not_mixed(tmp_path: Path) -> None:
    for number, z in enumerate(PLACES):
        for part in ("M", "P"):
            tags = {"ImageType": ["ORIGINAL", "PRIMARY", part], "Modality": "MR"}
            place = {
                "ImagePositionPatient": [0, 0, z],
                "InstanceNumber": 2 * number + (part == "P"),
            }
            pixels = make_pixels(seed=2 * number + (part == "P"))
            make_slice(tmp_path / f"{part}{number}.dcm", pixels, **tags, **place)
    assert_neighbours(tmp_path / "M2.dcm", tmp_path / "M1.dcm", tmp_path / "M3.dcm")
    assert around(tmp_path / "M2.dcm") == ["M0.dcm", "M1.dcm", "M3.dcm", "M4.dcm"]


def frames_at(places: list[tuple[list[int], list[float]]]) -> list[Dataset]:
    groups = []
    for plane, corner in places:
        orientation, position, group = Dataset(), Dataset(), Dataset()
        orientation.ImageOrientationPatient, position.ImagePositionPatient = plane, corner
        group.PlaneOrientationSequence, group.PlanePositionSequence = [orientation], [position]
        groups.append(group)
    return groups


def test_frames_of_three_planes_have_neighbours_in_their_own(tmp_path: Path) -> None:
    planes = ([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1])
    places = [(plane, [4.0 * number] * 3) for number in range(3) for plane in planes]
    for number, (plane, corner) in enumerate(places):  # stacked straight, each along its normal
        axis = (2, 1, 0)[planes.index(plane)]
        places[number] = (
            plane,
            [value if place == axis else 0.0 for place, value in enumerate(corner)],
        )
    path = make_slice(
        tmp_path / "a.dcm",
        make_pixels((9, 40, 48)),
        Modality="MR",
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PerFrameFunctionalGroupsSequence=frames_at(places),
    )
    for frame in range(9):
        item = loaded(path, frame)
        assert ("context" in item) == (frame in (3, 4, 5))
    found = loaded(path, 4)["context"]
    values = {read_slice(path, frame).pixels[0, 0] for frame in (1, 7)}
    assert {found.below[0, 0], found.above[0, 0]} == values
    assert {ref.frame for ref in found.series_refs} == {1, 7}


def test_shuffled_frames_have_the_neighbours_of_their_place(tmp_path: Path) -> None:
    places = [4.0, 0.0, 6.0, 2.0, 8.0]
    groups = frames_at([([1, 0, 0, 0, 1, 0], [0, 0, z]) for z in places])
    path = make_slice(
        tmp_path / "a.dcm",
        make_pixels((5, 40, 48)),
        Modality="MR",
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PerFrameFunctionalGroupsSequence=groups,
    )
    found = loaded(path, 0)["context"]
    np.testing.assert_array_equal(found.below, read_slice(path, 3).pixels)
    np.testing.assert_array_equal(found.above, read_slice(path, 2).pixels)


def volume(path: Path, sform: np.ndarray, qform: np.ndarray | None = None) -> Path:
    pixels = np.random.default_rng(3).integers(900, 1150, (40, 48, 5)).astype(np.int16)
    image = nibabel.Nifti1Image(pixels, None)
    image.header.set_zooms((1.0, 1.0, 2.5))
    if qform is not None:
        image.set_qform(qform, 1)
    image.set_sform(sform, 4 if qform is not None else 1)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize(("shear", "beside"), [(0.9, True), (1.4, True), (9.0, False)])
def test_a_sheared_volume_has_neighbours_up_to_the_tilt_of_a_gantry(
    tmp_path: Path, shear: float, beside: bool
) -> None:
    affine = np.array([[1, 0, 0, 0], [0, 1, shear, 0], [0, 0, 2.5, 0], [0, 0, 0, 1.0]])
    item = loaded(volume(tmp_path / "a.nii", affine), 2)
    assert ("context" in item) == beside
    assert not beside or item["context"].distances_mm == pytest.approx((2.5, 2.5))


def test_an_sform_into_an_atlas_does_not_stretch_the_distances(tmp_path: Path) -> None:
    atlas, scanner = np.diag([3.0, 3.0, 7.5, 1.0]), np.diag([1.0, 1.0, 2.5, 1.0])
    found = loaded(volume(tmp_path / "a.nii", atlas, scanner), 2)["context"]
    assert found.distances_mm == pytest.approx((2.5, 2.5))


def test_a_copy_has_the_other_reconstructions_of_the_slice(tmp_path: Path) -> None:
    space = {"FrameOfReferenceUID": "1.2.7"}
    path = make_slice(tmp_path / "B" / "1.dcm", make_pixels(), **space)
    make_slice(tmp_path / "B" / "2.dcm", make_pixels(seed=2), SeriesInstanceUID="1.2.9", **space)
    shutil.copy(path, tmp_path / "B" / "again.dcm")
    for name in ("1.dcm", "again.dcm"):
        item = LoadReconstructionsd(within=tmp_path)(
            LoadSliced()({"image": str(tmp_path / "B" / name)})
        )
        assert [twin.name for twin in item["reconstructions"]] == ["B/2.dcm"]


def test_a_constant_uid_for_everything_keeps_patients_apart(tmp_path: Path) -> None:
    constant = dict.fromkeys(("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"), SHARED)
    own = make_series(tmp_path, PLACES, **constant)
    for number, z in enumerate((3.0, 5.0)):
        place = {"ImagePositionPatient": [0, 0, z], "PatientID": "other"}
        make_slice(
            tmp_path / f"other{number}.dcm", make_pixels(seed=60 + number), **(constant | place)
        )
    assert_neighbours(own[2], own[1], own[3])
    assert pydicom.dcmread(own[2]).PatientID == "canary-id"
