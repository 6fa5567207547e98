"""A study from end to end.

The slice in the middle is compared with its neighbours, those at the ends and a lone one are not.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

import dfd
from dfd import workflow
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.models import model_file
from dfd.phantom import write_ct_series


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights.

    Calibrated on a patient of three slices and one of a lone slice.
    """
    folder = tmp_path_factory.mktemp("neighbours")
    torch.manual_seed(3)
    raw = folder / "raw.ckpt"
    raw.write_bytes(
        model_file.packed(
            model_file.Model(raw, MaskedPredictor().state_dict(), "ct_lung_inpainting")
        )
    )
    for patient, slices in (("a", 3), ("b", 1)):
        write_ct_series(
            folder / "genuine" / patient, seed=5, slices=slices, patient=patient, size=128
        )
    return dfd.calibrate(folder / "genuine", raw, folder / "m.ckpt", device="cpu")


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    write_ct_series(folder / "p1", seed=6, slices=3, patient="c", size=128)
    rows = [f"p1/file00{number}.dcm,64,40" for number in (1, 2, 3)]
    (folder / "points.csv").write_text("\n".join(["filename,X,Y", *rows]) + "\n", encoding="utf-8")
    return folder


def scored(scans: Path, model: Path, output: Path, **options: bool) -> pd.DataFrame:
    return dfd.score(scans, model=model, output_dir=output, images=False, **options)


def test_neighbours_are_used_where_they_are_and_only_there(
    calibrated: Path, scans: Path, tmp_path: Path
) -> None:
    beside = scored(scans, calibrated, tmp_path / "beside")
    alone = scored(scans, calibrated, tmp_path / "alone", context=False)
    assert beside["p_neighbours"].notna().tolist() == [False, True, False]
    assert beside["p_value"].notna().all()
    assert beside["p_series_copy"].notna().tolist() == [False, True, False]
    assert alone["p_neighbours"].isna().all()
    assert alone["p_series_copy"].isna().all()
    ends = [0, 2]
    pd.testing.assert_frame_equal(beside.iloc[ends], alone.iloc[ends])
    kept = [
        json.loads((tmp_path / name / "run.json").read_text())["configuration"]["context"]
        for name in ("beside", "alone")
    ]
    assert kept == [True, False]


def test_a_model_says_how_many_patients_had_neighbours(calibrated: Path) -> None:
    told = workflow.describe(str(calibrated))
    assert (told["calibration patients"], told["of them with neighbouring slices"]) == (2, 1)
    assert told["effective calibration patients"] == 2.0
    screened = [told[f"of them with whole {what} screened"] for what in ("slices", "series")]
    assert screened == [2, 1]
