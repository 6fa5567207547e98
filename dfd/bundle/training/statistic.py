"""Trains the learned statistic on samples of ``dfd.bundle.training.statistic_samples``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from dfd.bundle.training.budget import Clock
from dfd.bundle.training.handlers import state_bytes
from dfd.bundle.training.regenerators import Regenerators
from dfd.bundle.training.state import HEAD, head_dir, take_best
from dfd.bundle.training.statistic_samples import SampleMaker, Samples, joined
from dfd.evidence.together import DETAILS, columns_of
from dfd.modalities import MODALITIES
from dfd.outputs.files import write_atomically
from dfd.prediction.learned_statistic import COPY, LearnedStatistic
from dfd.prediction.network import InpaintingNetwork
from dfd.records import Family

logger = logging.getLogger(__name__)

EPOCHS, BATCH, RATE, DECAY = 60, 256, 2e-3, 2e-2
LEFT_OUT_SHARE = 0.2
"""Of the patients, on whom the best epoch is chosen."""
GENUINE_WEIGHT = 0.5
"""Of genuine regions in the loss; the forms share the rest."""
DROPPED = {
    Family.NOISE: 0.05,
    Family.TEXTURE: 0.15,
    Family.ADJACENT_SLICES: 0.5,
}
"""How often the deviations and the statistic of a family are withheld."""

FILE = "statistic.pt"
CHUNK = 10
"""Slices whose samples are kept together on disk, so that a run that was stopped goes on."""


@dataclass(frozen=True)
class Batch:
    """Samples as the loss takes them."""

    numbers: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


def train(samples: Samples, seed: int) -> LearnedStatistic:
    """The statistic with the least loss on patients left out of its training."""
    rng = np.random.default_rng(seed)
    usable = samples.numbers[:, : DETAILS[Family.NOISE]].isfinite().any(dim=1)
    names = np.array(samples.patients)
    patients = rng.permutation(sorted(set(samples.patients)))
    apart = set(patients[: round(LEFT_OUT_SHARE * len(patients))].tolist())
    held = torch.from_numpy(np.isin(names, sorted(apart)))
    learned, judged = (
        _weighted(samples, usable & part) for part in (~held, held if held.any() else ~held)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        statistic = LearnedStatistic()
        statistic.standardise(learned.numbers[learned.labels == 0])
        return _fitted(statistic, learned, judged)


def _fitted(statistic: LearnedStatistic, learned: Batch, judged: Batch) -> LearnedStatistic:
    optimizer = torch.optim.AdamW(statistic.parameters(), RATE, weight_decay=DECAY)
    steps = EPOCHS * max(1, -(-len(learned.labels) // BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    best, least = deepcopy(statistic), float("inf")
    for epoch in range(EPOCHS):
        order = torch.randperm(len(learned.labels))
        for chosen in order.split(BATCH):
            numbers = _withheld(learned.numbers[chosen])
            loss = _loss(statistic(numbers), learned.labels[chosen], learned.weights[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.inference_mode():
            value = float(_loss(statistic(judged.numbers), judged.labels, judged.weights))
        if value < least:
            best, least = deepcopy(statistic), value
        logger.debug("learned statistic: epoch %d, loss on patients left out %.4f", epoch, value)
    logger.info("learned statistic: loss on patients left out %.4f", least)
    best.requires_grad_(False)
    return best


def _loss(odds: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted cross-entropy of genuine and the forms."""
    logits = functional.pad(odds, (1, 0))
    each = functional.cross_entropy(logits, labels, reduction="none")
    return (weights * each).sum() / weights.sum()


def _weighted(samples: Samples, chosen: torch.Tensor) -> Batch:
    """Patients count alike, and so do the forms together and genuine regions."""
    places = torch.nonzero(chosen)[:, 0]
    labels = samples.labels[places]
    names = [samples.patients[place] for place in places.tolist()]
    of_patient = Counter(names)
    weights = torch.tensor([1.0 / of_patient[name] for name in names], dtype=torch.float64)
    for label in labels.unique().tolist():
        own = labels == label
        wanted = GENUINE_WEIGHT if label == 0 else (1.0 - GENUINE_WEIGHT) / (COPY + 1)
        weights[own] *= wanted / weights[own].sum()
    return Batch(samples.numbers[places], labels, weights * len(weights))


def _withheld(numbers: torch.Tensor) -> torch.Tensor:
    """``numbers`` without those of some families, so that each is learned to be done without."""
    numbers = numbers.clone()
    for family, share in DROPPED.items():
        rows = torch.nonzero(torch.rand(len(numbers)) < share)
        numbers[rows, torch.tensor(columns_of(family))[None]] = torch.nan
    return numbers


def learn(
    network: torch.nn.Module,
    items: Sequence[Mapping[str, Any]],
    state_dir: str,
    regenerators: Regenerators,
    draws: Mapping[str, Any],
) -> Path:
    """Trains the learned statistic of ``network``, whose predictor and head are trained.

    Args:
        network: its best weights are in ``state_dir``.
        items: slices of the patients that it learned from.
        state_dir: of the run; the statistic is written there.
        regenerators: of the run, trained by then.
        draws: ``slices`` (how many are edited), ``seed``, ``modality``, ``max_hours`` (for them;
            at least ``CHUNK`` slices are edited).
    """
    folder = Path(state_dir)
    target = folder / FILE
    if target.exists():
        return target
    take_best(network, state_dir)
    take_best(network.get_submodule(HEAD), head_dir(state_dir))
    network.eval()
    painters = regenerators.kept_painters()
    maker = SampleMaker(items, network, MODALITIES[str(draws["modality"])], painters)
    parts: list[Samples] = []
    slices, seed, clock = int(draws["slices"]), int(draws["seed"]), Clock(draws.get("max_hours"))
    for number, start in enumerate(range(0, slices, CHUNK)):
        if parts and clock.over:
            break
        kept = folder / "samples" / f"{number:03d}.pt"
        if not kept.exists():
            made = maker.make(min(CHUNK, slices - start), seed + number)
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(kept, state_bytes(made._asdict()))
        parts.append(Samples(**torch.load(kept, weights_only=True)))
    statistic = train(joined(parts), seed)
    write_atomically(target, state_bytes(statistic.state_dict()))
    return target


def put_into(network: InpaintingNetwork, state_dir: str) -> None:
    """Puts the statistic of a run into its network; leaves that as it is where there is none."""
    kept = Path(state_dir) / FILE
    if kept.exists():
        network.statistic = LearnedStatistic().requires_grad_(False)
        network.statistic.load_state_dict(torch.load(kept, map_location="cpu", weights_only=True))
