"""The gate's configuration: every rule with its limit, its severity, and the source that states it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

from layerscope.gate.quantities import Growth, Quantity
from layerscope.gate.rule_keys import GROWTH_KEYS, KEYS
from layerscope.gate.verdict import RuleSeverity
from layerscope.waste.find import Cause

DEFAULT = "default"
"""The origin of a default."""
ANYWHERE = "anywhere"
WHERE = ("visible", ANYWHERE)
"""Where a forbidden path is looked for."""
CAUSES = {cause.word: cause for cause in Cause}


@dataclass(frozen=True, slots=True)
class Limit:
    """The value of one of KEYS or DIVE_KEYS, or None where the rule is off.

    `severity` is None where a weaker source decides it.
    """

    value: Quantity | None
    origin: str
    severity: RuleSeverity | None = None


@dataclass(frozen=True, slots=True)
class TableRule:
    """A rule that may be stated several times. `key` is one of TABLES, and says what the others mean.

    | key | `about` | `limit` |
    |---|---|---|
    | `forbid` | a glob | 0 paths, in what a container sees or (`is_anywhere`) in any layer, even if a later one removes them |
    | `budget` | a directory or a glob | bytes that a container sees in it |
    | `max-cause` | the word of one of CAUSES | bytes wasted for it |
    | `directory-growth` | a directory | growth beyond the baseline |
    """

    key: str
    about: str
    limit: int | Growth
    severity: RuleSeverity
    origin: str
    is_anywhere: bool = False

    @property
    def name(self) -> str:
        return f"{self.key} {self.about}" + (" anywhere" if self.is_anywhere else "")


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
class GateConfig:
    """The rules of one source, or of all sources together.

    `dive` is empty unless one of dive's rules is stated; then it has all three. `notes` are sentences that the user should see.
    """

    limits: dict[str, Limit] = field(default_factory=dict)
    tables: tuple[TableRule, ...] = ()
    waive: tuple[Waiver, ...] = ()
    dive: dict[str, Limit] = field(default_factory=dict)
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
            self.tables + stronger.tables,
            self.waive + stronger.waive,
            self.dive | stronger.dive,
            self.notes + stronger.notes,
        )

    @property
    def has_rules(self) -> bool:
        """Tell whether any rule is stated, even if it is switched off."""
        return bool(self.tables or self.dive) or any(KEYS[key].unit for key in self.limits)

    @property
    def has_growth_rules(self) -> bool:
        return bool(self.rows("directory-growth")) or any(key in self.limits for key in GROWTH_KEYS)

    def rows(self, key: str) -> list[TableRule]:
        """Return the rules of one of TABLES, as they were stated."""
        return [rule for rule in self.tables if rule.key == key]

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
