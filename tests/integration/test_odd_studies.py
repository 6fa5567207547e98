"""Studies that are odd without being broken.

Nothing alarms for it, and what cannot be judged is said in a sentence.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pydicom
import pytest
import torch

import dfd
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.context.adjacent_slices import IDENTICAL
from dfd.errors import DfdError
from dfd.models import model_file
from dfd.phantom import write_ct_series, write_mr_series

SIDE = 128


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights and no calibration."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("odd") / "raw.ckpt"
    path.write_bytes(
        model_file.packed(
            model_file.Model(path, MaskedPredictor().state_dict(), "ct_lung_inpainting")
        )
    )
    return path


@pytest.fixture(scope="module")
def calibrated(raw: Path) -> Path:
    for patient, slices in (("a", 3), ("b", 3)):
        write_ct_series(
            raw.parent / "genuine" / patient,
            seed=5 + slices,
            slices=slices,
            patient=patient,
            size=SIDE,
        )
    return dfd.calibrate(raw.parent / "genuine", raw, raw.parent / "m.ckpt", device="cpu")


def scored(folder: Path, model: Path, rows: list[str]) -> pd.DataFrame:
    (folder / "points.csv").write_text("\n".join(["filename,X,Y", *rows]) + "\n", encoding="utf-8")
    return dfd.score(folder, model=model, output_dir=folder / "out", images=False)


def copied_as(path: Path, target: Path, **tags: object) -> None:
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = (
        pydicom.uid.generate_uid()
    )
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(target)


def test_a_second_series_of_the_same_pixels_changes_no_score(
    calibrated: Path, tmp_path: Path
) -> None:
    files = write_ct_series(tmp_path / "plain", seed=9, slices=3, patient="c", size=SIDE)
    shutil.copytree(tmp_path / "plain", tmp_path / "twice")
    for path in files:
        copied_as(path, tmp_path / "twice" / f"again_{path.name}", SeriesInstanceUID="1.2.3.9")
    row = [f"{files[1].name},64,40"]
    plain, twice = (scored(tmp_path / name, calibrated, row) for name in ("plain", "twice"))
    pd.testing.assert_frame_equal(plain.drop(columns="reason"), twice.drop(columns="reason"))
    assert (
        f"another series of this study ('again_{files[1].name}') holds the very same pixels"
        in twice["reason"][0]
    )
    assert plain["p_neighbours"].notna().all()


def test_a_series_of_identical_slices_does_not_fire_and_is_told(
    calibrated: Path, tmp_path: Path
) -> None:
    (path,) = write_ct_series(tmp_path, seed=9, slices=1, patient="c", size=SIDE)
    x, y, z = (float(value) for value in pydicom.dcmread(path).ImagePositionPatient)
    for number in (1, 2):
        copied_as(
            path, tmp_path / f"again_{number}.dcm", ImagePositionPatient=[x, y, z + 3.0 * number]
        )
    told = scored(tmp_path, calibrated, ["again_1.dcm,64,40", f"{path.name},64,40"])
    assert IDENTICAL in told["reason"][0]
    assert told["p_copy_move"][0] == told["p_copy_move"][1]
    assert told["form"].isna().all() or not told["form"].str.contains("copy-move").any()


def overwrite(path: Path, **tags: object) -> None:
    """Other values in the header of a file; a UID stands in its file meta too."""
    dataset = pydicom.dcmread(path)
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path)


def test_one_identifier_for_all_slices_changes_no_score_and_is_told(
    calibrated: Path, tmp_path: Path
) -> None:
    files = write_ct_series(tmp_path / "plain", seed=9, slices=3, patient="c", size=SIDE)
    shutil.copytree(tmp_path / "plain", tmp_path / "constant")
    for path in (tmp_path / "constant").glob("*.dcm"):
        overwrite(path, SOPInstanceUID="1.2.3.9")
    plain, constant = (
        scored(tmp_path / name, calibrated, [f"{files[1].name},64,40"])
        for name in ("plain", "constant")
    )
    pd.testing.assert_frame_equal(plain.drop(columns="reason"), constant.drop(columns="reason"))
    assert plain["p_neighbours"].notna().all()
    assert "the SOPInstanceUID of this slice stands in other files too (2)" in constant["reason"][0]


@pytest.mark.parametrize(
    "tags", [None, {}, {"InstanceNumber": 77}], ids=["same file", "new UID", "new UID and number"]
)
def test_a_copy_of_a_slice_changes_no_score_and_is_told(
    calibrated: Path, tmp_path: Path, tags: dict[str, object] | None
) -> None:
    files = write_ct_series(tmp_path / "plain", seed=9, slices=3, patient="c", size=SIDE)
    shutil.copytree(tmp_path / "plain", tmp_path / "copied")
    again = tmp_path / "copied" / "again.dcm"
    if tags is None:
        shutil.copy(files[1], again)
    else:
        copied_as(files[1], again, **tags)
    (plain,) = scored(tmp_path / "plain", calibrated, [f"{files[1].name},64,40"]).to_dict("records")
    both = scored(
        tmp_path / "copied", calibrated, [f"{files[1].name},64,40", "again.dcm,64,40"]
    ).to_dict("records")
    for found, other in zip(both, ("again.dcm", files[1].name), strict=True):
        assert found["p_value"] == plain["p_value"]
        assert found["p_neighbours"] == plain["p_neighbours"]
        assert found["form"] == plain["form"] or pd.isna(found["form"])
        assert (
            f"a copy of this file lies beside it ('{other}') and is no neighbour of it"
            in found["reason"]
        )


def test_a_reformat_is_named_in_the_reason(calibrated: Path, tmp_path: Path) -> None:
    (path,) = write_ct_series(tmp_path, seed=9, slices=1, patient="c", size=SIDE)
    overwrite(path, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    told = scored(tmp_path, calibrated, [f"{path.name},64,40"])
    assert (
        "the plane is coronal, and CT is scanned axially: the slice is a reformat"
        in told["reason"][0]
    )
    assert told["extrapolated"].all()


@pytest.mark.parametrize(
    ("image_type", "sentence"),
    [
        (
            ["DERIVED", "SECONDARY", "AXIAL", "IODINE_MAP"],
            "The slice is a map (ImageType IODINE_MAP)",
        ),
        (["ORIGINAL", "PRIMARY", "LOCALIZER"], "The slice is a localizer"),
    ],
)
def test_what_is_no_slice_is_refused_at_a_point_and_as_a_whole(
    calibrated: Path, tmp_path: Path, image_type: list[str], sentence: str
) -> None:
    (path,) = write_ct_series(tmp_path, seed=9, slices=1, patient="c", size=SIDE)
    overwrite(path, ImageType=image_type)
    told = scored(tmp_path, calibrated, [f"{path.name},64,40", f"{path.name},,"])
    assert list(told["verdict"]) == ["unreadable", "unreadable"]
    assert all(sentence in error for error in told["error"])


@pytest.mark.parametrize(("x", "y"), [(2, 2), (125, 2), (0, 127), (64, 108), (100, 106)])
def test_a_region_of_air_or_of_the_couch_is_not_assessable(
    calibrated: Path, tmp_path: Path, x: int, y: int
) -> None:
    (path,) = write_ct_series(tmp_path, seed=9, slices=1, patient="c", size=SIDE)
    told = scored(tmp_path, calibrated, [f"{path.name},{x},{y}"])
    assert told["verdict"][0] == "not assessable"
    assert "less than 60 % of the region holds a measurement" in told["reason"][0]


def test_one_patient_calibrates_and_what_that_is_worth_is_said(
    raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_ct_series(tmp_path / "genuine" / "a", seed=5, slices=1, patient="a", size=SIDE)
    with caplog.at_level("INFO"):
        dfd.calibrate(tmp_path / "genuine", raw, tmp_path / "m.ckpt", device="cpu")
    assert "calibrated on 1 patient: the smallest p-value that supports is 0.500" in caplog.text


def test_scans_of_the_wrong_modality_calibrate_nothing(raw: Path, tmp_path: Path) -> None:
    write_mr_series(tmp_path / "genuine" / "a", seed=5, slices=1, patient="a", size=SIDE)
    with pytest.raises(DfdError, match="holds no CT series that can be read"):
        dfd.calibrate(tmp_path / "genuine", raw, tmp_path / "m.ckpt", device="cpu")
    assert not (tmp_path / "m.ckpt").exists()
