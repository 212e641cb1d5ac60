"""What waits in the service: its order, and what becomes of one that fails, hangs or leaves."""

import asyncio
import io
import json
import math
import socket
import threading
import time

import numpy as np
import pytest
from PIL import Image

import jaxdet
from jaxdet.predict.detector import LoadedDetector
from jaxdet.predict.files import Opened
from jaxdet.predict.rows import Scoring
from jaxdet.scoring.batches import Shapes
from jaxdet.scoring.protocol import Protocol
from jaxdet.workdir.cores import usable_cores
from tests.serve.servers import Server, form
from tests.serve.test_service import many_scans

pytest.importorskip("fastapi")

from jaxdet.serve.application import make_application
from jaxdet.serve.batcher import Batcher
from jaxdet.serve.limits import Limits, Room
from jaxdet.serve.measures import Measures
from jaxdet.serve.scoring import Service, _box

BROKEN, SLOW = 13, 14


@pytest.fixture(scope="module")
def faulty(weights):
    """A detector that fails on one image, hangs on another, and gives others the logit 0."""
    plain = jaxdet.load_detector(weights)

    class Faulty(LoadedDetector):
        ended = threading.Event()

        def score_pieces(self, pieces, *, protocol):
            batch = list(pieces)
            kinds = {one.pixels[0, 0, 0] for one in batch}
            if SLOW in kinds:
                self.ended.wait()
            if BROKEN in kinds:
                raise RuntimeError("a fault")
            yield [(one, 0.0) for one in batch]

    return Faulty(plain.model, plain.variables, card=plain.card)


def image(value):
    return Opened(pixels=np.full((224, 224, 3), value, np.uint8), side=224)


def test_an_image_that_fails_in_a_batch_fails_alone(faulty):
    sizes = []

    async def run():
        batcher = Batcher(faulty, faulty.protocol, Limits(), scored=sizes.append)
        batcher.use_full_batches()
        images = [image(BROKEN if place == 20 else 1) for place in range(40)]
        answers = await asyncio.gather(*map(batcher.score, images), return_exceptions=True)
        return answers, batcher.stop()

    answers, ended = asyncio.run(run())
    assert ended
    assert isinstance(answers.pop(20), RuntimeError)
    assert {one.logit for one in answers} == {0.0}
    assert sum(sizes) == 39
    assert max(sizes) > 1


def test_scoring_that_hangs_is_told_and_keeps_nobody_waiting_at_the_end(faulty):
    async def run():
        batcher = Batcher(faulty, faulty.protocol, Limits(request_seconds=0.05))
        assert not batcher.hangs
        waiting = asyncio.ensure_future(batcher.score(image(SLOW)))
        await asyncio.sleep(0.3)
        assert batcher.hangs
        assert not batcher.stop()
        faulty.ended.set()
        await waiting
        assert not batcher.hangs

    asyncio.run(run())


def test_room_is_given_in_the_order_of_those_who_wait_and_back_in_parts():
    async def run():
        room, order = Room(10), []

        async def take(name, amount, kept=0):
            async with room.taking(amount) as place:
                order.append(name)
                await asyncio.sleep(0.02)
                place.keep(kept)
                await asyncio.sleep(0.04)

        async def leave():
            leaving = asyncio.ensure_future(take("left", 99))
            await asyncio.sleep(0.01)
            leaving.cancel()

        names = (("a", 6), ("large", 99), ("b", 4), ("c", 6))
        await asyncio.gather(leave(), *(take(*one) for one in names))
        await take("all", 10, 5)
        await asyncio.gather(take("d", 6, 6), take("e", 4, 5), take("f", 1))
        return order

    assert asyncio.run(run()) == ["a", "large", "b", "c", "all", "d", "e", "f"]


async def status_of(app, body, kind):
    """The status of an answer, of the application without a server."""
    messages, sent = [{"type": "http.request", "body": body, "more_body": False}], []

    async def receive():
        while not messages:
            await asyncio.sleep(60)
        return messages.pop()

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/v1/score", "raw_path": b"/v1/score", "query_string": b"",
        "root_path": "", "headers": [(b"content-type", kind.encode())], "state": {},
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"]


def test_a_fault_is_one_line_of_the_log_with_its_places(faulty, capfd):
    scoring, limits, measures = Scoring.of(faulty), Limits(), Measures()
    batcher = Batcher(faulty, scoring.protocol, limits)
    app = make_application(Service(faulty, scoring, limits, batcher), measures)
    file = io.BytesIO()
    Image.fromarray(image(BROKEN).pixels).save(file, "png")
    capfd.readouterr()
    assert asyncio.run(status_of(app, *form({"a.png": file.getvalue()}))) == 500
    (line,) = capfd.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["status"], told["error"], told["message"]) == (500, "RuntimeError", "a fault")
    assert any(place.endswith("score_pieces") for place in told["places"])
    batcher.stop()


def test_nothing_is_scored_for_who_has_hung_up(weights):
    body, kind = form({"slow.jpg": many_scans(1600, 180)})
    head = f"POST /v1/score HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n"
    with Server(weights) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            while "jaxdet_waiting_images 1.0" not in server.text("/metrics"):
                time.sleep(0.02)
        time.sleep(1.5)
        told = server.text("/metrics")
        assert "jaxdet_waiting_images 0.0" in told
        assert "jaxdet_batch_images_count 0.0" in told
        assert '"status": 400' in server.log()


def test_the_box_of_the_evidence_is_where_the_crop_was_cut():
    # 333 x 500 becomes 256 x 384 pixels: 384.4 is truncated.
    box = _box(333, 500, Protocol(crop=224, resize=256))
    assert box == pytest.approx([16 * 333 / 256, 80 * 500 / 384, 224 * 333 / 256, 224 * 500 / 384])
    assert _box(500, 333, Protocol(crop=224)) == [138, 54, 224, 224]


def test_shapes_that_stay_are_few_however_many_images_come():
    shapes = Shapes(often=3)
    shapes.often = math.inf
    assert {shapes(200, 300) for _ in range(10)} == {(512, 512)}


def test_cores_are_those_of_the_container(tmp_path):
    file = tmp_path / "cpu.max"
    all_of_them = usable_cores(file)
    for quota, expected in (("max", all_of_them), ("1000", 1), ("90000000", all_of_them)):
        file.write_text(f"{quota} 100000\n")
        assert usable_cores(file) == expected >= 1
