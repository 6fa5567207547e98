"""Simulated repositories: strata whose genuine series have p-values that do not quite fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

SIZES = (5,) * 10 + (10,) * 10 + (20,) * 10 + (100,) * 5 + (500,) * 2 + (2000,)
"""Series of each stratum of a repository; 3,850 in all."""
SHIFT, WIDTH = (0.2, 0.35), (1.05, 0.15)
"""Mean and standard deviation over scanners of the centre of z, and of its spread. On scans of six
patients never shown, false alarms at 0.05 were 0.04 to 0.19 a patient: centres of -0.1 to 0.8."""
EFFECT = (3.0, 1.0)
"""Mean and standard deviation of what tampering adds to z."""
TAIL = 8
"""Degrees of freedom of the genuine scores where they are not normal."""
SLICES = 30
"""Independent slices of a series whose p-value is that of the smallest times their number."""
PATIENTS = 16
"""Of the shipped calibration, where p-values are ranks among them."""
DECAY = 2.2
"""Of the curve that continues ranks beyond the largest patient: as steep as a normal tail there."""

NORMAL = "normal"
HEAVY = f"Student t, {TAIL} degrees of freedom"
MAXIMUM = f"strangest of {SLICES} slices, p piled up at 1"
RANKS = f"ranks among {PATIENTS} patients, continued"
NULLS = (NORMAL, HEAVY, MAXIMUM, RANKS)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Repository:
    """Simulated series ``[N]``."""

    p_values: Floats
    """As shipped."""
    tampered: Bools
    stratum: NDArray[np.int64]
    true: Floats
    """p-values by the true null of each stratum."""


def simulate(rng: np.random.Generator, share: float, null: str) -> Repository:
    """One repository; of each stratum the same share is tampered with on average."""
    drawn = [_stratum(rng, number, share, null) for number in SIZES]
    z, tampered, true = (np.concatenate(each) for each in zip(*drawn, strict=True))
    if null == MAXIMUM:
        shipped = np.minimum(1.0, SLICES * norm.sf(z))
    elif null == RANKS:
        shipped = ranks(z, np.sort(rng.standard_normal(PATIENTS)))
    else:
        shipped = norm.sf(z)
    return Repository(shipped, tampered, np.repeat(np.arange(len(SIZES)), SIZES), true)


def ranks(z: Floats, patients: Floats) -> Floats:
    """Conformal p-values of scores; an exponential tail continues them beyond all patients."""
    number = len(patients)
    p = (1.0 + number - np.searchsorted(patients, z)) / (number + 1.0)
    return np.asarray(p * np.exp(-DECAY * np.maximum(z - patients[-1], 0.0)))


def _stratum(
    rng: np.random.Generator, number: int, share: float, null: str
) -> tuple[Floats, Bools, Floats]:
    """Scores z of a stratum, which of them are tampered with, and p-values by its true null."""
    centre, spread = rng.normal(*SHIFT), max(rng.normal(*WIDTH), 0.6)
    widen = np.sqrt(TAIL / (TAIL - 2))
    if null == HEAVY:
        unit = rng.standard_t(TAIL, number) / widen
    elif null == MAXIMUM:
        unit = rng.standard_normal((number, SLICES)).max(axis=1)
    else:
        unit = rng.standard_normal(number)
    tampered: Bools = rng.random(number) < share
    unit = unit + tampered * np.maximum(rng.normal(*EFFECT, number), 0.0) / spread
    true = student.sf(unit * widen, TAIL) if null == HEAVY else norm.sf(unit)
    if null == MAXIMUM:
        true = -np.expm1(SLICES * norm.logcdf(unit))
    return centre + spread * unit, tampered, np.asarray(true, np.float64)
