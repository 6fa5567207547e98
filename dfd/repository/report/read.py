"""Plan and parts of a repository -> one row for each series, at any time of the run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dfd.errors import OutputError
from dfd.repository.empirical_null import EmpiricalNull, of_series
from dfd.repository.parts import FOLDER as PARTS
from dfd.repository.parts import MODEL_DIGITS
from dfd.repository.plan import FILES_FILE, SERIES_FILE
from dfd.repository.plan import FOLDER as PLAN
from dfd.repository.schema import NOT_YET, OUTCOMES, PLANNED, SCORED, SKIPPED
from dfd.repository.strata import Stratum, stratum_of

_PART = re.compile(rf"([0-9a-f]{{16}})-([0-9a-f]{{{MODEL_DIGITS}}})\.parquet")
_OF_PART = (
    *("series", "content", "model", "status", "reason", "p_value", "score", "statistic"),
    *("verdict", "form", "extrapolated", "slices", "seconds", "regions"),
)
"""Columns that are read; fingerprints are the larger half of a part."""
_TEXTS = (
    *("series", "content", "patient", "study_uid", "series_uid", "modality", "bundle", "folder"),
    *("manufacturer", "scanner", "kernel", "study_date", "added", "status", "reason"),
)
_NUMBERS = ("slices", "bytes", "rows", "columns", "thickness_mm", "spacing_mm")


@dataclass(frozen=True)
class Repository:
    """All that a report says, before it is put in words."""

    series: pd.DataFrame
    """A row for each series of the plan, the most suspicious first: the plan's columns, those of
    its part, ``outcome``, ``rank``, ``stratum``, ``stratum_series``, ``p_empirical``,
    ``q_empirical``, ``q_shipped``."""
    regions: pd.DataFrame
    """A row for each region of a series, with ``series``."""
    files: Counter[str]
    """Files by status."""
    file_reasons: Counter[str]
    """Files that were skipped by reason."""
    models: Mapping[str, str]
    """First digits of the model's SHA-256 by bundle; of bundles with parts only."""
    null: EmpiricalNull
    other_models: Counter[str] = field(default_factory=Counter)
    """Parts of other models that lie there as well."""
    unreadable: tuple[str, ...] = ()
    """Names of parts that are no Parquet file of this layout; their series count as not done."""
    changed: int = 0
    """Series whose files changed since they were screened: they count as not done."""

    @property
    def outcomes(self) -> dict[str, int]:
        """Planned series by what became of them; their sum is the number planned."""
        counts = Counter(self.series["outcome"])
        return {outcome: counts[outcome] for outcome in OUTCOMES}


def read(output: Path, models: Mapping[str, str] | None = None) -> Repository:
    """Read plan and parts.

    A part that appears meanwhile is taken or left, as a whole.

    Args:
        output: Folder of the run.
        models: Bundle -> SHA-256 of its model. Of bundles that are missing the model of the newest
            part is taken.

    Raises:
        OutputError: there is no plan, or it cannot be read.
    """
    plan = _plan(output / PLAN / SERIES_FILE)
    bundles = dict(zip(plan["series"], plan["bundle"], strict=True))
    paths, others, chosen = _parts_of(output / PARTS, bundles, models or {})
    tables, unreadable = _tables(paths)
    parts, regions = _flat(tables)
    series, changed = _joined(plan, parts)
    regions = regions[regions["series"].isin(series.loc[series["outcome"] == SCORED, "series"])]
    series["regions"] = series["series"].map(regions["series"].value_counts()).fillna(0.0)
    strata = [
        stratum_of(modality, maker, kernel, thickness)
        for modality, maker, kernel, thickness in zip(
            *(series[name] for name in ("modality", "manufacturer", "kernel", "thickness_mm")),
            strict=True,
        )
    ]
    null = of_series(series["p_value"].to_numpy(np.float64), strata)
    files, reasons = _files(output / PLAN / FILES_FILE)
    return Repository(
        series=_ranked(series, strata, null),
        regions=regions,
        files=files,
        file_reasons=reasons,
        models=chosen,
        null=null,
        other_models=others,
        unreadable=tuple(unreadable),
        changed=changed,
    )


def _plan(path: Path) -> pd.DataFrame:
    plan: pd.DataFrame = _table(path).to_pandas()
    missing = [name for name in ("series", "status") if name not in plan]
    if missing:
        raise OutputError(f"{path} has no column {missing[0]}: plan anew with `dfd screen`")
    for name in _TEXTS:
        plan[name] = _texts(plan, name)
    for name in _NUMBERS:
        plan[name] = _numbers(plan, name)
    return plan[[*_TEXTS, *_NUMBERS]]


def _table(path: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        return pq.ParquetFile(path).read(columns=columns)
    except FileNotFoundError as error:
        raise OutputError(
            f"{path} is not there: name the output folder of `dfd screen`, which writes it"
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise OutputError(
            f"{path} cannot be read as Parquet: remove it and plan anew with `dfd screen`"
        ) from error


def _parts_of(
    folder: Path, bundles: Mapping[str, str], models: Mapping[str, str]
) -> tuple[list[Path], Counter[str], dict[str, str]]:
    """Parts of one model for each bundle, numbers of those of other models, and the models."""
    found: dict[str, list[tuple[str, Path]]] = {}
    for path in sorted(folder.glob("*.parquet")):
        match = _PART.fullmatch(path.name)
        # A series that is not planned any more is no row of any table.
        if match and match.group(1) in bundles:
            found.setdefault(bundles[match.group(1)], []).append((match.group(2), path))
    chosen = {
        bundle: models[bundle][:MODEL_DIGITS] if bundle in models else _newest(parts)
        for bundle, parts in sorted(found.items())
    }
    everything = [(bundle, *part) for bundle, parts in found.items() for part in parts]
    taken = [path for bundle, digits, path in everything if digits == chosen[bundle]]
    others = Counter(digits for bundle, digits, _ in everything if digits != chosen[bundle])
    return taken, others, chosen


def _newest(parts: list[tuple[str, Path]]) -> str:
    """The model of the newest part."""
    if len({digits for digits, _ in parts}) == 1:
        return parts[0][0]
    return max(parts, key=lambda part: (_modified(part[1]), part[0]))[0]


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _tables(paths: Iterable[Path]) -> tuple[list[pa.Table], list[str]]:
    """Whole parts, and the names of damaged ones."""
    tables, unreadable = [], []
    for path in paths:
        try:
            # A part is one row: neither threads nor reading ahead pays.
            file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
            table = file.read(columns=list(_OF_PART), use_threads=False)
            file.close()
        except FileNotFoundError:
            continue
        except (OSError, pa.ArrowException):
            unreadable.append(path.name)
            continue
        whole = table.num_rows == 1 and {"series", "content", "status"} <= set(table.column_names)
        if whole and table["series"][0].as_py() == path.name[:16]:
            tables.append(table)
        else:
            unreadable.append(path.name)
    return tables, unreadable


def _flat(tables: list[pa.Table]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Parts and their regions, a row each."""
    if not tables:
        return pd.DataFrame(columns=list(_OF_PART[:-1])), pd.DataFrame(columns=["series"])
    joined = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    parts = joined.drop_columns([n for n in ("regions",) if n in joined.column_names]).to_pandas()
    if "regions" not in joined.column_names or pa.types.is_null(joined["regions"].type):
        return parts, pd.DataFrame(columns=["series"])
    lists = joined["regions"].combine_chunks()
    regions = pa.Table.from_struct_array(pc.list_flatten(lists)).to_pandas()
    regions.insert(0, "series", parts["series"].to_numpy()[pc.list_parent_indices(lists)])
    return parts, regions


def _joined(plan: pd.DataFrame, parts: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The plan with what became of each series, and how many changed since."""
    names = {"status": "outcome", "content": "screened", "reason": "because"}
    parts = parts.rename(columns={**names, "slices": "slices_assessed"})
    series = plan.merge(parts, how="left", on="series", validate="many_to_one")
    planned, done = series["status"] == PLANNED, series["outcome"].isin(OUTCOMES)
    changed = planned & done & (series["screened"] != series["content"])
    valid = planned & done & ~changed
    for name in ("p_value", "score", "statistic", "slices_assessed", "seconds"):
        series[name] = _numbers(series, name).where(valid)
    for name in ("model", "verdict", "form", "because"):
        series[name] = _texts(series, name).where(valid, "")
    series["extrapolated"] = _answers(series, "extrapolated").where(valid)
    series["outcome"] = series["outcome"].where(valid, NOT_YET).where(planned, SKIPPED)
    series["p_value"] = series["p_value"].where(series["outcome"] == SCORED)
    series["reason"] = series["because"].where(planned, series["reason"])
    return series.drop(columns=["because", "screened"], errors="ignore"), int(changed.sum())


def _texts(frame: pd.DataFrame, name: str) -> pd.Series[str]:
    """A column as text, empty where it is missing."""
    column = pd.Series(frame.get(name), index=frame.index, dtype=object)
    return column.where(column.notna(), "").astype(str)


def _answers(frame: pd.DataFrame, name: str) -> pd.Series[bool]:
    """A column as yes or no, neither where it is missing."""
    return pd.Series(frame.get(name), index=frame.index, dtype="boolean")


def _numbers(frame: pd.DataFrame, name: str) -> pd.Series[float]:
    """A column as numbers, NaN where it is missing."""
    column = pd.Series(frame.get(name), index=frame.index)
    return pd.to_numeric(column, errors="coerce").astype(float)


def _ranked(series: pd.DataFrame, strata: list[Stratum], null: EmpiricalNull) -> pd.DataFrame:
    """Series from the smallest empirical p-value on; what has none follows by outcome."""
    series = series.assign(
        stratum=[each.label for each in strata],
        stratum_series=[_scored(null, each) for each in strata],
        p_empirical=null.p_values,
        q_empirical=null.q_values,
        q_shipped=null.q_shipped,
        order=series["outcome"].map({name: at for at, name in enumerate((*OUTCOMES, SKIPPED))}),
        unlike=-series["statistic"],
    )
    keys = ["order", "p_empirical", "p_value", "unlike", "series"]
    series = series.sort_values(keys, kind="stable", ignore_index=True)
    series.insert(0, "rank", np.arange(1, len(series) + 1))
    return series.drop(columns=["order", "unlike"])


def _scored(null: EmpiricalNull, stratum: Stratum) -> int:
    fitted = null.strata.get(stratum)
    return fitted.series if fitted else 0


def _files(path: Path) -> tuple[Counter[str], Counter[str]]:
    """Files by status, and those skipped by reason."""
    table = _table(path, ["status", "reason"])
    counted = table.group_by(["status", "reason"], use_threads=False).aggregate([([], "count_all")])
    files: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for row in counted.to_pylist():
        files[row["status"]] += row["count_all"]
        if row["status"] == SKIPPED:
            reasons[row["reason"] or ""] += row["count_all"]
    return files, reasons
