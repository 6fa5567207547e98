"""One family of evidence by itself, as ``SliceEvidence`` calls it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from dfd.evidence import reference_windows
from dfd.evidence.family import EvidenceFamily, Need, RegionBatch, SliceInput
from dfd.modalities import Modality
from dfd.records import Context, Evidence, Prediction, Region


def slice_input(
    family: EvidenceFamily[Any],
    prediction: Prediction,
    radius: float,
    modality: Modality,
    context: Context | None = None,
) -> SliceInput:
    """What ``family`` is given of a slice: no more than it declares."""
    windows = partial(reference_windows.prepare, prediction, radius, modality)
    return SliceInput(
        prediction,
        radius,
        modality,
        windows if Need.WINDOWS in family.needs else None,
        context if Need.CONTEXT in family.needs else None,
    )


def batch_of(
    family: EvidenceFamily[Any], regions: Sequence[Region], given: SliceInput
) -> RegionBatch:
    """``regions`` of one radius, as ``family`` is given them."""
    if Need.WINDOWS not in family.needs:
        return RegionBatch(regions)
    return RegionBatch(regions, reference_windows.measure_regions(regions, given.windows))


def measure_regions(
    family: EvidenceFamily[Any],
    regions: Sequence[Region],
    prediction: Prediction,
    modality: Modality,
    context: Context | None = None,
) -> list[Evidence]:
    """The evidence of ``family`` in each of ``regions``, which have one radius."""
    given = slice_input(family, prediction, regions[0].radius_px, modality, context)
    return list(family.measure(batch_of(family, regions, given), family.prepare(given)))


def measure_region(
    family: EvidenceFamily[Any],
    region: Region,
    prediction: Prediction,
    modality: Modality,
    context: Context | None = None,
) -> Evidence:
    """The same in one region."""
    (evidence,) = measure_regions(family, [region], prediction, modality, context)
    return evidence
