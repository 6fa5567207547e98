"""The module of 3D Slicer, with a stand-in for Slicer's API.

That a point becomes the right pixel of the right file is checked against headers; that the numbers
are those of ``dfd score``, against a real server in ``tests/external``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pydicom
import pytest
import requests

from dfd.phantom import write_ct_series
from tests.external.environments import ROOT
from tests.external.slicer_stand_in import Matrix, Points, Shown, Volume, installed, place_of

SIZE = 64
TILT = np.deg2rad(7.0)


@pytest.fixture
def module() -> Iterator[ModuleType]:
    with installed(ROOT / "apps" / "slicer") as loaded:
        yield loaded


def write_series(folder: Path, *, oblique: bool = False, flipped: bool = False) -> list[Path]:
    """Five slices whose rows and columns run as asked, in an order that is not that of place."""
    row = np.array([np.cos(TILT), 0.0, np.sin(TILT)]) if oblique else np.array([1.0, 0.0, 0.0])
    column = np.array([0.0, -1.0 if flipped else 1.0, 0.0])
    normal = np.cross(row, column)
    files = write_ct_series(folder, seed=3, slices=5, size=SIZE)
    for number, file in enumerate(files):
        header = pydicom.dcmread(file)
        header.ImageOrientationPatient = [float(value) for value in (*row, *column)]
        corner = np.array([-40.0, 30.0, 100.0]) + 2.5 * number * normal
        header.ImagePositionPatient = [float(value) for value in corner]
        header.PixelSpacing = [0.8, 0.7]
        header.save_as(file)
    return [files[number] for number in (3, 0, 4, 1, 2)]


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("flipped", [False, True])
def test_a_point_is_asked_about_in_its_slice_at_its_pixel(
    module: ModuleType, tmp_path: Path, oblique: bool, flipped: bool
) -> None:
    files = write_series(tmp_path / "scans", oblique=oblique, flipped=flipped)
    volume = Volume(dicom=files)
    for number, (x, y) in enumerate([(12, 50), (50, 12), (0, 0), (SIZE - 1, SIZE - 1), (5, 40)]):
        ras = place_of(files[number], x, y)
        question = module.DeepfakesDetectorLogic().question(volume, ras, tmp_path)
        assert question.file == files[number]
        np.testing.assert_allclose(question.place, (x, y), atol=1e-3)


@pytest.mark.parametrize("off", [(-200.0, 0.0, 0.0), (0.0, 0.0, 40.0)])
def test_a_point_outside_is_refused(
    module: ModuleType, tmp_path: Path, off: tuple[float, float, float]
) -> None:
    files = write_series(tmp_path / "scans")
    ras = np.add(place_of(files[0], 20, 20), off).tolist()
    with pytest.raises(module.QuestionError, match="outside the volume"):
        module.DeepfakesDetectorLogic().question(Volume(dicom=files), ras, tmp_path)


def test_another_volume_is_sent_as_nifti_with_the_index_of_its_slice(
    module: ModuleType, tmp_path: Path
) -> None:
    volume = Volume(matrix=Matrix([[-2, 0, 0, 10], [0, -1, 0, 20], [0, 0, 0.5, 1], [0, 0, 0, 1]]))
    question = module.DeepfakesDetectorLogic().question(volume, [1.0, 2.0, 3.0], tmp_path)
    assert question.place == (8.0, 18.0, 2.0)
    assert question.file == tmp_path / "volume.nii.gz"
    assert question.file.is_file()
    with pytest.raises(module.QuestionError, match="outside the volume"):
        module.DeepfakesDetectorLogic().question(volume, [100.0, 2.0, 3.0], tmp_path)


class Response:
    def __init__(self, status: int, content: bytes) -> None:
        self.status_code, self.content = status, content

    def json(self) -> Any:
        return json.loads(self.content)


def answering(monkeypatch: pytest.MonkeyPatch, *responses: Response) -> list[dict[str, Any]]:
    """Requests that were sent, each answered by the next response."""
    sent: list[dict[str, Any]] = []
    left = list(responses)

    def post(url: str, **given: Any) -> Response:
        given["files"] = {
            key: (name, bool(stream.read())) for key, (name, stream) in given["files"].items()
        }
        sent.append({"url": url, **given})
        return left.pop(0)

    monkeypatch.setattr(requests, "post", post)
    return sent


def test_the_panel_shows_the_answer_and_the_map(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_series(tmp_path / "scans", flipped=True)
    found = {"verdict": "strongly unusual", "form": "AI edit", "p_value": 2e-8, "reason": "it is."}
    sent = answering(
        monkeypatch, Response(200, json.dumps(found).encode()), Response(200, b"a map")
    )
    widget = module.DeepfakesDetectorWidget()
    widget.setup()
    widget.volume.node = Volume(dicom=files)
    widget.points.node = Points([place_of(files[0], 1, 1), place_of(files[2], 40, 9)])
    widget.button.press()
    assert widget.answer.text.startswith("strongly unusual (AI edit). p < 0.000001. it is.")
    assert "not for diagnosis" in widget.answer.text
    assert [each["params"]["output"] for each in sent] == ["json", "image"]
    assert {each["url"] for each in sent} == {"http://127.0.0.1:8000/infer/ct_lung_inpainting"}
    (x, y) = json.loads(sent[0]["data"]["params"])["foreground"][0]
    assert (round(x), round(y)) == (40, 9)
    assert sent[0]["files"]["file"] == (files[2].name, True)
    assert Shown.foreground == b"a map"
    assert Shown.background is widget.volume.node


def test_what_is_wrong_is_one_sentence_in_the_panel(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widget = module.DeepfakesDetectorWidget()
    widget.setup()
    widget.button.press()
    assert widget.answer.text == "Choose a volume and place a point in it."
    files = write_series(tmp_path / "scans")
    widget.volume.node, widget.points.node = Volume(dicom=files), Points([place_of(files[0], 9, 9)])
    answering(monkeypatch, Response(400, b'{"detail": "slice 9 is not in the image"}'))
    widget.button.press()
    assert widget.answer.text == "slice 9 is not in the image"
    answering(monkeypatch, Response(500, b"<html>"))
    widget.button.press()
    assert widget.answer.text == "The server answered with status 500 and no reason."
    monkeypatch.undo()
    widget.server.text = "http://127.0.0.1:9"
    widget.button.press()
    assert widget.answer.text.startswith("No MONAI Label server answers at http://127.0.0.1:9;")
