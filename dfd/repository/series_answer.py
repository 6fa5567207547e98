"""What is said of a series, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfd.assessment.series import SeriesFinding
from dfd.calibration import MOST_FALSE_ALARMS, chance_in_words

EXTRAPOLATED = "the p-value is extrapolated: the patients of the calibration are too few for it"


def sentence_of(finding: SeriesFinding, strongest: Mapping[str, Any], slices: int) -> str:
    """Where the strangest place of a series lies, why it is strange, and what chance brings.

    Args:
        finding: of the series.
        strongest: its first region, columns of ``schema.REGION``.
        slices: how many were assessed.
    """
    first, last = strongest["first_slice"], strongest["last_slice"]
    where = f"slice {first}" if first == last else f"slices {first} to {last}"
    place = f"lies in {where} at x {strongest['x']:g}, y {strongest['y']:g}"
    expected = strongest["expected_false_alarms"]
    chance = chance_in_words(expected)
    remarks = "".join(f"; {each}" for each in (*finding.remarks, *_support(finding)))
    if expected > MOST_FALSE_ALARMS:
        looked = "the one slice" if slices == 1 else f"{slices} slices"
        return f"no region stands out: the strangest of {looked} {place}, and {chance}{remarks}"
    count = len(finding.regions)
    whole = (
        "the only region that stands out"
        if count == 1
        else f"the strongest of {count} regions that stand out"
    )
    return f"{whole} {place}: {strongest['reason']}; {chance}{remarks}"


def _support(finding: SeriesFinding) -> tuple[str, ...]:
    return (EXTRAPOLATED,) if finding.extrapolated else ()
