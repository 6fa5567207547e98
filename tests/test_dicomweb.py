"""Studies fetched over DICOMweb.

Whole or not at all, secrets nowhere, one sentence for whatever is wrong.
"""

from __future__ import annotations

import base64
import logging
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from pydicom import dcmread

from dfd.cli import verbs
from dfd.cli.exits import STOPPED, USAGE, verdict_of
from dfd.cli.requests import RemoteRequest
from dfd.dicomweb import access, retries
from dfd.dicomweb.access import (
    CA,
    PASSWORD,
    TOKEN,
    USER,
    checked_address,
    credentials_of,
    is_loopback,
)
from dfd.dicomweb.archive import Archive, is_uid
from dfd.dicomweb.retries import ATTEMPTS
from dfd.errors import DfdError, InterruptedRunError, OutputError, RemoteError, UsageError
from dfd.exit_messages import TerminationError
from dfd.records import Finding
from dfd.remote import scoring
from dfd.settings import RemoteStudy, ScoreSettings
from tests.dicom_maker import SERIES_UID, STUDY_UID, make_pixels, make_series, make_slice
from tests.dicomweb_server import Handler, Service, multipart, serving

SECRET = "s3cret-of-nobody"
REPORT, MAP = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.30"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Three slices of a series, and a report and a map that an earlier run has stored."""
    files = make_series(tmp_path / "stored", [0.0, 2.5, 5.0])
    files.append(
        make_slice(
            tmp_path / "stored" / "report.dcm",
            make_pixels(),
            Modality="SR",
            SOPClassUID=REPORT,
            SeriesInstanceUID="1.2.5",
        )
    )
    files.append(
        make_slice(
            tmp_path / "stored" / "map.dcm",
            make_pixels(),
            Modality="CT",
            SOPClassUID=MAP,
            SeriesInstanceUID="1.2.6",
        )
    )
    with serving(files) as service:
        yield service


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited for: none passes.

    The environment holds no credentials, and names no proxy for the loopback interface.
    """
    told: list[float] = []
    monkeypatch.setattr(retries.time, "sleep", told.append)
    for name in (USER, PASSWORD, TOKEN, CA):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return told


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the studies lie while they are scored."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def study_of(service: Service, **changed: object) -> RemoteStudy:
    return RemoteStudy(**({"url": service.url, "study": STUDY_UID} | changed))


def fetch(service: Service, **changed: object) -> list[str]:
    """Names of the files that a run would find."""
    study = study_of(service, **changed)
    with scoring.fetched(Archive(study.url), study) as folder:
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.dcm"))


def test_what_is_fetched_again_is_the_same_to_a_run_that_goes_on(
    service: Service, temporary: Path
) -> None:
    def times() -> list[float]:
        with scoring.fetched(Archive(service.url), study_of(service)) as folder:
            return [path.stat().st_mtime for path in sorted(folder.rglob("*.dcm"))]

    first = times()
    assert len(set(first)) == len(first) > 1
    assert times() == first


def misbehave(
    times: int, answer: Callable[[Handler], None], part: str = ""
) -> Callable[[Handler], bool]:
    """Answers so for the first ``times`` requests whose path holds ``part``."""
    left = [times]

    def mischief(handler: Handler) -> bool:
        if part not in handler.path or not left[0]:
            return False
        left[0] -= 1
        answer(handler)
        return True

    return mischief


def busy(handler: Handler) -> None:
    handler.answer(503, "text/plain", b"busy")


def cut(handler: Handler) -> None:
    """The connection drops in the middle of an answer."""
    handler.answer(
        200, "multipart/related; boundary=a-boundary", multipart(b"\0" * 500)[:300], announced=5000
    )


def page(handler: Handler) -> None:
    handler.answer(200, "text/html", b"<html>please log in</html>")


def test_the_slices_of_a_study_come_and_no_results_of_earlier_runs(
    service: Service, temporary: Path
) -> None:
    wanted = [str(dcmread(path).SOPInstanceUID) for path in service.files[:3]]
    assert fetch(service) == sorted(f"{SERIES_UID}/{uid}.dcm" for uid in wanted)
    assert list(temporary.iterdir()) == []


def test_slices_come_as_they_are_stored(service: Service) -> None:
    study = study_of(service)
    with scoring.fetched(Archive(study.url), study) as folder:
        for path in service.files[:3]:
            original = dcmread(path)
            copy = dcmread(folder / SERIES_UID / f"{original.SOPInstanceUID}.dcm")
            assert (copy, copy.file_meta.TransferSyntaxUID) == (
                original,
                original.file_meta.TransferSyntaxUID,
            )
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    asked = [header["Accept"] for _, path, header in service.requests if path.count("/") == 6]
    assert all("transfer-syntax=*" in accept for accept in asked)


def test_only_the_series_that_is_named(service: Service) -> None:
    assert len(fetch(service, series=(SERIES_UID,))) == 3
    with pytest.raises(
        RemoteError, match=r"has no series 1\.2\.99; it has 3: check the identifier"
    ):
        fetch(service, series=("1.2.99",))


def test_a_series_without_scans(service: Service) -> None:
    with pytest.raises(
        RemoteError, match="has no CT or MR images where they were sought; it holds SR"
    ):
        fetch(service, series=("1.2.5",))


@pytest.mark.parametrize("answer", [busy, cut], ids=["busy", "cut"])
def test_what_passes_is_tried_again(
    service: Service, waits: list[float], answer: Callable[[Handler], None]
) -> None:
    service.mischief = misbehave(2, answer, "/instances/")
    assert len(fetch(service)) == 3
    assert waits == [1.0, 2.0]


def test_the_archive_may_ask_for_more_time(service: Service, waits: list[float]) -> None:
    service.mischief = misbehave(
        1, lambda handler: handler.answer(429, "text/plain", b"", Retry_After="7")
    )
    assert len(fetch(service)) == 3
    assert waits == [7.0]


def drop(handler: Handler) -> None:
    handler.connection.close()


@pytest.mark.parametrize("answer", [busy, cut, drop], ids=["busy", "cut", "dropped"])
def test_a_connection_that_breaks_for_good_leaves_nothing(
    service: Service,
    temporary: Path,
    tmp_path: Path,
    waits: list[float],
    answer: Callable[[Handler], None],
) -> None:
    third = str(dcmread(service.files[2]).SOPInstanceUID)
    service.mischief = misbehave(1000, answer, third)
    settings = ScoreSettings(Path(), output_dir=tmp_path / "results")
    with pytest.raises(
        InterruptedRunError,
        match=(
            rf"while image {third} was asked for, {ATTEMPTS} times; nothing of it was kept: run "
            r"again"
        ),
    ) as caught:
        scoring.score(settings, study_of(service))
    assert verdict_of(caught.value)[0] == STOPPED
    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (page, "does not answer as a DICOMweb service does; check the address"),
        (
            lambda handler: handler.answer(200, "application/dicom+json", b'[{"00080018": 5}]'),
            "does not answer as a DICOMweb service does",
        ),
        (
            lambda handler: handler.answer(
                200, "application/dicom+json", b'[{"0020000E": {"Value": ["../../etc"]}}]'
            ),
            "does not answer as a DICOMweb",
        ),
        (
            lambda handler: handler.answer(401, "text/plain", b""),
            r"does not let this user in \(401\); set DFD_DICOMWEB_USER",
        ),
        (
            lambda handler: handler.answer(404, "text/plain", b""),
            rf"has no study {STUDY_UID}, or the study is empty",
        ),
        (lambda handler: handler.answer(204, "text/plain", b""), "or the study is empty"),
        (
            lambda handler: handler.answer(500, "text/plain", b"trace"),
            "with the error 500; ask who runs it",
        ),
        (
            lambda handler: handler.answer(
                302, "text/plain", b"", Location="http://elsewhere.example/"
            ),
            "sends requests on to another address",
        ),
    ],
    ids=["html", "no UID", "a path for a UID", "401", "404", "204", "500", "redirect"],
)
def test_one_sentence_for_a_wrong_answer(
    service: Service, waits: list[float], answer: Callable[[Handler], None], message: str
) -> None:
    service.mischief = misbehave(1000, answer)
    with pytest.raises(RemoteError, match=message) as caught:
        fetch(service)
    assert verdict_of(caught.value)[0] == USAGE
    assert waits == []


@pytest.mark.parametrize(
    "answer",
    [
        page,
        lambda handler: handler.answer(
            200, "multipart/related; boundary=a-boundary", multipart(b"no image")
        ),
    ],
)
def test_one_sentence_for_what_is_no_image(
    service: Service, answer: Callable[[Handler], None]
) -> None:
    service.mischief = misbehave(1000, answer, "/instances/")
    with pytest.raises(RemoteError, match="does not answer as a DICOMweb service does"):
        fetch(service)


def test_an_answer_that_ends_early_without_an_error_is_noticed(
    service: Service, waits: list[float]
) -> None:
    content = service.files[0].read_bytes()
    whole = multipart(content)[: len(content) // 2]
    service.mischief = misbehave(
        1000,
        lambda handler: handler.answer(200, "multipart/related; boundary=a-boundary", whole),
        "/instances/",
    )
    with pytest.raises(InterruptedRunError, match="nothing of it was kept"):
        fetch(service)


def test_another_image_than_the_one_asked_for(service: Service) -> None:
    other = multipart(service.files[1].read_bytes())
    service.mischief = misbehave(
        1,
        lambda handler: handler.answer(200, "multipart/related; boundary=a-boundary", other),
        "/instances/",
    )
    with pytest.raises(RemoteError, match="sent another image than"):
        fetch(service)


def test_nobody_listens(tmp_path: Path) -> None:
    with serving([]) as gone:
        pass
    with pytest.raises(
        RemoteError, match="cannot be reached; check the address and whether it runs"
    ) as caught:
        fetch(gone)
    assert verdict_of(caught.value)[0] == USAGE


def test_a_stop_removes_what_was_fetched(
    service: Service, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(settings: ScoreSettings) -> list[Finding]:
        assert len(list(settings.data.rglob("*.dcm"))) == 3
        raise TerminationError

    monkeypatch.setattr(scoring.workflow, "score", stopped)
    with pytest.raises(TerminationError):
        scoring.score(
            ScoreSettings(Path(), output_dir=temporary.parent / "results"), study_of(service)
        )
    assert list(temporary.iterdir()) == []


def test_no_place_for_the_study(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/nowhere")
    with pytest.raises(
        OutputError,
        match=r"no folder for the study can be made .*; set TMPDIR to one that can be written",
    ):
        fetch(service)


@pytest.mark.parametrize(
    ("environment", "header"),
    [
        (
            {USER: "me", PASSWORD: SECRET},
            "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode(),
        ),
        ({TOKEN: SECRET}, f"Bearer {SECRET}"),
        ({}, None),
    ],
    ids=["user", "token", "nobody"],
)
def test_credentials_are_sent_and_never_said(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    environment: dict[str, str],
    header: str | None,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password other")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    service.mischief = misbehave(1, busy)
    with caplog.at_level(logging.DEBUG):
        fetch(service)
    assert {sent.get("Authorization") for _, _, sent in service.requests} == {header}
    assert caplog.messages
    for word in (SECRET, base64.b64encode(f"me:{SECRET}".encode()).decode()):
        assert word not in caplog.text + repr(credentials_of(environment))


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({USER: "me"}, "go together"),
        ({USER: "me", PASSWORD: SECRET, TOKEN: SECRET}, "both set"),
        ({USER: "a:b", PASSWORD: SECRET}, "a colon"),
        ({TOKEN: f"{SECRET}\r\nX-Evil: 1"}, "control characters"),
    ],
)
def test_credentials_that_contradict_themselves(environment: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        credentials_of(environment)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("archive.example/dicom-web", "root address"),
        ("ftp://archive.example", "root address"),
        ("http://[::1", "root address"),
        (f"https://me:{SECRET}@archive.example", "carries credentials"),
        (f"https://archive.example/?token={SECRET}", "has a query"),
    ],
)
def test_addresses_that_cannot_be_used(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        checked_address(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://127.0.0.1:80/", False),
        ("http://localhost/a", False),
        ("http://[::1]:1/", False),
        ("https://a.example/", False),
        ("http://a.example/", True),
    ],
)
def test_plain_http_to_another_machine_is_warned_of(
    url: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert checked_address(url) == url.rstrip("/")
    assert any("is not encrypted" in message for message in caplog.messages) is warned


def test_which_hosts_are_this_one() -> None:
    assert [
        is_loopback(host)
        for host in ("127.8.9.1", "::1", "localhost", "127.0.0.1.example", "10.0.0.1")
    ] == [True, True, True, False, False]


def test_certificates_are_verified(tmp_path: Path) -> None:
    assert access.session_of({}).verify is True
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    assert access.session_of({CA: str(bundle)}).verify == str(bundle)
    with pytest.raises(UsageError, match="which is not a file"):
        access.session_of({CA: str(tmp_path / "gone.pem")})


def test_a_certificate_that_cannot_be_verified(
    service: Service, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise requests.exceptions.SSLError("certificate verify failed")

    monkeypatch.setattr(requests.Session, "get", refuse)
    with pytest.raises(
        RemoteError, match=f"cannot be verified; name the certificates of who signed it in {CA}"
    ):
        fetch(service)
    assert waits == []


def test_results_are_stored_in_one_request(service: Service, waits: list[float]) -> None:
    results = [dcmread(path) for path in service.files]
    service.mischief = misbehave(1, busy)
    Archive(service.url).store(STUDY_UID, results)
    assert (len(service.stored), waits) == (1, [1.0])
    assert service.paths("POST") == [f"/studies/{STUDY_UID}"] * 2
    assert all(str(each.SOPInstanceUID).encode() in service.stored[0] for each in results)


def test_results_that_are_refused(service: Service) -> None:
    failed = b'{"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [49442]}}]}}'
    service.mischief = misbehave(
        1, lambda handler: handler.answer(202, "application/dicom+json", failed)
    )
    with pytest.raises(RemoteError, match="refused 1 of 5 results"):
        Archive(service.url).store(STUDY_UID, [dcmread(path) for path in service.files])


@pytest.mark.parametrize("uid", ["", "abc", "1..2", "1.2.3/../..", "1." * 33 + "1", "1.2.3\n"])
def test_what_is_no_uid(service: Service, uid: str) -> None:
    assert not is_uid(uid)
    with pytest.raises(UsageError, match="is no UID: digits and dots are needed"):
        scoring.score(ScoreSettings(Path()), study_of(service, study=uid))
    assert service.requests == []


def test_results_of_an_anonymous_run_are_not_stored(service: Service) -> None:
    with pytest.raises(UsageError, match="DICOM results cannot be anonymous"):
        scoring.score(ScoreSettings(Path(), anonymous=True), study_of(service, store=True))
    assert service.requests == []


def test_words_of_the_command_line() -> None:
    words = (
        "score --dicomweb https://a.example --study 1.2 --series 1.3 --series 1.4 --store "
        "--points p.csv"
    )
    request = verbs.parse(words.split())
    assert isinstance(request, RemoteRequest)
    assert request.study == RemoteStudy("https://a.example", "1.2", ("1.3", "1.4"), store=True)
    assert (request.settings.points, request.settings.dicom) == (Path("p.csv"), True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("score --dicomweb u", "needs --study"),
        ("score --dicomweb u --study 1 --data d", "two sources"),
        ("score --data d --store", "--store has no meaning without --dicomweb"),
        ("score --dicomweb u --study 1 --store --anonymous", "cannot be anonymous"),
        ("score --dicomweb u --study 1 --password x", "no flag --password"),
    ],
)
def test_words_that_contradict_themselves(words: str, message: str) -> None:
    with pytest.raises(DfdError, match=message):
        verbs.parse(words.split())
