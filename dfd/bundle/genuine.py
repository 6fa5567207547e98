"""Genuine slices that a calibration may stand on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from dfd.bundle.reader import LoadSliced
from dfd.modalities import Modality
from dfd.suitability import objections

logger = logging.getLogger(__name__)

Step = Callable[[Mapping[Hashable, Any]], dict[Hashable, Any]]


def usable_slice(
    item: Mapping[str, Any], modality: Modality, then: Step = dict
) -> dict[Hashable, Any] | None:
    """``item`` decoded (``image``, ``scan``) and through ``then``.

    None, with a warning, where scoring would refuse it.
    """
    entry: dict[Hashable, Any] = dict(item.items())
    loaded = LoadSliced("image", modality.name)(entry)
    if "scan" not in loaded:
        logger.warning("left out of calibration: %s", loaded.get("error"))
        return None
    against = objections(loaded["scan"], modality)
    if against.refusal or against.not_assessable:
        logger.warning(
            "left out of calibration: %s: %s",
            item["image"],
            against.refusal or against.not_assessable,
        )
        return None
    return then(loaded)
