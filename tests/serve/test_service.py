"""The service as its clients meet it: a real process, real sockets."""

import base64
import collections
import http.client
import io
import json
import os
import re
import signal
import socket
import threading
import time

import numpy as np
import pytest
from PIL import Image

import jaxdet
from jaxdet.serve.__main__ import main
from tests.serve.servers import KEY, Server, form

pytest.importorskip("fastapi")


def many_scans(side, count):
    """A JPEG that is long in reading: most of a second for 180 scans of 1,600 pixels."""
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "jpeg", progressive=True)
    content = file.getvalue()
    scan = content[content.rfind(b"\xff\xda") : -2]
    return content[:-2] + count * scan + b"\xff\xd9"


@pytest.fixture(scope="module")
def server(weights):
    with Server(weights, "--images=4", "--pixels=1000000", "--request-bytes=3000000",
                "--body-seconds=2") as running:  # fmt: skip
        yield running


def picture(seed, side=80, kind="png"):
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return pixels, file.getvalue()


def test_a_form_and_json_get_the_logits_of_the_detector(server, weights):
    drawn = [picture(seed, side) for seed, side in ((0, 80), (1, 300), (2, 224))]
    expected = jaxdet.load_detector(weights).score([pixels for pixels, _ in drawn])
    files = {f"{place}.png": content for place, (_, content) in enumerate(drawn)}
    status, told, headers = server.score(files)
    assert status == 200
    assert [one["name"] for one in told["results"]] == list(files)
    found = [one["logit"] for one in told["results"]]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert re.fullmatch("[0-9a-f]{16}", told["model"]["digest"])
    assert headers["x-content-type-options"] == "nosniff"
    body = {"images": [{"name": name, "base64": base64.b64encode(content).decode()}
                       for name, content in files.items()]}  # fmt: skip
    again = server.ask("/v1/score", json.dumps(body).encode(), "application/json")
    assert [one["logit"] for one in again[1]["results"]] == pytest.approx(found, abs=1e-5)


def test_verdicts_without_validation_are_unsure_and_say_why(server):
    _, told, _ = server.score({"a.png": picture(0)[1]})
    (one,) = told["results"]
    assert (one["verdict"], one["calibrated"], one["warnings"]) == ("unsure", False, [])
    assert one["prediction"] == ("fake" if one["logit"] > 0 else "real")
    assert "no validation images" in told["model"]["verdicts"]


def test_evidence_is_a_picture_over_a_box_of_the_image(server):
    body, kind = form({"a.png": picture(3, side=300)[1]})
    _, told, _ = server.ask("/v1/score?evidence=true", body, kind)
    shown = told["results"][0]["evidence"]
    assert shown["box"] == [38, 38, 224, 224]
    with Image.open(io.BytesIO(base64.b64decode(shown["png"]))) as image:
        assert (image.mode, image.size) == ("RGBA", (7, 7))


def test_a_broken_image_harms_nobody_else(server):
    whole = picture(0)[1]
    status, told, _ = server.score({"cut.png": whole[:200], "../../whole.png": whole})
    assert status == 200
    cut, other = told["results"]
    assert set(cut) == {"name", "error"}
    assert (other["name"], "logit" in other) == ("whole.png", True)
    status, told, _ = server.score({"cut.png": whole[:200], "text.png": b"no image"})
    assert status == 422
    assert all("error" in one for one in told["results"])


@pytest.mark.parametrize(
    ("body", "kind", "status", "says"),
    [
        (b"{", "application/json", 400, "no JSON"),
        (b"[" * 400, "application/json", 400, "no JSON"),
        (b"[" * 100_000, "application/json", 422, "more values"),
        (b'{"images": "a.png"}', "application/json", 422, "base64"),
        (b'{"images": []}', "application/json", 422, "no image"),
        (b'{"images": [{"base64": "%%"}]}', "application/json", 422, "no base64"),
        (b'{"images": [{"path": "/etc/passwd"}]}', "application/json", 422, "base64"),
        (b'{"images": [{"base64": "http://127.0.0.1/a.png"}]}', "application/json", 422, "base64"),
        (b"", "text/plain", 415, "multipart"),
        (b"no form", "multipart/form-data", 400, "form"),
        (b"--x\r\n\r\n", "multipart/form-data; boundary=x", 400, "form"),
        (*form({}), 422, "no image"),
        (*form({str(place): b"" for place in range(5)}), 413, "at most 4 images"),
        (b"x" * 3_000_001, "application/json", 413, "at most 3000000 bytes"),
    ],
)
def test_what_is_no_request_gets_one_line(server, body, kind, status, says):
    found, told, _ = server.ask("/v1/score", body, kind)
    assert found == status
    assert says in json.dumps(told)


def test_an_image_of_too_many_pixels_is_not_decoded(server):
    bomb = io.BytesIO()
    Image.new("L", (1001, 1000)).save(bomb, "png")
    status, told, _ = server.score({"bomb.png": bomb.getvalue()})
    assert status == 422
    assert "pixels" in told["results"][0]["error"]


def test_a_slow_sender_is_sent_away(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"
                           b"Content-Type: application/json\r\n\r\n{")  # fmt: skip
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
    assert server.score({"a.png": picture(0)[1]})[0] == 200


def test_model_health_metrics_and_the_page(server):
    _, card, _ = server.ask("/v1/model")
    assert card["part"] == "centre crop of 224 pixels"
    assert card["band"] is None
    assert server.ask("/health")[0] == server.ask("/ready")[0] == 200
    assert 'jaxdet_images_total{outcome="unsure"}' in server.text("/metrics")
    page = server.text("/")
    assert '<html lang="en">' in page
    for name in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert server.text(f"/{name}")
        assert "://" not in name
    status, _, headers = server.ask("/nothing", headers={"X-Request-ID": "mine-1"})
    assert (status, headers["x-request-id"]) == (404, "mine-1")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert server.ask("/v1/score")[0] == 405


def test_clients_beside_each_other_are_scored_together(server):
    while "all that answers need is compiled" not in server.log():
        time.sleep(0.1)
    # More than the cores take one by one.
    contents = [picture(seed)[1] for seed in range(8 * (os.cpu_count() or 1))]
    alone = [server.score({"a.png": one})[1]["results"][0]["logit"] for one in contents]
    found = [None] * len(contents)

    def ask(place):
        found[place] = server.score({"a.png": contents[place]})[1]["results"][0]["logit"]

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(contents))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == pytest.approx(alone, abs=1e-5)
    several = re.search(r'batch_images_bucket\{le="1.0"\} (\S+)', server.text("/metrics"))
    every = re.search(r"batch_images_count (\S+)", server.text("/metrics"))
    assert float(several[1]) < float(every[1])


def test_a_key_a_full_queue_and_an_end_that_loses_nothing(weights, tmp_path):
    (tmp_path / "key").write_text(KEY + "\n")
    with Server(weights, f"--api-key-file={tmp_path / 'key'}", "--queue=2", "--images=2") as server:
        for headers in ({}, {"Authorization": f"Bearer {KEY}x"}, {"Authorization": "Bearer é"}):
            status, told, answered = server.score({"a.png": picture(0)[1]}, headers=headers)
            assert (status, answered["www-authenticate"]) == (401, "Bearer")
            assert "key" in told["detail"]
        assert server.ask("/health")[0] == 200
        known = {"Authorization": f"Bearer {KEY}"}
        one = {"0.png": picture(0)[1]}
        # A request that takes a while; the end comes meanwhile.
        found = []
        two = {**one, "slow.jpg": many_scans(1600, 180)}
        asking = threading.Thread(target=lambda: found.append(server.score(two, headers=known)))
        asking.start()
        while "jaxdet_waiting_images 2.0" not in server.text("/metrics"):
            time.sleep(0.05)
        status, _, answered = server.score(one, headers=known)
        assert (status, answered["retry-after"]) == (503, "1")
        server.process.send_signal(signal.SIGTERM)
        asking.join(timeout=60)
        assert found[0][0] == 200
        assert len(found[0][1]["results"]) == 2
        assert server.process.wait(timeout=60) == 0
        assert "all that was accepted is answered" in server.log()


def test_an_end_under_load_resets_nobody_who_got_a_connection(weights):
    """Clients each ask by new connections until there is none to be had."""
    answers: collections.Counter = collections.Counter()
    with Server(weights, "--queue=10000") as server:
        content = picture(0)[1]

        def ask():
            while True:
                try:
                    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
                except ConnectionRefusedError:
                    return
                with connection:
                    answers[_status(connection, content)] += 1

        clients = [threading.Thread(target=ask) for _ in range(16)]
        for one in clients:
            one.start()
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        for one in clients:
            one.join(timeout=60)
        assert server.process.wait(timeout=60) == 0
    assert set(answers) == {200}


def _status(connection, content):
    client = http.client.HTTPConnection("127.0.0.1")
    client.sock = connection
    body, kind = form({"a.png": content})
    try:
        client.request("POST", "/v1/score", body, {"Content-Type": kind})
        return client.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--port=99999"], "--port"),
        (["--host=no.such.host.invalid"], "--host=no.such.host.invalid"),
        (["--api-key-file=@/none"], "--api-key-file="),
        (["--api-key-file=@/short"], "16 letters"),
        (["--weights=@/none"], "none"),
        (["--threshold=fpr_1"], "--threshold=fpr_1"),
        (["--queue=3", "--images=4"], "--images is more than --queue"),
    ],
)
def test_a_mistake_is_one_line(weights, tmp_path, capfd, options, says):
    (tmp_path / "short").write_text("abc")
    given = [option.replace("@", str(tmp_path)) for option in options]
    with pytest.raises(SystemExit) as ended:
        main([f"--weights={weights}", "--port=0", *given])
    assert ended.value.code == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert says in err.splitlines()[-1]
    assert "Traceback" not in err


def test_images_of_requests_that_ran_out_of_time_are_not_scored(weights):
    with Server(weights, "--request-seconds=0.1") as server:
        assert server.score({"slow.jpg": many_scans(1600, 180)})[0] == 504
        time.sleep(2)
        assert "jaxdet_batch_images_count 0.0" in server.text("/metrics")
        assert "jaxdet_waiting_images 0.0" in server.text("/metrics")


def test_a_page_elsewhere_may_ask_where_its_origin_is_named(weights, tmp_path):
    (tmp_path / "key").write_text(KEY)
    options = [f"--api-key-file={tmp_path / 'key'}", "--allow-origin=https://a.example"]
    with Server(weights, *options) as server:
        asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "authorization"}  # fmt: skip
        status, _, told = server.ask("/v1/score", headers=asked, method="OPTIONS")
        assert (status, told["access-control-allow-origin"]) == (200, "https://a.example")
        refused = server.score({"a.png": b""}, headers={"Origin": "https://a.example"})
        assert refused[0] == 401
        assert refused[2]["access-control-allow-origin"] == "https://a.example"
