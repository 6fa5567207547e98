"""What is loaded by when: nothing heavy before a request is checked, no MONAI to score."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dfd.phantom import write_ct_series
from tests.integration.processes import environment

PROBE = """
import json, sys
from dfd.cli.entry import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
HEAVY = {"torch", "monai", "ignite", "scipy", "pandas", "matplotlib", "nibabel", "highdicom"}
"""Each takes more than 0.3 s."""


def loaded_by(words: Sequence[str], folder: Path) -> tuple[int, set[str], str]:
    """Exit code of ``dfd``, what it had imported by its end, and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    code, names = json.loads(done.stdout.splitlines()[-1])
    return code, set(names), done.stderr


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slice, points files good and bad, a folder without scans, a file that is no model."""
    folder = tmp_path_factory.mktemp("scans")
    write_ct_series(folder / "data", seed=1, slices=1, size=64)
    for name, text in {
        "good.csv": "filename,X,Y\nfile001.dcm,32,20\n",
        "columns.csv": "file,a,b\nfile001.dcm,32,20\n",
        "garbled.csv": "filename,X,Y\nfile001.dcm,here,there\n",
        "missing.csv": "filename,X,Y\nnobody.dcm,32,20\n",
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "empty").mkdir()
    return folder


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("info", 0, ""),
        ("info mri_chest_inpainting", 0, ""),
        ("info gone.ckpt", 2, "no model 'gone.ckpt'"),
        ("info good.csv", 2, "good.csv is damaged or not a model file"),
        ("scroe", 2, "there is no verb 'scroe'"),
        ("score --data data --daat x", 2, "there is no flag --daat"),
        ("score --data data --anonymous --dicom", 2, "DICOM results cannot be anonymous"),
        ("score --data gone", 2, "the data folder gone does not exist"),
        ("score --data empty", 2, "holds no points file and no slice"),
        ("score --data data --points gone.csv", 2, "gone.csv is not a file"),
        ("score --data data --points columns.csv", 2, "but no columns X and Y"),
        ("score --data data --points garbled.csv", 2, "no point could be read; the first of 1"),
        ("score --data data --points missing.csv", 2, "no point could be read; the first of 1"),
        ("score --data data --points good.csv --model gone.ckpt", 2, "no model 'gone.ckpt'"),
        ("score --data data --points good.csv --model good.csv", 2, "not a model file"),
        ("score --data data --points good.csv --output good.csv/out", 2, "is a file, not a folder"),
        ("train --data gone --model m.ckpt", 2, "the training folder gone does not exist"),
        ("train --data empty --model m.ckpt --modality ct_lung", 2, "holds no CT series"),
        ("calibrate --data gone --model ct_lung_inpainting --output m.ckpt", 2, "is not a folder"),
    ],
)
def test_what_needs_no_network_loads_nothing_heavy(
    scans: Path, words: str, code: int, says: str
) -> None:
    ended, modules, errors = loaded_by(words.split(), scans)
    assert (ended, says in errors) == (code, True), errors
    assert not modules & HEAVY


def test_scoring_needs_neither_monai_nor_ignite(scans: Path, tmp_path: Path) -> None:
    words = ["score", "--data", "data", "--points", "good.csv", "--output", str(tmp_path / "out")]
    ended, modules, errors = loaded_by([*words, "--device", "cpu"], scans)
    assert ended == 0, errors
    assert (tmp_path / "out" / "report.html").exists()
    assert "torch" in modules
    assert not modules & {"monai", "ignite", "pandas", "matplotlib", "nibabel"}
