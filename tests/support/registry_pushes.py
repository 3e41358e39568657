"""Ways to fill a registry: skopeo for what tools push, plain requests for what no tool writes; and its certificate."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import requires
from layerscope.sources.registry.credentials import Credential
from support.engines import registry
from support.sources_build import Layout

WORD = "a-test-password"
BCRYPT = "$2b$05$abcdefghijklmnopqrstuukvYklUfnuUBF63ESy2SqVoti7eMfK2C"
ECR_WORD = "123456789012-auth-token"
ECR_BCRYPT = "$2b$05$abcdefghijklmnopqrstuu/4ofrUS75HrKu6f.iuRo0I/XlrmpqlC"


@contextmanager
def with_passwords(directory: Path, **settings: Any) -> Iterator[str]:
    """A registry that only ann may read, with WORD, or AWS with what moto's ECR gives as a password."""
    (directory / "htpasswd").write_text(f"ann:{BCRYPT}\nAWS:{ECR_BCRYPT}\n")
    with registry(auth={"htpasswd": {"realm": "a test", "path": str(directory / "htpasswd")}}, **settings) as host:
        yield host


def skopeo_copy(*arguments: str | Path, who: Credential | None = None) -> None:
    """Have skopeo copy an image to a registry of this machine, without TLS or without looking at its certificate."""
    requires("skopeo")
    credentials = [f"--dest-creds={who.user}:{who.secret}"] if who else []
    command = ["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", *credentials, *arguments]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr


def own_certificate(directory: Path) -> None:
    """Write key.pem and cert.pem, which vouches for itself."""
    requires("openssl")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]
    command += ["-subj", "/CN=127.0.0.1", "-days", "1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-addext", "keyUsage=critical,keyCertSign,digitalSignature"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)


def put_layout(host: str, repository: str, layout: Layout, descriptor: dict[str, Any], reference: str) -> None:
    """Push a manifest or index with all that it leads to, byte for byte (distribution-spec, "Push")."""
    import requests

    start = f"http://{host}/v2/{repository}"
    content = layout.blobs[descriptor["digest"]]
    document = json.loads(content)
    for each in document.get("manifests", ()):
        put_layout(host, repository, layout, each, each["digest"])
    for each in (document["config"], *document["layers"]) if "config" in document else ():
        location = requests.post(f"{start}/blobs/uploads/", timeout=60).headers["Location"]
        ending = f"{'&' if '?' in location else '?'}digest={each['digest']}"
        requests.put(location + ending, data=layout.blobs[each["digest"]], timeout=60).raise_for_status()
    headers = {"Content-Type": descriptor["mediaType"]}
    requests.put(f"{start}/manifests/{reference}", data=content, headers=headers, timeout=60).raise_for_status()
