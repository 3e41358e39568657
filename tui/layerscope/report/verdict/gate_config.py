"""The gate's configuration as a layerscope.toml that names the source of each line."""

from __future__ import annotations

import json
from collections.abc import Iterator

from layerscope.gate.config import KEYS, OFF, TABLES, WHERE, GateConfig, Limit
from layerscope.gate.quantities import Quantity, bare_size
from layerscope.gate.verdict import Unit
from layerscope.text import escape, utf8_text

_COLUMN = 44


def config_text(config: GateConfig) -> str:
    """Write every rule in force as a usable file; dive's rules, which live in their own file, are comments."""
    blocks = [_limits(config), _tables(config), _dive(config)]
    return "\n".join("\n".join(lines) + "\n" for lines in map(list, blocks) if lines)


def toml_text(text: str) -> str:
    """Encode a TOML basic string: JSON's strings are valid TOML but for U+007F, which TOML wants escaped."""
    return json.dumps(utf8_text(text), ensure_ascii=False).replace("\x7f", "\\u007f")


def quantity_toml(key: str, value: Quantity | None) -> str:
    """Format a limit: sizes and growth as text, shares and counts as numbers."""
    if value is None:
        return toml_text(OFF)
    is_size = isinstance(value, int) and KEYS[key].unit is not Unit.COUNT
    if is_size:
        return toml_text(bare_size(int(str(value))))
    return repr(value) if isinstance(value, int | float) else toml_text(str(value))


def _limits(config: GateConfig) -> Iterator[str]:
    for key in KEYS:
        if key in config.limits:
            limit = config.limits[key]
            yield _told(f"{key} = {_limit(key, limit)}", limit.origin)


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
