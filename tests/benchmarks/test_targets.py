"""The table of targets: which regions a row stands on, and whether what is wanted is reached."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from benchmarks.attacks.registry import ADVERSARIAL, ATTACKS
from benchmarks.detection import targets
from benchmarks.detection.comparison import STRONG
from benchmarks.detection.targets import AUC, CT, SENSITIVITY, Target
from benchmarks.detection.trials import GENUINE

KIND = "white noise 0.6 x residual"


def rows_of(
    patients: tuple[str, ...], better: float, kernel: str = "B30f", kind: str = KIND, **more: Any
) -> list[dict[str, Any]]:
    rng, told = np.random.default_rng(3), []
    for patient in patients:
        known = {
            "patient": patient,
            "curve": "",
            "kernel": kernel,
            "baselines": {"rival": 1.0},
            "p": 0.5,
            **more,
        }
        told += [
            {**known, "kind": GENUINE, "statistic": value} for value in rng.gamma(9.0, 0.11, 20)
        ]
        told += [
            {**known, "kind": kind, "statistic": value + better, "p": 0.005}
            for value in rng.gamma(9.0, 0.11, 10)
        ]
    return told


@pytest.mark.parametrize(
    ("kernel", "sharp"),
    [
        *[
            (name, True)
            for name in (
                "B70f",
                "B60f",
                "B50s",
                "LUNG",
                "BONE",
                "L",
                "D",
                "FC51",
                "FC86",
                "YA",
                "YB",
                "Bl57d",
                "Hr60f",
            )
        ],
        *[
            (name, False)
            for name in ("B30f", "B31f", "B30s", "B", "STANDARD", "SOFT", "FC08", "Br40d", "I31f")
        ],
        *[("", None), (" ", None)],
    ],
)
def test_kernels_are_told_by_name(kernel: str, sharp: bool | None) -> None:
    assert targets.is_sharp(kernel) is sharp


def test_every_edit_that_a_row_names_is_there() -> None:
    named = {kind for target in CT for kind in target.kinds}
    assert named <= set(ATTACKS)
    assert all(target.kinds for target in CT)
    held_out = {name for name, family in ATTACKS.items() if family.held_out}
    assert [target.name for target in CT if held_out & set(target.kinds)] == [
        "AI edit: held-out forgers"
    ]
    assert "copy-move, quarter turns" not in targets.COPIES
    assert len(targets.WHITE) == 6


def test_a_target_is_reached_only_where_it_is() -> None:
    target = Target("a row", (KIND,), {AUC: 0.97, SENSITIVITY: 0.8, STRONG: 0.6})
    high = targets.numbers_of(target, rows_of(("a", "b"), 4.0), (), draws=20)
    assert high["met"] == {AUC: True, SENSITIVITY: True, STRONG: True}
    assert high[STRONG] == 1.0
    low = targets.numbers_of(target, rows_of(("a", "b"), 0.2, p=math.nan), (), draws=20)
    assert low["met"][AUC] is low["met"][SENSITIVITY] is False
    assert low["auc interval"][0] < low["auc"] < low["auc interval"][1]
    assert "target 0.97: **not met** |" in targets.markdown([low])
    assert "0.97 (0.95 to 0.98); target 0.97: **not met** (0.9660) |" in targets.markdown(
        [low | {AUC: 0.966, f"{AUC} interval": [0.95, 0.98]}]
    )
    assert (
        targets.numbers_of(target, rows_of(("a",), 1.0, kind="PGD 0.6 x residual"), (), draws=5)
        == {}
    )


def test_soft_and_sharp_kernels_stand_in_their_own_rows() -> None:
    told = (
        rows_of(("a", "b"), 4.0) + rows_of(("c", "d", "e"), 0.0, "B70f") + rows_of(("f",), 0.0, "")
    )
    found = {one["target"]: one for one in targets.lines("ct_lung", told, {}, (), draws=10)}
    soft = found["adversarial, white spectrum, soft kernels, RMS >= 0.6 residuals"]
    sharp = found["adversarial, white spectrum, sharp kernels, RMS >= 0.6 residuals"]
    assert (soft["patients"], sharp["patients"]) == (2, 3)
    assert soft["auc"] > 0.97 > 0.7 > sharp["auc"]
    assert sharp["met"] == {}
    assert len(found) == 2
    assert "| 1 of 6 | 2 |" in targets.markdown([soft])


def test_neighbours_are_judged_on_the_regions_that_had_them() -> None:
    kind = targets.SMOOTH[0]
    told = rows_of(("a", "b"), 0.0, kind=kind)
    told = [
        {
            **one,
            "statistic beside": one["statistic"] + 4.0 * (one["kind"] == kind),
            "p beside": 0.001,
        }
        for one in told
    ]
    lone = [
        {**one, "statistic beside": math.nan, "p beside": math.nan}
        for one in rows_of(("c",), 0.0, kind=kind)
    ]
    (one,) = targets.lines("ct_lung", told + lone, {}, (), draws=10)
    assert one["patients"] == 2
    assert one["met"] == {AUC: True}
    assert targets.lines("ct_lung", lone, {}, (), draws=10) == []


def test_each_source_of_mr_has_a_row_where_it_has_patients_enough() -> None:
    many, few = (
        tuple(f"scd-{number}" for number in range(6)),
        tuple(f"tcga-{number}" for number in range(5)),
    )
    told = rows_of(many, 4.0) + rows_of(few, 4.0)
    (one,) = targets.lines("mri_chest", told, {ADVERSARIAL: [KIND]}, ["rival"], draws=10)
    assert one["target"] == f"{ADVERSARIAL}: scd"
    assert one["patients"] == 6
    assert one["met"] == {AUC: True}
    assert one["above every"] is True
    assert "better than every baseline" in targets.markdown([one])
