"""The platform's acceptance list for an image, point by point (the number is in the name).

On the image that the Dockerfile gives.

No container engine is needed: `tests/image/enter.sh` makes the surroundings and says what they do
not prove.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

import pytest

import dfd
from dfd.models import model_file
from dfd.scoring.collected import NOT_REACHED
from tests.external.environments import CACHE, environment
from tests.external.programs import program
from tests.image import platform
from tests.image.container import Container, Ended, Mount
from tests.image.platform import DATASET, OWNER, USER, Platform

ROOT = Path(__file__).resolve().parents[2]
KEPT = CACHE / "image"
BUILD_LIMIT_S = 1800
CANNOT_FETCH = 75
LARGEST_MB = 1500

MODEL = "~/persistent-home/deepfakes-detector/models/my_model.ckpt"
TRAIN = (
    f"-mode Train -model_path {MODEL} -data_path ~/persistent-home/deepfakes-detector/train "
    "-epochs 100 -batch_size 64 -num_workers 6"
)
TEST = (
    "-mode Test -model_path './app/models/CT_InPainting.ckpt' -data_path "
    "~/persistent-home/deepfakes-detector/test"
)
"""The catalogue's two command lines, byte for byte, as its jobman hands them over (the second with
CT chosen)."""
ON_DATASET = ("-data_path", f"~/datasets/{DATASET}")
ONE_EPOCH = (
    "-mode",
    "Train",
    "-model_path",
    MODEL,
    *ON_DATASET,
    "-epochs",
    "1",
    "-batch_size",
    "64",
    "-num_workers",
    "6",
)
SHIPPED = ("-mode", "Test", "-model_path", "'./app/models/CT_InPainting.ckpt'", *ON_DATASET)
OWN = ("-mode", "Test", "-model_path", MODEL, *ON_DATASET, "-num_workers", "6")

Make = Callable[..., Container]


@pytest.fixture(scope="module")
def image() -> Path:
    """The unpacked image; built where something in it has changed."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a base and enter an image without a container engine")
    for name in ("buildah", "debootstrap", "unshare"):
        program(name)
    if subprocess.run(
        ["unshare", "--mount", "--net", "true"], capture_output=True, check=False
    ).returncode:
        pytest.skip(
            "namespaces of mounts and networks may not be made here, and the image is built "
            "and entered in such"
        )
    done = subprocess.run(
        ["bash", ROOT / "tests/image/build.sh", KEPT],
        capture_output=True,
        text=True,
        timeout=BUILD_LIMIT_S,
        check=False,
    )
    if done.returncode == CANNOT_FETCH:
        pytest.skip(f"the image cannot be built here: {done.stderr.splitlines()[-1]}")
    if done.returncode:
        pytest.fail(f"the image cannot be built: {done.stderr[-3000:]}", pytrace=False)
    return KEPT / "image"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return platform.make(tmp_path_factory.mktemp("platform"))


@pytest.fixture(scope="module")
def make(image: Path, data: Platform) -> Make:
    """A container on the platform; the fields of `Container` may be given.

    One thread, since two busy cores spin against each other.
    """

    def made(mounted: Platform = data, **how: object) -> Container:
        environment = {"OMP_NUM_THREADS": "1"} | dict(how.pop("environment", {}))
        return Container(image, mounted.mounts, environment=environment, **how)

    return made


class Job(NamedTuple):
    """A run that ended, and the folder of its results."""

    ended: Ended
    results: Path


def results_of(ended: Ended, home: Path) -> Path:
    """The folder that the last lines name, as this machine sees it."""
    (told,) = re.findall(r"results (?:so far )?are in (\S+)", ended.log)
    return home / Path(told).relative_to(f"{USER}/persistent-home")


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def scored(make: Make, data: Platform) -> Job:
    """Mode Test with the shipped model."""
    ended = make().run(*SHIPPED)
    assert ended.code == 0, ended.log
    return Job(ended, results_of(ended, data.home))


@pytest.fixture(scope="module")
def trained(make: Make) -> Ended:
    """Mode Train for one epoch, with six reading processes."""
    ended = make().run(*ONE_EPOCH)
    assert ended.code == 0, ended.log
    return ended


@pytest.fixture(scope="module")
def rescored(make: Make, data: Platform, trained: Ended) -> Job:
    """Mode Test with the new model."""
    assert trained.code == 0
    ended = make().run(*OWN)
    assert ended.code == 0, ended.log
    return Job(ended, results_of(ended, data.home))


def check_table(rows: Sequence[dict[str, str]]) -> None:
    """Two points are scored; one has no file and one lies outside its slice."""
    assert [bool(row["score"]) for row in rows] == [True, True, False, False]
    assert [bool(row["error"]) for row in rows] == [False, False, True, True]


def test_01_it_runs_as_1000_and_what_it_writes_is_the_users(
    image: Path, make: Make, scored: Job, data: Platform
) -> None:
    assert Container(image).config["User"] == "1000:1000"
    assert make().run("-c", "id -u; id -g", entrypoint=["/bin/sh"]).out.split() == ["1000", "1000"]
    check_table(rows_of(scored.results))
    written = [path.stat() for path in data.home.rglob("*")]
    assert {status.st_uid for status in written} == {OWNER}
    assert not [status for status in written if status.st_mode & 0o002]


def test_01_any_uid_of_the_group_runs_it_without_a_home(
    make: Make, data: Platform, tmp_path: Path, scored: Job
) -> None:
    mine = data.new_home(tmp_path / "home")
    ended = make(mine, uid=4711, environment={"HOME": None, "USER": None}).run(
        *[word.replace("~", USER) for word in SHIPPED]
    )
    assert ended.code == 0, ended.log
    results = results_of(ended, mine.home)
    assert (results / "scores.csv").stat().st_uid == 4711
    assert (results / "scores.csv").read_bytes() == (scored.results / "scores.csv").read_bytes()


def test_01_and_07_a_home_that_cannot_be_written_is_enough(
    make: Make, data: Platform, tmp_path: Path
) -> None:
    """The root could be written here, and is lost with the container: results do not go there."""
    mine = data.new_home(tmp_path / "home")
    ended = make(mine, root="rw", environment={"HOME": "/nonexistent"}).run(
        *[word.replace("~", USER) for word in SHIPPED], "-no_images"
    )
    assert ended.code == 0, ended.log
    assert results_of(ended, mine.home).is_dir()


def test_its_bill_of_materials_names_what_it_holds(image: Path, tmp_path: Path) -> None:
    release = ROOT / "apps" / "release"
    python, target = environment(release / "requirements.txt"), tmp_path / "image.cdx.json"
    words = [python, release / "sbom.py", target, "--image", image / "rootfs", "--extras", "dicom"]
    subprocess.run(words, check=True, capture_output=True, timeout=BUILD_LIMIT_S)
    parts = json.loads(target.read_text(encoding="utf-8"))["components"]
    (site,) = (image / "rootfs" / "opt" / "dfd").glob("lib/python*/site-packages")
    held = {(each.metadata["Name"], each.version) for each in distributions(path=[str(site)])}
    named = {(each["name"], each["version"]) for each in parts}
    assert held - named == {("deepfakes-detector", dfd.__version__)}  # the subject of the bill
    assert {"libc6", "python3"} <= {
        each["name"] for each in parts if each.get("purl", "").startswith("pkg:deb/debian/")
    }
    for bundle in (site / "dfd" / "bundles").glob("*_inpainting"):
        weights = hashlib.sha256((bundle / "models" / "model.pt").read_bytes()).hexdigest()
        assert [each["hashes"][0]["content"] for each in parts if each["name"] == bundle.name] == [
            weights
        ]


@pytest.mark.usefixtures("image")
def test_a_second_build_has_the_same_digest() -> None:
    """Of the same base, wheels and commit, at another time; the identity covers every file."""
    done = subprocess.run(
        ["bash", ROOT / "tests/image/build.sh", KEPT, "--again"],
        capture_output=True,
        text=True,
        timeout=BUILD_LIMIT_S,
        check=True,
    )
    first, second = done.stdout.split()[-2:]
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert first == second


def test_02_nothing_needs_a_network(make: Make, scored: Job, trained: Ended) -> None:
    interfaces = (
        make()
        .run("-c", "tail -n +3 /proc/net/dev | cut -d: -f1", entrypoint=["/bin/sh"])
        .out.split()
    )
    assert interfaces == ["lo"]
    assert (scored.ended.code, trained.code) == (0, 0)


def test_03_the_root_file_system_is_read_only(make: Make) -> None:
    lines = f"cd {USER} && touch /tmp/a persistent-home/.a && rm persistent-home/.a && ! touch a"
    ended = make().run("-c", lines, entrypoint=["/bin/sh"])
    assert ended.code == 0, ended.log
    assert "Read-only file system" in ended.log


def test_03_bytecode_in_the_image_is_not_stale(make: Make) -> None:
    """It could not be written anew there, and every start would take a minute."""
    ended = make().run(
        "-v", "-c", "import pandas, dfd.settings", entrypoint=["/opt/dfd/bin/python"]
    )
    assert ended.code == 0, ended.log[-2000:]
    assert not re.findall(
        r"# bytecode is stale for .*site-packages.*|code object from '.*site-packages.*\.py'",
        ended.log,
    )


def test_04_six_reading_processes_fit_into_the_shared_memory(
    make: Make, trained: Ended, rescored: Job
) -> None:
    room = (
        make()
        .run("-c", "df --output=size -BM /dev/shm | tail -n 1", entrypoint=["/bin/sh"])
        .out.strip()
    )
    assert room == "64M"
    assert "bus error" not in (trained.log + rescored.ended.log).lower()


def test_05_and_13_the_catalogues_test_line_reads_its_table_and_refuses_an_ambiguous_name(
    make: Make, data: Platform, tmp_path: Path, scored: Job
) -> None:
    mine = data.new_home(tmp_path / "home")
    folder = mine.home / "deepfakes-detector" / "test"
    for patient in ("p1", "p2"):
        platform.hand_over(
            data.lake / "test" / "p1", mine.home, f"deepfakes-detector/test/{patient}"
        )
    lines = (
        "| filename(.dcm) | X | Y |",
        "| p1/file001 | 45.0 | 70 |",
        "| file002.dcm | 80.5 | 62.25 |",
    )
    (folder / "test.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    ended = make(mine).run(*shlex.split(TEST))
    assert ended.code == 0, ended.log
    good, ambiguous = rows_of(results_of(ended, mine.home))
    assert good["score"] == rows_of(scored.results)[0]["score"]
    assert not ambiguous["score"]
    assert {"p1/file002.dcm", "p2/file002.dcm"} <= set(
        re.findall(r"p\d/file\d+\.dcm", ambiguous["error"])
    )


def test_05_both_lines_stand_in_the_catalogue_entry() -> None:
    entry = re.sub(
        r" *\\\n +", " ", (ROOT / "docs" / "chaimeleon" / "README.md").read_text(encoding="utf-8")
    )
    assert f"jobman submit -i deepfakes-detector -- {TRAIN}\n" in entry
    assert f"jobman submit -i deepfakes-detector -- {TEST}\n".replace("CT_", "<Modality>_") in entry


def test_06_a_literal_tilde_is_the_home(trained: Ended, data: Platform) -> None:
    assert trained.out.strip() == f"{USER}/persistent-home/deepfakes-detector/models/my_model.ckpt"
    assert (data.home / "deepfakes-detector" / "models" / "my_model.ckpt").is_file()


def test_07_results_on_read_only_data_go_to_the_persistent_home(
    scored: Job, data: Platform
) -> None:
    assert scored.results.parent == data.home / "deepfakes-detector" / "results"
    assert {path.name for path in scored.results.iterdir()} >= {
        "scores.csv",
        "run.json",
        "run.log",
        "overlay-0001.png",
        "overlay-0002.png",
    }
    assert not list(data.datasets.rglob("*results*"))


def test_07_nowhere_to_write_is_said_before_any_work(image: Path, data: Platform) -> None:
    readable = [mount._replace(mode="ro") for mount in data.mounts]
    ended = Container(image, readable).run(*SHIPPED)
    assert ended.code == 2
    assert "dfd: error: results can be written nowhere" in ended.log


def test_08_links_into_the_data_lake_are_followed(scored: Job, data: Platform) -> None:
    links = list((data.datasets / DATASET).rglob("*.dcm"))
    assert links
    assert all(path.readlink().is_relative_to("/mnt/datalake") for path in links)
    counts = json.loads((scored.results / "run.json").read_text(encoding="utf-8"))["counts"]
    assert counts == {
        "rows": 4,
        "scored": 2,
        "not assessable": 0,
        "unreadable": 2,
        "not reached": 0,
    }


def test_08_the_new_model_scores_the_same_points(rescored: Job) -> None:
    check_table(rows_of(rescored.results))
    assert (
        json.loads((rescored.results / "run.json").read_text(encoding="utf-8"))["bundle"]
        == "ct_lung_inpainting"
    )


def test_09_an_index_without_series_does_not_disturb(
    make: Make, data: Platform, tmp_path: Path, scored: Job
) -> None:
    mine = data.new_home(tmp_path / "home")
    dataset = tmp_path / "datasets" / "another"
    shutil.copytree(data.datasets / DATASET / "test", dataset, symlinks=True)
    shutil.move(dataset / "test.csv", mine.home / "points.csv")
    study = {
        "studyId": "s",
        "studyName": "chest",
        "subjectName": "p1",
        "path": "p1",
        "url": "https://example.org/s",
    }
    (dataset / "index.json").write_text(json.dumps([study]), encoding="utf-8")
    mounted = Platform(data.lake, tmp_path / "datasets", mine.home)
    words = (
        "-mode",
        "Test",
        "-model_path",
        "CT_InPainting.ckpt",
        "-data_path",
        "~/datasets/another",
        "-points",
        "~/persistent-home/points.csv",
    )
    ended = make(mounted).run(*words, "-no_images")
    assert ended.code == 0, ended.log
    assert (results_of(ended, mine.home) / "scores.csv").read_bytes() == (
        scored.results / "scores.csv"
    ).read_bytes()


def test_10_scoring_that_is_stopped_leaves_valid_results(
    make: Make, data: Platform, tmp_path: Path
) -> None:
    mine = data.new_home(tmp_path / "home")
    scans = platform.hand_over(data.lake / "test" / "p1", mine.home, "scans")
    for number in range(30):
        shutil.copy(scans / "file001.dcm", scans / f"copy{number}.dcm")
    names = sorted(path.name for path in scans.glob("*.dcm"))
    (scans / "test.csv").write_text(
        "filename,X,Y\n" + "".join(f"{name},45,70\n" for name in names), encoding="utf-8"
    )
    words = (
        "-mode",
        "Test",
        "-model_path",
        "CT_InPainting.ckpt",
        "-data_path",
        "~/persistent-home/scans",
        "-lone",
    )
    ended = make(mine).stop_when(
        lambda: next(mine.home.rglob("overlay-*.png"), None) is not None, *words
    )
    assert (ended.code, ended.log.strip().splitlines()[-1]) == (
        143,
        "dfd: terminated; what was written so far is valid",
    )
    rows = rows_of(results_of(ended, mine.home))
    assert [row["filename"] for row in rows] == names
    done = [row for row in rows if row["score"]]
    assert 0 < len(done) < len(rows)
    assert {row["error"] for row in rows if not row["score"]} == {NOT_REACHED}


def test_05_and_10_the_catalogues_train_line_is_stopped_and_goes_on(
    make: Make, data: Platform, tmp_path: Path
) -> None:
    mine = data.new_home(tmp_path / "home")
    platform.hand_over(data.lake / "train", mine.home, "deepfakes-detector/train")
    model = mine.home / "deepfakes-detector" / "models" / "my_model.ckpt"
    state = model.with_name("my_model.ckpt.training")
    ended = make(mine).stop_when((state / "last.pt").exists, *shlex.split(TRAIN))
    assert (ended.code, ended.log.strip().splitlines()[-1]) == (
        143,
        "dfd: terminated; what was written so far is valid",
    )
    assert "epoch 1 of 100" in ended.log
    assert not model.exists()
    ended = make(mine).run(*shlex.split(TRAIN), "-max_hours", "0.005")
    assert ended.code == 0, ended.log
    assert "resumed from" in ended.log
    assert model_file.load(model).bundle == "ct_lung_inpainting"


def test_11_the_labels_are_there_and_true(image: Path) -> None:
    labels = Container(image).config["Labels"]
    assert labels["name"] == "deepfakes-detector"
    assert labels["version"] == labels["org.opencontainers.image.version"] == dfd.__version__
    assert labels["description"]
    assert labels["maintainer"]
    assert labels["authorization"] == (
        "This Dockerfile is intended to build a container image that will be publicly "
        "accessible in the CHAIMELEON images repository."
    )


def test_11_the_image_is_not_too_large(image: Path) -> None:
    size = subprocess.run(
        ["du", "--summarize", "--block-size=1M", f"{image}/rootfs/"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert int(size.split()[0]) <= LARGEST_MB


def test_11_the_entry_point_is_given_arguments_and_the_mount_points_exist(
    image: Path, make: Make
) -> None:
    config = Container(image).config
    assert (config["Entrypoint"], config["WorkingDir"]) == (["/opt/dfd/bin/dfd"], USER)
    names = make().run(USER, entrypoint=["/bin/ls"]).out.split()
    assert {"datasets", "persistent-home", "persistent-shared-folder"} <= set(names)


def test_12_a_log_without_terminal_holds_no_control_characters(
    scored: Job, trained: Ended, rescored: Job
) -> None:
    text = "".join(ended.out + ended.log for ended in (scored.ended, trained, rescored.ended))
    assert not re.findall(r"[^\n\x20-\x7e]", text)
    assert "epoch 1 of 1:" in trained.log


def test_what_is_mounted_read_only_cannot_be_written(
    make: Make, data: Platform, tmp_path: Path
) -> None:
    """The stand-in itself is put to the test."""
    container = make(data)
    os.chown(tmp_path, OWNER, OWNER)
    extra = Container(container.image, [*container.mounts, Mount(tmp_path, "/extra")])
    assert "Read-only" in extra.run("/extra/a", entrypoint=["/bin/touch"]).log
