"""The keys of the gate's configuration, which are a contract: the flag is `--KEY`, the variable LAYERSCOPE_KEY."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from layerscope.dive.rule_limits import DIVE_KEYS
from layerscope.gate.quantities import Quantity, count_of, growth_of, share_of, size_of, text_of
from layerscope.gate.verdict import Unit

PREFIX = "LAYERSCOPE_"
OFF = "off"
FLOOR, BASELINE = "wasted-floor", "baseline"


def _file_name(written: object) -> str:
    from layerscope.errors import BadSettings

    if not isinstance(written, str) or not written or "\0" in written:
        raise BadSettings("must be a file name in quotes")
    return written


@dataclass(frozen=True, slots=True)
class Key:
    """One key that has one value. `noun` is what it measures, `unit` None where it is no rule of its own but bears on others.

    `is_floor`: what is measured must not be below the limit. `default` holds where no rule at all is configured.
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
GROWTH_KEYS = ("max-growth", "max-own-growth", "max-waste-growth")
TABLES = ("forbid", "budget", "max-cause", "directory-growth", "waive")
"""Keys that may appear several times, each time with a table."""
RULE_KEYS = (*(key.name for key in _KEYS if key.unit), *TABLES[:-1], *DIVE_KEYS)
"""Rules that a waiver may name."""
PATH_KEYS = frozenset({"min-efficiency", "max-wasted", "max-wasted-percent", "max-file-size", "forbid", "budget", "max-cause"})
"""Rules about paths, for which a waiver may name some of the paths."""


def is_key(name: str) -> bool:
    """Tell whether a configuration file may have this key at its top level."""
    return name in KEYS or name in TABLES


def limit_text(quantity: Quantity | None) -> str:
    """Format a limit as it is written in a file, without quotes."""
    return OFF if quantity is None else text_of(quantity)
