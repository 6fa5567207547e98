"""Every flag and verb that a message names exists where the message is printed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dfd
from dfd.bundle.datalists import modality_of
from dfd.cli import entry
from dfd.cli.catalogue import catalogue_parser, form_flags
from dfd.cli.verbs import VERBS, top_parser, verb_parser
from dfd.errors import SeriesError
from dfd.records import ScanFacts, Series
from dfd.settings import TrainSettings

PACKAGE = Path(dfd.__file__).parent
FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z_-]*[a-z](?![\w-])")
VERB = re.compile(r"[`']dfd ([a-z]+)")
TRAIN, TEST = "-mode Train", "-mode Test"
PRINTED_BY = {
    "bundle/datalists.py": ("train", TRAIN),
    "cli/jobs.py": ("score",),
    "cli/verbs.py": ("score",),
    "cli/catalogue.py": (TRAIN, TEST),
    "repository/empirical_null.py": ("calibrate",),  # the command that the report recommends
}
"""Module -> what may print its messages that name flags. The text after ``see`` is the help of the
command itself."""
OF_ALL = {"--help", "--version"}
HELP = ("ABOUT", "EPILOG")
"""Texts that describe more than one command."""


def accepted(printer: str) -> set[str]:
    """Flags that a command takes."""
    if printer in VERBS:
        return set(verb_parser(printer)._option_string_actions)
    mode = printer.split()[1].lower()
    return {
        word
        for word in catalogue_parser()._option_string_actions
        if (name := word.lstrip("-")) not in form_flags() or mode in form_flags()[name]
    }


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Texts of a module that a person may read.

    All but docstrings, help of flags, and names of types.
    """
    silent: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(id(node.value))
        registers = isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] in {
            "add_argument",
            "Flag",
            "compile",
        }
        named_help = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in HELP
        if registers or named_help:
            silent |= {id(each) for each in ast.walk(node)}
        if isinstance(node, ast.JoinedStr) and id(node) not in silent:
            # What is put in stands as a digit, so that "{bits}-bit" is no flag.
            yield (
                node.lineno,
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "0"
                    for part in node.values
                ),
            )
            silent |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node.lineno, node.value


def read() -> Iterator[tuple[str, int, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, text in messages(ast.parse(path.read_text(encoding="utf-8"))):
            yield path.relative_to(PACKAGE).as_posix(), line, text


def test_each_flag_that_a_message_names_is_taken_where_it_is_printed() -> None:
    wrong, seen = [], set()
    for name, line, text in read():
        # A pip command has flags of its own, and none of ours.
        flags = set() if text.startswith("pip ") else set(FLAG.findall(text)) - OF_ALL
        # A word alone is a switch of the parser itself or of another program.
        for flag in flags if " " in text else ():
            seen.add(name)
            printers = PRINTED_BY.get(name, ())
            refusing = [printer for printer in printers if flag not in accepted(printer)]
            if not printers or refusing:
                wrong.append(
                    f"{name}:{line}: {flag} "
                    f"({', '.join(refusing) or 'say in PRINTED_BY who prints it'})"
                )
    assert not wrong
    assert seen >= {"bundle/datalists.py", "cli/jobs.py"}


def test_each_verb_that_a_message_names_exists() -> None:
    named = {(name, verb) for name, _, text in read() for verb in VERB.findall(text)}
    assert len(named) > 3
    assert not {(name, verb) for name, verb in named if verb not in VERBS}


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("or choose with -modality.", {"-modality"}),
        ("choose x with --max-hours", {"--max-hours"}),
        ("an 8-bit export, half-way -- so", set()),
        ("1e-3 and -log10", set()),
    ],
)
def test_a_flag_in_a_message_would_be_seen(text: str, flags: set[str]) -> None:
    assert set(FLAG.findall(text)) - {"-log"} == flags


def test_what_mixed_modalities_are_advised_is_taken() -> None:
    series = [Series("", (), (), ScanFacts(modality=modality)) for modality in ("CT", "MR")]
    with pytest.raises(SeriesError, match="choose ct_lung or mri_chest with --modality") as caught:
        modality_of(series, Path("scans"))
    (flag,) = FLAG.findall(str(caught.value))
    for words in (
        ["train", "--data", "d", "--model", "m.ckpt"],
        ["-mode", "Train", "-data_path", "d", "-model_path", "m.ckpt"],
    ):
        for name in ("ct_lung", "mri_chest"):
            request = entry.parse([*words, flag, name])
            assert isinstance(request, TrainSettings)
            assert request.modality == name


def test_the_help_names_verbs_that_exist() -> None:
    assert set(VERB.findall(top_parser().format_help())) <= {*VERBS, "mode"}
