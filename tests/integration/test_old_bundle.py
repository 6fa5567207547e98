"""A bundle that was zipped before the layout changed gives the numbers of today's."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from dfd.models import model_file
from tests.integration.processes import CT_BUNDLE, DFD, MONAI, ROOT, finish

CONFIGS = ROOT / "tests" / "bundles" / "version_0_1" / CT_BUNDLE.name


@pytest.fixture(scope="module")
def old_bundle(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of version 0.1 with the tiny model as its own, zipped and unpacked elsewhere."""
    folder = tmp_path_factory.mktemp("old")
    copy = folder / "packed" / CT_BUNDLE.name
    shutil.copytree(CT_BUNDLE, copy, ignore=shutil.ignore_patterns("models", "*.json"))
    for config in CONFIGS.glob("*.json"):
        shutil.copy(config, copy / "configs")
    (copy / "models").mkdir()
    loaded = model_file.load(model)
    torch.save(dict(loaded.weights), copy / "models" / "model.pt")
    (copy / "models" / "calibration.json").write_text(json.dumps(loaded.calibration))
    archive = shutil.make_archive(str(folder / "bundle"), "zip", folder / "packed", CT_BUNDLE.name)
    zipfile.ZipFile(archive).extractall(folder / "elsewhere")
    return folder / "elsewhere" / CT_BUNDLE.name


def test_it_gives_the_same_scores_and_warns(
    data: Path, model: Path, old_bundle: Path, tmp_path: Path
) -> None:
    test = data / "test"
    runs = {
        "monai": (
            [
                *(*MONAI, "inference", "--config_file", "configs/inference.json"),
                *("--data_path", test, "--output_dir", tmp_path / "monai", "--images", "False"),
            ],
            old_bundle,
        ),
        "dfd": (
            [
                *(*DFD, "score", "--data", test, "--model", old_bundle),
                *("--output", tmp_path / "dfd", "--no-images", "--no-context"),
            ],
            tmp_path,
        ),
        "today": (
            [
                *(*DFD, "score", "--data", test, "--model", model),
                *("--output", tmp_path / "today", "--no-images"),
            ],
            tmp_path,
        ),
        "today, no context": (
            [
                *(*DFD, "score", "--data", test, "--model", model),
                *("--output", tmp_path / "today, no context", "--no-images", "--no-context"),
            ],
            tmp_path,
        ),
    }
    said = {}
    for name, (words, folder) in runs.items():
        ended = finish(words, folder)
        assert ended.returncode == 0, ended.stderr
        said[name] = ended.stderr + ended.stdout
    scores = {name: (tmp_path / name / "scores.csv").read_bytes() for name in runs}
    assert scores["monai"] == scores["today"]
    assert scores["dfd"] == scores["today, no context"]
    for name in runs:
        assert ("paths in version 0.1" in said[name]) is (name in {"monai", "dfd"}), said[name]
