"""The directory of the cache: whose it is, how full it gets, and what happens when nothing can be written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from layerscope.cache import directory as files
from layerscope.cache.cache import DEFAULT_LIMIT, Cache
from layerscope.cache.directory import IdKind
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.table import Problem, Severity
from layerscope.oci.digest import Digest
from support.cached_layers import XXH3, digest, read_of
from support.commands import COMMAND, environment
from support.image_builder import file, image, layer

NOBODY = 65534


def names_in(read: ReadLayer | None) -> list[bytes] | None:
    return None if read is None else read.table.entries.paths.tolist()


def hours_ago(path: Path, hours: float) -> None:
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the cache will be."""
    return tmp_path / "a" / "layers"


@pytest.fixture
def cache(place: Path) -> Cache:
    return Cache.open(place)


def only_file(cache: Cache) -> Path:
    (kept,) = cache.entries()
    return cache.directory / kept.name


def test_what_is_kept_is_found(cache: Cache) -> None:
    cache.keep(digest(1), read_of("a"), IdKind.XXH3)
    assert names_in(cache.find(digest(1), XXH3, layer=1)) == [b"a"]
    assert cache.find(digest(2), XXH3, layer=1) is None


def test_a_layer_with_other_ids_is_another(cache: Cache) -> None:
    cache.keep(digest(1), read_of("a"), IdKind.CRC64)
    assert cache.find(digest(1), XXH3, layer=1) is None
    assert not cache.has(digest(1), XXH3)
    assert cache.has(digest(1), (IdKind.XXH3, IdKind.CRC64))
    assert names_in(cache.find(digest(1), (IdKind.XXH3, IdKind.CRC64), layer=1)) == [b"a"]


def test_opening_and_looking_make_no_directory(cache: Cache, place: Path) -> None:
    assert cache.find(digest(1), XXH3, layer=1) is None
    assert (cache.entries(), cache.clear(), cache.trouble) == ([], [], "")
    assert not place.parent.exists()


def test_files_and_directory_are_the_owners_alone(cache: Cache, place: Path) -> None:
    before = os.umask(0)
    try:
        cache.keep(digest(1), read_of("a"), IdKind.XXH3)
    finally:
        os.umask(before)
    assert place.stat().st_mode & 0o777 == 0o700
    assert only_file(cache).stat().st_mode & 0o777 == 0o600


def test_a_layer_with_entries_missing_is_not_kept(cache: Cache) -> None:
    read = read_of("a")
    problem = Problem(1, b"", "truncated", Severity.DAMAGE)
    table = type(read.table)(read.table.entries, problems=(problem,))
    cache.keep(digest(1), ReadLayer(table, read.compression), IdKind.XXH3)
    assert cache.entries() == []


@pytest.mark.parametrize("name", ["md5:00", "blake3:" + "0" * 64, "x:" + "0" * 500])
def test_digests_that_engines_do_not_check_are_not_kept_under(cache: Cache, name: str) -> None:
    cache.keep(Digest.parse(name), read_of("a"), IdKind.XXH3)
    assert cache.entries() == []
    assert cache.find(Digest.parse(name), XXH3, layer=1) is None


# Damage


def test_a_damaged_file_is_absent_and_removed(cache: Cache) -> None:
    cache.keep(digest(1), read_of("a"), IdKind.XXH3)
    kept = only_file(cache)
    kept.write_bytes(kept.read_bytes()[:-1])
    assert cache.find(digest(1), XXH3, layer=1) is None
    assert not kept.exists()


def test_a_file_of_another_version_is_left_to_it(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    from layerscope.cache import format as cache_format

    cache.keep(digest(1), read_of("a"), IdKind.XXH3)
    monkeypatch.setattr(cache_format, "FORMAT", cache_format.FORMAT + 1)
    assert cache.find(digest(1), XXH3, layer=1) is None
    assert len(cache.entries()) == 1
    cache.keep(digest(1), read_of("b"), IdKind.XXH3)
    assert names_in(cache.find(digest(1), XXH3, layer=1)) == [b"b"]


@pytest.mark.parametrize("what", ["symlink", "fifo", "directory"])
def test_what_is_no_plain_file_is_not_read(cache: Cache, tmp_path: Path, what: str) -> None:
    cache.keep(digest(1), read_of("a"), IdKind.XXH3)
    kept = only_file(cache)
    kept.rename(tmp_path / "elsewhere")
    if what == "symlink":
        kept.symlink_to(tmp_path / "elsewhere")
    elif what == "fifo":
        os.mkfifo(kept)
    else:
        kept.mkdir()
    assert cache.find(digest(1), XXH3, layer=1) is None


def test_a_file_that_others_can_write_is_not_read(cache: Cache) -> None:
    cache.keep(digest(1), read_of("a"), IdKind.XXH3)
    only_file(cache).chmod(0o620)
    assert cache.find(digest(1), XXH3, layer=1) is None


# Directories


def without_cache(place: Path) -> str:
    """Why there is none; nothing fails and nothing is written."""
    cache = Cache.open(place)
    before = sorted(place.iterdir()) if place.is_dir() else []
    cache.keep(digest(1), read_of("a"), IdKind.XXH3)
    assert cache.find(digest(1), XXH3, layer=1) is None
    assert not cache.has(digest(1), XXH3)
    assert (sorted(place.iterdir()) if place.is_dir() else []) == before
    return cache.trouble


def test_a_directory_that_others_can_write_is_not_used(place: Path) -> None:
    place.mkdir(parents=True)
    place.chmod(0o770)
    assert without_cache(place) == "others can write to it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
def test_a_directory_of_another_user_is_not_used(place: Path) -> None:
    place.mkdir(parents=True)
    os.chown(place, NOBODY, NOBODY)
    assert without_cache(place) == "it belongs to another user"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
def test_root_makes_no_directory_in_another_users_home(place: Path) -> None:
    place.parent.mkdir()
    os.chown(place.parent, NOBODY, NOBODY)
    assert without_cache(place) == f"{place.parent} belongs to another user"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_is_done_without(place: Path) -> None:
    place.mkdir(parents=True)
    place.chmod(0o500)
    assert without_cache(place) == "it cannot be written to"
    assert without_cache(place / "deeper") == f"{place} cannot be written to"


def test_a_file_in_the_place_of_the_directory_is_done_without(place: Path) -> None:
    place.parent.mkdir()
    place.write_bytes(b"mine")
    assert without_cache(place) == "it is not a directory"
    assert without_cache(place / "deeper") == "it cannot be accessed (Not a directory)"
    assert place.read_bytes() == b"mine"


def test_without_a_home_there_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert without_cache(Path("~/.cache/layerscope")) == "there is no home directory"
    assert not list(tmp_path.iterdir())


def test_a_symlink_to_a_directory_of_ones_own_is_followed(place: Path, tmp_path: Path) -> None:
    (tmp_path / "big disk").mkdir(mode=0o700)
    place.parent.mkdir()
    place.symlink_to(tmp_path / "big disk")
    Cache.open(place).keep(digest(1), read_of("a"), IdKind.XXH3)
    assert names_in(Cache.open(place).find(digest(1), XXH3, layer=1)) == [b"a"]
    assert place.is_symlink()


def test_the_environment_names_directory_and_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "named"))
    monkeypatch.setenv("LAYERSCOPE_CACHE_SIZE", "300MB")
    assert Cache.open() == Cache(tmp_path / "named", 300_000_000)
    monkeypatch.setenv("LAYERSCOPE_CACHE_SIZE", "300mb")
    assert Cache.open() == Cache(tmp_path / "named", 300_000_000)
    monkeypatch.setenv("LAYERSCOPE_CACHE_SIZE", "lots")
    assert Cache.open().trouble == "LAYERSCOPE_CACHE_SIZE is not a size such as 300MB"
    monkeypatch.delenv("LAYERSCOPE_CACHE")
    monkeypatch.delenv("LAYERSCOPE_CACHE_SIZE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache.open() == Cache(tmp_path / "layerscope" / "layers", DEFAULT_LIMIT)


# Room


def test_what_was_used_longest_ago_goes_first(place: Path) -> None:
    cache = Cache.open(place)
    for number in (1, 2, 3):
        cache.keep(digest(number), read_of("a"), IdKind.XXH3)
        hours_ago(place / cache.entries()[-1].name, 10 - number)
    assert cache.find(digest(1), XXH3, layer=1) is not None  # the oldest is used once more
    small = Cache.open(place, limit=sum(kept.size for kept in cache.entries()))
    small.keep(digest(4), read_of("a"), IdKind.XXH3)
    assert [number for number in (1, 2, 3, 4) if small.has(digest(number), XXH3)] == [1, 3, 4]


def test_use_is_noted_at_most_once_an_hour(cache: Cache) -> None:
    cache.keep(digest(1), read_of("a"), IdKind.XXH3)
    kept = only_file(cache)
    for hours, is_noted in ((0.9, False), (1.1, True)):
        hours_ago(kept, hours)
        before = kept.stat().st_mtime_ns
        cache.find(digest(1), XXH3, layer=1)
        assert (kept.stat().st_mtime_ns != before) is is_noted


def test_a_layer_larger_than_all_room_is_not_kept_and_takes_no_others_place(place: Path) -> None:
    Cache.open(place).keep(digest(1), read_of("a"), IdKind.XXH3)
    size = Cache.open(place).entries()[0].size
    small = Cache.open(place, limit=size)
    small.keep(digest(2), read_of(*(f"{number:0500}" for number in range(500))), IdKind.XXH3)
    assert small.has(digest(1), XXH3)
    assert not small.has(digest(2), XXH3)


def test_what_a_dead_process_left_goes_after_an_hour(cache: Cache, place: Path) -> None:
    place.mkdir(parents=True, mode=0o700)
    for name, age in ((".new-dead", 2.0), (".new-alive", 0.5)):
        (place / name).touch()
        hours_ago(place / name, age)
    cache.keep(digest(1), read_of("a"), IdKind.XXH3)
    assert sorted(path.name for path in place.iterdir() if path.name.startswith(".")) == [".new-alive"]


def test_clearing_removes_our_files_and_no_other(cache: Cache, place: Path) -> None:
    cache.keep(digest(1), read_of("a"), IdKind.XXH3)
    cache.keep(digest(2), read_of("a"), IdKind.CRC64)
    (place / ".new-0").touch()
    (place / "precious").touch()
    (place / "sha256-1.xxh3").touch()
    assert len(cache.clear()) == 2
    assert sorted(path.name for path in place.iterdir()) == ["precious", "sha256-1.xxh3"]


def test_a_write_that_is_stopped_leaves_nothing(cache: Cache, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(_self: Path, _target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        files.write(place, "name", b"data")
    assert list(place.iterdir()) == []


# Others at the same time

WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from layerscope.cache.cache import Cache
from layerscope.cache.directory import IdKind
from support.cached_layers import digest, read_of
cache, read = Cache.open(Path(sys.argv[2])), read_of(*sys.argv[3:])
for _ in range(300):
    cache.keep(digest(1), read, IdKind.XXH3)
"""


@pytest.mark.slow
def test_of_two_who_write_the_same_layer_one_wins_and_it_is_whole_at_any_time(place: Path) -> None:
    tables = [["a"] * 100, ["b"] * 1000]
    command = [sys.executable, "-c", WRITER, str(Path(__file__).parents[1]), str(place)]
    writers = [subprocess.Popen([*command, *names]) for names in tables]
    cache = Cache.open(place)
    seen = [names_in(cache.find(digest(1), XXH3, layer=1))]
    while any(writer.poll() is None for writer in writers):
        seen.append(names_in(cache.find(digest(1), XXH3, layer=1)))
    assert [writer.returncode for writer in writers] == [0, 0]
    seen = seen[next(number for number, names in enumerate(seen) if names) :]
    expected = [[name.encode() for name in names] for names in tables]
    assert all(names in expected for names in seen)
    assert [path.name for path in place.iterdir()] == [only_file(cache).name]


@pytest.mark.slow
def test_a_full_disk_costs_the_cache_and_nothing_else(tmp_path: Path) -> None:
    large = layer(*(f"{number}" for number in range(100)), file("a", os.urandom(400_000)))
    (tmp_path / "image.tar").write_bytes(image(large, compress="gzip", fmt="oci"))
    settings = {"LAYERSCOPE_CACHE": str(tmp_path / "layers"), "PYTHONDONTWRITEBYTECODE": "1"}

    def listed(limit: str) -> subprocess.CompletedProcess[bytes]:
        script = f'ulimit -f {limit}; exec "$@"'
        command = ["sh", "-c", script, "sh", *COMMAND, "ls", str(tmp_path / "image.tar")]
        return subprocess.run(command, capture_output=True, check=False, env=environment(settings))

    full = listed("1")
    assert (full.returncode, full.stderr) == (0, b"")
    assert list((tmp_path / "layers").iterdir()) == []
    whole = listed("unlimited")
    assert (whole.returncode, whole.stdout) == (0, full.stdout)
    assert len(list((tmp_path / "layers").iterdir())) == 1
