"""Which series are named, and whether the place of the edit is: edits in three dimensions.

    python -m benchmarks.detection.series --modality ct_lung          # development patients
    python -m benchmarks.detection.series --modality ct_lung --test   # the test patients

Development patients are measured by networks that have not seen them, and their p-values stand on
the series of the others; test patients are measured by the shipped model as it is. AUC: how often
an edited series is rarer than a genuine one of the same patients. A run that was stopped goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.attacks.volumetric import STACK_ATTACKS
from benchmarks.data import partition, scans, volumes
from benchmarks.detection.series_trials import (
    GENUINE,
    MeasuredSeries,
    SeriesSetup,
    measured,
    obstacle,
)
from benchmarks.metrics import roc
from benchmarks.models import cross_validation, registry
from benchmarks.runner import checkpoint, cli
from dfd.calibration import (
    MOST_FALSE_ALARMS,
    SCREENING,
    SERIES_SCREENING,
    Calibration,
    Setting,
    leave_out,
)
from dfd.calibration.series import SeriesWindows, WindowPeak, fit_series
from dfd.errors import UsageError
from dfd.evidence.screening_grid import centre_of

CODE = ("benchmarks/detection/series_trials.py",)
ALARMS = (0.05, 0.01)
WITHIN_RADII = 2.0
"""A region is at the place of the edit where their centres lie no farther apart."""
TOP = 3


@dataclass(frozen=True)
class Answer:
    """What was said of one series."""

    patient: str
    kind: str
    p_value: float
    rarity: float
    """-log10 of the fewest expected false alarms."""
    listed: int
    rank: int | None
    """Of the place of the edit among the strangest, from 1; None where it is not among them."""


def series_of(
    modality: str, folds: Mapping[str, Sequence[str]], *, quick: bool
) -> Iterator[MeasuredSeries]:
    """All series of the patients of ``folds`` (model -> names), as they are and edited."""
    mark = checkpoint.code_digest(CODE)
    for model, patients in folds.items():
        loaded = registry.load(model or None, modality)
        folder = partition.ROOT / "runs" / "series" / f"{mark}_{loaded.model.sha256[:12]}"
        for patient in patients[: 2 if quick else None]:
            kinds = [
                kind
                for kind, attack in STACK_ATTACKS.items()
                if not obstacle(attack, modality, patient)
            ]
            for volume in _volumes(modality, patient):
                setup = SeriesSetup.of(volume, modality, loaded.network)
                yield from measured(setup, kinds[:1] if quick else kinds, folder)


def _volumes(modality: str, patient: str) -> Iterator[volumes.Volume]:
    place = partition.patient_folder(modality, patient)
    for one in scans.of_patient(patient, place, modality, volumes.ALL_SLICES):
        yield from volumes.to_volumes(list(scans.load([one], modality)))


def development(modality: str) -> dict[str, list[str]]:
    """Model -> the patients that it has not seen."""
    return {
        str(cross_validation.model_of(modality, fold)): partition.patients(modality, (fold,))
        for fold in cross_validation.FOLDS
    }


def _shipped(modality: str) -> Calibration:
    calibration = registry.load(None, modality).calibration
    if calibration is None or SERIES_SCREENING not in calibration.settings:
        raise UsageError(
            "The shipped model is not calibrated for series; run `python -m "
            f"benchmarks.models.cross_validation --modality {modality} --calibrate`."
        )
    return calibration


def left_out(modality: str, series: Sequence[MeasuredSeries]) -> dict[str, Setting]:
    """Patient -> the setting that the genuine series of all others give.

    Raises:
        UsageError: they are too few.
    """
    calibration = _shipped(modality)
    names = cross_validation.standing(modality, calibration)
    genuine = [each for each in series if each.kind == GENUINE]
    patients = sorted({each.patient for each in genuine})
    found: dict[str, Setting] = {}
    for patient in patients:
        others = [name for name in patients if name != patient]
        without = leave_out({names.index(patient)}, calibration)
        setting = fit_series(
            [[[each.grids()] for each in genuine if each.patient == name] for name in others],
            without.settings[SCREENING].tables,
        )
        if setting is None:
            raise UsageError("no place of any series could be measured; give other scans.")
        found[patient] = setting
    return found


def answer_of(one: MeasuredSeries, setting: Setting) -> Answer:
    """What the windows of a series say."""
    windows = SeriesWindows(setting)
    windows.begin_stack()
    for grids in one.grids():
        windows.add(grids)
    peaks = windows.peaks()
    listed = sum(each.share * windows.places <= MOST_FALSE_ALARMS for each in peaks)
    rank = next((n for n, peak in enumerate(peaks, start=1) if _is_there(peak, one)), None)
    p, _ = windows.p_value()
    return Answer(one.patient, one.kind, p, math.log10(windows.rarity()), listed, rank)


def _is_there(peak: WindowPeak, one: MeasuredSeries) -> bool:
    """Whether a peak lies where the series was edited."""
    if one.edit is None or peak.first > one.edit.last or peak.last < one.edit.first:
        return False
    x, y = centre_of(peak.row, peak.column, one.radius)
    return math.hypot(x - one.edit.x, y - one.edit.y) <= WITHIN_RADII * one.radius


def summary(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """A row for each kind; the first is that of genuine series."""
    patients = sorted({each.patient for each in answers})
    genuine = [each for each in answers if each.kind == GENUINE]
    rows = []
    for kind in dict.fromkeys([GENUINE, *(each.kind for each in answers)]):
        chosen = [each for each in answers if each.kind == kind]
        row: dict[str, Any] = {"kind": kind, "series": len(chosen)}
        row["patients"] = len({each.patient for each in chosen})
        for alarm in ALARMS:
            row[f"p <= {alarm:g}"] = _share([each.p_value <= alarm for each in chosen])
        row["listed"] = float(np.mean([each.listed for each in chosen]))
        if kind != GENUINE:
            row["first"] = _share([each.rank == 1 for each in chosen])
            row["in top 3"] = _share(
                [each.rank is not None and each.rank <= TOP for each in chosen]
            )
            row |= _auc(chosen, genuine, patients)
        rows.append(row)
    return rows


def _share(hits: Sequence[bool]) -> float:
    return float(np.mean(hits)) if hits else math.nan


def _auc(
    edited: Sequence[Answer], genuine: Sequence[Answer], patients: Sequence[str]
) -> dict[str, Any]:
    """Against genuine series of all patients, and its interval over patients."""
    ours, others = (
        roc.by_patient([e.rarity for e in each], [e.patient for e in each], patients)
        for each in (edited, genuine)
    )
    rng = np.random.default_rng(partition.SEED)
    whole = roc.auc(np.concatenate(ours), np.concatenate(others))
    return {"auc": whole, "interval": roc.auc_interval(ours, others, rng)}


def _cells(row: Mapping[str, Any]) -> list[str]:
    def number(name: str, digits: int = 2) -> str:
        return f"{row[name]:.{digits}f}" if name in row else ""

    auc = ""
    if "auc" in row:
        low, high = row["interval"]
        auc = f"{row['auc']:.3f} ({low:.2f} to {high:.2f})"
    shares = [number(f"p <= {alarm:g}") for alarm in ALARMS]
    places = [number("first"), number("in top 3"), number("listed", 1)]
    return [row["kind"], str(row["series"]), str(row["patients"]), auc, *shares, *places]


HEADER = ("kind", "series", "patients", "AUC", *(f"p <= {alarm:g}" for alarm in ALARMS))
PLACES = ("place first", f"place in first {TOP}", "regions listed")


def text_of(modality: str, who: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The report."""
    return (
        f"# Whole series: {modality}, {who}\n\nOne edit in each edited series; AUC against genuine "
        "series with its interval over patients; the place of the edit among the strangest regions "
        "of its series; regions listed of a series on average.\n\n"
        + cli.table([*HEADER, *PLACES], [_cells(row) for row in rows])
    )


def main() -> None:
    """Command line."""
    parser = cli.parser(__doc__, model=False)
    parser.add_argument("--test", action="store_true", help="open the test patients")
    arguments = parser.parse_args()
    modality = arguments.modality
    if arguments.test:
        weights = registry.load(None, modality).model.sha256
        names = partition.open_test_patients(modality, weights, confirmed=True)
        found = list(series_of(modality, {"": names}, quick=arguments.quick))
        setting = _shipped(modality).settings[SERIES_SCREENING]
        answers = [answer_of(each, setting) for each in found]
    else:
        found = list(series_of(modality, development(modality), quick=arguments.quick))
        settings = left_out(modality, found)
        answers = [answer_of(each, settings[each.patient]) for each in found]
    who = "test patients" if arguments.test else "development patients"
    rows = summary(answers)
    name = f"series_{modality}{'_test' if arguments.test else ''}"
    content = {"modality": modality, "patients": who, "rows": rows}
    cli.publish(name, content, text_of(modality, who, rows), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
