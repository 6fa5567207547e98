"""Archives of torch are read without torch, to the same bytes; what is anything else is left."""

from __future__ import annotations

import collections
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dfd.errors import BundleError, CalibrationError
from dfd.model_paths import bundle_dir, bundle_names
from dfd.models import model_file, tensor_archive
from dfd.models.model import Model, read_model
from dfd.models.tensor_archive import StoredTensor, UnknownArchiveError

BUNDLE = "ct_lung_inpainting"


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking torch is an error."""

    def load(path: object, **_: object) -> None:
        raise AssertionError(f"torch was asked for {path}")

    monkeypatch.setattr(torch, "load", load)


def weights() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(2)
    return {
        "a.weight": torch.randn(3, 2, 1, 5, generator=draw),
        "b.bias": torch.randn(4, generator=draw),
        "c.count": torch.tensor(7),
        "d.wide": torch.randn(2, 3, generator=draw, dtype=torch.float64),
        "e.half": torch.randn(6, generator=draw).half(),
        "f.empty": torch.zeros(0, 3),
    }


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize("bundle", bundle_names())
def test_a_shipped_bundle_is_read_without_torch(bundle: str) -> None:
    model = read_model(bundle_dir(bundle))
    assert model.calibration is not None
    assert (model.bundle, model.sha256) == (bundle, model.calibration["weights_sha256"])


@pytest.mark.parametrize("bundle", bundle_names())
def test_the_digest_is_that_of_torch(bundle: str) -> None:
    assert read_model(bundle_dir(bundle)).sha256 == model_file.load(bundle_dir(bundle)).sha256


def test_a_file_of_training_is_read_to_the_same(tmp_path: Path) -> None:
    path = tmp_path / "m.ckpt"
    table = {"format": 1, "weights_sha256": model_file.weights_digest(weights()), "p": [0.5, "ä"]}
    training = {"history": [{"epoch": 1.0}], "patients_trained": 3}
    path.write_bytes(model_file.packed(Model(path, weights(), BUNDLE, table, training)))
    read, loaded = read_model(path), model_file.load(path)
    assert all(isinstance(each, StoredTensor) for each in read.weights.values())
    for name in ("bundle", "calibration", "training", "sha256"):
        assert getattr(read, name) == getattr(loaded, name)


def test_tensors_come_back_as_their_bytes(tmp_path: Path) -> None:
    given = weights()
    read = tensor_archive.read(saved(tmp_path / "w.pt", collections.OrderedDict(given)))
    assert list(read) == list(given)
    for name, tensor in given.items():
        assert (read[name].shape, read[name].dtype) == (tuple(tensor.shape), str(tensor.dtype))
        assert read[name].content == tensor.numpy().tobytes()


def test_a_part_of_a_storage_is_read_where_it_lies(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(4, 3)
    read = tensor_archive.read(saved(tmp_path / "v.pt", {"rows": whole[1:3], "whole": whole}))
    assert read["rows"] == StoredTensor((2, 3), "torch.float32", whole[1:3].numpy().tobytes())


def test_plain_containers_come_back(tmp_path: Path) -> None:
    given = {"list": [1, 300, 70_000, 2**40, -5], "tuple": (1.5, None, True, False), "none": ()}
    assert tensor_archive.read(saved(tmp_path / "p.pt", given)) == given


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize(
    "content",
    [
        lambda marker: Trap(marker),
        lambda marker: {"a": torch.zeros(2), "b": Trap(marker)},
        lambda marker: {"a": torch.zeros(2).bfloat16()},
        lambda marker: {"a": torch.arange(6.0).reshape(2, 3).t()},
        lambda marker: {"a": torch.nn.Parameter(torch.zeros(2))},
        lambda marker: {"a": {1, 2}},
        lambda marker: collections.Counter("aab"),
    ],
    ids=["code", "code among weights", "bfloat16", "transposed", "parameter", "set", "class"],
)
def test_anything_else_is_left_to_torch(tmp_path: Path, content: Callable[[Path], object]) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(UnknownArchiveError):
        tensor_archive.read(saved(tmp_path / "odd.pt", content(marker)))
    assert not marker.exists()


def rebuilt(path: Path, **changes: Any) -> Path:
    """The archive with entries changed (None: without)."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    folder = next(iter(entries)).partition("/")[0]
    compression = changes.pop("compression", zipfile.ZIP_STORED)
    entries |= {f"{folder}/{name}": value for name, value in changes.pop("entries", {}).items()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, value in entries.items():
            if value is not None:
                archive.writestr(name, value)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"compression": zipfile.ZIP_DEFLATED},
        {"entries": {"data/0": None}},
        {"entries": {"data/0": b"short"}},
        {"entries": {"byteorder": b"big"}},
        {"entries": {"byteorder": None}},
        {"entries": {"data.pkl": None}},
        {"entries": {"data.pkl": b""}},
        {"entries": {"data.pkl": b"."}},
        {"entries": {"data.pkl": b"u."}},
        {"entries": {"data.pkl": pickle.dumps({"a": 1}, 2)[:-1]}},
        {"entries": {"data.pkl": b"cos\nsystem\n(X\x04\x00\x00\x00truetR."}},
        {"entries": {"constants.pkl": b""}},
    ],
    ids=str,
)
def test_a_damaged_archive_is_left_to_torch(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = saved(tmp_path / "w.pt", {"a": torch.arange(4.0)})
    with pytest.raises(UnknownArchiveError):
        tensor_archive.read(rebuilt(path, **changes))


def test_entries_of_one_name_are_left_to_torch(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pt", {"a": torch.arange(4.0)})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("w/data/0", torch.ones(4).numpy().tobytes())
    with pytest.raises(UnknownArchiveError):
        tensor_archive.read(path)


def test_what_torch_alone_can_read_is_read_by_torch(tmp_path: Path) -> None:
    path = tmp_path / "legacy.pt"
    torch.save(weights(), path, _use_new_zipfile_serialization=False)
    assert read_model(path).sha256 == model_file.weights_digest(weights())


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize(
    "content", [b"", b"filename,X,Y\na.dcm,1,2\n", b"\x89PNG\r\n"], ids=["empty", "csv", "png"]
)
def test_what_is_no_model_is_refused_without_torch(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.ckpt"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"odd\.ckpt is damaged or not a model file; use a file"):
        read_model(path)


@pytest.mark.usefixtures("no_torch")
def test_a_file_that_is_not_there_and_one_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"gone\.ckpt does not exist; give a shipped model's"):
        read_model(tmp_path / "gone.ckpt")
    with pytest.raises(BundleError, match="is not a model of this program"):
        read_model(saved(tmp_path / "other.pt", {"a": 1}))


@pytest.mark.usefixtures("no_torch")
def test_a_calibration_of_other_weights_is_refused_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "m.ckpt"
    table = {"format": 1, "weights_sha256": "ab"}
    path.write_bytes(model_file.packed(Model(path, weights(), BUNDLE, table)))
    with pytest.raises(CalibrationError, match="belongs to other weights"):
        read_model(path)


def test_an_entry_within_another_is_left_to_torch(tmp_path: Path) -> None:
    size, name = 40_000, "w/data/1"
    inner = zipfile.ZipInfo(name)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(inner, bytes(4 * size))
    header = len(inner.FileHeader())
    around = torch.zeros((header + 4 * size) // 2, dtype=torch.half)
    path = saved(tmp_path / "w.pt", {"a": around, "b": torch.zeros(size)})
    hidden = stream.getvalue()[: header + 4 * size]
    rebuilt(path, entries={"data/0": hidden, "data/1": None})
    with zipfile.ZipFile(path, "a") as archive:
        outer = archive.getinfo("w/data/0")
        inner.header_offset = outer.header_offset + len(outer.FileHeader())
        archive.filelist.append(inner)
        archive.writestr("w/more", b"")  # so that the directory is written again
    with zipfile.ZipFile(path) as archive:
        assert sum(each.file_size for each in archive.infolist()) > path.stat().st_size
    with pytest.raises(UnknownArchiveError):
        tensor_archive.read(path)
