"""A checkpoint of training becomes the shipped files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from benchmarks.models.release import unpack
from dfd.calibration import SLICE, Calibration, Setting, fit_table, to_json
from dfd.errors import BundleError
from dfd.models import model_file
from dfd.models.model_file import Model

WEIGHTS = {"layer.weight": torch.arange(6.0).reshape(2, 3)}
HISTORY = [{"epoch": 1.0, "val_nll": 0.9}, {"epoch": 2.0, "val_nll": 0.8}]


def write_checkpoint(path, bundle="ct_lung_inpainting", calibrated=True):
    table = fit_table([np.linspace(0.5, 3.0, 30), np.linspace(0.5, 4.0, 30)])
    fitted = Calibration(
        bundle, model_file.weights_digest(WEIGHTS), 10.0, {}, {SLICE: Setting({"noise": table})}
    )
    path.write_bytes(
        model_file.packed(
            Model(
                path, WEIGHTS, bundle, to_json(fitted) if calibrated else None, {"history": HISTORY}
            )
        )
    )
    return path


def test_the_bundle_holds_the_same_weights_and_calibration(tmp_path):
    checkpoint, bundle = write_checkpoint(tmp_path / "ct.ckpt"), tmp_path / "ct_lung_inpainting"
    unpack(checkpoint, bundle)
    bare = torch.load(bundle / "models" / "model.pt", weights_only=True)
    assert list(bare) == list(WEIGHTS)
    assert torch.equal(bare["layer.weight"], WEIGHTS["layer.weight"])
    shipped, trained = model_file.load(bundle), model_file.load(checkpoint)
    assert shipped.sha256 == trained.sha256
    assert shipped.calibration == trained.calibration
    assert json.loads((bundle / "models" / "calibration.json").read_text()) == trained.calibration
    assert (bundle / "docs" / "history.csv").read_text() == "epoch,val_nll\n1.0,0.9\n2.0,0.8\n"


def test_a_checkpoint_of_the_other_bundle_is_refused_and_nothing_is_written(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "mr.ckpt", "mri_chest_inpainting")
    with pytest.raises(
        BundleError, match="was trained as 'mri_chest_inpainting' and not as 'ct_lung_inpainting'"
    ):
        unpack(checkpoint, tmp_path / "ct_lung_inpainting")
    assert not (tmp_path / "ct_lung_inpainting").exists()


def test_a_checkpoint_without_calibration_is_not_shipped(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "ct.ckpt", calibrated=False)
    with pytest.raises(BundleError, match="has no calibration"):
        unpack(checkpoint, tmp_path / "ct_lung_inpainting")
