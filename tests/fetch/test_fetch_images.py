import dataclasses
import hashlib
import subprocess
import sys

import pytest

from jaxdet.errors import RunFailedError, UserError
from jaxdet.fetch.catalog import Container
from jaxdet.fetch.choice import Options
from jaxdet.fetch.remote import Patience
from jaxdet.fetch.run import fetch
from tests.web.archives import make_dataset, make_images, make_stored_7z, make_zip, read_tree, split
from tests.web.server import Fault, Server

CLASSES = ("bird", "cat", "horse")
IMAGES = make_images(CLASSES, count=4, size=64)
ZIP = make_zip(IMAGES)
QUICK = Patience(tries=4, backoff=0.01, timeout=5)


@pytest.fixture
def server():
    with Server() as server:
        yield server


def one_zip(server, content=ZIP, **options):
    options = {"container": Container.ZIP, "count": 4, **options}
    return make_dataset(server, {"set.zip": content}, CLASSES, **options)


def volumes(server, content=ZIP, *, volumes=3, **options):
    files = split(make_stored_7z(content), volumes=volumes)
    return make_dataset(server, files, CLASSES, container=Container.STORED_7Z, count=4, **options)


def bring(dataset, root, **options):
    said = []
    fetch(dataset, root, options=Options(patience=QUICK, **options), say=said.append)
    return said


def tree(images=IMAGES, *, classes=CLASSES, split="train"):
    return {
        f"{split}/{name}": data for name, data in images.items() if name.split("/")[0] in classes
    }


def found(root):
    return {name: data for name, data in read_tree(root).items() if not name.startswith("fetched/")}


def state(root):
    return sorted(path.name for path in (root / "fetched").iterdir())


@pytest.mark.parametrize("make", [one_zip, volumes])
def test_images_land_in_the_layout_and_archives_go(server, tmp_path, make):
    dataset = make(server)
    bring(dataset, tmp_path)
    assert found(tmp_path) == tree()
    assert state(tmp_path) == ["hashes.json", "small.json", "small.sha256"]
    checked = subprocess.run(
        ["sha256sum", "--check", "--quiet", "--strict", "fetched/small.sha256"], cwd=tmp_path
    )
    assert checked.returncode == 0
    asked = len(server.asked)
    assert bring(dataset, tmp_path) == [f"{tmp_path / 'train'}: small is already there"]
    assert len(server.asked) == asked


def test_archives_stay_on_request(server, tmp_path):
    dataset = volumes(server)
    bring(dataset, tmp_path, keep_archives=True)
    for name, content in server.files.items():
        assert (tmp_path / "fetched" / name).read_bytes() == content
    bring(dataset, tmp_path)  # nor does a later start without the flag take them away
    assert "set.7z.001" in state(tmp_path)


def test_a_zip64_in_volumes_cut_anywhere(server, tmp_path):
    dataset = volumes(server, make_zip(IMAGES, force_zip64=True), volumes=11)
    bring(dataset, tmp_path, classes=("cat",))
    bring(dataset, tmp_path)
    assert found(tmp_path) == tree()


@pytest.mark.parametrize("make", [one_zip, volumes])
def test_classes_come_by_ranges_without_the_rest(server, tmp_path, make):
    dataset = make(server)
    bring(dataset, tmp_path, classes=("cat",))
    assert found(tmp_path) == tree(classes=("cat",))
    total = sum(map(len, server.files.values()))
    # A third of the images, the directory, and the few bytes around them.
    assert server.served.total() < 0.45 * total
    before = server.served.total()
    bring(dataset, tmp_path, classes=("cat", "horse"))
    assert found(tmp_path) == tree(classes=("cat", "horse"))
    # Cats are not fetched again.
    assert server.served.total() - before < 0.45 * total
    assert state(tmp_path) == ["small.json", "small.sha256"]


def test_a_stream_leaves_no_archive_behind(server, tmp_path):
    bring(volumes(server), tmp_path, stream=True)
    assert found(tmp_path) == tree()
    assert all(asked and asked.startswith("bytes=") for _, asked in server.asked)
    assert state(tmp_path) == ["small.json", "small.sha256"]
    # The directory, and a few of its bytes twice: each image once.
    assert server.served.total() < 1.05 * sum(map(len, server.files.values()))


@pytest.mark.parametrize(
    "fault",
    [Fault("drop", after=100), Fault("status", status=503), Fault("drop", after=0)],
    ids=lambda fault: fault.kind,
)
def test_ranges_survive_what_downloads_survive(server, tmp_path, fault):
    # Of five requests, some fall on the directory and some on images.
    server.faults.extend([Fault("none"), fault] * 10)
    bring(volumes(server), tmp_path, classes=("horse",))
    assert found(tmp_path) == tree(classes=("horse",))


def test_a_remote_archive_that_changes_is_noticed(server, tmp_path):
    dataset = one_zip(server)
    server.heeds_if_range = False
    server.swap_before = {4: {"set.zip": make_zip(make_images(CLASSES, count=5, size=64))}}
    with pytest.raises(RunFailedError, match="changed while it was read"):
        bring(dataset, tmp_path, classes=("horse",))


def test_more_than_was_asked_for_is_not_taken(server, tmp_path):
    dataset = one_zip(server)
    server.always = Fault("more")
    with pytest.raises(RunFailedError, match="another range than asked for"):
        bring(dataset, tmp_path, classes=("horse",))
    assert found(tmp_path) == {}


def test_without_ranges_all_is_downloaded(server, tmp_path):
    server.ranges = False
    said = bring(volumes(server), tmp_path, classes=("horse",))
    assert "the server gives whole files only" in said[0]
    assert found(tmp_path) == tree(classes=("horse",))


def test_archives_that_lie_there_are_used(server, tmp_path):
    dataset = volumes(server)
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched" / "set.7z.002").write_bytes(server.files["set.7z.002"])
    bring(dataset, tmp_path)
    assert found(tmp_path) == tree()
    assert server.served["set.7z.002"] == 0


def test_lost_images_come_back_without_the_whole_archive(server, tmp_path):
    dataset = volumes(server)
    bring(dataset, tmp_path)
    server.served.clear()
    (tmp_path / "train/cat/1_fake/00001.png").unlink()
    bring(dataset, tmp_path)
    assert found(tmp_path) == tree()
    assert server.served.total() < 0.25 * sum(map(len, server.files.values()))


@pytest.mark.parametrize("size", [4, len(IMAGES["cat/1_fake/00001.png"])])
def test_nothing_of_the_users_is_overwritten(server, tmp_path, size):
    mine = tmp_path / "train/cat/1_fake/00001.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"m" * size)
    with pytest.raises(UserError, match=r"cat/1_fake/00001\.png: is there already and differs"):
        bring(one_zip(server), tmp_path)
    assert mine.read_bytes() == b"m" * size
    mine.write_bytes(IMAGES["cat/1_fake/00001.png"])
    stamp = mine.stat().st_mtime_ns
    bring(one_zip(server), tmp_path)
    assert (found(tmp_path), mine.stat().st_mtime_ns) == (tree(), stamp)


def test_classes_by_ranges_leave_a_download_under_way_alone(server, tmp_path):
    dataset = volumes(server)
    server.faults.extend([Fault("none"), Fault("drop", after=1000)])
    server.faults.extend([Fault("status", status=500)] * (QUICK.tries - 1))
    with pytest.raises(RunFailedError):
        bring(dataset, tmp_path)
    for _ in range(2):
        bring(dataset, tmp_path, classes=("cat",))
        assert {"set.7z.001", "set.7z.002.part", "set.7z.002.part.json"} < set(state(tmp_path))
    bring(dataset, tmp_path)
    assert ("set.7z.002", "bytes=1000-") in server.asked
    assert found(tmp_path) == tree()
    assert state(tmp_path) == ["hashes.json", "small.json", "small.sha256"]


def test_a_lost_manifest_is_made_again(server, tmp_path):
    dataset = one_zip(server)
    bring(dataset, tmp_path)
    manifest = (tmp_path / "fetched/small.sha256").read_bytes()
    (tmp_path / "fetched/small.sha256").unlink()
    bring(dataset, tmp_path)
    assert (tmp_path / "fetched/small.sha256").read_bytes() == manifest


def test_an_empty_file_is_what_a_power_cut_leaves(server, tmp_path):
    empty = tmp_path / "train/cat/1_fake/00001.png"
    empty.parent.mkdir(parents=True)
    empty.touch()
    bring(one_zip(server), tmp_path)
    assert found(tmp_path) == tree()


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_a_damaged_volume_of_unknown_hash_is_fetched_anew(server, tmp_path):
    dataset = volumes(server)
    whole = dict(server.files)
    server.files["set.7z.002"] = flipped(whole["set.7z.002"], len(whole["set.7z.002"]) // 2)
    with pytest.raises(RunFailedError, match=r"set\.7z\.002 proved damaged and was removed"):
        bring(dataset, tmp_path)
    server.files.update(whole)
    server.served.clear()
    bring(dataset, tmp_path)
    assert found(tmp_path) == tree()
    assert list(server.served) == ["set.7z.002"]


@pytest.mark.parametrize(
    ("place", "word"),
    [(0, "not the beginning of a 7z"), (14, "header is damaged"), (-5, "trailer is damaged")],
)
def test_a_damaged_7z_is_said_to_be_one(server, tmp_path, place, word):
    content = make_stored_7z(ZIP)
    server.files["set.7z.001"] = content = flipped(content, place % len(content))
    dataset = make_dataset(
        server, {"set.7z.001": content}, CLASSES, container=Container.STORED_7Z, count=4
    )
    with pytest.raises(RunFailedError, match=f"{word}.*set.7z.001 proved damaged"):
        bring(dataset, tmp_path)
    assert found(tmp_path) == {}


def test_a_compressed_7z_or_a_lacking_volume_is_refused(server, tmp_path):
    whole = volumes(server)
    lacking = dataclasses.replace(whole, files=whole.files[:2])
    with pytest.raises(RunFailedError, match="the 7z archive says"):
        bring(lacking, tmp_path / "a")
    packed = make_dataset(
        server, {"p.7z": make_stored_7z(b"packed" * 99)}, CLASSES, container=Container.STORED_7Z
    )
    with pytest.raises(RunFailedError, match="not hold a zip in store mode"):
        bring(packed, tmp_path / "b")


@pytest.mark.parametrize(
    ("given", "inner", "split", "home"),
    [
        (CLASSES, "{}", "val", "{}"),
        (CLASSES, "train/{}", "train", "{}"),
        (("progan",), "progan/{}", "test", "progan/{}"),
        (("progan",), "CNN_synth_testset/progan/{}", "test", "progan/{}"),
    ],
)
def test_inner_layouts_lead_to_one_layout(server, tmp_path, given, inner, split, home):
    images = {inner.format(name): data for name, data in IMAGES.items()}
    beside = {"__MACOSX/a/0_real/x.png": b"x", "README.txt": b"x"}
    place = inner.format("cat")
    beside |= {
        f"{place}/0_real/.DS_Store": b"x",
        f"{place}/notes.txt": b"x",
        f"{place}/0_real/Thumbs.db": b"x",
        f"{place}/0_real/": b"",
    }
    dataset = one_zip(server, make_zip(images | beside), split=split)
    if given == ("progan",):
        folder = dataclasses.replace(dataset.folders[0], name="progan", categories=CLASSES)
        dataset = dataclasses.replace(dataset, folders=(folder,))
    bring(dataset, tmp_path)
    assert found(tmp_path) == {
        f"{split}/{home.format(name)}": data for name, data in IMAGES.items()
    }


def test_a_set_that_lacks_a_class_or_has_another_is_refused(server, tmp_path):
    extra = make_zip(IMAGES | {"zebra/0_real/a.png": b"x"})
    with pytest.raises(RunFailedError, match=r"'zebra/0_real/a\.png' lies in no folder of small"):
        bring(one_zip(server, extra), tmp_path / "a")
    lacking = make_zip(make_images(("bird", "cat")))
    with pytest.raises(RunFailedError, match="holds nothing of horse"):
        bring(one_zip(server, lacking), tmp_path / "b")


def test_two_fetches_into_one_root_do_not_mix(server, tmp_path):
    code = (
        "import sys; from pathlib import Path; from jaxdet.fetch.record import Record;"
        "lock = Record(Path(sys.argv[1])).locked(); lock.__enter__();"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match=f"another process works on it .pid {other.pid} on "):
            bring(one_zip(server), tmp_path)
        other.stdin.close()
    assert server.asked == []


def test_the_manifest_is_of_the_bytes_that_came(server, tmp_path):
    bring(one_zip(server), tmp_path)
    lines = (tmp_path / "fetched/small.sha256").read_text().splitlines()
    data = IMAGES["cat/0_real/00000.png"]
    assert f"{hashlib.sha256(data).hexdigest()}  train/cat/0_real/00000.png" in lines
    assert len(lines) == len(IMAGES)
