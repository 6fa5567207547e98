"""The result of `benchmarks.studies.first_evidence` as read by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.detection import trials
from benchmarks.detection.trials import CONTENT
from benchmarks.runner import cli
from dfd.evidence import context_families, lone_slice_families

MEASURED = (*lone_slice_families(), *context_families())
HEAD = ("edit", "regions", "AUC", "found at 5 %", "found at 1 %")


def markdown(content: Mapping[str, Any]) -> str:
    """The result as read by people."""
    rates = list(content["false alarms"])
    tissues = [
        [
            kind["kind"],
            ", ".join(f"{name} {value:.2f}" for name, value in kind["tissues"].items()) or "-",
        ]
        for kind in content["kinds"]
    ]
    parts = [
        f"# Evidence on manipulations: {content['modality']}",
        _introduction(content),
        cli.table(
            [*HEAD, *rates, "AUC with neighbours", " / ".join(MEASURED), "content alone"],
            [*(_cells(kind, rates) for kind in content["kinds"]), _control_cells(content)],
        ),
        "AUC within each tissue that holds at least ten regions of either side:",
        cli.table(["edit", "tissue"], tissues),
        (
            f"Weights {content['weights_sha256'][:12]}, seed {content['seed']}, "
            f"{content['seconds']:.0f} s."
        ),
    ]
    return "\n\n".join(parts)


def _introduction(content: Mapping[str, Any]) -> str:
    return (
        f"{content['patients']} patients of fold1 (left out of training; early stopping and "
        "the shipped calibration saw them), "
        f"{content['slices']} slices, {content['controls']} matched genuine places. Up to "
        f"{trials.SITES} edits per slice and kind, 4 radii apart, "
        "each as large as the region asked about; "
        "which of four places alike in mean and edge strength is edited is drawn, the other "
        f"{trials.CONTROLS} are controls. "
        "AUC with a 95 % interval over patients; found at 5 % and 1 % false alarms of these "
        "controls; share at or below the p-value thresholds "
        f"with the shipped calibration ({content['calibration patients']} patients) and with "
        "the patient left out of it. "
        "The combination is the length of the vector of the families' -log10 rarities, for "
        "the lone slice and once more with the untouched slices "
        "above and below (where there are any, and the calibration has tables for them); then "
        "the AUC of each family by itself. "
        "Last column: AUC of content alone (mean / deviation / edge share); 0.5 says nothing, "
        "far below says as much as far above."
    )


def _control_cells(content: Mapping[str, Any]) -> list[str]:
    """The line of the genuine controls: how often each threshold calls them unusual."""
    alarms = [f"{value:.2f}" for value in content["false alarms"].values()]
    name = "genuine controls (realised false alarms)"
    return [name, str(content["controls"]), "", "", "", *alarms, "", "", ""]


def _auc_with_neighbours(kind: Mapping[str, Any]) -> str:
    """AUC with neighbours and its interval; a dash where there were none."""
    if not np.isfinite(kind["auc with neighbours"]):
        return "-"
    return (
        f"{kind['auc with neighbours']:.2f} ({kind['low with neighbours']:.2f} to "
        f"{kind['high with neighbours']:.2f})"
    )


def _cells(kind: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [
        kind["kind"],
        str(kind["regions"]),
        f"**{kind['auc']:.2f}** ({kind['low']:.2f} to {kind['high']:.2f})",
        f"{kind['found at 0.05']:.2f}",
        f"{kind['found at 0.01']:.2f}",
        *(f"{kind[name]:.2f}" for name in names),
        _auc_with_neighbours(kind),
        " / ".join(f"{kind[f'auc by {family}']:.2f}" for family in MEASURED),
        " / ".join(f"{kind[f'auc of {name}']:.2f}" for name in CONTENT),
    ]
