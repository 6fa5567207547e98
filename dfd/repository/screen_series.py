"""One planned series -> its part. Slices are read, predicted and measured one after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from dfd.assessment.criteria import Criteria
from dfd.assessment.series import SeriesFinding, SeriesRegion, SeriesScan, explained
from dfd.calibration.decision import verdict_of
from dfd.context.stacks import stacks_of
from dfd.errors import DfdError
from dfd.modalities import MODALITIES
from dfd.models import model_file
from dfd.prediction.devices import device_of
from dfd.prediction.network import shipped_network
from dfd.prediction.predict import predict_slice
from dfd.reading import read_slice, series_of_files
from dfd.reading.pixel_values import pixels_of
from dfd.records import SUSPICIOUS, Finding, Prediction, Series, Slice, SliceRef
from dfd.repository.fingerprint import fingerprint_of
from dfd.repository.models import PlannedModel
from dfd.repository.names import below
from dfd.repository.parts import Part
from dfd.repository.regions import Explained, NumberedSlice, row_of
from dfd.repository.schema import FAILED, NOT_ASSESSABLE, SCORED
from dfd.repository.series_answer import sentence_of
from dfd.repository.series_task import SeriesTask
from dfd.scoring.basis import calibration_of
from dfd.sentences import Sentence

NO_PLACE = "no place of any slice holds enough measured pixels to say anything"


def screen_series(task: SeriesTask) -> Part:
    """The part of a series. The memory it needs does not grow with the number of its slices.

    Raises:
        BundleError: the model or the device cannot be used.
        CalibrationError: the model was not calibrated for series.
    """
    begun = time.monotonic()
    screener = _screener(task.model, task.device)
    names = {below(Path(task.root), name): name for name in task.files}
    series, skipped = series_of_files(list(names))
    looked = screener.look_at(series)
    looked.unread[:0] = [str(each.reason) for each in skipped]
    values = _values(looked, screener)
    values["fingerprints"] = tuple(
        {"file": names[ref.path], "frame": ref.frame, "sop_uid": ref.sop_uid, "bits": bits}
        for ref, bits in looked.fingerprints
    )
    seconds = time.monotonic() - begun
    return Part(task.series, task.content, task.model.sha256, seconds=seconds, **values)


@dataclass
class Looked:
    """What looking at a series gave."""

    scan: SeriesScan
    slices: dict[int, NumberedSlice] = field(default_factory=dict)
    """By their number, those that could be read."""
    unread: list[str] = field(default_factory=list)
    """Why others could not."""
    fingerprints: list[tuple[SliceRef, bytes]] = field(default_factory=list)


class Screener:
    """Screens one series after another with one model."""

    def __init__(self, model: PlannedModel, device: str) -> None:
        # The same numbers in every process, however many run beside each other.
        torch.set_num_threads(1)
        loaded = model_file.load(model.path)
        self.modality = MODALITIES[model.modality]
        self.network = shipped_network().to(device_of(device)).eval()
        model_file.put_into(self.network, loaded, self.modality.bundle)
        where = str(next(self.network.parameters()).device)
        self.criteria = Criteria(self.modality, calibration_of(loaded), where)

    def look_at(self, series: list[Series]) -> Looked:
        """Every slice of ``series``: a planned series may hold several orientations."""
        looked = Looked(SeriesScan(self.criteria))
        for one in series:
            for stack in stacks_of(one):
                looked.scan.begin_stack()
                for ref in stack:
                    self._look_at_slice(looked, one, ref)
        return looked

    def _look_at_slice(self, looked: Looked, series: Series, ref: SliceRef) -> None:
        number = len(looked.slices) + len(looked.unread) + 1
        try:
            scan, prediction = self.predict(ref)
        except DfdError as error:
            looked.unread.append(str(error))
            looked.scan.begin_stack()
            return
        looked.slices[number] = NumberedSlice(number, ref, series)
        looked.scan.add(number, scan, prediction)
        bits = fingerprint_of(pixels_of(scan))
        if bits is not None:
            looked.fingerprints.append((ref, bits))

    def predict(self, ref: SliceRef) -> tuple[Slice, Prediction]:
        """A slice, and what the network expects in it.

        Raises:
            SeriesError: it cannot be read.
        """
        scan = read_slice(ref.path, ref.frame, self.modality.unit)
        exact = {"enabled": True, "benchmark": False, "deterministic": True, "allow_tf32": False}
        with torch.backends.cudnn.flags(**exact):
            return scan, predict_slice(pixels_of(scan), self.network, self.modality)

    def explain(self, region: SeriesRegion, ref: SliceRef) -> Explained:
        """A region that a series lists, by the slice that shows it best.

        Raises:
            SeriesError: that can be read no more.
        """
        scan, prediction = self.predict(ref)
        finding = explained(region.clicked, scan, prediction, self.criteria)
        return Explained(region, scan, finding, _nameless(finding))


def _values(looked: Looked, screener: Screener) -> dict[str, Any]:
    """Columns of a part that follow from its slices."""
    if not looked.slices:
        return {"status": FAILED, "reason": f"none of its slices could be read: {looked.unread[0]}"}
    missing = ""
    if looked.unread:
        missing = f"; {len(looked.unread)} could not be read, the first: {looked.unread[0]}"
    finding = looked.scan.finding()
    if finding is None:
        reason = looked.scan.obstacle or NO_PLACE
        return {"status": NOT_ASSESSABLE, "reason": reason + missing}
    verdict = verdict_of(finding.p_value)
    regions = list(_explained(finding, looked, screener))
    strongest = regions[0]
    return {
        "status": SCORED,
        "reason": sentence_of(finding, strongest, looked.scan.assessed) + missing,
        "p_value": finding.p_value,
        "score": -math.log10(finding.p_value) + 0.0,
        "statistic": math.log10(finding.rarity) + 0.0,
        "verdict": str(verdict),
        "form": strongest["form"] if verdict in SUSPICIOUS else "",
        "extrapolated": finding.extrapolated or bool(finding.remarks),
        "slices": looked.scan.assessed,
        "regions": tuple(regions),
    }


def _explained(
    finding: SeriesFinding, looked: Looked, screener: Screener
) -> Iterator[dict[str, Any]]:
    for rank, region in enumerate(finding.regions, start=1):
        explained_region = screener.explain(region, looked.slices[region.strongest].ref)
        yield row_of(rank, explained_region, looked.slices)


@lru_cache(2)
def _screener(model: PlannedModel, device: str) -> Screener:
    """One of each model in a process: loading takes seconds."""
    return Screener(model, device)


def _nameless(finding: Finding) -> str:
    """What is said of a region, without the name of its file."""
    sentence = finding.reason or finding.error
    if not isinstance(sentence, Sentence):
        return sentence
    return sentence.with_names(lambda _: "the slice").removeprefix("the slice: ")
