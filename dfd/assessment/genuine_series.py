"""Genuine series + network -> statistics of every place of some of their slices."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from dfd.assessment.cohort import Cohort
from dfd.assessment.screening import grids_of, places_of
from dfd.calibration.series import Grids, Stacks
from dfd.errors import DfdError
from dfd.modalities import MODALITIES, Modality
from dfd.prediction.predict import predict_slice
from dfd.progress import Progress
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of
from dfd.records import Point, Slice
from dfd.regions import region_of
from dfd.sentences import beginning_with
from dfd.suitability import objections

SERIES_PER_PATIENT = 2
SLICES_PER_SERIES = 20
"""That follow each other: the longest run of slices that is averaged over, and some to spare."""

logger = logging.getLogger(__name__)


def usable_scan(item: Mapping[str, Any], modality: Modality) -> Slice | None:
    """The slice of an item (``image``, a path, and ``frame``, zero-based or None).

    None, with a warning, where scoring would refuse it.
    """
    path = Path(item["image"])
    try:
        scan = read_slice(path, item.get("frame"), modality.unit)
    except DfdError as error:
        logger.warning("left out of calibration: %s", beginning_with(str(path), error.sentence))
        return None
    suitability = objections(scan, modality)
    refusal = suitability.refusal or suitability.not_assessable
    if refusal:
        logger.warning("left out of calibration: %s: %s", item["image"], refusal)
        return None
    return scan


def whole_series(network: torch.nn.Module, cohort: Cohort) -> list[list[Stacks]]:
    """Of each patient a series or two, the middle of each, every place of every slice.

    Slices that cannot be used are left out and end a stack.
    """
    modality = MODALITIES[cohort.collection.modality]
    chosen = [_longest(cohort.collection.of([patient])) for patient in cohort.patients]
    total = sum(len(items) for series in chosen for items in series)
    by_patient: list[list[Stacks]] = []
    with Progress("calibration: screening series", total) as done:
        for number, series in enumerate(chosen, start=1):
            measured = [_measured(items, network, modality, done) for items in series]
            by_patient.append([stacks for stacks in measured if stacks])
            message = "calibration: patient %d of %d, %d genuine series looked at all over"
            logger.info(message, number, len(chosen), len(by_patient[-1]))
    return by_patient


def _longest(items: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The middle slices of the longest series of a patient, in order."""
    series = [list(each) for _, each in itertools.groupby(items, key=lambda item: item["series"])]
    longest = sorted(series, key=len, reverse=True)[:SERIES_PER_PATIENT]
    starts = [max(0, (len(each) - SLICES_PER_SERIES) // 2) for each in longest]
    return [
        each[start : start + SLICES_PER_SERIES] for each, start in zip(longest, starts, strict=True)
    ]


def _measured(
    items: Sequence[Mapping[str, Any]],
    network: torch.nn.Module,
    modality: Modality,
    done: Progress,
) -> Stacks:
    stacks: list[list[Grids]] = []
    for _, members in itertools.groupby(items, key=lambda item: item["stack"]):
        stacks.append([])
        for item in members:
            grids = genuine_grids(item, network, modality)
            done.update()
            if grids:
                stacks[-1].append(grids)
            else:
                stacks.append([])
    return [stack for stack in stacks if stack]


def genuine_grids(item: Mapping[str, Any], network: torch.nn.Module, modality: Modality) -> Grids:
    """Statistics ``[R, C]`` of every place of one genuine slice; none where it cannot be used."""
    scan = usable_scan(item, modality)
    if scan is None:
        return {}
    prediction = predict_slice(pixels_of(scan), network, modality)
    like = region_of(Point(0, str(item["image"]), 0.0, 0.0), scan, modality)
    return grids_of(places_of(prediction, modality, like), scan.pixels.shape, like)
