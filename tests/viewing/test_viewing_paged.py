from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

import pytest

from layerscope.errors import Cancelled, CorruptLayer, never_cancelled
from layerscope.viewing.decoding import escaped_line
from layerscope.viewing.paged import HELD, ROW, STRETCH, PagedFile, PagedHex, PagedText, untold
from layerscope.viewing.paged_search import PagedSearch

LINES = [f"line {number} {'x' * (number % 90)}" for number in range(1, 40_001)]
LOG = "".join(line + "\n" for line in LINES).encode()
ENDLESS = 1 << 40


def pieces(content: bytes, start: int) -> Iterator[bytes]:
    for at in range(start, len(content), 100_000):
        yield content[at : at + 100_000]


def text(content: bytes, codec: str = "utf-8") -> PagedText:
    return PagedText(len(content), lambda start: pieces(content, start), codec=codec)


def rows(file: PagedFile) -> list[tuple[str, int, bool]]:
    """All rows, read like someone who pages down: text, number of the line, whether the line begins there."""
    found: list[tuple[str, int, bool]] = []
    row = 0
    while True:
        file.read_on(row, never_cancelled)
        if row >= file.count:
            return found
        file.load(range(row, row + 1), never_cancelled)
        held = file.rows(row)
        assert held is not None
        shown, place = held
        found += list(zip(shown.texts, shown.lines, shown.is_first, strict=True))[place:]
        row += len(shown.texts) - place


def search(file: PagedFile, wanted: str, told: Callable[[int], None] = untold) -> PagedSearch:
    pattern = re.compile(re.escape(wanted), 0 if wanted.lower() != wanted else re.IGNORECASE)
    return PagedSearch(file, wanted, pattern, never_cancelled, told)


def test_a_text_is_read_to_its_end_with_the_numbers_of_its_lines() -> None:
    assert rows(text(LOG)) == [(line, number, True) for number, line in enumerate(LINES, 1)]


@pytest.mark.parametrize("last", [b"", b"\n", b"\n\n", b"\r\n", b"end", b"\xc3"])
def test_no_more_is_read_than_was_asked_for_and_the_last_line_counts(last: bytes) -> None:
    file = text(LOG + last)
    file.read_on(0, never_cancelled)
    assert 0 < file.reach <= STRETCH
    assert not file.is_complete
    file.read_on(ENDLESS, never_cancelled)
    count = len((LOG + last).decode("utf-8", "replace").removesuffix("\n").split("\n"))
    assert (file.is_complete, file.count, file.lines) == (True, count, count)
    assert file.row_of_line(count) == count - 1
    file.load(range(file.count - 1, file.count), never_cancelled)
    held = file.rows(file.count - 1)
    assert held is not None
    assert held[0].lines[held[1]] == count


def test_a_line_of_many_megabytes_goes_on_in_further_rows_of_the_same_number() -> None:
    long = "äbc€" * 300_000
    found = rows(text(f"first\n{long}\nlast\n".encode()))
    assert "".join(row for row, line, _ in found if line == 2) == long
    assert [(row, line) for row, line, is_first in found if is_first and line != 2] == [("first", 1), ("last", 3)]
    assert sum(is_first for _, _, is_first in found) == 3
    assert max(len(row.encode()) for row, _, _ in found) <= ROW + 3


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("codec", ["utf-8", "latin-1", "utf-16-le", "utf-16-be"])
def test_rows_join_to_the_lines_whatever_the_bytes(seed: int, codec: str) -> None:
    chance = random.Random(seed)
    lines = ["".join(chance.choices("ab\té€", k=chance.choice([0, 3, ROW - 1, ROW, ROW + 1, 9000]))) for _ in range(90)]
    lines = [line.encode(codec, "replace").decode(codec) for line in lines]
    ended = chance.choice(["", "\n", "\r\n"])
    file = text(("\n".join(lines) + ended).encode(codec), codec)
    joined: dict[int, str] = {}
    for row, line, is_first in rows(file):
        joined[line] = "" if is_first else joined[line]
        joined[line] += row.replace(" ", "")
    assert list(joined.values()) == [escaped_line(line).replace(" ", "") for line in lines]


def test_few_stretches_are_held_and_a_row_is_loaded_again() -> None:
    file = text(LOG * 6)
    found = rows(file)
    assert len(file._held) == HELD < len(file._starts)
    assert file.rows(7) is None
    file.load(range(5, 9), never_cancelled)
    held = file.rows(7)
    assert held is not None
    assert held[0].texts[held[1]] == found[7][0]


def test_reading_on_can_be_stopped_and_goes_on_where_it_was() -> None:
    file, asked = text(LOG), iter([False, False, True])
    with pytest.raises(Cancelled):
        file.read_on(ENDLESS, lambda: next(asked, True))
    file.read_on(ENDLESS, never_cancelled)
    assert file.lines == len(LINES)


def test_a_content_that_ends_early_is_damage() -> None:
    file = PagedText(len(LOG) + 5, lambda start: pieces(LOG, start), codec="utf-8")
    with pytest.raises(CorruptLayer, match="ends 5 bytes early"):
        file.read_on(ENDLESS, never_cancelled)


def test_hex_knows_its_lines_at_once_and_begins_anywhere() -> None:
    content = bytes(range(256)) * 5000
    file = PagedHex(len(content), lambda start: pieces(content, start))
    assert file.count == 80_000
    file.load(range(79_999, 80_000), never_cancelled)
    held = file.rows(79_999)
    assert held is not None
    assert held[0].texts[held[1]].startswith("001387f0  f0 f1 f2")
    assert len(rows(file)) == 80_000


def test_a_search_goes_all_around_in_both_directions() -> None:
    file = text(LOG)
    assert search(file, "line 39999 ").forward(10) == 39_998
    assert search(file, "LINE 39999 ").forward(10) is None
    assert search(file, "line 12 ").forward(20_000) == 11
    assert search(file, "line 2").forward(2) == 19
    file = text(LOG)
    file.read_on(5000, never_cancelled)
    assert search(file, "line 12 ").backward(20) == 11
    assert search(file, "line 12 ").backward(11) == 11
    assert search(file, "line 3999").backward(3000) == 39_998
    told: list[int] = []
    assert search(file, "nowhere", told.append).forward(3000) is None
    assert told[-1] == len(LOG)
    assert search(file, "nowhere", told.append).backward(3000) is None
    assert told[-1] == len(LOG)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [(b"a\tb", "a       b"), (b"a\x1bb", "a\\x1bb"), ("Ärger".encode(), "ärger"), (b"\xffz", "\\xffz")],
)
def test_what_is_shown_is_found(content: bytes, wanted: str) -> None:
    assert search(text(LOG + content + b"\n" + LOG), wanted).forward(0) == 40_000


def test_a_match_across_rows_and_stretches_is_found() -> None:
    content = b"." * (STRETCH - 3) + b"needle" + b"." * STRETCH
    file = text(content)
    file.read_on(ENDLESS, never_cancelled)
    expected = (STRETCH - 3) // ROW
    assert search(file, "needle").forward(0) == expected
    assert search(file, "needle").backward(5) == expected
    blob = PagedHex(len(content), lambda start: pieces(content, start))
    assert search(blob, "needle").forward(0) == (STRETCH - 3) // 16
    assert search(blob, "6e 65 65 64").forward(0) == (STRETCH - 3) // 16
