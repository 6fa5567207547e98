"""OHIF, as MONAI Label serves it, on a real archive: a click marks the place that was altered.

Slices lie straight, obliquely, and with their rows from back to front.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
import requests
from pydicom import Dataset

from dfd import workflow
from dfd.modalities import MODALITIES
from dfd.phantom import write_ct_series
from dfd.settings import ScoreSettings
from tests.external import orthanc, servers
from tests.external.environments import ROOT, environment, variables
from tests.external.ohif import Viewer, viewing

APP = ROOT / "apps" / "monailabel"
MODEL = "ct_lung_inpainting"
SIZE, SLICES, ALTERED = 160, 5, 1
PLACE = (56, 102)
"""Column and row of the noise that is added; far from where a flip of any axis would put it."""
NOISE_RADIUS_PX, NEAR_MM = 8, 8.0
TURN_DEG = (6.0, 11.0)
"""Of the oblique slices, around z and x."""


@dataclass(frozen=True)
class Study:
    """A series in the archive, and where it was altered."""

    files: list[Path]
    uid: str
    place: np.ndarray
    """mm, LPS."""
    pixel: tuple[int, int]
    index: int
    """Of the altered slice, from the first along the normal of the slices."""
    normal: np.ndarray

    def mirrored(self) -> Iterator[np.ndarray]:
        """Where a flip of rows or columns would put the place."""
        header = pydicom.dcmread(self.files[ALTERED], stop_before_pixels=True)
        right, down = np.array(header.ImageOrientationPatient, dtype=float).reshape(2, 3)
        step = float(header.PixelSpacing[0])
        yield self.place + (SIZE - 1 - 2 * self.pixel[0]) * step * right
        yield self.place + (SIZE - 1 - 2 * self.pixel[1]) * step * down


def study(folder: Path, kind: str, seed: int) -> Study:
    files = write_ct_series(folder, seed=seed, slices=SLICES, patient=kind, size=SIZE)
    slices = [pydicom.dcmread(file) for file in files]
    pixels = slices[ALTERED].pixel_array.copy()
    y, x = np.ogrid[:SIZE, :SIZE]
    disk = np.hypot(x - PLACE[0], y - PLACE[1]) < NOISE_RADIUS_PX
    noise = np.random.default_rng(1).normal(0, 60, disk.sum())
    pixels[disk] = np.clip(pixels[disk] + noise, 0, 4000).astype(pixels.dtype)
    slices[ALTERED].PixelData = pixels.tobytes()
    for each, file in zip(slices, files, strict=True):
        laid(each, kind)
        each.save_as(file)
    pixel = (PLACE[0], SIZE - 1 - PLACE[1]) if kind == "flipped" else PLACE
    altered = slices[ALTERED]
    right, down = np.array(altered.ImageOrientationPatient, dtype=float).reshape(2, 3)
    step, normal = float(altered.PixelSpacing[0]), np.cross(right, down)
    along = [float(np.dot(normal, each.ImagePositionPatient)) for each in slices]
    place = np.array(altered.ImagePositionPatient, dtype=float) + step * (
        pixel[0] * right + pixel[1] * down
    )
    index = int(np.argsort(along).tolist().index(ALTERED))
    return Study(files, str(altered.StudyInstanceUID), place, pixel, index, normal)


def laid(each: Dataset, kind: str) -> None:
    """Lay a slice obliquely, or turn its rows; its pixels keep their place in the patient."""
    cosines = np.array(each.ImageOrientationPatient, dtype=float).reshape(2, 3)
    position = np.array(each.ImagePositionPatient, dtype=float)
    if kind == "oblique":
        (a, b) = np.radians(TURN_DEG)
        around_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        around_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
        cosines = cosines @ (around_z @ around_x).T
        position = around_z @ around_x @ position
    elif kind == "flipped":
        position = position + cosines[1] * float(each.PixelSpacing[0]) * (SIZE - 1)
        cosines[1] *= -1
        each.PixelData = each.pixel_array[::-1].tobytes()
    each.ImageOrientationPatient = [round(float(value), 9) for value in cosines.ravel()]
    each.ImagePositionPatient = [round(float(value), 6) for value in position]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Study]:
    folder = tmp_path_factory.mktemp("studies")
    kinds = ("straight", "oblique", "flipped")
    return {kind: study(folder / kind, kind, seed) for seed, kind in enumerate(kinds, start=3)}


@pytest.fixture(scope="module")
def results(studies: Mapping[str, Study], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DICOM results of the altered place and of another."""
    folder, scan = tmp_path_factory.mktemp("results"), studies["flipped"]
    (x, y), names = scan.pixel, [file.name for file in scan.files]
    rows = ["filename,X,Y", f"{names[ALTERED]},{x},{y}", f"{names[3]},100,60"]
    (folder / "points.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    settings = ScoreSettings(
        data=scan.files[0].parent,
        points=folder / "points.csv",
        model=MODALITIES["ct_lung"].bundle,
        output_dir=folder / "out",
        dicom=True,
        dicom_captures=True,
    )
    workflow.score(settings)
    return folder / "out" / "dicom"


@pytest.fixture(scope="module")
def server(
    studies: Mapping[str, Study], results: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Server]:
    """MONAI Label on an archive that holds all."""
    python, folder = environment(APP / "requirements.txt"), tmp_path_factory.mktemp("server")
    if not list(python.parents[1].glob("lib/*/site-packages/monailabel/**/ohif/index.html")):
        pytest.skip("this MONAI Label comes without OHIF")
    more = {"MONAI_LABEL_DICOMWEB_CACHE_PATH": str(folder / "cache")}
    bare = {name: value for name, value in variables(**more).items() if name != "PYTHONPATH"}
    with orthanc.running(folder, {"AuthenticationEnabled": False}) as archive:
        files = [file for each in studies.values() for file in each.files]
        stored = archive.store(pydicom.dcmread(file) for file in [*files, *results.iterdir()])
        assert set(stored) == {0}
        words = [python, APP / "start.py", "--studies", archive.url]
        with servers.running(words, bare, folder / "log") as started:
            yield started


@pytest.fixture(scope="module")
def viewer(server: servers.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    with viewing(server.address, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_the_archive_is_searched_for_what_ohif_asks(
    server: servers.Server, studies: Mapping[str, Study]
) -> None:
    uid = studies["oblique"].uid
    root = f"{server.address}/proxy/dicom/qido/studies"
    asked = {"limit": "101", "StudyInstanceUID": uid}
    found = requests.get(root, asked, timeout=60).json()
    assert [each["0020000D"]["Value"] for each in found] == [[uid]]
    assert len(requests.get(root, timeout=60).json()) == len(studies)


@pytest.mark.parametrize("kind", ["straight", "oblique", "flipped"])
def test_a_click_marks_the_altered_place(
    viewer: Viewer, server: servers.Server, studies: Mapping[str, Study], kind: str
) -> None:
    scan = studies[kind]
    viewer.open(scan.uid)
    assert "deepfakes-detector" in viewer.connect()
    viewer.asked()
    viewer.ask(MODEL, scan.place)
    viewer.until(lambda _: len(viewer.segment()), 200)
    segment = viewer.segment()
    x, y = scan.pixel
    sent = next(each["postData"] for each in viewer.asked() if "/infer/" in each["url"])
    asked = re.search(r"\{.*\}", sent)
    assert asked
    assert json.loads(asked[0])["foreground"] == [[x, y, scan.index]]
    assert np.abs((segment - scan.place) @ scan.normal).max() < 0.01
    assert near(segment, scan.place) > 0.9
    assert max(near(segment, place) for place in scan.mirrored()) < 0.1
    told = re.search(rf"x {x}, y {y}, slice {scan.index}: score (\S+), p", logs(server))
    assert told
    assert float(told[1]) > 1.3


def test_dicom_results_are_shown(
    viewer: Viewer, studies: Mapping[str, Study], results: Path
) -> None:
    scan = studies["flipped"]
    viewer.open(scan.uid, "viewer")
    capture = pydicom.dcmread(next(iter(results.glob("*captures.dcm"))))
    viewer.show("OT")
    viewer.until(lambda _: viewer.shape() == (capture.Columns, capture.Rows))
    viewer.show("SEG")
    viewer.until(lambda _: len(viewer.segment()))
    assert near(viewer.segment(), scan.place) > 0.9
    assert np.abs((viewer.segment() - scan.place) @ scan.normal).max() < 0.01
    viewer.open(scan.uid, "viewer")
    viewer.show("SR")
    outlines = viewer.until(lambda _: viewer.outlines())
    assert min(np.linalg.norm(centre - scan.place) for centre in outlines) < 1.0


def near(segment: np.ndarray, place: np.ndarray) -> float:
    """Share of the pixels within ``NEAR_MM`` of ``place`` that are marked."""
    pixel_mm2 = 2.24**2
    inside = (np.linalg.norm(segment - place, axis=1) < NEAR_MM).sum()
    return float(inside * pixel_mm2 / (np.pi * NEAR_MM**2))


def logs(server: servers.Server) -> str:
    """What the panel shows behind *Logs*."""
    return server.get("/logs/?lines=100&text=true").body.decode(errors="replace")
