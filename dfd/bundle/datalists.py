"""Which slices a run works on.

Training and validation items of a folder, sampling weights, items of a points file.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dfd.assessment.cohort import Cohort, Collection, patients_of
from dfd.bundle.keys import Keys
from dfd.context.stacks import stacks_of
from dfd.errors import SeriesError
from dfd.modalities import MODALITIES
from dfd.reading import read_series
from dfd.reading.copy_report import report_copies
from dfd.records import Point, Series, SliceRef
from dfd.scoring.slices import slice_requests

logger = logging.getLogger(__name__)

VALIDATION_SHARE = 0.25
"""Share of the patients left out of training, on whom early stopping and calibration stand."""
CROPS_PER_SLICE, MOST_CROPS = 256, 6400
"""Crops of an epoch: a few slices are not drawn from thousands of times before validation is asked
again."""
HEAD_BATCH = 16
"""Crops in one step of the head."""
HEAD_CROPS_PER_SLICE, HEAD_CROPS_PER_EPOCH, MOST_HEAD_CROPS = 32, 32, 1200
"""Of one epoch of the head. A short run makes few, since making them takes time."""
HEAD_CROP_S = 0.1
"""Seconds that it takes to make one, about."""
HEAD_EPOCHS_SHARE, MOST_HEAD_EPOCHS = 0.4, 40
"""Epochs of the head for each of the predictor, and most by default."""
STATISTIC_SLICES, FEWEST_STATISTIC_SLICES = 800, 4
"""Edited for the learned statistic after ``WHOLE_TRAINING`` epochs, and at least. Each takes a
second or two."""
REGENERATOR_STEPS = 1500
"""Batches that each network learns from which draws crops anew, after ``WHOLE_TRAINING`` epochs."""
WHOLE_TRAINING, STEEPNESS = 100, 1.5
"""Shorter trainings spend this power of their share on it: a trial of an epoch should take no
minutes."""


def modality_of(series: Sequence[Series], folder: Path) -> str:
    """Name of the modality that all series share.

    Raises:
        SeriesError: no scan that a model exists for, or more than one modality; the message lists
            how many of each.
    """
    counts = Counter(s.facts.modality or "unknown" for s in series)
    known = {m.dicom_modality: m.name for m in MODALITIES.values()}
    listed = (
        ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "nothing readable"
    )
    wanted = sorted({known[name] for name in counts if name in known})
    if len(wanted) > 1:
        choice = f"choose {' or '.join(wanted)} with --modality"
        raise SeriesError(
            f"{folder} mixes modalities ({listed} series); give one folder per modality, or "
            f"{choice}."
        )
    if not wanted:
        raise SeriesError(
            f"{folder} holds no series a model exists for ({listed}); expected "
            f"{' or '.join(sorted(known))} DICOM files."
        )
    return wanted[0]


def collect(folder: str | Path, modality: str | None = None) -> Collection:
    """Every slice of ``folder`` that belongs to ``modality`` (None: the one all series share).

    Raises:
        SeriesError: nothing readable, or mixed modalities.
    """
    root = Path(folder)
    series, skipped = read_series(root)
    for left_out in skipped:
        logger.warning("%s left out: %s", left_out.path, left_out.reason)
    name = modality or modality_of(series, root)
    chosen = [s for s in series if s.facts.modality in (MODALITIES[name].dicom_modality, "")]
    if not chosen:
        raise SeriesError(
            f"{root} holds no {MODALITIES[name].dicom_modality} series that can be read; "
            "check the path."
        )
    report_copies(chosen)
    pairs = list(_numbered(chosen))
    hashes, studies = ([s.facts.patient_hash for s, *_ in pairs], [s.study_uid for s, *_ in pairs])
    patients = patients_of([ref.path for _, ref, _ in pairs], hashes, root, studies)
    if len(set(patients)) > 1 and len({study for study in studies if study}) == 1:
        message = (
            "all scans carry one StudyInstanceUID, which tells no patients apart: by folder and "
            "PatientID there are %d"
        )
        logger.warning(message, len(set(patients)))
    frames = Counter(ref.path for _, ref, _ in pairs)
    items: tuple[dict[str, Any], ...] = tuple(
        {
            Keys.IMAGE: str(ref.path),
            Keys.FRAME: ref.frame if frames[ref.path] > 1 else None,
            Keys.PATIENT: patient,
            Keys.GROUP: " ".join(
                (s.facts.manufacturer, s.facts.model, s.facts.kernel or s.facts.sequence)
            ),
            Keys.SPACING_MM: s.facts.spacing_mm,
            Keys.SERIES: number,
            Keys.STACK: place,
        }
        for (s, ref, (number, place)), patient in zip(pairs, patients, strict=True)
    )
    return Collection(items, name)


def _numbered(series: Sequence[Series]) -> Iterator[tuple[Series, SliceRef, tuple[int, int]]]:
    """Every slice with its series, and the numbers of series and stack."""
    for number, one in enumerate(series):
        for place, stack in enumerate(stacks_of(one)):
            for ref in stack:
                yield one, ref, (number, place)


def validation_patients(collection: Collection, named: Sequence[str] = ()) -> list[str]:
    """Patients left out of training.

    Those ``named``, else a quarter, spread over scanners, chosen by a hash of the name.

    Raises:
        SeriesError: a named patient is not in the folder.
    """
    if named:
        missing = sorted(set(named) - set(collection.patients))
        if missing:
            raise SeriesError(
                f"validation patient {missing[0]} is not in the training folder; it holds "
                f"{', '.join(collection.patients)}."
            )
        return sorted(named)
    if len(collection.patients) < 2:
        return []
    by_group: dict[str, list[str]] = defaultdict(list)
    for patient in collection.patients:
        by_group[collection.of([patient])[0][Keys.GROUP]].append(patient)
    largest_first = sorted(by_group.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    turns = [
        sorted(members, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        for _, members in largest_first
    ]
    order = [
        members[turn]
        for turn in range(max(map(len, turns)))
        for members in turns
        if turn < len(members)
    ]
    return sorted(order[: max(1, round(VALIDATION_SHARE * len(order)))])


def cohort_of(collection: Collection, patients: Sequence[str], seed: int) -> Cohort:
    """``patients``, or all of the folder where none is named.

    Raises:
        SeriesError: a named patient is not in the folder.
    """
    return Cohort(
        collection,
        validation_patients(collection, patients) if patients else collection.patients,
        seed,
    )


def crops_per_epoch(items: Sequence[Mapping[str, Any]], batch_size: int) -> int:
    """How many crops an epoch draws from these slices.

    At least one batch, ``CROPS_PER_SLICE`` for each slice, ``MOST_CROPS`` at most.
    """
    return max(batch_size, min(MOST_CROPS, CROPS_PER_SLICE * len(items)))


def head_crops(
    items: Sequence[Mapping[str, Any]], max_epochs: int, max_hours: float | None = None
) -> int:
    """How many altered crops an epoch of the head makes.

    ``HEAD_CROPS_PER_SLICE`` for each slice, as many more for each epoch that is asked for, and no
    more than can be made in a quarter of ``max_hours``.
    """
    most = min(
        MOST_HEAD_CROPS,
        HEAD_CROPS_PER_SLICE * len(items),
        HEAD_CROPS_PER_EPOCH * max_epochs,
        *(() if max_hours is None else (int(3600.0 * max_hours / 4 / HEAD_CROP_S),)),
    )
    return max(HEAD_BATCH, most // HEAD_BATCH * HEAD_BATCH)


def head_epochs(max_epochs: int) -> int:
    """How many epochs the head learns for, from those of the predictor."""
    return max(2, min(MOST_HEAD_EPOCHS, round(HEAD_EPOCHS_SHARE * max_epochs)))


def statistic_slices(max_epochs: int) -> int:
    """How many slices are edited and measured for the learned statistic."""
    return max(FEWEST_STATISTIC_SLICES, _spent(STATISTIC_SLICES, max_epochs))


def regenerator_steps(max_epochs: int) -> int:
    """How many batches each network learns from that draws crops anew."""
    return _spent(REGENERATOR_STEPS, max_epochs)


def _spent(most: int, max_epochs: int) -> int:
    share = min(1.0, max_epochs / WHOLE_TRAINING)
    return max(1, round(most * math.pow(share, STEEPNESS)))


def balanced_weights(items: Sequence[Mapping[str, Any]]) -> list[float]:
    """Sampling weight per item.

    A scanner and kernel with n slices is drawn in proportion to sqrt(n), not to n.

    Full balance would show the ten slices of a rare kernel as often as a hundred of a common one,
    and learn them by heart.
    """
    counts = Counter(item[Keys.GROUP] for item in items)
    return [1.0 / math.sqrt(counts[item[Keys.GROUP]]) for item in items]


def point_items(points: Sequence[Point]) -> list[dict[str, Any]]:
    """One item per slice that is asked about, in order of first mention, with all its points."""
    return [
        {Keys.IMAGE: str(each.path), Keys.FRAME: each.frame, Keys.POINTS: list(each.points)}
        for each in slice_requests(points)
    ]


def training_items(collection: Collection, left_out: Sequence[str]) -> list[dict[str, Any]]:
    """Slices of the patients that the network learns from."""
    return collection.of(
        [patient for patient in collection.patients if patient not in set(left_out)]
    )


def validation_items(
    collection: Collection, left_out: Sequence[str], crops: int
) -> list[dict[str, Any]]:
    """``crops`` fixed draws.

    Spread evenly over the patients left out (over all patients where none is), each with a seed of
    its own.
    """
    patients = list(left_out) or collection.patients
    by_patient = [collection.of([patient]) for patient in patients]
    chosen = []
    for number in range(crops):
        members = by_patient[number % len(by_patient)]
        stride = max(
            1, len(members) // -(-crops // len(by_patient))
        )  # few crops are spread over the whole series, not taken from its start
        chosen.append(
            {**members[number // len(by_patient) * stride % len(members)], Keys.DRAW: number}
        )
    return chosen
