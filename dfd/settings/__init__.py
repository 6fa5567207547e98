"""Settings of a run: the one place where an option is declared.

Name, type and default are those of a field; its :class:`~dfd.options.Option` says how a command
line and a bundle call it. The flags of the verbs and of the catalogue's form, the keywords in
Python, the keys of a bundle's configuration and the configuration in ``run.json`` follow from the
fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfd.errors import UsageError
from dfd.options import NamedOption, Value, option, options_of
from dfd.settings.fields import (
    DEVICE,
    GENUINE_DATA,
    MODEL,
    SEED,
    SEED_OPTION,
    WORKERS,
    check_captures,
    check_dicom,
)
from dfd.settings.screen import ScreenSettings, is_address

__all__ = [
    "SEED",
    "CalibrateSettings",
    "RemoteStudy",
    "ScoreSettings",
    "ScreenSettings",
    "TrainSettings",
    "check_dicom",
    "is_address",
    "private_keys",
    "record_of",
    "score_settings",
]


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """One scoring run."""

    data: Path = field(
        metadata=option(
            "folder with the scans, searched at any depth",
            value=Value.PATH,
            metavar="DIR",
            catalogue="data_path",
            key="data_path",
        )
    )
    points: Path | None = field(
        default=None,
        metadata=option(
            "CSV with filename, X, Y (default: test.csv, else the only *.csv of DIR; none: every "
            "slice is screened)",
            value=Value.PATH,
            metavar="FILE",
            key="points",
        ),
    )
    model: str = field(
        default="ct_lung_inpainting",
        metadata=option(
            f"{MODEL} (default ct_lung_inpainting)",
            value=Value.TEXT,
            metavar="NAME|PATH",
            catalogue="model_path",
            key="model_path",
            private=True,
        ),
    )
    output_dir: Path | None = field(
        default=None,
        metadata=option(
            "where the results go (default: dfd_results/<time>)",
            value=Value.PATH,
            metavar="DIR",
            flag="output",
            key="output_dir",
        ),
    )
    device: str = field(default="auto", metadata=DEVICE)
    workers: int = field(default=0, metadata=WORKERS)
    seed: int = field(default=SEED, metadata=SEED_OPTION)
    images: bool = field(default=True, metadata=option("write no pictures, in the report neither"))
    report: bool = field(default=True, metadata=option("write no report.html"))
    anonymous: bool = field(
        default=False,
        metadata=option("numbers instead of paths and file names in every output"),
    )
    """Further columns of the points file are left out as well."""
    context: bool = field(
        default=True,
        metadata=option(
            "leave neighbouring slices aside: every slice counts as alone", former=("lone",)
        ),
    )
    strict: bool = field(
        default=False,
        metadata=option("exit status 3 where a point could not be scored", recorded=False),
    )
    dicom: bool = field(
        default=False,
        metadata=option("write DICOM results (report, map, segmentation) as well"),
    )
    dicom_captures: bool = field(
        default=False,
        metadata=option(
            "with DICOM results: the picture of each suspicious region too (Secondary Capture), "
            "for viewers that show neither map nor segmentation"
        ),
    )

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        check_dicom(dicom=self.dicom, anonymous=self.anonymous)
        if self.dicom_captures:
            check_captures(dicom=self.dicom, images=self.images)


@dataclass(frozen=True, slots=True)
class RemoteStudy:
    """Slices that lie in an archive instead of a folder."""

    url: str
    """Root of its DICOMweb services. Credentials come from the environment."""
    study: str
    """StudyInstanceUID."""
    series: tuple[str, ...] = ()
    """SeriesInstanceUIDs; empty: every CT and MR series of the study."""
    store: bool = False
    """Store DICOM results there."""


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """One training run."""

    data: Path = field(metadata=GENUINE_DATA)
    model: Path = field(
        metadata=option(
            "file to write, e.g. my_model.ckpt",
            value=Value.PATH,
            metavar="FILE",
            catalogue="model_path",
            key="model_path",
        )
    )
    modality: str | None = field(
        default=None,
        metadata=option(
            "ct_lung or mri_chest (default: read from the scans)",
            value=Value.MODALITY,
            metavar="NAME",
            in_bundle=False,
        ),
    )
    epochs: int = field(
        default=100,
        metadata=option(
            "at most so many (default 100)", value=Value.POSITIVE, metavar="N", key="max_epochs"
        ),
    )
    batch_size: int = field(
        default=64,
        metadata=option(
            "crops per step (default 64)", value=Value.POSITIVE, metavar="N", key="batch_size"
        ),
    )
    workers: int = field(default=0, metadata=WORKERS)
    max_hours: float | None = field(
        default=None,
        metadata=option(
            "stop in good order after so many hours",
            value=Value.HOURS,
            metavar="H",
            key="max_hours",
        ),
    )
    device: str = field(default="auto", metadata=DEVICE)
    seed: int = field(default=SEED, metadata=SEED_OPTION)


@dataclass(frozen=True, slots=True)
class CalibrateSettings:
    """One refit of the calibration on genuine scans."""

    data: Path = field(metadata=GENUINE_DATA)
    model: str = field(
        metadata=option(MODEL, value=Value.TEXT, metavar="NAME|PATH", key="model_path")
    )
    output: Path = field(
        metadata=option(
            "model to write, e.g. my_model.ckpt",
            value=Value.PATH,
            metavar="FILE",
            key="output_path",
        )
    )
    device: str = field(default="auto", metadata=DEVICE)
    workers: int = field(default=0, metadata=WORKERS)
    seed: int = field(default=SEED, metadata=SEED_OPTION)


def score_settings(
    given: Mapping[str, object] | None = None,
    **values: Any,  # noqa: ANN401 - values of a configuration
) -> ScoreSettings:
    """The settings of a scoring run by the keys of a bundle's configuration.

    Args:
        given: Options that the command line names, for what ``values`` leaves open.
        **values: By the key of an option, ``data_path`` for example, or by the name of its field.

    Raises:
        UsageError: There is no such option, or the options contradict each other.
    """
    named = {each.record_key: each for each in options_of(ScoreSettings)}
    fields_given: dict[str, Any] = {}
    for key, value in {**(given or {}), **values}.items():
        if key not in named:
            raise UsageError(
                f"there is no option {key!r} of a scoring run; there are: {', '.join(named)}"
            )
        fields_given[named[key].name] = _as_declared(named[key], value)
    return ScoreSettings(**fields_given)


def _as_declared(named: NamedOption, value: object) -> object:
    """A value of a configuration in the type of its field: paths, and yes or no as a word."""
    if named.option.value is Value.PATH and value is not None:
        return Path(str(value))
    if named.option.value is not Value.SWITCH or value in (True, False):
        return value
    words = {"true": True, "yes": True, "false": False, "no": False}
    if str(value).lower() not in words:
        raise UsageError(f"{named.record_key} is True or False, got {value!r}")
    return words[str(value).lower()]


def record_of(settings: ScoreSettings) -> dict[str, object]:
    """What ``run.json`` says was asked for, by the keys of a bundle's configuration."""
    return {
        each.record_key: getattr(settings, each.name)
        for each in options_of(type(settings))
        if each.option.recorded
    }


def private_keys() -> frozenset[str]:
    """Keys of :func:`record_of` whose values name paths of the user."""
    return frozenset(
        each.record_key
        for each in options_of(ScoreSettings)
        if each.option.private or each.option.value is Value.PATH
    )
