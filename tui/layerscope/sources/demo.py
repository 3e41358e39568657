"""The built-in sample image, for `layerscope demo`: ten layers that make common mistakes. It needs no engine, no network
and no file.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from layerscope.errors import CannotWrite
from layerscope.layers.blob import Blob
from layerscope.oci.digest import Digest
from layerscope.sources.documents.files import Archive
from layerscope.sources.image import Image
from layerscope.sources.location import Location
from layerscope.sources.open import open_files
from layerscope.unnamed import unnamed_file

REFERENCE = "layerscope/demo:latest"
DEMO = "demo"
_START = 1_717_200_000
"""When the first step of the sample's build ran, in Unix seconds (2024-06-01); each later step ran a minute after."""
APP_USER = 1000
_PHRASES = (
    "every byte has a place",
    "some bytes have two of them",
    "what a later layer hides is pulled all the same",
    "nobody can reach it any more",
    "so look for it",
    "layer by layer",
    "and write it down",
)
PACKAGES = ("base-files", "bash", "coreutils", "libc6", "perl-base", "tzdata")
STATUS = "var/lib/dpkg/status"
ENV_FILE = "srv/app/.env"
APP_DIRECTORIES = ("srv/app", "srv/app/models", "srv/app/static", "srv/app/tests")


def open_demo() -> Image:
    """Open the sample image like any `docker save` archive. Raises CannotWrite without room for a temporary file of a few
    MB.
    """
    try:
        with unnamed_file() as file:
            write_demo(file)
            file.flush()
            blob = Blob.of_open_file(file)
    except OSError as error:
        raise CannotWrite(f"the sample image cannot be written to the temporary directory: {error.strerror}") from error
    return open_files(Archive.of(DEMO, blob), Location(DEMO, Path(DEMO)), reference=DEMO, platform=None)


def write_demo(file: BinaryIO) -> None:
    """Write the sample image as a `docker save` archive; the same bytes every time."""
    layers = [_tar(step.items, _time(number)) for number, step in enumerate(STORY) if step.items]
    config = _json(_config([Digest.of(layer) for layer in layers]))
    config_name = f"{Digest.of(config).encoded}.json"
    names = [f"{Digest.of(layer).encoded}/layer.tar" for layer in layers]
    manifest = _json([{"Config": config_name, "RepoTags": [REFERENCE], "Layers": names}])
    members = [*zip(names, layers, strict=True), (config_name, config), ("manifest.json", manifest)]
    file.write(_tar(tuple(DemoMember(name, content) for name, content in members), _time(len(STORY))))


def _tar(items: tuple[DemoMember, ...], mtime: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for item in items:
            tar.addfile(_header(item, mtime), io.BytesIO(item.content))
    return buffer.getvalue()


def _header(item: DemoMember, mtime: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(item.path)
    header.type, header.linkname = item.flag, item.target
    header.mode, header.uid, header.gid = item.mode, item.owner, item.owner
    header.size, header.mtime = len(item.content), mtime
    return header


def _config(diff_ids: list[Digest]) -> dict[str, object]:
    history = [
        {"created": _date(number), "created_by": step.created_by} | ({} if step.items else {"empty_layer": True})
        for number, step in enumerate(STORY)
    ]
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": _date(len(STORY) - 1),
        "config": {
            "User": "app",
            "Env": ["PATH=/usr/bin", "PYTHONUNBUFFERED=1"],
            "Cmd": ["python3", "/srv/app/main.py"],
            "ExposedPorts": {"8000/tcp": {}},
            "Labels": {"org.opencontainers.image.title": "layerscope's sample image"},
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    }


def _time(step: int) -> int:
    return _START + 60 * step


def _date(step: int) -> str:
    return f"2024-06-01T00:{step:02}:00Z"


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class DemoMember:
    """One member of a tar: `flag` is its type as in tarfile, `owner` its uid and gid, `target` where a link leads."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    owner: int = 0
    flag: bytes = tarfile.REGTYPE
    target: str = ""


@dataclass(frozen=True, slots=True)
class DemoStep:
    """One step of the sample's build and the tar members (`items`) of its layer; a step without items makes no layer."""

    created_by: str
    items: tuple[DemoMember, ...] = ()


def noise(path: str, size: int) -> bytes:
    """Return `size` bytes that do not compress, like a program's, and are the same on every run."""
    return hashlib.shake_128(path.encode()).digest(size)


def prose(path: str, size: int) -> bytes:
    """Return `size` bytes of text that compresses as well as English does."""
    numbers = hashlib.shake_128(path.encode()).digest(size // 14)  # the shortest phrase, and a line's end
    return "\n".join(_PHRASES[number % len(_PHRASES)] for number in numbers).encode()[: size - 1] + b"\n"


def directories(*paths: str, owner: int = 0) -> tuple[DemoMember, ...]:
    """Return members for directories, to be put before their contents."""
    return tuple(DemoMember(path, mode=0o755, owner=owner, flag=tarfile.DIRTYPE) for path in paths)


def link(path: str, target: str, flag: bytes = tarfile.SYMTYPE) -> DemoMember:
    """Return a member for a symbolic link, or for a hard link."""
    return DemoMember(path, mode=0o777 if flag == tarfile.SYMTYPE else 0o755, flag=flag, target=target)


def program(path: str, size: int) -> DemoMember:
    return DemoMember(path, noise(path, size), mode=0o755)


def whiteout(path: str) -> DemoMember:
    """Return the whiteout member that removes `path`."""
    parent, _, name = path.rpartition("/")
    return DemoMember(f"{parent}/.wh.{name}")


FONT = DemoMember("usr/share/fonts/DejaVuSans.ttf", noise("DejaVuSans", 260_000))
LISTS = tuple(
    DemoMember(f"var/lib/apt/lists/deb.debian.org_debian_dists_{name}_Packages", prose(name, size))
    for name, size in (("bookworm_main_binary-amd64", 700_000), ("bookworm-updates_main_binary-amd64", 40_000))
)
MODEL = noise("model", 640_000)
SETTINGS = DemoMember("srv/app/settings.py", b"DEBUG = True\n" + prose("settings", 2_400))
APP = (
    DemoMember("srv/app/main.py", prose("main", 9_000)),
    SETTINGS,
    DemoMember(ENV_FILE, b"DATABASE_PASSWORD=correct-horse-battery-staple\n", mode=0o600),
    DemoMember("srv/app/models/words.bin", MODEL),
    DemoMember("srv/app/static/app.js", prose("app.js", 310_000)),
    DemoMember("srv/app/static/app.js.map", prose("app.js.map", 420_000)),
    DemoMember("srv/app/static/logo.png", noise("logo", 48_000)),
    DemoMember("srv/app/tests/fixture.sql", prose("fixture", 90_000)),
)

BASE = (
    *directories("etc", "srv", "tmp", "usr", "usr/bin", "usr/lib", "usr/share", "usr/share/doc", "usr/share/fonts"),
    *directories("var", "var/cache", "var/lib", "var/lib/apt", "var/lib/apt/lists", "var/lib/dpkg", "var/log"),
    link("bin", "usr/bin"),
    link("lib", "usr/lib"),
    DemoMember("etc/os-release", b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'),
    DemoMember("etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n"),
    program("usr/bin/bash", 320_000),
    program("usr/bin/perl", 380_000),
    link("usr/bin/perl5.36.0", "usr/bin/perl", tarfile.LNKTYPE),
    program("usr/bin/gzip", 60_000),
    link("usr/bin/gunzip", "usr/bin/gzip", tarfile.LNKTYPE),
    link("usr/bin/zcat", "usr/bin/gzip", tarfile.LNKTYPE),
    link("usr/bin/sh", "bash"),
    program("usr/lib/libc.so.6", 540_000),
    FONT,
    *(DemoMember(f"usr/share/doc/{name}/copyright", prose(name, 6_000)) for name in PACKAGES),
    DemoMember(STATUS, prose("status", 84_000)),
)
INSTALL = (
    *LISTS,
    program("usr/bin/python3.11", 610_000),
    link("usr/bin/python3", "python3.11"),
    *(
        DemoMember(f"usr/lib/python3.11/{name}.py", prose(name, 24_000))
        for name in ("argparse", "json", "logging", "ssl", "typing")
    ),
    DemoMember(STATUS, prose("status", 84_000) + prose("python", 6_000)),
    DemoMember("var/log/dpkg.log", prose("dpkg.log", 18_000)),
)
REBUILT = (
    *directories("srv/app/static", owner=APP_USER),
    DemoMember("srv/app/static/.wh..wh..opq"),
    DemoMember("srv/app/static/app.min.js", prose("app.min.js", 120_000), owner=APP_USER),
    DemoMember("srv/app/static/logo.png", noise("logo", 48_000), owner=APP_USER),
)

STORY = (
    DemoStep("/bin/sh -c #(nop) ADD file:1d256392c85df0dbd53ad4e1e6c6f4ee in / ", BASE),
    DemoStep('/bin/sh -c #(nop)  CMD ["bash"]'),
    DemoStep("RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends python3 # buildkit", INSTALL),
    DemoStep("RUN /bin/sh -c rm -rf /var/lib/apt/lists/* # buildkit", tuple(whiteout(item.path) for item in LISTS)),
    DemoStep("ENV PYTHONUNBUFFERED=1"),
    DemoStep("COPY . /srv/app # buildkit", (*directories(*APP_DIRECTORIES), *APP)),
    DemoStep(
        "RUN /bin/sh -c useradd app && chown -R app:app /srv/app # buildkit",
        (
            DemoMember("etc/passwd", b"root:x:0:0:root:/root:/bin/bash\napp:x:1000:1000::/srv/app:/bin/sh\n"),
            *directories(*APP_DIRECTORIES, owner=APP_USER),
            *(replace(item, owner=APP_USER) for item in APP),
        ),
    ),
    DemoStep("RUN /bin/sh -c rm /srv/app/.env # buildkit", (whiteout(ENV_FILE),)),
    DemoStep(
        "RUN /bin/sh -c sed -i s/True/False/ /srv/app/settings.py # buildkit",
        (replace(SETTINGS, content=SETTINGS.content.replace(b"True", b"False"), owner=APP_USER),),
    ),
    DemoStep(
        "RUN /bin/sh -c mv /srv/app/models /var/lib/models # buildkit",
        (
            whiteout("srv/app/models"),
            *directories("var/lib/models", owner=APP_USER),
            DemoMember("var/lib/models/words.bin", MODEL, owner=APP_USER),
        ),
    ),
    DemoStep("RUN /bin/sh -c rm -rf /srv/app/static && make static # buildkit", REBUILT),
    DemoStep(
        "COPY fonts /srv/app/fonts # buildkit",
        (*directories("srv/app/fonts"), replace(FONT, path="srv/app/fonts/DejaVuSans.ttf")),
    ),
    DemoStep("USER app"),
    DemoStep("EXPOSE map[8000/tcp:{}]"),
    DemoStep('CMD ["python3" "/srv/app/main.py"]'),
)
