"""Windows of a slice and how far each deviates from those most similar to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from dfd.evidence.medians import median, median_of_first
from dfd.intensity import MAD_TO_SD

MIN_REFERENCE = 12
"""Below this many there is no robust spread, and the region is not assessable."""


@dataclass(frozen=True)
class WindowTable:
    """Numbers of windows.

    ``centres`` ``[n, 2]`` (x, y), ``measures`` ``[n, 9]``, ``covariates`` ``[n, c]``; rows without
    support are NaN.
    """

    radius: float
    centres: torch.Tensor
    measures: torch.Tensor
    covariates: torch.Tensor

    def __len__(self) -> int:
        return len(self.centres)

    @cached_property
    def width(self) -> torch.Tensor:
        """``[c]`` robust spread of the covariates."""
        return _robust_spread(self.covariates).clamp(min=1e-3)

    @cached_property
    def floor(self) -> torch.Tensor:
        """``[9]`` half the robust spread of the measures.

        The least that a handful of windows is believed to vary by.
        """
        return (0.5 * _robust_spread(self.measures)).clamp(min=1e-3)

    @property
    def has_support(self) -> torch.Tensor:
        """``[n]``, True where enough of a window was measured."""
        return self.measures.isfinite().all(dim=1)

    def rows(self, chosen: torch.Tensor | slice) -> WindowTable:
        """The table of some of its windows."""
        return WindowTable(
            self.radius, self.centres[chosen], self.measures[chosen], self.covariates[chosen]
        )


def _robust_spread(values: torch.Tensor) -> torch.Tensor:
    columns = values.T.contiguous()
    return MAD_TO_SD * median((columns - median(columns)[:, None]).abs())


def deviations_from(
    measures: torch.Tensor, reference: WindowTable, similar: torch.Tensor, usable: torch.Tensor
) -> torch.Tensor:
    """``[n, 9]``: how far ``measures`` ``[n, 9]`` lie from those of similar windows.

    In robust spreads of those; NaN where there are fewer than ``MIN_REFERENCE``.

    Args:
        measures: of the windows asked about.
        reference: the windows they are compared with.
        similar: ``[n, k]`` rows of ``reference``.
        usable: ``[n, k]``, which of them count.
    """
    values = reference.measures[similar].transpose(1, 2).contiguous()
    values.masked_fill_(~usable[:, None], torch.inf)
    count = usable.sum(dim=1, keepdim=True)
    middle = median_of_first(values, count)
    spread = MAD_TO_SD * median_of_first(values.sub_(middle[..., None]).abs_(), count)
    # A handful of windows may agree by chance.
    deviation = (measures - middle) / torch.maximum(spread, reference.floor)
    return deviation.masked_fill_(count < MIN_REFERENCE, torch.nan)
