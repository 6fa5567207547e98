"""The processing module keeps mercure's contract, as its documentation writes it.

https://mercure-imaging.org/docs/modules.html
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from dfd.phantom import write_mr_series
from tests.dicom_maker import make_pixels, make_slice
from tests.integration.processes import CT_BUNDLE, LIMIT_S, ROOT, environment
from tests.repository.edited_phantom import write_edited_series

MODULE = ROOT / "apps" / "mercure" / "module.py"
NAME = re.compile(r"([0-9.]+)#([0-9.]+)\.dcm")


def put(files: list[Path], folder: Path) -> str:
    """Lay files down as mercure does, each with its tags, and give the series."""
    for path in files:
        scan = dcmread(path)
        name = f"{scan.SeriesInstanceUID}#{scan.SOPInstanceUID}"
        path.rename(folder / f"{name}.dcm")
        (folder / f"{name}.tags").write_text(json.dumps({"Modality": scan.Modality}))
    return str(scan.SeriesInstanceUID)


def write_task(folder: Path, settings: object = None) -> None:
    """What mercure lays down beside the images."""
    process = {"module_name": "dfd", "module_config": {"docker_tag": "x"}, "settings": settings}
    task = {"id": "1", "info": {"applied_rule": "all"}, "process": process, "dispatch": {}}
    (folder / "task.json").write_text(json.dumps(task))


def run(source: Path, target: Path) -> tuple[int, str, str]:
    target.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, MODULE],
        env=environment() | {"MERCURE_IN_DIR": str(source), "MERCURE_OUT_DIR": str(target)},
        cwd=target.parent,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write_task(folder, {})
    return folder


def result_in(target: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((target / "result.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_a_study_of_several_series_with_files_that_are_no_scans(
    source: Path, tmp_path: Path
) -> None:
    if not (CT_BUNDLE / "models" / "model.pt").exists():
        pytest.skip("no shipped weights here")
    edited = put(write_edited_series(tmp_path / "ct"), source)
    mr = put(write_mr_series(tmp_path / "mr", seed=2, slices=2, size=64), source)
    pet = put([make_slice(tmp_path / "pet.dcm", make_pixels(), Modality="PT")], source)
    (source / "1.2#3.dcm").write_bytes(b"no DICOM at all")
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    code, said, errors = run(source, tmp_path / "out")
    assert code == 0, errors
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    result = result_in(tmp_path / "out")
    rows = {row["series_uid"]: row for row in result["series"]}
    assert {uid: row["status"] for uid, row in rows.items()} == {
        edited: "scored",
        mr: "scored",
        pet: "skipped",
    }
    assert (rows[edited]["verdict"], rows[edited]["form"]) == ("unusual", "AI edit")
    assert 0 < rows[edited]["p_value"] <= 0.05
    assert rows[pet]["p_value"] is None
    assert "no model for it" in rows[pet]["reason"]
    left_out = {each["file"]: each for each in result["files_left_out"]}
    assert left_out["1.2#3.dcm"]["status"] == "skipped"
    assert result["files"] == 6
    assert len(left_out) == 2
    notification = result["__mercure_notification"]
    assert notification["requested"] is True
    assert notification["text"] == "3 series: 2 screened, 1 of them unusual"
    assert said == notification["text"] + "\n"


@pytest.mark.slow
def test_results_are_named_as_mercure_names_images(source: Path, tmp_path: Path) -> None:
    put(write_edited_series(tmp_path / "ct", slices=1), source)
    assert run(source, tmp_path / "out")[0] == 0
    written = [path for path in (tmp_path / "out").iterdir() if path.name != "result.json"]
    modalities = set()
    for path in written:
        made, match = dcmread(path), NAME.fullmatch(path.name)
        assert match is not None
        assert match.groups() == (made.SeriesInstanceUID, made.SOPInstanceUID)
        modalities.add(made.Modality)
    assert modalities == {"SR", "OT", "SEG"}


def test_files_that_are_all_foreign_are_said_and_are_no_error(source: Path, tmp_path: Path) -> None:
    (source / "1.2#3.dcm").write_bytes(b"")
    code, _, errors = run(source, tmp_path / "out")
    assert code == 0, errors
    result = result_in(tmp_path / "out")
    assert [each["file"] for each in result["files_left_out"]] == ["1.2#3.dcm"]
    assert result["series"] == []
    assert result["__mercure_notification"]["requested"] is False


def test_no_image_at_all_is_no_error(source: Path, tmp_path: Path) -> None:
    assert run(source, tmp_path / "out")[0] == 0
    assert result_in(tmp_path / "out")["files"] == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"modle": "x"}, "there is no setting 'modle'; there are: model, device"),
        ({"model": 3}, "the setting 'model' is a text, got 3"),
        ({"model": "no_such_model"}, "no_such_model"),
    ],
)
def test_a_wrong_setting_is_an_error_in_one_sentence(
    source: Path, tmp_path: Path, settings: object, words: str
) -> None:
    make_slice(source / "1.2#3.dcm", make_pixels())
    write_task(source, settings)
    code, _, errors = run(source, tmp_path / "out")
    assert code == 2
    assert words in errors.strip().splitlines()[-1]
    assert "Traceback" not in errors
    assert not (tmp_path / "out" / "result.json").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"process": 3}', '{"process": {"settings": 3}}'])
def test_a_task_that_is_none_is_an_error_in_one_sentence(
    source: Path, tmp_path: Path, text: str
) -> None:
    (source / "task.json").write_text(text)
    code, _, errors = run(source, tmp_path / "out")
    assert (code, errors.count("\n")) == (2, 1)
    assert "task.json cannot be read as a task of mercure" in errors
