"""Slices screened per second on a CUDA device, and how far its statistics lie from the CPU's.

    python -m benchmarks.speed.gpu                       # ten minutes at most, on one card
    python -m benchmarks.speed.gpu --device cpu --quick  # the same in small, without one

Slices are decoded by threads on the CPU; prediction and the evidence of every place run on the
device. On development slices where DFD_DATA is set, else on phantoms.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.metrics.drift import LIMIT, relative_differences
from benchmarks.models import registry
from benchmarks.runner import cli
from benchmarks.speed import workload
from benchmarks.speed.stages import MODALITY
from dfd.errors import UsageError
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from dfd.prediction.predict import predict_slice
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of
from dfd.records import FloatImage, Point, Region, Slice
from dfd.regions import region_of

SLICES, ROUNDS = 64, 3
COMPARED = 6
"""Slices on which device and CPU are compared."""
LANES = (1, 2, 4)
"""Slices that are on the device at once, each asked for by a thread of its own."""
MOST_MINUTES = 8.0
"""No round begins later, unless ``--minutes`` says so."""
WANTED = 50.0
"""Slices per second on an H100-class card."""
Statistics = Mapping[str, dict[tuple[float, float], float]]
"""Family -> place (x, y) -> statistic."""


@dataclass(frozen=True)
class Screener:
    """Screens slices on one device: prediction, and the evidence of every place."""

    network: torch.nn.Module
    device: torch.device

    def predict_and_measure(self, read: tuple[Slice, FloatImage]) -> tuple[float, Statistics]:
        """Seconds of the prediction, and the statistics of every place."""
        (scan, pixels), modality = read, MODALITIES[MODALITY]
        started = time.perf_counter()
        prediction = predict_slice(pixels, self.network, modality)
        seconds = time.perf_counter() - started
        like = region_of(Point(0, "", 0.0, 0.0), scan, modality)
        evidence = SliceEvidence(prediction, modality, device=self.device)
        regions, measured = evidence.everywhere(like)
        return seconds, _by_place(regions, measured.statistics)


def _by_place(regions: Sequence[Region], measured: Mapping[str, np.ndarray]) -> Statistics:
    places = [(region.x, region.y) for region in regions]
    return {
        family: dict(zip(places, map(float, values), strict=True))
        for family, values in measured.items()
    }


def device_named(name: str) -> torch.device:
    """The device of ``name``.

    Raises:
        UsageError: it is a CUDA device and there is none.
    """
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "there is no CUDA device here; run this where there is one, or in small with "
            "--device cpu --quick."
        )
    return device


def decoded(file: Path) -> tuple[Slice, FloatImage]:
    """A slice and its pixels ``[H, W]``."""
    scan = read_slice(file)
    return scan, pixels_of(scan)


def _screened(screener: Screener, reading: Future[tuple[Slice, FloatImage]]) -> None:
    """Screens a slice as soon as it is read."""
    screener.predict_and_measure(reading.result())


def seconds_per_slice(files: Sequence[Path], screener: Screener, lanes: int) -> float:
    """Wall seconds a slice, decoding in parallel included, ``lanes`` slices at once."""
    started = time.perf_counter()
    with (
        ThreadPoolExecutor(os.cpu_count()) as readers,
        ThreadPoolExecutor(lanes) as screeners,
    ):
        reading = [readers.submit(decoded, file) for file in files]
        working = [screeners.submit(_screened, screener, each) for each in reading]
        for each in working:
            each.result()
    return (time.perf_counter() - started) / len(files)


def steps_of(file: Path, screener: Screener, runs: int) -> dict[str, float]:
    """Median seconds of each step of one slice."""
    rows = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        read = decoded(file)
        middle = time.perf_counter()
        predicting, _ = screener.predict_and_measure(read)
        ended = time.perf_counter()
        rows.append((middle - started, predicting, ended - middle - predicting))
    medians = map(statistics.median, zip(*rows[1:], strict=True))
    return dict(zip(("decoding", "prediction", "evidence"), medians, strict=True))


def drift(files: Sequence[Path], one: Screener, other: Screener) -> dict[str, dict[str, float]]:
    """For each family how far the statistics of ``other`` lie from those of ``one``."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for file in files:
        read = decoded(file)
        (_, first), (_, second) = (each.predict_and_measure(read) for each in (one, other))
        for family, values in first.items():
            places = values.keys() | second[family].keys()
            nothing = float("nan")
            pairs.setdefault(family, []).extend(
                (values.get(place, nothing), second[family].get(place, nothing)) for place in places
            )
    result = {}
    for family, values_of in pairs.items():
        old, new = np.asarray(values_of).T
        far = relative_differences(old, new)
        result[family] = {
            "places": float(len(far)),
            "largest": float(far.max()),
            "beyond": float((far > LIMIT).sum()),
        }
    return result


def measured(
    folder: Path, device: torch.device, minutes: float = MOST_MINUTES, *, quick: bool
) -> dict[str, Any]:
    """Seconds, rates and drift; no round begins after ``minutes``."""
    begun = time.monotonic()
    root = workload.study(folder, 3 if quick else SLICES, 0)
    files = sorted((root / "p1").iterdir())
    on_cpu = Screener(registry.load(None, MODALITY).network, torch.device("cpu"))
    on_device = Screener(registry.load(None, MODALITY).network.to(device), device)
    compared, rounds = (files[:1], 1) if quick else (files[:COMPARED], ROUNDS)
    rates: dict[str, float] = {}
    result: dict[str, Any] = {
        "seconds": steps_of(files[0], on_device, rounds),
        "drift": drift(compared, on_cpu, on_device),
        "slices per second": rates,
    }
    for lanes in LANES[:1] if quick else LANES:
        times = [
            seconds_per_slice(files, on_device, lanes)
            for _ in range(rounds)
            if time.monotonic() - begun < 60.0 * minutes
        ]
        if times:
            rates[str(lanes)] = 1.0 / statistics.median(times)
    return result


def markdown(content: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    seconds = ", ".join(f"{step} {value:.4f}" for step, value in content["seconds"].items())
    rates = [
        [lanes, f"{rate:.1f}", seconds] for lanes, rate in content["slices per second"].items()
    ]
    drifts = [
        [family, f"{each['places']:.0f}", f"{each['largest']:.2g}", f"{each['beyond']:.0f}"]
        for family, each in content["drift"].items()
    ]
    heads = ["slices at once", "slices per second", "seconds of one slice"]
    return "\n\n".join(
        [
            "# Screening on a GPU",
            f"{content['material']} on {content['device']}; wanted: {WANTED:g} slices per second.",
            cli.table(heads, rates),
            "Relative difference of the statistics of every place from those of the CPU:",
            cli.table(["family", "places", "largest", f"beyond {LIMIT:g}"], drifts),
        ]
    )


def main() -> None:
    parser = cli.parser(__doc__, model=False)
    parser.add_argument(
        "--device", default="cuda", help="cuda, cuda:N or cpu (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes", type=float, default=MOST_MINUTES, help="no round begins later (%(default)s)"
    )
    arguments = parser.parse_args()
    device = device_named(arguments.device)
    with TemporaryDirectory() as folder:
        result = measured(Path(folder), device, arguments.minutes, quick=arguments.quick)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    material = "development slices" if os.environ.get("DFD_DATA") else "phantoms"
    content = {
        "device": name,
        "material": material,
        "wanted slices per second": WANTED,
        **result,
    }
    cli.publish("gpu", content, markdown(content), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
