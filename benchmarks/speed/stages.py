"""The parts of ``benchmarks.speed.bench`` that score.

Each runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.baselines.back_in_time import VARIANTS, reversed_once
from benchmarks.baselines.noise_predictor import NoisePredictor
from benchmarks.data import partition
from benchmarks.models import registry
from benchmarks.speed import workload
from dfd import workflow
from dfd.bundle.inference.inferer import AutocastInferer, LatticeInferer
from dfd.bundle.inference.load_context import LoadContextd
from dfd.bundle.inference.scoring import ScoreRegionsd
from dfd.bundle.reader import LoadSliced
from dfd.bundle.training.crops import normalised
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from dfd.points import read_points
from dfd.prediction.masks import LATTICE_PASSES, lattice
from dfd.prediction.predict import predict_slice, window_of
from dfd.records import FloatImage, Point
from dfd.regions import region_of
from dfd.settings import ScoreSettings

MODALITY = "ct_lung"
RUNS = 5


SERIES_SLICES = 40
LONG_SERIES, LONG_POINTS = 2000, 12


def median_seconds(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall time of ``work`` after one run that warms up."""
    work()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def bare_passes(pixels: FloatImage, network: torch.nn.Module) -> Callable[[], None]:
    """The network's passes over the window that scoring predicts, with inputs made beforehand.

    Nothing can be faster on this network.
    """
    shown, _, _ = normalised(pixels, MODALITY)
    window = window_of(predict_slice(pixels, network, MODALITIES[MODALITY]).assessed)
    image = torch.from_numpy(np.ascontiguousarray(shown[window]))
    masks = [
        torch.from_numpy(lattice(image.shape[0], image.shape[1], phase))
        for phase in range(LATTICE_PASSES)
    ]
    inputs = [torch.stack([image.masked_fill(mask, 0.0), mask.float()])[None] for mask in masks]

    def passes() -> None:
        with torch.inference_mode():
            for one in inputs:
                network(one)

    return passes


def one_point(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """One point in one 512 x 512 slice.

    Decoding, bare passes, the whole way in process, with outputs, and as a command.
    """
    root, runs = workload.study(folder, 1, 1), 1 if quick else RUNS
    file, points = root / "p1" / "file000.dcm", read_points(root / "test.csv", root)
    loaded = registry.load(model, MODALITY)
    load, inferer, score = (
        LoadSliced("image"),
        LatticeInferer(MODALITY),
        ScoreRegionsd("pred", MODALITY, loaded.calibration),
    )
    image = load({"image": str(file)})["image"]

    def way() -> None:
        item = load({"image": str(file), "frame": None})
        batch = {**item, "points": points, "image": item["image"][None]}
        score({**batch, "pred": inferer(batch["image"], loaded.network)})

    passes = bare_passes(np.asarray(image[0]), loaded.network)
    seconds = {
        "decoding": median_seconds(lambda: load({"image": str(file)}), runs),
        "bare passes": median_seconds(passes, runs),
        "prediction": median_seconds(
            lambda: inferer(torch.as_tensor(image)[None], loaded.network), runs
        ),
        "whole way": median_seconds(way, runs),
    }
    seconds["score() with overlay"] = median_seconds(
        lambda: _score(root, model, folder / "out", images=True), runs
    )
    seconds["score() without overlay"] = median_seconds(
        lambda: _score(root, model, folder / "out", images=False), runs
    )
    seconds["dfd score, new process"] = _seconds_of_command(root, model, folder / "cold")
    rest = seconds["whole way"] - seconds["decoding"]
    return {
        "seconds": seconds,
        "ratio to bare passes, less decoding": rest / seconds["bare passes"],
        "window": list(_window_shape(image[0], loaded.network)),
    }


def _seconds_of_command(root: Path, model: str | None, output: Path) -> float:
    """Wall time of ``dfd score`` in a new process; NaN where it fails."""
    command = [sys.executable, "-m", "dfd", "score", "--data", str(root), "--output", str(output)]
    command += ["--model", model] if model else []
    started = time.perf_counter()
    ended = subprocess.run(command, cwd=partition.ROOT, capture_output=True, check=False)
    return time.perf_counter() - started if ended.returncode == 0 else float("nan")


def _window_shape(image: torch.Tensor, network: torch.nn.Module) -> tuple[int, int]:
    rows, columns = window_of(predict_slice(image, network, MODALITIES[MODALITY]).assessed)
    return rows.stop - rows.start, columns.stop - columns.start


def _score(root: Path, model: str | None, output: Path, *, images: bool) -> None:
    workflow.score(
        ScoreSettings(
            root, model=model or MODALITIES[MODALITY].bundle, output_dir=output, images=images
        )
    )


def hundred_points(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """100 points in one slice."""
    root, runs = workload.study(folder, 1, 10 if quick else 100), 1 if quick else 3
    return {
        "seconds": {
            "score() with overlays": median_seconds(
                lambda: _score(root, model, folder / "out", images=True), runs
            ),
            "score() without overlays": median_seconds(
                lambda: _score(root, model, folder / "out", images=False), runs
            ),
        }
    }


def screening(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """One slice without a point: its prediction, and the evidence of every place."""
    root, runs = workload.study(folder, 1, 1), 1 if quick else 3
    loaded, modality = registry.load(model, MODALITY), MODALITIES[MODALITY]
    item = LoadSliced("image")({"image": str(root / "p1" / "file000.dcm")})
    pixels = np.asarray(item["image"][0])
    prediction = predict_slice(pixels, loaded.network, modality)
    like = region_of(Point(0, "", 0.0, 0.0), item["scan"], modality)
    places, _ = SliceEvidence(prediction, modality).everywhere(like)
    seconds = {
        "prediction": median_seconds(lambda: predict_slice(pixels, loaded.network, modality), runs),
        "evidence": median_seconds(
            lambda: SliceEvidence(prediction, modality).everywhere(like), runs
        ),
    }
    rate = len(places) / sum(seconds.values())
    seconds["one region of the BTD-like network"] = patch = btd_patch(runs)
    return {
        "seconds": seconds,
        "places": len(places),
        "regions per second": rate,
        "times the BTD-like network": rate * patch,
    }


def btd_patch(runs: int) -> float:
    """Seconds of the bare network of the BTD-like baseline for one region.

    What it weighs, whatever it learned.
    """
    network, patch = (
        NoisePredictor().eval(),
        torch.randn(1, 1, *[VARIANTS[MODALITY, "btd"].side] * 2),
    )
    return median_seconds(lambda: reversed_once(patch, network), runs)


def in_series(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """One point in a slice of a series of 40, with all that its neighbours say.

    Nothing of the series is read or kept beforehand.
    """
    root, runs = workload.series(folder, 6 if quick else SERIES_SLICES), 1 if quick else 3
    points = read_points(root / "test.csv", root)
    file, loaded = root / points[0].filename, registry.load(model, MODALITY)

    def way() -> dict[Hashable, Any]:
        item = LoadContextd("image")(LoadSliced("image")({"image": str(file), "frame": None}))
        score = ScoreRegionsd("pred", MODALITY, loaded.calibration)
        batch = {**item, "points": points, "image": item["image"][None]}
        return score({**batch, "pred": LatticeInferer(MODALITY)(batch["image"], loaded.network)})

    (finding,) = way()["findings"]
    return {
        "seconds": {"whole way": median_seconds(way, runs)},
        "families": sorted(finding.p_by_family),
    }


def thousand_points(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """1,000 points over 100 slices, once, with overlays: what counts is the memory."""
    root = workload.study(folder, *((2, 6) if quick else (100, 1000)))
    started = time.perf_counter()
    _score(root, model, folder / "out", images=True)
    return {"seconds": {"score() with overlays": time.perf_counter() - started}}


def long_series(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """Points in a series of 2,000 slices, once, with all outputs, DICOM results too.

    What counts is the memory.
    """
    root = workload.series(folder, *((12, 2) if quick else (LONG_SERIES, LONG_POINTS)))
    started = time.perf_counter()
    workflow.score(
        ScoreSettings(
            root, model=model or MODALITIES[MODALITY].bundle, output_dir=folder / "out", dicom=True
        )
    )
    return {"seconds": {"score() with all outputs": time.perf_counter() - started}}


def machine() -> dict[str, Any]:
    """What the numbers were taken on."""
    return {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "bf16 on cpu": AutocastInferer().enabled,
    }
