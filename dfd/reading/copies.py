"""Files that hold one slice twice, and slices that carry one identifier although they differ."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread

from dfd.errors import SeriesError
from dfd.progress import progress
from dfd.reading.entries import Entry
from dfd.reading.guard import open_source, reading
from dfd.reading.header_values import text_of, value_of
from dfd.reading.pixels import read_dicom_slice
from dfd.records import SliceRef

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_MEANING = ("RescaleSlope", "RescaleIntercept", "PixelRepresentation", "BitsStored")
"""Elements under which equal stored values mean equal intensities."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Entries of one group, each slice once, and those that repeat one of them."""

    kept: tuple[Entry, ...]
    repeated: tuple[tuple[Entry, Entry], ...] = ()
    """(copy, which of ``kept`` it repeats)."""


def without_copies(entries: Sequence[Entry]) -> Copies:
    """``entries`` of one series without files that repeat another; of those alike, the first stays.

    Alike are files with the same pixels at the same place, if they carry one SOPInstanceUID or the
    same temporal position, time and InstanceNumber. Only of such files are pixels read; one that
    cannot be read is no copy. A SOPInstanceUID alone decides nothing: an anonymiser may write one
    constant into every file.
    """
    files: dict[Path, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: (entry.path, entry.frame)):
        files[entry.path].append(entry)
    by_place: dict[Hashable, list[list[Entry]]] = defaultdict(list)
    for frames in files.values():
        placements = tuple(entry.placement for entry in frames)
        by_place[placements, frames[0].facts.spacing_mm].append(frames)
    first: dict[Path, list[Entry]] = {}
    for rivals in progress(by_place.values(), "looking for copies"):
        first |= _originals(rivals) if len(rivals) > 1 else {}
    kept = [entry for path, frames in files.items() if path not in first for entry in frames]
    pairs = [
        pair for path, frames in first.items() for pair in zip(files[path], frames, strict=True)
    ]
    return Copies(tuple(kept), tuple(pairs))


def uids_shared(slices: Iterable[SliceRef]) -> Counter[str]:
    """SOPInstanceUIDs that several files carry, and how many do."""
    carried = Counter(uid for _, uid in {(ref.path, ref.sop_uid) for ref in slices} if uid)
    return Counter({uid: count for uid, count in carried.items() if count > 1})


def _originals(rivals: list[list[Entry]]) -> dict[Path, list[Entry]]:
    """File -> frames of the file that it repeats, among files that lie at the same places."""
    claims = [_claims(frames) for frames in rivals]
    shared = Counter(claim for of_file in claims for claim in of_file)
    alike = [
        frames
        for frames, of_file in zip(rivals, claims, strict=True)
        if any(shared[claim] > 1 for claim in of_file)
    ]
    # The same pixels in two encodings are told only when they are decoded.
    decoded = len({frames[0].facts.compression for frames in alike}) > 1
    seen: dict[bytes, list[Entry]] = {}
    found: dict[Path, list[Entry]] = {}
    for frames in alike:
        with suppress(SeriesError):
            digest = _decoded_digest(frames) if decoded else stored_digest(frames[0].path)
            if (original := seen.setdefault(digest, frames)) is not frames:
                found[frames[0].path] = original
    return found


def _claims(frames: list[Entry]) -> list[Hashable]:
    """What two files may share that makes it worth comparing their pixels."""
    uid = frames[0].sop_uid
    moment = ("moment", tuple(entry.moment for entry in frames))
    return [("uid", uid), moment] if uid else [moment]


def stored_digest(path: Path) -> bytes:
    """Of the pixels as stored and of what they mean.

    Raises:
        SeriesError: They cannot be read.
    """
    with reading(path), open_source(path) as source:
        content = dcmread(source.stream, specific_tags=[*_PIXELS, *_MEANING])
        meaning = "/".join(text_of(value_of(content, word)) for word in _MEANING)
        digest = hashlib.sha256(meaning.encode())
        for word in _PIXELS:
            if word in content:
                digest.update(content[word].value)
        return digest.digest()


def _decoded_digest(frames: list[Entry]) -> bytes:
    """Of the pixels of all frames as intensities.

    Raises:
        SeriesError: They cannot be read.
    """
    digest = hashlib.sha256()
    for entry in frames:
        read = read_dicom_slice(entry.path, entry.frame)
        digest.update(repr(read.rescale).encode())
        digest.update(read.pixels.tobytes())
        digest.update(read.valid.tobytes())
    return digest.digest()
