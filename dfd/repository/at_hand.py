"""Files of a plan on this machine: where they lie, or fetched from an archive for a while."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dfd.errors import RemoteError
from dfd.settings import is_address

ENDING = ".dcm"

logger = logging.getLogger(__name__)


class NotGivenError(RemoteError):
    """An archive gives nothing of a series; another day it may."""


def name_of(study: str, series: str, instance: str) -> str:
    """What a plan calls an image of an archive."""
    return f"{study}/{series}/{instance}{ENDING}"


@contextmanager
def at_hand(root: str, names: Iterable[str]) -> Iterator[Path]:
    """The folder below which the files ``names`` lie while the block runs.

    Args:
        root: A folder, or the address of an archive: its images are fetched into a folder that is
            private to the user and goes with the block. What the archive does not give is not
            there.
        names: As the plan writes them.

    Raises:
        NotGivenError: the archive gives none of them.
        DfdError: it cannot be used, or there is no room.
    """
    if not is_address(root):
        yield Path(root)
        return
    from dfd.dicomweb.archive import Archive, Instance
    from dfd.dicomweb.folder import keep, private_folder
    from dfd.dicomweb.retries import AnswerError

    with private_folder() as private:
        folder, fault = Path(private), None
        with closing(Archive(root)) as archive:
            for name in names:
                study, series, file = name.split("/")
                (folder / study).mkdir(exist_ok=True)
                instance = Instance(series, file.removesuffix(ENDING), "")
                try:
                    keep(archive.fetch(study, instance), folder / name)
                except AnswerError as error:
                    logger.warning("%s", error)
                    fault = error
        if fault is not None and not any(folder.rglob(f"*{ENDING}")):
            raise NotGivenError(str(fault)) from fault
        yield folder
