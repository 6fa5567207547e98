"""The repository as its own reference: an empirical null for each stratum.

Most series of a repository are genuine. So the centre of the shipped p-values of a stratum shows
how the shipped calibration fits its scanner, and an empirical null is fitted there (Efron, J. Am.
Stat. Assoc. 99:96, 2004): z, the normal quantile of the shipped p-value, is N(0, 1) where the
calibration fits and N(centre, spread) where it does not.

Only the informative part of a stratum is looked at. Series with p above ``INFORMATIVE_P`` are
counted: the p-value of a maximum piles up at 1, and how says nothing of small ones. The upper fifth
is counted too, and of its count a share up to ``TAMPERED_SHARE`` of the stratum may be tampered
with. Where more are, the null becomes wider and the p-values larger: contamination costs power, not
validity (as Bashari, Sesia and Romano, 2025, show for conformal p-values). Conformal ranks
themselves would be useless here: ranks of a sample in itself are uniform, so Benjamini-Hochberg
could never list anything.

Small strata are shrunk towards the shipped calibration (empirical Bayes, normal inverse gamma):
it counts as ``PRIOR_WEIGHT`` series with centre 0 and spread 1. The p-value is that of the
predictive t distribution, so it knows how few series it stands on. Below ``FEWEST_SERIES`` the
shipped p-values stand. Constants were chosen by simulation:
benchmarks/results/empirical_null.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr
from scipy.stats import chi2, false_discovery_control, norm
from scipy.stats import t as student

from dfd.calibration import UNUSUAL
from dfd.repository.strata import Stratum

FloatArray = NDArray[np.float64]

TAMPERED_SHARE = 0.10
"""Largest share of tampered series in a stratum that the fit allows for."""
PRIOR_WEIGHT = 8.0
"""Series that the shipped calibration counts as. False alarms at 0.05 were 0.04 to 0.19 a patient
on new scans (a shift of z by -0.1 to 0.8, so 0.35 as a standard deviation): 1 / 0.35^2."""
GENUINE_WEIGHT = 20.0
"""Genuine series that count beside those of a stratum where its share of genuine ones is estimated:
few series do not show whether their scanner is shifted or some of them were tampered with, and the
first is assumed then."""
CENTRAL = (0.1, 0.8)
"""Quantiles of z between which values are looked at."""
INFORMATIVE_P = 0.5
"""Larger p-values are counted, not looked at."""
FEWEST_SERIES, FEWEST_INSIDE = 10, 4
"""Series of a stratum, and series whose values are looked at, below which nothing is said of its
calibration and the shipped p-values stand."""
FALSE_DISCOVERIES = 0.10
"""Share of false alarms that a list by Benjamini-Hochberg holds on average at most."""
FITTING_RATES = (0.02, 0.075)
"""Rates of false alarms at p = 0.05 with which the shipped calibration counts as fitting."""
MISFIT_LEVEL = 0.01
"""Significance from which on a stratum counts as not fitting."""
ASSUMPTION = (
    "Empirical p-values take the series of this repository as their own reference. They assume "
    f"that at most {100 * TAMPERED_SHARE:.0f} % of the series of a stratum (modality, "
    "manufacturer, kernel sharpness, slice thickness) were tampered with, that such series have "
    "smaller p-values than genuine ones, and that normal quantiles of the shipped p-values of the "
    f"genuine ones, where p is below {INFORMATIVE_P}, are normally distributed. The shipped "
    f"calibration counts as {PRIOR_WEIGHT:.0f} series beside those of the stratum; it stands alone "
    f"where there are fewer than {FEWEST_SERIES}, or next to none below {INFORMATIVE_P}."
)

REMEDY = (
    "Go by the empirical p-value there, and fit the calibration to the scanner: `dfd calibrate "
    "--data GENUINE --model MODEL --output MY_MODEL.ckpt` with genuine series of it, one folder "
    "for each patient."
)
"""What to do where the shipped calibration does not fit."""

_LARGEST_P, _SMALLEST_P = 1.0 - 1e-9, 1e-300


@dataclass(frozen=True, slots=True)
class NullFit:
    """The empirical null of one stratum: normal in z = normal quantile of 1 - p."""

    series: int
    """Scored series of the stratum."""
    centre: float
    spread: float
    """0 and 1 where the shipped calibration fits."""
    genuine_share: float
    """Estimated share of genuine series, at least 1 - ``TAMPERED_SHARE``."""
    weight: float
    """Series that the fit stands on: those whose values were looked at, and the prior's."""
    below: int
    """Series with a shipped p-value of at most 0.05."""
    p_misfit: float
    """Of the likelihood ratio test against the shipped calibration."""
    shipped: bool = False
    """Whether too few series inform a fit: nothing is said, and the shipped p-values stand."""

    @property
    def fits(self) -> bool:
        """Whether the shipped calibration fits the stratum; True where nothing can be said."""
        lowest, highest = FITTING_RATES
        return self.p_misfit > MISFIT_LEVEL or lowest <= self.false_alarm_rate <= highest

    @property
    def false_alarm_rate(self) -> float:
        """Share of genuine series with a shipped p-value of at most 0.05, by this null."""
        return float(norm.sf((norm.isf(UNUSUAL) - self.centre) / self.spread))

    @property
    def smallest_supported(self) -> float:
        """Smaller empirical p-values continue the fitted curve beyond all series."""
        return 1.0 / (1.0 + self.series)

    def p_values(self, z: FloatArray) -> FloatArray:
        """Predictive p-values ``[N]`` of further series with the scores ``z`` ``[N]``."""
        if self.shipped:
            return np.asarray(norm.sf(z), np.float64)
        scale = self.spread * math.sqrt(1.0 + 1.0 / self.weight)
        return np.asarray(student.sf((z - self.centre) / scale, self.weight - 1.0), np.float64)


@dataclass(frozen=True, slots=True)
class EmpiricalNull:
    """Empirical p-values of a repository, and what they stand on."""

    p_values: FloatArray
    """``[N]``, NaN where a series has no shipped p-value."""
    q_values: FloatArray
    """``[N]``, Benjamini-Hochberg over the empirical p-values of all scored series."""
    q_shipped: FloatArray
    """``[N]``, the same over the shipped p-values."""
    strata: dict[Stratum, NullFit]


def normal_scores(p_values: FloatArray) -> FloatArray:
    """Scores z ``[N]`` of p-values ``[N]``: 0 at p = 0.5, larger where p is smaller."""
    return np.asarray(norm.isf(np.clip(p_values, _SMALLEST_P, _LARGEST_P)), np.float64)


def of_series(p_values: FloatArray, strata: Sequence[Stratum]) -> EmpiricalNull:
    """Empirical p-values and q-values of the series of a repository.

    Args:
        p_values: Shipped p-values ``[N]``; NaN where a series was not scored.
        strata: The stratum of each series.

    Raises:
        ValueError: there are not as many strata as p-values.
    """
    if len(p_values) != len(strata):
        raise ValueError(f"{len(p_values)} p-values and {len(strata)} strata; give one for each")
    scored = np.isfinite(p_values)
    z = normal_scores(p_values)
    empirical = np.full(len(p_values), np.nan)
    members: dict[Stratum, list[int]] = {}
    for place in np.flatnonzero(scored).tolist():
        members.setdefault(strata[place], []).append(place)
    fits = {stratum: fit(z[places]) for stratum, places in sorted(members.items())}
    for stratum, places in members.items():
        of_fit = fits[stratum].p_values(z[places])
        empirical[places] = p_values[places] if fits[stratum].shipped else of_fit
    return EmpiricalNull(empirical, q_values(empirical), q_values(p_values), fits)


def q_values(p_values: FloatArray) -> FloatArray:
    """Benjamini-Hochberg's adjusted p-values ``[N]``; what is NaN stays NaN and counts nothing."""
    result = np.full(len(p_values), np.nan)
    finite = np.isfinite(p_values)
    if finite.any():
        result[finite] = false_discovery_control(p_values[finite])
    return result


def fit(z: FloatArray) -> NullFit:
    """The empirical null of the scores ``z`` ``[N]`` of one stratum, ``N >= 1``."""
    sample, below = _Sample(z), int((z >= norm.isf(UNUSUAL) - 1e-9).sum())
    if len(z) < FEWEST_SERIES or sample.inside < FEWEST_INSIDE:
        return NullFit(len(z), 0.0, 1.0, 1.0, PRIOR_WEIGHT, below, 1.0, shipped=True)
    start = np.array([np.median(z) * len(z) / (len(z) + PRIOR_WEIGHT), 0.0])
    found = minimize(
        lambda at: -sample.posterior(at[0], at[1]),
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-4, "fatol": 1e-6},
    )
    centre, log_spread = (float(value) for value in found.x)
    gain = 2.0 * (sample.likelihood(centre, log_spread) - sample.likelihood(0.0, 0.0))
    return NullFit(
        series=len(z),
        centre=centre,
        spread=math.exp(log_spread),
        genuine_share=sample.genuine_share(centre, math.exp(log_spread)),
        weight=sample.inside + PRIOR_WEIGHT,
        below=below,
        p_misfit=float(chi2.sf(gain, 2)),
    )


def sentence(stratum: Stratum, null: NullFit) -> str:
    """What is wrong where the shipped calibration does not fit a stratum; see ``REMEDY``.

    Empty where it fits.
    """
    if null.fits:
        return ""
    alarming = null.false_alarm_rate > UNUSUAL
    effect = "it alarms too often" if alarming else "it overlooks tampering"
    return (
        f"{stratum.label}: {100 * null.below / null.series:.0f} % of {null.series} series lie "
        f"below p = 0.05, and {100 * null.false_alarm_rate:.1f} % would if all were genuine, "
        f"instead of 5 %: {effect}."
    )


class _Sample:
    """Scores of a stratum, reduced to what the likelihood needs.

    Values of the informative part are looked at; below and above it they are counted.
    """

    def __init__(self, z: FloatArray) -> None:
        self.number = len(z)
        low, self.high = (float(value) for value in np.quantile(z, CENTRAL))
        self.low = max(low, float(norm.isf(INFORMATIVE_P)))
        inside = z[(z >= self.low) & (z <= self.high)]
        self.inside = int(inside.size)
        self.above = int((z > max(self.low, self.high)).sum())
        self.below = self.number - self.inside - self.above
        self.mean = float(inside.mean()) if self.inside else math.nan
        self.variance = float(inside.var()) if self.inside else math.nan

    def genuine_share(self, centre: float, spread: float) -> float:
        """The most likely share of genuine series, within what is assumed."""
        central = float(ndtr((self.high - centre) / spread))
        genuine, everything = self.number - self.above, self.number
        seen = (genuine + GENUINE_WEIGHT) / max((everything + GENUINE_WEIGHT) * central, 1e-12)
        return min(max(seen, 1.0 - TAMPERED_SHARE), 1.0)

    def likelihood(self, centre: float, log_spread: float) -> float:
        """Log likelihood of a normal null, by Efron's zero assumption for the central part."""
        spread = math.exp(log_spread)
        share = self.genuine_share(centre, spread)
        squares = self.variance + (self.mean - centre) ** 2
        looked_at = self.inside * (math.log(share) - log_spread - 0.5 * squares / spread**2)
        lower = float(log_ndtr((self.low - centre) / spread)) + math.log(share)
        upper = share * float(ndtr((self.high - centre) / spread))
        return looked_at + self.below * lower + self.above * math.log1p(-min(upper, 1.0 - 1e-12))

    def posterior(self, centre: float, log_spread: float) -> float:
        """The same with the shipped calibration and the genuine series that count beside these."""
        spread = math.exp(log_spread)
        genuine = GENUINE_WEIGHT * math.log(self.genuine_share(centre, spread))
        prior = -PRIOR_WEIGHT * (log_spread + 0.5 * (centre**2 + 1.0) / spread**2)
        return self.likelihood(centre, log_spread) + prior + genuine
