"""Copying files and directories of an image to disk by the rules of `cp -r`; ownership and devices are left out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from layerscope.analysis import Contents
from layerscope.errors import CannotWrite, CorruptLayer, WouldOverwrite
from layerscope.extraction.destination import Destination
from layerscope.extraction.selection import Selection, check_names, check_room
from layerscope.extraction.writing import SelectionWriter
from layerscope.layers.table import Kind
from layerscope.progress import Progress, ignore
from layerscope.text import escape
from layerscope.tree.lookup import noun_of
from layerscope.tree.tree import View


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was written: `files` counts all names except directories', `content_bytes` counts hard-linked content once.

    `devices` were left out; `notes` are sentences about what else is not as one might expect.
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


def _place(view: View, node: int, destination: Path) -> tuple[Path, bytes]:
    """Return the directory to write into, and the path in it of what is written."""
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
