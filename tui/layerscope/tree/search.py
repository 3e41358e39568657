"""Finding nodes by glob or regular expression, over all paths that ever were."""

from __future__ import annotations

import re

from layerscope.errors import UsageError
from layerscope.tree.nodes import Nodes


def find_nodes(nodes: Nodes, pattern: str) -> list[int]:
    """The nodes, in tree order, whose path fits `pattern`; the root never does.

    `/regex/` is searched in the whole path, which starts with a slash. A glob with a slash must fit the whole path, one
    without it the last component: `*` and `?` stop at slashes, `**` does not, `[abc]` and `[!abc]` are sets. Raises
    UsageError for a bad pattern.
    """
    expression, is_regex = _regex_of(pattern)
    is_name = not is_regex and "/" not in pattern
    found = expression.search if is_regex else expression.fullmatch
    paths, starts = nodes.paths.tolist(), nodes.name_start.tolist()
    if is_name:
        return [node for node in range(1, len(paths)) if found(paths[node], starts[node])]
    return [node for node in range(1, len(paths)) if found(b"/" + paths[node])]


def _regex_of(pattern: str) -> tuple[re.Pattern[bytes], bool]:
    is_regex = len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/")
    raw = pattern.encode("utf-8", "surrogateescape")
    source = raw[1:-1] if is_regex else glob_regex(raw)
    try:
        return re.compile(source, re.DOTALL), is_regex
    except re.error as error:
        raise UsageError(f"the pattern {pattern!r} cannot be read: {error}") from error


def glob_regex(glob: bytes) -> bytes:
    """A glob as a regular expression over paths that start with a slash."""
    if b"/" in glob and not glob.startswith(b"/"):
        glob = b"/" + glob
    parts = re.split(rb"(/\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\])", glob)
    return b"".join(_glob_part(part) for part in parts)


def _glob_part(part: bytes) -> bytes:
    fixed = {b"/**/": rb"/(?:.*/)?", b"**": rb".*", b"*": rb"[^/]*", b"?": rb"[^/]"}
    if part in fixed:
        return fixed[part]
    if part.startswith(b"[") and part.endswith(b"]") and len(part) > 2:
        return b"[" + part[1:-1].replace(b"\\", b"\\\\").replace(b"!", b"^", part[1:2] == b"!") + b"]"
    return re.escape(part)
