"""The table of evidence families.

A new family is one file beside this one and one line in ``FAMILIES``: scoring, calibration, the
columns of scores.csv and the report follow from the table. What a family must have says
``dfd.evidence.family.EvidenceFamily``.
"""

from __future__ import annotations

from typing import Any

from dfd.evidence import (
    adjacent_slices,
    copy_move,
    noise,
    series_copy,
    synthesis,
    texture,
)
from dfd.evidence.family import EvidenceFamily, Need

FAMILIES: tuple[EvidenceFamily[Any], ...] = (
    noise.FAMILY,
    copy_move.FAMILY,
    synthesis.FAMILY,
    texture.FAMILY,
    adjacent_slices.FAMILY,
    series_copy.FAMILY,
)
"""In the order of their columns. The first stands for all: a region that it cannot measure is not
assessable."""


def family_names(*, needing: Need | None = None) -> tuple[str, ...]:
    """Names of the families, in the order of the table.

    Args:
        needing: only those that declare this need.
    """
    return tuple(each.name for each in FAMILIES if needing is None or needing in each.needs)


def family_named(name: str) -> EvidenceFamily[Any]:
    """The family of this name.

    Raises:
        KeyError: there is none.
    """
    return {each.name: each for each in FAMILIES}[name]


def lone_slice_families() -> tuple[str, ...]:
    """Names of the families that need no other slice."""
    return tuple(each.name for each in FAMILIES if Need.CONTEXT not in each.needs)


def context_families() -> tuple[str, ...]:
    """Names of the families that need the slices above and below."""
    return family_names(needing=Need.CONTEXT)
