"""What the gate is to hold an image to: every rule with its limit, its severity and where it was stated."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from layerscope.gate.quantities import Growth, Quantity
from layerscope.gate.rule_keys import GROWTH_KEYS, KEYS
from layerscope.gate.verdict import Severity
from layerscope.waste.find import Cause

DEFAULT = "default"
"""The origin of what nobody stated."""


class Where(StrEnum):
    """Where a forbidden path must not be: in what a container sees, or in any layer, be it removed later."""

    VISIBLE = "visible"
    ANYWHERE = "anywhere"


@dataclass(frozen=True, slots=True)
class Limit:
    """The value of one of KEYS; None where it is off. `severity` is None where a source leaves it to a weaker one."""

    value: Quantity | None
    origin: str
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Forbid:
    """Paths that must not be there."""

    path: str
    where: Where
    severity: Severity
    origin: str

    @property
    def name(self) -> str:
        """How results call it."""
        return f"forbid {self.path}" + (" anywhere" if self.where is Where.ANYWHERE else "")


@dataclass(frozen=True, slots=True)
class Budget:
    """How many bytes a container may see in a directory, or in all that fits a glob."""

    path: str
    size: int
    severity: Severity
    origin: str

    @property
    def name(self) -> str:
        """How results call it."""
        return f"budget {self.path}"


@dataclass(frozen=True, slots=True)
class MaxCause:
    """How many bytes may be wasted for one cause."""

    cause: Cause
    size: int
    severity: Severity
    origin: str

    @property
    def name(self) -> str:
        """How results call it."""
        return f"max-cause {self.cause.word}"


@dataclass(frozen=True, slots=True)
class DirectoryGrowth:
    """How much a directory may grow beyond the baseline."""

    path: str
    growth: Growth
    severity: Severity
    origin: str

    @property
    def name(self) -> str:
        """How results call it."""
        return f"directory-growth {self.path}"


@dataclass(frozen=True, slots=True)
class Waiver:
    """What is let through until a day (which is the last one), and why. `rule` is a key; without a `path` all of the rule."""

    rule: str
    path: str
    reason: str
    until: date
    origin: str

    @property
    def name(self) -> str:
        """How results call it."""
        return f"waive {self.rule}" + (f" {self.path}" if self.path else "")


@dataclass(frozen=True, slots=True)
class DiveLimit:
    """One of dive's rules: its limit, or None where it is disabled."""

    value: float | int | None
    origin: str


@dataclass(frozen=True, slots=True)
class Config:
    """What one source states, or all together. `dive` is empty where none of dive's rules is asked for, else it has all three.

    `notes` are sentences that the user should see.
    """

    limits: dict[str, Limit] = field(default_factory=dict)
    forbid: tuple[Forbid, ...] = ()
    budget: tuple[Budget, ...] = ()
    max_cause: tuple[MaxCause, ...] = ()
    directory_growth: tuple[DirectoryGrowth, ...] = ()
    waive: tuple[Waiver, ...] = ()
    dive: dict[str, DiveLimit] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def under(self, stronger: Config) -> Config:
        """Both together: of keys that both state the stronger's holds, tables add up. A limit alone keeps the severity."""
        limits = dict(self.limits)
        for key, limit in stronger.limits.items():
            weaker = limits.get(key)
            severity = limit.severity or (weaker.severity if weaker else None)
            limits[key] = replace(limit, severity=severity)
        return Config(
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
        """Whether any rule is stated, be it switched off."""
        tables = (self.forbid, self.budget, self.max_cause, self.directory_growth, self.dive)
        return any(tables) or any(KEYS[key].unit for key in self.limits)

    @property
    def has_growth_rules(self) -> bool:
        """Whether any rule is about growth."""
        return bool(self.directory_growth) or any(key in self.limits for key in GROWTH_KEYS)

    def limit(self, key: str) -> Quantity | None:
        """The value of a key; None where it is off or not stated."""
        stated = self.limits.get(key)
        return stated.value if stated else None


def with_defaults(config: Config) -> Config:
    """The rules that hold where none is stated, and those of growth where only a baseline is; both are said."""
    notes = []
    limits = {key.name: Limit(key.default, DEFAULT) for key in KEYS.values() if key.default is not None and not key.unit}
    if not config.has_rules:
        limits |= {key.name: Limit(key.default, DEFAULT) for key in KEYS.values() if key.default is not None}
        notes.append("No rules are configured: defaults hold (`layerscope ci --init` writes some).")
    if config.limit("baseline") and not config.has_growth_rules:
        growth = Growth(1_000_000, 0.01)
        limits |= {key: Limit(growth, DEFAULT) for key in ("max-growth", "max-waste-growth")}
        notes.append(f"No limit of growth is configured: {growth} more than the baseline is allowed.")
    return Config(limits=limits, notes=tuple(notes)).under(config)
