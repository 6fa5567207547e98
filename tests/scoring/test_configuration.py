"""The core stands for the shipped configurations, and for no other."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dfd.modalities import MODALITIES
from dfd.model_paths import bundle_dir, bundle_names
from dfd.scoring import configuration

GIVEN = ("data_path", "points", "output_dir", "model_path", "num_workers", "seed", "device_name")
"""What every run gives itself, so that it does not matter what a configuration says."""
OLD = Path(__file__).parents[1] / "bundles" / "version_0_1"


def shipped(bundle: str = "ct_lung_inpainting") -> dict[str, Any]:
    text = (bundle_dir(bundle) / configuration.INFERENCE).read_text(encoding="utf-8")
    return dict(json.loads(text))


def written(folder: Path, content: object) -> Path:
    (folder / "configs").mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content, indent=1)
    (folder / configuration.INFERENCE).write_text(text, encoding="utf-8")
    return folder


def edits(content: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of each value in a configuration."""
    pairs = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in pairs:
        yield (*path, key)
        yield from edits(value, (*path, key))


@pytest.mark.parametrize("bundle", bundle_names())
def test_the_shipped_bundles_are_known(bundle: str) -> None:
    modality = configuration.modality_of(bundle_dir(bundle))
    assert modality is not None
    assert modality.bundle == bundle


def test_a_copy_is_known_by_its_modality_and_not_by_its_name(tmp_path: Path) -> None:
    folder = written(tmp_path / "mine", shipped("mri_chest_inpainting"))
    assert configuration.modality_of(folder) is MODALITIES["mri_chest"]


@pytest.mark.parametrize(
    "place",
    [each for each in edits(shipped()) if each[0] not in GIVEN],
    ids=lambda place: ".".join(map(str, place)),
)
def test_any_edit_makes_it_a_bundle_of_its_own(
    tmp_path: Path, place: tuple[str | int, ...]
) -> None:
    content = copy.deepcopy(shipped())
    part = content
    for key in place[:-1]:
        part = part[key]  # type: ignore[index]
    part[place[-1]] = "edited"  # type: ignore[index]
    assert configuration.modality_of(written(tmp_path / "edited", content)) is None


def test_a_new_key_makes_it_a_bundle_of_its_own(tmp_path: Path) -> None:
    content = {**shipped(), "mine": 1}
    assert configuration.modality_of(written(tmp_path / "wider", content)) is None


@pytest.mark.parametrize("key", GIVEN)
def test_what_a_run_gives_itself_may_be_edited(tmp_path: Path, key: str) -> None:
    content = {**shipped(), key: "edited"}
    modality = configuration.modality_of(written(tmp_path / "edited", content))
    assert modality is MODALITIES["ct_lung"]


@pytest.mark.parametrize("bundle", bundle_names())
def test_a_bundle_of_version_0_1_is_one_of_its_own(tmp_path: Path, bundle: str) -> None:
    text = (OLD / bundle / "inference.json").read_text(encoding="utf-8")
    assert configuration.modality_of(written(tmp_path / "old", text)) is None


@pytest.mark.parametrize("text", ["", "[]", "null", '{"modality": ["ct_lung"]}', "{"])
def test_what_is_no_configuration_is_left_to_monai(tmp_path: Path, text: str) -> None:
    assert configuration.modality_of(written(tmp_path / "odd", text)) is None
    assert configuration.modality_of(tmp_path / "gone") is None
