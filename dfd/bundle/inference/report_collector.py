"""Collects for the report while slices pass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dfd.assessment import screening
from dfd.bundle.inference.kept_slice import KeptSlice
from dfd.calibration import UNUSUAL, Calibration
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import Modality
from dfd.outputs import report
from dfd.outputs.overlay import SliceImages
from dfd.progress import progress
from dfd.records import Context, Finding, FloatImage, Region, Verdict


class Gathering:
    """Hands each slice's findings and pictures over to the report's material.

    And measures around the points that stand out.
    """

    def __init__(
        self, modality: Modality, calibration: Calibration | None, *, pictured: bool
    ) -> None:
        self.modality, self.calibration = modality, calibration
        self.material = report.Material(pictured=pictured)

    def take(
        self,
        batch: Mapping[str, Any],
        output: Mapping[str, Any],
        images: SliceImages | None,
        seen: report.Seen,
    ) -> None:
        """One slice: what was read, what was found.

        What was drawn of it (None where it has no pictures), and what is told of it.
        """
        scan, material = batch["scan"], self.material
        material.add(output["findings"], seen)
        answers = output.get("screenings", {})
        for finding in output["findings"]:
            answer = answers.get(finding.point.row)
            if answer is not None:
                material.suspicions[finding.point.row] = answer.suspicions
                material.radii_px[finding.point.row] = answer.radius_px
                if math.isfinite(finding.p_value) and material.wants(finding):
                    material.keep(finding, report.of_screening(scan, answer, self.modality))
        if images is not None and material.pictured:
            self._points(batch, output, images)

    def take_up(
        self,
        kept: KeptSlice,
        pictures: Mapping[int, report.PointPictures | report.ScreeningPictures],
    ) -> None:
        """A slice that an earlier part of the run has finished.

        And what it keeps to be shown of its rows.
        """
        material = self.material
        if kept.seen is not None:
            material.add(kept.findings, kept.seen)
        for row, found in kept.suspicions.items():
            material.suspicions[row] = found
            material.radii_px[row] = kept.regions[row].radius_px
        for finding in kept.findings:
            shown = pictures.get(finding.point.row)
            if shown is not None:
                material.keep(finding, shown)

    def _points(
        self, batch: Mapping[str, Any], output: Mapping[str, Any], images: SliceImages
    ) -> None:
        context = batch.get("context")
        sight = report.Sight(
            images, context if isinstance(context, Context) else None, output.get("sources", {})
        )
        whole = report.whole_slice(images.scan, images.grey)
        # Places around a point are judged as those of a screened slice, which is looked at without
        # its neighbours.
        alone = SliceEvidence(output["prediction"], self.modality)
        pairs = zip(output["findings"], output["regions"], strict=True)
        for finding, region in progress(pairs, "preparing the report", len(output["findings"])):
            if (
                region is not None
                and finding.verdict != Verdict.UNREADABLE
                and self.material.wants(finding)
            ):
                rarity = self._rarity(finding, region, alone)
                self.material.keep(finding, report.of_point(sight, whole, region, finding, rarity))

    def _rarity(self, finding: Finding, region: Region, alone: SliceEvidence) -> FloatImage | None:
        """-log10 p around a point that stands out.

        Every place costs as much as a third of a point.
        """
        if self.calibration is None or not finding.p_value <= UNUSUAL:
            return None
        return screening.map_around(region, alone, self.calibration)
