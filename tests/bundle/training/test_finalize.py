"""The end of training.

Best weights, calibrated on patients left out, in one file that scores at once.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from dfd.assessment.genuine_sample import REGIONS_PER_SLICE, genuine_regions
from dfd.bundle.datalists import Cohort, Collection, collect
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.training import finalize
from dfd.calibration import SLICE, Calibration, Setting, fit_table, from_json, patient_weights
from dfd.errors import BundleError, CalibrationError, OutputError
from dfd.models import model_file
from dfd.outputs.lock import FolderLock, let_go
from dfd.population import COVARIATES
from tests.dicom_maker import make_slice


def small_network(seed: int = 1) -> MaskedPredictor:
    torch.manual_seed(seed)
    return MaskedPredictor(channels=(2, 3), filters=2, filter_size=3, num_res_units=0)


def write_patient(folder: Path, name: str, slices: int = 1, **tags: object) -> None:
    rng = np.random.default_rng(sum(map(ord, name)))
    for number in range(slices):
        pixels = np.clip(1064 + rng.normal(0, 12, (112, 112)), 0, None).astype(np.uint16)
        given = {
            "SeriesInstanceUID": f"1.2.{sum(map(ord, name))}",
            "PatientID": name,
            "ImagePositionPatient": [0, 0, number],
        } | tags
        make_slice(folder / name / f"{number}.dcm", pixels, **given)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    root = tmp_path_factory.mktemp("train")
    for name, slices in (("p1", 1), ("p2", 2), ("p3", 1)):
        write_patient(root, name, slices)
    return collect(root)


def state_folder(folder: Path, network: torch.nn.Module) -> Path:
    folder.mkdir()
    torch.save(network.state_dict(), folder / "best.pt")
    (folder / "head").mkdir()
    torch.save(
        {name: 2 * value for name, value in network.head.state_dict().items()},
        folder / "head" / "best.pt",
    )
    (folder / "history.csv").write_text("epoch,train_loss,val_nll\n1,3.5,2.5\n2,3.0,2.0\n")
    return folder


def test_the_file_carries_weights_calibration_and_history(
    tmp_path: Path, collection: Collection
) -> None:
    best = small_network(seed=5)
    state = state_folder(tmp_path / "state", best)
    target = finalize.finalize(
        small_network(),
        str(state),
        str(tmp_path / "deep" / "m.ckpt"),
        Cohort(collection, ["p1", "p2"], 7),
    )
    assert target == tmp_path / "deep" / "m.ckpt"
    model = model_file.load(target)
    heads = {f"head.{name}": 2 * value for name, value in best.head.state_dict().items()}
    assert model.sha256 == model_file.weights_digest({**best.state_dict(), **heads})
    assert model.bundle == "ct_lung_inpainting"
    assert model.training["history"] == [
        {"epoch": 1, "train_loss": 3.5, "val_nll": 2.5},
        {"epoch": 2, "train_loss": 3.0, "val_nll": 2.0},
    ]
    assert (model.training["patients_trained"], model.training["patients_left_out"]) == (1, 2)
    calibration = from_json(model.calibration)
    assert calibration.patients == 2
    assert [len(values) for values in calibration.of(SLICE).tables["noise"].patients] == [
        REGIONS_PER_SLICE,
        2 * REGIONS_PER_SLICE,
    ]
    assert set(calibration.population) == set(COVARIATES)
    assert calibration.weights_sha256 == model.sha256
    assert np.median(calibration.of(SLICE).tables["noise"].patients[0]) == pytest.approx(
        1.0, abs=0.4
    )


def test_the_same_run_gives_the_same_calibration(tmp_path: Path, collection: Collection) -> None:
    network = small_network()
    files = [
        finalize.calibrated(
            network, Cohort(collection, ["p1"], seed), tmp_path / f"{number}.ckpt", {}
        )
        for number, seed in enumerate((7, 7, 8))
    ]
    one, two, other = (model_file.load(file).calibration["families"] for file in files)
    assert one == two
    assert one != other


def test_without_patients_left_out_it_says_what_that_costs(
    tmp_path: Path, collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    state = state_folder(tmp_path / "state", small_network())
    target = finalize.finalize(
        small_network(), str(state), str(tmp_path / "m.ckpt"), Cohort(collection, [], 7)
    )
    assert model_file.load(target).calibration is None
    assert "this model gives no p-values; add scans of a second patient" in caplog.text


@pytest.mark.parametrize(
    ("patients", "words"),
    [(2, "that supports is 0.333"), (18, "19 are needed"), (99, "lies below 9.0%")],
)
def test_what_calibration_patients_are_worth_is_told(
    caplog: pytest.LogCaptureFixture, patients: int, words: str
) -> None:
    caplog.set_level(logging.INFO)
    finalize.report(standing_on([f"scanner {number}" for number in range(patients)]))
    assert words in caplog.text
    assert "share a scanner" not in caplog.text


def test_patients_of_one_scanner_are_said_to_be_worth_less(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    finalize.report(standing_on(["a"] * 9 + ["b"]))
    assert "calibrated on 10 patients, of whom many share a scanner, as much as 8" in caplog.text
    assert "that supports is 0.111" in caplog.text


def standing_on(groups: list[str]) -> Calibration:
    table = fit_table([[1.0, 2.0]] * len(groups), patient_weights(groups))
    return Calibration("ct_lung_inpainting", "ab", 10.0, {}, {SLICE: Setting({"noise": table})})


def test_a_model_that_is_there_is_kept(tmp_path: Path, collection: Collection) -> None:
    target = tmp_path / "m.ckpt"
    for number in range(3):
        target.write_bytes(b"older %d" % number)
        finalize.calibrated(small_network(), Cohort(collection, [], 7), target, {})
    assert [(tmp_path / f"m.ckpt.backup{number}").read_bytes() for number in (1, 2, 3)] == [
        b"older 0",
        b"older 1",
        b"older 2",
    ]
    assert model_file.load(target).bundle == "ct_lung_inpainting"


def test_a_run_without_an_epoch_has_no_weights(tmp_path: Path, collection: Collection) -> None:
    with pytest.raises(
        BundleError,
        match=(
            r"stopped before its first epoch was validated, so .* holds no weights; give more "
            r"hours"
        ),
    ):
        finalize.finalize(
            small_network(), str(tmp_path), str(tmp_path / "m.ckpt"), Cohort(collection, [], 7)
        )
    assert not (tmp_path / "m.ckpt").exists()


def test_patients_who_cannot_be_measured_calibrate_nothing(tmp_path: Path) -> None:
    write_patient(tmp_path / "data", "p1", BodyPartExamined="HEAD")
    with pytest.raises(CalibrationError, match="no genuine region could be measured"):
        finalize.calibrated(
            small_network(), Cohort(collect(tmp_path / "data"), ["p1"], 7), tmp_path / "m.ckpt", {}
        )
    assert not (tmp_path / "m.ckpt").exists()


@pytest.mark.parametrize("break_it", ["head", "missing"])
def test_a_slice_that_cannot_be_used_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, break_it: str
) -> None:
    write_patient(tmp_path, "p1", BodyPartExamined="HEAD" if break_it == "head" else "CHEST")
    (item,) = collect(tmp_path).items
    if break_it == "missing":
        Path(item["image"]).unlink()
    assert genuine_regions(item, small_network(), "ct_lung", 1) == ([], {})
    assert "left out of calibration" in caplog.text
    assert "0.dcm" in caplog.text


def test_a_model_is_calibrated_anew(tmp_path: Path, collection: Collection) -> None:
    first = model_file.load(
        finalize.calibrated(
            small_network(),
            Cohort(collection, ["p1"], 7),
            tmp_path / "m.ckpt",
            {"patients_trained": 2},
        )
    )
    again = model_file.load(
        finalize.recalibrate(
            small_network(seed=9),
            first,
            Cohort(collection, collection.patients, 7),
            str(tmp_path / "n.ckpt"),
        )
    )
    assert again.sha256 == first.sha256
    assert from_json(again.calibration).patients == 3
    assert again.training == {"patients_trained": 2}


def test_a_model_of_the_other_modality_is_not_calibrated(
    tmp_path: Path, collection: Collection
) -> None:
    model = model_file.Model(
        tmp_path / "m.ckpt", small_network().state_dict(), "mri_chest_inpainting"
    )
    with pytest.raises(BundleError, match="was trained as mri_chest_inpainting"):
        finalize.recalibrate(
            small_network(), model, Cohort(collection, ["p1"], 7), str(tmp_path / "n.ckpt")
        )


def test_a_claim_comes_before_the_hours(tmp_path: Path, collection: Collection) -> None:
    with pytest.raises(
        BundleError, match=r"is a folder; name the file to write, such as .*my_model\.ckpt"
    ):
        finalize.check_target(str(tmp_path), str(tmp_path / "state"), collection.items, [])
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        finalize.check_target(
            str(tmp_path / "file" / "m.ckpt"), str(tmp_path / "state"), collection.items, []
        )


def test_a_model_that_is_being_trained_is_claimed_by_nobody_else(
    tmp_path: Path, collection: Collection
) -> None:
    model, state = str(tmp_path / "m.ckpt"), tmp_path / "state"
    finalize.check_target(model, str(state), collection.items, [])
    (state / ".dfd-0123456789ab.tmp").write_text("left by a killed process")
    with pytest.raises(
        OutputError, match=r"state is in use by another run since .*\(process \d+ on"
    ):
        FolderLock(state, "").acquire()
    finalize.check_target(
        model, str(state), collection.items, []
    )  # this very process may come back
    let_go(state)
    assert [path.name for path in state.iterdir()] == ["scans.json"]


def test_a_state_is_resumed_with_the_same_scans_only(
    tmp_path: Path, collection: Collection
) -> None:
    model, state = str(tmp_path / "m.ckpt"), tmp_path / "state"
    for _ in range(2):
        finalize.check_target(model, str(state), collection.of(["p1", "p2"]), ["p3"])
    assert json.loads((state / "scans.json").read_text()) == {
        "slices": 3,
        "trained": ["p1", "p2"],
        "left_out": ["p3"],
    }
    with pytest.raises(
        BundleError, match="state of a run on other scans or other patients left out"
    ):
        finalize.check_target(model, str(state), collection.of(["p1", "p3"]), ["p2"])
