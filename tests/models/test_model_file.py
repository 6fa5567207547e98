"""Model files: what is a model is read, what is anything else is refused and never run."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest
import torch

from dfd.errors import BundleError, CalibrationError
from dfd.models import model_file
from dfd.models.model_file import Model, load, packed, put_into, weights_digest

BUNDLE = "ct_lung_inpainting"


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (eval, (f"__import__('pathlib').Path({str(self.marker)!r}).write_text('run')",))


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return {
        "a.weight": torch.randn(3, 2),
        "b.count": torch.tensor(4),
        "c.half": torch.randn(5).bfloat16(),
    }


def calibration_for(weights: dict[str, torch.Tensor], **other: object) -> dict[str, object]:
    return {"format": 1, "bundle": BUNDLE, "weights_sha256": weights_digest(weights), **other}


def write(path: Path, weights: dict[str, torch.Tensor], **changes: object) -> Path:
    parts = {
        "bundle": BUNDLE,
        "calibration": calibration_for(weights),
        "training": {"patients_trained": 3},
    } | changes
    path.write_bytes(packed(Model(path, weights, **parts)))
    return path


def test_a_packed_model_comes_back(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    model = load(write(tmp_path / "m.ckpt", weights))
    assert list(model.weights) == list(weights)
    assert all(torch.equal(model.weights[name], weights[name]) for name in weights)
    assert (model.bundle, model.training) == (BUNDLE, {"patients_trained": 3})
    assert model.calibration == calibration_for(weights)
    assert model.sha256 == weights_digest(weights)


def test_a_packed_model_holds_nothing_but_tensors_and_text(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    content = torch.load(write(tmp_path / "m.ckpt", weights), weights_only=True)
    assert {name: type(value) for name, value in content.items()} == {
        "format": str,
        "bundle": str,
        "weights": dict,
        "calibration": str,
        "training": str,
    }


def test_a_model_without_calibration(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    assert load(write(tmp_path / "m.ckpt", weights, calibration=None)).calibration is None


def test_the_digest_is_the_same_in_every_file(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    torch.save(weights, tmp_path / "zip.pt")
    torch.save(weights, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    shuffled = dict(reversed(weights.items()))
    torch.save(shuffled, tmp_path / "order.pt")
    files = [tmp_path / name for name in ("zip.pt", "legacy.pt", "order.pt")] + [
        write(tmp_path / "m.ckpt", weights)
    ]
    assert {load(file).sha256 for file in files} == {weights_digest(weights)}
    view = {name: torch.stack([tensor, tensor], dim=-1)[..., 0] for name, tensor in weights.items()}
    assert weights_digest(view) == weights_digest(weights)


@pytest.mark.parametrize("change", ["value", "name", "shape", "type"])
def test_the_digest_tells_weights_apart(weights: dict[str, torch.Tensor], change: str) -> None:
    first = weights["a.weight"]
    other = {
        "value": {**weights, "a.weight": first + 1e-6},
        "name": {("z" if name == "a.weight" else name): tensor for name, tensor in weights.items()},
        "shape": {**weights, "a.weight": first.reshape(2, 3)},
        "type": {**weights, "a.weight": first.view(torch.int32)},
    }[change]
    assert weights_digest(other) != weights_digest(weights)


@pytest.mark.parametrize("place", ["alone", "among weights", "in the calibration"])
@pytest.mark.parametrize("layout", ["zip", "legacy", "pickle"])
def test_a_pickle_of_code_is_refused_and_never_run(
    tmp_path: Path, weights: dict[str, torch.Tensor], place: str, layout: str
) -> None:
    marker, file = tmp_path / "it ran", tmp_path / "evil.ckpt"
    trap = Trap(marker)
    content = {
        "alone": trap,
        "among weights": {**weights, "d": trap},
        "in the calibration": {
            "format": model_file.FORMAT,
            "bundle": BUNDLE,
            "weights": weights,
            "calibration": trap,
            "training": "{}",
        },
    }[place]
    if layout == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=layout == "zip")
    with pytest.raises(
        BundleError,
        match=(
            r"evil\.ckpt (holds more than weights and was not opened|is damaged or not a model "
            r"file)"
        ),
    ):
        load(file)
    assert not marker.exists()
    torch.load(file, weights_only=False) if layout != "pickle" else pickle.loads(file.read_bytes())
    assert marker.exists(), "the trap works, so it is the reader that did not spring it"


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor], share: float, legacy: bool
) -> None:
    whole, file = tmp_path / "whole.pt", tmp_path / "cut.ckpt"
    torch.save(
        {"weights": {**weights, "big": torch.randn(200, 50)}},
        whole,
        _use_new_zipfile_serialization=not legacy,
    )
    content = whole.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BundleError, match=r"cut\.ckpt .*; use a file written by `dfd train`"):
        load(file)


@pytest.mark.parametrize("seed", range(12))
def test_a_file_with_wrong_bytes_is_refused_or_read(
    tmp_path: Path, weights: dict[str, torch.Tensor], seed: int
) -> None:
    """Whatever a bad disk does: a BundleError, or other weights with another digest.

    Never another exception.
    """
    import random

    content = bytearray(packed(Model(tmp_path, weights, BUNDLE)))
    dice = random.Random(seed)
    for _ in range(20):
        content[dice.randrange(len(content))] = dice.randrange(256)
    file = tmp_path / "m.ckpt"
    file.write_bytes(content)
    try:
        model = load(file)
    except BundleError:
        return
    assert model.weights


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\x00" * 5000,
        "ünsinn".encode() * 99,
        b"PK\x03\x04" + b"\x01" * 300,
        b"\x80\x02.",
    ],
)
def test_what_is_no_model_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "m.ckpt"
    file.write_bytes(content)
    with pytest.raises(
        BundleError, match=r"m\.ckpt (is damaged or not a model file|holds more than weights)"
    ):
        load(file)


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {},
        torch.zeros(3),
        {"a": 1.0},
        {"a": torch.zeros(2), "b": "text"},
        {"state_dict": {"a": torch.zeros(2)}},
        None,
    ],
)
def test_another_programs_object_is_refused(tmp_path: Path, content: object) -> None:
    file = tmp_path / "m.ckpt"
    torch.save(content, file)
    with pytest.raises(BundleError, match="is not a model of this program"):
        load(file)


@pytest.mark.parametrize(
    "change",
    [
        {"weights": None},
        {"weights": {}},
        {"weights": {"a": 1.0}},
        {"bundle": 3},
        {"calibration": "{"},
        {"calibration": "[]"},
        {"calibration": 5},
        {"training": "nonsense"},
        {"training": "[]"},
    ],
)
def test_a_model_with_a_wrong_part_is_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor], change: dict[str, object]
) -> None:
    content = {
        "format": model_file.FORMAT,
        "bundle": BUNDLE,
        "weights": weights,
        "calibration": "",
        "training": "{}",
    } | change
    file = tmp_path / "m.ckpt"
    torch.save(content, file)
    with pytest.raises(BundleError, match="damaged or not a model file"):
        load(file)
    del content[next(iter(change))]
    torch.save(content, file)
    with pytest.raises(BundleError, match="damaged or not a model file"):
        load(file)


def test_a_missing_file_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError, match=r"gone\.ckpt does not exist; give a shipped model's name"
    ):
        load(tmp_path / "gone.ckpt")
    with pytest.raises(BundleError, match=r"model\.pt does not exist"):
        load(tmp_path)


def bundle_folder(folder: Path, weights: dict[str, torch.Tensor], calibration: object) -> Path:
    (folder / "models").mkdir(parents=True)
    torch.save(weights, folder / "models" / "model.pt")
    if calibration is not None:
        (folder / "models" / "calibration.json").write_text(
            calibration if isinstance(calibration, str) else json.dumps(calibration)
        )
    return folder


def test_a_bundle_folder(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    model = load(bundle_folder(tmp_path / BUNDLE, weights, calibration_for(weights)))
    assert model.bundle == BUNDLE
    assert model.calibration == calibration_for(weights)
    without = load(bundle_folder(tmp_path / "elsewhere" / BUNDLE, weights, None))
    assert (without.bundle, without.calibration) == (BUNDLE, None)
    assert model_file.bundle_version(model) == ""
    (tmp_path / BUNDLE / "configs").mkdir()
    (tmp_path / BUNDLE / "configs" / "metadata.json").write_text('{"version": "1.2.3"}')
    assert model_file.bundle_version(model) == "1.2.3"


def test_a_calibration_nested_without_end_is_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    content = {
        "format": model_file.FORMAT,
        "bundle": BUNDLE,
        "weights": weights,
        "calibration": "[" * 100_000,
        "training": "{}",
    }
    torch.save(content, tmp_path / "m.ckpt")
    with pytest.raises(BundleError, match=r"m\.ckpt is damaged"):
        load(tmp_path / "m.ckpt")


def test_an_old_file_whose_storages_do_not_fit_is_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    torch.save(weights, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "m.pt").read_bytes()
    key = next(number for number in re.findall(rb"[0-9]{9,}", content))
    changed = content.replace(key, bytes(reversed(key)), 1)
    (tmp_path / "m.pt").write_bytes(changed)
    with pytest.raises(BundleError, match=r"m\.pt is damaged"):
        load(tmp_path / "m.pt")


def test_calibration_of_other_weights_is_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    other = calibration_for({"x": torch.zeros(1)})
    with pytest.raises(
        CalibrationError, match=r"belongs to other weights .*refit it with `dfd calibrate`"
    ):
        load(bundle_folder(tmp_path / BUNDLE, weights, other))
    with pytest.raises(CalibrationError, match="belongs to other weights"):
        load(write(tmp_path / "m.ckpt", weights, calibration=other))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is damaged"),
        ("[1]", "is not a calibration table"),
        ("\ufeff", "is damaged"),
        ("[" * 100_000, "is damaged"),
    ],
    ids=["cut", "list", "mark", "nested"],
)
def test_a_damaged_calibration_is_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor], text: str, words: str
) -> None:
    with pytest.raises(CalibrationError, match=rf"calibration\.json {words}"):
        load(bundle_folder(tmp_path / BUNDLE, weights, text))


def network_and_model(bundle: str) -> tuple[torch.nn.Module, Model]:
    return torch.nn.Linear(2, 2), Model(Path("m.ckpt"), torch.nn.Linear(2, 2).state_dict(), bundle)


@pytest.mark.parametrize("bundle", [BUNDLE, ""])
def test_weights_are_put_into_the_network(bundle: str) -> None:
    network, model = network_and_model(bundle)
    put_into(network, model, BUNDLE)
    assert weights_digest(network.state_dict()) == model.sha256


def test_weights_of_the_other_modality_are_refused() -> None:
    network, model = network_and_model("mri_chest_inpainting")
    before = weights_digest(network.state_dict())
    with pytest.raises(
        BundleError, match=r"m\.ckpt was trained as mri_chest_inpainting, not as ct_lung_inpainting"
    ):
        put_into(network, model, BUNDLE)
    assert weights_digest(network.state_dict()) == before


def test_weights_of_another_network_are_refused() -> None:
    _, model = network_and_model(BUNDLE)
    with pytest.raises(
        BundleError, match=r"the weights in m\.ckpt do not fit the network of ct_lung_inpainting"
    ):
        put_into(torch.nn.Linear(3, 2), model, BUNDLE)
