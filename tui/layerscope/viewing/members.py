"""The members of an archive among an image's files, as they are listed."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field

from layerscope.units import count_text, size_text

MOST_MEMBERS = 10_000
LONGEST_NAME = 4096


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """One member; `name`, `link` and `owner` are escaped. `mode` is None where the archive has none; `letter` is ls(1)'s."""

    name: str
    size: int
    letter: str = "-"
    mode: int | None = None
    owner: str = ""
    time: str = ""
    link: str = ""

    @property
    def line(self) -> str:
        """Format mode, owner, size, time and name, aligned."""
        mode = "?????????" if self.mode is None else stat.filemode(self.mode)[1:]
        owner = f" {self.owner:<11}" if self.owner else ""
        size = size_text(self.size) if self.letter == "-" else ""
        link = f" -> {self.link}" if self.link else ""
        return f"{self.letter}{mode}{owner} {size:>8}  {self.time:<16}  {self.name}{link}"


@dataclass(frozen=True, slots=True)
class ArchiveListing:
    """The members read from an archive. `is_cut`: there are more; `damage` says why some may be missing."""

    format: str
    members: tuple[ArchiveMember, ...] = field(repr=False)
    is_cut: bool = False
    damage: str = ""

    @property
    def note(self) -> str:
        """Return, for example, `tar, gzip: 12 members, 1.2 MB`."""
        size = size_text(sum(member.size for member in self.members))
        first = "the first " if self.is_cut else ""
        damage = f"; damaged: {self.damage}" if self.damage else ""
        return f"{self.format}: {first}{count_text(len(self.members), 'member')}, {size}{damage}"
