"""What the columns of a points file mean, judged by their names alone.

The names of the manual (``filename``, ``X``, ``Y``, ``x_mm`` ...) always win. Other common names
(``coordX``, ``pixel_y``, ``col`` and ``row``, ``path`` ...) are taken where those are missing.
X and Y must be named alike: ``cx`` goes with ``cy``, never with ``pos_y``.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dfd.errors import PointsError
from dfd.points.wording import join_names, shown

REQUIRED = ("filename", "x", "y")
MILLIMETRES = ("x_mm", "y_mm", "z_mm")
SLICE_COLUMNS = ("slice_file", "slice_frame", "slice_x", "slice_y")
"""Columns that are added to rows in millimetres: the slice and the pixel that were found.
A table that brings them already keeps their place and gets new values."""
OPTIONAL = ("frame", "radius", "label", *MILLIMETRES, *SLICE_COLUMNS)
HEADERLESS = ("filename", "X", "Y")
SHOWN_NAMES = 12

EXACT = "exact"
"""The family of the names in the manual."""
TRIPLE = "coord"
"""coordX, coordY and coordZ together are millimetres, as in LUNA16; two of them are pixels."""

_BRACKETS = re.compile(r"\(.*?\)|\[.*?\]")
_TOKENS = re.compile(r"[^\s,;()\[\]]+")
_MM = frozenset(["mm", "millimeter", "millimeters", "millimetre", "millimetres"])
_PIXELS = frozenset(["px", "pix", "pixel", "pixels", "voxel", "voxels"])
_OTHER_UNIT = re.compile(
    r"[cd]?m|[µμu]m|microns?|inch(es)?|%|percent|relative|fraction|norm(ali[sz]ed)?|0(-|\.\.)1|"
    r"(1|one)-based|ras|left|right|top|bottom"
)
"""Other units, other origins and other axes than DICOM's: no place that can be used."""
_RADIUS = re.compile(
    r"radius[\s_]*(px|pix|pixels?|voxels?|[cd]?m|[µμu]m|in|inch(es)?)", re.IGNORECASE
)
_BOX = ({"width", "height"}, {"w", "h"})
_JOINTS = re.compile(r"[\s_.\-]+")
_EXCEL_TEXT = re.compile(r'="(.*)"')

_PIXEL_WORDS = {
    TRIPLE: ("coord", "coords", "coordinate"),
    "pixel": ("px", "pix", "pixel", "pixels", "image", "img"),
    "centre": ("c", "center", "centre", "centroid"),
    "position": ("pos", "position", "loc", "location"),
    "point": ("pt", "point"),
    "index": ("idx", "index", "vox", "voxel"),
}
"""Words before or after the axis: coordX, x_px, center_x, pos_y."""
_GRID = {"x": ("col", "column", "cols", "columns"), "y": ("row", "line", "rows", "lines")}
"""A row or a line alone may as well count lines of a table: they mean Y only beside a column."""
_WORLD_WORDS = ("world", "patient", "lps", "physical")

_OTHER_NAMES = {
    ("filename", "file"): (
        "file files filepath filenames path paths image images imagepath imagefile imagename "
        "imagefilename img imgpath imgfile dicom dicomfile dicompath dicomfilename dcm dcmfile "
        "dcmpath"
    ),
    ("filename", "instance"): "sopinstanceuid sopuid instanceuid",
    ("filename", "series"): "seriesuid seriesinstanceuid",
    ("frame", "other"): "framenumber frameno framenr framenum",
    ("radius", "other"): "radiusmm rmm",
    ("label", "other"): "groundtruth truth tampered istampered",
}
_ORDER_OF_TRUST = (EXACT, "file", "other", "instance", "series")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name as written and its meaning ("" where it is only carried along)."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a name may mean by itself, and which names it goes with."""

    role: str = ""
    family: str = ""


def role_of(name: str) -> str:
    """What a column of this name may mean by itself: one of ``REQUIRED`` or ``OPTIONAL``, or "".

    Case, blanks, and what stands in brackets do not count: ``Filename(.dcm)`` is ``filename``,
    ``X [px]`` is ``x``; but ``X [mm]`` is ``x_mm``. Which of several columns is used depends on all
    of them: ``roles_of``.
    """
    role = _meaning_of(name).role
    return {"z": "", "slice_file": "filename"}.get(role, role)


@lru_cache(maxsize=64)
def roles_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """What the columns of one table mean, in order: ``role_of``, but "" for each that is not used.

    ``z`` is a column of depths beside pixels, which no pixel has. A role stands twice only where
    two columns claim it with equal right.
    """
    meanings = _with_triple([_meaning_of(name) for name in names])
    axes: dict[str, set[str]] = defaultdict(set)
    for meaning in meanings:
        axes[meaning.family].add(meaning.role)
    worlds = _world_families(axes)
    pixels = _pixel_families(axes)
    names_of = {role: _most_trusted(meanings, role, mm=bool(worlds)) for role, _ in _OTHER_NAMES}
    return tuple(_role_here(meaning, pixels, worlds, names_of) for meaning in meanings)


def says_pixels(name: str) -> bool:
    """Whether the name of a column of X or Y says that its unit is pixels."""
    return _unit_of(name) == "px" or _meaning_of(name).family in {"pixel", "index", "grid"}


def check_columns(columns: Sequence[Column], source: Path) -> None:
    """Refuse a table without a file name, with half a place, or with two columns of one meaning.

    Raises:
        PointsError: as above; the message lists the columns.
    """
    counts = Counter(column.role for column in columns)
    names = names_in(columns)
    # Without a column of places every row is a slice to be screened as a whole.
    needed = HEADERLESS if counts["x"] or counts["y"] else HEADERLESS[:1]
    for name in needed:
        if not counts[name.casefold()]:
            raise PointsError(
                f"{source} has no column {name} (found {names}); name the columns filename, X, Y "
                "in any order"
            )
    if any(counts[role] for role in MILLIMETRES) and not all(counts[role] for role in MILLIMETRES):
        missing = next(role for role in MILLIMETRES if not counts[role])
        raise PointsError(
            f"{source} has no column {missing} (found {names}); a place in millimetres needs "
            "x_mm, y_mm and z_mm, and a place in pixels X and Y"
        )
    for role in REQUIRED + OPTIONAL:
        if counts[role] > 1:
            raise PointsError(
                f"{source} has {counts[role]} columns that mean '{role}' (found {names}); "
                "keep one of them"
            )
    _check_sizes(columns, source)


def _check_sizes(columns: Sequence[Column], source: Path) -> None:
    """Refuse a radius that is not in mm, and boxes, whose X and Y are a corner.

    Raises:
        PointsError: as above.
    """
    for column in columns:
        in_brackets = column.role == "radius" and _unit_of(column.name) not in ("", "mm")
        if in_brackets or (not column.role and _RADIUS.fullmatch(column.name.strip())):
            unit = "pixels" if _unit_of(column.name) == "px" else "another unit than mm"
            raise PointsError(
                f"{source} gives a radius in {unit} ({shown(column.name)}); name the column "
                "radius and give mm"
            )
    others = {column.name.strip().casefold() for column in columns if not column.role}
    if any(sides <= others for sides in _BOX) and {"x", "y"} <= {each.role for each in columns}:
        raise PointsError(
            f"{source} gives boxes (found {names_in(columns)}); give the middle of each as X and "
            "Y, and leave width and height out"
        )


def names_in(columns: Sequence[Column]) -> str:
    """The names of the columns as they stand in a message."""
    return join_names([shown(column.name) for column in columns], SHOWN_NAMES)


def plain(cell: str) -> str:
    """A cell without the ``="..."`` by which Excel is kept from reading it as a number."""
    match = _EXCEL_TEXT.fullmatch(cell)
    return match.group(1).replace('""', '"').strip() if match else cell


def _unit_of(name: str) -> str:
    """The unit in brackets behind a name: "mm", "px", "other", or "" where none is named."""
    words = {word for part in _BRACKETS.findall(name.casefold()) for word in _TOKENS.findall(part)}
    if any(_OTHER_UNIT.fullmatch(word) for word in words):
        return "other"
    return "mm" if words & _MM else "px" if words & _PIXELS else ""


@lru_cache(maxsize=1024)
def _meaning_of(name: str) -> _Meaning:
    bare = plain(name.strip()).lstrip("#").strip()
    word = _BRACKETS.sub("", bare).strip().casefold()
    unit = _unit_of(bare)
    if unit == "mm" and word not in {"radius", "filename"}:
        word += "_mm"
    key = _JOINTS.sub("", word)
    if word in {"file name", "file_name"}:
        return _Meaning("filename", EXACT)
    if word in {*REQUIRED, "z", "frame", "radius", "label", *SLICE_COLUMNS}:
        found = _Meaning(word, EXACT)
    else:
        found = _OTHER_MEANINGS.get(key, _Meaning())
    # A place in another unit, counted from 1, or along other axes is no place that can be used.
    is_place = found.role in {"x", "y", "z", *MILLIMETRES}
    return _Meaning() if unit == "other" and is_place else found


def _other_meanings() -> dict[str, _Meaning]:
    """Every other name that is understood, without blanks and joints."""
    meanings: dict[str, _Meaning] = {}
    for axis in "xyz":
        for family, words in _PIXEL_WORDS.items():
            for name in (spelling for word in words for spelling in (word + axis, axis + word)):
                meanings[name] = _Meaning(axis, family)
                meanings[f"{name}mm"] = meanings[f"mm{name}"] = _Meaning(
                    f"{axis}_mm", f"{family} mm"
                )
        for word in _WORLD_WORDS:
            for name in (word + axis, axis + word):
                meanings[name] = meanings[f"{name}mm"] = _Meaning(f"{axis}_mm", word)
        meanings[f"{axis}mm"] = meanings[f"mm{axis}"] = _Meaning(f"{axis}_mm", EXACT)
    for axis, words in _GRID.items():
        for name in words:
            meanings[name] = meanings[f"{name}px"] = meanings[f"{name}index"] = _Meaning(
                axis, "grid"
            )
    for (role, family), names in _OTHER_NAMES.items():
        meanings.update(dict.fromkeys(names.split(), _Meaning(role, family)))
    return meanings


_OTHER_MEANINGS = _other_meanings()


def _with_triple(meanings: list[_Meaning]) -> list[_Meaning]:
    """coordX, coordY and coordZ together are millimetres."""
    if not {_Meaning(axis, TRIPLE) for axis in "xyz"} <= set(meanings):
        return meanings
    return [
        _Meaning(f"{each.role}_mm", TRIPLE) if each.family == TRIPLE else each for each in meanings
    ]


def _world_families(axes: dict[str, set[str]]) -> set[str]:
    """Families of names that give a whole place in millimetres; the manual's first."""
    complete = {family for family, roles in axes.items() if roles >= set(MILLIMETRES)}
    return {EXACT} if EXACT in complete else complete


def _pixel_families(axes: dict[str, set[str]]) -> set[str]:
    """Families of names that give a place in pixels; the manual's first, even with one missing."""
    complete = {family for family, roles in axes.items() if roles >= {"x", "y"}}
    return {EXACT} if axes[EXACT] & {"x", "y"} else complete


def _most_trusted(meanings: Sequence[_Meaning], role: str, *, mm: bool) -> str:
    """The family of names that is taken for ``role``; a series only where places are in mm."""
    there = {meaning.family for meaning in meanings if meaning.role == role}
    usable = there if mm else there - {"series"}
    return next((family for family in _ORDER_OF_TRUST if family in usable), "")


def _role_here(
    meaning: _Meaning, pixels: set[str], worlds: set[str], names_of: dict[str, str]
) -> str:
    role, family = meaning.role, meaning.family
    if role in names_of:
        return role if family == names_of[role] else ""
    if role in {"x", "y"}:
        return role if family in pixels else ""
    if role == "z" or (role == "z_mm" and pixels and not worlds):  # a depth, whatever its unit
        return "z" if pixels else ""
    if role in MILLIMETRES and family not in worlds and (worlds or pixels):
        return ""
    return role  # half a place in millimetres too, so that it is reported
