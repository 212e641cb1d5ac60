"""What signals do to a process, for real: each scenario is a process that is sent some."""

import signal
import subprocess
import sys
import time

import pytest

# Says "ready" once it may be signalled. Hashing is native code: a handler of Python's waits for it.
BODIES = {
    "anywhere": "print('ready', flush=True); time.sleep(60)",
    "clearing up": """
try:
    print('ready', flush=True)
    time.sleep(60)
finally:
    time.sleep(1)
    print('cleared up', flush=True)
""",
    "steps": """
with signals.deferred():
    print('ready', flush=True)
    while True:
        time.sleep(0.02)
        signals.check('saved at step 7')
""",
    "saving": """
with signals.deferred():
    print('ready', flush=True)
    while not signals.requested():
        time.sleep(0.02)
    print('noted', flush=True)
    time.sleep(1)
    signals.check('saved at step 7')
""",
    "native": """
with signals.deferred():
    print('ready', flush=True)
    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)
""",
    "event loop": """
with signals.deferred():
    signal.set_wakeup_fd(-1)  # what uvloop leaves behind
    print('ready', flush=True)
    while not signals.requested():
        time.sleep(0.02)
    print('noted', flush=True)
    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)
""",
    "finished": """
with signals.deferred():
    print('ready', flush=True)
    while not signals.requested():
        time.sleep(0.02)
print('done')
""",
}
START = """
import hashlib, signal, sys, time
from jaxdet.errors import guard
from jaxdet.workdir import signals
with guard():
    exec(sys.argv[1])
"""
NOTED = "{}: ending at the next step; another signal after 2 s ends at once\n"
AGAIN = "start the same command again to continue\n"
# A second signal counts from two seconds after the first on.
LATER = 3.0
# Where the signals find the process, which (a number waits so many seconds), its status, what it
# says.
SCENARIOS = [
    ("anywhere", ["SIGTERM"], 75, f"stopped by SIGTERM; {AGAIN}"),
    ("anywhere", ["SIGINT"], 130, f"interrupted; {AGAIN}"),
    (
        "steps",
        ["SIGUSR1"],
        75,
        f"{NOTED.format('SIGUSR1')}stopped by SIGUSR1, saved at step 7; {AGAIN}",
    ),
    (
        "saving",
        ["SIGTERM", "SIGTERM", 0.2, "SIGTERM", "SIGINT"],
        75,
        f"{NOTED.format('SIGTERM')}stopped by SIGTERM, saved at step 7; {AGAIN}",
    ),
    ("clearing up", ["SIGINT", 0.2, "SIGINT"], 130, f"interrupted; {AGAIN}"),
    ("native", ["SIGTERM", LATER, "SIGINT"], 130, "SIGINT again: ended at once\n"),
    (
        "event loop",
        ["SIGTERM", LATER, "SIGUSR1"],
        138,
        f"{NOTED.format('SIGTERM')}SIGUSR1 again: ended at once\n",
    ),
    ("finished", ["SIGTERM"], 0, NOTED.format("SIGTERM")),
]


@pytest.fixture(scope="module")
def processes():
    """All scenarios, started together: most of their time is for importing JAX."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", START, BODIES[where]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for where, *_ in SCENARIOS
    ]  # fmt: skip
    yield started
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=[s[0] for s in SCENARIOS])
def test_signals_end_a_process_with_a_line_and_a_status(processes, number):
    where, sent, status, says = SCENARIOS[number]
    process = processes[number]
    assert process.stdout.readline() == "ready\n"
    for place, name in enumerate(sent):
        if isinstance(name, float):
            time.sleep(name)
            continue
        process.send_signal(getattr(signal, name))
        if where in ("event loop", "saving") and place == 0:
            assert process.stdout.readline() == "noted\n"
    out, err = process.communicate(timeout=60)
    if where == "native":
        err = err.removeprefix(NOTED.format("SIGTERM"))  # where it came before the native code
    assert (process.returncode, err) == (status, says)
    assert out == ("cleared up\n" if where == "clearing up" else "done\n" * (where == "finished"))


def test_timeout_of_coreutils_signals_twice_and_the_process_saves():
    process = subprocess.Popen(
        ["timeout", "--preserve-status", "--signal=TERM", "600",
         sys.executable, "-c", START, BODIES["saving"]],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    process.terminate()  # passed on to the child, then to the child's process group
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (
        75,
        f"{NOTED.format('SIGTERM')}stopped by SIGTERM, saved at step 7; {AGAIN}",
    )
