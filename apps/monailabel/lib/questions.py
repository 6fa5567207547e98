"""The keys of a request -> what is asked, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lib.refusals import refusal

MOST_POINTS = 256
"""In one request; more is a points file, which ``dfd score`` takes."""


@dataclass(frozen=True)
class Place:
    """A point, or the disk that stands for a box, in pixels of the stored matrix."""

    x: float
    y: float
    z: int | None = None
    """Zero-based slice; None where the client named none."""
    radius_px: float | None = None
    """Of the disk with the area of a box; None: the radius that the model was made for."""


def places_of(request: Mapping[str, Any]) -> list[Place]:
    """The points of ``foreground`` ([[x, y], …] or [[x, y, z], …]), else the box of ``roi``.

    None where the slice as a whole is asked about.

    Raises:
        HTTPException: the keys hold something else; the message says what they may hold.
    """
    points = request.get("foreground") or []
    if not isinstance(points, list) or len(points) > MOST_POINTS:
        raise refusal(
            f"`foreground` must be a list of up to {MOST_POINTS} points, such as [[211, 180, 0]]"
        )
    if points:
        return [_point(point, slice_of(request)) for point in points]
    return [_box(request["roi"], slice_of(request))] if request.get("roi") else []


def slice_of(request: Mapping[str, Any]) -> int | None:
    """The zero-based slice that the key ``slice`` names.

    None where it names none (-1 is how clients say so).

    Raises:
        HTTPException: it is no whole number.
    """
    value = request.get("slice")
    if value is None or value == -1:
        return None
    return _index(value, "`slice`")


def _point(point: object, index: int | None) -> Place:
    shape = (
        "a point of `foreground` must be [x, y] or [x, y, z], pixels from 0, and not "
        f"{str(point)[:60]}"
    )
    if not isinstance(point, list) or len(point) not in (2, 3):
        raise refusal(shape)
    x, y = (_number(value, shape) for value in point[:2])
    return Place(x, y, _index(point[2], "z of a point") if len(point) == 3 else index)


def _box(box: object, index: int | None) -> Place:
    shape = (
        "`roi` must be [x0, x1, y0, y1] or [x0, x1, y0, y1, z0, z1], pixels from 0, and not "
        f"{str(box)[:60]}"
    )
    if not isinstance(box, list) or len(box) not in (4, 6):
        raise refusal(shape)
    # Clients turn axes without putting the ends of a box in order.
    (left, right), (top, bottom), *depth = (
        sorted(_number(value, shape) for value in box[at : at + 2]) for at in range(0, len(box), 2)
    )
    area = (right - left) * (bottom - top)
    if area <= 0.0:
        raise refusal(f"the box {box} has no area; draw it over the region that is meant")
    if index is None and depth:
        index = round(sum(depth[0]) / 2.0)
    return Place((left + right) / 2.0, (top + bottom) / 2.0, index, math.sqrt(area / math.pi))


def _number(value: object, sentence: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refusal(sentence)
    return float(value)


def _index(value: object, name: str) -> int:
    sentence = (
        f"{name} must be the whole number of a slice, counted from 0, and not {str(value)[:60]}"
    )
    number = _number(value, sentence)
    if not number.is_integer():
        raise refusal(sentence)
    return int(number)
