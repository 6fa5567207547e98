"""A repository -> what the template puts down. The template escapes all texts."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dfd.calibration import STRONGLY_UNUSUAL, UNUSUAL
from dfd.repository.empirical_null import FALSE_DISCOVERIES, NullFit, sentence
from dfd.repository.report import gather
from dfd.repository.report.data import COLUMNS, rows
from dfd.repository.report.gather import Alarms, Group, Plot
from dfd.repository.report.read import Repository
from dfd.repository.report.texts import cleaned
from dfd.repository.schema import FAILED, FILE_STATUSES, NOT_ASSESSABLE, SCORED, SKIPPED

FIRST_ROWS = 100
"""Rows of the table that stand in the page itself, for browsers without scripts and prints."""
MOST_WORST = 12
"""Series whose strangest place is shown on top."""
MOST_REASONS = 50
MOST_DUPLICATES = 200
DUPLICATES = "duplicates.csv"


@dataclass(frozen=True, slots=True)
class StratumLine:
    """The empirical null of one stratum."""

    label: str
    null: NullFit
    says: str


@dataclass(frozen=True, slots=True)
class Worst:
    """The strangest place of a series, for the top of the page."""

    rank: int
    series: str
    result: str
    p: float
    q: float
    scan: str
    folder: str
    """Empty in a report without names."""
    region: Mapping[str, Any]
    picture: str


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What duplicates.csv holds; rows only where names may be shown."""

    number: int
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Page:
    """All that the page says."""

    files: Mapping[str, int]
    other_files: int
    """Files whose status is none of the three, which must not happen."""
    outcomes: Mapping[str, int]
    planned: int
    skipped: int
    seconds: float
    alarms: Sequence[Alarms]
    listed: tuple[int, int]
    """Series listed by Benjamini-Hochberg over the shipped and over the empirical p-values."""
    strata: Sequence[StratumLine]
    worst: Sequence[Worst]
    first: Sequence[Mapping[str, Any]]
    results: Sequence[tuple[str, int]]
    modalities: Sequence[str]
    whole: Plot | None
    plots: Sequence[tuple[str, Sequence[Plot], int]]
    gatherings: Sequence[Group]
    reasons: Sequence[tuple[str, Sequence[tuple[str, int]], int]]
    """Title, reasons with numbers, and how many further reasons there are."""
    duplicates: Duplicates | None
    bundles: Sequence[str]


def page_of(
    repository: Repository, pictures: Mapping[tuple[str, int], str], duplicates: Duplicates | None
) -> Page:
    """What the report says."""
    series, outcomes = repository.series, repository.outcomes
    scored = gather.grouped(series)
    table = [dict(zip(COLUMNS, row, strict=True)) for row in rows(series)]
    results = Counter(str(row["result"]) for row in table)
    return Page(
        files={status: repository.files[status] for status in FILE_STATUSES},
        other_files=sum(n for s, n in repository.files.items() if s not in FILE_STATUSES),
        outcomes=outcomes,
        planned=sum(outcomes.values()),
        skipped=int((series["outcome"] == SKIPPED).sum()),
        seconds=float(series["seconds"].sum()),
        alarms=[gather.alarms(scored, threshold) for threshold in (UNUSUAL, STRONGLY_UNUSUAL)],
        listed=(
            int((series["q_shipped"] <= FALSE_DISCOVERIES).sum()),
            int((series["q_empirical"] <= FALSE_DISCOVERIES).sum()),
        ),
        strata=[
            StratumLine(stratum.label, null, sentence(stratum, null))
            for stratum, null in sorted(
                repository.null.strata.items(), key=lambda each: -each[1].series
            )
        ],
        worst=_worst(repository, pictures),
        first=table[:FIRST_ROWS],
        results=sorted(results.items(), key=lambda each: -each[1]),
        modalities=sorted({str(row["modality"]) for row in table} - {""}),
        whole=gather.plot("all scored series", scored) if len(scored) else None,
        plots=gather.plots(scored),
        gatherings=gather.gatherings(scored),
        reasons=_reasons(repository),
        duplicates=duplicates,
        bundles=sorted({cleaned(text) for text in set(series["bundle"])} - {""}),
    )


def read_duplicates(output: Path, *, anonymous: bool) -> Duplicates | None:
    """duplicates.csv where it is there; without names only the number of its rows."""
    try:
        with (output / DUPLICATES).open(newline="", encoding="utf-8", errors="replace") as stream:
            header, *lines = list(csv.reader(stream)) or [[]]
    except FileNotFoundError:
        return None
    if anonymous:
        return Duplicates(len(lines))
    shown = [[cleaned(cell) for cell in line] for line in lines[:MOST_DUPLICATES]]
    return Duplicates(len(lines), [cleaned(cell) for cell in header], shown)


def _worst(repository: Repository, pictures: Mapping[tuple[str, int], str]) -> list[Worst]:
    series = repository.series
    alarms = series[(series["outcome"] == SCORED) & (series["p_empirical"] <= UNUSUAL)]
    regions = repository.regions
    if "rank" not in regions:
        return []
    strangest = regions.sort_values("rank", kind="stable").drop_duplicates("series")
    by_series = {str(row["series"]): row for row in strangest.to_dict("records")}
    shown = alarms[alarms["series"].isin(set(by_series))].head(MOST_WORST)
    return [_place(row, by_series[row["series"]], pictures) for row in shown.to_dict("records")]


def _place(
    row: Mapping[Any, Any], region: Mapping[Any, Any], pictures: Mapping[tuple[str, int], str]
) -> Worst:
    thickness = f"{row['thickness_mm']:g} mm" if pd.notna(row["thickness_mm"]) else ""
    parts = (row["modality"], row["scanner"], row["kernel"], thickness)
    cleaned = {"reason": _text(region.get("reason")), "form": _text(region.get("form"))}
    return Worst(
        int(row["rank"]),
        row["series"],
        row["verdict"],
        float(row["p_empirical"]),
        float(row["q_empirical"]),
        ", ".join(_text(part) for part in parts if part),
        _text(row["folder"]),
        {**{str(name): value for name, value in region.items()}, **cleaned},
        pictures.get((row["series"], int(region["rank"])), ""),
    )


def _reasons(repository: Repository) -> list[tuple[str, list[tuple[str, int]], int]]:
    series = repository.series
    groups = [
        (title, Counter(_text(reason) for reason in series["reason"][series["outcome"] == outcome]))
        for title, outcome in (
            ("Failed series", FAILED),
            ("Series not assessable", NOT_ASSESSABLE),
            ("Series left out of the plan", SKIPPED),
        )
    ]
    files: Counter[str] = Counter()
    for reason, number in repository.file_reasons.items():
        files[_text(reason)] += number
    groups.append(("Files left out of the plan", files))
    return [
        (title, counts.most_common(MOST_REASONS), max(len(counts) - MOST_REASONS, 0))
        for title, counts in groups
        if counts
    ]


def _text(value: object) -> str:
    return cleaned(value) if isinstance(value, str) else ""
