"""Draws what there is to be drawn of a slice, as far as the disk has room."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from dfd.modalities import Modality
from dfd.outputs import overlay, screening_map
from dfd.outputs.overlay import SliceImages
from dfd.outputs.room import Room
from dfd.progress import progress
from dfd.records import Finding, Prediction, Region, Screening, Slice, Verdict


class SlicePictures:
    """Overlays of points and maps of screened slices.

    Args:
        folder: of the results.
        modality: its window shows the slices.
        room: decides what is left out.
        numbers: of the rows, for the names of files.
    """

    def __init__(
        self, folder: Path, modality: Modality, room: Room, numbers: Mapping[int, int]
    ) -> None:
        self.folder, self.modality, self.room, self.numbers = folder, modality, room, numbers

    def of(
        self, batch: Mapping[str, Any], output: Mapping[str, Any]
    ) -> tuple[SliceImages | None, list[str]]:
        """Draw one slice.

        Args:
            batch: what was read.
            output: what was found.

        Returns:
            What the points of the slice share, None without points; and the names of all files it
            has, also of those that found no room.

        Raises:
            OutputError: a file cannot be written for another reason than a full disk.
        """
        drawn = [
            (self.numbers[finding.point.row], region, finding)
            for finding, region in zip(output["findings"], output["regions"], strict=True)
            if region is not None and finding.verdict != Verdict.UNREADABLE
        ]
        images = self._overlays(batch["scan"], output["prediction"], drawn) if drawn else None
        files = [overlay.name_of(number) for number, _, _ in drawn]
        for row, answer in output.get("screenings", {}).items():
            if np.isfinite(answer.map).any():
                files += self._map(self.numbers[row], batch["scan"], answer)
        return images, files

    def _overlays(
        self, scan: Slice, prediction: Prediction, drawn: Sequence[tuple[int, Region, Finding]]
    ) -> SliceImages:
        """One overlay per point; what they share is drawn once.

        The PNG coding, most of the work, runs on every core. One worker more than cores, since each
        waits for the disk in its turn.
        """
        images = overlay.render_slice(scan, prediction, self.modality)

        def put(item: tuple[int, Region, Finding]) -> None:
            number, region, finding = item
            self.room.may(
                overlay.name_of(number),
                lambda: overlay.write_rendered(self.folder, number, images, region, finding),
            )

        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1) + 1) as pool:
            deque(progress(pool.map(put, drawn), "drawing pictures", len(drawn)), maxlen=0)
        return images

    def _map(self, number: int, scan: Slice, answer: Screening) -> tuple[str, ...]:
        names = screening_map.names_of(number)
        write = screening_map.write
        self.room.may(
            names[0], lambda: write(self.folder, number, scan, answer, modality=self.modality)
        )
        return names
