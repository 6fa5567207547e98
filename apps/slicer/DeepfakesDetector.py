"""Module of 3D Slicer: asks the MONAI Label app about a point, and shows score and map.

One file, for Slicer's own Python; add its folder under Application Settings, Modules.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import ctk
import numpy as np
import pydicom
import qt
import requests
import slicer
import vtk
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)

MODELS = ("ct_lung_inpainting", "mri_chest_inpainting")
SERVER = "http://127.0.0.1:8000"
NOTICE = "Research, not for diagnosis. A high p-value does not show that a scan is genuine."
CONNECT_S, ANSWER_S = 10.0, 600.0
OPACITY = 0.5
SUSPICIOUS_FROM = 1.3
"""-log10 p from which on the map is shown: p = 0.05."""
LPS = np.array([-1.0, -1.0, 1.0])
"""Signs between Slicer's RAS and the patient coordinates of DICOM."""


Node: TypeAlias = Any
"""A node of the scene or a widget; Slicer's have no types."""


class Question(NamedTuple):
    """A place in a file: what the app is sent."""

    file: Path
    place: tuple[float, ...]
    """Column, row and, of a volume, slice, from 0."""


class QuestionError(Exception):
    """One sentence for the user."""


class DeepfakesDetector(ScriptedLoadableModule):
    """What Slicer lists."""

    def __init__(self, parent: Node) -> None:
        super().__init__(parent)
        parent.title = "Deepfakes Detector"
        parent.categories = ["Quantification"]
        parent.helpText = "Was a region of a lung CT or a chest MRI tampered with? " + NOTICE


class DeepfakesDetectorWidget(ScriptedLoadableModuleWidget):
    """Server, model, volume, point, a button, and the answer."""

    def setup(self) -> None:
        """Builds the panel."""
        super().setup()
        self.logic = DeepfakesDetectorLogic()
        panel = ctk.ctkCollapsibleButton()
        panel.text = "Ask about a point"
        self.layout.addWidget(panel)
        form = qt.QFormLayout(panel)
        self.server = qt.QLineEdit(SERVER)
        self.model = qt.QComboBox()
        self.model.addItems(list(MODELS))
        self.volume = self._selector("vtkMRMLScalarVolumeNode")
        self.points = self._selector("vtkMRMLMarkupsFiducialNode")
        self.button = qt.QPushButton("Score the last point")
        self.answer = qt.QLabel(NOTICE)
        self.answer.wordWrap = True
        for label, widget in (
            ("MONAI Label server", self.server),
            ("Model", self.model),
            ("Volume", self.volume),
            ("Points", self.points),
        ):
            form.addRow(label, widget)
        form.addRow(self.button)
        form.addRow(self.answer)
        self.button.connect("clicked(bool)", self.score)
        self.layout.addStretch(1)

    def _selector(self, kind: str) -> Node:
        selector = slicer.qMRMLNodeComboBox()
        selector.nodeTypes = [kind]
        selector.addEnabled = kind.endswith("FiducialNode")
        selector.setMRMLScene(slicer.mrmlScene)
        return selector

    def score(self, _: bool = False) -> None:
        """Asks, and shows what was answered or one sentence of what is wrong."""
        try:
            answer = self.logic.score(
                self.server.text,
                self.model.currentText,
                self.volume.currentNode(),
                self.points.currentNode(),
            )
        except QuestionError as error:
            self.answer.text = str(error)
            return
        self.answer.text = words_of(answer)


class DeepfakesDetectorLogic(ScriptedLoadableModuleLogic):
    """The question, the request, and the map."""

    def score(self, server: str, model: str, volume: Node, points: Node) -> dict[str, Any]:
        """The answer about the last point of ``points``; its map becomes the foreground.

        Raises:
            QuestionError: nothing was chosen, the point lies outside, or the server refuses.
        """
        if volume is None or points is None or points.GetNumberOfControlPoints() == 0:
            raise QuestionError("Choose a volume and place a point in it.")
        ras = [0.0, 0.0, 0.0]
        points.GetNthControlPointPositionWorld(points.GetNumberOfControlPoints() - 1, ras)
        with tempfile.TemporaryDirectory() as folder:
            question = self.question(volume, ras, Path(folder))
            answer = json.loads(asked(server, model, question, "json").content)
            self.show(asked(server, model, question, "image").content, volume, Path(folder))
        return dict(answer.get("params", answer))

    def question(self, volume: Node, ras: Sequence[float], folder: Path) -> Question:
        """The slice of the DICOM series that the point lies in; of other volumes a NIfTI copy.

        The files of a series hold what its header says, and the scores are those of the files.

        Raises:
            QuestionError: the point lies outside.
        """
        files = [
            slicer.dicomDatabase.fileForInstance(uid)
            for uid in (volume.GetAttribute("DICOM.instanceUIDs") or "").split()
        ]
        known = [Path(file) for file in files if file and Path(file).is_file()]
        if known:
            return in_series(known, np.asarray(ras, dtype=np.float64) * LPS)
        matrix = vtk.vtkMatrix4x4()
        volume.GetRASToIJKMatrix(matrix)
        index = [float(value) for value in matrix.MultiplyPoint([*ras, 1.0])[:3]]
        sides = volume.GetImageData().GetDimensions()
        if not all(-0.5 <= value < side - 0.5 for value, side in zip(index, sides, strict=True)):
            raise QuestionError("The point lies outside the volume.")
        file = folder / "volume.nii.gz"
        slicer.util.exportNode(volume, str(file))
        return Question(file, (index[0], index[1], float(round(index[2]))))

    def show(self, content: bytes, volume: Node, folder: Path) -> None:
        """Loads a map of -log10 p, and lays it over the volume from p = 0.05 on."""
        file = folder / "unusual.nii.gz"
        file.write_bytes(content)
        node = slicer.util.loadVolume(str(file), properties={"name": "-log10 p", "show": False})
        display = node.GetDisplayNode()
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeFileHotToColdRainbow.txt")
        display.SetThreshold(SUSPICIOUS_FROM, 100.0)
        display.ApplyThresholdOn()
        slicer.util.setSliceViewerLayers(
            background=volume, foreground=node, foregroundOpacity=OPACITY
        )


def in_series(files: Sequence[Path], lps: np.ndarray) -> Question:
    """The slice of a DICOM series nearest to a place, and where in it the place lies.

    By position and orientation of the header (DICOM PS3.3, equation C.7.6.2.1-1), so the order in
    which Slicer stacks slices, and flipped axes, play no part.

    Args:
        files: one slice each.
        lps: place in patient coordinates, mm.

    Raises:
        QuestionError: the place lies beyond the slices, or beside them.
    """
    named = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")
    headers = [
        pydicom.dcmread(file, specific_tags=list(named), stop_before_pixels=True) for file in files
    ]
    if not all(header.get(name) for header in headers for name in named):
        raise QuestionError("A slice of this volume does not say where it lies.")
    axes = np.array(headers[0].ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    normal = np.cross(*axes)
    away = [
        abs(float(normal @ (lps - np.array(header.ImagePositionPatient, dtype=np.float64))))
        for header in headers
    ]
    nearest = int(np.argmin(away))
    header = headers[nearest]
    offset = lps - np.array(header.ImagePositionPatient, dtype=np.float64)
    down, right = (float(value) for value in header.PixelSpacing)
    x, y = float(axes[0] @ offset) / right, float(axes[1] @ offset) / down
    thickest = max(_steps(headers, normal), default=max(down, right))
    beside = not (-0.5 <= x < header.Columns - 0.5 and -0.5 <= y < header.Rows - 0.5)
    if beside or away[nearest] > thickest:
        raise QuestionError("The point lies outside the volume.")
    return Question(files[nearest], (x, y))


def _steps(headers: Sequence[Any], normal: np.ndarray) -> list[float]:
    """Distances between slices that follow each other, mm."""
    places = sorted(
        float(normal @ np.array(header.ImagePositionPatient, dtype=np.float64))
        for header in headers
    )
    return [float(step) for step in np.diff(places)]


def asked(server: str, model: str, question: Question, output: str) -> requests.Response:
    """What the app answers: ``json`` with the score, or ``image`` with the map.

    Raises:
        QuestionError: no server is there, or it refuses; in its own words.
    """
    params = {"foreground": [list(question.place)], "result_extension": ".nii.gz"}
    try:
        with question.file.open("rb") as stream:
            response = requests.post(
                f"{server.rstrip('/')}/infer/{model}",
                params={"output": output},
                data={"params": json.dumps(params | {"map": output == "image"})},
                files={"file": (question.file.name, stream)},
                timeout=(CONNECT_S, ANSWER_S),
            )
    except requests.RequestException:
        sentence = f"No MONAI Label server answers at {server}; start the app, or name another."
        raise QuestionError(sentence) from None
    if response.status_code != requests.codes.ok:
        raise QuestionError(_refusal(response))
    return response


def _refusal(response: requests.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered with status {response.status_code} and no reason."


def words_of(answer: dict[str, Any]) -> str:
    """The answer for people."""
    verdict, reason = answer.get("verdict", ""), answer.get("reason", "")
    form = f" ({answer['form']})" if answer.get("form") else ""
    p = answer.get("p_value")
    number = "" if p is None else f"p {'< 0.000001' if p < 1e-6 else f'= {p:.2g}'}. "
    return f"{verdict}{form}. {number}{reason}\n\n{NOTICE}"
