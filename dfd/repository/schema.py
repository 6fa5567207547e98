"""Columns of the tables of a plan, and of a part."""

from __future__ import annotations

import pyarrow as pa

PLANNED, SKIPPED, DUPLICATE = "planned", "skipped", "duplicate"
FILE_STATUSES = (PLANNED, SKIPPED, DUPLICATE)
SCORED, NOT_ASSESSABLE, FAILED, NOT_YET = "scored", "not assessable", "failed", "not yet done"
OUTCOMES = (SCORED, NOT_ASSESSABLE, FAILED, NOT_YET)
"""What may have become of a planned series."""

SERIES = pa.schema(
    [
        ("series", pa.string()),
        ("content", pa.string()),
        ("patient", pa.string()),
        ("study_uid", pa.string()),
        ("series_uid", pa.string()),
        ("modality", pa.string()),
        ("bundle", pa.string()),
        ("folder", pa.string()),
        ("slices", pa.int64()),
        ("bytes", pa.int64()),
        ("rows", pa.int64()),
        ("columns", pa.int64()),
        ("manufacturer", pa.string()),
        ("scanner", pa.string()),
        ("kernel", pa.string()),
        ("thickness_mm", pa.float64()),
        ("spacing_mm", pa.float64()),
        ("study_date", pa.string()),
        ("added", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
    ]
)
"""``plan/series.parquet``: a row for each series, in the order of folder and ``series``."""

FILES = pa.schema(
    [
        ("file", pa.string()),
        ("series", pa.string()),
        ("sop_uid", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
    ]
)
"""``plan/files.parquet``: a row for each file, in the order of ``file``."""

HEADERS = pa.schema(
    [
        ("file", pa.string()),
        ("group", pa.string()),
        ("orientation", pa.list_(pa.float64())),
        ("sop_uid", pa.string()),
        ("place", pa.string()),
        ("slices", pa.int64()),
        ("bytes", pa.int64()),
        ("written", pa.int64()),
        ("reason", pa.string()),
        ("facts", pa.dictionary(pa.int32(), pa.string())),
    ]
)
"""``plan/headers.parquet``: columns of ``dfd.repository.headers.ROWS``."""

REGION = pa.struct(
    [
        ("rank", pa.int64()),
        ("p_value", pa.float64()),
        ("expected_false_alarms", pa.float64()),
        ("form", pa.string()),
        ("reason", pa.string()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("radius_px", pa.float64()),
        ("radius_mm", pa.float64()),
        ("first_slice", pa.int64()),
        ("last_slice", pa.int64()),
        ("strongest_slice", pa.int64()),
        ("x_mm", pa.float64()),
        ("y_mm", pa.float64()),
        ("z_mm", pa.float64()),
        ("depth_mm", pa.float64()),
        ("sop_uids", pa.list_(pa.string())),
    ]
)
FINGERPRINT = pa.struct(
    [
        ("sop_uid", pa.string()),
        ("file", pa.string()),
        ("frame", pa.int64()),
        ("bits", pa.binary(32)),
    ]
)
PART = pa.schema(
    [
        ("series", pa.string()),
        ("content", pa.string()),
        ("model", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("p_value", pa.float64()),
        ("score", pa.float64()),
        ("statistic", pa.float64()),
        ("verdict", pa.string()),
        ("form", pa.string()),
        ("extrapolated", pa.bool_()),
        ("slices", pa.int64()),
        ("seconds", pa.float64()),
        ("regions", pa.list_(REGION)),
        ("fingerprints", pa.list_(FINGERPRINT)),
    ]
)
"""``parts/*.parquet``: one row."""
