"""The answers of its slices -> the answer of a series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dfd.calibration.decision import verdict_of
from dfd.records import SUSPICIOUS
from dfd.repository.regions import ListedRegion


@dataclass(frozen=True, slots=True)
class SliceAnswer:
    """What screening said of one slice of a series."""

    number: int
    """Of the slice in the order of the series, from 1."""
    sop_uid: str
    position_mm: float | None
    """Along the normal of the series; None where the header has none."""
    p_value: float | None
    """None where the slice could not be assessed."""
    form: str
    reason: str
    regions: tuple[ListedRegion, ...] = ()
    """That the slice lists, from the fewest expected false alarms on."""
    fingerprint: bytes | None = None
    """32 bytes of its noise (:mod:`dfd.repository.fingerprint`)."""
    file: str = ""
    """Relative to the source."""
    frame: int = 0


@dataclass(frozen=True, slots=True)
class SeriesAnswer:
    """What is said of a series."""

    p_value: float
    score: float
    """-log10 of ``p_value``."""
    statistic: float
    verdict: str
    form: str
    reason: str


def series_answer(slices: Sequence[SliceAnswer]) -> SeriesAnswer | None:
    """The answer of a series; None where no slice could be assessed.

    A Bonferroni correction for the number of slices: the p-value is the smallest of the slices
    times how many were assessed, at most 1. That holds however the slices depend on each other, and
    uses nothing of what adjacent slices say together. ``statistic`` is the largest -log10 p of a
    slice.
    """
    assessed = [each for each in slices if each.p_value is not None]
    if not assessed:
        return None
    strangest = min(assessed, key=lambda each: (each.p_value, each.number))
    smallest = strangest.p_value or 0.0
    p = min(1.0, smallest * len(assessed))
    verdict = verdict_of(p)
    return SeriesAnswer(
        p_value=p,
        score=-math.log10(p) + 0.0,
        statistic=-math.log10(smallest) + 0.0,
        verdict=str(verdict),
        form=strangest.form if verdict in SUSPICIOUS else "",
        reason=(
            f"the strangest of {len(assessed)} assessed slices is number {strangest.number}: "
            f"{strangest.reason}"
        ),
    )
