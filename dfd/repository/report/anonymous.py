"""A repository without anything that names a patient, a path, a UID or a date."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dfd.modalities import MODALITIES
from dfd.outputs.anonymous import HIDDEN
from dfd.outputs.files import write_atomically
from dfd.outputs.report import is_kernel
from dfd.repository.names import local_names
from dfd.repository.report.data import FOLDER, MOST_PICTURES
from dfd.repository.report.read import Repository
from dfd.repository.strata import manufacturer_of, modality_of
from dfd.sentences import Sentence
from dfd.suitability import HOME_BODY_PARTS

_NAMING = ("content", "patient", "study_uid", "series_uid", "folder", "study_date", "added")
"""Columns that are emptied."""
_SUSPECT = re.compile(
    r"'[^']*'"
    r'|"[^"]*"'
    r"|\S*[/\\]\S*"
    r"|\d+(\.\d+){3,}"
    r"|\b(19|20)\d{2}-?[01]\d-?[0-3]\d\S*"
    r"|\b[0-9a-f]{12,}\b"
    r"|\S*\w\.[A-Za-z]\w{1,5}\b"
)
"""Quoted words, paths, UIDs, dates, digests and names of files."""
_OF_HEADER = re.compile(
    r"(The slice is |The slice shows |of modality |in colour \(|colour picture \()"
    r"(.*?)(?= but the model | and there is no model |, not a CT or MR slice|, \d+ samples)"
)
"""Values of headers in sentences of this program; most other text of a header is never quoted."""
_DEFINED = frozenset(
    (
        *HOME_BODY_PARTS,
        *(part for modality in MODALITIES.values() for part in modality.foreign_body_parts),
        *("of no modality", "unnamed", "RGB", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR"),
    )
)
"""Values that may stand there."""


def without_names(repository: Repository) -> Repository:
    """The same repository under names that hold in this report only (``local_names``).

    Names of scanners become those of manufacturers, and kernels are kept where the
    large vendors call them so. Sentences lose the names that are marked in them (see
    :mod:`dfd.sentences`), and what looks like a name besides.
    """
    series = repository.series.copy()
    local = local_names(series["series"])
    series["reason"] = [
        _sentence(row["reason"], [row[name] for name in _NAMING])
        for row in series[["reason", *_NAMING]].to_dict("records")
    ]
    series["series"] = series["series"].map(local)
    for name in _NAMING:
        series[name] = ""
    for name in ("manufacturer", "scanner"):
        series[name] = series["manufacturer"].map(manufacturer_of)
    series["kernel"] = series["kernel"].map(lambda text: text if is_kernel(text) else "")
    series["modality"] = series["modality"].map(modality_of)
    reasons: Counter[str] = Counter()
    for reason, number in repository.file_reasons.items():
        reasons[_sentence(reason, [])] += number
    return replace(
        repository,
        series=series,
        regions=_regions(repository.regions, local),
        file_reasons=reasons,
        unreadable=tuple(HIDDEN for _ in repository.unreadable),
    )


def copied_pictures(
    output: Path,
    named: Repository,
    hidden: Repository,
    pictures: Mapping[tuple[str, int], str],
) -> dict[tuple[str, int], str]:
    """Copy the pictures of the first series under names that say nothing.

    Args:
        output: Folder of the report.
        named: The repository under its own names.
        hidden: The same, without names.
        pictures: Address of the picture of a region, by the digest of its series and its rank.

    Returns:
        Address by local name and rank, of at most ``MOST_PICTURES``.

    Raises:
        OutputError: a picture cannot be written.
    """
    local = dict(zip(named.series["series"], hidden.series["series"], strict=True))
    order = {series: at for at, series in enumerate(named.series["series"])}
    first = sorted(pictures, key=lambda place: (order[place[0]], place[1]))[:MOST_PICTURES]
    copied = {}
    (output / FOLDER).mkdir(exist_ok=True)
    for series, rank in first:
        address = f"{FOLDER}/{local[series]}-{rank}.png"
        with suppress(FileNotFoundError):
            write_atomically(output / address, (output / pictures[series, rank]).read_bytes())
            copied[local[series], rank] = address
    return copied


def _regions(regions: pd.DataFrame, local: dict[str, str]) -> pd.DataFrame:
    regions = regions.assign(series=regions["series"].map(local))
    if "reason" in regions:
        texts = regions["reason"].fillna("").astype(str)
        regions["reason"] = [_sentence(text, []) for text in texts]
    return regions.drop(columns="sop_uids", errors="ignore")


def _sentence(text: str, names: list[str]) -> str:
    text = Sentence(text).with_names(lambda _: HIDDEN)
    for name in sorted((str(name) for name in names if name), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", HIDDEN, text)
    text = _OF_HEADER.sub(lambda found: found[1] + _word_of_dicom(found[2]), text)
    return _SUSPECT.sub(HIDDEN, text)


def _word_of_dicom(text: str) -> str:
    """A value of a header as it is where DICOM or this program defines it."""
    return text if text in _DEFINED or text == modality_of(text) else HIDDEN
