"""Signatures of weights and calibration."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dfd.cli.entry import run
from dfd.model_paths import bundle_dir, bundle_names
from dfd.models import signature

pytest.importorskip("model_signing", reason="comes with the extra 'signing'")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def key_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """A fresh private key and its public part."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path]:
    """A copy of a shipped bundle that was signed, and the public key."""
    private, public = key_pair(tmp_path, "release")
    bundle = tmp_path / "bundle"
    shutil.copytree(bundle_dir("ct_lung_inpainting"), bundle)
    signature.sign(bundle, private)
    return bundle, public


def test_a_signature_holds_also_beside_files_of_other_tools(signed: tuple[Path, Path]) -> None:
    bundle, public = signed
    assert signature.state_of(bundle, public) == signature.HOLDS
    (bundle / "models" / "model.ts").write_bytes(b"made by another tool")
    assert signature.state_of(bundle, public) == signature.HOLDS


@pytest.mark.parametrize("name", ["model.pt", "calibration.json"])
def test_one_changed_byte_breaks_it(signed: tuple[Path, Path], name: str) -> None:
    bundle, public = signed
    file = bundle / "models" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert signature.state_of(bundle, public) == signature.BROKEN


def test_a_missing_file_a_damaged_signature_and_another_key_break_it(
    signed: tuple[Path, Path], tmp_path: Path
) -> None:
    bundle, public = signed
    _, other = key_pair(tmp_path, "other")
    assert signature.state_of(bundle, other) == signature.BROKEN
    whole = (bundle / signature.SIGNATURE).read_text()
    (bundle / signature.SIGNATURE).write_text(whole[: len(whole) // 2])
    assert signature.state_of(bundle, public) == signature.BROKEN
    (bundle / signature.SIGNATURE).write_text(whole)
    (bundle / "models" / "calibration.json").unlink()
    assert signature.state_of(bundle, public) == signature.BROKEN


def test_who_signs_anew_with_a_key_of_his_own_is_found_out(
    signed: tuple[Path, Path], tmp_path: Path
) -> None:
    bundle, public = signed
    private, _ = key_pair(tmp_path, "attacker")
    calibration = bundle / "models" / "calibration.json"
    content = json.loads(calibration.read_text())
    calibration.write_text(json.dumps(content | {"radius_mm": 1.0}))
    signature.sign(bundle, private)
    assert signature.state_of(bundle, public) == signature.BROKEN


def test_what_was_never_signed_is_said_to_have_none(tmp_path: Path) -> None:
    assert signature.state_of(tmp_path) == signature.UNSIGNED
    assert signature.state_of(tmp_path / "model.ckpt") == signature.UNSIGNED


def test_without_the_library_nothing_is_claimed(
    signed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, public = signed
    monkeypatch.setattr(signature, "find_spec", lambda name: None)
    assert signature.state_of(bundle, public) == signature.UNCHECKED


@pytest.mark.parametrize("name", bundle_names())
def test_the_shipped_models_are_signed_and_info_says_so(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert signature.state_of(bundle_dir(name)) == signature.HOLDS
    assert run(["info", name]) == 0
    assert f"signature: {signature.HOLDS}" in capsys.readouterr().out
