"""What the command line asked for.

One of the settings records, or one of the small records here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from dfd.settings import (
    SEED,
    CalibrateSettings,
    RemoteStudy,
    ScoreSettings,
    ScreenSettings,
    TrainSettings,
)


@dataclass(frozen=True, slots=True)
class InfoRequest:
    """What is this model?"""

    model: str | None = None
    """None: all shipped ones."""


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """Make a phantom, tamper with it, score it."""

    output: Path = field(default_factory=lambda: Path("demo_output"))
    seed: int = SEED


@dataclass(frozen=True, slots=True)
class RemoteRequest:
    """Score a study of an archive."""

    settings: ScoreSettings
    """``data`` is not used."""
    study: RemoteStudy


Request: TypeAlias = (
    RemoteRequest
    | ScoreSettings
    | ScreenSettings
    | TrainSettings
    | CalibrateSettings
    | InfoRequest
    | DemoRequest
)
