"""What an evidence family is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

import numpy as np
import torch

from dfd.evidence.reference_windows import RegionWindows, SliceReference
from dfd.evidence.running_sums import FloatArray
from dfd.evidence.window_features import CPU
from dfd.modalities import Modality
from dfd.records import Context, Evidence, Prediction, Region

Prepared = TypeVar("Prepared")


class Need(StrEnum):
    """What a family asks for beside the slice and its prediction."""

    WINDOWS = "windows"
    """The slice's own windows and those of the regions, compared; shared by all that need them."""
    CONTEXT = "context"
    """The slices above and below. The family is left out where there are none."""
    SERIES = "series"
    """The pixels of the other slices of the series, in ``Context.others``."""


@dataclass(frozen=True)
class SliceInput:
    """One slice, from which a family prepares itself for regions of one radius."""

    prediction: Prediction
    radius: float
    """Of the regions, in pixels."""
    modality: Modality
    make_windows: Callable[[], SliceReference] | None = None
    slice_context: Context | None = None
    device: torch.device = CPU
    """Where the work is done."""

    @property
    def windows(self) -> SliceReference:
        """The slice's own windows.

        Raises:
            ValueError: the family does not declare ``Need.WINDOWS``.
        """
        if self.make_windows is None:
            raise ValueError(_undeclared(Need.WINDOWS))
        return self.make_windows()

    @property
    def context(self) -> Context:
        """The slices above and below.

        Raises:
            ValueError: the family does not declare ``Need.CONTEXT``.
        """
        if self.slice_context is None:
            raise ValueError(_undeclared(Need.CONTEXT))
        return self.slice_context


@dataclass(frozen=True)
class RegionBatch:
    """Regions of one radius in one slice, to be measured together."""

    regions: Sequence[Region]
    region_windows: RegionWindows | None = None
    quick: bool = False
    """For every place of a slice: a quicker search for copies, which is calibrated for itself."""

    @property
    def windows(self) -> RegionWindows:
        """The windows of the regions, compared with those of ``SliceInput.windows``.

        Raises:
            ValueError: the family does not declare ``Need.WINDOWS``.
        """
        if self.region_windows is None:
            raise ValueError(_undeclared(Need.WINDOWS))
        return self.region_windows


@dataclass(frozen=True)
class Measured:
    """Evidence of one family for the regions of a batch, in their order.

    The numbers are there at once; a record with its sentences is made when it is asked for, since a
    screened slice has hundreds of places and lists a few.
    """

    statistics: FloatArray
    """``[n]``, NaN where the family cannot measure the region."""
    record: Callable[[int], Evidence]
    """Makes the record of a region from its number in the batch."""
    details: torch.Tensor | None = None
    """``[n, d]``: the numbers behind the statistics that the learned statistic weighs for itself,
    NaN where there is none."""
    by_themselves: FloatArray | None = None
    """``[n]``: the statistics without the places beside, where ``statistics`` count them."""

    @classmethod
    def of(cls, records: Iterable[Evidence]) -> Measured:
        """Records that are made already."""
        made = list(records)
        return cls(np.array([each.statistic for each in made], dtype=np.float64), made.__getitem__)

    @classmethod
    def joined(cls, parts: Sequence[Measured]) -> Measured:
        """Several batches as one, in order."""
        places = [(part, number) for part in parts for number in range(len(part))]

        def record(number: int) -> Evidence:
            part, place = places[number]
            return part[place]

        details = [part.details for part in parts if part.details is not None]
        together = torch.cat(details) if details and len(details) == len(parts) else None
        statistics = np.concatenate([np.zeros(0), *(part.statistics for part in parts)])
        return cls(statistics, record, together)

    def __len__(self) -> int:
        return len(self.statistics)

    def __getitem__(self, number: int) -> Evidence:
        return self.record(number)

    def __iter__(self) -> Iterator[Evidence]:
        return map(self.record, range(len(self)))


class EvidenceFamily(Protocol[Prepared]):
    """One kind of evidence.

    ``prepare`` is called once for each slice and radius of regions, ``measure`` with what it gave.
    Both are pure: they keep nothing and change none of their arguments.
    """

    @property
    def name(self) -> str:
        """As stored in calibrations, and in the column ``p_<name>`` of scores.csv."""

    @property
    def title(self) -> str:
        """What the report calls it."""

    @property
    def question(self) -> str:
        """The question that it answers, for readers of the report."""

    @property
    def direction(self) -> str:
        """What a high statistic means: "higher = ..."."""

    @property
    def source(self) -> str:
        """The publication of the method, and what is ours."""

    @property
    def needs(self) -> frozenset[Need]:
        """What the family is given beside the slice and its prediction."""

    def prepare(self, slice_input: SliceInput) -> Prepared:
        """What does not depend on the place of a region."""

    def measure(self, batch: RegionBatch, prepared: Prepared) -> Measured:
        """The evidence of each region, in order."""


def _undeclared(need: Need) -> str:
    return (
        f"the {need} of a slice is given only to families that declare it; add Need.{need.name} "
        "to the family's `needs`"
    )
