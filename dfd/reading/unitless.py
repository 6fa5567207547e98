"""Intensities without a unit, as those of MR: counted in steps of the slice's own scale.

An exporter may write the same slice with any scale and offset (RescaleSlope, a vendor's private
scale, a NIfTI of 0 to 1). Counted in steps from its own zero, the slice is the same in all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dfd.records import BoolImage, FloatImage, Rescale

Values = NDArray[np.float64]

PLATEAU_SHARE = 0.005
"""Share of the pixels from which on the lowest value is the background and no outlier."""
SPIKE_SHARE, SPIKE_TIMES = 0.05, 2
"""Share of the pixels that a background above the lowest value holds at least, and how many times
as many as the values beside it: in a smooth histogram they hold about as many."""
LOW_PERCENTILE = 25.0
"""The background lies below this percentile: a spike above it is saturation or a mask."""
SAME = 1e-5
"""Values closer than this share of the range are one value: float32 rounds far finer, and 16 bits
have steps of 1.5e-5."""
MOST_STEPS = 2**17
"""Steps between lowest and highest value of a slice at most: scanners store 16 bits."""
STEP_TOLERANCE = 0.05
"""How far a value may lie off a whole number of steps: float32 rounds 65,535 steps by 0.004."""
FIRST_STEPS = 64
"""Values up to so many steps give the first estimate of a step; each later one doubles the
reach."""
LARGEST_VALUE = 1e150
"""Larger values are damage; sums and squares of these are still finite."""
LARGEST = 1e30
"""Padding may be the largest number there is, and would become infinite in float32."""
BRIGHT_PERCENTILE, BRIGHT_STEPS = 95.0, 1000.0
"""Where values lie on no lattice (interpolated data), this percentile of what is above zero becomes
so many steps, as in slices that scanners store."""


def in_steps(values: Values, valid: BoolImage) -> tuple[FloatImage, Rescale]:
    """Count the intensities of one slice in steps from its zero level.

    A positive scale and any offset of ``values`` leave the result as it is: bit for bit where the
    values lie on a lattice (whole numbers times a step), to float rounding elsewhere.

    Args:
        values: ``[H, W]``, brighter = larger, in any scale. What is not ``valid`` may be anything.
        valid: ``[H, W]``, True where a pixel holds a measurement; at least one is.

    Returns:
        ``[H, W]`` float32, 0 = the zero level, and how to get ``values`` back:
        ``pixels * slope + intercept``.
    """
    values = np.clip(values, -LARGEST_VALUE, LARGEST_VALUE)
    measured = values[valid]
    zero = zero_level(measured)
    above = measured - zero
    step = _lattice_step(above)
    on_lattice = step > 0
    step = step or _brightness_step(above)
    with np.errstate(over="ignore"):  # padding over a tiny step
        pixels = np.clip((values - zero) / step, -LARGEST, LARGEST)
    if on_lattice:
        pixels[valid] = np.rint(pixels[valid])
    return pixels.astype(np.float32), Rescale(step, zero)


def zero_level(measured: Values) -> float:
    """The value that stands for no signal: the lowest, unless the background is a spike above it.

    Interpolation leaves a few negative values beside a background of zeros. Values that differ by
    less than ``SAME`` of the range count as one, since float files round them.
    """
    ordered = np.sort(measured)
    least, same = float(ordered[0]), SAME * float(ordered[-1] - ordered[0])
    if np.searchsorted(ordered, least + same, "right") > PLATEAU_SHARE * ordered.size:
        return least
    many = max(1, int(SPIKE_SHARE * ordered.size))
    starts = np.flatnonzero(ordered[many:] - ordered[:-many] <= same)
    spike = float(ordered[starts[0] + many // 2]) if starts.size else least
    low = spike <= np.percentile(ordered, LOW_PERCENTILE)
    return spike if low and _stands_out(spike, ordered, same) else least


def _stands_out(level: float, ordered: Values, same: float) -> bool:
    """Whether many more values lie at ``level`` than at the levels below and above it."""
    first, last = np.searchsorted(ordered, (level - same, level + same))
    counts = []
    for place in (first - 1, last):
        if 0 <= place < ordered.size:
            beside = ordered[place]
            counts.append(np.diff(np.searchsorted(ordered, (beside - same, beside + same)))[0])
    return bool(last - first > SPIKE_TIMES * max(counts, default=0))


def _lattice_step(above: Values) -> float:
    """The largest step of which all of ``above`` are whole multiples; 0 where there is none."""
    levels = np.unique(above)
    levels = levels[levels != 0]
    if not levels.size:
        return 1.0
    if np.abs(levels).max() < 2**53 and not (levels % 1.0).any():
        return float(np.gcd.reduce(levels.astype(np.int64)))
    largest = float(np.abs(levels).max())
    gaps = np.diff(np.unique(np.append(levels, 0.0)))
    # Values that should be equal differ by the rounding of whoever computed them.
    wide = gaps[gaps > largest / MOST_STEPS]
    # In shares of the largest: squares of very large or small values would leave the range of
    # floats.
    return (
        largest * _refined(np.abs(levels) / largest, float(wide.min()) / largest)
        if wide.size
        else 0.0
    )


def _refined(levels: Values, step: float) -> float:
    """``step``, an estimate from two values, from all of ``levels`` (> 0).

    0 where they do not fit.
    """
    largest = float(levels.max())
    reach = FIRST_STEPS
    while True:
        near = levels[levels <= reach * step]
        if near.size:
            whole = np.rint(near / step)
            if whole.any():  # a few values far below a step count as 0
                step = float(near @ whole / (whole @ whole))
        if largest <= reach * step:
            break
        reach *= 2
    return step if np.abs(levels / step - np.rint(levels / step)).max() <= STEP_TOLERANCE else 0.0


def _brightness_step(above: Values) -> float:
    """The step under which the bright part of a slice lies at ``BRIGHT_STEPS``."""
    signal = above[above > 0]
    return float(np.percentile(signal, BRIGHT_PERCENTILE)) / BRIGHT_STEPS if signal.size else 1.0
