"""An archive behind DICOMweb: QIDO-RS to list, WADO-RS to fetch, STOW-RS to store.

Requests that fail are in ``dfd.dicomweb.retries``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom import Dataset

from dfd.dicomweb.access import checked_address, session_of
from dfd.dicomweb.retries import AnswerError, NotThereError, RetriedRequests
from dfd.errors import RemoteError

TIMEOUT_S = (10.0, 120.0)
"""To connect, and to wait for the next bytes of an answer."""
WHOLE_BODY = 2**31
"""Bytes sent in one piece: with a length in its header a broken upload is known to be one."""
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_STUDY_UID = "0020000D"
_SERIES_UID, _SOP_UID, _SOP_CLASS, _MODALITY = "0020000E", "00080018", "00080016", "00080060"


def is_uid(text: str) -> bool:
    """Whether ``text`` is a UID, so that it can stand in an address and in the name of a file."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Instance:
    """One object of a study."""

    series: str
    uid: str
    sop_class: str
    """Empty where the archive does not say."""


class Archive:
    """A connection. Nothing of it is kept on disk."""

    def __init__(self, url: str) -> None:
        """Check address and environment; nothing is asked yet.

        Raises:
            UsageError: one of them cannot be used.
        """
        address = checked_address(url)
        self.host = urlsplit(address).netloc
        self._session = session_of()
        self._client = DICOMwebClient(
            address,
            session=self._session,
            chunk_size=WHOLE_BODY,
            permissive_uid=True,
            timeout=TIMEOUT_S,
        )
        self._client.set_http_retry_params(
            retry=False
        )  # its own tries know no dropped connection and send an empty body the second time
        self._requests = RetriedRequests(self.host)

    def close(self) -> None:
        """End the connection."""
        self._session.close()

    def studies(self, since: date | None = None) -> list[str]:
        """StudyInstanceUID of every study, of that date or later.

        Raises:
            DfdError: the archive does not answer as it should.
        """
        dates = {} if since is None else {"StudyDate": f"{since:%Y%m%d}-"}
        found = self._listed(
            "the list of studies",
            lambda offset: self._client.search_for_studies(offset=offset, search_filters=dates),
            _STUDY_UID,
        )
        return [uid for uid, _ in found]

    def headers_of(self, study: str, series: str) -> list[dict[str, Any]]:
        """The header of every object of a series in the DICOM JSON model.

        Raises:
            DfdError: the archive does not answer as it should.
        """
        found = self._requests.answer_to(
            f"the headers of series {series}",
            lambda: self._client.retrieve_series_metadata(study, series),
        )
        return [dict(entry) for _, entry in self._entries(found, _SOP_UID)]

    def series_of(self, study: str) -> dict[str, str]:
        """SeriesInstanceUID -> modality of every series of a study.

        Empty where there is no such study.

        Raises:
            DfdError: the archive does not answer as it should.
        """
        asked = f"the series of study {study}"
        found = self._listed(
            asked,
            lambda offset: self._client.search_for_series(
                study, offset=offset, fields=["Modality"]
            ),
            _SERIES_UID,
        )
        return {uid: _text(entry, _MODALITY) for uid, entry in found}

    def instances_of(self, study: str, series: str) -> list[Instance]:
        """The objects of a series."""
        asked = f"the images of series {series}"
        found = self._listed(
            asked,
            lambda offset: self._client.search_for_instances(
                study, series, offset=offset, fields=["SOPClassUID"]
            ),
            _SOP_UID,
        )
        return [Instance(series, uid, _text(entry, _SOP_CLASS)) for uid, entry in found]

    def fetch(self, study: str, instance: Instance) -> Dataset:
        """One object as a data set, in the transfer syntax in which it is stored.

        Raises:
            DfdError: it is not there, or not what was asked for.
        """

        def retrieve() -> Dataset:
            found = self._client.retrieve_instance(study, instance.series, instance.uid)
            if not _is_whole(found):
                raise requests.exceptions.ChunkedEncodingError("the data set ends too early")
            return found

        found = self._requests.answer_to(f"image {instance.uid}", retrieve)
        if str(found.get("SOPInstanceUID")) != instance.uid:
            raise AnswerError(
                f"the archive at {self.host} sent another image than {instance.uid}; ask who "
                "runs it"
            )
        return found

    def store(self, study: str, results: Sequence[Dataset]) -> None:
        """Hand over all of ``results`` in one request, so that they arrive together or not at all.

        Raises:
            DfdError: the archive did not take all of them.
        """
        # Trying again is safe: the identifiers of results follow from their content.
        answer = self._requests.answer_to(
            "the request to store results", lambda: self._client.store_instances(results, study)
        )
        refused = len(answer.get("FailedSOPSequence") or [])
        if refused:
            raise RemoteError(
                f"the archive at {self.host} refused {refused} of {len(results)} results; ask "
                "who runs it whether it takes SR, maps and SEG"
            )

    def _listed(
        self, asked: str, search: Callable[[int], object], key: str
    ) -> list[tuple[str, Mapping[str, Any]]]:
        """All entries of a listing, page by page, each UID once.

        Archives cut long lists, and some ignore the offset.
        """
        found: dict[str, Mapping[str, Any]] = {}
        while True:
            try:
                page = self._requests.answer_to(asked, lambda: search(len(found)))
            except NotThereError:
                return list(found.items())
            new = {uid: entry for uid, entry in self._entries(page, key) if uid not in found}
            if not new:
                return list(found.items())
            found.update(new)

    def _entries(self, page: object, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(UID, entry) of one page, checked: the UID becomes the name of a file."""
        for entry in page if isinstance(page, list) else [page]:
            if not isinstance(entry, dict) or not is_uid(uid := _text(entry, key)):
                raise self._requests.no_dicomweb()
            yield uid, entry


def _text(entry: Mapping[str, Any], tag: str) -> str:
    """The first value of an attribute in the DICOM JSON model (PS3.18 F.2)."""
    attribute = entry.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return str(values[0]) if isinstance(values, list) and values else ""


def _is_whole(found: Dataset) -> bool:
    """False where an uncompressed image has fewer pixels than it announces.

    A multipart answer may end early without an error.
    """
    if found.file_meta.TransferSyntaxUID.is_compressed or "Rows" not in found:
        return True
    pixels = next(
        (
            found[word].value
            for word in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
            if word in found
        ),
        b"",
    )
    announced = (
        int(found.Rows)
        * int(found.Columns)
        * int(found.get("NumberOfFrames") or 1)
        * int(found.get("SamplesPerPixel") or 1)
    )
    return len(pixels) * 8 >= announced * int(found.BitsAllocated)
