"""What a bundle refuses before it starts, and the device it runs on."""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path

import torch

from dfd.errors import BundleError, UsageError

RUNNER_FLAGS = frozenset({"run_id", "init_id", "final_id", "meta_file", "config_file", "logging_file", "tracking", "args_file", "bundle_root"})
"""Flags of ``python -m monai.bundle run`` itself."""


def refuse_unknown_flags(bundle_root: str, config: str) -> None:
    """MONAI adds a misspelt ``--key`` to the configuration in silence; here it is an error.

    Raises:
        UsageError: a flag on the command line of ``monai.bundle run`` names no key of ``configs/<config>.json``.
    """
    if not any(part.endswith(("monai.bundle", "monai/bundle/__main__.py", "monai\\bundle\\__main__.py")) for part in sys.argv[:1]):
        return
    known = set(json.loads((Path(bundle_root) / "configs" / f"{config}.json").read_text(encoding="utf-8"))) | RUNNER_FLAGS
    for token in sys.argv[1:]:
        if not token.startswith("--"):
            continue
        name = token[2:].split("=")[0].replace("#", "::").split("::")[0]
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise UsageError(f"--{name} is no key of configs/{config}.json{f'; did you mean --{near[0]}?' if near else ''}")


def device_of(name: str) -> torch.device:
    """The device behind ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        BundleError: it is not there.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BundleError(f"there is no device {name!r}; use auto, cpu, cuda or cuda:N.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BundleError(f"device {name!r} was asked for, but no CUDA device can be used here; use cpu or auto.")
    return device
