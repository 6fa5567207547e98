"""What kind of image a frame is, by the terms of its header: as scanned, or made of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dfd.records import ScanFacts


@dataclass(frozen=True, slots=True)
class ImageKind:
    """What the header calls a frame. At most one of ``refusal`` and ``remark`` is filled."""

    name: str = ""
    """Empty for a slice as a scanner reconstructs it."""
    refusal: str = ""
    """Why no model was made for such images, one sentence."""
    remark: str = ""
    """What lowers the worth of a score, one sentence."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One kind of image and the terms that tell it."""

    name: str
    sentence: str
    """``{said}`` is the element and the value that tell it."""
    terms: re.Pattern[str]
    """Matches one whole value, in capitals, with blanks for underscores and hyphens."""
    refused: bool = True
    modalities: tuple[str, ...] = ("CT", "MR")
    contrast: bool = False
    """Counts as the fourth value of ImageType alone ("derived pixel contrast", PS3.3 C.8.16.1.4):
    T1 as the third is a weighting, T1 as the fourth a map."""
    unless_magnitude: bool = False
    """Does not count beside M: Philips names the sequence too, as in ``M_B1\\M\\B1``."""


def _any(*terms: str) -> re.Pattern[str]:
    return re.compile("|".join(terms))


_CT, _MR = ("CT",), ("MR",)
_PICTURE = "The slice is a picture of a screen or a report ({said}) and no scan: leave it out"
_LOCALIZER = "The slice is a localizer, a projection and no cross-section: leave it out"
_MOSAIC = (
    "The slice is a mosaic ({said}), many slices tiled into one image: export the slices one by one"
)
_PHASE = (
    "The slice is an MR phase image ({said}), whose values are angles or velocities and no signal: "
    "give the magnitude image"
)
_PART = (
    "The slice is one part of a complex MR image ({said}) and no magnitude: "
    "give the magnitude image"
)
_MAP = (
    "The slice is a map ({said}), whose values were computed and are no intensities: "
    "give the images it was computed from"
)
_SLICES = "the slice was computed from other slices ({said}), which changes its noise"
_IMAGES = "the slice was computed from other images ({said}), which changes its noise"
_ENERGIES = "the slice was computed from several X-ray energies ({said}), which changes its noise"
_CAPTURE = "the slice is filed as a secondary capture ({said}), so it may be a picture of a scan"

_PICTURE_TERMS = _any(
    r"SCREEN ?(SAVE|SHOT|CAPTURE)?|(SECONDARY )?CAPTURE|PATIENT PROTOCOL|GRAPH",
    r"DOSE ?(REPORT|INFO|SHEET|RECORD)|(.* )?REPORT",
)
_LOCALIZER_TERMS = _any(r"LOCALI[SZ]ER|SCOUT( VIEW)?|TOPO(GRAM)?|SCANO(GRAM)?|SURVIEW|PILOT")
_PHASE_TERMS = _any(
    r"P|PHASE( ?(MAP|IMAGE|ANGLE|DIFF(ERENCE)?|SUBTRACT(ION)?|VELOCITY|UNWRAPPED))?"
)
_VELOCITY_TERMS = _any(r"VEL(OCITY)?( ?(MAP|IMAGE))?")
_ENERGY_TERMS = _any(
    r"VMI\b.*|MONO( ?PLUS)?|MONO ?E(NERG.*)?\b.*|MONOCHROMATIC.*|.*\d ?KEV|ENERGY PROP WT",
    r"VNC\b.*|VUE|VIRTUAL (NON ?CONTRAST|UNENHANCED|MONO.*)|.*IODINE REMOV.*",
    r"MAT (REMOVED|MODIFIED)",
)
_CT_MAP_TERMS = _any(
    r".*MAPS?\b.*|COLOR( RANGE)?|TRUE COLOR",
    r".*\bIODINE\b.*|CALCIUM|URIC ?ACID|(WATER|FAT)( .*)?|MAT (SPECIFIC|FRACTIONAL|VALUE BASED)",
    r"EFF(ECTIVE)? ?(ATOMIC NUM(BER)?|Z)|Z ?EFF(ECTIVE)?|ELECTRON DENSITY|RHO ?/? ?Z",
    r"PBV|[CPH]B[FV]|MTT|TT[PDS]|TMAX",
)
_MR_MAP_TERMS = _any(
    r".*MAPS?\b.*|COLOR( RANGE)?|TRUE COLOR",
    r"E?ADC\b.*|EXP ?ADC|EXPONENTIAL ADC|KURTOSIS|TENSOR( .*)?",
    r"FA|FRACT(IONAL)? ?ANISO(TROPY)?|DIFFUSION (ANISO|ATTNTD)",
    r"TT[PD]|MTT|TMAX|(R|REL ?)?CB[FV]|REL ?MTT|K ?TRANS|KEP|I?AUC|GBP|PBP|NEI|PEI|WASH ?(IN|OUT)",
    r"FF|PDFF|(FAT|WATER) ?FRAC(TION)?|R2 ?(STAR|\*)|T2 STAR UNSPECI.*|PERFUSION ASL",
    r"TEMPERATURE|STIFFNESS|ELASTOGRAM|CONFIDENCE|QSM|STD ?DEV(IATION)?|Z ?SCORE|T ?(TEST|SCORE)",
)
_CONTRAST_TERMS = _any(r"T1|T2|T2 ?(STAR|\*)|R1|R2|PD|RHO|PROTON DENSITY|TCS|SCM|R COEFF?ICIENT")
_REFORMAT_TERMS = _any(
    r"REFORMAT(TED)?|RESAMPLED|SAMPLED|DISTORTED|CVIEW|CPR|(.* )?MPR( .*)?",
    r"CSA ?(MPR|MIP|PARALLEL|RESAMPLED|RADIAL|CURVED|THICK|THIN).*|RAY ?SUM|AVERAGE( ?IP)?",
    r"(.* )?(MIP|MAX ?IP|MINIP|MIN ?IP|MNIP|MEAN ?IP|SUM ?IP|AIP)( .*)?|PROJECTION( IMAGE)?",
    r"(VOLUME|SURFACE) RENDER(ED|ING)?|VRT|SSD",
)
_PLANE_TERMS = _any(r"COR(ONAL)?|SAG(ITTAL)?|OBLIQUE")
_ARITHMETIC_TERMS = _any(
    r"(MODULUS )?SUB(TRACT(ED|ION)?)?|(IMAGE )?ADDITION|SUM(MATION)?|DIVISION|MULTIPLICATION",
    r"MEAN|MEDIAN|MAXIMUM|MINIMUM|MASKED",
)
_DIFFUSION_TERMS = _any(r"TRACE ?W?|DIFFUSION ISO|CALC(ULATED)?( ?B ?VALUE)?|SYNTHETIC( .*)?|SWI")

_RULES = (
    _Rule("picture", _PICTURE, _PICTURE_TERMS),
    _Rule("localizer", _LOCALIZER, _LOCALIZER_TERMS, modalities=_CT),
    _Rule("mosaic", _MOSAIC, _any("MOSAIC"), modalities=_MR),
    _Rule("phase", _PHASE, _PHASE_TERMS, modalities=_MR),
    _Rule("phase", _PHASE, _VELOCITY_TERMS, modalities=_MR, unless_magnitude=True),
    _Rule("part", _PART, _any(r"R|REAL|I|IMAG(INARY)?"), modalities=_MR),
    _Rule("energies", _ENERGIES, _ENERGY_TERMS, refused=False, modalities=_CT),
    _Rule("map", _MAP, _CT_MAP_TERMS, modalities=_CT),
    _Rule("map", _MAP, _MR_MAP_TERMS, modalities=_MR),
    _Rule("map", _MAP, _CONTRAST_TERMS, modalities=_MR, contrast=True, unless_magnitude=True),
    _Rule("map", _MAP, _any("B[01]"), modalities=_MR, unless_magnitude=True),
    _Rule("reformat", _SLICES, _REFORMAT_TERMS, refused=False),
    _Rule("reformat", _SLICES, _PLANE_TERMS, refused=False, modalities=_CT),
    _Rule("arithmetic", _IMAGES, _ARITHMETIC_TERMS, refused=False),
    _Rule("arithmetic", _IMAGES, _DIFFUSION_TERMS, refused=False, modalities=_MR),
    _Rule("capture", _CAPTURE, _any(".*SECONDARY CAPTURE IMAGE STORAGE"), refused=False),
)
"""In order of weight: the first that fits decides. Refused are images whose values are no signal;
where only the noise is another, a remark says so."""

_IMAGE_TYPE, _CONTRAST = "ImageType", 3
"""Element, and the place in it where a derived contrast stands."""


def kind_of(facts: ScanFacts) -> ImageKind:
    """The kind of a frame by ImageType (FrameType in an enhanced file) and ``facts.frame_terms``.

    Vendors put their terms at any place, so all are looked at. A file without these elements, or of
    another modality than CT and MR, is taken as it is.
    """
    terms = list(_terms_of(facts))
    magnitude = any(term in ("M", "MAGNITUDE") for _, term, _ in terms)
    for rule in _RULES:
        if facts.modality not in rule.modalities or (rule.unless_magnitude and magnitude):
            continue
        for said, term, contrast in terms:
            if rule.terms.fullmatch(term) and (contrast or not rule.contrast):
                sentence = rule.sentence.format(said=said)
                return ImageKind(rule.name, **{"refusal" if rule.refused else "remark": sentence})
    return ImageKind()


def _terms_of(facts: ScanFacts) -> Iterator[tuple[str, str, bool]]:
    """(element and value, the value in plain spelling, whether it is a derived contrast)."""
    for place, value in enumerate(facts.image_type):
        yield f"{_IMAGE_TYPE} {value}", _plain(value), place == _CONTRAST
    for element, value in facts.frame_terms:
        yield f"{element} {value}", _plain(value), False


def _plain(value: str) -> str:
    """A value in capitals, with single blanks for underscores, hyphens and blanks."""
    return re.sub(r"[\s_-]+", " ", value.upper()).strip()
