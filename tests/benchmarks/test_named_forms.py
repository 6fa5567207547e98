"""How often the form of an alarm is named rightly."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.data import partition
from benchmarks.detection.trials import GENUINE
from benchmarks.models import cross_validation
from benchmarks.studies import named_forms as study
from dfd.calibration import SLICE, Calibration, Setting, fit_table
from dfd.records import Evidence, Finding, Form, Point, Verdict

NOISE, FILL = "white noise 0.6 x residual", "mean fill, feathered"


def answer(form: Form | str, p: float) -> Finding:
    point = Point(0, "", 0.0, 0.0)
    return Finding(point, Verdict.UNUSUAL, p_value=p, form=form)  # type: ignore[arg-type]


def test_only_alarms_count_and_a_wrong_form_is_wrong() -> None:
    answers = [
        (GENUINE, answer("", 0.6)),
        *[(NOISE, answer(Form.ADVERSARIAL_NOISE, 0.01))] * 3,
        (NOISE, answer(Form.AI_EDIT, 0.05)),
        (NOISE, answer(Form.ADVERSARIAL_NOISE, 0.06)),
        (FILL, answer(Form.ADVERSARIAL_NOISE, 0.001)),
    ]
    genuine, noise, fill = study.named(answers)
    assert (genuine["regions"], genuine["alarms"]) == (1, 0)
    assert math.isnan(genuine["right"])
    assert (noise["regions"], noise["alarms"], noise["right"]) == (5, 4, 0.75)
    assert (fill["alarms"], fill["right"]) == (1, 0.0)
    shares = study.shares_of(answers, ["a", "a", "b", "b", "a", "b", "b"])
    assert {name: each["share"] for name, each in shares.items()} == {
        str(Form.ADVERSARIAL_NOISE): 0.75,
        str(Form.AI_EDIT): 0.0,
        "all": 0.6,
        study.FAINT: 0.6,
        str(Form.UNDETERMINED): 0.0,
    }
    # Of patient a one alarm of two is right, of b two of three.
    assert (shares["all"]["low"], shares["all"]["high"]) == (0.5, 2 / 3)
    unsure = [(NOISE, answer(Form.UNDETERMINED, 0.01)), answers[1]]
    (row,) = study.named(unsure)
    assert (row["alarms"], row["right"]) == (2, 1.0)
    shares = study.shares_of(unsure, ["a", "b"])
    assert shares[str(Form.UNDETERMINED)]["share"] == 0.5
    assert shares["all"]["share"] == shares[str(Form.ADVERSARIAL_NOISE)]["share"] == 1.0
    (strong,) = {study.FAINT} - study.shares_of(
        [(next(iter(study.STRONG)), answer(Form.AI_EDIT, 0.01))], ["a"]
    ).keys()
    assert strong == study.FAINT
    text = study.markdown(
        {"modality": "ct_lung", "fold": "fold1", "edits": [genuine, noise, fill], "shares": shares}
    )
    assert f"| {NOISE} | adversarial noise | 5 | 4 |" in text


def test_a_patient_is_judged_by_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    names = cross_validation.in_order("ct_lung")
    # The first patient alone has large values: without it nothing genuine reaches 5.
    table = fit_table([[9.0] * 4, *[list(np.linspace(0.5, 1.5, 20))] * (len(names) - 1)])
    calibration = Calibration("x", "", 10.0, {}, {SLICE: Setting({"noise": table})})

    class Loaded:
        pass

    loaded = Loaded()
    loaded.calibration = calibration  # type: ignore[attr-defined]
    monkeypatch.setattr(study.registry, "load", lambda name, modality: loaded)
    piece = Evidence("noise", 5.0, {"energy": 3.0})
    rows: list[dict[str, Any]] = [
        {
            "patient": name,
            "kind": NOISE,
            "evidence": [{key: getattr(piece, key) for key in study.KEPT}],
        }
        for name in names[:2]
    ]
    (_, own), (_, other) = study.judged(json.loads(json.dumps(rows)), "ct_lung")
    assert own.p_value < other.p_value


def test_what_was_measured_is_not_measured_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = []

    def measured(
        modality: str, fold: str, kinds: list[str], *, quick: bool
    ) -> list[dict[str, Any]]:
        calls.append((modality, fold, quick, len(kinds)))
        return [{"patient": "a", "kind": kind, "evidence": []} for kind in kinds]

    monkeypatch.setattr(partition, "ROOT", tmp_path)
    monkeypatch.setattr(study, "measured", measured)
    first, second = (study.kept_rows("ct_lung", "fold0", quick=True, anew=False) for _ in range(2))
    every = 1 + len(study.EDITS)
    assert first == second
    assert [row["kind"] for row in first] == [GENUINE, *study.EDITS]
    assert calls == [("ct_lung", "fold0", True, every)]
    study.kept_rows("ct_lung", "fold0", quick=True, anew=True)
    monkeypatch.setattr(study, "EDITS", {**study.EDITS, "another": study.EDITS[NOISE]})
    study.kept_rows("ct_lung", "fold0", quick=True, anew=False)
    assert [call[-1] for call in calls] == [every, every, 1]
