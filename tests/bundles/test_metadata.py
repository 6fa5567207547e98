"""metadata.json says what MONAI's schema asks for, and says it truly."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import shutil
from pathlib import Path

import jsonschema
import pytest

import dfd
from dfd.modalities import MODALITIES, Modality

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "tests" / "schema" / "metadata.json"
BUNDLES = [ROOT / "bundles" / modality.bundle for modality in MODALITIES.values()]
ZOO_HEADINGS = (
    "## Authors",
    "## Tags",
    "## Model Description",
    "## Data",
    "## Performance",
    "## Additional Usage Steps",
    "## System Configuration",
    "## Limitations",
    "## References",
)
"""Of the model zoo's template for a model card, in its order."""


def metadata(bundle: Path) -> dict[str, object]:
    return json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_it_follows_the_schema(bundle: Path, tmp_path: Path) -> None:
    from monai.bundle import verify_metadata

    # A file that is there, and has this digest, is not downloaded; a copy, since MONAI may write to
    # it.
    schema = Path(shutil.copy(SCHEMA, tmp_path / "schema.json"))
    digest = hashlib.md5(SCHEMA.read_bytes(), usedforsecurity=False).hexdigest()
    verify_metadata(
        meta_file=str(bundle / "configs" / "metadata.json"), filepath=str(schema), hash_val=digest
    )
    assert schema.read_bytes() == SCHEMA.read_bytes()


@pytest.mark.parametrize("key", json.loads(SCHEMA.read_text(encoding="utf-8"))["required"])
def test_the_schema_misses_each_required_key(key: str) -> None:
    content = metadata(BUNDLES[0])
    del content[key]
    with pytest.raises(jsonschema.ValidationError, match=f"'{key}' is a required property"):
        jsonschema.validate(content, json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_the_schema_looks_into_tensors() -> None:
    content = copy.deepcopy(metadata(BUNDLES[0]))
    content["network_data_format"]["outputs"]["pred"]["num_channels"] = "2"
    with pytest.raises(jsonschema.ValidationError, match="is not of type 'integer'"):
        jsonschema.validate(content, json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_versions_are_those_that_are_tested(bundle: Path) -> None:
    content = metadata(bundle)
    pins = dict(
        re.findall(
            r"^([A-Za-z0-9-]+)==([0-9.]+)",
            (ROOT / "constraints.txt").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    core = {
        "monai": content["monai_version"],
        "torch": content["pytorch_version"],
        "numpy": content["numpy_version"],
    }
    named = core | content["required_packages_version"]
    assert named.pop("deepfakes-detector") == dfd.__version__
    assert named == {name: pins[name] for name in named}
    assert content["version"] in content["changelog"]


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_it_says_what_it_is_not_for(bundle: Path) -> None:
    assert "not a medical device" in str(metadata(bundle)["intended_use"])


@pytest.mark.parametrize("modality", MODALITIES.values(), ids=lambda modality: modality.name)
def test_its_metrics_are_those_of_the_test_patients(modality: Modality) -> None:
    path = ROOT / "benchmarks" / "results" / f"benchmark_{modality.name}_test.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    expected = {}
    for form in result["forms"]:
        name = re.sub(r"[ -]", "_", form["form"]).lower()
        expected[f"auc_{name}"] = round(form["auc"], 3)
        expected[f"sensitivity_at_fpr_0.01_{name}"] = round(form["found at 0.01"], 3)
    for limit in ("0.05", "0.01"):
        rate = result["false alarms"]["all"][f"patient left out, p <= {limit}"]
        expected[f"false_positive_rate_at_p_{limit}"] = round(rate, 3)
    assert metadata(ROOT / "bundles" / modality.bundle)["eval_metrics"] == expected


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_its_card_follows_the_headings_of_the_model_zoo(bundle: Path) -> None:
    card = (bundle / "docs" / "README.md").read_text(encoding="utf-8")
    positions = [card.find(f"\n{heading}\n") for heading in ZOO_HEADINGS]
    assert -1 not in positions
    assert positions == sorted(positions)
    assert card.startswith(f"# {metadata(bundle)['name']}\n")
    assert f"`{bundle.name}`, version {metadata(bundle)['version']}" in card


@pytest.mark.parametrize("modality", MODALITIES.values(), ids=lambda modality: modality.name)
def test_the_licence_of_every_patient_is_named(modality: Modality) -> None:
    bundle = ROOT / "bundles" / modality.bundle
    text = (bundle / "docs" / "data_license.txt").read_text(encoding="utf-8")
    split = json.loads((ROOT / "benchmarks" / "split.json").read_text(encoding="utf-8"))
    for patient in split[modality.dicom_modality.lower()]:
        assert patient in text or f"({patient.split('-')[0]}-)" in text, patient
