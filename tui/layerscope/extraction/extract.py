"""Copying files and directories of an image to disk by the rules of `cp -r`; ownership and devices are left out."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from layerscope.analysis import Contents
from layerscope.errors import CannotWrite, CorruptLayer, WouldOverwrite
from layerscope.extraction.destination import NO_HARD_LINK, Destination
from layerscope.extraction.selection import Selection, check_names, check_room
from layerscope.layers.compression import PIECE
from layerscope.layers.content import HOLE, LayerContent
from layerscope.layers.table import Kind
from layerscope.progress import Progress, ignore
from layerscope.text import escape
from layerscope.tree.lookup import noun_of
from layerscope.tree.tree import View

CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was written: `files` counts all names except directories', `content_bytes` counts hard-linked content once.

    `devices` were left out; `notes` are sentences about anything else that the user may not expect.
    """

    files: int
    directories: int
    content_bytes: int
    devices: int
    notes: tuple[str, ...]


def extract(
    contents: Contents, view: View, node: int, destination: Path, *, overwrite: bool, progress: Progress = ignore
) -> Extracted:
    """Write the visible node `node` and everything below it to disk.

    It goes into `destination` where that is a directory, else it becomes `destination`; the content of `/` goes right into it.
    Links are written, never followed: neither the image's nor any that lies below `destination`. Permissions and times are the
    image's, but for setuid, setgid and sticky bits; owners are not. Directories that are there already stay as they are.

    Raises, before anything is written, WouldOverwrite (unless `overwrite`, which replaces anything but directories) and
    CannotWrite; later on CannotWrite (full disk, ...) and CorruptLayer, which say how much was written. No file is ever
    half there.
    """
    try:
        root, top = _place(view, node, destination)
        with Destination(root) as opened:
            selection = Selection.of(view, node, top)
            _check(selection, opened, overwrite=overwrite)
            return _write(SelectionWriter(contents, selection, opened, overwrite=overwrite), selection, opened, progress)
    except OSError as error:
        raise CannotWrite(f"{escape(os.fsencode(destination))}: {error.strerror or error}") from error


def extract_all(
    contents: Contents,
    parts: Sequence[tuple[View, int]],
    destination: Path,
    *,
    overwrite: bool,
    progress: Progress = ignore,
) -> Extracted:
    """Write nodes, each as it is in its view, as `extract` does; several go into the directory `destination`, made if need be.

    Raises what `extract` raises; CannotWrite, before anything is written, if two have one name or there is no such directory.
    """
    if len(parts) > 1:
        _make_room(parts, destination, overwrite=overwrite)
    total, done, found = sum(int(view.subtree_bytes[node]) for view, node in parts), 0, []
    for view, node in parts:
        before = done

        def so_far(stage: str, size: int, _size: int, before: int = before) -> None:
            progress(stage, before + size, total)

        found.append(extract(contents, view, node, destination, overwrite=overwrite, progress=so_far))
        done += found[-1].content_bytes
    return Extracted(
        sum(each.files for each in found),
        sum(each.directories for each in found),
        done,
        sum(each.devices for each in found),
        tuple(note for each in found for note in each.notes),
    )


def _make_room(parts: Sequence[tuple[View, int]], destination: Path, *, overwrite: bool) -> None:
    """Make the directory for several nodes, and check that there is room for each. Raises CannotWrite and WouldOverwrite."""
    names = [view.tree.nodes.name(node) for view, node in parts]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise CannotWrite(f"two of them are called {escape(twice)}, and one directory has room for one")
    try:
        destination.mkdir(exist_ok=True)
        with Destination(destination) as opened:
            for name, (view, node) in zip(names, parts, strict=True):
                _check(Selection.of(view, node, name), opened, overwrite=overwrite)
    except OSError as error:
        raise CannotWrite(f"{escape(os.fsencode(destination))} is needed as a directory: {error.strerror}") from error


def _place(view: View, node: int, destination: Path) -> tuple[Path, bytes]:
    """Return the directory to write into, and the path in it that `node` gets."""
    if destination.is_dir():
        return destination, view.tree.nodes.name(node)
    if not destination.parent.is_dir() or destination.name in ("", ".."):
        shown = escape(os.fsencode(destination))
        raise CannotWrite(f"{shown} cannot be created: {escape(os.fsencode(destination.parent))} is not a directory")
    return destination.parent, os.fsencode(destination.name)


def _check(selection: Selection, destination: Destination, *, overwrite: bool) -> None:
    if not selection.can_be_written(0):
        raise CannotWrite(_refusal(selection, 0))
    check_names(selection, destination.longest_name)
    check_room(selection, destination, overwrite=overwrite)


def _write(writer: SelectionWriter, selection: Selection, destination: Destination, progress: Progress) -> Extracted:
    """Run the writer; its errors say which path failed and how much was written."""
    written = writer.written
    try:
        writer.write(progress)
    except FileExistsError as error:
        raise WouldOverwrite(f"{destination.shown(written.at)} already exists{_so_far(writer)}") from error
    except OSError as error:
        raise CannotWrite(f"{destination.shown(written.at)}: {error.strerror or error}{_so_far(writer)}") from error
    except CorruptLayer as error:
        raise CorruptLayer(f"{error}{_so_far(writer)}") from error
    devices = len(selection.of_kind(Kind.CHAR, Kind.BLOCK))
    return Extracted(written.files, written.directories, written.content_bytes, devices, _notes(selection))


def _so_far(writer: SelectionWriter) -> str:
    return f"; {writer.written.files:,} of {writer.files:,} files were written"


def _refusal(selection: Selection, index: int) -> str:
    noun = noun_of(selection.view, int(selection.nodes[index]))
    why = " whose target no file system can hold" if selection.kind[index] == Kind.SYMLINK else ""
    return f"{selection.source(index)} cannot be extracted: it is {noun}{why}"


def _notes(selection: Selection) -> tuple[str, ...]:
    notes = [f"{_refusal(selection, index)}; it was left out" for index in selection.odd()]
    if selection.kind[0] == Kind.SYMLINK:
        link, target = selection.source(0), escape(selection.target(0))
        notes.append(f"{link} is a symlink to {target}: the link itself was extracted; {link}/ stands for its target")
    return tuple(notes)


@dataclass(slots=True)
class Written:
    """Progress of a writer: `files` counts all names except directories', `content_bytes` counts hard-linked content once."""

    files: int = 0
    directories: int = 0
    content_bytes: int = 0
    at: bytes = b""
    """The path that was being written last."""


class SelectionWriter:
    """Writes a selection that was checked; `files` is how many names there are to write, except directories'."""

    def __init__(self, contents: Contents, selection: Selection, destination: Destination, *, overwrite: bool) -> None:
        self.written = Written()
        self._contents, self._selection, self._destination = contents, selection, destination
        self._overwrite = overwrite
        self._made: list[int] = []
        self._others = [index for index in selection.of_kind(Kind.SYMLINK, Kind.FIFO) if selection.can_be_written(index)]
        self.files = len(self._others) + len(selection.of_kind(Kind.FILE))

    def write(self, progress: Progress) -> None:
        """Write everything. Raises OSError and CorruptLayer; files that are complete by then stay."""
        try:
            self._make_directories()
            for index in self._others:
                self._make_other(index)
            self._write_files(progress)
        finally:
            self._finish_directories()

    def _make_directories(self) -> None:
        for index in self._selection.of_kind(Kind.DIRECTORY):
            self.written.at = path = self._selection.path(index)
            if not self._destination.has_directory(path):
                self._destination.make_directory(path)
                self._made.append(index)
                self.written.directories += 1

    def _finish_directories(self) -> None:
        """Set the permissions and times of new directories, deepest first, after everything was written.

        A read-only directory accepts no files, and a new file changes its directory's time.
        """
        at = self.written.at
        for index in reversed(self._made):
            self.written.at = self._selection.path(index)
            self._dress(self._destination.directory(self.written.at), index)
        self.written.at = at

    def _dress(self, descriptor: int, index: int) -> None:
        mtime = self._selection.mtime(index)
        if mtime is not None:
            os.utime(descriptor, (mtime, mtime))
        os.fchmod(descriptor, self._selection.mode(index))

    def _make_other(self, index: int) -> None:
        mtime = self._selection.mtime(index) or 0
        with self._new(index) as (name, directory):
            if self._selection.kind[index] == Kind.SYMLINK:
                os.symlink(self._selection.target(index), name, dir_fd=directory)
            else:
                _make_fifo(name, self._selection.mode(index), directory)
            os.utime(name, (mtime, mtime), dir_fd=directory, follow_symlinks=False)

    def _write_files(self, progress: Progress) -> None:
        """Write files in the order in which their contents are stored, with all names of a content together."""
        files = np.array(self._selection.of_kind(Kind.FILE), np.int64)
        names = files[np.argsort(self._selection.shown[files], kind="stable")]
        entries, starts = np.unique(self._selection.shown[names], return_index=True)
        sizes = self._contents.tree.entries.size[entries]
        total = int(sizes.sum())
        reading = many_contents(self._contents, entries.tolist())
        bounds = pairwise([*starts.tolist(), len(names)])
        for (_, pieces), bound, size in zip(reading, bounds, sizes.tolist(), strict=True):
            self._write_content(pieces, *names[slice(*bound)].tolist())
            self.written.content_bytes += size
            progress("extracting", self.written.content_bytes, total)

    def _write_content(self, pieces: Iterator[bytes], index: int, *others: int) -> None:
        with self._new(index) as (name, directory):
            descriptor = os.open(name, CREATE, 0o600, dir_fd=directory)
            try:
                _fill(descriptor, pieces)
                self._dress(descriptor, index)
                for other in others:
                    self._add_name(name, directory, descriptor, other)
            finally:
                os.close(descriptor)

    def _add_name(self, name: bytes, directory: int, descriptor: int, index: int) -> None:
        """Give a file a further name by a hard link, or write a copy where the file system has none."""
        with self._new(index) as (new_name, new_directory):
            try:
                os.link(name, new_name, src_dir_fd=directory, dst_dir_fd=new_directory, follow_symlinks=False)
            except OSError as error:
                if error.errno not in NO_HARD_LINK:
                    raise
                self._copy(descriptor, new_name, new_directory, index)

    def _copy(self, source: int, name: bytes, directory: int, index: int) -> None:
        descriptor = os.open(name, CREATE, 0o600, dir_fd=directory)
        try:
            _fill(descriptor, _read(source))
            self._dress(descriptor, index)
        finally:
            os.close(descriptor)

    @contextmanager
    def _new(self, index: int) -> Iterator[tuple[bytes, int]]:
        self.written.at = path = self._selection.path(index)
        with self._destination.new(path, overwrite=self._overwrite) as made:
            yield made
            self.written.at = path
        self.written.files += 1


def _make_fifo(name: bytes, mode: int, directory: int) -> None:
    """Create a FIFO and set its full mode despite the umask, safely even if another process replaces it meanwhile.

    A FIFO cannot be opened without another end, and chmod by name follows links: only a path descriptor stands for it alone.
    """
    os.mkfifo(name, mode, dir_fd=directory)
    if os.chmod in os.supports_follow_symlinks:  # macOS
        os.chmod(name, mode, dir_fd=directory, follow_symlinks=False)
        return
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISFIFO(found.st_mode) or found.st_uid != os.geteuid():
            raise FileExistsError(errno.EEXIST, "another program put something in its place")
        if stat.S_IMODE(found.st_mode) != mode:
            Path(f"/proc/self/fd/{descriptor}").chmod(mode)
    finally:
        os.close(descriptor)


def _fill(descriptor: int, pieces: Iterable[bytes]) -> None:
    length, has_holes = 0, False
    for piece in pieces:
        length += len(piece)
        if piece is HOLE:
            os.lseek(descriptor, len(piece), os.SEEK_CUR)
            has_holes = True
            continue
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    if has_holes:
        os.ftruncate(descriptor, length)


def _read(descriptor: int) -> Iterator[bytes]:
    offset = 0
    while piece := os.pread(descriptor, PIECE, offset):
        yield HOLE if piece == HOLE else piece
        offset += len(piece)


def content_pieces(contents: Contents, entry: int) -> Iterator[bytes]:
    """Yield the content of a regular-file entry. Raises CorruptLayer, which names image, layer and path."""
    for _, pieces in many_contents(contents, [entry]):
        yield from pieces


def content_tail(contents: Contents, entry: int, start: int) -> Iterator[bytes]:
    """Yield the content of a regular-file entry from its byte `start` on. Raises CorruptLayer as `content_pieces` does."""
    tree = contents.tree
    layer = int(tree.entry_layer[entry])
    stretch = (
        entry - int(contents.stack.first[layer - 1]),
        int(tree.entries.content_offset[entry]),
        int(tree.entries.size[entry]),
    )
    return _named(contents, entry, _layer_content(contents, layer).tail(stretch, start))


def many_contents(contents: Contents, entries: Iterable[int]) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Yield each regular-file entry with its `content_pieces`; read these before asking for the next.

    In ascending order they are read in one pass a layer, for entries are numbered by layer, then by place in its tar.
    """
    tree = contents.tree
    for layer, group in groupby(entries, key=lambda entry: int(tree.entry_layer[entry])):
        content, first = _layer_content(contents, layer), contents.stack.first[layer - 1]
        wanted = ((entry - first, int(tree.entries.content_offset[entry]), int(tree.entries.size[entry])) for entry in group)
        for entry, pieces in content.many(wanted):
            yield first + entry, _named(contents, first + entry, pieces)


def _layer_content(contents: Contents, layer: int) -> LayerContent:
    content = contents.layers[layer - 1]
    if content is None:
        raise CorruptLayer(f"{escape(contents.image.reference)}: the bytes of layer {layer} are not there")
    return content


def _named(contents: Contents, entry: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except CorruptLayer as error:
        tree = contents.tree
        place = f"{escape(contents.image.reference)}: layer {tree.entry_layer[entry]}: /{escape(tree.entries.paths[entry])}"
        raise CorruptLayer(f"{place}: {error}") from error
