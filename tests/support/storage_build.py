"""An image with everything that a layer may hold, built by real engines: its base as a tar, and the steps on top of it."""

from __future__ import annotations

import tarfile
from pathlib import Path

from support.image_builder import Member, char, directory, fifo, file, hardlink, layer, symlink

LONG = "long-name/" * 25 + "file"
LATIN = "\xe9t\xe9.txt".encode("latin-1")
APPLETS = ("chmod", "chown", "cp", "ln", "ls", "mkdir", "mv", "rm", "rmdir", "sh", "sleep", "touch", "truncate")

STEPS = """
FROM scratch
ADD base.tar /
RUN rm /work/gone && rm -r /work/whole && mkdir /work/new && echo new > /work/new/file
RUN rm -rf /work/opaque && mkdir /work/opaque && echo again > /work/opaque/again
RUN rm /work/becomes-directory && mkdir /work/becomes-directory && echo inside > /work/becomes-directory/inside
RUN rm -r /work/becomes-file && echo file > /work/becomes-file
RUN chmod -R go-rwx /work/metadata
RUN mv /work/old-name /work/new-name && ln /work/new-name /work/linked && ln -s ../work/linked /work/pointer
ENV NOTHING=here
RUN truncate -s 3M /work/sparse && chmod 4755 /work/setuid && touch /work/empty
ADD more.tar /
""".strip()


def busybox_base(busybox: Path) -> bytes:
    """The tar of the base layer: a shell, and files for the steps to change."""
    shell = [file("bin/busybox", busybox.read_bytes(), mode=0o755)]
    shell += [symlink(f"bin/{applet}", "busybox") for applet in APPLETS]
    return layer(directory("bin"), *shell, directory("tmp", mode=0o1777), *_files()).tar()


def more() -> bytes:
    """A tar in GNU's format, with a sparse file as GNU tar writes it."""
    return layer(*_files(b"more"), hardlink("more/twin", "more/a")).tar(tarfile.GNU_FORMAT)


def _files(top: bytes = b"work") -> list[Member]:
    names = ["a", "gone", "whole/a", "whole/b", "opaque/one", "opaque/deep/two", "becomes-directory", "becomes-file/a"]
    names += ["metadata/one", "metadata/deep/two", "old-name", "setuid", "name with spaces", "na\xefve \u65e5\u672c.txt", LONG]
    files = [file(top + b"/" + name.encode(), b"content of " + name.encode() * 40, mtime=1_600_000_000) for name in names]
    return [
        directory(top, mode=0o775, uid=1000, gid=1001, mtime=1_500_000_000),
        *files,
        file(top + b"/" + LATIN, b"a name that is not UTF-8", uid=70_000, gid=3_000_000),
        file(top + b"/attributes", b"has some", xattrs={"user.note": b"kept", "security.capability": CAPABILITY}),
        hardlink(top + b"/second-name", top + b"/a"),
        symlink(top + b"/absolute", "/work/a"),
        symlink(top + b"/dangling", b"\xff/nowhere"),
        fifo(top + b"/pipe"),
        char(top + b"/null", device=(1, 3), mode=0o666),
        file(top + b"/nothing", b""),
    ]


CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
"""cap_net_bind_service+ep, as the kernel has it (`vfs_cap_data`, revision 2)."""


def context(top: Path, busybox: Path) -> Path:
    """A directory to build the image from."""
    (top / "base.tar").write_bytes(busybox_base(busybox))
    (top / "more.tar").write_bytes(more())
    (top / "Dockerfile").write_text(STEPS)
    return top
