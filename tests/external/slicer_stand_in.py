"""A stand-in for the part of 3D Slicer's API that ``apps/slicer`` uses."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pydicom

FILES: dict[str, str] = {}
"""SOPInstanceUID -> file: the DICOM database of Slicer."""


class Matrix:
    """``vtkMatrix4x4``."""

    def __init__(self, rows: Sequence[Sequence[float]] | None = None) -> None:
        self.rows = np.eye(4) if rows is None else np.array(rows, dtype=float)

    def MultiplyPoint(self, point: Sequence[float]) -> tuple[float, ...]:  # noqa: N802
        return tuple(self.rows @ np.array(point, dtype=float))


class Volume:
    """``vtkMRMLScalarVolumeNode``."""

    def __init__(self, dicom: Sequence[Path] = (), matrix: Matrix | None = None) -> None:
        uids = [str(pydicom.dcmread(file).SOPInstanceUID) for file in dicom]
        FILES.update(zip(uids, map(str, dicom), strict=True))
        self.uids, self.matrix = " ".join(uids), matrix or Matrix()

    def GetAttribute(self, name: str) -> str | None:  # noqa: N802
        return self.uids if name == "DICOM.instanceUIDs" and self.uids else None

    def GetRASToIJKMatrix(self, matrix: Matrix) -> None:  # noqa: N802
        matrix.rows = self.matrix.rows

    def GetImageData(self) -> Any:  # noqa: N802
        return SimpleNamespace(GetDimensions=lambda: (64, 64, 5))


class Points:
    """``vtkMRMLMarkupsFiducialNode``."""

    def __init__(self, places: Sequence[Sequence[float]]) -> None:
        self.places = places

    def GetNumberOfControlPoints(self) -> int:  # noqa: N802
        return len(self.places)

    def GetNthControlPointPositionWorld(self, number: int, ras: list[float]) -> None:  # noqa: N802
        ras[:] = list(self.places[number])


class Shown:
    """What the slice views show."""

    background: ClassVar[Any] = None
    foreground: ClassVar[bytes] = b""


class Widget:
    """Any widget of Qt or Slicer: keeps what it is given."""

    def __init__(self, text: Any = "") -> None:
        self.text, self.node, self.items, self._pressed = text, None, [], None

    def __getattr__(self, name: str) -> Any:
        return lambda *given: None

    def addItems(self, items: list[str]) -> None:  # noqa: N802
        self.items = items

    @property
    def currentText(self) -> str:  # noqa: N802
        return str(self.items[0])

    def currentNode(self) -> Any:  # noqa: N802
        return self.node

    def connect(self, signal: str, slot: Any) -> None:
        assert signal == "clicked(bool)"
        self._pressed = slot

    def press(self) -> None:
        assert self._pressed is not None
        self._pressed(False)


class Base:
    """Base classes of scripted modules."""

    def __init__(self, parent: Any = None) -> None:
        self.layout = Widget()

    def setup(self) -> None:
        """Nothing."""


def _loaded(path: str, properties: dict[str, Any]) -> Any:
    assert properties == {"name": "-log10 p", "show": False}
    return SimpleNamespace(content=Path(path).read_bytes(), GetDisplayNode=Widget)


def _layers(background: Any, foreground: Any, foregroundOpacity: float) -> None:  # noqa: N803
    assert 0.0 < foregroundOpacity < 1.0
    Shown.background, Shown.foreground = background, foreground.content


def _modules() -> dict[str, ModuleType]:
    modules = {
        name: ModuleType(name)
        for name in ("ctk", "qt", "vtk", "slicer", "slicer.ScriptedLoadableModule")
    }
    given: dict[str, dict[str, Any]] = {
        "ctk": {"ctkCollapsibleButton": Widget},
        "qt": dict.fromkeys(
            ("QFormLayout", "QLineEdit", "QComboBox", "QPushButton", "QLabel"), Widget
        ),
        "vtk": {"vtkMatrix4x4": Matrix},
        "slicer": {
            "qMRMLNodeComboBox": Widget,
            "mrmlScene": object(),
            "dicomDatabase": SimpleNamespace(fileForInstance=lambda uid: FILES.get(uid, "")),
            "util": SimpleNamespace(
                exportNode=lambda node, path: Path(path).write_bytes(b"nifti"),
                loadVolume=_loaded,
                setSliceViewerLayers=_layers,
            ),
        },
        "slicer.ScriptedLoadableModule": dict.fromkeys(
            (
                "ScriptedLoadableModule",
                "ScriptedLoadableModuleLogic",
                "ScriptedLoadableModuleWidget",
            ),
            Base,
        ),
    }
    for name, content in given.items():
        vars(modules[name]).update(content)
    return modules


def place_of(file: Path, x: float, y: float) -> list[float]:
    """RAS of a pixel (DICOM PS3.3, equation C.7.6.2.1-1)."""
    header = pydicom.dcmread(file)
    row, column = np.array(header.ImageOrientationPatient, dtype=float).reshape(2, 3)
    down, right = map(float, header.PixelSpacing)
    corner = np.array(header.ImagePositionPatient, dtype=float)
    lps = corner + x * right * row + y * down * column
    return [-float(lps[0]), -float(lps[1]), float(lps[2])]


@contextmanager
def installed(folder: Path) -> Iterator[ModuleType]:
    """The module in ``folder``, loaded as Slicer loads it; the stand-in goes afterwards."""
    modules = _modules()
    sys.modules.update(modules)
    try:
        (file,) = folder.glob("*.py")
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        for name in modules:
            del sys.modules[name]
        FILES.clear()
