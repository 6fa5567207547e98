"""Which windows of a slice are most similar to a window: one batched nearest-neighbour search.

Likeness is the distance of the covariates, each in units of its own robust spread over the
reference. A quick search in single precision names candidates and what lies beyond them at least;
among the candidates the distances are computed in double precision. Where they do not prove that
nothing nearer was missed, all windows are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from dfd.evidence.window_table import MIN_REFERENCE, WindowTable, deviations_from

N_REFERENCE = 40
"""Genuine windows of the same slice that a window is compared with."""
EXCLUSION_RADII = 2.2
"""Reference windows begin this many radii away, so that a click a little off does not put the edit
into its own reference."""
N_CANDIDATES = 64
"""Some more than ``N_REFERENCE``, so that families that weigh the covariates a little differently
find theirs among them."""
GROUP = 8
"""Windows whose least distance stands for all of them at first."""
LARGEST_COVARIATE = 16.0
"""Covariates are cut here in the quick search, in units of their spread: cut ones lie no farther
apart, and squares of large ones have no decimals in single precision."""
ROUNDING = 2e-6
"""Most that single precision changes a squared distance by, as a share of both squared lengths."""
PENALTY = 1e9
"""Of a square pixel that a reference window lies too near by: more than any distance."""
BLOCK = 2**18
"""Pairs of windows that are looked at in one go: a few MB."""


@dataclass(frozen=True)
class Candidates:
    """Reference windows among which those most similar to each of ``n`` windows are looked for."""

    rows: torch.Tensor
    """``[n, k]`` rows of the reference, ascending; its length where there is none."""
    limit: torch.Tensor
    """``[n]``: least squared distance of any other, in units of the reference; those that lie too
    near in place do not count."""
    reference: WindowTable

    def among(self, kept: torch.Tensor, of: WindowTable) -> Candidates:
        """The same for a reference ``of`` some of these windows, ``kept`` ``[m]`` by row."""
        place = kept.new_full((len(self.reference) + 1,), len(kept))
        place[kept] = torch.arange(len(kept), device=kept.device)
        # No other can come nearer than by the covariate whose unit grows most.
        least = (self.reference.width / of.width).min().square()
        return Candidates(place[self.rows], self.limit * least, of)


def candidates_of(windows: WindowTable, reference: WindowTable) -> Candidates:
    """The ``N_CANDIDATES`` of ``reference`` that are most similar to each of ``windows``."""
    number = len(reference)
    if number <= N_CANDIDATES or not len(windows):
        return _all_of(windows, reference)
    asked, others = _cut(windows, reference), _cut(reference, reference)
    groups = -(-number // GROUP)
    likeness = _Products(asked, others, groups * GROUP)
    places = _Products(*_places(windows, reference), groups * GROUP)
    clear = (EXCLUSION_RADII * windows.radius) ** 2 - places.rounding.max()
    found = []
    for block in _blocks(len(windows), number):
        too_near = (clear - places.squares(block)).clamp_(min=0.0)
        found.append(_least(too_near.mul_(PENALTY).add_(likeness.squares(block)), groups))
    rows = torch.cat([each for each, _ in found]).clamp(max=number).sort(dim=1).values
    limit = torch.cat([each for _, each in found]) - likeness.rounding
    return Candidates(rows, limit.double(), reference)


class _Products:
    """Squared distances as one product: |a|^2 + |b|^2 - 2 a b.

    Args:
        points: a, ``[n, c]``.
        others: b, ``[m, c]``.
        columns: how many columns the distances shall have; those beyond m are infinite.
    """

    def __init__(self, points: torch.Tensor, others: torch.Tensor, columns: int) -> None:
        lengths, own = (each.square().sum(dim=1) for each in (others, points))
        factors = torch.cat([-2.0 * others.T, lengths[None], torch.ones_like(lengths)[None]])
        missing = factors.new_zeros(len(factors), columns - len(others))
        missing[-2] = torch.inf
        self._points = torch.cat([points, torch.ones_like(own)[:, None], own[:, None]], dim=1)
        self._factors = torch.cat([factors, missing], dim=1)
        self.rounding = ROUNDING * (own + lengths.max())
        """``[n]``: most that a squared distance is wrong by."""

    def squares(self, block: slice) -> torch.Tensor:
        """Of some of the points to all others."""
        return self._points[block] @ self._factors


def _cut(windows: WindowTable, reference: WindowTable) -> torch.Tensor:
    """``[n, c]`` covariates in units of their spread, around zero, in single precision."""
    middle = reference.covariates.mean(dim=0)
    scaled = (windows.covariates - middle) / reference.width
    return scaled.clamp(-LARGEST_COVARIATE, LARGEST_COVARIATE).float()


def _blocks(count: int, number: int) -> Iterator[slice]:
    """Parts of ``count`` windows that are looked at together with all ``number`` others."""
    size = max(1, BLOCK // number)
    return (slice(start, start + size) for start in range(0, count, size))


def _places(windows: WindowTable, reference: WindowTable) -> tuple[torch.Tensor, torch.Tensor]:
    """The centres of both around those of the reference, in single precision."""
    middle = reference.centres.double().mean(dim=0).round()
    return (windows.centres - middle).float(), (reference.centres - middle).float()


def _least(squares: torch.Tensor, groups: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The columns of the ``N_CANDIDATES`` least of each row ``[n, GROUP * groups]``.

    And the largest of those values ``[n]``.
    """
    grouped = squares.unflatten(1, (GROUP, groups))
    # The least values lie in as many groups at most, those with the least minima.
    chosen = grouped.amin(dim=1).topk(min(N_CANDIDATES, groups), largest=False, sorted=False)[1]
    values = grouped.gather(2, chosen[:, None].expand(-1, GROUP, -1)).flatten(1)
    least, places = values.topk(N_CANDIDATES, largest=False, sorted=False)
    member = torch.div(places, chosen.shape[1], rounding_mode="floor")
    columns = chosen.gather(1, places % chosen.shape[1]) + member * groups
    return columns, least.amax(dim=1)


def nearest(windows: WindowTable, candidates: Candidates) -> tuple[torch.Tensor, torch.Tensor]:
    """The candidates most similar to each of ``windows``, and which of them may be used.

    Two tensors ``[n, k]``, at most ``N_REFERENCE`` wide. Not to be used are those that lie within
    ``EXCLUSION_RADII`` radii.
    """
    rows, usable, proven = _nearest(windows, candidates)
    # Candidates of a table with more windows may not do, and those of its own will nearly always.
    for search in (candidates_of, _all_of):
        doubtful = torch.nonzero(~proven)[:, 0]
        for block in _blocks(len(doubtful), len(candidates.reference)):
            chosen = doubtful[block]
            asked = windows.rows(chosen)
            found = _nearest(asked, search(asked, candidates.reference))
            rows[chosen], usable[chosen], proven[chosen] = found
    return rows, usable


def _all_of(windows: WindowTable, reference: WindowTable) -> Candidates:
    """All windows of ``reference`` for each of ``windows``."""
    rows = torch.arange(len(reference), device=windows.centres.device)
    limit = windows.covariates.new_full((len(windows),), torch.inf)
    return Candidates(rows.expand(len(windows), -1), limit, reference)


def _nearest(
    windows: WindowTable, candidates: Candidates
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As ``nearest``, and for which windows ``[n]`` no nearer one was missed."""
    reference = candidates.reference
    rows = candidates.rows.clamp(max=len(reference) - 1)
    scaled = reference.covariates / reference.width
    apart = scaled[rows] - (windows.covariates / reference.width)[:, None]
    squares = apart.square_().sum(dim=2)
    steps = (reference.centres[rows] - windows.centres[:, None]).square_().sum(dim=2)
    too_near = steps < (EXCLUSION_RADII * windows.radius) ** 2
    squares.masked_fill_(too_near | (candidates.rows >= len(reference)), torch.inf)
    number = min(N_REFERENCE, len(reference) - 1, squares.shape[1])
    least, first = squares.topk(number, dim=1, largest=False)
    return rows.gather(1, first), least.isfinite(), least[:, -1] <= candidates.limit


def deviations(windows: WindowTable, reference: WindowTable) -> torch.Tensor:
    """``[n, 9]``: robust deviation of each window from its most similar reference windows.

    Those are the ``N_REFERENCE`` with the nearest covariates, each in units of its own robust
    spread over the reference; those closer than ``EXCLUSION_RADII`` radii are left out. NaN where
    there are fewer than ``MIN_REFERENCE``.
    """
    return deviations_among(windows, candidates_of(windows.rows(described(windows)), reference))


def deviations_among(windows: WindowTable, candidates: Candidates) -> torch.Tensor:
    """As ``deviations``, with the ``candidates`` of those windows that are ``described``."""
    result = torch.full_like(windows.measures, torch.nan)
    asked = described(windows)
    if len(candidates.reference) >= MIN_REFERENCE and len(asked):
        table = windows.rows(asked)
        similar, usable = nearest(table, candidates)
        result[asked] = deviations_from(table.measures, candidates.reference, similar, usable)
    return result


def described(windows: WindowTable) -> torch.Tensor:
    """``[m]``: the windows that have covariates."""
    return torch.nonzero(windows.covariates.isfinite().all(dim=1))[:, 0]
