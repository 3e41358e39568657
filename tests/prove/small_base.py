"""A small base image of this machine's own programs, for proofs without a network: shell, coreutils, useradd; no apt."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

PROGRAMS = (
    "awk basename bash cat chgrp chmod chown cp cut date dirname du echo env expr false find getent grep groupadd gzip head id "
    "install ln ls mkdir mktemp mv printf pwd readlink rm rmdir sed seq sh sleep sort stat tail tar tee test touch tr true "
    "truncate uname uniq useradd userdel usermod wc xargs yes"
)
DIRECTORIES = (
    "dev etc home opt proc root run srv sys tmp usr/bin usr/lib usr/lib64 usr/local/bin usr/local/lib usr/sbin var/cache "
    "var/lib var/log var/tmp"
)
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/bin/false\nwww-data:x:33:33::/var/www:/bin/false\n",
    "group": "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\n",
    "shadow": "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nwww-data:*:19000:0:99999:7:::\n",
    "gshadow": "root:*::\ndaemon:*::\nwww-data:*::\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\n",
    "login.defs": "UID_MIN 1000\nUID_MAX 60000\nSYS_UID_MIN 100\nSYS_UID_MAX 999\nUSERGROUPS_ENAB yes\n"
    "GID_MIN 1000\nGID_MAX 60000\nSYS_GID_MIN 100\nSYS_GID_MAX 999\n",
}


def write_small_base(root: Path, tar: Path) -> None:
    """Lay the files out below `root`, and put them into a tar as root's."""
    for each in DIRECTORIES.split():
        (root / each).mkdir(parents=True, exist_ok=True)
    for each in ("bin", "sbin", "lib", "lib64"):
        (root / each).symlink_to(f"usr/{each}")
    for name, text in ETC.items():
        (root / "etc" / name).write_text(text, "utf-8")
    for program in PROGRAMS.split():
        found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        if found is None:
            raise FileNotFoundError(f"{program} is not installed here")
        shutil.copy(found, root / "usr/bin" / program)
        _copy_libraries(Path(found), root)
    (root / "tmp").chmod(0o1777)
    with tarfile.open(tar, "w") as archive:
        archive.add(root, ".", filter=_as_root)


def _copy_libraries(program: Path, root: Path) -> None:
    told = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout.split()
    for library in (word for word in told if word.startswith("/")):
        place = root / ("usr" if not library.startswith("/usr/") else "") / library.lstrip("/")
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
