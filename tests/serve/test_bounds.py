"""Bounds of the service: on forms, connections, scans of a JPEG, and what is held at once."""

import contextlib
import random
import resource
import socket
import subprocess
import sys
import time

import pytest

from tests.serve.servers import Server, form
from tests.serve.test_service import many_scans

pytest.importorskip("fastapi")

from jaxdet.serve.limits import RefusedError
from jaxdet.serve.multipart import take_parts


@pytest.fixture(scope="module")
def server(weights):
    with Server(weights, "--connections=6", "--header-seconds=1") as running:
        yield running


def test_parts_of_forms_come_back_as_they_went_in():
    rng = random.Random(0)
    for count in range(5):
        files = {f"{n} é.png": rng.randbytes(rng.randrange(50)) + b"\r\n--" for n in range(count)}
        body, kind = form(files)
        held = bytearray(body)
        parts = take_parts(kind, held, most=4)
        assert {one.filename: one.content for one in parts} == files
        assert {one.field for one in parts} <= {"images"}
        assert held == b""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"--x!" * 2**22, 400),
        (b"\r\n--x!" * 2**22, 400),
        (b"\r\n--x\r\n" * 2**21, 413),
        (b"--x\r\n" + b"\r\n-" * 2**22, 400),
        (b"--x\r\n" + b"a:b\r\n" * 2**21 + b"\r\n--x--", 400),
    ],
)
def test_a_form_of_countless_boundaries_takes_no_time(body, status):
    start = time.process_time()
    with pytest.raises(RefusedError) as refused:
        take_parts("multipart/form-data; boundary=x", bytearray(body), most=32)
    assert refused.value.status == status
    assert time.process_time() - start < 1


def test_who_says_nothing_is_sent_away_and_keeps_nobody_out(server):
    begun = (b"", b"GET /health HTTP/1.1\r\nHost: a\r\nX: ")
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(6)]
    for place, one in enumerate(silent):
        one.sendall(begun[place % 2])
    time.sleep(0.2)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as more:
        assert more.recv(100).startswith(b"HTTP/1.1 503 ")
    for one in silent:
        with one, contextlib.suppress(ConnectionResetError):
            assert one.recv(100) == b""
    assert server.ask("/health")[0] == 200


def test_a_second_request_is_to_arrive_in_time_too(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /hea")
        answer, start = b"", time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(1000):
                answer += chunk
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - start < 4


def test_more_connections_than_files_may_be_open_are_refused(weights):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))

    ended = subprocess.run(
        [sys.executable, "-m", "jaxdet.serve", f"--weights={weights}", "--port=0"],
        preexec_fn=few, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "--connections=512: this system allows 300 open files" in ended.stderr


@pytest.mark.parametrize(("side", "scans"), [(80, 300), (6000, 40)])
def test_a_jpeg_whose_scans_have_no_end_is_refused_at_once(server, side, scans):
    status, told, _ = server.score({"a.jpg": many_scans(side, scans)})
    assert status == 422
    assert "scans" in told["results"][0]["error"]


def test_json_of_countless_values_is_refused_before_it_is_parsed(server):
    body = b'{"images": [], "x": [' + b"[]," * 5000 + b"0]}"
    status, told, _ = server.ask("/v1/score", body, "application/json")
    assert (status, told["detail"]) == (422, "the JSON holds more values than images need")
