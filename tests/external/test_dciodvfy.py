"""The validator of David Clunie's dicom3tools finds no error in any DICOM result."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("kind", KINDS)
def test_the_validator_finds_no_error(results: Path, kind: str) -> None:
    done = subprocess.run(
        [program("dciodvfy"), results / f"series-01-{kind}.dcm"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = (done.stdout + done.stderr).splitlines()
    assert told
    assert [line for line in told if line.startswith(("Error", "Abort"))] == []
