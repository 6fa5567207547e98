"""What each part of the detector is worth.

The mean over the edits of each form, with that part taken away or left alone.

Every line stands on the same tables: those of the genuine regions of the other patients of this
run, the whole detector among them, so that lines can be compared with each other. They differ from
the tables of forms, whose numbers stand on the shipped calibration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch

from benchmarks.detection.comparison import Row, comparison_of, means
from benchmarks.detection.report import FOUND_HEADS, number, ranged
from benchmarks.detection.trials import GENUINE
from benchmarks.detection.variants import KEY, NETWORK_FREE, NO_HEAD, NO_NETWORK, WINDOWS
from benchmarks.metrics.bootstrap import DRAWS
from benchmarks.models import held_out_calibration
from benchmarks.runner.cli import table
from dfd.evidence import context_families, lone_slice_families, noise, synthesis
from dfd.evidence.running_sums import FloatArray
from dfd.intensity import MAD_TO_SD

Statistics: TypeAlias = Mapping[str, float]
StatisticsOf: TypeAlias = Callable[[Row], Statistics]
"""What the families of a variant say of a region; empty where it was not measured."""
SCORE = "variant score"
SMALLEST_SPREAD = 1e-3
"""Of a measure over the patients, as within a slice."""
GRAIN = (noise, synthesis)
"""Families that compare windows of a slice."""


@dataclass(frozen=True)
class Variant:
    """One line of the ablation."""

    name: str
    learn: Callable[[Sequence[Row]], StatisticsOf]
    """Genuine regions of the other patients -> the statistics of any region."""
    kinds: tuple[str, ...] = ()
    """Edits on which it was measured; empty: all."""
    where: Callable[[Row], bool] = lambda row: True
    """Regions on which it is measured."""


def only(*families: str) -> Callable[[Sequence[Row]], StatisticsOf]:
    """The statistics of some families, as they stand in the rows."""
    return lambda genuine: (
        lambda row: {family: row["statistics"].get(family, math.nan) for family in families}
    )


def headless(genuine: Sequence[Row]) -> StatisticsOf:
    """A head that says nothing; copies are looked for without it anyhow."""
    return lambda row: (
        {**only(*lone_slice_families())(genuine)(row), **row[KEY][NO_HEAD]}
        if NO_HEAD in row.get(KEY, {})
        else {}
    )


def network_free(genuine: Sequence[Row]) -> StatisticsOf:
    """All families on smoothed neighbours in place of the network."""
    return lambda row: row.get(KEY, {}).get(NO_NETWORK, {})


def compared_with_patients(genuine: Sequence[Row]) -> StatisticsOf:
    """Windows compared with those of other patients in place of those of their own slice."""
    measures = [row[KEY][WINDOWS] for row in genuine if WINDOWS in row.get(KEY, {})]
    if not measures:
        return lambda row: {}
    reference = np.asarray(measures, dtype=np.float64)
    reference = reference[np.isfinite(reference).all(axis=(1, 2))]
    if not len(reference):
        return lambda row: {}
    middle = np.median(reference, axis=0)
    spread = np.maximum(MAD_TO_SD * np.median(np.abs(reference - middle), axis=0), SMALLEST_SPREAD)
    usual = {
        family: [
            float(np.median(family.statistic(torch.from_numpy(scale)).numpy()))
            for scale in ((reference - middle) / spread).swapaxes(0, 1)
        ]
        for family in GRAIN
    }

    def statistics_of(row: Row) -> Statistics:
        if WINDOWS not in row.get(KEY, {}):
            return {}
        away = (np.asarray(row[KEY][WINDOWS], dtype=np.float64) - middle) / spread
        statistics = {
            family.FAMILY.name: _highest(
                family.statistic(torch.from_numpy(away)).numpy() / np.asarray(usual[family])
            )
            for family in GRAIN
        }
        return {**only(*lone_slice_families())(genuine)(row), **statistics}

    return statistics_of


def _highest(values: FloatArray) -> float:
    """Over the scales, the largest of which comes first and must be finite."""
    return float(np.nanmax(values)) if math.isfinite(values[0]) else math.nan


def _has_neighbours(row: Row) -> bool:
    return any(
        math.isfinite(row["statistics"].get(family, math.nan)) for family in context_families()
    )


WHOLE_DETECTOR = "whole detector, lone slice"
VARIANTS = (
    Variant(WHOLE_DETECTOR, only(*lone_slice_families())),
    *(Variant(f"{family} alone", only(family)) for family in lone_slice_families()),
    *(
        Variant(
            f"without {family}",
            only(*(other for other in lone_slice_families() if other != family)),
        )
        for family in lone_slice_families()
    ),
    Variant("without the head", headless),
    Variant("without self-reference", compared_with_patients),
    Variant(
        ("whole detector, where there are neighbours"),
        only(*lone_slice_families()),
        where=_has_neighbours,
    ),
    Variant(
        "with neighbours", only(*lone_slice_families(), *context_families()), where=_has_neighbours
    ),
    Variant("whole detector, on a few edits", only(*lone_slice_families()), kinds=NETWORK_FREE),
    Variant("without the network, on the same edits", network_free, kinds=NETWORK_FREE),
)
EXPLANATION = (
    f"Mean over the edits of each form: AUC, then {FOUND_HEADS[1]}. Every line is calibrated on "
    "the genuine regions of the other patients of this run. *Without self-reference*: windows are "
    "compared with those of other patients instead of those of their own slice (the search for "
    "copies stays as it is). *Without the head*: noise and synthesis use the residual alone. "
    "*Without the network*: the smoothed neighbours of a pixel predict it; measured on "
    f"{', '.join(NETWORK_FREE[1:])}."
)


def scored(rows: Sequence[Row], variant: Variant) -> list[Row]:
    """The rows on which the variant is measured, with its score.

    The score of a patient stands on the tables of the others; NaN where there are none.
    """
    members = [
        row
        for row in rows
        if not row["curve"]
        and variant.where(row)
        and (not variant.kinds or row["kind"] in variant.kinds)
    ]
    result: list[Row] = []
    for patient in sorted({row["patient"] for row in members}):
        others = [row for row in members if row["kind"] == GENUINE and row["patient"] != patient]
        statistics_of = variant.learn(others)
        by_patient = [
            [statistics_of(row) for row in others if row["patient"] == name]
            for name in sorted({row["patient"] for row in others})
        ]
        own = [row for row in members if row["patient"] == patient]
        values = held_out_calibration.scores([statistics_of(row) for row in own], by_patient)
        result += [{**row, SCORE: float(value)} for row, value in zip(own, values, strict=True)]
    return result


def lines(
    rows: Sequence[Row], forms: Mapping[str, Sequence[str]], draws: int = DRAWS
) -> list[dict[str, Any]]:
    """Every variant in each of ``forms`` (form -> edits), as numbers."""
    return [line(rows, variant, forms, draws) for variant in VARIANTS]


def line(
    rows: Sequence[Row], variant: Variant, forms: Mapping[str, Sequence[str]], draws: int = DRAWS
) -> dict[str, Any]:
    """One variant in each form."""
    scored_rows = [row for row in scored(rows, variant) if math.isfinite(row[SCORE])]
    numbers = {}
    for form, kinds in forms.items():
        every = [
            comparison for kind in kinds if (comparison := comparison_of(scored_rows, kind)).edited
        ]
        numbers[form] = {
            "families": len(every),
            **means(every, lambda row: float(row[SCORE]), draws=draws),
        }
    return {"variant": variant.name, "forms": numbers}


def markdown(lines: Sequence[Mapping[str, Any]]) -> str:
    """As read by people."""
    if not lines:
        return ""
    forms = list(lines[0]["forms"])
    cells = [
        [one["variant"], *(cell for form in forms for cell in _cells(one["forms"][form]))]
        for one in lines
    ]
    heads = [
        "",
        *(head for form in forms for head in (f"{form}: edits, patients", "AUC", FOUND_HEADS[1])),
    ]
    return f"## Ablation\n\n{EXPLANATION}\n\n{table(heads, cells)}"


def _cells(one: Mapping[str, Any]) -> list[str]:
    if not math.isfinite(one["auc"]):
        return [f"{one['families']}, {one['patients']}", number(None), number(None)]
    return [
        f"{one['families']}, {one['patients']}",
        ranged(one, "auc"),
        ranged(one, "found at 0.01"),
    ]
