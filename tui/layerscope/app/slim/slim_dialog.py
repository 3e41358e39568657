"""The dialog that writes the smaller image: what goes, where to, how far it is, and what was proved."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from layerscope.app.keys import back
from layerscope.app.slim.planner import SlimPlanner
from layerscope.app.widgets.summary import Progressed, ProgressPoster
from layerscope.errors import Cancelled, LayerscopeError, WouldOverwrite
from layerscope.report.slim import dropped_sentence, nothing_sentence, push_sentences
from layerscope.slim.output import Format
from layerscope.slim.plan import Plan
from layerscope.slim.target import FORCE, check_target, target_of
from layerscope.slim.write import NothingSaved, Slimmed, WriteOptions, write_slim
from layerscope.sources.image import Image
from layerscope.sources.location import locate
from layerscope.text import escape
from layerscope.units import bar, count_text, percent_text, size_text

GAUGE = 20
PATIENCE = 10.0
"""Seconds to wait at the end for the writing to stop, so that nothing of it stays behind."""
HOW = "Enter writes and proves it, Esc cancels. A file, a directory/, or docker-archive:, oci-archive: or oci: and a path."


class SlimDialog(ModalScreen[None]):
    """Says what goes and asks where to write the image; writes it in a thread, and says what was proved.

    It never replaces a file unless asked twice.
    """

    BINDINGS: ClassVar[list[BindingType]] = [back("stop")]
    AUTO_FOCUS = "#slim-to"

    class Written(Message, bubble=False):
        """The image was written to `place`, and proved."""

        def __init__(self, slimmed: Slimmed, place: Path, form: Format) -> None:
            self.slimmed, self.place, self.form = slimmed, place, form
            super().__init__()

    class Ended(Message, bubble=False):
        """Nothing was written; `sentence` says why. With `is_there`, Enter again replaces the file."""

        def __init__(self, sentence: str, *, is_there: bool = False) -> None:
            self.sentence, self.is_there = sentence, is_there
            super().__init__()

    def __init__(self, planner: SlimPlanner, reference: str, *, is_ascii: bool = False) -> None:
        super().__init__()
        self._planner, self._reference, self._is_ascii = planner, reference, is_ascii
        self._poster: ProgressPoster | None = None
        self._idle = Event()
        self._idle.set()
        self._replaces = ""
        self._is_stopping = self._is_done = False

    def compose(self) -> ComposeResult:
        with Vertical(id="slim"):
            yield Static(id="slim-what")
            yield Static(id="slim-warning")
            yield Input(value=first_target(self._planner.marks.analysis.image, self._reference), id="slim-to")
            yield Static(Content(HOW), id="slim-note")

    def on_mount(self) -> None:
        self.query_one("#slim").border_title = "Write a smaller image"
        self._planner.changed.subscribe(self, lambda _: self._show_plan(), immediate=True)
        self._planner.follow()
        self._show_plan()

    def on_unmount(self) -> None:
        """Stop writing, and wait until what was begun is removed."""
        if self._poster is not None:
            self._poster.stop()
        self._idle.wait(PATIENCE)

    @property
    def _plan(self) -> Plan | None:
        """Return the plan of the present marks, None for as long as it is not there."""
        return self._planner.plan if self._planner.is_up_to_date else None

    def _show_plan(self) -> None:
        plan, refusal = self._plan, self._refusal
        warning = dropped_sentence(plan) if plan is not None and plan.asked_paths and not refusal else ""
        text = refusal or ("\n".join(plan_sentences(self._planner, plan)) if plan is not None else "Working out what can go …")
        self.query_one("#slim-what", Static).update(Content(text))
        self.query_one("#slim-warning", Static).update(Content(warning))
        self.query_one("#slim-warning").display = bool(warning)
        can_write = not refusal and (plan is None or bool(plan.rewritten))
        self.query_one("#slim-to").display = can_write
        if not can_write:
            self._say("Enter or Esc closes.")

    @property
    def _refusal(self) -> str:
        """Say why the image cannot be written from here, or nothing."""
        if self._planner.problem:
            return f"This image is not made smaller: {self._planner.problem}."
        return ""

    # What keys do.

    def on_key(self, event: events.Key) -> None:
        """Close the dialog with Enter, too, once there is nothing to type into."""
        if event.key in ("enter", "q") and not self.query_one("#slim-to").display:
            event.stop()
            self.dismiss()

    @on(Input.Submitted)
    def _start(self, event: Input.Submitted) -> None:
        event.stop()
        typed = event.value.strip()
        plan = self._plan
        if plan is None:
            self._say("Wait until it is known what can go, then press Enter again.")
        elif typed and self._poster is None:
            self._write(plan, typed)

    def _write(self, plan: Plan, typed: str) -> None:
        try:
            place, form = target_of(os.path.expanduser(typed), self._reference)  # noqa: PTH111 - FORM: may stand before it
            check_target(place, self._reference, may_replace=self._replaces == typed)
        except (LayerscopeError, OSError, ValueError) as error:  # a NUL is in no path
            self._show_end(self.Ended(str(error), is_there=isinstance(error, WouldOverwrite)))
            return
        self._poster, self._is_stopping = ProgressPoster(self.post_message), False
        self._idle.clear()
        self._say("writing …")
        self._work(plan, place, form, self._poster)

    @work(thread=True, exclusive=True, group="slim-write")
    def _work(self, plan: Plan, place: Path, form: Format, poster: ProgressPoster) -> None:
        told: Message
        try:
            told = self.Written(write_slim(plan, place, WriteOptions(form), progress=poster), place, form)
        except Cancelled:
            told = self.Ended("Stopped: nothing was written")
        except NothingSaved:
            told = self.Ended("No layer gets smaller without what goes: nothing was written")
        except (LayerscopeError, OSError, MemoryError) as error:
            told = self.Ended(str(error) or "There is not enough memory")
        finally:
            self._idle.set()
        self.post_message(told)

    def action_stop(self) -> None:
        """Stop what is being written; close the dialog if nothing is."""
        if self._poster is None:
            self.dismiss()
        else:
            self._poster.stop()
            self._is_stopping = True
            self._say("stopping …")

    # What comes of it.

    @on(Progressed)
    def _show_progress(self, message: Progressed) -> None:
        if self._poster is not None and not self._is_stopping:
            self._say(progress_text(message, is_ascii=self._is_ascii))

    @on(Ended)
    def _show_end(self, message: Ended) -> None:
        self._poster = None
        self._replaces = self.query_one(Input).value.strip() if message.is_there else ""
        hint = "; Enter again replaces it." if message.is_there else ". Enter tries again, Esc closes."
        self._say(message.sentence.removesuffix(FORCE).rstrip(".") + hint, is_problem=True)

    @on(Written)
    def _show_written(self, message: Written) -> None:
        self._poster, self._is_done = None, True
        text = "\n".join(written_sentences(message.slimmed, message.place, message.form))
        self.query_one("#slim-what", Static).update(Content(text))
        self.query_one("#slim-to").display = False
        self._say("Enter or Esc closes.")

    def _say(self, text: str, *, is_problem: bool = False) -> None:
        self.set_class(is_problem, "-problem")
        self.query_one("#slim-note", Static).update(Content(text))


def first_target(image: Image, reference: str) -> str:
    """Return a name to begin with: `NAME-slim.tar`, or `NAME-slim/` for an image in a directory."""
    original = locate(reference).path
    named = image.name.partition("@")[0].rpartition("/")[2].partition(":")[0]
    stem = original.name.removesuffix(".gz").removesuffix(".tar") if original is not None else ""
    plain = "".join(each if each.isalnum() or each in "._-" else "-" for each in named or stem or "image")
    return f"{plain}-slim{'/' if original is not None and original.is_dir() else '.tar'}"


def plan_sentences(planner: SlimPlanner, plan: Plan) -> Iterator[str]:
    """Say what goes and what that leads to."""
    if not plan.rewritten:
        yield nothing_sentence(plan)
        return
    before, spared = plan.analysis.waste.content_bytes, plan.options.spared_layers
    above = f" above the base's {count_text(spared, 'layer')}" if spared else ""
    goes = "the waste that is marked" if planner.marks.has_rows else f"all that no container sees{above}"
    yield (
        f"{size_text(before)} to {size_text(plan.left_bytes)}, {percent_text(plan.efficiency)} efficient, without {goes}"
        f"{' and without the marked paths' if planner.marks.nodes else ''}."
    )
    yield from push_sentences(plan)


def progress_text(at: Progressed, *, is_ascii: bool) -> str:
    """Say how far the writing is, or the proof."""
    stage = "Writing" if at.stage == "writing" else "Proving"
    if not at.total:
        return f"{stage} …  esc stops"
    share = at.done / at.total
    gauge = bar(share, GAUGE, is_ascii=is_ascii)
    return f"{stage} ▕{gauge:{GAUGE}}▏ {100 * share:.0f}%  {size_text(at.done)} of {size_text(at.total)}  esc stops"


def written_sentences(slimmed: Slimmed, place: Path, form: Format) -> Iterator[str]:
    """Say what was written and proved, and how to load it."""
    proof = slimmed.proof
    asked = f"{count_text(proof.asked_paths, 'path')} left out as asked; the other " if proof.asked_paths else ""
    kept = len(proof.layers_as_before)
    yield f"{escape(str(place))}: {size_text(slimmed.stored_bytes)} in {count_text(len(slimmed.layers), 'layer')}."
    yield (
        f"Proved by reading it back: {asked}{count_text(proof.paths, 'path')} that a container sees are the same, "
        f"{count_text(kept, 'layer')} byte for byte as before."
    )
    target = shlex.quote(f"oci:{place}" if form is Format.OCI else str(place))
    yield escape(f"podman pull {target}" if form is Format.OCI else f"docker load -i {target}")
    yield "Signatures do not fit it. A secret in what is gone was in the original: rotate it."
