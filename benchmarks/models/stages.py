"""How long the shipped networks are trained, and in which stages.

All of a modality alike: the shipped one and those of the other folds.
"""

from __future__ import annotations

import argparse

EPOCHS = 63
"""Of the predictor."""
HEAD_EPOCHS = 130
"""Of the head, each on 1,200 crops of its own."""
STATISTIC_SLICES = 1500
"""Edited for the learned statistic."""
STAGES = {
    "predictor": ("$batches.run(@train#trainer)",),
    "head": (
        "$batches.run(@train#trainer)",
        "$state.take_best(@network_def, @state_dir)",
        "$batches.run(@head#trainer)",
    ),
}
"""Stage -> the run list of training up to its end."""
CHECKED = "$finalize.check_target(@model_path, @state_dir, @train#items, @left_out)"


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The option that ends a training early."""
    parser.add_argument(
        "--until", choices=STAGES, help="end there; the same command without it goes on"
    )


def settings(until: str | None, *, quick: bool) -> dict[str, object]:
    """What overrides the configuration of training."""
    if quick:
        return {"max_epochs": 1, "max_hours": 0.01}
    chosen: dict[str, object] = {
        "max_epochs": EPOCHS,
        "head_epochs": HEAD_EPOCHS,
        "statistic_slices": STATISTIC_SLICES,
    }
    return {**chosen, "training": [CHECKED, *STAGES[until]]} if until else chosen
