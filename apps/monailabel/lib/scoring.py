"""Every image of the datastore -> its tamper score, kept with the image.

The strategy serves images by this score.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy

from dfd.errors import DfdError
from dfd.modalities import MODALITIES
from dfd.reading import read_facts
from lib.asking import ask
from lib.images import Image, image_at
from lib.infer import TamperTask
from lib.questions import Place

logger = logging.getLogger(__name__)

KEY = "tampering"
"""Under which an image's information holds its score."""


class TamperScoring(ScoringMethod):
    """Screens every slice of every image that has no score yet, with the model of its modality."""

    def __init__(self, tasks: Mapping[str, TamperTask]) -> None:
        super().__init__(
            "Tamper score of every image: that of its strangest slice (-log10 p, higher = "
            "less like genuine scans)"
        )
        self.tasks = tasks

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Scores what is new, or everything with ``"again": true``.

        Gives how many images were scored, kept and left out.
        """
        counts = {"scored": 0, "kept": 0, "left out": 0}
        groups: dict[tuple[str, Path], list[tuple[str, Image]]] = defaultdict(list)
        for name in datastore.list_images():
            if not request.get("again") and datastore.get_image_info(name).get(KEY):
                counts["kept"] += 1
                continue
            try:
                image = image_at(Path(datastore.get_image_uri(name)))
                groups[self.model_for(image), image.path.parent].append((name, image))
            except (DfdError, HTTPException) as error:
                self._save(datastore, name, {"error": str(getattr(error, "detail", error))}, counts)
        for (model, _), images in groups.items():
            self._score(model, images, datastore, counts)
        return counts

    def model_for(self, image: Image) -> str:
        """The model made for the modality of ``image``.

        Or for its unit where the file names no modality.
        """
        facts = read_facts(image.slice_at(0)[0])
        fits = [
            each
            for each in MODALITIES.values()
            if facts.modality == each.dicom_modality
            or (not facts.modality and facts.unit == each.unit)
        ]
        if not fits:
            raise DfdError(
                f"no model is made for {facts.modality or facts.unit} images; leave them out."
            )
        return fits[0].bundle

    def _score(
        self,
        model: str,
        images: list[tuple[str, Image]],
        datastore: Datastore,
        counts: dict[str, int],
    ) -> None:
        """One call for the images of a folder.

        Their headers are read once, and a stopped run keeps the folders before.
        """
        rows: list[dict[str, object]] = []
        owners: list[tuple[str, int]] = []
        for name, image in images:
            data, more = self.tasks[model].rows(
                image, [Place(math.nan, math.nan, z) for z in range(image.shape[2])]
            )
            rows += more
            owners += [(name, z) for z in range(image.shape[2])]
        answer = ask(data, rows, model)
        by_image: dict[str, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
        for (name, z), row in zip(owners, answer.rows, strict=True):
            by_image[name].append((z, row))
        for name, slice_rows in by_image.items():
            self._save(datastore, name, result_of_image(slice_rows, answer.record), counts)

    def _save(
        self, datastore: Datastore, name: str, result: dict[str, Any], counts: dict[str, int]
    ) -> None:
        datastore.update_image_info(name, {KEY: result})
        counts["scored" if result.get("score") is not None else "left out"] += 1
        logger.info("tamper score of %s: %s", name, result.get("score"))


def result_of_image(
    slice_rows: list[tuple[int, Mapping[str, Any]]], record: Mapping[str, Any]
) -> dict[str, Any]:
    """What is kept with an image, from the rows of its slices: that of the strangest one."""
    scored = [(z, row) for z, row in slice_rows if not math.isnan(row["score"])]
    if not scored:
        row = slice_rows[0][1]
        return {"error": row["error"] or row["reason"], "slices": len(slice_rows)}
    z, row = max(scored, key=lambda each: each[1]["score"])
    result = {name: row[name] for name in ("score", "p_value", "verdict", "form", "reason")}
    return {
        **result,
        "slice": z,
        "slices": len(slice_rows),
        "slices_scored": len(scored),
        "model": record["bundle"],
        "weights_sha256": record["weights_sha256"],
    }


class MostSuspicious(Strategy):
    """Serves the unlabelled image with the highest tamper score.

    What was served comes again when everything was.
    """

    def __init__(self, name: str) -> None:
        """``name``: under which MONAI Label keeps when an image was served."""
        super().__init__("Images with the highest tamper score first; those without a score last")
        self.name = name

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """``id`` of an image; None where all are labelled."""
        waiting = datastore.get_unlabeled_images(request.get("label_tag"), request.get("labels"))
        name = min(
            waiting,
            key=lambda each: self._order(each, datastore.get_image_info(each)),
            default=None,
        )
        return None if name is None else {"id": name}

    def _order(self, name: str, info: Mapping[str, Any]) -> tuple[float, float, str]:
        served = info.get("strategy", {}).get(self.name, {}).get("ts", 0)
        score = info.get(KEY, {}).get("score")
        return served, math.inf if score is None else -score, name
