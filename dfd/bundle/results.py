"""Collects findings while the evaluator runs and writes the outputs."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from dfd.bundle import model_file
from dfd.bundle.gathering import Gathering
from dfd.bundle.items import slice_points
from dfd.bundle.model_file import Model
from dfd.bundle.patient_points import place_points
from dfd.calibration import FALSE_DISCOVERIES, UNUSUAL, Calibration, counts_of_many, from_json
from dfd.errors import DfdError, PointsError
from dfd.modalities import MODALITIES
from dfd.outputs import overlay, report, run_log, run_record, scores, screening_map, suspicious
from dfd.outputs.anonymous import tell_columns_left_out
from dfd.outputs.files import choose_output_dir
from dfd.outputs.overlay import SliceImages
from dfd.outputs.run_log import RunLog
from dfd.points import find_points_file, read_points
from dfd.points.near_names import hint_beside
from dfd.progress import Progress, progress
from dfd.records import Finding, Point, Prediction, Region, Slice, Suspicion
from dfd.settings import check_dicom

logger = logging.getLogger(__name__)


MANY_SLICES, SECONDS_EACH = 500, 5.0
"""From so many screened slices on it is said how long that takes; seconds of one on two cores, prediction and all places of a 512 x 512 slice."""


def points_of(data: str, points: str | None, log: RunLog | None = None) -> list[Point]:
    """The points of a run, every slice as a whole where there is no points file; what is said on the way goes into ``log``.

    Raises:
        PointsError: the points file cannot be used, or there is neither one nor a slice.
    """
    folder = Path(data)
    if not folder.is_dir():
        near = hint_beside(folder)
        raise PointsError(f"the data folder {folder} does not exist{near}; check the path.")
    file = find_points_file(folder, Path(points) if points else None)
    with log.listening() if log is not None else nullcontext():
        found = slice_points(folder) if file is None else read_points(file, folder)
        found = place_points(found, folder)
        whole = sum(point.is_screening for point in found)
        if file is None:
            which = "the one slice of the folder is" if whole == 1 else f"all {whole} slices of the folder are"
            logger.info("there is no points file: %s screened as a whole", which)
        elif whole:
            told = "%d of %d rows name a slice and no place in it: there the whole slice is screened"
            logger.info(told, whole, len(found))
        if whole > MANY_SLICES:
            told = "%d slices are to be screened, which takes about %.0f s each on a processor, %.1f hours in all"
            logger.warning(told, whole, SECONDS_EACH, whole * SECONDS_EACH / 3600)
        return found


def calibration_of(model: Model) -> Calibration | None:
    """The calibration that comes with ``model``."""
    return from_json(model.calibration) if model.calibration is not None else None


RESULTS_VARIABLE = "DFD_RESULTS"
"""Environment variable that names the folder of all results: in a container the working folder is lost when the job ends."""


def results_folder(asked: str | None, model: Model) -> Path:
    """Where results go: as asked, else a new folder in the first place that can be written.

    Those are the folder that ``DFD_RESULTS`` names, the working folder, that of the model and the home of the user.
    """
    if asked:
        return choose_output_dir(Path(asked), [])
    run = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    named = os.environ.get(RESULTS_VARIABLE, "")
    places = [Path.cwd(), model.path if model.path.is_dir() else model.path.parent]
    with suppress(RuntimeError):  # an unknown uid without HOME
        places.append(Path.home())
    return choose_output_dir(None, [*([Path(named) / run] if named else []), *(place / "dfd_results" / run for place in places)])


@dataclass(frozen=True)
class Choices:
    """What a run writes beside the scores."""

    images: bool = True
    """Write overlays, and maps of slices that are screened."""
    report: bool = True
    """Write ``report.html``."""
    anonymous: bool = False
    """Replace names in every output."""
    dicom: bool = False
    """Write DICOM results."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """Anything else to be kept in ``run.json``."""
    log: RunLog = field(default_factory=RunLog)
    """What was said before the folder of the results was known."""

    def __post_init__(self) -> None:
        """Refuse what cannot be written before anything is scored."""
        check_dicom(dicom=self.dicom, anonymous=self.anonymous)
        if self.dicom:
            from dfd.outputs.dicom import require

            require()


NAMING = frozenset({"data_path", "points", "output_dir", "model_path"})
"""Keys of the record that hold paths of the user."""


class ResultsWriter:
    """Ignite handler: overlays and maps as they come, ``scores.csv`` and ``run.json`` at the end; ``run`` adds ``run.log``.

    Where slices were screened, ``suspicious_regions.csv`` as well.

    Args:
        points: all rows of the points file, the bad ones too.
        output_dir: an existing folder.
        model: for the record.
        modality: name in ``MODALITIES``.
        choices: fields of ``Choices``.
    """

    def __init__(self, points: Sequence[Point], output_dir: str | Path, model: Model, modality: str, **choices: Any) -> None:
        self.points, self.folder, self.model, self.modality = list(points), Path(output_dir), model, MODALITIES[modality]
        self.choices = Choices(**choices)
        # By row: points that went through a reader process come back as copies.
        self.numbers = {point.row: number for number, point in enumerate(self.points, start=1)}
        self.found: dict[int, Finding] = {point.row: Finding(point, "unreadable", error=point.error) for point in self.points if point.error}
        self.suspicions: dict[int, tuple[Suspicion, ...]] = {}
        self.placed: dict[int, Region] = {}
        self.calibration = calibration_of(model)
        self.gathering = Gathering(self.modality, self.calibration, pictured=self.choices.images) if self.choices.report else None
        self.started = time.monotonic()
        self.device = ""
        scored = [point for point in self.points if not point.error]
        whole = bool(scored) and all(point.is_screening for point in scored)
        self.progress = Progress("screening slices" if whole else "scoring points", len(scored))

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)

    def collect(self, engine: Engine) -> None:
        """Takes the findings of one slice."""
        output = engine.state.output
        self.device = str(output["image"].device)
        drawn = []
        for finding, region in zip(output["findings"], output["regions"], strict=True):
            self.found[finding.point.row] = finding
            if region is not None:
                self.placed[finding.point.row] = region
            if self.choices.images and region is not None and finding.verdict != "unreadable":
                drawn.append((self.numbers[finding.point.row], region, finding))
        images = self.draw(engine.state.batch["scan"], output["prediction"], drawn) if drawn else None
        for row, answer in output.get("screenings", {}).items():
            self.suspicions[row] = answer.suspicions
            self.placed[row] = Region(math.nan, math.nan, answer.radius_px, answer.finding.radius_mm)
            if self.choices.images and np.isfinite(answer.map).any():
                screening_map.write(self.folder, self.numbers[row], engine.state.batch["scan"], answer, modality=self.modality)
        if self.gathering is not None and "scan" in engine.state.batch:
            self.gathering.take(engine.state.batch, output, images)
        self.progress.update(len(output["findings"]))

    def draw(self, scan: Slice, prediction: Prediction, drawn: Sequence[tuple[int, Region, Finding]]) -> SliceImages:
        """One overlay per point; what they share is drawn once, and the PNG coding, most of the work, runs on every core.

        One worker more than cores, since each waits for the disk in its turn.
        """
        images = overlay.render_slice(scan, prediction, self.modality)
        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1) + 1) as pool:
            written = pool.map(lambda item: overlay.write_rendered(self.folder, item[0], images, item[1], item[2]), drawn)
            deque(progress(written, "drawing pictures", len(drawn)), maxlen=0)
        return images

    def findings(self) -> list[Finding]:
        """One per row, in order; rows that were not reached say so."""
        missing = "the run was stopped before this row was reached; run it again"
        return [self.found.get(point.row) or Finding(point, "unreadable", error=missing) for point in self.points]

    def write(self) -> list[Finding]:
        """Writes ``scores.csv``, ``suspicious_regions.csv`` where slices were screened, ``run.json`` and ``report.html``."""
        self.progress.close()
        findings = self.findings()
        scores.write(self.folder, findings, anonymous=self.choices.anonymous)
        whole = [finding for finding in findings if finding.point.is_screening]
        if whole:
            suspicions = [self.suspicions.get(finding.point.row, ()) for finding in whole]
            suspicious.write(self.folder, suspicions, findings, anonymous=self.choices.anonymous)
            p_of_slices = [finding.p_value for finding in whole if math.isfinite(finding.p_value)]
            if len(p_of_slices) > 1:
                small, expected, remain = counts_of_many(p_of_slices)
                told = "of %d screened slices %d have p <= %g; %.3g would if nothing was tampered with; by Benjamini-Hochberg at %g %% %d remain"
                logger.info(told, len(p_of_slices), small, UNUSUAL, expected, 100 * FALSE_DISCOVERIES, remain)
        record = self._record(Counter(finding.verdict for finding in findings))
        run_record.write(self.folder, record)
        if self.gathering is not None:
            missing = sum(point.row not in self.found for point in self.points)
            about = report.Run(self.modality, self.calibration, record, missing)
            report.write(self.folder, findings, self.gathering.material, about, anonymous=self.choices.anonymous)
        logger.info("results are in %s (%s)", self.folder, self.device or "no slice could be read")
        return findings

    def write_dicom(self, findings: Sequence[Finding]) -> None:
        """Writes the DICOM results, where they are asked for."""
        if not self.choices.dicom:
            return
        from dfd.outputs import dicom

        maker = dicom.Maker(self.modality.bundle, self.model.sha256, run_record.digest(self.model.calibration))
        rows = ((finding, finding.point.row) for finding in findings)
        answers = [dicom.Answer(finding, self.numbers[row], self.placed.get(row), self.suspicions.get(row, ())) for finding, row in rows]
        dicom.write(self.folder, answers, maker, images=self.choices.images)

    def _record(self, verdicts: Counter[str]) -> dict[str, object]:
        """The content of ``run.json``."""
        rows, refused, unreadable = verdicts.total(), verdicts["not assessable"], verdicts["unreadable"]
        hidden = NAMING if self.choices.anonymous else frozenset()
        calibration = self.calibration
        return {
            "versions": run_record.versions(),
            "model": "" if self.choices.anonymous else str(self.model.path),
            "bundle": self.modality.bundle,
            "bundle_version": model_file.bundle_version(self.model),
            "weights_sha256": self.model.sha256,
            "calibration_format": (self.model.calibration or {}).get("format"),
            "calibration_sha256": run_record.digest(self.model.calibration),
            "calibration_patients": calibration.patients if calibration else 0,
            "smallest_p_value_supported": calibration.smallest_p if calibration else None,
            "device": self.device or "none needed",
            "threads": torch.get_num_threads(),
            "seconds": round(time.monotonic() - self.started, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "counts": {"rows": rows, "scored": rows - refused - unreadable, "not assessable": refused, "unreadable": unreadable},
            "verdicts": dict(verdicts),
            "configuration": {key: value for key, value in self.choices.record.items() if key not in hidden},
        }


def run(evaluator: Engine, network: torch.nn.Module, model: Model, results: ResultsWriter) -> list[Finding]:
    """Loads the weights, scores every slice, and writes the outputs even when it is stopped midway.

    Raises:
        BundleError: the weights do not belong to this bundle.
    """
    model_file.put_into(network, model, results.modality.bundle)
    with run_log.kept(results.choices.log, results.folder, anonymous=results.choices.anonymous):
        if results.choices.anonymous:
            tell_columns_left_out(results.points)
        try:
            if any(not point.error for point in results.points):
                evaluator.run()
        except DfdError:
            raise
        except BaseException:
            results.write()
            raise
        findings = results.write()
        results.write_dicom(findings)
        return findings
