"""The results of ``benchmarks.studies.froc`` as a page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from benchmarks.detection import report
from benchmarks.runner import cli

ALARM = 0.05
"""P-value of a slice that counts as found."""


def markdown(content: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    parts = [
        f"# Screening of lone slices: {content['modality']}",
        f"Weights {', '.join(content['weights'])}; {content['genuine slices']} genuine slices of "
        f"{content['patients']} patients, one edit in a slice, of {content['size']:g} times the "
        "radius asked about. Shares of edits found at so many false places a genuine slice; their "
        f"mean; slices with p <= 0.05 by the other patients (at most {ALARM:g} of genuine ones; - "
        "where they are too few); edits that are the first place of their slice. In brackets: 95 % "
        "over patients.",
    ]
    for name, rows in content["rankings"].items():
        cells = [[_cell(each) for each in row.values()] for row in rows]
        parts += [f"## By {name}", cli.table(list(rows[0]), cells)]
    return "\n\n".join(parts)


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        if not math.isfinite(value["value"]):
            return report.number(math.nan)
        return f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})"
    return report.number(value) if isinstance(value, float) else str(value)
