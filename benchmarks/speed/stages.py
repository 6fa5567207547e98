"""The parts of ``benchmarks.speed.bench`` that score.

Each runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.baselines import diffusion_unet
from benchmarks.baselines.diffusion_unet import DiffusionUNet
from benchmarks.models import registry
from benchmarks.models.registry import Loaded
from benchmarks.speed import workload
from benchmarks.speed.limits import PASSES, SECONDS
from benchmarks.speed.processes import CORES
from dfd import workflow
from dfd.assessment.criteria import NO_CONTEXT, Criteria, SliceContext
from dfd.assessment.points import PointAssessor
from dfd.assessment.screening import screen
from dfd.bundle.inference.inferer import AutocastInferer
from dfd.bundle.training.crops import normalised
from dfd.context.adjacent_slices import AdjacentSlices
from dfd.evidence import screening_grid
from dfd.modalities import MODALITIES, Modality
from dfd.points import read_points
from dfd.prediction.masks import LATTICE_PASSES, lattice
from dfd.prediction.predict import predict_slice, window_of
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of
from dfd.records import Finding, FloatImage, Point, Screening, Slice
from dfd.regions import region_of
from dfd.settings import ScoreSettings

MODALITY = "ct_lung"
RUNS = 5
SERIES_SLICES = 40
IN_A_RUN = 16
"""Screened slices of a run, of which several are worked on at once."""
BATCH_OF_PATCHES = 8


def median_seconds(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall time of ``work`` after one run that warms up."""
    work()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


@dataclass(frozen=True)
class SliceWork:
    """What scoring does with one file, step by step, on the path that every entry point takes."""

    file: Path
    points: list[Point]
    loaded: Loaded

    @property
    def modality(self) -> Modality:
        """Of the file."""
        return MODALITIES[MODALITY]

    @cached_property
    def criteria(self) -> Criteria:
        """By what findings are decided."""
        return Criteria(self.modality, self.loaded.calibration)

    def decode(self) -> tuple[Slice, FloatImage]:
        """The slice and its pixels ``[H, W]``."""
        scan = read_slice(self.file)
        return scan, pixels_of(scan)

    def score(self, *, series: bool = False) -> list[Finding]:
        """The whole way of the points, with the slices around where ``series``."""
        scan, pixels = self.decode()
        around = SliceContext(AdjacentSlices().of(scan)[0]) if series else NO_CONTEXT
        prediction = predict_slice(pixels, self.loaded.network, self.modality)
        assessor = PointAssessor(self.criteria)
        return assessor.assess(scan, self.points, prediction, around)[0]

    def screen(self) -> dict[int, Screening]:
        """The whole way of the slice as a whole."""
        scan, pixels = self.decode()
        prediction = predict_slice(pixels, self.loaded.network, self.modality)
        return screen(scan, [Point(1, self.file.name)], prediction, self.criteria)

    def places(self) -> int:
        """How many assessed places the screened slice has."""
        scan, pixels = self.decode()
        prediction = predict_slice(pixels, self.loaded.network, self.modality)
        radius = region_of(Point(0, "", 0.0, 0.0), scan, self.modality).radius_px
        columns, rows = screening_grid.centres(pixels.shape, radius).T
        return int(prediction.assessed[rows, columns].sum())


def work_on(root: Path, model: str | None) -> SliceWork:
    """The first point of a data folder and its file."""
    points = read_points(root / "test.csv", root)
    return SliceWork(root / points[0].filename, points[:1], registry.load(model, MODALITY))


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


def steps_of(work: SliceWork, runs: int) -> dict[str, float]:
    """Median seconds of decoding, of the bare passes, and of the prediction."""
    pixels = work.decode()[1]
    network = work.loaded.network
    return {
        "decoding": median_seconds(work.decode, runs),
        "bare passes": median_seconds(bare_passes(pixels, network), runs),
        "prediction": median_seconds(lambda: predict_slice(pixels, network, work.modality), runs),
    }


def one_point(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """One point in one 512 x 512 slice, in process, against its bare passes and decoding."""
    work, runs = work_on(workload.study(folder, 1, 1), model), 1 if quick else RUNS
    seconds = {**steps_of(work, runs), "whole way": median_seconds(work.score, runs)}
    window = window_of(predict_slice(work.decode()[1], work.loaded.network, work.modality).assessed)
    return {
        "seconds": seconds,
        PASSES: seconds["whole way"] / (seconds["decoding"] + seconds["bare passes"]),
        "window": [side.stop - side.start for side in window],
    }


def screening(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """One slice without a point against its bare passes, and against the network of BTD."""
    work, runs = work_on(workload.study(folder, 1, 1), model), 1 if quick else RUNS
    seconds = {**steps_of(work, runs), "whole way": median_seconds(work.screen, runs)}
    seconds |= {
        f"one region of the network of BTD, {count} at a time": btd_patch(count, runs)
        for count in (1, BATCH_OF_PATCHES)
    }
    patch = min(value for name, value in seconds.items() if "BTD" in name)
    rate = work.places() / seconds["whole way"]
    count = 2 if quick else IN_A_RUN
    root = workload.study(folder, count, 0)
    seconds["a slice of a run, with its outputs"] = score(root, model, folder / "out") / count
    return {
        "seconds": seconds,
        PASSES: seconds["whole way"] / seconds["bare passes"],
        "regions per second": {"ours": rate, "network of BTD": 1.0 / patch},
        "times the network of BTD": rate * patch,
    }


def btd_patch(count: int, runs: int) -> float:
    """Seconds of the bare network of BTD for one region of ``count`` that go in together."""
    patches, steps = torch.randn(count, 1, *[diffusion_unet.SIDE] * 2), torch.zeros(count)
    network = DiffusionUNet().eval()

    def passes() -> None:
        with torch.inference_mode():
            network(patches, steps)

    return median_seconds(passes, runs) / count


def in_series(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """One point in a slice of a series of 40, with all that its neighbours say.

    Nothing of the series is read or kept beforehand.
    """
    root, runs = workload.series(folder, 6 if quick else SERIES_SLICES), 1 if quick else 3
    work = work_on(root, model)
    seconds = median_seconds(lambda: work.score(series=True), runs)
    (finding,) = work.score(series=True)
    if not finding.p_by_family:
        raise RuntimeError(f"The point of the series was not measured: {finding.reason}")
    return {
        "seconds": {"whole way": seconds},
        SECONDS: seconds,
        "families": sorted(finding.p_by_family),
    }


def score(root: Path, model: str | None, output: Path, *, workers: int = 0) -> float:
    """Seconds of a scoring run with overlays and report."""
    chosen = model or MODALITIES[MODALITY].bundle
    started = time.perf_counter()
    workflow.score(ScoreSettings(root, model=chosen, output_dir=output, workers=workers))
    return time.perf_counter() - started


def hundred_points(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """100 points in one slice."""
    root, runs = workload.study(folder, 1, 10 if quick else 100), 1 if quick else 3
    times = [score(root, model, folder / f"out{run}") for run in range(runs + 1)]
    seconds = statistics.median(times[1:])
    return {"seconds": {"score() with overlays": seconds}, SECONDS: seconds}


def thousand_points(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """1,000 points over 100 slices, once, with overlays and report."""
    root = workload.study(folder, *((2, 6) if quick else (100, 1000)))
    before = cpu_seconds()
    seconds = score(root, model, folder / "out")
    return {
        "seconds": {"score() with overlays": seconds},
        SECONDS: seconds,
        "share of the cores": (cpu_seconds() - before) / seconds / CORES,
    }


def cpu_seconds() -> float:
    """CPU time of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def slices(folder: Path, model: str | None, count: int) -> dict[str, Any]:
    """A series of ``count`` small slices, each screened and one in ten asked about at a point."""
    root = workload.small_series(folder, count)
    return {"seconds": {f"{count} slices": score(root, model, folder / "out")}}


def machine() -> dict[str, Any]:
    """What the numbers were taken on."""
    return {
        "cores": CORES,
        "threads": torch.get_num_threads(),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "bf16 on cpu": AutocastInferer().enabled,
        "load before": os.getloadavg()[0],
    }
