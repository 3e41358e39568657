"""Where package managers and compilers keep what they downloaded or built, and how to keep it out of a layer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownCache:
    """A cache of a package manager or compiler: where it lies, and how to keep it out of a layer.

    `directories` are paths from the root, `*` standing for one name; `at_home` are paths below any user's home. `remedy`
    completes "line 4 leaves 20 MB of NAME in layer 2: ..."; `{home}` in it is the home that was found.

    `tools` are the programs that build from it: after the last of them it is of no use, if one of their `verbs` was among its
    words. Without `tools` it only saves time.
    """

    kind: str
    name: str
    remedy: str
    directories: tuple[bytes, ...] = ()
    at_home: tuple[bytes, ...] = ()
    tools: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()


def _mount(target: str) -> str:
    return f"`RUN --mount=type=cache,target={target}`"


CACHES = (
    KnownCache(
        "apt-cache",
        "apt's lists and package caches",
        "end that RUN with `apt-get clean && rm -rf /var/lib/apt/lists/*`",
        (b"var/lib/apt/lists", b"var/cache/apt"),
    ),
    KnownCache(
        "apk-cache", "apk's cache", "use `apk add --no-cache`", (b"var/cache/apk", b"etc/apk/cache", b"var/lib/apk/cache")
    ),
    KnownCache(
        "dnf-cache",
        "dnf's cache",
        f"end that RUN with `dnf clean all`, or use {_mount('/var/cache/dnf')}",
        (b"var/cache/dnf", b"var/cache/libdnf5"),
    ),
    KnownCache("yum-cache", "yum's cache", "end that RUN with `yum clean all`", (b"var/cache/yum",)),
    KnownCache("zypper-cache", "zypper's cache", "end that RUN with `zypper clean --all`", (b"var/cache/zypp",)),
    KnownCache("pacman-cache", "pacman's cache", "end that RUN with `pacman -Scc --noconfirm`", (b"var/cache/pacman/pkg",)),
    KnownCache(
        "pip-cache",
        "pip's cache",
        f"use `pip install --no-cache-dir`, or {_mount('{home}/.cache/pip')}",
        at_home=(b".cache/pip",),
    ),
    KnownCache("uv-cache", "uv's cache", f"use `uv --no-cache`, or {_mount('{home}/.cache/uv')}", at_home=(b".cache/uv",)),
    KnownCache("poetry-cache", "poetry's cache", f"use {_mount('{home}/.cache/pypoetry')}", at_home=(b".cache/pypoetry",)),
    KnownCache("pipenv-cache", "pipenv's cache", f"use {_mount('{home}/.cache/pipenv')}", at_home=(b".cache/pipenv",)),
    KnownCache(
        "conda-cache",
        "conda's package cache",
        "end that RUN with `conda clean --all --yes`",
        (b"opt/conda/pkgs", b"opt/miniconda/pkgs", b"opt/miniconda3/pkgs", b"opt/miniforge3/pkgs"),
        (b"miniconda3/pkgs", b"miniforge3/pkgs", b"anaconda3/pkgs"),
    ),
    KnownCache(
        "npm-cache",
        "npm's cache",
        f"use {_mount('{home}/.npm')}, or end that RUN with `npm cache clean --force`",
        at_home=(b".npm/_cacache",),
    ),
    KnownCache(
        "yarn-cache",
        "yarn's cache",
        "end that RUN with `yarn cache clean`, or mount a cache at the directory that `yarn cache dir` names",
        (b"usr/local/share/.cache/yarn", b"usr/share/.cache/yarn"),
        (b".cache/yarn", b".yarn/berry/cache"),
    ),
    KnownCache(
        "pnpm-cache",
        "pnpm's store",
        f"use {_mount('{home}/.local/share/pnpm/store')}",
        at_home=(b".local/share/pnpm/store", b".cache/pnpm"),
        tools=("pnpm",),
        verbs=("install", "i", "add"),
    ),
    KnownCache("bun-cache", "bun's cache", f"use {_mount('{home}/.bun/install/cache')}", at_home=(b".bun/install/cache",)),
    KnownCache(
        "go-cache",
        "Go's build and module caches",
        f"build in a separate stage, or use {_mount('{home}/.cache/go-build')} and `--mount=type=cache,target=/go/pkg/mod`",
        (b"go/pkg/mod",),
        (b".cache/go-build", b"go/pkg/mod"),
        tools=("go",),
        verbs=("build", "install"),
    ),
    KnownCache(
        "cargo-cache",
        "cargo's registry",
        f"build in a separate stage, or use {_mount('/usr/local/cargo/registry')}",
        (b"usr/local/cargo/registry", b"usr/local/cargo/git"),
        (b".cargo/registry", b".cargo/git"),
        tools=("cargo", "maturin"),
        verbs=("build", "install"),
    ),
    KnownCache(
        "gem-cache",
        "gem's cache",
        "end that RUN with `rm -rf` of the gems' `cache` directory, or use `gem install --no-document` with a cache mount",
        (
            b"usr/local/bundle/cache",
            b"usr/local/bundle/ruby/*/cache",
            b"usr/local/lib/ruby/gems/*/cache",
            b"usr/lib/ruby/gems/*/cache",
            b"var/lib/gems/*/cache",
        ),
        (b".bundle/cache",),
    ),
    KnownCache(
        "composer-cache",
        "composer's cache",
        f"use `composer install --no-cache`, or {_mount('{home}/.composer/cache')}",
        at_home=(b".composer/cache", b".cache/composer"),
    ),
    KnownCache(
        "maven-cache",
        "maven's repository",
        f"build in a separate stage, or use {_mount('{home}/.m2')}",
        at_home=(b".m2/repository",),
        tools=("mvn", "mvnw"),
        verbs=("package", "verify", "install", "deploy"),
    ),
    KnownCache(
        "gradle-cache",
        "gradle's cache",
        f"build in a separate stage, or use {_mount('{home}/.gradle')}",
        at_home=(b".gradle/caches",),
        tools=("gradle", "gradlew"),
        verbs=("--no-daemon",),  # a daemon has files of it open until the RUN ends
    ),
    KnownCache(
        "nuget-cache",
        "NuGet's cache",
        f"use {_mount('{home}/.local/share/NuGet')}",
        at_home=(b".local/share/NuGet",),
    ),
    KnownCache(
        "r-cache",
        "pak's cache of R packages",
        f"use {_mount('{home}/.cache/R/pkgcache')}",
        at_home=(b".cache/R/pkgcache",),
    ),
    KnownCache("ccache", "ccache's cache", f"use {_mount('{home}/.cache/ccache')}", at_home=(b".ccache", b".cache/ccache")),
)
