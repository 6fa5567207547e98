"""Pictures beside the scores: an overlay per point, a map per slice that is screened."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np

from dfd.outputs import overlay, screening_map
from dfd.outputs.writer import BaseWriter, SliceResult
from dfd.progress import progress
from dfd.records import Finding, Region, Screening
from dfd.settings import ScoreSettings


class OverlayWriter(BaseWriter):
    """``overlay-0001.png`` and so on, numbered like the rows."""

    files: ClassVar[Mapping[str, str]] = {"": r"overlay-\d{4,}\.png"}

    @classmethod
    def asked(cls, settings: ScoreSettings) -> bool:
        """Where pictures are."""
        return settings.images

    def slice(self, result: SliceResult) -> Sequence[str]:
        """One overlay per point; what they share is drawn once.

        The PNG coding, most of the work, runs on every core. One worker more than cores, since each
        waits for the disk in its turn.
        """
        if not result.drawn:
            return ()
        images, numbers = result.images, self.run.numbers

        def put(item: tuple[Finding, Region]) -> str:
            finding, region = item
            number = numbers[finding.point.row]
            name = overlay.name_of(number)
            self.run.disk_space.may(
                name,
                lambda: overlay.write_rendered(self.run.folder, number, images, region, finding),
            )
            return name

        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1) + 1) as pool:
            done = progress(pool.map(put, result.drawn), "drawing pictures", len(result.drawn))
            return list(done)


class MapWriter(BaseWriter):
    """``maps/0001.png`` and ``.tif`` and so on, numbered like the rows."""

    files: ClassVar[Mapping[str, str]] = {screening_map.FOLDER: r"\d{4,}\.(png|tif)"}

    @classmethod
    def asked(cls, settings: ScoreSettings) -> bool:
        """Where pictures are."""
        return settings.images

    def slice(self, result: SliceResult) -> Sequence[str]:
        """Both files of each row that asks about the slice as a whole."""
        names: list[str] = []
        for row, answer in result.screenings.items():
            if np.isfinite(answer.map).any():
                names += self._write(self.run.numbers[row], result, answer)
        return names

    def _write(self, number: int, result: SliceResult, answer: Screening) -> tuple[str, ...]:
        names = screening_map.names_of(number)
        write, run = screening_map.write, self.run
        run.disk_space.may(
            names[0],
            lambda: write(run.folder, number, result.scan, answer, modality=run.modality),
        )
        return names
