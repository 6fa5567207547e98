"""Results on disk.

``WRITERS`` is the table: the outputs of a run in the order in which they are written. Classes are
named, not imported, so that reading the table loads neither pandas nor Pillow. A new output is one
file with a class that follows :class:`dfd.outputs.writer.Writer`, and one line here.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dfd.outputs.writer import Writer

WRITERS: dict[str, str] = {
    "scores": "dfd.outputs.scores:ScoresWriter",
    "suspicious": "dfd.outputs.suspicious:SuspiciousRegionsWriter",
    "series": "dfd.outputs.series_writer:SeriesWriter",
    "run_record": "dfd.outputs.run_record:RunRecordWriter",
    "run_log": "dfd.outputs.run_log_writer:RunLogWriter",
    "overlays": "dfd.outputs.pictures:OverlayWriter",
    "maps": "dfd.outputs.pictures:MapWriter",
    "report": "dfd.outputs.report.writer:ReportWriter",
    "dicom": "dfd.outputs.dicom_writer:DicomWriter",
}


def writer_class(name: str) -> type[Writer]:
    """The class of an entry of ``WRITERS``."""
    module, _, kind = WRITERS[name].partition(":")
    return cast("type[Writer]", getattr(import_module(module), kind))


def writers() -> Iterator[type[Writer]]:
    """The classes of all entries, in their order."""
    return map(writer_class, WRITERS)
