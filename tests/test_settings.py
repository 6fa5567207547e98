"""An option is declared in one place, the settings record, and arrives everywhere."""

from __future__ import annotations

import dataclasses
import inspect
import json
import logging
import typing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from monai.bundle import ConfigParser

import dfd
from dfd import api, settings, workflow
from dfd.bundle import checks
from dfd.cli.entry import parse
from dfd.cli.flags import READERS
from dfd.errors import BundleError, UsageError
from dfd.options import Value, option, options_of
from dfd.scoring import configuration
from dfd.scoring import score as core
from dfd.scoring.run_options import RunOptions
from dfd.settings import ScoreSettings

RECORDS = (ScoreSettings, settings.TrainSettings, settings.CalibrateSettings)
BUNDLES = Path(__file__).parents[1] / "bundles"


@dataclass(frozen=True, slots=True)
class Wider(ScoreSettings):
    """The settings of a version with one more option."""

    colour: bool = field(default=True, metadata=option("write pictures in grey"))
    passes: int = field(default=1, metadata=option("so many", value=Value.POSITIVE, metavar="N"))


@pytest.fixture
def _wider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ScoreSettings", Wider)


@pytest.mark.usefixtures("_wider")
@pytest.mark.parametrize(
    "words",
    [
        "score --data d --no-colour --passes 3",
        "-mode Test -data_path d -model_path ct_lung_inpainting -no_colour -passes 3",
    ],
)
def test_a_new_field_is_a_flag_of_both_forms(words: str) -> None:
    assert parse(words.split()) == Wider(Path("d"), colour=False, passes=3)


@pytest.mark.usefixtures("_wider")
@pytest.mark.parametrize("words", ["score --help", "-mode --help"])
def test_a_new_field_stands_in_the_help(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(words.split())
    assert "write pictures in grey" in capsys.readouterr().out


@pytest.mark.usefixtures("_wider")
def test_a_new_field_is_a_keyword_in_python_and_reaches_the_bundle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scored: list[Wider] = []
    monkeypatch.setattr(core, "score", lambda settings, *_: scored.append(settings) or [])
    dfd.score("d", colour=False)  # type: ignore[call-arg]
    assert scored == [Wider(Path("d"), colour=False)]
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(
        workflow, "run_config", lambda bundle, config, overrides: asked.append(overrides) or []
    )
    monkeypatch.setattr(configuration, "DIGEST", "")  # as if the bundle had a design of its own
    dfd.score("d", colour=False)  # type: ignore[call-arg]
    assert asked[0]["settings::colour"] is False
    assert asked[0]["settings::passes"] == 1


@pytest.mark.usefixtures("_wider")
@pytest.mark.parametrize("bundle", sorted(BUNDLES.glob("*_inpainting")), ids=lambda path: path.name)
def test_a_new_field_can_be_set_in_a_bundle_and_is_recorded(bundle: Path) -> None:
    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "inference.json"))
    parser["settings::colour"] = False
    made = parser.get_parsed_content("settings")
    assert (type(made), made.colour, made.data) == (Wider, False, Path("../../data/test"))
    assert RunOptions.of(settings=made).record["colour"] is False
    content = json.loads((bundle / "configs" / "inference.json").read_text(encoding="utf-8"))
    assert checks._has(content, ["settings", "colour"])


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_is_an_option_with_a_help_text(record: type) -> None:
    named = {each.name: each for each in options_of(record)}
    assert set(named) == {each.name for each in dataclasses.fields(record)}
    assert all(each.option.help for each in named.values())


@pytest.mark.parametrize("value", [each for each in Value if each is not Value.SWITCH])
def test_every_kind_of_value_has_a_reader(value: Value) -> None:
    assert callable(READERS[value])


@pytest.mark.parametrize(
    ("verb", "record", "options"),
    [
        (api.score, ScoreSettings, api.ScoreOptions),
        (api.train, settings.TrainSettings, api.TrainOptions),
        (api.calibrate, settings.CalibrateSettings, api.CalibrateOptions),
    ],
)
def test_the_signature_in_python_has_the_fields_and_types_of_the_record(
    verb: typing.Callable[..., object], record: type, options: type
) -> None:
    hints = typing.get_type_hints(options)
    arguments = set(inspect.signature(verb).parameters) - {"options"}
    fields = typing.get_type_hints(record)
    assert arguments.isdisjoint(hints)
    assert arguments | set(hints) == set(fields)
    assert {name: fields[name] for name in hints} == hints


@pytest.mark.parametrize("record", RECORDS)
def test_every_option_is_a_key_of_the_configuration(record: type) -> None:
    config = {ScoreSettings: "inference", settings.TrainSettings: "train"}.get(record, "evaluate")
    content = json.loads(
        (BUNDLES / "ct_lung_inpainting" / "configs" / f"{config}.json").read_text(encoding="utf-8")
    )
    keys = {each.key.split("::")[0] for each in options_of(record) if each.option.in_bundle}
    assert keys <= set(content)


@pytest.mark.parametrize(
    "words",
    [
        "score --data d --lone",
        "-mode Test -data_path d -model_path ct_lung_inpainting -lone",
        "-mode Test -data_path d -model_path ct_lung_inpainting --lone",
    ],
)
def test_lone_still_works_and_says_how_it_is_called_now(
    words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "dfd"):
        assert parse(words.split()) == ScoreSettings(Path("d"), context=False)
    (line,) = caplog.messages
    assert "lone is now called -" in line
    assert "no" in line


def test_help_does_not_show_the_former_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["score", "--help"])
    help_text = capsys.readouterr().out
    assert "--no-context" in help_text
    assert "--lone" not in help_text


OLD_KEYS = ("images", "report", "anonymous", "dicom")


def test_the_keywords_of_an_older_bundle_are_understood() -> None:
    record = {"data_path": "d", "seed": 5, "context": False}
    options = RunOptions.of(images=False, anonymous=True, record=record)
    assert (options.settings.images, options.settings.anonymous) == (False, True)
    assert options.record == {"images": False, "anonymous": True, **record}
    assert "data_path" not in options.shown()


def old_bundle(folder: Path, *left_out: str) -> Path:
    """A bundle with one key for each option."""
    keys = ("data_path", "points", "output_dir", "model_path", "num_workers", "seed", "device_name")
    (folder / "configs").mkdir(parents=True)
    content = dict.fromkeys({*keys, *OLD_KEYS, "context"} - set(left_out))
    (folder / "configs" / "inference.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_an_older_bundle_gets_each_option_by_its_own_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = old_bundle(tmp_path / "old", "dicom")
    monkeypatch.setattr(workflow, "resolve_model", lambda name: bundle)
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(
        workflow, "run_config", lambda bundle, config, overrides: asked.append(overrides)
    )
    workflow.score(ScoreSettings(Path("d"), images=False, context=False))
    assert (asked[0]["images"], asked[0]["context"], asked[0]["data_path"]) == (False, False, "d")
    assert not any("settings" in key for key in asked[0])
    with pytest.raises(BundleError, match="does not know the option 'dicom', since it is older"):
        workflow.score(ScoreSettings(Path("d"), dicom=True))


def test_an_option_that_a_bundle_does_not_have_is_an_error() -> None:
    with pytest.raises(UsageError, match="there is no option 'imagse' of a scoring run; there are"):
        settings.score_settings(data_path="d", imagse=False)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--images", "False"], {"images": False}),
        (["--images=False", "--context", "0"], {"images": False, "context": 0}),
        (["--dicom", "--data_path", "d"], {"dicom": True}),
        (["--settings#images", "False"], {}),
    ],
)
def test_an_option_may_be_named_by_itself_on_the_command_line_of_monai(
    words: list[str], expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["x/monai.bundle", "run", "inference", *words]
    monkeypatch.setattr(checks, "sys", SimpleNamespace(argv=line))
    checks.refuse_unknown_flags(str(BUNDLES / "ct_lung_inpainting"), "inference")
    assert checks.options_given() == expected
    chosen = settings.score_settings(checks.options_given(), data_path="d")
    assert {name: getattr(chosen, name) for name in expected} == expected
    assert settings.score_settings({"images": False}, data_path="d", images=True).images


@pytest.mark.parametrize(("word", "value"), [("false", False), ("True", True), (0, False)])
def test_yes_and_no_may_be_words(word: object, value: bool) -> None:
    assert settings.score_settings({"context": word}, data_path="d").context == value
    with pytest.raises(UsageError, match="context is True or False, got 'maybe'"):
        settings.score_settings({"context": "maybe"}, data_path="d")


def test_a_misspelt_option_on_the_command_line_of_monai_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = ["x/monai.bundle", "run", "inference", "--imagse", "0"]
    monkeypatch.setattr(checks, "sys", SimpleNamespace(argv=line))
    with pytest.raises(UsageError, match="did you mean --images"):
        checks.refuse_unknown_flags(str(BUNDLES / "ct_lung_inpainting"), "inference")
    monkeypatch.setattr(checks, "sys", SimpleNamespace(argv=["pytest", "--images", "0"]))
    assert checks.options_given() == {}


def test_the_face_shows_the_functions_of_the_api() -> None:
    assert dfd.score is api.score
    assert "Score points" in (dfd.score.__doc__ or "")
    assert set(dfd.__all__) <= set(dir(dfd))
    with pytest.raises(AttributeError, match="has no attribute 'scroe'"):
        _ = dfd.scroe  # type: ignore[attr-defined]
