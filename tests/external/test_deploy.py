"""The MONAI Deploy app on a phantom study, with the App SDK and without a GPU.

The numbers are those of ``dfd score``.
"""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from dfd.phantom import write_ct_series, write_mr_series
from tests.external.environments import ROOT, environment, variables

APP = ROOT / "apps" / "deploy"
SIZE, LIMIT_S = 128, 300


@pytest.fixture(scope="module")
def python() -> Path:
    return environment(APP / "requirements.txt")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT study of two slices with a points file: two good rows and a bad one."""
    folder = tmp_path_factory.mktemp("study")
    write_ct_series(folder / "series", seed=3, slices=2, size=SIZE)
    (folder / "test.csv").write_text(
        "filename,X,Y\nseries/file001.dcm,64,60\nseries/file002.dcm,40,70\nseries/file009.dcm,1,1\n"
    )
    return folder


def finish(words: Sequence[object], cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env=variables(**more),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_study_with_points(python: Path, study: Path, tmp_path: Path) -> None:
    done = finish([python, APP, "-i", study, "-o", tmp_path / "app"], tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads((tmp_path / "app" / "findings.json").read_text())
    assert told["bundle"] == "ct_lung_inpainting"
    assert told["counts"] == {
        "rows": 3,
        "scored": 2,
        "not assessable": 0,
        "unreadable": 1,
        "not reached": 0,
    }
    assert "not a medical device" in told["notice"]
    assert [finding["verdict"] == "unreadable" for finding in told["findings"]] == [
        False,
        False,
        True,
    ]
    assert told["findings"][2]["score"] is None
    direct = finish(
        [python, "-m", "dfd", "score", "--data", study, "--output", tmp_path / "dfd"], tmp_path
    )
    assert direct.returncode == 0, direct.stderr
    assert (tmp_path / "app" / "scores.csv").read_bytes() == (
        tmp_path / "dfd" / "scores.csv"
    ).read_bytes()
    assert [finding["score"] for finding in told["findings"][:2]] == [
        float(row["score"]) for row in rows_of(tmp_path / "dfd")[:2]
    ]
    assert len(list((tmp_path / "app").glob("overlay-*.png"))) == 2
    assert [path.name for path in (tmp_path / "app" / "dicom").iterdir()] == [
        "series-01-scores.dcm"
    ]


def test_an_mr_study_without_points_is_screened_with_the_other_model(
    python: Path, tmp_path: Path
) -> None:
    write_mr_series(tmp_path / "study", seed=4, slices=1, size=SIZE)
    paths = {
        "HOLOSCAN_INPUT_PATH": str(tmp_path / "study"),
        "HOLOSCAN_OUTPUT_PATH": str(tmp_path / "out"),
    }
    done = finish([python, APP], tmp_path, **paths)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads((tmp_path / "out" / "findings.json").read_text())
    assert told["bundle"] == "mri_chest_inpainting"
    assert len(told["findings"]) == 1
    assert (tmp_path / "out" / "maps" / "0001.tif").is_file()


def test_a_points_file_that_lies_elsewhere(python: Path, study: Path, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("filename,X,Y\nfile002,64,60\n")
    done = finish(
        [python, APP, "-i", study, "-o", tmp_path / "out"],
        tmp_path,
        DFD_POINTS=str(tmp_path / "points.csv"),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert [row["filename"] for row in rows_of(tmp_path / "out")] == ["file002"]


def test_what_cannot_be_used_is_one_sentence(python: Path, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "notes.txt").write_text("no scan")
    done = finish([python, APP, "-i", tmp_path / "study", "-o", tmp_path / "out"], tmp_path)
    assert done.returncode == 2, done.stderr[-4000:]
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("dfd: ")]
    assert "holds no series a model exists for" in line
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "findings.json").exists()
