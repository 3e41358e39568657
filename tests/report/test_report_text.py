"""The report that people read: what it says, and that it fits where it is shown."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from layerscope.wording.style import cells
from support.commands import on_terminal, process, ran, shell, written
from support.image_builder import Layer, file, image, layer, whiteout
from support.sources_build import Layout, config, dump, layer_tar, saved, tar, write_directory

LAYERS = (
    layer(file("a", b"1" * 10), "d/", file("d/x", b"2" * 2000), file("run", b"4" * 7, mode=0o600)),
    layer(file("a", b"x" * 12), ".wh.d", file("run", b"4" * 7, mode=0o755)),
)
REPORT = """\
test:1 · linux/amd64 · {id}
2.04 kB on disk · 20.5 kB stored · ≈{wire} B on the wire · 2.02 kB wasted
0.9% efficient

  #      size                wasted  instruction
  1   2.02 kB  ██████████   2.02 kB  step 1
  2      19 B  ▏                     step 2

Waste by cause
  deleted       2.00 kB  ██████████  removed later; every pull still carries it
  overwritten      10 B  ▏           replaced later by other content
  metadata          7 B  ▏           same bytes; mode, owner or times differ

Where it comes from  (written by → buried by)
   2.00 kB  deleted        1 → 2           1 file  step 2
      10 B  overwritten    1 → 2           1 file  step 2
       7 B  metadata       1 → 2           1 file  step 2

Worst paths
   2.00 kB  deleted        1 → 2    /d/x
      10 B  overwritten    1 → 2    /a
       7 B  metadata       1 → 2    /run

0.9% efficient: a container never sees 99 of every 100 bytes in the layers.
2.02 kB wasted on disk, ≈{wasted} B on the wire.
The layers are stored uncompressed here; a registry would store less.
Which layers belong to the base is unknown (--base N or --base IMAGE sets it).
"""
WIDE = "日本語の長い長いファイル名" * 10
COMBINING = "e\u0301" * 300
CONTROLS = "\x1b[31m\n\x07\u009b\u202e" * 40
NAMES: tuple[str | bytes, ...] = (WIDE, COMBINING, CONTROLS, "n" * 250, b"\xff\xfe" * 100)


def awkward(created_by: str, name: str = "test:1", os: str = "linux") -> bytes:
    """An archive whose every text is long and odd."""
    first = layer(*(file(f"{number}".encode() + _raw(each), b"x" * 100) for number, each in enumerate(NAMES))).tar()
    second = layer(*(whiteout(f"{number}".encode() + _raw(each)) for number, each in enumerate(NAMES))).tar()
    history = [{"created_by": created_by}, {"created_by": "RUN " + created_by}]
    settings = config(first, second, platform={"os": os, "architecture": "amd64"}, history=history)
    return tar(saved(first, second, tags=(name,), settings=settings))


def _raw(name: str | bytes) -> bytes:
    return name.encode() if isinstance(name, str) else name


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_the_report_says_layers_causes_pairs_paths_and_a_verdict(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(ran(capsys, archive, "--json", "-").out)
    image_id = document["image"]["id"].removeprefix("sha256:")[:12]
    # Small layers are compressed whole; how small they get is zlib's.
    sizes = [len(gzip.compress(each.tar(), 6)) for each in LAYERS]
    assert document["image"]["compressed_bytes_estimate"] == pytest.approx(sum(sizes), rel=0.2)
    packed, unpacked = document["layers"][0]["compressed_bytes_estimate"], document["layers"][0]["unpacked_bytes"]
    wire, wasted = document["image"]["compressed_bytes_estimate"], round(2017 * packed / unpacked)
    done = ran(capsys, archive)
    assert (done.code, done.err) == (0, "")
    assert done.out == REPORT.format(id=image_id, wire=wire, wasted=wasted)


def test_an_image_without_waste_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ran(capsys, written(tmp_path / "image.tar", layer("a"))).out
    assert "100% efficient: a container sees every byte that the layers carry.\n" in out
    assert "Waste by cause" not in out


def test_an_image_that_is_all_waste_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ran(capsys, written(tmp_path / "image.tar", layer("a"), layer(".wh.a"))).out
    assert "0% efficient: a container never sees 100 of every 100 bytes in the layers.\n" in out


def test_an_image_without_layers_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, written(tmp_path / "image.tar"))
    assert done.code == 0
    assert "The image has no layers.\n" in done.out


def test_compressed_layers_are_measured_on_the_wire(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "image.tar").write_bytes(image(*LAYERS, fmt="oci", compress="zstd"))
    assert " B on the wire" in ran(capsys, tmp_path / "image.tar").out


def test_the_bases_layers_and_waste_are_set_apart(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ran(capsys, archive, "--base", "1").out
    assert "─── the base's layers above, yours below ───" in out
    assert "Yours: 2.02 kB. The base's (the first 1 layer): 0 B.\n" in out


def test_damage_is_a_problem_in_the_report_and_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "image.tar").write_bytes(tar(saved(layer_tar("a", "b")[:1100])))
    done = ran(capsys, tmp_path / "image.tar")
    assert done.code == 2
    assert "Problems\n  layer 1 (" in done.out
    assert done.err.startswith(f"layerscope: {tmp_path}/image.tar: layer 1 (")
    assert done.err.count("\n") == 1


def test_ten_problems_are_shown_and_the_rest_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, written(tmp_path / "image.tar", layer(*(f"d{number}/.wh." for number in range(30)))))
    assert done.out.count("a whiteout without a name") == 10
    assert "  and 21 more (--json lists all)\n" in done.out  # the last says that engines make the directories


def test_ten_damages_are_said_and_the_rest_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = layer_tar("a", "b")[:1100]
    (tmp_path / "image.tar").write_bytes(tar(saved(*[broken + bytes([number]) for number in range(30)])))
    done = ran(capsys, "ls", tmp_path / "image.tar")
    assert done.code == 2
    assert done.err.count("\n") == 11
    assert "and 20 more" in done.err


@pytest.mark.parametrize("columns", ["60", "80", "81", "100", "200"])
@pytest.mark.parametrize("text", ["plain", *[each for each in NAMES if isinstance(each, str)], "word " * 100])
def test_every_line_fits_the_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, text: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    (tmp_path / "image.tar").write_bytes(awkward(text, name=text, os=text))
    lines = ran(capsys, tmp_path / "image.tar").lines
    assert [line for line in lines if cells(line) > int(columns)] == []


def test_the_demos_report_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line for line in ran(capsys, "demo").lines if cells(line) > 80] == []


def test_long_problems_and_base_names_are_wrapped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout()
    annotations = {"org.opencontainers.image.base.name": "registry/" + "b" * 300}
    descriptor = layout.image(layer_tar("w" * 230 + "/.wh."), changes={"annotations": annotations})
    done = ran(capsys, write_directory(tmp_path, layout.files(descriptor)))
    assert "The image says that its base is" in done.out
    assert [line for line in done.lines if cells(line) > 80] == []


def test_a_wider_terminal_shows_more_of_an_instruction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "image.tar").write_bytes(awkward("RUN " + "i" * 80))
    assert "i" * 80 not in ran(capsys, tmp_path / "image.tar").out
    monkeypatch.setenv("COLUMNS", "160")
    assert "RUN " + "i" * 80 in ran(capsys, tmp_path / "image.tar").out


def test_no_control_character_of_an_image_is_in_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "image.tar").write_bytes(awkward(CONTROLS, name=CONTROLS, os=CONTROLS))
    assert all(line.isprintable() for line in ran(capsys, tmp_path / "image.tar").lines)


@pytest.mark.slow
def test_a_pipe_and_a_file_get_the_same_bytes_without_color(archive: Path, tmp_path: Path) -> None:
    piped = process(archive).stdout
    shell(f"$layerscope {archive} > {tmp_path}/out")
    assert piped == (tmp_path / "out").read_bytes()
    assert b"\x1b" not in piped


def test_a_terminal_gets_colors_and_its_own_width(archive: Path) -> None:
    shown, code = on_terminal(archive, columns=70)
    assert code == 0
    assert "\x1b[1mtest:1\x1b[0m" in shown
    plain, _ = on_terminal(archive, columns=70, settings={"NO_COLOR": "1"})
    assert max(cells(line) for line in plain.splitlines()) <= 70


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_color_gets_what_a_pipe_gets(archive: Path, setting: dict[str, str]) -> None:
    shown, _ = on_terminal(archive, settings=setting)
    assert shown == process(archive, settings={"PYTHONUTF8": "1"}).stdout.decode()


ASCII = [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}]


@pytest.mark.slow
@pytest.mark.parametrize("settings", ASCII, ids=["locale", "encoding"])
@pytest.mark.parametrize("command", [[], ["ls", "--layer=1"], ["waste"], ["waste", "--by=layer"], ["waste", "--by=directory"]])
def test_where_only_ascii_can_be_written_nothing_else_is(tmp_path: Path, settings: dict[str, str], command: list[str]) -> None:
    (tmp_path / "image.tar").write_bytes(awkward("RUN é日本", name="é日本:1"))
    done = process(*command, tmp_path / "image.tar", settings=settings)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert (b"\\u65e5" in done.stdout) is (command != ["waste", "--by=directory"])


def test_an_ascii_report_fits_80_columns_too(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(awkward(WIDE, name=WIDE))
    out = process(tmp_path / "image.tar", settings={"PYTHONIOENCODING": "ascii"}).stdout
    assert max(map(len, out.splitlines())) <= 80
    assert b"#####" in out


@pytest.mark.slow
def test_json_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    place = written(tmp_path / "image.tar", layer("é"))
    for settings in ASCII:
        assert json.loads(process("ls", place, "--json", settings=settings).stdout.decode())["path"] == "/é"


def test_a_history_that_holds_less_than_the_layers_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "image.tar").write_bytes(tar(saved(layer_tar("a"), settings=dump({}))))
    assert "(no history)" in ran(capsys, tmp_path / "image.tar").out


def test_many_layers_keep_their_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layers: list[Layer] = [layer(file("f", b"x" * number)) for number in range(1, 130)]
    out = ran(capsys, written(tmp_path / "image.tar", *layers)).out
    assert "\n129  " in out


def test_the_report_ends_with_the_three_biggest_fixes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = [layer(file(f"{at}/a", bytes([at]) * (400_000 + 100_000 * at))) for at in range(5)]
    gone = [layer(whiteout(f"{at}")) for at in range(5)]
    tars = [each.tar() for pair in zip(made, gone, strict=True) for each in pair]
    lines = [line for at in range(5) for line in (f"RUN get {at}", f"RUN rm -rf /{at}")]
    history = [{"created_by": f"RUN /bin/sh -c {line[4:]} # buildkit"} for line in lines]
    (tmp_path / "image.tar").write_bytes(tar(saved(*tars, settings=config(*tars, history=history))))
    (tmp_path / "Dockerfile").write_text("\n".join(["FROM scratch", *lines]) + "\n")
    done = ran(capsys, "image.tar", "--text")
    told = done.lines[done.lines.index("What to change  (3.00 MB, 100% of the image)") + 1 :]
    assert [line.split()[:2] for line in told if line[:10].strip()] == [
        ["800", "kB"],
        ["700", "kB"],
        ["600", "kB"],
        ["900", "kB"],
    ]
    assert told[-1] == "    900 kB  in 2 more fixes"
    assert "line 11 `RUN rm -rf /4`" in told[0]


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ([900, 290, 280, 270], [["900", "kB"], ["840", "kB", "in", "3", "more", "fixes"]]),
        ([900, 290], [["900", "kB"], ["290", "kB"]]),
        ([290, 280, 270], [["290", "kB"], ["550", "kB", "in", "2", "more", "fixes"]]),
        ([900, 310, 290, 280], [["900", "kB"], ["310", "kB"], ["570", "kB", "in", "2", "more", "fixes"]]),
    ],
)
def test_fixes_of_less_than_one_percent_are_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sizes: list[int], told: list[list[str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    wasted = [layer(file(f"{at}/a", bytes([at]) * (size * 1000))) for at, size in enumerate(sizes)]
    gone = [layer(whiteout(f"{at}")) for at in range(len(sizes))]
    kept = layer(file("kept", bytes(30_000_000 - sum(sizes) * 1000)))
    tars = [kept.tar(), *(each.tar() for pair in zip(wasted, gone, strict=True) for each in pair)]
    runs = ["RUN keep", *(line for at in range(len(sizes)) for line in (f"RUN get {at}", f"RUN rm -rf /{at}"))]
    history = [{"created_by": f"RUN /bin/sh -c {line[4:]} # buildkit"} for line in runs]
    (tmp_path / "image.tar").write_bytes(tar(saved(*tars, settings=config(*tars, history=history))))
    (tmp_path / "Dockerfile").write_text("\n".join(["FROM scratch", *runs]) + "\n")
    lines = ran(capsys, "image.tar", "--text").lines
    start = next(number for number, line in enumerate(lines) if line.startswith("What to change"))
    shown = [line.split() for line in lines[start + 1 :] if line[:10].strip()]
    assert [words if "more" in words else words[:2] for words in shown] == told
