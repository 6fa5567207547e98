"""The simulations of the empirical null in words and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.runner import cli
from benchmarks.studies.empirical_null_simulation import (
    EFFECT,
    NULLS,
    SHIFT,
    SIZES,
    WIDTH,
)
from dfd.repository.empirical_null import (
    FALSE_DISCOVERIES,
    FEWEST_SERIES,
    INFORMATIVE_P,
    PRIOR_WEIGHT,
    TAMPERED_SHARE,
)

Row = Mapping[str, Any]
EMPIRICAL, TRUE = "empirical", "true null"


def markdown(content: Mapping[str, Any]) -> str:
    """All tables."""
    rows = content["rows"]
    text = [
        "# Empirical null of a repository, simulated\n",
        f"{content['repetitions']} repositories for each row: {sum(SIZES)} series in {len(SIZES)} "
        f"strata of {min(SIZES)} to {max(SIZES)}. Centres of z {SHIFT[0]} +- {SHIFT[1]}, spreads "
        f"{WIDTH[0]} +- {WIDTH[1]}; tampering adds {EFFECT[0]:g} +- {EFFECT[1]:g}. Lists by "
        f"Benjamini-Hochberg at {FALSE_DISCOVERIES}; the shipped calibration counts as "
        f"{PRIOR_WEIGHT:g} series of a stratum. After +- are 95 % intervals. Made by `python -m "
        "benchmarks.studies.empirical_null`.\n",
    ]
    for null in NULLS:
        text += [f"## Genuine p-values: {null}\n", _lists(rows, null) + "\n"]
    text += [
        "With no tampered series every list is false: its rate is the share of repositories with "
        "a list at all. The assumption is that p-values as normal quantiles are normal. Where it "
        "does not hold, lists by the empirical null hold more false discoveries than asked for: "
        f"{_worst(rows)}. The Q-Q plots of the report show such tails.\n",
        "## What contamination costs: power\n",
        f"The assumption is at most {100 * TAMPERED_SHARE:.0f} % tampered series.\n",
        cli.table(["genuine p-values", "tampered", TRUE, EMPIRICAL, "cost"], _cost(rows)) + "\n",
        f"## Genuine series at p <= 0.05 by the size of their stratum, {NULLS[0]}\n",
        _by_size(rows) + "\n",
        "## Choices, at 5 % tampered series\n",
        f"Largest p-value that is looked at (`INFORMATIVE_P`, taken: {INFORMATIVE_P}) and smallest "
        f"stratum that has a null of its own (`FEWEST_SERIES`, taken: {FEWEST_SERIES}).\n",
        _choices(content["choices"]),
    ]
    return "\n".join(text)


def _lists(rows: Sequence[Row], null: str) -> str:
    head = ["tampered", "p-values", "listed", "false discovery rate", "power"]
    rates = [name for name in rows[0] if name.startswith("genuine at")]
    lines = [
        [
            f"{100 * row['tampered']:g} %",
            row["way"],
            f"{row['listed']:.0f}",
            _with_interval(row, "false discovery rate", 3),
            _with_interval(row, "power", 2) if row["tampered"] else "",
            *(f"{row[name]:.4f}" for name in rates),
        ]
        for row in rows
        if row["null"] == null
    ]
    return cli.table([*head, *(name.replace("at ", "at p <= ") for name in rates)], lines)


def _with_interval(row: Row, name: str, digits: int) -> str:
    return f"{row[name]:.{digits}f} +- {row['half interval'][name]:.{digits}f}"


def _worst(rows: Sequence[Row]) -> str:
    """The largest false discovery rate of each null, with 1 to 10 % tampered series."""
    rates = {
        null: max(
            row["false discovery rate"]
            for row in rows
            if row["null"] == null and row["way"] == EMPIRICAL and 0.0 < row["tampered"] <= 0.1
        )
        for null in NULLS
    }
    return "; ".join(f"up to {rate:.2f} ({null})" for null, rate in rates.items())


def _cost(rows: Sequence[Row]) -> list[list[str]]:
    """Power by the empirical null beside that by the true one."""
    power = {(row["null"], row["tampered"], row["way"]): row["power"] for row in rows}
    shares = sorted({row["tampered"] for row in rows} - {0.0})
    return [
        [
            null,
            f"{100 * share:g} %",
            f"{power[null, share, TRUE]:.2f}",
            f"{power[null, share, EMPIRICAL]:.2f}",
            f"{power[null, share, TRUE] - power[null, share, EMPIRICAL]:.2f}",
        ]
        for null in NULLS
        for share in shares
    ]


def _by_size(rows: Sequence[Row]) -> str:
    sizes = [str(size) for size in sorted(set(SIZES))]
    lines = [
        [f"{100 * row['tampered']:g} %", row["way"], *(f"{row['by size'][s]:.3f}" for s in sizes)]
        for row in rows
        if row["null"] == NULLS[0] and row["way"] != TRUE
    ]
    return cli.table(["tampered", "p-values", *(f"{size} series" for size in sizes)], lines)


def _choices(choices: Sequence[Row]) -> str:
    head = ["constant", "value", "genuine p-values", "listed", "false discovery rate", "power"]
    small = [str(size) for size in sorted(set(SIZES))][:3]
    lines = [
        [
            *(line["constant"], f"{line['value']:g}", line["null"], f"{line['listed']:.0f}"),
            _with_interval(line, "false discovery rate", 2),
            _with_interval(line, "power", 2),
            *(f"{line['by size'][size]:.3f}" for size in small),
        ]
        for line in choices
    ]
    return cli.table([*head, *(f"p <= 0.05 of {size} series" for size in small)], lines)
