"""report.html: what stands in it, and what never does."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from dfd.calibration import (
    SLICE,
    Calibration,
    DecisionContext,
    combined_statistic,
    decide,
    fit,
    fit_table,
)
from dfd.errors import OutputError
from dfd.evidence import family_named, family_names
from dfd.modalities import MODALITIES
from dfd.outputs import overlay, report
from dfd.outputs.files import neutralise
from dfd.outputs.report import charts, content, data, pictures, series, words
from dfd.outputs.report.data import ReportData, ReportRun
from dfd.outputs.run_record import NOTICE
from dfd.outputs.writer import SliceInfo
from dfd.records import (
    TOGETHER,
    Context,
    Evidence,
    Finding,
    Point,
    Prediction,
    Region,
    ScanFacts,
    Screening,
    Slice,
    SliceRef,
    Suspicion,
)
from dfd.sentences import marked, named

SIDE = 128
CT = MODALITIES["ct_lung"]
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
CANARY = "Canary"


class Elements(HTMLParser):
    """All elements with their attributes, and the text of those that hold text only."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.inside: dict[str, list[str]] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        self._open = tag
        if tag in {"style", "script", "title"}:
            self.inside.setdefault(tag, []).append("")

    def handle_data(self, data: str) -> None:
        if self._open in {"style", "script", "title"}:
            self.inside[self._open][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def of(self, tag: str, name: str | None = None) -> list[dict[str, str]]:
        return [
            attributes
            for found, attributes in self.found
            if found == tag and (name is None or attributes.get("class", "").split()[:1] == [name])
        ]


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    rng = np.random.default_rng(0)
    rows = [
        [
            {"noise": float(value), "copy_move": float(other)}
            for value, other in rng.lognormal(0.2, 0.4, (40, 2))
        ]
        for _ in range(19)
    ]
    return Calibration("ct_lung_inpainting", "0" * 64, 10.0, {}, {SLICE: fit(rows)})


def scan(seed: int = 0, side: int = SIDE, **facts: object) -> Slice:
    told = {
        "modality": "CT",
        "unit": "HU",
        "spacing_mm": (0.7, 0.7),
        "thickness_mm": 2.5,
        "kernel": "B30f",
        "bits_stored": 12,
    } | facts
    pixels = np.random.default_rng(seed).normal(-700.0, 60.0, (side, side)).astype(np.float32)
    return Slice(SliceRef(Path("a")), ScanFacts(**told), pixels, np.ones((side, side), bool))


def prediction(of: Slice) -> Prediction:
    z = np.random.default_rng(1).normal(0, 1, of.pixels.shape).astype(np.float32)
    return Prediction(of.pixels - z, np.ones_like(z), z, np.ones(z.shape, bool), 50.0)


def point(row: int, filename: str = "p1/a.dcm", **cells: str) -> Point:
    return Point(
        row,
        filename,
        60.0,
        70.0,
        cells={"filename": filename, "X": "60", "Y": "70", **cells},
        path=Path("/data") / filename,
    )


def found(at: Point, statistic: float, calibration: Calibration, **told: object) -> Finding:
    evidence = [
        Evidence("noise", statistic, {"energy": 3.0}, "lung", "noise here is stronger"),
        Evidence("copy_move", 1.0, {}, "lung", "no place"),
    ]
    return replace(decide(at, evidence, calibration, DecisionContext(10.0)), **told)


def gathered(
    findings: list[Finding],
    of: Slice | None = None,
    *,
    pictured: bool = True,
    context: Context | None = None,
) -> ReportData:
    of = of or scan()
    kept = ReportData(pictured=pictured)
    kept.add(findings, SliceInfo(of.facts, of.pixels.shape))
    sight = report.PointView(
        overlay.render_slice(of, prediction(of), CT), context, {"other.dcm": of.pixels + 50.0}
    )
    whole = report.whole_slice(of, sight.images.grey)
    for finding in findings:
        if finding.verdict != "unreadable" and kept.wants(finding):
            rarity = np.full(of.pixels.shape, 1.5, np.float32)
            region = Region(finding.point.x, finding.point.y, 14.0, 10.0)
            kept.keep(finding, report.of_point(sight, whole, region, finding, rarity))
    return kept


@pytest.fixture
def findings(calibration: Calibration) -> list[Finding]:
    ordinary = [found(point(row), 1.0 + row / 50, calibration) for row in (2, 3)]
    strange = found(point(4, what="added noise"), 40.0, calibration)
    refused = Finding(point(5), "not assessable", reason="too little tissue")
    return [
        *ordinary,
        strange,
        refused,
        Finding(point(6), "unreadable", error="row 6: column X is empty"),
    ]


@pytest.fixture
def about(calibration: Calibration) -> ReportRun:
    record = {
        "versions": {"dfd": "0.1.0"},
        "weights_sha256": "ab" * 32,
        "calibration_sha256": "cd" * 32,
        "device": "cpu",
    }
    return ReportRun(
        CT,
        calibration,
        {**record, "bundle_version": "0.2.0", "finished": "2026-01-02T03:04:05+00:00"},
    )


def text_of(page: str) -> str:
    return re.sub(
        r"\s+",
        " ",
        re.sub(r"<[^>]*>", " ", re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)),
    )


def test_the_page_tells_rows_counts_and_what_chance_brings(
    findings: list[Finding], about: ReportRun
) -> None:
    page = report.render(findings, gathered(findings), about)
    told = text_of(page)
    for words_ in (
        "strongly unusual 1",
        "not assessable 1",
        "unreadable 1",
        "rows 5",
        "at most 0.05 1 0.15",
        "at most 0.01 1 0.03",
    ):
        assert words_ in told
    assert "19 calibration patients" in told
    assert "p-values down to 0.05 " in told
    for words_ in (
        NOTICE.replace("'", "&#39;"),
        "ab" * 32,
        "cd" * 32,
        "ct_lung_inpainting 0.2.0",
        "2026-01-02 03:04:05 UTC",
    ):
        assert words_ in page
    assert len(re.findall(r"<tr data-verdict", page)) == 5


def test_points_come_by_suspicion_and_unreadable_rows_have_no_page(
    findings: list[Finding], about: ReportRun
) -> None:
    elements = Elements(report.render(findings, gathered(findings), about))
    assert [each["data-row"] for each in elements.of("article")] == ["4", "3", "2", "5"]
    assert {each["href"] for each in elements.of("a") if each["href"].startswith("#point")} == {
        f"#point-{row}" for row in (2, 3, 4, 5)
    }


def test_a_point_shows_windows_maps_evidence_facts_and_a_review(
    findings: list[Finding], about: ReportRun
) -> None:
    of = scan()
    beside = Context(of.pixels + 1, of.pixels - 1, (2.5, 2.0))
    page = report.render([findings[2]], gathered([findings[2]], of, context=beside), about)
    told = text_of(page)
    elements = Elements(page)
    assert (
        len([each for each in elements.of("input") if each.get("name") == "window-4"])
        == len(CT.presets) + 1
    )
    assert len(elements.of("div", "picture")) == 3 * (len(CT.presets) + 1) + 2
    for words_ in (
        "lung",
        "mediastinum",
        "bone",
        "narrow not clinical",
        "2.5 mm away",
        "2 mm away",
        "-1350 to 150 HU",
        "x1/8 smoother",
        "0.0001",
    ):
        assert words_ in told
    for words_ in (
        "All together",
        "Noise",
        "Copy within the slice",
        "noise here is stronger",
        "0.7 x 0.7 mm",
        "B30f",
        "mostly lung",
        "10.0 mm",
    ):
        assert words_ in told
    assert [each["value"] for each in elements.of("input") if each.get("name") == "review-4"] == [
        "agree",
        "disagree",
        "unclear",
    ]
    uses = [each["href"] for each in elements.of("use")]
    assert uses == [
        "#slice-1",
        *(f"#genuine-{SLICE}-{family}" for family in ("combined", "noise", "copy_move")),
    ]
    assert {f"#{each['id']}" for each in elements.of("symbol")} == set(uses)


def test_a_learned_statistic_is_one_of_the_lines_and_counts_in_all_together(
    about: ReportRun,
) -> None:
    rng = np.random.default_rng(1)
    rows = [
        [{"noise": float(a), TOGETHER: float(b)} for a, b in rng.lognormal(0.2, 0.4, (40, 2))]
        for _ in range(19)
    ]
    weighed = Calibration("ct_lung_inpainting", "0" * 64, 10.0, {}, {SLICE: fit(rows)})
    evidence = [Evidence("noise", 1.2, {}, "lung", "noise"), Evidence(TOGETHER, 9.0)]
    finding = decide(point(4), evidence, weighed, DecisionContext(10.0))
    data = gathered([finding])
    lines = content.page([finding], data, replace(about, calibration=weighed), anonymous=False)
    together, learned, noise = lines.shown[0].families
    assert (together.title, learned.title, noise.title) == (
        "All together",
        "Learned statistic",
        "Noise",
    )
    assert (together.p, learned.statistic) == (finding.p_value, 9.0)
    assert learned.p < 0.001 < noise.p
    # What both say, and not the noise alone.
    expected = combined_statistic({"noise": 1.2, TOGETHER: 9.0}, weighed.of(SLICE).tables)
    assert together.statistic == pytest.approx(math.log10(expected))


def test_the_place_that_was_copied_is_shown_in_its_own_slice(
    findings: list[Finding], about: ReportRun
) -> None:
    here = replace(findings[2], source_x=30.0, source_y=90.0)
    page = report.render([here], gathered([here]), about)
    assert page.count('class="disk source"') == 2
    assert "this slice" in text_of(page)
    there = replace(here, source_file="other.dcm")
    page = report.render([there], gathered([there]), about)
    assert 'href="#slice-2"' in page
    assert "other.dcm" in text_of(page)
    gone = replace(here, source_file="not at hand.dcm")
    assert gathered([gone]).pictures[4].source is None


def test_points_of_one_slice_share_its_picture(findings: list[Finding], about: ReportRun) -> None:
    page = report.render(findings[:3], gathered(findings[:3]), about)
    assert len(re.findall(r"data:image/jpeg", page)) == 1


def test_nothing_runs_or_loads_but_what_the_policy_names(
    findings: list[Finding], about: ReportRun
) -> None:
    page = report.render(findings, gathered(findings), about)
    elements = Elements(page)
    (policy,) = [
        each["content"]
        for each in elements.of("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert (rules["default-src"], rules["img-src"], rules["base-uri"], rules["form-action"]) == (
        "'none'",
        "data:",
        "'none'",
        "'none'",
    )
    for tag in ("style", "script"):
        (inside,) = elements.inside[tag]
        assert (
            rules[f"{tag}-src"]
            == f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"
        )
    for tag, attributes in elements.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("data:image/", "#"))
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {
        tag for tag, _ in elements.found
    }
    script = elements.inside["script"][0]
    assert not re.search(
        (
            r"\beval\b|innerHTML|insertAdjacentHTML|document\.write|new "
            r"Function|fetch\(|XMLHttpRequest"
        ),
        script,
    )


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "\u202egnp.exe",
        "=HYPERLINK(1)",
        "{{ 7 * 7 }}",
        "javascript:alert(1)",
        "a\x00b\x1b[31m",
        "\ud800",
    ],
)
def test_texts_come_out_harmless(text: str, calibration: Calibration, about: ReportRun) -> None:
    at = point(2, text, note=text, **{text: "x"})
    finding = replace(
        found(at, 40.0, calibration), reason=text, source_x=5.0, source_y=5.0, source_file=text
    )
    finding = replace(
        finding, evidence=tuple(replace(each, reason=text) for each in finding.evidence)
    )
    broken = Finding(point(3, text), "unreadable", error=text)
    of = scan(kernel=text, manufacturer=text, model=text, compression=text)
    page = report.render([finding, broken], gathered([finding, broken], of), about)
    page.encode("utf-8")
    elements = Elements(page)
    assert len(elements.of("script")) == 1
    assert not [
        each for each in elements.of("img") if not each["src"].startswith("data:image/png;base64,")
    ]
    assert elements.of("article")[0]["data-name"] == neutralise(text)
    assert "alert(1)</script>" not in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", page)


def test_anonymous_pages_name_nothing(calibration: Calibration, about: ReportRun) -> None:
    name = f"{CANARY}/{CANARY}^Name.dcm"
    there = {"source_x": 5.0, "source_y": 5.0, "source_file": f"{CANARY}-b.dcm"}
    finding = replace(
        found(point(2, name), 40.0, calibration), reason=f"see {named(name)}", **there
    )
    told = Evidence(
        "series_copy",
        2.0,
        {},
        "",
        f"stands in {named(f'{CANARY}-b.dcm')}",
        source_file=f"{CANARY}-b.dcm",
    )
    # A name without an ending does not look like one, and only the evidence holds it.
    bare = replace(
        told,
        family="neighbours",
        reason=f"stands in {named(f'{CANARY}7')} (correlation 0.4)",
        source_file=f"{CANARY}7",
    )
    finding = replace(
        finding,
        reason=f"see {named(name)}; {marked(bare.reason)}",
        evidence=(*finding.evidence, told, bare),
    )
    whole = Finding(
        Point(3, name, path=Path("/data") / name),
        "unusual",
        1.5,
        0.03,
        reason=named(f"{CANARY}-b.dcm"),
        extrapolated=True,
    )
    free = dict.fromkeys(
        ("kernel", "manufacturer", "model", "sequence", "body_part", "patient_hash"), CANARY
    )
    of = scan(**free)
    kept = gathered([finding], of)
    kept.add([whole], SliceInfo(of.facts, of.pixels.shape))
    kept.suspicions[3] = (Suspicion(replace(finding, point=replace(finding.point, row=3)), 0.2),)
    clear, hidden = (
        report.render([finding, whole], kept, replace(about, record={}), anonymous=anonymous)
        for anonymous in (False, True)
    )
    assert CANARY in clear
    assert CANARY not in hidden
    assert "slice-0001" in hidden
    assert "B30f" in report.render([finding], gathered([finding]), about, anonymous=True)


def test_without_images_there_are_numbers_only(findings: list[Finding], about: ReportRun) -> None:
    kept = gathered(findings, pictured=False)
    assert kept.pictures == {}
    page = report.render(findings, kept, about)
    assert "data:image" not in page
    assert "asked to write no pictures" in page
    assert "noise here is stronger" in page
    assert "0.7 x 0.7 mm" in page


def test_a_run_that_was_stopped_says_so(findings: list[Finding], about: ReportRun) -> None:
    assert "stopped midway" not in report.render(findings, gathered(findings), about)
    assert "stopped midway: 2 of 5 rows were not reached" in text_of(
        report.render(findings, gathered(findings), replace(about, missing=2))
    ).replace(" :", ":")


def test_an_empty_run_and_a_model_without_calibration_have_a_page(about: ReportRun) -> None:
    assert "No row was scored" in report.render([], ReportData(pictured=True), about)
    finding = decide(point(2), [Evidence("noise", 2.0)], None, DecisionContext(10.0))
    assert "The model has no calibration" in report.render(
        [finding], gathered([finding]), ReportRun(CT, None)
    )


def test_the_same_gives_the_same_bytes(
    findings: list[Finding], about: ReportRun, tmp_path: Path
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        assert report.write(folder, findings, gathered(findings), about) == folder / "report.html"
    assert (first / "report.html").read_bytes() == (second / "report.html").read_bytes()
    assert [path.name for path in first.iterdir()] == ["report.html"]


def test_a_folder_that_is_gone_is_one_sentence(
    findings: list[Finding], about: ReportRun, tmp_path: Path
) -> None:
    with pytest.raises(
        OutputError, match=r"report\.html cannot be written: its folder is not there"
    ):
        report.write(tmp_path / "gone", findings, ReportData(pictured=False), about)


def test_pictures_are_kept_of_the_most_suspicious(
    monkeypatch: pytest.MonkeyPatch, calibration: Calibration, about: ReportRun
) -> None:
    monkeypatch.setattr(data, "MOST_SHOWN", 3)
    monkeypatch.setattr(content, "MOST_SHOWN", 3)
    many = [
        found(point(row), statistic, calibration)
        for row, statistic in enumerate((1.0, 9.0, 2.0, 30.0, 1.5, 20.0), start=2)
    ]
    kept = gathered(many)
    assert sorted(kept.pictures) == [3, 5, 7]
    page = report.render(many, kept, about)
    assert [each["data-row"] for each in Elements(page).of("article")] == ["5", "7", "3"]
    assert "3 of 6 rows have a page below" in text_of(page)


def test_a_hundred_points_on_a_hundred_slices_are_small(
    calibration: Calibration, about: ReportRun
) -> None:
    of = scan(side=512)
    beside = Context(of.pixels + 1, of.pixels - 1, (1.0, 1.0))
    sight = report.PointView(overlay.render_slice(of, prediction(of), CT), beside)
    finding = found(replace(point(2), x=250.0, y=260.0), 40.0, calibration)
    made = report.of_point(
        sight,
        report.whole_slice(of, sight.images.grey),
        Region(250.0, 260.0, 18.0, 10.0),
        finding,
        np.zeros((512, 512), np.float32),
    )
    kept = ReportData(pictured=True)
    kept.keep(finding, made)
    assert 100 * len(report.render([finding], kept, about)) < 25_000_000


def screened(row: int, calibration: Calibration, folder: str = "p1") -> tuple[Finding, Screening]:
    at = Point(
        row,
        f"{folder}/{row}.dcm",
        cells={"filename": f"{folder}/{row}.dcm"},
        path=Path("/data") / folder / f"{row}.dcm",
    )
    finding = Finding(at, "unusual", 1.6, 0.025, reason="the only suspicious region lies there")
    place = Suspicion(replace(found(point(row), 40.0, calibration), reason="noise there"), 0.02)
    return finding, Screening(finding, np.full((SIDE, SIDE), 0.5, np.float32), 14.0, (place,))


def test_screened_slices_show_their_map_and_regions_and_series_are_compared(
    calibration: Calibration, about: ReportRun
) -> None:
    of, kept, told = scan(), ReportData(pictured=True), []
    for row, folder in ((1, "p1"), (2, "p1"), (3, "p2")):
        finding, answer = screened(row, calibration, folder)
        kept.add([finding], SliceInfo(of.facts, of.pixels.shape))
        kept.suspicions[row], kept.radii_px[row] = answer.suspicions, answer.radius_px
        kept.keep(finding, report.of_screening(of, answer, CT))
        told.append(finding)
    page = report.render(told, kept, about)
    elements, words_ = Elements(page), text_of(page)
    assert len(elements.of("circle", "dot")) == 3
    assert [each["href"] for each in elements.of("a") if each.get("href", "").startswith("#point")][
        :3
    ] == ["#point-1", "#point-2", "#point-3"]
    assert page.count('class="disk found"') == 6
    assert "0.02" in words_
    assert "noise there" in words_
    assert "By series" in words_
    assert "1 p1" in words_
    assert "2 p2" in words_


def test_many_slices_get_the_group_page_and_few_do_not(
    calibration: Calibration, about: ReportRun
) -> None:
    for count, grouped in ((series.MANY, False), (series.MANY + 1, True)):
        many = [
            found(point(row, f"p{row % 2}/{row}.dcm"), 2.0, calibration)
            for row in range(2, 2 + count)
        ]
        page = report.render(many, gathered(many, pictured=False), about)
        assert ('class="strip"' in page) is grouped


def test_every_family_has_words_and_every_modality_presets() -> None:
    for name in family_names():
        family = family_named(name)
        assert family.title
        assert family.question.endswith("?")
    assert all(modality.presets for modality in MODALITIES.values())


def test_percentiles_are_the_windows_where_intensities_have_no_unit() -> None:
    of = scan(unit="stored")
    sight = report.PointView(overlay.render_slice(of, prediction(of), MODALITIES["mri_chest"]))
    made = report.of_point(
        sight,
        report.whole_slice(of, sight.images.grey),
        Region(60.0, 70.0, 11.0),
        Finding(point(2), "unusual"),
    )
    assert (made.windows[0].low, made.windows[0].high) == pytest.approx(
        tuple(np.percentile(of.pixels, (1.0, 99.0)))
    )
    assert [window.clinical for window in made.windows] == [True] * (len(made.windows) - 1) + [
        False
    ]


@pytest.mark.parametrize(
    ("modality", "tissue", "opens"),
    [
        ("ct_lung", "lung", "lung"),
        ("ct_lung", "soft tissue", "mediastinum"),
        ("ct_lung", "fat", "mediastinum"),
        ("ct_lung", "bone or contrast", "bone"),
        ("ct_lung", "", "lung"),
        ("mri_chest", "medium tissue", "1 to 99 %"),
        ("mri_chest", "dark tissue", "dark tissue"),
    ],
)
def test_a_point_opens_in_the_window_of_its_tissue(modality: str, tissue: str, opens: str) -> None:
    of = scan()
    sight = report.PointView(overlay.render_slice(of, prediction(of), MODALITIES[modality]))
    finding = Finding(point(2), "unusual", tissue=tissue, p_value=0.03, score=1.5)
    made = report.of_point(
        sight, report.whole_slice(of, sight.images.grey), Region(60.0, 70.0, 11.0), finding
    )
    assert [window.name for window in made.windows if window.chosen] == [opens]


def test_one_window_of_a_point_is_checked(findings: list[Finding], about: ReportRun) -> None:
    finding = replace(findings[2], tissue="soft tissue")
    elements = Elements(report.render([finding], gathered([finding]), about))
    checked = [
        each["id"]
        for each in elements.of("input")
        if each.get("name") == "window-4" and "checked" in each
    ]
    assert checked == [f"window-4-{[preset.name for preset in CT.presets].index('mediastinum')}"]


def test_every_window_names_tissues_of_its_modality() -> None:
    for modality in MODALITIES.values():
        assert {tissue for preset in modality.presets for tissue in preset.tissues} <= {
            tissue.name for tissue in modality.tissues
        }


@pytest.mark.parametrize(
    ("x", "y", "radius"),
    [(0.0, 0.0, 14.0), (127.0, 64.0, 14.0), (60.0, 127.0, 3.0), (64.0, 64.0, 500.0)],
)
def test_a_crop_lies_in_the_slice_and_holds_the_point(x: float, y: float, radius: float) -> None:
    rows, columns = pictures.crop_box(Region(x, y, radius), (SIDE, SIDE))
    assert 0 <= rows.start <= y < rows.stop <= SIDE
    assert 0 <= columns.start <= x < columns.stop <= SIDE
    assert rows.stop - rows.start == columns.stop - columns.start


def test_a_wide_crop_is_reduced_and_says_so() -> None:
    of = scan(side=400)
    sight = report.PointView(overlay.render_slice(of, prediction(of), CT))
    made = report.of_point(
        sight,
        report.whole_slice(of, sight.images.grey),
        Region(200.0, 200.0, 60.0),
        Finding(point(2), "unusual"),
    )
    assert made.windows[0].here.reduced
    assert made.windows[0].here.width == 361


def test_a_region_stands_where_its_value_lies_among_the_genuine() -> None:
    table = fit_table(
        [list(np.random.default_rng(seed).lognormal(0.5, 0.4, 200)) for seed in range(30)]
    )
    drawn = charts.distribution("d", table)
    places = [drawn.place(value)[0] for value in (1.0, 1.6, 2.5, 4.0)]
    assert places == sorted(places)
    assert [mark.label for mark in drawn.marks] == ["half", "1 in 20", ""]  # the last would overlap
    assert [mark.x for mark in drawn.marks] == sorted(mark.x for mark in drawn.marks)
    assert drawn.marks[0].x == pytest.approx(
        drawn.place(float(np.median(np.concatenate(table.patients))))[0], abs=3.0
    )
    assert not drawn.place(2.0)[1]
    assert drawn.place(1e9) == (charts.WIDTH - 3.0, True)


@pytest.mark.parametrize(
    ("p", "told"),
    [
        (0.7, "70 in 100 genuine regions"),
        (0.05, "about 1 in 20 "),
        (0.0019, "about 1 in 530 "),
        (1e-5, "about 1 in 100 000 "),
    ],
)
def test_p_values_in_words(p: float, told: str) -> None:
    assert words.one_in(p).startswith(told)
    assert words.one_in(math.nan) == "not measured"


def test_beyond_the_patients_no_rate_is_told() -> None:
    finding = Finding(point(2), "strongly unusual", 6.0, 1e-6, extrapolated=True)
    assert (
        words.rarity_words(finding, 1 / 17)
        == "Fewer than 1 in 17 genuine regions are at least as strange."
    )
