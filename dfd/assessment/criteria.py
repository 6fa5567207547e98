"""By what a slice is assessed, and what other slices say of it."""

from __future__ import annotations

from dataclasses import dataclass

from dfd.calibration import Calibration
from dfd.modalities import Modality
from dfd.records import Context, Reconstruction


@dataclass(frozen=True)
class Criteria:
    """What a model knows of genuine scans."""

    modality: Modality
    calibration: Calibration | None = None
    """None: evidence is measured, and nothing can be said of how unusual it is."""
    device: str = "cpu"
    """Where evidence is measured, as torch calls it."""


@dataclass(frozen=True)
class SliceContext:
    """What other slices say of a slice."""

    adjacent: Context | None = None
    """The slices above and below, and where the others of the series lie."""
    notes: tuple[str, ...] = ()
    """Sentences about its neighbours."""
    reconstructions: tuple[Reconstruction, ...] = ()
    """The same slice in other series of its study."""


NO_CONTEXT = SliceContext()
