"""report.html of a repository: what stands in it, and what never does."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from dfd.outputs.run_record import NOTICE
from dfd.repository import report
from dfd.repository.empirical_null import ASSUMPTION, REMEDY
from dfd.repository.report.data import COLUMNS
from tests.repository.tables import (
    MODEL,
    digest,
    part,
    planned,
    region,
    write_parts,
    write_plan,
)

HOSTILE = '"><script>alert(1)</script></bdi><img src=x onerror=alert(2)>\u202e\u2028</SCRIPT>'
PNG = bytes.fromhex("89504e470d0a1a0a")


class Elements(HTMLParser):
    """Elements with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def make(output: Path, *, anonymous: bool = False) -> tuple[str, Elements]:
    text = report.write(output, anonymous=anonymous).read_text(encoding="utf-8")
    return text, Elements(text)


def calls(path: Path) -> list[Any]:
    """Arguments of the call in a data file."""
    match = re.fullmatch(r'"use strict";(\w+)\(\.\.\.(.*)\);\n', path.read_text("ascii"))
    assert match
    return json.loads(match[2])


def table_rows(output: Path) -> list[dict[str, Any]]:
    (path,) = (output / "report").glob("series-*.js")
    columns, rows = calls(path)
    assert columns == list(COLUMNS)
    return [dict(zip(columns, row, strict=True)) for row in rows]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Eight series of each outcome, some files left out."""
    rows = [planned(number) for number in range(1, 9)]
    rows[7] |= {"status": "skipped", "reason": "a localizer of one slice"}
    statuses = [("planned", "")] * 70 + [("skipped", "no image")] * 6 + [("duplicate", "of a")] * 2
    files = [
        {"file": f"{at}.dcm", "series": "", "sop_uid": "", "status": status, "reason": reason}
        for at, (status, reason) in enumerate(statuses)
    ]
    write_plan(tmp_path, rows, files)
    failed = part(rows[5], None, status="failed", reason="the worker was killed for memory twice")
    parts = [part(row, p) for row, p in zip(rows[:4], (1e-9, 0.3, 0.7, 0.04), strict=True)]
    write_parts(tmp_path, [*parts, part(rows[4], None), failed])
    return tmp_path


def test_everything_is_counted(output: Path) -> None:
    _, page = make(output)
    text = " ".join(page.text.split())
    assert "planned 70 skipped 6 duplicate 2 found 78" in text
    assert "scored 4 not assessable 1 failed 1 not yet done 1 planned 7" in text
    assert "1 further series is left out of the plan" in text
    assert "Not complete: 1 of 7 planned series is not yet done" in text
    assert "1 the worker was killed for memory twice" in text
    assert "1 a localizer of one slice" in text
    assert "6 no image" in text
    assert len(table_rows(output)) == 8


def test_the_notice_and_the_assumption_stand_in_the_page(output: Path) -> None:
    _, page = make(output)
    assert NOTICE in page.text
    assert page.text.count(ASSUMPTION) == 2


def test_rows_of_page_and_data_files_are_those_of_the_table(output: Path) -> None:
    _, page = make(output)
    rows = table_rows(output)
    assert [row["rank"] for row in rows] == list(range(1, 9))
    assert rows[0]["series"] == digest(1)
    assert rows[0]["p_value"] == 1e-9
    assert rows[0]["result"] == "unusual"
    assert [row["result"] for row in rows[4:]] == [
        *("not assessable", "failed", "not yet done", "skipped")
    ]
    assert rows[5]["p_empirical"] is None
    for row in rows:
        assert row["series"] in page.text


def test_details_hold_the_regions_of_their_series(output: Path) -> None:
    make(output)
    (path,) = (output / "report").glob("details-*-0000.js")
    number, details = calls(path)
    assert number == 0
    assert len(details) == 8
    assert [each["rank"] for each in details[0]["regions"]] == [1]
    assert details[0]["regions"][0]["x"] == region()["x"]
    assert ["Folder", "patient0/ct1"] in details[0]["facts"]
    assert details[5]["reason"] == "the worker was killed for memory twice"


def test_the_policy_names_style_and_script_of_the_page_and_files_beside_it(output: Path) -> None:
    text, page = make(output)
    policy = next(
        each["content"]
        for each in page.named("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    )
    for tag in ("style", "script"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        hashed = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"'sha256-{hashed}'" in policy
    assert policy.startswith("default-src 'none'; img-src data: file: 'self'; ")
    assert not re.search(r"https?://", policy)
    assert not [tag for tag, attributes in page.found if "src" in attributes and tag != "img"]


@pytest.mark.parametrize(
    "column", ["patient", "study_uid", "folder", "scanner", "kernel", "modality", "bundle"]
)
def test_hostile_names_are_text(tmp_path: Path, column: str) -> None:
    rows = [planned(number, **{column: HOSTILE}) for number in range(12)]
    rows[11] |= {"status": "skipped", "reason": HOSTILE}
    write_plan(tmp_path, rows)
    hostile = [region(reason=HOSTILE, form=HOSTILE)]
    write_parts(
        tmp_path,
        [part(row, 1e-6, form=HOSTILE, verdict="unusual", regions=hostile) for row in rows],
    )
    (tmp_path / "duplicates.csv").write_text(f'a,"{HOSTILE}"\n'.replace('""', '"'), "utf-8")
    text, page = make(tmp_path)
    assert len(page.named("script")) == 1
    assert page.named("img") == []
    assert "\u202e" not in text
    for path in (tmp_path / "report").iterdir():
        content = path.read_text("ascii")
        assert "<" not in content
        calls(path)


def test_pictures_are_shown_where_they_are_and_missed_where_not(output: Path) -> None:
    folder = output / "pictures"
    folder.mkdir()
    name = f"{digest(1)}-{MODEL[:12]}-1.png"
    (folder / name).write_bytes(PNG)
    _, page = make(output)
    assert [each["src"] for each in page.named("img")] == [f"pictures/{name}"]
    assert all(each["alt"] for each in page.named("img"))
    assert page.text.count("no picture was written") >= 1


def test_made_anew_the_report_follows_the_parts_and_keeps_only_its_files(output: Path) -> None:
    make(output)
    before = set((output / "report").iterdir())
    (output / "report" / "mine.js").write_text("keep")
    write_parts(output, [part(planned(7), 0.2)])
    _, page = make(output)
    assert "Not complete" not in page.text
    after = set((output / "report").iterdir())
    assert not before & after
    assert (output / "report" / "mine.js").exists()
    assert len(after) == len(before) + 1


def test_a_stratum_that_does_not_fit_is_said_with_what_to_do(tmp_path: Path) -> None:
    rows = [planned(2 * number + 1) for number in range(150)]
    write_plan(tmp_path, rows)
    z = np.random.default_rng(3).normal(1.0, 1.0, len(rows))
    p_values = norm.sf(z).tolist()
    write_parts(tmp_path, [part(row, p) for row, p in zip(rows, p_values, strict=True)])
    _, page = make(tmp_path)
    share = 100 * float((norm.sf(z) <= 0.05).mean())
    assert f"{share:.0f} % of 150 series lie below p = 0.05" in page.text
    assert REMEDY in page.text


def test_a_few_series_cannot_be_judged_and_lists_say_which_p_they_use(tmp_path: Path) -> None:
    rows = [planned(2 * number + 1) for number in range(3)]
    write_plan(tmp_path, rows)
    write_parts(tmp_path, [part(row, 1.0) for row in rows])
    _, page = make(tmp_path)
    text = " ".join(page.text.split())
    assert "cannot be judged, and stands" in text
    assert "The shipped calibration does not fit" not in text
    assert "listed by q ≤ 0.1 of that p-value" in text
    assert "p, empirical q, empirical p, shipped" in text


def test_duplicates_are_listed(output: Path) -> None:
    lines = [f"a{number}.dcm,b{number}.dcm" for number in range(300)]
    (output / "duplicates.csv").write_text("\n".join(["file,other_file", *lines]), "utf-8")
    _, page = make(output)
    assert "duplicates.csv lists 300 pairs" in " ".join(page.text.split())
    assert "b199.dcm" in page.text
    assert "b200.dcm" not in page.text
    _, hidden = make(output, anonymous=True)
    assert "b1.dcm" not in hidden.text
    assert "300 pairs" in hidden.text


def test_before_the_first_part_there_is_a_page(tmp_path: Path) -> None:
    write_plan(tmp_path, [planned(1)])
    _, page = make(tmp_path)
    assert "No series was scored yet" in page.text


def test_an_anonymous_report_names_no_patient_path_uid_or_date(tmp_path: Path) -> None:
    rows = [
        planned(number, patient=f"Canary^{number}", folder=f"Canary/ct{number}", kernel="Canary")
        for number in range(1, 5)
    ]
    rows[3] |= {"status": "skipped", "reason": "Canary/ct4/a.dcm has no pixels"}
    write_plan(tmp_path, rows)
    write_parts(tmp_path, [part(rows[0], 1e-9), part(rows[1], 0.3), part(rows[2], 0.04)])
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / f"{digest(1)}-{MODEL[:12]}-1.png").write_bytes(PNG)
    text, page = make(tmp_path, anonymous=True)
    for path in (tmp_path / "report").iterdir():
        text += path.name + (path.read_text("ascii") if path.suffix == ".js" else "")
    words = ("Canary", "1.2.826", "2019-", "2026-", *(digest(number) for number in range(1, 5)))
    assert [word for word in words if word in text] == []
    (shown,) = page.named("img")
    assert re.fullmatch(r"report/series-0000[1-4]-1\.png", shown["src"])
    assert (tmp_path / shown["src"]).read_bytes() == PNG
    assert "Patient" not in page.text.partition("All series")[2].partition("Failed")[0]


def test_tables_have_captions_and_headings_step_down_one_level(output: Path) -> None:
    text, _ = make(output)
    levels = [int(level) for level in re.findall(r"<h([1-6])", text)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    table = text[text.index('<table id="table"') :]
    assert table.index("<caption>") < table.index("<thead>")
    assert table.count('scope="col"') >= len(COLUMNS)


def luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("#9a3412", "#f5f7f8"),
        ("#565f69", "#f5f7f8"),
        ("#0b5394", "#f5f7f8"),
        ("#ff9d6b", "#1f2428"),
        ("#a3adb6", "#1f2428"),
        ("#7db7ee", "#1f2428"),
    ],
)
def test_colours_of_text_have_contrast_aa(output: Path, ink: str, ground: str) -> None:
    text, _ = make(output)
    assert ink in text
    assert ground in text
    dark, light = sorted((luminance(ink), luminance(ground)))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_a_place_to_look_at_first_names_the_folder_of_its_series(output: Path) -> None:
    _, page = make(output)
    text = " ".join(page.text.split())
    assert "The strangest place of the first 2 series with an empirical p-value" in text
    assert "Folder patient0/ct1" in text
    report.write(output, anonymous=True)
    assert "Folder " not in (output / report.FILE_NAME).read_text("utf-8").split('id="all"')[0]


def test_one_series_is_said_as_one_and_none_left_out_is_not_said(tmp_path: Path) -> None:
    rows = [planned(1), planned(2)]
    write_plan(tmp_path, rows)
    write_parts(tmp_path, [part(rows[0], 0.001), part(rows[1], 0.9)])
    text = " ".join(make(tmp_path)[1].text.split())
    assert "The strangest place of the one series with an empirical p-value" in text
    assert "left out of the plan" not in text.split("First to look at")[1].split("All series")[0]
    assert "further series" not in text
