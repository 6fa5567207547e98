"""Which pictures a benchmark draws, and of which rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.data import partition
from benchmarks.detection import plots, summary
from benchmarks.detection.collect import BenchmarkData
from benchmarks.detection.comparison import P_VALUES, Comparison, Row, of_baseline, ours
from benchmarks.detection.measurements import (
    OFFSET,
    SIZE,
    STRENGTH,
    TABLE,
)
from benchmarks.detection.trials import GENUINE
from benchmarks.metrics.roc import FloatArray

CURVE_LABELS = {
    OFFSET: "distance between click and centre of the edit (pixels)",
    SIZE: "radius of the edit (pixels)",
    STRENGTH: "strength of white noise (local residuals)",
}


def figures(content: Mapping[str, Any], data: BenchmarkData) -> dict[str, Figure]:
    """Pictures by name."""
    everything = data.rows
    genuine = [row for row in everything if row["kind"] == GENUINE]
    detectors = {
        "ours": ours,
        **{name: of_baseline(name) for name in content["baselines"]},
    }
    kinds = summary.attacks_by_form(
        {one["kind"]: TABLE[one["kind"]] for one in content["families"]}
    )
    every = {
        form: Comparison(
            [row for row in everything if row["kind"] in names and not row["curve"]], genuine
        )
        for form, names in kinds.items()
    }
    radius = float(np.median([row["radius"] for row in genuine])) if genuine else math.nan
    mark = (radius, "radius of the region (median)")
    result = {
        "roc": plots.roc(
            {
                form: {name: comparison.pooled(number) for name, number in detectors.items()}
                for form, comparison in every.items()
            }
        ),
        "calibration": plots.calibration(
            _p_values(genuine, data.patients),
            content["calibration patients"],
            np.random.default_rng(partition.SEED),
        ),
    }
    for curve, points in content["curves"].items():
        if points:
            result[curve] = plots.curves(
                points, CURVE_LABELS[curve], mark if curve != STRENGTH else None
            )
    return result


def _p_values(genuine: Sequence[Row], patients: Sequence[str]) -> dict[str, dict[str, FloatArray]]:
    """What is left out -> patient -> p-values of the controls."""
    return {
        words: {
            name: np.asarray(
                [row[key] for row in genuine if row["patient"] == name and math.isfinite(row[key])]
            )
            for name in patients
        }
        for key, words in P_VALUES.items()
    }
