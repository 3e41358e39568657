"""The built-in sample image, for `layerscope demo`: it needs no engine, no network and no file."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import BinaryIO

from layerscope.errors import CannotWrite
from layerscope.layers.blob import Blob
from layerscope.oci.digest import Digest
from layerscope.sources.demo_story import STORY, DemoMember
from layerscope.sources.documents.archive import Archive
from layerscope.sources.image import Image
from layerscope.sources.location import Location
from layerscope.sources.open import open_files

REFERENCE = "layerscope/demo:latest"
DEMO = "demo"
_START = 1_717_200_000
"""The build's clock: 2024-06-01, a minute a step."""


def open_demo() -> Image:
    """Open the sample image like any `docker save` archive. Raises CannotWrite without room for a temporary file of a few
    MB.
    """
    try:
        with tempfile.TemporaryFile(prefix="layerscope-") as file:
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
