"""Numbers that exporters write in odd ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfd.errors import SeriesError
from dfd.reading import read_facts, read_series, read_slice
from dfd.reading.header_values import number_of, numbers_of
from tests.dicom_maker import make_pixels, make_series, make_slice

SPACING_TAG = bytes.fromhex("28003000")


def _written(path: Path, value: bytes, representation: bytes = b"DS") -> Path:
    """A file whose PixelSpacing is ``value`` in an explicit value representation."""
    make_slice(path, make_pixels(), PixelSpacing=[0.7, 0.8])
    content = path.read_bytes()
    place = content.index(SPACING_TAG)
    end = place + 8 + int.from_bytes(content[place + 6 : place + 8], "little")
    value += b" " * (len(value) % 2)
    long = representation in (b"UT", b"UN", b"UC")
    length = b"\0\0" * long + len(value).to_bytes(4 if long else 2, "little")
    path.write_bytes(
        content[:place] + SPACING_TAG + representation + length + value + content[end:]
    )
    return path


@pytest.mark.parametrize("representation", [b"DS", b"UT", b"LO", b"SH", b"LT", b"ST", b"UN", b"UC"])
@pytest.mark.parametrize("value", [b"0.7\\0.8", b"0,7\\0,8", b" 0.7 \\ 0.8 ", b"7,0e-1\\0,80000"])
def test_spacing_under_any_text_representation(tmp_path: Path, representation: bytes, value: bytes):
    path = _written(tmp_path / "a.dcm", value, representation)
    assert read_facts(path).spacing_mm == (0.7, 0.8)
    assert read_slice(path).facts.spacing_mm == (0.7, 0.8)


@pytest.mark.parametrize(
    "value",
    [b"0,7", b"0,7,0,8", b"1,172\\1,172", b"0,7\\0.8", b"0,\\0,8", b"a\\b", b"0,7\\0,8\\1,0"],
)
def test_a_comma_that_may_mean_something_else_is_not_read(tmp_path: Path, value: bytes):
    # 1,172 is a thousand and more, or one and a bit.
    facts = read_facts(_written(tmp_path / "a.dcm", value))
    assert (facts.spacing_mm, facts.detector_spacing) == (None, False)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2,5", 2.5),
        ("-1024,0", -1024.0),
        ("0,125", 0.125),
        ("12,34", 12.34),
        ("-1,024", None),
        ("1,5,2", None),
    ],
)
def test_decimal_commas(text: str, number: float | None):
    assert number_of(text) == number


def test_one_clear_comma_tells_of_the_others():
    assert numbers_of("-1,125\\0,5\\12,25", 3) == (-1.125, 0.5, 12.25)
    assert numbers_of("1,125\\2,250", 2) == ()


@pytest.mark.parametrize(("intercept", "lowest"), [("-1024,0", -124.0), ("-1000,50", -100.5)])
def test_a_rescale_with_decimal_commas(tmp_path: Path, intercept: str, lowest: float):
    path = make_slice(tmp_path / "a", make_pixels(), RescaleIntercept="12345678", RescaleSlope="1")
    path.write_bytes(path.read_bytes().replace(b"12345678", intercept.encode().ljust(8)))
    scan = read_slice(path)
    assert (scan.facts.unit, scan.pixels.min()) == ("HU", lowest + make_pixels().min() - 900)


def test_a_rescale_that_may_mean_thousands_is_refused(tmp_path: Path):
    path = make_slice(tmp_path / "a", make_pixels(), RescaleIntercept="12345678")
    path.write_bytes(path.read_bytes().replace(b"12345678", b"-1,024  "))
    with pytest.raises(SeriesError, match="has a RescaleIntercept that is not a number"):
        read_slice(path)


def test_positions_with_decimal_commas_keep_their_order(tmp_path: Path):
    paths = make_series(tmp_path, [12.5, 2.5, 7.5])
    for path, z in zip(paths, (b"12,5", b"2,50", b"7,50"), strict=True):
        content = path.read_bytes()
        place = content.index(bytes.fromhex("20003200") + b"DS")
        end = place + 8 + int.from_bytes(content[place + 6 : place + 8], "little")
        value = b"0,0\\0,0\\" + z
        element = content[place : place + 6] + len(value).to_bytes(2, "little") + value
        path.write_bytes(content[:place] + element + content[end:])
    (series,), skipped = read_series(tmp_path)
    assert [ref.position_mm for ref in series.slices] == [2.5, 7.5, 12.5]
    assert not skipped


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_spacing_on_the_detector_is_none_in_the_patient(tmp_path: Path, modality: str):
    tags = {"PixelSpacing": None, "ImagerPixelSpacing": [0.5, 0.5], "Modality": modality}
    facts = read_facts(make_slice(tmp_path / "a", make_pixels(), **tags))
    assert (facts.spacing_mm, facts.detector_spacing) == (None, True)
    tags["PixelSpacing"] = [0.7, 0.8]
    facts = read_facts(make_slice(tmp_path / "b", make_pixels(), **tags))
    assert (facts.spacing_mm, facts.detector_spacing) == ((0.7, 0.8), False)
