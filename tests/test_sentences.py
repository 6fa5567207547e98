"""Sentences that know where names stand in them.

And that nobody puts one into another without its names.
"""

from __future__ import annotations

import ast
import copy
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dfd
from dfd.errors import PointsError, SeriesError
from dfd.records import Evidence, Finding, Point
from dfd.sentences import Sentence, beginning_with, joined, marked, named, quoted

PACKAGE = Path(dfd.__file__).parent
ALWAYS = "the slice's own noise, in the tissue"


def hidden(text: str) -> str:
    assert isinstance(text, Sentence)
    return text.with_names(lambda _: "(hidden)")


@given(st.text(), st.text())
def test_a_name_is_replaced_where_it_stands_and_nowhere_else(name: str, other: str) -> None:
    sentence = Sentence(f"{ALWAYS}: {named(name)} and {quoted(other)}; {ALWAYS}")
    assert hidden(sentence) == f"{ALWAYS}: (hidden) and (hidden); {ALWAYS}"
    assert len(sentence.names) == 2
    again = Sentence(f"before {marked(sentence)}")
    assert hidden(again) == f"before {hidden(sentence)}"


@pytest.mark.parametrize(
    "name",
    [
        "slice",
        "noise",
        "the",
        "in",
        "tissue",
        "",
        "O'Brien",
        'a"b',
        "a\nb",
        "\ufdd0",
        "\ufdd1x\ufdd0",
        "\ud800",
    ],
)
def test_the_text_for_people_holds_no_marks(name: str) -> None:
    sentence = Sentence(f"{named(name)} {quoted(name)} {ALWAYS}")
    assert not {"\ufdd0", "\ufdd1"} & set(sentence)
    assert sentence.endswith(ALWAYS)
    assert hidden(sentence) == f"(hidden) (hidden) {ALWAYS}"


def test_it_is_the_text() -> None:
    sentence = Sentence(f"{named('a')} is cut off")
    assert sentence == "a is cut off"
    assert str(sentence) == f"{sentence}" == "a is cut off"
    assert type(str(sentence)) is str
    assert {sentence: 1}["a is cut off"] == 1
    for made in (pickle.loads(pickle.dumps(sentence)), copy.deepcopy(sentence), Sentence(sentence)):
        assert (made, made.names) == (sentence, ("a",))


def test_joined_keeps_names_of_sentences_and_of_marked_text() -> None:
    told = joined("; ", [Sentence(f"see {named('a')}"), f"not {named('b')}", "nor c"])
    assert told == "see a; not b; nor c"
    assert told.names == ("a", "b")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/d/in/a is cut off in the middle", "(hidden) is cut off in the middle"),
        (Sentence(f"frame 3 of {named('/d/in/a')} is gone"), "frame 3 of (hidden) is gone"),
        ("the pixels of /d/in/a are gone", "(hidden)"),
        ("/d/in/ab is cut off", "(hidden)"),
        ("", "(hidden)"),
    ],
)
def test_a_sentence_on_a_file_begins_with_it_or_is_a_name_as_a_whole(
    text: str, wanted: str
) -> None:
    sentence = beginning_with("/d/in/a", text)
    assert sentence == text
    assert hidden(sentence) == wanted


def test_records_and_errors_keep_sentences() -> None:
    text = f"{named('a')} is cut off"
    point = Point(1, "a", error=text)
    finding = Finding(point, "unusual", reason=text, error=text)
    evidence = Evidence("noise", 1.0, reason=text, obstacle=text)
    for told in (
        point.error,
        finding.reason,
        finding.error,
        evidence.reason,
        evidence.obstacle,
        SeriesError(text).sentence,
    ):
        assert told == "a is cut off"
        assert hidden(told) == "(hidden) is cut off"
    error = pickle.loads(pickle.dumps(PointsError(text)))
    assert (str(error), hidden(error.sentence)) == ("a is cut off", "(hidden) is cut off")
    assert str(PointsError()) == ""


# --- the package

SPEAKING = (
    *(
        "regions.py",
        "suitability.py",
        "hounsfield.py",
        "image_kinds.py",
        "points",
        "evidence",
        "calibration",
        "assessment",
        "context",
        "bundle/reader.py",
        "scoring/patient_points.py",
        "bundle/inference/load_context.py",
        "bundle/inference/scoring.py",
    ),
)
"""Where what is told of a row comes from."""
SENTENCES = frozenset({"reason", "error", "obstacle", "sentence", "remarks", "notes"})
"""Attributes that hold sentences."""
OURS = re.compile(r"\b(Dfd|Series|Points)Error\b")
"""Errors whose text holds no marks: their ``sentence`` does."""


def modules(*names: str) -> Iterator[tuple[str, ast.Module]]:
    for name in names:
        place = PACKAGE / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def bare_names(tree: ast.AST) -> list[str]:
    """What is put into text with ``!r`` where ``quoted`` should mark it."""
    return [
        ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.FormattedValue) and node.conversion == ord("r")
    ]


def lost_names(tree: ast.AST) -> list[str]:
    """Sentences of records that become part of another text without ``marked`` or ``joined``."""
    found = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FormattedValue)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr in SENTENCES
        ):
            found.append(ast.unparse(node.value))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "join"
        ):
            inner = (each for word in node.args for each in ast.walk(word))
            found += [
                ast.unparse(each)
                for each in inner
                if isinstance(each, ast.Attribute) and each.attr in SENTENCES
            ]
        if (
            isinstance(node, ast.ExceptHandler)
            and node.name
            and OURS.search(ast.unparse(node.type or ast.Constant("")))
        ):
            inner = (each for line in node.body for each in ast.walk(line))
            texts = (f"{{{node.name}}}", f"str({node.name})")
            found += [told for each in inner if (told := put_in(each)) in texts]
    return found


def put_in(node: ast.AST) -> str:
    """How an expression makes text of another."""
    return (
        f"{{{ast.unparse(node.value)}}}"
        if isinstance(node, ast.FormattedValue)
        else ast.unparse(node)
        if isinstance(node, ast.Call)
        else ""
    )


def test_names_in_sentences_on_rows_are_marked() -> None:
    # A format of a calibration is nobody's name.
    allowed = {"content.get('format')"}
    assert not {
        name: found
        for name, tree in modules(*SPEAKING)
        if (found := set(bare_names(tree)) - allowed)
    }


def test_no_sentence_is_put_into_another_without_its_names() -> None:
    assert not {name: found for name, tree in modules(*SPEAKING) if (found := lost_names(tree))}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("f'{twin.name!r} differs'", ["twin.name"]),
        ("f'{quoted(twin.name)} differs'", []),
        ("f'also: {found.reason}'", ["found.reason"]),
        ("'; '.join([found.reason, *remarks])", ["found.reason"]),
        ("f'also: {marked(found.reason)}'", []),
        ("joined('; ', [found.reason])", []),
        ("try: read()\nexcept DfdError as error: Point(error=f'row 3: {error}')", ["{error}"]),
        ("try: read()\nexcept SeriesError as error: Point(error=str(error))", ["str(error)"]),
        ("try: read()\nexcept DfdError as error: Point(error=error.sentence)", []),
    ],
)
def test_a_lost_name_would_be_seen(code: str, found: list[str]) -> None:
    tree = ast.parse(code)
    assert bare_names(tree) + lost_names(tree) == found


def test_what_reading_says_of_a_file_begins_with_its_path() -> None:
    """``LoadSliced`` marks the path there; a path elsewhere in the sentence would not be seen."""
    wrong = []
    for name, tree in modules("reading"):
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "SeriesError"
                and node.args
                and isinstance(node.args[0], ast.JoinedStr)
            ):
                continue
            put_in = [
                ast.unparse(part.value)
                for part in node.args[0].values
                if isinstance(part, ast.FormattedValue)
            ]
            first = node.args[0].values[0]
            led = isinstance(first, ast.FormattedValue) and ast.unparse(first.value) in {
                "path",
                "folder",
            }
            if not led or put_in.count("path") + put_in.count("folder") > 1:
                wrong.append(f"{name}:{node.lineno}")
    assert not wrong
