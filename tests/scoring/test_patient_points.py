"""Places in the patient: the slice and pixel they mean, in series that lie every way round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from dfd.bundle.inference.results import points_of
from dfd.outputs import scores
from dfd.reading import read_slice
from dfd.records import Finding, Point
from dfd.scoring.patient_points import place_points
from tests.dicom_maker import make_pixels, make_slice

SHAPE = (40, 48)
BRIGHT = 3000
STEP = 2.5
COUNT = 7
SPACING = (0.7, 0.8)
"""Row, column."""
CORNER = np.array([-31.5, 12.25, -140.0])


def turned(degrees: Sequence[float]) -> np.ndarray:
    """Directions of increasing column, of increasing row, and of the slices; right-handed."""
    a, b, c = np.radians(degrees)
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return (x @ y @ z).T


PLANES = {
    "axial": np.eye(3),
    "prone": np.diag([-1.0, -1.0, 1.0]),
    "flipped rows": np.diag([1.0, -1.0, -1.0]),
    "flipped columns": np.diag([-1.0, 1.0, -1.0]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]),
    "sagittal": np.array([[0, 1.0, 0], [0, 0, -1.0], [-1.0, 0, 0]]),
    "oblique": turned((20, -35, 50)),
    "double oblique, upside down": turned((200, 15, -100)),
}


def stack(planes: np.ndarray, tilt: float = 0.0) -> list[np.ndarray]:
    """Corners of ``COUNT`` slices; ``tilt`` moves each along the rows, as a tilted gantry does."""
    return [CORNER + number * (STEP * planes[2] + tilt * planes[1]) for number in range(COUNT)]


def write(folder: Path, planes: np.ndarray, corners: Sequence[np.ndarray], **tags: object) -> None:
    """One file per corner, in an order of names that is not that of the positions."""
    for number, corner in enumerate(corners):
        name = f"IM{number * 3 % COUNT:03d}.dcm"
        place = {
            "ImageOrientationPatient": [f"{v:.9g}" for v in planes[:2].ravel()],
            "ImagePositionPatient": [f"{v:.9g}" for v in corner],
            "PixelSpacing": list(SPACING),
            "SliceThickness": "2.5",
            "InstanceNumber": number * 3 % COUNT + 1,
        }
        make_slice(folder / name, marked(number), **(place | tags))


def marked(number: int) -> np.ndarray:
    """A slice with one bright pixel, elsewhere in each slice."""
    pixels = make_pixels(SHAPE, seed=number)
    pixels[spot(number)] = BRIGHT
    return pixels


def spot(number: int) -> tuple[int, int]:
    return 5 + 4 * number, 33 - 3 * number


def place_of(planes: np.ndarray, corner: np.ndarray, row: float, column: float) -> np.ndarray:
    """PS3.3 equation C.7.6.2.1-1."""
    return corner + column * SPACING[1] * planes[0] + row * SPACING[0] * planes[1]


def asked(data: Path, name: str, place: Sequence[float], frame: object = "") -> Point:
    """What a run makes of one row."""
    csv = data.parent / "asked.csv"
    cells = ",".join(f"{mm:.9g}" for mm in place)
    csv.write_text(f'filename,x_mm,y_mm,z_mm,frame\n"{name}",{cells},{frame}\n')
    (point,) = points_of(str(data), str(csv))
    return point


def is_bright(point: Point) -> bool:
    """Whether a point, which must be near the middle of a pixel, is the brightest of its slice."""
    assert not point.error, point.error
    assert point.path is not None
    scan = read_slice(point.path, None if point.frame is None else point.frame - 1)
    row, column = round(point.y), round(point.x)
    assert (point.x, point.y) == pytest.approx((column, row), abs=1e-3)
    return bool(scan.pixels[row, column] == scan.pixels.max() > np.median(scan.pixels))


@pytest.mark.parametrize("planes", PLANES.values(), ids=PLANES)
@pytest.mark.parametrize("tilt", [0.0, 0.9], ids=["straight", "tilted gantry"])
def test_a_place_finds_its_pixel_in_dicom(tmp_path, planes, tilt):
    data = tmp_path / "data"
    corners = stack(planes, tilt)
    write(data / "p1", planes, corners)
    for number, corner in enumerate(corners):
        point = asked(data, "p1/IM000.dcm", place_of(planes, corner, *spot(number)))
        assert is_bright(point)
        assert (point.y, point.x) == pytest.approx(spot(number), abs=1e-4)
        assert point.frame is None


@pytest.mark.parametrize("planes", PLANES.values(), ids=PLANES)
def test_the_nearest_slice_is_taken_within_half_a_distance(tmp_path, planes):
    data = tmp_path / "data"
    corners = stack(planes)
    write(data / "p1", planes, corners)
    place = place_of(planes, corners[3], *spot(3))
    for off in (-1.24, -0.6, 0.6, 1.24):
        assert is_bright(asked(data, "p1", place + off * planes[2]))
    beyond = asked(data, "p1", place - (3 * STEP + 1.3) * planes[2])
    assert "row 2: 'p1' has no slice at (" in beyond.error
    assert "is 1.3 mm away, more than the 1.25 mm that it reaches" in beyond.error
    assert beyond.path == data / "p1"
    assert not beyond.is_screening


AFFINES = {
    "RAS": np.diag([0.8, 0.7, 2.5, 1.0]),
    "LPS": np.diag([-0.8, -0.7, 2.5, 1.0]),
    "LAS, downwards": np.diag([-0.8, 0.7, -2.5, 1.0]),
    "oblique": np.block(
        [[turned((20, -35, 50)).T @ np.diag([0.8, 0.7, 2.5]), np.zeros((3, 1))], [0, 0, 0, 1]]
    ),
    "axes swapped": np.array(
        [[0, 0, 2.5, 0], [0.8, 0, 0, 0], [0, -0.7, 0, 0], [0, 0, 0, 1.0]], dtype=float
    ),
    "sheared": np.array(
        [[0.8, 0.1, 0.2, 0], [0, 0.7, 0.3, 0], [0, 0, 2.5, 0], [0, 0, 0, 1.0]], dtype=float
    ),
}


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
@pytest.mark.parametrize("unit", ["mm", "micron"])
def test_a_place_finds_its_voxel_in_nifti(tmp_path, affine, unit):
    """nibabel's own affine is the judge; it is RAS, and a place is LPS."""
    data = tmp_path / "data"
    data.mkdir()
    volume = np.stack([marked(number).T for number in range(COUNT)], axis=2).astype(np.int16)
    placed = affine.copy()
    placed[:3, 3] = CORNER
    stored = placed.copy()
    stored[:3] *= 1000 if unit == "micron" else 1
    image = nibabel.Nifti1Image(volume, stored)
    image.set_sform(stored, code=1)
    image.set_qform(None, code=0)
    image.header["pixdim"][1:4] = np.linalg.norm(stored[:3, :3], axis=0)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, data / "volume.nii.gz")
    for number in range(COUNT):
        row, column = spot(number)
        ras = nibabel.affines.apply_affine(placed, (column, row, number))
        point = asked(data, "volume.nii.gz", ras * (-1, -1, 1))
        assert (point.frame, is_bright(point)) == (number + 1, True)


def test_a_nifti_volume_that_does_not_say_how_it_lies(tmp_path):
    (tmp_path / "data").mkdir()
    volume = make_pixels((48, 40, 3)).astype(np.int16)
    image = nibabel.Nifti1Image(volume, None)
    nibabel.save(image, tmp_path / "data" / "volume.nii")
    error = asked(tmp_path / "data", "volume.nii", (1, 2, 3)).error
    assert (
        "'volume.nii' has no position in the patient in its header, so X and Y are needed" in error
    )


# --- which series


def test_folder_file_and_uid_name_a_series(tmp_path):
    data = tmp_path / "data"
    planes = PLANES["oblique"]
    write(data / "p1" / "ct", planes, stack(planes), SeriesInstanceUID="1.2.3.4.5")
    write(data / "p2", PLANES["axial"], stack(PLANES["axial"]), SeriesInstanceUID="1.2.3.4.6")
    place = place_of(planes, stack(planes)[2], *spot(2))
    found = [asked(data, name, place) for name in ("p1/ct", "ct", "p1", "IM001.dcm", "1.2.3.4.5")]
    assert "which 2 files are called" in found[3].error
    for point in (*found[:3], found[4]):
        assert is_bright(point)
        assert point.filename == "p1/ct/IM006.dcm"
    assert "holds 2 series; name a file" in asked(data, ".", place).error
    assert "'1.2.3.4.7' holds 2 series" in asked(data, "1.2.3.4.7", place).error


def test_a_uid_that_was_made_of_a_random_number_names_a_series(tmp_path):
    data, uid = tmp_path / "data", "2.25.329800735698586629295641978511506172918"
    planes = PLANES["axial"]
    write(data / "p1", planes, stack(planes), SeriesInstanceUID=uid)
    write(data / "p2", planes, stack(planes), SeriesInstanceUID="1.2.3.4.6")
    place = place_of(planes, stack(planes)[2], *spot(2))
    assert "not found" not in asked(data, uid, place).error
    assert is_bright(asked(data, uid, place))


def test_a_folder_of_two_series_is_no_answer_but_their_files_are(tmp_path):
    data = tmp_path / "data"
    axial, coronal = PLANES["axial"], PLANES["coronal"]
    write(data / "p1", axial, stack(axial))
    for number, corner in enumerate(stack(coronal)):
        tags = {
            "ImageOrientationPatient": coronal[:2].ravel().tolist(),
            "ImagePositionPatient": corner.tolist(),
            "SeriesInstanceUID": "1.2.9",
        }
        make_slice(
            data / "p1" / f"c{number}.dcm", marked(number), PixelSpacing=list(SPACING), **tags
        )
    place = place_of(coronal, stack(coronal)[4], *spot(4))
    assert (
        "'p1' holds 2 series; name a file of the one that is meant"
        in asked(data, "p1", place).error
    )
    point = asked(data, "c0.dcm", place)
    assert (point.path, is_bright(point)) == (data / "p1" / "c4.dcm", True)


@pytest.mark.parametrize(
    ("tags", "match"),
    [
        ({"ImagePositionPatient": None}, "has no position in the patient in its header"),
        ({"ImageOrientationPatient": None}, "has no position in the patient in its header"),
        ({"PixelSpacing": None}, "has no pixel spacing in its header"),
    ],
)
def test_what_a_header_does_not_say_is_not_invented(tmp_path, tags, match):
    data = tmp_path / "data"
    write(data, PLANES["axial"], stack(PLANES["axial"]), **tags)
    assert match in asked(data, "IM000.dcm", CORNER + 1).error


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    data = tmp_path / "data"
    write(data, PLANES["axial"], stack(PLANES["axial"]))
    (data / "broken.dcm").write_text("not a scan")
    assert "is not a DICOM file" in asked(data, "broken.dcm", CORNER).error
    assert "the nearest name is 'broken.dcm'" in asked(data, "BROKEN", CORNER).error


def test_a_copy_names_the_series_of_what_it_repeats(tmp_path):
    data = tmp_path / "data"
    planes = PLANES["oblique"]
    write(data, planes, stack(planes))
    (data / "copy.dcm").write_bytes((data / "IM003.dcm").read_bytes())
    place = place_of(planes, stack(planes)[2], *spot(2))
    point = asked(data, "copy", place)
    assert (point.path, is_bright(point)) == (data / "IM006.dcm", True)


# --- slices far apart


def test_a_gap_holds_no_place(tmp_path):
    data = tmp_path / "data"
    planes = PLANES["axial"]
    corners = [corner for number, corner in enumerate(stack(planes)) if number not in (3, 4)]
    write(data, planes, corners)
    place = place_of(planes, stack(planes)[3], 10, 10)
    assert "more than the 1.25 mm that it reaches" in asked(data, "IM000.dcm", place).error


@pytest.mark.parametrize(
    ("positions", "thickness", "off", "found"),
    [
        ([0.0], "2.5", 1.2, True),
        ([0.0], "2.5", 1.3, False),
        ([0.0], None, 0.1, None),
        ([0.0, 97.0], "2.5", 2.4, True),
        ([0.0, 97.0], "2.5", 2.6, False),
        ([0.0, 97.0], None, 2.0, None),
        ([0.0, 10.0, 20.0, 30.0], "1", 0.9, True),
        ([0.0, 10.0, 20.0, 30.0], "1", 4.0, False),
        ([0.0, 6.0, 12.0], "5", 2.9, True),
        ([0.0, 2.0, 4.0], "5", -0.9, True),
        ([0.0, 2.0, 4.0], "5", -1.1, False),
        ([0.0, 2.0, 4.0], None, -0.9, True),
    ],
)
def test_a_slice_reaches_no_farther_than_its_thickness(tmp_path, positions, thickness, off, found):
    data = tmp_path / "data"
    planes = PLANES["axial"]
    corners = [CORNER + position * planes[2] for position in positions]
    write(data, planes, corners, SliceThickness=thickness)
    point = asked(data, "IM000.dcm", place_of(planes, corners[0], 10, 10) + off * planes[2])
    if found:
        assert not is_bright(point)
    else:
        says = "too few slices and no slice thickness" if found is None else "has no slice at"
        assert says in point.error


def test_a_place_beside_the_slice_is_said_by_the_slice(tmp_path):
    from dfd.errors import PointsError
    from dfd.modalities import MODALITIES
    from dfd.regions import region_of

    data = tmp_path / "data"
    planes = PLANES["axial"]
    write(data, planes, stack(planes))
    point = asked(data, "IM000.dcm", place_of(planes, CORNER, 10, 55))
    assert point.path is not None
    with pytest.raises(PointsError, match=r"the place \(12.5, .*\) mm is X = 55.0 in the plane of"):
        region_of(point, read_slice(point.path), MODALITIES["ct_lung"])


# --- frames and phases


def test_frames_of_one_file(tmp_path):
    data = tmp_path / "data"
    planes = PLANES["double oblique, upside down"]
    write_multiframe(data / "many.dcm", planes, stack(planes))
    for number, corner in enumerate(stack(planes)):
        place = place_of(planes, corner, *spot(number))
        point = asked(data, "many", place)
        assert (point.frame, is_bright(point)) == (number + 1, True)
        assert asked(data, "many", place, frame=number + 1).x == point.x
        assert point.cells["slice_frame"] == str(number + 1)
    wrong = asked(data, "many", place, frame=1).error
    assert f"does not hold the place in frame 1, but in frame {COUNT}; leave frame empty" in wrong


def test_the_phase_is_that_of_the_named_file(tmp_path):
    data = tmp_path / "data"
    planes = PLANES["axial"]
    for phase in (1, 2):
        for number, corner in enumerate(stack(planes)):
            make_slice(
                data / f"t{phase}_{number}.dcm",
                marked(number),
                ImagePositionPatient=corner.tolist(),
                PixelSpacing=list(SPACING),
                TemporalPositionIdentifier=phase,
            )
    place = place_of(planes, stack(planes)[5], *spot(5))
    for phase in (1, 2):
        assert asked(data, f"t{phase}_0.dcm", place).path == data / f"t{phase}_5.dcm"
    assert "holds 2 phases of the slice; name a file" in asked(data, ".", place).error


def write_multiframe(path: Path, planes: np.ndarray, corners: Sequence[np.ndarray]) -> None:
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(SPACING), 2.5
    orientation.ImageOrientationPatient = [f"{v:.9g}" for v in planes[:2].ravel()]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    frames = []
    for corner in corners:
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = [f"{v:.9g}" for v in corner]
        frame.PlanePositionSequence = Items([position])
        frames.append(frame)
    make_slice(
        path,
        np.stack([marked(number) for number in range(len(corners))]),
        ImageOrientationPatient=None,
        ImagePositionPatient=None,
        PixelSpacing=None,
        SliceThickness=None,
        SharedFunctionalGroupsSequence=Items([shared]),
        PerFrameFunctionalGroupsSequence=Items(frames),
    )


# --- what is written


def test_scores_say_which_slice_and_pixel(tmp_path):
    data = tmp_path / "data"
    planes = PLANES["axial"]
    write(data / "p1", planes, stack(planes))
    x, y, z = place_of(planes, stack(planes)[2], *spot(2))
    csv = tmp_path / "points.csv"
    csv.write_text(
        "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
        f"p1,{x:.9g},{y:.9g},{z:.9g},8.5\n"
        f"p1,{x:.9g},{y:.9g},{z + 500:.9g},8.5\n"
    )
    points = points_of(str(data), str(csv))
    findings = [Finding(point, "unreadable", error=point.error) for point in points]
    scores.write(tmp_path, findings)
    first, second = scores.read(tmp_path / "scores.csv")
    given = ["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"]
    added = ["slice_file", "slice_frame", "slice_x", "slice_y"]
    assert list(first)[:10] == [*given, *added, "score"]
    assert [first[name] for name in given] == ["p1", *(f"{v:.9g}" for v in (x, y, z)), "8.5"]
    row, column = spot(2)
    assert [first[name] for name in added[:2]] == ["p1/IM006.dcm", ""]
    assert [float(first[name]) for name in added[2:]] == pytest.approx([column, row], abs=1e-4)
    assert [second[name] for name in added] == ["", "", "", ""]
    assert second["error"].startswith("row 3: 'p1' has no slice at (")
    frame = scores.findings_frame(findings)
    assert frame["coordX"].tolist() == pytest.approx([x, x])
    assert frame["slice_x"].tolist() == pytest.approx([column, np.nan], nan_ok=True, abs=1e-4)
    scores.write(tmp_path, findings, anonymous=True)
    hidden = (tmp_path / "scores.csv").read_text()
    assert "IM0" not in hidden
    assert "p1" not in hidden.replace("p_", "")


def test_results_handed_in_again_find_the_same_place(tmp_path):
    data = tmp_path / "data"
    planes = PLANES["oblique"]
    write(data / "p1", planes, stack(planes))
    first = asked(data, "p1", place_of(planes, stack(planes)[4], *spot(4)))
    scores.write(tmp_path, [Finding(first, "no anomaly found")])
    (again,) = points_of(str(data), str(tmp_path / "scores.csv"))
    assert (again.path, again.x, again.y) == (first.path, first.x, first.y)


def test_other_points_stay_as_they_are(tmp_path):
    points = [
        Point(2, "a", 1.0, 2.0),
        Point(3, "b"),
        Point(4, "c", error="row 4: column X is empty"),
    ]
    assert place_points(points, tmp_path) == points
