"""`layerscope slim --push`: the smaller image goes to a registry once it is proved, and is tagged there last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from layerscope.cli.options import chosen_engine_options, say_on_stderr
from layerscope.cli.output import Progress

if TYPE_CHECKING:
    from layerscope.slim.plan import Plan
    from layerscope.slim.push import Pushed
    from layerscope.slim.write import Slimmed
    from layerscope.sources.image import Image
    from layerscope.sources.registry.registry_name import RegistryName


class SlimPush:
    """What `--push` asks for: to push to `text`, and, if `is_forced`, to replace there what is not replaced unasked.

    `tag` is that of `--tag` where it names nothing else. Raises UsageError, NotFound, WouldOverwrite.
    """

    def __init__(self, text: str, reference: str, *, tag: str | None, is_forced: bool) -> None:
        from layerscope.errors import UsageError, WouldOverwrite
        from layerscope.sources.registry.upload import RepositoryWriter
        from layerscope.text import escape

        if tag:
            raise UsageError(f"--tag names what -o and --load make; name where to push whole: --push {escape(text)[:200]}:TAG")
        self._name, self._is_forced = _target(text), is_forced
        if _is_of(reference, self._name) and not is_forced:
            raise WouldOverwrite(
                f"--push {escape(text)} would replace the image itself by the smaller one; name another tag, or give --force"
            )
        self._writer = RepositoryWriter.of(self._name, chosen_engine_options())

    def look(self, plan: Plan) -> Pushed:
        """Tell what the push would do; nothing is written. Raises WouldOverwrite as `check` does."""
        from layerscope.slim.push import look_before_push

        with Progress() as progress:
            progress("asking what is there", 0, 0)
            self._spare(plan.analysis.image)
            return look_before_push(plan, self._writer)

    def check(self, image: Image) -> None:
        """Raise, before all the work, AccessDenied to who may not push, and WouldOverwrite for a tag that is not to be lost."""
        self._spare(image)
        self._writer.check_rights()

    def _spare(self, image: Image) -> None:
        from layerscope.slim.push import spare_the_tag

        if not self._is_forced:
            spare_the_tag(self._writer, image)

    def push(self, slimmed: Slimmed, place: Path, *, is_kept: bool) -> Pushed:
        """Push what was written to `place`, and stays there if it `is_kept`, whatever happens."""
        from layerscope.slim.push import NotTagged, push_slim
        from layerscope.text import escape

        try:
            with Progress() as progress:
                return push_slim(slimmed, place, self._writer, progress=progress)
        except NotTagged as ended:
            tagged = "is as it was" if ended.is_certain else "may be this image now, or as it was"
            stays = "; layers that were sent stay in the registry until it collects garbage" if ended.has_sent else ""
            kept = f"; {escape(str(place))} is written and proved" if is_kept else ""
            say_on_stderr(f"{escape(str(self._name))} {tagged}{stays}{kept}")
            assert ended.__cause__ is not None
            raise ended.__cause__ from None


def _target(text: str) -> RegistryName:
    """Parse what `--push` names: an image in a registry, with the tag `latest` if it has none. Raises UsageError, NotFound."""
    from layerscope.errors import UsageError
    from layerscope.sources.location import registry_name
    from layerscope.sources.registry.registry_name import parse_image_name
    from layerscope.text import escape

    name = registry_name(text) or parse_image_name(text)
    if name.digest:
        raise UsageError("--push: give a name without a digest")
    if name.is_short and "/" not in text:
        shown = escape(text[:200])
        raise UsageError(f"--push {shown}: name the registry, too, as in registry.example.com/{shown}")
    return name


def _is_of(reference: str, target: RegistryName) -> bool:
    """Tell whether what the user calls the image is the name to push to."""
    from layerscope.slim.push import parsed_name
    from layerscope.sources.location import locate

    location = locate(reference)
    typed = location.registry or (parsed_name(location.engine.name) if location.engine else None)
    return typed is not None and str(typed) == str(target)
