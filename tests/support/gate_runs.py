"""Runs of the gate for tests of its reports: real analyses of images from literals, verdicts as the gate could give them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from layerscope.advice.advice import Advice, DockerfileLine, Fix
from layerscope.analysis import Analysis, analyze, read_image
from layerscope.gate.verdict import Finding, Outcome, RuleResult, RuleSeverity, Unit, Verdict
from layerscope.report.verdict.gate_run import GateRun
from layerscope.sources.open import open_image
from layerscope.waste.find import Cause
from support.image_builder import file, image, layer, whiteout
from support.sources_build import config, saved, tar

HOSTILE = (
    "]]>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "%0A::error::x",
    "::error::x",
    "##[error]x",
    "a|b",
    "a\\|b|",
    "`a`",
    "``|`",
    "a\x1b[31mb\x1b]0;title\x07",
    "<!--",
    "--><b>",
    "@everyone",
    "see #1 and GH-2",
    "[x](javascript:alert(1))",
    "![x](https://example.org/x.png)",
    "https://example.org/ www.example.org a@example.org",
    '"quoted" {label="x"}\\n',
    "a\nb\r\nc\td",
    "\x01\x02\x0b\x1f\x7f\x85",
    "\u202egpj.exe\u2066\u200b\u2028\ufeff\ufffe",
    "&amp;&#64;&lt;",
    "*a* _b_ ~~c~~ $d$ :smile:",
    "| --- |",
    "# heading",
)
"""Names that would act on a reader of one report or another."""
NOT_TEXT = b"\xff\xfe\xed\xa0\x80\xc3"
ORDINARY = (
    layer(file("app/big", b"1" * 300_000), file("app/small", b"2" * 900), file("etc/motd", b"3" * 40_000)),
    layer(file("app/big", b"4" * 200_000), whiteout("etc/motd"), file("usr/lib/x.so", b"5" * 90_000)),
    layer(file("app/big", b"4" * 200_000, mode=0o755)),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """An image's archive and how it is analyzed."""

    path: Path
    base_layers: int | None = None

    def analysis(self) -> Analysis:
        return analyze(read_image(open_image(str(self.path))), base_layers=self.base_layers)


def result(
    key: str = "max-wasted",
    outcome: Outcome = Outcome.FAILED,
    *,
    name: str = "",
    severity: RuleSeverity = RuleSeverity.ERROR,
    unit: Unit = Unit.BYTES,
    measured: float = 2_500_000,
    limit: float = 2_000_000,
    is_floor: bool = False,
    origin: str = "layerscope.toml",
    sentence: str = "",
    findings: tuple[Finding, ...] = (),
    waivers: tuple[str, ...] = (),
) -> RuleResult:
    says = sentence or f"{key} says so."
    return RuleResult(key, name or key, outcome, severity, unit, measured, limit, is_floor, origin, says, findings, waivers)


def findings(analysis: Analysis) -> tuple[Finding, ...]:
    """All waste, the worst first."""
    waste, paths = analysis.waste, analysis.tree.nodes.paths
    return tuple(
        Finding(
            path=paths[int(waste.node[row])],
            layer=int(waste.written_by[row]),
            buried_by=int(waste.buried_by[row]),
            cause=Cause(waste.cause[row]),
            size=int(waste.size[row]),
        )
        for row in range(len(waste))
    )


def ordinary(directory: Path) -> GateRun:
    """A run in which every outcome is there, with lines of a Dockerfile and a fix."""
    path = directory / "app.tar"
    path.write_bytes(image(*ORDINARY, tag="registry.example.org/team/app:1.2"))
    analysis = Stored(path, base_layers=1).analysis()
    found = findings(analysis)
    results = (
        result("min-efficiency", Outcome.PASSED, unit=Unit.SHARE, measured=0.97, limit=0.9, is_floor=True),
        result("max-wasted", sentence="540 kB are wasted, 340 kB more than the limit of 200 kB.", findings=found),
        result("max-layers", Outcome.WARNED, severity=RuleSeverity.WARN, unit=Unit.COUNT, measured=3, limit=2),
        result("forbid", Outcome.WAIVED, name="forbid **/.git/** anywhere", waivers=("until 2030-01-01: it is public",)),
        result("budget", Outcome.UNJUDGED, name="budget /opt", measured=0, limit=1),
    )
    return GateRun(analysis, Verdict(results, notes=("The defaults are used.",)), ADVICE)


EDIT = """\
--- a/docker/Dockerfile
+++ b/docker/Dockerfile
@@ -14 +13,0 @@ copy-chown-14 saves 200 kB: no more chmod
-RUN chmod 755 /app/big && make DEPLOY_TOKEN=sesame
"""
ADVICE = Advice(
    "docker/Dockerfile",
    {2: DockerfileLine(7, 9, "RUN make install", 0.9), 3: DockerfileLine(14, 14, "RUN chmod 755 /app/big", 1.0)},
    (
        Fix(
            "copy-chown",
            (3,),
            14,
            200_000,
            "line 14 `RUN chmod 755 /app/big` copies 200 kB: use `COPY --chmod=755`.",
            id="copy-chown-14",
            patch=EDIT,
        ),
        Fix("duplicate", (), None, 90_000, "Two files hold the same."),
    ),
)


def hostile(directory: Path) -> GateRun:
    """A run in which every text that an image, a configuration or a Dockerfile could bring acts on some reader."""
    raw = [b"dir/%d" % number + name.encode() for number, name in enumerate(HOSTILE)] + [b"dir/" + NOT_TEXT]
    wasted = layer(*(file(name, b"1" * (5000 + 100 * at)) for at, name in enumerate(raw)))
    alive = layer(*(file(name, b"2" * (9000 + 100 * at)) for at, name in enumerate(raw)))
    stored = [wasted.tar(), alive.tar()]
    everything = " ".join(HOSTILE)
    history = [{"created": everything, "created_by": f"RUN {everything}"}, {"created_by": f"COPY {everything}"}]
    settings = config(*stored, created=everything, history=history, config={"Labels": {everything: everything}})
    path = directory / "hostile.tar"
    path.write_bytes(tar(saved(*stored, tags=(everything + ":1",), settings=settings)))
    analysis = Stored(path).analysis()
    found = findings(analysis)
    results = [
        result("forbid", name=f"forbid {each}", sentence=f"{each} is there: `{each}`.", findings=found[at : at + 2])
        for at, each in enumerate(HOSTILE)
    ]
    results.append(
        result("budget", Outcome.WARNED, severity=RuleSeverity.WARN, name="budget", sentence=everything, findings=found)
    )
    results.append(result("max-size", Outcome.WAIVED, origin=everything, waivers=(everything,)))
    lines = {2: DockerfileLine(3, 3, everything, 0.5)}
    edit = "--- a/{0}\n+++ b/x\n@@ -1 +1 @@ {0}\n-{0}\n+{0}\n"
    fixes = tuple(
        Fix("apt-cache", (2,), 3, 10_000, each, (each.encode(),), f"apt-cache-3.{at}", edit.format(each))
        for at, each in enumerate(HOSTILE)
    )
    verdict = Verdict(tuple(results), doubts=HOSTILE, notes=HOSTILE)
    return GateRun(analysis, verdict, Advice("docker/<b>@me %0A::error::\x1b/Dockerfile", lines, fixes))


def empty(directory: Path) -> GateRun:
    """The run of an image without any layer, by no rule."""
    path = directory / "empty.tar"
    path.write_bytes(image())
    return GateRun(Stored(path).analysis(), Verdict(()), Advice("", {}, ()))


def many(directory: Path, count: int = 600) -> GateRun:
    """A run with `count` findings under long names, a tenth as many rules, all broken, and `count` fixes."""
    path = directory / "many.tar"
    path.write_bytes(_many_layers())
    analysis = Stored(path).analysis()
    long = b"d/" * 100 + b"x" * 200
    found = tuple(Finding(long + b"%d" % at, 1, 2, Cause.DELETED, 1000) for at in range(count))
    results = tuple(
        result("forbid", name=f"forbid {at} {'*' * 300}", sentence="*" * 900, findings=found) for at in range(count // 10)
    )
    fixes = tuple(Fix("duplicate", (1,), None, 1000, f"{at} {'* ' * 150}") for at in range(count))
    return GateRun(analysis, Verdict(results), Advice("Dockerfile", {}, fixes))


def _many_layers() -> bytes:
    return image(*(layer(file(f"layer{at}/{'n' * 180}", b"x" * at)) for at in range(127)))
