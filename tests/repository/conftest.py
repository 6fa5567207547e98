"""A repository of tiny phantoms, and a stand-in for the evidence that answers at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import dfd
from dfd.repository.parts import Part
from dfd.repository.series_task import SeriesTask
from tests.dicom_maker import make_pixels, make_slice

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120

STAND_IN = """
import os, signal, sys, time, types


def screen_series(task):
    from dfd.repository.parts import Part

    names = " ".join(task.files)
    if "killer" in names:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hanging" in names:
        time.sleep(1000)
    if "slow" in names:
        time.sleep(float(os.environ.get("STAND_IN_S", "0.3")))
    if "faulty" in names:
        raise ZeroDivisionError
    with open(os.path.join(os.environ["STAND_IN_LOG"], f"{os.getpid()}.log"), "a") as log:
        log.write(task.series + chr(10))
    p = int(task.series[:4], 16) / 65536 / 20 + 1e-6
    region = {"rank": 1, "p_value": p, "form": "AI edit", "reason": "odd", "x": 1.5, "y": 2.0,
              "sop_uids": ["1.2", "1.3"]}
    return Part(task.series, task.content, task.model.sha256, "scored", "fine", p, -p, p,
                "unusual", "", len(task.files), time.monotonic() % 1, (region,))


stand_in = types.ModuleType("dfd.repository.screen_series")
stand_in.screen_series = screen_series
sys.modules["dfd.repository.screen_series"] = stand_in
if "STAND_IN_LIMIT_S" in os.environ:
    from dfd.repository import time_limit

    time_limit.limit_of = lambda slices: float(os.environ["STAND_IN_LIMIT_S"])
"""
"""``sitecustomize.py`` of a process in which the evidence of a series takes no time."""


def make_patient(root: Path, name: str, slices: int = 2) -> Path:
    """A CT series of its own, headers and noise alone."""
    for number in range(slices):
        make_slice(
            root / name / f"{number}.dcm",
            make_pixels(seed=number),
            PatientID=name,
            SeriesInstanceUID=f"1.2.{int.from_bytes(name.encode()) % 10**9}",
            StudyInstanceUID=f"1.3.{int.from_bytes(name.encode()) % 10**9}",
            SOPInstanceUID=f"1.4.{int.from_bytes(name.encode()) % 10**9}.{number}",
            ImagePositionPatient=[0, 0, 2.5 * number],
            InstanceNumber=number + 1,
            StudyDate="20240229",
        )
    return root / name


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Four series of two slices."""
    for name in ("p1", "p2", "p3-slow", "p4-slow"):
        make_patient(tmp_path / "scans", name)
    return tmp_path / "scans"


class Command:
    """``dfd screen`` as a process, with the stand-in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.log.mkdir()
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(STAND_IN, encoding="utf-8")

    def start(self, *words: object, **variables: str) -> subprocess.Popen[str]:
        """Start it and give the process."""
        paths = os.pathsep.join((str(self.folder / "site"), str(ROOT)))
        environment = os.environ | {
            "PYTHONPATH": paths,
            "OMP_NUM_THREADS": "1",
            "STAND_IN_LOG": str(self.log),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "dfd", "screen", *map(str, words)],
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: object, **variables: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        process = self.start(*words, **variables)
        out, errors = process.communicate(timeout=LIMIT_S)
        return process.returncode, out, errors

    def screened(self) -> list[str]:
        """Series that were screened so far, once for each time."""
        return [line for path in self.log.iterdir() for line in path.read_text().split() if line]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


TABLES = ("series.csv", "series.parquet", "suspicious_regions.csv")


def tables(output: Path, names: Sequence[str] = TABLES) -> dict[str, bytes]:
    """The final tables, byte for byte."""
    return {name: (output / name).read_bytes() for name in names}


def log_of(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run.log."""
    return [json.loads(line) for line in (folder / "run.log").read_text("ascii").splitlines()]


class Evidence(ModuleType):
    """Stands in for ``dfd.repository.screen_series``."""

    def __init__(self) -> None:
        super().__init__("dfd.repository.screen_series")
        self.screened: list[str] = []
        self.raises: dict[str, BaseException] = {}

    def screen_series(self, task: SeriesTask) -> Part:
        folder = task.files[0].partition("/")[0]
        self.screened.append(folder)
        if folder in self.raises:
            raise self.raises[folder]
        p = int(task.series[:4], 16) / 65536 / 20
        if folder == "p2":
            return Part(task.series, task.content, task.model.sha256, "not assessable", "flat")
        region = {"rank": 1, "p_value": p, "form": "AI edit", "sop_uids": ["1.2", "1.3"]}
        return Part(
            *(task.series, task.content, task.model.sha256, "scored", "=odd", p, -p, p),
            *("unusual", "", len(task.files), len(self.screened) * 0.5, (region,)),
        )


@pytest.fixture
def evidence(monkeypatch: pytest.MonkeyPatch) -> Evidence:
    stand_in = Evidence()
    monkeypatch.setitem(sys.modules, "dfd.repository.screen_series", stand_in)
    return stand_in


def screen(source: Path, output: Path, **options: Any) -> list[dict[str, Any]]:
    table = dfd.screen(source, output, **{"shard": (1, 1)} | options)
    return table.to_dict("records")
