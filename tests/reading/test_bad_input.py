"""Bad files: one clear sentence each, never an abort, never a bomb."""

from __future__ import annotations

import contextlib
import gzip
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from dfd.errors import SeriesError
from dfd.reading import find_files, pixels, read_facts, read_series, read_slice
from dfd.reading.codestream import stated_size
from dfd.reading.limits import INFLATED_LIMIT
from tests.dicom_maker import make_bomb, make_nested, make_pixels, make_slice

ROOT = Path(__file__).resolve().parents[2]


def _make(path: Path, **tags: object) -> Path:
    return make_slice(path, make_pixels(), **tags)


def _cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize(
    "syntax",
    [
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2.1.99",
        RLELossless,
        JPEG2000Lossless,
        JPEGLSLossless,
    ],
)
def test_a_truncated_file(tmp_path: Path, syntax: str):
    with pytest.raises(
        SeriesError, match=r"a\.dcm .*cut short or damaged, so copy or export it again"
    ):
        read_slice(_cut(_make(tmp_path / "a.dcm", syntax=syntax), 0.7))


@pytest.mark.parametrize("content", [b"", b"a text that is no scan at all" * 30, bytes(200)])
def test_what_is_not_dicom(tmp_path: Path, content: bytes):
    (tmp_path / "a.dcm").write_bytes(content)
    for read in (read_slice, read_facts):
        with pytest.raises(SeriesError, match=r"a\.dcm is not a DICOM file: leave it out"):
            read(tmp_path / "a.dcm")


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(SeriesError, match=r"a\.dcm does not exist: correct the path"):
        read_slice(tmp_path / "a.dcm")


def test_a_folder_is_no_file(tmp_path: Path):
    with pytest.raises(SeriesError, match="cannot be read as DICOM"):
        read_slice(tmp_path)


def test_a_colour_picture(tmp_path: Path):
    path = make_slice(
        tmp_path / "a",
        np.zeros((40, 40, 3), np.uint8),
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
    )
    with pytest.raises(
        SeriesError,
        match=(
            r"is a colour picture \(RGB, 3 samples per "
            r"pixel\): give the original greyscale slice"
        ),
    ):
        read_slice(path)


def test_palette_colour_is_colour(tmp_path: Path):
    with pytest.raises(SeriesError, match="is a colour picture"):
        read_slice(_make(tmp_path / "a", PhotometricInterpretation="PALETTE COLOR"))


@pytest.mark.parametrize("shape", [(8, 8), (31, 512), (512, 31)])
def test_a_tiny_image(tmp_path: Path, shape: tuple[int, int]):
    with pytest.raises(
        SeriesError,
        match=(
            f"has {shape[0]} x {shape[1]} pixels, too small to be assessed: give at least 32 x 32"
        ),
    ):
        read_slice(make_slice(tmp_path / "a", make_pixels(shape)))


def test_the_smallest_image_is_read(tmp_path: Path):
    assert read_slice(make_slice(tmp_path / "a", make_pixels((32, 32)))).pixels.shape == (32, 32)


@pytest.mark.parametrize("padding", [None, 7])
def test_a_constant_image(tmp_path: Path, padding: int | None):
    pixels = np.full((40, 40), 1024, np.uint16)
    if padding is not None:
        pixels[:9] = padding
    with pytest.raises(SeriesError, match=r"is constant \(every pixel is 0\): it holds no image"):
        read_slice(make_slice(tmp_path / "a", pixels, PixelPaddingValue=padding))


def test_nothing_but_padding(tmp_path: Path):
    with pytest.raises(SeriesError, match="holds only padding and no measured pixel: leave it out"):
        read_slice(_make(tmp_path / "a", PixelPaddingValue=0, PixelPaddingRangeLimit=65535))


@pytest.mark.parametrize("slope", ["NaN", "inf", "abc", "1\\2"])
def test_a_slope_that_is_no_number(tmp_path: Path, slope: str):
    path = _make(tmp_path / "a", RescaleSlope="12345678")
    path.write_bytes(path.read_bytes().replace(b"12345678", slope.encode().ljust(8)))
    with pytest.raises(
        SeriesError, match="has a RescaleSlope that is not a number: export it again"
    ):
        read_slice(path)


@pytest.mark.parametrize(
    ("slope", "intercept"), [("0", "0"), ("1e30", "0"), ("-1e-30", "0"), ("1", "1e20")]
)
def test_an_absurd_rescale(tmp_path: Path, slope: str, intercept: str):
    with pytest.raises(SeriesError, match="which no scanner writes: export it again"):
        read_slice(_make(tmp_path / "a", RescaleSlope=slope, RescaleIntercept=intercept))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_all_not_finite(tmp_path: Path, value: float):
    with pytest.raises(SeriesError, match="holds only NaN or infinite pixels: export it again"):
        read_slice(make_slice(tmp_path / "a", np.full((40, 40), value, np.float32)))


def _encapsulated(path: Path, syntax: str, codestream: bytes) -> Path:
    _make(path)
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([codestream])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, "1.2.840.10008.1.2.4.57", JPEGExtended12Bit])
def test_a_compression_whose_decoder_is_an_extra(
    tmp_path: Path, syntax: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    path = _encapsulated(tmp_path / "a", syntax, b"\xff\xd8\xff\xd9")
    with pytest.raises(
        SeriesError,
        match=(
            r"is compressed as JPEG .*no decoder is installed: pip install "
            r'"deepfakes-detector\[gpl-decoders\]"'
        ),
    ):
        read_slice(path)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.100", "1.2.3.4", "1.2.840.10008.1.2.8.1"])
def test_a_compression_nobody_reads(tmp_path: Path, syntax: str):
    path = _encapsulated(tmp_path / "a", "1.2.840.10008.1.2.4.100", bytes(10))
    path.write_bytes(
        path.read_bytes().replace(b"1.2.840.10008.1.2.4.100", syntax.encode().ljust(23, b"\0"))
    )
    with pytest.raises(SeriesError, match=r"no decoder is installed: export it uncompressed"):
        read_slice(path)


def test_damaged_run_lengths_do_not_end_the_run(tmp_path: Path):
    # The faster decoder panics on these, past every "except Exception".
    codestream = get_frame(
        dcmread(_make(tmp_path / "a", syntax=RLELossless)).PixelData, 0, number_of_frames=1
    )
    for place in range(64, 80):
        damaged = codestream[:place] + b"\x81" + codestream[place + 1 :]
        with contextlib.suppress(SeriesError):
            read_slice(_encapsulated(tmp_path / "a", RLELossless, damaged))


def test_a_deflated_bomb_stops_at_the_limit(tmp_path: Path):
    bomb = make_bomb(tmp_path / "bomb.dcm", INFLATED_LIMIT)
    assert bomb.stat().st_size < 2**20
    with pytest.raises(SeriesError, match=r"bomb\.dcm inflates to more than 256 MiB"):
        read_facts(bomb)


def test_a_large_bomb_stays_within_one_gigabyte_and_the_run_goes_on(tmp_path: Path):
    make_bomb(tmp_path / "bomb.dcm", 3 * 2**30 // 4)
    _make(tmp_path / "good.dcm")
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
from pathlib import Path
from dfd.reading import read_series
series, skipped = read_series(Path({str(tmp_path)!r}))
print(len(series), len(skipped))
print(skipped[0].reason)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    counts, reason = done.stdout.splitlines() or ("", done.stderr)
    assert counts == "1 1", reason
    assert "inflates to more than 256 MiB" in reason


def test_a_bomb_without_preamble_is_caught_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dfd.reading.guard.INFLATED_LIMIT", 2**22)
    bomb = make_bomb(tmp_path / "bomb", 2**23)
    bomb.write_bytes(bomb.read_bytes()[132:])
    with pytest.raises(SeriesError, match="inflates to more than 4 MiB"):
        read_slice(bomb)


def test_deeply_nested_sequences(tmp_path: Path):
    path = make_nested(tmp_path / "deep", 20_000)
    for read in (read_slice, read_facts):
        with pytest.raises(SeriesError, match="nests its sequences too deeply to be a scan"):
            read(path)
    assert read_slice(make_nested(tmp_path / "flat", 5)).valid.all()


@pytest.mark.parametrize("lie", [{"Rows": 65535, "Columns": 65535}, {"NumberOfFrames": 2**31 - 1}])
def test_dimensions_over_the_limit(tmp_path: Path, lie: dict[str, int]):
    with pytest.raises(SeriesError, match="over 2048 MiB: split or re-export it"):
        read_facts(_make(tmp_path / "a", **lie))


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless],
)
@pytest.mark.parametrize("packed", [False, True])
def test_more_frames_than_a_file_can_hold_are_not_looked_at(
    tmp_path: Path, syntax: str, packed: bool
):
    path = _make(tmp_path / "a.dcm", syntax=syntax)
    dataset = dcmread(path)
    dataset.NumberOfFrames = 60_000
    dataset.save_as(path)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    start = time.monotonic()
    found, skipped = read_series(tmp_path)
    assert time.monotonic() - start < 5.0
    if not (
        packed and syntax in (RLELossless, JPEG2000Lossless)
    ):  # such small frames might be there
        assert not found
        assert "claims 60000 frames of 40 x 48 pixels, which its" in skipped[0].reason


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\rb", "a\u202eb", "a\udcffb"])
def test_no_name_breaks_a_message_into_lines(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    path = tmp_path / name / "a.dcm"
    path.write_bytes(_make(tmp_path / "a.dcm", Rows=0).read_bytes())
    with pytest.raises(SeriesError) as caught:
        read_slice(path)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert text.isprintable()


def test_no_value_of_a_header_breaks_a_message_into_lines(tmp_path: Path):
    path = _make(tmp_path / "a.dcm", PhotometricInterpretation="MONOXXXX1")
    path.write_bytes(path.read_bytes().replace(b"MONOXXXX1", b"MO\x00\x1b\n\x85X1 "))
    with pytest.raises(SeriesError, match="is a colour picture") as caught:
        read_slice(path)
    assert str(caught.value).isprintable()


def test_a_signalling_nan_is_read_without_a_warning(tmp_path: Path):
    pixels = np.random.default_rng(1).normal(0, 50, (40, 48)).astype(np.float32)
    pixels[3, 4] = 1.25
    path = make_slice(tmp_path / "a.dcm", pixels)
    path.write_bytes(
        path.read_bytes().replace(struct.pack("<f", 1.25), struct.pack("<I", 0x7F800001))
    )
    assert not read_slice(path).valid[3, 4]


def test_dimensions_larger_than_the_file(tmp_path: Path):
    with pytest.raises(SeriesError, match="has pixels that cannot be decoded"):
        read_slice(_make(tmp_path / "a", Rows=20000, Columns=20000))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_codestream_of_another_size_is_never_decoded(
    tmp_path: Path, syntax: str, monkeypatch: pytest.MonkeyPatch
):
    path = _make(tmp_path / "a", syntax=syntax)
    dataset = dcmread(path)
    dataset.Rows = 48
    dataset.save_as(path)
    monkeypatch.setattr(
        "dfd.reading.decoding.pixel_array", lambda *_, **__: pytest.fail("was decoded")
    )
    with pytest.raises(
        SeriesError, match="says 48 x 48 pixels in its header but 40 x 48 in its compressed image"
    ):
        read_slice(path)


def test_codestreams_state_their_size():
    sof = b"\xff\xe0\x00\x04ab" + b"\xff\xff\xc3" + struct.pack(">HBHH", 11, 16, 300, 200)
    assert stated_size(b"\xff\xd8" + sof + bytes(9)) == (300, 200)
    assert stated_size(b"\xff\xd8" + sof[:8]) is None
    assert stated_size(b"RLE") is None


@pytest.mark.parametrize(
    "tags",
    [
        {"Rows": 0},
        {"BitsStored": 17},
        {"BitsAllocated": 12, "BitsStored": 12},
        {"BitsAllocated": 0},
        {"NumberOfFrames": 0},
        {"NumberOfFrames": -1},
    ],
)
def test_headers_that_contradict_themselves(tmp_path: Path, tags: dict[str, int]):
    with pytest.raises(
        SeriesError, match=r"too small|which no greyscale scan has: export it again"
    ):
        read_facts(_make(tmp_path / "a", **tags))


@pytest.mark.parametrize("keyword", ["BitsAllocated", "PhotometricInterpretation"])
def test_headers_that_leave_out_what_is_needed(tmp_path: Path, keyword: str):
    with pytest.raises(SeriesError, match=r"no usable BitsAllocated|is a colour picture \(unnamed"):
        read_facts(_make(tmp_path / "a", **{keyword: None}))


def test_a_report_holds_no_image(tmp_path: Path):
    path = _make(tmp_path / "a", Modality="SR", Rows=None, Columns=None)
    with pytest.raises(SeriesError, match="holds no image"):
        read_facts(path)


def test_frames_are_asked_for_and_checked(tmp_path: Path):
    path = make_slice(tmp_path / "a", make_pixels((3, 40, 48)))
    with pytest.raises(
        SeriesError, match=r"holds 3 frames: say which in the column `frame` \(1 to 3\)"
    ):
        read_slice(path)
    for frame, asked in ((3, 4), (-1, 0)):
        with pytest.raises(
            SeriesError, match=rf"holds 3 frame\(s\) but frame {asked} was asked for"
        ):
            read_slice(path, frame)


def test_messages_never_hold_identity(tmp_path: Path):
    path = _make(tmp_path / "a", RescaleSlope="12345678", PatientID="Canary^Identity")
    path.write_bytes(path.read_bytes().replace(b"12345678", b"Canary^I"))
    with pytest.raises(SeriesError) as caught:
        read_slice(path)
    assert "Canary" not in str(caught.value)


def test_a_bad_file_does_not_stop_the_others(tmp_path: Path):
    _make(tmp_path / "good.dcm")
    make_slice(tmp_path / "tiny.dcm", make_pixels((8, 8)))
    _make(tmp_path / "sr.dcm", Modality="SR", Rows=None, Columns=None)
    make_nested(tmp_path / "deep.dcm", 20_000)
    (tmp_path / "bad.nii").write_bytes(b"no volume")
    series, skipped = read_series(tmp_path)
    assert [ref.path.name for one in series for ref in one.slices] == ["good.dcm"]
    assert [entry.path.name for entry in skipped] == ["bad.nii", "deep.dcm", "sr.dcm", "tiny.dcm"]
    assert all(str(entry.path) in entry.reason for entry in skipped)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    syntax=st.sampled_from(
        [
            "1.2.840.10008.1.2",
            "1.2.840.10008.1.2.1",
            "1.2.840.10008.1.2.1.99",
            RLELossless,
            JPEGLSLossless,
        ]
    ),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    cut=st.floats(0.1, 1),
)
def test_damage_anywhere_gives_a_slice_or_one_sentence(
    tmp_path: Path, syntax: str, flips: list[tuple[float, int]], cut: float
):
    content = bytearray(_make(tmp_path / "a", syntax=syntax).read_bytes())
    for place, byte in flips:
        # Squared: the header, where damage is interesting, is the beginning.
        content[int(place**2 * len(content))] = byte
    (tmp_path / "a").write_bytes(content[: int(len(content) * cut)])
    began = time.monotonic()
    for read in (read_slice, read_facts):
        try:
            read(tmp_path / "a")
        except SeriesError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most examples raise, some do not
    find_files(tmp_path)
    assert time.monotonic() - began < 5


@pytest.mark.real_data
def test_the_truncated_real_file(data_root: Path):
    path = data_root / "odd/truncated/1-084.dcm"
    assert read_facts(path).modality == "CT"
    with pytest.raises(SeriesError, match="has pixels that cannot be decoded"):
        read_slice(path)


def _during(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Let something happen between the header and the pixels of the next slice that is read."""
    decode = pixels.decode_stored

    def decoded(*words: Any) -> Any:
        change()
        return decode(*words)

    monkeypatch.setattr(pixels, "decode_stored", decoded)


@pytest.mark.parametrize("how", ["replaced", "rewritten", "cut", "deleted"])
def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
):
    path = _make(tmp_path / "a.dcm")
    other = make_slice(tmp_path / "b.dcm", make_pixels(seed=5))
    content = other.read_bytes()
    changes = {
        "replaced": lambda: other.replace(path),
        "rewritten": lambda: path.write_bytes(content),
        "cut": lambda: _cut(path, 0.7),
        "deleted": path.unlink,
    }
    _during(monkeypatch, changes[how])
    with pytest.raises(
        SeriesError, match=r"a\.dcm changed while it was read: wait until it is written"
    ):
        read_slice(path)


def test_a_file_that_is_only_looked_at_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = _make(tmp_path / "a.dcm")
    _during(monkeypatch, path.read_bytes)
    assert read_slice(path).valid.any()
