"""Print the oldest release of each dependency that pyproject.toml allows, one `name==version` a line, for pip to install.

What a user installs (`dependencies`) comes first: where the checks pin the same package, its floor for users counts.
"""

import re
import sys
import tomllib
from pathlib import Path

FLOOR = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[^]]*\])?(?:>=|==)(?P<version>[0-9.]+)\s*(?P<marker>;.*)?")


def oldest(requirements: list[str]) -> dict[str, str]:
    """The lines for pip, by package; exits where a requirement says no oldest release."""
    lines = {}
    for requirement in requirements:
        found = FLOOR.fullmatch(requirement)
        if found is None:
            sys.exit(f"pyproject.toml: no oldest release in {requirement!r}: write NAME>=VERSION or NAME==VERSION")
        name, extras, version, marker = (found[group] or "" for group in ("name", "extras", "version", "marker"))
        lines.setdefault(name.lower(), f"{name}{extras}=={version}{marker}")
    return lines


def main() -> None:
    """Read pyproject.toml beside this folder."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    for line in oldest([*project["dependencies"], *project["optional-dependencies"]["dev"]]).values():
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
