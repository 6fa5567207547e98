"""The part of ``benchmarks.speed.bench`` that trains."""

from __future__ import annotations

import csv
import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.data import partition
from benchmarks.speed import workload
from benchmarks.speed.stages import MODALITY
from dfd import workflow
from dfd.bundle.datalists import collect
from dfd.bundle.inference.inferer import AutocastInferer
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.reader import LoadSliced
from dfd.bundle.training.crops import HideCropd, NormaliseNoised
from dfd.bundle.training.loss import MaskedLikelihoodLoss
from dfd.modalities import MODALITIES
from dfd.model_paths import bundle_dir

BATCH = 64
BATCHES = 40
"""Per measured epoch, so that what an epoch costs besides its steps (one validation batch, two
checkpoints) weighs no more than in earnest."""
BARE_SLICES = 20
"""Slices that the crops of the bare loop are cut from."""


def training(folder: Path, model: str | None, quick: bool) -> dict[str, Any]:
    """Crops per second of the trainer and of the bare network loop, at batch 64."""
    root, left_out = workload.training_folder(
        folder, partition.patients(MODALITY, partition.TRAINING_FOLDS)[:2] if quick else None
    )
    batches, epochs = (2, 2) if quick else (BATCHES, 4)
    state = folder / "bench.ckpt"
    overrides = {
        "data_path": str(root),
        "model_path": str(state),
        "validation_patients": left_out,
        "max_epochs": epochs,
        "batch_size": BATCH,
        "crops_per_epoch": BATCH * batches,
        "validation_crops": BATCH,
    }
    workflow.run_config(bundle_dir(MODALITIES[MODALITY].bundle), "train", overrides)
    with Path(f"{state}.training", "history.csv").open(newline="", encoding="utf-8") as stream:
        seconds = [float(row["seconds"]) for row in csv.DictReader(stream)]
    # From the end of one epoch to the end of the next: loading, steps, validation of one batch and
    # checkpoints, without the start.
    epoch = statistics.median(after - before for before, after in itertools.pairwise(seconds))
    trainer = BATCH * batches / epoch
    bare = BATCH / bare_step(root, left_out, batches)
    return {
        "crops per second": {"trainer": trainer, "bare loop": bare},
        "ratio": trainer / bare,
        "batch": BATCH,
    }


def bare_step(root: Path, left_out: list[str], batches: int) -> float:
    """Mean seconds of a training step on batches that lie ready, as an epoch is a sum of them.

    Forward, loss, backward, optimizer; same precision as the trainer.
    """
    collection = collect(root, MODALITY)
    items = [item for item in collection.items if item["patient"] not in left_out][:BARE_SLICES]
    ready = [
        NormaliseNoised("image", MODALITY)(
            LoadSliced("image")({"image": item["image"], "frame": item["frame"]})
        )
        for item in items
    ]
    hide = HideCropd("pixels", 64, varied=True)
    torch.manual_seed(partition.SEED)
    network, loss, inferer = MaskedPredictor(), MaskedLikelihoodLoss(), AutocastInferer()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    times = []
    for number in range(batches + 1):
        examples = [
            hide({**ready[draw % len(ready)], "draw": draw})
            for draw in range(number * BATCH, (number + 1) * BATCH)
        ]
        image, label = (
            torch.stack([torch.as_tensor(example[key]) for example in examples])
            for key in ("image", "label")
        )
        started = time.perf_counter()
        optimizer.zero_grad()
        loss(inferer(image, network), label).backward()
        optimizer.step()
        times.append(time.perf_counter() - started)
    return statistics.mean(times[1:])
