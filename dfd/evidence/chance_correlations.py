"""What the best of a search for copies comes to where nothing was copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch.nn.functional import pad

from dfd.evidence.copy_template import Templates
from dfd.evidence.search_plane import REACH_PX, SearchPlane
from dfd.intensity import MAD_TO_SD

FEWEST_PLACES = 400
"""Fewer places than this give no reliable spread."""
NORMAL_KURTOSIS = 3.0
CLOSEST = 0.999
"""Correlations above this count as this: rounding of pixels makes the rest."""


@dataclass(frozen=True)
class ChanceLevel:
    """Correlations of templates with places all over a slice that hold no copy of them."""

    spreads: torch.Tensor
    """``[n, 2]`` robust deviation in both planes, over places and transforms."""
    ordinary: torch.Tensor
    """``[n]`` the score that the best match reaches by chance."""
    enough: torch.Tensor
    """``[n]`` bool: whether there are places enough to say so."""

    @property
    def usable(self) -> torch.Tensor:
        """``[n]`` bool: there are places enough, and noise in both planes."""
        return self.enough & (self.spreads > 0).all(-1)

    @property
    def usable_spreads(self) -> torch.Tensor:
        """``[n, 2]``, 1 where there is nothing usable."""
        return torch.where(self.usable[:, None], self.spreads, 1.0)

    def __getitem__(self, numbers: torch.Tensor) -> ChanceLevel:
        """Of some of the templates."""
        return ChanceLevel(*(getattr(self, field.name)[numbers] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[ChanceLevel]) -> ChanceLevel:
        """Of all templates of ``parts``, in order."""
        return cls(
            *(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls))
        )


def chance_level(
    values: torch.Tensor,
    templates: Templates,
    plane: SearchPlane,
    near: torch.Tensor,
    trials: float = 1.0,
) -> ChanceLevel:
    """Of ``templates`` that hold ``values`` ``[n, t, 2, k]`` under some transforms.

    ``near`` ``[m, 2]``: steps from a template to the places that do not count. ``trials``: how many
    transforms a search tries for each of these.
    """
    places, clear = _places_apart(templates, plane, near)
    enough = (places >= FEWEST_PLACES) & clear.any(-1)
    if not enough.any():
        nothing = values.new_zeros(len(values))
        return ChanceLevel(nothing[:, None].expand(-1, 2), nothing, enough)
    # One product for each template: rounding must not depend on what else is asked.
    chance = torch.stack([each.transpose(0, 1) @ plane.terms.patches for each in values])
    counted = clear[:, None, None].expand_as(chance)
    spreads = MAD_TO_SD * _median(torch.where(counted, chance.abs(), torch.nan).flatten(2))
    chance = torch.where(counted, chance, 0.0).double().flatten(2)
    number = counted.flatten(2).sum(-1).clamp_min(1)
    products = chance.prod(1).sum(-1) / number[:, 0]
    tied = (products / spreads.double().prod(-1)).nan_to_num().clamp(0.0, 1.0)
    ordinary = ordinary_score(trials * places * values.shape[1], tied) * tail_factor(chance, number)
    return ChanceLevel(torch.where(enough[:, None], spreads, 0.0), ordinary.float(), enough)


def weighed(correlations: torch.Tensor) -> torch.Tensor:
    """``[...]`` of ``correlations``: how little chance explains each; 0 where it is negative.

    The root of -ln(1 - c^2), about c where c is small. By chance a correlation of n independent
    normal samples exceeds c with a probability of about (1 - c^2)^(n / 2), so what a match tells
    rises without limit as c comes near 1, and not by c alone.
    """
    return (-torch.log1p(-(correlations.clamp(0.0, CLOSEST) ** 2))).sqrt()


def _places_apart(
    templates: Templates, plane: SearchPlane, near: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """``[n]`` how many places that far from a template can be compared with it.

    And which of the sampled places lie that far away, ``[n, s]``.
    """
    weight, sample = plane.terms.weight, plane.terms.sample
    middles = templates.places - templates.places.new_tensor(plane.residual.origin)
    # Disks around supported places reach no further than this beyond the window.
    margin = int(near.max()) + REACH_PX
    counted = pad(weight > 0, (margin,) * 4)
    stride = near.new_tensor([counted.shape[1], 1])
    index = ((middles + margin) * stride).sum(-1)[:, None] + (near * stride).sum(-1)
    left_out = counted.flatten().index_select(0, index.flatten()).view(index.shape).sum(-1)
    clear = ((sample - middles[:, None]) ** 2).sum(-1) > (near**2).sum(-1).max()
    return plane.terms.places - left_out, clear


def _median(values: torch.Tensor) -> torch.Tensor:
    """``[...]`` median of what is not NaN among ``values`` ``[..., m]``, an even number of them.

    The mean of the two in the middle.
    """
    lower = values.nanmedian(-1, keepdim=True).values
    larger = values > lower
    upper = torch.where(larger, values, torch.inf).amin(-1)
    lower = lower[..., 0]
    half = larger.sum(-1) == (values <= lower[..., None]).sum(-1)
    return torch.where(half, (lower + upper) / 2.0, lower)


def ordinary_score(trials: torch.Tensor, tied: torch.Tensor) -> torch.Tensor:
    """What the score of a match comes to by chance.

    Where the sum of both planes is the largest of so many, each holds about half of it.

    The largest of n independent normal numbers is about sqrt(2 ln n) (Leadbetter, Lindgren,
    Rootzen, Extremes, 1983, theorem 1.5.3); the sum of two that are correlated by ``tied`` has the
    variance 2 (1 + tied).
    """
    return (trials.clamp_min(2).double().log() * (1.0 + tied)).sqrt()


def tail_factor(chance: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
    """``[n]``: how much further than normal numbers chance correlations of templates reach; >= 1.

    ``chance`` ``[n, 2, m]``: the correlations, of which all but ``number`` ``[n, 2]`` are 0 and do
    not count.

    A template with structure resembles most places as little as any, and the few with similar
    structure much: its correlations have heavy tails, and their largest grows about as their
    kurtosis (measured on genuine slices, docs/explanation/method.md). The score holds the root of
    both planes.
    """
    squares = chance**2
    kurtosis = number * (squares**2).sum(-1) / (squares.sum(-1) ** 2).clamp_min(1e-30)
    return (kurtosis / NORMAL_KURTOSIS).clamp_min(1.0).prod(-1).sqrt()
