"""Studies that are odd without being broken: nothing alarms for it, and what cannot be judged is said in a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pydicom
import pytest
import torch

import dfd
from dfd.bundle import model_file
from dfd.bundle.context import IDENTICAL
from dfd.bundle.network import MaskedPredictor
from dfd.errors import DfdError
from dfd.phantom import write_ct_series, write_mr_series

SIDE = 128


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights and no calibration."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("odd") / "raw.ckpt"
    path.write_bytes(model_file.packed(model_file.Model(path, MaskedPredictor().state_dict(), "ct_lung_inpainting")))
    return path


@pytest.fixture(scope="module")
def calibrated(raw: Path) -> Path:
    for patient, slices in (("a", 3), ("b", 3)):
        write_ct_series(raw.parent / "genuine" / patient, seed=5 + slices, slices=slices, patient=patient, size=SIDE)
    return dfd.calibrate(raw.parent / "genuine", raw, raw.parent / "m.ckpt", device="cpu")


def scored(folder: Path, model: Path, rows: list[str]) -> pd.DataFrame:
    (folder / "points.csv").write_text("\n".join(["filename,X,Y", *rows]) + "\n", encoding="utf-8")
    return dfd.score(folder, model=model, output_dir=folder / "out", images=False)


def copied_as(path: Path, target: Path, **tags: object) -> None:
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(target)


def test_a_second_series_of_the_same_pixels_changes_no_score(calibrated: Path, tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "plain", seed=9, slices=3, patient="c", size=SIDE)
    shutil.copytree(tmp_path / "plain", tmp_path / "twice")
    for path in files:
        copied_as(path, tmp_path / "twice" / f"again_{path.name}", SeriesInstanceUID="1.2.3.9")
    row = [f"{files[1].name},64,40"]
    plain, twice = (scored(tmp_path / name, calibrated, row) for name in ("plain", "twice"))
    pd.testing.assert_frame_equal(plain.drop(columns="reason"), twice.drop(columns="reason"))
    assert f"another series of this study ('again_{files[1].name}') holds the very same pixels" in twice["reason"][0]
    assert plain["p_neighbours"].notna().all()


def test_a_series_of_identical_slices_does_not_fire_and_is_told(calibrated: Path, tmp_path: Path) -> None:
    (path,) = write_ct_series(tmp_path, seed=9, slices=1, patient="c", size=SIDE)
    x, y, z = (float(value) for value in pydicom.dcmread(path).ImagePositionPatient)
    for number in (1, 2):
        copied_as(path, tmp_path / f"again_{number}.dcm", ImagePositionPatient=[x, y, z + 3.0 * number])
    told = scored(tmp_path, calibrated, ["again_1.dcm,64,40", f"{path.name},64,40"])
    assert IDENTICAL in told["reason"][0]
    assert told["p_copy_move"][0] == told["p_copy_move"][1]
    assert told["form"].isna().all() or not told["form"].str.contains("copy-move").any()


@pytest.mark.parametrize(("x", "y"), [(2, 2), (125, 2), (0, 127), (64, 108), (100, 106)])
def test_a_region_of_air_or_of_the_couch_is_not_assessable(calibrated: Path, tmp_path: Path, x: int, y: int) -> None:
    (path,) = write_ct_series(tmp_path, seed=9, slices=1, patient="c", size=SIDE)
    told = scored(tmp_path, calibrated, [f"{path.name},{x},{y}"])
    assert told["verdict"][0] == "not assessable"
    assert "less than 60 % of the region holds a measurement" in told["reason"][0]


def test_one_patient_calibrates_and_what_that_is_worth_is_said(raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_ct_series(tmp_path / "genuine" / "a", seed=5, slices=1, patient="a", size=SIDE)
    with caplog.at_level("INFO"):
        dfd.calibrate(tmp_path / "genuine", raw, tmp_path / "m.ckpt", device="cpu")
    assert "calibrated on 1 patient: the smallest p-value that supports is 0.500" in caplog.text


def test_scans_of_the_wrong_modality_calibrate_nothing(raw: Path, tmp_path: Path) -> None:
    write_mr_series(tmp_path / "genuine" / "a", seed=5, slices=1, patient="a", size=SIDE)
    with pytest.raises(DfdError, match="holds no CT series that can be read"):
        dfd.calibrate(tmp_path / "genuine", raw, tmp_path / "m.ckpt", device="cpu")
    assert not (tmp_path / "m.ckpt").exists()
