"""The writer of screened_series.csv; what it takes is loaded when there is something to write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dfd.outputs.writer import BaseWriter, Results, Stage


class SeriesWriter(BaseWriter):
    """``screened_series.csv`` of runs that screen slices."""

    needed = True
    files: ClassVar[Mapping[str, str]] = {"": r"screened_series\.csv"}

    def finish(self, results: Results) -> None:
        """Write the answers of the series."""
        if results.stage is Stage.FINISHED and results.grids:
            from dfd.outputs import series

            series.write(self.run, results)
