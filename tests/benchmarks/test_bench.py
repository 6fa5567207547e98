"""What the benchmark of speed says, and that it can be asked."""

from __future__ import annotations

import importlib
import json
import sys

import numpy as np
import pytest
import torch

from benchmarks.predictor.architecture_search import CANDIDATES, CROP, shown
from benchmarks.runner import cli
from benchmarks.speed import bench
from benchmarks.speed.workload import inner_points
from tests.dicom_maker import make_slice

COMMANDS = (
    "models.training_folder",
    "models.release",
    "predictor.likelihood",
    "studies.first_evidence",
    "speed.bench",
)


@pytest.fixture
def parts():
    """Numbers that keep every limit."""
    machine = {"cores": 2, "threads": 2, "device": "cpu", "bf16 on cpu": True}
    return {
        "one_point": {
            "seconds": {"whole way": 0.5},
            "ratio to bare passes, less decoding": 1.5,
            "window": [300, 400],
            "machine": machine,
        },
        "in_series": {"seconds": {"whole way": 3.0}, "families": ["noise", "series_copy"]},
        "hundred_points": {"seconds": {"score() with overlays": 5.0}},
        "thousand_points": {"seconds": {"score() with overlays": 90.0}, "peak GB": 1.0},
        "long_series": {"seconds": {"score() with all outputs": 90.0}, "peak GB": 1.5},
        "screening": {
            "seconds": {"prediction": 0.5, "evidence": 5.0},
            "places": 800,
            "regions per second": 545.0,
            "times the BTD-like network": 21.0,
        },
        "training": {
            "crops per second": {"trainer": 95.0, "bare loop": 100.0},
            "ratio": 0.95,
            "peak GB": 2.0,
        },
        "engines": {
            "engines": {
                "torch float32": {
                    "seconds": 0.4,
                    "nll": 1.0,
                    "nats lost": 0.0,
                    "times as fast": 1.0,
                }
            }
        },
    }


def told(parts):
    return bench.markdown({"material": "phantoms", "modality": "ct_lung", "parts": parts})


def test_limits_that_are_kept_are_told_so(parts):
    assert "**no**" not in told(parts)
    assert told(parts).count("| yes |") == len(bench.LIMITS)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("training", "ratio", 0.85),
        ("screening", "times the BTD-like network", 15.0),
        ("training", "peak GB", 7.0),
        ("long_series", "peak GB", 9.0),
        ("one_point", "ratio to bare passes, less decoding", 2.5),
    ],
)
def test_a_limit_that_is_missed_is_told_too(parts, part, key, value):
    parts[part][key] = value
    assert told(parts).count("**no**") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_what_it_does(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit, match="0"):
        importlib.import_module(f"benchmarks.{name}").main()
    told = capsys.readouterr().out
    assert f"python -m benchmarks.{name}" in told
    assert "--quick" in told


def test_results_are_valid_json_and_quick_ones_lie_elsewhere(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "QUICK_RESULTS", tmp_path / "quick")
    monkeypatch.setattr(cli, "RESULTS", tmp_path / "committed")
    cli.publish(
        "x", {"a": float("nan"), "b": [1.23456789, 3], "c": {"d": float("inf")}}, "# x", quick=True
    )
    assert json.loads((tmp_path / "quick" / "x.json").read_text()) == {
        "a": None,
        "b": [1.2346, 3],
        "c": {"d": None},
    }
    assert not (tmp_path / "committed").exists()
    assert capsys.readouterr().out.startswith("# x")


def test_points_lie_in_the_body(tmp_path, rng):
    stored = np.zeros((64, 64), dtype=np.uint16)
    stored[20:40, 20:40] = 1000 + rng.integers(0, 50, (20, 20))
    points = inner_points(make_slice(tmp_path / "a.dcm", stored), 30, rng)
    assert len(set(points)) == 30
    assert all(20 <= x < 40 and 20 <= y < 40 for x, y in points)


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_candidate_hides_each_pixel_once_and_predicts_it(name):
    candidate = CANDIDATES[name]
    masks = torch.stack([candidate.hidden(CROP, CROP, phase) for phase in range(candidate.passes)])
    assert masks.sum(0).eq(1).all()
    pool = torch.randn(2, 2, CROP, CROP)
    image, label = shown(pool, masks[0])
    assert image[:, 0][:, masks[0]].eq(0).all()
    assert label[:, 1][:, ~masks[0]].eq(0).all()
    with torch.inference_mode():
        assert candidate.build().eval()(image).shape == (2, 2, CROP, CROP)
