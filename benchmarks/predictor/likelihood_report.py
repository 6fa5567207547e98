"""The result of `benchmarks.predictor.likelihood` as read by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.runner import cli

ACCURATE = (0.8, 1.25)


def count_accurate(cells: Sequence[Mapping[str, Any]], when: str) -> int:
    """How many cells lie within ``ACCURATE``."""
    return sum(ACCURATE[0] <= cell[when] <= ACCURATE[1] for cell in cells)


def markdown(content: Mapping[str, Any]) -> str:
    """The result as read by people."""
    single = content["slice cells"]
    parts = [
        f"# Masked likelihood and accuracy of the spread: {content['modality']}",
        "Patients of fold1, on whom the network was not trained; at most "
        f"{content['slices per series']} slices a series. "
        f"Nats per hidden pixel in {content['unit']}, without the constant; smaller is better. "
        "*Unseen*: the scanner, or only the kernel (MR: sequence), does not occur in training.",
        cli.table(
            ["patient", "series", "scanner, kernel", "unseen", *content["pooled"]["nll"]],
            _series_rows(content),
        ),
        (
            "How much worse each reference is than the network, mean over patients with 95 % "
            "interval over patients:"
        ),
        cli.table(
            ["reference", "worse by", "interval", "least (patient)", "network better in"],
            _reference_rows(content),
        ),
        "Mean energy of z per scanner, kernel and tissue (1 = the spread is accurate): as it is, "
        "cut at |z| = 6, and cut after division by the scan's own factor per tissue (half of the "
        f"blocks fits the factor for the other half). Within {ACCURATE[0]} to {ACCURATE[1]}: "
        f"{count_accurate(content['energy'], 'before')} of {len(content['energy'])} cells "
        f"before, **{count_accurate(content['energy'], 'after')} of "
        f"{len(content['energy'])}** after.",
        cli.table(
            ["scanner, kernel", "tissue", "unseen", "energy", "cut", "after factor"],
            _energy_rows(content),
        ),
        (
            f"The same for each slice: {single['before']} of {single['all']} before, "
            f"**{single['after']}** after."
        ),
        (
            f"Weights {content['weights_sha256'][:12]}, seed {content['seed']}, "
            f"{content['seconds']:.0f} s."
        ),
    ]
    return "\n\n".join(parts)


def _series_rows(content: Mapping[str, Any]) -> list[list[str]]:
    """A line for each series, and the mean over patients."""
    names = list(content["pooled"]["nll"])
    rows = [
        [
            row["patient"],
            row["series"],
            f"{row['scanner']}, {row['kernel']}",
            row["new"] or "-",
            *(f"{row['nll'][name]:.3f}" for name in names),
        ]
        for row in content["series"]
    ]
    rows.append(
        [
            "**all patients**",
            "",
            "",
            "",
            *(f"**{content['pooled']['nll'][name]:.3f}**" for name in names),
        ]
    )
    return rows


def _reference_rows(content: Mapping[str, Any]) -> list[list[str]]:
    """A line for each reference: how much worse than the network it is."""
    return [
        [
            name,
            f"{value['mean']:+.3f}",
            f"{value['low']:+.3f} to {value['high']:+.3f}",
            f"{value['smallest']:+.3f}",
            value["series won"],
        ]
        for name, value in content["pooled"]["worse"].items()
    ]


def _energy_rows(content: Mapping[str, Any]) -> list[list[str]]:
    """A line for each scanner, kernel and tissue: mean energy of z."""
    return [
        [
            f"{cell['scanner']}, {cell['kernel']}",
            cell["tissue"],
            "yes" if cell["new"] else "-",
            *(f"{cell[key]:.2f}" for key in ("uncut", "before", "after")),
        ]
        for cell in content["energy"]
    ]
