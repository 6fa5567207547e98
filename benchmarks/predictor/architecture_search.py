"""Which network predicts hidden pixels best for its time on a CPU.

Each candidate is trained from scratch for the same CPU time on the same crops.

Part of ``python -m benchmarks.speed.bench --networks``. Every candidate hides pixels as its own
lattice does, in training and in validation, so that lattices compare as they would be used: fewer
passes are faster, but leave fewer neighbours to see. A candidate that is done is kept in
runs/networks and not trained again.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.networks.nets import BasicUNet, SegResNet, UNet
from torch import nn

from benchmarks.data import partition, scans
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.training.crops import normalised
from dfd.bundle.training.loss import masked_nll
from dfd.intensity import body_mask
from dfd.modalities import MODALITIES
from dfd.outputs.files import write_atomically
from dfd.prediction.masks import LATTICE_PASSES, lattice
from dfd.prediction.network import ground_value

logger = logging.getLogger(__name__)

CROP, BATCH = 64, 32
TRAINING_CROPS, VALIDATION_CROPS = 3000, 200
PER_SERIES = 8
MEASURED_SHARE = 0.6
RATE, WARM_UP = 2e-3, 50
SLICE_SIDE = 352
"""Side of the picture on which inference is timed: the body in a usual CT slice."""


class Direct(nn.Module):
    """A stock network on our inputs; gives mean (difference to the local mean) and log-spread."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """``[B, 2, H, W]`` -> ``[B, 2, H, W]``, as ``MaskedPredictor``."""
        pixels, hidden = image[:, :1], image[:, 1:2]
        visible = 1.0 - hidden
        ground = ground_value(pixels, visible)
        features = torch.cat(
            [
                torch.asinh(0.5 * (pixels - ground) * visible),
                0.3 * torch.asinh(0.2 * ground),
                hidden,
            ],
            dim=1,
        )
        out = self.backbone(features)
        return torch.cat([ground + out[:, :1], out[:, 1:].clamp(-5.0, 6.0)], dim=1)


@dataclass(frozen=True)
class Candidate:
    """A network and the lattice that it is used with."""

    build: Callable[[], nn.Module]
    side: int = 0
    """Side of a square lattice; 0 for the knight's move of ``dfd.prediction.masks``."""

    @property
    def passes(self) -> int:
        """Passes that hide every pixel once."""
        return self.side**2 or LATTICE_PASSES

    def hidden(self, height: int, width: int, phase: int) -> torch.Tensor:
        """``[H, W]`` mask of one pass."""
        if not self.side:
            return torch.from_numpy(lattice(height, width, phase))
        rows, columns = torch.arange(height)[:, None], torch.arange(width)[None]
        return (rows % self.side == phase // self.side) & (columns % self.side == phase % self.side)


def _unet(channels: tuple[int, ...]) -> nn.Module:
    return UNet(
        2, 3, 2, channels, (2,) * (len(channels) - 1), num_res_units=2, norm=None, act="LEAKYRELU"
    )


def _wide() -> nn.Module:
    return MaskedPredictor(channels=(32, 48, 64, 96))


CANDIDATES: dict[str, Candidate] = {
    "ours, 32-48-64-96": Candidate(_wide),
    "ours, 16-24-32-48": Candidate(lambda: MaskedPredictor(channels=(16, 24, 32, 48))),
    "ours, 48-64-96-128": Candidate(lambda: MaskedPredictor(channels=(48, 64, 96, 128))),
    "ours, lattice 2x2": Candidate(_wide, 2),
    "ours, lattice 3x3": Candidate(_wide, 3),
    "MONAI UNet, 32-48-64-96": Candidate(lambda: Direct(_unet((32, 48, 64, 96)))),
    "MONAI UNet, 16-24-32-48": Candidate(lambda: Direct(_unet((16, 24, 32, 48)))),
    "MONAI BasicUNet, 16-16-32-64-96": Candidate(
        lambda: Direct(BasicUNet(2, 3, 2, features=(16, 16, 32, 64, 96, 16)))
    ),
    "MONAI SegResNet, 16": Candidate(lambda: Direct(SegResNet(2, 16, 3, 2))),
}


def crops(modality: str, folds: tuple[str, ...], count: int, seed: int) -> torch.Tensor:
    """``[count, 2, CROP, CROP]``.

    Pixels in units of the slice's noise, and 1 where a pixel is measured and of the body. Even over
    patients.
    """
    by_patient: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for scan in scans.load(scans.select_series(modality, folds, PER_SERIES), modality):
        pixels, measured, _ = normalised(scan.pixels, modality)
        inside = measured & body_mask(scan.pixels, measured, MODALITIES[modality])
        by_patient.setdefault(scan.source.patient, []).append((pixels, inside))
    rng = np.random.default_rng(seed)
    cut: list[np.ndarray] = []
    names = sorted(by_patient)
    while len(cut) < count:
        members = by_patient[names[len(cut) % len(names)]]
        pixels, inside = members[int(rng.integers(len(members)))]
        for _ in range(20):
            top, left = (int(rng.integers(0, side - CROP + 1)) for side in pixels.shape)
            window = (slice(top, top + CROP), slice(left, left + CROP))
            if inside[window].mean() >= MEASURED_SHARE:
                break
        cut.append(np.stack([pixels[window], inside[window]]).astype(np.float32))
    return torch.from_numpy(np.stack(cut))


def shown(batch: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Network input and label, both ``[B, 2, CROP, CROP]``, of crops with ``hidden`` hidden.

    ``hidden`` is ``[CROP, CROP]``.
    """
    mask = hidden.float().expand(len(batch), 1, CROP, CROP)
    return torch.cat([batch[:, :1] * (1 - mask), mask], dim=1), torch.cat(
        [batch[:, :1], batch[:, 1:] * mask], dim=1
    )


def train(candidate: Candidate, pool: torch.Tensor, cpu_seconds: float) -> nn.Module:
    """Trains for ``cpu_seconds`` of CPU time, the learning rate falling along a cosine of it."""
    torch.manual_seed(partition.SEED)
    rng = np.random.default_rng(partition.SEED)
    network = candidate.build()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    started, step = time.process_time(), 0
    while (spent := time.process_time() - started) < cpu_seconds:
        step += 1
        for group in optimizer.param_groups:
            group["lr"] = (
                RATE
                * min(1.0, step / WARM_UP)
                * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * spent / cpu_seconds)))
            )
        batch = pool[torch.from_numpy(rng.integers(0, len(pool), BATCH))]
        batch = torch.flip(batch, [axis for axis in (2, 3) if rng.random() < 0.5])
        image, label = shown(
            batch, candidate.hidden(CROP, CROP, int(rng.integers(candidate.passes)))
        )
        total, _, count = masked_nll(network(image), label)
        optimizer.zero_grad()
        (total / count.clamp_min(1.0)).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return network.eval()


def validate(candidate: Candidate, network: nn.Module, pool: torch.Tensor) -> float:
    """Nats per pixel, in units of the noise scale, over every measured pixel of the crops.

    Each pixel is predicted while it is hidden.
    """
    total = count = 0.0
    with torch.inference_mode():
        for phase in range(candidate.passes):
            for batch in pool.split(BATCH):
                image, label = shown(batch, candidate.hidden(CROP, CROP, phase))
                nll, _, number = masked_nll(network(image), label)
                total, count = total + float(nll), count + float(number)
    return total / count


def slice_seconds(candidate: Candidate, network: nn.Module) -> float:
    """CPU seconds to predict every pixel of a square of ``SLICE_SIDE`` once."""
    hidden = candidate.hidden(SLICE_SIDE, SLICE_SIDE, 0).float()
    image = torch.stack([torch.randn(SLICE_SIDE, SLICE_SIDE) * (1 - hidden), hidden])[None]
    with torch.inference_mode():
        network(image)
        times = []
        for _ in range(3):
            started = time.process_time()
            network(image)
            times.append(time.process_time() - started)
    return candidate.passes * float(np.median(times))


def compare(modality: str, minutes: float, quick: bool) -> list[dict[str, Any]]:
    """One row per candidate, best first."""
    cpu_seconds, size = (3.0, 64) if quick else (60.0 * minutes, TRAINING_CROPS)
    folder = partition.ROOT / "runs" / ("quick" if quick else "networks")
    folder.mkdir(parents=True, exist_ok=True)
    learn = crops(modality, partition.TRAINING_FOLDS, size, partition.SEED)
    validation = crops(
        modality, partition.VALIDATION_FOLDS, min(size, VALIDATION_CROPS), partition.SEED + 1
    )
    rows = []
    for name, candidate in CANDIDATES.items():
        row = {
            "network": name,
            "modality": modality,
            "cpu seconds": cpu_seconds,
            "crops": len(learn),
        }
        file = folder / f"{modality}_{name.replace(' ', '_').replace(',', '')}.json"
        result = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if quick or {key: result.get(key) for key in row} != row:
            result = {**row, **_trial(candidate, learn, validation, cpu_seconds)}
            write_atomically(file, json.dumps(result).encode())
            logger.info("%s: %.4f nats", name, result["val nll"])
        rows.append(result)
    return sorted(rows, key=lambda row: float(row["val nll"]))


def _trial(
    candidate: Candidate, learn: torch.Tensor, validation: torch.Tensor, cpu_seconds: float
) -> dict[str, Any]:
    network = train(candidate, learn, cpu_seconds)
    return {
        "val nll": validate(candidate, network, validation),
        "passes": candidate.passes,
        "slice cpu seconds": slice_seconds(candidate, network),
        "weights": sum(parameter.numel() for parameter in network.parameters()),
    }


def run(
    _: Path, __: str | None, quick: bool, minutes: float = 3.0, modality: str = "ct_lung"
) -> dict[str, Any]:
    """The part as ``benchmarks.speed.bench`` calls it."""
    return {"networks": compare(modality, minutes, quick)}
