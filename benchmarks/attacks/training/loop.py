"""Trains a network for a fixed CPU time, resumably.

What is done is kept every few minutes, and each step draws from a seed of its own.

Where a GPU is, it is used: the CPU time is then that of the process which drives it, and many more
steps fit into it.
"""

from __future__ import annotations

import io
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from benchmarks.data import partition
from dfd.outputs.files import write_atomically

logger = logging.getLogger(__name__)

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""Where lessons put their networks and tensors."""
WARM_UP_STEPS = 50
SAVE_EVERY_S = 60.0
"""CPU seconds of work that an interruption may cost."""
LOG_EVERY_S = 60.0


class Objective(Protocol):
    """What is trained, and how one step goes.

    The entries of ``networks`` and ``optimizers`` are continued after an interruption.
    """

    networks: Mapping[str, torch.nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    output_network: str
    """Which of ``networks`` the attack uses."""

    def step(self, share: float, rng: np.random.Generator) -> dict[str, float]:
        """One step of training after ``share`` of the time; gives the losses."""


def train(
    objective: Objective, cpu_seconds: float, state: Path, most_steps: int | None = None
) -> Mapping[str, Any]:
    """Trains for ``cpu_seconds`` of CPU time, or ``most_steps``.

    Gives the state dict of the network to keep.

    Every learning rate warms up and falls along a cosine of the time spent. ``state`` is where
    interrupted work lies; it is gone afterwards.
    """
    spent, step = _resumed(objective, state)
    rates = {
        name: [group["lr"] for group in optimizer.param_groups]
        for name, optimizer in objective.optimizers.items()
    }
    saved_at = logged_at = spent
    started = time.process_time() - spent
    while spent < cpu_seconds and (most_steps is None or step < most_steps):
        share = spent / cpu_seconds
        for name, optimizer in objective.optimizers.items():
            for group, rate in zip(optimizer.param_groups, rates[name], strict=True):
                group["lr"] = (
                    rate
                    * min(1.0, (step + 1) / WARM_UP_STEPS)
                    * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
                )
        torch.manual_seed(partition.SEED + step)
        losses = objective.step(share, np.random.default_rng([partition.SEED, step]))
        step, spent = step + 1, time.process_time() - started
        if spent - logged_at > LOG_EVERY_S:
            logged_at = spent
            logger.info(
                "%4.0f s, step %d: %s",
                spent,
                step,
                ", ".join(f"{name} {value:.4f}" for name, value in losses.items()),
            )
        if spent - saved_at > SAVE_EVERY_S:
            saved_at = spent
            for name, optimizer in objective.optimizers.items():
                for group, rate in zip(optimizer.param_groups, rates[name], strict=True):
                    group["lr"] = rate
            _save(objective, spent, step, state)
    state.unlink(missing_ok=True)
    logger.info("%d steps in %.0f CPU seconds on %s", step, spent, DEVICE.type)
    return {
        name: value.detach().cpu()
        for name, value in objective.networks[objective.output_network].state_dict().items()
    }


def _save(objective: Objective, spent: float, step: int, state: Path) -> None:
    content = {
        "spent": spent,
        "step": step,
        "networks": {name: network.state_dict() for name, network in objective.networks.items()},
        "optimizers": {
            name: optimizer.state_dict() for name, optimizer in objective.optimizers.items()
        },
    }
    stream = io.BytesIO()
    torch.save(content, stream)
    state.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(state, stream.getvalue())


def _resumed(objective: Objective, state: Path) -> tuple[float, int]:
    """(CPU seconds, steps) of earlier work, which is loaded into ``objective``."""
    if not state.exists():
        return 0.0, 0
    content = torch.load(state, map_location="cpu", weights_only=True)
    for name, network in objective.networks.items():
        network.load_state_dict(content["networks"][name])
    for name, optimizer in objective.optimizers.items():
        optimizer.load_state_dict(content["optimizers"][name])
    logger.info("goes on after %.0f s, step %d", content["spent"], content["step"])
    return float(content["spent"]), int(content["step"])
