"""p-values, verdicts, remarks, and the table on disk."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dfd.calibration import (
    ORDINARY,
    QUANTILES,
    SCREENING,
    SERIES,
    SLICE,
    SMALLEST_P,
    Calibration,
    CalibrationTable,
    DecisionContext,
    Setting,
    combined_p,
    combined_statistic,
    decide,
    fit,
    fit_table,
    from_json,
    leave_out,
    out_of_distribution,
    p_value,
    p_values,
    patient_weights,
    share_beyond,
    to_json,
    true_rate_bound,
    verdict_of,
)
from dfd.calibration.tables import drop_patients
from dfd.errors import CalibrationError
from dfd.modalities import MODALITIES, Modality
from dfd.population import COVARIATES
from dfd.records import Evidence, Finding, Point

ROOT = Path(__file__).resolve().parents[2]
QUICK = settings(max_examples=60, deadline=None, derandomize=True)
STATISTIC = st.floats(0.0, 1e6, allow_nan=False)
PATIENTS = st.lists(
    st.lists(st.floats(0.0, 100.0), min_size=1, max_size=30), min_size=1, max_size=12
)
POINT = Point(2, "a.dcm", 10.0, 10.0)


def patients(count: int, regions: int = 60, seed: int = 0) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    return [rng.gamma(6.0, 0.18, regions).tolist() for _ in range(count)]


@pytest.fixture
def calibration() -> Calibration:
    population = dict.fromkeys(COVARIATES, (0.0, 1.0))
    return Calibration(
        "ct_lung_inpainting",
        "ab" * 32,
        10.0,
        population,
        {SLICE: Setting({"noise": fit_table(patients(24))})},
    )


@QUICK
@given(PATIENTS, STATISTIC)
def test_p_values_lie_in_zero_to_one(by_patient: list[list[float]], statistic: float) -> None:
    p, _ = p_value(statistic, fit_table(by_patient))
    assert 0.0 < p <= 1.0


@QUICK
@given(PATIENTS, STATISTIC, STATISTIC)
def test_more_evidence_never_raises_the_p_value(
    by_patient: list[list[float]], one: float, other: float
) -> None:
    table = fit_table(by_patient)
    low, high = sorted((one, other))
    assert p_value(high, table)[0] <= p_value(low, table)[0]
    assert share_beyond(high, table) <= share_beyond(low, table)


@QUICK
@given(PATIENTS)
def test_extension_joins_the_counted_part_without_a_step(by_patient: list[list[float]]) -> None:
    table = fit_table(by_patient)
    limit = 1.0 / (len(table.patients) + 1)
    assume(share_beyond(table.threshold, table) > limit)
    # Where the smooth tail crosses the limit; computed here from its definition.
    join = table.threshold * (share_beyond(table.threshold, table) / limit) ** (
        1.0 / table.tail_index
    )
    assume(math.isfinite(join) and join < 1e300)
    before, after = p_value(join * (1 - 1e-9), table), p_value(join * (1 + 1e-9), table)
    assert before[0] == pytest.approx(after[0], rel=1e-5)
    assert (before[1], after[1]) == (False, True)


@QUICK
@given(st.lists(st.floats(0.01, 50.0), min_size=10, max_size=60, unique=True), st.floats(0.0, 60.0))
def test_one_region_per_patient_is_split_conformal_prediction(
    values: list[float], statistic: float
) -> None:
    values = [round(value, 5) for value in values]
    table = fit_table([[value] for value in values])
    assume(statistic <= table.threshold)
    direct = (1 + sum(value >= statistic for value in values)) / (1 + len(values))
    assert p_value(statistic, table) == (pytest.approx(direct), False)


def test_patients_count_alike_however_many_regions_they_give() -> None:
    few_high = fit_table([[1.0] * 500, [5.0] * 2])
    assert share_beyond(3.0, CalibrationTable(few_high.patients)) == pytest.approx(0.5)


def test_the_tail_follows_a_pareto_law() -> None:
    rng = np.random.default_rng(5)
    table = fit_table([(1.0 + rng.pareto(4.0, 180)).tolist() for _ in range(40)])
    assert table.tail_index == pytest.approx(4.0, rel=0.2)
    assert share_beyond(10.0, table) == pytest.approx(10.0**-4, rel=0.6)


def test_false_alarms_of_genuine_patients_stay_near_nominal() -> None:
    table = fit_table(patients(49, seed=1))
    fresh = [value for patient in patients(200, 20, seed=2) for value in patient]
    rate = np.mean([p_value(value, table)[0] <= 0.05 for value in fresh])
    assert 0.01 < rate < 0.07


def test_few_patients_give_the_promised_rate_on_average() -> None:
    """Sixteen patients support 1/17.

    What is asked here lies in the extension, which may be cautious and not blunt.
    """
    fresh = np.array([value for patient in patients(300, 20, seed=7) for value in patient])
    rates = [
        [
            np.mean(p_values(fresh, fit_table(patients(16, seed=seed)))[0] <= limit)
            for limit in (0.05, 0.01)
        ]
        for seed in range(40, 70)
    ]
    at_five, at_one = np.mean(rates, axis=0)
    assert 0.025 < at_five < 0.06
    assert 0.006 < at_one < 0.015


@QUICK
@given(PATIENTS, STATISTIC)
def test_p_never_falls_below_the_share_that_the_patients_predict(
    by_patient: list[list[float]], statistic: float
) -> None:
    table = fit_table(by_patient)
    p, share = p_value(statistic, table)[0], share_beyond(statistic, table)
    assert p >= share * (1 - 1e-12)
    if share < 1e-3 / len(table.patients):
        assert p == pytest.approx(max(share, SMALLEST_P), rel=2e-3)


def test_values_beyond_the_patients_are_marked() -> None:
    table = fit_table(patients(19))
    assert p_value(0.5, table)[1] is False
    p, beyond = p_value(50.0, table)
    assert beyond
    assert p < 0.05
    assert p_value(1e300, table)[0] == SMALLEST_P


def test_many_regions_are_thinned_to_quantiles() -> None:
    table = fit_table([np.arange(5000.0).tolist()])
    assert len(table.patients[0]) == QUANTILES
    assert (table.patients[0][0], table.patients[0][-1]) == (0.0, 4999.0)


def test_stored_statistics_are_short() -> None:
    assert fit_table([[1 / 3, 2 / 3]]).patients[0].tolist() == [0.33333, 0.66667]


def test_what_is_not_finite_is_left_out_and_nothing_is_refused() -> None:
    table = fit_table([[1.0, math.nan, math.inf], [math.nan], []])
    assert [values.tolist() for values in table.patients] == [[1.0]]
    with pytest.raises(CalibrationError, match="no genuine region could be measured"):
        fit_table([[math.nan], []])


@pytest.mark.parametrize(
    ("p", "word"),
    [
        (1.0, "no anomaly found"),
        (0.0501, "no anomaly found"),
        (0.05, "unusual"),
        (0.0101, "unusual"),
        (0.01, "strongly unusual"),
    ],
)
def test_verdict_thresholds(p: float, word: str) -> None:
    assert verdict_of(p) == word


def judged(statistic: float, calibration: Calibration | None, **around: Any) -> Finding:
    evidence = Evidence(
        "noise", statistic, {"energy": 5.0}, tissue="lung", reason="noise here is stronger"
    )
    return decide(POINT, [evidence], calibration, DecisionContext(**around))


def test_an_ordinary_region(calibration: Calibration) -> None:
    finding = judged(0.5, calibration, radius_mm=10.0)
    assert finding.verdict == "no anomaly found"
    assert (finding.form, finding.extrapolated, finding.tissue, finding.radius_mm) == (
        "",
        False,
        "lung",
        10.0,
    )
    assert "fits the same tissue" in finding.reason
    assert finding.score == pytest.approx(-math.log10(finding.p_value))
    assert finding.p_by_family == {"noise": finding.p_value}


def test_a_strange_region(calibration: Calibration) -> None:
    finding = judged(40.0, calibration, radius_mm=10.0)
    assert finding.verdict == "strongly unusual"
    assert (finding.form, finding.extrapolated) == ("adversarial noise", True)
    assert finding.reason == "noise here is stronger"


def test_a_score_of_zero_is_not_negative_zero(calibration: Calibration) -> None:
    assert math.copysign(1.0, judged(0.0, calibration).score) == 1.0


@pytest.mark.parametrize(
    ("around", "words"),
    [
        ({"remarks": ("the pixels are not square",)}, "the pixels are not square"),
        (
            {"covariates": {"grain": 9.0, "log noise scale": 0.5}},
            "unlike every calibration scan in grain",
        ),
        ({"radius_mm": 25.0}, "made for a radius of 10 mm"),
        ({"radius_mm": 5.0}, "made for a radius of 10 mm"),
    ],
)
def test_remarks_are_told_and_mark_the_value(
    calibration: Calibration, around: dict[str, Any], words: str
) -> None:
    finding = judged(0.5, calibration, **around)
    assert finding.extrapolated
    assert words in finding.reason


@pytest.mark.parametrize("radius", [7.0, 10.0, 14.2, None])
def test_radii_near_the_calibrated_one_need_no_remark(
    calibration: Calibration, radius: float | None
) -> None:
    assert not judged(0.5, calibration, radius_mm=radius).extrapolated


def test_population_has_a_margin_and_ignores_what_is_unknown(calibration: Calibration) -> None:
    assert out_of_distribution({"grain": 1.24, "log noise scale": -0.24}, calibration) == []
    assert out_of_distribution({"grain": 1.26, "log noise scale": -0.26}, calibration) == [
        "grain",
        "log noise scale",
    ]
    assert out_of_distribution({"grain": math.nan, "never heard of": 99.0}, calibration) == []


@pytest.mark.parametrize("change", [None, {"settings": {SLICE: Setting({})}}])
def test_without_calibration_nothing_is_said(
    calibration: Calibration, change: dict[str, Any] | None
) -> None:
    finding = judged(40.0, replace(calibration, **change) if change else None)
    assert finding.verdict == "not assessable"
    assert "no calibration" in finding.reason
    assert math.isnan(finding.p_value)


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence("noise", math.nan, obstacle="air"),
        Evidence("noise", 40.0, obstacle="air"),
        Evidence("noise", math.nan),
    ],
)
def test_an_obstacle_is_not_a_finding(calibration: Calibration, evidence: Evidence) -> None:
    finding = decide(POINT, [evidence], calibration, DecisionContext())
    assert finding.verdict == "not assessable"
    assert finding.reason == evidence.obstacle
    assert math.isnan(finding.score)


def test_counts_of_patients(calibration: Calibration) -> None:
    assert calibration.patients == 24
    assert calibration.smallest_p == pytest.approx(1 / 25)
    assert replace(calibration, settings={SLICE: Setting({})}).patients == 0


@QUICK
@given(PATIENTS, STATISTIC)
def test_a_stored_table_gives_the_same_p_value(
    by_patient: list[list[float]], statistic: float
) -> None:
    before = Calibration(
        "ct_lung_inpainting",
        "ab",
        10.0,
        {"grain": (-1.0, 2.0)},
        {SLICE: Setting({"noise": fit_table(by_patient)})},
    )
    after = from_json(json.loads(json.dumps(to_json(before))))
    assert p_value(statistic, after.of(SLICE).tables["noise"]) == p_value(
        statistic, before.of(SLICE).tables["noise"]
    )
    assert (after.bundle, after.weights_sha256, after.radius_mm, after.population) == (
        "ct_lung_inpainting",
        "ab",
        10.0,
        {"grain": (-1.0, 2.0)},
    )


def test_a_table_of_another_format_is_refused(calibration: Calibration) -> None:
    with pytest.raises(CalibrationError, match="has format 99, this version reads 3; refit"):
        from_json({**to_json(calibration), "format": 99})
    with pytest.raises(CalibrationError, match="has format None"):
        from_json({})


@pytest.mark.parametrize(
    "name", ["bundle", "weights_sha256", "radius_mm", "families", "population"]
)
def test_a_table_with_a_part_missing_is_refused(calibration: Calibration, name: str) -> None:
    content = to_json(calibration)
    del content[name]
    with pytest.raises(CalibrationError, match="the calibration is damaged; refit"):
        from_json(content)


@pytest.mark.parametrize(
    "family",
    [
        None,
        {"threshold": 1.0, "tail_index": 2.0},
        {"threshold": 1.0, "tail_index": 2.0, "patients": []},
        {"threshold": 1.0, "tail_index": 2.0, "patients": [[]]},
        {"threshold": 1.0, "tail_index": 2.0, "patients": [[3.0, 1.0]]},
        {"threshold": 1.0, "tail_index": 2.0, "patients": [[1.0, math.nan]]},
        {"threshold": 1.0, "tail_index": 2.0, "patients": [["x"]]},
        {"threshold": 0.0, "tail_index": 2.0, "patients": [[1.0]]},
        {"threshold": 1.0, "tail_index": -2.0, "patients": [[1.0]]},
        {"threshold": "high", "tail_index": 2.0, "patients": [[1.0]]},
        {"threshold": 10**400, "tail_index": 2.0, "patients": [[1.0]]},
        {"threshold": 1.0, "tail_index": 2.0, "patients": [[10**400]]},
    ],
)
def test_a_table_that_no_fit_could_give_is_refused(calibration: Calibration, family: Any) -> None:
    with pytest.raises(CalibrationError, match="damaged"):
        from_json({**to_json(calibration), "families": {"noise": family}})


@pytest.mark.parametrize(
    "change",
    [
        {"radius_mm": 10**400},
        {"population": {"depth": [0.0, 10**400]}},
        {"population": {"depth": [1, 2, 3]}},
    ],
)
def test_numbers_that_are_too_large_are_refused(
    calibration: Calibration, change: dict[str, Any]
) -> None:
    with pytest.raises(CalibrationError, match="damaged"):
        from_json({**to_json(calibration), **change})


@pytest.mark.parametrize("content", [None, [], "text", 3])
def test_what_is_no_table_is_refused(content: Any) -> None:
    with pytest.raises(CalibrationError, match="damaged"):
        from_json(content)


@pytest.mark.parametrize(("count", "bound"), [(19, 0.146), (99, 0.090), (18, 1.0), (0, 1.0)])
def test_true_rate_of_few_patients(count: int, bound: float) -> None:
    assert true_rate_bound(count, 0.05) == pytest.approx(bound, abs=0.001)


def test_the_true_rate_bound_is_what_a_simulation_gives(rng: np.random.Generator) -> None:
    """Rate of alarms at 0.05 over many drawn calibration sets of 39.

    95 % of them must lie below the bound.
    """
    drawn = np.sort(rng.uniform(size=(20_000, 39)), axis=1)
    # p <= 0.05 = 2/40 means: at most one of 39 values is as large, so the true rate is what lies
    # above the second largest.
    rates = 1.0 - drawn[:, -2]
    assert np.quantile(rates, 0.95) == pytest.approx(true_rate_bound(39, 0.05), rel=0.02)


def rows_of(count: int, regions: int = 60, seed: int = 5) -> list[list[dict[str, float]]]:
    """Genuine regions of ``count`` patients.

    Two families that go together, and one that could not be measured everywhere.
    """
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        shared = rng.gamma(6.0, 0.18, regions)
        other = 0.7 * shared + 0.3 * rng.gamma(6.0, 0.18, regions)
        copies = np.where(rng.random(regions) < 0.2, np.nan, rng.normal(1.1, 0.1, regions))
        made.append(
            [
                {"noise": a, "synthesis": b, "copy_move": c}
                for a, b, c in zip(shared, other, copies, strict=True)
            ]
        )
    return made


@pytest.fixture
def of_families() -> Calibration:
    return Calibration("ct_lung_inpainting", "ab" * 32, 10.0, {}, {SLICE: fit(rows_of(30))})


def test_families_together_keep_the_false_alarm_rate(of_families: Calibration) -> None:
    fresh = [row for rows in rows_of(40, seed=6) for row in rows]
    p = np.array([combined_p(row, of_families.of(SLICE))[0] for row in fresh])
    assert 0.02 < np.mean(p <= 0.05) < 0.08
    # Taken one by one, the smallest of three would alarm about twice as often.
    singly = [
        min(
            p_value(value, of_families.of(SLICE).tables[name])[0]
            for name, value in row.items()
            if math.isfinite(value)
        )
        for row in fresh
    ]
    assert np.mean(np.array(singly) <= 0.05) > 1.4 * np.mean(p <= 0.05)


@pytest.mark.parametrize("family", ["noise", "synthesis", "copy_move"])
def test_evidence_of_any_family_lowers_the_combined_p_value(
    of_families: Calibration, family: str
) -> None:
    ordinary = {"noise": 1.0, "synthesis": 1.0, "copy_move": 1.1}
    before, after = (
        combined_p(each, of_families.of(SLICE))[0] for each in (ordinary, ordinary | {family: 9.0})
    )
    assert before > 0.2
    assert after < 0.01


def test_rarity_by_hand(of_families: Calibration) -> None:
    shares = {
        name: share_beyond(2.0, table) for name, table in of_families.of(SLICE).tables.items()
    }
    both = math.sqrt(math.log10(shares["noise"]) ** 2 + math.log10(shares["synthesis"]) ** 2)
    assert math.log10(
        combined_statistic({"noise": 2.0, "synthesis": 2.0}, of_families.of(SLICE).tables)
    ) == pytest.approx(both)
    assert combined_statistic(
        {"noise": 2.0, "synthesis": math.nan}, of_families.of(SLICE).tables
    ) == pytest.approx(1 / shares["noise"])
    assert combined_statistic({"noise": 0.0, "synthesis": 0.0}, of_families.of(SLICE).tables) == 1.0
    assert math.isnan(
        combined_statistic({"noise": math.nan, "unknown": 3.0}, of_families.of(SLICE).tables)
    )


def test_without_a_combined_table_families_share_the_alarms(of_families: Calibration) -> None:
    alone = replace(of_families.of(SLICE), combined=None)
    row = {"noise": 3.0, "synthesis": 1.0}
    assert combined_p(row, alone)[0] == pytest.approx(
        min(1.0, 2 * p_value(3.0, alone.tables["noise"])[0])
    )


def test_a_patient_is_taken_out_of_every_table(of_families: Calibration) -> None:
    rest = leave_out({3}, of_families)
    assert rest.patients == of_families.patients - 1
    assert rest.of(SLICE).combined is not None
    assert len(rest.of(SLICE).combined.patients) == rest.patients
    np.testing.assert_array_equal(
        rest.of(SLICE).tables["noise"].patients[3],
        of_families.of(SLICE).tables["noise"].patients[4],
    )
    with pytest.raises(CalibrationError, match="no patient of the calibration remains"):
        leave_out(range(of_families.patients), of_families)


def test_a_patient_leaves_the_tables_of_the_few_who_have_them(of_families: Calibration) -> None:
    beside = fit([rows if number in (2, 5, 7) else [] for number, rows in enumerate(rows_of(30))])
    whole = replace(of_families, settings={**of_families.settings, SERIES: beside})
    again = from_json(json.loads(json.dumps(to_json(whole))))
    for calibration in (whole, again):
        assert calibration.settings[SERIES].tables["noise"].numbers == (2, 5, 7)
        rest = leave_out({5}, calibration).settings[SERIES]
        for name, table in rest.tables.items():
            assert table.numbers == (2, 7)
            np.testing.assert_array_equal(table.patients[1], beside.tables[name].patients[2])
        assert leave_out({6}, calibration).settings[SERIES].patients == 3
        assert SERIES not in leave_out({2, 5, 7}, calibration).settings
    # Of a file that does not record whose rows these are, nobody can be taken out.
    for table in (stored := to_json(whole))["settings"][SERIES]["families"].values():
        del table["numbers"]
    assert SERIES not in leave_out({5}, from_json(stored)).settings


def test_many_patients_of_one_scanner_do_not_outvote_the_rest() -> None:
    weights = patient_weights(["a"] * 9 + ["b"])
    assert weights is not None
    assert sum(weights[:9]) == pytest.approx(3 * weights[9])
    assert np.mean(weights) == pytest.approx(1.0)
    assert patient_weights(["a", "b", "c"]) is None
    assert patient_weights(["a", "a", "b", "b"]) is None
    assert patient_weights([]) is None
    # Nine patients in whom nothing reaches 2, and one in whom everything does.
    by_patient = [[1.0]] * 9 + [[3.0]]
    alike, weighed = (
        replace(fit_table(by_patient, each), threshold=9.0) for each in (None, weights)
    )
    assert share_beyond(2.0, alike) == pytest.approx(0.1)
    assert share_beyond(2.0, weighed) == pytest.approx(0.25, abs=1e-4)
    assert weighed.effective_patients == pytest.approx(8, abs=1e-3)
    assert alike.effective_patients == 10
    assert p_value(2.0, weighed)[0] == pytest.approx((1 + 8 * 0.25) / 9, abs=1e-4)
    dropped = drop_patients({0}, weighed)
    assert dropped is not None
    assert share_beyond(2.0, replace(dropped, threshold=9.0)) == pytest.approx(3 / 11, abs=1e-4)
    calibration = Calibration("x", "", 10.0, {}, {SLICE: Setting({"noise": weighed})})
    assert calibration.patients == 10
    assert calibration.smallest_p == pytest.approx(1 / 9, abs=1e-4)
    assert from_json(json.loads(json.dumps(to_json(calibration)))).smallest_p == pytest.approx(
        1 / 9, abs=1e-4
    )


@pytest.mark.parametrize(
    "damage", [{"numbers": [0, 0, 1]}, {"numbers": [0]}, {"weights": [1.0, 0.0, 2.0]}]
)
def test_who_stands_behind_a_table_must_fit_its_rows(damage: dict[str, list[float]]) -> None:
    table = fit_table([[1.0], [2.0], [3.0]], [1.0, 1.5, 0.5])
    stored = to_json(Calibration("x", "", 10.0, {}, {SLICE: Setting({"noise": table})}))
    assert from_json(stored).patients == 3
    stored["families"]["noise"].update(damage)
    with pytest.raises(CalibrationError, match="damaged"):
        from_json(stored)


def test_tables_of_families_survive_the_way_to_disk(of_families: Calibration) -> None:
    again = from_json(json.loads(json.dumps(to_json(of_families))))
    row = {"noise": 2.1, "synthesis": 1.7, "copy_move": 1.3}
    assert combined_p(row, again.of(SLICE)) == combined_p(row, of_families.of(SLICE))
    with pytest.raises(CalibrationError, match="damaged"):
        from_json({key: value for key, value in to_json(of_families).items() if key != "combined"})


def test_the_rarest_family_names_the_form_and_the_source(of_families: Calibration) -> None:
    noise = Evidence("noise", 1.0, {"energy": 0.1}, "lung", "grain as ever")
    copied = Evidence(
        "copy_move", 6.0, {}, "lung", "stands 31 mm to the left", source_x=3.0, source_y=4.0
    )
    finding = decide(POINT, [noise, copied], of_families, DecisionContext(10.0))
    assert (finding.form, finding.source_x, finding.source_y) == ("copy-move", 3.0, 4.0)
    assert finding.reason == "stands 31 mm to the left"
    assert set(finding.p_by_family) == {"noise", "copy_move"}
    edited = decide(
        POINT,
        [noise, Evidence("synthesis", 9.0, {}, "lung", "smooth"), replace(copied, statistic=1.1)],
        of_families,
        DecisionContext(10.0),
    )
    assert (edited.form, edited.source_x, edited.reason) == ("AI edit", None, "smooth")


def test_a_family_that_could_not_be_measured_is_left_out(of_families: Calibration) -> None:
    noise = Evidence("noise", 1.0, {"energy": 0.1}, "lung", "grain as ever")
    finding = decide(
        POINT,
        [noise, Evidence("copy_move", math.nan, obstacle="too few places")],
        of_families,
        DecisionContext(10.0),
    )
    assert finding.verdict == "no anomaly found"
    assert set(finding.p_by_family) == {"noise"}


def test_each_way_of_measuring_is_judged_by_its_own_tables(of_families: Calibration) -> None:
    doubled = {
        name: fit_table([2.0 * values for values in table.patients])
        for name, table in of_families.of(SLICE).tables.items()
    }
    series_setting = Setting(doubled, of_families.of(SLICE).combined)
    richer = replace(of_families, settings={**of_families.settings, SERIES: series_setting})
    evidence = [Evidence("noise", 2.0), Evidence("copy_move", 1.0), Evidence("synthesis", 1.0)]
    lone, series = (
        decide(POINT, evidence, richer, DecisionContext(10.0, setting=name))
        for name in (SLICE, SERIES)
    )
    assert lone.p_by_family["noise"] < series.p_by_family["noise"]
    # What was not calibrated for itself is judged as a lone slice.
    assert (
        replace(
            decide(POINT, evidence, of_families, DecisionContext(10.0, setting=SERIES)),
            setting=lone.setting,
        )
        == lone
    )


def test_settings_survive_the_file_and_lose_the_patient_too(of_families: Calibration) -> None:
    assert of_families.of(SLICE).combined is not None
    searched = Setting(
        of_families.of(SLICE).tables,
        of_families.of(SLICE).combined,
        maximum=of_families.of(SLICE).combined,
    )
    richer = replace(of_families, settings={**of_families.settings, SCREENING: searched})
    again = from_json(json.loads(json.dumps(to_json(richer))))
    assert to_json(again) == to_json(richer)
    rest = leave_out({0}, again).settings[SCREENING]
    assert rest.maximum is not None
    assert len(rest.maximum.patients) == len(searched.tables["noise"].patients) - 1
    np.testing.assert_array_equal(
        rest.maximum.patients[0], of_families.of(SLICE).combined.patients[1]
    )


def test_what_one_family_finds_is_not_denied_where_all_together_find_nothing(
    of_families: Calibration,
) -> None:
    table = of_families.of(SLICE).tables["synthesis"]
    strange = next(
        value for value in np.linspace(1.0, 9.0, 400) if p_value(value, table)[0] <= 0.05
    )
    assert of_families.of(SLICE).combined is not None
    combined = fit_table(
        [[2.0 * each for each in values] for values in of_families.of(SLICE).combined.patients]
    )
    cautious = replace(
        of_families, settings={SLICE: replace(of_families.of(SLICE), combined=combined)}
    )
    found = [
        Evidence("noise", 0.5),
        Evidence("copy_move", 0.5),
        Evidence("synthesis", float(strange), reason="the grain looks smoothed"),
    ]
    finding = decide(POINT, found, cautious, DecisionContext(10.0))
    assert finding.verdict == "no anomaly found"
    assert finding.form == ""
    assert re.fullmatch(
        (
            r"nothing unusual in all evidence together, though by itself one kind .* \(p = "
            r"0\.0\d+\): the grain looks smoothed"
        ),
        finding.reason,
    )
    assert (
        decide(
            POINT, [*found[:2], Evidence("synthesis", 0.5)], cautious, DecisionContext(10.0)
        ).reason
        == ORDINARY
    )


@pytest.mark.parametrize("modality", MODALITIES.values(), ids=lambda each: each.name)
def test_the_shipped_calibrations_are_written_as_they_were_read(modality: Modality) -> None:
    path = ROOT / "bundles" / modality.bundle / "models" / "calibration.json"
    text = path.read_text(encoding="utf-8")
    again = to_json(from_json(json.loads(text)))
    assert json.dumps(again) == json.dumps(json.loads(text))
