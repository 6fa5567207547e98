"""The folder of scans as MONAI Label's datastore, at any depth and by content.

Its own lists names in the top folder alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monailabel.datastore.local import LocalDatastore

from dfd.reading import find_files

SEPARATOR = "@"
"""Stands for the slash in an id, which clients put into file names of their own."""


class ScanDatastore(LocalDatastore):
    """Images of a folder and its subfolders; the id of ``p1/file011.dcm`` is ``p1@file011``.

    Labels lie in the same subfolders of ``labels/``.
    """

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]
    ) -> str:
        """As MONAI Label has it, once the subfolder is there."""
        (Path(self._datastore.label_path(label_tag)) / self._filename(image_id, "")).parent.mkdir(
            parents=True, exist_ok=True
        )
        return str(super().save_label(image_id, label_filename, label_tag, label_info))

    def _list_files(self, path: str, _: Sequence[str]) -> list[str]:
        """Relative paths of scans or labels, sorted.

        Labels are no images although they lie below them.
        """
        root, labels = Path(path).resolve(), Path(self._datastore.label_path(None)).resolve()
        files = find_files(root)
        return [
            file.relative_to(root).as_posix()
            for file in files
            if root.is_relative_to(labels) or not file.is_relative_to(labels)
        ]

    def _to_id(self, file: str) -> tuple[str, str]:
        endings = (pattern.removeprefix("*") for pattern in self._extensions)
        ending = max((each for each in endings if file.endswith(each)), key=len, default="")
        return file.removesuffix(ending).replace("/", SEPARATOR), ending

    def _filename(self, id: str, ext: str) -> str:  # noqa: A002 - the name is MONAI Label's
        return id.replace(SEPARATOR, "/") + ext
