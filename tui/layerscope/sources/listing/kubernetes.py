"""Images that a Kubernetes cluster runs, from `kubectl get pods -o json`, or from any list of objects with a pod's template."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from layerscope.errors import BadDocument
from layerscope.oci.reference import DEFAULT_TAG, tag_of
from layerscope.text import escape

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_DEEPEST = 12
"""How deep a pod's template may lie: in a CronJob's list, `items[].spec.jobTemplate.spec.template.spec`, it is 7."""


def images_of_cluster(raw: bytes, *, what: str) -> Counter[str]:
    """Return how many containers run each image, named as the pods name it, by digest where their status tells it.

    Raises BadDocument for what is no such list.
    """
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadDocument(f"{escape(what)} is not the JSON of kubectl get pods -o json: {escape(str(error))[:200]}") from error
    found: Counter[str] = Counter()
    _collect(document, found, _DEEPEST)
    if not found and not (isinstance(document, dict) and isinstance(document.get("items"), list)):
        raise BadDocument(f"{escape(what)} lists no pods: give it what kubectl get pods -A -o json prints")
    return found


def _collect(value: Any, found: Counter[str], depth: int) -> None:
    if not depth:
        return
    if isinstance(value, list):
        for each in value:
            _collect(each, found, depth - 1)
    elif isinstance(value, dict):
        spec, status = value.get("spec"), value.get("status")
        if isinstance(spec, dict):
            found.update(_named(spec, status if isinstance(status, dict) else {}))
        for key in ("items", "spec", "template", "jobTemplate"):
            _collect(value.get(key), found, depth - 1)


def _named(spec: dict[str, Any], status: dict[str, Any]) -> list[str]:
    """Return the images of one pod's containers; the status tells which image a tag meant when it was started."""
    running = {str(each.get("name")): each.get("imageID") for key in _STATUSES for each in _dicts(status.get(key))}
    stated = [each for key in _CONTAINERS for each in _dicts(spec.get(key))]
    names = [_exact(each.get("image"), running.get(str(each.get("name")))) for each in stated]
    return [name for name in names if name]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _exact(image: Any, image_id: Any) -> str:
    """Return an image's name with the digest of what runs, from an image id such as `docker-pullable://app@sha256:…`."""
    name = image if isinstance(image, str) else ""
    running = image_id.partition("://")[2] or image_id if isinstance(image_id, str) else ""
    _, at, digest = running.rpartition("@")
    if not (name and at):
        return name
    name = name.partition("@")[0]
    return f"{name}{'' if tag_of(name) else f':{DEFAULT_TAG}'}@{digest}"
