"""Wrong models, wrong folders.

One clear sentence before any work is done, and nothing left behind.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dfd import workflow
from dfd.cli.entry import run
from dfd.errors import BundleError, CalibrationError
from dfd.models import model_file
from dfd.phantom import write_ct_series, write_mr_series
from tests.integration.processes import CT_BUNDLE, DFD, ROOT, environment, last_line


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def score(data: Path, model: Path, output: Path) -> int:
    return run(
        ["score", "--data", str(data / "test"), "--model", str(model), "--output", str(output)]
    )


def test_weights_that_are_code_are_not_run(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = tmp_path / "marker"
    plain, packed = tmp_path / "plain.ckpt", tmp_path / "packed.ckpt"
    plain.write_bytes(pickle.dumps(Trap(marker)))
    torch.save({"format": model_file.FORMAT, "weights": Trap(marker)}, packed)
    for path in (plain, packed):
        assert score(data, path, tmp_path / "out") == 2
        message = last_line(capsys.readouterr().err)
        assert message.startswith(f"dfd: error: {path} ")
        assert "use a file written by `dfd train` or a shipped model" in message
    assert not marker.exists()
    pickle.loads(plain.read_bytes())
    assert marker.exists(), "the trap itself does not work"


@pytest.mark.parametrize("size", [0, 100, 100_000])
def test_a_model_file_that_was_cut_short(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    (tmp_path / "cut.ckpt").write_bytes(model.read_bytes()[:size])
    assert score(data, tmp_path / "cut.ckpt", tmp_path / "out") == 2
    assert "cut.ckpt is damaged or not a model file" in last_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_calibration_of_other_weights_is_refused(data: Path, model: Path, tmp_path: Path) -> None:
    bundle = tmp_path / CT_BUNDLE.name
    shutil.copytree(CT_BUNDLE / "configs", bundle / "configs")
    (bundle / "models").mkdir()
    loaded = model_file.load(model)
    torch.save(
        {name: value + 1e-3 for name, value in loaded.weights.items()},
        bundle / "models" / "model.pt",
    )
    (bundle / "models" / "calibration.json").write_text(json.dumps(loaded.calibration))
    with pytest.raises(CalibrationError, match="belongs to other weights"):
        model_file.load(bundle)
    assert score(data, bundle, tmp_path / "out") == 2


def test_a_bundle_refuses_the_model_of_the_other(
    data: Path, mr_model: Path, tmp_path: Path
) -> None:
    overrides = {
        "model_path": str(mr_model),
        "data_path": str(data / "test"),
        "output_dir": str(tmp_path / "out"),
    }
    with pytest.raises(
        BundleError, match="was trained as mri_chest_inpainting, not as ct_lung_inpainting"
    ):
        workflow.run_config(CT_BUNDLE, "inference", overrides)


def test_a_folder_that_mixes_modalities_cannot_be_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ct_series(tmp_path / "scans" / "p1", seed=1, slices=1, size=64)
    write_mr_series(tmp_path / "scans" / "p2", seed=1, slices=1, size=64)
    assert (
        run(["train", "--data", str(tmp_path / "scans"), "--model", str(tmp_path / "m.ckpt")]) == 2
    )
    message = last_line(capsys.readouterr().err)
    assert "mixes modalities (1 CT, 1 MR series)" in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scans"]


@pytest.mark.parametrize("verb", ["score", "train"])
def test_results_under_a_file_are_refused_before_the_work(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    (tmp_path / "file").touch()
    output = tmp_path / "file" / "out"
    code = (
        score(data, model, output)
        if verb == "score"
        else run(["train", "--data", str(data / "train"), "--model", str(output)])
    )
    assert code == 2
    assert "is a file, not a folder; choose another output folder" in last_line(
        capsys.readouterr().err
    )


def test_a_folder_is_no_place_for_a_model(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").mkdir()
    assert run(["train", "--data", str(data / "train"), "--model", str(tmp_path / "models")]) == 2
    wanted = tmp_path / "models" / "my_model.ckpt"
    assert last_line(capsys.readouterr().err).endswith(
        f"models is a folder; name the file to write, such as {wanted}."
    )


def test_a_data_folder_is_never_written_to(
    data: Path,
    model: Path,
    scans: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = scans("slice001.dcm,64,40", copies=1)
    before = {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}
    mkdir = Path.mkdir

    def as_on_a_read_only_disk(path: Path, *args: object, **options: object) -> None:
        if path.is_relative_to(folder):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        mkdir(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", as_on_a_read_only_disk)
    monkeypatch.chdir(folder)
    assert run(["-mode", "Test", "-model_path", str(model), "-data_path", str(folder)]) == 0
    # The working folder is the data folder here and takes nothing, so the results lie beside the
    # model, and the place is printed.
    (results,) = model.parent.glob("dfd_results/*")
    assert f"results are in {results}" in capsys.readouterr().err
    assert (results / "scores.csv").exists()
    shutil.rmtree(model.parent / "dfd_results")
    assert {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))} == before


def test_reader_processes_need_hardly_any_shared_memory(data: Path, tmp_path: Path) -> None:
    # A container has 64 MB in /dev/shm; one batch of 64 crops held there by each of two readers
    # would be more than is given here.
    mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm"
    probe = (
        subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False)
        if shutil.which("unshare")
        else None
    )
    if probe is None or probe.returncode:
        pytest.skip(
            "a small /dev/shm cannot be mounted here: training with reader processes in a "
            "container is left out"
        )
    words = [
        *DFD,
        "-mode",
        "Train",
        "-model_path",
        tmp_path / "m.ckpt",
        "-data_path",
        data,
        "-epochs",
        1,
        "-num_workers",
        2,
        "-device",
        "cpu",
    ]
    command = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh", *map(str, words)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert model_file.load(tmp_path / "m.ckpt").calibration is not None
