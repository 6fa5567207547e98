"""Results on disk. A writer decides nothing: it puts down what a record says.

``WRITERS`` is the table: a name and the module whose ``write`` does it. Modules are named, not
imported, so that reading this table loads neither pandas nor Pillow; a new writer is one file
beside this one and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

WRITERS: dict[str, str] = {
    "scores": "dfd.outputs.scores",
    "overlay": "dfd.outputs.overlay",
    "screening_map": "dfd.outputs.screening_map",
    "suspicious": "dfd.outputs.suspicious",
    "report": "dfd.outputs.report",
    "run_record": "dfd.outputs.run_record",
    "run_log": "dfd.outputs.run_log",
    "dicom": "dfd.outputs.dicom",
}


def writer(name: str) -> Callable[..., Path]:
    """The ``write`` function of an entry of ``WRITERS``: folder first, then what to write.

    Returns the file.
    """
    return cast("Callable[..., Path]", import_module(WRITERS[name]).write)
