"""A click -> how unusual the region is, and where in the slice unusual regions lie."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.transform.writer import Writer

from dfd.modalities import Modality
from dfd.model_paths import bundle_dir
from dfd.outputs.p_value_text import p_equation
from lib.asking import Answer, ask
from lib.images import Image, image_at
from lib.questions import Place, places_of, slice_of
from lib.refusals import refusal, without_row

logger = logging.getLogger(__name__)

LABEL = "unusual"
"""The one label, 1 where p <= 0.05, of maps that a client asks for in whole numbers."""
UNUSUAL = -math.log10(0.05)
NOTICE = (
    "For research on image collections; not a medical device. A low score does not show that the "
    "image is genuine."
)
EXTENSIONS = (".nii.gz", ".nii", ".nrrd")
RESULT_FIELDS = (
    "score",
    "p_value",
    "verdict",
    "form",
    "reason",
    "radius_mm",
    "tissue",
    "extrapolated",
    "source_x",
    "source_y",
    "source_file",
)


class TamperTask(InferTask):
    """One model: a request asks about points (``foreground``), a box (``roi``), or a whole slice.

    The JSON holds the answer for the last point on top and all of them under ``findings``. The
    image is the map of -log10 p of the slice, in a volume of zeros as large as the image; clients
    that ask for whole numbers (``result_dtype``) get 1 where p <= 0.05.
    """

    def __init__(self, modality: Modality, studies: str, bundles: str | None = None) -> None:
        """Offers the bundle of ``modality``.

        Args:
            modality: What its model was made for.
            studies: The folder of the datastore, whose scans may be compared with each other; an
                address where it is a server.
            bundles: Folder with a bundle of that name; None: the shipped one.
        """
        folder = (
            bundle_dir(modality.bundle)
            if bundles is None
            else Path(bundles).expanduser().resolve() / modality.bundle
        )
        metadata = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
        which = (
            f"bundle {metadata['version']}"
            if bundles is None
            else f"bundle {metadata['version']} of {folder}"
        )
        # Viewers offer points and boxes for this type, and send those of one slice where the
        # dimension is 2.
        super().__init__(
            InferType.DEEPGROW,
            {LABEL: 1},
            2,
            f"{metadata['task']} ({which}). {NOTICE}",
            {"map": True},
        )
        self.model = modality.bundle if bundles is None else str(folder)
        self.studies = Path(studies).resolve() if Path(studies).is_dir() else None

    def is_valid(self) -> bool:
        """Whether the model is offered."""
        return True

    def __call__(self, request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """The file of the map (None where the key ``map`` is false) and the JSON.

        Raises:
            HTTPException: the request, or what it asks about, cannot be used.
        """
        image = image_at(Path(request["image"]))
        places = places_of(request) or [Place(math.nan, math.nan, slice_of(request))]
        extension = _extension(request)
        data, rows = self.rows(image, places)
        wants_map = extension is not None and (request.get("map", True) is not False)
        if wants_map and not math.isnan(places[-1].x):
            data, (slice_row,) = self.rows(image, [Place(math.nan, math.nan, places[-1].z)])
            rows = [*rows, slice_row]
        answer = ask(data, rows, self.model, images=wants_map)
        result = result_of(answer, places)
        for finding in result["findings"]:
            logger.info("%s", line_of(finding))
        if extension is None or not wants_map:
            return None, result
        return self._write_map(
            request, image, answer.maps.get(len(rows) - 1), places[-1].z or 0
        ), result

    def rows(self, image: Image, places: Sequence[Place]) -> tuple[Path, list[dict[str, object]]]:
        """The data folder, and rows of a points file."""
        rows: list[dict[str, object]] = []
        data = image.path if image.files else image.path.parent
        if self.studies is not None and image.path.is_relative_to(self.studies):
            data = self.studies
        for place in places:
            path, frame = image.slice_at(place.z)
            whole_slice = math.isnan(place.x)
            radius = "" if place.radius_px is None else repr(image.millimetres(place.radius_px))
            name = path.relative_to(data).as_posix()
            # With a slash a name is a path, and not looked up in other folders.
            name = name if "/" in name else f"./{name}"
            x, y = ("", "") if whole_slice else (repr(place.x), repr(place.y))
            rows.append(
                {
                    "filename": name,
                    "X": x,
                    "Y": y,
                    "frame": "" if frame is None else frame,
                    "radius": radius,
                }
            )
        return data, rows

    def _write_map(
        self, request: Mapping[str, Any], image: Image, values: np.ndarray | None, z: int
    ) -> str:
        """The file that holds the map as a volume of the size of ``image``."""
        dtype = np.dtype(request.get("result_dtype") or "float32")
        volume = np.zeros(image.shape, dtype=np.float32)
        if values is not None:
            volume[:, :, z] = (values >= UNUSUAL).T if dtype.kind in "iu" else values.T
        data = {
            "pred": volume,
            "pred_meta_dict": {"affine": image.affine},
            "image_path": "map.nii.gz",
            "result_dtype": dtype.name,
        }
        options = {
            key: request[key] for key in ("result_extension", "result_compress") if request.get(key)
        }
        file, _ = Writer(label="pred")({**data, **options})
        return str(file)


def result_of(answer: Answer, places: Sequence[Place]) -> dict[str, Any]:
    """The JSON.

    Raises:
        HTTPException: a point could not be scored; the message says why.
    """
    findings = []
    for row, place in zip(answer.rows, places, strict=False):
        if row["error"]:
            raise refusal(without_row(str(row["error"])))
        whole_slice = math.isnan(place.x)
        where = {
            "x": None if whole_slice else place.x,
            "y": None if whole_slice else place.y,
            "z": place.z or 0,
        }
        evidence = {
            name.removeprefix("p_"): _plain(value)
            for name, value in row.items()
            if name.startswith("p_") and name != "p_value"
        }
        findings.append(
            {**where, **{name: _plain(row[name]) for name in RESULT_FIELDS}, "evidence": evidence}
        )
    model = {
        name: answer.record[name]
        for name in (
            "bundle",
            "weights_sha256",
            "calibration_patients",
            "smallest_p_value_supported",
        )
    }
    return {**findings[-1], "findings": findings, "model": model, "notice": NOTICE}


def line_of(finding: Mapping[str, Any]) -> str:
    """A finding for the log, which OHIF shows behind *Logs*: its panel shows no numbers."""
    where = f"slice {finding['z']}"
    if finding["x"] is not None:
        where = f"x {finding['x']:g}, y {finding['y']:g}, {where}"
    if finding["score"] is None:
        return f"{where}: {finding['verdict']} ({finding['reason']})"
    numbers = f"score {finding['score']:.2f}, {p_equation(finding['p_value'])}"
    return f"{where}: {numbers}, {finding['verdict']} ({finding['form'] or 'no form'})"


def _plain(value: object) -> object:
    """As JSON has it: NaN and None are null."""
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _extension(request: Mapping[str, Any]) -> str | None:
    """How the file of the map is to end; None where the client wants none."""
    extension = request.get("result_extension") or EXTENSIONS[0]
    if extension not in EXTENSIONS:
        raise refusal(f"there is no map as {extension!r}; ask for one of {', '.join(EXTENSIONS)}")
    try:
        np.dtype(request.get("result_dtype") or "float32")
    except TypeError:
        raise refusal(
            f"there is no `result_dtype` {request['result_dtype']!r}; ask for float32 or uint8"
        ) from None
    return extension
