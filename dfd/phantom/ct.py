"""CT slices as a scanner makes them.

Exact line integrals, counted photons, filtered back-projection.

Source: Kak and Slaney, Principles of Computerized Tomographic Imaging, 1988, section 3.3 (parallel
beams, band-limited ramp).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from dfd.phantom.anatomy import Anatomy
from dfd.phantom.geometry import Discs, Floats, Section
from dfd.records import FloatImage

Kernel = Literal["soft", "sharp"]
Rays = NDArray[np.float32]

WATER_PER_MM = 0.0193
"""Attenuation of water at 70 keV (NIST XCOM)."""
FIELD_MM = 358.4
"""Field of view: 512 pixels of 0.7 mm."""
FULL_SIZE = 512
FULL_VIEWS = 600
DEFAULT_PHOTONS = 180_000.0
"""Photons that reach a detector element in one view through air, at full size. Gives the noise of a
usual chest protocol."""
DETECTOR_PER_PIXEL = 0.85
"""Distance of detector elements over that of pixels."""
SUB_RAYS = 2
"""Rays averaged over each detector element: its aperture."""
OVERSAMPLING = 8
"""Filtered profiles are refined this much, so that the nearest sample is near enough in
back-projection."""
HU_RANGE = (-1024.0, 3071.0)
"""What twelve bits with an intercept of -1024 hold."""


@dataclass(frozen=True, slots=True)
class KernelShape:
    """The window on the ramp.

    A Hann window that ends at ``cut_off``, times ``1 + boost * sin^2`` with its top half way.
    """

    cut_off: float
    """Cycles per pixel."""
    boost: float
    name: str
    """What ConvolutionKernel says."""


KERNELS: Mapping[str, KernelShape] = {
    "soft": KernelShape(cut_off=0.5, boost=0.0, name="PHANTOM_SOFT"),
    "sharp": KernelShape(cut_off=0.92, boost=0.35, name="PHANTOM_SHARP"),
}


@dataclass(frozen=True, slots=True)
class CtScan:
    """How a slice is taken."""

    kernel: Kernel = "soft"
    photons: float = DEFAULT_PHOTONS
    """Per detector element and view at full size. Coarser matrices get as many photons as keep the
    noise of a slice about the same."""
    size: int = FULL_SIZE
    """Rows and columns; the field of view stays the same."""

    @property
    def spacing_mm(self) -> float:
        """Distance of pixel centres."""
        return FIELD_MM / self.size

    @property
    def pitch_mm(self) -> float:
        """Distance of detector elements."""
        return DETECTOR_PER_PIXEL * self.spacing_mm

    @property
    def detectors(self) -> int:
        """Elements that cover the diagonal of the field of view."""
        return int(np.ceil(1.42 * FIELD_MM / self.pitch_mm)) + 4

    @property
    def views(self) -> int:
        """Angles over half a turn."""
        return max(150, FULL_VIEWS * self.size // FULL_SIZE)

    @property
    def counted(self) -> float:
        """Photons per element and view at this size.

        The variance of a slice goes with 1 / (photons x views x pitch^2).
        """
        return self.photons * FULL_VIEWS / self.views * (self.size / FULL_SIZE) ** 2


def ct_slice(
    rng: np.random.Generator,
    anatomy: Anatomy,
    position_mm: float,
    kernel: Kernel = "soft",
    photons: float = DEFAULT_PHOTONS,
) -> FloatImage:
    """Take one slice of 512 x 512 pixels of 0.7 mm.

    Args:
        rng: Source of the photon noise.
        anatomy: The person.
        position_mm: Height of the slice, 0 where the windpipe divides.
        kernel: ``soft`` or ``sharp``.
        photons: Per detector element and view through air; noise falls with its square root.

    Returns:
        ``[512, 512]`` HU, whole numbers.
    """
    return scan_ct(rng, anatomy, position_mm, CtScan(kernel=kernel, photons=photons))


def scan_ct(
    rng: np.random.Generator, anatomy: Anatomy, position_mm: float, scan: CtScan
) -> FloatImage:
    """Like ``ct_slice`` for any scan; gives ``[size, size]`` HU, whole numbers."""
    exact = project(anatomy.section(position_mm), anatomy.hu, scan)
    image = reconstruct(count_photons(rng, exact, scan), scan)
    hu: FloatImage = np.clip(np.rint(1000.0 * (image / WATER_PER_MM - 1.0)), *HU_RANGE).astype(
        np.float32
    )
    return hu


def project(section: Section, hu: Mapping[str, float], scan: CtScan) -> Rays:
    """Exact attenuation along parallel rays, averaged over the aperture of each detector element.

    Returns:
        ``[views, detectors]``, without unit.
    """
    angle = view_angles(scan).astype(np.float32)
    pitch = scan.pitch_mm / SUB_RAYS
    total = np.zeros((scan.views, scan.detectors * SUB_RAYS), dtype=np.float32)
    first = -(total.shape[1] - 1) / 2.0 * pitch
    rows = np.arange(scan.views)[:, None]
    for part in section.parts:
        step = (hu[part.tissue] - hu[part.host]) / 1000.0 * WATER_PER_MM
        if step == 0.0:
            continue
        centre, reach = _shadow(section.discs, part.include[0], angle)
        columns = np.floor((centre - reach - first) / pitch).astype(np.int64)[:, None] + np.arange(
            int(2.0 * reach.max() / pitch) + 3
        )
        columns = np.clip(columns, 0, total.shape[1] - 1)
        offset = (first + pitch * columns).astype(np.float32)
        low, high = _chord(section.discs, part.include[0], angle, offset)
        for index in part.include[1:]:
            low, high = _meet((low, high), _chord(section.discs, index, angle, offset))
        holes = [
            _chord(section.discs, index, angle, offset)
            for index in part.exclude
            if section.discs.present[index]
        ]
        total[rows, columns] += np.float32(step) * _length(low, high, holes)
    rays: Rays = total.reshape(scan.views, scan.detectors, SUB_RAYS).mean(axis=2)
    return rays


def view_angles(scan: CtScan) -> Floats:
    """``[views]`` radians: the rays of a view share ``x cos + y sin``."""
    angles: Floats = np.arange(scan.views, dtype=np.float64) * (np.pi / scan.views)
    return angles


def count_photons(rng: np.random.Generator, exact: Rays, scan: CtScan) -> Rays:
    """Replace exact attenuation by what counting photons gives; ``[views, detectors]``."""
    counts = rng.poisson(scan.counted * np.exp(-exact.astype(np.float64)))
    # An element that counts nothing would see an endless wall; scanners, too, set a floor.
    measured: Rays = np.log(scan.counted / np.maximum(counts, 1.0)).astype(np.float32)
    return measured


def reconstruct(rays: Rays, scan: CtScan) -> FloatImage:
    """Filtered back-projection; ``[views, detectors]`` to ``[size, size]`` attenuation per mm."""
    fine = _filter(rays, scan)
    angle = view_angles(scan)
    scale = OVERSAMPLING / scan.pitch_mm
    place = (np.arange(scan.size) - (scan.size - 1) / 2.0) * scan.spacing_mm * scale
    middle = (scan.detectors - 1) / 2.0 * OVERSAMPLING + 0.5
    across = (np.cos(angle)[:, None] * place + middle).astype(np.float32)
    down = (np.sin(angle)[:, None] * place).astype(np.float32)
    image = np.zeros((scan.size, scan.size), dtype=np.float32)
    sample, value = np.empty(image.shape, dtype=np.intp), np.empty_like(image)
    for view in range(scan.views):
        np.add(down[view][:, None], across[view][None, :], out=sample, casting="unsafe")
        np.take(fine[view], sample, out=value, mode="clip")
        image += value
    return image * np.float32(np.pi / scan.views)


def _filter(rays: Rays, scan: CtScan) -> Rays:
    """Ramp, window and refinement in one pass; ``[views, detectors * OVERSAMPLING]``."""
    length = int(fft.next_fast_len(2 * scan.detectors, real=True))
    length += length % 2
    # The ramp is sampled in space (Kak and Slaney, eq. 61): sampled in frequency it would lose the
    # mean of the slice.
    lag = np.minimum(np.arange(length), length - np.arange(length))
    ramp = np.where(lag % 2 == 1, -1.0 / np.square(np.pi * np.maximum(lag, 1)), 0.0)
    ramp[0] = 0.25
    response = (
        fft.rfft(ramp).real
        / scan.pitch_mm
        * window(fft.rfftfreq(length) / DETECTOR_PER_PIXEL, KERNELS[scan.kernel])
    )
    spectrum = fft.rfft(rays, length, axis=1) * response.astype(np.float32)
    fine = fft.irfft(spectrum, length * OVERSAMPLING, axis=1) * np.float32(OVERSAMPLING)
    result: Rays = np.ascontiguousarray(fine[:, : scan.detectors * OVERSAMPLING], dtype=np.float32)
    return result


def window(frequency: Floats, shape: KernelShape) -> Floats:
    """What a kernel lets pass of each frequency, in cycles per pixel."""
    phase = np.pi * np.minimum(np.abs(frequency) / shape.cut_off, 1.0)
    result: Floats = 0.5 * (1.0 + np.cos(phase)) * (1.0 + shape.boost * np.sin(phase) ** 2)
    return result


def _shadow(discs: Discs, index: int, angle: Rays) -> tuple[Floats, Floats]:
    """Middle and half-width ``[views]`` in mm of an ellipse's shadow in each view."""
    cos, sin = np.cos(angle), np.sin(angle)
    (a, b), (_, d) = discs.shapes[index]
    centre = discs.centres[index, 0] * cos + discs.centres[index, 1] * sin
    return centre, np.sqrt(a * cos**2 + 2.0 * b * cos * sin + d * sin**2)


def _chord(discs: Discs, index: int, angle: Rays, offset: Rays) -> tuple[Rays, Rays]:
    """Where rays enter and leave an ellipse, in mm along the ray.

    Leaving lies far before entering where they miss it.

    Args:
        discs: The ellipses of a section.
        index: Which one.
        angle: ``[views]``.
        offset: ``[views, rays]`` mm from the axis of rotation.

    Returns:
        Two arrays ``[views, rays]``.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    (a, b), (_, d) = discs.shapes[index]
    x, y = discs.centres[index]
    width = (a * cos**2 + 2.0 * b * cos * sin + d * sin**2).astype(np.float32)
    lean = ((d - a) * sin * cos + b * (cos**2 - sin**2)).astype(np.float32) / width
    distance = offset - (x * cos + y * sin).astype(np.float32)[:, None]
    inner = width[:, None] - distance**2
    half = np.sqrt(np.maximum(inner, 0.0)) * (np.sqrt(np.float32(a * d - b * b)) / width)[:, None]
    half[inner <= 0.0] = -1.0e6
    middle = (y * cos - x * sin).astype(np.float32)[:, None] + lean[:, None] * distance
    return middle - half, middle + half


def _meet(one: tuple[Rays, Rays], other: tuple[Rays, Rays]) -> tuple[Rays, Rays]:
    return np.maximum(one[0], other[0]), np.minimum(one[1], other[1])


def _length(low: Rays, high: Rays, holes: list[tuple[Rays, Rays]]) -> Rays:
    """Length of the intervals outside all ``holes``.

    The whole, less the piece in the first hole that no later hole covers, and so on.
    """
    length: Rays = np.maximum(high - low, np.float32(0.0))
    for number, hole in enumerate(holes):
        inner_low, inner_high = _meet((low, high), hole)
        if np.any(inner_high > inner_low):
            length = length - _length(inner_low, inner_high, holes[number + 1 :])
    return length
