"""The comparison of the learned statistic with the root of summed squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.detection.trials import GENUINE
from benchmarks.studies import learned_statistic as study
from dfd.evidence import lone_slice_families
from dfd.records import TOGETHER, Form

NOISE = "white noise 0.6 x residual"


def rows(learned: float, form: Form) -> list[dict[str, Any]]:
    """Five patients of six genuine and six edited regions each; families see nothing."""
    rng = np.random.default_rng(4)
    return [
        {
            "patient": f"p{patient}",
            "kind": kind,
            "curve": "",
            "statistics": {
                **{name: float(rng.lognormal()) for name in lone_slice_families()},
                TOGETHER: float(np.exp(rng.normal() + (0.0 if kind == GENUINE else learned))),
            },
            "form": str(form),
        }
        for patient in range(5)
        for kind in (GENUINE, NOISE)
        for _ in range(6)
    ]


def test_it_ranks_the_same_regions_twice() -> None:
    (found,) = study.compared(rows(9.0, Form.ADVERSARIAL_NOISE))
    assert (found["edit"], found["patients"], found["regions"]) == (NOISE, 5, 30)
    assert found[study.LEARNED]["auc"] > 0.99
    assert found["root"]["auc"] == pytest.approx(0.5, abs=0.2)
    assert found["root"]["low"] < found["root"]["auc"] < found["root"]["high"]
    assert found["alarms"] >= 28
    assert found["named"] == 1.0


def test_a_form_named_wrongly_counts_as_wrong() -> None:
    (found,) = study.compared(rows(9.0, Form.AI_EDIT))
    assert found["named"] == 0.0


def test_weights_without_a_statistic_have_one_ranking() -> None:
    without = rows(0.0, Form.AI_EDIT)
    for row in without:
        del row["statistics"][TOGETHER]
    (found,) = study.compared(without)
    assert found[study.LEARNED] is None
    assert found["alarms"] == 0
    content = {"modality": "ct_lung", "weights": "abc", "means": {"root": 0.5}, "edits": [found]}
    assert f"| {NOISE} | 5 | 30 |" in study.markdown(content)


def test_no_choice_is_made_by_what_is_held_out() -> None:
    assert "diffusion inpainting" not in study.edits("ct_lung")
    assert NOISE in study.edits("ct_lung")
