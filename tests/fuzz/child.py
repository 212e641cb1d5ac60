"""The cases from one number to another, one JSON line before and after each reader.

In a process of its own, since a C library that crashes takes its process along. The parent
(tests/fuzz/run.py) sees crashes, and ends what hangs.
"""

import contextlib
import importlib
import io
import json
import resource
import shutil
import sys
import time
import traceback
import warnings
from pathlib import Path

from jaxdet.errors import RunFailedError, UserError

# Address space, bytes: what asks for more gets MemoryError, and has to say it in a line.
LIMIT = 8 * 2**30
# The others have the names of their modules.
MODULES = {"images": "pictures", "files": "records"}
# What decoders raise by contract, to be wrapped by their callers.
DECODERS = ("decode", "decode_bgr", "predict", "verify")


def main(kind, seed, first, last, folder):
    """Runs the cases; the last line tells the peak of memory."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    warnings.simplefilter("ignore")
    module = _module(kind)
    warm_up(module, folder / "sound")
    tell({"baseline_mib": peak_mib()})
    if hasattr(module, "ROOM"):
        resource.setrlimit(resource.RLIMIT_AS, (status_mib("VmSize") * 2**20 + module.ROOM, LIMIT))
    for number in range(first, last):
        shutil.rmtree(folder / "case", ignore_errors=True)
        what, case = module.make_case(number, seed, folder / "case")
        for name, read in module.readers(what).items():
            tell({"case": number, "what": what, "reader": name})
            # The peak of memory becomes what is in use now.
            Path("/proc/self/clear_refs").write_text("5")
            before = peak_mib()
            # Of the processor: others may be at work on the same machine.
            began = time.process_time()
            outcome, text = attempt(lambda read=read, case=case: read(case), name)
            used = {"seconds": time.process_time() - began, "grown_mib": peak_mib() - before}
            if outcome != "defect" and hasattr(module, "bounds"):
                outcome, text = within(used, module.bounds(case), outcome, text)
            tell({"case": number, "reader": name, "outcome": outcome, "text": text,
                  "peak_mib": peak_mib(), **used})  # fmt: skip


def warm_up(module, folder):
    """Reads what is sound: it must be readable, and imports and compilation are over then."""
    for what in module.kinds():
        shutil.rmtree(folder, ignore_errors=True)
        case = module.sound_case(what, folder)
        for name, read in module.readers(what).items():
            outcome, text = attempt(lambda read=read, case=case: read(case), name)
            if outcome != "read":
                sys.exit(f"{what}, {name}: sound files are not read: {text}")


def _module(kind):
    return importlib.import_module(f"tests.fuzz.{MODULES.get(kind, kind)}")


def attempt(read, name):
    """("read" | "refused" | "defect", what it said)."""
    allowed = (UserError, RunFailedError) + ((ValueError, OSError) if name in DECODERS else ())
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            read()
    except allowed as error:
        text = " ".join(str(error).split())
        return ("refused", text) if text else ("defect", f"{error!r} says nothing")
    except BaseException:
        return "defect", traceback.format_exc()
    return "read", ""


def within(used, most, outcome, text):
    """The outcome, or a defect where a reader took more than a file of that size may take."""
    if used["seconds"] <= most[0] and used["grown_mib"] <= most[1]:
        return outcome, text
    took = (
        f"{used['seconds']:.2f} s and {used['grown_mib']} MiB, of {most[0]:.2f} and {most[1]:.0f}"
    )
    return "defect", f"took {took}: {text}"


def peak_mib():
    """VmHWM of this process."""
    return status_mib("VmHWM")


def status_mib(name):
    """A line of /proc/self/status, MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) // 1024
    return 0


def tell(line):
    """One line to the parent."""
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), Path(sys.argv[5]))
