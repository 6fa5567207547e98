"""A real archive on the loopback interface.

Orthanc with its DICOMweb plugin, on free ports, in a folder of its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom import AE

from tests.external.programs import free_port, program

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
START_LIMIT_S = 60
USER, PASSWORD = "tester", "not-a-secret-of-anyone"


@dataclass(frozen=True)
class Orthanc:
    """Where it listens."""

    http: int
    dicom: int

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    @property
    def url(self) -> str:
        return f"{self.root}/dicom-web"

    def store(self, datasets: Iterable[Dataset]) -> list[int]:
        """C-STORE; the status of each."""
        datasets = list(datasets)
        entity = AE(ae_title="DFDTEST")
        for syntax, sop_class in sorted(
            {(str(each.file_meta.TransferSyntaxUID), str(each.SOPClassUID)) for each in datasets}
        ):
            entity.add_requested_context(sop_class, syntax)
        association = entity.associate("127.0.0.1", self.dicom, ae_title="ORTHANC")
        assert association.is_established
        try:
            return [int(association.send_c_store(each).Status) for each in datasets]
        finally:
            association.release()


@contextmanager
def running(
    folder: Path,
    more: Mapping[str, object] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Orthanc]:
    """An archive while the block runs.

    Args:
        folder: Where it keeps all, its log among it.
        more: Further settings.
        variables: Of its environment, beside those of this process and its own address.
    """
    command = program("Orthanc")
    if not PLUGIN.is_file():
        pytest.skip(
            "orthanc-dicomweb is not installed; tests/external/programs.sh installs it on Debian"
        )
    server = Orthanc(free_port(), free_port())
    settings = {
        "Name": "dfd-test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": server.http,
        "DicomPort": server.dicom,
        "DicomAet": "ORTHANC",
        "DicomAlwaysAllowStore": True,
        "DicomCheckCalledAet": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        **(more or {}),
    }
    config = folder / "orthanc.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    with (
        (folder / "orthanc.log").open("wb") as log,
        subprocess.Popen(
            [command, config],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(variables or {}) | {"DFD_ORTHANC_URL": server.root},
        ) as process,
    ):
        try:
            _wait(process, (server.http, server.dicom), folder / "orthanc.log")
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], ports: tuple[int, ...], log: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    for port in ports:
        while True:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(
                    f"Orthanc did not start: {log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.1)
