"""Builds and runs a bundle's workflows.

What the commands, the Python verbs and every other entry point call.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from monai.bundle import ConfigWorkflow

from dfd.bundle import model_file
from dfd.bundle.datalists import collect
from dfd.bundle.inference.results import calibration_of
from dfd.calibration import SERIES, Calibration, true_rate_bound
from dfd.errors import BundleError, DfdError
from dfd.modalities import MODALITIES
from dfd.model_paths import bundle_dir, bundle_names, resolve_model
from dfd.options import options_of
from dfd.outputs import lock
from dfd.records import Finding
from dfd.settings import CalibrateSettings, ScoreSettings, TrainSettings

logger = logging.getLogger(__name__)


@contextmanager
def quiet_monai() -> Iterator[None]:
    """Silence MONAI, which warns of every config it parses and of every plug-in it misses."""
    # MONAI's modules set levels on loggers of their own, so each is named.
    names = [
        name
        for name in logging.root.manager.loggerDict
        if name.split(".")[0] in ("ignite", "monai")
    ]
    loud = [logging.getLogger(name) for name in (*names, "py.warnings")]
    levels = [log.level for log in loud]
    for log in loud:
        log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(loud, levels, strict=True):
            log.setLevel(level)


@contextmanager
def unwrapped() -> Iterator[None]:
    """MONAI wraps what its parts raise; callers are promised errors of this program as they are."""
    found: DfdError | None = None
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, DfdError):
            cause = cause.__cause__
        if cause is None:
            raise
        found = cause
    if found is not None:  # raised out here, so that it does not carry the wrapper along
        raise found


def run_config(bundle: Path, config: str, overrides: Mapping[str, object]) -> object:
    """Runs ``configs/<config>.json`` of a bundle and gives the last result of its run list.

    Raises:
        BundleError: an override names no key of the configuration.
        DfdError: what the parts of the workflow raise.
    """
    file = bundle / "configs" / f"{config}.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for key in overrides:
        if key.split("::")[0] not in content:
            raise BundleError(
                f"{file} has no key {key!r}; it belongs to another version of this program."
            )
    with unwrapped(), quiet_monai():
        run_id = {"train": "training", "inference": "inference", "evaluate": "calibrating"}[config]
        workflow = ConfigWorkflow(
            config_file=str(file),
            meta_file=str(bundle / "configs" / "metadata.json"),
            logging_file=False,
            run_id=run_id,
            workflow_type="train" if config == "train" else "infer",
            bundle_root=str(bundle),
            **overrides,
        )
        workflow.initialize()
        result = workflow.run()
        workflow.finalize()
    return result[-1]


def bundle_of(model: Path) -> Path:
    """The bundle folder that a model belongs to.

    Itself, or the shipped one whose name it carries.
    """
    if model.is_dir():
        return model
    name = model_file.load(model).bundle
    if name not in bundle_names():
        shipped = ", ".join(bundle_names())
        raise BundleError(
            f"{model} does not say which bundle it belongs to; give a file written by `dfd "
            f"train` or one of {shipped}."
        )
    return bundle_dir(name)


def score(settings: ScoreSettings) -> list[Finding]:
    """Scores the points of a folder, writes the outputs, and gives one finding per row.

    Raises:
        DfdError: data, points or model cannot be used at all.
    """
    model = resolve_model(settings.model)
    bundle = bundle_of(model)
    overrides = _overrides(settings, model_path=str(model))
    if "settings" not in _keys(bundle, "inference"):
        overrides = _without_settings(overrides, bundle)
    return cast("list[Finding]", run_config(bundle, "inference", overrides))


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
    overrides = _overrides(settings, model_path=str(model))
    return cast("Path", run_config(bundle_of(model), "evaluate", overrides))


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
    setting = calibration.settings.get(SERIES)
    return 0 if setting is None else min(len(table.patients) for table in setting.tables.values())


def describe(model: str) -> dict[str, object]:
    """What a model is.

    Path, bundle, version, digest of its weights, and what its p-values stand on.
    """
    path = resolve_model(model)
    loaded = model_file.load(path)
    bundle = bundle_of(path)
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    calibration = calibration_of(loaded)
    description: dict[str, object] = {
        "model": os.fspath(path),
        "bundle": bundle.name,
        "version": metadata["version"],
        "weights sha256": loaded.sha256,
        "calibration patients": calibration.patients if calibration else 0,
        "of them with neighbouring slices": with_context(calibration) if calibration else 0,
    }
    if calibration:
        bound = true_rate_bound(calibration.patients, 0.05)
        description["smallest p-value supported"] = round(calibration.smallest_p, 4)
        description["true false-alarm rate at 0.05, upper bound"] = (
            f"{bound:.3f}" if bound < 1 else "unbounded with so few patients"
        )
    description["use"] = metadata["intended_use"]
    return description
