"""A container's own layer from the directory that the kernel's overlayfs wrote it into."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import requires
from layerscope.errors import CorruptLayer
from layerscope.layers.readers.blob import ReadLayer
from layerscope.layers.readers.overlay.directory_content import DirectoryContent
from layerscope.layers.readers.overlay.reader import DirectoryReader
from layerscope.layers.readers.overlay.rooted import RootedDirectory
from layerscope.layers.readers.protocol import ReadOptions
from layerscope.layers.table import Kind, LayerTable
from layerscope.progress import ignore


class Mounted:
    """An overlay of one lower directory, in which a test changes what it likes before `read`."""

    def __init__(self, top: Path) -> None:
        self.lower, self.upper, self.merged = top / "lower", top / "upper", top / "merged"

    def read(self) -> ReadLayer:
        return self.reader.read(ReadOptions(), layer=2, on_bytes=ignore)

    @property
    def table(self) -> LayerTable:
        return self.read().table

    @property
    def reader(self) -> DirectoryReader:
        return DirectoryReader(self.upper, (self.lower,))

    def content(self, path: bytes) -> bytes:
        """A file's bytes, as they are read from the upper directory."""
        read = self.read()
        row = read.table.entries.paths.tolist().index(path)
        return b"".join(self.reader.content(read).pieces(row, 0, int(read.table.entries.size[row])))


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Mounted]:
    with mounted(tmp_path, "redirect_dir=off", "metacopy=off") as own:
        yield own


@contextmanager
def mounted(top: Path, *options: str) -> Iterator[Mounted]:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    requires("mount")
    own = Mounted(top)
    for directory in (own.lower, own.upper, own.merged, top / "work"):
        directory.mkdir()
    (own.lower / "d/deep").mkdir(parents=True)
    (own.lower / "d/deep/one").write_bytes(b"one")
    (own.lower / "file").write_bytes(b"of the lower layer" * 100)
    places = (f"lowerdir={own.lower}", f"upperdir={own.upper}", f"workdir={top}/work")
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", ",".join((*places, *options)), own.merged], check=True)
    try:
        yield own
    finally:
        subprocess.run(["umount", own.merged], check=True)


def test_nothing_was_written(overlay: Mounted) -> None:
    assert (len(overlay.table.entries), overlay.table.unpacked_bytes) == (0, 1024)


def test_files_links_and_devices_are_entries_as_in_a_tar(overlay: Mounted) -> None:
    os.mkfifo(overlay.merged / "pipe", 0o640)
    os.mknod(overlay.merged / "null", 0o20666, os.makedev(1, 3))
    (overlay.merged / "new").write_bytes(b"x" * 700)
    os.link(overlay.merged / "new", overlay.merged / "twin")
    (overlay.merged / "link").symlink_to(b"\xff/nowhere".decode("utf-8", "surrogateescape"))
    os.chown(overlay.merged / "new", 5, 3_000_000)
    os.utime(overlay.merged / "new", (1, 1_600_000_000))
    entries = overlay.table.entries
    assert entries.paths.tolist() == [b"link", b"new", b"null", b"pipe", b"twin"]
    assert entries.kind.tolist() == [Kind.SYMLINK, Kind.FILE, Kind.CHAR, Kind.FIFO, Kind.HARDLINK]
    assert entries.links.tolist() == [b"\xff/nowhere", b"", b"", b"", b"new"]
    assert entries.size.tolist() == [0, 700, 0, 0, 0]
    assert (entries.uid[1], entries.gid[1], entries.mtime[1]) == (5, 3_000_000, 1_600_000_000)


def test_extended_attributes_of_files_are_kept_and_those_of_overlayfs_are_not(overlay: Mounted) -> None:
    (overlay.merged / "d/deep/two").touch()
    os.setxattr(overlay.merged / "d/deep/two", "user.note", b"kept")
    assert any(name.startswith("trusted.overlay.") for name in os.listxattr(overlay.upper / "d"))
    assert list(overlay.table.xattrs.values()) == [{b"user.note": b"kept"}]


def test_a_file_whose_mode_alone_changed_has_its_bytes_in_the_layer_below(tmp_path: Path) -> None:
    with mounted(tmp_path, "metacopy=on", "redirect_dir=on") as own:
        (own.merged / "file").chmod(0o600)
        (own.merged / "d/deep/one").rename(own.merged / "d/deep/moved")
        (own.merged / "d/deep/moved").rename(own.merged / "d/far")
        assert own.table.entries.mode[own.table.entries.paths.tolist().index(b"file")] == 0o600
        assert own.content(b"file") == b"of the lower layer" * 100
        assert own.content(b"d/far") == b"one"
        with pytest.raises(CorruptLayer, match=r"in a lower layer \(overlayfs metacopy\), not in this one"):
            b"".join(DirectoryReader(own.upper).content(own.read()).pieces(row_of(own, b"file"), 0, 1800))


def row_of(own: Mounted, path: bytes) -> int:
    return own.table.entries.paths.tolist().index(path)


def test_a_directory_that_was_renamed_without_its_files_is_told(tmp_path: Path) -> None:
    with mounted(tmp_path, "redirect_dir=on") as own:
        (own.merged / "d").rename(own.merged / "renamed")
        (problem,) = own.table.problems
    assert (problem.path, problem.is_fatal) == (b"renamed", True)
    assert problem.text == "a directory that was renamed from d; what the layers below have in it is not shown"


@pytest.mark.parametrize("name", ["user.overlay.opaque", "user.fuseoverlayfs.opaque"])
def test_rootless_engines_mark_opaque_directories_by_attributes_of_users(tmp_path: Path, name: str) -> None:
    (tmp_path / "d").mkdir()
    os.setxattr(tmp_path / "d", name, b"y")
    table = DirectoryReader(tmp_path).read(ReadOptions(), layer=1, on_bytes=ignore).table
    assert (table.opaques, table.xattrs) == ((b"d",), {})


def test_markers_by_name_are_markers(tmp_path: Path) -> None:
    """fuse-overlayfs writes them where it may make no devices."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/.wh.gone").touch()
    (tmp_path / "d/.wh..wh..opq").touch()
    table = DirectoryReader(tmp_path).read(ReadOptions(), layer=1, on_bytes=ignore).table
    assert (table.whiteouts, table.opaques, table.entries.paths.tolist()) == ((b"d/gone",), (b"d",), [b"d"])


def test_a_directory_that_may_not_be_read_is_a_problem(overlay: Mounted, tmp_path: Path) -> None:
    (overlay.merged / "secret").mkdir(0o700)
    (overlay.merged / "secret/inside").touch()
    with as_nobody(tmp_path):
        (problem,) = overlay.table.problems
    assert (problem.path, problem.is_fatal) == (b"secret", True)
    assert problem.text == "a directory that cannot be read: Permission denied"


def test_a_directory_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    (problem,) = DirectoryReader(tmp_path / "none").read(ReadOptions(), layer=1, on_bytes=ignore).table.problems
    assert problem.text == f"the container's directory {tmp_path}/none cannot be read: No such file or directory"


@contextmanager
def as_nobody(top: Path) -> Iterator[None]:
    for directory in (top, *top.parents):
        if not directory.stat().st_mode & 0o001:
            directory.chmod(0o755)
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_a_file_that_grew_since_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"short")
    reader = DirectoryReader(tmp_path)
    read = reader.read(ReadOptions(), layer=1, on_bytes=ignore)
    (tmp_path / "log").write_bytes(b"longer")
    with pytest.raises(CorruptLayer, match="log: the engine keeps 6 bytes of it where the layer says 5"):
        reader.content(read).digest(0, 0, 5)


def test_a_file_that_became_something_else_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    reader = DirectoryReader(tmp_path)
    content = reader.content(reader.read(ReadOptions(), layer=1, on_bytes=ignore))
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")
    with pytest.raises(CorruptLayer, match="something else is in its place"):
        content.digest(0, 0, 5)
    (tmp_path / "file").unlink()
    (tmp_path / "file").symlink_to("/etc/passwd")
    with pytest.raises(CorruptLayer, match="something else is in its place"):
        content.digest(0, 0, 5)


@pytest.mark.parametrize("target", ["/etc", "../../../etc", "../..", "loop"])
def test_no_link_leads_out_of_the_directory(tmp_path: Path, target: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "loop").symlink_to(target)
    (tmp_path / "passwd").touch()
    with RootedDirectory(root) as below, pytest.raises(OSError, match=r"No such file|Too many levels"):
        below.file(b"loop/passwd")


@pytest.mark.parametrize("target", ["/real", "../x/../real", "./real//"])
def test_a_link_among_the_parents_leads_where_it_would_if_the_directory_were_the_root(tmp_path: Path, target: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_bytes(b"here")
    (tmp_path / "x").mkdir()
    (tmp_path / "link").symlink_to(target)
    with RootedDirectory(tmp_path) as below, os.fdopen(below.file(b"link/file"), "rb") as file:
        assert file.read() == b"here"


def test_many_contents_leave_few_directories_open(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}/file").write_bytes(b"%d" % number)
    reader = DirectoryReader(tmp_path)
    content = reader.content(reader.read(ReadOptions(), layer=1, on_bytes=ignore))
    paths = content.paths.tolist()
    files = [(row, 0, len(path.split(b"/")[0])) for row, path in enumerate(paths) if path.endswith(b"/file")]
    before = len(list(Path("/proc/self/fd").iterdir()))
    found = {paths[row]: b"".join(pieces) for row, pieces in content.many(files)}
    assert found == {path: path.split(b"/")[0] for path in paths if path.endswith(b"/file")}
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_digests_of_files_are_those_of_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"same")
    (tmp_path / "b").write_bytes(b"same")
    reader = DirectoryReader(tmp_path)
    content: DirectoryContent = reader.content(reader.read(ReadOptions(), layer=1, on_bytes=ignore))
    one, other = content.digests([(0, 0, 4), (1, 0, 4)])
    assert one == other
