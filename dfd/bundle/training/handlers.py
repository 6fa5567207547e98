"""Ignite handlers of a training run.

Best and last checkpoint, resume, early stopping, time budget, learning rate, history.
"""

from __future__ import annotations

import csv
import io
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from dfd.bundle.training.schedule import rate_at
from dfd.errors import BundleError
from dfd.models.model_file import DAMAGE
from dfd.outputs.files import write_atomically
from dfd.progress import Progress

logger = logging.getLogger(__name__)

LARGEST_GRADIENT = 1.0
"""Norm to which gradients are cut."""


def state_bytes(content: Any) -> bytes:
    """A checkpoint as bytes, to be written in one piece."""
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@dataclass(frozen=True)
class Rules:
    """When a run is over, what decides, and what it draws from."""

    metric: str = "val_nll"
    """Metric of the validation engine that decides what is best; smaller is better."""
    patience: int = 15
    """Epochs without improvement after which training stops."""
    max_hours: float | None = None
    """Budget over all resumed parts; None for none."""
    seed: int = 0
    """Each epoch draws from ``seed + epoch``, so that a resumed run sees what an uninterrupted one
    would."""
    write: bool = True
    """False on processes that only compute."""


class TrainingJournal:
    """Keeps a run's state on disk so that it survives being killed at any moment.

    And decides when it is over.

    Writes ``last.pt`` (everything a resume needs, the best value so far included), ``best.pt``
    (weights) and ``history.csv`` into ``folder`` after every epoch, each under a temporary name
    first. Attach it after the ``ValidationHandler``.

    Args:
        folder: where the state lies; a ``last.pt`` found there is resumed.
        network: the module whose weights are kept (not its distributed wrapper).
        optimizer: its state is kept, its learning rate driven: warm-up, then a cosine over
            ``max_epochs`` or ``max_hours``, whichever ends first.
        evaluator: the validation engine.
        rules: fields of ``Rules``.
    """

    def __init__(
        self,
        folder: str,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        evaluator: Engine,
        **rules: Any,
    ) -> None:
        self.folder = Path(folder)
        self.network, self.optimizer, self.evaluator = network, optimizer, evaluator
        self.rules = Rules(**rules)
        self.max_seconds = (
            math.inf if self.rules.max_hours is None else 3600.0 * self.rules.max_hours
        )
        self.highest_rate = float(optimizer.param_groups[0]["lr"])
        self.best, self.best_epoch = math.inf, 0
        self.spent = self.seconds = 0.0
        self.history: list[dict[str, float]] = []
        self._loss_sum, self._loss_count = 0.0, 0
        self._mark = time.monotonic()

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the trainer."""
        engine.add_event_handler(Events.STARTED, self.resume)
        engine.add_event_handler(Events.EPOCH_STARTED, self.begin_epoch)
        engine.add_event_handler(Events.ITERATION_STARTED, self.set_rate)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.clip)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.count)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.end_epoch)

    def read_clock(self) -> None:
        """Sets ``seconds``, the time spent in training over all resumed parts.

        All processes go by the clock of the first: they must stop at the same step, or they wait
        for each other for ever.
        """
        elapsed = self.spent + time.monotonic() - self._mark
        self.seconds = (
            float(idist.broadcast(elapsed, src=0)) if idist.get_world_size() > 1 else elapsed
        )

    def resume(self, engine: Engine) -> None:
        """Continues from ``last.pt`` where there is one."""
        self._mark = time.monotonic()
        path = self.folder / "last.pt"
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except DAMAGE:
            raise BundleError(f"{path} is damaged; remove {self.folder} to begin anew.") from None
        try:
            self.network.load_state_dict(state["network"])
        except RuntimeError:
            raise BundleError(
                f"{path} is the state of another network; remove {self.folder} or train into "
                "another file."
            ) from None
        self.optimizer.load_state_dict(state["optimizer"])
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.seconds = self.spent = state["seconds"]
        self.history = state["history"]
        engine.state.epoch = state["epoch"]
        engine.state.iteration = state["epoch"] * engine.state.epoch_length
        logger.info(
            "resumed from %s after epoch %d, best %s %.4f",
            path,
            state["epoch"],
            self.rules.metric,
            self.best,
        )
        if self._over(state["epoch"]):
            engine.terminate()

    def begin_epoch(self, engine: Engine) -> None:
        """Seeds the draw of this epoch.

        Torch's own generator, and that of the sampler where it has one.
        """
        seed = self.rules.seed + engine.state.epoch
        torch.manual_seed(seed)
        own = getattr(getattr(engine.state.dataloader, "sampler", None), "generator", None)
        if own is not None:
            own.manual_seed(seed)
        self._loss_sum, self._loss_count = 0.0, 0

    def set_rate(self, engine: Engine) -> None:
        """Warm-up, then cosine."""
        step = engine.state.iteration
        steps = engine.state.max_epochs * engine.state.epoch_length
        share = max(step / steps, self.seconds / self.max_seconds)
        rate = rate_at(step, share, self.highest_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def clip(self, engine: Engine) -> None:
        """Bounds the gradient: one crop across a metal edge must not undo an epoch."""
        scaler = getattr(engine, "scaler", None)
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)

    def count(self, engine: Engine) -> None:
        """Sums the loss; cuts the epoch short when the budget is spent."""
        output = engine.state.output
        first = output[0] if isinstance(output, list) else output
        self._loss_sum += float(first["loss"].detach())
        self._loss_count += 1
        if math.isfinite(self.max_seconds):
            self.read_clock()
        if self.seconds > self.max_seconds:
            engine.terminate_epoch()

    def end_epoch(self, engine: Engine) -> None:
        """Writes state and history; stops when it is over."""
        self.read_clock()
        metric = self.rules.metric
        epoch, value = engine.state.epoch, float(self.evaluator.state.metrics[metric])
        loss = self._loss_sum / max(self._loss_count, 1)
        improved = value < self.best
        if improved:
            self.best, self.best_epoch = value, epoch
        rate = float(self.optimizer.param_groups[0]["lr"])
        self.history.append(
            {
                "epoch": epoch,
                "train_loss": loss,
                metric: value,
                "seconds": round(self.seconds, 1),
                "rate": rate,
            }
        )
        if self.rules.write:
            self._save(epoch, improved)
            self._tell(epoch, engine.state.max_epochs)
        if self._over(epoch):
            engine.terminate()

    def _tell(self, epoch: int, epochs: int) -> None:
        last = self.history[-1]
        left = max(
            0.0, min(self.max_seconds - self.seconds, self.seconds / epoch * (epochs - epoch))
        )
        metric = self.rules.metric
        logger.info(
            (
                "epoch %d of %d: loss %.4f, %s %.4f, best %.4f (epoch %d), %.0f s spent, at most "
                "%.0f min left"
            ),
            *(
                epoch,
                epochs,
                last["train_loss"],
                metric,
                last[metric],
                self.best,
                self.best_epoch,
                self.seconds,
                left / 60,
            ),
        )

    def _over(self, epoch: int) -> bool:
        return (
            epoch - self.best_epoch >= self.rules.patience
            or self.seconds * (1 + 0.5 / max(epoch, 1)) > self.max_seconds
        )

    def _save(self, epoch: int, improved: bool) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        weights = self.network.state_dict()
        if improved:
            write_atomically(self.folder / "best.pt", state_bytes(weights))
        table = io.StringIO()
        writer = csv.DictWriter(table, list(self.history[0]))
        writer.writeheader()
        writer.writerows(self.history)
        write_atomically(self.folder / "history.csv", table.getvalue().encode())
        # last.pt after the others: a kill in between repeats the epoch and writes them again, never
        # the other way round.
        last = {
            "network": weights,
            "optimizer": self.optimizer.state_dict(),
            "epoch": epoch,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "history": self.history,
        }
        write_atomically(self.folder / "last.pt", state_bytes(last))


EPOCH_LINE_EVERY_S = 20.0
"""Seconds between two lines within an epoch: training takes hours, and each epoch ends with a
line."""


class ProgressBar:
    """How far an epoch is: a bar on a terminal, elsewhere a line now and then.

    Each epoch ends with the line of the journal.
    """

    def __init__(self) -> None:
        self.progress: Progress | None = None

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._open)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._close)

    def _open(self, engine: Engine) -> None:
        doing = f"epoch {engine.state.epoch} of {engine.state.max_epochs}, batches"
        self.progress = Progress(doing, engine.state.epoch_length, EPOCH_LINE_EVERY_S)

    def _step(self, _: Engine) -> None:
        if self.progress is not None:
            self.progress.update()

    def _close(self, _: Engine) -> None:
        if self.progress is not None:
            self.progress.close()
