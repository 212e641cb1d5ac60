"""SIGKILL at random moments of every command that writes, but for the training of a run.

    python -m tests.e2e.kill_commands [NAME...] [--kills=20] [--seed=0]

Each moment, uniform over the processor time of an undisturbed start so that the load of the
machine does not shift it, is a start of its own in a fresh folder, killed with its process group
and started again. That must end with status 0 and leave the names and bytes of an undisturbed
start and nothing else: no draft, no lock, no process. What lay there before is there at the kill,
too, as it was or as the command leaves it. One exception: where the kill finds the work of
`convert` or `adapt` whole, the next start may end with status 2, since these replace nothing, their
own files included. Prints a row a command, exits with 1 where one fails.
"""

import argparse
import dataclasses
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jaxdet.convert.__main__ import main as convert
from jaxdet.predict.__main__ import CSV
from jaxdet.report import write_report
from jaxdet.workdir.files import sha256
from tests.conftest import write_images
from tests.e2e import watching
from tests.e2e.conftest import REPOSITORY
from tests.predict import samples
from tests.report.runs import predictions, write_analyses, write_run
from tests.web.archives import make_images, make_zip
from tests.web.server import Server

CLASSES = ("bird", "cat", "horse")
SYNTH = "jaxdet.data synth --root={o}/set --size=32"
MAKER = f"{SYNTH} --train-images=8 --val-images=2 --test-images=2 --width=2 --method="
# {i} is the folder of inputs, {o} that of outputs, {u} the address of a server.
COMMANDS = {
    "pack": "jaxdet.data pack {i}/data {o}/store",
    "pack-tfds": "jaxdet.data pack --format=tfds {i}/data {o}/tfds",
    "fetch-files": "tests.web.small {o}/root {u} PLAIN net-x.pth,net-y.pth ,",
    "fetch-images": "tests.web.small {o}/root {u} ZIP set.zip bird,cat,horse",
    "fetch-classes": "tests.web.small {o}/root {u} ZIP set.zip bird,cat,horse bird,horse",
    "equalise": "jaxdet.data audit {i}/data --equalise={o}/copy --json={o}/audit.json"
    " --page={o}/audit.html",
    "to-jax": "jaxdet.convert to-jax --arch=resnet18 {i}/w.safetensors {o}/weights",
    "to-torch": "jaxdet.convert to-torch {i}/weights {o}/w.pth",
    "export": "jaxdet.convert export --size=32 {i}/weights {o}/program",
    "predict-out": "jaxdet.predict --weights={i}/weights --crop=32 --part-rows=8 --out={o}/rows"
    " {i}/images",
    "predict-files": "jaxdet.predict --weights={i}/weights --crop=32 --json={o}/rows.json"
    " --csv={o}/rows.csv {i}/images",
    "adapt": "jaxdet.adapt --weights={i}/weights --real={i}/data/test/a/0_real"
    " --fake={i}/data/test/a/1_fake --check=none --out={o}/adapted",
    "report": "jaxdet.report {i}/run {i}/other --out={o}/report",
    "builtin": f"{SYNTH} --train-images=8 --val-images=2 --test-images=2 --steps=2",
    "dip": f"{MAKER}dip --network=hourglass --levels=1 --iterations=12 --at-once=2",
    "autogan": f"{MAKER}autogan --blocks=1 --batch-size=2 --epochs=5",
    "dcgan": f"{MAKER}dcgan --batch-size=4 --steps=20",
    "wgan_gp": f"{MAKER}wgan_gp --batch-size=4 --critic-steps=1 --steps=20",
}
REPLACES_NOTHING = ("to-jax", "to-torch", "export", "adapt")
HEAD = f"{'':<13} {'kills':>5} {'in the work':>11} {'same bytes':>10} {'left over':>9}  found"


@dataclasses.dataclass
class Tally:
    """What became of the kills of one command."""

    kills: int = 0
    working: int = 0  # files of the command were there
    same: int = 0
    left_over: int = 0
    found: list[str] = dataclasses.field(default_factory=list)

    def row(self, name):
        counts = f"{self.kills:>5} {self.working:>11} {self.same:>10} {self.left_over:>9}"
        return f"{name:<13} {counts}  {'; '.join(dict.fromkeys(self.found)) or 'nothing'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="*", choices=list(COMMANDS), help="all where left out")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(HEAD, flush=True)
    failed = 0
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        server.files = make_inputs(Path(folder) / "inputs")
        for name in options.name or COMMANDS:
            rng = random.Random(f"{options.seed} {name}")
            tally = Drill(name, Path(folder), server.url).kill(options.kills, rng)
            print(tally.row(name), flush=True)
            failed += bool(tally.found)
    sys.exit(failed > 0)


def make_inputs(folder):
    """Writes what the commands read; returns what the server has."""
    for seed, (place, count) in enumerate({"train/cat": 20, "val/cat": 5, "test/a": 20}.items()):
        write_images(folder / "data" / place, count=count, seed=seed)
    write_images(folder / "data/test/b", count=10, seed=9, suffix="jpg")
    samples.write_images(folder / "images", 60)
    samples.write_weights(folder / "w.safetensors")
    convert(["to-jax", "--arch=resnet18", str(folder / "w.safetensors"), str(folder / "weights")])
    for name, sets in {"run": ("progan", "stylegan"), "other": ("progan",)}.items():
        rows = {one: predictions(one) for one in sets}
        write_analyses(write_run(folder / name, rows), rows)
    write_report([folder / "other"], folder / "earlier")
    files = {f"net-{x}.pth": random.Random(x).randbytes(3_000_000) for x in "xy"}
    return {**files, "set.zip": make_zip(make_images(CLASSES, count=15, size=64))}


class Drill:
    """One command, the folders that it works in, and what an undisturbed start leaves there."""

    def __init__(self, name, folder, url):
        self.name, self.folder = name, folder
        self.inputs, self.outputs = folder / "inputs", folder / "outputs"
        words = COMMANDS[name].format(i=self.inputs, o=self.outputs, u=url).split()
        self.arguments = [sys.executable, "-m", *words]

    def kill(self, kills, rng):
        """Kills as often; a Tally."""
        tally, read = Tally(), snapshot(self.inputs)
        whole, _ = self.undisturbed()  # which also compiles
        again, seconds = self.undisturbed()
        tally.found += [] if again == whole else [f"two starts differ: {differing(again, whole)}"]
        for _ in range(5 * kills):
            self.one_moment(rng.uniform(0, seconds), whole, tally)
            if tally.kills == kills or len(tally.found) > 5:
                break
        tally.found += [] if tally.kills == kills else ["not killed as often"]
        tally.found += [] if snapshot(self.inputs) == read else ["what was read has changed"]
        return tally

    def undisturbed(self):
        """The files that a start leaves, and its seconds of processor time."""
        self.lay_out()
        begin = resource.getrusage(resource.RUSAGE_CHILDREN)
        status, err = self.finish(self.start())
        assert status == 0, f"{self.name}: {err}"
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime
        return snapshot(self.outputs), seconds

    def one_moment(self, seconds, whole, tally):
        before, process = self.lay_out(), self.start()
        while process.poll() is None and watching.processor_seconds(process.pid) < seconds:
            time.sleep(0.005)
        watching.kill(process.pid, group=True)
        if self.finish(process)[0] == 0:
            return  # sooner than the start that was measured: nothing to kill any more
        found = [] if watching.ended(self.name) else ["processes left"]
        at_kill = snapshot(self.outputs)
        found += [f"{path}: lost at the kill" for path, content in before.items()
                  if at_kill.get(path) not in (content, whole.get(path))]  # fmt: skip
        status, err = self.finish(self.start())
        if not (status == 2 and self.name in REPLACES_NOTHING and whole.items() <= at_kill.items()):
            found += [f"status {status}: {err[-300:].strip()}"] if status else []
        after = snapshot(self.outputs)
        found += [differing(after, whole)] if after != whole else []
        tally.kills += 1
        tally.working += at_kill != before
        tally.same += whole.items() <= after.items()
        tally.left_over += len(after.keys() - whole.keys())
        tally.found += [f"{one} ({seconds:.2f} s)" for one in found]

    def lay_out(self):
        """Makes the folder of outputs anew, with what lay there before the command; its files."""
        shutil.rmtree(self.outputs, ignore_errors=True)
        self.outputs.mkdir()
        (self.outputs / "mine.txt").write_text("mine")
        if self.name == "report":
            shutil.copytree(self.inputs / "earlier", self.outputs / "report")
        if self.name == "predict-files":
            (self.outputs / "rows.json").write_text('[\n  {\n    "path": "a",\n    "logit": 1}]')
            (self.outputs / "rows.csv").write_text(CSV)
        if self.name.startswith("fetch"):
            write_images(self.outputs / "root/train/bird", count=1)
        return snapshot(self.outputs)

    def start(self):
        return subprocess.Popen(
            self.arguments, cwd=REPOSITORY, start_new_session=True,
            env=watching.environment(self.name, self.folder), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def finish(self, process):
        err = process.communicate(timeout=3600)[1]
        return process.returncode, err


def snapshot(folder):
    """SHA-256 of each file below a folder, "folder" for a folder, by path."""
    return {
        str(path.relative_to(folder)): "folder" if path.is_dir() else sha256(path)
        for path in sorted(folder.rglob("*"))
    }


def differing(one, other):
    names = sorted(name for name in one | other if one.get(name) != other.get(name))
    return f"{len(names)} files differ: {', '.join(names[:3])}"


if __name__ == "__main__":
    main()
