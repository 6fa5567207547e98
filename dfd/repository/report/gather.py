"""Where alarms gather: groups of series with more small p-values than chance brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom

from dfd.calibration import UNUSUAL
from dfd.repository.report import charts
from dfd.repository.report.charts import QQ, Histogram
from dfd.repository.report.texts import cleaned

GROUPINGS: Mapping[str, str] = {
    "scanner": "Scanner",
    "kernel": "Kernel",
    "month": "Study month",
    "thickness": "Slice thickness",
    "top_folder": "Folder",
    "patient": "Patient",
}
"""Column -> what it is called."""
PLOTTED: Mapping[str, str] = {"scanner": "Scanner", "kernel": "Kernel", "year": "Study year"}
"""Groupings whose p-values are plotted, one plot for each group."""
MOST_PLOTS, FEWEST_SERIES = 12, 10
"""Groups plotted of a grouping, the largest first, and series that a plot needs."""
SIGNIFICANCE = 0.01
"""Groups are listed where Bonferroni's bound over all groups is below this."""
MOST_GROUPS = 40
UNSTATED = "not stated"


@dataclass(frozen=True, slots=True)
class Alarms:
    """Series of a group with a p-value of at most a threshold, and how many chance brings."""

    threshold: float
    shipped: int
    empirical: int
    expected: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group with more alarms than chance brings."""

    kind: str
    name: str
    series: int
    shipped: int
    empirical: int
    expected: str
    p: float
    """Of so many alarms or more by the empirical p-values, if all series were genuine and
    independent of each other."""


@dataclass(frozen=True, slots=True)
class Plot:
    """p-values of one group."""

    name: str
    series: int
    shipped: int
    empirical: int
    histogram: Histogram
    qq: QQ


def grouped(series: pd.DataFrame) -> pd.DataFrame:
    """The scored series with the columns by which they are grouped."""
    scored: pd.DataFrame = series[series["p_value"].notna()]
    thickness = [f"{value:g} mm" if value > 0 else "" for value in scored["thickness_mm"]]
    date = scored["study_date"].str.replace("-", "", regex=False)
    dated = date.str.fullmatch(r"\d{8}")
    return scored.assign(
        thickness=thickness,
        year=date.str[:4].where(dated, ""),
        month=(date.str[:4] + "-" + date.str[4:6]).where(dated, ""),
        top_folder=scored["folder"].str.split("/").str[0],
    )


def alarms(scored: pd.DataFrame, threshold: float) -> Alarms:
    """Of all scored series."""
    return Alarms(
        threshold,
        int((scored["p_value"] <= threshold).sum()),
        int((scored["p_empirical"] <= threshold).sum()),
        f"{threshold * len(scored):.3g}",
    )


def gatherings(scored: pd.DataFrame) -> list[Group]:
    """Groups of at least two series with more alarms than chance brings, the rarest first."""
    found: list[Group] = []
    tried = 0
    for column, kind in GROUPINGS.items():
        named = scored[scored[column] != ""]
        # One group of all series is no gathering.
        if named[column].nunique() < 2:
            continue
        below = named[["p_value", "p_empirical"]] <= UNUSUAL
        counts = below.assign(series=1).groupby(named[column]).sum()
        counts = counts[counts["series"] > 1]
        tried += len(counts)
        chance = binom.sf(counts["p_empirical"] - 1, counts["series"], UNUSUAL)
        rare = counts.assign(chance=chance)[chance <= SIGNIFICANCE]
        found += [
            Group(
                kind,
                cleaned(str(name)),
                int(row["series"]),
                int(row["p_value"]),
                int(row["p_empirical"]),
                f"{UNUSUAL * row['series']:.3g}",
                float(row["chance"]),
            )
            for name, row in rare.iterrows()
        ]
    kept = [group for group in found if group.p * tried <= SIGNIFICANCE]
    return sorted(kept, key=lambda group: (group.p, group.name))[:MOST_GROUPS]


def plots(scored: pd.DataFrame) -> list[tuple[str, list[Plot], int]]:
    """For each grouping its name, the plots of its largest groups, and how many have none."""
    result = []
    for column, kind in PLOTTED.items():
        if not (scored[column] != "").any():
            continue
        groups = [
            (cleaned(str(name)) or UNSTATED, members) for name, members in scored.groupby(column)
        ]
        enough = [each for each in groups if len(each[1]) >= FEWEST_SERIES]
        enough.sort(key=lambda each: (-len(each[1]), each[0]))
        kept = enough[:MOST_PLOTS]
        if column == "year":
            kept.sort(key=lambda each: each[0])
        drawn = [plot(name, members) for name, members in kept]
        result.append((kind, drawn, len(groups) - len(drawn)))
    return result


def plot(name: str, members: pd.DataFrame) -> Plot:
    """The p-values of some series."""
    shipped, empirical = (
        members[column].to_numpy(np.float64) for column in ("p_value", "p_empirical")
    )
    counted = alarms(members, UNUSUAL)
    return Plot(
        name,
        len(members),
        counted.shipped,
        counted.empirical,
        charts.histogram(shipped, empirical),
        charts.qq(shipped, empirical),
    )
