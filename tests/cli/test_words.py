"""What the words mean.

Both forms of the command line give the same records, and nothing is guessed.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dfd.cli import catalogue, verbs
from dfd.cli.entry import parse
from dfd.cli.requests import DemoRequest, InfoRequest
from dfd.errors import UsageError
from dfd.settings import CalibrateSettings, ScoreSettings, TrainSettings


def test_score_takes_every_flag() -> None:
    words = (
        "score --data d --points p.csv --model m.ckpt --output o --device cuda:1 --workers 3 "
        "--seed 7"
    )
    switches = "--no-images --no-report --anonymous --no-context --strict"
    off = {"images": False, "report": False, "context": False}
    assert parse([*words.split(), *switches.split()]) == ScoreSettings(
        Path("d"),
        Path("p.csv"),
        "m.ckpt",
        Path("o"),
        "cuda:1",
        workers=3,
        seed=7,
        anonymous=True,
        strict=True,
        **off,
    )


def test_what_is_not_given_is_the_default_of_the_record() -> None:
    assert parse(["score", "--data=d"]) == ScoreSettings(data=Path("d"))
    assert parse(["train", "--data", "d", "--model", "m"]) == TrainSettings(
        data=Path("d"), model=Path("m")
    )
    assert parse(["info"]) == InfoRequest()
    assert parse(["demo"]) == DemoRequest()


def test_train_calibrate_info_demo_take_every_flag() -> None:
    words = (
        "train --data d --model m --modality mri_chest --epochs 5 --batch-size 8 --workers 2 "
        "--max-hours 0.5 --device cpu --seed 0"
    )
    assert parse(words.split()) == TrainSettings(
        Path("d"), Path("m"), "mri_chest", 5, 8, 2, 0.5, "cpu", 0
    )
    words = "calibrate --data d --model m --output o --device cpu --workers 1 --seed 3"
    assert parse(words.split()) == CalibrateSettings(Path("d"), "m", Path("o"), "cpu", 1, 3)
    assert parse(["info", "x.ckpt"]) == InfoRequest("x.ckpt")
    assert parse(["demo", "--output", "o", "--seed", "4"]) == DemoRequest(Path("o"), 4)


def test_a_tilde_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse(["score", "--data", "~/scans"]).data == tmp_path / "scans"
    assert (
        parse(["-mode", "Train", "-model_path", "~/m.ckpt", "-data_path", "d"]).model
        == tmp_path / "m.ckpt"
    )


def test_the_catalogue_means_the_same_records() -> None:
    words = (
        "-mode Train -model_path m -data_path d -epochs 5 -batch_size 8 -num_workers 2 -modality "
        "ct_lung -max_hours 0.5 -device cpu -seed 0"
    )
    verb = (
        "train --model m --data d --epochs 5 --batch-size 8 --workers 2 --modality ct_lung "
        "--max-hours 0.5 --device cpu --seed 0"
    )
    assert parse(words.split()) == parse(verb.split())
    words = (
        "-mode Test -model_path m -data_path d -num_workers 2 -points p -output_dir o -device cpu "
        "-seed 0"
    )
    words += " -no_images -no_report -anonymous -no_context -strict"
    verb = (
        "score --model m --data d --workers 2 --points p --output o --device cpu --seed 0 "
        "--no-images --no-report --anonymous --no-context --strict"
    )
    assert parse(words.split()) == parse(verb.split())


@pytest.mark.parametrize("mode", ["Train", "train", "TRAIN", "'Train'"])
@pytest.mark.parametrize("dash", ["-", "--"])
def test_one_dash_or_two_in_any_order_and_case(mode: str, dash: str) -> None:
    words = [f"{dash}data_path", "d", f"{dash}mode", mode, f"{dash}model_path", "m"]
    assert parse(words) == TrainSettings(Path("d"), Path("m"))


@pytest.mark.parametrize(
    "quoted",
    [
        "'./app/models/CT_InPainting.ckpt'",
        '"./app/models/CT_InPainting.ckpt"',
        "./app/models/CT_InPainting.ckpt",
    ],
)
def test_quotes_that_came_along_are_stripped(quoted: str) -> None:
    assert parse(["-mode", "Test", "-model_path", quoted, "-data_path", "'d'"]) == ScoreSettings(
        Path("d"), model="./app/models/CT_InPainting.ckpt"
    )


def test_the_catalogue_takes_the_side_of_its_mode(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    assert (
        parse(["-mode", "Train", "-model_path", "m", "-data_path", str(tmp_path)]).data
        == tmp_path / "train"
    )
    assert (
        parse(["-mode", "Test", "-model_path", "m", "-data_path", str(tmp_path)]).data == tmp_path
    )
    (tmp_path / "test").mkdir()
    assert (
        parse(["-mode", "Test", "-model_path", "m", "-data_path", str(tmp_path)]).data
        == tmp_path / "test"
    )


def test_flags_of_the_other_mode(caplog: pytest.LogCaptureFixture) -> None:
    words = ["-mode", "Test", "-model_path", "m", "-data_path", "d"]
    with caplog.at_level(logging.INFO, "dfd"):
        assert parse([*words, "-epochs", "3"]) == parse(words)
    assert "-epochs has no meaning in -mode Test and is not used" in caplog.text
    with pytest.raises(UsageError, match="-max_hours has no meaning in -mode Test"):
        parse([*words, "-max_hours", "3"])


TEST = "-mode Test -model_path m -data_path d"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "say what to do: dfd score"),
        ("scor", "no verb 'scor'; there are: score, screen, train"),
        ("--bogus", "no flag --bogus"),
        ("-e 3", "no flag -e"),
        ("-m", "no flag -m"),
        ("score --dat d", r"no flag --dat \(did you mean --data\?\)"),
        ("score --da=d", r"no flag --da \(did you mean --data\?\)"),
        ("score --data d --output_dir o", "no flag --output_dir"),
        ("score --data d -- x", "no flag --;"),
        ("score --data d x", "unrecognized arguments: x"),
        ("score", "required: --data"),
        ("score --data", "--data: expected one argument"),
        (
            "score --data d --seed -1",
            "a whole number from 0 and below 4294967296 is needed, got '-1'",
        ),
        ("score --data d --workers two", "a whole number from 0 is needed, got 'two'"),
        ("score --data d --device gpu", "auto, cpu, cuda or cuda:N is needed, got 'gpu'"),
        ("train --data d --model m --epochs 0", "a whole number from 1 is needed, got '0'"),
        (
            "train --data d --model m --max-hours nan",
            "a number of hours above 0 is needed, got 'nan'",
        ),
        (
            "train --data d --model m --modality brain",
            "no modality 'brain'; there are: ct_lung, mri_chest",
        ),
        (f"{TEST} -e 3", r"no flag -e \(did you mean -epochs\?\)"),
        (
            f"{TEST} -m",
            r"no flag -m \(did you mean -max_hours or -modality or -mode or -model_path\?\)",
        ),
        (f"{TEST} -mod", "no flag -mod "),
        ("-model m -mode Test -data_path d", r"no flag -model \(did you mean -model_path\?\)"),
        (f"{TEST} --epoch 3", r"no flag --epoch \(did you mean --epochs\?\)"),
        (f"{TEST} -epochs3", "no flag -epochs3"),
        (f"{TEST} -bogus 3", "no flag -bogus"),
        (f"{TEST} -seed=3", "write '-seed VALUE' instead of '-seed=3'"),
        ("-mode=Train -model_path m -data_path d", "write '-mode VALUE' instead of '-mode=Train'"),
        ("-mode Predict -model_path m -data_path d", "-mode is Train or Test, got 'Predict'"),
        ("-mode", "-mode/--mode: expected one argument"),
        ("-mode Test -data_path d", "required: -model_path"),
        ("-model_path m -data_path d", "required: -mode"),
        (
            "-mode Train -model_path m -data_path d -modality brain",
            "no modality 'brain'; there are: ct_lung, mri_chest",
        ),
    ],
)
def test_nothing_is_guessed(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(words.split())


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_no_prefix_of_a_flag_is_a_flag(verb: str) -> None:
    known = set(verbs.verb_parser(verb)._option_string_actions)
    for flag in known:
        for end in range(2, len(flag)):
            if (short := flag[:end]) not in known:
                with pytest.raises(UsageError, match=f"no flag {short}"):
                    parse([verb, short, "1"])


def test_no_prefix_of_a_catalogue_flag_is_a_flag() -> None:
    known = set(catalogue.catalogue_parser()._option_string_actions)
    for flag in known:
        for end in range(2, len(flag)):
            if (short := flag[:end]) not in known:
                with pytest.raises(UsageError, match=f"no flag {short}"):
                    parse([*TEST.split(), short, "1"])


def test_every_catalogue_flag_is_a_flag_of_the_verb() -> None:
    """Neither form may know something that the other cannot say, but for archives."""
    for mode, verb in ((catalogue.TRAIN, "train"), (catalogue.TEST, "score")):
        by_flag = catalogue.form_flags().values()
        fields = {"mode", *(by_mode[mode].name for by_mode in by_flag if mode in by_mode)}
        assert fields == {
            "mode",
            *(
                action.dest
                for action in verbs.verb_parser(verb)._actions
                if action.dest not in {"help", *verbs.REMOTE}
            ),
        }
