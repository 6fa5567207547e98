"""One slice: intensities, what is valid, facts."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from dfd.reading import read_facts, read_slice
from dfd.reading.guard import read_header
from dfd.reading.header import image_shape
from dfd.reading.pixels import decode_stored
from tests.dicom_maker import make_pixels, make_slice


def test_ct_is_hounsfield_in_float32_row_first(tmp_path: Path):
    pixels = make_pixels((40, 48))
    scan = read_slice(
        make_slice(tmp_path / "a", pixels, RescaleSlope="2", ImagePositionPatient=[1, 2, -7.5])
    )
    assert (scan.pixels.dtype, scan.pixels.shape) == (np.float32, (40, 48))
    np.testing.assert_array_equal(scan.pixels, pixels.astype(np.float64) * 2 - 1024)
    assert scan.valid.all()
    assert (scan.ref.position_mm, scan.ref.frame, scan.ref.phase) == (-7.5, 0, 0)


def test_facts_say_what_the_header_says(tmp_path: Path):
    path = make_slice(
        tmp_path / "a",
        make_pixels(),
        BodyPartExamined="chest ",
        LossyImageCompression="00",
        syntax=RLELossless,
    )
    facts = read_facts(path)
    assert facts == read_slice(path).facts
    assert (facts.modality, facts.manufacturer, facts.model, facts.kernel) == (
        "CT",
        "ACME",
        "Scanner 1",
        "B30f",
    )
    assert (facts.body_part, facts.image_type, facts.unit, facts.spacing_mm) == (
        "CHEST",
        ("ORIGINAL", "PRIMARY", "AXIAL"),
        "HU",
        (0.7, 0.8),
    )
    assert (facts.thickness_mm, facts.bits_stored, facts.lossy, facts.compression) == (
        2.5,
        16,
        False,
        "RLE Lossless",
    )


def test_nothing_missing_is_invented(tmp_path: Path):
    names = (
        "Manufacturer ManufacturerModelName ImageType BodyPartExamined SliceThickness "
        "ConvolutionKernel PixelSpacing ImagePositionPatient "
        "RescaleSlope RescaleIntercept PatientID SeriesInstanceUID"
    )
    gone = dict.fromkeys(names.split())
    scan = read_slice(make_slice(tmp_path / "a", make_pixels(), **gone))
    facts = scan.facts
    assert (facts.manufacturer, facts.model, facts.kernel, facts.image_type, facts.body_part) == (
        "",
        "",
        "",
        (),
        "",
    )
    assert (facts.spacing_mm, facts.thickness_mm, facts.unit, scan.ref.position_mm) == (
        None,
        None,
        "stored",
        None,
    )


@pytest.mark.parametrize(
    "spacing", [None, [0, 0], [0.7, 0], [-1, 1], [0.7], "", ["NaN", "1"]], ids=str
)
def test_unusable_spacing_is_none(tmp_path: Path, spacing: object):
    assert (
        read_slice(make_slice(tmp_path / "a", make_pixels(), PixelSpacing=spacing)).facts.spacing_mm
        is None
    )


def test_number_strings_of_old_scanners_are_read(tmp_path: Path):
    path = make_slice(
        tmp_path / "a",
        make_pixels(),
        SliceThickness="008.000000E+00",
        RescaleIntercept="-01.024000E+03",
        RescaleSlope="001.000000E+00",
    )
    scan = read_slice(path)
    assert scan.facts.thickness_mm == 8.0
    assert scan.pixels.min() == make_pixels().min() - 1024.0


def test_patients_are_told_apart_without_identity(tmp_path: Path):
    first, again, other = (
        read_facts(make_slice(tmp_path / name, make_pixels(), PatientID=who))
        for name, who in zip("abc", "xxy", strict=True)
    )
    assert (
        first.patient_hash
        == again.patient_hash
        == hashlib.sha256(b"x").hexdigest()[:12]
        != other.patient_hash
    )
    nameless = [
        read_facts(make_slice(tmp_path / name, make_pixels(), PatientID="")).patient_hash
        for name in ("p1/a", "p1/b", "p2/a")
    ]
    assert nameless[0] == nameless[1] != nameless[2]
    assert len(nameless[0]) == 12


@pytest.mark.parametrize(
    ("tags", "unit"),
    [
        ({}, "HU"),
        ({"RescaleType": "HU"}, "HU"),
        ({"RescaleType": "US"}, "HU"),
        ({"RescaleType": "Z_EFF"}, "stored"),
        ({"RescaleIntercept": None}, "stored"),
        ({"Modality": "MR", "RescaleSlope": "1", "RescaleIntercept": "0"}, "stored"),
    ],
    ids=str,
)
def test_unit_is_hounsfield_only_for_rescaled_ct(
    tmp_path: Path, tags: dict[str, object], unit: str
):
    assert read_facts(make_slice(tmp_path / "a", make_pixels(), **tags)).unit == unit


@pytest.mark.parametrize(
    ("dtype", "padding"),
    [(np.int16, 63536), (np.int16, -2000), (np.uint16, 63536), (np.uint16, -2000)],
)
def test_padding_is_not_valid_even_where_written_with_the_wrong_sign(
    tmp_path: Path, dtype: type, padding: int
):
    pixels = make_pixels().astype(dtype)
    pixels[:5] = np.uint16(63536).astype(dtype) if dtype is np.int16 else 63536
    path = make_slice(tmp_path / "a", pixels, Modality="MR")
    dataset = dcmread(path)
    dataset.add_new(0x00280120, "SS" if padding < 0 else "US", padding)
    dataset.save_as(path)
    scan = read_slice(path)
    assert not scan.valid[:5].any()
    assert scan.valid[5:].all()


@pytest.mark.parametrize("ends", [(10, 30), (30, 10)])
def test_padding_may_be_a_range(tmp_path: Path, ends: tuple[int, int]):
    pixels = make_pixels()
    pixels[0, :4] = 9, 10, 30, 31
    scan = read_slice(
        make_slice(
            tmp_path / "a",
            pixels,
            Modality="MR",
            PixelPaddingValue=ends[0],
            PixelPaddingRangeLimit=ends[1],
        )
    )
    assert scan.valid[0, :4].tolist() == [True, False, False, True]
    assert scan.valid[1:].all()


def test_padding_whose_tag_was_lost_is_no_measurement_in_ct(tmp_path: Path):
    pixels = make_pixels().astype(np.int16)
    pixels[:, :3] = -2000
    pixels[0, 3] = 0
    scan = read_slice(make_slice(tmp_path / "a", pixels))
    assert not scan.valid[:, :3].any()
    assert scan.valid[:, 3:].all()


@pytest.mark.parametrize(
    ("dtype", "bits", "total"), [(np.uint16, 12, 4095), (np.uint16, 16, 65535), (np.int16, 12, -1)]
)
def test_monochrome1_is_turned_around_before_the_rescale(
    tmp_path: Path, dtype: type, bits: int, total: int
):
    pixels = make_pixels().astype(dtype)
    tags = {
        "Modality": "MR",
        "BitsStored": bits,
        "HighBit": bits - 1,
        "RescaleSlope": "2",
        "RescaleIntercept": "5",
    }
    plain = read_slice(
        make_slice(tmp_path / "a", (total - pixels.astype(int)).astype(dtype), **tags)
    )
    turned = read_slice(
        make_slice(tmp_path / "b", pixels, PhotometricInterpretation="MONOCHROME1", **tags)
    )
    np.testing.assert_array_equal(turned.pixels, plain.pixels)
    for scan in (plain, turned):
        stated = scan.pixels * scan.rescale.slope + scan.rescale.intercept
        np.testing.assert_array_equal(stated, (total - pixels.astype(np.float64)) * 2 + 5)


def test_monochrome1_leaves_hounsfield_as_stored(tmp_path: Path):
    plain = read_slice(make_slice(tmp_path / "a", make_pixels()))
    shown = read_slice(
        make_slice(tmp_path / "b", make_pixels(), PhotometricInterpretation="MONOCHROME1")
    )
    np.testing.assert_array_equal(shown.pixels, plain.pixels)


def test_padding_is_told_before_monochrome1_is_turned(tmp_path: Path):
    pixels = make_pixels()
    pixels[0] = 0
    scan = read_slice(
        make_slice(
            tmp_path / "a",
            pixels,
            Modality="MR",
            PhotometricInterpretation="MONOCHROME1",
            PixelPaddingValue=0,
        )
    )
    assert not scan.valid[0].any()
    assert scan.valid[1:].all()


def test_a_modality_lookup_table_is_applied(tmp_path: Path):
    lut = Dataset()
    lut.LUTDescriptor = [2048, 0, 16]
    lut.ModalityLUTType = "US"
    lut.LUTData = (np.arange(2048, dtype="<u2") * 3).tobytes()
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "US", "OW"
    path = make_slice(tmp_path / "a", make_pixels(), Modality="MR", ModalityLUTSequence=[lut])
    scan = read_slice(path)
    np.testing.assert_array_equal(
        scan.pixels * scan.rescale.slope + scan.rescale.intercept, make_pixels() * 3.0
    )


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEG2000Lossless,
        JPEGLSLossless,
    ],
)
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_every_core_syntax_gives_the_same_pixels(tmp_path: Path, syntax: str, dtype: type):
    pixels = make_pixels().astype(dtype)
    scan = read_slice(make_slice(tmp_path / "a", pixels, syntax=syntax))
    np.testing.assert_array_equal(scan.pixels, pixels.astype(np.float64) - 1024)
    assert scan.facts.compression == syntax.name


def test_a_bare_data_set_without_preamble_is_read(tmp_path: Path):
    scan = read_slice(make_slice(tmp_path / "IM1", make_pixels(), preamble=False))
    np.testing.assert_array_equal(scan.pixels, make_pixels() - 1024.0)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless, JPEGLSLossless])
def test_one_frame_of_a_classic_multi_frame_file(tmp_path: Path, syntax: str):
    pixels = make_pixels((3, 40, 48))
    path = make_slice(tmp_path / "a", pixels, syntax=syntax)
    for frame in range(3):
        scan = read_slice(path, frame)
        np.testing.assert_array_equal(scan.pixels, pixels[frame] - 1024.0)
        assert scan.ref.frame == frame


def _enhanced(path: Path) -> Path:
    def item(macro: str, **tags: object) -> Dataset:
        inner, outer = Dataset(), Dataset()
        for keyword, value in tags.items():
            setattr(inner, keyword, value)
        setattr(outer, macro, [inner])
        return outer

    shared = item("PixelMeasuresSequence", PixelSpacing=[0.5, 0.6], SliceThickness="1.25")
    shared.update(item("PlaneOrientationSequence", ImageOrientationPatient=[1, 0, 0, 0, 1, 0]))
    frames = []
    for number in range(3):
        frame = item("PlanePositionSequence", ImagePositionPatient=[0, 0, 5.0 - 2 * number])
        frame.update(
            item(
                "PixelValueTransformationSequence",
                RescaleSlope=str(number + 1),
                RescaleIntercept="-1000",
                RescaleType="HU",
            )
        )
        frames.append(frame)
    gone = dict.fromkeys(
        (
            "PixelSpacing",
            "SliceThickness",
            "ImageOrientationPatient",
            "ImagePositionPatient",
            "RescaleSlope",
            "RescaleIntercept",
        )
    )
    return make_slice(
        path,
        make_pixels((3, 40, 48)),
        SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1",
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
        **gone,
    )


def test_an_enhanced_frame_has_its_own_rescale_and_position(tmp_path: Path):
    path = _enhanced(tmp_path / "a")
    scan = read_slice(path, 2)
    np.testing.assert_array_equal(scan.pixels, make_pixels((3, 40, 48))[2] * 3.0 - 1000)
    assert (
        scan.facts.spacing_mm,
        scan.facts.thickness_mm,
        scan.facts.unit,
        scan.ref.position_mm,
    ) == ((0.5, 0.6), 1.25, "HU", 1.0)


def test_single_pixels_that_are_not_finite_are_not_valid(tmp_path: Path):
    pixels = make_pixels().astype(np.float32)
    pixels[0, 0], pixels[1, 1], pixels[2, 2] = np.nan, np.inf, -np.inf
    scan = read_slice(make_slice(tmp_path / "a", pixels))
    assert np.argwhere(~scan.valid).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert np.isfinite(scan.pixels).all()


@pytest.mark.real_data
@pytest.mark.parametrize("kind", ["ct", "mr"])
def test_every_real_file_decodes(data_root: Path, kind: str):
    with (data_root / kind / "index.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        scan = read_slice(data_root / row["file"])
        assert scan.pixels.shape == (int(row["rows"]), int(row["columns"]))
        assert scan.facts.manufacturer == row["manufacturer"]
        assert scan.facts.spacing_mm is not None
        assert scan.facts.spacing_mm[0] == pytest.approx(float(row["spacing_mm"]), rel=1e-5)
        assert scan.ref.sop_uid == row["sop_uid"]
        assert scan.valid.mean() > 0.5
        assert scan.facts.unit == ("HU" if kind == "ct" else "stored")
    sample = rows[:: len(rows) // 3][:3]
    for path, expected in ((data_root / row["file"], row["sha256_pixels"]) for row in sample):
        stored, _ = decode_stored(path, image_shape(read_header(path), path), 0)
        assert hashlib.sha256(stored.tobytes()).hexdigest() == expected


@pytest.mark.real_data
@pytest.mark.parametrize(("patient", "padding_hu"), [("lidc0001", -2048), ("rider_0117", -3024)])
def test_real_padding_outside_the_field_of_view_is_not_valid(
    data_root: Path, patient: str, padding_hu: float
):
    # The first declares 63536 but writes -1024: only the HU limit finds it.
    scan = read_slice(min((data_root / "ct" / patient).rglob("*.dcm")))
    assert 0.7 < scan.valid.mean() < 0.8
    assert set(scan.pixels[~scan.valid]) == {padding_hu}
    assert scan.pixels[scan.valid].min() >= -1100
