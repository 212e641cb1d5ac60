import hashlib
import random

import pytest

from jaxdet.errors import RunFailedError, UserError
from jaxdet.fetch.choice import Options
from jaxdet.fetch.remote import Patience
from jaxdet.fetch.run import fetch
from tests.web.archives import make_plain
from tests.web.server import Fault, Server

CONTENT = random.Random(0).randbytes(700_000)
OTHER = random.Random(1).randbytes(700_000)
NAME = "net-x.pth"
QUICK = Patience(tries=4, backoff=0.01, timeout=5)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def server():
    with Server() as server:
        yield server


def bring(dataset, root):
    said = []
    fetch(dataset, root, options=Options(patience=QUICK), say=said.append)
    return said


def known(content=CONTENT):
    return {"size": len(content), "sha256": sha256(content)}


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault("drop", after=250_000), Fault("drop", after=1), Fault("drop", after=300_000)],
        [Fault("drop", after=0), Fault("status", status=503), Fault("status", status=429)],
        [Fault("drop", after=250_000), Fault("whole")],
        [Fault("drop", after=250_000), Fault("status", status=416)],
        [Fault("short", after=250_000)],
        [Fault("flip", after=250_000)],
        [Fault("drop", after=250_000), Fault("flip", after=5)],
        [Fault("hang", after=250_000)],
    ],
    ids=lambda faults: "+".join(fault.kind for fault in faults) or "none",
)
def test_ends_with_identical_bytes_whatever_fails(server, tmp_path, faults):
    dataset = make_plain(server, NAME, CONTENT, **known())
    server.faults.extend(faults)
    bring(dataset, tmp_path)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert not server.faults
    assert sorted(p.name for p in (tmp_path / "fetched").iterdir()) == ["hashes.json"]


@pytest.mark.parametrize("digits", [8, 64])
@pytest.mark.parametrize("kind", ["flip", "short"])
def test_a_hash_or_its_beginning_is_enough(server, tmp_path, digits, kind):
    dataset = make_plain(server, NAME, CONTENT, sha256=sha256(CONTENT)[:digits])
    server.faults.append(Fault(kind, after=250_000))
    bring(dataset, tmp_path)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_broken_download_goes_on_where_it_broke(server, tmp_path):
    dataset = make_plain(server, NAME, CONTENT)
    server.faults.extend([Fault("drop", after=250_000), Fault("drop", after=250_000)])
    bring(dataset, tmp_path)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert server.served[NAME] == len(CONTENT)
    assert server.asked[1:] == [(NAME, "bytes=250000-"), (NAME, "bytes=500000-")]


def test_the_next_start_goes_on_where_the_last_one_gave_up(server, tmp_path):
    dataset = make_plain(server, NAME, CONTENT)
    server.faults.append(Fault("drop", after=250_000))
    server.faults.extend([Fault("status", status=500)] * (QUICK.tries - 1))
    with pytest.raises(RunFailedError, match=r"HTTP 500.*gave up after 4 tries; start the same"):
        bring(dataset, tmp_path)
    assert not (tmp_path / NAME).exists()
    bring(dataset, tmp_path)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert server.served[NAME] == len(CONTENT)


def test_killed_after_the_renaming_it_leaves_nothing_to_the_next_start(server, tmp_path):
    dataset = make_plain(server, NAME, CONTENT)
    bring(dataset, tmp_path)
    (tmp_path / "fetched" / f"{NAME}.part.json").write_text("{}")
    bring(dataset, tmp_path)
    assert [path.name for path in (tmp_path / "fetched").iterdir()] == ["hashes.json"]


@pytest.mark.parametrize("heeds", [True, False])
def test_two_versions_are_never_spliced(server, tmp_path, heeds):
    server.heeds_if_range = heeds
    dataset = make_plain(server, NAME, CONTENT)
    server.faults.append(Fault("drop", after=250_000))
    server.faults.extend([Fault("status", status=500)] * (QUICK.tries - 1))
    with pytest.raises(RunFailedError):
        bring(dataset, tmp_path)
    server.files[NAME] = OTHER
    server.asked.clear()
    bring(dataset, tmp_path)
    assert (tmp_path / NAME).read_bytes() == OTHER
    assert len(server.asked) == (1 if heeds else 2)


def test_without_validators_and_hash_a_start_begins_anew(server, tmp_path):
    server.validators = False
    dataset = make_plain(server, NAME, CONTENT)
    server.faults.append(Fault("drop", after=250_000))
    server.faults.extend([Fault("status", status=500)] * (QUICK.tries - 1))
    with pytest.raises(RunFailedError):
        bring(dataset, tmp_path)
    server.files[NAME] = OTHER
    bring(dataset, tmp_path)
    assert (tmp_path / NAME).read_bytes() == OTHER


def test_a_server_that_never_gets_far_is_given_up(server, tmp_path):
    server.ranges, server.always = False, Fault("drop", after=1000)
    with pytest.raises(RunFailedError, match="ended early; gave up"):
        bring(make_plain(server, NAME, CONTENT), tmp_path)
    assert len(server.asked) == QUICK.tries


def test_a_wrong_hash_never_becomes_a_file_and_does_not_stick(server, tmp_path):
    dataset = make_plain(server, NAME, CONTENT, **known())
    server.files[NAME] = bytes(len(CONTENT))
    for _ in range(2):
        with pytest.raises(RunFailedError, match=r"SHA-256 is .* the catalogue says .*; not kept"):
            bring(dataset, tmp_path)
        assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == []
    server.files[NAME] = CONTENT
    bring(dataset, tmp_path)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_an_unknown_hash_is_held_to_from_the_first_download_on(server, tmp_path):
    dataset = make_plain(server, NAME, CONTENT)
    bring(dataset, tmp_path)
    (tmp_path / NAME).unlink()
    server.files[NAME] = OTHER
    with pytest.raises(RunFailedError, match=r"an earlier download had .*remove its entry from"):
        bring(dataset, tmp_path)
    assert not (tmp_path / NAME).exists()
    (tmp_path / "fetched/hashes.json").write_text("{}")
    bring(dataset, tmp_path)
    assert (tmp_path / NAME).read_bytes() == OTHER


def test_what_is_there_is_left_alone(server, tmp_path):
    dataset = make_plain(server, NAME, CONTENT, **known())
    (tmp_path / NAME).write_bytes(CONTENT)
    assert bring(dataset, tmp_path) == [f"{tmp_path / NAME}: already there"]
    (tmp_path / NAME).write_bytes(b"mine")
    with pytest.raises(UserError, match="nothing is overwritten, move it away"):
        bring(dataset, tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"mine"
    assert server.asked == []


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (Fault("status", status=404), "HTTP 404"),
        (Fault("status", status=403), "HTTP 403"),
        (Fault("page"), "web page"),
    ],
)
def test_what_no_try_can_mend_is_not_tried_again(server, tmp_path, fault, word):
    server.always = fault
    with pytest.raises(RunFailedError, match=word):
        bring(make_plain(server, NAME, CONTENT), tmp_path)
    assert len(server.asked) == 1
