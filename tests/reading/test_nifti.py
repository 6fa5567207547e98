"""NIfTI volumes: axis order, unit, geometry, damage."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from dfd.errors import SeriesError
from dfd.reading import read_facts, read_series, read_slice

AFFINE = np.array([[-0.8, 0, 0, 10], [0, -0.7, 0, 20], [0, 0, 2.5, -30], [0, 0, 0, 1.0]])
"""RAS: x to the left and y to the back, as scanners write axial slices."""


def _volume(shape: tuple[int, ...] = (48, 40, 5), low: int = -1000) -> NDArray[np.int16]:
    return np.random.default_rng(3).integers(low, 1000, shape).astype(np.int16)


def _write(
    path: Path, data: NDArray[np.generic], affine: NDArray[np.float64] | None = AFFINE
) -> Path:
    nibabel.Nifti1Image(data, affine).to_filename(path)
    return path


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_a_slice_is_row_first(tmp_path: Path, ending: str):
    data = _volume()
    scan = read_slice(_write(tmp_path / f"a.{ending}", data), 3)
    assert scan.pixels.shape == (40, 48)
    assert scan.pixels.dtype == np.float32
    assert scan.pixels[7, 11] == data[11, 7, 3]
    np.testing.assert_array_equal(scan.pixels, data[:, :, 3].T)
    assert scan.valid.all()


def test_facts_and_series(tmp_path: Path):
    path = _write(tmp_path / "a.nii.gz", _volume())
    facts = read_facts(path)
    assert (facts.modality, facts.unit, facts.bits_stored, facts.compression, facts.lossy) == (
        "",
        "HU",
        16,
        "NIfTI",
        False,
    )
    assert facts.spacing_mm == pytest.approx((0.7, 0.8))
    assert facts.thickness_mm == pytest.approx(2.5)
    (series,), skipped = read_series(tmp_path)
    assert skipped == []
    assert series.orientation == pytest.approx((1, 0, 0, 0, 1, 0))
    assert [ref.frame for ref in series.slices] == [0, 1, 2, 3, 4]
    assert [ref.position_mm for ref in series.slices] == pytest.approx(
        [-30, -27.5, -25, -22.5, -20]
    )


def test_a_volume_stored_downwards_is_ordered_by_position(tmp_path: Path):
    affine = AFFINE.copy()
    affine[2, 2] = -2.5
    _write(tmp_path / "a.nii", _volume(), affine)
    (series,), _ = read_series(tmp_path)
    assert [ref.frame for ref in series.slices] == [4, 3, 2, 1, 0]


def test_no_form_no_orientation(tmp_path: Path):
    _write(tmp_path / "a.nii", _volume(), None)
    (series,), _ = read_series(tmp_path)
    assert series.orientation == ()
    assert [(ref.frame, ref.position_mm) for ref in series.slices] == [
        (frame, None) for frame in range(5)
    ]


def test_scaling_units_and_padding(tmp_path: Path):
    image = nibabel.Nifti1Image(_volume(low=0), np.diag([0.0005, 0.0006, 0.002, 1.0]))
    image.header.set_slope_inter(2, 5)
    image.header.set_xyzt_units("meter")
    image.to_filename(tmp_path / "a.nii")
    scan = read_slice(tmp_path / "a.nii", 0)
    assert (scan.facts.unit, scan.facts.spacing_mm) == ("stored", pytest.approx((0.6, 0.5)))
    data = _volume().astype(np.float32)
    data[0, 0, 0], data[1, 0, 0] = np.nan, -3024
    scan = read_slice(_write(tmp_path / "b.nii", data), 0)
    assert np.argwhere(~scan.valid).tolist() == [[0, 0], [0, 1]]
    assert np.isfinite(scan.pixels).all()


def test_a_single_plane_needs_no_frame(tmp_path: Path):
    for name, shape in (("a.nii", (48, 40)), ("b.nii", (48, 40, 1)), ("c.nii", (48, 40, 1, 1))):
        data = _volume(shape)
        np.testing.assert_array_equal(
            read_slice(_write(tmp_path / name, data)).pixels, data.reshape(48, 40).T
        )


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (_volume((8, 8, 3)), "has 8 x 8 pixels, too small to be assessed"),
        (_volume((48, 40, 3, 2)), "has 4 axes .*give one volume of 3 axes per file"),
        (np.full((48, 40, 3), 7, np.int16), r"is constant \(every pixel is 7\)"),
        (np.full((48, 40, 3), np.nan, np.float32), "holds only NaN or infinite pixels"),
        (np.ones((48, 40, 3), np.complex64), "is not a NIfTI volume of real numbers"),
        (
            np.zeros((48, 40, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")]),
            "is not a NIfTI volume of real numbers",
        ),
    ],
    ids=["tiny", "four axes", "constant", "nan", "complex", "colour"],
)
def test_volumes_that_are_no_scan(tmp_path: Path, data: NDArray[np.generic], sentence: str):
    path = _write(tmp_path / "a.nii", data)
    with pytest.raises(SeriesError, match=rf"a\.nii {sentence}"):
        read_slice(path, 1)


@pytest.mark.parametrize("slices", [0, -1])
def test_a_volume_without_slices(tmp_path: Path, slices: int):
    (tmp_path / "scans").mkdir()
    path = _write(tmp_path / "scans" / "a.nii", _volume())
    content = bytearray(path.read_bytes())
    content[46:48] = struct.pack("<h", slices)  # dim[3] of the header
    path.write_bytes(content)
    for read in (read_slice, read_facts):
        with pytest.raises(SeriesError, match=r"a\.nii (holds no slice|cannot be read as NIfTI)"):
            read(path)
    found, skipped = read_series(path.parent)
    assert not found
    assert [each.path for each in skipped] == [path]


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (None, "holds 5 frames: say which"),
        (5, "frame 6 was asked for"),
        (-1, "frame 0 was asked for"),
    ],
)
def test_frames_are_checked(tmp_path: Path, frame: int | None, sentence: str):
    with pytest.raises(SeriesError, match=sentence):
        read_slice(_write(tmp_path / "a.nii", _volume()), frame)


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_a_truncated_volume(tmp_path: Path, ending: str):
    path = _write(tmp_path / f"a.{ending}", _volume())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(
        SeriesError, match=r"has voxels that cannot be read .* cut short or damaged"
    ):
        read_slice(path, 4)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda raw: raw[:352] + b"\0\0" + raw[352:], "holds 19202 bytes of voxels where .* 19200"),
        (
            lambda raw: raw[:46] + struct.pack("<h", 3) + raw[48:],
            "19200 bytes .* header says 11520",
        ),
        (lambda raw: raw[:108] + struct.pack("<f", 0.0) + raw[112:], "begin at byte 0, within"),
    ],
)
def test_voxels_that_do_not_lie_where_the_header_says(
    tmp_path: Path, change: Callable[[bytes], bytes], match: str
):
    """They would be read shifted or sheared."""
    path = _write(tmp_path / "a.nii", _volume())
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(SeriesError, match=match):
        read_slice(path, 2)


def test_a_missing_and_a_foreign_file(tmp_path: Path):
    with pytest.raises(SeriesError, match=r"a\.nii does not exist"):
        read_slice(tmp_path / "a.nii")
    (tmp_path / "a.nii").write_text("no volume")
    with pytest.raises(SeriesError, match="cannot be read as NIfTI"):
        read_facts(tmp_path / "a.nii")


def test_a_volume_over_the_limit(tmp_path: Path):
    header = nibabel.Nifti1Header()
    header.set_data_shape((30000, 30000, 1000))
    header.set_data_dtype(np.int16)
    (tmp_path / "a.nii").write_bytes(header.binaryblock + bytes(4000))
    with pytest.raises(SeriesError, match=r"over the limit of 2048 MiB: split it"):
        read_slice(tmp_path / "a.nii", 0)


def test_a_unit_that_does_not_exist_gives_no_millimetres(tmp_path: Path):
    path = _write(tmp_path / "a.nii", _volume())
    content = bytearray(path.read_bytes())
    content[123] = 7  # xyzt_units
    path.write_bytes(content)
    scan = read_slice(path, 2)
    assert (scan.facts.spacing_mm, scan.facts.thickness_mm, scan.ref.position_mm) == (
        None,
        None,
        None,
    )


def test_an_infinite_voxel_size_is_met_without_a_warning(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(
        np.random.default_rng(1).integers(0, 900, (40, 48, 3)).astype(np.int16), np.eye(4)
    )
    image.set_qform(np.eye(4), code=1)
    image.header["pixdim"][1] = np.inf
    nibabel.save(image, tmp_path / "a.nii")
    assert read_slice(tmp_path / "a.nii", 1).facts.spacing_mm is None
