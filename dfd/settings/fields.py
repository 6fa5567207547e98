"""Options that several settings records have."""

from __future__ import annotations

from dfd.errors import UsageError
from dfd.options import Value, option

SEED = 20261122
"""Default of the one seed of all randomness."""

DEVICE = option(
    "auto (default), cpu, cuda or cuda:N", value=Value.DEVICE, metavar="WORD", key="device_name"
)
WORKERS = option(
    "processes that read slices (default 0: none besides the main one)",
    value=Value.COUNT,
    metavar="N",
    catalogue="num_workers",
    key="num_workers",
    recorded=False,
)
SEED_OPTION = option("the one seed of all randomness", value=Value.SEED, metavar="N", key="seed")
GENUINE_DATA = option(
    "folder with genuine scans of several patients",
    value=Value.PATH,
    metavar="DIR",
    catalogue="data_path",
    key="data_path",
)
MODEL = "shipped model, bundle folder, or file written by training"


def check_captures(*, dicom: bool, images: bool) -> None:
    """Refuse Secondary Captures where there is nothing to capture.

    Raises:
        UsageError: no DICOM results are asked for, or pictures are switched off.
    """
    if not dicom:
        raise UsageError("Secondary Captures belong to the DICOM results: ask for these too")
    if not images:
        raise UsageError("Secondary Captures are pictures, and these are switched off")


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
