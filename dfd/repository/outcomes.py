"""How far a screening is, from plan and parts alone, and its record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfd.outputs import run_record
from dfd.repository.parts import Wanted, read_part
from dfd.repository.plan import Plan
from dfd.repository.schema import NOT_YET, OUTCOMES, PLANNED


@dataclass(frozen=True)
class Answers:
    """What became of every series of a plan."""

    statuses: Counter[str]
    """Planned series by what became of them."""
    seconds: float
    """Of all parts together."""
    seconds_a_slice: float | None
    """None where no slice was assessed yet."""

    def counts(self) -> dict[str, int]:
        """Planned series by what became of them; their sum is the number of planned series."""
        return {status: self.statuses[status] for status in OUTCOMES}


def wanted_of(row: Mapping[str, Any], models: Mapping[str, str]) -> Wanted:
    """A planned series with the model for it; ``models``: bundle -> SHA-256."""
    return Wanted(row["series"], row["content"], models[row["bundle"]])


def answers_of(plan: Plan, output: Path, models: Mapping[str, str]) -> Answers:
    """The answers that lie in ``output`` for the series of a plan.

    Args:
        plan: of the repository.
        output: folder with the parts.
        models: bundle -> SHA-256 of the model.
    """
    statuses: Counter[str] = Counter()
    seconds, slices, assessing = 0.0, 0, 0.0
    for row in plan.series_rows():
        if row["status"] != PLANNED:
            continue
        part = read_part(output, wanted_of(row, models))
        statuses[NOT_YET if part is None else part.status] += 1
        if part is None:
            continue
        seconds += part.seconds
        if part.slices:
            slices, assessing = slices + part.slices, assessing + part.seconds
    return Answers(statuses, seconds, assessing / slices if slices else None)


def write_record(plan: Plan, answers: Answers, output: Path, about: Mapping[str, object]) -> None:
    """Write run.json: ``about``, versions, and all counts.

    Raises:
        OutputError: it cannot be written.
    """
    record = {
        **about,
        "versions": run_record.versions(),
        "counts": {**plan.counts(), **answers.counts()},
        "seconds_of_all_parts": answers.seconds,
    }
    run_record.write(output, record)
