"""Shared by all tests: one thread, one seed, and the way to the real scans."""

from __future__ import annotations

import os

# Before torch is loaded by any test: with two threads on two busy cores its workers spin against
# each other.
os.environ["OMP_NUM_THREADS"] = "1"

import random
import sys
from pathlib import Path

import numpy as np
import pytest

SEED = 20261122


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test begins with the same random state.

    Torch is seeded only where a test has loaded it.
    """
    random.seed(SEED)
    np.random.seed(SEED)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator of numpy."""
    return np.random.default_rng(SEED)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder with the real scans.

    Tests that ask for it are left out where DFD_DATA does not name one.
    """
    named = os.environ.get("DFD_DATA", "")
    if not named:
        pytest.skip("DFD_DATA is not set: this check on real scans is left out")
    root = Path(named).resolve()
    if not root.is_dir():
        pytest.fail(f"DFD_DATA names {root}, which is no folder")
    return root
