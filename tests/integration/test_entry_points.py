"""One pipeline, three entry points.

The bundle command, the verbs and the catalogue's form give the same numbers, in training and in
scoring.
"""

from __future__ import annotations

import csv
import json
import logging
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import torch

import dfd
from dfd.cli.entry import run
from dfd.models import model_file
from tests.integration.conftest import POINTS, TRAINING
from tests.integration.processes import CT_BUNDLE, DFD, MONAI, finish, last_line

ENTRY_POINTS = ("bundle", "verb", "catalogue", "python")


@pytest.fixture(scope="module")
def moved_bundle(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle with the tiny model as its own, zipped and unpacked elsewhere."""
    folder = tmp_path_factory.mktemp("zip")
    copy = folder / "packed" / CT_BUNDLE.name
    shutil.copytree(CT_BUNDLE, copy, ignore=shutil.ignore_patterns("models"))
    (copy / "models").mkdir()
    loaded = model_file.load(model)
    torch.save(dict(loaded.weights), copy / "models" / "model.pt")
    (copy / "models" / "calibration.json").write_text(json.dumps(loaded.calibration))
    archive = shutil.make_archive(str(folder / "bundle"), "zip", folder / "packed", CT_BUNDLE.name)
    zipfile.ZipFile(archive).extractall(folder / "elsewhere")
    return folder / "elsewhere" / CT_BUNDLE.name


@pytest.fixture(scope="module")
def scored(
    data: Path, model: Path, moved_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Entry point -> folder of its results."""
    folder = tmp_path_factory.mktemp("results")
    test = data / "test"
    inference = [*MONAI, "inference", "--config_file", "configs/inference.json"]
    calls = {
        "bundle": (
            [*inference, "--data_path", test, "--output_dir", folder / "bundle"],
            moved_bundle,
        ),
        "verb": (
            [
                *DFD,
                "score",
                "--data",
                test,
                "--points",
                test / "test.csv",
                "--model",
                model,
                "--output",
                folder / "verb",
            ],
            folder,
        ),
        "catalogue": (
            [
                *DFD,
                "-mode",
                "Test",
                "-model_path",
                model.name,
                "-data_path",
                data,
                "-output_dir",
                folder / "catalogue",
            ],
            model.parent,
        ),
    }
    for words, cwd in calls.values():
        done = finish(words, cwd)
        assert done.returncode == 0, done.stderr
    frame = dfd.score(test, model=model, output_dir=folder / "python")
    frame.to_pickle(folder / "frame.pkl")
    return {entry: folder / entry for entry in ENTRY_POINTS}


@pytest.mark.parametrize("entry", ENTRY_POINTS[1:])
def test_all_entry_points_write_the_same_scores(scored: dict[str, Path], entry: str) -> None:
    assert (scored[entry] / "scores.csv").read_bytes() == (
        scored["bundle"] / "scores.csv"
    ).read_bytes()


def test_the_scores_are_numbers_for_good_rows_and_a_sentence_for_bad_ones(
    scored: dict[str, Path],
) -> None:
    with (scored["bundle"] / "scores.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["filename"], row["X"], row["Y"]) for row in rows] == [
        tuple(map(str, point)) for point in POINTS
    ]
    for row in rows[:3]:
        assert 0.0 < float(row["p_value"]) <= 1.0
        assert row["error"] == ""
    assert len({row["score"] for row in rows[:3]}) > 1
    assert [row["score"] + row["p_value"] for row in rows[3:]] == ["", ""]
    assert "names no file" in rows[3]["error"]
    assert "500" in rows[4]["error"]


def test_python_gives_the_table_that_was_written(scored: dict[str, Path]) -> None:
    frame = pd.read_pickle(scored["python"].parent / "frame.pkl")
    written = pd.read_csv(scored["python"] / "scores.csv")
    assert frame["score"].tolist()[:3] == written["score"].tolist()[:3]
    assert list(frame.columns) == list(written.columns)


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_each_entry_point_says_what_it_ran(
    scored: dict[str, Path], model: Path, entry: str
) -> None:
    record = json.loads((scored[entry] / "run.json").read_text(encoding="utf-8"))
    assert record["weights_sha256"] == model_file.load(model).sha256
    assert record["counts"] == {
        "rows": 5,
        "scored": 3,
        "not assessable": 0,
        "unreadable": 2,
        "not reached": 0,
    }
    assert record["device"] == "cpu"
    assert record["calibration_patients"] == 1


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_each_entry_point_keeps_its_log(scored: dict[str, Path], entry: str) -> None:
    *progress, line = (scored[entry] / "run.log").read_text(encoding="utf-8").splitlines()
    # On a busy machine a run takes so long that it says how far it is.
    assert all("scoring points: " in each for each in progress)
    time, level, text = line.split(" ", 2)
    assert datetime.fromisoformat(time).tzinfo is UTC
    assert (level, text) == ("INFO", f"results are in {scored[entry]} (cpu)")


def test_an_anonymous_run_names_nothing_in_its_log_and_leaves_the_loggers_alone(
    data: Path, model: Path, tmp_path: Path
) -> None:
    log = logging.getLogger("dfd")
    before = (log.level, log.propagate, list(log.handlers))
    dfd.score(
        data / "test", model=model, output_dir=tmp_path / "My Canary", images=False, anonymous=True
    )
    assert (tmp_path / "My Canary" / "run.log").read_text(encoding="utf-8").split(" ", 1)[
        1
    ] == "INFO results are in (hidden) ((hidden))\n"
    assert (log.level, log.propagate, log.handlers) == before


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_each_entry_point_draws_the_same_overlays(scored: dict[str, Path], entry: str) -> None:
    pictures = {path.name: path.read_bytes() for path in scored[entry].glob("**/*.png")}
    assert len(pictures) == 3
    assert pictures == {path.name: path.read_bytes() for path in scored["bundle"].glob("**/*.png")}


def test_the_catalogue_s_test_gives_p_values_right_after_its_train(
    scored: dict[str, Path], model: Path
) -> None:
    assert model_file.load(model).bundle == "ct_lung_inpainting"
    assert pd.read_csv(scored["catalogue"] / "scores.csv")["p_value"].notna().sum() == 3


def test_the_bundle_trains_the_same_model(data: Path, model: Path, tmp_path: Path) -> None:
    settings = [
        "--max_epochs",
        TRAINING["epochs"],
        "--batch_size",
        TRAINING["batch_size"],
        "--device_name",
        "cpu",
    ]
    words = [
        *MONAI,
        "training",
        "--config_file",
        "configs/train.json",
        "--data_path",
        data / "train",
        "--model_path",
        tmp_path / "m.ckpt",
        *settings,
    ]
    done = finish(words, CT_BUNDLE)
    assert done.returncode == 0, done.stderr
    mine, its = model_file.load(tmp_path / "m.ckpt"), model_file.load(model)
    assert mine.sha256 == its.sha256
    assert mine.calibration == its.calibration


def test_a_misspelt_key_of_the_bundle_command_is_one_sentence(data: Path, tmp_path: Path) -> None:
    words = [
        *MONAI,
        "inference",
        "--config_file",
        "configs/inference.json",
        "--data_paht",
        data,
        "--output_dir",
        tmp_path / "out",
    ]
    done = finish(words, CT_BUNDLE)
    assert done.returncode == 2
    assert (
        last_line(done.stderr)
        == "dfd: error: --data_paht is no key of configs/inference.json; did you mean --data_path?"
    )
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_shipped_model_is_found_by_the_catalogue_s_quoted_name(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (CT_BUNDLE / "models" / "model.pt").exists():
        pytest.skip("no shipped weights here: the catalogue's own command is left out")
    monkeypatch.chdir(tmp_path)
    code = run(
        [
            "-mode",
            "Test",
            "-model_path",
            "'./app/models/CT_InPainting.ckpt'",
            "-data_path",
            str(data),
        ]
    )
    assert code == 0
    (record,) = tmp_path.glob("dfd_results/*/run.json")
    assert (
        json.loads(record.read_text(encoding="utf-8"))["weights_sha256"]
        == model_file.load(CT_BUNDLE).sha256
    )


def test_one_patient_trains_but_cannot_calibrate(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        run(
            [
                "train",
                "--data",
                str(data / "train" / "p1"),
                "--model",
                "one.ckpt",
                "--epochs",
                "1",
                "--device",
                "cpu",
            ]
        )
        == 0
    )
    assert "no patient was left to calibrate on" in capsys.readouterr().err
    assert (
        run(["score", "--data", str(data / "test"), "--model", "one.ckpt", "--output", "out"]) == 0
    )
    table = pd.read_csv(tmp_path / "out" / "scores.csv", keep_default_na=False)
    assert table["verdict"].tolist()[:3] == ["not assessable"] * 3
    assert table["reason"][0] == (
        "the model has no calibration, so nothing can be said of how unusual this is; run "
        "`dfd calibrate` on genuine scans"
    )
    assert table["score"].tolist() == [""] * 5
