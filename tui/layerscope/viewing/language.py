"""The language of a text, as an alias of a pygments lexer, guessed from its name and first line."""

from __future__ import annotations

import importlib
import re
from fnmatch import fnmatchcase
from typing import Any

_BY_SUFFIX = {
    alias: suffixes.split()
    for alias, suffixes in {
        "bash": "sh bash zsh ksh bashrc profile ebuild",
        "c": "c h",
        "cpp": "cc cpp cxx hpp hh",
        "csharp": "cs",
        "css": "css",
        "diff": "diff patch",
        "docker": "dockerfile",
        "go": "go",
        "html": "html htm xhtml",
        "ini": "ini cfg conf cnf service socket timer mount desktop repo npmrc",
        "java": "java",
        "javascript": "js mjs cjs",
        "json": "json webmanifest map",
        "lua": "lua",
        "markdown": "md markdown",
        "perl": "pl pm",
        "php": "php",
        "properties": "properties env",
        "python": "py pyi pyw",
        "rst": "rst",
        "ruby": "rb gemspec",
        "rust": "rs",
        "sql": "sql",
        "toml": "toml",
        "typescript": "ts",
        "xml": "xml xsl xsd svg pom plist",
        "yaml": "yaml yml",
    }.items()
}
_ALIASES = {suffix: alias for alias, suffixes in _BY_SUFFIX.items() for suffix in suffixes}
_PLAIN = frozenset(("txt", "text", "log", "list", "csv", "tsv", "pem", "crt", "key", "sum", "md5sums", "po", "pot", "in"))
"""Endings that mean no language, so that pygments, which takes 80 ms the first time, is not asked."""
_BY_NAME = (
    ("dockerfile*", "docker"),
    ("containerfile*", "docker"),
    ("*makefile", "make"),
    ("cmakelists.txt", "cmake"),
    ("nginx.conf", "nginx"),
    ("os-release", "bash"),
    (".*rc", "bash"),
    ("pipfile", "toml"),
    ("*.lock", "toml"),
    ("gemfile", "ruby"),
)
_BY_PROGRAM = (
    ("*sh", "bash"),
    ("openrc-run", "bash"),
    ("python*", "python"),
    ("perl*", "perl"),
    ("ruby*", "ruby"),
    ("node*", "javascript"),
    ("lua*", "lua"),
    ("php*", "php"),
    ("*awk", "awk"),
    ("make", "make"),
)
_BY_START = (("<?xml", "xml"), ("<!doctype html", "html"), ("<html", "html"), ("<?php", "php"), ("diff --git", "diff"))
_SHEBANG = re.compile(r"#!\s*(?:\S*/)?(\S+)(?:[ \t]+(?:-\S+[ \t]+)*(?:\S*/)?(\S+))?")


def language_of(name: bytes, first_line: str) -> str:
    """Return the alias, empty for plain text. `name` is a path or its last part, `first_line` the text's."""
    base = name.rpartition(b"/")[2].decode("utf-8", "replace").lower()[:255]
    return _by_name(base) or _by_first_line(first_line[:200]) or _by_pygments(base)


def _by_name(base: str) -> str:
    for pattern, alias in _BY_NAME:
        if fnmatchcase(base, pattern):
            return alias
    return _ALIASES.get(_suffix(base), "")


def _suffix(base: str) -> str:
    return base.rpartition(".")[2] if "." in base else ""


def _by_first_line(line: str) -> str:
    shebang = _SHEBANG.match(line)
    if shebang:
        program = shebang[2] if shebang[1] == "env" and shebang[2] else shebang[1]
        return next((alias for pattern, alias in _BY_PROGRAM if fnmatchcase(program, pattern)), "")
    start = line.lstrip().lower()
    return next((alias for begin, alias in _BY_START if start.startswith(begin)), "")


def _by_pygments(base: str) -> str:
    """Ask pygments about rarer file name endings; not called for names without one."""
    suffix = _suffix(base)
    if not suffix.isalnum() or suffix.isdigit() or suffix in _PLAIN or len(suffix) > 12:
        return ""
    lexers: Any = importlib.import_module("pygments.lexers")  # it has no types
    lexer = lexers.find_lexer_class_for_filename("x." + suffix)
    return str(lexer.aliases[0]) if lexer and lexer.aliases and lexer.name != "Text only" else ""
