"""What the benchmark of speed must keep: the one table of its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limit:
    """A measured number and its bound."""

    name: str
    part: str
    """Of the benchmark."""
    key: str
    """Of the number in the results of that part."""
    bound: float
    at_least: bool = False
    """The number is to be at least ``bound``, not at most."""

    def measured(self, parts: Mapping[str, Mapping[str, Any]]) -> float:
        """What was measured."""
        return float(parts[self.part][self.key])

    def met(self, value: float) -> bool:
        """Whether ``value`` keeps the bound; NaN never does."""
        return value >= self.bound if self.at_least else value <= self.bound

    @property
    def wanted(self) -> str:
        """The bound in words."""
        return f"{'>=' if self.at_least else '<='} {self.bound:g}"


PASSES, SECONDS, PEAK = "times the bare passes", "seconds of the limit", "peak GB"
"""Keys that several parts have."""
LIMITS = (
    Limit("screening a slice, decoding included, times its bare passes", "screening", PASSES, 2.0),
    Limit(
        "screening, times the regions per second of BTD's network",
        "screening",
        "times the network of BTD",
        80.0,
        at_least=True,
    ),
    Limit("a lone point, times its bare passes and decoding", "one_point", PASSES, 1.5),
    Limit("one point in a series of 40 slices, seconds", "in_series", SECONDS, 5.0),
    Limit("100 points in one slice with overlays, seconds", "hundred_points", SECONDS, 3.0),
    Limit(
        "1,000 points over 100 slices with overlays and report, seconds",
        "thousand_points",
        SECONDS,
        60.0,
    ),
    Limit("1,000 points over 100 slices, peak GB", "thousand_points", PEAK, 1.5),
    Limit(
        "1,000 points over 100 slices, share of two cores that is used",
        "thousand_points",
        "share of the cores",
        0.85,
        at_least=True,
    ),
    Limit("peak over 2,000 slices, times that over 200", "memory", "times the peak", 1.1),
    Limit(
        "dfd score of one point, new process, times (2 x import of torch + 2 s)",
        "commands",
        "start, times the limit",
        1.0,
    ),
    *(
        Limit(f"{words}, seconds", "commands", words, 1.0)
        for words in (
            "dfd info",
            "an error in the arguments",
            "an error in the points file",
            "an error in the data",
        )
    ),
    Limit(
        "training, share of the bare loop's crops per second",
        "training",
        "ratio",
        0.95,
        at_least=True,
    ),
    Limit("training at batch 64, peak GB", "training", PEAK, 6.0),
)
