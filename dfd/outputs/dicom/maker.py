"""Who made the results, in which words, and under which identifiers.

What SR, map and segmentation share.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any, Generic, Protocol, TypeVar

from pydicom import Dataset
from pydicom.uid import UID

from dfd.version import __version__

PRODUCT = "deepfakes-detector"
MARK = "RESEARCH, NOT FOR DIAGNOSIS"
LABEL = "RESEARCH"
"""ContentLabel is a CS of 16 characters and has room for no more."""
SERIES_NUMBERS = {"scores": 9901, "map": 9902, "regions": 9903, "captures": 9904}
"""Kind of result -> SeriesNumber, beyond those of scanners. Each kind has its own modality and so
its own series."""


@dataclass(frozen=True)
class Maker:
    """The model that found what the results say."""

    bundle: str
    weights_sha256: str
    calibration_sha256: str

    @property
    def name(self) -> str:
        """Of the algorithm."""
        return f"{PRODUCT} {self.bundle}"

    @property
    def parameters(self) -> list[str]:
        """What tells one state of the algorithm from another."""
        return [
            f"weights SHA-256 {self.weights_sha256}",
            f"calibration SHA-256 {self.calibration_sha256 or 'none'}",
        ]

    def uid(self, *words: object) -> UID:
        """A UID under 2.25 (PS3.5 B.2) that follows from the model and ``words``."""
        text = "/".join(
            str(word)
            for word in (
                "dfd results",
                __version__,
                self.weights_sha256,
                self.calibration_sha256,
                *words,
            )
        )
        return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, text).int}")


class Source(Protocol):
    """A series that a result speaks of."""

    @property
    def header(self) -> Dataset:
        """Of its first slice."""

    @property
    def content(self) -> list[tuple[object, ...]]:
        """What is said of it, for a digest."""


S = TypeVar("S", bound=Source)


@dataclass(frozen=True)
class Names(Generic[S]):
    """Identifiers of one result of one series.

    The same model and the same findings give the same, so that storing twice piles nothing up.
    """

    maker: Maker
    kind: str
    series: S
    number: int = 1
    """InstanceNumber."""

    def uid(self, *words: object) -> UID:
        """A UID below this result."""
        return self.maker.uid(self._digest, self.kind, self.number, *words)

    @cached_property
    def _digest(self) -> str:
        """Of what the rows of the series say; asked for once per row."""
        content = str(self.series.header.SeriesInstanceUID), self.series.content
        return hashlib.sha256(repr(content).encode()).hexdigest()

    def common(self) -> dict[str, Any]:
        """Arguments that all of highdicom's objects take."""
        return {
            "series_instance_uid": self.maker.uid(self._digest, self.kind),
            "series_number": SERIES_NUMBERS[self.kind],
            "sop_instance_uid": self.uid("instance"),
            "instance_number": self.number,
            "manufacturer": PRODUCT,
            "manufacturer_model_name": self.maker.bundle,
            "software_versions": __version__,
            "device_serial_number": self.maker.weights_sha256,
            "series_description": f"{MARK}: tampering {self.kind}",
        }


def as_bytes(made: Dataset) -> bytes:
    """A file's content."""
    stream = BytesIO()
    made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
