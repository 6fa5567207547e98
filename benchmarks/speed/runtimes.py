"""The same weights run in other ways: bfloat16, ONNX Runtime, another memory format.

Seconds per slice against what it costs in likelihood.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.models import registry
from benchmarks.predictor.references import nll
from benchmarks.speed import workload
from benchmarks.speed.stages import MODALITY, RUNS
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.modalities import MODALITIES
from dfd.prediction.masks import lattice
from dfd.prediction.predict import predict_slice, window_of
from dfd.reading import read_slice
from dfd.reading.pixel_values import pixels_of

Pass = Callable[[torch.Tensor], torch.Tensor]
OPSET = 18


def bfloat16(network: MaskedPredictor) -> Pass:
    """The network under autocast, as in training."""

    def run(image: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return network(image).float()

    return run


def channels_last(network: MaskedPredictor) -> Pass:
    """The network with images laid out channel by channel in each pixel."""
    return lambda image: network(image.to(memory_format=torch.channels_last))


def onnx(network: MaskedPredictor, file: Path, shape: tuple[int, int]) -> Pass | None:
    """The network in ONNX Runtime with as many threads as torch has.

    None where it is not installed (extra ``onnx``).
    """
    if find_spec("onnxruntime") is None or find_spec("onnx") is None:
        return None
    import onnxruntime

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
            # the exporter warns of every branch that tracing decides; lattice passes all take the
            # same
        )
        # Asinh is in ONNX since opset 9, but this exporter does not know it; the other one cannot
        # follow the branch of ``ground_value``.
        torch.onnx.register_custom_op_symbolic(
            "aten::asinh", lambda graph, value: graph.op("Asinh", value), OPSET
        )
        torch.onnx.export(
            network,
            (_lattice_input(shape),),
            str(file),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["pred"],
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda image: torch.from_numpy(
        session.run(None, {"image": np.ascontiguousarray(image.numpy())})[0]
    )


def _lattice_input(shape: tuple[int, int]) -> torch.Tensor:
    hidden = torch.from_numpy(lattice(shape[0], shape[1], 0)).float()
    return torch.stack([1.0 - hidden, hidden])[None]


def engines(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """Median seconds of one slice's prediction, and nats per pixel lost against float32."""
    root, modality = workload.study(folder, 1, 1), MODALITIES[MODALITY]
    pixels = pixels_of(read_slice(root / "p1" / "file000.dcm"))
    network = registry.load(model, MODALITY).network
    rows, columns = window_of(predict_slice(pixels, network, modality).assessed)
    runs: dict[str, Pass | None] = {
        "torch float32": network,
        "torch float32, channels last": channels_last(network),
        "torch bfloat16": bfloat16(network),
        "ONNX Runtime float32": onnx(
            network, folder / "network.onnx", (rows.stop - rows.start, columns.stop - columns.start)
        ),
    }
    result: dict[str, Any] = {}
    for name, run in runs.items():
        if run is None:
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
