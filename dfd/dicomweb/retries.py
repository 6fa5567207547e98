"""Requests to an archive: what may pass is tried again, what may not is one sentence."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import requests

from dfd.dicomweb.access import CA, PASSWORD, TOKEN, USER
from dfd.errors import DfdError, InterruptedRunError, RemoteError
from dfd.reading.guard import READ_ERRORS
from dfd.reading.quiet import quiet

ATTEMPTS = 5
"""Tries of one request."""
FIRST_WAIT_S = 1.0
"""Before the second try; doubled before each further one."""
LONGEST_WAIT_S = 60.0
"""Also where the archive itself asks for more (Retry-After)."""
TRANSIENT = frozenset(
    (
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    )
)

logger = logging.getLogger(__name__)
T = TypeVar("T")


class AnswerError(RemoteError):
    """The archive answered this request with an error; others it may answer."""


class NotThereError(AnswerError):
    """The archive does not have it."""


class RetriedRequests:
    """Sends requests to one host."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._reached = False

    def answer_to(self, asked: str, doing: Callable[[], T]) -> T:
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
                raise self.no_dicomweb() from None
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
            asked = headers.get("Retry-After", "")
            return min(max(wait, float(asked)), LONGEST_WAIT_S) if asked.isdigit() else wait
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            message = (
                f"the archive at {self.host} does not let this user in ({status}); set {USER} and "
                f"{PASSWORD}, or {TOKEN}"
            )
            raise RemoteError(message) from None
        if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            raise NotThereError(
                f"the archive at {self.host} does not have {asked} ({status}); check address "
                "and identifiers"
            ) from None
        raise AnswerError(
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
        return self.no_dicomweb()

    def no_dicomweb(self) -> RemoteError:
        """The error where an answer is none of DICOMweb."""
        return RemoteError(
            f"{self.host} does not answer as a DICOMweb service does; check the address "
            "(Orthanc: http://HOST:8042/dicom-web)"
        )

    def _gave_up(self, asked: str) -> DfdError:
        if self._reached:
            message = (
                f"the archive at {self.host} broke off or was busy while {asked} was asked for, "
                f"{ATTEMPTS} times; nothing of it was kept: run again"
            )
            return InterruptedRunError(message)
        return RemoteError(
            f"the archive at {self.host} cannot be reached; check the address and whether it runs"
        )
