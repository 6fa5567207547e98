"""The plain words of the report."""

from __future__ import annotations

import math
import re

from dfd.calibration import SERIES, SLICE
from dfd.records import Finding, ScanFacts

SETTING_WORDS = {SLICE: "slices by themselves", SERIES: "slices with their neighbours"}

_KERNEL = re.compile(
    (
        r"[BHUDTSIQ][a-z]?\d{2}[a-z]?(\\\d)?|FC\d{2}|STANDARD|SOFT|LUNG|BONE|BONEPLUS|DETAIL|EDGE|"
        r"CHEST|[A-E]|Y[A-E]"
    ),
    re.ASCII,
)
"""Kernels as the large vendors call them: a header may hold any text there, and only these words
name nobody."""


def is_kernel(text: str) -> bool:
    """Whether the header's word for the kernel is one of those that name nobody."""
    return _KERNEL.fullmatch(text) is not None


def one_in(p: float, what: str = "genuine regions") -> str:
    """A p-value as a share of genuine regions."""
    if not math.isfinite(p):
        return "not measured"
    if p > 0.4:
        return f"{100 * p:.0f} in 100 {what} are at least as strange"
    times = 1.0 / p
    unit = 10 ** max(0, math.floor(math.log10(times)) - 1)
    rounded = f"{round(times / unit) * unit:,}".replace(",", " ")
    return f"about 1 in {rounded} {what} is at least as strange"


def rarity_words(finding: Finding, smallest: float) -> str:
    """The p-value of a row as a sentence.

    Beyond what the patients support no more than that is said.
    """
    what = (
        "genuine slices, by the strangest place in each,"
        if finding.point.is_screening
        else "genuine regions"
    )
    if finding.p_value < smallest:
        return f"Fewer than 1 in {1.0 / smallest:.0f} {what} are at least as strange."
    sentence = one_in(finding.p_value, what)
    return f"{sentence[0].upper()}{sentence[1:]}."


def number(value: float | None, style: str = ".2g") -> str:
    """A number for people, a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else format(value, style)


def level(value: float) -> str:
    """An intensity, to the digits that a reader of a window wants."""
    return f"{value:.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def scan_facts(
    facts: ScanFacts, shape: tuple[int, int], *, anonymous: bool
) -> list[tuple[str, str]]:
    """Name and value of what the header says of the scan.

    Where ``anonymous``, nothing that a header could hold as free text.
    """
    spacing = facts.spacing_mm
    kernel = facts.kernel if not anonymous or is_kernel(facts.kernel) else ""
    scanner = (
        "" if anonymous else " ".join(part for part in (facts.manufacturer, facts.model) if part)
    )
    named = [
        ("Matrix", f"{shape[1]} x {shape[0]}"),
        (
            "Pixel spacing",
            "not stated" if spacing is None else f"{spacing[1]:.3g} x {spacing[0]:.3g} mm",
        ),
        (
            "Slice thickness",
            "not stated" if facts.thickness_mm is None else f"{facts.thickness_mm:g} mm",
        ),
        ("Kernel", kernel),
        ("Sequence", "" if anonymous else facts.sequence),
        ("Intensities", "Hounsfield units" if facts.unit == "HU" else "as stored, without a unit"),
        ("Bits stored", str(facts.bits_stored)),
        ("Compression", f"{facts.compression or 'not stated'}{', lossy' if facts.lossy else ''}"),
        ("Image type", "derived from other images" if "DERIVED" in facts.image_type else ""),
        ("Scanner", scanner),
    ]
    return [(name, value) for name, value in named if value]


def extrapolated(finding: Finding, patients: int, smallest: float) -> str:
    """What the flag means for a row."""
    if finding.p_value < smallest:
        return (
            f"Extrapolated: {patients} calibration patients support p-values down to "
            f"{smallest:.2g}. Take a smaller one as a rank, not as a rate."
        )
    return (
        "Extrapolated: the scan or the size of the region is unlike those of the calibration "
        "patients, so the p-value may be off."
    )
