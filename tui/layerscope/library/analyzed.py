"""An image whose layers were read and merged, as programs ask it: figures, columns, files, the gate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from layerscope.analysis import Analysis
from layerscope.errors import NotFound, UsageError
from layerscope.extraction.extract import content_pieces
from layerscope.library.columns import Columns, entry_columns, text_of, waste_columns
from layerscope.library.facts import FileEntry, ImageSummary, Judgment, LayerSummary, WastedContent
from layerscope.report.image_json import image_fields, layer_fields
from layerscope.report.listings import Describer
from layerscope.text import escape
from layerscope.tree.lookup import content_entry, noun_of, resolve
from layerscope.tree.tree import View

Facts = TypeVar("Facts", ImageSummary, LayerSummary)
ImagePath = str | bytes
"""A path in an image; as bytes where it is not UTF-8."""


class AnalyzedImage:
    """An image whose layers were read: what is in it, and what it wastes. Several threads may ask it at once.

    `entries` and `waste` return columns, a dictionary of lists and numpy arrays of one length, for pandas.DataFrame or
    polars.DataFrame; all else is frozen. Paths are text; each byte that is not UTF-8 is `\\xNN` in it. Layers count from 1,
    base first.
    """

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._reading = Lock()

    def __repr__(self) -> str:
        image = self._analysis.image
        return f"<{type(self).__name__} {image.reference!r} {image.platform.name}>"

    @cached_property
    def image(self) -> ImageSummary:
        """Return the figures of the whole image."""
        return _facts(ImageSummary, image_fields(self._analysis))

    @cached_property
    def layers(self) -> tuple[LayerSummary, ...]:
        """Return the figures of each layer, base first."""
        base = self._analysis.base_layers
        return tuple(
            _facts(LayerSummary, each | {"is_base": None if base is None else each["number"] <= base})
            for each in layer_fields(self._analysis)
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is damaged or odd, a sentence each; `image.is_complete` tells whether all layers could be read."""
        from layerscope.wording.findings import problem_text

        return tuple(problem_text(self._analysis.image, problem) for problem in self._analysis.problems)

    def entries(self, *, layer: int | None = None) -> Columns:
        """Return all that a container sees after a layer, by default the last, a row for each path.

        `path`, `type`, `content_bytes`, `counted_bytes` (each content once, at its first hard link, so that sums are right),
        `mode`, `uid`, `gid`, `mtime`, `layer` (who wrote it), `change` (what this layer did: added, modified, unchanged) and
        `linkname`. A directory that no layer names has -1 from `mode` to `layer`.
        """
        return entry_columns(self._view(layer))

    def entry(self, path: ImagePath, *, layer: int | None = None) -> FileEntry:
        """Return what a path is after a layer; a symlink is not followed at its end. Raises NotFound, UsageError."""
        view = self._view(layer)
        node = resolve(view, os.fsencode(path), follow_last=False)
        found = Describer(view.tree).entry(int(view.entry[node]))
        return FileEntry(
            path=text_of(view.tree.nodes.paths[node]),
            type=found.type,
            content_bytes=found.size,
            mode=found.mode,
            uid=found.uid,
            gid=found.gid,
            mtime=found.mtime,
            layer=found.layer,
            linkname=text_of(found.link, root=b""),
        )

    def read(self, path: ImagePath, *, layer: int | None = None) -> bytes:
        """Return a file's bytes as they are after a layer, by default the last. Symlinks are followed inside the image.

        Raises NotFound, CorruptLayer, and UsageError for what is no file.
        """
        view = self._view(layer)
        node = resolve(view, os.fsencode(path), follow_last=True)
        entry = content_entry(view, node)
        if entry is None:
            raise UsageError(f"{escape(os.fsencode(path))} is {noun_of(view, node)}; only files can be read")
        with self._reading:
            return b"".join(content_pieces(self._analysis.contents, entry))

    def waste(self) -> Columns:
        """Return every wasted content, biggest first: `path`, `wasted_bytes`, `cause`, `written_by`, `buried_by`, `is_base`."""
        return waste_columns(self._analysis)

    def worst(self, count: int = 10) -> tuple[WastedContent, ...]:
        """Return the biggest wasted contents."""
        columns = {name: list(column[:count]) for name, column in self.waste().items()}
        return tuple(
            WastedContent(path, int(size), str(cause), int(written), int(buried), None if base is None else bool(base))
            for path, size, cause, written, buried, base in zip(*columns.values(), strict=True)
        )

    def judge(
        self,
        rules: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        *,
        baseline: AnalyzedImage | str | os.PathLike[str] | None = None,
        today: date | None = None,
    ) -> Judgment:
        """Judge the image as `layerscope ci` does: by a mapping like layerscope.toml, by such a file, or by the default rules.

        `baseline` is what rules of growth compare with: another image, or a file of `layerscope baseline`. Waivers expire by
        `today`. The environment and files that are not named state no rules. Raises BadSettings, NotAnImage.
        """
        from layerscope.library.judging import judged

        compared = baseline._analysis if isinstance(baseline, AnalyzedImage) else baseline
        named = rules if rules is None or isinstance(rules, Mapping) else Path(rules)
        return judged(self._analysis, named, compared, today)

    def _view(self, layer: int | None) -> View:
        count = self._analysis.tree.layers
        if not count:
            raise NotFound("the image has no layers")
        if layer is not None and not 1 <= layer <= count:
            raise UsageError(f"layer {layer}: the image has layers 1 to {count}")
        return self._analysis.tree.view(layer or count)


def _facts(kind: type[Facts], document: Mapping[str, Any]) -> Facts:
    """Return the fields of a part of the JSON report that the library promises, digests and the like as plain text."""
    named: dict[str, Any] = {field.name: document[field.name] for field in fields(kind)}
    named |= {name: str(value) for name, value in named.items() if isinstance(value, str)}
    return kind(**named)
