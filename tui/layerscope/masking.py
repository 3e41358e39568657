"""Hides what looks like a secret, and values of build arguments, in texts of images: reports are kept and passed on."""

from __future__ import annotations

import re
from typing import Any

MASK = "***"

# Possessive quantifiers, and bounds where there can be none: a hostile history must not make this take longer than its length.
_SECRET_NAME = re.compile(
    r"(?:token|secret|passw(?:or)?d|passphrase|credentials?|(?:^|[_.-])(?:pass|pwd|pat|auth)"
    r"|(?:api|access|secret|private|auth|account|encryption|signing|deploy|license|ssh)[_.-]?keys?)"
    r"(?:[_-]?(?:value|base64|b64|\d{1,3}))?$",
    re.IGNORECASE,
)
_VALUE = re.compile(r"\"(?:[^\"\\]|\\.)*+\"|'[^']*+'|[\"']?[^\s\"'&|;)]++")
_ASSIGNED = re.compile(r"(?<![\w.-])([\w.-]++)\s{0,4}[:=]\s{0,4}(?=\S)")
_OPTION = re.compile(r"(?<![\w-])--([\w-]{1,64}+) {1,4}(?=[^\s-])")
_SET = re.compile(r"^[ +-]?(?:ENV|ARG) {1,4}([\w.-]++) {1,4}(?=[^\s=])", re.MULTILINE)
_LINE = re.compile(r".*")
_LOGIN = re.compile(r"(://[^\s/:@\"']{0,200}+:)[^\s/@\"']{1,500}+(?=@)")
_LONE_LOGIN = re.compile(r"(://)[^\s/:@\"']{16,500}+(?=@)")
_HEADER = re.compile(r"(\b(?:bearer|basic)[ \t]{1,4})[A-Za-z0-9+/=._~-]{8,}+", re.IGNORECASE)
_PIPED = re.compile(r"(\becho [\"']?[\w$-]{1,64}+:)[^\s\"'|]{1,200}+(?=[\"']? ?\| ?chpasswd)")
_USER = re.compile(r"(\bcurl [^&|;\n]{0,300}?(?<=\s)(?:-u|--user)[ =]?[\"']?[^\s:\"']{1,100}+:)[^\s\"'&|;]++")
_LOGS_IN = re.compile(r"(\b(?:sshpass|login) [^&|;\n]{0,200}?(?<=\s)-p[ =]?)(?=[^\s$])[^\s&|;]++")
_KEY_BLOCK = re.compile(
    r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----).*?(?:(?=-----END [A-Z0-9 ]{0,40}PRIVATE KEY)|\Z)", re.DOTALL
)
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|gh[opsur]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+|glpat-[A-Za-z0-9_-]{16,}+|npm_[A-Za-z0-9]{30,}+"
    r"|pypi-[A-Za-z0-9_-]{40,}+|xox[abeoprs]-[A-Za-z0-9-]{10,}+|AIza[A-Za-z0-9_-]{35}|[rs]k_live_[A-Za-z0-9]{16,}+"
    r"|sk-[A-Za-z0-9_-]{32,}+|dckr_pat_[A-Za-z0-9_-]{16,}+|hf_[A-Za-z0-9]{30,}+"
    r"|eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+)"
)
"""Keys that can be told by how they begin: of Amazon, GitHub, GitLab, npm, Python's index, Slack, Google, Stripe, ...; JWT."""

_SHELL = r"(?:/\S{0,200}?|)(?:(?:ba|da|z|k|a)?sh|pwsh|powershell(?:\.exe)?|cmd(?:\.exe)?) [-/]\w"
# One lazy step, not a repeated one: a hostile history must not make this take longer than its length.
_BEFORE_SHELL = re.compile(rf"^((?:RUN )?)\|\d+ (?:[^\s=]++=.*? )?(?={_SHELL})", re.DOTALL)
_COUNTED = re.compile(r"^((?:RUN )?)\|(\d{1,4}) ")
_PAIR = re.compile(r"[^\s=]++=\S*+\s?")


def masked(text: str) -> str:
    """Replace what looks like a secret by `***`: values of names such as `NPM_TOKEN`, passwords in addresses, and known keys.

    A variable (`$TOKEN`) and a path stay. Takes time in proportion to the text's length.
    """
    text = _KEY_BLOCK.sub(rf"\1 {MASK} ", text)
    text = _LONE_LOGIN.sub(rf"\1{MASK}", _LOGIN.sub(rf"\1{MASK}", text))
    for pattern in (_HEADER, _PIPED, _USER, _LOGS_IN):
        text = pattern.sub(rf"\1{MASK}", text)
    for name, value in ((_SET, _LINE), (_OPTION, _VALUE), (_ASSIGNED, _VALUE)):
        text = _without_values(text, name, value)
    return _KNOWN.sub(MASK, text)


def is_secret_name(name: str) -> bool:
    """Tell whether a variable, option or field of this name holds a secret."""
    return bool(_SECRET_NAME.search(name[-100:]))


def _without_values(text: str, names: re.Pattern[str], values: re.Pattern[str]) -> str:
    """Mask the values behind names of secrets. What stands behind another name may be one more name with its value."""
    parts, done, start = [], 0, 0
    while name := names.search(text, start):
        start = name.end()
        value = values.match(text, start) if is_secret_name(name[1]) else None
        if value and value[0].strip("\"'") and not value[0].strip("\"'").startswith(("$", "/", MASK)):
            parts += [text[done:start], MASK]
            done = start = value.end()
    return "".join([*parts, text[done:]])


def masked_document(value: Any) -> Any:
    """Mask every text of a decoded JSON document, what stands under a secret's name, and values of build arguments.

    Returns a copy. It is made without recursion, for a document may be as deep as can be read.
    """
    top = [value]
    todo: list[Any] = [top]
    while todo:
        holder = todo.pop()
        for key, each in enumerate(holder) if isinstance(holder, list) else [*holder.items()]:
            if isinstance(each, str):
                is_named = isinstance(key, str) and each and is_secret_name(key)
                holder[key] = MASK if is_named else _masked_text(each)
            elif isinstance(each, (list, dict)):
                holder[key] = each.copy()
                todo.append(holder[key])
    return top[0]


def _masked_text(text: str) -> str:
    name, equals, rest = text.partition("=")
    is_secret = equals and rest and " " not in name and is_secret_name(name) and not rest.startswith(("$", "/"))
    return f"{name}={MASK}" if is_secret else masked(without_build_arguments(text))


def without_build_arguments(created_by: str) -> str:
    """Take the build arguments, `|N name=value ...`, out of what a history says of a RUN.

    Values may hold blanks and are not quoted, so they end where a shell begins; without a known shell, after N words.
    """
    counted = _COUNTED.match(created_by)
    if counted is None:
        return created_by
    if before := _BEFORE_SHELL.match(created_by):
        return before[1] + created_by[before.end() :]
    end = counted.end()
    for _ in range(int(counted[2])):
        pair = _PAIR.match(created_by, end)
        end = pair.end() if pair else end
    return counted[1] + created_by[end:]
