"""What duplicates.csv says of phantoms: claims where pixels show it, and none where they do not."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from openjpeg.utils import decode, encode_array

from dfd.phantom import CtScan, draw_anatomy, scan_ct, write_ct_series
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of
from dfd.records import FloatImage
from dfd.repository.duplicate_match import (
    ANOTHER_PATIENT,
    IDENTICAL,
    SAME_NOISE,
    SAME_PATIENT,
    SAME_SERIES,
    SAME_STUDY,
    WRITTEN_TWICE,
    Lie,
    may_share_raw_data,
)
from dfd.repository.duplicates import write_duplicates
from dfd.repository.fingerprint import fingerprint_of, turned
from tests.repository.tables import write_fingerprints

SIZE = 256
OWNERS = {
    "one": ("P1", "S1"),
    "sister": ("P1", "S1"),
    "later": ("P1", "S2"),
    "stranger": ("P2", "S3"),
}
Written = Mapping[str, Sequence[tuple[FloatImage, Mapping[str, object]]]]


@pytest.fixture(scope="module")
def scans() -> list[FloatImage]:
    """Scans of one place of one body, each with noise of its own, in HU."""
    anatomy = draw_anatomy(np.random.default_rng(1))
    return [
        np.round(scan_ct(np.random.default_rng(seed), anatomy, 0.0, CtScan(size=SIZE)))
        for seed in range(12)
    ]


@pytest.fixture(scope="module")
def others() -> list[FloatImage]:
    """Scans of other bodies."""
    bodies = [draw_anatomy(np.random.default_rng(seed)) for seed in (21, 22)]
    rng = np.random.default_rng(5)
    return [np.round(scan_ct(rng, body, 0.0, CtScan(size=SIZE))) for body in bodies]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ct_series(tmp_path_factory.mktemp("t"), seed=1, slices=1, size=SIZE)[0]


def listed(folder: Path, template: Path, written: Written) -> list[dict[str, str]]:
    """duplicates.csv of slices with such pixels (HU) and values of the header, by series."""
    parts = []
    for series, slices in written.items():
        (folder / series).mkdir()
        rows = []
        for number, (pixels, header) in enumerate(slices):
            file, uid = f"{series}/{number}.dcm", f"1.2.{len(parts)}.{number}"
            uid = _write(folder / file, template, pixels, {"SOPInstanceUID": uid, **header})
            bits = fingerprint_of(pixels_of(read_slice(folder / file, 0)))
            if bits is not None:
                rows.append({"sop_uid": uid, "file": file, "frame": 0, "bits": bits})
        parts.append(write_fingerprints(folder, series, rows))
    write_duplicates(parts, OWNERS, folder, folder)
    with (folder / "duplicates.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _write(path: Path, template: Path, pixels: FloatImage, header: Mapping[str, object]) -> str:
    dataset = pydicom.dcmread(template)
    stored = np.round((pixels - dataset.RescaleIntercept) / dataset.RescaleSlope)
    dataset.PixelData = np.clip(stored, 0, 4095).astype(np.uint16).tobytes()
    dataset.Rows, dataset.Columns = pixels.shape
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path)
    return str(dataset.SOPInstanceUID)


def at(position_mm: float, **header: object) -> dict[str, object]:
    """Header of a slice 2.5 mm thick at that height."""
    return {"ImagePositionPatient": [-179.0, -179.0, position_mm], **header}


def jpeg_2000(pixels: FloatImage) -> FloatImage:
    stored = np.round(pixels + 1024).astype(np.uint16)
    return np.asarray(decode(encode_array(stored, compression_ratios=[6])), np.float32) - 1024


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda pixels: pixels, IDENTICAL),
        (lambda pixels: turned(pixels, 1), IDENTICAL),
        (lambda pixels: turned(pixels, 4), IDENTICAL),
        (lambda pixels: pixels[6:-4, 3:-9], IDENTICAL),
        (lambda pixels: np.pad(pixels, 9, constant_values=pixels.min()), IDENTICAL),
        (jpeg_2000, SAME_NOISE),
        (lambda pixels: np.round(0.6 * pixels + 40), SAME_NOISE),
        (lambda pixels: turned(jpeg_2000(pixels), 6), SAME_NOISE),
    ],
    ids=["copied", "turned", "mirrored", "cropped", "padded", "encoded", "scaled", "both"],
)
def test_a_slice_in_two_patients_is_said_for_what_was_done(
    tmp_path: Path, template: Path, others: list[FloatImage], change: object, match: str
) -> None:
    assert callable(change)
    written = {
        "one": [(others[0], at(0))],
        "stranger": [(change(others[0]), at(70)), (others[1], at(80))],
    }
    (row,) = listed(tmp_path, template, written)
    assert (row["relation"], row["match"]) == (ANOTHER_PATIENT, match)
    said = "The same pixels stand" if match == IDENTICAL else "The same noise stands"
    assert row["reason"].startswith(f"{said} in two patients")
    assert ("never" in row["reason"], "copied" in row["reason"]) == (False, False)


@pytest.mark.parametrize(
    ("series", "relation", "words"),
    [
        ("sister", SAME_STUDY, "in two series of one study: one series holds images of the other"),
        ("later", SAME_PATIENT, "in two studies of one patient"),
        ("stranger", ANOTHER_PATIENT, "in two patients: both hold one image"),
    ],
)
def test_one_patient_is_told_from_two(
    tmp_path: Path,
    template: Path,
    scans: list[FloatImage],
    series: str,
    relation: str,
    words: str,
) -> None:
    (row,) = listed(tmp_path, template, {name: [(scans[0], at(0))] for name in ("one", series)})
    assert (row["relation"], row["match"]) == (relation, IDENTICAL)
    assert words in row["reason"]


@pytest.mark.parametrize("series", ["sister", "later", "stranger"])
def test_an_export_that_was_repeated_is_written_twice(
    tmp_path: Path, template: Path, scans: list[FloatImage], series: str
) -> None:
    both = {name: [(scans[0], at(0, SOPInstanceUID="1.2.3"))] for name in ("one", series)}
    (row,) = listed(tmp_path, template, both)
    assert row["match"] == WRITTEN_TWICE
    assert row["reason"].endswith("with the same SOPInstanceUID: it was written twice.")


def test_a_series_that_was_written_twice_is_told_from_a_slice_that_was(
    tmp_path: Path, template: Path, others: list[FloatImage]
) -> None:
    slices = [(scan, at(5.0 * k)) for k, scan in enumerate(others)]
    rows = listed(tmp_path, template, {"one": slices, "later": slices, "stranger": slices[:1]})
    assert {(row["relation"], row["pairs"]) for row in rows} == {
        (ANOTHER_PATIENT, "1"),
        (SAME_PATIENT, "2"),
    }


def test_a_slice_that_is_repeated_in_its_series_is_said(
    tmp_path: Path, template: Path, scans: list[FloatImage], others: list[FloatImage]
) -> None:
    slices = [(others[0], at(0)), (others[1], at(2.5)), (others[0], at(40)), (scans[2], at(50))]
    slices.append((jpeg_2000(others[1]), at(60)))
    rows = listed(tmp_path, template, {"one": slices})
    assert [(row["relation"], row["match"]) for row in rows] == [
        (SAME_SERIES, IDENTICAL),
        (SAME_SERIES, SAME_NOISE),
    ]
    assert (rows[0]["file"], rows[0]["other_file"]) == ("one/0.dcm", "one/2.dcm")
    assert (rows[1]["file"], rows[1]["other_file"]) == ("one/1.dcm", "one/4.dcm")


def overlapping(scans: list[FloatImage]) -> list[tuple[FloatImage, dict[str, object]]]:
    """Slices 0.5 mm apart, each the mean of eight scans, seven of which the next one has too."""
    return [(np.mean(scans[k : k + 8], axis=0), at(0.5 * k)) for k in range(4)]


def interpolated(scans: list[FloatImage]) -> list[tuple[FloatImage, dict[str, object]]]:
    """Between two slices a third that zero-filling makes of them."""
    between = (0.64 * scans[0] + 0.64 * scans[1]) / 1.28
    return [(scans[0], at(0)), (between, at(1.25)), (scans[1], at(2.5))]


def phases(scans: list[FloatImage]) -> list[tuple[FloatImage, dict[str, object]]]:
    """Phases of a cine that share most of their raw data, at one position."""
    return [(0.8 * scans[0] + 0.2 * scan, at(0)) for scan in scans[1:5]]


@pytest.mark.parametrize("slices_of", [overlapping, interpolated, phases])
def test_adjacent_slices_that_are_nearly_alike_are_not_listed(
    tmp_path: Path, template: Path, scans: list[FloatImage], slices_of: object
) -> None:
    assert callable(slices_of)
    slices = slices_of(scans)
    (tmp_path / "one").mkdir()
    assert listed(tmp_path / "one", template, {"one": slices}) == []
    shared = {"one": slices[:1], "sister": slices[1:]}
    (tmp_path / "study").mkdir()
    assert listed(tmp_path / "study", template, shared) == []
    # They are near: under two patients the same slices are no accident.
    (tmp_path / "two").mkdir()
    rows = listed(tmp_path / "two", template, {"one": slices[:1], "stranger": slices[1:2]})
    assert [row["match"] for row in rows] == [SAME_NOISE]


def test_slices_without_a_position_may_be_neighbours() -> None:
    lost, here = Lie("", None, 2.5), Lie("", 0.0, 2.5)
    assert may_share_raw_data(SAME_SERIES, lost, here)
    assert may_share_raw_data(SAME_STUDY, here, Lie("", 4.9, None))
    assert not may_share_raw_data(SAME_STUDY, here, Lie("", 5.1, 2.5))
    assert not may_share_raw_data(SAME_SERIES, Lie("axial", 0.0, 2.5), Lie("coronal", 0.0, 2.5))
    assert not may_share_raw_data(SAME_PATIENT, here, here)
    assert not may_share_raw_data(ANOTHER_PATIENT, lost, lost)


def patterns() -> dict[str, FloatImage]:
    """Test images as scanners and monitors make them, HU."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    middle = np.hypot(x - SIZE / 2, y - SIZE / 2)
    blob = np.round(1000 * np.exp(-((middle / 60) ** 2)))
    return {
        "blank": np.zeros((SIZE, SIZE), np.float32),
        "padded": np.full((SIZE, SIZE), -1024.0, np.float32),
        "bars": x // 32 * 50,
        "wedge": np.floor(x / 8) * 8,
        "ramp": np.floor(x * 2 + y),
        "checkers": (x // 4 + y // 4) % 2 * 1000,
        "line pairs": np.where(np.sin(x / (2 + y / 60)) > 0, 500.0, 0.0),
        "water": np.where(middle < 110, 0.0, -1000.0),
        "blob on checkers": blob + (x // 2 + y // 2) % 2 * 100,
        "rings": np.round(500 * np.sin(middle**2 / 900)),
    }


@pytest.mark.parametrize("name", patterns())
def test_blank_slices_and_test_images_make_no_claim(
    tmp_path: Path, template: Path, name: str
) -> None:
    """One image made twice, changed a little: computed, so without noise that could be shared."""
    image = patterns()[name]
    other = np.round(image * 0.9 + 7)
    other[3, 3] += 1  # a file with one value alone cannot be read
    image = image.copy()
    image[3, 3] += 1
    assert listed(tmp_path, template, {"one": [(image, {})], "stranger": [(other, {})]}) == []


def test_a_water_phantom_that_is_scanned_daily_makes_no_claim(
    tmp_path: Path, template: Path
) -> None:
    y, x = np.mgrid[:SIZE, :SIZE]
    water = np.where(np.hypot(x - SIZE / 2, y - SIZE / 2) < 110, 0.0, -1000.0)
    days = [water + np.random.default_rng(day).normal(0.0, 12.0, water.shape) for day in range(6)]
    names = [*OWNERS]
    written = {names[k]: [(day, at(0)) for day in days[k::4]] for k in range(4)}
    assert listed(tmp_path, template, written) == []


def test_pixels_decide_whatever_the_fingerprints_say(
    tmp_path: Path, template: Path, others: list[FloatImage]
) -> None:
    """Equal bits in the parts, other noise in the files."""
    for series, scan in zip(("one", "stranger"), others, strict=True):
        (tmp_path / series).mkdir()
        _write(tmp_path / series / "0.dcm", template, scan, at(0))
    bits = fingerprint_of(others[0])
    parts = [
        write_fingerprints(
            tmp_path,
            series,
            [{"sop_uid": series, "file": f"{series}/0.dcm", "frame": 0, "bits": bits}],
        )
        for series in ("one", "stranger")
    ]
    assert write_duplicates(parts, OWNERS, tmp_path, tmp_path) == 0
