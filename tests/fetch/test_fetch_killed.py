import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import killed_while_writing
from tests.web.archives import make_images, make_stored_7z, make_zip, read_tree, split
from tests.web.server import Fault, Server

REPOSITORY = Path(__file__).parents[2]
CONTENT = random.Random(0).randbytes(3_000_000)
CLASSES = ("bird", "cat", "horse")
IMAGES = make_images(CLASSES, count=4, size=64)
VOLUMES = split(make_stored_7z(make_zip(IMAGES)), volumes=3)


@pytest.fixture
def server():
    with Server() as server:
        yield server


def command(root, server, container, folders=(), classes=()):
    files = ",".join(server.files)
    lists = [files, ",".join(folders), ",".join(classes)]
    return [sys.executable, "-m", "tests.web.small", str(root), server.url, container, *lists]


def finish(arguments):
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=60, check=False, cwd=REPOSITORY
    )
    assert (done.returncode, done.stderr) == (0, "")


def killed(arguments, *, when, how=signal.SIGKILL):
    """Starts a fetch, and ends it when the condition holds."""
    with subprocess.Popen(
        arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=REPOSITORY
    ) as process:
        while not when():
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(how)
        line = process.stderr.read()
    return process.returncode, line


def grown(path, size):
    return lambda: path.exists() and path.stat().st_size == size


def test_a_download_killed_goes_on(server, tmp_path):
    server.files = {"net-x.pth": CONTENT}
    server.faults.append(Fault("hang", after=2_000_000))
    arguments = command(tmp_path, server, "PLAIN")
    killed(arguments, when=grown(tmp_path / "fetched/net-x.pth.part", 2_000_000))
    assert not (tmp_path / "net-x.pth").exists()
    finish(arguments)
    assert (tmp_path / "net-x.pth").read_bytes() == CONTENT
    assert server.served["net-x.pth"] == len(CONTENT)


def test_an_interrupted_one_says_how_to_go_on(server, tmp_path):
    server.files = {"net-x.pth": CONTENT}
    server.faults.append(Fault("hang", after=2_000_000))
    arguments = command(tmp_path, server, "PLAIN")
    part = tmp_path / "fetched/net-x.pth.part"
    status, line = killed(arguments, when=grown(part, 2_000_000), how=signal.SIGINT)
    told = "interrupted; start the same command again to continue\n"
    assert (status, line) == (130, told)


def test_a_volume_downloaded_is_not_fetched_again(server, tmp_path):
    server.files = VOLUMES
    size = len(VOLUMES["set.7z.002"]) // 2
    server.faults.extend([Fault("none"), Fault("hang", after=size)])
    arguments = command(tmp_path, server, "STORED_7Z", CLASSES)
    killed(arguments, when=grown(tmp_path / "fetched/set.7z.002.part", size))
    finish(arguments)
    assert server.served == {name: len(content) for name, content in VOLUMES.items()}
    assert read_tree(tmp_path / "train") == IMAGES


def test_an_unpacking_killed_goes_on(server, tmp_path):
    # Many, so that the kill comes before the last.
    images = make_images(CLASSES, count=300, size=8)
    server.files = {"set.zip": make_zip(images)}
    arguments = command(tmp_path, server, "ZIP", CLASSES)
    killed(arguments, when=lambda: any(tmp_path.glob("train/*/*/*.png")))
    before = stamps(tmp_path / "train")
    assert 0 < len(before) < len(images)
    killed_while_writing(tmp_path / "train/bird/0_real/00000.png")
    finish(arguments)
    assert read_tree(tmp_path / "train") == images
    assert before.items() <= stamps(tmp_path / "train").items()
    assert server.served == {"set.zip": len(server.files["set.zip"])}


def test_classes_by_ranges_killed_go_on(server, tmp_path):
    server.files = {"set.zip": make_zip(IMAGES)}
    arguments = command(tmp_path, server, "ZIP", CLASSES, ("bird", "horse"))
    finish(command(tmp_path / "other", server, "ZIP", CLASSES, ("bird", "horse")))
    once = server.served.total()
    directory = len(server.asked) - 2  # the last two requests were for birds and for horses
    server.served.clear()
    server.faults.extend([Fault("none")] * (directory + 1) + [Fault("hang", after=10)])
    killed(arguments, when=server.hanging.is_set)
    server.release.set()
    written = {name for name in read_tree(tmp_path / "train") if name.endswith(".png")}
    assert written == {name for name in IMAGES if name[0] == "b"}
    finish(arguments)
    assert read_tree(tmp_path / "train") == {n: d for n, d in IMAGES.items() if n[0] in "bh"}
    birds = sum(len(data) for name, data in IMAGES.items() if name[0] == "b")
    # Twice the directory, but neither bird nor horse twice.
    assert server.served.total() < 2 * once - birds


def stamps(folder):
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*.png")}
