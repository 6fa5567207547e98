"""Evidence -> p-value: conformal over patients, extended smoothly beyond them, and marked where it is.

The exchangeable unit is the patient. Each calibration patient contributes the distribution of the statistic over genuine regions; the p-value of a
new region is (1 + sum over patients of the share of genuine regions at least as large) / (1 + patients) (hierarchical conformal prediction, Lee,
Barber and Willett 2023, arXiv 2306.06342, section 3). Its smallest value is 1 / (1 + patients). Beyond that the tail is extended by a Pareto fit
(Hill 1975) and marked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfd.errors import CalibrationError
from dfd.records import Evidence, Finding, Point

FORMAT = 2
QUANTILES = 200
"""Most values kept per patient: order statistics of the genuine regions."""
STORED_DIGITS = 5
"""Decimals kept of a statistic: keeps the file small. Rounded when fitted, so that the file gives the same p-values as what was fitted."""
TAIL_SHARE = 0.1
"""Upper share of genuine regions that the tail is fitted to."""
UNUSUAL, STRONGLY_UNUSUAL = 0.05, 0.01
POPULATION_MARGIN = 0.25
"""Share of a covariate's range by which a scan may lie outside the calibration scans before it counts as unlike them."""
COVARIATES = ("log noise scale", "log pixel spacing", "log energy of z", "grain")
"""What is known of a scan beside its pixels: level and correlation of its noise, size of its pixels, honesty of the predicted spread."""
SMALLEST_P = 1e-12
FORMS = {"copy_move": "copy-move", "synthesis": "AI edit"}
"""Form that a family speaks for; noise speaks for two, see ``form_of``."""
ORDINARY = "the region's noise fits the same tissue elsewhere in this slice, and stands nowhere else in it"
DAMAGED = "the calibration is damaged; refit it with `dfd calibrate`."

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Genuine statistics of one evidence family: one sorted array per calibration patient."""

    patients: tuple[FloatArray, ...]
    threshold: float = math.inf
    """Where the fitted tail begins."""
    tail_index: float = 1.0
    """Pareto exponent of the tail: the share beyond t falls as (t / threshold) ** -tail_index."""


@dataclass(frozen=True)
class Calibration:
    """Everything that turns evidence into p-values, for the weights it names."""

    bundle: str
    weights_sha256: str
    radius_mm: float
    tables: Mapping[str, Table]
    population: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Covariate -> (lowest, highest) over calibration scans."""
    combined: Table | None = None
    """Genuine values of ``rarity``: the families together, calibrated as a whole, so that no independence is assumed. None: of one family only."""

    @property
    def patients(self) -> int:
        """How many patients the p-values stand on."""
        return min((len(table.patients) for table in self.tables.values()), default=0)

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that this many patients support."""
        return 1.0 / (1 + self.patients)


def fit_table(by_patient: Sequence[Sequence[float]]) -> Table:
    """Table of one family from the genuine statistics of each patient; patients without any are left out.

    Raises:
        CalibrationError: nothing to fit.
    """
    kept = [np.sort(np.asarray([v for v in values if math.isfinite(v)], dtype=np.float64)) for values in by_patient]
    kept = [values for values in kept if len(values)]
    if not kept:
        raise CalibrationError("no genuine region could be measured, so there is nothing to calibrate on; give more or larger slices.")
    thinned = [np.quantile(values, np.linspace(0, 1, QUANTILES)) if len(values) > QUANTILES else values for values in kept]
    patients = tuple(np.round(values, STORED_DIGITS) for values in thinned)
    return Table(patients, *_fit_tail(patients))


def _fit_tail(patients: Sequence[FloatArray]) -> tuple[float, float]:
    pooled = np.concatenate(patients)
    weights = np.concatenate([np.full(len(values), 1.0 / len(values)) for values in patients]) / len(patients)
    order = np.argsort(pooled)[::-1]
    pooled, weights = np.maximum(pooled[order], 1e-9), weights[order]
    count = max(1, int(np.searchsorted(np.cumsum(weights), TAIL_SHARE)))
    threshold = float(pooled[min(count, len(pooled) - 1)])
    excess = float(np.average(np.log(pooled[:count] / threshold), weights=weights[:count]))
    return threshold, 1.0 / max(excess, 0.02)


def _counted_share(statistic: float, table: Table) -> float:
    return float(np.mean([1.0 - np.searchsorted(values, statistic, side="left") / len(values) for values in table.patients]))


def share_beyond(statistic: float, table: Table) -> float:
    """Patient-weighted share of genuine regions at least as large as ``statistic``, smooth beyond the tail's threshold. Not increasing."""
    if statistic <= table.threshold:
        return _counted_share(statistic, table)
    return _counted_share(table.threshold, table) * float((statistic / table.threshold) ** -table.tail_index)


def p_value(statistic: float, table: Table) -> tuple[float, bool]:
    """Two answers: p in (0, 1], not increasing in ``statistic``; and whether it lies beyond what the patients support."""
    n = len(table.patients)
    share = share_beyond(statistic, table)
    limit = 1.0 / (n + 1)
    if share >= limit:
        return min(1.0, (1 + n * share) / (n + 1)), False
    # Below the limit conformal p-values end; the extension joins them without a step and stays on their cautious side.
    return max(share * (2 * n + 1) / (n + 1), SMALLEST_P), True


def unlike(covariates: Mapping[str, float], calibration: Calibration) -> list[str]:
    """Names of the covariates in which a scan lies outside the calibration scans."""
    outside = []
    for name, value in covariates.items():
        if name not in calibration.population or not math.isfinite(value):
            continue
        low, high = calibration.population[name]
        margin = POPULATION_MARGIN * max(high - low, 0.1)
        if not low - margin <= value <= high + margin:
            outside.append(name)
    return outside


def fit(by_patient: Sequence[Sequence[Mapping[str, float]]]) -> tuple[dict[str, Table], Table]:
    """Tables of all families, and of their combination, from the genuine regions of each patient (family -> statistic).

    Raises:
        CalibrationError: nothing to fit.
    """
    families = sorted({family for rows in by_patient for row in rows for family, value in row.items() if math.isfinite(value)})
    tables = {family: fit_table([[row.get(family, math.nan) for row in rows] for rows in by_patient]) for family in families}
    return tables, fit_table([[rarity(row, tables) for row in rows] for rows in by_patient])


def rarity(statistics: Mapping[str, float], tables: Mapping[str, Table]) -> float:
    """The largest over families of 1 / (share of genuine regions beyond): >= 1, higher = more suspicious; NaN where no family could be measured."""
    shares = [share_beyond(value, tables[family]) for family, value in statistics.items() if family in tables and math.isfinite(value)]
    return 1.0 / max(min(shares), SMALLEST_P) if shares else math.nan


def without(number: int, calibration: Calibration) -> Calibration:
    """The same with one patient (by place in the tables) taken out: what can be said of that patient's own scans.

    Raises:
        CalibrationError: the families do not stand on the same patients.
    """
    every = [*calibration.tables.values(), *([calibration.combined] if calibration.combined else [])]
    if len({len(table.patients) for table in every}) != 1:
        raise CalibrationError("the families stand on different patients, so none can be taken out; calibrate on other scans.")
    tables = {name: _thinned(number, table) for name, table in calibration.tables.items()}
    return replace(calibration, tables=tables, combined=None if calibration.combined is None else _thinned(number, calibration.combined))


def _thinned(number: int, table: Table) -> Table:
    kept = tuple(values for place, values in enumerate(table.patients) if place != number)
    return Table(kept, *_fit_tail(kept))


def combined_p(statistics: Mapping[str, float], calibration: Calibration) -> tuple[float, bool]:
    """p-value of the families together, and whether it lies beyond what the patients support."""
    if calibration.combined is not None:
        return p_value(rarity(statistics, calibration.tables), calibration.combined)
    tables = calibration.tables
    answers = [p_value(value, tables[family]) for family, value in statistics.items() if family in tables and math.isfinite(value)]
    p, beyond = min(answers)
    return min(1.0, p * len(answers)), beyond  # Bonferroni


def verdict_of(p: float) -> str:
    """The word for a p-value."""
    if p <= STRONGLY_UNUSUAL:
        return "strongly unusual"
    return "unusual" if p <= UNUSUAL else "no anomaly found"


def form_of(evidence: Evidence) -> str:
    """Which form of tampering this evidence speaks for."""
    if evidence.family in FORMS:
        return FORMS[evidence.family]
    energy = evidence.measures.get("energy", 0.0)
    largest = max((abs(value) for value in evidence.measures.values()), default=0.0)
    return "adversarial noise" if energy > 0 and energy >= 0.5 * largest else "AI edit"


@dataclass(frozen=True)
class Circumstances:
    """What is known of a region beside its evidence."""

    radius_mm: float | None = None
    covariates: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    """Sentences on why the scan is outside the population."""


def judge(point: Point, found: Sequence[Evidence], calibration: Calibration | None, around: Circumstances) -> Finding:
    """The answer for one point, from one piece of evidence per family. The first family stands for all: where it has an obstacle, nothing is said."""
    first = found[0]
    refused = partial(Finding, point, "not assessable", tissue=first.tissue, radius_mm=around.radius_mm)
    if first.obstacle or not math.isfinite(first.statistic):
        return refused(reason=first.obstacle)
    usable = [each for each in found if calibration and each.family in calibration.tables and math.isfinite(each.statistic)]
    if calibration is None or not usable:
        return refused(reason="the model has no calibration, so nothing can be said of how unusual this is; run `dfd calibrate` on genuine scans")
    p, beyond = combined_p({each.family: each.statistic for each in usable}, calibration)
    by_family = {each.family: p_value(each.statistic, calibration.tables[each.family])[0] for each in usable}
    leading = min(usable, key=lambda each: by_family[each.family])
    remarks = _remarks(calibration, around)
    verdict = verdict_of(p)
    alarm = verdict != "no anomaly found"
    copied = alarm and by_family.get("copy_move", 1.0) <= UNUSUAL
    source = next((each for each in usable if each.family == "copy_move" and copied), Evidence("", math.nan))
    return Finding(
        point,
        verdict,
        score=-math.log10(p) + 0.0,
        p_value=p,
        form=form_of(leading) if alarm else "",
        reason="; ".join([leading.reason if alarm else ORDINARY, *remarks]),
        p_by_family=by_family,
        source_x=source.source_x,
        source_y=source.source_y,
        source_file=source.source_file,
        radius_mm=around.radius_mm,
        tissue=first.tissue,
        extrapolated=beyond or bool(remarks),
    )


def _remarks(calibration: Calibration, around: Circumstances) -> list[str]:
    """Sentences on why the scan or the region is unlike those that the calibration stands on."""
    remarks = list(around.remarks)
    strange = unlike(around.covariates, calibration)
    if strange:
        remarks.append(f"the scan is unlike every calibration scan in {', '.join(strange)}")
    if around.radius_mm is not None and not 0.7 <= around.radius_mm / calibration.radius_mm <= 1.43:
        remarks.append(f"the calibration was made for a radius of {calibration.radius_mm:g} mm")
    return remarks


def to_json(calibration: Calibration) -> dict[str, Any]:
    """Plain containers, as stored."""
    return {
        "format": FORMAT,
        "bundle": calibration.bundle,
        "weights_sha256": calibration.weights_sha256,
        "radius_mm": calibration.radius_mm,
        "patients": calibration.patients,
        "smallest_p": calibration.smallest_p,
        "families": {name: _plain(table) for name, table in calibration.tables.items()},
        "combined": None if calibration.combined is None else _plain(calibration.combined),
        "population": {name: list(bounds) for name, bounds in calibration.population.items()},
    }


def _plain(table: Table) -> dict[str, Any]:
    return {"threshold": table.threshold, "tail_index": table.tail_index, "patients": [values.tolist() for values in table.patients]}


def from_json(content: Mapping[str, Any]) -> Calibration:
    """The record behind ``to_json``.

    Raises:
        CalibrationError: the content is no calibration of this version.
    """
    if not isinstance(content, Mapping):
        raise CalibrationError(DAMAGED)
    if content.get("format") != FORMAT:
        raise CalibrationError(f"the calibration has format {content.get('format')!r}, this version reads {FORMAT}; refit it with `dfd calibrate`.")
    try:
        tables = {str(name): _table_of(table) for name, table in content["families"].items()}
        population = {str(name): (float(low), float(high)) for name, (low, high) in content["population"].items()}
        combined = None if content["combined"] is None else _table_of(content["combined"])
        return Calibration(str(content["bundle"]), str(content["weights_sha256"]), float(content["radius_mm"]), tables, population, combined)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CalibrationError(DAMAGED) from None


def _table_of(content: Mapping[str, Any]) -> Table:
    """One table out of its plain containers; ValueError where its numbers cannot have come from ``fit_table``."""
    patients = tuple(np.asarray(values, dtype=np.float64) for values in content["patients"])
    table = Table(patients, float(content["threshold"]), float(content["tail_index"]))
    whole = [values.ndim == 1 and len(values) > 0 and np.isfinite(values).all() and (np.diff(values) >= 0).all() for values in patients]
    if not (whole and all(whole) and table.threshold > 0 and table.tail_index > 0):
        raise ValueError
    return table


def true_rate_bound(patients: int, alarm: float, confidence: float = 0.95) -> float:
    """Upper bound of the true false-alarm rate at nominal ``alarm`` for this many calibration patients (Vovk 2012, Beta law of split conformal)."""
    from scipy.stats import beta

    rank = math.floor((patients + 1) * alarm)
    if rank < 1:
        return 1.0
    return float(beta.ppf(confidence, rank, patients + 1 - rank))
