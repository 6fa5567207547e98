"""The validator of David Clunie's dicom3tools finds no error in any DICOM result."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import dfd
from dfd.outputs import dicom
from dfd.phantom import write_ct_series, write_mr_series
from tests.dicom_maker import make_series
from tests.external.programs import program
from tests.outputs.test_dicom_results import (
    MAKER,
    SIZE,
    several_frames,
    square,
    typical,
    typical_of_frames,
)
from tests.repository.edited_phantom import write_edited_series

KINDS = ("scores", "map", "regions")


def bare_series(folder: Path, **_: object) -> list[Path]:
    """Slices that lack most of what the standard asks of patient and study."""
    files = make_series(
        folder,
        [0.0, 2.5, 5.0],
        FrameOfReferenceUID="1.2.3",
        PatientName=None,
        PatientID=None,
        BodyPartExamined=None,
    )
    return square(files)


def frames(folder: Path, **_: object) -> list[Path]:
    return [several_frames(folder / "a.dcm")]


SOURCES = {"frames": frames, "ct": write_ct_series, "mr": write_mr_series, "bare": bare_series}


@pytest.fixture(scope="module", params=sorted(SOURCES))
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    files = SOURCES[request.param](folder / "scans", seed=5, slices=3, size=SIZE)
    return dicom.write(
        folder,
        typical_of_frames(files[0], folder)
        if request.param == "frames"
        else typical(files, folder),
        MAKER,
    )


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a screened series with a region."""
    folder = tmp_path_factory.mktemp("screened")
    write_edited_series(folder / "scans")
    dfd.screen(folder / "scans", folder / "out", shard=(1, 1), dicom="listed")
    return folder / "out" / "dicom"


@pytest.mark.parametrize("kind", KINDS)
def test_the_validator_finds_no_error(results: Path, kind: str) -> None:
    assert errors_in(results / f"series-01-{kind}.dcm") == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_validator_finds_no_error_in_results_of_a_series(screened: Path, kind: str) -> None:
    (path,) = screened.glob(f"*-{kind}.dcm")
    assert errors_in(path) == []


def errors_in(path: Path) -> list[str]:
    """What the validator calls an error."""
    done = subprocess.run(
        [program("dciodvfy"), path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = (done.stdout + done.stderr).splitlines()
    assert told
    return [line for line in told if line.startswith(("Error", "Abort"))]
