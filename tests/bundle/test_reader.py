"""MONAI's side of reading: one reader, errors that cost one slice only, rows first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from dfd.bundle.reader import MARK, LoadSliced, SliceReader, meta_of
from dfd.reading.pixel_values import pixels_of
from dfd.records import ScanFacts, Slice, SliceRef
from tests.dicom_maker import make_pixels, make_slice


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return make_slice(tmp_path / "p1" / "a.dcm", make_pixels((40, 48)), PixelSpacing=[0.7, 0.8])


def test_a_slice_is_loaded_rows_first_in_hounsfield_units(file: Path) -> None:
    loaded = LoadSliced("image")({"image": str(file), "patient": "p1"})
    assert isinstance(loaded["image"], MetaTensor)
    assert loaded["image"].shape == (1, 40, 48)
    assert loaded["image"].dtype == torch.float32
    np.testing.assert_array_equal(
        loaded["image"][0].numpy(), make_pixels((40, 48)).astype(np.float32) - 1024
    )
    assert loaded["scan"].facts.spacing_mm == (0.7, 0.8)
    assert loaded["patient"] == "p1"
    assert "error" not in loaded


def test_only_our_reader_can_have_read_it(file: Path) -> None:
    meta = LoadSliced("image")({"image": str(file)})["image"].meta
    assert meta["reader"] == MARK
    assert meta["spacing_mm"] == (0.7, 0.8)
    np.testing.assert_allclose(np.diag(meta["affine"]), [0.7, 0.8, 1.0, 1.0])


@pytest.mark.parametrize("content", [b"", b"not a scan", b"\x00" * 2000])
def test_a_bad_file_costs_itself_only(tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(content)
    loaded = LoadSliced("image")({"image": str(bad)})
    assert "bad.dcm" in loaded["error"]
    assert "scan" not in loaded
    assert torch.isnan(loaded["image"]).all()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert "gone.dcm" in LoadSliced("image")({"image": tmp_path / "gone.dcm"})["error"]


def test_monai_never_tries_another_reader(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MONAI's stock readers would read NIfTI, PNG or NumPy files if ours were one of many."""
    from monai.data import image_reader

    for stock in ("PydicomReader", "NibabelReader", "PILReader", "NumpyReader", "ITKReader"):
        monkeypatch.setattr(
            getattr(image_reader, stock),
            "read",
            lambda *_, **__: pytest.fail("another reader was asked"),
        )
    array = file.with_name("array.npy")
    np.save(array, np.zeros((40, 48)))
    assert "array.npy" in LoadSliced("image")({"image": str(array)})["error"]


@pytest.mark.parametrize("image", [np.zeros((1, 8, 9), np.float32), torch.zeros(1, 8, 9)])
def test_a_bare_array_passes_untouched(image: object) -> None:
    assert LoadSliced("image")({"image": image})["image"] is image


def test_frames_are_counted_from_zero(tmp_path: Path) -> None:
    stack = make_pixels((3, 40, 48))
    file = make_slice(tmp_path / "a.dcm", stack)
    loaded = LoadSliced("image")({"image": str(file), "frame": 2})
    np.testing.assert_array_equal(loaded["image"][0].numpy(), stack[2].astype(np.float32) - 1024)
    assert "error" in LoadSliced("image")({"image": str(file), "frame": 3})


def test_the_argument_is_left_alone(file: Path) -> None:
    item = {"image": str(file)}
    LoadSliced("image")(item)
    assert item == {"image": str(file)}


def test_what_is_not_valid_becomes_nan_and_no_spacing_is_said() -> None:
    valid = np.ones((4, 5), bool)
    valid[1, 2] = False
    scan = Slice(SliceRef(Path("a.dcm")), ScanFacts(), np.ones((4, 5), np.float32), valid)
    pixels = pixels_of(scan)
    assert np.isnan(pixels[1, 2])
    assert np.isnan(pixels).sum() == 1
    meta = meta_of(scan)
    assert meta["spacing_mm"] is None
    np.testing.assert_array_equal(meta["affine"], np.eye(4))


def test_as_a_monai_reader(file: Path) -> None:
    reader = SliceReader()
    assert reader.verify_suffix("no suffix at all")
    pixels, meta = reader.get_data(reader.read((str(file),)))
    assert pixels.shape == tuple(meta["spatial_shape"]) == (40, 48)
