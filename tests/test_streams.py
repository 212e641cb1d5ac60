"""What commands write for people: names that steer terminals, streams that are closed or full."""

import importlib
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.conftest import write_images
from tests.predict.samples import write_weights
from tests.report import runs

REPOSITORY = Path(__file__).parents[1]
# Moves the cursor, rings, begins a line, turns the text; as C0, as C1 and as UTF-8.
EVIL = "a\x1b[31m\x9b2J\r\n\u202eerror forged\x07\x85\N{LINE SEPARATOR}b"
TABLE = """\
from jaxdet.experiments import Row, Table
from jaxdet.config import Config
def get_table():
    row = Row(name="a", config=Config(), published=({name!r},), unverified={name!r})
    return Table(title={name!r}, source={name!r}, rows=(row,))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data root, weights, and two runs, under hostile names and full of them."""
    place = tmp_path_factory.mktemp("hostile") / EVIL
    root = place / "data"
    for folder in (f"train/{EVIL}", "val", f"test/{EVIL}"):
        write_images(root / folder, count=2, size=32)
    for path in list(root.rglob("000.png")):
        path.rename(path.with_name(f"{EVIL}.png"))
    (root / f"test/{EVIL}/0_real/{EVIL}-broken.png").write_bytes(b"no image")
    (root / f"train/{EVIL}.txt").write_text("")
    write_weights(place / f"{EVIL}.safetensors")
    save_file({EVIL: np.zeros(3, np.float32)}, place / "odd.safetensors")
    sets = {EVIL: runs.predictions("progan", per_label=8, categories=(EVIL, "b"))}
    for number in range(2):
        run = runs.write_run(place / f"run{number}", sets, name=f"{EVIL}{number}", seed=number)
        runs.write_analyses(run, sets, side=16, kinds=("blur",))
    (place / f"run0/predictions/{EVIL}.npz").unlink()
    (place / "begun").mkdir()
    for name in ("config.json", "metrics.jsonl"):
        shutil.copy(place / "run0" / name, place / "begun")
    (place / "table.py").write_text(TABLE.format(name=EVIL))
    (place / "config.py").write_text(f"raise ValueError({EVIL!r})")
    return place


SMALL = [f"--config.{option}" for option in (
    "augment.crop=24", "model.width=4", "optim.batch_size=8", "optim.max_epochs=1",
    "evaluation.bootstrap=5", "evaluation.analyses=()", "runtime.workers=0",
)]  # fmt: skip
# Arguments, in which "@" is the place, and the exit status.
HOSTILE = {
    "main, no config": ("jaxdet.main --config=@/EVIL.py", 2),
    "main, option": ("jaxdet.main --config=configs/small.py --config.EVIL=1 --workdir=@/w", 2),
    "main, flag": ("jaxdet.main --config=configs/small.py --EVIL=1 --workdir=@/w", 2),
    "main, value": ("jaxdet.main --config=configs/small.py --config.seed=EVIL --workdir=@/w", 2),
    "main, root": ("jaxdet.main --config=configs/small.py --config.data.root=@ --workdir=@/w", 2),
    "main, classes": (
        "jaxdet.main --config=configs/small.py --config.data.root=@/data --workdir=@/w "
        "--config.data.classes=EVILx",
        2,
    ),
    "main, folder": ("jaxdet.main --config=configs/small.py --config.data.root=@/data "
                     "--config.augment.crop=64 --workdir=@", 2),
    "main, no module": ("jaxdet.main --config=@/config.py --workdir=@/w", 2),
    "table": ("jaxdet.main --config=@/table.py --list --workdir=@/w", 0),
    "table, row": ("jaxdet.main --config=@/table.py --row=EVIL --workdir=@/w", 2),
    "predict": ("jaxdet.predict --weights=@/EVIL.safetensors --json=@/p.json @/data", 1),
    "predict --out": ("jaxdet.predict --weights=@/EVIL.safetensors --out=@/out @/data", 1),
    "predict, no image": ("jaxdet.predict --weights=@/EVIL.safetensors @/EVIL", 2),
    "predict, tensors": ("jaxdet.predict --weights=@/odd.safetensors @/data", 2),
    "predict, threshold": ("jaxdet.predict --weights=@/w --threshold=EVIL @/data", 2),
    "predict, choice": ("jaxdet.predict --weights=@/w --exif=EVIL @/data", 2),
    "to-jax": ("jaxdet.convert to-jax @/EVIL.safetensors @/EVIL-jax", 0),
    "to-jax, tensors": ("jaxdet.convert to-jax @/odd.safetensors @/x", 2),
    "to-jax, state dict": (
        "jaxdet.convert to-jax --state-dict=EVIL @/EVIL.safetensors @/x", 2),
    "check": ("jaxdet.convert check @/EVIL.safetensors @/EVIL-jax", 0),
    "to-torch": ("jaxdet.convert to-torch @/EVIL-jax @/EVIL.pth", 0),
    "verify": ("jaxdet.data verify @/data", 1),
    "audit": ("jaxdet.data audit @/data", 1),
    "audit, no root": ("jaxdet.data audit @/EVIL", 2),
    "equalise": ("jaxdet.data audit @/data --equalise=@/EVIL-equal --equalise-size=32", 0),
    "pack": ("jaxdet.data pack @/data @/EVIL-store", 0),
    "pack tfds": ("jaxdet.data pack @/data @/EVIL-tfds --format=tfds", 2),
    "verify store": ("jaxdet.data verify @/EVIL-store", 1),
    "fetch": ("jaxdet.data fetch EVIL --root=@/f", 2),
    "synth": ("jaxdet.data synth --root=@/s --photos=@/data --method=dcgan", 2),
    "report": ("jaxdet.report @/run0", 0),
    "report, two": ("jaxdet.report @/run0 @/run1 --out=@/EVIL-report", 0),
    "report, begun": ("jaxdet.report @/begun", 0),
    "report, none": ("jaxdet.report @/EVIL", 2),
    "bench": ("jaxdet.bench input --images=@/EVIL", 2),
    "bench, json": ("jaxdet.bench scaling --json=@/EVIL/EVIL/x", 2),
}  # fmt: skip


def run_here(module, arguments):
    """The exit status of a command within this process."""
    main = importlib.import_module(module if module == "jaxdet.main" else f"{module}.__main__").main
    try:
        main([module, *arguments] if module == "jaxdet.main" else arguments)
    except SystemExit as end:
        return end.code
    return 0


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_steers_the_terminal_or_forges_a_line(place, name, capfd, monkeypatch):
    line, status = HOSTILE[name]
    module, *arguments = line.split()
    monkeypatch.chdir(REPOSITORY)
    capfd.readouterr()
    arguments = [one.replace("@", str(place)).replace("EVIL", EVIL) for one in arguments]
    assert run_here(module, arguments) == status
    written = capfd.readouterr()
    for text in written:
        assert not {sign for sign in text if not sign.isprintable()} - {"\n"}
        assert not [line for line in text.splitlines() if line.startswith("error forged")]
    if status == 2:
        lines = written.err.splitlines()
        (head,) = [n for n, line in enumerate(lines) if line.startswith("error: ")]
        assert all(line.startswith("  ") for line in lines[head + 1 :])
    if name == "predict":
        paths = {Path(row["path"]).name for row in json.loads((place / "p.json").read_text())}
        assert f"{EVIL}.png" in paths  # files for machines have it exactly


def test_a_bar_on_a_terminal_shows_names_without_their_signs():
    code = (
        "import sys; from jaxdet.progress import ProgressLine, say\n"
        "with ProgressLine(sys.argv[1], total=2) as line:\n"
        "    line.advance(note=sys.argv[1]); line.say(sys.argv[1])\n"
        "say(sys.argv[1])"
    )
    above, below = pty.openpty()
    subprocess.run([sys.executable, "-c", code, EVIL], stderr=below, check=True)
    os.close(below)
    shown = b""
    try:
        while part := os.read(above, 4096):
            shown += part
    except OSError:  # the end of a terminal
        os.close(above)
    text = shown.decode()
    assert text.count("error forged") >= 3
    assert "\x1b[31m" not in text.replace("\x1b[31m\N{BOX DRAWINGS HEAVY HORIZONTAL}", "")
    assert not set(text) & {"\x07", "\x85", "\x9b", "\u202e", "\u2028"}
    assert "\nerror forged" not in text


# How a shell starts a command, its further environment, and the status of a command that ends well.
STREAMS = {
    "ASCII": ("", {"PYTHONIOENCODING": "ascii"}, 0),
    "the C locale": ("", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, 0),
    "no stdin": ("<&-", {}, 0),
    "no stdout": (">&-", {}, 1),
    "no stderr": ("2>&-", {}, 0),
    "none at all": ("<&- >&- 2>&-", {}, 1),
    "stdout on a full disk": ("> /dev/full", {}, 1),
    "stderr on a full disk": ("2> /dev/full", {}, 0),
    "both on a full disk": ("> /dev/full 2>&1", {}, 1),
    "nobody reads stdout": ("", {}, 141),
}


def start(arguments, streams):
    redirections, environment, _ = STREAMS[streams]
    reader, writer = os.pipe()
    if streams == "nobody reads stdout":
        os.close(reader)
    command = ["bash", "-c", f'"$0" -m "$@" {redirections}', sys.executable, *arguments]
    process = subprocess.Popen(
        command, stdout=writer, stderr=subprocess.PIPE, cwd=REPOSITORY,
        env={**os.environ, **environment},
    )  # fmt: skip
    os.close(writer)
    return process


def ends_as_it_should(process, streams, arguments):
    err = process.communicate(timeout=300)[1].decode()
    said = f"{arguments}, {streams}: {err}"
    assert process.returncode == STREAMS[streams][2], said
    assert "Traceback" not in err, said
    assert "Exception ignored" not in err, said
    if streams == "stdout on a full disk":
        assert err.splitlines()[-1].startswith("error: standard output: the disk is full"), said
    if streams == "no stdout":
        assert err.splitlines()[-1] == (
            "error: standard output: is closed, and the results that go there were not written"
        )


def test_closed_full_and_ascii_streams_lose_no_work(tmp_path):
    root = tmp_path / "d\N{LATIN SMALL LETTER E WITH ACUTE}"
    write_images(root / "test/\u65e5", count=2)
    run = runs.write_run(tmp_path / "run", {"\u65e5": runs.predictions("a", per_label=8)}, draws=2)
    started = []
    for number, streams in enumerate(STREAMS):
        written = tmp_path / f"{number}.json"
        arguments = ["jaxdet.data", "verify", root, f"--json={written}"]
        started.append((start(arguments, streams), streams, arguments, written))
    arguments = ["jaxdet.report", run, f"--out={tmp_path}/out"]
    process = start(arguments, "the C locale")
    started.append((process, "the C locale", arguments, tmp_path / "out/index.html"))
    for module in ("report", "data", "convert"):
        arguments, full = [f"jaxdet.{module}", "--help"], "stdout on a full disk"
        started.append((start(arguments, full), full, arguments, tmp_path))
    for process, streams, arguments, written in started:
        ends_as_it_should(process, streams, arguments)
        # Where stdout fails, lines come before the file; where it is closed, work goes to its end.
        lost = STREAMS[streams][2] and ">&-" not in STREAMS[streams][0]
        assert written.exists() or lost, streams


@pytest.mark.slow
@pytest.mark.parametrize("streams", STREAMS)
def test_so_it_is_for_every_command(tmp_path, streams):
    root = tmp_path / "d\N{LATIN SMALL LETTER E WITH ACUTE}"
    for number, folder in enumerate(("train", "val", "test/\u65e5")):
        write_images(root / folder, count=40, size=32, seed=number)
    weights = write_weights(tmp_path / "w.safetensors")
    small = [f"--config.data.root={root}", *SMALL]
    commands = [
        ["jaxdet.main", "--help"],
        ["jaxdet.main", "--config=configs/small.py", *small, f"--workdir={tmp_path}/run"],
        ["jaxdet.main", "--config=configs/papers/wang_table2.py", "--list"],
        ["jaxdet.predict", f"--weights={weights}", root / "val"],
        ["jaxdet.predict", f"--weights={weights}", f"--out={tmp_path}/out", root / "val"],
        ["jaxdet.data", "verify", root],
        ["jaxdet.data", "pack", root, tmp_path / "store"],
        ["jaxdet.data", "fetch", "--list"],
        ["jaxdet.data", "audit", root, f"--equalise={tmp_path}/equal"],
        ["jaxdet.convert", "to-jax", weights, tmp_path / "jax"],
        ["jaxdet.convert", "check", weights, tmp_path / "jax"],
        ["jaxdet.report", tmp_path / "run"],
        ["jaxdet.bench", "--help"],
        ["jaxdet.train.replay", "--help"],
    ]
    for arguments in commands:
        ends_as_it_should(start(arguments, streams), streams, arguments)
