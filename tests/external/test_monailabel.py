"""The real MONAI Label server with our app, asked over HTTP.

The numbers are those of ``dfd score``, and bad requests get a sentence.
"""

from __future__ import annotations

import csv
import json
import math
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

from dfd.phantom import write_ct_series, write_mr_series
from tests.external.environments import ROOT, environment, variables
from tests.external.servers import Server, running
from tests.external.slicer_stand_in import Points, Shown, Volume, installed, place_of

APP = ROOT / "apps" / "monailabel"
CT, MR = "ct_lung_inpainting", "mri_chest_inpainting"
SIZE = 160
POINT = (60, 84)
"""Where noise is added, and where the click is."""


@pytest.fixture(scope="session")
def python() -> Path:
    return environment(APP / "requirements.txt")


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT series of three slices, the middle one tampered with, one of another patient.

    An MR slice, and the first series as NIfTI.
    """
    folder = tmp_path_factory.mktemp("studies")
    files = write_ct_series(folder / "p1", seed=3, slices=3, patient="a", size=SIZE)
    write_ct_series(folder / "p2", seed=4, slices=1, patient="b", size=SIZE)
    write_mr_series(folder / "m1", seed=5, slices=1, patient="c", size=SIZE)
    tamper(files[1])
    volume = np.stack(
        [
            pydicom.dcmread(file).pixel_array.T + pydicom.dcmread(file).RescaleIntercept
            for file in files
        ],
        axis=2,
    )
    nibabel.save(
        nibabel.Nifti1Image(volume.astype(np.int16), np.diag([-2.2, -2.2, 2.5, 1.0])),
        folder / "volume.nii.gz",
    )
    return folder


def tamper(file: Path) -> None:
    dataset = pydicom.dcmread(file)
    pixels = dataset.pixel_array.copy()
    y, x = np.ogrid[:SIZE, :SIZE]
    disk = np.hypot(x - POINT[0], y - POINT[1]) < 8
    pixels[disk] = np.clip(
        pixels[disk] + np.random.default_rng(1).normal(0, 60, disk.sum()), 0, 4000
    ).astype(pixels.dtype)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(file)


@pytest.fixture(scope="session")
def server(
    python: Path, studies: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "log"
    bare = {name: value for name, value in variables().items() if name != "PYTHONPATH"}
    with running([python, APP / "start.py", "--studies", studies], bare, log) as started:
        yield started


@pytest.fixture(scope="session")
def scored(
    python: Path, studies: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, str]]:
    """Rows of ``dfd score`` in the same environment.

    Two clicks, two slices of the volume, and whole slices.
    """
    folder = tmp_path_factory.mktemp("scored")
    rows = [
        f"p1/file002,{POINT[0]},{POINT[1]},",
        f"volume.nii.gz,{POINT[0]},{POINT[1]},2",
        "p1/file002,,,",
        "volume.nii.gz,,,2",
        "p1/file001,,,",
    ]
    (folder / "points.csv").write_text("\n".join(["filename,X,Y,frame", *rows]) + "\n")
    words = [
        python,
        "-m",
        "dfd",
        "score",
        "--data",
        studies,
        "--points",
        folder / "points.csv",
        "--model",
        CT,
        "--output",
        folder / "out",
    ]
    done = subprocess.run(
        list(map(str, words)),
        env=variables(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with (folder / "out" / "scores.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def same(told: dict[str, Any], row: dict[str, str]) -> None:
    """The JSON holds the very numbers of ``scores.csv``."""
    assert told["score"] == float(row["score"])
    assert told["p_value"] == float(row["p_value"])
    for name in ("verdict", "form", "reason", "tissue"):
        assert told[name] == row[name]
    for family, value in told["evidence"].items():
        assert value == (float(row[f"p_{family}"]) if row[f"p_{family}"] else None)


@pytest.mark.parametrize("port", ["taken", "none", "99999"])
def test_a_port_that_cannot_be_used_is_said_before_anything_is_loaded(
    studies: Path, port: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        asked = str(holder.getsockname()[1]) if port == "taken" else port
        words = [sys.executable, APP / "start.py", "--studies", studies, "--port", asked]
        done = subprocess.run(
            list(map(str, words)),
            env=variables(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 2
    assert f"nobody can listen at port {asked} of 127.0.0.1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_both_models_are_offered(server: Server, studies: Path) -> None:
    info = server.get("/info/").json
    assert sorted(info["models"]) == [CT, MR]
    for model in info["models"].values():
        assert (model["type"], model["dimension"], model["labels"]) == (
            "deepgrow",
            2,
            {"unusual": 1},
        )
        assert "not a medical device" in model["description"]
    assert list(info["scoring"]) == ["tampering"]
    assert list(info["strategies"]) == ["most_suspicious"]
    assert info["datastore"]["total"] == 6


def test_a_click_on_dicom_gives_the_numbers_of_dfd_score(
    server: Server, scored: list[dict[str, str]]
) -> None:
    reply = server.infer(CT, "p1@file002", {"foreground": [[*POINT, 0]], "map": False})
    assert reply.status == 200, reply.body
    same(reply.json, scored[0])
    assert reply.json["score"] > 1.0
    assert (reply.json["x"], reply.json["y"], reply.json["z"]) == (*POINT, 0)
    assert len(reply.json["model"]["weights_sha256"]) == 64


def test_a_click_on_nifti_gives_the_numbers_of_dfd_score(
    server: Server, scored: list[dict[str, str]]
) -> None:
    reply = server.infer(CT, "volume", {"foreground": [[*POINT, 1]], "map": False})
    same(reply.json, scored[1])


def test_a_click_comes_with_the_map_of_its_slice(
    server: Server, scored: list[dict[str, str]], tmp_path: Path
) -> None:
    reply = server.infer(CT, "volume", {"foreground": [[20, 20, 0], [*POINT, 1]]}, output="all")
    parts = reply.parts
    told = json.loads(parts["params"])
    same(told, scored[1])
    assert [finding["z"] for finding in told["findings"]] == [0, 1]
    (tmp_path / "map.nii.gz").write_bytes(parts["image"])
    image = nibabel.load(tmp_path / "map.nii.gz")
    assert image.shape == (SIZE, SIZE, 3)
    np.testing.assert_allclose(image.affine, np.diag([-2.2, -2.2, 2.5, 1.0]), atol=1e-5)
    values = np.asarray(image.dataobj)
    assert values.dtype == np.float32
    assert not values[:, :, [0, 2]].any()
    assert values[POINT[0], POINT[1], 1] > 1.0


def test_a_viewer_gets_a_label_of_whole_numbers(server: Server, tmp_path: Path) -> None:
    params = {
        "foreground": [[*POINT, 0]],
        "result_extension": ".nrrd",
        "result_dtype": "uint8",
        "result_compress": False,
    }
    reply = server.infer(CT, "p1@file002", params, output="image")
    assert reply.status == 200
    head, values = reply.body.split(b"\n\n", 1)
    assert b"unsigned char" in head
    assert f"sizes: {SIZE} {SIZE} 1".encode() in head
    volume = np.frombuffer(values, dtype=np.uint8).reshape(SIZE, SIZE)
    assert set(np.unique(volume)) == {0, 1}
    assert volume[POINT[1], POINT[0]] == 1


def test_a_box_is_a_disk_of_its_area(server: Server) -> None:
    reply = server.infer(CT, "p1@file002", {"roi": [70, 50, 74, 94, 0, 0], "map": False})
    told = reply.json
    assert (told["x"], told["y"]) == POINT
    spacing = 358 / SIZE
    assert told["radius_mm"] == pytest.approx(math.sqrt(400 / math.pi) * spacing, rel=0.02)
    assert told["p_value"] < 0.1


def test_without_a_point_the_slice_is_screened(
    server: Server, scored: list[dict[str, str]]
) -> None:
    told = server.infer(CT, "p1@file002", {"map": False}).json
    same(told, scored[2])
    assert told["x"] is None
    same(server.infer(CT, "volume", {"slice": 1, "map": False}).json, scored[3])


def test_a_file_that_is_sent_counts_as_alone(server: Server, studies: Path) -> None:
    reply = server.infer(
        CT, "", {"foreground": [list(POINT)], "map": False}, file=studies / "p1" / "file002.dcm"
    )
    assert reply.status == 200, reply.body
    assert reply.json["evidence"]["neighbours"] is None
    assert reply.json["evidence"]["noise"] is not None


def test_the_module_of_slicer_shows_the_numbers_and_the_map_of_its_slice(
    server: Server, studies: Path, tmp_path: Path
) -> None:
    files = sorted((studies / "p1").glob("*.dcm"))
    with installed(ROOT / "apps" / "slicer") as module:
        points = Points([place_of(files[0], 20, 20), place_of(files[1], *POINT)])
        answer = module.DeepfakesDetectorLogic().score(
            server.address, CT, Volume(dicom=files), points
        )
        assert "p = 0.0" in module.words_of(answer)
    reply = server.infer(CT, "", {"foreground": [list(POINT)], "map": False}, file=files[1])
    for name in ("score", "p_value", "verdict", "form", "reason", "evidence"):
        assert answer[name] == reply.json[name]
    (tmp_path / "map.nii.gz").write_bytes(Shown.foreground)
    shown = nibabel.load(tmp_path / "map.nii.gz")
    assert np.asarray(shown.dataobj)[POINT[0], POINT[1], 0] > 1.0
    middle = shown.affine @ [*POINT, 0, 1]
    np.testing.assert_allclose(middle[:3], place_of(files[1], *POINT), atol=1e-3)


def test_the_other_model_answers_for_mr(server: Server) -> None:
    assert (
        server.infer(MR, "m1@file001", {"foreground": [[80, 80]], "map": False}).json["p_value"]
        > 0.0
    )


@pytest.mark.parametrize(
    ("model", "image", "params", "status", "sentence"),
    [
        (CT, "p1@nothing", {}, 404, "there is no image 'p1@nothing' in the datastore"),
        (CT, "/etc/hostname", {}, 400, "paths of the server are not read"),
        (
            "liver",
            "p1@file002",
            {},
            404,
            "there is no model 'liver'; there are ct_lung_inpainting and mri_chest_inpainting",
        ),
        (
            CT,
            "p1@file002",
            {"foreground": [[SIZE, 3, 0]]},
            400,
            f"X = {SIZE} lies outside 'p1/file002.dcm', whose X runs from 0 to {SIZE - 1}",
        ),
        (CT, "p1@file002", {"foreground": [[-3, 3, 0]]}, 400, "X is negative"),
        (
            CT,
            "p1@file002",
            {"foreground": [[3, 3, 4]]},
            400,
            "slice 4 is not in the image, whose slices run from 0 to 0",
        ),
        (CT, "volume", {"foreground": [[3, 3]]}, 400, "the image has 3 slices; name one"),
        (CT, "p1@file002", {"foreground": [["a", 3, 0]]}, 400, "must be [x, y] or [x, y, z]"),
        (CT, "p1@file002", {"foreground": "here"}, 400, "must be a list of up to 256 points"),
        (CT, "p1@file002", {"roi": [1, 1, 5, 9]}, 400, "has no area"),
        (CT, "p1@file002", {"result_extension": ".exe"}, 400, "there is no map as '.exe'"),
        (CT, "p1@file002", '{"foreground": [[', 400, "must hold a JSON object"),
        (CT, "p1@file002", "[1, 2]", 400, "must hold a JSON object"),
        (
            CT,
            "m1@file001",
            {"foreground": [[80, 80]]},
            400,
            "The slice is MR but the model ct_lung was made for CT",
        ),
    ],
)
def test_a_bad_request_gets_a_sentence(
    server: Server, model: str, image: str, params: object, status: int, sentence: str
) -> None:
    reply = server.infer(model, image, params)
    assert reply.status == status, reply.body
    assert sentence in reply.json["detail"]


def test_unknown_methods_and_strategies_get_a_sentence(server: Server) -> None:
    reply = server.post("/scoring/dice?run_sync=true", {})
    assert (reply.status, "no such scoring method 'dice'" in reply.json["detail"]) == (404, True)
    reply = server.post("/activelearning/first", {})
    assert (reply.status, "no such strategy 'first'" in reply.json["detail"]) == (404, True)


def test_two_at_once_get_the_same_answers_as_one(
    server: Server, scored: list[dict[str, str]]
) -> None:
    asked = [("p1@file002", 0), ("volume", 1)] * 2
    with ThreadPoolExecutor(4) as pool:
        replies = list(
            pool.map(
                lambda each: server.infer(
                    CT, each[0], {"foreground": [[*POINT, each[1]]], "map": False}
                ),
                asked,
            )
        )
    for number, reply in enumerate(replies):
        same(reply.json, scored[number % 2])


def test_every_image_gets_a_score_and_the_most_suspicious_comes_first(
    server: Server, scored: list[dict[str, str]], studies: Path
) -> None:
    counts = server.post("/scoring/tampering?run_sync=true", {}).json
    assert counts == {"scored": 6, "kept": 0, "left out": 0}
    assert server.post("/scoring/tampering?run_sync=true", {}).json == {
        "scored": 0,
        "kept": 6,
        "left out": 0,
    }
    names = server.get("/datastore/?output=all").json["objects"]
    scores = {
        name: server.get(f"/datastore/image/info?image={name}").json["tampering"] for name in names
    }
    same_slice = scores["p1@file002"]
    assert (same_slice["score"], same_slice["p_value"]) == (
        float(scored[2]["score"]),
        float(scored[2]["p_value"]),
    )
    assert scores["p1@file001"]["score"] == float(scored[4]["score"])
    assert scores["volume"]["slices"] == 3
    assert scores["m1@file001"]["model"] == MR
    expected = sorted(scores, key=lambda name: (-scores[name]["score"], name))
    served = [server.post("/activelearning/most_suspicious", {}).json for _ in names]
    assert [each["id"] for each in served] == expected
    assert served[0]["tampering"] == scores[expected[0]]


def test_a_batch_runs_without_a_gpu(server: Server) -> None:
    reply = server.post(f"/batch/infer/{MR}?images=all&run_sync=true", {"max_batch_size": 1})
    assert reply.status == 200, reply.body
