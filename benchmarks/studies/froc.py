"""Lone slices that nobody pointed at: is the edited place found, and at how many false ones?

    python -m benchmarks.studies.froc --modality ct_lung             # the shipped weights, fold1
    python -m benchmarks.studies.froc --modality ct_lung --next      # those of the next version
    python -m benchmarks.studies.froc --modality ct_lung --fold fold0 --fold fold1 --fold fold2
    python -m benchmarks.studies.froc --modality ct_lung --size 1.6  # edits larger than the regions

One edit in a slice of a fold, which its network has not seen; every place of the slice is measured
as screening does. Places that stand out are ranked by the root of summed squares, calibrated on the
genuine places of the other patients, four slices each: of all families, and of these and the
learned statistic where the model has one. FROC (free-response receiver operating characteristic, as
in LUNA16: Setio et al. 2017, Medical Image Analysis 42:1, section 3.3): the share of edits found at
1/8 to 8 false places a genuine slice, and its mean. Besides: how often the slice is rarer than all
but 5 % of the genuine slices of the other patients, and how often the edit is the first of its
places. Intervals are over patients, with the limits of all of them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.attacks.registry import ATTACKS, NOTHING
from benchmarks.data import partition
from benchmarks.detection import trials
from benchmarks.detection.measurements import obstacle
from benchmarks.metrics.froc import FALSE_PLACES, MEAN, Outcome, limit_of, row_of
from benchmarks.models import held_out_calibration, registry, stacked_statistic
from benchmarks.models.cross_validation import FOLDS
from benchmarks.runner import cli
from benchmarks.studies.froc_report import ALARM, markdown
from dfd.assessment.genuine_sample import SCREENED_PER_PATIENT
from dfd.evidence import lone_slice_families
from dfd.evidence.slice_evidence import SliceEvidence, SliceMeasurements
from dfd.modalities import MODALITIES
from dfd.models.model_file import weights_digest
from dfd.records import TOGETHER, Point, Prediction, Region
from dfd.regions import region_of

FloatArray = NDArray[np.float64]
(FOLD,) = partition.VALIDATION_FOLDS
PER_PATIENT = 2
"""Slices that are edited, of each patient of one fold; one of each where there are more folds."""
EDITS = (
    "white noise 0.6 x residual",
    "PGD 1.0 x residual",
    "copy-move, feathered 3 px",
    "autoencoder round trip",
    "GAN inpainting",
    "mean fill + spectrum-matched noise",
    "harmonic fill",
    "exemplar quilting",
    "blur, sigma 0.8 px",
    "resampling round trip 0.75",
)
"""None of those that no choice may be made by. Whose network is not there is left out."""
APART_RADII, HIT_RADII = 1.5, 1.0
"""Two places of one slice lie at least so far apart; a place is at the edit up to so far off, in
the radii asked about."""


@dataclass(frozen=True)
class Screened:
    """Every place of one slice."""

    patient: str
    kind: str
    """Of the edit, or ``trials.GENUINE``."""
    edit: tuple[float, float] | None
    """Its middle (x, y)."""
    radius: float
    centres: FloatArray
    """``[n, 2]`` (x, y)."""
    statistics: Mapping[str, FloatArray]

    def places(self, scores: FloatArray) -> list[tuple[float, bool]]:
        """Score of each place that stands out, highest first, and whether it is the edit's."""
        left = np.where(np.isfinite(scores), scores, -np.inf)
        found: list[tuple[float, bool]] = []
        while len(left) and np.isfinite(left.max()):
            best = int(left.argmax())
            middle = self.centres[best]
            off = math.inf if self.edit is None else math.dist(middle, self.edit)
            found.append((float(left[best]), off <= HIT_RADII * self.radius))
            away = np.hypot(*(self.centres - middle).T)
            left[away < APART_RADII * self.radius] = -np.inf
        return found


@dataclass(frozen=True)
class Plan:
    """What is edited and screened."""

    modality: str
    per_patient: int
    """Slices."""
    size: float = 1.0
    """Radius of the edits, in those asked about."""
    quick: bool = False


def untouched(plan: Plan, fold: str, network: torch.nn.Module) -> Iterator[Screened]:
    """Slices of the patients of ``fold`` as they are: so many of each as calibrations have."""
    modality = plan.modality
    setups = trials.setups_of(modality, fold, network, SCREENED_PER_PATIENT, quick=plan.quick)
    for setup in setups:
        of_slice = partial_of(setup.scan.source.patient, setup.places.radius)
        yield of_slice(trials.GENUINE, None, _everywhere(setup, setup.evidence.prediction))


def edited(plan: Plan, fold: str, network: torch.nn.Module) -> Iterator[Screened]:
    """Some slices of each patient of ``fold``, with one edit of each kind."""
    modality = plan.modality
    for setup in trials.setups_of(modality, fold, network, plan.per_patient, quick=plan.quick):
        patient = setup.scan.source.patient
        of_slice = partial_of(patient, setup.places.radius)
        for turn, name in enumerate(EDITS[:1] if plan.quick else EDITS):
            if obstacle(name, modality, patient):
                continue
            chosen = turn % len(setup.places.edited)
            one = replace(
                setup.places,
                edited=setup.places.edited[chosen : chosen + 1],
                radius=plan.size * setup.places.radius,
            )
            version = trials.version_of(setup, name, ATTACKS[name], one)
            if version is not None and len(version.centres):
                middle = (float(version.centres[0][0]), float(version.centres[0][1]))
                yield of_slice(name, middle, _everywhere(setup, version.evidence.prediction))


def _everywhere(
    setup: trials.SliceSetup, prediction: Prediction
) -> tuple[list[Region], SliceMeasurements]:
    """Regions all over the slice without its neighbours, and the evidence of each."""
    modality = MODALITIES[setup.scan.modality]
    like = region_of(Point(0, "", 0.0, 0.0), setup.scan.slice, modality)
    return SliceEvidence(prediction, modality).everywhere(like)


def partial_of(patient: str, radius: float) -> Callable[..., Screened]:
    """Makes records of one slice of a patient."""

    def make(kind: str, edit: tuple[float, float] | None, found: Any) -> Screened:  # noqa: ANN401
        regions, measured = found
        centres = np.array([(each.x, each.y) for each in regions], dtype=np.float64)
        return Screened(patient, kind, edit, radius, centres.reshape(-1, 2), measured.statistics)

    return make


def calibrated(slices: Sequence[Screened], names: Sequence[str]) -> list[FloatArray]:
    """Scores of every place of each slice, calibrated on all genuine places of other patients.

    ``names``: the families that count.
    """

    def rows(one: Screened) -> list[dict[str, float]]:
        return [
            {name: float(one.statistics[name][number]) for name in names if name in one.statistics}
            for number in range(len(one.centres))
        ]

    genuine: dict[str, list[dict[str, float]]] = {}
    for one in slices:
        if one.kind == trials.GENUINE:
            genuine.setdefault(one.patient, []).extend(rows(one))
    scores = []
    for one in slices:
        others = [found for name, found in sorted(genuine.items()) if name != one.patient]
        scores.append(np.array(held_out_calibration.scores(rows(one), others), dtype=np.float64))
    return scores


def by_root(slices: Sequence[Screened]) -> list[FloatArray]:
    """All families."""
    return calibrated(slices, lone_slice_families())


def by_learned(slices: Sequence[Screened]) -> list[FloatArray]:
    """All families and the learned statistic."""
    return calibrated(slices, (*lone_slice_families(), TOGETHER))


RANKINGS: dict[str, Callable[[Sequence[Screened]], list[FloatArray]]] = {
    "root of squares": by_root,
    "learned": by_learned,
}


def summary(slices: Sequence[Screened], scores: Sequence[FloatArray]) -> list[dict[str, Any]]:
    """Of each edit, and of their mean: FROC, slices found, edits listed first."""
    listed = [one.places(values) for one, values in zip(slices, scores, strict=True)]
    genuine = [n for n, one in enumerate(slices) if one.kind == trials.GENUINE]
    false = np.sort([score for n in genuine for score, _ in listed[n]])[::-1]
    limits = np.array([limit_of(false, rate * len(genuine)) for rate in FALSE_PLACES])
    by_kind: dict[str, list[Outcome]] = {}
    for number, one in enumerate(slices):
        if one.kind == trials.GENUINE:
            continue
        highest = max((score for score, hit in listed[number] if hit), default=-math.inf)
        rare = _rare(slices, listed, number, genuine)
        first = bool(listed[number]) and listed[number][0][1]
        alarm = math.nan if math.isnan(rare) else float(rare <= ALARM)
        outcome = Outcome(one.patient, highest > limits, alarm, float(first))
        by_kind.setdefault(one.kind, []).append(outcome)
    rng = partial(np.random.default_rng, partition.SEED)
    rows = [row_of(kind, [outcomes], rng()) for kind, outcomes in by_kind.items()]
    edited = [each for kind, each in by_kind.items() if ATTACKS[kind].form != NOTHING]
    return [*rows, row_of(MEAN, edited, rng())]


def _rare(
    slices: Sequence[Screened],
    listed: Sequence[Sequence[tuple[float, bool]]],
    number: int,
    genuine: Sequence[int],
) -> float:
    """Share of the genuine slices of other patients that stand out as far, patients alike.

    NaN where they are too few for ``ALARM``.
    """
    highest = listed[number][0][0] if listed[number] else -math.inf
    of_patient: dict[str, list[bool]] = {}
    for other in genuine:
        if slices[other].patient != slices[number].patient and listed[other]:
            of_patient.setdefault(slices[other].patient, []).append(listed[other][0][0] >= highest)
    shares = [float(np.mean(each)) for each in of_patient.values()]
    if 1.0 / (1.0 + len(shares)) > ALARM:
        return math.nan
    return (1.0 + sum(shares)) / (1.0 + len(shares))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, model=False)
    parser.add_argument("--next", action="store_true", help="take the weights of the next version")
    parser.add_argument(
        "--fold", choices=FOLDS, action="append", help="whose patients (default: fold1)"
    )
    parser.add_argument(
        "--size", type=float, default=1.0, help="radius of the edits, in those asked about"
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    modality, folds = arguments.modality, sorted(set(arguments.fold or [FOLD]))
    plan = Plan(
        modality, PER_PATIENT if len(folds) == 1 else 1, arguments.size, quick=arguments.quick
    )
    slices: list[Screened] = []
    weights = []
    for fold in folds:
        file = stacked_statistic.model_of(modality, fold, upcoming=arguments.next)
        network = registry.load(str(file), modality).network
        weights.append(weights_digest(network.state_dict())[:12])
        slices += [*untouched(plan, fold, network), *edited(plan, fold, network)]
    genuine = [one for one in slices if one.kind == trials.GENUINE]
    rankings = {
        name: summary(slices, rank(slices))
        for name, rank in RANKINGS.items()
        if rank is by_root or all(TOGETHER in one.statistics for one in slices)
    }
    content = {
        "modality": modality,
        "weights": weights,
        "genuine slices": len(genuine),
        "patients": len({one.patient for one in genuine}),
        "size": plan.size,
        "rankings": rankings,
    }
    name = f"froc_{modality}{'_next' if arguments.next else ''}{'_all' if len(folds) > 1 else ''}"
    name += f"_size_{plan.size:g}" if plan.size != 1.0 else ""
    cli.publish(name, content, markdown(content), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
