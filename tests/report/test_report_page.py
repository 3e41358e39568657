"""The HTML report in a real Chromium: what it draws, that it can be walked through, and that it asks for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import requires
from layerscope.report.verdict.gate_run import GateRun
from layerscope.report.verdict.html import html_report
from support import gate_runs
from support.browser import Browser, Page, running_browser

pytestmark = pytest.mark.slow

BOXES = "[...document.querySelectorAll('#map > .box')]"
NAMES = f"{BOXES}.filter((box) => box.tabIndex === 0).map((box) => box.getAttribute('aria-label'))"
TRAIL = "document.getElementById('trail').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    requires("chromium")
    with running_browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Page:
    return browser.page()


def show(page: Page, run: GateRun, directory: Path, *, place: str = "") -> Page:
    path = directory / "report.html"
    path.write_bytes(html_report(run))
    page.open(path, place=place)
    return page


def column(page: Page, place: int) -> list[str]:
    """The texts of a column of the table of worst paths."""
    table = "[...document.querySelectorAll('table')].at(-1)"
    texts: list[str] = page.value(f"[...{table}.tBodies[0].rows].map((row) => row.cells[{place}].textContent)")
    return texts


@pytest.mark.parametrize("make", [gate_runs.ordinary, gate_runs.hostile, gate_runs.empty, gate_runs.many])
def test_it_asks_for_nothing_and_logs_nothing(page: Page, tmp_path: Path, make: object) -> None:
    assert callable(make)
    show(page, make(tmp_path), tmp_path)
    page.settle()
    assert page.trouble == []
    assert [url for url in page.requests if not url.startswith("data:")] == [(tmp_path / "report.html").as_uri()]


def test_areas_are_bytes_and_wasted_bytes_are_hatched(page: Page, tmp_path: Path) -> None:
    run = gate_runs.ordinary(tmp_path)
    show(page, run, tmp_path)
    areas = page.value(f"{BOXES}.filter((box) => box.tabIndex === 0).map((box) => box.offsetWidth * box.offsetHeight)")
    whole = page.value("document.getElementById('map').offsetWidth * document.getElementById('map').offsetHeight")
    assert page.value(NAMES) == ["app/, 701 kB, 71.3% wasted", "usr/, 90.0 kB, 0% wasted", "etc/, 40.0 kB, 100% wasted"]
    expected = [size / run.analysis.waste.content_bytes for size in (700_900, 90_000, 40_000)]
    assert [area / whole for area in areas] == pytest.approx(expected, abs=0.01)
    heights = "(lost) => lost.offsetHeight / lost.parentElement.offsetHeight"
    hatched = page.value(f"[...document.querySelectorAll('.box > div')].map({heights})")
    assert sorted(hatched) == pytest.approx([5 / 7, 1.0], abs=0.02)


def test_a_click_zooms_into_a_directory_and_escape_leads_back(page: Page, tmp_path: Path) -> None:
    show(page, gate_runs.ordinary(tmp_path), tmp_path)
    page.click("[aria-label^='usr/']")
    assert page.value(TRAIL) == "image/usr"
    assert page.value("document.querySelector('.box .name').textContent").startswith("lib/")
    page.press("Escape")
    assert page.value(TRAIL) == "image"


def test_the_browsers_own_way_back_works(page: Page, tmp_path: Path) -> None:
    show(page, gate_runs.ordinary(tmp_path), tmp_path)
    page.click("[aria-label^='usr/']")
    page.value("new Promise((done) => { addEventListener('hashchange', () => setTimeout(() => done(1))); history.back(); })")
    assert page.value(TRAIL) == "image"


def test_a_box_is_entered_from_the_keyboard(page: Page, tmp_path: Path) -> None:
    show(page, gate_runs.ordinary(tmp_path), tmp_path)
    page.value("document.querySelector(\"[aria-label^='app/']\").focus()")
    assert "701 kB, 84.4% of the image" in page.value("document.getElementById('told').textContent")
    page.press("Enter")
    assert page.value(TRAIL) == "image/app"


def test_it_is_divided_by_layer_on_demand(page: Page, tmp_path: Path) -> None:
    show(page, gate_runs.ordinary(tmp_path), tmp_path)
    page.click("[data-by=layer]")
    assert page.value(NAMES) == [
        "1  step 1 (base), 341 kB, 99.7% wasted",
        "2  step 2, 290 kB, 69.0% wasted",
        "3  step 3, 200 kB, 0% wasted",
    ]
    page.click("[aria-label^='2 ']")
    assert page.value(TRAIL) == "all layers/layer 2"
    assert page.value(NAMES) == ["app/, 200 kB, 100% wasted", "usr/, 90.0 kB, 0% wasted"]


@pytest.mark.parametrize(
    ("place", "trail"),
    [("#by=layer&layer=2&node=0", "all layers/layer 2"), ("#by=layer&layer=99&node=-5", "all layers"), ("#node=1e9", "image")],
)
def test_a_place_can_be_linked_to_and_one_that_is_not_there_is_the_start(
    page: Page, tmp_path: Path, place: str, trail: str
) -> None:
    show(page, gate_runs.ordinary(tmp_path), tmp_path, place=place)
    assert page.value(TRAIL) == trail
    assert page.trouble == []


def test_a_table_is_sorted_by_its_heads(page: Page, tmp_path: Path) -> None:
    show(page, gate_runs.ordinary(tmp_path), tmp_path)
    assert column(page, 0) == ["300 kB", "200 kB", "40.0 kB"]
    page.value("[...document.querySelectorAll('table')].at(-1).id = 'worst'")
    page.click("#worst th:nth-child(5) button")
    assert column(page, 4) == ["/app/big", "/app/big", "/etc/motd"]
    page.click("#worst th:nth-child(1) button")
    page.click("#worst th:nth-child(1) button")
    assert column(page, 0) == ["40.0 kB", "200 kB", "300 kB"]
    assert page.value("document.querySelector('#worst th').getAttribute('aria-sort')") == "ascending"


def test_without_a_script_the_tables_are_there_and_the_drawing_is_not(page: Page, tmp_path: Path) -> None:
    page.tell("Emulation.setScriptExecutionDisabled", value=True)
    show(page, gate_runs.ordinary(tmp_path), tmp_path)
    shown = page.tell("DOMSnapshot.captureSnapshot", computedStyles=["display"])
    texts = set(shown["strings"])
    assert "/app/big" in texts
    assert "Worst paths" in texts
    laid_out = {shown["strings"][text] for text in shown["documents"][0]["layout"]["text"] if text >= 0}
    assert "/app/big" in laid_out
    assert "Where the bytes are" not in laid_out


def test_it_is_dark_where_the_reader_wants_it_dark(page: Page, tmp_path: Path) -> None:
    show(page, gate_runs.ordinary(tmp_path), tmp_path)
    color = "getComputedStyle(document.body).backgroundColor"
    light = page.value(color)
    page.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert (light, page.value(color)) == ("rgb(244, 246, 248)", "rgb(18, 22, 27)")


def test_the_policy_stops_what_escaping_might_let_through(page: Page, tmp_path: Path) -> None:
    show(page, gate_runs.ordinary(tmp_path), tmp_path)
    page.value(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s);"
        " document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hacked = 2\">'); })()"
    )
    assert page.value("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')") == "refused"
    assert page.value("typeof window.hacked") == "undefined"
    assert any("Content Security Policy" in str(event) for event in page.trouble)


@pytest.mark.slow
def test_on_a_narrow_screen_nothing_sticks_out(page: Page, tmp_path: Path) -> None:
    page.tell("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    show(page, gate_runs.hostile(tmp_path), tmp_path)
    assert page.value("document.documentElement.scrollWidth") <= 390
