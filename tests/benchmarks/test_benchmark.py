"""The benchmark as a whole.

Who is judged by whom, what is above what, and what is not done twice.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import baselines
from benchmarks.attacks.registry import ATTACKS, UNTOUCHED
from benchmarks.data import partition, scans
from benchmarks.data.scans import SelectedSeries
from benchmarks.detection import (
    baseline_values,
    collect,
    figures,
    measurements,
    model_cards,
    p_values,
    plots,
    results,
    summary,
)
from benchmarks.detection.trials import GENUINE
from benchmarks.models import assignment, cross_validation, held_out_calibration
from benchmarks.runner.checkpoint import Ledger
from benchmarks.runner.cli import rounded
from dfd.calibration import SERIES, SLICE, Calibration, fit
from dfd.errors import CalibrationError, UsageError
from dfd.phantom import write_ct_series

KIND = "white noise 0.6 x residual"


def calibration_of(*levels: float) -> Calibration:
    rng = np.random.default_rng(3)
    drawn = [
        [
            {"noise": level * each, "copy_move": 1.0, "synthesis": each}
            for each in rng.gamma(9.0, 0.11, 40)
        ]
        for level in levels
    ]
    return Calibration("ct_lung_inpainting", "ab", 10.0, {}, {SLICE: fit(drawn)})


def row(
    patient: str, kind: str, value: float, rival: float = math.nan, **more: Any
) -> dict[str, Any]:
    known: dict[str, Any] = {
        "statistics": {"noise": value, "copy_move": 1.0, "synthesis": 1.0},
        "tissue": "lung",
        "mean": 0.0,
        "deviation": 1.0,
        "edges": 0.1,
    }
    scan = {
        "slice": f"{patient}/a",
        "scanner": "GE X",
        "maker": "GE",
        "kernel": "STD",
        "radius": 10.0,
    }
    return {
        "patient": patient,
        "kind": kind,
        "curve": "",
        "at": 0.0,
        "baselines": {"rival": rival},
        "statistic": value,
        **known,
        **scan,
        **more,
    }


def judged_rows(better: float = 2.0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    told = []
    for patient in ("a", "b", "c"):
        told += [
            row(patient, GENUINE, value, other, p=0.5, **{"p maker": 0.6})
            for value, other in rng.gamma(9.0, 0.11, (30, 2))
        ]
        told += [
            row(patient, KIND, value + better, other + 1, p=0.02, **{"p maker": 0.03})
            for value, other in rng.gamma(9.0, 0.11, (12, 2))
        ]
    return told


def test_a_patient_is_judged_by_the_others_alone() -> None:
    pool = held_out_calibration.name_patients(
        calibration_of(1.0, 1.0, 5.0), ["a", "b", "c"], "fold1"
    )
    everybody, others = pool.without(), pool.without({"c"})
    assert everybody is not None
    assert others is not None
    assert others.patients == 2
    strange = {"noise": 4.0, "copy_move": 1.0, "synthesis": 1.0}
    assert others.p(strange) < everybody.p(strange)
    assert pool.without({"a", "b", "c"}) is None


def test_a_calibration_on_others_is_refused() -> None:
    with pytest.raises(CalibrationError, match="stands on 2 patients, not on its 3"):
        held_out_calibration.name_patients(calibration_of(1.0, 1.0), ["a", "b", "c"], "fold2")


def test_p_values_stand_on_the_shipped_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    names = cross_validation.in_order("ct_lung")
    monkeypatch.setattr(
        p_values.registry,
        "load",
        lambda name, modality: SimpleNamespace(calibration=calibration_of(*[1.0] * len(names))),
    )
    assert p_values.pool_of("ct_lung").names == tuple(names)
    monkeypatch.setattr(
        p_values.registry, "load", lambda name, modality: SimpleNamespace(calibration=None)
    )
    with pytest.raises(CalibrationError, match="has no calibration"):
        p_values.pool_of("ct_lung")


def test_who_shares_the_manufacturer_is_left_out_too() -> None:
    pool = held_out_calibration.name_patients(
        calibration_of(1.0, 1.0, 1.0, 1.0), ["a", "b", "c", "d"], "fold1"
    )
    makers = {
        "a": frozenset({"GE"}),
        "b": frozenset({"GE"}),
        "c": frozenset({"SIEMENS"}),
        "d": frozenset({"SIEMENS"}),
    }
    (told,) = p_values.with_p_values([row("a", KIND, 9.0)], pool, makers)
    by = {name: pool.without(names) for name, names in (("p", {"a"}), ("p maker", {"a", "b"}))}
    assert all(
        told[key] == judge.p(told["statistics"]) for key, judge in by.items() if judge is not None
    )
    assert told["p"] < told["p maker"]


def test_neighbours_are_judged_by_the_tables_of_the_other_patients() -> None:
    plain = calibration_of(1.0, 1.0, 5.0)
    rng = np.random.default_rng(3)
    drawn = [
        [{"noise": level * each, "neighbours": level * each} for each in rng.gamma(9.0, 0.11, 40)]
        for level in (1.0, 1.0, 5.0)
    ]
    pool = held_out_calibration.name_patients(
        replace(plain, settings={**plain.settings, SERIES: fit(drawn)}), ["a", "b", "c"], "fold1"
    )
    series = held_out_calibration.of_series(pool)
    assert series is not None
    strange = {"noise": 4.0, "neighbours": 4.0}
    alone, told = p_values.with_p_values(
        [row("c", KIND, 4.0), row("c", KIND, 4.0, statistics=strange)], pool, {}
    )
    assert math.isnan(alone["p beside"])
    others, everybody = series.without({"c"}), series.without()
    assert others is not None
    assert everybody is not None
    assert told["p beside"] == others.p(strange) < everybody.p(strange)
    assert (
        held_out_calibration.of_series(
            held_out_calibration.name_patients(plain, ["a", "b", "c"], "fold1")
        )
        is None
    )


def test_a_row_is_above_a_baseline_only_where_it_is() -> None:
    higher = summary.attack_row(judged_rows(2.0), KIND, ["rival"], draws=20)
    assert higher["above every"] is True
    assert higher["best baseline"] == "rival"
    assert higher["auc"] - higher["baselines"]["rival"] == pytest.approx(higher["above best"])
    assert higher["patient left out, p <= 0.05"] == 1.0
    assert higher["manufacturer left out, p <= 0.01"] == 0.0
    lower = summary.attack_row(judged_rows(0.0), KIND, ["rival"], draws=20)
    assert lower["above every"] is False
    assert lower["auc"] == pytest.approx(0.5, abs=0.1)


def test_false_alarms_are_a_mean_over_patients() -> None:
    told = [row("a", GENUINE, 1.0, p=0.01, **{"p maker": math.nan})] * 4 + [
        row("b", GENUINE, 1.0, p=0.5, **{"p maker": math.nan})
    ]
    found = summary.false_alarms(told)
    assert found["all"]["patient left out, p <= 0.05"] == 0.5
    assert math.isnan(found["all"]["manufacturer left out, p <= 0.05"])
    assert found["controls"] == 5


def test_a_run_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    confirmed: list[tuple[str, tuple[str, ...]]] = []

    def measure(task: measurements.Task) -> dict[str, Any]:
        confirmed.append((task.name, tuple(part.kind for part in task.parts)))
        return {part.key("ct_lung"): [row("a", part.kind, 1.0)] for part in task.parts}

    monkeypatch.setattr(measurements, "measure", measure)
    ref = SimpleNamespace(path=Path("1.dcm"), frame=0)
    listed: Any = SelectedSeries("a", "s", "GE X", "STD", (ref,))  # type: ignore[arg-type]
    tasks = [
        measurements.Task(
            listed, tmp_path, "ct_lung", "m", (measurements.Part(GENUINE), measurements.Part(KIND))
        )
    ]
    place = tmp_path / "kept.jsonl"
    assert len(collect.gather(tasks, Ledger(place), 1)) == 2
    place.write_text(
        place.read_text(encoding="utf-8").splitlines()[0] + '\n{"slice": "cut o', encoding="utf-8"
    )
    again = collect.gather(tasks, Ledger(place), 1)
    assert [kinds for _, kinds in confirmed] == [(GENUINE, KIND), (KIND,)]
    assert {each["maker"] for each in again} == {"GE"}
    collect.gather(tasks, Ledger(place), 1)
    assert len(confirmed) == 2


def test_a_slice_is_edited_among_its_neighbours(tmp_path: Path) -> None:
    """A series that is listed says more of its slices than one that is read.

    Both must still be known for the same.
    """
    write_ct_series(tmp_path, seed=3, slices=3, patient="p", size=64)
    (scan,) = scans.load(scans.of_patient("p", tmp_path, "ct_lung", 1), "ct_lung")
    found = measurements._volume(scan, tmp_path)
    assert found is not None
    volume, place = found
    assert (len(volume.refs), place) == (3, 1)
    np.testing.assert_array_equal(volume.pixels[place], scan.pixels)


def test_held_out_families_are_tried_only_when_asked_for() -> None:
    plain = collect.attacks_of("ct_lung", held_out=False, quick=False)
    assert not any(ATTACKS[name].held_out for name in plain if name in ATTACKS)
    assert set(UNTOUCHED) <= set(plain)
    assert set(collect.attacks_of("ct_lung", held_out=True, quick=False)) - set(plain) == {
        n for n, f in ATTACKS.items() if f.held_out
    }
    assert len(collect.attacks_of("ct_lung", held_out=False, quick=True)) < 12


def test_test_patients_are_not_named_unless_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="opened once"):
        partition.open_test_patients(
            "ct_lung", "ab", confirmed=False, record=tmp_path / "opened.json"
        )
    assert not (tmp_path / "opened.json").exists()


def test_the_opening_is_written_down_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = tmp_path / "split.json"
    split.write_text(
        json.dumps({"ct": {"x": {"side": "test"}, "y": {"side": "fold0"}}}), encoding="utf-8"
    )
    monkeypatch.setattr(partition, "frozen_commit", lambda: "c0ffee")
    for _ in range(2):
        assert partition.open_test_patients(
            "ct_lung", "ab", confirmed=True, record=tmp_path / "opened.json", split=split
        ) == ["x"]
    (entry,) = json.loads((tmp_path / "opened.json").read_text(encoding="utf-8"))
    assert (entry["commit"], entry["weights_sha256"], entry["modality"]) == (
        "c0ffee",
        "ab",
        "ct_lung",
    )


def test_folds_without_a_model_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "fold1").touch()
    monkeypatch.setattr(assignment, "model_of", lambda modality, fold: tmp_path / fold)
    monkeypatch.setenv("DFD_DATA", str(tmp_path))
    made, missing = assignment.of_folds("ct_lung", ["fold0", "fold1", "fold2"])
    assert [group.name for group in made] == ["fold1"]
    assert missing == ["fold0", "fold2"]
    with pytest.raises(UsageError, match="has a model; train it"):
        assignment.of_folds("ct_lung", ["fold0"])


def test_a_folder_of_ones_own_needs_a_folder_for_each_patient(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no sub-folders"):
        assignment.of_folder("ct_lung", tmp_path)
    (tmp_path / "p1").mkdir()
    assert list(assignment.of_folder("ct_lung", tmp_path).folders) == ["p1"]


def test_everything_is_told_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline_values, "baselines_of", lambda modality, patients=(): ["rival"])
    rng = np.random.default_rng(1)
    told = judged_rows()
    told += [
        row(
            p, KIND, 1.0 + rng.random(), curve=measurements.OFFSET, at=at, p=0.1, **{"p maker": 0.1}
        )
        for p in ("a", "b")
        for at in (0.0, 8.0)
    ]
    pool = held_out_calibration.name_patients(
        calibration_of(1.0, 1.0, 1.0), ["a", "b", "c"], "fold1"
    )
    data = collect.BenchmarkData(
        told, {"fold1": {"patients": 3, "slices": 3, "weights": "ab" * 32}}, ["fold0"], pool
    )
    arguments: Any = SimpleNamespace(modality="ct_lung", held_out=False, quick=True)
    content = results.numbers_of(arguments, data) | {"seconds": 1.0}
    text = results.markdown(content)
    for words in (KIND, "fold0", "False alarms", "adversarial noise", "## Ablation", "## Targets"):
        assert words in text
    card = model_cards.benchmark_section(
        model_cards.restored(json.loads(json.dumps(rounded(content))))
    )
    for words in (
        "### Targets",
        "| adversarial noise |",
        f"| {KIND} | 3 |",
        "patient left out",
        "| manufacturer | GE |",
    ):
        assert words in card
    page = model_cards.curves_section(
        {"ct_lung": model_cards.restored(json.loads(json.dumps(rounded(content))))}
    )
    for words in (
        "#### Distance between point and edit in pixels",
        f"| {KIND} |",
        "![offset](../../benchmarks/results/benchmark_ct_lung_offset.png)",
    ):
        assert words in page
    assert "nan" not in card + page
    for name, figure in figures.figures(content, data).items():
        assert 3_000 < plots.save(figure, tmp_path / f"{name}.png").stat().st_size < 80_000


def test_a_baseline_of_another_network_is_not_measured_on_the_rest_of_its_group() -> None:
    """Who joined a group later was not trained on, but its network is another."""
    every = set(baseline_values.baselines_of("ct_lung"))
    learned = {name for name in every if baselines.BASELINES[name].state}
    (trained, *_) = baselines.state.learned_from("patchcore", "ct_lung")
    assert "PatchCore-like" in learned
    assert set(baseline_values.baselines_of("ct_lung", ["somebody new"])) == every
    assert set(baseline_values.baselines_of("ct_lung", ["somebody new", trained])) == (
        every - learned
    )
