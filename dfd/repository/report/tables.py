"""series.csv, series.parquet and suspicious_regions.csv of a repository."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dfd.calibration import UNUSUAL
from dfd.outputs.files import write_atomically
from dfd.repository.report.read import Repository
from dfd.repository.report.texts import cleaned
from dfd.sentences import Sentence

SERIES = (
    *("rank", "series", "content", "patient", "study_uid", "series_uid", "modality", "bundle"),
    *("folder", "slices", "bytes", "rows", "columns", "manufacturer", "scanner", "kernel"),
    *("thickness_mm", "spacing_mm", "study_date", "added", "status", "reason", "model"),
    *("p_value", "p_empirical", "q_empirical", "q_shipped", "score", "statistic", "verdict"),
    *("form", "extrapolated", "slices_assessed", "regions", "stratum", "stratum_series"),
)
"""Columns of series.csv and series.parquet: those of the plan, ``status`` and ``reason`` of the
answer, and the answer. ``q_shipped`` and ``q_empirical`` are adjusted by Benjamini and Hochberg
from the p-value of that name; ``stratum_series`` counts the scored series of the stratum. None
depends on when or how fast a series was screened."""
REGIONS = (
    *("series", "patient", "study_uid", "series_uid", "folder", "series_rank", "series_p_value"),
    *("series_p_empirical", "series_q_empirical", "rank", "p_value"),
    *("expected_false_alarms", "form", "reason", "x", "y"),
    *("radius_px", "radius_mm", "first_slice", "last_slice", "x_mm", "y_mm", "z_mm", "depth_mm"),
    "sop_uids",
)
_WHOLE = (
    *("slices", "rows", "columns", "bytes", "rank", "series_rank", "slices_assessed", "regions"),
    *("first_slice", "last_slice", "stratum_series"),
)


def write(output: Path, repository: Repository) -> None:
    """Write the three tables; the same plan and parts give the same bytes.

    ``suspicious_regions.csv`` holds the regions of all series with a shipped or an empirical
    p-value of at most 0.05, in the order of the series.

    Raises:
        OutputError: a file cannot be written.
    """
    answered = repository.series.drop(columns="status").rename(columns={"outcome": "status"})
    series = _plain(answered, SERIES)
    table = pa.Table.from_pandas(series, preserve_index=False)
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), stream, compression="zstd")
    write_atomically(output / "series.parquet", stream.getvalue())
    write_atomically(output / "series.csv", _csv(series))
    write_atomically(output / "suspicious_regions.csv", _csv(suspicious(repository)))


def suspicious(repository: Repository) -> pd.DataFrame:
    """The regions that are listed, in the order of their series."""
    series = repository.series
    alarms = series[(series[["p_value", "p_empirical"]] <= UNUSUAL).any(axis=1)]
    of_series = ["rank", "p_value", "p_empirical", "q_empirical"]
    named = alarms[["series", "patient", "study_uid", "series_uid", "folder", *of_series]]
    named = named.rename(columns={name: f"series_{name}" for name in of_series})
    regions = repository.regions.merge(named, on="series")
    if "sop_uids" in regions:
        regions["sop_uids"] = [" ".join(uids) for uids in regions["sop_uids"]]
    if "rank" in regions:
        regions = regions.sort_values(["series_rank", "rank"], kind="stable")
    return _plain(regions, REGIONS)


def _plain(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Those columns, whole numbers as such and sentences without marks."""
    frame = frame.reindex(columns=list(columns))
    for name in _WHOLE:
        if name in frame:
            frame[name] = frame[name].astype("Int64")
    if "reason" in frame:
        frame["reason"] = [str(Sentence(text)) for text in frame["reason"].fillna("").astype(str)]
    return frame.reset_index(drop=True)


def _csv(frame: pd.DataFrame) -> bytes:
    texts = {
        str(name): [cleaned(value) if isinstance(value, str) else "" for value in frame[name]]
        for name in frame
        if not pd.api.types.is_numeric_dtype(frame[name])
    }
    words = {True: "true", False: "false"}
    texts |= {
        str(name): [words.get(value, "") for value in frame[name]]
        for name in frame
        if pd.api.types.is_bool_dtype(frame[name])
    }
    return frame.assign(**texts).to_csv(index=False, lineterminator="\n").encode("utf-8")
