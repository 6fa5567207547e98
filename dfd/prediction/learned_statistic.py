"""The learned statistic: everything that was measured of a region, weighed into one number.

Trained on pseudo-forgeries of genuine scans (``dfd.bundle.training.weighing``); its inputs are put
together by ``dfd.evidence.together``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from dfd.records import Form

WEIGHED, COPIES = 96, 2
"""Numbers that are weighed freely, and statistics of copies, which count in one direction only."""
FORMS = (Form.ADVERSARIAL_NOISE, Form.AI_EDIT, Form.COPY_MOVE)
"""Order of the answers."""
COPY = FORMS.index(Form.COPY_MOVE)
PREFIX = "statistic."
"""Of its weights, in the state dict of a network."""
SLOPE = 0.1
LEAST_WIDTH = 1e-3
COPY_START, COPY_BEND, COPY_GAIN = 1.27, 0.05, 20.0
"""Before training: statistics of copies count from about the first on, where genuine regions end;
the second is the width over which that begins; each unit beyond adds the third to the odds."""


class LearnedStatistic(nn.Module):
    """Numbers ``[n, WEIGHED + COPIES]`` -> log-odds ``[n, 3]`` of each form against genuine.

    What is NaN was not measured, and that is an input as well. The statistics of copies raise the
    odds of a copy and change nothing else: what was not copied may still have been drawn.
    """

    def __init__(self, hidden: Sequence[int] = (64, 32)) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(WEIGHED, dtype=torch.float64))
        self.register_buffer("width", torch.ones(WEIGHED, dtype=torch.float64))
        sizes = (2 * WEIGHED, *hidden, len(FORMS))
        self.layers = nn.ModuleList(
            nn.Linear(before, after, dtype=torch.float64)
            for before, after in itertools.pairwise(sizes)
        )
        # In such units that a step of training moves them as far as it moves the layers.
        self.copy_gain = nn.Parameter(torch.ones(COPIES, dtype=torch.float64))
        self.copy_start = nn.Parameter(torch.zeros(COPIES, dtype=torch.float64))

    def standardise(self, numbers: torch.Tensor) -> None:
        """Sets middle and width of each input from genuine regions ``[n, WEIGHED + COPIES]``."""
        free = numbers[:, :WEIGHED].double()
        middle = free.nanmedian(dim=0).values.nan_to_num(0.0)
        spread = 1.4826 * (free - middle).abs().nanmedian(dim=0).values
        self.get_buffer("middle").copy_(middle)
        self.get_buffer("width").copy_(spread.nan_to_num(1.0).clamp(min=LEAST_WIDTH))

    # A TorchScript file predicts pixels; regions are weighed in Python.
    @torch.jit.unused
    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        numbers = numbers.double()
        free, copies = numbers[:, :WEIGHED], numbers[:, WEIGHED:]
        measured, searched = free.isfinite(), copies.isfinite()
        # What is missing is filled before anything is computed: a gradient may not be NaN.
        filled = torch.where(measured, free - self.get_buffer("middle"), 0.0)
        scaled = torch.asinh(filled / self.get_buffer("width"))
        state = torch.cat([scaled, measured.double()], dim=1)
        for number, layer in enumerate(self.layers):
            if number > 0:
                state = functional.leaky_relu(state, SLOPE)
            state = _linear(state, layer)
        found = torch.where(searched, copies, 0.0) - COPY_START
        raised = functional.softplus(found / COPY_BEND - self.copy_start) * COPY_BEND
        raised = COPY_GAIN * self.copy_gain.abs() * raised * searched
        odds = list(state.unbind(dim=1))
        odds[COPY] = odds[COPY] + raised.sum(dim=1)
        return torch.stack(odds, dim=1)


def _linear(state: torch.Tensor, layer: nn.Module) -> torch.Tensor:
    """Not by BLAS, whose sums depend on how many regions are weighed at once."""
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    return torch.stack([(state * row).sum(dim=1) for row in weight], dim=1) + bias


def log_ratio(odds: torch.Tensor) -> torch.Tensor:
    """``[n]``: log-odds of any form against genuine, from those of each ``[n, 3]``."""
    return torch.logsumexp(odds, dim=1)


def trained(weights: Mapping[str, torch.Tensor]) -> LearnedStatistic | None:
    """That of a model, from the state dict of its network; None where it has none."""
    statistic = fitting(weights, PREFIX)
    if statistic is not None:
        own = {name.removeprefix(PREFIX): value for name, value in weights.items()}
        statistic.load_state_dict({name: own[name] for name in statistic.state_dict()})
    return statistic


def fitting(weights: Mapping[str, torch.Tensor], prefix: str) -> LearnedStatistic | None:
    """An untrained one for ``weights`` (a state dict); None where they hold none."""
    found = any(name.startswith(prefix) for name in weights)
    return LearnedStatistic().requires_grad_(False) if found else None
