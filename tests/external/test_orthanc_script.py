"""The script for Orthanc in a real one: a stable series is screened, and its results come back."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import highdicom
import psutil
import pytest
import requests
from pydicom import Dataset, dcmread

from dfd.calibration import UNUSUAL
from dfd.phantom import write_ct_series
from tests.dicom_maker import make_pixels, make_slice
from tests.external.orthanc import PASSWORD, USER, Orthanc, running
from tests.integration.processes import LIMIT_S, ROOT, environment
from tests.repository.edited_phantom import write_edited_series

APP = ROOT / "apps" / "orthanc"
STABLE_S = 2
"""Seconds without a new instance after which a series is stable."""


@dataclass(frozen=True)
class Archive:
    """An Orthanc with the script."""

    server: Orthanc
    folder: Path

    @property
    def queue(self) -> Path:
        return self.folder / "the queue"

    @property
    def log(self) -> str:
        """What Orthanc said."""
        return (self.folder / "orthanc.log").read_text(errors="replace")

    @property
    def screening_log(self) -> list[str]:
        path = self.queue / "screening.log"
        return path.read_text().splitlines() if path.exists() else []

    def get(self, place: str) -> requests.Response:
        return requests.get(f"{self.server.root}/{place}", auth=(USER, PASSWORD), timeout=30)

    def held(self, study: str) -> dict[str, list[Dataset]]:
        """What is stored of a study, by modality."""
        found: dict[str, list[Dataset]] = {}
        for instance in self.get("instances").json():
            content = self.get(f"instances/{instance}/file").content
            path = self.folder / "fetched.dcm"
            path.write_bytes(content)
            each = dcmread(path)
            if each.StudyInstanceUID == study:
                found.setdefault(each.Modality, []).append(each)
        return found

    def screening(self) -> list[psutil.Process]:
        """Processes that screen a series now."""
        return [
            each
            for each in psutil.process_iter(["cmdline"])
            if {"dfd", "screen"} <= set(each.info["cmdline"] or ())
            and str(self.queue) in " ".join(each.info["cmdline"])
        ]

    def listening(self) -> list[object]:
        """Sockets of Orthanc that its processes keep open."""
        ports = {self.server.http, self.server.dicom}
        return [
            (process.pid, each.laddr.port)
            for child in self.screening()
            for process in (child, child.parent())
            if process is not None
            for each in process.net_connections()
            if each.status == psutil.CONN_LISTEN and each.laddr.port in ports
        ]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = tmp_path / "the queue"
    made.mkdir()
    variables = environment() | {
        "DFD_ORTHANC_QUEUE": str(made),
        "DFD_ORTHANC_COMMAND": f"'{sys.executable}' '{APP / 'screen_queue.py'}'",
        "DFD_ORTHANC_USER": USER,
        "DFD_ORTHANC_PASSWORD": PASSWORD,
    }
    script = str(APP / "screen_stable_series.lua")
    more = {"LuaScripts": [script], "StableAge": STABLE_S}
    with running(tmp_path, more, variables) as server:
        yield Archive(server, tmp_path)


def wait_until(reached: Callable[[], object], archive: Archive) -> None:
    end = time.monotonic() + LIMIT_S
    while not reached():
        assert time.monotonic() < end, "\n".join([archive.log[-3000:], *archive.screening_log])
        time.sleep(0.2)


def test_a_stable_series_comes_back_with_its_results_and_these_start_nothing(
    archive: Archive, tmp_path: Path
) -> None:
    scans = [dcmread(path) for path in write_edited_series(tmp_path / "scans")]
    assert archive.server.store(scans) == [0, 0]
    wait_until(lambda: any("results stored: 3" in line for line in archive.screening_log), archive)
    held = archive.held(scans[0].StudyInstanceUID)
    assert {modality: len(found) for modality, found in held.items()} == {
        "CT": 2,
        "SR": 1,
        "OT": 1,
        "SEG": 1,
    }
    (report,) = held["SR"]
    assert (report.PatientID, report.Manufacturer) == (scans[0].PatientID, "deepfakes-detector")
    content = highdicom.sr.ComprehensiveSR.from_dataset(report).content
    (whole,) = content.get_image_measurement_groups()
    qualities = {each.name.value: each.value.value for each in whole.get_qualitative_evaluations()}
    assert qualities["VERDICT"] == "UNUSUAL"
    assert content.get_volumetric_roi_measurement_groups()
    # The series of the results become stable as well.
    stable = archive.get("series").json()
    wait_until(
        lambda: all(archive.get(f"series/{one}").json()["IsStable"] for one in stable), archive
    )
    time.sleep(STABLE_S)
    assert len(stable) == 4
    assert archive.log.count("waits to be screened") == 1
    (screened,) = archive.screening_log
    said = re.findall(r"unusual \(p = (0\.\d+)\); results", screened)
    assert [float(p) <= UNUSUAL for p in said] == [True], screened
    left = {path.name for path in archive.queue.iterdir()} - {".lock"}
    assert left == {"screening.log"}


def test_many_series_wait_for_each_other_and_a_bad_one_does_not_stop_them(
    archive: Archive, tmp_path: Path
) -> None:
    for number in range(3):
        patient = {"patient": f"patient{number}", "seed": number}
        files = write_ct_series(tmp_path / f"p{number}", slices=1, size=64, **patient)
        archive.server.store([dcmread(path) for path in files])
    lossy = make_slice(tmp_path / "lossy.dcm", make_pixels(), LossyImageCompression="01")
    own = {"SeriesInstanceUID": "1.2.98", "SOPInstanceUID": "1.2.99"}
    positron = make_slice(tmp_path / "pet.dcm", make_pixels(), Modality="PT", **own)
    archive.server.store([dcmread(lossy), dcmread(positron)])
    at_once, listening = [], []

    def all_done() -> bool:
        at_once.append(len(archive.screening()))
        with suppress(psutil.Error):  # it has just ended
            listening.extend(archive.listening())
        return len(archive.screening_log) == 4

    wait_until(all_done, archive)
    assert max(at_once) == 1
    assert not listening
    assert archive.log.count("waits to be screened") == 4
    stored = [line for line in archive.screening_log if line.endswith("; results stored: 1")]
    assert len(stored) == 3
    assert archive.get("statistics").json()["CountInstances"] == 5 + 3
