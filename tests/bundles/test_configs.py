"""The two bundles are one design with a few knobs.

Whatever else differs is a mistake in one of them.
"""

from __future__ import annotations

import configparser
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfd.modalities import MODALITIES

ROOT = Path(__file__).resolve().parents[2]
CT, MR = (ROOT / "bundles" / MODALITIES[name].bundle for name in ("ct_lung", "mri_chest"))
CONFIGS = ("evaluate", "inference", "metadata", "multi_gpu_train", "train")
DISPLAY_NAMES = {
    "ct_lung": "Lung CT tampering detection",
    "mri_chest": "Chest MR tampering detection",
}
"""As the model zoo's browser shows them."""
KNOBS = {
    "evaluate": {"modality"},
    "inference": {"modality"},
    "train": {"modality"},
    "multi_gpu_train": set(),
    "metadata": {
        "name",
        "task",
        "description",
        "data_source",
        *(
            f"eval_metrics.{measure}_{form}"
            for measure in ("auc", "sensitivity_at_fpr_0.01")
            for form in ("ai_edit", "adversarial_noise", "copy_move")
        ),
        *(f"eval_metrics.false_positive_rate_at_p_{limit}" for limit in ("0.05", "0.01")),
        "network_data_format.inputs.image.format",
        "network_data_format.inputs.image.modality",
    },
}
"""Config -> what may differ, and does."""
LATER = {"version", "changelog"}
"""What may differ as soon as one of the two has a release of its own."""


def read(path: Path) -> dict[str, object]:
    def without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names), (
            f"{path} says twice: {sorted({name for name in names if names.count(name) > 1})}"
        )
        return dict(pairs)

    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=without_doubles)


def leaves(content: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Each value that is no container, under its dotted name."""
    entries = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else None
    )
    if entries is None or not content:
        yield name, content
        return
    for key, value in entries:
        yield from leaves(value, f"{name}.{key}".lstrip("."))


@pytest.mark.parametrize("bundle", [CT, MR], ids=lambda path: path.name)
def test_a_bundle_has_these_configs(bundle: Path) -> None:
    assert {path.name for path in (bundle / "configs").iterdir()} == {
        "logging.conf",
        *(f"{name}.json" for name in CONFIGS),
    }


@pytest.mark.parametrize("config", CONFIGS)
def test_the_two_differ_in_the_named_knobs_only(config: str) -> None:
    ct, mr = (dict(leaves(read(bundle / "configs" / f"{config}.json"))) for bundle in (CT, MR))
    differing = {
        name for name in ct.keys() | mr.keys() if ct.get(name, "absent") != mr.get(name, "absent")
    }
    assert {name for name in differing if name.split(".")[0] not in LATER} == KNOBS[config]


@pytest.mark.parametrize("config", CONFIGS)
def test_the_two_say_the_same_in_the_same_order(config: str) -> None:
    ct, mr = (
        [
            name
            for name, _ in leaves(read(bundle / "configs" / f"{config}.json"))
            if name.split(".")[0] not in LATER
        ]
        for bundle in (CT, MR)
    )
    assert ct == mr


@pytest.mark.parametrize("file", ["configs/logging.conf", "LICENSE"])
def test_the_two_have_the_same(file: str) -> None:
    assert (CT / file).read_bytes() == (MR / file).read_bytes()


def test_the_licence_is_that_of_the_project() -> None:
    assert (CT / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("name", MODALITIES)
def test_each_bundle_is_of_its_modality(name: str) -> None:
    bundle = ROOT / "bundles" / MODALITIES[name].bundle
    assert {
        read(bundle / "configs" / f"{config}.json")["modality"]
        for config in ("train", "inference", "evaluate")
    } == {name}
    metadata = read(bundle / "configs" / "metadata.json")
    assert metadata["name"] == DISPLAY_NAMES[name]
    assert (
        metadata["network_data_format"]["inputs"]["image"]["modality"]
        == MODALITIES[name].dicom_modality
    )


def test_the_network_is_one_and_the_same_in_all_configs() -> None:
    networks = [
        read(CT / "configs" / f"{config}.json")["network_def"]
        for config in ("train", "inference", "evaluate")
    ]
    assert networks[0] == networks[1] == networks[2]


@pytest.mark.parametrize("config", ["evaluate", "inference", "multi_gpu_train", "train"])
def test_what_a_config_names_exists(config: str) -> None:
    content = read(CT / "configs" / f"{config}.json")
    text = json.dumps(content)
    targets = re.findall(r'"_target_": "(dfd\.[^"]+)"', text)
    assert targets or config != "train"
    for target in targets:
        module, _, name = target.rpartition(".")
        assert hasattr(importlib.import_module(module), name), target
    imports = [
        *content.get("imports", []),
        *(read(CT / "configs" / "train.json")["imports"] if config == "multi_gpu_train" else []),
    ]
    modules = {
        alias: importlib.import_module(module)
        for module, alias in re.findall(r"import (dfd\.\S+) as (\w+)", " ; ".join(imports))
    }
    called = re.findall(
        rf"\b({'|'.join(modules)})\.(\w+)",
        re.sub(
            (
                r'"(?:\+?imports|_target_)": '
                r'?(?:\[[^]]*\]|"[^"]*")'
            ),
            "",
            text,
        ),
    )
    assert called
    for alias, name in called:
        assert hasattr(modules[alias], name), f"{config} calls {alias}.{name}"


def test_the_overlay_changes_only_what_train_has() -> None:
    train = dict(leaves(read(CT / "configs" / "train.json")))
    known = {
        *train,
        *(".".join(name.split(".")[:length]) for name in train for length in range(1, 8)),
    }
    new = {name.replace("#", ".") for name in read(CT / "configs" / "multi_gpu_train.json")} - known
    assert new == {
        "+imports",
        "rank",
        "processes",
        "cuda",
        "train.handlers.1._disabled_",
        "train.handlers.2.write",
    }
    assert train["train.handlers.1._target_"] == "dfd.bundle.training.handlers.ProgressBar"
    assert train["train.handlers.2._target_"] == "dfd.bundle.training.handlers.TrainingJournal"


def test_the_log_goes_to_stderr() -> None:
    conf = configparser.ConfigParser()
    conf.read(CT / "configs" / "logging.conf", encoding="utf-8")
    assert conf["handler_console"]["args"] == "(sys.stderr,)"
