"""The empirical null: parameters recovered, contamination withstood, lists controlled."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, norm

from dfd.repository import empirical_null
from dfd.repository.empirical_null import (
    FEWEST_SERIES,
    PRIOR_WEIGHT,
    fit,
    of_series,
    q_values,
    sentence,
)
from dfd.repository.strata import Stratum, stratum_of

SIEMENS = stratum_of("CT", "SIEMENS", "B70f", 1.0)
GE = stratum_of("CT", "GE MEDICAL SYSTEMS", "STANDARD", 5.0)


def scores(
    number: int, centre: float, spread: float, *, tampered: float = 0.0, seed: int = 1
) -> np.ndarray:
    """z of genuine series, the first ``tampered`` share of them moved by 3.5."""
    z = np.random.default_rng(seed).normal(centre, spread, number)
    z[: round(tampered * number)] += 3.5
    return z


@pytest.mark.parametrize(("centre", "spread"), [(0.0, 1.0), (0.7, 1.0), (0.3, 1.4), (-0.5, 0.8)])
@pytest.mark.parametrize("tampered", [0.0, 0.05, 0.1])
def test_centre_and_spread_are_recovered(centre: float, spread: float, tampered: float) -> None:
    null = fit(scores(4000, centre, spread, tampered=tampered))
    # Tampered series may widen the null, which makes p-values larger; they never narrow it.
    assert centre - 0.06 < null.centre < centre + (0.16 if tampered else 0.08)
    assert 0.92 < null.spread / spread < (1.4 if tampered else 1.08)
    assert 0.9 <= null.genuine_share <= 1.0
    # Looked at: from p = 0.5, or the lowest tenth where it is larger, up to the upper fifth.
    inside = 0.8 - max(0.1, (scores(4000, centre, spread, tampered=tampered) < 0.0).mean())
    assert null.weight == pytest.approx(inside * 4000 + PRIOR_WEIGHT, abs=2)


def test_more_tampered_series_than_assumed_make_p_values_larger() -> None:
    z = np.array([2.0, 3.0, 4.0])
    genuine = fit(scores(2000, 0.0, 1.0)).p_values(z)
    crowded = fit(scores(2000, 0.0, 1.0, tampered=0.3)).p_values(z)
    assert (crowded > genuine).all()


def test_a_small_stratum_is_shrunk_towards_the_shipped_calibration() -> None:
    centres = [
        np.mean([fit(scores(number, 1.0, 1.0, seed=seed)).centre for seed in range(20)])
        for number in (FEWEST_SERIES, 80, 2000)
    ]
    assert 0.3 < centres[0] < centres[1] < centres[2]
    assert centres[2] == pytest.approx(1.0, abs=0.05)
    small = fit(scores(FEWEST_SERIES, 1.0, 1.0))
    assert small.weight <= PRIOR_WEIGHT + 0.7 * FEWEST_SERIES + 1


@pytest.mark.parametrize("number", [1, 2, FEWEST_SERIES - 1])
@pytest.mark.parametrize("p", [1.0, 0.5, 0.04, 1e-12])
def test_nothing_is_said_of_a_few_series_and_the_shipped_p_values_stand(
    number: int, p: float
) -> None:
    answer = of_series(np.full(number, p), [SIEMENS] * number)
    null = answer.strata[SIEMENS]
    assert null.shipped
    assert null.fits
    assert sentence(SIEMENS, null) == ""
    assert (answer.p_values == p).all()


def test_the_smallest_stratum_that_has_a_null_of_its_own() -> None:
    assert not fit(scores(FEWEST_SERIES, 0.0, 1.0)).shipped
    assert fit(scores(FEWEST_SERIES - 1, 0.0, 1.0)).shipped


def maxima(number: int, slices: int, seed: int = 1) -> np.ndarray:
    """Shipped p-values of series: the smallest of their slices times their number."""
    p = np.random.default_rng(seed).random((number, slices)).min(axis=1)
    return np.minimum(1.0, slices * p)


@pytest.mark.parametrize("slices", [10, 300])
@pytest.mark.parametrize("number", [40, 3000])
def test_p_values_that_pile_up_at_1_are_no_misfit(number: int, slices: int) -> None:
    fits, rates = [], []
    for seed in range(10):
        p = maxima(number, slices, seed)
        assert (p == 1.0).mean() > 0.15
        answer = of_series(p, [SIEMENS] * number)
        fits.append(answer.strata[SIEMENS].fits)
        rates.append(((answer.p_values <= 0.05).mean(), (p <= 0.05).mean()))
    assert sum(fits) >= 9
    # Small p-values are right as they are shipped; the null must not change them much.
    empirical, shipped = np.mean(rates, axis=0)
    assert empirical == pytest.approx(shipped, abs=0.025)


def test_a_stratum_of_large_p_values_alone_keeps_the_shipped_ones() -> None:
    p = np.concatenate([np.full(95, 1.0), np.full(5, 0.001)])
    answer = of_series(p, [SIEMENS] * 100)
    assert answer.strata[SIEMENS].shipped
    assert answer.p_values == pytest.approx(p)


@pytest.mark.parametrize("p", [1.0, 0.0, 0.5, 1 / 17])
def test_equal_p_values_give_finite_answers(p: float) -> None:
    answer = of_series(np.full(40, p), [SIEMENS] * 40)
    assert np.isfinite(answer.p_values).all()
    assert (answer.p_values >= 0).all()
    assert (answer.p_values <= 1).all()


def test_q_values_are_those_of_scipy_over_the_scored_series() -> None:
    p = np.array([0.001, np.nan, 0.02, 0.03, 0.8, np.nan])
    q = q_values(p)
    kept = np.isfinite(p)
    assert q[kept] == pytest.approx(false_discovery_control(p[kept]))
    assert q[kept] == pytest.approx([0.004, 0.04, 0.04, 0.8])
    assert np.isnan(q[~kept]).all()
    assert np.isnan(q_values(np.full(3, np.nan))).all()


def test_each_stratum_has_its_own_null() -> None:
    z = np.concatenate([scores(800, 1.0, 1.0), scores(800, 0.0, 1.0, seed=2)])
    strata = [SIEMENS] * 800 + [GE] * 800
    answer = of_series(norm.sf(z), strata)
    assert list(answer.strata) == sorted([SIEMENS, GE])
    assert [answer.strata[each].series for each in (SIEMENS, GE)] == [800, 800]
    for half in (answer.p_values[:800], answer.p_values[800:]):
        assert (half <= 0.05).mean() == pytest.approx(0.05, abs=0.025)
    assert (norm.sf(z[:800]) <= 0.05).mean() > 0.2


def test_an_unscored_series_has_no_empirical_p_value() -> None:
    answer = of_series(np.array([0.4, np.nan]), [SIEMENS, GE])
    assert np.isnan(answer.p_values[1])
    assert np.isnan(answer.q_values[1])
    assert list(answer.strata) == [SIEMENS]


def test_strata_and_p_values_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="2 p-values and 1 strata"):
        of_series(np.array([0.4, 0.5]), [SIEMENS])


def test_a_stratum_that_does_not_fit_is_said_and_what_to_do() -> None:
    z = scores(2000, 0.75, 1.0)
    null = fit(z)
    assert not null.fits
    assert null.false_alarm_rate == pytest.approx(norm.sf(norm.isf(0.05) - 0.75), abs=0.04)
    said = sentence(SIEMENS, null)
    share = 100 * (norm.sf(z) <= 0.05).mean()
    assert said.startswith(f"{SIEMENS.label}: {share:.0f} % of 2000 series lie below p = 0.05")
    assert f"{100 * null.false_alarm_rate:.1f} % would if all were genuine" in said
    assert "alarms too often" in said
    assert "overlooks tampering" in sentence(GE, fit(scores(2000, -0.4, 0.8)))


@pytest.mark.parametrize("number", [10, 100, 2000])
def test_a_stratum_that_fits_is_left_in_peace(number: int) -> None:
    null = fit(scores(number, 0.0, 1.0))
    assert null.fits
    assert sentence(SIEMENS, null) == ""


def test_tampered_series_alone_do_not_make_a_misfit() -> None:
    assert fit(scores(1000, 0.0, 1.0, tampered=0.08)).fits


def test_the_list_by_benjamini_hochberg_holds_few_genuine_series() -> None:
    shares = []
    for seed in range(20):
        z = np.concatenate(
            [
                scores(1000, 0.6, 1.2, tampered=0.05, seed=seed),
                scores(400, 0.0, 1.0, seed=seed + 100),
            ]
        )
        answer = of_series(norm.sf(z), [SIEMENS] * 1000 + [GE] * 400)
        listed = answer.q_values <= empirical_null.FALSE_DISCOVERIES
        shares.append((listed.sum() - listed[:50].sum()) / max(listed.sum(), 1))
    assert np.mean(shares) <= 0.15


@pytest.mark.parametrize(
    ("kernel", "sharpness"),
    [
        ("B30f", "soft"),
        ("B70f", "sharp"),
        ("Br40d\\3", "soft"),
        ("I70f\\3", "sharp"),
        ("FC08", "soft"),
        ("FC51", "sharp"),
        ("STANDARD", "soft"),
        ("lung ", "sharp"),
        ("YA", "sharp"),
        ("B", "soft"),
        ("", "unknown"),
        ("Müller", "unknown"),
        ("B3", "unknown"),
    ],
)
def test_kernels_are_sharp_or_soft_by_their_names(kernel: str, sharpness: str) -> None:
    assert stratum_of("CT", "x", kernel, 1.0).sharpness == sharpness


@pytest.mark.parametrize(
    ("text", "manufacturer"),
    [
        ("SIEMENS", "Siemens"),
        ("Siemens Healthineers", "Siemens"),
        ("GE MEDICAL SYSTEMS", "GE"),
        ("GE", "GE"),
        ("Gerber", "another manufacturer"),
        ("Philips Medical Systems", "Philips"),
        ("TOSHIBA_MEC", "Canon"),
        ("  ", "unknown"),
    ],
)
def test_manufacturers_have_one_name_each(text: str, manufacturer: str) -> None:
    assert stratum_of("CT", text, "", 1.0).manufacturer == manufacturer


def test_strata_in_words() -> None:
    nan = float("nan")
    assert SIEMENS.label == "CT, Siemens, sharp kernel, up to 1.5 mm"
    assert stratum_of("MR", "", "", nan).label == "MR, unknown manufacturer, unknown thickness"
    assert stratum_of("MR", "GE", "B30", 3.0) == Stratum("MR", "GE", "", "1.5 to 3 mm")
    assert stratum_of("JANE^DOE", "GE", "", 1.0).modality == "another modality"
    assert stratum_of("CT", "GE", "", 0.0).thickness == "unknown"


def test_a_shifted_scanner_of_few_series_is_not_taken_for_a_tampered_one() -> None:
    shares = [fit(scores(100, 0.4, 1.0, seed=seed)).genuine_share for seed in range(20)]
    assert np.mean(shares) > 0.98
