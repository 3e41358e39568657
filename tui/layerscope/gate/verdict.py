"""The gate's verdict on an image: the result of every rule, and the exit code that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from layerscope.waste.find import Cause


class RuleSeverity(StrEnum):
    """What a broken rule does: an error fails the gate, a warning is only shown."""

    ERROR = "error"
    WARN = "warn"


class Outcome(StrEnum):
    """The outcome of one rule. UNJUDGED: there was nothing to judge (below a floor, or its subject is not known)."""

    PASSED = "passed"
    FAILED = "failed"
    WARNED = "warned"
    WAIVED = "waived"
    UNJUDGED = "unjudged"


class Unit(StrEnum):
    """The unit of a rule's figures: bytes, a share from 0 to 1, or a count."""

    BYTES = "bytes"
    SHARE = "share"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Finding:
    """A layer, path or amount of waste that breaks a rule or contributes most to what the rule measures.

    `path` is None where it is about no path, `layer` the layer that wrote it, `buried_by` the one that buried it (None: it is
    visible, or no layer did), `size` in bytes, `is_base` true when the base's layers are to blame, `note` a sentence or empty.
    """

    path: bytes | None = None
    layer: int | None = None
    buried_by: int | None = None
    cause: Cause | None = None
    size: int = 0
    is_base: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The result of judging one rule.

    `key` is the configuration's key (`max-wasted`, `forbid`), `name` the rule as people tell it apart from others of its key
    (`forbid **/.git/** anywhere`), unique in a verdict. `measured` and `limit` are in `unit`; `is_floor` is true where the
    measured figure must not be below the limit, else it must not be above. `origin` says where the limit was stated.
    `sentence` says the result in words, `findings` are the worst first; `is_estimate` is true where the measured figure is one.
    """

    key: str
    name: str
    outcome: Outcome
    severity: RuleSeverity
    unit: Unit
    measured: float
    limit: float
    is_floor: bool
    origin: str
    sentence: str
    findings: tuple[Finding, ...] = ()
    waivers: tuple[str, ...] = ()
    is_estimate: bool = False

    @property
    def margin(self) -> float:
        """Return how far the figure is from its limit: positive inside, negative beyond."""
        return self.measured - self.limit if self.is_floor else self.limit - self.measured


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on an image: the results of all rules, in the order of the rules.

    `doubts` are the reasons why the image could not be judged (damage, an absurd figure): with any, the gate neither passes nor
    fails. `notes` are sentences that change nothing.
    """

    results: tuple[RuleResult, ...]
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[RuleResult, ...]:
        """Return the results that fail the gate: broken rules of severity error, and expired waivers."""
        return tuple(result for result in self.results if result.outcome is Outcome.FAILED)

    @property
    def has_passed(self) -> bool:
        """Tell whether there is no doubt and no broken rule of severity error."""
        return not self.doubts and not self.failed

    @property
    def outcome(self) -> str:
        """Return passed, failed or unjudged, as reports call it."""
        return "unjudged" if self.doubts else "passed" if self.has_passed else "failed"

    @property
    def exit_code(self) -> int:
        """Return 0 for passed, 1 if a rule failed, 2 if there are doubts.

        Doubts come first: figures of a damaged image prove nothing.
        """
        return 2 if self.doubts else 1 if self.failed else 0
