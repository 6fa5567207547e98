"""The empirical null of a repository on simulated series: false discoveries and power.

    python -m benchmarks.studies.empirical_null

A repository of strata of 5 to 2,000 series, whose genuine scores are shifted and widened as those
of real scanners are, with 0 to 20 % tampered series, and four kinds of genuine p-values. Compared:
lists by Benjamini-Hochberg at 0.1 over the shipped p-values, over the empirical ones, and over
those of the true null of each stratum, which nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.runner import cli
from benchmarks.studies.empirical_null_report import markdown
from benchmarks.studies.empirical_null_simulation import (
    NULLS,
    SIZES,
    Floats,
    Repository,
    simulate,
)
from dfd.repository import empirical_null
from dfd.repository.empirical_null import FALSE_DISCOVERIES, fit, normal_scores, q_values

SEED = 20261127
REPETITIONS, QUICK_REPETITIONS = 60, 2
CHOICE_REPETITIONS = 24
SHARES = (0.0, 0.01, 0.05, 0.1, 0.2)
"""Of tampered series; the last breaks the assumption."""
WAYS = ("shipped", "empirical", "true null")
RATES = (0.05, 0.001)
LIMITS = (0.3, 0.5, 0.7, 1.0)
"""Candidates for the largest p-value that is looked at; 1 looks at all."""
FEWEST = (1, 10, 20, 50)
"""Candidates for the smallest stratum that has an empirical null."""
CHOICE_SHARE = 0.05


def empirical_p(repository: Repository) -> Floats:
    """Empirical p-values, each stratum by its own null."""
    z = normal_scores(repository.p_values)
    result = np.empty_like(z)
    for stratum in np.unique(repository.stratum):
        members = repository.stratum == stratum
        result[members] = fit(z[members]).p_values(z[members])
    return result


def outcomes(rng: np.random.Generator, share: float, null: str) -> Iterator[dict[str, Any]]:
    """A row for each way: the list of one repository, and its false alarms."""
    repository = simulate(rng, share, null)
    p_values = (repository.p_values, empirical_p(repository), repository.true)
    for way, p in zip(WAYS, p_values, strict=True):
        yield {"way": way, **outcome(repository, p)}


def outcome(repository: Repository, p: Floats) -> dict[str, Any]:
    """The list of one repository by some p-values, and its false alarms."""
    genuine = ~repository.tampered
    sizes = np.asarray(SIZES)[repository.stratum]
    listed = q_values(p) <= FALSE_DISCOVERIES
    tampered = repository.tampered.any()
    return {
        "listed": int(listed.sum()),
        "false discovery rate": float((listed & genuine).sum() / max(listed.sum(), 1)),
        "power": float(listed[repository.tampered].mean()) if tampered else float("nan"),
        **{f"genuine at {rate}": float((p[genuine] <= rate).mean()) for rate in RATES},
        "by size": {
            str(size): float((p[genuine & (sizes == size)] <= RATES[0]).mean())
            for size in sorted(set(SIZES))
        },
    }


def summary(null: str, share: float, repetitions: int) -> list[dict[str, Any]]:
    """Means over repositories, a row for each way."""
    rng = np.random.default_rng([SEED, NULLS.index(null), round(1000 * share)])
    rows = [row for _ in range(repetitions) for row in outcomes(rng, share, null)]
    return [
        {"null": null, "tampered": share, **_means([row for row in rows if row["way"] == way])}
        for way in WAYS
    ]


def _means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means, and 95 % intervals of the means over repositories (normal approximation)."""
    first = rows[0]
    numbers = [name for name, value in first.items() if isinstance(value, float | int)]
    values = {name: np.asarray([row[name] for row in rows], np.float64) for name in numbers}
    half = {
        name: 1.96 * float(values[name].std(ddof=1)) / np.sqrt(len(rows))
        for name in ("false discovery rate", "power")
    }
    return {
        **({"way": first["way"]} if "way" in first else {}),
        **{name: float(each.mean()) for name, each in values.items()},
        "half interval": half,
        "by size": {
            size: float(np.mean([row["by size"][size] for row in rows]))
            for size in first["by size"]
        },
    }


def choices(repetitions: int) -> list[dict[str, Any]]:
    """Candidates for two constants, on the same repositories."""
    lines = []
    candidates = [
        *(("INFORMATIVE_P", limit) for limit in LIMITS),
        *(("FEWEST_SERIES", number) for number in FEWEST),
    ]
    for name, value in candidates:
        for null in NULLS:
            rng = np.random.default_rng([SEED, NULLS.index(null)])
            with patch.object(empirical_null, name, value):
                drawn = [simulate(rng, CHOICE_SHARE, null) for _ in range(repetitions)]
                rows = [outcome(each, empirical_p(each)) for each in drawn]
            lines.append({"constant": name, "value": value, "null": null, **_means(rows)})
    return lines


def main() -> None:
    arguments = cli.parser(__doc__, model=False).parse_args()
    repetitions = QUICK_REPETITIONS if arguments.quick else REPETITIONS
    rows = [row for null in NULLS for share in SHARES for row in summary(null, share, repetitions)]
    content = {
        "repetitions": repetitions,
        "sizes": SIZES,
        "rows": rows,
        "choices": choices(min(repetitions, CHOICE_REPETITIONS)),
    }
    cli.publish("empirical_null", content, markdown(content), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
