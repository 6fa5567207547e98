"""Contract of every entry in the table of modalities."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from itertools import pairwise

import pytest
from pydicom.uid import UID

from dfd.modalities import MODALITIES, Modality

EACH = pytest.mark.parametrize("modality", MODALITIES.values(), ids=MODALITIES)


@EACH
def test_the_key_is_the_name(modality: Modality) -> None:
    assert MODALITIES[modality.name] is modality
    assert modality.bundle == f"{modality.name}_inpainting"
    assert modality.checkpoint.endswith(".ckpt")


@EACH
def test_tissues_ascend_without_overlap(modality: Modality) -> None:
    assert all(tissue.low < tissue.high for tissue in modality.tissues)
    assert all(before.high <= after.low for before, after in pairwise(modality.tissues))
    assert len({tissue.name for tissue in modality.tissues}) == len(modality.tissues)


@EACH
def test_what_reading_and_scoring_ask_for_is_there(modality: Modality) -> None:
    assert modality.unit in ("HU", "stored")
    assert modality.relative or any(tissue.name == "soft tissue" for tissue in modality.tissues), (
        "noise_scale needs it"
    )
    assert modality.radius_mm > 0
    assert modality.radius_px > 0
    assert modality.window is None or modality.window[0] < modality.window[1]
    assert modality.relative or modality.floor is None or modality.floor < modality.tissues[0].low
    assert all(part == part.upper() for part in modality.foreign_body_parts)


@EACH
def test_sop_classes_are_image_storage_of_the_modality(modality: Modality) -> None:
    names = [UID(uid).name for uid in modality.sop_classes]
    assert all(f"{modality.dicom_modality} Image Storage" in name for name in names)


def test_scans_belong_to_one_modality_only() -> None:
    assert len({modality.dicom_modality for modality in MODALITIES.values()}) == len(MODALITIES)
    uids = [uid for modality in MODALITIES.values() for uid in modality.sop_classes]
    assert len(set(uids)) == len(uids)


@EACH
def test_an_entry_cannot_be_changed(modality: Modality) -> None:
    with pytest.raises(FrozenInstanceError):
        modality.radius_mm = 1.0  # type: ignore[misc]
