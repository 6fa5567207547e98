"""The way of a study through a real archive.

In by C-STORE, scored over DICOMweb, results back by STOW-RS, read again by QIDO-RS and WADO-RS.
"""

from __future__ import annotations

import csv
import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dicomweb_client.session_utils import create_session_from_user_pass
from dicomweb_client.web import DICOMwebClient
from highdicom.sr import ComprehensiveSR
from pydicom import dcmread
from pydicom.dataset import FileDataset

from dfd.dicomweb import access
from dfd.phantom import write_ct_series
from tests.external.orthanc import PASSWORD, USER, Orthanc, running
from tests.integration.processes import DFD, LIMIT_S, environment
from tests.outputs.test_dicom_results import numbers_by_row, plane_positions

SIZE = 128
SUCCESS = 0x0000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture(scope="module")
def study(server: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> list[FileDataset]:
    """Two slices of a phantom, stored in the archive."""
    files = write_ct_series(tmp_path_factory.mktemp("scans"), seed=5, slices=2, size=SIZE)
    datasets = [dcmread(path) for path in files]
    assert server.store(datasets) == [SUCCESS] * 2
    return datasets


def score(
    server: Orthanc, study: str, output: Path, *words: object, **secrets: str
) -> subprocess.CompletedProcess[str]:
    command = [
        *DFD,
        "score",
        "--dicomweb",
        server.url,
        "--study",
        study,
        "--output",
        output,
        *words,
    ]
    variables = environment() | (secrets or {access.USER: USER, access.PASSWORD: PASSWORD})
    return subprocess.run(
        list(map(str, command)),
        cwd=output.parent,
        env=variables,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def scored(
    server: Orthanc, study: list[FileDataset], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Results of one point and one slice as a whole, stored back."""
    folder = tmp_path_factory.mktemp("scored")
    points = folder / "points.csv"
    points.write_text(
        (
            f"filename,X,Y\n{study[0].SOPInstanceUID},45,70\n{study[1].SOPInstanceUID}.dcm,,\n"
            "1.2.3.4,5,6\n"
        ),
        encoding="utf-8",
    )
    done = score(
        server, study[0].StudyInstanceUID, folder / "results", "--points", points, "--store"
    )
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return folder / "results"


@pytest.fixture(scope="module")
def client(server: Orthanc) -> DICOMwebClient:
    client = DICOMwebClient(server.url, session=create_session_from_user_pass(USER, PASSWORD))
    client.set_http_retry_params(retry=False)
    return client


def flat(found: dict[str, list[FileDataset]]) -> list[FileDataset]:
    return list(itertools.chain.from_iterable(found.values()))


def stored(client: DICOMwebClient, study: list[FileDataset]) -> dict[str, list[FileDataset]]:
    """What the archive holds of the study beside its images, by modality."""
    uid, found = study[0].StudyInstanceUID, {}
    for series in client.search_for_series(uid):
        series_uid, modality = series["0020000E"]["Value"][0], series["00080060"]["Value"][0]
        if series_uid != study[0].SeriesInstanceUID:
            found[modality] = client.retrieve_series(uid, series_uid)
    return found


def test_the_archive_holds_the_results_beside_the_images(
    client: DICOMwebClient, study: list[FileDataset], scored: Path
) -> None:
    found = stored(client, study)
    written = {str(dcmread(path).SOPInstanceUID) for path in (scored / "dicom").glob("*.dcm")}
    assert {str(each.SOPInstanceUID) for each in flat(found)} == written
    assert {"SR", "OT"} <= set(found)
    for each in flat(found):
        assert (each.PatientID, each.StudyInstanceUID) == (
            study[0].PatientID,
            study[0].StudyInstanceUID,
        )


def test_the_report_says_what_the_scores_say(
    client: DICOMwebClient, study: list[FileDataset], scored: Path
) -> None:
    (report,) = stored(client, study)["SR"]
    with (scored / "scores.csv").open(newline="", encoding="utf-8") as stream:
        rows = {str(line): row for line, row in enumerate(csv.DictReader(stream), start=2)}
    told = numbers_by_row(ComprehensiveSR.from_dataset(report))
    assert {row for row in told if "." not in row} == {"2", "3"}
    for row in ("2", "3"):
        assert (told[row]["SCORE"], told[row]["P_VALUE"]) == (
            float(rows[row]["score"]),
            float(rows[row]["p_value"]),
        )
    assert "names no file" in rows["4"]["error"]


def test_the_map_is_that_of_the_results(
    client: DICOMwebClient, study: list[FileDataset], scored: Path
) -> None:
    from dfd.outputs.screening_map import read_numbers

    (made,) = stored(client, study)["OT"]
    assert plane_positions(made) == [[float(mm) for mm in study[1].ImagePositionPatient]]
    values = np.frombuffer(made.FloatPixelData, dtype="<f4").reshape(SIZE, SIZE)
    np.testing.assert_array_equal(values, np.nan_to_num(read_numbers(scored, 2), nan=-1.0))


def test_results_go_in_by_c_store_too(server: Orthanc, scored: Path) -> None:
    assert set(server.store(dcmread(path) for path in (scored / "dicom").glob("*.dcm"))) == {
        SUCCESS
    }


def test_a_second_run_takes_no_result_for_a_scan_and_piles_nothing_up(
    client: DICOMwebClient, server: Orthanc, study: list[FileDataset], scored: Path, tmp_path: Path
) -> None:
    before = {str(each.SOPInstanceUID) for each in flat(stored(client, study))}
    done = score(
        server,
        study[0].StudyInstanceUID,
        tmp_path / "again",
        "--points",
        scored.parent / "points.csv",
        "--store",
    )
    assert done.returncode == 0, done.stderr
    assert "2 slices of 1 series fetched" in done.stderr
    assert (tmp_path / "again" / "scores.csv").read_bytes() == (scored / "scores.csv").read_bytes()
    assert {str(each.SOPInstanceUID) for each in flat(stored(client, study))} == before


def test_a_study_that_is_not_there(
    server: Orthanc, study: list[FileDataset], tmp_path: Path
) -> None:
    done = score(server, "1.2.3.4.5", tmp_path / "results")
    assert (done.returncode, "has no study 1.2.3.4.5" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "results").exists()


def test_a_wrong_password(server: Orthanc, study: list[FileDataset], tmp_path: Path) -> None:
    wrong = {access.USER: USER, access.PASSWORD: "wrong-and-not-shown"}
    done = score(server, study[0].StudyInstanceUID, tmp_path / "results", **wrong)
    assert (done.returncode, "does not let this user in (401)" in done.stderr) == (2, True), (
        done.stderr
    )
    assert "wrong-and-not-shown" not in done.stderr
