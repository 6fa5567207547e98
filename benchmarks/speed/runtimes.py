"""The part of ``benchmarks.speed.bench`` that runs the same weights in other ways.

Seconds per slice against what it costs in likelihood. What it costs in detection measures
``benchmarks.studies.predictor_detection``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import registry
from benchmarks.predictor.references import nll
from benchmarks.speed import workload
from benchmarks.speed.engines import engines as ways_of
from benchmarks.speed.stages import MODALITY, RUNS
from dfd.modalities import MODALITIES
from dfd.prediction.predict import predict_slice
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of

QUICK = ("torch float32", "torch float32, channels last", "ONNX Runtime float32")
"""What a quick check tries: the others take a minute to get ready."""


def engines(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """Median seconds of one slice's prediction, and nats per pixel lost against float32."""
    root, modality = workload.study(folder, 1, 1), MODALITIES[MODALITY]
    pixels = pixels_of(read_slice(root / "p1" / "file000.dcm"))
    ways = ways_of(registry.load(model, MODALITY).network, folder)
    result: dict[str, Any] = {}
    for name, run in ways.items():
        if quick and name not in QUICK:
            continue
        predict_slice(pixels, run, modality)
        times = []
        for _ in range(1 if quick else RUNS):
            started = time.perf_counter()
            prediction = predict_slice(pixels, run, modality)
            times.append(time.perf_counter() - started)
        valid = prediction.assessed
        value = float(nll(pixels[valid], prediction.mean[valid], prediction.spread[valid]).mean())
        result[name] = {"seconds": float(np.median(times)), "nll": value}
    plain = result["torch float32"]
    for entry in result.values():
        entry["nats lost"] = entry["nll"] - plain["nll"]
        entry["times as fast"] = plain["seconds"] / entry["seconds"]
    return {"engines": result}
