"""Plans the smaller image in a thread whenever the marks change."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.app import App
from textual.signal import Signal

from layerscope.analysis import Analysis
from layerscope.app.slim.marks import SlimMarks
from layerscope.errors import LayerscopeError
from layerscope.slim.plan import Plan, SlimOptions, plan_slim


class SlimPlanner:
    """Marks, and the last plan that was made of them, which is that of earlier marks for as long as another is made.

    `changed` tells that there are other marks, or another plan. `problem` says why there is no plan at all.
    """

    def __init__(self, app: App[Any], analysis: Analysis) -> None:
        self._app = app
        self.marks = SlimMarks(analysis)
        self.changed: Signal[SlimPlanner] = Signal(app, "slim changed")
        self.plan: Plan | None = None
        self.problem = ""
        self._is_at_work = False

    @property
    def is_up_to_date(self) -> bool:
        """Tell whether the plan is that of the present marks."""
        return bool(self.problem) or (self.plan is not None and self.plan.options is self.marks.options)

    def follow(self) -> None:
        """Plan what is marked now; of the marks that are set meanwhile, the last ones come next."""
        if not self._is_at_work and not self.is_up_to_date:
            self._is_at_work = True
            self._app.run_worker(partial(self._work, self.marks.options), thread=True, group="slim")
        self.changed.publish(self)

    def _work(self, options: SlimOptions) -> None:
        try:
            plan = plan_slim(self.marks.analysis, options)
        except LayerscopeError as error:
            self._app.call_from_thread(self._show, None, str(error))
        else:
            self._app.call_from_thread(self._show, plan, "")

    def _show(self, plan: Plan | None, problem: str) -> None:
        self.plan, self.problem, self._is_at_work = plan, problem, False
        self.follow()
