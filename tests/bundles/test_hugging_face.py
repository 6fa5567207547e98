"""MONAI uploads a bundle to Hugging Face with a card that the site reads; nothing is sent here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from monai.bundle import push_to_hf_hub

from dfd.model_paths import bundle_dir, bundle_names


class Hub:
    """Stands in for the site: keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, object]]] = []

    def create_repo(self, **words: object) -> None:
        self.asked.append(("repository", words))

    def upload_folder(self, **words: object) -> str:
        self.asked.append(("folder", words))
        return "address"

    def create_tag(self, **words: object) -> None:
        self.asked.append(("tag", words))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub()
    site = SimpleNamespace(HfApi=lambda token: made)
    monkeypatch.setattr("monai.bundle.scripts.huggingface_hub", site)
    return made


def committed(name: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "."], cwd=bundle_dir(name), capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to a bundle is not known")
    return set(listed.stdout.split())


@pytest.mark.parametrize("name", bundle_names())
def test_the_folder_and_its_card_are_uploaded(name: str, hub: Hub, tmp_path: Path) -> None:
    for file in committed(name):
        (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(bundle_dir(name) / file, tmp_path / name / file)
    repo = f"owner/{name}"
    push_to_hf_hub(repo, name, str(tmp_path), version="0.2.0")
    assert hub.asked == [
        ("repository", {"repo_id": repo, "private": True, "exist_ok": True}),
        ("folder", {"repo_id": repo, "folder_path": str(tmp_path / name)}),
        ("tag", {"repo_id": repo, "tag": "0.2.0", "exist_ok": True}),
    ]
    card = (tmp_path / name / "README.md").read_text(encoding="utf-8")
    _, head, text = card.split("---\n", 2)
    assert yaml.safe_load(head) == {
        "license": "apache-2.0",
        "library_name": "monai",
        "tags": ["monai", "medical"],
    }
    assert text == (bundle_dir(name) / "docs" / "README.md").read_text(encoding="utf-8")
