"""Settings of a run, read once from flags or keyword arguments and frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dfd.errors import UsageError


def check_dicom(*, dicom: bool, anonymous: bool) -> None:
    """Refuse DICOM results of an anonymous run.

    Raises:
        UsageError: both are asked for.
    """
    if dicom and anonymous:
        raise UsageError(
            "DICOM results cannot be anonymous, since they name the patient and refer to the "
            "source images: leave one of the two out"
        )


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """One scoring run."""

    data: Path
    """Folder with the scans, searched at any depth."""
    points: Path | None = None
    """Points file; None: ``test.csv``, else the only ``*.csv`` of ``data``, else every slice is
    screened as a whole."""
    model: str = "ct_lung_inpainting"
    """Name of a shipped bundle, a bundle folder, or a file written by training."""
    output_dir: Path | None = None
    """None: ``dfd_results/<time>`` under the first of model's folder and working folder that can be
    written."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    workers: int = 0
    """Processes that read and decode slices."""
    seed: int = 20261122
    images: bool = True
    """Write an overlay per point, and a map per slice that is screened."""
    report: bool = True
    """Write ``report.html``; it holds pictures only where ``images`` is True."""
    anonymous: bool = False
    """Replace paths and file names in every output by run-local numbers, and leave out further
    columns of the points file."""
    context: bool = True
    """Compare with the neighbouring slices that lie in the same folder; False: every slice counts
    as alone."""
    strict: bool = False
    """Exit status 3 where a row could not be scored."""
    dicom: bool = False
    """Write DICOM results (structured report, parametric map, segmentation) as well."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        check_dicom(dicom=self.dicom, anonymous=self.anonymous)


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

    data: Path
    """Folder with genuine scans of several patients."""
    model: Path
    """File to write."""
    modality: str | None = None
    """Name in ``MODALITIES``; None: read from the scans."""
    epochs: int = 100
    batch_size: int = 64
    workers: int = 0
    max_hours: float | None = None
    device: str = "auto"
    seed: int = 20261122


@dataclass(frozen=True, slots=True)
class CalibrateSettings:
    """One refit of the calibration on genuine scans."""

    data: Path
    model: str
    output: Path
    """Where the model with the new calibration is written (``.ckpt``)."""
    device: str = "auto"
    workers: int = 0
    seed: int = 20261122
