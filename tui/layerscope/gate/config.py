"""The gate's configuration: every rule with its limit, its severity, and the source that states it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from layerscope.gate.quantities import Growth, Quantity
from layerscope.gate.rule_keys import GROWTH_KEYS, KEYS
from layerscope.gate.verdict import RuleSeverity
from layerscope.waste.find import Cause

DEFAULT = "default"
"""The origin of a default."""


class Where(StrEnum):
    """Where a forbidden path is looked for: in what a container sees, or in any layer, even if a later one removes it."""

    VISIBLE = "visible"
    ANYWHERE = "anywhere"


@dataclass(frozen=True, slots=True)
class Limit:
    """The value of one of KEYS, or None where the rule is off. `severity` is None where a weaker source decides it."""

    value: Quantity | None
    origin: str
    severity: RuleSeverity | None = None


@dataclass(frozen=True, slots=True)
class Forbid:
    """A glob that no path may match."""

    path: str
    where: Where
    severity: RuleSeverity
    origin: str

    @property
    def name(self) -> str:
        return f"forbid {self.path}" + (" anywhere" if self.where is Where.ANYWHERE else "")


@dataclass(frozen=True, slots=True)
class Budget:
    """The most bytes that a container may see in a directory, or in all that matches a glob."""

    path: str
    size: int
    severity: RuleSeverity
    origin: str

    @property
    def name(self) -> str:
        return f"budget {self.path}"


@dataclass(frozen=True, slots=True)
class MaxCause:
    """The most bytes that may be wasted for one cause."""

    cause: Cause
    size: int
    severity: RuleSeverity
    origin: str

    @property
    def name(self) -> str:
        return f"max-cause {self.cause.word}"


@dataclass(frozen=True, slots=True)
class DirectoryGrowth:
    """How much a directory may grow beyond the baseline."""

    path: str
    growth: Growth
    severity: RuleSeverity
    origin: str

    @property
    def name(self) -> str:
        return f"directory-growth {self.path}"


@dataclass(frozen=True, slots=True)
class Waiver:
    """What a rule lets through, why, and the last day it does. `rule` is a key; without a `path` the whole rule is waived."""

    rule: str
    path: str
    reason: str
    until: date
    origin: str

    @property
    def name(self) -> str:
        return f"waive {self.rule}" + (f" {self.path}" if self.path else "")


@dataclass(frozen=True, slots=True)
class DiveLimit:
    """The limit of one of dive's rules, or None where it is disabled."""

    value: float | int | None
    origin: str


@dataclass(frozen=True, slots=True)
class GateConfig:
    """The rules of one source, or of all sources together.

    `dive` is empty unless one of dive's rules is stated; then it has all three. `notes` are sentences that the user should see.
    """

    limits: dict[str, Limit] = field(default_factory=dict)
    forbid: tuple[Forbid, ...] = ()
    budget: tuple[Budget, ...] = ()
    max_cause: tuple[MaxCause, ...] = ()
    directory_growth: tuple[DirectoryGrowth, ...] = ()
    waive: tuple[Waiver, ...] = ()
    dive: dict[str, DiveLimit] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def under(self, stronger: GateConfig) -> GateConfig:
        """Combine with a stronger source: its limits win key by key, and the tables of both add up. A limit alone keeps the
        severity.
        """
        limits = dict(self.limits)
        for key, limit in stronger.limits.items():
            weaker = limits.get(key)
            severity = limit.severity or (weaker.severity if weaker else None)
            limits[key] = replace(limit, severity=severity)
        return GateConfig(
            limits,
            self.forbid + stronger.forbid,
            self.budget + stronger.budget,
            self.max_cause + stronger.max_cause,
            self.directory_growth + stronger.directory_growth,
            self.waive + stronger.waive,
            self.dive | stronger.dive,
            self.notes + stronger.notes,
        )

    @property
    def has_rules(self) -> bool:
        """Tell whether any rule is stated, even if it is switched off."""
        tables = (self.forbid, self.budget, self.max_cause, self.directory_growth, self.dive)
        return any(tables) or any(KEYS[key].unit for key in self.limits)

    @property
    def has_growth_rules(self) -> bool:
        return bool(self.directory_growth) or any(key in self.limits for key in GROWTH_KEYS)

    def limit(self, key: str) -> Quantity | None:
        """Return the value of a key; None where it is off or not stated."""
        stated = self.limits.get(key)
        return stated.value if stated else None


def with_defaults(config: GateConfig) -> GateConfig:
    """Add the default rules where none is stated, and the growth rules where only a baseline is given. A note says so."""
    notes = []
    limits = {key.name: Limit(key.default, DEFAULT) for key in KEYS.values() if key.default is not None and not key.unit}
    if not config.has_rules:
        limits |= {key.name: Limit(key.default, DEFAULT) for key in KEYS.values() if key.default is not None}
        notes.append("No rules are configured: defaults apply (`layerscope ci --init` writes some).")
    if config.limit("baseline") and not config.has_growth_rules:
        growth = Growth(1_000_000, 0.01)
        limits |= {key: Limit(growth, DEFAULT) for key in ("max-growth", "max-waste-growth")}
        notes.append(f"No growth limit is configured: {growth} more than the baseline is allowed.")
    return GateConfig(limits=limits, notes=tuple(notes)).under(config)
