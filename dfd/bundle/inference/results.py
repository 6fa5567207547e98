"""Results of a run that a bundle's evaluator makes: ``dfd.scoring`` behind an Ignite handler."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from ignite.engine import Engine, Events

from dfd.assessment.criteria import SliceContext
from dfd.bundle import batches
from dfd.bundle.keys import Keys
from dfd.calibration import Calibration
from dfd.models import model_file
from dfd.models.model import Model
from dfd.prediction import learned_statistic
from dfd.records import Context, Finding
from dfd.scoring import basis
from dfd.scoring.requested_points import points_of as points_of  # named by inference.json
from dfd.scoring.results import RunResults
from dfd.scoring.results_folder import results_folder as results_folder  # named by inference.json
from dfd.scoring.runs import recorded
from dfd.scoring.slices import AssessedSlice, LoadedSlice


def calibration_of(model: Model) -> Calibration | None:
    """Of ``model``, with its learned statistic; None where it has none. Named by inference.json.

    Raises:
        CalibrationError: it is damaged.
    """
    calibration = basis.calibration_of(model)
    if calibration is None:
        return None
    return replace(calibration, weigh=learned_statistic.trained(model.weights))


class ResultsWriter(RunResults):
    """Ignite handler that takes the answers to each slice from the evaluator."""

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)

    def collect(self, engine: Engine) -> None:
        """Takes the findings of one slice."""
        output = engine.state.output
        self.device = str(output[Keys.IMAGE].device)
        assessed = AssessedSlice(
            output[Keys.FINDINGS],
            output[Keys.REGIONS],
            output.get(Keys.PREDICTION),
            output.get(Keys.SCREENINGS, {}),
            output.get(Keys.SOURCES, {}),
        )
        self.add(loaded_slice(engine.state.batch), assessed)


def loaded_slice(data: dict[Any, Any]) -> LoadedSlice:
    """The slice behind the keys that ``LoadSliced`` and the transforms after it set."""
    note, adjacent = data.get(Keys.CONTEXT_NOTE, ""), data.get(Keys.CONTEXT)
    context = SliceContext(
        adjacent if isinstance(adjacent, Context) else None,
        (note,) if note else (),
        data.get(Keys.RECONSTRUCTIONS, ()),
    )
    points = tuple(data.get(Keys.POINTS, ()))
    return LoadedSlice(points, data.get(Keys.SCAN), data.get(Keys.ERROR, ""), context)


def run(
    evaluator: Engine, network: torch.nn.Module, model: Model, results: ResultsWriter
) -> list[Finding]:
    """Loads the weights, scores every slice that is not finished yet, and writes the outputs.

    They are written also where the run is stopped midway.

    Raises:
        BundleError: the weights do not belong to this bundle.
        OutputError: another run writes into the same folder.
    """
    model_file.put_into(network, model, results.modality.bundle)
    device = next((str(each.device) for each in network.parameters()), "cpu")

    def work() -> None:
        done = results.collected.done
        if not done or batches.leave_out(evaluator, done):
            batches.run(evaluator)

    return recorded(results, device, torch.get_num_threads(), work)
