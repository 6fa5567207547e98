"""How a copy may be turned, resized and mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Transform:
    """From a template to its copy: mirrored left to right, then rotated, then resized."""

    mirrored: bool = False
    degrees: float = 0.0
    """Counter-clockwise as seen on a screen."""
    size: float = 1.0
    """Of the copy, where the template has 1."""


def parameters_of(transforms: tuple[Transform, ...]) -> torch.Tensor:
    """``[t, 3]`` float64: 1 where mirrored else 0, degrees, size."""
    return torch.tensor(
        [(float(each.mirrored), each.degrees, each.size) for each in transforms],
        dtype=torch.float64,
    )


def back_matrices(parameters: torch.Tensor) -> torch.Tensor:
    """``[..., 2, 2]``: lead from (row, column) steps in a copy to steps in its template.

    ``parameters`` ``[..., 3]`` as of ``parameters_of``.
    """
    mirrored, degrees, size = parameters.unbind(-1)
    radians = torch.deg2rad(degrees)
    cosine, sine = torch.cos(radians), torch.sin(radians)
    sign = 1.0 - 2.0 * mirrored
    rows = torch.stack([cosine, sine], -1), torch.stack([-sine * sign, cosine * sign], -1)
    return torch.stack(rows, -2) / size[..., None, None]


AS_IT_IS = (Transform(),)


def with_mirrored(turns: tuple[Transform, ...]) -> tuple[Transform, ...]:
    """``turns``, then of each the one whose templates are its templates mirrored left to right."""
    return (*turns, *(Transform(True, -each.degrees, each.size) for each in turns))
