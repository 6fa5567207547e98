"""Brings ``run.log`` up to date while a run goes on.

Its last line says how the run ended, so ``dfd.outputs.run_log.kept`` writes it once more when all
other writers are done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dfd.outputs import run_log
from dfd.outputs.writer import BaseWriter, Results, Stage


class RunLogWriter(BaseWriter):
    """``run.log``."""

    needed = True
    files: ClassVar[Mapping[str, str]] = {"": r"run\.log"}

    def finish(self, results: Results) -> None:
        """Write what was said so far."""
        if results.stage is Stage.UNDER_WAY:
            run, anonymous = self.run, self.run.settings.anonymous
            run_log.write(run.folder, run.log, anonymous=anonymous)
