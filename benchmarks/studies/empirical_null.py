"""The empirical null of a repository on simulated series: false discoveries and power.

    python -m benchmarks.studies.empirical_null

A repository of strata of 5 to 2,000 series, whose genuine scores are shifted and widened as those
of real scanners are, with 0, 1, 5 and 10 % tampered series. Compared: lists by Benjamini-Hochberg
at 0.1 over the shipped p-values, over the empirical ones, and over those of the true null of each
stratum, which nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from benchmarks.runner import cli
from dfd.repository.empirical_null import FALSE_DISCOVERIES, PRIOR_WEIGHT, fit, q_values
from dfd.repository.empirical_null import normal_scores as scores_of

SEED = 20261127
SIZES = (5,) * 20 + (20,) * 10 + (100,) * 5 + (500,) * 2 + (2000,)
"""Series of each stratum of a repository; 3,800 in all."""
REPETITIONS, QUICK_REPETITIONS = 20, 2
SHARES = (0.0, 0.01, 0.05, 0.1, 0.2)
"""Of tampered series; the last breaks the assumption."""
SHIFT, WIDTH = (0.2, 0.35), (1.05, 0.15)
"""Mean and standard deviation over scanners of the centre of z, and of its spread. On scans of six
patients never shown, false alarms at 0.05 were 0.04 to 0.19 a patient: centres of -0.1 to 0.8."""
EFFECT = (3.0, 1.0)
"""Mean and standard deviation of what tampering adds to z."""
TAIL = 8
"""Degrees of freedom of the genuine scores where they are not normal."""
NULLS = ("normal", f"Student t, {TAIL} degrees of freedom")
WAYS = ("shipped", "empirical", "true null")
RATE, SMALL_RATE = 0.05, 0.001

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Repository:
    """Scores of simulated series ``[N]``."""

    z: Floats
    tampered: Bools
    stratum: NDArray[np.int64]
    true: Floats
    """p-values by the true null of each stratum."""


def simulate(rng: np.random.Generator, share: float, *, normal: bool) -> Repository:
    """One repository; of each stratum the same share is tampered with on average."""
    drawn = [_stratum(rng, number, share, normal=normal) for number in SIZES]
    z, tampered, true = (np.concatenate(each) for each in zip(*drawn, strict=True))
    return Repository(z, tampered, np.repeat(np.arange(len(SIZES)), SIZES), true)


def _stratum(
    rng: np.random.Generator, number: int, share: float, *, normal: bool
) -> tuple[Floats, Bools, Floats]:
    centre, spread = rng.normal(*SHIFT), max(rng.normal(*WIDTH), 0.6)
    widen = np.sqrt(TAIL / (TAIL - 2))
    unit = rng.standard_normal(number) if normal else rng.standard_t(TAIL, number) / widen
    tampered: Bools = rng.random(number) < share
    unit = unit + tampered * np.maximum(rng.normal(*EFFECT, number), 0.0) / spread
    true = norm.sf(unit) if normal else student.sf(unit * widen, TAIL)
    return centre + spread * unit, tampered, true


def empirical_p(repository: Repository) -> Floats:
    """Empirical p-values, each stratum by its own null."""
    # Through shipped p-values, as a report reads them.
    z = scores_of(norm.sf(repository.z))
    result = np.empty_like(z)
    for stratum in np.unique(repository.stratum):
        members = repository.stratum == stratum
        result[members] = fit(z[members]).p_values(z[members])
    return result


def outcomes(rng: np.random.Generator, share: float, *, normal: bool) -> Iterator[dict[str, Any]]:
    """A row for each way: the list of one repository, and its false alarms."""
    repository = simulate(rng, share, normal=normal)
    genuine = ~repository.tampered
    sizes = np.asarray(SIZES)[repository.stratum]
    p_values = (norm.sf(repository.z), empirical_p(repository), repository.true)
    for way, p in zip(WAYS, p_values, strict=True):
        listed = q_values(p) <= FALSE_DISCOVERIES
        yield {
            "way": way,
            "listed": int(listed.sum()),
            "false discovery rate": float((listed & genuine).sum() / max(listed.sum(), 1)),
            "power": float(listed[repository.tampered].mean()) if share else float("nan"),
            f"genuine at {RATE}": float((p[genuine] <= RATE).mean()),
            f"genuine at {SMALL_RATE}": float((p[genuine] <= SMALL_RATE).mean()),
            "by size": {
                str(size): float((p[genuine & (sizes == size)] <= RATE).mean())
                for size in sorted(set(SIZES))
            },
        }


def summary(null: str, share: float, repetitions: int) -> list[dict[str, Any]]:
    """Means over repositories, a row for each way."""
    rng = np.random.default_rng([SEED, NULLS.index(null), round(1000 * share)])
    rows = [
        row for _ in range(repetitions) for row in outcomes(rng, share, normal=null == NULLS[0])
    ]
    return [
        {"null": null, "tampered": share, **_means([row for row in rows if row["way"] == way])}
        for way in WAYS
    ]


def _means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    first = rows[0]
    numbers = [name for name, value in first.items() if isinstance(value, float | int)]
    discoveries = [row["false discovery rate"] for row in rows]
    return {
        "way": first["way"],
        **{name: float(np.mean([row[name] for row in rows])) for name in numbers},
        "standard error": float(np.std(discoveries, ddof=1) / np.sqrt(len(rows))),
        "by size": {
            size: float(np.mean([row["by size"][size] for row in rows]))
            for size in first["by size"]
        },
    }


def cost(rows: list[dict[str, Any]]) -> list[list[str]]:
    """What contamination costs: power by the empirical null beside that by the true one."""
    power = {(row["tampered"], row["way"]): row["power"] for row in rows if row["null"] == NULLS[0]}
    return [
        [
            f"{100 * share:g} %",
            f"{power[share, 'true null']:.2f}",
            f"{power[share, 'empirical']:.2f}",
            f"{power[share, 'true null'] - power[share, 'empirical']:.2f}",
        ]
        for share in SHARES
        if share
    ]


def markdown(rows: list[dict[str, Any]], repetitions: int) -> str:
    """The tables."""
    rates = (f"genuine at {RATE}", f"genuine at {SMALL_RATE}")
    head = ["tampered", "p-values", "listed", "false discovery rate", "power"]
    heads = [*head, *(f"genuine at p <= {rate}" for rate in (RATE, SMALL_RATE))]
    text = [
        "# Empirical null of a repository, simulated\n",
        f"{repetitions} repositories for each row: {sum(SIZES)} series in {len(SIZES)} strata of "
        f"{min(SIZES)} to {max(SIZES)}. Centres of z {SHIFT[0]} +- {SHIFT[1]}, spreads {WIDTH[0]} "
        f"+- {WIDTH[1]}; tampering adds {EFFECT[0]:g} +- {EFFECT[1]:g}. Lists by "
        f"Benjamini-Hochberg at {FALSE_DISCOVERIES}; the shipped calibration counts as "
        f"{PRIOR_WEIGHT:g} series of a stratum. Made by `python -m "
        "benchmarks.studies.empirical_null`.\n",
    ]
    for null in NULLS:
        lines = [
            [
                f"{100 * row['tampered']:g} %",
                row["way"],
                f"{row['listed']:.0f}",
                f"{row['false discovery rate']:.3f} +- {row['standard error']:.3f}",
                f"{row['power']:.2f}" if row["tampered"] else "",
                *(f"{row[name]:.4f}" for name in rates),
            ]
            for row in rows
            if row["null"] == null
        ]
        text += [f"## Genuine scores: {null}\n", cli.table(heads, lines) + "\n"]
    text += [
        "With no tampered series every list is false: its rate is the share of repositories with "
        "a list at all. Where genuine scores have heavier tails than normal ones, lists by the "
        "empirical null hold more false discoveries than asked for: the Q-Q plots of the report "
        "show such tails.\n",
        "## What contamination costs: power\n",
        cli.table(["tampered", "true null", "empirical null", "cost"], cost(rows)) + "\n",
        "## Genuine series at p <= 0.05 by the size of their stratum, normal scores\n",
        _by_size(rows),
    ]
    return "\n".join(text)


def _by_size(rows: list[dict[str, Any]]) -> str:
    sizes = [str(size) for size in sorted(set(SIZES))]
    lines = [
        [f"{100 * row['tampered']:g} %", row["way"], *(f"{row['by size'][s]:.3f}" for s in sizes)]
        for row in rows
        if row["null"] == NULLS[0] and row["way"] != WAYS[2]
    ]
    return cli.table(["tampered", "p-values", *(f"{size} series" for size in sizes)], lines)


def main() -> None:
    arguments = cli.parser(__doc__, model=False).parse_args()
    repetitions = QUICK_REPETITIONS if arguments.quick else REPETITIONS
    rows = [row for null in NULLS for share in SHARES for row in summary(null, share, repetitions)]
    content = {"repetitions": repetitions, "sizes": SIZES, "rows": rows}
    cli.publish("empirical_null", content, markdown(rows, repetitions), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
