"""``dfd score|screen|train|calibrate|info|demo``: one parser per verb."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dfd import settings
from dfd.cli import flags
from dfd.cli.flags import StrictParser
from dfd.cli.requests import DemoRequest, InfoRequest, RemoteRequest, Request
from dfd.errors import UsageError
from dfd.options import options_of
from dfd.settings import RemoteStudy
from dfd.version import __version__

ABOUT = """Finds tampered regions in lung CT and chest MR slices: each point is compared with what a
network, trained on genuine scans only, expects there. For research on image collections;
not a medical device."""

EPILOG = """'dfd VERB --help' lists the flags of a verb. The older form works as well
('dfd -mode --help'):
  dfd -mode Train|Test -model_path FILE -data_path FOLDER
      [-epochs N] [-batch_size N] [-num_workers N]

exit status: 0 finished, whatever was found; 1 a fault of this program; 2 wrong usage or nothing
  that could be read; 3 some points could not be scored (with --strict); 4 stopped by memory, disk
  or time, run again to go on; 130, 143 stopped by a signal"""


REMOTE = ("dicomweb", "study", "series", "store")
"""Flags of a source that is no folder. The catalogue's form has none: its data lie where it
runs."""


class Verb(NamedTuple):
    """One verb: its line in the help, its flags, and the record that its values fill."""

    summary: str
    add_flags: Callable[[StrictParser], None]
    record: Callable[..., Request]


def option_flags(
    parser: StrictParser, record: type, *, optional: Sequence[str] = (), without: Sequence[str] = ()
) -> None:
    """Add the flags of a settings record, but for the fields named by ``without``.

    Fields named by ``optional`` need not be given.
    """
    for each in options_of(record):
        if each.name in without:
            continue
        parser.add_option(
            [f"--{each.flag}"],
            each,
            required=each.required and each.name not in optional,
            former=[f"--{name.replace('_', '-')}" for name in each.option.former],
        )


def _score_flags(parser: StrictParser) -> None:
    _remote_flags(parser)
    option_flags(parser, settings.ScoreSettings, optional=["data"])


def _remote_flags(parser: StrictParser) -> None:
    group = parser.add_argument_group("a study of an archive in place of --data")
    group.add_argument(
        "--dicomweb",
        metavar="URL",
        help=(
            "root address of a DICOMweb service; credentials in DFD_DICOMWEB_USER and _PASSWORD, "
            "or _TOKEN"
        ),
    )
    group.add_argument(
        "--study",
        metavar="UID",
        help="its study to score; in the points file, filename is then the SOPInstanceUID",
    )
    group.add_argument(
        "--series",
        action="append",
        metavar="UID",
        help="these of its series only (may be given several times)",
    )
    group.add_argument("--store", action="store_true", help="store the DICOM results there")


def _score_request(**values: Any) -> Request:  # noqa: ANN401 - the fields of two records
    """A folder or an archive, whichever is named."""
    remote = {name: values.pop(name) for name in REMOTE if name in values}
    see = "see dfd score --help"
    if "dicomweb" not in remote:
        if remote:
            raise UsageError(f"--{next(iter(remote))} has no meaning without --dicomweb; {see}")
        if "data" not in values:
            raise UsageError(
                f"the following arguments are required: --data, or --dicomweb with --study; {see}"
            )
        return settings.ScoreSettings(**values)
    if "data" in values:
        raise UsageError(f"--data and --dicomweb name two sources; leave one of them out; {see}")
    if "study" not in remote:
        raise UsageError(f"--dicomweb needs --study, the StudyInstanceUID; {see}")
    study = RemoteStudy(
        remote["dicomweb"],
        remote["study"],
        tuple(remote.get("series", ())),
        remote.get("store", False),
    )
    dicom = values.pop("dicom", False) or study.store
    return RemoteRequest(settings.ScoreSettings(data=Path(), dicom=dicom, **values), study)


def _screen_flags(parser: StrictParser) -> None:
    named = {each.name: each for each in options_of(settings.ScreenSettings)}
    about = named["source"].option
    parser.add_argument("source", type=flags.source, metavar=about.metavar, help=about.help)
    option_flags(parser, settings.ScreenSettings, without=["source"])


def _train_flags(parser: StrictParser) -> None:
    option_flags(parser, settings.TrainSettings)


def _calibrate_flags(parser: StrictParser) -> None:
    option_flags(parser, settings.CalibrateSettings)


def _info_flags(parser: StrictParser) -> None:
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="shipped model, bundle folder, or file written by training (default: all shipped)",
    )


def _demo_flags(parser: StrictParser) -> None:
    parser.add_argument(
        "--output",
        type=flags.path,
        metavar="DIR",
        help="where study and results go (default demo_output)",
    )
    parser.add_argument(
        "--seed", type=flags.seed, metavar="N", help="the one seed of all randomness"
    )


VERBS: dict[str, Verb] = {
    "score": Verb("score points in scans", _score_flags, _score_request),
    "screen": Verb(
        "screen every series of a repository, and list those to look at",
        _screen_flags,
        settings.ScreenSettings,
    ),
    "train": Verb(
        "train a model on genuine scans of your own", _train_flags, settings.TrainSettings
    ),
    "calibrate": Verb(
        "fit a model's calibration anew on genuine scans of your own",
        _calibrate_flags,
        settings.CalibrateSettings,
    ),
    "info": Verb(
        "say what a model is, on what it was calibrated, and the smallest p-value it can give",
        _info_flags,
        InfoRequest,
    ),
    "demo": Verb("make a phantom study, tamper with it, and score it", _demo_flags, DemoRequest),
}


def verb_parser(name: str) -> StrictParser:
    """The parser of one verb."""
    parser = StrictParser(f"dfd {name}", VERBS[name].summary)
    VERBS[name].add_flags(parser)
    return parser


def top_parser() -> StrictParser:
    """The parser of ``dfd`` without a verb: help and version."""
    lines = [f"  {name:<10} {verb.summary}" for name, verb in VERBS.items()]
    parser = StrictParser("dfd", ABOUT, "\n".join(["verbs:", *lines, "", EPILOG]))
    parser.add_argument("--version", action="version", version=f"dfd {__version__}")
    parser.add_argument(
        "verb", metavar="VERB", nargs=argparse.OPTIONAL, help="one of the verbs below"
    )
    return parser


def parse(words: Sequence[str]) -> Request:
    """The request in ``VERB --flag value …``.

    Raises:
        UsageError: For an unknown verb or flag, a missing or a wrong value.
    """
    if not words or words[0].startswith("-"):
        top_parser().parse_given(words)
        raise UsageError("say what to do: dfd " + "|".join(VERBS) + "; see dfd --help")
    name = words[0]
    if name not in VERBS:
        raise UsageError(
            f"there is no verb {name!r}; there are: {', '.join(VERBS)}; see dfd --help"
        )
    return VERBS[name].record(**verb_parser(name).parse_given(words[1:]))
