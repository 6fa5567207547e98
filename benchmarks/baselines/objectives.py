"""The training objectives of baselines.

Genuine slices of the patients that the shipped weights were trained on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.attacks.training.loop import DEVICE
from benchmarks.attacks.training.train import TrainingData
from benchmarks.baselines.back_in_time import VARIANTS, shown
from benchmarks.baselines.noise_predictor import STEPS, NoisePredictor, remaining_shares
from dfd.bundle.training.crops import filled_up, place, turn
from dfd.intensity import body_mask
from dfd.modalities import MODALITIES
from dfd.records import BoolImage, FloatImage

BATCH = 8
RATE = 1e-3
"""A hundred times that of BTD, since the time is that much shorter."""
EMA_DECAY = 0.995
"""As BTD averages its weights."""


class DenoisingObjective:
    """Noise of a random step, mean squared error (Ho et al. 2020, algorithm 1).

    The network to keep is the running mean of the trained one.
    """

    output_network = "mean"

    def __init__(self, data: TrainingData, name: str) -> None:
        modality, variant = MODALITIES[data.modality], VARIANTS[data.modality, name]
        self.side = variant.side
        self.by_patient: dict[str, list[tuple[FloatImage, BoolImage]]] = {}
        for scan in data.scans:
            image, measured = shown(scan.pixels, modality, variant)
            body = measured & body_mask(scan.pixels, measured, modality)
            self.by_patient.setdefault(scan.source.patient, []).append(
                (filled_up(image, self.side), filled_up(body, self.side))
            )
        self.network, mean = NoisePredictor().to(DEVICE), NoisePredictor().to(DEVICE)
        mean.load_state_dict(self.network.state_dict())
        self.networks: Mapping[str, torch.nn.Module] = {
            "network": self.network,
            "mean": mean.requires_grad_(False),
        }
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=RATE)
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {"network": self.optimizer}
        self.half = DEVICE.type == "cuda" or bool(
            torch.cpu._is_avx512_bf16_supported()
        )  # as our own network is trained
        self.shares = remaining_shares().to(DEVICE)

    def step(self, share: float, rng: np.random.Generator) -> dict[str, float]:
        """One step."""
        genuine = torch.from_numpy(np.stack([self._patch(rng) for _ in range(BATCH)]))[:, None].to(
            DEVICE
        )
        steps = torch.from_numpy(rng.integers(0, STEPS, BATCH)).to(DEVICE)
        noise = torch.from_numpy(rng.normal(size=tuple(genuine.shape)).astype(np.float32)).to(
            DEVICE
        )
        remaining = self.shares[steps][:, None, None, None]
        noised = remaining.sqrt() * genuine + (1.0 - remaining).sqrt() * noise
        with torch.autocast(DEVICE.type, dtype=torch.bfloat16, enabled=self.half):
            predicted = self.network(noised, steps).float()
        loss = ((predicted - noise) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            for average, newest in zip(
                self.networks["mean"].parameters(), self.network.parameters(), strict=True
            ):
                average.lerp_(newest, 1.0 - EMA_DECAY)
        return {"error": float(loss.detach())}

    def _patch(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """``[S, S]``, mostly of the body, even over patients, mirrored and turned."""
        names = sorted(self.by_patient)
        own = self.by_patient[names[int(rng.integers(len(names)))]]
        image, body = own[int(rng.integers(len(own)))]
        return turn([image[place(body, self.side, rng)]], int(rng.integers(8)))[0]
