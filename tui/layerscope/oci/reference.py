"""Image references: `alpine` and `docker.io/library/alpine:latest` name the same tag (grammar: `distribution/reference`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from layerscope.text import nearest

DEFAULT_DOMAIN = "docker.io"
OFFICIAL = "library/"
DEFAULT_TAG = "latest"


def names_a_registry(name: str) -> bool:
    """Tell whether the part before the first slash is a host: it holds a `.` or a `:`, or is `localhost`."""
    domain, slash, _ = name.partition("/")
    return bool(slash) and ("." in domain or ":" in domain or domain == "localhost")


def is_like_a_host(name: str) -> bool:
    """Tell whether a name looks like a registry's, such as `ghcr.io` or `localhost:5000`, which Docker takes for an image's."""
    host = name.partition(":")[0]
    return "/" not in name and ("." in host or host == "localhost")


def normalize(name: str) -> str:
    """Return the full form of a name: with registry, Docker Hub's `library/`, and its tag or digest, else `latest`."""
    name, at, digest = name.partition("@")
    domain, _, path = name.partition("/")
    if not names_a_registry(name):
        domain, path = DEFAULT_DOMAIN, name
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = OFFICIAL + path
    if at:
        return f"{domain}/{_without_tag(path)}@{digest}"
    return f"{domain}/{path}" if tag_of(path) else f"{domain}/{path}:{DEFAULT_TAG}"


def familiar(name: str) -> str:
    """Return the short form that engines show: without `docker.io/` and `library/`, but with the tag."""
    for prefix in ("index.docker.io/", "docker.io/"):
        name = name.removeprefix(prefix)
    return name.removeprefix(OFFICIAL)


def tag_of(name: str) -> str:
    """Return the tag in a name (what follows a colon after the last slash), or an empty string."""
    return name.rpartition("/")[2].partition("@")[0].partition(":")[2]


def _without_tag(path: str) -> str:
    tag = tag_of(path)
    return path.removesuffix(":" + tag) if tag else path


def best_match(wanted: str, names: Iterable[str], *, is_tag_enough: bool = True) -> set[str]:
    """Return the names in `names` that `wanted` may mean, by the strictest way of matching that finds any.

    In this order: letter by letter; the same full form; the end of a full form (`app:1` for `localhost/app:1`); if
    `is_tag_enough`, a tag alone (`1` for `app:1`).
    """
    known = set(names)
    full = normalize(wanted)
    tail = "/" + (wanted if tag_of(wanted) or "@" in wanted else f"{wanted}:{DEFAULT_TAG}")
    readings = (
        {name for name in known if name == wanted},
        {name for name in known if normalize(name) == full},
        {name for name in known if normalize(name).endswith(tail)},
        {name for name in known if is_tag_enough and tag_of(name) == wanted},
    )
    return next(filter(None, readings), set())


def near_matches(wanted: str, names: Sequence[str]) -> list[str]:
    """Suggest at most three names that someone who typed `wanted` may have meant."""
    by_spelling = {spelling: name for name in names for spelling in _spellings(name)}
    close = nearest(wanted, by_spelling, most=6, likeness=0.5)
    return list(dict.fromkeys(by_spelling[spelling] for spelling in close))[:3]


def _spellings(name: str) -> tuple[str, ...]:
    short = familiar(name)
    return tag_of(name) or name, _without_tag(short), short.rpartition("/")[2], short, name
