"""How long the shipped networks are trained, and in which stages.

All of a modality alike: the shipped one and those of the other folds.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.training.handlers import state_bytes
from dfd.models import model_file
from dfd.outputs.files import write_atomically

EPOCHS = 63
"""Of the predictor."""
HEAD_EPOCHS, HEAD_CROPS, HEAD_REPEATS = 130, 1200, 2
"""Of the head, the crops that each has of its own, and how often it shows each."""
HOURS = {"predictor": 0.32, "regenerators": 0.08, "head": 0.6}
"""How ``--hours`` are shared."""
STATISTIC_SLICES = 1500
"""Edited for the learned statistic."""
NETWORK: dict[str, Any] = {"channels": [16, 24, 32, 48], "head": "context"}
"""What the networks of the next version have of their own."""
STAGES = ("predictor", "head", "statistic")
CHECKED = "$finalize.check_target(@model_path, @state_dir, @train#items, @left_out)"
RUNS = {
    "predictor": ("$batches.run(@train#trainer)",),
    "head": ("$state.take_best(@network_def, @state_dir)", "$batches.run(@head#trainer)"),
    "statistic": (
        "$statistic.learn(@network_def, @train#items, @state_dir, @regenerators, "
        "{'slices': @statistic_slices, 'seed': @seed, 'modality': @modality, "
        "'max_hours': budget.hours_of('statistic', @max_hours)})",
    ),
}
"""Stage -> its part of the run list of training."""
END = (
    "$finalize.finalize(@network_def, @state_dir, @model_path, "
    "cohort.Cohort(@collection, @left_out, @seed))"
)
HISTORY = Path("docs") / "history.csv"
"""The curve of the shipped predictor, in its bundle."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that train a part only."""
    parser.add_argument(
        "--until", choices=STAGES, help="end there; the same command without it goes on"
    )
    parser.add_argument(
        "--since",
        choices=STAGES,
        default=STAGES[0],
        help="begin there, with what the stages before left in the state folder",
    )
    parser.add_argument("--workers", type=int, default=0, help="processes that make crops")
    parser.add_argument(
        "--hours",
        type=float,
        help="of predictor, networks that draw crops anew and head together, where it is fewer",
    )
    parser.add_argument(
        "--keep-predictor",
        action="store_true",
        help="take the predictor as it is, and train the head and the statistic anew",
    )


def settings(arguments: argparse.Namespace) -> dict[str, object]:
    """What overrides the configuration of training."""
    if arguments.quick:
        return {"max_epochs": 1, "max_hours": 0.01}
    until = arguments.until or STAGES[-1]
    since = max(STAGES.index(arguments.since), int(arguments.keep_predictor))
    stages = STAGES[since : STAGES.index(until) + 1]
    runs = [CHECKED, *(run for stage in stages for run in RUNS[stage])]
    return {
        **_limits(arguments.hours),
        "num_workers": arguments.workers,
        "head_crops": HEAD_CROPS,
        "head_repeats": HEAD_REPEATS,
        "max_epochs": EPOCHS,
        **{f"network_def::{name}": value for name, value in NETWORK.items()},
        "head_epochs": HEAD_EPOCHS,
        "statistic_slices": STATISTIC_SLICES,
        "training": runs if arguments.until else [*runs, END],
    }


def _limits(hours: float | None) -> dict[str, object]:
    """What keeps the parts within ``hours``."""
    if hours is None:
        return {}
    return {
        "predictor_max_hours": HOURS["predictor"] * hours,
        "regenerators::max_hours": HOURS["regenerators"] * hours,
        "head_max_hours": HOURS["head"] * hours,
    }


def keep_predictor(model: Path, state: Path) -> None:
    """Puts the predictor of ``model`` into ``state`` as the best of a run."""
    if (state / "best.pt").exists():
        return
    given = model_file.load(model)
    network = MaskedPredictor()
    own = {name: value for name, value in given.weights.items() if not name.startswith("head.")}
    network.load_state_dict(own, strict=False)
    state.mkdir(parents=True, exist_ok=True)
    write_atomically(state / "best.pt", state_bytes(network.state_dict()))
    write_atomically(state / "history.csv", history_of(model, given.training.get("history")))


def history_of(model: Path, kept: Sequence[Mapping[str, float]] | None) -> bytes:
    """The curve of a predictor's training, one line per epoch."""
    if (model / HISTORY).exists():
        return (model / HISTORY).read_bytes()
    return history_csv(kept or [])


def history_csv(history: Sequence[Mapping[str, float]]) -> bytes:
    """A curve as a table, one line per epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]) if history else ["epoch"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue().encode()
