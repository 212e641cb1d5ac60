"""Sends the service what nobody should: `python -m tests.serve.hostile --weights=W [--count=1000]`.

Cut and altered files, bombs, wrong types, names that lead elsewhere, broken forms and JSON, slow
senders and those that hang up. Each may be refused; none may be answered with a fault of the
service's own, and an honest image has the same logit before and after.
"""

import argparse
import base64
import collections
import io
import json
import random
import socket
import struct
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tests.serve.servers import Server, form

# A sender that is cut off in the middle may meet either end of the connection.
_EXPECTED = {
    200, 400, 404, 405, 408, 413, 415, 422, 503, "hung up", "BrokenPipeError",
    "ConnectionResetError",
}  # fmt: skip


def main() -> int:
    """Prints how many attempts of each kind had which answer; 1 where one found a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    counts: collections.Counter = collections.Counter()
    with Server(options.weights, "--body-seconds=3", "--pixels=20000000") as server:
        honest = {"honest.png": _png(256)}
        before = server.score(honest)[1]["results"][0]["logit"]
        # Some say nothing at all; they are sent away meanwhile.
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
        slow = [threading.Thread(target=_slow, args=(server, counts)) for _ in range(20)]
        for one in slow:
            one.start()
        for _ in range(options.count - len(slow)):
            kind = rng.choice(_ATTEMPTS)
            counts[kind.__name__.strip("_"), kind(server, rng)] += 1
        for one in slow:
            one.join()
        for one in silent:
            one.close()
        after = server.score(honest)[1]["results"][0]["logit"]
        alive = server.ask("/health")[0] == 200
    for (kind, answer), count in sorted(counts.items(), key=str):
        print(f"{kind:<10} {answer!s:<16} {count}")
    bad = [answer for _, answer in counts if answer not in _EXPECTED]
    print(f"{sum(counts.values())} attempts; logit before {before:.6f}, after {after:.6f}")
    return int(bool(bad) or not alive or abs(before - after) > 1e-5)


def _png(side: int) -> bytes:
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def _some_file(rng: random.Random) -> bytes:
    side = rng.randrange(1, 90)
    colours = Image.effect_noise((side, rng.randrange(1, 90)), 60).convert("RGB")
    file = io.BytesIO()
    colours.save(file, rng.choice(["png", "jpeg", "gif", "webp", "bmp", "tiff", "ppm"]))
    return file.getvalue()


def _send(server: Server, content: bytes, name: str = "a.png") -> int:
    return server.score({name: content})[0]


def _cut(server: Server, rng: random.Random) -> int:
    content = _some_file(rng)
    return _send(server, content[: rng.randrange(len(content))])


def _altered(server: Server, rng: random.Random) -> int:
    content = bytearray(_some_file(rng))
    for _ in range(rng.randrange(1, 20)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return _send(server, bytes(content))


def _bomb(server: Server, rng: random.Random) -> int:
    width, height = (rng.choice([1, 30_000, 2**31 - 1]) for _ in range(2))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(10**6))), (b"IEND", b""))
    )
    return _send(server, b"\x89PNG\r\n\x1a\n" + chunks)


def _wrong(server: Server, rng: random.Random) -> int:
    content = rng.choice([
        b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"PK\3\4", b"\x80\4\x95.",
        b"GIF89a", b"RIFF\0\0\0\0WEBP", b"", rng.randbytes(1000), b"%!PS\n(x) run",
    ])  # fmt: skip
    name = rng.choice(["a.jpg", "../../etc/passwd", "", "x" * 5000, "\u202e"])
    return _send(server, content, name)


def _form(server: Server, rng: random.Random) -> int:
    body, kind = form({"a.png": _some_file(rng)})
    place = rng.randrange(len(body))
    body = body[:place] + rng.randbytes(rng.randrange(20)) + body[place + rng.randrange(50) :]
    kind = rng.choice([kind, kind.replace("=", "=x"), "text/html"])
    return server.ask("/v1/score", body, kind)[0]


def _flood(server: Server, rng: random.Random) -> int:
    line = rng.choice([b"\r\n--x!", b"\r\n--x\r\n", b"\r\n--x--\r\n", b"\r\n-", b"--x\r\na:b\r\n"])
    body = line * rng.choice([1, 1000, 10**6])
    return server.ask("/v1/score", body, "multipart/form-data; boundary=x")[0]


def _json(server: Server, rng: random.Random) -> int:
    text = base64.b64encode(_some_file(rng)).decode()
    images = rng.choice([
        [{"base64": "/etc/passwd"}], [{"base64": "A" * 999}], [{"base64": "\u00e9"}],
        [{"url": "file:///etc/passwd"}] * 3, [{"base64": text}] * 40, {"a": 1}, None,
    ])  # fmt: skip
    body = rng.choice([
        b"[" * rng.randrange(1, 10**5), b'{"images": ' + b"9" * 5000 + b"}", b"NaN", b"\xff\xfe",
        json.dumps({"images": images}).encode(),
    ])  # fmt: skip
    return server.ask("/v1/score", body, "application/json")[0]


def _path(server: Server, rng: random.Random) -> int:
    path = rng.choice([
        "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page.js/..", "/v1/score/", "//",
        "/v1/score?evidence=maybe", "/%ff%fe",
    ])  # fmt: skip
    return server.ask(path, None)[0]


def _gone(server: Server, rng: random.Random) -> str:
    body, kind = form({"a.png": _png(200)})
    head = (
        "POST /v1/score HTTP/1.1\r\nHost: a\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body[: rng.randrange(len(body) + 1)])
    return "hung up"


def _slow(server: Server, counts: collections.Counter) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n"
                           b"Content-Type: application/json\r\n\r\n")  # fmt: skip
        try:
            for _ in range(20):
                connection.sendall(b" ")
                time.sleep(0.25)
            answer = connection.recv(12)
        except OSError as error:
            answer = type(error).__name__.encode()
    counts["slow", int(answer[-3:]) if answer[-3:].isdigit() else answer.decode()] += 1


_ATTEMPTS = (_cut, _altered, _bomb, _wrong, _form, _flood, _json, _path, _gone)

if __name__ == "__main__":
    sys.exit(main())
