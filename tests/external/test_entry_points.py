"""One study through every entry point: the same numbers.

The table of them is written to ``runs/entry_points.md``.
"""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from highdicom.sr import ComprehensiveSR
from pydicom import dcmread

import dfd
from dfd.dicomweb import access
from dfd.phantom import write_ct_series
from tests.external import orthanc, servers
from tests.external.environments import ROOT, environment, variables
from tests.integration.processes import CT_BUNDLE, DFD, LIMIT_S, MONAI
from tests.outputs.test_dicom_results import numbers_by_row

SIZE = 160
POINTS = (("file002", 60, 84), ("file002", 100, 80), ("file001", 60, 84))
NOISE_HU = 45.0
"""Added around the first point, in the scans of every entry point alike."""
TABLE = ROOT / "runs" / "entry_points.md"


class Answer(NamedTuple):
    """Of one row."""

    score: float
    p_value: float


class Study(NamedTuple):
    """Three slices, ``series/`` below a folder, with a points file that names them."""

    folder: Path
    files: Sequence[Path]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    files = write_ct_series(folder / "series", seed=6, slices=3, size=SIZE)
    dataset = dcmread(files[1])
    pixels = dataset.pixel_array.copy()
    rows, columns = np.ogrid[:SIZE, :SIZE]
    disk = np.hypot(columns - POINTS[0][1], rows - POINTS[0][2]) < 8
    pixels[disk] = np.clip(
        pixels[disk] + np.random.default_rng(1).normal(0.0, NOISE_HU, disk.sum()), 0, 4000
    ).astype(pixels.dtype)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(files[1])
    write_points(folder / "test.csv", [f"series/{name}.dcm" for name, *_ in POINTS])
    return Study(folder, files)


def write_points(path: Path, names: Sequence[str]) -> Path:
    lines = [f"{name},{x},{y}" for name, (_, x, y) in zip(names, POINTS, strict=True)]
    path.write_text("\n".join(["filename,X,Y", *lines]) + "\n", encoding="utf-8")
    return path


def finish(words: Sequence[object], cwd: Path, **more: str) -> None:
    cwd.mkdir(parents=True, exist_ok=True)
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


def written(folder: Path) -> list[Answer]:
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as stream:
        return [
            Answer(float(row["score"]), float(row["p_value"])) for row in csv.DictReader(stream)
        ]


def verb(study: Study, folder: Path) -> list[Answer]:
    finish(
        [
            *DFD,
            "score",
            "--data",
            study.folder,
            "--model",
            CT_BUNDLE.name,
            "--output",
            folder / "out",
        ],
        folder,
    )
    return written(folder / "out")


def catalogue(study: Study, folder: Path) -> list[Answer]:
    finish(
        [
            *DFD,
            "-mode",
            "Test",
            "-model_path",
            "./CT_InPainting.ckpt",
            "-data_path",
            study.folder,
            "-output_dir",
            folder / "out",
        ],
        folder,
    )
    return written(folder / "out")


def bundle_command(study: Study, folder: Path) -> list[Answer]:
    words = [
        *MONAI,
        "inference",
        "--config_file",
        "configs/inference.json",
        "--data_path",
        study.folder,
        "--output_dir",
        folder,
    ]
    finish(words, CT_BUNDLE)
    return written(folder)


def python(study: Study, folder: Path) -> list[Answer]:
    frame = dfd.score(study.folder, model=CT_BUNDLE.name, output_dir=folder)
    return [Answer(row.score, row.p_value) for row in frame.itertuples()]


def report(study: Study, folder: Path) -> list[Answer]:
    finish(
        [
            *DFD,
            "score",
            "--data",
            study.folder,
            "--model",
            CT_BUNDLE.name,
            "--output",
            folder / "out",
            "--dicom",
            "--no-images",
        ],
        folder,
    )
    return of_report(dcmread(folder / "out" / "dicom" / "series-01-scores.dcm"))


def of_report(dataset: object) -> list[Answer]:
    told = numbers_by_row(ComprehensiveSR.from_dataset(dataset))
    return [Answer(told[row]["SCORE"], told[row]["P_VALUE"]) for row in sorted(told)]


def archive(study: Study, folder: Path) -> list[Answer]:
    """In by C-STORE, fetched and answered by DICOMweb.

    The answer is what the archive holds afterwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    datasets = [dcmread(path) for path in study.files]
    uids = {
        path.stem: str(each.SOPInstanceUID)
        for path, each in zip(study.files, datasets, strict=True)
    }
    points = write_points(folder / "points.csv", [uids[name] for name, *_ in POINTS])
    with orthanc.running(folder) as server:
        server.store(datasets)
        words = [
            *DFD,
            "score",
            "--dicomweb",
            server.url,
            "--study",
            datasets[0].StudyInstanceUID,
            "--points",
            points,
            "--output",
            folder / "out",
        ]
        finish(
            [*words, "--store"],
            folder,
            **{access.USER: orthanc.USER, access.PASSWORD: orthanc.PASSWORD},
        )
    answers = written(folder / "out")
    assert of_report(dcmread(folder / "out" / "dicom" / "series-01-scores.dcm")) == answers
    return answers


def label(study: Study, folder: Path) -> list[Answer]:
    app = ROOT / "apps" / "monailabel"
    interpreter = environment(app / "requirements.txt")
    folder.mkdir(parents=True, exist_ok=True)
    with servers.running(
        [interpreter, app / "start.py", "--studies", study.folder], variables(), folder / "log"
    ) as server:
        answers = []
        for name, x, y in POINTS:
            told = server.infer(
                CT_BUNDLE.name, f"series@{name}", {"foreground": [[x, y, 0]], "map": False}
            ).json
            answers.append(Answer(told["score"], told["p_value"]))
    return answers


def deploy(study: Study, folder: Path) -> list[Answer]:
    app = ROOT / "apps" / "deploy"
    finish(
        [environment(app / "requirements.txt"), app, "-i", study.folder, "-o", folder / "out"],
        folder,
    )
    told = json.loads((folder / "out" / "findings.json").read_text(encoding="utf-8"))["findings"]
    assert of_report(dcmread(folder / "out" / "dicom" / "series-01-scores.dcm")) == written(
        folder / "out"
    )
    return [Answer(row["score"], row["p_value"]) for row in told]


SAME_ENVIRONMENT: Mapping[str, Callable[[Study, Path], list[Answer]]] = {
    "dfd score": verb,
    "catalogue": catalogue,
    "monai.bundle run": bundle_command,
    "Python": python,
    "DICOM report": report,
    "DICOMweb archive": archive,
}
OWN_ENVIRONMENT: Mapping[str, Callable[[Study, Path], list[Answer]]] = {
    "MONAI Label": label,
    "MONAI Deploy": deploy,
}
"""With other releases of numpy and builds of torch, so sums may differ in their last digits."""


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, list[Answer]]]:
    """Entry point -> its answers, as the tests find them; kept as a file at the end."""
    answers: dict[str, list[Answer]] = {}
    yield answers
    head = [
        "entry",
        *(f"{name} ({x}, {y}): {word}" for name, x, y in POINTS for word in Answer._fields),
    ]
    lines = [
        [entry, *(f"{value:.6g}" for answer in found for value in answer)]
        for entry, found in answers.items()
    ]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(
        "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines]) + "\n",
        encoding="utf-8",
    )


@pytest.mark.parametrize("entry", SAME_ENVIRONMENT)
def test_entry_points_of_one_environment_give_the_very_same_numbers(
    table: dict[str, list[Answer]], study: Study, tmp_path: Path, entry: str
) -> None:
    table[entry] = SAME_ENVIRONMENT[entry](study, tmp_path / "entry")
    assert len(table[entry]) == len(POINTS)
    assert table[entry] == table["dfd score"]


def test_the_rows_differ(table: dict[str, list[Answer]]) -> None:
    scores = [answer.score for answer in table["dfd score"]]
    assert len(set(scores)) == len(POINTS)
    assert scores[0] == max(scores)


@pytest.mark.parametrize("entry", OWN_ENVIRONMENT)
def test_entry_points_of_other_environments_give_the_same_numbers(
    table: dict[str, list[Answer]], study: Study, tmp_path: Path, entry: str
) -> None:
    table[entry] = OWN_ENVIRONMENT[entry](study, tmp_path / "entry")
    np.testing.assert_allclose(table[entry], table["dfd score"], rtol=1e-3)
