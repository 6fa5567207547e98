"""Who asks the archive, and how the connection is secured.

Secrets come from the environment, are sent and never written.
"""

from __future__ import annotations

import base64
import ipaddress
import logging
import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from dfd.errors import UsageError

USER, PASSWORD, TOKEN, CA = (
    "DFD_DICOMWEB_USER",
    "DFD_DICOMWEB_PASSWORD",
    "DFD_DICOMWEB_TOKEN",
    "DFD_DICOMWEB_CA",
)
_SENDABLE = re.compile(r"[\x21-\x7e]+")
"""What a token may consist of; a line break would begin another header."""

logger = logging.getLogger(__name__)


class Credentials(AuthBase):
    """The Authorization header, or none.

    Standing in the session, it also keeps requests from looking into a .netrc file.
    """

    def __init__(self, header: str = "") -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        if self._header:
            request.headers["Authorization"] = self._header
        return request

    def __repr__(self) -> str:
        return "Credentials(***)" if self._header else "Credentials()"


def credentials_of(environment: Mapping[str, str]) -> Credentials:
    """User and password, or a token.

    Raises:
        UsageError: both ways are set, half of one, or a token that no header can hold.
    """
    user, password, token = (environment.get(name, "") for name in (USER, PASSWORD, TOKEN))
    if token and (user or password):
        raise UsageError(f"{TOKEN} and {USER} are both set; unset one of them")
    if bool(user) != bool(password):
        raise UsageError(f"{USER} and {PASSWORD} go together; one of them is not set")
    if ":" in user:
        raise UsageError(f"{USER} holds a colon, which no user name for HTTP may; correct it")
    if token:
        if not _SENDABLE.fullmatch(token):
            raise UsageError(
                f"{TOKEN} holds blanks or control characters; set it to the bare token"
            )
        return Credentials(f"Bearer {token}")
    return (
        Credentials("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
        if user
        else Credentials()
    )


def checked_address(url: str) -> str:
    """The root address of the services, without a slash at its end.

    Plain HTTP to other machines is warned of.

    Raises:
        UsageError: not an http or https address, or one that carries credentials, a query or a
            fragment.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not host:
        raise UsageError(
            "an archive needs the root address of its DICOMweb service, such as "
            "https://archive.example/dicom-web"
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"the address of the archive carries credentials; leave them out and set {USER} "
            f"and {PASSWORD}, or {TOKEN}"
        )
    if parts.query or parts.fragment:
        raise UsageError(
            "the address of the archive has a query or a fragment; give the root of the "
            "service alone"
        )
    if parts.scheme == "http" and not is_loopback(host):
        logger.warning(
            (
                "the connection to %s is not encrypted: images and credentials can be read on the "
                "way; use https"
            ),
            host,
        )
    return url.strip().rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def session_of(environment: Mapping[str, str] = os.environ) -> requests.Session:
    """A session with credentials and verified certificates, which follows no redirect.

    It could lead patients' data elsewhere.

    Raises:
        UsageError: the environment contradicts itself, or names a bundle of certificates that is
            not there.
    """
    session = requests.Session()
    session.auth = credentials_of(environment)
    session.max_redirects = 0
    bundle = environment.get(CA, "")
    if bundle:
        # A text of the environment, handed on as it is.
        if not os.path.isfile(bundle):  # noqa: PTH113
            raise UsageError(
                f"{CA} names {bundle}, which is not a file; give a bundle of certificates (PEM)"
            )
        session.verify = bundle
    return session
