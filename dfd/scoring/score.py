"""One scoring run: read -> predict -> assess -> write, slice by slice."""

from __future__ import annotations

from dataclasses import replace

from dfd.modalities import Modality
from dfd.models.model import Model
from dfd.outputs.run_log import RunLog
from dfd.records import Finding
from dfd.scoring.requested_points import points_of
from dfd.scoring.results_folder import results_folder
from dfd.settings import ScoreSettings


def score(settings: ScoreSettings, model: Model, modality: Modality) -> list[Finding]:
    """Scores the points of a folder, writes the outputs, and gives one finding per row.

    What can be refused is refused before the libraries of the outputs and torch are imported,
    which takes seconds.

    Args:
        settings: of the run.
        model: as :func:`dfd.models.model.read_model` gives it.
        modality: of its bundle.

    Raises:
        DfdError: data, points or model cannot be used at all.
    """
    settings = replace(settings, model=str(model.path))
    log = RunLog()
    points = points_of(settings.data, settings.points, log)
    _refuse_device(settings.device)
    folder = results_folder(settings.output_dir, model)
    from dfd.scoring.results import RunResults
    from dfd.scoring.runs import recorded

    results = RunResults(points, folder, model, modality.name, settings=settings, log=log)
    if all(point.error for point in points):
        return recorded(results, "", 0, lambda: None)
    from dfd.scoring.stages import Stages

    stages = Stages(settings, modality)
    return recorded(results, str(stages.device), stages.threads, lambda: stages.run(results))


def _refuse_device(name: str) -> None:
    """Refuse a device that is not there before a folder is made for the results.

    Raises:
        BundleError: it is not there.
    """
    if name not in ("auto", "cpu"):  # which are always there
        from dfd.prediction.devices import device_of

        device_of(name)
