"""A whole slice: judged as the largest of many.

With the regions that stand out and how many chance would bring.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dfd.calibration import (
    MOST_FALSE_ALARMS,
    NOT_CALIBRATED,
    SCREENING,
    SLICE,
    Calibration,
    DecisionContext,
    Places,
    Setting,
    columns_of,
    combined_p,
    combined_statistic,
    count_in_words,
    counts_of_many,
    decide_slice,
    fit,
    fit_screening,
    from_json,
    leave_out,
    p_of_places,
    p_value,
    to_json,
)
from dfd.calibration.screening import NO_PLACE, STEEPEST
from dfd.records import Evidence, Point, Region

POINT = Point(2, "a.dcm")
STEP = 16.0


def statistics(rng: np.random.Generator, places: int = 100) -> list[dict[str, float]]:
    return [
        {"noise": float(noise), "synthesis": float(synthesis)}
        for noise, synthesis in rng.gamma(9.0, 0.12, (places, 2))
    ]


def patients(count: int = 12, slices: int = 4, seed: int = 0) -> list[list[list[dict[str, float]]]]:
    rng = np.random.default_rng(seed)
    return [[statistics(rng) for _ in range(slices)] for _ in range(count)]


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    whole = fit_screening(patients())
    assert whole is not None
    of_slices = fit([rows for slices in patients(seed=1) for rows in [slices[0]]])
    settings = {SLICE: of_slices, SCREENING: whole}
    return Calibration("ct_lung_inpainting", "ab", 10.0, {}, settings)


def places(rows: list[dict[str, float]], radius: float = 14.0) -> Places:
    """The rows as places of a grid ten wide."""
    regions = [
        Region(STEP * (number % 10), STEP * (number // 10), radius, 10.0)
        for number in range(len(rows))
    ]
    evidence = [
        [
            Evidence(family, value, measures, "lung", f"the {family} is strange")
            for family, value in row.items()
            for measures in (
                {"energy": value - 2.0}
                if family == "noise"
                else {"energy": -1.0, "replaced content": 5.0},
            )
        ]
        for row in rows
    ]
    return Places(regions, columns_of(rows), evidence)


def genuine(seed: int = 5) -> list[dict[str, float]]:
    return statistics(np.random.default_rng(seed))


def test_a_genuine_slice_has_a_large_p_value_and_says_where_it_is_strangest(
    calibration: Calibration,
) -> None:
    finding, suspicions = decide_slice(POINT, places(genuine()), calibration, DecisionContext(10.0))
    assert finding.verdict == "no anomaly found"
    assert finding.p_value > 0.1
    assert finding.score == pytest.approx(-math.log10(finding.p_value))
    assert finding.form == ""
    assert finding.reason.startswith(
        (
            "no region stands out: the strangest of 100 lies at x ",
            "the only region that stands out lies at x ",
        )
    )
    assert all(each.expected_false_alarms <= MOST_FALSE_ALARMS for each in suspicions)


def test_p_values_of_genuine_slices_are_not_too_small(calibration: Calibration) -> None:
    found = [
        decide_slice(POINT, places(genuine(seed)), calibration, DecisionContext(10.0))[0].p_value
        for seed in range(100, 300)
    ]
    assert np.mean(np.array(found) <= 0.2) < 0.27
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)


def test_expected_false_alarms_are_what_genuine_slices_show(calibration: Calibration) -> None:
    listed = [
        len(
            decide_slice(
                POINT, places(genuine(seed), radius=0.1), calibration, DecisionContext(10.0)
            )[1]
        )
        for seed in range(100, 300)
    ]
    assert 0.05 < np.mean(listed) < 1.2  # the tail is extended on its cautious side


def test_a_strange_region_is_the_first_of_the_list_and_the_reason_of_the_slice(
    calibration: Calibration,
) -> None:
    rows = genuine()
    rows[34] = {"noise": 8.0, "synthesis": 1.0}
    rows[35] = {"noise": 7.0, "synthesis": 1.0}
    rows[88] = {"noise": 1.0, "synthesis": 6.0}
    finding, suspicions = decide_slice(
        POINT, places(rows), calibration, DecisionContext(10.0, remarks=("the slice was derived",))
    )
    assert finding.verdict != "no anomaly found"
    assert finding.point == POINT
    assert (finding.radius_mm, finding.tissue, finding.extrapolated) == (10.0, "lung", True)
    assert [(each.finding.point.x, each.finding.point.y) for each in suspicions[:2]] == [
        (64.0, 48.0),
        (128.0, 128.0),
    ]
    assert [each.expected_false_alarms for each in suspicions] == sorted(
        each.expected_false_alarms for each in suspicions
    )
    assert (suspicions[0].finding.form, suspicions[1].finding.form) == (
        "adversarial noise",
        "AI edit",
    )
    begin = (
        f"the strongest of {len(suspicions)} regions that stand out lies at x 64, y 48: the noise "
        "is strange; "
    )
    assert finding.reason.startswith(begin)
    assert finding.reason.endswith(
        " such regions are expected by chance in a genuine slice; the slice was derived"
    )


def test_expected_false_alarms_are_places_times_the_p_value_of_one(
    calibration: Calibration,
) -> None:
    rows = genuine()
    rows[34] = {"noise": 8.0, "synthesis": math.nan}
    _, suspicions = decide_slice(POINT, places(rows), calibration, DecisionContext(10.0))
    setting = calibration.settings[SCREENING]
    p, _ = p_value(combined_statistic(rows[34], setting.tables), setting.combined)
    assert suspicions[0].finding.p_value == p
    assert suspicions[0].expected_false_alarms == pytest.approx(100 * p)
    assert p_of_places(places(rows), calibration)[34] == p


def test_places_that_share_pixels_with_a_stranger_one_are_not_listed(
    calibration: Calibration,
) -> None:
    rows = genuine()
    for number in (33, 34, 35, 43, 44, 45):
        rows[number] = {"noise": 8.0 + 0.1 * number, "synthesis": 1.0}
    _, suspicions = decide_slice(POINT, places(rows), calibration, DecisionContext(10.0))
    near = [each for each in suspicions if 40 <= each.finding.point.y <= 70]
    assert [(each.finding.point.x, each.finding.point.y) for each in near] == [
        (80.0, 64.0),
        (48.0, 64.0),
    ]


@pytest.mark.parametrize("measured", [[], [{"noise": math.nan, "synthesis": math.nan}]])
def test_a_slice_without_a_place_is_not_assessable(
    calibration: Calibration, measured: list[dict[str, float]]
) -> None:
    finding, suspicions = decide_slice(POINT, places(measured), calibration, DecisionContext(10.0))
    assert (finding.verdict, finding.reason, suspicions) == ("not assessable", NO_PLACE, ())


def test_a_calibration_of_points_alone_gives_a_map_and_no_verdict(calibration: Calibration) -> None:
    lone = replace(calibration, settings={SLICE: calibration.of(SLICE)})
    finding, suspicions = decide_slice(POINT, places(genuine()), lone, DecisionContext(10.0))
    assert (finding.verdict, finding.reason, suspicions) == ("not assessable", NOT_CALIBRATED, ())
    assert "run `dfd calibrate`" in finding.reason
    assert (
        (p_of_places(places(genuine()), lone) > 0) & (p_of_places(places(genuine()), lone) <= 1)
    ).all()
    noise = lone.of(SLICE).tables["noise"]
    one_family = replace(lone, settings={SLICE: Setting({"noise": noise})})
    assert p_of_places(places(genuine()), one_family)[3] == p_value(genuine()[3]["noise"], noise)[0]
    separate = Setting(lone.of(SLICE).tables)
    rows = [*genuine(), {"noise": 9.0, "synthesis": math.nan}, {"noise": math.nan}]
    found = p_of_places(places(rows), replace(lone, settings={SLICE: separate}))
    wanted = [combined_p(row, separate)[0] for row in rows[:-1]]
    np.testing.assert_allclose(found[:-1], wanted, rtol=1e-12)
    assert math.isnan(found[-1])


def test_without_a_calibration_nothing_is_said() -> None:
    assert (
        "has no calibration"
        in decide_slice(POINT, places(genuine()), None, DecisionContext(10.0))[0].reason
    )


def test_the_tables_hold_places_and_maxima_of_each_patient() -> None:
    whole = fit_screening([*patients(3), [[]]])
    assert whole is not None
    assert [len(values) for values in whole.maximum.patients] == [4, 4, 4]
    assert [len(values) for values in whole.combined.patients] == [200, 200, 200]
    assert whole.maximum.tail_index <= STEEPEST
    assert min(values[-1] for values in whole.maximum.patients) > 20
    assert fit_screening([[[]], [[{"noise": math.nan}]]]) is None


def test_few_maxima_that_agree_promise_nothing_beyond_them() -> None:
    whole = fit_screening(
        [[[{"noise": 1.0}] * 99 + [{"noise": 3.0 + 1e-4 * number}]] for number in range(5)]
    )
    assert p_value(4.0 * whole.maximum.patients[-1][-1], whole.maximum)[0] > 0.04


def test_it_is_stored_and_thinned(calibration: Calibration) -> None:
    again = from_json(to_json(calibration))
    one, other = (
        decide_slice(POINT, places(genuine()), each, DecisionContext(10.0))
        for each in (again, calibration)
    )
    assert one == other
    assert len(leave_out({0}, calibration).settings[SCREENING].maximum.patients) == 11


@pytest.mark.parametrize(
    ("expected", "words"), [(0.0002, "fewer than 0.001"), (0.0204, "0.02"), (3.21, "3.2")]
)
def test_counts_in_words(expected: float, words: str) -> None:
    assert count_in_words(expected) == words


def test_what_is_told_of_many_slices() -> None:
    assert counts_of_many([0.001, 0.01, 0.04, 0.3, *[0.5] * 16]) == (3, 1.0, 2)
    assert counts_of_many([0.5, 0.9]) == (0, 0.1, 0)
