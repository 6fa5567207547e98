"""Lone slices that nobody pointed at: is the edited place found, and at how many false ones?

    python -m benchmarks.studies.froc --modality ct_lung
    python -m benchmarks.studies.froc --modality ct_lung --model FILE  # other weights

One edit in a slice of fold1, which the network has not seen; every place of the slice is measured
as screening does. Places that stand out are ranked by the root of summed squares of the families,
calibrated on the genuine places of the other patients, and by the learned statistic where the model
has one, as it stands and against the other places of its slice. FROC (free-response receiver
operating characteristic, as in LUNA16: Setio et al. 2017, Medical Image Analysis 42:1, section
3.3): the share of edits found at 1/8 to 8 false places a genuine slice, and its mean. Besides: how
often the slice is rarer than all but 5 % of the genuine slices of the other patients, and how often
the edit is the first of its places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.attacks.registry import ATTACKS, NOTHING
from benchmarks.data import partition
from benchmarks.detection import report, trials
from benchmarks.detection.measurements import obstacle
from benchmarks.models import held_out_calibration, registry, stacked_statistic
from benchmarks.runner import cli
from dfd.evidence import lone_slice_families
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.intensity import MAD_TO_SD
from dfd.modalities import MODALITIES
from dfd.models.model_file import weights_digest
from dfd.records import TOGETHER, Point
from dfd.regions import region_of

FloatArray = NDArray[np.float64]
(FOLD,) = partition.VALIDATION_FOLDS
PER_PATIENT = 2
"""Slices."""
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
FALSE_PLACES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""A slice."""
APART_RADII, HIT_RADII = 1.5, 1.0
"""Two places of one slice lie at least so far apart; a place is at the edit up to so far off, in
the radii asked about."""
GENUINE_PLACES = 60
"""Of a genuine slice, that the root of summed squares is calibrated on."""
ALARM = 0.05


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


def screened(modality: str, network: torch.nn.Module, *, quick: bool) -> Iterator[Screened]:
    """Each slice as it is and with one edit of each kind."""
    for setup in trials.setups_of(modality, FOLD, network, PER_PATIENT, quick=quick):
        scan = setup.scan
        like = region_of(Point(0, "", 0.0, 0.0), scan.slice, MODALITIES[modality])
        of_slice = partial_of(scan.source.patient, setup.places.radius)
        yield of_slice(trials.GENUINE, None, setup.evidence.everywhere(like))
        for turn, name in enumerate(EDITS[:1] if quick else EDITS):
            if obstacle(name, modality, scan.source.patient):
                continue
            chosen = turn % len(setup.places.edited)
            one = replace(setup.places, edited=setup.places.edited[chosen : chosen + 1])
            version = trials.version_of(setup, name, ATTACKS[name], one)
            if version is not None and len(version.centres):
                middle = (float(version.centres[0][0]), float(version.centres[0][1]))
                lone = SliceEvidence(version.evidence.prediction, MODALITIES[modality])
                yield of_slice(name, middle, lone.everywhere(like))


def partial_of(patient: str, radius: float) -> Callable[..., Screened]:
    """Makes records of one slice of a patient."""

    def make(kind: str, edit: tuple[float, float] | None, found: Any) -> Screened:  # noqa: ANN401
        regions, measured = found
        centres = np.array([(each.x, each.y) for each in regions], dtype=np.float64)
        return Screened(patient, kind, edit, radius, centres.reshape(-1, 2), measured.statistics)

    return make


def by_root(slices: Sequence[Screened]) -> list[FloatArray]:
    """Scores of every place of each slice, calibrated on the genuine places of other patients."""
    rng = np.random.default_rng(partition.SEED)
    names = lone_slice_families()

    def rows(one: Screened, chosen: NDArray[np.int64] | None = None) -> list[dict[str, float]]:
        numbers = np.arange(len(one.centres)) if chosen is None else chosen
        return [
            {name: float(one.statistics[name][number]) for name in names if name in one.statistics}
            for number in numbers
        ]

    genuine: dict[str, list[dict[str, float]]] = {}
    for one in slices:
        if one.kind == trials.GENUINE:
            count = min(GENUINE_PLACES, len(one.centres))
            chosen = rng.choice(len(one.centres), count, replace=False)
            genuine.setdefault(one.patient, []).extend(rows(one, chosen))
    scores = []
    for one in slices:
        others = [found for name, found in sorted(genuine.items()) if name != one.patient]
        scores.append(np.array(held_out_calibration.scores(rows(one), others), dtype=np.float64))
    return scores


def by_learned(slices: Sequence[Screened]) -> list[FloatArray]:
    """The logarithm of the learned statistic of every place."""
    return [np.log(one.statistics[TOGETHER]) for one in slices]


def within_slice(slices: Sequence[Screened]) -> list[FloatArray]:
    """The same, in deviations from the other places of its slice."""
    found = []
    for values in by_learned(slices):
        middle = np.nanmedian(values)
        spread = MAD_TO_SD * np.nanmedian(np.abs(values - middle))
        found.append((values - middle) / max(float(spread), 1e-6))
    return found


RANKINGS: dict[str, Callable[[Sequence[Screened]], list[FloatArray]]] = {
    "root of squares": by_root,
    "learned": by_learned,
    "learned, within the slice": within_slice,
}


def summary(slices: Sequence[Screened], scores: Sequence[FloatArray]) -> list[dict[str, Any]]:
    """Of each edit, and of their mean: FROC, slices found, edits listed first."""
    listed = [one.places(values) for one, values in zip(slices, scores, strict=True)]
    genuine = [n for n, one in enumerate(slices) if one.kind == trials.GENUINE]
    false = np.sort([score for n in genuine for score, _ in listed[n]])[::-1]
    rows: list[dict[str, Any]] = []
    for kind in dict.fromkeys(one.kind for one in slices if one.kind != trials.GENUINE):
        own = [n for n, one in enumerate(slices) if one.kind == kind]
        hits = np.array([max((s for s, hit in listed[n] if hit), default=-np.inf) for n in own])
        found = [float((hits > _limit(false, rate * len(genuine))).mean()) for rate in FALSE_PLACES]
        rare = np.array([_rare(slices, listed, n, genuine) for n in own])
        first = [bool(listed[n]) and listed[n][0][1] for n in own]
        rows.append(
            {
                "edit": kind,
                "slices": len(own),
                **{f"at {rate:g}": each for rate, each in zip(FALSE_PLACES, found, strict=True)},
                "mean": float(np.mean(found)),
                "slice p <= 0.05": float(np.where(np.isnan(rare), np.nan, rare <= ALARM).mean()),
                "listed first": float(np.mean(first)),
            }
        )
    keys = [key for key in rows[0] if key not in ("edit", "slices")] if rows else []
    edited = [row for row in rows if ATTACKS[row["edit"]].form != NOTHING]
    means = {key: float(np.mean([row[key] for row in edited])) for key in keys}
    return [*rows, {"edit": "mean", "slices": sum(row["slices"] for row in edited), **means}]


def _limit(false: FloatArray, allowed: float) -> float:
    """The score that at most ``allowed`` false places exceed."""
    number = math.floor(allowed)
    return float(false[number]) if number < len(false) else -math.inf


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


def markdown(content: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    parts = [
        f"# Screening of lone slices: {content['modality']}",
        f"Weights {content['weights']}; {content['genuine slices']} genuine slices of "
        f"{content['patients']} patients, one edit in a slice. Shares of edits found at so many "
        "false places a genuine slice; their mean; slices with p <= 0.05 by the other patients "
        f"(at most {ALARM:g} of genuine ones; - where they are too few); edits that are the "
        "first place of their slice.",
    ]
    for name, rows in content["rankings"].items():
        cells = [
            [report.number(each) if isinstance(each, float) else str(each) for each in row.values()]
            for row in rows
        ]
        parts += [f"## By {name}", cli.table(list(rows[0]), cells)]
    return "\n\n".join(parts)


def main() -> None:
    arguments = cli.parser(__doc__).parse_args()
    modality = arguments.modality
    own = stacked_statistic.NEXT / f"{partition.FOLDERS[modality]}_{FOLD}.ckpt"
    network = registry.load(arguments.model or str(own), modality).network
    slices = list(screened(modality, network, quick=arguments.quick))
    genuine = [one for one in slices if one.kind == trials.GENUINE]
    rankings = {
        name: summary(slices, rank(slices))
        for name, rank in RANKINGS.items()
        if rank is by_root or all(TOGETHER in one.statistics for one in slices)
    }
    content = {
        "modality": modality,
        "weights": weights_digest(network.state_dict())[:12],
        "genuine slices": len(genuine),
        "patients": len({one.patient for one in genuine}),
        "rankings": rankings,
    }
    name = f"froc_{modality}{'_other' if arguments.model else ''}"
    cli.publish(name, content, markdown(content), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
