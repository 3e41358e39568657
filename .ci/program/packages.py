"""Copy layerscope and all that it needs from the environment of this Python into a directory, without what no command uses.

So what is packed is what the environment was tested with, nothing is fetched, and no path of this machine is written down.
"""

import shutil
import sys
from fnmatch import fnmatch
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

OWN = "layerscope"
EXTRAS = ("", "aws")
"""Of the extras only Amazon's: those of other clouds take more room than all the rest, and their command line tools do, too."""
UNUSED = (
    *("../*", "*.pyc", "*.pyi", "*.pxd", "*.h", "*.a", "*/tests/*", "*/examples/*"),
    *("*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "*.dist-info/direct_url.json"),
    *("numpy/f2py/*", "numpy/_core/_simd.*", "numpy/_core/_*_tests.*", "zstandard/_cffi*.so"),
)
SERVICES = ("ecr", "ecr-public", "signin", "sso", "sso-oidc", "sts")
"""What of Amazon's is asked: its registries, and who may log in."""


def is_used(name: str) -> bool:
    """Tell whether a file of a package, named from the directory of all packages, is needed."""
    if any(fnmatch(name, pattern) for pattern in UNUSED):
        return False
    service = name.removeprefix("botocore/data/").split("/")
    return not name.startswith("botocore/data/") or len(service) == 1 or service[0] in SERVICES


def needed() -> dict[str, Distribution]:
    """Return all distributions that layerscope needs, by name."""
    found: dict[str, Distribution] = {}
    ahead = [OWN]
    while ahead:
        name = ahead.pop()
        if name in found:
            continue
        found[name] = distribution(name)
        for line in found[name].requires or ():
            requirement = Requirement(line)
            extras = EXTRAS if name == OWN else ("",)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                ahead.append(canonicalize_name(requirement.name))
    return found


def main() -> None:
    """Copy to the directory that is named."""
    place = Path(sys.argv[1])
    for name, package in needed().items():
        for file in package.files or ():
            source = Path(str(package.locate_file(file)))
            # Of a development install that is all but a pointer to the source.
            if is_used(str(file)) and (name != OWN or ".dist-info" in str(file)) and source.is_file():
                (place / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place / file)
    spec = find_spec(OWN)
    assert spec is not None and spec.submodule_search_locations is not None
    shutil.copytree(spec.submodule_search_locations[0], place / OWN, ignore=shutil.ignore_patterns("__pycache__"))


if __name__ == "__main__":
    main()
