"""The gate's configuration: every rule with its limit, its severity, and the source that states it.

The keys are a contract with users: the flag of a key is `--KEY`, its environment variable LAYERSCOPE_KEY.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date

from layerscope.dive.rule_limits import DIVE_KEYS
from layerscope.gate.quantities import Growth, Quantity, bare_size, count_of, growth_of, share_of, size_of, text_of
from layerscope.gate.verdict import RuleSeverity, Unit
from layerscope.text import escape
from layerscope.waste.find import Cause

PREFIX = "LAYERSCOPE_"
OFF = "off"
FLOOR, BASELINE = "wasted-floor", "baseline"

GROWTH_KEYS = ("max-growth", "max-own-growth", "max-waste-growth")
TABLES = ("forbid", "budget", "max-cause", "directory-growth", "waive")
"""Keys that may appear several times, each time with a table."""
EXTENDS, LOCKED = "extends", "locked"
"""Keys of a file: others whose rules it takes over, and which of its rules those who take them over may not loosen."""
PATH_KEYS = frozenset({"min-efficiency", "max-wasted", "max-wasted-percent", "max-file-size", "forbid", "budget", "max-cause"})
"""Rules about paths, for which a waiver may name some of the paths."""
DEFAULT = "default"
"""The origin of a default."""
ANYWHERE = "anywhere"
WHERE = ("visible", ANYWHERE)
"""Where a forbidden path is looked for."""
CAUSES = {cause.word: cause for cause in Cause}


def _file_name(written: object) -> str:
    from layerscope.errors import BadSettings

    if not isinstance(written, str) or not written or "\0" in written:
        raise BadSettings("must be a file name in quotes")
    return written


@dataclass(frozen=True, slots=True)
class Key:
    """A configuration key that has a single value.

    `noun` is what it measures; `unit` is None where the key is no rule of its own but influences others. `is_floor`: what is
    measured must not be below the limit, else it must not be above. `default` holds where no rule at all is configured, and
    always for a key without a unit.
    """

    name: str
    read: Callable[[object], Quantity]
    unit: Unit | None
    noun: str
    help: str
    is_floor: bool = False
    default: Quantity | None = None

    @property
    def variable(self) -> str:
        """Return the environment variable that sets this key."""
        return PREFIX + self.name.upper().replace("-", "_")


_KEYS = (
    Key(
        "min-efficiency",
        share_of,
        Unit.SHARE,
        "efficiency",
        "The share of all content bytes that a container sees must not be below this.",
        is_floor=True,
        default=0.9,
    ),
    Key("max-wasted", size_of, Unit.BYTES, "wasted bytes", "Bytes that no container sees."),
    Key(
        "max-wasted-percent",
        share_of,
        Unit.SHARE,
        "wasted share of own bytes",
        "The same as a share of your own layers' bytes; judged only above wasted-floor.",
        default=0.1,
    ),
    Key(FLOOR, size_of, None, "", "Below this many wasted bytes max-wasted-percent is not judged.", default=5_000_000),
    Key("max-size", size_of, Unit.BYTES, "size on disk", "Content bytes of all layers."),
    Key(
        "max-wire-size",
        size_of,
        Unit.BYTES,
        "size on the wire",
        "Bytes that a pull moves; estimated (≈) for layers that are stored uncompressed here.",
    ),
    Key("max-own-size", size_of, Unit.BYTES, "size of own layers", "Content bytes without the base's layers."),
    Key("max-layers", count_of, Unit.COUNT, "layers", "How many layers there are, the base's too."),
    Key("max-layer-size", size_of, Unit.BYTES, "biggest layer", "Content bytes of each of your own layers."),
    Key("max-file-size", size_of, Unit.BYTES, "biggest file", "Each file that your own layers carry, removed ones too."),
    Key("max-growth", growth_of, Unit.BYTES, "growth on disk", "How much the image may grow beyond the baseline."),
    Key("max-own-growth", growth_of, Unit.BYTES, "growth of own layers", "The same, without the base's layers."),
    Key("max-waste-growth", growth_of, Unit.BYTES, "growth of waste", "How much more may be wasted than in the baseline."),
    Key(BASELINE, _file_name, None, "", "What `layerscope baseline` wrote, or an image, to compare this one with."),
)
KEYS = {key.name: key for key in _KEYS}
RULE_KEYS = (*(key.name for key in _KEYS if key.unit), *TABLES[:-1], *DIVE_KEYS)
"""Rules that a waiver may name."""


def is_key(name: str) -> bool:
    """Tell whether a configuration file may have this key at its top level."""
    return name in KEYS or name in TABLES or name in (EXTENDS, LOCKED)


def limit_text(quantity: Quantity | None) -> str:
    """Format a limit as a configuration file states it, without quotes; `off` for None."""
    return OFF if quantity is None else text_of(quantity)


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit that a source states for one of KEYS or DIVE_KEYS; `value` is None where the rule is off.

    `severity` is None where the source states none: a weaker source then decides it.
    """

    value: Quantity | None
    origin: str
    severity: RuleSeverity | None = None

    def is_looser(self, key: Key, than: Limit) -> bool:
        """Tell whether this limit of `key` lets through what the other does not."""
        if than.value is None or self.value == than.value:
            is_looser = False
        elif self.value is None or isinstance(than.value, str) or isinstance(self.value, str):
            is_looser = True  # another baseline may be of anything
        elif isinstance(self.value, Growth) and isinstance(than.value, Growth):
            is_looser = self.value.size > than.value.size or self.value.share > than.value.share
        else:
            one, other = float(str(self.value)), float(str(than.value))
            is_looser = one < other if key.is_floor else one > other
        return is_looser or (self.severity is RuleSeverity.WARN and than.severity is not RuleSeverity.WARN)


@dataclass(frozen=True, slots=True)
class TableRule:
    """A rule that can be stated several times. Its `key`, one of TABLES, decides what the other fields mean.

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
    """An exception to a rule: for which paths, why, and until which day (included).

    `rule` is the key of the rule; without a `path` the whole rule is waived.
    """

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
    `locked` are keys of `limits` that no stronger source may loosen, with the file that says so.
    """

    limits: dict[str, Limit] = field(default_factory=dict)
    tables: tuple[TableRule, ...] = ()
    waive: tuple[Waiver, ...] = ()
    dive: dict[str, Limit] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    locked: dict[str, str] = field(default_factory=dict)

    def under(self, stronger: GateConfig) -> GateConfig:
        """Return this configuration overridden by a stronger source: its limits win key by key, its tables are added.

        A limit that is stated without a severity keeps the severity of the weaker source. Raises BadSettings where the stronger
        source loosens what this one locks.
        """
        limits = dict(self.limits)
        for key, limit in stronger.limits.items():
            weaker = limits.get(key)
            severity = limit.severity or (weaker.severity if weaker else None)
            limits[key] = replace(limit, severity=severity)
            if weaker and key in self.locked and limits[key].is_looser(KEYS[key], weaker):
                raise _locked(key, limits[key], weaker, self.locked[key])
        return GateConfig(
            limits,
            self.tables + stronger.tables,
            self.waive + stronger.waive,
            self.dive | stronger.dive,
            self.notes + stronger.notes,
            stronger.locked | self.locked,
        )

    @property
    def has_rules(self) -> bool:
        """Tell whether any rule is stated, even if it is switched off."""
        return bool(self.tables or self.dive) or any(KEYS[key].unit for key in self.limits)

    @property
    def has_growth_rules(self) -> bool:
        return bool(self.rows("directory-growth")) or any(key in self.limits for key in GROWTH_KEYS)

    def rows(self, key: str) -> list[TableRule]:
        """Return the rules of this key, which is one of TABLES, in the order in which they were stated."""
        return [rule for rule in self.tables if rule.key == key]

    def limit(self, key: str) -> Quantity | None:
        """Return the value of a key; None where it is off or not stated."""
        stated = self.limits.get(key)
        return stated.value if stated else None


def _locked(key: str, limit: Limit, weaker: Limit, origin: str) -> Exception:
    from layerscope.errors import BadSettings

    def told(each: Limit) -> str:
        is_size = KEYS[key].unit is not Unit.COUNT and type(each.value) is int
        text = bare_size(int(str(each.value))) if is_size else limit_text(each.value)
        return text + (f" as {each.severity}" if each.severity else "")

    words = f"{told(limit)} ({limit.origin}) is looser than {told(weaker)}, which {origin} locks"
    return BadSettings(escape(f"`{key}`: {words}; a [[waive]] with a reason and a date lets it through"))


def with_defaults(config: GateConfig) -> GateConfig:
    """Add the default rules if no rule is stated, and growth limits if only a baseline is given. Notes tell the user."""
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
