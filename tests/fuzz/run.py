"""Children run the cases; here it is seen who crashed, who hung, and what it took."""

import dataclasses
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# Seconds of the processor that a reader may take for a file, and by the clock, on a machine that
# others may be using, until it is held for hung; the start imports JAX and warms up.
PATIENCE, HUNG, STARTING = 30.0, 120.0, 300.0


@dataclasses.dataclass
class Found:
    """What all cases came to.

    Attributes:
      outcomes: how often each reader ended how.
      defects: crashes, hangs and tracebacks: (case, what, reader, text).
      slowest: seconds, case, reader.
      hungriest: MiB beyond what was in use before, case, reader.
      baseline_mib: peak of memory before the first case.
      peak_mib: the same after the last.
    """

    outcomes: Counter = dataclasses.field(default_factory=Counter)
    defects: list = dataclasses.field(default_factory=list)
    slowest: tuple = (0.0, 0, "")
    hungriest: tuple = (0, 0, "")
    baseline_mib: int = 0
    peak_mib: int = 0

    def add(self, line, what):
        """Takes a line that tells an end."""
        self.outcomes[line["reader"], line["outcome"]] += 1
        self.slowest = max(self.slowest, (line["seconds"], line["case"], line["reader"]))
        self.hungriest = max(self.hungriest, (line["grown_mib"], line["case"], line["reader"]))
        self.peak_mib = max(self.peak_mib, line["peak_mib"])
        if line["outcome"] == "defect":
            self.defects.append((line["case"], what, line["reader"], line["text"]))
        if line["seconds"] > PATIENCE:
            text = f"{line['seconds']:.1f} s"
            self.defects.append((line["case"], what, line["reader"], text))


def fuzz(kind, *, seed, count, folder, first=0):
    """All cases; a child that dies is followed by another, after the case that killed it."""
    found, last = Found(), first + count
    while first < last:
        first = _one_child(found, kind, seed, first, last, folder)
    return found


def _one_child(found, kind, seed, first, last, folder):
    """Where to go on."""
    folder.mkdir(parents=True, exist_ok=True)
    errors = folder / "stderr"
    with errors.open("wb") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.child",
             *map(str, (kind, seed, first, last, folder))],
            cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=stderr,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
        )  # fmt: skip
    begun, hung = _listen(found, child)
    status = child.wait()
    if begun is None and status == 0:
        return last
    if begun is None:
        raise RuntimeError(f"the child ended with {status}: {errors.read_text()[-2000:]}")
    how = "hangs" if hung else f"ends with {signal.Signals(-status).name if status < 0 else status}"
    text = f"{how}: {errors.read_text(errors='replace')[-1500:]}"
    found.defects.append((begun["case"], begun["what"], begun["reader"], text))
    found.outcomes[begun["reader"], "defect"] += 1
    return begun["case"] + 1


def _listen(found, child):
    """Reads a child's lines to their end: what it was at, and whether it had to be ended."""
    begun, what = None, ""
    for line in _lines(child):
        if line is None:
            child.kill()
            return begun, True
        if "baseline_mib" in line:
            found.baseline_mib = line["baseline_mib"]
        elif "outcome" in line:
            found.add(line, what)
            begun = None
        else:
            begun, what = line, line["what"]
    return begun, False


def _lines(child):
    """What the child tells, and None where it tells nothing for too long."""
    selector = selectors.DefaultSelector()
    selector.register(child.stdout, selectors.EVENT_READ)
    buffer, patience = b"", STARTING
    while True:
        if not selector.select(patience):
            yield None
            return
        piece = os.read(child.stdout.fileno(), 2**16)
        if not piece:
            return
        *whole, buffer = (buffer + piece).split(b"\n")
        patience = HUNG
        yield from map(json.loads, whole)


def report(kind, found, *, seconds):
    """Lines for people."""
    names = sorted({name for name, _ in found.outcomes})
    yield f"{kind}: {seconds:.0f} s"
    for name in names:
        counts = {how: found.outcomes[name, how] for how in ("read", "refused", "defect")}
        yield f"  {name:14} " + "  ".join(f"{how} {n:5}" for how, n in counts.items())
    yield f"  slowest: {found.slowest[0]:.2f} s, case {found.slowest[1]}, {found.slowest[2]}"
    yield f"  hungriest: {found.hungriest[0]} MiB, case {found.hungriest[1]}, {found.hungriest[2]}"
    yield f"  VmHWM: {found.peak_mib} MiB, of it {found.baseline_mib} MiB before the first case"
    for case, what, reader, text in found.defects:
        yield f"  DEFECT case {case} ({what}), {reader}:\n{text}"


def timed(kind, **options):
    """What was found, and how many seconds it took."""
    began = time.monotonic()
    return fuzz(kind, **options), time.monotonic() - began
