"""What to change in an image's Dockerfile, as `ci` and the report find it: which file is read, and how reports name it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerscope.advice.advice import Advice
    from layerscope.analysis import Analysis

WORKSPACES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Variables in which GitHub and GitLab name the directory of the repository."""


def find_advice(analysis: Analysis, dockerfile: Path | None) -> Advice:
    """Find fixes, with their lines in the named Dockerfile, or else in the one of the current directory.

    Raises BadDockerfile if the named one cannot be read; for one that was not named, a note says so.
    """
    from layerscope.advice.advise import advise, find_dockerfile
    from layerscope.errors import BadDockerfile

    found = None if dockerfile else find_dockerfile(Path())
    if found is None:
        return advise(analysis, dockerfile, root=repository_of(dockerfile))
    try:
        return advise(analysis, found, root=repository_of(found))
    except BadDockerfile as error:  # it was found, not named, so the image is judged without it
        advice = advise(analysis, None)
        return replace(advice, notes=(*advice.notes, f"{error}."))


def repository_of(dockerfile: Path | None) -> Path:
    """Return the directory from which reports name files: what the CI says, else the repository's, else this one."""
    if dockerfile is None:
        return Path()
    above = dockerfile.resolve().parents
    stated = (Path(os.environ[name]).resolve() for name in WORKSPACES if os.environ.get(name))
    workspace = next((each for each in stated if each in above), None)
    return workspace or next((each for each in above if (each / ".git").exists()), Path())
