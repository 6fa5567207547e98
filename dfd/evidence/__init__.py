"""The table of evidence families.

A new family is one file beside this one and one line in ``FAMILIES``: scoring, calibration, the
columns of scores.csv and the report follow from the table. What a family must have says
``dfd.evidence.family.EvidenceFamily``. Modules are named, not imported, so that reading the names
of the columns loads nothing that measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from dfd.evidence.family import EvidenceFamily, Need

FAMILIES: Mapping[str, str] = {
    "noise": "dfd.evidence.noise",
    "copy_move": "dfd.evidence.copy_move",
    "synthesis": "dfd.evidence.synthesis",
    "texture": "dfd.evidence.texture",
    "neighbours": "dfd.evidence.adjacent_slices",
    "series_copy": "dfd.evidence.series_copy",
}
"""Name of a family -> module that holds it as ``FAMILY``, in the order of their columns. The first
stands for all: a region that it cannot measure is not assessable."""


def family_named(name: str) -> EvidenceFamily[Any]:
    """The family of this name.

    Raises:
        KeyError: there is none.
    """
    return cast("EvidenceFamily[Any]", import_module(FAMILIES[name]).FAMILY)


def families() -> tuple[EvidenceFamily[Any], ...]:
    """All families, in the order of the table."""
    return tuple(map(family_named, FAMILIES))


def family_names(*, needing: Need | None = None) -> tuple[str, ...]:
    """Names of the families, in the order of the table.

    Args:
        needing: only those that declare this need.
    """
    if needing is None:
        return tuple(FAMILIES)
    return tuple(each.name for each in families() if needing in each.needs)


def lone_slice_families() -> tuple[str, ...]:
    """Names of the families that need no other slice."""
    beside = context_families()
    return tuple(name for name in FAMILIES if name not in beside)


def context_families() -> tuple[str, ...]:
    """Names of the families that need the slices above and below."""
    from dfd.evidence.family import Need

    return family_names(needing=Need.CONTEXT)
