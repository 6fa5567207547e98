"""Scores, trains, calibrates, and says what a model is.

What the commands, the Python verbs and every other entry point call. MONAI is imported where a
bundle's own configuration is run: in training, in calibrating, and in scoring with a bundle whose
configuration is not that of this version. Nothing heavy is imported before a request is checked.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dfd.errors import BundleError
from dfd.modalities import MODALITIES
from dfd.model_paths import bundle_dir, resolve_model
from dfd.models.model import read_model
from dfd.options import options_of
from dfd.scoring import configuration
from dfd.settings import CalibrateSettings, ScoreSettings, ScreenSettings, TrainSettings

if TYPE_CHECKING:
    from dfd.calibration import Calibration
    from dfd.records import Finding
    from dfd.repository.screen import Screened

logger = logging.getLogger(__name__)


def score(settings: ScoreSettings) -> list[Finding]:
    """Scores the points of a folder, writes the outputs, and gives one finding per row.

    Raises:
        DfdError: data, points or model cannot be used at all.
    """
    model = resolve_model(settings.model)
    bundle = configuration.bundle_of(model)
    modality = configuration.modality_of(bundle)
    if modality is not None:
        from dfd.scoring import score as core

        return core.score(settings, read_model(model), modality)
    overrides = _overrides(settings, model_path=str(model))
    if "settings" not in _keys(bundle, "inference"):
        overrides = _without_settings(overrides, bundle)
    return cast("list[Finding]", run_config(bundle, "inference", overrides))


def screen(settings: ScreenSettings) -> Screened:
    """Screens every series of a repository, and gives what became of each.

    Raises:
        DfdError: source, model or output folder cannot be used, or the run was stopped.
    """
    from dfd.repository import screen as repository

    return repository.screen(settings)


def train(settings: TrainSettings) -> Path:
    """Trains on genuine scans, calibrates on patients left out.

    And gives the file that was written.

    Raises:
        DfdError: the scans cannot be used.
    """
    if not settings.data.is_dir():
        raise BundleError(f"the training folder {settings.data} does not exist; check the path.")
    if settings.modality is not None and settings.modality not in MODALITIES:
        raise BundleError(
            f"there is no modality {settings.modality!r}; choose one of {', '.join(MODALITIES)}."
        )
    from dfd.bundle.datalists import collect
    from dfd.outputs import lock

    if settings.modality is not None:
        _refuse_no_scans(settings.data, settings.modality)
    name = settings.modality or collect(settings.data).modality
    logger.info("training a model of %s; its state is kept in %s.training", name, settings.model)
    try:
        return cast(
            "Path", run_config(bundle_dir(MODALITIES[name].bundle), "train", _overrides(settings))
        )
    finally:
        lock.let_go(
            Path(f"{settings.model}.training")
        )  # also where it failed, in a process that goes on


def calibrate(settings: CalibrateSettings) -> Path:
    """Fits the calibration of a model anew on genuine scans and gives the file that was written."""
    model = resolve_model(settings.model)
    bundle = configuration.bundle_of(model)
    modality = configuration.modality_of(bundle)
    if modality is not None:
        _refuse_no_scans(settings.data, modality.name)
    overrides = _overrides(settings, model_path=str(model))
    return cast("Path", run_config(bundle, "evaluate", overrides))


def _refuse_no_scans(data: Path, modality: str) -> None:
    """Refuse a folder without scans before MONAI is imported.

    Raises:
        SeriesError: it holds none.
    """
    from dfd.reading import find_files

    if not find_files(data):
        from dfd.bundle.datalists import collect

        collect(data, modality)  # which says what is missing


def run_config(bundle: Path, config: str, overrides: Mapping[str, object]) -> object:
    """The last result of a bundle's configuration, which MONAI runs."""
    from dfd.bundle.config_workflow import run_config as run

    return run(bundle, config, overrides)


def _overrides(
    settings: ScoreSettings | TrainSettings | CalibrateSettings, **other: object
) -> dict[str, object]:
    """What a settings record changes in a bundle's configuration; ``other`` comes before it."""
    values = {
        each.key: getattr(settings, each.name)
        for each in options_of(type(settings))
        if each.option.in_bundle
    }
    plain = {key: str(one) if isinstance(one, Path) else one for key, one in values.items()}
    return plain | other


def _keys(bundle: Path, config: str) -> frozenset[str]:
    file = bundle / "configs" / f"{config}.json"
    return frozenset(json.loads(file.read_text(encoding="utf-8")))


def _without_settings(overrides: Mapping[str, object], bundle: Path) -> dict[str, object]:
    """Overrides for a bundle of an earlier version, which has a key for each option it knows.

    Raises:
        BundleError: an option is asked for that the bundle does not know.
    """
    known = _keys(bundle, "inference")
    defaults = {each.key: each.default for each in options_of(ScoreSettings)}
    kept: dict[str, object] = {}
    for key, value in overrides.items():
        name = key.removeprefix("settings::")
        if name in known:
            kept[name] = value
        elif value != defaults[key]:
            raise BundleError(
                f"the bundle {bundle} does not know the option {name!r}, since it is older than "
                "this program; leave the option out, or take the bundle of this version."
            )
    return kept


def with_context(calibration: Calibration) -> int:
    """On how many patients the tables of slices with neighbours stand."""
    from dfd.calibration import SERIES

    setting = calibration.settings.get(SERIES)
    return 0 if setting is None else min(len(table.patients) for table in setting.tables.values())


def searched_patients(calibration: Calibration) -> dict[str, object]:
    """On how many patients the tables of whole slices and of whole series stand."""
    from dfd.calibration import SCREENING, SERIES_SCREENING

    found: dict[str, object] = {}
    for what, name in (("slices", SCREENING), ("series", SERIES_SCREENING)):
        setting = calibration.settings.get(name)
        table = setting.maximum if setting else None
        found[f"of them with whole {what} screened"] = len(table.patients) if table else 0
        if table:
            smallest = round(1.0 / (1 + table.effective_patients), 4)
            found[f"smallest p-value supported of whole {what}"] = smallest
    return found


def describe(model: str) -> dict[str, object]:
    """What a model is.

    Path, bundle, version, digest of its weights, and what its p-values stand on.
    """
    from dfd.calibration import true_rate_bound
    from dfd.models import signature
    from dfd.scoring.basis import calibration_of

    path = resolve_model(model)
    loaded = read_model(path)
    bundle = configuration.bundle_of(path)
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    calibration = calibration_of(loaded)
    description: dict[str, object] = {
        "model": os.fspath(path),
        "bundle": bundle.name,
        "version": metadata["version"],
        "weights sha256": loaded.sha256,
        "signature": signature.state_of(path),
        "calibration patients": calibration.patients if calibration else 0,
        "of them with neighbouring slices": with_context(calibration) if calibration else 0,
    }
    if calibration:
        description["effective calibration patients"] = round(calibration.effective_patients, 1)
        bound = true_rate_bound(int(calibration.effective_patients), 0.05)
        description["smallest p-value supported"] = round(calibration.smallest_p, 4)
        description["true false-alarm rate at 0.05, upper bound"] = (
            f"{bound:.3f}" if bound < 1 else "unbounded with so few patients"
        )
        description |= searched_patients(calibration)
    description["use"] = metadata["intended_use"]
    return description
