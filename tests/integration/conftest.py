"""One tiny study in the catalogue's layout and one tiny model, made once.

A training costs half a minute.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dfd.phantom import write_ct_series
from tests.integration.processes import DFD, finish

SIZE = 128
TRAINING = {"epochs": 2, "batch_size": 4}
POINTS = (
    ("p1/file001.dcm", 45, 70),
    ("p1/file001.dcm", 64, 40),
    ("p1/file002", 80.5, 62.25),
    ("missing.dcm", 1, 1),
    ("p1/file002.dcm", 500, 3),
)
"""Three that can be scored, then one without a file and one outside its slice."""


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train/`` with two patients of one slice each.

    ``test/`` with a third of two slices and its points.
    """
    data = tmp_path_factory.mktemp("study") / "data"
    for patient, person in (("p1", "a"), ("p2", "b")):
        write_ct_series(data / "train" / patient, seed=5, slices=1, patient=person, size=SIZE)
    write_ct_series(data / "test" / "p1", seed=5, slices=2, patient="c", size=SIZE)
    rows = [",".join(map(str, row)) for row in POINTS]
    (data / "test" / "test.csv").write_text(
        "\n".join(["filename,X,Y", *rows]) + "\n", encoding="utf-8"
    )
    return data


@pytest.fixture(scope="session")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``my_model.ckpt`` as the catalogue's Train writes it.

    With ``my_model.ckpt.training`` beside it.
    """
    folder = tmp_path_factory.mktemp("model")
    words = [
        "-mode",
        "Train",
        "-model_path",
        "my_model.ckpt",
        "-data_path",
        data,
        "-epochs",
        TRAINING["epochs"],
    ]
    done = finish(
        [*DFD, *words, "-batch_size", TRAINING["batch_size"], "-num_workers", 0, "-device", "cpu"],
        folder,
    )
    assert done.returncode == 0, done.stderr
    return folder / "my_model.ckpt"


@pytest.fixture(scope="session")
def mr_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of the other modality, with random weights."""
    from dfd.bundle.networks.masked_predictor import MaskedPredictor
    from dfd.models import model_file

    path = tmp_path_factory.mktemp("mr") / "mr_model.ckpt"
    path.write_bytes(
        model_file.packed(
            model_file.Model(path, MaskedPredictor().state_dict(), "mri_chest_inpainting")
        )
    )
    return path


@pytest.fixture
def scans(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder with the test slices (``slice001.dcm`` …) and a points file."""

    def make(*lines: str, copies: int = 2, name: str = "scans") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        sources = sorted((data / "test" / "p1").glob("*.dcm"))
        for number in range(copies):
            shutil.copy(sources[number % len(sources)], folder / f"slice{number + 1:03d}.dcm")
        (folder / "test.csv").write_text(
            "\n".join(["filename,X,Y", *lines]) + "\n", encoding="utf-8"
        )
        return folder

    return make


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """What a workflow sets for the whole process goes back."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    from monai.utils import set_determinism

    set_determinism(None)
