"""The form of an answer and the sentence beside it say the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.calibration import SLICE, Calibration, DecisionContext, decide, fit
from dfd.evidence import noise, synthesis, texture
from dfd.evidence.window_features import MEASURES
from dfd.records import Evidence, Finding, Form, Point

POINT = Point(2, "a.dcm", 10.0, 10.0)
FAMILIES = ("noise", "synthesis", "texture")
MEASURED = st.fixed_dictionaries(
    dict.fromkeys(MEASURES, st.floats(-20.0, 20.0).map(lambda value: round(value, 2)))
)
OF_NOISE = (
    "noise here is stronger",
    "the grain here looks more like grain that noise was added to",
)
OF_AN_EDIT = (
    "the grain here looks more like resampled, smoothed or generated",
    "noise here is weaker",
    "the grain here is ",
)
NEUTRAL = "the fine texture here"
CONTRADICTIONS = {
    Form.ADVERSARIAL_NOISE: ("generated", "weaker than the surroundings", "less like"),
    Form.AI_EDIT: ("noise here is stronger", "noise was added", "less like"),
}


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    rng = np.random.default_rng(3)
    rows = [
        [dict(zip(FAMILIES, rng.gamma(6.0, 0.18, len(FAMILIES)), strict=True)) for _ in range(40)]
        for _ in range(24)
    ]
    return Calibration("ct_lung_inpainting", "ab" * 32, 10.0, {}, {SLICE: fit(rows)})


def told(family: str, statistic: float, measures: Mapping[str, float]) -> Evidence:
    """As the family itself words what it measured."""
    if family == "texture":
        return Evidence(family, statistic, {"texture 1": 4.0}, "lung", texture.reason_for(4.0))
    module = {"noise": noise, "synthesis": synthesis}[family]
    given_ = dict(measures)
    return Evidence(
        family,
        statistic,
        given_,
        "lung",
        module.reason_for(given_),
        reason_by_form=module.reasons_by_form(given_),
    )


def answer(
    calibration: Calibration,
    statistics: Mapping[str, float],
    measures: Mapping[str, Mapping[str, float]],
) -> Finding:
    evidence = [
        told(family, value, measures.get(family, {})) for family, value in statistics.items()
    ]
    return decide(POINT, evidence, calibration, DecisionContext(10.0))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.fixed_dictionaries(dict.fromkeys(FAMILIES, st.sampled_from([1.0, 2.2, 6.0, 9.0, 12.0]))),
    st.fixed_dictionaries(dict.fromkeys(FAMILIES[:2], MEASURED)),
)
def test_the_reason_never_contradicts_the_form(
    calibration: Calibration, statistics: dict[str, float], measures: dict[str, dict[str, float]]
) -> None:
    finding = answer(calibration, statistics, measures)
    if finding.form:
        beginnings = {
            Form.ADVERSARIAL_NOISE: OF_NOISE,
            Form.AI_EDIT: OF_AN_EDIT,
            Form.UNDETERMINED: (*OF_NOISE, *OF_AN_EDIT),
        }[Form(finding.form)]
        assert finding.reason.startswith((*beginnings, NEUTRAL))
        contradicting = CONTRADICTIONS.get(Form(finding.form), ())
        assert not [words for words in contradicting if words in finding.reason]


@pytest.mark.parametrize(
    ("family", "texture_statistic", "measures", "form", "words"),
    [
        (
            "synthesis",
            1.0,
            {"energy": 5.0, "added noise": 4.0, "replaced content": 1.0},
            Form.ADVERSARIAL_NOISE,
            "noise here is stronger than the surroundings predict, 5.0 times",
        ),
        (
            "synthesis",
            1.0,
            {"energy": 2.5, "added noise": 6.0, "replaced content": 1.0},
            Form.ADVERSARIAL_NOISE,
            "the grain here looks more like grain that noise was added to than in the same "
            "tissue of this slice, 6.0 times the usual variation; "
            "it is stronger than the surroundings predict",
        ),
        (
            "synthesis",
            2.2,
            {"energy": 3.0, "replaced content": 9.0},
            Form.AI_EDIT,
            "the grain here looks more like resampled, smoothed or generated content",
        ),
        (
            "synthesis",
            1.0,
            {"correlation 0,1": 7.0, "replaced content": -2.0},
            Form.AI_EDIT,
            "the grain here is more alike from pixel to pixel (across)",
        ),
        (
            "synthesis",
            1.0,
            {"energy": -7.0, "replaced content": -2.0},
            Form.AI_EDIT,
            "noise here is weaker than the surroundings predict, 7.0 times",
        ),
        (
            "noise",
            2.2,
            {"energy": 3.0, "correlation 1,0": -1.0, "replaced content": 9.0},
            Form.AI_EDIT,
            "the grain here looks more like resampled",
        ),
        (
            "noise",
            2.2,
            {"energy": 3.0, "correlation 1,0": -1.0, "replaced content": -9.0},
            Form.ADVERSARIAL_NOISE,
            "noise here is stronger than the surroundings predict, 3.0 times",
        ),
        (
            "noise",
            2.2,
            {"energy": 6.0, "correlation 1,0": 7.0, "correlation 0,1": 7.0},
            Form.AI_EDIT,
            "the grain here is more alike from pixel to pixel",
        ),
    ],
)
def test_the_sentence_that_fits_is_told(
    calibration: Calibration,
    family: str,
    texture_statistic: float,
    measures: dict[str, float],
    form: str,
    words: str,
) -> None:
    whole = dict.fromkeys(MEASURES, 0.0) | measures
    statistics = {"noise": 1.0, "synthesis": 1.0, "texture": texture_statistic}
    finding = answer(calibration, statistics | {family: 12.0}, {"noise": whole, "synthesis": whole})
    assert finding.form == form
    assert finding.reason.startswith(words)


def test_texture_is_told_by_its_own_words_where_the_others_speak_for_another_form(
    calibration: Calibration,
) -> None:
    noisy = dict.fromkeys(MEASURES, 0.0) | {"energy": 9.0}
    statistics = {"noise": 6.0, "synthesis": 1.0, "texture": 12.0}
    finding = answer(calibration, statistics, {"noise": noisy, "synthesis": noisy})
    assert finding.form == Form.AI_EDIT
    assert finding.reason.startswith(NEUTRAL)
    changed = noisy | {"correlation 0,1": 3.0}
    agreeing = answer(calibration, statistics, {"noise": changed, "synthesis": changed})
    assert agreeing.form == Form.AI_EDIT
    assert agreeing.reason.startswith("the grain here is more alike")


def test_what_a_family_says_by_itself_stays_its_own_answer(calibration: Calibration) -> None:
    whole = dict.fromkeys(MEASURES, 0.0) | {"energy": 5.0, "replaced content": 9.0}
    finding = answer(
        calibration, {"noise": 1.0, "synthesis": 12.0}, {"noise": whole, "synthesis": whole}
    )
    assert (
        "generated content" in {each.family: each.reason for each in finding.evidence}["synthesis"]
    )
    bare = replace(told("synthesis", 12.0, whole), reason_by_form={})
    assert decide(POINT, [bare], calibration, DecisionContext(10.0)).reason == bare.reason
