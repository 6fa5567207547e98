"""The series of a real archive, screened over DICOMweb as those of a folder."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

from pydicom import dcmread

from dfd.dicomweb import access
from dfd.phantom import write_ct_series
from tests.dicom_maker import make_pixels, make_slice
from tests.external.orthanc import PASSWORD, USER, Orthanc, running
from tests.integration.processes import DFD, LIMIT_S, environment

SAME = ("p_value", "statistic", "verdict", "form", "status", "slices_assessed", "regions")


def screen(source: object, output: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*DFD, "screen", str(source), "--output", str(output), "--device", "cpu", *words]
    secrets = {access.USER: USER, access.PASSWORD: PASSWORD}
    return subprocess.run(
        command,
        env=environment() | secrets,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def answers(output: Path) -> dict[str, list[str]]:
    """Of each planned series, by its UID."""
    with (output / "series.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["status"] != "skipped"]
    return {row["series_uid"]: [row[name] for name in SAME] for row in rows}


def store(server: Orthanc, folder: Path) -> None:
    datasets = [dcmread(path) for path in sorted(folder.rglob("*.dcm"))]
    assert set(server.store(datasets)) == {0}


def test_an_archive_gives_the_answers_of_a_folder_with_the_same_files(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    for number in range(2):
        write_ct_series(scans / f"p{number}", seed=number, slices=3, patient=f"p{number}", size=128)
    make_slice(scans / "us" / "0.dcm", make_pixels(), Modality="US", SeriesInstanceUID="1.2.9")
    output = tmp_path / "out"
    with running(tmp_path) as server:
        store(server, scans)
        first = screen(server.url, output, "--workers", "1", "--limit", "1")
        assert first.returncode == 0, first.stderr
        then = screen(server.url, output, "--shard", "1/1")
        assert then.returncode == 0, then.stderr
        assert "7 files: 6 planned, 1 skipped, 0 duplicate" in then.stdout
        refused = screen(server.url.replace("dicom-web", "nothing"), tmp_path / "none")
        assert refused.returncode == 2
    told = first.stdout + first.stderr + then.stdout + then.stderr
    written = b"".join(path.read_bytes() for path in output.rglob("*") if path.is_file())
    assert PASSWORD not in told
    assert PASSWORD.encode() not in written
    assert screen(scans, tmp_path / "tree", "--shard", "1/1").returncode == 0
    assert len(answers(output)) == 2
    assert answers(output) == answers(tmp_path / "tree")
