"""What the benchmark of speed says, and that it can be asked."""

from __future__ import annotations

import argparse
import importlib
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.predictor.architecture_search import CANDIDATES, CROP, shown
from benchmarks.runner import cli
from benchmarks.speed import bench, earlier, growth, processes, report, stages, workload
from benchmarks.speed.limits import LIMITS
from benchmarks.speed.workload import inner_points
from dfd.errors import InterruptedRunError, UsageError
from dfd.points import read_points
from dfd.reading import read_slice
from tests.dicom_maker import make_slice

COMMANDS = (
    "models.training_folder",
    "models.release",
    "predictor.likelihood",
    "studies.first_evidence",
    "speed.bench",
)


def good(limit):
    """A number that keeps a limit by a tenth of it."""
    return limit.bound * (1.05 if limit.at_least else 0.9)


@pytest.fixture
def parts():
    """Numbers that keep every limit."""
    machine = {
        "cores": 2,
        "threads": 2,
        "device": "cpu",
        "bf16 on cpu": True,
        "load before": 0.1,
    }
    made = {part: {"seconds": {"whole way": 0.5}} for part in (*bench.PARTS, "memory")}
    for limit in LIMITS:
        made[limit.part][limit.key] = good(limit)
    made["one_point"] |= {"window": [300, 400], "machine": machine}
    made["screening"] |= {"regions per second": {"ours": 545.0, "network of BTD": 6.0}}
    made["training"] |= {"crops per second": {"trainer": 95.0, "bare loop": 100.0}}
    made["earlier"] |= {
        "ref": "abc",
        "runs": {"a slice": {"now": 1.0, "earlier": 5.0, "times as fast": 5.0}},
    }
    made["growth"] |= {"growth": {"slices": {"1": 0.5, "2": 0.9}, "points": {"1": 0.1}}}
    made["engines"] |= {
        "engines": {
            "torch float32": {
                "seconds": 0.4,
                "nll": 1.0,
                "nats lost": 0.0,
                "times as fast": 1.0,
            }
        }
    }
    return made


def shown_text(parts):
    return report.markdown({"material": "phantoms", "modality": "ct_lung", "parts": parts})


def test_limits_that_are_kept_are_said_to_be(parts):
    assert "**no**" not in shown_text(parts)
    assert shown_text(parts).count("| yes |") == len(LIMITS)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_a_limit_that_is_missed_is_said_too(parts, limit):
    parts[limit.part][limit.key] = limit.bound * (0.9 if limit.at_least else 1.1)
    assert shown_text(parts).count("**no**") == 1


def test_what_was_not_measured_keeps_no_limit():
    assert not any(limit.met(float("nan")) for limit in LIMITS)


def test_growth_is_drawn(tmp_path, parts):
    path = growth.draw(parts["growth"]["growth"], tmp_path / "growth.png")
    with Image.open(path) as picture:
        assert picture.width > picture.height > 200


def test_parts_that_are_done_are_not_measured_again(tmp_path, monkeypatch):
    """A run that was stopped goes on with the part that it was in."""
    monkeypatch.setattr(bench, "STATE", tmp_path / "state")
    monkeypatch.setattr(bench, "PARTS", ("slices_200", "slices_2000"))
    asked, peaks = [], {"slices_200": 1.0, "slices_2000": 1.05}

    def spawn(part, folder, arguments):
        asked.append(part)
        if asked == ["slices_200", "slices_2000"]:
            raise InterruptedRunError("stopped")
        return {"peak GB": peaks[part]}

    monkeypatch.setattr(bench, "spawn", spawn)
    arguments = argparse.Namespace(quick=True, networks=False)
    with pytest.raises(InterruptedRunError):
        bench.all_parts(tmp_path, arguments)
    done = bench.all_parts(tmp_path, arguments)
    assert asked == ["slices_200", "slices_2000", "slices_2000"]
    assert done["memory"]["times the peak"] == pytest.approx(1.05)
    assert not list((tmp_path / "state").iterdir())


def test_a_slice_is_scored_and_screened_as_every_entry_point_does(tmp_path, monkeypatch):
    monkeypatch.delenv("DFD_DATA", raising=False)
    monkeypatch.setattr(workload, "SIDE", 128)
    numbers = stages.screening(tmp_path, None, True)
    assert numbers["times the bare passes"] > 1.0
    assert numbers["regions per second"]["ours"] > 1.0
    lone = stages.one_point(tmp_path, None, True)
    assert lone["seconds"]["whole way"] > lone["seconds"]["decoding"]


def test_a_series_of_small_slices_asks_about_each_and_about_some_points(tmp_path, monkeypatch):
    monkeypatch.delenv("DFD_DATA", raising=False)
    root = workload.small_series(tmp_path, 11)
    points = read_points(root / "test.csv", root)
    assert sum(point.is_screening for point in points) == 11
    assert [point.filename for point in points if not point.is_screening] == [
        "p1/file0000.dcm",
        "p1/file0010.dcm",
    ]
    pixels = [read_slice(root / point.filename).pixels for point in points[:2]]
    assert pixels[0].shape == (128, 128)
    assert not np.array_equal(*pixels)


def test_an_earlier_release_is_unpacked_or_refused_in_a_sentence(tmp_path):
    folder = earlier.unpacked("HEAD", tmp_path / "head")
    assert (folder / "dfd" / "__init__.py").is_file()
    assert (folder / "bundles" / "ct_lung_inpainting" / "models").is_dir()
    with pytest.raises(UsageError, match=r"there is no commit or tag 'nowhere'"):
        earlier.unpacked("nowhere", tmp_path / "other")


def test_a_command_is_timed_and_its_exit_status_is_checked(tmp_path):
    words = [sys.executable, "-c", "raise SystemExit(2)"]
    assert 0.0 < processes.seconds_of(words, tmp_path, status=2) < 60.0
    with pytest.raises(InterruptedRunError, match="status 2 where 0 was expected"):
        processes.seconds_of(words, tmp_path)


def test_the_memory_of_children_counts(tmp_path):
    """A child holds 300 MB; the process itself holds nothing."""
    child = "block = b'1' * (3 * 10**8); import time; time.sleep(2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    output, peak = processes.run_watched([sys.executable, "-c", f"{parent}; print(5)"], tmp_path)
    assert output == "5\n"
    assert 0.3 < peak < 0.9


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
