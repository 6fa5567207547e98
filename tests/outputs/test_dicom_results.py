"""The DICOM results say what the findings say, of the same patient and study.

And nothing else of them.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread

import dfd
from dfd.errors import UsageError
from dfd.outputs import dicom
from dfd.outputs.dicom import codes
from dfd.outputs.dicom.segmentation import mask_of
from dfd.outputs.dicom.sr import outline_of
from dfd.outputs.dicom.stacks import MOST_FRAMES, stacks_of
from dfd.phantom import write_ct_series, write_mr_series
from dfd.records import Finding, Form, Point, Region, Suspicion, Verdict
from dfd.scoring.run_options import RunOptions
from dfd.settings import ScoreSettings
from tests.dicom_maker import make_pixels, make_series, make_slice

SIZE, RADIUS_PX, RADIUS_MM = 64, 7.3, 10.0
MAKER = dicom.Maker("ct_lung_inpainting", "a" * 64, "b" * 64)
P = 10**-1.7318450093
NAN = float("nan")
WRITERS: dict[str, Callable[..., list[Path]]] = {"ct": write_ct_series, "mr": write_mr_series}


def numbers_by_row(report: highdicom.sr.ComprehensiveSR) -> dict[str, dict[str, float]]:
    """Tracking identifier -> code -> value of each measurement group."""
    template = report.content
    groups = [
        *template.get_planar_roi_measurement_groups(),
        *template.get_image_measurement_groups(),
    ]
    return {
        group.tracking_identifier: {
            each.name.value: each.value for each in group.get_measurements()
        }
        for group in groups
    }


def codes_by_row(report: highdicom.sr.ComprehensiveSR) -> dict[str, dict[str, str]]:
    groups = [
        *report.content.get_planar_roi_measurement_groups(),
        *report.content.get_image_measurement_groups(),
    ]
    return {
        group.tracking_identifier: {
            each.name.value: each.value.value for each in group.get_qualitative_evaluations()
        }
        for group in groups
    }


def texts(item: Dataset) -> list[str]:
    """Every text of a report."""
    own = [str(item.TextValue)] if "TextValue" in item else []
    return own + [text for below in item.get("ContentSequence", []) for text in texts(below)]


def plane_positions(made: Dataset) -> list[list[float]]:
    frames = made.PerFrameFunctionalGroupsSequence
    return [
        [float(mm) for mm in frame.PlanePositionSequence[0].ImagePositionPatient]
        for frame in frames
    ]


def source_of(made: Dataset, frame: int) -> str:
    derived = made.PerFrameFunctionalGroupsSequence[frame].DerivationImageSequence[0]
    return str(derived.SourceImageSequence[0].ReferencedSOPInstanceUID)


def finding(row: int, path: Path, x: float = NAN, y: float = NAN, **found: object) -> Finding:
    told = {
        "verdict": "unusual",
        "score": 1.7318450093,
        "p_value": P,
        "form": "copy-move",
        "reason": "the same noise stands at x 3, y 4",
    }
    return Finding(
        Point(row, path.name, x, y, path=path), **({"radius_mm": RADIUS_MM} | told | found)
    )


def put_map(folder: Path, number: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(0, 3, (SIZE, SIZE)).astype(np.float32)
    values[:4] = np.nan
    (folder / "maps").mkdir(exist_ok=True)
    Image.fromarray(values).save(folder / "maps" / f"{number:04d}.tif")
    return values


def typical(files: list[Path], folder: Path) -> list[dicom.Answer]:
    """A point; the last slice as a whole, with one region; the first, without.

    A point that cannot be assessed; a row that cannot be read.
    """
    put_map(folder, 2, 1)
    put_map(folder, 3, 2)
    radius = Region(NAN, NAN, RADIUS_PX, RADIUS_MM)
    region = Suspicion(finding(3, files[-1], 30.5, 40.0, score=2.5, p_value=10**-2.5), 0.021)
    nothing = {"score": NAN, "p_value": NAN, "form": ""}
    return [
        dicom.Answer(
            finding(2, files[0], 45, 20, extrapolated=True), 1, Region(45, 20, RADIUS_PX, RADIUS_MM)
        ),
        dicom.Answer(finding(3, files[-1], verdict="strongly unusual"), 2, radius, (region,)),
        dicom.Answer(
            finding(
                4,
                files[0],
                verdict="no anomaly found",
                score=0.1,
                p_value=10**-0.1,
                form="",
                reason="no region stands out",
            ),
            3,
            radius,
        ),
        dicom.Answer(
            finding(
                5,
                files[1],
                3,
                3,
                verdict="not assessable",
                reason="compressed with loss",
                radius_mm=None,
                **nothing,
            ),
            4,
        ),
        dicom.Answer(
            finding(
                6,
                files[1],
                900,
                3,
                verdict="unreadable",
                error="outside",
                reason="",
                radius_mm=None,
                **nothing,
            ),
            5,
        ),
    ]


@pytest.fixture(scope="module", params=["ct", "mr"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Path], Path]:
    """(source files, folder with results) of a phantom."""
    folder = tmp_path_factory.mktemp(request.param)
    files = WRITERS[request.param](folder / "scans", seed=5, slices=3, size=SIZE)
    dicom.write(folder, typical(files, folder), MAKER)
    return files, folder


def read(folder: Path, kind: str, series: int = 1) -> Dataset:
    return dcmread(folder / "dicom" / f"series-{series:02d}-{kind}.dcm")


def report_of(folder: Path) -> highdicom.sr.ComprehensiveSR:
    return highdicom.sr.srread(folder / "dicom" / "series-01-scores.dcm")


def test_the_report_holds_the_very_numbers(made: tuple[list[Path], Path]) -> None:
    told = numbers_by_row(report_of(made[1]))
    assert told == {
        "2": {"SCORE": 1.7318450093, "P_VALUE": P, "131190003": RADIUS_MM},
        "3": {"SCORE": 1.7318450093, "P_VALUE": P, "131190003": RADIUS_MM},
        "3.1": {"SCORE": 2.5, "P_VALUE": 10**-2.5, "FALSE_ALARMS": 0.021, "131190003": RADIUS_MM},
        "4": {"SCORE": 0.1, "P_VALUE": 10**-0.1, "131190003": RADIUS_MM},
        "5": {},
    }


def test_the_report_holds_verdict_form_and_reason(made: tuple[list[Path], Path]) -> None:
    report = report_of(made[1])
    told = codes_by_row(report)
    assert told["2"] == {"VERDICT": "UNUSUAL", "FORM": "COPY_MOVE", "EXTRAPOLATED": "373066001"}
    assert told["4"] == {"VERDICT": "NO_ANOMALY", "EXTRAPOLATED": "373067005"}
    assert told["5"] == {"VERDICT": "NOT_ASSESSABLE"}
    assert {"the same noise stands at x 3, y 4", "compressed with loss"} <= set(texts(report))


def test_the_report_names_algorithm_and_device(made: tuple[list[Path], Path]) -> None:
    report = report_of(made[1])
    assert {
        "deepfakes-detector ct_lung_inpainting",
        dfd.__version__,
        "weights SHA-256 " + "a" * 64,
        "calibration SHA-256 " + "b" * 64,
    } <= set(texts(report))
    (observer,) = report.content.get_observer_contexts()
    assert observer.observer_type.meaning == "Device"


def test_regions_lie_where_the_points_lie(made: tuple[list[Path], Path]) -> None:
    files, folder = made
    groups = {
        group.tracking_identifier: group
        for group in report_of(folder).content.get_planar_roi_measurement_groups()
    }
    assert set(groups) == {"2", "3.1", "5"}
    kind, region = groups["2"].reference_type.meaning, groups["2"].roi
    assert kind == "Image Region"
    # Points count from the centre of the first pixel, DICOM from its corner.
    np.testing.assert_allclose(region.value, [(45.5, 20.5), (45.5 + RADIUS_PX, 20.5)], atol=1e-5)
    assert region.ContentSequence[0].referenced_sop_instance_uid == dcmread(files[0]).SOPInstanceUID
    assert groups["5"].roi.graphic_type.value == "POINT"


def test_everything_is_marked_as_research_and_unverified(made: tuple[list[Path], Path]) -> None:
    _, folder = made
    report, other = read(folder, "scores"), [read(folder, "map"), read(folder, "regions")]
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )
    for each in (report, *other):
        assert each.SeriesDescription.startswith("RESEARCH, NOT FOR DIAGNOSIS")
    for each in other:
        assert each.ContentLabel == "RESEARCH"
        assert each.ContentDescription.startswith("RESEARCH, NOT FOR DIAGNOSIS")
    assert other[0].ContentQualification == "RESEARCH"


def test_results_are_filed_beside_the_images(made: tuple[list[Path], Path]) -> None:
    files, folder = made
    source = dcmread(files[0])
    results = [read(folder, kind) for kind in ("scores", "map", "regions")]
    for each in results:
        for word in (
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "PatientSex",
            "StudyInstanceUID",
            "StudyDate",
            "StudyTime",
            "AccessionNumber",
        ):
            assert each[word].value == source[word].value
    assert len({each.SeriesInstanceUID for each in [source, *results]}) == 4
    assert len({each.SOPInstanceUID for each in results}) == 3
    referenced = {
        item.ReferencedSOPInstanceUID
        for item in results[0]
        .CurrentRequestedProcedureEvidenceSequence[0]
        .ReferencedSeriesSequence[0]
        .ReferencedSOPSequence
    }
    assert referenced == {dcmread(path).SOPInstanceUID for path in files}


def test_the_map_lies_in_space_where_its_slices_lie(made: tuple[list[Path], Path]) -> None:
    files, folder = made
    result = read(folder, "map")
    by_position = {tuple(map(float, dcmread(path).ImagePositionPatient)): path for path in files}
    sources = [by_position[tuple(position)] for position in plane_positions(result)]
    assert set(sources) == {files[0], files[-1]}
    values = np.frombuffer(result.FloatPixelData, dtype="<f4").reshape(-1, SIZE, SIZE)
    expected = {files[-1]: put_map(folder, 2, 1), files[0]: put_map(folder, 3, 2)}
    for frame, path in enumerate(sources):
        assert source_of(result, frame) == dcmread(path).SOPInstanceUID
        np.testing.assert_array_equal(values[frame], np.nan_to_num(expected[path], nan=-1.0))
    assert result.FloatPixelPaddingValue == -1.0


def test_the_segmentation_holds_the_suspicious_disks(made: tuple[list[Path], Path]) -> None:
    files, folder = made
    result = highdicom.seg.segread(folder / "dicom" / "series-01-regions.dcm")
    wanted = {
        dcmread(files[0]).SOPInstanceUID: Region(45, 20, RADIUS_PX),
        dcmread(files[-1]).SOPInstanceUID: Region(30.5, 40, RADIUS_PX),
    }
    uids = list(wanted)
    pixels = result.get_pixels_by_source_instance(uids, combine_segments=True)
    for uid, mask in zip(uids, pixels, strict=True):
        np.testing.assert_array_equal(mask.astype(bool), mask_of([wanted[uid]], SIZE, SIZE))
    (segment,) = result.SegmentSequence
    assert (
        segment.SegmentAlgorithmType,
        segment.SegmentedPropertyTypeCodeSequence[0].CodeValue,
    ) == ("AUTOMATIC", "SUSPICIOUS")


def test_the_same_findings_have_the_same_identifiers(
    made: tuple[list[Path], Path], tmp_path: Path
) -> None:
    files, folder = made
    answers = typical(files, tmp_path)
    dicom.write(tmp_path, answers, MAKER)
    for kind in ("scores", "map", "regions"):
        first, second = read(folder, kind), read(tmp_path, kind)
        assert (first.SOPInstanceUID, first.SeriesInstanceUID) == (
            second.SOPInstanceUID,
            second.SeriesInstanceUID,
        )
    other = [replace(answers[0], finding=replace(answers[0].finding, p_value=0.04)), *answers[1:]]
    dicom.write(tmp_path, other, MAKER)
    assert read(tmp_path, "scores").SOPInstanceUID != read(folder, "scores").SOPInstanceUID


def test_without_images_there_is_the_report_alone(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "scans", seed=5, slices=2, size=SIZE)
    dicom.write(tmp_path, typical(files, tmp_path), MAKER, dicom.Kinds(images=False))
    assert [path.name for path in (tmp_path / "dicom").iterdir()] == ["series-01-scores.dcm"]


def test_where_nothing_is_suspicious_there_is_no_segmentation(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "scans", seed=5, slices=2, size=SIZE)
    dicom.write(tmp_path, [typical(files, tmp_path)[2]], MAKER)
    assert sorted(path.name for path in (tmp_path / "dicom").iterdir()) == [
        "series-01-map.dcm",
        "series-01-scores.dcm",
    ]


def test_what_an_earlier_run_left_is_replaced(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "scans", seed=5, slices=2, size=SIZE)
    (tmp_path / "dicom").mkdir()
    for name in ("series-07-scores.dcm", "mine.dcm"):
        (tmp_path / "dicom" / name).write_bytes(b"")
    dicom.write(tmp_path, typical(files, tmp_path)[:1], MAKER, dicom.Kinds(images=False))
    assert sorted(path.name for path in (tmp_path / "dicom").iterdir()) == [
        "mine.dcm",
        "series-01-scores.dcm",
    ]


CANARY = "CANARY"


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_nothing_but_the_identification_is_taken_over(tmp_path: Path, modality: str) -> None:
    words = (
        "InstitutionName",
        "StationName",
        "OperatorsName",
        "PerformingPhysicianName",
        "PatientComments",
        "ImageComments",
        "ProtocolName",
    )
    more = (
        "DeviceSerialNumber",
        "SeriesDescription",
        "PatientAddress",
        "OtherPatientIDs",
        "EthnicGroup",
        "Occupation",
        "AdditionalPatientHistory",
    )
    tags = {word: f"{CANARY} {word}" for word in (*words, *more)}
    identity = {
        "PatientBirthDate": "19500102",
        "PatientSex": "F",
        "StudyDate": "20200101",
        "StudyTime": "120000",
        "StudyID": "7",
    }
    files = make_series(
        tmp_path / "scans",
        [0, 2.5],
        Modality=modality,
        FrameOfReferenceUID="1.2.3",
        **tags,
        **identity,
    )
    square(files)
    dicom.write(tmp_path, typical([*files, files[0]], tmp_path), MAKER)
    written = sorted((tmp_path / "dicom").iterdir())
    assert len(written) == 3
    for path in written:
        content = path.read_bytes()
        assert CANARY.encode() not in content
        assert b"Canary^Identity" in content


def square(files: list[Path]) -> list[Path]:
    """The slices made as large as the maps of these tests."""
    for number, path in enumerate(files):
        dataset = dcmread(path)
        dataset.Rows = dataset.Columns = SIZE
        dataset.PixelData = make_pixels((SIZE, SIZE), seed=number).tobytes()
        dataset.save_as(path)
    return files


def test_a_bare_source_has_a_report_and_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = dict.fromkeys(
        (
            "PatientName",
            "PatientID",
            "ImagePositionPatient",
            "ImageOrientationPatient",
            "BodyPartExamined",
        )
    )
    path = make_slice(tmp_path / "scans" / "a.dcm", make_pixels((SIZE, SIZE)), **bare)
    with caplog.at_level(logging.INFO):
        dicom.write(
            tmp_path,
            [dicom.Answer(finding(2, path, 20, 20), 1, Region(20, 20, RADIUS_PX, RADIUS_MM))],
            MAKER,
        )
    report = read(tmp_path, "scores")
    assert (report.PatientID, report.PatientName, report.StudyDate) == ("", "", "")
    assert [path.name for path in (tmp_path / "dicom").iterdir()] == ["series-01-scores.dcm"]
    (told,) = caplog.messages
    assert told.startswith(
        "there is no DICOM segmentation for the series of a.dcm: a slice has no position"
    )


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientSex": "unknown", "PatientBirthDate": "in 1950", "StudyTime": "noon"},
        {"PatientName": "\u5c71\u7530^\u592a\u90ce", "SpecificCharacterSet": "ISO_IR 192"},
    ],
)
def test_odd_values_of_the_source_do_not_cost_the_results(
    tmp_path: Path, tags: dict[str, str]
) -> None:
    path = make_slice(
        tmp_path / "scans" / "a.dcm", make_pixels((SIZE, SIZE)), FrameOfReferenceUID="1.2.3", **tags
    )
    dicom.write(
        tmp_path,
        [dicom.Answer(finding(2, path, 20, 20), 1, Region(20, 20, RADIUS_PX, RADIUS_MM))],
        MAKER,
    )
    report = read(tmp_path, "scores")
    assert report.PatientName == tags.get("PatientName", "Canary^Identity")
    assert (report.PatientSex, report.PatientBirthDate) == ("", "")
    assert len(list((tmp_path / "dicom").iterdir())) == 2


def test_a_source_without_study_cannot_be_referred_to(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_slice(tmp_path / "scans" / "a.dcm", make_pixels(), StudyInstanceUID=None)
    dicom.write(tmp_path, [dicom.Answer(finding(2, path, 20, 20), 1)], MAKER)
    assert list((tmp_path / "dicom").iterdir()) == []
    assert caplog.messages == [
        f"{path} has no StudyInstanceUID, so no DICOM result can refer to it"
    ]


def test_nifti_has_no_dicom_results(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [dicom.Answer(finding(row, Path("/data/a.nii.gz"), 20, 20), row) for row in (2, 3)]
    dicom.write(tmp_path, rows, MAKER)
    assert list((tmp_path / "dicom").iterdir()) == []
    assert caplog.messages == [
        (
            "there are no DICOM results for 2 rows of NIfTI volumes: such files name no patient, "
            "study or series"
        )
    ]


def several_frames(path: Path, count: int = 4) -> Path:
    """An enhanced CT file whose frames lie 2.5 mm apart.

    It has neither spacing nor place at its top level.
    """
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.7, 0.8], 2.5
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    frames = []
    for number in range(count):
        position, groups = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, 2.5 * number]
        groups.PlanePositionSequence = [position]
        frames.append(groups)
    tags = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames}
    nowhere = dict.fromkeys(
        ("PixelSpacing", "SliceThickness", "ImagePositionPatient", "ImageOrientationPatient")
    )
    names = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1", "FrameOfReferenceUID": "1.2.3"}
    return make_slice(path, make_pixels((count, SIZE, SIZE)), **tags, **nowhere, **names)


def typical_of_frames(path: Path, folder: Path) -> list[dicom.Answer]:
    """A point in frame 2, and frames 4 and 3 as a whole, one region in the fourth."""
    put_map(folder, 2, 1)
    put_map(folder, 3, 2)
    at = [
        replace(finding(row, path, *place).point, frame=frame)
        for row, frame, place in ((2, 2, (20, 20)), (3, 4, ()), (4, 3, ()))
    ]
    radius = Region(NAN, NAN, RADIUS_PX, RADIUS_MM)
    region = Suspicion(
        replace(finding(3, path, 30.0, 40.0), point=replace(at[1], x=30.0, y=40.0)), 0.021
    )
    point, fourth, third = (replace(finding(each.row, path), point=each) for each in at)
    return [
        dicom.Answer(point, 1, Region(20, 20, RADIUS_PX, RADIUS_MM)),
        dicom.Answer(fourth, 2, radius, (region,)),
        dicom.Answer(third, 3, radius),
    ]


def test_frames_of_one_file_are_named_in_every_result(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = several_frames(tmp_path / "scans" / "a.dcm")
    dicom.write(tmp_path, typical_of_frames(path, tmp_path), MAKER)
    assert caplog.messages == []
    assert [
        group.roi.ContentSequence[0].referenced_frame_numbers
        for group in report_of(tmp_path).content.get_planar_roi_measurement_groups()
    ] == [
        [2],
        [4],
    ]
    maps, regions = read(tmp_path, "map"), read(tmp_path, "regions")
    assert {
        tuple(place): frames_of(maps, number) for number, place in enumerate(plane_positions(maps))
    } == {(0, 0, 5.0): [3], (0, 0, 7.5): [4]}
    assert {
        tuple(place): frames_of(regions, number)
        for number, place in enumerate(plane_positions(regions))
    } == {(0, 0, 2.5): [2], (0, 0, 7.5): [4]}
    values = np.frombuffer(maps.FloatPixelData, dtype="<f4").reshape(2, SIZE, SIZE)
    for number, (_, _, z) in enumerate(plane_positions(maps)):
        np.testing.assert_array_equal(
            values[number],
            np.nan_to_num(put_map(tmp_path, *((2, 1) if z == 7.5 else (3, 2))), nan=-1.0),
        )
    for each in (maps, regions):
        (referenced,) = each.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        assert referenced.ReferencedSOPInstanceUID == dcmread(path).SOPInstanceUID


def test_frames_of_one_place_have_a_map_each(tmp_path: Path) -> None:
    path = make_slice(
        tmp_path / "scans" / "a.dcm",
        make_pixels((4, SIZE, SIZE)),
        SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1",
        FrameOfReferenceUID="1.2.3",
    )
    dicom.write(tmp_path, typical_of_frames(path, tmp_path), MAKER)
    assert frames_of(read(tmp_path, "map"), 0) == [4]
    assert frames_of(dcmread(tmp_path / "dicom" / "series-01-map-2.dcm"), 0) == [3]


def frames_of(made: Dataset, frame: int) -> list[int]:
    """The frames of the source that a frame of a result refers to."""
    derived = made.PerFrameFunctionalGroupsSequence[frame].DerivationImageSequence[0]
    return [int(source.ReferencedFrameNumber) for source in derived.SourceImageSequence]


def test_a_private_class_of_image_costs_its_results_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = make_slice(tmp_path / "scans" / "a.dcm", make_pixels(), SOPClassUID="1.2.3.4.5")
    good = make_slice(tmp_path / "scans" / "b.dcm", make_pixels(), SeriesInstanceUID="1.2.9")
    region = Region(20, 20, RADIUS_PX, RADIUS_MM)
    dicom.write(
        tmp_path,
        [
            dicom.Answer(finding(2, odd, 20, 20), 1, region),
            dicom.Answer(finding(3, good, 20, 20), 2, region),
        ],
        MAKER,
        dicom.Kinds(images=False),
    )
    assert [path.name for path in (tmp_path / "dicom").iterdir()] == ["series-02-scores.dcm"]
    assert caplog.messages[0].startswith(
        "there is no DICOM report for the series of a.dcm: its headers do not allow one"
    )


@pytest.mark.parametrize(
    ("place", "kind", "rim"),
    [
        ((20, 20), "CIRCLE", (30.5, 20.5)),
        ((58, 20), "CIRCLE", (48.5, 20.5)),
        ((20, 20, 500.0), "POINT", None),
    ],
    ids=["to the right", "to the left at the right border", "larger than the slice"],
)
def test_outlines_lie_in_the_image(
    place: tuple[float, ...], kind: str, rim: tuple[float, float] | None
) -> None:
    radius = place[2] if len(place) > 2 else 10.0
    found, points = outline_of(Region(place[0], place[1], radius), (SIZE, SIZE), (0.8, 0.8))
    assert found == kind
    assert rim is None or tuple(points[1]) == rim


def test_a_disk_of_oblong_pixels_is_an_ellipse_with_its_long_axis_first() -> None:
    wide, tall = (
        outline_of(Region(30, 20, 10.0), (SIZE, SIZE), spacing)
        for spacing in ((0.5, 0.9), (0.9, 0.5))
    )
    assert wide[0] == tall[0] == "ELLIPSE"
    np.testing.assert_array_equal(wide[1], [(20.5, 20.5), (40.5, 20.5), (30.5, 10.5), (30.5, 30.5)])
    np.testing.assert_array_equal(tall[1], wide[1][[2, 3, 0, 1]])


def test_a_disk_of_oblong_pixels_at_the_border_is_a_closed_line_in_the_image() -> None:
    kind, points = outline_of(Region(2, 20, 10.0), (SIZE, SIZE), (0.5, 0.9))
    assert kind == "POLYLINE"
    np.testing.assert_array_equal(points[0], points[-1])
    assert points.min() == 0.0
    assert points[:, 0].max() == 12.5


def test_a_radius_in_oblong_pixels_is_called_a_mean(tmp_path: Path) -> None:
    region = Region(20, 20, RADIUS_PX, RADIUS_MM)
    derived = []
    for name, spacing in (("square", [0.8, 0.8]), ("oblong", [0.5, 0.9])):
        file = make_slice(tmp_path / name / "a.dcm", make_pixels(), PixelSpacing=spacing)
        dicom.write(
            tmp_path / name,
            [dicom.Answer(finding(2, file, 20, 20), 1, region)],
            MAKER,
            kinds=dicom.Kinds(images=False),
        )
        text = str(dcmread(tmp_path / name / "dicom" / "series-01-scores.dcm"))
        derived.append("Mean" in text and "ELLIPSE" in text)
    assert derived == [False, True]


def test_stacks_hold_each_place_once_and_so_many_slices(tmp_path: Path) -> None:
    from dfd.outputs.dicom.sources import grouped

    files = make_series(tmp_path, [5.0, 0.0, 2.5, 0.0], FrameOfReferenceUID="1.2.3")
    (series,), _ = grouped(
        [dicom.Answer(finding(row, path, 20, 20), row) for row, path in enumerate(files, start=2)]
    )
    stacks = stacks_of(series.images())
    assert [[image.corner[2] for image in stack] for stack in stacks] == [[0.0, 2.5, 5.0], [0.0]]
    assert MOST_FRAMES >= 3


def test_every_verdict_and_form_has_a_code() -> None:
    assert tuple(codes.VERDICTS) == tuple(Verdict)
    assert set(codes.FORMS) == set(Form)


def test_anonymous_dicom_results_are_refused() -> None:
    for refused in (
        lambda: ScoreSettings(Path(), dicom=True, anonymous=True),
        lambda: RunOptions.of(dicom=True, anonymous=True),
    ):
        with pytest.raises(UsageError, match="DICOM results cannot be anonymous"):
            refused()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install deepfakes-detector\[dicom\]"):
        dicom.require()


def test_highdicom_is_loaded_only_where_it_is_asked_for() -> None:
    code = (
        "import sys, dfd.bundle.inference.results; print(*sorted({'highdicom', 'dicomweb_client', "
        "'pynetdicom'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
