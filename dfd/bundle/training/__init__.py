"""What the bundles' train.json names."""

from __future__ import annotations

from typing import Any

from dfd.bundle import old_paths


def __getattr__(name: str) -> Any:
    """In version 0.1 this was the module that is now ``handlers``."""
    return old_paths.moved(__name__, name)
