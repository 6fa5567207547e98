"""Sentences on the measures of a window, and which of them fits which form of tampering."""

from __future__ import annotations

from collections.abc import Mapping

from dfd.evidence.window_features import ADDED_NOISE, ENERGY, GRAIN, MEASURES, REPLACED_CONTENT

CLEAR = 1.0
"""Usual variations from which on the strength of the grain is called weaker or stronger."""
_DIRECTIONS = {
    (0, 1): "across",
    (1, 0): "down",
    (0, 2): "two pixels across",
    (2, 0): "two pixels down",
}

Measures = Mapping[str, float]


def largest_of_grain(measures: Measures) -> str:
    """Name of the measure of the residual that deviates most."""
    return max(MEASURES[GRAIN], key=lambda name: abs(measures[name]))


def of_grain(name: str, measures: Measures) -> str:
    """On one measure of the residual: its energy, or a correlation of pixels."""
    value = measures[name]
    times = f"{abs(value):.1f} times the usual variation"
    if name == ENERGY:
        return (
            f"noise here is {'stronger' if value > 0 else 'weaker'} than the surroundings "
            f"predict, {times} of the same tissue in this slice"
        )
    row, column = (int(part) for part in name.split()[1].split(","))
    likeness, direction = (
        "more" if value > 0 else "less",
        _DIRECTIONS.get((row, column), "on the diagonal"),
    )
    return (
        f"the grain here is {likeness} alike from pixel to pixel ({direction}) than in the same "
        f"tissue of this slice, {times}"
    )


def of_replaced_content(measures: Measures) -> str:
    """On what the network's head says of replaced content."""
    return _of_head(
        "resampled, smoothed or generated content", measures[REPLACED_CONTENT], measures
    )


def of_added_noise(measures: Measures) -> str:
    """On more noise: its energy, or what the network's head says of added noise.

    Whichever deviates more.
    """
    if measures[ENERGY] >= measures[ADDED_NOISE]:
        return of_grain(ENERGY, measures)
    return _of_head("grain that noise was added to", measures[ADDED_NOISE], measures)


def of_an_edit(measures: Measures) -> str:
    """On what may show an edit and is no surplus of noise.

    The grain, or what the head says of replaced content where noise alone surpasses it.
    """
    grain = [name for name in MEASURES[GRAIN] if name != ENERGY or measures[name] <= 0]
    name = max(grain, key=lambda each: abs(measures[each]))
    if name != largest_of_grain(measures) and measures[REPLACED_CONTENT] > abs(measures[name]):
        return of_replaced_content(measures)
    return of_grain(name, measures)


def _of_head(like: str, value: float, measures: Measures) -> str:
    energy = measures[ENERGY]
    strength = (
        "weaker than" if energy < -CLEAR else "stronger than" if energy > CLEAR else "as strong as"
    )
    return (
        f"the grain here looks {'more' if value > 0 else 'less'} like {like} than in the same "
        "tissue of this slice, "
        f"{abs(value):.1f} times the usual variation; it is {strength} the surroundings predict"
    )
