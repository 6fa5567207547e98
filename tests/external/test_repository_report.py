"""The report of a repository in a real browser, opened from disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dfd.repository import report
from tests.external.programs import program
from tests.repository.tables import digest, part, planned, write_parts, write_plan

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is not installed; it comes with the extra 'dev'"
)

from selenium.webdriver.common.by import By  # noqa: E402 - what may be missing stands above
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    "--window-size=1280,900",
)
SERIES, SCORED = 10_000, 40
OPENED_WITHIN_S = 2.0


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of 10,000 series, some of them scored."""
    folder = tmp_path_factory.mktemp("repository")
    rows = [planned(number) for number in range(SERIES)]
    rows[-1] |= {"status": "skipped", "reason": "a localizer of one slice"}
    write_plan(folder, rows)
    write_parts(folder, [part(row, (at + 0.5) / SCORED) for at, row in enumerate(rows[:SCORED])])
    report.write(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(program("chromium", "google-chrome"))
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(str(program("chromedriver")))
    )
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any, output: Path) -> Any:
    """The report, freshly opened."""
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get((output / "report.html").as_uri())
    wait(
        browser,
        lambda page: page.execute_script("return 'ready' in document.documentElement.dataset"),
    )
    return browser


def wait(page: Any, until: Callable[[Any], Any]) -> Any:
    return WebDriverWait(page, 20, poll_frequency=0.05).until(until)


def shown(page: Any, column: str) -> list[str]:
    return page.execute_script(
        "const columns = document.getElementById('table').dataset.columns.split(' ');"
        "const at = columns.indexOf(arguments[0]);"
        "return Array.from(document.querySelectorAll('#table tbody tr:not(.detail)')).map(row => "
        "row.cells[at].textContent)",
        column,
    )


def heading(page: Any, column: str) -> Any:
    return page.find_element(By.CSS_SELECTOR, f"th[data-column='{column}']")


def test_ten_thousand_series_open_in_two_seconds(page: Any) -> None:
    page.refresh()
    ready = "return 'ready' in document.documentElement.dataset && performance.now()"
    assert wait(page, lambda page: page.execute_script(ready)) <= 1000 * OPENED_WITHIN_S
    assert f"{SERIES} series" in page.find_element(By.ID, "shown").text


def test_it_opens_without_an_error_and_asks_the_network_for_nothing(page: Any) -> None:
    assert page.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [
        each["params"]["request"]["url"]
        for each in messages
        if each["method"] == "Network.requestWillBeSent"
    ]
    assert [address for address in asked if not address.startswith("file:")] == []
    assert len(asked) == 2


def test_the_table_is_sorted_by_mouse_and_keyboard(page: Any) -> None:
    assert shown(page, "rank") == [str(rank) for rank in range(1, 101)]
    heading(page, "slices").find_element(By.TAG_NAME, "button").click()
    assert heading(page, "slices").get_attribute("aria-sort") == "ascending"
    assert shown(page, "slices")[:3] == ["100", "101", "102"]
    heading(page, "slices").find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert heading(page, "slices").get_attribute("aria-sort") == "descending"
    assert shown(page, "slices")[0] == str(99 + SERIES)
    # What has no value stands last in either direction.
    for _ in range(2):
        heading(page, "p_value").find_element(By.TAG_NAME, "button").click()
        assert "–" not in shown(page, "p_value")[:SCORED]
        assert shown(page, "p_value")[SCORED] == "–"


def test_filters_hold_together(page: Any) -> None:
    Select(page.find_element(By.ID, "result")).select_by_value("unusual")
    assert set(shown(page, "series")) == {digest(0), digest(1)}
    page.find_element(By.ID, "find").send_keys("SIEMENS b70")
    assert shown(page, "series") == [digest(1)]
    assert page.find_element(By.ID, "shown").text == f"1 of {SERIES} series"


def test_pages_are_turned(page: Any) -> None:
    page.find_element(By.ID, "next").click()
    assert shown(page, "rank")[0] == "101"
    assert page.find_element(By.ID, "page").text == f"101 to 200 of {SERIES}"
    page.find_element(By.ID, "previous").click()
    assert shown(page, "rank")[0] == "1"
    assert not page.find_element(By.ID, "previous").is_enabled()


def test_details_are_loaded_when_they_are_asked_for(page: Any) -> None:
    first, second, last = page.find_elements(By.CSS_SELECTOR, "#table .open")[:3]
    first.send_keys(Keys.ENTER)
    wait(page, lambda page: first.get_attribute("aria-expanded") == "true")
    detail = page.find_element(By.CSS_SELECTOR, "#table .detail")
    assert "patient0/ct0" in detail.text
    said = "Place 1, AI edit: 0.25 such expected by chance in a genuine series; p = 0.01"
    assert said in detail.text
    assert "no picture was written" in detail.text
    first.send_keys(Keys.ENTER)
    assert page.find_elements(By.CSS_SELECTOR, "#table .detail") == []
    last.click()
    wait(page, lambda page: last.get_attribute("aria-expanded") == "true")
    assert "No place of this series stands out" in page.find_element(By.CLASS_NAME, "detail").text
    assert page.get_log("browser") == []
    assert second.get_attribute("aria-expanded") == "false"


def test_missing_data_files_are_said(page: Any, output: Path, tmp_path: Path) -> None:
    lone = tmp_path / "report.html"
    lone.write_bytes((output / "report.html").read_bytes())
    page.get(lone.as_uri())
    warning = page.find_element(By.ID, "missing")
    wait(page, lambda _: warning.is_displayed())
    assert len(shown(page, "rank")) == 100


@pytest.mark.parametrize("width", [320, 640])
def test_narrow_windows_need_no_scrolling_sideways(page: Any, width: int) -> None:
    """At 1280 pixels, 400 % and 200 % leave so much (WCAG 2.2, 1.4.10)."""
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_what_can_be_used_has_a_name(page: Any) -> None:
    nameless = """
        const all = document.querySelectorAll('button, input, select, a[href], svg[role=img], img');
        return Array.from(all).filter(e =>
            !(e.textContent.trim() || (e.labels && e.labels.length) || e.alt ||
              e.getAttribute('aria-label'))).map(e => e.outerHTML.slice(0, 80))"""
    assert page.execute_script(nameless) == []


def test_dark_colours_follow_the_system(page: Any) -> None:
    ground = "return getComputedStyle(document.documentElement).backgroundColor"
    assert page.execute_script(ground) == "rgb(255, 255, 255)"
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": dark})
    try:
        assert page.execute_script(ground) == "rgb(22, 25, 28)"
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
