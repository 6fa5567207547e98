"""Headers of an archive -> rows of the plan: listed by QIDO-RS, read by WADO-RS, no pixels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfd.dicomweb.archive import Archive, Instance
from dfd.dicomweb.folder import keep, private_folder
from dfd.dicomweb.headers import SOP_UID, frames_in, header_of
from dfd.dicomweb.retries import AnswerError
from dfd.errors import RemoteError, SeriesError
from dfd.modalities import MODALITIES
from dfd.repository.at_hand import name_of
from dfd.repository.headers import Chunk, read_chunk
from dfd.repository.walk import Entry

if TYPE_CHECKING:
    from dfd.repository.models import PlannedModel
    from dfd.repository.source import Source

NO_MODEL = "it is {} and there is no model for it"


def read_archive(source: Source, models: tuple[PlannedModel, ...]) -> Iterator[Chunk]:
    """Rows of all images of an archive, those of one series at a time.

    Size and time of an image are not known and stand as 0: its UID stands for its content. A series
    of which the archive gives no headers is one row that says so.

    Args:
        source: an archive.
        models: that may be used.

    Raises:
        DfdError: the archive cannot be used, or has no study of that date or later.
    """
    wanted = {MODALITIES[each.modality].dicom_modality for each in models} | {""}
    with closing(Archive(source.address)) as archive, private_folder() as folder:
        studies = archive.studies(source.since)
        if not studies:
            when = f" of {source.since} or later" if source.since else ""
            raise RemoteError(
                f"the archive at {archive.host} lists no study{when}: check address and date"
            )
        reader = _Reader(archive, Path(folder), models)
        for study in studies:
            for series, modality in archive.series_of(study).items():
                if modality in wanted:
                    yield reader.read(study, series)
                else:
                    yield reader.without_model(study, series, modality)


class _Reader:
    """Reads one series of an archive after another."""

    def __init__(self, archive: Archive, folder: Path, models: tuple[PlannedModel, ...]) -> None:
        self._archive, self._folder, self._models = archive, folder, models

    def without_model(self, study: str, series: str, modality: str) -> Chunk:
        """Rows of a series that no model is for: names alone."""
        reason = NO_MODEL.format(modality)
        return self._chunk(
            [
                Entry(str(self._folder / name_of(study, series, each.uid)), reason)
                for each in self._archive.instances_of(study, series)
            ]
        )

    def read(self, study: str, series: str) -> Chunk:
        """Rows of a series, from the headers of its images."""
        place = self._folder / study / series
        place.mkdir(parents=True)
        try:
            headers = self._archive.headers_of(study, series)
        except AnswerError as error:
            return self._chunk([Entry(str(place), str(error))])
        try:
            return self._chunk([self._kept(study, series, each) for each in headers])
        finally:
            shutil.rmtree(self._folder / study)

    def _kept(self, study: str, series: str, header: Mapping[str, Any]) -> Entry:
        """The header of an image as a file; an image with several frames as a whole."""
        uid = str(header[SOP_UID]["Value"][0])
        path = self._folder / name_of(study, series, uid)
        try:
            if frames_in(header) > 1:
                keep(self._archive.fetch(study, Instance(series, uid, "")), path)
            else:
                keep(header_of(header), path)
        except (AnswerError, SeriesError) as error:
            return Entry(str(path), str(error))
        return Entry(str(path))

    def _chunk(self, entries: list[Entry]) -> Chunk:
        chunk = read_chunk(entries, str(self._folder), self._models)
        nothing = [0] * len(entries)
        chunk.rows |= {"bytes": nothing, "written": nothing}
        return chunk
