"""The nouns that the parts of this package hand to each other.

A record never draws, saves or loads itself.
"""

from dfd.records.findings import (
    NOT_READ,
    NOT_SCORED,
    SUSPICIOUS,
    TOGETHER,
    TOGETHER_ALONE,
    Evidence,
    Family,
    Finding,
    Form,
    Screening,
    Suspicion,
    Verdict,
)
from dfd.records.points import Point, Region
from dfd.records.scans import (
    SQUARE_TOLERANCE,
    BoolImage,
    Context,
    FloatImage,
    Prediction,
    Reconstruction,
    Rescale,
    ScanFacts,
    Series,
    SeriesSlice,
    Skipped,
    Slice,
    SliceRef,
    is_square,
)

__all__ = [
    "NOT_READ",
    "NOT_SCORED",
    "SQUARE_TOLERANCE",
    "SUSPICIOUS",
    "TOGETHER",
    "TOGETHER_ALONE",
    "BoolImage",
    "Context",
    "Evidence",
    "Family",
    "Finding",
    "FloatImage",
    "Form",
    "Point",
    "Prediction",
    "Reconstruction",
    "Region",
    "Rescale",
    "ScanFacts",
    "Screening",
    "Series",
    "SeriesSlice",
    "Skipped",
    "Slice",
    "SliceRef",
    "Suspicion",
    "Verdict",
    "is_square",
]
