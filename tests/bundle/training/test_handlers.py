"""The journal of a training run.

What is kept survives a kill, and a resumed run is the uninterrupted one.
"""

from __future__ import annotations

import csv
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.data import DataLoader
from monai.engines import SupervisedTrainer

from dfd.bundle.batches import prepare_batch, stacked
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.bundle.training import handlers, schedule
from dfd.bundle.training.crops import HideCropd
from dfd.bundle.training.handlers import TrainingJournal
from dfd.bundle.training.loss import MaskedLikelihoodLoss
from dfd.bundle.training.read_ahead import ReadAheadLoader
from dfd.bundle.training.samplers import DrawnCrops, WeightedDraws
from dfd.bundle.training.schedule import FINAL_SHARE, WARM_UP_STEPS
from dfd.errors import BundleError, OutputError


class KilledError(Exception):
    """Stands for kill -9."""


def small_network(channels: tuple[int, ...] = (2, 3)) -> MaskedPredictor:
    torch.manual_seed(11)
    return MaskedPredictor(channels=channels, filters=2, filter_size=3, num_res_units=0)


def slices() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [
        {
            "pixels": rng.normal(4, 1, (32, 32)).astype(np.float32),
            "measured": np.ones((32, 32), bool),
        }
        for _ in range(5)
    ]


class Run:
    """One process's part of a training run.

    ``values`` are the validation results of epochs 1, 2, ...
    """

    def __init__(self, folder: Path, values: list[float] | None = None, **rules: Any) -> None:
        self.network = small_network()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=0.01)
        self.evaluator = Engine(lambda *_: None)
        self.evaluator.state.metrics = {}
        sampler = WeightedDraws([1.0, 2.0, 1.0, 3.0, 1.0], num_samples=8)
        crops = DrawnCrops(slices(), HideCropd(size=16, varied=True))
        workers = rules.pop("num_workers", 0)
        loader = rules.pop("loader", ReadAheadLoader)(
            crops,
            batch_size=2,
            sampler=sampler,
            num_workers=workers,
            drop_last=True,
            collate_fn=stacked,
        )
        self.trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=rules.pop("max_epochs", 4),
            train_data_loader=loader,
            network=self.network,
            optimizer=self.optimizer,
            loss_function=MaskedLikelihoodLoss(),
            prepare_batch=prepare_batch,
            decollate=False,
        )
        self.values = values
        # Stands in for MONAI's ValidationHandler, which is attached before the journal.
        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, self._validate)
        self.journal = TrainingJournal(
            str(folder), self.network, self.optimizer, self.evaluator, **({"seed": 3} | rules)
        )
        self.journal.attach(self.trainer)

    def _validate(self, engine: Engine) -> None:
        first = next(self.network.parameters())
        value = (
            float(first.detach().abs().sum())
            if self.values is None
            else self.values[engine.state.epoch - 1]
        )
        self.evaluator.state.metrics["val_nll"] = value

    def kill_before(self, epoch: int, iteration: int = 2) -> None:
        def kill(engine: Engine) -> None:
            if engine.state.epoch == epoch and engine.state.iteration % 4 == iteration:
                raise KilledError

        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, kill)

    def go(self) -> Run:
        self.trainer.run()
        return self

    @property
    def weights(self) -> bytes:
        return b"".join(tensor.numpy().tobytes() for tensor in self.network.state_dict().values())


def saved(path: Path) -> Any:
    return torch.load(path, weights_only=True)


@pytest.fixture(autouse=True)
def _quick_and_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "WARM_UP_STEPS", 3)
    monkeypatch.setattr(handlers.logging.getLogger("ignite"), "disabled", True)


def test_a_run_writes_state_weights_and_history(tmp_path: Path) -> None:
    run = Run(tmp_path / "state", [3.0, 1.0, 2.0, 1.5]).go()
    state = saved(tmp_path / "state" / "last.pt")
    assert (state["epoch"], state["best"], state["best_epoch"]) == (4, 1.0, 2)
    assert all(
        torch.equal(state["network"][name], tensor)
        for name, tensor in run.network.state_dict().items()
    )
    with (tmp_path / "state" / "history.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["val_nll"]) for row in rows] == [3.0, 1.0, 2.0, 1.5]
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert all(np.isfinite(float(row["train_loss"])) for row in rows)
    assert {path.name for path in (tmp_path / "state").iterdir()} == {
        "last.pt",
        "best.pt",
        "history.csv",
    }


def test_best_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    whole = Run(tmp_path / "whole", [3.0, 1.0, 2.0, 1.5])
    kept = {}
    whole.trainer.add_event_handler(
        Events.EPOCH_COMPLETED, lambda engine: kept.update({engine.state.epoch: whole.weights})
    )
    whole.go()
    best = saved(tmp_path / "whole" / "best.pt")
    assert b"".join(tensor.numpy().tobytes() for tensor in best.values()) == kept[2]
    assert kept[2] != kept[4]


@pytest.mark.parametrize(("epoch", "iteration"), [(1, 2), (2, 0), (3, 1), (4, 3)])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, epoch: int, iteration: int) -> None:
    whole = Run(tmp_path / "whole").go()
    broken = Run(tmp_path / "broken")
    broken.kill_before(epoch, iteration)
    with pytest.raises(KilledError):
        broken.go()
    torch.manual_seed(987)
    resumed = Run(tmp_path / "broken").go()
    assert resumed.weights == whole.weights
    rows = [
        [
            {name: value for name, value in row.items() if name != "seconds"}
            for row in run.journal.history
        ]
        for run in (whole, resumed)
    ]
    assert rows[0] == rows[1]
    states = [
        saved(tmp_path / name / "last.pt")["optimizer"]["state"] for name in ("whole", "broken")
    ]
    for key, entry in states[0].items():
        assert all(
            torch.equal(torch.as_tensor(value), torch.as_tensor(states[1][key][name]))
            for name, value in entry.items()
        )


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    assert (
        Run(tmp_path / "a", max_epochs=1).go().weights
        != Run(tmp_path / "b", max_epochs=1, seed=4).go().weights
    )


def test_the_number_of_reader_processes_changes_nothing(tmp_path: Path) -> None:
    alone, helped = (
        Run(tmp_path / str(workers), max_epochs=2, num_workers=workers).go() for workers in (0, 2)
    )
    assert helped.weights == alone.weights
    assert [row["train_loss"] for row in helped.journal.history] == [
        row["train_loss"] for row in alone.journal.history
    ]


def test_reading_ahead_changes_nothing(tmp_path: Path) -> None:
    ahead, plain = (
        Run(tmp_path / loader.__name__, max_epochs=2, loader=loader).go()
        for loader in (ReadAheadLoader, DataLoader)
    )
    assert ahead.weights == plain.weights


def test_the_best_value_survives_a_resume(tmp_path: Path) -> None:
    """MONAI's own saver forgets it.

    The first epoch after a resume would then overwrite better weights.
    """
    first = Run(tmp_path, [5.0, 1.0, 9.0, 9.0])
    first.kill_before(3)
    with pytest.raises(KilledError):
        first.go()
    best = (tmp_path / "best.pt").read_bytes()
    second = Run(tmp_path, [5.0, 1.0, 4.0, 3.0]).go()
    assert (tmp_path / "best.pt").read_bytes() == best
    assert (second.journal.best, second.journal.best_epoch) == (1.0, 2)
    third = Run(tmp_path, [5.0, 1.0, 4.0, 3.0, 0.5], max_epochs=5).go()
    assert (tmp_path / "best.pt").read_bytes() != best
    assert (third.journal.best, third.journal.best_epoch) == (0.5, 5)


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    first = Run(tmp_path, [1.0] * 4).go()
    again = Run(tmp_path, [0.0] * 4).go()
    assert again.weights == first.weights
    assert again.journal.history == first.journal.history


def test_it_stops_when_nothing_improves(tmp_path: Path) -> None:
    run = Run(tmp_path, [3.0, 2.0, 2.0, 2.5, 2.1, 0.0, 0.0], max_epochs=7, patience=3).go()
    assert len(run.journal.history) == 5
    assert (
        Run(tmp_path, [0.0] * 7, max_epochs=7, patience=3).go().journal.history
        == run.journal.history
    )


def test_a_value_that_is_not_a_number_is_no_improvement(tmp_path: Path) -> None:
    run = Run(tmp_path, [3.0, float("nan"), 2.0, float("nan")]).go()
    assert (run.journal.best, run.journal.best_epoch) == (2.0, 3)


class Clock:
    """Seconds that pass only where a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(handlers, "time", made)
    return made


def ticking(run: Run, clock: Clock, seconds: float) -> Run:
    def tick(_: Engine) -> None:
        clock.now += seconds

    run.trainer.add_event_handler(Events.ITERATION_STARTED, tick)
    return run


def test_the_time_budget_ends_a_run_in_the_middle_of_an_epoch(tmp_path: Path, clock: Clock) -> None:
    run = ticking(Run(tmp_path, [3.0] * 9, max_epochs=9, max_hours=2.5 / 3600), clock, 1.0).go()
    assert run.trainer.state.iteration == 3
    assert len(run.journal.history) == 1, "the epoch that was cut short is validated and kept"
    assert saved(tmp_path / "last.pt")["epoch"] == 1


def test_no_epoch_is_begun_that_cannot_come_half_way(tmp_path: Path, clock: Clock) -> None:
    run = ticking(Run(tmp_path, [3.0] * 9, max_epochs=9, max_hours=9.9 / 3600), clock, 1.0).go()
    assert [row["seconds"] for row in run.journal.history] == [4.0, 8.0]


def test_the_time_budget_counts_all_parts_of_a_run(tmp_path: Path, clock: Clock) -> None:
    rules = {"max_epochs": 9, "max_hours": 13.0 / 3600}
    first = ticking(Run(tmp_path, [3.0] * 9, **rules), clock, 1.0)
    first.kill_before(2)
    with pytest.raises(KilledError):
        first.go()
    clock.now += 9999.0
    second = ticking(Run(tmp_path, [3.0] * 9, **rules), clock, 1.0).go()
    assert [row["seconds"] for row in second.journal.history] == [4.0, 8.0, 12.0]
    again = ticking(Run(tmp_path, [3.0] * 9, **rules), clock, 1.0).go()
    assert len(again.journal.history) == 3


def rates(run: Run) -> list[float]:
    seen: list[float] = []
    run.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda _: seen.append(run.optimizer.param_groups[0]["lr"])
    )
    run.go()
    return seen


def test_the_learning_rate_warms_up_and_falls(tmp_path: Path) -> None:
    seen = rates(Run(tmp_path, [1.0] * 5, max_epochs=5))
    assert WARM_UP_STEPS == 200
    assert seen[0] < seen[1] < seen[2]
    assert all(before > after for before, after in pairwise(seen[2:]))
    assert max(seen) <= 0.01
    assert seen[-1] == pytest.approx(0.01 * FINAL_SHARE)


def test_the_learning_rate_goes_by_the_clock_where_that_ends_first(
    tmp_path: Path, clock: Clock
) -> None:
    seen = rates(
        ticking(Run(tmp_path, [1.0] * 99, max_epochs=99, max_hours=8.0 / 3600), clock, 1.0)
    )
    assert len(seen) < 12
    assert seen[-1] < 0.2 * 0.01


def test_gradients_are_cut(tmp_path: Path) -> None:
    run = Run(tmp_path, [1.0], max_epochs=1)
    norms = []

    class Loud(torch.nn.Module):
        def forward(self, prediction: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
            return 1e4 * MaskedLikelihoodLoss()(prediction, label)

    run.trainer.loss_function = Loud()
    step = run.optimizer.step

    def spy(*args: Any, **words: Any) -> Any:
        norms.append(
            float(
                torch.cat(
                    [p.grad.flatten() for p in run.network.parameters() if p.requires_grad]
                ).norm()
            )
        )
        return step(*args, **words)

    run.optimizer.step = spy
    run.go()
    assert len(norms) == 4
    assert max(norms) <= 1.0 + 1e-4


@pytest.mark.parametrize("name", ["best.pt", "last.pt", "history.csv"])
def test_a_kill_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole = Run(tmp_path / "whole", [4.0, 3.0, 2.0, 1.0]).go()
    state = tmp_path / "state"
    run = Run(state, [4.0, 3.0, 2.0, 1.0])
    replace, before = os.replace, {}

    def killed(source: Any, target: Any) -> None:
        if run.trainer.state.epoch == 3 and Path(target).name == name:
            before.update(
                {path: path.read_bytes() for path in state.iterdir() if path.suffix != ".tmp"}
            )
            raise KilledError
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KilledError):
        run.go()
    assert {path: path.read_bytes() for path in state.iterdir()} == before
    assert saved(state / "last.pt")["epoch"] == 2
    monkeypatch.setattr(os, "replace", replace)
    resumed = Run(state, [4.0, 3.0, 2.0, 1.0]).go()
    assert resumed.weights == whole.weights
    assert saved(state / "best.pt").keys() == saved(tmp_path / "whole" / "best.pt").keys()
    assert len((state / "history.csv").read_text().splitlines()) == 5


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=r"best\.pt cannot be written: the disk is full"):
        Run(tmp_path, [1.0] * 4).go()
    assert list(tmp_path.iterdir()) == []


def test_the_state_of_another_network_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path, [1.0], max_epochs=1).go()
    other = small_network(channels=(2, 5))
    journal = TrainingJournal(
        str(tmp_path), other, torch.optim.AdamW(other.parameters()), run.evaluator
    )
    with pytest.raises(
        BundleError,
        match=r"last\.pt is the state of another network; remove .* or train into another file",
    ):
        journal.resume(run.trainer)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path, [1.0], max_epochs=1).go()
    (tmp_path / "last.pt").write_bytes(b"rubbish")
    with pytest.raises(BundleError, match=r"last\.pt is damaged; remove .* to begin anew"):
        run.journal.resume(run.trainer)


def test_processes_that_only_compute_write_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path / "state", [1.0], max_epochs=1, write=False).go()
    assert len(run.journal.history) == 1
    assert not (tmp_path / "state").exists()


def test_a_rule_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="patients"):
        Run(tmp_path, patients=3)
