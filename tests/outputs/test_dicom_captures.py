"""Pictures of suspicious regions as Secondary Capture images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from dfd.errors import UsageError
from dfd.outputs import dicom
from dfd.phantom import write_ct_series
from dfd.settings import ScoreSettings
from tests.outputs.test_dicom_results import MAKER, SIZE, typical

CAPTURES = dicom.Kinds(captures=True)


def put_pictures(folder: Path) -> dict[str, np.ndarray]:
    """A picture of each row that scoring draws: the point of row 1, the slices of rows 2 and 3."""
    rng = np.random.default_rng(3)
    pixels = {
        name: rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)
        for name in ("overlay-0001.png", "maps/0002.png", "maps/0003.png", "overlay-0004.png")
    }
    for name, each in pixels.items():
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(each).save(folder / name)
    return pixels


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, list[Path], dict[str, np.ndarray]]:
    files = write_ct_series(tmp_path / "scans", seed=5, slices=3, size=SIZE)
    answers = typical(files, tmp_path)
    pictures = put_pictures(tmp_path)
    dicom.write(tmp_path, answers, MAKER, CAPTURES)
    return tmp_path / "dicom", files, pictures


def test_what_is_suspicious_has_its_picture_and_nothing_else_has(
    written: tuple[Path, list[Path], dict[str, np.ndarray]],
) -> None:
    folder, files, pictures = written
    found = sorted(folder.glob("series-01-captures*.dcm"))
    assert [path.name for path in found] == [
        "series-01-captures-2.dcm",
        "series-01-captures.dcm",
    ]
    second, first = map(dcmread, found)
    np.testing.assert_array_equal(first.pixel_array, pictures["overlay-0001.png"])
    np.testing.assert_array_equal(second.pixel_array, pictures["maps/0002.png"])
    for made, source in ((first, files[0]), (second, files[-1])):
        (referred,) = made.SourceImageSequence
        assert referred.ReferencedSOPInstanceUID == dcmread(source).SOPInstanceUID


def test_it_is_filed_beside_its_source_and_marked(
    written: tuple[Path, list[Path], dict[str, np.ndarray]],
) -> None:
    folder, files, _ = written
    made, source = dcmread(folder / "series-01-captures.dcm"), dcmread(files[0])
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber"):
        assert made[name].value == source[name].value
    assert made.SOPClassUID == SecondaryCaptureImageStorage
    assert (made.PhotometricInterpretation, made.BitsStored) == ("RGB", 8)
    assert made.SeriesNumber == 9904
    assert made.SeriesInstanceUID != source.SeriesInstanceUID
    assert made.SeriesDescription.startswith("RESEARCH, NOT FOR DIAGNOSIS")
    assert not made.PatientOrientation
    assert "BurnedInAnnotation" not in made  # nobody looked for words in the source's pixels


def test_two_captures_are_two_images_of_one_series_and_a_second_run_gives_the_same(
    written: tuple[Path, list[Path], dict[str, np.ndarray]], tmp_path: Path
) -> None:
    folder, files, _ = written
    names = ("series-01-captures.dcm", "series-01-captures-2.dcm")
    before = [dcmread(folder / name) for name in names]
    assert before[0].SeriesInstanceUID == before[1].SeriesInstanceUID
    assert before[0].SOPInstanceUID != before[1].SOPInstanceUID
    assert [each.InstanceNumber for each in before] == [1, 2]
    dicom.write(tmp_path, typical(files, tmp_path), MAKER, CAPTURES)
    after = [dcmread(folder / name) for name in names]
    assert [each.SOPInstanceUID for each in before] == [each.SOPInstanceUID for each in after]


def test_without_being_asked_for_there_is_none(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "scans", seed=5, slices=3, size=SIZE)
    answers = typical(files, tmp_path)
    put_pictures(tmp_path)
    dicom.write(tmp_path, answers, MAKER)
    assert not list((tmp_path / "dicom").glob("*captures*"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "belong to the DICOM results: ask for these too"),
        ({"dicom": True, "images": False}, "are pictures, and these are switched off"),
    ],
)
def test_captures_of_nothing_are_refused(settings: dict[str, bool], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        ScoreSettings(data=Path(), dicom_captures=True, **settings)
