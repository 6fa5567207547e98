"""Paths of version 0.1 that published bundles name, for one release more.

A bundle's JSON names parts of this package by ``_target_`` and by ``$import``. Importing a module
of ``MODULES`` gives a stand-in that looks its names up where they are now, and warns once.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

logger = logging.getLogger(__name__)

INFERENCE, TRAINING = "dfd.bundle.inference", "dfd.bundle.training"
MODULES: dict[str, tuple[str, ...]] = {
    "dfd.bundle.context": (f"{INFERENCE}.load_context", "dfd.context.series_slices"),
    "dfd.bundle.crops": (f"{TRAINING}.crops",),
    "dfd.bundle.draws": (f"{TRAINING}.samplers",),
    "dfd.bundle.finish": (f"{TRAINING}.finalize",),
    "dfd.bundle.inferer": (f"{INFERENCE}.inferer",),
    "dfd.bundle.items": ("dfd.bundle.datalists", "dfd.assessment.cohort"),
    "dfd.bundle.model_file": ("dfd.models.model_file",),
    "dfd.bundle.loss": (f"{TRAINING}.loss",),
    "dfd.bundle.network": ("dfd.bundle.networks.masked_predictor",),
    "dfd.bundle.pool": (f"{TRAINING}.residual_dataset",),
    "dfd.bundle.results": (f"{INFERENCE}.results",),
    "dfd.bundle.scoring": (f"{INFERENCE}.scoring",),
    "dfd.bundle.steps": ("dfd.bundle.batches",),
    "dfd.bundle.training": (f"{TRAINING}.handlers",),
    "dfd.bundle.twins": (f"{INFERENCE}.load_context",),
}
"""Old module -> modules that hold its names now, searched in order."""
NAMES = {
    "dfd.bundle.finish.claim": "check_target",
    "dfd.bundle.finish.finish": "finalize",
    "dfd.bundle.pool.ResidualPool": "ResidualDataset",
    "dfd.bundle.twins.LoadTwind": "LoadReconstructionsd",
}
"""Old dotted name -> what it is called now, where that changed."""


def warn_of(path: str) -> None:
    """Say once that a bundle was written for an earlier version."""
    if not _warned:
        _warned.append(path)
        logger.warning(
            "this bundle names parts of dfd by their paths in version 0.1 (%s); it still runs, and "
            "will not with the next release: take the configs of the bundle that comes with this "
            "one",
            path,
        )


_warned: list[str] = []


def moved(module: str, name: str) -> Any:
    """What ``name`` of an old module is now.

    Raises:
        AttributeError: there was nothing of that name.
    """
    if not name.startswith("__"):
        wanted = NAMES.get(f"{module}.{name}", name)
        for place in MODULES[module]:
            found = importlib.import_module(place)
            if hasattr(found, wanted):
                warn_of(module)
                return getattr(found, wanted)
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


class OldPaths(MetaPathFinder, Loader):
    """Finds the modules of ``MODULES``."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for an old module; None for every other."""
        return ModuleSpec(fullname, self) if fullname in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        """Let the names of a stand-in be looked up when they are asked for."""
        name = module.__name__
        module.__dict__["__getattr__"] = lambda attribute: moved(name, attribute)


def install() -> None:
    """Make the old paths importable."""
    if not any(isinstance(finder, OldPaths) for finder in sys.meta_path):
        sys.meta_path.append(OldPaths())
