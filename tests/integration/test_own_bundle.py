"""A bundle that its user has changed is run as it stands, and not as the shipped ones are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import dfd
from dfd import workflow
from dfd.errors import BundleError
from dfd.models import model_file
from tests.integration.processes import CT_BUNDLE

HIDDEN = """
from monai.transforms import MapTransform


class Shifted(MapTransform):
    def __call__(self, data):
        return {**data, "scan": None, "error": "hidden by the bundle"}
"""


@pytest.fixture
def bundle(model: Path, tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], None]], Path]:
    """Makes a bundle with the tiny model, its ``inference.json`` edited."""

    def make(edit: Callable[[dict[str, Any]], None]) -> Path:
        folder = tmp_path / "own"
        shutil.copytree(CT_BUNDLE, folder, ignore=shutil.ignore_patterns("models"))
        (folder / "models").mkdir()
        loaded = model_file.load(model)
        torch.save(dict(loaded.weights), folder / "models" / "model.pt")
        (folder / "models" / "calibration.json").write_text(json.dumps(loaded.calibration))
        config = folder / "configs" / "inference.json"
        content = json.loads(config.read_text(encoding="utf-8"))
        edit(content)
        config.write_text(json.dumps(content, indent=2), encoding="utf-8")
        return folder

    return make


def test_an_unchanged_copy_is_scored_by_the_core(
    bundle: Callable[..., Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(workflow, "run_config")
    folder = bundle(lambda content: content.update(num_workers=3))
    frame = dfd.score(data / "test", model=folder, output_dir=tmp_path / "out", images=False)
    assert frame["score"].notna().sum() == 3


def test_a_transform_of_the_user_is_run(
    bundle: Callable[..., Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_of_test.py").write_text(HIDDEN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    def edit(content: dict[str, Any]) -> None:
        content["preprocessing"]["transforms"].append(
            {"_target_": "mine_of_test.Shifted", "keys": "image"}
        )

    frame = dfd.score(data / "test", model=bundle(edit), output_dir=tmp_path / "out", images=False)
    assert frame["error"].tolist()[:3] == ["hidden by the bundle"] * 3
    written = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert written["verdict"].tolist()[:3] == ["unreadable"] * 3


def test_a_network_of_the_user_is_built(
    bundle: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    folder = bundle(lambda content: content["network_def"].update(filters=5))
    with pytest.raises(BundleError, match="do not fit the network of ct_lung_inpainting"):
        dfd.score(data / "test", model=folder, output_dir=tmp_path / "out", images=False)
