"""Who is scanned in a phantom series, at which heights, and how the series is named."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

import numpy as np
from pydicom.uid import UID

from dfd.errors import OutputError
from dfd.phantom.anatomy import Anatomy, draw_anatomy

TOP_RANGE_MM = (-65.0, -40.0)
"""Height of the first slice: below the division of the windpipe, where the heart is wide."""


@dataclass(frozen=True, slots=True)
class SeriesNames:
    """What tells one phantom series from another."""

    seed: int
    patient: str
    modality: str
    description: str

    def uid(self, *level: object) -> UID:
        """A UID under 2.25 (PS3.5 B.2) that follows from the names."""
        words = "/".join(str(word) for word in ("dfd phantom", self.seed, self.patient, *level))
        return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, words).int}")


@dataclass(frozen=True, slots=True)
class Plan:
    """One person and the heights at which slices are taken."""

    anatomy: Anatomy
    heights_mm: tuple[float, ...]
    noise: tuple[np.random.Generator, ...]
    """A source of noise for each slice."""


def plan_series(seed: int, patient: str, slices: int, step_mm: float) -> Plan:
    """Draw a person and the heights of a series, from head to feet.

    All of it follows from ``seed`` and ``patient``.

    Raises:
        OutputError: if there is not at least one slice or the seed is negative.
    """
    if slices < 1:
        raise OutputError(
            f"a phantom series needs at least 1 slice, got slices={slices}; ask for 1 or more"
        )
    if seed < 0:
        raise OutputError(
            f"the seed of a phantom must be 0 or more, got seed={seed}; choose another"
        )
    name = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big")
    person, *noise = np.random.SeedSequence([seed, name]).spawn(slices + 1)
    rng = np.random.default_rng(person)
    top = rng.uniform(*TOP_RANGE_MM)
    return Plan(
        draw_anatomy(rng),
        tuple(top - step_mm * number for number in range(slices)),
        tuple(map(np.random.default_rng, noise)),
    )
