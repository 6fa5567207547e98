"""Detects tampering in lung CT and chest MR slices.

For research on image collections; not a medical device.

The face of :mod:`dfd.api`, which is loaded when a name of it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfd.version import __version__

if TYPE_CHECKING:
    from dfd.api import (
        CalibrateOptions,
        ScoreOptions,
        ScreenOptions,
        TrainOptions,
        calibrate,
        score,
        screen,
        train,
    )

__all__ = [
    "CalibrateOptions",
    "ScoreOptions",
    "ScreenOptions",
    "TrainOptions",
    "__version__",
    "calibrate",
    "score",
    "screen",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dfd import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
