"""Settings of a screening run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from dfd.errors import UsageError
from dfd.options import Value, option
from dfd.settings.fields import DEVICE, MODEL, check_dicom

ADDRESSES = ("http://", "https://")


def is_address(source: str) -> bool:
    """Whether a source is the address of a DICOMweb service and not the path of a folder."""
    return source.strip().lower().startswith(ADDRESSES)


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """One screening run over many series."""

    source: Path | str = field(
        metadata=option(
            "folder with the scans, dataset with index.json, manifest (CSV or Parquet of paths or "
            "UIDs), or root address of a DICOMweb service; credentials of a service in "
            "DFD_DICOMWEB_USER and _PASSWORD, or _TOKEN",
            value=Value.PATH,
            metavar="SOURCE",
            in_bundle=False,
        )
    )
    output_dir: Path = field(
        metadata=option(
            "where plan, parts and results go; the same folder again goes on where it stopped",
            value=Value.PATH,
            metavar="DIR",
            flag="output",
            in_bundle=False,
        )
    )
    model: str = field(
        default="",
        metadata=option(
            f"{MODEL} (default: the shipped model of each modality)",
            value=Value.TEXT,
            metavar="NAME|PATH",
            in_bundle=False,
        ),
    )
    device: str = field(default="auto", metadata=DEVICE)
    workers: int | None = field(
        default=None,
        metadata=option(
            "processes that screen series at the same time, each with one thread and one series "
            "(default: as many as there are GPUs; without a GPU, as many as there are processors)",
            value=Value.POSITIVE,
            metavar="N",
            in_bundle=False,
        ),
    )
    scheduler: str | None = field(
        default=None,
        metadata=option(
            "address of a Dask scheduler that runs already, such as tcp://host:8786; its workers "
            "must see SOURCE and DIR under the same paths",
            value=Value.TEXT,
            metavar="ADDRESS",
            in_bundle=False,
        ),
    )
    shard: tuple[int, int] | None = field(
        default=None,
        metadata=option(
            "share i of n of the series, one after the other in this process, for batch systems "
            "without a scheduler",
            value=Value.SHARD,
            metavar="i/n",
            in_bundle=False,
        ),
    )
    limit: int | None = field(
        default=None,
        metadata=option(
            "screen at most so many series in this run",
            value=Value.POSITIVE,
            metavar="N",
            in_bundle=False,
        ),
    )
    since: date | None = field(
        default=None,
        metadata=option(
            "screen only series with a file written on this day (UTC) or later; of an archive, "
            "plan only studies of this date or later",
            value=Value.DATE,
            metavar="DATE",
            in_bundle=False,
        ),
    )
    dicom: str = field(
        default="",
        metadata=option(
            "DICOM results in DIR/dicom: 'listed' for a report, a map and a segmentation of each "
            "series of suspicious_regions.csv, 'all' for a report of every other scored series too",
            value=Value.TEXT,
            metavar="listed|all",
            in_bundle=False,
        ),
    )
    anonymous: bool = field(
        default=False,
        metadata=option(
            "results without paths, UIDs, dates and whatever else names somebody; the folders "
            "plan, parts and pictures are not to be passed on",
            in_bundle=False,
        ),
    )
    dry_run: bool = field(
        default=False,
        metadata=option("plan only, and say how long screening would take", in_bundle=False),
    )

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if isinstance(self.source, str) and not is_address(self.source):
            raise UsageError(
                "a source that is a text is the address of a DICOMweb service, as in "
                "https://archive.example/dicom-web: give a folder as a path"
            )
        if self.dicom not in ("", "listed", "all"):
            raise UsageError(f"DICOM results are those of 'listed' or 'all', got {self.dicom!r}")
        check_dicom(dicom=bool(self.dicom), anonymous=self.anonymous)
        if self.shard is not None and (self.workers is not None or self.scheduler is not None):
            raise UsageError(
                "a shard is screened in this process without Dask: leave workers and scheduler out"
            )
        if self.scheduler is not None and self.workers is not None:
            raise UsageError("a scheduler has workers of its own: leave the number of workers out")
