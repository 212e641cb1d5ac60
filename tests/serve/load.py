"""Drives the service by many clients at once: `python -m tests.serve.load --weights=W`.

Beside it, in the same run, a plain service: the same HTTP library, one call of the detector for
each request. With `--onnx=FILE` a third one, by onnxruntime. They take turns, `--rounds` times, so
that other work on the machine disturbs them alike. Each client asks again as soon as it has its
answer, with a connection of its own. Seconds of CPU are the server's own.
"""

import argparse
import collections
import contextlib
import http.client
import io
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tests.serve.servers import Server, form


class Plain(Server):
    """Runs the plain service."""

    module = "tests.serve.plain"


def main() -> None:
    """Prints a line for each service, turn and number of clients, and how they compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--clients", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--images", type=int, default=1, help="of a request")
    parser.add_argument("--side", type=int, default=256, help="of an image, pixels")
    parser.add_argument("--onnx", type=Path, help="the same detector as an ONNX file")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each service")
    options = parser.parse_args()
    bodies = [_body(options, seed) for seed in range(20)]
    services = {"plain": Plain(options.weights), "jaxdet": Server(options.weights)}
    if options.onnx:
        services["onnx"] = Server(options.onnx, "--engine=onnx")
    with contextlib.ExitStack() as stack:
        for one in services.values():
            stack.enter_context(one)
        for clients in options.clients:
            _compare(services, bodies, options, clients)


def _compare(services: dict, bodies: list, options: argparse.Namespace, clients: int) -> None:
    images, seconds = collections.Counter(), collections.Counter()
    for name, server in options.rounds * list(services.items()):
        found = drive(server, bodies, clients=clients, seconds=options.seconds)
        images[name] += found["requests"] * options.images
        seconds[name] += found["seconds"]
        print(json.dumps({"service": name, "clients": clients, **found}), flush=True)
    rates = {name: count / seconds[name] for name, count in images.items()}
    for name, rate in rates.items():
        times = rate / rates["plain"]
        print(f"{clients} clients, {name}: {rate:.1f} images/s, {times:.2f} times the plain one")


def _body(options: argparse.Namespace, seed: int) -> tuple[bytes, str]:
    files = {}
    for number in range(options.images):
        rng = np.random.default_rng((seed, number))
        small = Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8))
        file = io.BytesIO()
        small.resize((options.side,) * 2).save(file, "jpeg", quality=90)
        files[f"{number}.jpg"] = file.getvalue()
    return form(files)


def drive(server: Server, bodies: list, *, clients: int, seconds: float) -> dict:
    """Returns what clients met, and what the server took: statuses, times, MiB of memory."""
    counts, times = collections.Counter(), []
    begin = time.monotonic()
    until = begin + seconds

    def ask(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        for body, kind in itertools.islice(itertools.cycle(bodies), first, None):
            start = time.monotonic()
            if start > until:
                break
            try:
                connection.request("POST", "/v1/score", body, {"Content-Type": kind})
                response = connection.getresponse()
                response.read()
                counts[response.status] += 1
            except (OSError, http.client.HTTPException) as error:
                counts[type(error).__name__] += 1
                connection.close()
                continue
            if response.status == 200:
                times.append(time.monotonic() - start)
            else:
                time.sleep(float(response.headers.get("Retry-After", 0)))
        connection.close()

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(clients)]
    before = _cpu_seconds(server.process)
    memory = [_mebibytes(server.process)]
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads):
        time.sleep(min(1, seconds / 10))
        memory.append(_mebibytes(server.process))
    elapsed = time.monotonic() - begin
    took = _cpu_seconds(server.process) - before
    return {
        "seconds": round(elapsed, 1), "requests": counts[200], "statuses": dict(counts),
        "cpu_ms_a_request": round(1000 * took / counts.total(), 1),
        "p50_ms": round(1000 * float(np.percentile(times, 50)), 1),
        "p99_ms": round(1000 * float(np.percentile(times, 99)), 1),
        "memory_mib": [memory[0], memory[len(memory) // 2], memory[-1]],
    }  # fmt: skip


def _cpu_seconds(process: subprocess.Popen) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _mebibytes(process: subprocess.Popen) -> int:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * 4096 >> 20


if __name__ == "__main__":
    sys.exit(main())
