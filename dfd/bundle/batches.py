"""What an engine does with a batch of this program."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine

from dfd.bundle.keys import Keys

CROP_KEYS = (Keys.IMAGE, Keys.LABEL)


def stacked(crops: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Collates training crops to arrays ``[B, 2, S, S]``.

    Arrays and not tensors: what a reader process hands over goes through a pipe then and not
    through shared memory, of which containers have 64 MB, too little for eight of them.
    """
    return {key: np.stack([np.asarray(crop[key]) for crop in crops]) for key in CROP_KEYS}


def prepare_batch(
    batch: Mapping[str, Any],
    device: torch.device | None = None,
    non_blocking: bool = False,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Batch of training crops -> network input and label, both ``[B, 2, S, S]``."""
    image, label = (
        torch.as_tensor(batch[key]).to(device, non_blocking=non_blocking) for key in CROP_KEYS
    )
    return image, label


def prediction_and_label(output: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Engine output -> what the validation metric compares."""
    return output[Keys.PRED], output[Keys.LABEL]


ENDS_OF_IGNITE = ("Engine run is terminating due to", "Current run is terminating due to")
"""Begin of what Ignite says of an exception that passes through it; after a signal nothing
follows."""


def _is_no_end(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(ENDS_OF_IGNITE)


@contextmanager
def untold_end() -> Iterator[None]:
    """Keep Ignite's engines from telling of an exception while the block runs.

    Whoever catches it does, in a sentence.
    """
    known = logging.root.manager.loggerDict.items()
    logs = [
        log
        for name, log in known
        if name.startswith("ignite.engine") and isinstance(log, logging.Logger)
    ]
    for log in logs:
        log.addFilter(_is_no_end)
    try:
        yield
    finally:
        for log in logs:
            log.removeFilter(_is_no_end)


def run(engine: Engine) -> None:
    """Run an engine; an exception that ends it is reported by whoever catches it."""
    with untold_end():
        engine.run()


def leave_out(evaluator: Engine, rows: Collection[int]) -> bool:
    """Take slices whose rows are all among ``rows`` out of what an evaluator works on.

    And say whether anything is left.
    """
    loader = evaluator.data_loader
    items = loader.dataset.data
    items[:] = [
        item for item in items if not {point.row for point in item[Keys.POINTS]} <= set(rows)
    ]
    evaluator.state.epoch_length = len(loader)
    return bool(items)
