"""The gate's configuration as a layerscope.toml: the rules in force with the source of each line, or a first file for an image.

The first file has today's figures with some headroom, each key with its purpose.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal

import numpy as np

from layerscope.analysis import Analysis
from layerscope.gate.config import FLOOR, KEYS, OFF, TABLES, WHERE, GateConfig, Key, Limit
from layerscope.gate.quantities import Quantity, bare_size
from layerscope.gate.rules import MEASURES
from layerscope.gate.subject import Subject
from layerscope.gate.verdict import Unit
from layerscope.text import escape, utf8_text
from layerscope.units import count_text, percent_text, size_text
from layerscope.waste.find import Cause

_COLUMN = 44

ROOM = Decimal("1.1")
"""How much more than today the first config allows."""
MORE_LAYERS = 2
SMALLEST = 1_000_000
_GROWTH = """\
# Growth: at most this much more than `layerscope baseline IMAGE` recorded. The greater of the two applies.
#baseline = "layerscope.lock.json"
#max-growth = "5MB or 2%"
#max-waste-growth = "1MB\""""
_FORBIDDEN = (("**/.git/**", "anywhere"), ("**/id_rsa", "anywhere"), ("**/.aws/credentials", "anywhere"))


def config_text(config: GateConfig) -> str:
    """Format the rules in force as a usable layerscope.toml. dive's rules, which live in their own file, are comments."""
    blocks = [_limits(config), _tables(config), _dive(config)]
    return "\n".join("\n".join(lines) + "\n" for lines in map(list, blocks) if lines)


def toml_text(text: str) -> str:
    """Encode a TOML basic string: JSON's strings are valid TOML but for U+007F, which TOML wants escaped."""
    return json.dumps(utf8_text(text), ensure_ascii=False).replace("\x7f", "\\u007f")


def quantity_toml(key: str, value: Quantity | None) -> str:
    """Format a key's limit as TOML: sizes and growth as text, shares and counts as numbers."""
    if value is None:
        return toml_text(OFF)
    is_size = isinstance(value, int) and KEYS[key].unit is not Unit.COUNT
    if is_size:
        return toml_text(bare_size(int(str(value))))
    return repr(value) if isinstance(value, int | float) else toml_text(str(value))


def _limits(config: GateConfig) -> Iterator[str]:
    if config.locked:
        yield f"locked = {json.dumps(list(config.locked))}"
    for key in KEYS:
        if key in config.limits:
            limit = config.limits[key]
            lock = config.locked.get(key, "")
            locked = ", locked" + (f" by {lock}" if lock != limit.origin else "") if lock else ""
            yield _told(f"{key} = {_limit(key, limit)}", limit.origin + locked)


def _limit(key: str, limit: Limit) -> str:
    value = quantity_toml(key, limit.value)
    if limit.severity is None or limit.value is None:
        return value
    return f'{{ limit = {value}, severity = "{limit.severity}" }}'


def _tables(config: GateConfig) -> Iterator[str]:
    for rule in (rule for key in TABLES for rule in config.rows(key)):
        yield _told(f"[[{rule.key}]]", rule.origin)
        yield f"{'cause' if rule.key == 'max-cause' else 'path'} = {toml_text(rule.about)}"
        if rule.key == "forbid":
            yield f'where = "{WHERE[rule.is_anywhere]}"'
        else:
            yield f'max = "{bare_size(rule.limit) if isinstance(rule.limit, int) else rule.limit}"'
        yield f'severity = "{rule.severity}"'
        yield ""
    for waiver in config.waive:
        yield _told("[[waive]]", waiver.origin)
        yield f'rule = "{waiver.rule}"'
        if waiver.path:
            yield f"path = {toml_text(waiver.path)}"
        yield f"reason = {toml_text(waiver.reason)}"
        yield f"until = {waiver.until}"
        yield ""


def _dive(config: GateConfig) -> Iterator[str]:
    for key, limit in config.dive.items():
        yield _told(f"# dive's {key}: {'disabled' if limit.value is None else limit.value}", limit.origin)


def _told(line: str, origin: str) -> str:
    return f"{line:<{_COLUMN}}  # {escape(origin)}"


def first_config_text(analysis: Analysis) -> str:
    """Format a first layerscope.toml for an image, with limits which that image keeps."""
    subject = Subject(analysis)
    blocks = [_head(analysis), *_figures_with_room(subject), _GROWTH, *_forbidden(subject), _examples()]
    return "\n\n".join(blocks) + "\n"


def _head(analysis: Analysis) -> str:
    name = escape(analysis.image.name or analysis.image.reference)
    return (
        f"# The rules that `layerscope ci` checks. Written from {name}: its figures with a little room.\n"
        '# Each rule may also be a table: max-size = { limit = "500MB", severity = "warn" }'
    )


def _figures_with_room(subject: Subject) -> Iterator[str]:
    for name, measure in MEASURES.items():
        key, measured = KEYS[name], measure(subject, None)
        value = _with_room(key, measured.value)
        is_needless = name == "max-own-size" and subject.analysis.base_layers is None
        off = "#" if measured.doubt or is_needless or (name == "max-wasted-percent" and measured.value >= 1) else ""
        today = _figure(key.unit, measured.value)
        yield f"# {key.help} Today: {today}.\n{off}{name} = {quantity_toml(name, value)}"
        if name == "max-wasted-percent":
            yield f"# {KEYS[FLOOR].help}\n{FLOOR} = {quantity_toml(FLOOR, KEYS[FLOOR].default)}"


def _with_room(key: Key, value: float) -> Quantity:
    """Return a limit that leaves today's figure some room: a tenth more bytes, two more layers, or a percentage point."""
    if key.unit is Unit.BYTES:
        wanted = max(Decimal(int(value)) * ROOM, Decimal(SMALLEST))
        step = Decimal(10) ** (wanted.adjusted() - 1)  # two digits stay
        return int((wanted / step).to_integral_value(ROUND_CEILING) * step)
    if key.unit is Unit.COUNT:
        return int(value) + MORE_LAYERS
    percent = math.floor(100 * value) - 1 if key.is_floor else math.ceil(100 * value) + 1
    return min(max(percent, 0), 100) / 100


def _figure(unit: Unit | None, value: float) -> str:
    if unit is Unit.SHARE:
        return percent_text(value) if value <= 1 else f"{100 * value:.0f}%"
    return size_text(int(value)) if unit is Unit.BYTES else f"{int(value):,}"


def _forbidden(subject: Subject) -> Iterator[str]:
    """Yield rules for paths that do not belong in an image.

    Rules that this image breaks are commented out, for its author to decide.
    """
    yield "# Paths that must not be in the image: visible to a container, or anywhere (removed later, but still pulled)."
    for path, where in _FORBIDDEN:
        count = int(np.count_nonzero(subject.fitting(path)))
        off = "#" if count else ""
        today = f"# This image has {count_text(count, 'such path')}.\n" if count else ""
        yield f'{today}{off}[[forbid]]\n{off}path = "{path}"\n{off}where = "{where}"'


def _examples() -> str:
    day = "2030-01-31"
    return (
        "# Size limits for directories or globs, counting what a container sees.\n"
        '#[[budget]]\n#path = "/usr/share/doc"\n#max = "1MB"\n\n'
        f"# Limits on the waste of one cause: {', '.join(cause.word for cause in Cause)}.\n"
        '#[[max-cause]]\n#cause = "metadata"\n#max = "1MB"\n\n'
        "# Exceptions for a limited time. A waiver that has expired fails the gate.\n"
        f'#[[waive]]\n#rule = "max-wasted"\n#path = "/opt/vendor/**"\n#reason = "bought, not built"\n#until = {day}'
    )
