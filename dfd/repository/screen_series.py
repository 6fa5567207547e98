"""One planned series -> its part. Slices are read, predicted and assessed one after the other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dfd.assessment import screening
from dfd.assessment.criteria import Criteria
from dfd.errors import DfdError
from dfd.modalities import MODALITIES
from dfd.models import model_file
from dfd.prediction.devices import device_of
from dfd.prediction.network import shipped_network
from dfd.prediction.predict import predict_slice
from dfd.reading import read_slice, series_of_files
from dfd.reading.pixel_values import pixels_of
from dfd.records import Finding, Point, Screening, Series, Slice, SliceRef, Suspicion
from dfd.repository.fingerprint import fingerprint_of
from dfd.repository.models import PlannedModel
from dfd.repository.names import below
from dfd.repository.parts import Part
from dfd.repository.regions import ListedRegion, merged
from dfd.repository.schema import FAILED, NOT_ASSESSABLE, SCORED
from dfd.repository.series_answer import SliceAnswer, series_answer
from dfd.repository.series_task import SeriesTask
from dfd.scoring.basis import calibration_of
from dfd.sentences import Sentence


def screen_series(task: SeriesTask) -> Part:
    """The part of a series. The memory it needs does not grow with the number of its slices.

    Raises:
        BundleError: the model or the device cannot be used.
    """
    begun = time.monotonic()
    screener = _screener(task.model, task.device)
    names = {below(Path(task.root), name): name for name in task.files}
    series, skipped = series_of_files(list(names))
    answers: list[SliceAnswer] = []
    unread = [str(each.reason) for each in skipped]
    for number, (ref, one) in enumerate(_slices(series), start=1):
        try:
            answer = screener.answer(number, ref, one)
            answers.append(replace(answer, file=names[ref.path], frame=ref.frame))
        except DfdError as error:
            unread.append(str(error))
    thickness = next((each.facts.thickness_mm for each in series), None)
    values = _values(answers, unread, thickness)
    seconds = time.monotonic() - begun
    return Part(task.series, task.content, task.model.sha256, seconds=seconds, **values)


def _slices(series: list[Series]) -> Iterator[tuple[SliceRef, Series]]:
    """All slices; the files of a planned series may hold several orientations."""
    for one in series:
        for ref in one.slices:
            yield ref, one


def _values(
    answers: list[SliceAnswer], unread: list[str], thickness_mm: float | None
) -> dict[str, Any]:
    """Columns of a part that follow from the answers of the slices."""
    if not answers:
        return {"status": FAILED, "reason": f"none of its slices could be read: {unread[0]}"}
    missing = f"; {len(unread)} could not be read, the first: {unread[0]}" if unread else ""
    answer, fingerprints = series_answer(answers), _fingerprints(answers)
    if answer is None:
        (reason, _), *_ = Counter(each.reason for each in answers).most_common(1)
        said = {"status": NOT_ASSESSABLE, "reason": reason + missing}
        return {**said, "fingerprints": fingerprints}
    listed = [region for each in answers for region in each.regions]
    return {
        "status": SCORED,
        "reason": answer.reason + missing,
        "p_value": answer.p_value,
        "score": answer.score,
        "statistic": answer.statistic,
        "verdict": answer.verdict,
        "form": answer.form,
        "slices": sum(each.p_value is not None for each in answers),
        "regions": tuple(merged(listed, thickness_mm)),
        "fingerprints": fingerprints,
    }


def _fingerprints(answers: list[SliceAnswer]) -> tuple[dict[str, Any], ...]:
    """Columns of ``schema.FINGERPRINT``, of the slices that have one."""
    return tuple(
        {"sop_uid": one.sop_uid, "file": one.file, "frame": one.frame, "bits": one.fingerprint}
        for one in answers
        if one.fingerprint is not None
    )


@lru_cache(2)
def _screener(model: PlannedModel, device: str) -> Screener:
    """One of each model in a process: loading takes seconds."""
    return Screener(model, device)


class Screener:
    """Screens one slice after another with one model."""

    def __init__(self, model: PlannedModel, device: str) -> None:
        # The same numbers in every process, however many run beside each other.
        torch.set_num_threads(1)
        loaded = model_file.load(model.path)
        self.modality = MODALITIES[model.modality]
        self.network = shipped_network().to(device_of(device)).eval()
        model_file.put_into(self.network, loaded, self.modality.bundle)
        where = str(next(self.network.parameters()).device)
        self.criteria = Criteria(self.modality, calibration_of(loaded), where)

    def answer(self, number: int, ref: SliceRef, series: Series) -> SliceAnswer:
        """What screening says of a slice, ``number`` in the order of its series.

        Raises:
            SeriesError: it cannot be read.
        """
        scan = read_slice(ref.path, ref.frame, self.modality.unit)
        point = Point(row=number, filename=ref.path.name)
        exact = {"enabled": True, "benchmark": False, "deterministic": True, "allow_tf32": False}
        with torch.backends.cudnn.flags(**exact):
            prediction = predict_slice(pixels_of(scan), self.network, self.modality)
            screened = screening.screen(scan, [point], prediction, self.criteria)[number]
        return replace(
            _answer(screened, ref, series, scan), fingerprint=fingerprint_of(pixels_of(scan))
        )


def _answer(screened: Screening, ref: SliceRef, series: Series, scan: Slice) -> SliceAnswer:
    finding = screened.finding
    number = finding.point.row
    regions = tuple(
        _listed(suspicion, ref, (series, scan, screened.radius_px, number))
        for suspicion in screened.suspicions
    )
    return SliceAnswer(
        number,
        ref.sop_uid,
        ref.position_mm,
        finding.p_value if np.isfinite(finding.p_value) else None,
        str(finding.form),
        _nameless(finding),
        regions,
    )


def _nameless(finding: Finding) -> str:
    """What is said of a slice, without the name of its file."""
    sentence = finding.reason or finding.error
    if not isinstance(sentence, Sentence):
        return sentence
    return sentence.with_names(lambda _: "the slice").removeprefix("the slice: ")


def _listed(
    suspicion: Suspicion, ref: SliceRef, of: tuple[Series, Slice, float, int]
) -> ListedRegion:
    series, scan, radius_px, number = of
    finding = suspicion.finding
    return ListedRegion(
        slice_number=number,
        sop_uid=ref.sop_uid,
        position_mm=ref.position_mm,
        x=finding.point.x,
        y=finding.point.y,
        radius_px=radius_px,
        radius_mm=finding.radius_mm,
        expected_false_alarms=suspicion.expected_false_alarms,
        p_value=finding.p_value,
        form=str(finding.form),
        reason=_nameless(finding),
        place_mm=_in_patient(finding.point, ref, series, scan),
    )


def _in_patient(
    point: Point, ref: SliceRef, series: Series, scan: Slice
) -> tuple[float, float, float] | None:
    """Where a pixel lies in the patient (LPS, mm); PS3.3 equation C.7.6.2.1-1."""
    spacing = scan.facts.spacing_mm
    if not ref.corner_mm or not series.orientation or spacing is None:
        return None
    across, down = series.orientation[:3], series.orientation[3:]
    x, y, z = (
        float(corner + point.x * spacing[1] * right + point.y * spacing[0] * below_it)
        for corner, right, below_it in zip(ref.corner_mm, across, down, strict=True)
    )
    return x, y, z
