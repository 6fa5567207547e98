"""``multi_gpu_train.json`` with two processes on the CPU."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path

from dfd.models import model_file
from tests.integration.processes import CT_BUNDLE, finish

SETTINGS = {
    "crops_per_epoch": 32,
    "batch_size": 8,
    "crop_size": 32,
    "validation_crops": 9,
    "max_epochs": 2,
    "max_hours": 1,
    "device_name": "cpu",
}
"""Nine validation crops do not divide by two: the processes get five and four."""


def test_two_processes_train_one_model(data: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.ckpt"
    configs = "['configs/train.json','configs/multi_gpu_train.json']"
    words = [
        "training",
        "--config_file",
        configs,
        "--data_path",
        data / "train",
        "--model_path",
        model,
    ]
    flags = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        "-m",
        "monai.bundle",
        "run",
    ]
    done = finish([*launcher, *words, *flags], CT_BUNDLE)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.ckpt", "m.ckpt.training"]
    assert sorted(path.name for path in (tmp_path / "m.ckpt.training").iterdir()) == [
        "best.pt",
        "head",
        "history.csv",
        "last.pt",
        "samples",
        "scans.json",
        "statistic.pt",
    ]
    with (tmp_path / "m.ckpt.training" / "history.csv").open(newline="") as stream:
        history = list(csv.DictReader(stream))
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert all(math.isfinite(float(row["val_nll"])) for row in history)
    # The first process alone talks of epochs and writes.
    told = [line for line in done.stderr.splitlines() if "epoch 1 of 2: loss" in line]
    assert [metric for line in told for metric in ("val_nll", "val_loss") if metric in line] == [
        "val_nll",
        "val_loss",
    ]
    assert done.stderr.count("model written to") == 1
    trained = model_file.load(model)
    assert trained.calibration is not None
    assert trained.bundle == CT_BUNDLE.name
