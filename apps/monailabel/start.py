"""Starts the server: ``python apps/monailabel/start.py --studies FOLDER [--port 8000]``.

Other words go to ``monailabel start_server``.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
EXTENSIONS = ("*.dcm", "*.nii.gz", "*.nii")


def argument_parser() -> argparse.ArgumentParser:
    """The command line of this script; other words go to MONAI Label."""
    parser = argparse.ArgumentParser(
        description="MONAI Label server that scores regions of lung CT and chest MR for tampering",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--studies",
        required=True,
        help="folder with .dcm, .nii or .nii.gz files, or the address of a DICOMweb server",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (default 127.0.0.1: this machine only; there is no password)",
    )
    parser.add_argument("--port", default="8000", help="port to listen at (default 8000)")
    return parser


def main() -> None:
    """Sets what MONAI Label needs and hands over to it."""
    parser = argument_parser()
    arguments, more = parser.parse_known_args()
    if (
        not arguments.studies.startswith(("http://", "https://"))
        and not Path(arguments.studies).is_dir()
    ):
        parser.error(f"there is no folder {arguments.studies}; name the one with the scans")
    if reason := why_not(arguments.host, arguments.port):
        parser.error(
            f"nobody can listen at port {arguments.port} of {arguments.host} ({reason}); name "
            "another "
            "with --port"
        )
    prepare()
    from monailabel.app import app
    from monailabel.main import Main

    from lib import refusals, searches

    refusals.install(app)
    searches.install(app)
    words = [
        "--app",
        str(HERE),
        "--studies",
        arguments.studies,
        "--host",
        arguments.host,
        "--port",
        arguments.port,
    ]
    sys.argv = ["monailabel", "start_server", *words, *more]
    Main().run()


def why_not(host: str, port: str) -> str:
    """Why a server cannot listen there; empty where it can.

    MONAI Label itself would say so after half a minute of loading.
    """
    try:
        with socket.create_server(
            (host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        ):
            return ""
    except (OSError, OverflowError, ValueError) as error:
        return getattr(error, "strerror", None) or "it is no port"


def prepare() -> None:
    """Paths and settings of this process and of those that MONAI Label starts in the background."""
    paths = [
        str(HERE),
        str(HERE / "compat"),
        *([str(PROJECT)] if (PROJECT / "dfd").is_dir() else []),
    ]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [*paths, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    # It calls `python`, which must be this one.
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    )
    os.environ.setdefault("MONAI_LABEL_DATASTORE_FILE_EXT", json.dumps(EXTENSIONS))
    # Screening takes seconds a slice: it is begun by a request, not by the start of the server.
    os.environ.setdefault("MONAI_LABEL_AUTO_UPDATE_SCORING", "false")
    os.environ.setdefault("MONAI_LABEL_TRACKING_ENABLED", "false")
    # A series of an archive is scored from its DICOM files: as NIfTI it would have no header.
    os.environ.setdefault("MONAI_LABEL_DICOMWEB_CONVERT_TO_NIFTI", "false")


if __name__ == "__main__":
    main()
