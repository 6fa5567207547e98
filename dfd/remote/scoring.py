"""A study of an archive, scored like a folder."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dfd import workflow
from dfd.dicomweb.archive import Archive, Instance, is_uid
from dfd.dicomweb.folder import keep, private_folder
from dfd.errors import RemoteError, UsageError
from dfd.modalities import MODALITIES
from dfd.outputs.files import choose_output_dir
from dfd.progress import progress
from dfd.records import Finding
from dfd.scoring.results_folder import new_folders
from dfd.sentences import counted
from dfd.settings import RemoteStudy, ScoreSettings

logger = logging.getLogger(__name__)


def score(settings: ScoreSettings, study: RemoteStudy) -> list[Finding]:
    """Fetch a study, score it, and store DICOM results back where ``study.store`` says so.

    ``settings.data`` is not used: the slices lie in a folder that is private to the user and gone
    afterwards, each named by its SOPInstanceUID.

    Raises:
        DfdError: the archive or the study cannot be used; nothing was written then, but for results
            that could not be stored.
    """
    for uid in (study.study, *study.series):
        if not is_uid(uid):
            raise UsageError(
                f"{uid!r} is no UID: digits and dots are needed, as in 1.2.840.113619.2"
            )
    if study.store:
        from dfd.outputs import dicom

        settings = dataclasses.replace(
            settings, dicom=True
        )  # refused at once where the run is anonymous
        dicom.require()
    with closing(Archive(study.url)) as archive, fetched(archive, study) as folder:
        output = settings.output_dir or choose_output_dir(None, _places())
        findings = workflow.score(dataclasses.replace(settings, data=folder, output_dir=output))
        if study.store:
            _store(archive, study, output)
    return findings


@contextmanager
def fetched(archive: Archive, study: RemoteStudy) -> Iterator[Path]:
    """A folder with the CT and MR slices of a study as ``SERIES/INSTANCE.dcm``.

    While the block runs.

    Raises:
        DfdError: the study cannot be fetched as a whole.
    """
    instances = wanted(archive, study)
    with private_folder() as name:
        folder = Path(name)
        for instance in progress(instances, "fetching slices"):
            keep(
                archive.fetch(study.study, instance),
                folder / instance.series / f"{instance.uid}.dcm",
            )
        logger.info(
            "%s of %d series fetched from %s",
            counted(len(instances), "slice"),
            len({each.series for each in instances}),
            archive.host,
        )
        yield folder


def wanted(archive: Archive, study: RemoteStudy) -> list[Instance]:
    """The images of the study that a model may exist for.

    Reports, maps and results of earlier runs stay where they are.

    Raises:
        RemoteError: no such study or series, or no such image in it.
    """
    there = archive.series_of(study.study)
    if not there:
        raise RemoteError(
            f"the archive at {archive.host} has no study {study.study}, or the study is "
            "empty; check the identifier"
        )
    missing = [uid for uid in study.series if uid not in there]
    if missing:
        raise RemoteError(
            f"study {study.study} has no series {missing[0]}; it has {len(there)}: check the "
            "identifier"
        )
    classes = {uid for modality in MODALITIES.values() for uid in modality.sop_classes} | {""}
    modalities = {modality.dicom_modality for modality in MODALITIES.values()} | {""}
    chosen = study.series or [uid for uid, modality in there.items() if modality in modalities]
    found = [
        each
        for uid in chosen
        for each in archive.instances_of(study.study, uid)
        if each.sop_class in classes
    ]
    if not found:
        kinds = (
            ", ".join(sorted(filter(None, {there[uid] for uid in (study.series or there)})))
            or "nothing"
        )
        raise RemoteError(
            f"study {study.study} has no {' or '.join(sorted(filter(None, modalities)))} "
            f"images where they were sought; it holds {kinds}"
        )
    return found


def _places() -> list[Path]:
    """Where results go when nobody says so."""
    return new_folders(place / "dfd_results" for place in (Path.cwd(), Path.home()))


def _store(archive: Archive, study: RemoteStudy, output: Path) -> None:
    """Hand the DICOM results over.

    Raises:
        DfdError: there are none, or the archive did not take them; they lie in ``output``.
    """
    from dfd.outputs import dicom

    results = dicom.read_back(output, study.study)
    if not results:
        raise RemoteError(
            f"no DICOM results could be made, so nothing was stored; {output / 'run.log'} says why"
        )
    archive.store(study.study, results)
    logger.info("%d DICOM results stored in %s", len(results), archive.host)
