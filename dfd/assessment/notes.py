"""What other reconstructions of a slice say of a region, as notes that follow the reason."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfd.context.reconstruction_agreement import Agreement, Comparison, Content
from dfd.modalities import Modality
from dfd.reading.pixel_values import pixels_of
from dfd.records import Reconstruction, Region, Slice
from dfd.sentences import Sentence, quoted

WIDEST_BOUND = 100.0
"""HU: the difference of a region is named as a bound up to here. Fat and muscle lie 150 apart, so a
wider one would hold for an edit as well."""


class ReconstructionNotes:
    """Sentences on regions of a slice in view of its other reconstructions.

    Remarks alone: no p-value, score or verdict depends on them.
    """

    def __init__(
        self, scan: Slice, reconstructions: Sequence[Reconstruction], modality: Modality
    ) -> None:
        own = pixels_of(scan) if reconstructions else np.empty((0, 0), dtype=np.float32)
        self._same = [
            each for each in reconstructions if np.array_equal(each.pixels, own, equal_nan=True)
        ]
        # Series without a physical unit are other weightings of a place rather than other
        # reconstructions: nothing says what they should share.
        others = (
            []
            if modality.relative
            else [each for each in reconstructions if each not in self._same]
        )
        self._others = [(each.name, Comparison(own, each.pixels, modality)) for each in others]

    def of(self, region: Region) -> tuple[str, ...]:
        """One sentence for each reconstruction that says anything of ``region``."""
        same = [
            Sentence(
                f"another series of this study ({quoted(each.name)}) holds the very same pixels"
            )
            for each in self._same
        ]
        compared = [_sentence(name, comparison.of(region)) for name, comparison in self._others]
        return tuple(sentence for sentence in (*same, *compared) if sentence)


def _sentence(name: str, agreement: Agreement) -> str:
    if agreement.content is Content.OTHER:
        numbers = (
            f"the two differ by {_hu(agreement.differs)}, {_hu(agreement.usual)} is usual at such "
            "places of this slice"
        )
        return Sentence(
            f"another reconstruction of this study ({quoted(name)}) shows other content here: "
            f"{numbers}"
        )
    if agreement.content is Content.SAME:
        subject = f"the other reconstruction of this study ({quoted(name)})"
        if agreement.differs <= WIDEST_BOUND:
            return Sentence(
                f"{subject} shows the same content here, within "
                f"{max(agreement.differs, 1.0):.0f} HU"
            )
        return Sentence(
            f"{subject} differs here no more than is usual at such places of this slice"
        )
    return ""


def _hu(value: float) -> str:
    return f"{value:.0f} HU" if value >= 1.0 else "less than 1 HU"
