"""The state folder of a training run: its best weights."""

from __future__ import annotations

from pathlib import Path

import torch

from dfd.errors import BundleError

HEAD = "head"
"""Below the state folder of a run: the state of its head."""


def head_dir(state_dir: str) -> str:
    """Where the state of a run's head lies."""
    return str(Path(state_dir) / HEAD)


def take_best(network: torch.nn.Module, state_dir: str) -> None:
    """Puts the best weights of the predictor in place.

    For the head to learn from what they leave unexplained.

    Raises:
        BundleError: no weights were kept, because the run stopped before its first epoch ended.
    """
    best = Path(state_dir) / "best.pt"
    if not best.exists():
        raise BundleError(
            f"training stopped before its first epoch was validated, so {state_dir} holds no "
            "weights; give more hours."
        )
    network.load_state_dict(torch.load(best, map_location="cpu", weights_only=True))
