"""Slices without a point, through the entry points of the program.

A row that names no place, a file of names, and no file at all.
"""

from __future__ import annotations

import csv
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

import dfd
from dfd.phantom import write_ct_series
from dfd.phantom.tamper import disk
from dfd.records import Region
from dfd.repository.models import models_of
from dfd.repository.screen_series import screen_series
from dfd.repository.series_task import SeriesTask
from tests.integration.conftest import SIZE
from tests.integration.processes import CT_BUNDLE

TAMPERED = Region(72.0, 52.0, 8.0)
"""A place in the heart of the second slice."""
NOISE_HU = 60.0
PATIENTS = 5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped CT model, calibrated anew on phantoms."""
    if not (CT_BUNDLE / "models" / "model.pt").exists():
        pytest.skip(
            "no shipped weights here: a network of a few steps does not see what was tampered with"
        )
    folder = tmp_path_factory.mktemp("calibrated")
    for number in range(PATIENTS):
        write_ct_series(
            folder / "genuine" / f"p{number}",
            seed=5,
            slices=1,
            patient=f"genuine{number}",
            size=SIZE,
        )
    return dfd.calibrate(folder / "genuine", CT_BUNDLE, folder / "model.ckpt")


@pytest.fixture(scope="module")
def scans(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two test slices, noise added to a disk of the second; no points file."""
    folder = tmp_path_factory.mktemp("screening") / "Canary"
    shutil.copytree(data / "test" / "p1", folder)
    path = folder / "file002.dcm"
    header = dcmread(path)
    pixels = header.pixel_array
    noise = np.random.default_rng(0).normal(0.0, NOISE_HU, pixels.shape)
    header.PixelData = (
        np.where(disk(pixels.shape, TAMPERED), np.clip(pixels + noise, 0, 4000), pixels)
        .astype(pixels.dtype)
        .tobytes()
    )
    header.save_as(path)
    return folder


@pytest.fixture(scope="module")
def results(scans: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the folder without a points file."""
    folder = tmp_path_factory.mktemp("results") / "out"
    dfd.score(scans, model=model, output_dir=folder)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_slice_of_a_folder_without_a_points_file_is_screened(results: Path) -> None:
    genuine, tampered = rows(results / "scores.csv")
    assert [(row["filename"], row["X"], row["Y"]) for row in (genuine, tampered)] == [
        ("file001.dcm", "", ""),
        ("file002.dcm", "", ""),
    ]
    assert float(tampered["p_value"]) < float(genuine["p_value"])
    assert float(genuine["p_value"]) > 0.2
    assert genuine["verdict"] == "no anomaly found"
    assert json.loads((results / "run.json").read_text(encoding="utf-8"))["counts"]["scored"] == 2
    log = (results / "run.log").read_text(encoding="utf-8")
    assert "there is no points file: all 2 slices of the folder are screened as a whole" in log
    assert "of 2 screened slices " in log


def test_the_strongest_region_lies_where_the_slice_was_tampered_with(results: Path) -> None:
    first = rows(results / "suspicious_regions.csv")[0]
    assert first["filename"] == "file002.dcm"
    assert (
        np.hypot(float(first["x"]) - TAMPERED.x, float(first["y"]) - TAMPERED.y)
        < TAMPERED.radius_px
    )
    assert float(first["expected_false_alarms"]) < 1.0
    assert (
        f"lies at x {float(first['x']):g}, y {float(first['y']):g}: "
        in rows(results / "scores.csv")[1]["reason"]
    )
    with Image.open(results / "maps" / "0002.tif") as image:
        found = np.asarray(image)
    row, column = np.unravel_index(np.nanargmax(found), found.shape)
    assert np.hypot(column - TAMPERED.x, row - TAMPERED.y) < TAMPERED.radius_px


def test_pictures_are_numbered_like_the_rows(results: Path) -> None:
    assert sorted(path.name for path in (results / "maps").iterdir()) == [
        "0001.png",
        "0001.tif",
        "0002.png",
        "0002.tif",
    ]
    assert not list(results.glob("overlay-*"))


def test_names_alone_and_mixed_rows_give_the_same_answer(
    scans: Path, results: Path, model: Path, tmp_path: Path
) -> None:
    names, mixed = tmp_path / "names.csv", tmp_path / "mixed.csv"
    names.write_text("filename,note\nfile002,a\n")
    mixed.write_text("filename,X,Y\nfile002,64,40\nfile002,,\nfile002,1,\n")
    alone = dfd.score(scans, names, model=model, output_dir=tmp_path / "alone", images=False)
    together = dfd.score(scans, mixed, model=model, output_dir=tmp_path / "together", images=False)
    whole = rows(results / "scores.csv")[1]
    assert alone["p_value"][0] == together["p_value"][1] == float(whole["p_value"])
    assert alone["reason"][0] == together["reason"][1] == whole["reason"]
    assert alone["note"][0] == "a"
    assert together["verdict"][2] == "unreadable"
    assert "column Y is empty" in together["error"][2]
    assert {path.name for path in (tmp_path / "together").iterdir()} == {
        *("scores.csv", "suspicious_regions.csv", "screened_series.csv"),
        *("report.html", "run.json", "run.log"),
    }


def test_an_anonymous_screening_names_nothing(
    scans: Path, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    dfd.score(scans, model=model, output_dir=tmp_path / "out", anonymous=True)
    written = b"".join(
        path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()
    )
    assert b"Canary" not in written
    assert b"file002" not in written
    assert rows(tmp_path / "out" / "suspicious_regions.csv")[0]["filename"] == "slice-0002"


def test_a_series_has_the_answer_of_a_repository(scans: Path, model: Path, results: Path) -> None:
    """screened_series.csv and `dfd screen` say the same of the same slices."""
    (series,) = rows(results / "screened_series.csv")
    # From the feet on.
    names = sorted((path.name for path in scans.iterdir()), reverse=True)
    assert [series["slices"], series["first"], series["last"]] == [str(len(names)), *names]
    (chosen,) = models_of(str(model))
    task = SeriesTask("a" * 16, "b" * 16, str(scans), tuple(names), str(scans), chosen, "cpu", 60.0)
    part = screen_series(task)
    assert float(series["p_value"]) == part.p_value
    assert (float(series["score"]), series["verdict"]) == (part.score, part.verdict)
    first = part.regions[0]
    for name in ("x", "y", "radius_px", "radius_mm", "expected_false_alarms"):
        assert float(series[name]) == first[name]
    for name, number in (("region_first", "first_slice"), ("strongest", "strongest_slice")):
        assert series[name] == names[first[number] - 1]
    assert np.hypot(first["x"] - TAMPERED.x, first["y"] - TAMPERED.y) <= 2 * TAMPERED.radius_px
    assert series["strongest"] == "file002.dcm"
