"""An archive behind DICOMweb: QIDO-RS to list, WADO-RS to fetch, STOW-RS to store.

What may pass is tried again, what may not is one sentence.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom import Dataset

from dfd.errors import DfdError, InterruptedRunError, RemoteError
from dfd.reading.guard import READ_ERRORS, quiet
from dfd.remote.access import CA, PASSWORD, TOKEN, USER, checked_address, session_of

ATTEMPTS = 5
"""Tries of one request."""
FIRST_WAIT_S = 1.0
"""Before the second try; doubled before each further one."""
LONGEST_WAIT_S = 60.0
"""Also where the archive itself asks for more (Retry-After)."""
TIMEOUT_S = (10.0, 120.0)
"""To connect, and to wait for the next bytes of an answer."""
WHOLE_BODY = 2**31
"""Bytes sent in one piece: with a length in its header a broken upload is known to be one."""
TRANSIENT = frozenset(
    (
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    )
)
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_SERIES_UID, _SOP_UID, _SOP_CLASS, _MODALITY = "0020000E", "00080018", "00080016", "00080060"

logger = logging.getLogger(__name__)
T = TypeVar("T")


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
        self._reached = False

    def close(self) -> None:
        """End the connection."""
        self._session.close()

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

        found = self._tried(f"image {instance.uid}", retrieve)
        if str(found.get("SOPInstanceUID")) != instance.uid:
            raise RemoteError(
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
        answer = self._tried(
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
                page = self._tried(asked, lambda: search(len(found)))
            except _NotThereError:
                return list(found.items())
            new = {uid: entry for uid, entry in self._entries(page, key) if uid not in found}
            if not new:
                return list(found.items())
            found.update(new)

    def _entries(self, page: object, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(UID, entry) of one page, checked: the UID becomes the name of a file."""
        for entry in page if isinstance(page, list) else [page]:
            if not isinstance(entry, dict) or not is_uid(uid := _text(entry, key)):
                raise self._no_dicomweb()
            yield uid, entry

    def _tried(self, asked: str, doing: Callable[[], T]) -> T:
        """The answer to one request, tried again where the error may pass.

        Raises:
            RemoteError: it will not pass.
            InterruptedRunError: the archive answered before, or says that it is busy, and
                ``ATTEMPTS`` tries failed.
        """
        wait = FIRST_WAIT_S
        for left in range(ATTEMPTS - 1, -1, -1):
            try:
                with quiet():
                    answer = doing()
            except requests.exceptions.HTTPError as error:
                self._reached = True
                delay = self._after(asked, error, wait)
            except (
                requests.exceptions.SSLError,
                requests.exceptions.TooManyRedirects,
                requests.exceptions.InvalidJSONError,
            ) as error:
                raise self._hopeless(error) from None
            except (requests.exceptions.RequestException, ConnectionError) as error:
                delay = wait
                logger.debug("%s: %s", asked, type(error).__name__)
            except READ_ERRORS:
                raise self._no_dicomweb() from None
            else:
                self._reached = True
                return answer
            if left:
                logger.info(
                    "%s did not come from %s; it is asked for again in %.0f s (%d tries left)",
                    asked,
                    self.host,
                    delay,
                    left,
                )
                time.sleep(delay)
                wait = min(2.0 * wait, LONGEST_WAIT_S)
        raise self._gave_up(asked)

    def _after(self, asked: str, error: requests.exceptions.HTTPError, wait: float) -> float:
        """Seconds until the next try after an answer that is an error.

        Raised where another try would not help.
        """
        status, headers = (
            (0, {})
            if error.response is None
            else (error.response.status_code, error.response.headers)
        )
        if status in TRANSIENT:
            told = headers.get("Retry-After", "")
            return min(max(wait, float(told)), LONGEST_WAIT_S) if told.isdigit() else wait
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            message = (
                f"the archive at {self.host} does not let this user in ({status}); set {USER} and "
                f"{PASSWORD}, or {TOKEN}"
            )
            raise RemoteError(message) from None
        if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            raise _NotThereError(
                f"the archive at {self.host} does not have {asked} ({status}); check address "
                "and identifiers"
            ) from None
        raise RemoteError(
            f"the archive at {self.host} answered {asked} with the error {status}; ask who runs it"
        ) from None

    def _hopeless(self, error: requests.exceptions.RequestException) -> DfdError:
        if isinstance(error, requests.exceptions.SSLError):
            return RemoteError(
                f"the certificate of {self.host} cannot be verified; name the certificates of "
                f"who signed it in {CA}"
            )
        if isinstance(error, requests.exceptions.TooManyRedirects):
            return RemoteError(
                f"{self.host} sends requests on to another address, which is not followed; "
                "give that address"
            )
        return self._no_dicomweb()

    def _no_dicomweb(self) -> RemoteError:
        return RemoteError(
            f"{self.host} does not answer as a DICOMweb service does; check the address "
            "(Orthanc: http://HOST:8042/dicom-web)"
        )

    def _gave_up(self, asked: str) -> DfdError:
        if self._reached:
            told = (
                f"the archive at {self.host} broke off or was busy while {asked} was asked for, "
                f"{ATTEMPTS} times; nothing of it was kept: run again"
            )
            return InterruptedRunError(told)
        return RemoteError(
            f"the archive at {self.host} cannot be reached; check the address and whether it runs"
        )


class _NotThereError(RemoteError):
    """The archive does not have it."""


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
