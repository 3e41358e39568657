"""Random Dockerfiles whose every build succeeds: files are made, moved, changed and removed in any order.

A model of the file system keeps each instruction possible. What is written is repeatable, so that content can be compared.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from prove.cases import BASE, Case, Content, write_context

CONTEXT: dict[str, Content] = {
    "a.txt": "a\n",
    "conf/app.conf": "x=1\n",
    "big.bin": 3_000_000,
    "src/main.py": "print(1)\n",
    "src/data.bin": 2_000_000,
    "src/lib/b.bin": 1_500_000,
    "pkg/one.bin": 1_200_000,
    "pkg/two.bin": 1_100_000,
    "node_modules/x/index.js": 1_300_000,
    ".git/objects/1/2": 1_400_000,
}
IGNORED: tuple[dict[str, Content], ...] = (
    {},
    {},
    {".dockerignore": ".git\n"},
    {".dockerignore": "**/*.log\nnode_modules"},
    {".dockerignore": "*\n!src\n!pkg\n!*.bin\n!*.txt\n!conf/*.conf\n!node_modules/x\n"},
)
PLACES = ("/app", "/opt/x", "/srv/data", "/usr/local/lib/y", "/tmp", "/root/.cache/pip", "/var/lib/z")
SIZES = (10, 60_000, 1_100_000, 1_600_000, 2_500_000)


@dataclass
class _World:
    """What stands where: the files, the directories made on purpose, and who exists."""

    chance: random.Random
    files: set[str] = field(default_factory=set)
    users: list[str] = field(default_factory=list)
    workdir: str = "/"
    serial: int = 0
    stage: _World | None = None

    def directory(self) -> str:
        return self.chance.choice(PLACES)

    def file(self) -> str | None:
        return self.chance.choice(sorted(self.files)) if self.files else None

    def parents(self) -> list[str]:
        """The directories of PLACES with a file in them."""
        return [place for place in PLACES if any(path.startswith(place + "/") for path in self.files)]

    def fresh(self, place: str) -> str:
        return f"{place}/f{self.number()}"

    def number(self) -> int:
        self.serial += 1
        return self.serial


def write_random(out: Path, seed: int) -> Case:
    """Write the case of a seed below `out`."""
    case = Case(f"random-{seed}", out / f"random-{seed}")
    write_context(case.directory, CONTEXT | random.Random(seed).choice(IGNORED))
    (case.directory / "Dockerfile").write_text(random_dockerfile(seed), "utf-8")
    return case


def random_dockerfile(seed: int) -> str:
    chance = random.Random(seed)
    lines = []
    world = _World(chance)
    if chance.random() < 0.15:
        other = _World(chance)
        lines += [f"FROM {BASE} AS made", *_instructions(other, chance.randint(2, 4)), ""]
        world.stage = other
    lines.append(f"FROM {BASE}")
    lines += _instructions(world, chance.randint(4, 12))
    if world.users and chance.random() < 0.4:
        lines.append(f"USER {chance.choice(world.users)}")
    lines.append('CMD ["sh"]')
    return "\n".join(lines) + "\n"


def _instructions(world: _World, count: int) -> list[str]:
    return [line for _ in range(count) for line in _instruction(world)]


def _instruction(world: _World) -> list[str]:
    kind = world.chance.choices(("run", "copy", "workdir", "setting", "user", "stage"), (13, 7, 2, 2, 1, 2))[0]
    if kind == "run":
        commands = [made for _ in range(world.chance.choice((1, 1, 1, 2, 2, 3))) for made in _commands(world)]
        return [_run(world, commands)] if commands else []
    if kind == "copy":
        return [_copy(world)]
    if kind == "workdir":
        world.workdir = world.directory()
        return [f"WORKDIR {world.workdir}"]
    if kind == "user":
        return _as_user(world)
    if kind == "stage":
        return _from_stage(world)
    return [world.chance.choice(("ENV A=1", 'LABEL note="x y"', "ARG N=2", "EXPOSE 80", "# a comment", "ENV PLACE=/srv/data"))]


def _as_user(world: _World) -> list[str]:
    """Something made by a user that exists; the file stays that user's."""
    path = f"/tmp/by-user{world.number()}"
    world.files.add(path)
    return [f"USER {world.chance.choice([*world.users, 'daemon'])}", f"RUN {_content(world, path)} > {path}", "USER root"]


def _from_stage(world: _World) -> list[str]:
    if world.stage is None or not (places := world.stage.parents()):
        return []
    place, target = world.chance.choice(places), world.directory()
    world.files |= {target + path.removeprefix(place) for path in world.stage.files if path.startswith(place + "/")}
    return [f"COPY --from=made {place} {target}/"]


def _run(world: _World, commands: list[str]) -> str:
    shape = world.chance.random()
    if shape < 0.35 and len(commands) > 1:
        return "RUN " + " \\\n    && ".join(commands)
    if shape < 0.4 and len(commands) > 1:
        return "RUN " + " \\\n    # and then\n    && ".join(commands)
    if shape < 0.55:
        return f"RUN set -e{world.chance.choice(('', 'u', 'ux'))}; " + "; ".join(commands)
    return "RUN " + " && ".join(commands)


def _commands(world: _World) -> list[str]:
    often = (_write, _write, _write, _chown, _chmod, _remove, _remove, _move, _duplicate, _link, _user)
    seldom = (_ask, _ask, _append, _several, _in_directory, _loop, _alternative, _empty)
    made = world.chance.choice((*often, *often, *seldom))(world)
    return [made] if made else []


def _ask(world: _World) -> str | None:
    """A command that writes down what it finds, in a file of its own."""
    place = world.chance.choice(world.parents() or ["/etc"])
    path = world.file() or "/etc/passwd"
    question = world.chance.choice(
        (
            f"ls -A {place}",
            f"ls -ln {place} | tr -s ' ' | cut -d' ' -f1,3,4",
            f"stat -c '%a %u %g' {path}",
            f"wc -c {path}",
            f"find {place} -type f | sort",
            "cut -d: -f1 /etc/passwd",
            "awk -F: '{print $1}' /etc/group",
            f"test -e {path} && echo yes",
            f"cat {path} | head -c 100",
        )
    )
    answer = f"/srv/answer{world.number()}"
    world.files.add(answer)
    return f"{question} > {answer}"


def _append(world: _World) -> str | None:
    path = world.file()
    return f"echo more >> {path}" if path else None


def _several(world: _World) -> str | None:
    """One command on several files, or on all in a directory."""
    command = world.chance.choice(("chmod 640", "chown daemon", "chown -R 1234", "chmod u=rwX,go=rX"))
    if (places := world.parents()) and world.chance.random() < 0.5:
        return f"{command} {world.chance.choice(places)}/*"
    paths = sorted(world.files)
    return f"{command} {' '.join(world.chance.sample(paths, min(len(paths), 3)))}" if paths else None


def _in_directory(world: _World) -> str:
    """Something written where `cd` leads, for this command alone or for those after it."""
    place = world.directory()
    path = world.fresh(place)
    world.files.add(path)
    text = f"cd {place} && {_content(world, path)} > {path.removeprefix(place + '/')}"
    return f"mkdir -p {place} && " + (f"({text})" if world.chance.random() < 0.5 else f"{text} && cd /")


def _loop(world: _World) -> str:
    place = world.directory()
    paths = [world.fresh(place) for _ in range(2)]
    world.files |= set(paths)
    names = " ".join(path.rpartition("/")[2] for path in paths)
    return f"mkdir -p {place} && for i in {names}; do {_content(world, place)} > {place}/$i; done"


def _alternative(world: _World) -> str:
    path = world.fresh(world.directory())
    world.files.add(path)
    return f"{{ test -e {path} || {{ mkdir -p {path.rpartition('/')[0]} && {_content(world, path)} > {path}; }}; }}"


def _empty(world: _World) -> str:
    path = world.fresh(world.directory())
    world.files.add(path)
    return f"mkdir -p {path.rpartition('/')[0]} && touch {path}"


def _write(world: _World) -> str:
    place = world.directory()
    old = [path for path in world.files if path.startswith(place + "/")]
    path = world.chance.choice(sorted(old)) if old and world.chance.random() < 0.2 else world.fresh(place)
    world.files.add(path)
    if world.workdir == place and world.chance.random() < 0.5:
        return f"{_content(world, path)} > {path.removeprefix(place + '/')}"
    return f"mkdir -p {path.rpartition('/')[0]} && {_content(world, path)} > {path}"


def _content(world: _World, path: str) -> str:
    """A command that prints so many bytes: its own, those of many files, or other ones in each build."""
    size = world.chance.choice(SIZES)
    return world.chance.choices(
        (f"yes {path} | head -c {size}", f"head -c {size} /dev/zero", f"head -c {size} /dev/urandom"), (6, 3, 1)
    )[0]


def _chown(world: _World) -> str | None:
    owner = world.chance.choice([*world.users, "1234:1234", "daemon"])
    if "/srv/data" in world.parents() and world.chance.random() < 0.2:
        return f"D=/srv/data && chown -R {owner} $D"
    return _on_something(world, f"chown -R {owner}", f"chown {owner}")


def _chmod(world: _World) -> str | None:
    mode = world.chance.choice(("0755", "u+x", "g=u", "a+rX", "700"))
    return _on_something(world, f"chmod -R {mode}", f"chmod {mode}")


def _on_something(world: _World, recursive: str, single: str) -> str | None:
    """A command on a directory, or on one file."""
    if (places := world.parents()) and world.chance.random() < 0.6:
        return f"{recursive} {world.chance.choice(places)}"
    path = world.file()
    return f"{single} {path}" if path else None


def _remove(world: _World) -> str | None:
    if (places := world.parents()) and world.chance.random() < 0.4:
        place = world.chance.choice(places)
        world.files = {path for path in world.files if not path.startswith(place + "/")}
        return f"rm -rf {place}/*" if place in ("/tmp", world.workdir) else f"rm -rf {place}"
    path = world.file()
    if path is None:
        return None
    world.files.discard(path)
    return f"rm -f {path}"


def _move(world: _World) -> str | None:
    path = world.file()
    if path is None:
        return None
    place = world.directory()
    to = world.fresh(place)
    world.files.discard(path)
    world.files.add(to)
    return f"mkdir -p {place} && mv {path} {to}"


def _duplicate(world: _World) -> str | None:
    path = world.file()
    if path is None:
        return None
    place = world.directory()
    to = world.fresh(place)
    world.files.add(to)
    return f"mkdir -p {place} && cp {world.chance.choice(('', '-p '))}{path} {to}"


def _link(world: _World) -> str | None:
    path = world.file()
    if path is None:
        return None
    place = world.directory()
    return f"mkdir -p {place} && ln {world.chance.choice(('-s ', ''))}{path} {world.fresh(place)}"


def _user(world: _World) -> str:
    name = f"user{len(world.users)}"
    world.users.append(name)
    return f"useradd {world.chance.choice(('-m', '-r', '-M'))} {name}"


def _copy(world: _World) -> str:
    place = world.directory()
    source = world.chance.choice(["a.txt", "big.bin", "src", "pkg/", "conf", ".", "src/lib", "a.txt big.bin", "pkg/*.bin"])
    flag = world.chance.choice(["", "", "", "--chown=1000:1000 ", *(f"--chown={user} " for user in world.users)])
    keyword = world.chance.choice(("COPY", "COPY", "COPY", "ADD"))
    for each in source.split(" "):
        _bring(world, each.rstrip("/"), place)
    target = "./" if world.workdir == place and world.chance.random() < 0.5 else f"{place}/"
    return f"{keyword} {flag}{source} {target}"


def _bring(world: _World, source: str, place: str) -> None:
    """Note the files that a copy brings: a file under its name, of a directory what lies below."""
    if "*" in source:
        world.files |= {f"{place}/{name.rpartition('/')[2]}" for name in CONTEXT if fnmatch(name, source)}
    brought = [name for name in CONTEXT if source in (".", name) or name.startswith(source + "/")]
    below = "" if source in (".", *CONTEXT) else source + "/"
    world.files |= {f"{place}/{name.removeprefix(below)}" for name in brought if not name.startswith((".git", "node_modules"))}
