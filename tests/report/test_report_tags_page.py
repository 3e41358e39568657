"""The page of a repository's tags in a real Chromium: what it draws, in light and dark, and that it asks for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import requires
from layerscope.families.tag_series import TagSeries
from layerscope.report.tag_page import tag_page
from layerscope.report.tag_sizes import TagReport
from support.browser import Browser, Page, running_browser
from support.tagged_images import Built, growing, sized

pytestmark = pytest.mark.slow

HEIGHTS = "[...document.querySelectorAll('.chart rect.{}')].map((rect) => rect.getBoundingClientRect().height)"
HOSTILE = "</title><script>document.title = 'taken'</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    requires("chromium")
    with running_browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def shown(browser: Browser, directory: Path, *built: Built) -> Page:
    page, path = browser.page(), directory / "sizes.html"
    path.write_bytes(tag_page(TagReport("registry.example.com/team/app", TagSeries.of(sized(built or growing())))))
    page.open(path)
    page.settle()
    return page


def test_it_asks_for_nothing_and_logs_nothing(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path)
    assert page.trouble == []
    assert [url for url in page.requests if not url.startswith("data:")] == [(tmp_path / "sizes.html").as_uri()]


def test_heights_are_bytes(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path)
    own, base = (page.value(HEIGHTS.format(part)) for part in ("own", "base"))
    largest = own[3] + base[3]
    assert [round((mine + theirs) / largest, 2) for mine, theirs in zip(own, base, strict=True)] == [
        round(size / 1512, 2) for size in (952, 954, 1482, 1512, 1103, 1103)
    ]
    assert [round(theirs / largest, 2) for theirs in base] == [round(600 / 1512, 2)] * 6


def test_the_two_parts_have_colors_of_their_own(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path)
    color = "getComputedStyle(document.querySelector('.chart rect.{}')).fill"
    colors = {page.value(color.format(part)) for part in ("own", "base")}
    assert len(colors) == 2
    assert "rgb(0, 0, 0)" not in colors


def test_many_tags_are_scrolled_within_the_page(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, *(Built(f"1.{number}", f"a 40 b{number} {number + 1}") for number in range(300)))
    assert page.value("document.querySelectorAll('.chart g').length") == 300
    assert page.value("document.documentElement.scrollWidth <= innerWidth")
    assert page.value("document.querySelector('.scroll').scrollWidth > document.querySelector('.scroll').clientWidth")


def test_a_name_is_never_more_than_text(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, Built(HOSTILE, "a 1"), Built("2", "a 1 b 2"))
    assert page.trouble == []
    assert page.value("document.querySelectorAll('script, img').length") == 0
    assert page.value("document.title") == "registry.example.com/team/app: size over time · layerscope"
