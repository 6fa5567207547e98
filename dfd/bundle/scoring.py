"""Prediction -> findings or map: the postprocessing of both bundles."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform

from dfd import calibration
from dfd.bundle import screening
from dfd.bundle.context import SeriesSlices, setting_of
from dfd.bundle.inferer import as_prediction
from dfd.bundle.twins import TwinNotes
from dfd.calibration import Calibration, Circumstances
from dfd.errors import PointsError, SeriesError
from dfd.evidence import SliceEvidence, series_copy
from dfd.modalities import MODALITIES
from dfd.population import covariates_of
from dfd.records import Context, Finding, FloatImage, Point, Prediction, Region, Slice, Twin
from dfd.regions import region_of, shape_note
from dfd.sentences import quoted
from dfd.suitability import objections


def first_of_batch(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Collates a batch of one slice.

    ``image`` ``[1, 1, H, W]``, everything else as it is (records are no tensors).

    An array and not a tensor, for the reason given at :func:`dfd.bundle.steps.stacked`.
    """
    (item,) = items
    return {**item, "image": np.asarray(item["image"])[None]}


def prepare_slice(
    batch: Mapping[str, Any],
    device: torch.device | None = None,
    non_blocking: bool = False,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Batch of one slice -> input of the inferer; there is no label."""
    return torch.as_tensor(batch["image"]).to(device, non_blocking=non_blocking), None


@dataclass(frozen=True)
class Beside:
    """What is known of a slice from others."""

    context: Context | None = None
    notes: tuple[str, ...] = ()
    """What is to be said of its neighbours."""
    twins: tuple[Twin, ...] = ()


ALONE = Beside()


class ScoreRegionsd(MapTransform):
    """``pred`` of ``LatticeInferer`` -> what is said of it.

    With the key ``points`` (a list of ``Point``): adds ``findings`` (one per point, in order),
    ``regions`` (``Region`` or None), ``prediction`` and ``screenings`` (row -> ``Screening``, of
    the points that ask about the slice as a whole), and ``sources`` (name -> pixels of slices that
    were copied from). Where ``context`` is there too, the slices beside count, and what they say is
    calibrated for itself; ``context_note`` is told with each finding. So is what ``twins`` show in
    its region, other reconstructions of the slice; score and verdict stay as they are. Without:
    replaces ``pred`` by the map of -log10 p, ``[1, H, W]`` (``[B, 1, H, W]`` for a batch), 0 where
    nothing can be said; a file that could not be read raises ``SeriesError``.
    """

    def __init__(
        self, keys: str = "pred", modality: str = "ct_lung", calibration: Calibration | None = None
    ) -> None:
        super().__init__(keys)
        self.modality, self.calibration = MODALITIES[modality], calibration
        self._slices = SeriesSlices()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        answered = dict(data)
        planes = torch.as_tensor(data[self.keys[0]])
        if "points" not in data:
            if data.get("error"):  # a map of zeros would say that nothing stands out
                raise SeriesError(data["error"])
            batch = planes if planes.ndim == 4 else planes[None]
            maps = torch.stack(
                [torch.from_numpy(self.map_of(as_prediction(one)))[None] for one in batch]
            )
            answered[self.keys[0]] = maps if planes.ndim == 4 else maps[0]
            return answered
        if data.get("error"):
            unreadable = [
                Finding(point, "unreadable", error=data["error"]) for point in data["points"]
            ]
            answered.update(findings=unreadable, regions=[None] * len(unreadable))
            return answered
        prediction = as_prediction(planes[0])
        note = data.get("context_note", "")
        beside = Beside(data.get("context"), (note,) if note else (), data.get("twins", ()))
        whole = [point for point in data["points"] if point.is_screening]
        screened = (
            screening.screen(data["scan"], whole, prediction, self.modality, self.calibration)
            if whole
            else {}
        )
        findings, regions = self.findings(
            data["scan"],
            [point for point in data["points"] if not point.is_screening],
            prediction,
            beside,
        )
        pairs = {
            finding.point.row: (finding, region)
            for finding, region in zip(findings, regions, strict=True)
        }
        pairs |= {row: (answer.finding, None) for row, answer in screened.items()}
        ordered = [pairs[point.row] for point in data["points"]]
        answered.update(
            findings=[finding for finding, _ in ordered], regions=[region for _, region in ordered]
        )
        answered.update(
            prediction=prediction,
            screenings=screened,
            sources=self._sources(findings, beside.context, data["scan"]),
        )
        return answered

    def findings(
        self, scan: Slice, points: Sequence[Point], prediction: Prediction, beside: Beside = ALONE
    ) -> tuple[list[Finding], list[Region | None]]:
        """One finding and one region (None where the point has none) per point."""
        against = objections(scan, self.modality)
        if against.refusal:
            return [
                Finding(point, "unreadable", error=f"{quoted(point.filename)}: {against.refusal}")
                for point in points
            ], [None] * len(points)
        if against.not_assessable:
            return [
                Finding(point, "not assessable", reason=against.not_assessable) for point in points
            ], [None] * len(points)
        covariates = covariates_of(prediction, scan.facts, self.modality)
        placed: list[Region | PointsError] = [self._placed(point, scan) for point in points]
        regions = [region if isinstance(region, Region) else None for region in placed]
        context = beside.context
        if context is not None and series_copy.FAMILY in self._series_tables():
            context = self._slices.into(context, scan)
        examined = SliceEvidence(prediction, self.modality, context)
        measured = iter(examined.measure_all([region for region in regions if region is not None]))
        around = Circumstances(None, covariates, against.remarks)
        told = TwinNotes(scan, beside.twins, self.modality)
        notes = (*beside.notes, *shape_note(scan.facts.spacing_mm))

        def judged(point: Point, region: Region) -> Finding:
            found = next(measured)
            here = replace(
                around,
                radius_mm=region.radius_mm,
                setting=setting_of(found),
                notes=(*notes, *told.of(region)),
            )
            return calibration.judge(point, found, self.calibration, here)

        findings = [
            Finding(point, "unreadable", error=region.sentence)
            if isinstance(region, PointsError)
            else judged(point, region)
            for point, region in zip(points, placed, strict=True)
        ]
        return findings, regions

    def _sources(
        self, findings: Sequence[Finding], context: Context | None, scan: Slice
    ) -> dict[str, FloatImage]:
        """The other slices that something was copied from, by name."""
        names = {finding.source_file for finding in findings if finding.source_file}
        return (
            {
                one.name: one.pixels
                for one in self._slices.into(context, scan).others
                if one.name in names
            }
            if names and context
            else {}
        )

    def _series_tables(self) -> Mapping[str, Any]:
        """Of slices with neighbours: what has no table is not worth its time."""
        setting = self.calibration.settings.get(calibration.SERIES) if self.calibration else None
        return {} if setting is None else setting.tables

    def _placed(self, point: Point, scan: Slice) -> Region | PointsError:
        try:
            return region_of(point, scan, self.modality)
        except PointsError as error:
            return error

    def map_of(self, prediction: Prediction) -> np.ndarray:
        """``[H, W]`` float32 map of -log10 p for regions of the modality's own radius in pixels.

        As of a slice that is screened.
        """
        if self.calibration is None:
            return np.zeros(prediction.z.shape, dtype=np.float32)
        places = screening.places_of(
            prediction, self.modality, Region(0.0, 0.0, self.modality.radius_px)
        )
        return np.nan_to_num(screening.map_of(places, prediction, self.calibration), nan=0.0)
