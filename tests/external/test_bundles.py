"""The zipped bundles in the hands of others' tools.

MONAI's loader and runner, the Label app and the Deploy app.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from monai.bundle import load

from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.modalities import MODALITIES, Modality
from dfd.models import model_file
from dfd.phantom import write_ct_series, write_mr_series
from dfd.prediction.learned_statistic import PREFIX
from tests.external.environments import ROOT, environment, variables
from tests.external.servers import running

LIMIT_S = 300
SIZE = 128
POINT = (64, 60)
# What MONAI and torch say whenever they load a bundle.
pytestmark = [
    pytest.mark.filterwarnings("ignore:parsing config_file"),
    pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader"),
    pytest.mark.filterwarnings("ignore:.*weights_only:FutureWarning"),
]


def finish(words: Sequence[object], cwd: Path, **more: str) -> str:
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env=variables(**more),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with both bundles, as ``make bundles`` packs them."""
    folder = tmp_path_factory.mktemp("bundles")
    for archive in finish(
        [sys.executable, ROOT / "apps" / "bundles" / "pack.py", folder / "dist"], folder
    ).split():
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder / "elsewhere")
    return folder / "elsewhere"


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Modality -> folder with one slice and a point."""
    folder = tmp_path_factory.mktemp("scans")
    for name, write in (("ct_lung", write_ct_series), ("mri_chest", write_mr_series)):
        write(folder / name / "p1", seed=3, slices=1, size=SIZE)
        (folder / name / "test.csv").write_text(
            f"filename,X,Y\np1/file001.dcm,{POINT[0]},{POINT[1]}\n"
        )
    return {name: folder / name for name in MODALITIES}


@pytest.fixture(scope="module")
def scored(
    scans: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, str]]]:
    """Modality -> what ``dfd score`` says with the shipped bundle."""
    folder = tmp_path_factory.mktemp("scored")
    for modality in MODALITIES.values():
        words = [
            "-m",
            "dfd",
            "score",
            "--data",
            scans[modality.name],
            "--model",
            modality.bundle,
            "--no-images",
            "--output",
            folder / modality.name,
        ]
        finish([sys.executable, *words], folder)
    return {name: rows_of(folder / name) for name in MODALITIES}


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(params=MODALITIES)
def modality(request: pytest.FixtureRequest) -> Modality:
    return MODALITIES[request.param]


def test_the_zip_holds_what_is_committed_and_the_script(unpacked: Path, modality: Modality) -> None:
    listed = subprocess.run(
        ["git", "ls-files", modality.bundle],
        cwd=ROOT / "bundles",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    held = {
        path.relative_to(unpacked).as_posix()
        for path in (unpacked / modality.bundle).rglob("*")
        if path.is_file()
    }
    assert held == {*listed, f"{modality.bundle}/models/model.ts"}
    assert not [name for name in listed if name.endswith(".ts")]


def test_monai_loads_the_network_and_its_script(unpacked: Path, modality: Modality) -> None:
    network = load(
        modality.bundle, bundle_dir=str(unpacked), device="cpu", workflow_type="inference"
    )
    assert isinstance(network, MaskedPredictor)
    # The learned statistic predicts nothing: dfd alone reads it.
    weights = model_file.load(unpacked / modality.bundle).weights
    predictor = {name: value for name, value in weights.items() if not name.startswith(PREFIX)}
    assert len(predictor) < len(weights)
    assert model_file.weights_digest(network.state_dict()) == model_file.weights_digest(predictor)
    script, metadata, _ = load(
        modality.bundle, bundle_dir=str(unpacked), device="cpu", load_ts_module=True
    )
    written = unpacked / modality.bundle / "configs" / "metadata.json"
    assert metadata["name"] == json.loads(written.read_text(encoding="utf-8"))["name"]
    image = torch.stack([torch.randn(50, 41), (torch.rand(50, 41) < 0.2).float()])[None]
    with torch.inference_mode():
        torch.testing.assert_close(script.eval()(image), network.eval()(image), atol=1e-5, rtol=0.0)


def test_monai_runs_it(
    unpacked: Path,
    modality: Modality,
    scans: dict[str, Path],
    scored: dict[str, list[dict[str, str]]],
    tmp_path: Path,
) -> None:
    words = [
        "-m",
        "monai.bundle",
        "run",
        "inference",
        "--config_file",
        "configs/inference.json",
        "--settings#images",
        "False",
    ]
    finish(
        [sys.executable, *words, "--data_path", scans[modality.name], "--output_dir", tmp_path],
        unpacked / modality.bundle,
    )
    assert rows_of(tmp_path) == scored[modality.name]


def test_the_label_app_runs_from_it(unpacked: Path, scans: dict[str, Path], tmp_path: Path) -> None:
    app = ROOT / "apps" / "monailabel"
    python = environment(app / "requirements.txt")
    studies = scans["ct_lung"]
    finish(
        [
            python,
            "-m",
            "dfd",
            "score",
            "--data",
            studies,
            "--no-images",
            "--output",
            tmp_path / "out",
        ],
        tmp_path,
    )
    (row,) = rows_of(tmp_path / "out")
    words = [python, app / "start.py", "--studies", studies, "--conf", "bundles", unpacked]
    with running(words, variables(), tmp_path / "log") as server:
        told = server.infer(
            "ct_lung_inpainting", "p1@file001", {"foreground": [list(POINT)], "map": False}
        ).json
        assert told["score"] == float(row["score"])
        assert (
            str(unpacked)
            in server.get("/info/").json["models"]["ct_lung_inpainting"]["description"]
        )


def test_the_deploy_app_runs_from_it(
    unpacked: Path,
    modality: Modality,
    scans: dict[str, Path],
    scored: dict[str, list[dict[str, str]]],
    tmp_path: Path,
) -> None:
    app = ROOT / "apps" / "deploy"
    python = environment(app / "requirements.txt")
    finish(
        [python, app, "-i", scans[modality.name], "-o", tmp_path],
        tmp_path,
        DFD_MODEL=str(unpacked / modality.bundle),
    )
    (row,) = rows_of(tmp_path)
    assert float(row["score"]) == pytest.approx(float(scored[modality.name][0]["score"]))
